/** What a council reads about the numbers that clinicians ring, and how fresh its data is. */
export const NUMBERS = {
  title: 'Telephone numbers',
  lead: 'Clinicians ring these numbers while the child is still with them. After each change, ring both yourself to check that they work.',
  now: 'What clinicians are shown',
  office: 'Children’s social care, office hours',
  hours: 'When the office answers',
  emergency: 'Emergency duty team, nights, weekends and holidays',
  notGiven: 'Not given',
  given: (time: string) => `given at ${time}`,
  givenUnknown: 'it is not known when it was given',
  files:
    'Spine XML files also contain telephone numbers. The next file that has one replaces what you enter here, so correct the numbers in your case system as well. CSV files contain none.',
  change: 'Change the numbers',
  officeHint:
    'Enter digits only. The number may start with +, but must not have an extension. To keep the number as it is, leave this empty.',
  hoursHint:
    'For example, Mon-Thu 08:45-17:00, Fri 08:45-16:30. Clinicians see first the number that is answered at that time. To remove the hours, empty this field.',
  emergencyHint: 'Somebody must answer it at night. To keep the number as it is, leave this empty.',
  check: 'Check the change',
  wrong: (field: string, problem: string) => `${field} ${problem}`,
  fields: {
    office: 'The office number',
    hours: 'The office hours',
    emergency: 'The emergency duty team’s number',
  },
  nothing: 'Enter a number or hours that are different from those shown now',
  confirm: 'Check these numbers before clinicians see them',
  confirmLead:
    'A wrong number is dangerous, because clinicians ring it when a child may be in danger. Ring each new number now. If the wrong person answers, do not make the change.',
  changes: 'What changes',
  columns: ['Number', 'Now', 'After the change'],
  unchanged: 'unchanged',
  same: 'Both numbers are the same. Is it answered at night, at weekends and on holidays too? Clinicians have no other number to ring.',
  rang: 'I have rung each new number, and the right team answered',
  rangWrong: 'Ring each new number, then tick the box',
  save: 'Show these numbers to clinicians',
  cancel: 'Do not change anything',
  overtaken:
    'Somebody else, or a file, changed the numbers while you were on this page. Your change was not made. These are the numbers now.',
  done: 'Clinicians now see the new numbers.',
} as const;

export const FRESHNESS = {
  title: 'How up to date your data is',
  lastFile: 'Last good file made',
  never: 'No file has been loaded yet',
  due: 'Next file due by',
  overdue: (time: string) => `It was due by ${time}`,
  shown: 'What clinicians see',
  upToDate: 'Your council is up to date.',
  notAnswered: 'At the moment clinicians see “Could not check” for every child.',
  behind:
    'Your council is out of date. When no plan is found, clinicians see this with your council’s name, and are asked to ring you if the child may live in your area. Plans that are held are still shown.',
  differs:
    'What is held here is different from what you sent, so your council counts as out of date. Ask the team that runs this service.',
} as const;
