import { counted, figure } from './counts.ts';

/** What the operator reads when setting up or changing a council. */
export const COUNCIL_SETTINGS = {
  begin: 'Set up a council',
  code: 'ODS code of the council',
  codeHint: 'Take it from the Organisation Data Service. For example, V145.',
  codeWrong: (problem: string) => `The code ${problem}`,
  go: 'Continue',
  title: (name: string, code: string) => `${name} (${code})`,
  newTitle: (code: string) => `Set up council ${code}`,
  newLead:
    'Until a council is set up, it can send neither CSV files nor a file through an inbox. Ask the council for both telephone numbers in writing.',
  newThen: (code: string) =>
    `Council ${code} can then send files, and its people can sign in if their provider lets them.`,
  newExpected: 'It is expected already, so lookups that find nothing count it.',
  newNotExpected:
    'It is not expected yet: lookups do not count it, though plans that it sends are shown.',
  state: 'State',
  dataAsOf: 'Data as of',
  lastFile: 'Last file',
  plans: 'Plans held, including ended plans',
  expected: 'Expected to send its plans',
  isExpected: 'Yes: lookups that find nothing count this council',
  notExpected:
    'No: lookups do not count this council, though plans that it sends are shown. Once it is ready to send, add it to the list',
  noList: 'No list is set',
  expectIt: 'Change which councils are expected',
  change: 'Change this council',
  fields: {
    name: 'Name',
    office: 'Children’s social care, office hours',
    hours: 'When the office answers',
    emergency: 'Emergency duty team, nights, weekends and holidays',
    columns: 'What its CSV files call columns and plans',
    removalsWarnShare: 'Warn if a file takes away more than this share of its plans in force',
    removalsStopShare: 'Hold a file if it takes away more than this share of its plans in force',
    refusedWarnShare: 'Warn if more than this share of a file’s records is refused',
    refusedStopShare: 'Hold a file if more than this share of its records is refused',
    rowsWarnTimes: 'Warn if a file has more than this many times the usual number of rows',
    additionsStopTimes: 'Hold a file if it adds more than this many times the usual number of rows',
  },
  nameHint: 'As clinicians read it.',
  officeHint: 'Digits only, with or without + at the start, and no extension.',
  hoursHint:
    'For example, Mon-Thu 08:45-17:00, Fri 08:45-16:30. If you do not know the hours, leave this empty.',
  emergencyHint: 'Somebody must answer it at night.',
  settings: 'What is unusual in its files, and what its CSV files call columns',
  ownHint: (setting: string, kind: 'share' | 'times') =>
    `${kind === 'share' ? 'From 0 to 1' : 'From 1 upwards'}. If this is empty, ${setting} counts, as for every council.`,
  columnsHint:
    'JSON, as in the file of cp-flags authority set --columns. The council can also choose its columns itself, on its page Columns. If this is empty, the names of this service count.',
  notJson: 'must be JSON',
  notNumber: 'must be a number',
  hidden:
    'has [number] for something that this page does not show. Leave the whole field as it was, or write all of it again',
  wrong: (field: string, problem: string) => `${field}: ${problem}`,
  noneHeld: 'Not given',
  asForAll: 'As for every council',
  ownNames: 'The names of this service',
  officeStays: 'must be another number, because a number that was given cannot be removed',
  nothing: 'Change at least one of these',
  check: 'Check the change',
  confirm: 'Check this before it counts',
  changes: 'What changes',
  columns: ['What', 'Now', 'After the change'] as const,
  nameThen: (name: string) => `Clinicians, councils and officers then read “${name}”.`,
  numbersThen:
    'Clinicians ring these numbers when a child may be in danger. Ring each new number now. If the wrong person answers, do not make the change.',
  settingsThen: 'This counts from the council’s next file on, whichever way it comes.',
  save: 'Make this change',
  cancel: 'Do not change anything',
  done: {
    set: 'The change is made, and lookups use it within a second.',
    numbering: 'The numbering of this council’s files starts again.',
    plans: 'It is recorded that no plan of the council is missing.',
  },
  overtaken:
    'Somebody else, or a file, changed this council while you were on the page. Your change was not made. This is what counts now.',
  busy: 'Nothing was changed',
  numbering: 'Start a new numbering',
  numberingWhen:
    'Do this only if the council confirms that its case system starts its numbering again, or that its last number was mistyped.',
  numberingThen: (highest: number, dataAsOf: string | undefined) =>
    `The old numbering ends with ${highest}. The next file may have any number.${dataAsOf === undefined ? '' : ` Files made before ${dataAsOf} are refused from then on.`} This cannot be undone.`,
  numberingBegun: 'A new numbering has begun. The next file may have any number.',
  numberingNone: 'This council has loaded no file yet, so its numbering can start anywhere.',
  numberingMissing: (numbers: readonly number[]) =>
    `${numbers.length === 1 ? 'File' : 'Files'} ${numbers.join(', ')} ${numbers.length === 1 ? 'was' : 'were'} cut short and must be loaded again. Until then no new numbering can start. If the council cannot send ${numbers.length === 1 ? 'it' : 'them'} again, and will send a full refresh, say so below: the council counts as not up to date until its full refresh is loaded.`,
  fullRefreshFollows: 'The council will send a full refresh',
  fullRefreshWrong:
    'Have the missing files loaded first, or tick this if the council will send a full refresh',
  numberingSubmit: 'Start the new numbering',
  numberingOvertaken:
    'A file of this council was loaded, or a new numbering was started, while you were on the page. Nothing was changed. Look at its last file, and decide again.',
  plansTitle: 'Confirm that no plan is missing',
  plansWait:
    'What is held for this council is not what it sent, so plans may be missing. Ask it for a full refresh. Until that is loaded, it counts as not up to date.',
  plansThen: (number: number) =>
    `The store had lost plans of this council, and records of the full refresh that followed (file ${number}) were refused. One of them may be the plan that was lost. Ask the council whether any refused record is of a plan that should be held. If one is, the council corrects it and sends another full refresh. If none is, confirm this here: the council then counts as up to date again.`,
  plansReason: 'Say who at the council told you so.',
  plansOvertaken:
    'A file of this council was loaded while you were on the page. Nothing was changed. Look at what it says now, and decide again.',
  plansSubmit: 'Confirm that no plan is missing',
  remove: 'Entered by mistake?',
  removeThen:
    'A council that has never loaded a file can be removed. This takes the rights of Redis’s administrator, which this page does not have. Run this on the machine of a worker, as the administrator:',
  removeNot:
    'This council has loaded files, so it cannot be removed. Its plans stay shown, and if it stops sending, lookups must say so.',
} as const;

/** Which councils are expected to send their plans. */
export const EXPECTED = {
  title: 'Councils expected',
  lead: 'A lookup that finds no plan says which councils it covers: those on this list, and no other. A council on it that has not sent its data is out of date.',
  none: 'No list is set.',
  noneDemo: 'This demo expects every council that it knows.',
  noneLive: 'Until one is set, no lookup says that there is no plan.',
  area: 'Area',
  kind: 'What the list is',
  kinds: {
    all: 'Every council of the area',
    pilot: 'A pilot: only these councils',
  },
  kindHints: {
    all: 'Answers say “the 153 councils of (area)”. Choose this only if no council of the area is missing from the list.',
    pilot: 'Answers say “a pilot in (area)”, and name the councils if there are at most 25.',
  },
  since: 'In force since',
  sinceUnknown: 'An earlier version set it, so only the audit says when',
  digest: 'Digest',
  upToDate: 'Up to date',
  upToDateOf: (upToDate: number, expected: number) => `${figure(upToDate)} of ${figure(expected)}`,
  silent: 'Never sent anything',
  silentNone: 'None: each has sent at least one file',
  caption: 'Councils that are expected',
  columns: ['Council', 'State', 'Plans'] as const,
  others: 'Councils that are known but not expected',
  othersThen:
    'Their plans are shown, but no answer says that they are covered, or that they are out of date.',
  change: 'Change the list',
  add: 'ODS code of a council that joins (optional)',
  addHint: 'For example, V146.',
  name: 'Its name',
  nameHint: 'Leave this empty if the council is set up here already.',
  out: 'A council that leaves (optional)',
  nobody: 'None',
  whole: 'Change the whole list at once',
  areaHint: 'For example, England or North Yorkshire.',
  list: 'The councils',
  listHint: 'One on each line: its ODS code, then its name.',
  check: 'See what this would do',
  wrong: {
    nothing: 'Enter a council that joins, or choose one that leaves',
    same: 'Change something: the list is like this already',
    code: (problem: string) => `The code ${problem}`,
    already: 'This council is expected already',
    name: 'Enter its name, because the council is not set up here',
    line: (line: number) => `Line ${line} must have an ODS code and then a name`,
    list: (problem: string) => `The list ${problem}`,
    each: (line: number, problem: string) => `The council on line ${line} ${problem}`,
    area: (problem: string) => `The area ${problem}`,
    hidden: 'has [number] for something that this page does not show. Write it again',
    count: (count: number) =>
      `Enter ${figure(count)}, the number of councils that are then expected`,
  },
  confirm: 'Check what this would do',
  joins: 'Joins',
  leaves: 'Leaves',
  renamed: 'Has another name on the list',
  changes: 'What lookups count',
  changeColumns: ['What', 'Now', 'After the change'] as const,
  counted: 'Councils that lookups count',
  notFound: 'If no plan is found',
  told: 'The lookup says so',
  notTold: 'The lookup says “Could not check”',
  thenSays: 'Lookups that find no plan will then say',
  thenNamed: (expected: number) => `Lookups will then count ${counted(expected, 'council')}.`,
  dropsBelow: (least: string) =>
    `Fewer than ${least} of the councils would be up to date. From then on no lookup says that there is no plan: it says “Could not check” instead. Plans are still shown.`,
  begins:
    'No list is set now, so no lookup says that there is no plan. After this change, lookups say so.',
  risesAbove:
    'Too few councils are up to date now, so no lookup says that there is no plan. After this change, lookups say so. Make it only if the councils that leave have really left, and not to end the warning.',
  leavesWith: (name: string, plans: number) =>
    `${name}: ${plans === 0 ? 'it has sent no plan that is held here' : `the ${counted(plans, 'plan')} it has sent are still shown`}. From then on answers neither cover its children nor say that it is out of date. Tell care settings before you make this change.`,
  joinsNever: (name: string) =>
    `${name} has sent nothing yet. Until its first file is loaded, every lookup that finds no plan says that it is out of date.`,
  allShrinks: (area: string) =>
    `The list claims to have every council of ${area}. If one that leaves still has children there, answers will claim too much: set up a pilot instead.`,
  count: 'How many councils are then expected?',
  countHint: 'Enter the number, so that this is not done by accident.',
  submit: 'Change the list',
  cancel: 'Do not change anything',
  done: 'The list is changed, and lookups use it within a second.',
  overtaken:
    'Somebody else changed the list while you were on the page. Your change was not made. This is the list now.',
} as const;
