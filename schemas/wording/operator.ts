import { counted, figure, presentOf } from './counts.ts';

/** What the people who run the service read on their own pages. Never an NHS number or a council's own id of a child. */

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
  choose: 'Choose one of these',
  named: (problem: string) => `The name ${problem}`,
  failed: 'This was not done',
  /** In the log at the start, if a provider lets officers in. */
  noOperator:
    'OPERATOR_ODS_CODE is not set. So nobody may open the operator’s pages, and no privacy officer sees the whole audit. If somebody should, set it to the ODS code of the organisation that runs the service. Lookup processes and workers need it.',
} as const;

/** The first page: whether lookups are answered. */
export const ANSWERING = {
  all: 'Lookups are answered',
  allAnd: (concerns: number) => `Lookups are answered. ${counted(concerns, 'thing')} to deal with`,
  withheld: 'Plans are shown, but no lookup says that there is no plan',
  some: 'Some lookups are not answered',
  none: 'No lookup is answered',
  unknown: 'It is not known whether lookups are answered',
  noneThen:
    'Clinicians who look a child up now see “Could not check”. Tell the care settings that this does not mean “no plan”, and that they must ring the council where the child lives.',
  withheldThen:
    'Too few councils are up to date. Where no plan is found, clinicians see “Could not check”. Ask each council that is out of date for its newest file.',
  someThen:
    'Clinicians see “Could not check” if their request goes to a process that does not answer. Take that process out of the load balancer until it answers.',
  unknownThen:
    'Each process that answers lookups should report here every ten seconds. None has done so. Open /_status at the address of each process.',
  levels: { stops: 'Stops lookups', partly: 'Stops some lookups', warns: 'Deal with this' },
  concerns: 'What to deal with, most urgent first',
  nothing: 'There is nothing to deal with.',
  processFails: (name: string, checks: readonly string[]) =>
    `Process ${name} reports that ${checks.length === 1 ? 'a check fails' : 'checks fail'}: ${checks.join(', ')}. Its address /_status says what to do.`,
  processNotReady: (name: string) => `Process ${name} does not answer lookups.`,
  processPartly: (name: string) => `Process ${name} did not answer lookups for part of a minute.`,
  processSilent: (name: string, time: string) =>
    `Process ${name} has not reported since ${time}. If nobody stopped it on purpose, look at its log and start it again.`,
  noFigures: {
    notAllowed:
      'The reports of other processes cannot be read. Give Redis the users (ACL files) of this version.',
    unanswered: 'The reports of other processes cannot be read while Redis does not answer.',
  },
  behind: (behind: number, expected: number) =>
    `${figure(behind)} of ${counted(expected, 'council')} ${behind === 1 ? 'is' : 'are'} out of date.`,
  held: (files: number) =>
    `${counted(files, 'held file')} ${files === 1 ? 'is' : 'are'} waiting for a decision.`,
  expires: (what: string, time: string) => `${what} expires at ${time}.`,
  expired: (what: string) => `${what} has expired.`,
  speed: 'The last hour, across all processes',
  speedSum: (lookups: number, failed: number) =>
    `${counted(lookups, 'lookup')}. ${failed === 0 ? 'All could be checked' : `${figure(failed)} could not be checked`}.`,
  speedTook: (half: string, most: string) =>
    `Half of all requests took ${half}, and 99 in 100 took ${most}.`,
  within: (milliseconds: string) => `${milliseconds} ms or less`,
  over: 'more than 10 s',
  noRequests: 'No request was measured.',
  charts: {
    lookups: 'Lookups each minute',
    failed: 'Lookups that could not be checked, each minute',
    half: 'Time within which half of requests were answered, in milliseconds',
    most: 'Time within which 99 in 100 requests were answered, in milliseconds',
    minute: 'Minute',
    lookupsColumn: 'Lookups',
    failedColumn: 'Could not check',
    millisecondsColumn: 'Milliseconds',
  },
  audit: 'The audit',
  notCopied: 'No second copy of the audit is kept (AUDIT_COPY is not set).',
  notWitnessed: 'No witness cosigns the audit (AUDIT_WITNESSES is not set).',
  checks: (passing: number, all: number) => `All checks: ${passing} of ${all} pass`,
  checkColumns: ['Check', 'State', 'Detail'] as const,
  passes: 'Passes',
  fails: 'Fails',
  fail: 'What is wrong in this process',
  commandsAt: (machine: string) =>
    `While this page cannot be shown, run a command that a check names on the machine of the worker, ${machine}, with the worker’s settings.`,
  status: 'All checks of this process, as the address /_status gives them to programs',
  otherProcesses:
    'These are the checks of this process. If a check of another process fails, it is listed above.',
} as const;

/** The councils. */
export const FRESHNESS = {
  title: 'Councils',
  lead: (upToDate: number, expected: number) =>
    `${figure(upToDate)} of ${counted(expected, 'council')} ${upToDate === 1 ? 'is' : 'are'} up to date. Councils that are out of date come first.`,
  none: 'No council is known here yet.',
  caption: 'How up to date each council’s data is',
  columns: ['Council', 'State', 'Data as of', 'Last file', 'Plans'] as const,
  upToDate: 'Up to date',
  behind: (since: string) => `Out of date since ${since}. Ask for its newest file`,
  never: 'Never loaded. Ask for its first file',
  unknown: 'Expected, but not set up here. Set it up, or load its first file',
  differs: 'What is held is not what was sent. The checks say which file to ask for',
  fromFuture: 'Its data is dated in the future. Check the clocks',
  file: (number: number, received: string, code: string) =>
    `${number}, received ${received}: ${code}`,
  notAnswered:
    'No lookup is answered at the moment, whatever stands below: that is what Redis holds, and it may not be what was loaded.',
  waits: (number: number) => `File ${number} is held`,
} as const;

/** Files that wait. */
export const HELD = {
  title: 'Held files',
  lead: 'Before you decide, ring the council on a number that you already know.',
  nothing: 'No files are held.',
  caption: 'Held files',
  columns: ['File', 'Held since', 'Why', 'Discarded on'] as const,
  file: (number: number, council: string) => `File ${number} of ${council}`,
  forPds:
    'Records are waiting to be traced in PDS. They are loaded automatically if they can be traced in time.',
  whole: (records: number) => `The whole file is held: ${counted(records, 'record')}.`,
  part: (rows: number, leftOut: number, isRestApplied: boolean) =>
    `${presentOf([rows, counted(rows, 'row')], [leftOut, `${counted(leftOut, 'row')} to remove`])} ${rows + leftOut === 1 ? 'is' : 'are'} held. ${isRestApplied ? 'The rest of the file is applied.' : 'Nothing in the file is applied yet.'}`,
  untraced: (records: number) =>
    `${counted(records, 'record')} ${records === 1 ? 'is' : 'are'} waiting to be traced.`,
  decide: 'What do you want to do with it?',
  release: 'Release it',
  releaseHint:
    'What is held is compared with the plans as they are now, and applied. Plans that it ends or deletes are then no longer shown as in force.',
  discard: 'Discard it',
  discardHint: 'What is held is not applied. The plans are still shown as they are now.',
  confirmedBy: 'Who at the council confirmed this?',
  confirmedByHint:
    'Enter their name and job. This is recorded in the audit. If you discard the file, you can leave this empty.',
  submit: 'Decide',
  done: {
    release: 'Released: what was held is compared with the plans as they are now',
    discard: 'Discarded: what was held is not applied',
  },
  replaced: 'Another file came',
  overtaken:
    'A new file with the same number came while you were on this page. Your decision was not carried out. Look at the new file, and ring the council again.',
  underWay: 'This is being done',
  underWayThen: 'A large file takes some minutes. Look again later.',
  lastFailed: 'The last decision on this file failed.',
  lastFailedUnknown: 'The log of this process says why.',
  lastFailedThen: 'Look at what is still held, then decide again.',
  became: 'Result',
  nothingWaits: 'No part of this file is held',
  decidedElse:
    'Your decision was not carried out. Somebody else released or discarded it while you were on this page, or a new file with the same number came.',
  nothingWaitsThen:
    'Somebody may have released or discarded it. Or a new file with the same number came.',
  outcome: (code: string, meaning: string) => `${code} ${meaning}`,
  sentence: (text: string) => `${text}.`,
} as const;

/** What of a file waits, on a page and on the command line. */
export const whatWaits = ({
  whole,
  untraced,
  acknowledgement: { counts, held },
}: {
  whole: boolean;
  untraced?: unknown;
  acknowledgement: {
    counts: { accepted: number };
    held?: { records: number; rows: number; leftOut: number } | undefined;
  };
}): string => {
  if (held === undefined) return '';
  if (untraced !== undefined) return HELD.untraced(held.records);
  return whole ? HELD.whole(held.records) : HELD.part(held.rows, held.leftOut, counts.accepted > 0);
};

/** The mailbox in MESH, and notifications. */
export const MESSAGES = {
  title: 'Messages',
  mesh: 'MESH',
  noMailbox: 'This process has no MESH mailbox.',
  lastAsked: (time: string) => `The mailbox was last checked at ${time}.`,
  neverAsked: 'The mailbox has not been checked yet.',
  nothing: 'No messages are waiting.',
  caption: 'Messages that are not delivered',
  columns: ['Message', 'To', 'State', 'Written'] as const,
  states: {
    waiting: 'Waiting to be sent',
    asked: 'Asking MESH whether it has the message',
    sending: 'Being sent',
    sent: 'Sent, not fetched yet',
    delivered: 'Delivered',
    failed: 'Not delivered',
    unclear: 'Not known',
    dropped: 'Given up',
  },
  attempt: (attempt: number) => `, try ${attempt}`,
  more: (more: number) =>
    `${counted(more, 'more message')} not shown. To see all, use cp-flags mesh list --all`,
  unfetched: (id: string, detail: string) => `Message ${id} has not been fetched: ${detail}`,
  decide: 'What do you want to do with it?',
  resend: 'Send it again',
  resendHint: 'The message is sent again with a new id. The recipient may get it twice.',
  drop: 'Give it up',
  dropHint: 'The message is not sent again, and the copy here is deleted. This cannot be undone.',
  submit: 'Decide',
  done: {
    resend: 'The message is sent again with a new id.',
    drop: 'The message was given up. It is not sent again, and the copy here is deleted.',
  },
  gone: 'This message no longer waits for a decision',
  goneThen: 'Somebody else may have decided, or it was delivered. Nothing was done.',
  changed:
    'The message changed before your decision was recorded, so nothing was done. Look at the message again before you decide.',
  notifications: 'Notifications to councils',
  counts: (read: number, behind: number, unwritten: number) =>
    `${counted(read, 'audit event')} read, ${figure(behind)} still to read. ${counted(unwritten, 'notification')} ready and still to write.`,
  oldest: (time: string) =>
    `The oldest access that no council has been notified of was at ${time}. Accesses are collected for some minutes before their notification is ready.`,
  unreadable: (events: number) => `${counted(events, 'event')} could not be read.`,
  noneWait: 'Councils have been notified of every access so far.',
  resendNotifications: 'Write notifications again',
  unwrittenCaption: 'Councils with notifications that are still to be written to the outbox',
  unwrittenColumns: ['Council', 'Waiting', 'Kept'] as const,
} as const;

/** Notifications that a council has lost. */
export const RESEND = {
  title: 'Write notifications again',
  lead: 'If a council lost its notifications, have them written once more. They keep their ids, so that the council knows those it has. A worker writes them within seconds.',
  nothing: 'None is kept here.',
  which: 'Which council?',
  council: (name: string, code: string, kept: number) =>
    `${name === '' ? code : `${name} ${code}`} (${counted(kept, 'notification')} kept)`,
  after: 'Id of the last notification that the council has (optional)',
  afterHint:
    'For example, 000000001204.0000. If you leave it empty, all that are kept are written.',
  afterWrong: 'Enter the id of a notification, such as 000000001204.0000',
  noneAfter: 'No notification that comes after this one is kept',
  submit: 'Write again',
  done: (notifications: number) =>
    `${counted(notifications, 'notification')} ${notifications === 1 ? 'is' : 'are'} written again`,
  doneThen:
    'A worker writes them into the outbox within seconds, if it has one. The council can also read what is kept with GET /notifications.',
} as const;

/** Users whom the operator has stopped. */
export const BLOCKED = {
  title: 'Blocked users',
  lead: 'A blocked user can no longer look anybody up, in a browser or with a system. This takes effect within two seconds.',
  nobody: 'Nobody is blocked.',
  caption: 'Blocked users',
  columns: ['User id', 'Signed in with', 'Blocked since', 'Blocked by', 'Reason'] as const,
  block: 'Block a user',
  user: 'User id',
  userHint: 'As it is shown in the audit. For example, 555021935107.',
  userWrong: (problem: string) => `The user id ${problem}`,
  issuer: 'Who does the user sign in with?',
  submit: 'Block',
  submitAgain: 'Block all the same',
  blocked: (user: string, issuer: string) =>
    `${user}, who signs in with ${issuer}, is blocked. This takes effect within two seconds.`,
  unblocked: 'The user is no longer blocked.',
  alreadyBlocked: 'This user was already blocked.',
  notBlocked: 'This user is not blocked',
  notBlockedThen: 'Somebody else may have unblocked them. Nothing was done.',
  blockedAgain:
    'Somebody has blocked this user again. The user remains blocked. Read why before you unblock them.',
  self: 'You cannot block yourself',
  unknown: 'The audit has no request by this user. Check the user id and who they sign in with',
  watches:
    'This user has searched the audit, so may be a privacy officer or Caldicott Guardian. Ask your own Guardian first',
  notTold: 'The audit cannot be searched now. Check the user id and who they sign in with',
  unblock: (user: string) => `Unblock ${user}`,
  unblockThen: (user: string, issuer: string) =>
    `${user}, who signs in with ${issuer}, can then look children up again.`,
  byOfficer:
    'A privacy officer or Caldicott Guardian blocked this user, perhaps for an inquiry. Ask them first.',
  unblockSubmit: 'Unblock',
} as const;

/** Processes, versions, replicas and what ends. */
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
  noReplicas: 'Answers do not wait for a replica, because REDIS_REPLICAS is not set.',
  replica: (name: string, priority: number | undefined) =>
    priority === undefined ? name : `${name}, replica-priority ${priority}`,
  attached: (attached: readonly string[], required: number) =>
    `${attached.length} attached${attached.length === 0 ? '' : ` (${attached.join('; ')})`}, ${required} required.`,
  expires: 'What expires',
  expiresCaption: 'Certificates and keys',
  expiresColumns: ['What', 'Expires', 'File changed'] as const,
  issuerKeys: (issuer: string) => `Keys of ${issuer}, unless they are fetched again`,
  providerSecret: (provider: string) => `Secret or key for sign-in provider ${provider}`,
  noEnd: 'Does not expire',
  unreadable: 'Cannot be read',
} as const;

export const RUNBOOK = {
  title: 'What to do',
  lead: 'If you are on call, find the alert or the check here. Each section says what is wrong, what to look at and what to do. Documents that it names, such as docs/topologies.md, are in the repository of this service.',
  absent:
    'This page was not installed with the service. It is docs/operating/alerts.md in the repository.',
  table: (columns: readonly string[]) => columns.join(' and '),
} as const;
