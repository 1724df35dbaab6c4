import type { CSV_COLUMNS } from '../uploads/columns.ts';

/** What a council reads where it says what its case system calls its columns. */
export const COLUMNS = {
  title: 'Columns of your CSV',
  lead: 'If your case system’s own export has other headings than ours, say here once which is which. Every file of yours is then read so, whichever way it comes. Spine XML needs none of this.',
  now: 'How your files are read now',
  own: 'By this service’s own names.',
  columns: ['Here', 'In your file'],
  values: 'Plan types',
  above: (lines: number) => `${lines === 1 ? '1 line' : `${lines} lines`} above the headings.`,
  noneSuch: 'no such column',
  file: 'Choose a file, and its headings are shown',
  look: 'Look at its headings',
  hint: (mib: number) =>
    `A CSV as your case system writes it, up to ${mib} MiB. It is deleted after half an hour, or once you have sent it.`,
  reset: 'Go back to our own names',
  choose: 'Which column is which?',
  chooseLead:
    'Proposed by the headings and by what the values look like. Check each. The examples show the form of the values alone: X and x for letters, # for digits.',
  headingsTitle: 'The headings of your file',
  headings: ['Heading', 'What its values look like'],
  none: 'no such column',
  pick: 'choose a heading',
  notKept: 'not in the file',
  typesTitle: 'What your file calls plans',
  typesLead: 'Say what each is. A row with a plan that is left out is refused.',
  leaveOut: 'none of these: refuse its rows',
  sequence: 'Number of this file',
  sequenceHint: 'It is needed to show what the file would do.',
  save: 'Keep this and show what the file would do',
  again: 'Say what each plan is in the column that you have chosen now',
  names: {
    nhs_number: 'NHS number',
    date_of_birth: 'Date of birth',
    plan_type: 'Kind of plan',
    start_date: 'Start of the plan',
    end_date: 'End of the plan, or due date',
    delete_date: 'Deleted as entered in error',
    local_id: 'Your own id of the child',
    given_name: 'Given name',
    family_name: 'Family name',
  } satisfies Record<(typeof CSV_COLUMNS)[number], string>,
  wrong: {
    missing: (name: string) => `Choose the column: ${name}`,
    twice: (name: string) => `This heading is chosen twice: ${name}`,
    tooLong: (name: string) => `The heading is longer than 100 characters: ${name}`,
    repeated: (name: string) =>
      `The file has this heading more than once, so it is not clear which is meant: ${name}`,
    values: 'This column has more than 30 different values, so it is not the kind of plan',
    sequence: 'The number must be digits only',
    mapping: 'This cannot be kept. Check each column',
  },
  unread: {
    compressed:
      'This file is compressed. Choose it unpacked: once its columns are known it can be sent packed',
    xml: 'This is XML, which needs no columns. Choose a CSV',
    'not-text':
      'This is no text in UTF-8, perhaps a workbook. Save it as CSV UTF-8 and choose that',
    'no-headings':
      'No line with at least five headings was found at its beginning. Choose a CSV with commas between its columns',
  },
  gone: 'This file is not there any more',
  goneThen: 'It was deleted after half an hour. Nothing was changed. Choose it again.',
  done: 'Your files are read by this service’s own names from now on.',
} as const;
