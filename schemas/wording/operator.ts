/** What the people who run the service read on their own pages. Never an NHS number or a council's own id of a child. */

const count = (number: number, one: string, several = `${one}s`): string =>
  `${number.toLocaleString('en-GB')} ${number === 1 ? one : several}`;

/** Where they can go. */
export const OPERATOR = {
  home: 'Service',
  councils: 'Councils',
  files: 'Held files',
  messages: 'Messages',
  users: 'Blocked users',
  running: 'What runs here',
  runbook: 'What to do',
  asOf: (time: string) => `As of ${time}.`,
  again: 'Look again',
  byCommand: 'By command:',
  since: (time: string) => `Since ${time}.`,
  whatToDo: 'What to do',
  choose: 'Choose one of them',
  numberInText: 'Leave out anything that looks like an NHS number (ten digits)',
  named: (problem: string) => `The name ${problem}`,
  failed: 'It was not done',
} as const;

/** Of the first page: are we answering. */
export const ANSWERING = {
  all: 'Lookups are answered',
  allAnd: (concerns: number) => `Lookups are answered. ${count(concerns, 'thing')} to see to`,
  some: 'Some lookups are not answered',
  none: 'No lookup is answered',
  unknown: 'It is not known whether lookups are answered',
  noneThen:
    'Clinicians who look a child up now read “Could not check”. Tell the care settings that this is not a “no”, and that they must ring the council where the child lives.',
  someThen:
    'Clinicians who are sent to a process that does not answer read “Could not check”. Take it out of the load balancer until it answers.',
  unknownThen:
    'Processes report here every ten seconds, and none that answers lookups has done so. Look at their addresses /_status.',
  levels: { stops: 'Stops lookups', partly: 'Stops some lookups', warns: 'See to this' },
  concerns: 'What to see to, worst first',
  nothing: 'Nothing needs seeing to.',
  processFails: (name: string, checks: readonly string[]) =>
    `Process ${name} reports that ${checks.length === 1 ? 'a check fails' : 'checks fail'}: ${checks.join(', ')}. Its address /_status says what to do.`,
  processNotReady: (name: string) => `Process ${name} does not answer lookups.`,
  processPartly: (name: string) => `Process ${name} did not answer lookups for part of a minute.`,
  processSilent: (name: string, time: string) =>
    `Process ${name} has not reported since ${time}. If it was not stopped on purpose, look at its log and start it again.`,
  noFigures: 'What other processes report cannot be read. Give Redis the users of this version.',
  behind: (behind: number, expected: number) =>
    `${behind} of ${count(expected, 'council')} ${behind === 1 ? 'is' : 'are'} behind.`,
  held: (files: number) => `${count(files, 'held file')} ${files === 1 ? 'waits' : 'wait'}.`,
  expires: (what: string, time: string) => `${what} expires on ${time}.`,
  expired: (what: string) => `${what} has expired.`,
  speed: 'The last hour, all processes',
  speedSum: (lookups: number, failed: number) =>
    `${count(lookups, 'lookup')}; ${failed === 0 ? 'every one could be checked' : `${failed.toLocaleString('en-GB')} could not be checked`}.`,
  speedTook: (half: string, most: string) =>
    `Half of the requests took ${half}, and 99 of 100 took ${most}.`,
  within: (milliseconds: string) => `${milliseconds} ms or less`,
  over: 'more than 10 s',
  noRequests: 'No request was measured.',
  charts: {
    lookups: 'Lookups each minute',
    failed: 'Lookups that could not be checked, each minute',
    half: 'Within how many milliseconds half of the requests were answered',
    most: 'Within how many milliseconds 99 of 100 requests were answered',
    minute: 'Minute',
    lookupsColumn: 'Lookups',
    failedColumn: 'Could not check',
    millisecondsColumn: 'Milliseconds',
  },
  audit: 'The audit',
  checks: (passing: number, all: number) => `All checks: ${passing} of ${all} pass`,
  checkColumns: ['Check', 'State', 'What is so'] as const,
  passes: 'Passes',
  fails: 'Fails',
  otherProcesses: 'Checks are those of this process; others say by name which of theirs fail.',
} as const;

/** Of the councils. */
export const FRESHNESS = {
  title: 'Councils',
  lead: (upToDate: number, expected: number) =>
    `${upToDate} of ${count(expected, 'council')} ${upToDate === 1 ? 'is' : 'are'} up to date. Those that are behind come first.`,
  none: 'No council is known here yet.',
  caption: 'How fresh the data of each council is',
  columns: ['Council', 'State', 'Data as of', 'Last file', 'Plans'] as const,
  upToDate: 'Up to date',
  behind: (hours: number) =>
    `Behind for ${hours < 48 ? count(hours, 'hour') : count(Math.floor(hours / 24), 'day')}. Ask for its newest file`,
  never: 'Never loaded. Ask for its first file',
  unknown: 'Expected, not known here. Load its first file',
  differs: 'The store differs from what was loaded. Load its newest file',
  fromFuture: 'Its data is from the future. Check the clocks',
  file: (number: number, received: string, code: string) =>
    `${number}, received ${received}: ${code}`,
  fileUnknown: (number: number) => String(number),
  waits: (number: number) => `File ${number} waits`,
} as const;

/** Of files that wait. */
export const HELD = {
  title: 'Held files',
  lead: 'Ring the council on a number that you know, before you decide.',
  nothing: 'Nothing is held.',
  caption: 'Files that wait',
  columns: ['File', 'Waits since', 'Why', 'Discarded on'] as const,
  file: (number: number, council: string) => `File ${number} of ${council}`,
  forPds: 'Records wait to be traced in PDS. They are loaded automatically.',
  whole: (records: number) => `All ${count(records, 'record')} of it wait.`,
  part: (rows: number, leftOut: number) =>
    `${count(rows, 'row')}${leftOut === 0 ? '' : `, and ${count(leftOut, 'row')} to take away,`} ${rows + leftOut === 1 ? 'waits' : 'wait'}; the rest is applied.`,
  untraced: (records: number) => `${count(records, 'record')} wait to be traced.`,
  decide: 'What do you want to do with it?',
  release: 'Let it through',
  releaseHint:
    'It is compared with what is held now, and applied. Plans that it ends or deletes are then no longer shown as in force.',
  discard: 'Discard it',
  discardHint: 'What waits is not applied. Plans are still shown.',
  confirmedBy: 'Who at the council confirmed this?',
  confirmedByHint: 'Name and job. It goes into the audit.',
  confirmedByMissing: 'Enter who at the council confirmed this',
  submit: 'Decide',
  underWay: 'It is being done',
  underWayThen: 'A large file takes minutes. Look again.',
  became: 'Result',
  nothingWaits: 'Nothing of this file waits',
  nothingWaitsThen:
    'It was discarded, was replaced by a file with the same number, or was never held.',
  outcome: (code: string, meaning: string) => `${code} ${meaning}`,
  sentence: (text: string) => `${text}.`,
} as const;

/** Of the mailbox in MESH and of notifications. */
export const MESSAGES = {
  title: 'Messages',
  mesh: 'MESH',
  noMailbox: 'No mailbox in MESH is set for this process.',
  lastAsked: (time: string) => `Last asked what there is: ${time}.`,
  neverAsked: 'Never asked what there is.',
  nothing: 'No message waits.',
  caption: 'Messages that are not delivered',
  columns: ['Message', 'To', 'State', 'Written'] as const,
  states: {
    waiting: 'Waits to be sent',
    asked: 'MESH is asked whether it has it',
    sending: 'Is being sent',
    sent: 'Sent, not fetched yet',
    delivered: 'Delivered',
    failed: 'Not delivered',
    unclear: 'Unclear',
    dropped: 'Given up',
  },
  sentTimes: (attempt: number) => `, sent ${attempt} times`,
  more: (more: number) => `${count(more, 'more message')} not shown: cp-flags mesh list --all`,
  unfetched: (id: string, detail: string) => `Message ${id} is not fetched: ${detail}`,
  decide: 'What do you want to do with it?',
  resend: 'Send it again',
  resendHint: 'It goes out again under a new id. Its recipient may get it twice.',
  drop: 'Give it up',
  dropHint: 'It is not sent any more, and what is kept of it is removed. This cannot be undone.',
  submit: 'Decide',
  changed: 'It has changed since. Look at it again before you decide.',
  notifications: 'Notifications to councils',
  counts: (read: number, behind: number, unwritten: number) =>
    `${count(read, 'event')} of the audit read, ${behind} to read; ${count(unwritten, 'notification')} to be written.`,
  oldest: (time: string) =>
    `The oldest access that no council has been notified of is from ${time}.`,
  unreadable: (events: number) => `${count(events, 'event')} could not be read.`,
  noneWait: 'Every council was notified of every access so far.',
  unwrittenCaption: 'Councils whose notifications wait for the outbox',
  unwrittenColumns: ['Council', 'Wait', 'Kept'] as const,
} as const;

/** Of users whom the operator has stopped. */
export const BLOCKED = {
  title: 'Blocked users',
  lead: 'A blocked user can look nobody up, within two seconds, by any system or in a browser.',
  nobody: 'Nobody is blocked.',
  caption: 'Who is blocked',
  columns: ['User', 'Issuer', 'Since', 'By', 'Why'] as const,
  block: 'Block a user',
  user: 'User id',
  userHint: 'As the audit has it, for example 555021935107.',
  userWrong: (problem: string) => `The user id ${problem}`,
  issuer: 'Whose user is it?',
  submit: 'Block',
  alreadyBlocked: 'This user was already blocked.',
  unblock: (user: string) => `Unblock ${user}`,
  unblockThen: (user: string, issuer: string) =>
    `${user} of ${issuer} can then look children up again.`,
  unblockSubmit: 'Unblock',
} as const;

/** Of processes, versions, replicas and what ends. */
export const RUNNING = {
  title: 'What runs here',
  processes: 'Processes',
  caption: 'Processes that reported in the last hour',
  columns: ['Process', 'Role', 'State', 'Version', 'Node', 'OpenSSL'] as const,
  none: 'No process has reported yet.',
  ready: 'Ready',
  notReady: 'Not ready',
  ended: (time: string) => `Ended at ${time}`,
  silent: (time: string) => `Silent since ${time}`,
  own: ' (this one)',
  server: (version: string) => `Redis ${version}.`,
  noServer: 'Redis did not answer.',
  replicas: 'Replicas',
  noReplicas: 'No answer waits for a replica: REDIS_REPLICAS is not set.',
  attached: (attached: readonly string[], required: number) =>
    `${attached.length} attached${attached.length === 0 ? '' : ` (${attached.join(', ')})`}, ${required} required.`,
  confirmations: 'Confirmations by a named person',
  confirmationsThen:
    'Where the store stays closed for a reason, a check on the first page says so. A person then decides on the machine of the worker, by one of these commands:',
  commands: [
    ['A replica was promoted, and the server before it is lost', 'cp-flags confirm promotion'],
    ['The data folder was last in use over a day ago', 'cp-flags confirm old-copy'],
    ['A lookup process is to serve another dataset', 'cp-flags confirm dataset ID'],
    ['Answers are not to wait for replicas for a while', 'cp-flags replicas single'],
    ['Answers are to wait for replicas again', 'cp-flags replicas require'],
  ] as const,
  commandNeeds: 'Each needs --by NAME and --reason TEXT, and is audited.',
  expires: 'What expires',
  expiresCaption: 'Certificates and keys',
  expiresColumns: ['What', 'Ends', 'File changed'] as const,
  issuerKeys: (issuer: string) => `Keys of ${issuer}, unless fetched again`,
  providerSecret: (provider: string) => `Secret or key of sign-in provider ${provider}`,
  noEnd: 'Has no end',
  unreadable: 'Cannot be read',
} as const;

export const RUNBOOK = {
  title: 'What to do',
  lead: 'For the person on call: what is wrong, what to look at, and what to do.',
  absent:
    'It was not installed with this service. It is docs/operating/alerts.md in the repository.',
} as const;
