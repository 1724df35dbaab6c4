import type { CSV_COLUMNS } from '../uploads/columns.ts';

/** What a council reads where it says what its case system calls its columns. */
export const COLUMNS = {
  title: 'Columns of your CSV',
  lead: 'If the export from your case system has different headings from ours, say here once which column is which. All your CSV files are then read in this way, however you send them. You do not need this for Spine XML.',
  now: 'How your files are read now',
  headingsCaption: 'Headings',
  own: 'By this service’s own headings.',
  columns: ['Here', 'In your file'],
  values: 'Plan types',
  above: (lines: number) => `${lines === 1 ? '1 line' : `${lines} lines`} above the headings.`,
  noneSuch: 'no such column',
  file: 'Choose a file to see its headings',
  look: 'Show its headings',
  hint: (mib: number) =>
    `Choose a CSV as your case system writes it, up to ${mib} MiB. It is deleted after 30 minutes, or when you have sent it.`,
  reset: 'Go back to this service’s own headings',
  choose: 'Which column is which?',
  chooseLead:
    'We have suggested columns by their headings and by what their values look like. Check each one. The examples show only the form of the values: X and x stand for letters, and # for digits.',
  headingsTitle: 'The headings of your file',
  headings: ['Heading', 'What its values look like'],
  none: 'no such column',
  pick: 'choose a heading',
  notKept: 'not in the file',
  typesTitle: 'What your file calls plans',
  typesLead:
    'Choose what each one means, and check what is chosen already. Rows with a kind of plan that you leave out are refused.',
  leaveOut: 'none of these: refuse these rows',
  save: 'Save this and show what the file would do',
  again: 'Choose what each value in the column for the kind of plan means',
  names: {
    nhs_number: 'NHS number',
    date_of_birth: 'Date of birth',
    plan_type: 'Kind of plan',
    start_date: 'Start of the plan',
    end_date: 'End of the plan, or due date',
    delete_date: 'Date deleted, if entered in error',
    local_id: 'Local id (your own id for the child)',
    given_name: 'Given name',
    family_name: 'Family name',
  } satisfies Record<(typeof CSV_COLUMNS)[number], string>,
  wrong: {
    missing: (name: string) => `Choose the column for: ${name}`,
    twice: (name: string) => `You chose this heading twice: ${name}`,
    tooLong: (name: string) => `The heading is longer than 100 characters: ${name}`,
    repeated: (name: string) =>
      `The file has this heading more than once, so it is not clear which column you mean: ${name}`,
    values: 'This column has more than 30 different values, so it cannot be the kind of plan',
    mapping: 'This cannot be saved. Check each column',
  },
  unread: {
    compressed:
      'This file is compressed. Choose one that is not: once its columns are known, you can send it compressed',
    xml: 'This is XML, so you do not need to choose columns. Choose a CSV',
    'not-text':
      'This file is not text in UTF-8. It may be a workbook. Save it as “CSV UTF-8” and choose that',
    'no-headings':
      'No line with five or more headings was found at the top. Choose a CSV with commas between its columns',
  },
  gone: 'This file is no longer here',
  goneThen: 'It was deleted after 30 minutes. Nothing was changed. Choose the file again.',
  overtaken:
    'Somebody else changed the columns while you were on this page. Your change was not made. This is how your files are read now. To change it, choose the file again.',
  done: 'Your files are now read by this service’s own headings.',
} as const;
