/** What a council reads of the numbers that clinicians ring, and of how fresh its data is. */
export const NUMBERS = {
  title: 'Telephone numbers',
  lead: 'Clinicians ring these with the child still there. Ring both after each change.',
  now: 'What clinicians are shown',
  office: 'Children’s social care, office hours',
  hours: 'When the office answers',
  emergency: 'Emergency duty team, nights, weekends and holidays',
  notGiven: 'Not given',
  given: (time: string) => `given at ${time}`,
  givenUnknown: 'it is not known when it was given',
  files:
    'Spine XML files carry numbers too: the next file that has one replaces what you give here. Correct them in your case system as well. A CSV file has none.',
  change: 'Change them',
  officeHint:
    'Digits, with or without a leading +, without an extension. Leave it empty to keep the number.',
  hoursHint:
    'For example Mon-Thu 08:45-17:00, Fri 08:45-16:30. Clinicians are shown the number that answers at that moment first. Empty if it is not known.',
  emergencyHint: 'It must be answered at night. Leave it empty to keep the number.',
  check: 'Check the change',
  wrong: (field: string, problem: string) => `${field} ${problem}`,
  fields: {
    office: 'The office number',
    hours: 'The office hours',
    emergency: 'The emergency duty team’s number',
  },
  nothing: 'Enter at least one number or the hours that differ from what is shown now',
  confirm: 'Check these numbers before clinicians see them',
  confirmLead:
    'A wrong number is dangerous: somebody with a child in danger would ring it. Ring each new number now, and change nothing if somebody else answers.',
  columns: ['Which', 'Now', 'From now on'],
  unchanged: 'unchanged',
  rang: 'I have rung each new number, and the right team answered',
  rangWrong: 'Ring each new number, then tick the box',
  save: 'Show these numbers to clinicians',
  cancel: 'Change nothing',
  overtaken:
    'The numbers were changed by somebody else, or by a file, while you looked. Nothing was done. These are the numbers now.',
  done: 'Clinicians are shown the new numbers from now on.',
} as const;

export const FRESHNESS = {
  title: 'How fresh your data is',
  lastFile: 'Your last good file was made at',
  never: 'No file has been loaded yet',
  due: 'The next one is due by',
  overdue: (time: string) => `It was due by ${time}`,
  shown: 'What clinicians are told',
  upToDate: 'Your council is up to date.',
  behind:
    'Your council is out of date. Where no plan is found they are told so by name, and to ring you if the child may live in your area. Plans that are held go on being shown.',
  differs:
    'What is held differs from what you sent, so your council counts as out of date until a file agrees. Ask the operator.',
} as const;
