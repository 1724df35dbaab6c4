/** The access that a test's case is about. */
export const ACCESS = {
  entry: 1,
  accessId: '00000000-0000-4000-8000-000000000001',
  organisation: 'ZZH01',
  about: 'nurse',
};
/** Who takes the steps of a test's case. */
export const OFFICER = { key: 'officer', event: { by: 'An Officer' } };
