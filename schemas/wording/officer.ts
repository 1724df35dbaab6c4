// One list, since it has every word of the pages of one desk.

import type { BARRED, CouldNotCheckCause } from '../lookup.ts';
import { figure } from './counts.ts';

/** The criteria of a search, by the names that the audit has. */
const CRITERIA_NAMES: Readonly<Record<string, string>> = {
  nhsNumber: 'NHS number',
  authority: 'council',
  type: 'kind of event',
  entry: 'event',
  csv: 'as a file',
  protectedFrom: 'protected from the requester',
  silentReads: 'silent reads',
};

/** What a privacy officer and a Caldicott Guardian read in a browser. */
export const OFFICER = {
  search: 'Search the audit',
  searchLead: 'Find out who looked at whom, when, and what came of it.',
  reports: 'Reports',
  patterns: 'Patterns',
  child: 'One child’s accesses',
  cases: 'Cases',
  erase: 'Erase notes',
  holds: 'Keep every event',
  seal: 'Is the record whole?',
  blocked: 'Blocked users',
  onRecord: 'Each search and download is recorded first, with your name and your reason.',
  confidential:
    'Confidential. This page holds NHS numbers. Handle it as you would a patient’s record.',
  sees: {
    all: 'You can see what people did at every organisation. Silent reads are included.',
    organisation: (name: string) =>
      `You can see what people at ${name} did, including silent reads. You cannot see other organisations.`,
    authority: (name: string) =>
      `You can see who in unscheduled care looked at children with a plan from ${name}.`,
  },
  fields: {
    number: 'NHS number',
    numberHint: '10 digits. The number is never part of a web address.',
    user: 'User id',
    userHint: 'As it is shown in search results and reports. For an operator, enter their name.',
    organisation: 'Organisation (ODS code)',
    authority: 'Council (ODS code)',
    authorityHint: 'The council whose plan was shown, or which sent the file.',
    activity: 'Activity',
    outcome: 'Outcome',
    type: 'Kind of event',
    from: 'From',
    to: 'To',
    fromHint: 'For example, 27/11/2026 or 27/11/2026 08:00. Use UK time.',
    toHint:
      'If you enter a date, events on that day are included. If you enter a time, only events before it are.',
    any: 'Any',
    report: 'Report',
    least: 'Smallest number to list',
    leastHint: 'Used in two reports: refused again and again, and looked up again and again.',
    names: 'Show the names of staff in the report on one child. They are third parties.',
  },
  activities: { unscheduled: 'Unscheduled care', 'silent-read': 'Silent read' },
  outcomes: {
    flagged: 'Plan found',
    'not-flagged': 'No plan found',
    'could-not-check': 'Could not check',
    refused: 'Refused',
    'not-delivered': 'Answer not delivered',
  },
  /** Why a check could not be made. */
  causes: {
    closed: 'The store was not open',
    incomplete: 'Part of the data was missing',
    corrupt: 'The child’s data could not be read',
    clock: 'The clocks did not agree',
    'not-in-use': 'The NHS number was replaced or withdrawn',
    coverage: 'Too few councils were up to date',
    store: 'The store did not answer',
    'not-replicated': 'The record of the look was not copied in time',
    directory: 'The list of councils was out of date',
    rehearsal: 'A rehearsal with a test number',
    late: 'The answer came too late',
    barred: 'A council bars this user from the child',
  } satisfies Record<CouldNotCheckCause | typeof BARRED, string>,
  /** The kind of scheduled care is not recorded. */
  settings: {
    'emergency-department': 'Emergency department',
    'walk-in-centre': 'Walk-in centre',
    'out-of-hours-gp': 'Out-of-hours GP',
    'minor-injury-unit': 'Minor injury unit',
    'paediatric-ward': 'Children’s ward',
    maternity: 'Maternity',
    ambulance: 'Ambulance',
    'nhs-111': 'NHS 111',
    scheduled: 'Scheduled care',
  },
  council: (name: string, code: string) => `${name} (${code})`,
  cells: {
    /** By how a report begins to say what happened. */
    what: {
      attendance: 'What came of a look',
      refused: 'Request refused',
      'could not check': 'Could not check',
      'audit report': 'Report',
      'audit searched': 'Search of the audit',
    } as Readonly<Record<string, string>>,
    headings: {
      'alert above': 'Alert threshold',
      'within seconds': 'Within (seconds)',
    } as Readonly<Record<string, string>>,
    userLine: (user: string) => `User ${user}`,
    notDelivered: 'Answer not delivered',
    signs: {
      'distinct-numbers': 'Many different numbers',
      'invalid-numbers': 'Many wrong numbers',
      'sequential-numbers': 'Numbers in sequence',
      'out-of-hours': 'Many lookups out of hours',
      peers: 'Many more than peers',
    },
    issuerLine: (issuer: string) => `Signed in with ${issuer}`,
    viewLine: (view: string) =>
      view === 'all' ? 'of all organisations' : 'of their own organisation',
    plan: (plan: string, council: string, started: string, status: string) =>
      `${plan}, ${council}, from ${started}, ${status.toLowerCase()}`,
    reports: {
      event: 'One event',
      case: 'One case',
      cases: 'List of cases',
      proof: 'Proof of one event',
      'proof-check': 'Check of a proof',
      block: 'Check before a user is blocked',
      'child-draft': 'Draft of one child’s accesses',
      'child-copy': 'Released copy of one child’s accesses',
    } as Readonly<Record<string, string>>,
    /** @param value as it is written on a page */
    criterion: (name: string, value: string) => {
      const what = Object.hasOwn(CRITERIA_NAMES, name) ? (CRITERIA_NAMES[name] ?? name) : name;
      if (value === 'true') return what;
      return value === 'false' ? `without ${what}` : `${what} ${value}`;
    },
  },
  submit: 'Search',
  file: 'Download as CSV',
  results: 'Search results',
  none: 'No events match your search.',
  older: 'Older',
  again: 'New search',
  back: 'Back to these results',
  change: 'Change what you asked for',
  open: 'Open',
  opens: (time: string) => `Open the event of ${time}`,
  count: (events: number) =>
    events === 1 ? '1 event on this page' : `${events} events on this page, newest first`,
  lines: (lines: number) => (lines === 1 ? '1 line on this page' : `${lines} lines on this page`),
  recordedAs: (auditId: string) => `Your search is recorded. Its audit id is ${auditId}.`,
  searchedUntil: (time: string) =>
    `The search covered everything that was recorded before ${time}.`,
  searchedUntilUnknown:
    'The index is still being built, so events may be missing. Search again in a minute.',
  notSearched: (events: number) =>
    events === 1
      ? '1 later event is not sealed yet, so it was not searched.'
      : `${events} later events are not sealed yet, so they were not searched.`,
  wrong: {
    user: 'Enter a user id of 120 characters or fewer',
    organisation: 'Enter an ODS code, such as RJ1',
    authority: 'Enter an ODS code, such as E08000019 or ZZ101',
    time: 'Enter a day or a time, such as 27/11/2026 or 27/11/2026 08:00',
    order: '“From” must be before “To”',
    choice: 'Choose one from the list',
    least: 'Enter a whole number from 1 to 1,000,000',
    needs: {
      nhsNumber: 'This report needs an NHS number',
      user: 'This report needs a user id',
      organisation: 'This report needs an organisation',
    },
  },
  failed: {
    noIndex: 'The index of the audit is being built',
    noIndexThen: 'Nothing was searched. Try again in a minute.',
    tooMuch: 'There are too many events for one file',
    tooMuchThen:
      'No file was made, because one that is cut short would look complete. Choose a shorter period.',
    tooSlow: 'The search took too long',
    tooSlowThen: 'Nothing is shown. Choose a shorter period, one child or one user.',
    busy: 'Too many searches are running',
    busyThen: 'Nothing was searched. Try again in a minute.',
    failed: 'The audit cannot be searched at the moment',
    failedThen: 'Nothing was searched. Tell the team that runs this service.',
  },
} as const;

/** Reports and patterns. */
export const OFFICER_REPORTS = {
  lead: 'A report on one child or one user covers everything that is kept. Other reports cover the last 31 days, unless you choose other dates.',
  submit: 'Make the report',
  names: {
    child: 'Accesses to one child',
    user: 'Everything by one user',
    'out-of-hours': 'Lookups out of hours',
    refusals: 'Repeated refusals',
    lookers: 'Users who look up the most children, compared with their peers',
    repeats: 'Repeated lookups of one child',
    site: 'Lookups at one site, to compare with its attendances',
    alerts: 'Alerts: users who may be trying numbers out',
    searches: 'Who searched the audit',
  },
  period: (from: string, to: string) => `From ${from} to ${to}.`,
  fromBeginning: 'the beginning',
  now: 'now',
  chart: (title: string) => `${title}: the highest figures on this page`,
  who: 'User',
  patternsLead:
    'These four patterns may mean that somebody is looking without a reason. A pattern is a question to ask. It is not a finding.',
  patternsSubmit: 'Show the patterns',
  whole: 'See the whole report',
  ofUser: 'What this user did',
  opensUser: (user: string) => `What this user did: ${user}`,
  nobody: 'Nobody was found.',
} as const;

/** One event, and blocking its user. */
export const OFFICER_EVENT = {
  title: 'One event',
  rows: {
    time: 'Time',
    event: 'Kind of event',
    outcome: 'Outcome',
    activity: 'Activity',
    number: 'NHS number',
    name: 'Name',
    user: 'User id',
    role: 'Role',
    organisation: 'Organisation',
    issuer: 'Signed in with',
    setting: 'Setting',
    reason: 'Reason given',
    code: 'Reason for refusal',
    plans: 'Plans shown',
    planColumns: ['Council', 'Plan', 'Start', 'Status'],
    delivered: 'Answer delivered',
    notDelivered: 'No',
    auditId: 'Audit id',
    criteria: 'Searched for',
    report: 'Report',
    yes: 'Yes',
    no: 'No',
  },
  /** Names of other fields of an event, if the field's own name, split into words, would not do. */
  fields: {
    sha256: 'SHA-256 of the file',
    sequence: 'File number',
    'detail.sequence': 'File number',
    'detail.sha256': 'SHA-256 of the file',
    'detail.user': 'User it is about',
    'detail.issuer': 'That user signs in with',
    'detail.account': 'Account',
    'detail.whole': 'The whole file was held',
    'detail.rows': 'Rows',
    'detail.nhsNumber': 'NHS number',
    'plan.type': 'Plan',
    'plan.startDate': 'Start of the plan',
    'coverage.upToDate': 'Councils up to date',
    'coverage.expected': 'Councils expected',
    lookupId: 'Audit id of the look',
    accessId: 'Audit id of the access',
    withheld: 'Who looked, and where, is kept back',
    whereaboutsOf: 'Councils that keep back where people looked',
    barredBy: 'Councils that bar the user',
    view: 'Could see',
    authority: 'Council',
    'detail.authority': 'Council',
    'detail.authorities': 'Councils',
  } as Readonly<Record<string, string>>,
  views: {
    all: 'Everything',
    organisation: 'Their own organisation',
    authority: 'Children with a plan from their council',
  },
  block: 'Block this user',
  blockThen:
    'Within two seconds, this user can no longer sign in or look anybody up here, wherever they work. The page asks them to have a colleague check the patient.',
  blockSubmit: 'Block',
  isBlocked: 'This user is blocked.',
  blockSelf: 'You cannot block yourself.',
  blocked: 'Blocked users',
  blockedDone: 'The user is blocked. This takes effect within two seconds.',
  blockedBefore: 'The user was already blocked.',
  unblockedDone: 'The user is unblocked and can look children up again.',
  unblockedBefore: 'The user was not blocked.',
  blockedAgain: 'Somebody has blocked this user again. The user remains blocked.',
  blockedNobody: 'Nobody is blocked.',
  blockedOwn: 'This page lists only the users whom you blocked yourself.',
  unblock: 'Unblock',
  since: 'Since',
  by: 'Blocked by',
  why: 'Reason',
} as const;

/** The draft of one child's accesses. */
export const OFFICER_DRAFT = {
  title: 'One child’s accesses',
  lead: 'Use this page when the people concerned ask for a record. It makes a draft for you to review. Nothing is released until you release it, line by line.',
  warning:
    'The person who asks may be the person the child is protected from. A place or a time can show them where a child or a parent went for care.',
  gates: 'Before you make the draft',
  requester: 'Who made the request?',
  requesters: {
    child: 'The child',
    parent: 'Somebody with parental responsibility',
    representative: 'Somebody acting for one of them',
    other: 'Somebody else, or not known',
  },
  protectedFrom: 'Is this the person the child is protected from?',
  protectedFromAnswers: {
    no: 'No, the council has confirmed this',
    yes: 'Yes, or it may be',
    unknown: 'Not asked yet',
  },
  harm: 'If the record is released, could that do serious harm to anybody’s health?',
  harmHint:
    'Data Protection Act 2018, schedule 3, part 2. If the answer is no, an appropriate health professional must have said so in the last six months.',
  harmAnswers: {
    no: 'No, a health professional has said so in the last six months',
    yes: 'Yes, or it might',
    unknown: 'Not asked yet',
  },
  abuse: 'Does it hold child abuse data that should not be released, for the child’s sake?',
  abuseHint:
    'Data Protection Act 2018, schedule 3, part 5. Child abuse data says whether a child has been abused, or may be at risk of abuse.',
  abuseAnswers: {
    no: 'No, the council has confirmed this',
    yes: 'Yes, or it may do',
    unknown: 'Not asked yet',
  },
  wrong: {
    requester: 'Choose who made the request',
    protectedFrom: 'Choose whether this is the person the child is protected from',
    harm: 'Choose whether releasing the record could cause serious harm',
    abuse: 'Choose whether it includes child abuse data',
  },
  shows: 'What the draft shows',
  showsHint: 'Only choose what you need for the review.',
  names: 'Names of staff',
  places: 'Places: organisations, settings and wards',
  silentReads: 'Silent reads: looks in scheduled care, which councils are not notified of',
  searches:
    'Searches of the audit: what you and others did to review these accesses. They let a reader know of an inquiry.',
  submit: 'Make the draft',
  draft: 'Draft for review',
  review: 'This draft is for the controller to review. Do not hand it over as it is.',
  closed:
    'Nothing can be released, because an exemption applies or may apply. Settle that first, then make the draft again.',
  release: 'Release',
  releases: (line: number, of: number, time: string) => `Release line ${line} of ${of}, of ${time}`,
  copy: 'Make a copy of the lines I release',
  copyTitle: 'Record of looks at a child’s flags',
  copyLead: 'Released line by line after review.',
  copyReference: (auditId: string) => `Reference: ${auditId}.`,
  copyNone: 'You did not release any lines, so there is no copy.',
  copyReleased: (organisation: string, time: string) =>
    `Each line was reviewed. Released by ${organisation} at ${time}.`,
  copyNotDelivery: 'Print this page, or go back to review the lines again.',
  back: 'Back to the draft',
  lineGone: 'The lines have changed since the draft was made. Make the draft again.',
  next: 'Next page of the draft',
  first: 'First page of the draft',
  elsewhere: (count: number) =>
    `You have also released ${count === 1 ? '1 line' : `${count} lines`} on other pages of the draft. The copy has them too.`,
  none: 'Nobody has looked this child up.',
  noneHere: 'There are no lines on this page of the draft.',
  accesses: 'Accesses',
  searched: 'Searches of the audit',
  page: (page: number) => `Page ${page} of the draft`,
} as const;

/** The state of the seal, in words that somebody without technical knowledge can repeat in court. */
export const OFFICER_SEAL = {
  title: 'Is the record whole?',
  sealed: (events: string) => `${events} events are sealed.`,
  sealedOne: '1 event is sealed.',
  sealedElsewhere:
    'Another process seals the events. Ask the team that runs this service about them.',
  youngest: (time: string) => `The newest was recorded at ${time}.`,
  waiting: (events: string) =>
    `${events === '1' ? '1 more event is' : `${events} more events are`} waiting to be sealed. This takes a few seconds.`,
  means:
    'Once an event is sealed, it cannot be changed, removed or moved in secret. Anybody who has the public key can check that.',
  neverVerified: 'Nobody has verified the whole record from this page yet.',
  whole: (events: string, time: string, by: string) =>
    `Nothing was changed. All ${events} events that were sealed by then were verified at ${time}, at the request of ${by}. Every event is as it was signed. None is missing, added or out of place.`,
  since: (events: string) =>
    events === '1'
      ? '1 event was sealed after that, and is not verified yet.'
      : `${events} events were sealed after that, and are not verified yet.`,
  witnessed: (events: string, by: string) =>
    `Outside witnesses have cosigned the first ${events} events: ${by || 'nobody yet'}.`,
  continues: 'The record also follows on from what was verified the time before.',
  notWhole: 'The record is NOT as it was signed',
  notWholeThen: (time: string, by: string, findings: string) =>
    `The verification at ${time}, at the request of ${by}, found ${findings === '1' ? '1 fault' : `${findings} faults`}. Do not change anything. Tell the team that runs this service now, and keep every copy of the checkpoint that you have.`,
  findings: 'What was found',
  explained: 'What the record explains',
  failed: (time: string) =>
    `The verification that was started at ${time} could not be finished. This does not mean that anything is wrong with the record. It can be started again.`,
  ownKey:
    'This service verifies with its own copy of the key. For a court, have somebody else verify a copy of the record. They should use a key that they were given before.',
  running: (read: string, of: string, by: string) =>
    `The record is being verified at the request of ${by}.${of === '0' ? '' : ` ${read} of ${of} events have been read.`}`,
  runningTitle: 'Verifying',
  refreshes:
    'This page reloads itself every few seconds. You can leave it, because the result is kept.',
  start: 'Verify the whole record now',
  onlyOperator:
    'Only officers of the organisation that runs this service can verify the whole record or prove one event. Ask them if you need either.',
  startThen:
    'Every event is read and compared with what was signed. Lookups are still answered while this runs.',
  key: 'Download the public key',
  keyThen:
    'This file is needed to check a checkpoint or a proof. It is not secret. Download it now, and give it to people who may have to check the record one day. A key that they have had for a long time proves more than one that is downloaded after something went wrong.',
  noKey: 'This process does not have the key',
  noKeyThen: 'Ask the team that runs this service for the public key.',
  checkpoint: 'Download the checkpoint',
  checkpointThen:
    'The checkpoint is a short text that fixes the whole record as it is now. It holds nothing about any person. Keep it with its date, away from this service. With it, you can show whether the record is ever replaced.',
  noCheckpoint: 'There is no checkpoint yet',
  noCheckpointThen:
    'The first one is written when the first events are sealed. Try again in a minute.',
  proof: 'Prove one event',
  proofOfThis: 'Proof of this event',
  proofThen:
    'The file holds the event itself, and its NHS number. With the file and the public key, anybody can check that the event is in the record.',
  auditId: 'Audit id',
  auditIdHint:
    'You can find it with each answer, on the page of the event, and in the last column of the CSV of a search.',
  auditIdWrong: 'Enter an audit id, such as 7a3e8f0e-9a55-4f0e-8b61-1c1d2f0f9f10',
  proofSubmit: 'Download the proof',
  several: 'Several events have this audit id',
  severalThen:
    'Nothing was downloaded. Search for the event that you need, and open it. Its page gives the proof of exactly that event.',
  notProven: 'There is no sealed event with this audit id',
  notProvenThen:
    'An event is sealed within seconds. Events that are older than the time they are kept for are gone.',
} as const;

/** Whether a proof that somebody brings is good. */
export const OFFICER_PROOF = {
  title: 'Check a proof',
  lead: 'Choose a proof that was downloaded here, or that somebody else gave you. The file is checked and not kept. The check is recorded with your name.',
  file: 'Proof',
  fileHint: 'A small text file whose name ends in .tlog-proof, at most 512 KiB.',
  submit: 'Check this proof',
  choose: 'Choose a file',
  tooLarge: 'The file is larger than any proof. Choose the file that ends in .tlog-proof',
  notRead: 'The file did not arrive completely. Choose it again',
  noKey: 'No proof can be checked here now',
  noKeyThen:
    'Nothing was checked: this process cannot read the keys of the record or of its witnesses. Tell the team that runs this service.',
  proven: 'The proof is good',
  provenThen: (index: number, size: number) =>
    `This event is in the record at position ${figure(index)}, counted from 0, under a signed checkpoint of ${figure(size)} events. Neither has been changed since.`,
  rows: {
    position: 'Position',
    checkpoint: 'Checkpoint',
    record: 'Name of the record',
    signedBy: 'Signed with the key',
    time: 'Time of the checkpoint',
    witnesses: 'Outside witnesses',
    falseWitnesses: 'Not witnessed',
  },
  covers: (size: number) =>
    size === 1 ? 'Covers 1 event' : `Covers the first ${figure(size)} events`,
  keyInUse: 'This service signs with it now.',
  keyRetired: (time: string) =>
    `This service stopped signing with it at ${time}. Somebody who got hold of it could have signed later.`,
  noTime:
    'No witness says when. A checkpoint has no time of its own, so only the event itself says when it happened.',
  existedAt: (time: string) =>
    `A witness says that it existed at ${time}. A checkpoint has no time of its own.`,
  at: (time: string) => `at ${time} by its own clock`,
  noWitnesses: 'This service has no outside witnesses.',
  notWitnessed: 'No outside witness that this service knows has cosigned this checkpoint.',
  falseWitness: 'Its signature is not over this checkpoint. Ask where the file came from.',
  shows:
    'This shows what this service recorded. It does not show that what it recorded is true, or that nothing else was recorded.',
  event: 'The event',
  eventNotYours:
    'The event is in the file, but it is not from your organisation. This page does not show it.',
  ownKey:
    'This page checks with the service’s own copy of the key. A court should have somebody else check the file, with a key that they were given before.',
  outside: 'How somebody outside checks a proof',
  outsideSteps: [
    'They need the file of the proof, and the public key of this service. Best is a key that they have had since before there was a question.',
    'They install this program on a machine of their own, or use another tool for C2SP tlog-proof. They need neither this service nor a network.',
    'They run the command below. It prints PROVEN with the event, or NOT PROVEN and why.',
  ],
  outsideThen:
    'The file public-key.txt is the one that “Download the public key” gives. EVENT.tlog-proof is the proof.',
  notProven: 'The proof is NOT good',
  notProvenThen:
    'This is about the file. It does not mean that anything is wrong with the record. Keep the file as it is, and ask for it again from the person who made it.',
  byCommand: 'The command says:',
  another: 'Check another proof',
  why: {
    'no-proof':
      'The file is not a proof of an event, or part of it is missing or was changed. It proves nothing.',
    'no-event': 'The file has no event in it, so it proves nothing.',
    'checkpoint-malformed':
      'The signed checkpoint at the end of the file is damaged or cut short. It proves nothing.',
    'checkpoint-changed':
      'The checkpoint in the file is not the one that was signed. Somebody changed it, or the file is damaged.',
    'other-key':
      'The file is not signed with any key of this service. It may be from another service, or made up.',
    'not-in-log':
      'The event in the file is not the one that was signed at this position. The event, its position or its path was changed.',
  },
} as const;

/** Keeping every event, however old. */
export const OFFICER_HOLDS = {
  title: 'Keep every event',
  lead: 'Events that are older than the time they are kept for are deleted for good. A hold stops this for all events, until somebody ends the hold. Use it while an inquiry or a court may need them.',
  none: 'No hold is in force. Events that are too old are deleted.',
  caption: 'Holds in force',
  columns: { since: 'Since', by: 'Set by', why: 'Reason for the hold', act: 'Action' },
  begin: 'Keep every event from now on',
  beginThen: 'A hold does not bring back what is already deleted.',
  begun: 'The hold is in force. Nothing is deleted until it is ended.',
  unrecorded:
    'It is not certain yet that this is on record. A worker records it, so do not begin the hold again.',
  end: 'End this hold',
  endLast:
    'This is the only hold in force. Once it is ended, events that are too old are deleted for good: at once, or within an hour.',
  endOthers: 'Other holds are in force, so nothing is deleted yet.',
  changed:
    'Other holds were begun or ended since you looked, so the hold was not ended. Read this page again before you end it.',
  ended: 'The hold is ended.',
  notInForce: 'This hold is no longer in force',
  notInForceThen: 'Somebody else may have ended it. Nothing was done.',
  byCommand: 'By command, on the machine of a worker:',
} as const;

/** What is done to the audit only on the machine of a worker. */
export const OFFICER_BY_COMMAND = {
  title: 'What the team that runs this service does',
  lead: 'They do this on the machine of a worker. They give the name of the person who decided, and the audit records it.',
  key: 'Change the key that signs the record',
  keys: 'The record is signed with',
  noKeys: 'This process does not have the key.',
  keyThen:
    'A new key must be backed up on its machine before it is needed, and given to everybody who checks the record. Only then may the old one be retired. No page can see that this was done.',
  gap: 'Accept that events are lost',
  noGap: 'No events are missing between the store and the record.',
  gapThen:
    'This is done only when neither the store nor the record can be brought back from a copy. The team finds that out on the machines. You decide with them. They then do it on a page of theirs, or by this command, and give your name.',
  index: 'Make the index for searches again',
  indexed: (time: string) => `Searches cover everything that was recorded before ${time}.`,
  indexing: 'The index is being built, so a search may miss events.',
  indexThen:
    'The service keeps the index up to date, and makes it again by itself if it is lost or damaged. The command does the same at once.',
} as const;

const ofCases = (count: number): string =>
  count === 1 ? 'The notes of 1 case are' : `The notes of ${figure(count)} cases are`;

/** Erasing what was written in cases. */
export const OFFICER_ERASE = {
  title: 'Erase the notes of cases',
  lead: 'A case keeps its notes until somebody erases them. Erase them when your retention rules say so, or when they must not be kept. What was done, when and by whom stays in the case and in the audit.',
  before: 'All cases that ended before',
  beforeHint: 'A day, such as 27/11/2024. You see first which cases these are.',
  dayWrong: 'Enter a day, such as 27/11/2024',
  find: 'Show these cases',
  oneCase: 'To erase the notes of one case, open the case.',
  byCommand: 'By command, on the machine of a worker:',
  nothing: 'There are no notes to erase',
  would: (count: number) =>
    count === 1
      ? 'The notes of 1 case would be erased'
      : `The notes of ${figure(count)} cases would be erased`,
  endedBefore: (day: string) => `Cases that ended before ${day}.`,
  own: (count: number) =>
    count === 1
      ? '1 case about an access of your own is left out. Somebody else has to erase its notes.'
      : `${figure(count)} cases about accesses of your own are left out. Somebody else has to erase their notes.`,
  forGood: 'This cannot be undone. Only a backup still has the notes, until it is deleted too.',
  more: (count: number, now: number) =>
    `There are ${figure(count)} such cases. The oldest ${figure(now)} come first. Then do the same again.`,
  holds: 'Every event is being kept at the moment. Make sure that nobody needs these notes:',
  holdsMore: (count: number) => `All ${figure(count)} holds`,
  hold: (time: string, by: string, reason: string) => `since ${time}, by ${by}: ${reason}`,
  open: 'At least one of these cases has not ended yet.',
  which: 'Cases whose notes would be erased',
  type: (count: number) => `Type ${count} to confirm`,
  countWrong: (count: number) => `Type ${count}, the number of cases`,
  submit: 'Erase these notes for good',
  other: 'Choose other cases',
  changed: 'The cases or the holds have changed since you looked',
  changedThen: (erased: number, changed: number) =>
    erased === 0
      ? 'Nothing was erased. Look again which cases these are, and which holds are in force.'
      : `${ofCases(erased)} erased, and ${changed === 1 ? '1 case that has changed was' : `${figure(changed)} cases that have changed were`} left as ${changed === 1 ? 'it is' : 'they are'}. Look again which are left.`,
  failed: 'The notes could not all be erased',
  failedThen: (erased: number) => `${ofCases(erased)} erased. Look again which are left.`,
  done: (count: number) => `${ofCases(count)} erased.`,
  ofThisCase: 'Erase the notes of this case',
} as const;

/** Cases on an access. */
export const OFFICER_CASES = {
  title: 'Cases',
  lead: 'A case is a question about one access. To open a case, search for the event and open it.',
  none: 'There are no cases.',
  case: 'Case on an access',
  states: {
    'under-inquiry': 'Under inquiry',
    'breach-proposed': 'Breach proposed, waiting for a second person',
    explained: 'Explained',
    breach: 'Breach',
  },
  steps: {
    inquire: 'Put under inquiry',
    note: 'Note added',
    explain: 'Explained',
    'propose-breach': 'Breach proposed',
    'withdraw-breach': 'Back under inquiry: not confirmed as a breach',
    'confirm-breach': 'Breach confirmed',
    erase: 'Note erased',
  },
  acts: {
    inquire: 'Put it under inquiry',
    note: 'Add a note',
    explain: 'Record it as explained, and end the case',
    'propose-breach': 'Propose that it is a breach. A second person has to confirm this',
    'withdraw-breach': 'Withdraw the proposal, and go back to the inquiry',
    'confirm-breach': 'Confirm that it is a breach, and end the case',
  },
  sendBack: 'Do not confirm it, and send it back to the inquiry',
  columns: {
    state: 'State',
    user: 'User who looked',
    organisation: 'Organisation',
    opened: 'Opened',
    changed: 'Last change',
  },
  openThis: 'Open this case',
  openedAt: (time: string) => `, opened ${time}`,
  open: 'Open a case',
  openThen:
    'You cannot open or end a case about an access of your own. Two people have to agree that an access is a breach.',
  what: 'What do you want to do?',
  whatWrong: 'Choose what you want to do',
  words: 'Note about the access',
  wordsHint:
    'Keep it short. Do not name the child, the family or anybody except the person who looked. The note can be erased later: the audit keeps only a digest of it.',
  wordsWrong: (problem: string) => `The note ${problem}`,
  submit: 'Record this',
  access: 'The access',
  toEvent: 'Open the event of this access',
  accessGone:
    'The access is no longer in the record. It is older than the time that events are kept for.',
  history: 'Steps of this case',
  historyColumns: { at: 'Time', what: 'What was done', by: 'By', words: 'Note' },
  erased: 'erased',
  ended: 'The case has ended.',
  endedThen: 'The case has ended since you opened the page. Nothing was done.',
  ownAccess: 'This access is your own',
  ownAccessThen: 'Somebody else has to open and end the case.',
  secondPerson: 'A second person has to confirm',
  secondPersonThen:
    'You proposed that it is a breach. Somebody else has to confirm this or send it back.',
  alreadyOpen: 'Nothing was recorded: a case on this access is open already. This is the case.',
  onAccess: 'Case on this access',
  proposedBy: (by: string) => `Proposed by ${by}.`,
  waitsForYou: 'Waits for you',
  waiting: (cases: number) =>
    cases === 1
      ? 'A case waits for you to confirm a breach'
      : `${figure(cases)} cases wait for you to confirm a breach`,
  mayConfirm: (organisation: string) =>
    `You proposed that it is a breach. Somebody else has to confirm it: a privacy officer of ${organisation}, or a privacy officer or Caldicott Guardian of the organisation that runs this service.`,
  notNow: 'You cannot do this to the case now',
  notNowThen: 'Somebody else may have changed the case. Nothing was done.',
  changed:
    'Somebody else has changed the case since you opened this page. Nothing was done. Choose again',
} as const;
