/** What a privacy officer and a Caldicott Guardian read in a browser. */
export const OFFICER = {
  search: 'Search the audit',
  searchLead: 'Find out who looked at whom, when, and what came of it.',
  reports: 'Reports',
  patterns: 'Patterns',
  child: 'One child’s accesses',
  cases: 'Cases',
  seal: 'Is the record whole?',
  blocked: 'Blocked users',
  onRecord:
    'Each search and each file is recorded with your name and your reason before you see anything.',
  confidential: 'Confidential. It holds NHS numbers: treat it as you treat a patient’s record.',
  sees: {
    all: 'You see every organisation, silent reads included.',
    organisation: (name: string) => `You see what people at ${name} did, and nobody else.`,
    authority: (name: string) =>
      `You see looks from unscheduled care at children with a plan of ${name}.`,
  },
  fields: {
    number: 'NHS number',
    numberHint: '10 digits. It travels in this form only, never in an address.',
    user: 'User id',
    userHint: 'As a search or a report shows it. Of an operator, the name.',
    organisation: 'Organisation (ODS code)',
    authority: 'Council (ODS code)',
    authorityHint: 'Whose plan was shown, or whose file it was.',
    activity: 'Activity',
    outcome: 'Outcome',
    type: 'Kind of event',
    from: 'From',
    to: 'To',
    fromHint: 'For example 27/11/2026, or 27/11/2026 08:00. London time.',
    toHint: 'A day is included. A time is not.',
    any: 'Any',
    report: 'Report',
    least: 'Least number to list',
    leastHint: 'For repeated refusals and repeated lookups.',
    names: 'Show names of staff in the report on one child. They are third parties.',
  },
  activities: { unscheduled: 'Unscheduled care', 'silent-read': 'Silent read' },
  outcomes: {
    flagged: 'Plan found',
    'not-flagged': 'No plan found',
    'could-not-check': 'Could not check',
    refused: 'Refused',
    'not-delivered': 'Answer not delivered',
  },
  submit: 'Search',
  file: 'Download as CSV',
  results: 'Search results',
  none: 'No event matches.',
  older: 'Older',
  again: 'New search',
  open: 'Open',
  opens: (time: string) => `Open the event of ${time}`,
  count: (events: number) =>
    events === 1 ? '1 event on this page' : `${events} events on this page, newest first`,
  lines: (lines: number) => (lines === 1 ? '1 line on this page' : `${lines} lines on this page`),
  recordedAs: (auditId: string) => `On record as ${auditId}.`,
  searchedUntil: (time: string) => `Everything recorded before ${time} was searched.`,
  searchedUntilUnknown:
    'The index is being built: events may be missing. Search again in a minute.',
  notSearched: (events: number) =>
    events === 1
      ? '1 later event is not sealed yet and was not searched.'
      : `${events} later events are not sealed yet and were not searched.`,
  wrong: {
    number: 'Enter a 10-digit NHS number, and check each digit',
    user: 'Enter a user id of at most 120 characters',
    organisation: 'Enter an ODS code, such as RJ1',
    authority: 'Enter an ODS code, such as E08000019 or ZZ101',
    time: 'Enter a day or a time, such as 27/11/2026 or 27/11/2026 08:00',
    order: 'From must be before To',
    choice: 'Choose one of the list',
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
      'A file that is cut short would look whole, so none was made. Ask for a shorter time.',
    tooSlow: 'The search took too long',
    tooSlowThen: 'Nothing is shown. Ask for a shorter time, one child or one user.',
    busy: 'Too many searches are running',
    busyThen: 'Nothing was searched. Try again in a minute.',
    failed: 'The audit cannot be searched now',
    failedThen: 'Nothing was searched. Tell the team that runs this service.',
  },
} as const;

/** Of reports and patterns. */
export const OFFICER_REPORTS = {
  lead: 'A report on one child or one user covers all that is kept, others the last 31 days, unless you say otherwise.',
  submit: 'Make the report',
  names: {
    child: 'Accesses to one child',
    user: 'Everything by one user',
    'out-of-hours': 'Lookups out of hours',
    refusals: 'Repeated refusals',
    lookers: 'Who looks up most children, compared with peers',
    repeats: 'Repeated lookups of one child',
    site: 'Lookups by a site, to match with its attendances',
    alerts: 'Alerts: who may be trying numbers out',
    searches: 'Who searched the audit',
  },
  period: (from: string, to: string) => `From ${from} to ${to}.`,
  fromBeginning: 'the beginning',
  now: 'now',
  chart: (title: string, figure: string) => `${title}: the ten lines with the most ${figure}`,
  who: 'User',
  patternsLead:
    'Four signs that somebody may be looking without a reason. A sign is a question to ask, not a finding.',
  patternsSubmit: 'Show the patterns',
  whole: 'The whole report',
  nobody: 'Nobody.',
} as const;

/** Of one event, and of blocking its user. */
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
    code: 'Because',
    plans: 'Plans shown',
    planColumns: ['Council', 'Plan', 'Start', 'Status'],
    delivered: 'Answer delivered',
    notDelivered: 'No',
    auditId: 'Audit id',
  },
  block: 'Block this user',
  blockThen:
    'Within two seconds nobody can use this user’s sign-in or tokens here, at any organisation. A blocked user is asked to have somebody else check the patient.',
  blockSubmit: 'Block',
  blockSelf: 'You cannot block yourself.',
  blocked: 'Blocked users',
  blockedDone: 'The user is blocked. It takes effect within two seconds.',
  blockedBefore: 'The user was blocked already.',
  unblockedDone: 'The user is let in again.',
  unblockedBefore: 'The user was not blocked.',
  blockedNobody: 'Nobody is blocked.',
  blockedOwn: 'These are the users whom you blocked yourself.',
  unblock: 'Let in again',
  since: 'Since',
  by: 'By',
  why: 'Why',
} as const;

/** Of the draft of one child's accesses. */
export const OFFICER_DRAFT = {
  title: 'One child’s accesses',
  lead: 'For a request by the people concerned. You get a draft to review: nothing is released until you release it line by line.',
  warning:
    'The person who asks may be the person the child is protected from. A place or a time can show where a child or a parent sought care.',
  gates: 'Before the draft is made',
  requester: 'Who asks?',
  requesters: {
    child: 'The child',
    parent: 'Somebody with parental responsibility',
    representative: 'Somebody acting for one of them',
    other: 'Somebody else, or not known',
  },
  protectedFrom: 'Is this the person whom the child is protected from?',
  protectedFromAnswers: {
    no: 'No: the council has confirmed that it is not',
    yes: 'Yes, or it may be',
    unknown: 'Not asked yet',
  },
  harm: 'Could releasing it cause serious harm to anybody’s health?',
  harmHint:
    'Data Protection Act 2018, schedule 3, part 2: an appropriate health professional has to have said so within the last six months.',
  harmAnswers: {
    no: 'No: a health professional has said so within six months',
    yes: 'Yes, or it may',
    unknown: 'Not asked yet',
  },
  abuse: 'Is it child abuse data that it would be against the child’s interests to give?',
  abuseHint:
    'Data Protection Act 2018, schedule 3, part 5: whether a child has been, or may be at risk of being, abused.',
  abuseAnswers: {
    no: 'No: the council has confirmed that it is not',
    yes: 'Yes, or it may be',
    unknown: 'Not asked yet',
  },
  wrong: {
    requester: 'Say who asks',
    protectedFrom: 'Say whether this is the person whom the child is protected from',
    harm: 'Say whether it could cause serious harm',
    abuse: 'Say whether it is child abuse data',
  },
  shows: 'What the draft shows',
  showsHint: 'Leave each off unless the review needs it.',
  names: 'Names of staff',
  places: 'Places: organisations, settings and wards',
  silentReads: 'Silent reads: looks in planned care, which nobody is notified of',
  searches:
    'Searches of the audit: what you and others did to review these accesses. They tell the reader of an inquiry.',
  submit: 'Make the draft',
  draft: 'Draft for review',
  review: 'For the controller’s review. Not to be handed over as it is.',
  closed:
    'Nothing can be released: an exemption applies, or has not been judged. Settle that first, then make the draft again.',
  release: 'Release',
  releases: (time: string) => `Release the line of ${time}`,
  copy: 'Make a copy of the lines that I release',
  copyTitle: 'Record of looks at a child’s flags',
  copyLead: (page: number) => `Page ${page}. Released line by line after review.`,
  copyNone: 'You released no line of this page, so there is no copy of it.',
  copyReleased: 'Each line was reviewed and released.',
  copyNotDelivery: 'Print this page, or press Back to review again.',
  lineGone: 'The lines changed since the draft was made. Make the draft again.',
  next: 'Next page of the draft',
  none: 'No access is recorded.',
  noneHere: 'There is no line on this page of the draft.',
  accesses: 'Accesses',
  searched: 'Searches of the audit',
  page: (page: number) => `Page ${page} of the draft`,
} as const;

/** Of the state of the seal: what somebody without technical knowledge can repeat in court. */
export const OFFICER_SEAL = {
  title: 'Is the record whole?',
  sealed: (events: string) => `${events} events are sealed.`,
  sealedOne: '1 event is sealed.',
  sealedElsewhere: 'Another process seals the events. Ask the team that runs this service.',
  youngest: (time: string) => `The last of them was recorded at ${time}.`,
  waiting: (events: string) =>
    `${events === '1' ? '1 more waits' : `${events} more wait`} to be sealed. That takes some seconds.`,
  means:
    'Sealed means: anybody who has the public key can see whether one event was changed, removed, added or moved since.',
  neverVerified: 'The whole record has not been verified from this page yet.',
  whole: (events: string, time: string, by: string) =>
    `Nothing was changed: all ${events} events that were sealed by then were verified at ${time}, at the request of ${by}. Each is as it was signed. None is missing, added or out of place.`,
  since: (events: string) =>
    events === '1'
      ? '1 event was sealed after that and is not verified yet.'
      : `${events} events were sealed after that and are not verified yet.`,
  witnessed: (events: string, by: string) =>
    `Outside witnesses have cosigned the first ${events} events: ${by || 'nobody yet'}.`,
  continues: 'The record also continues what was verified the time before.',
  notWhole: 'The record is NOT as it was signed',
  notWholeThen: (time: string, by: string, findings: string) =>
    `The verification at ${time}, at the request of ${by}, found ${findings === '1' ? '1 fault' : `${findings} faults`}. Change nothing. Tell the team that runs this service now, and keep the copies of the checkpoint that you have.`,
  findings: 'What was found',
  explained: 'What the record itself explains',
  failed: (time: string) =>
    `The verification of ${time} could not be finished. That says nothing about the record. Start it again.`,
  ownKey:
    'The key was read on the same machine. For evidence in court, somebody else verifies a copy with a key that they were given before.',
  running: (read: string, of: string, by: string) =>
    `The record is being verified at the request of ${by}: ${read} of ${of} events are read.`,
  runningTitle: 'Verifying',
  refreshes:
    'This page loads again by itself every few seconds. You can leave it: the result is kept.',
  start: 'Verify the whole record now',
  startThen: 'Every event is read and compared with what was signed. Lookups go on meanwhile.',
  checkpoint: 'Download the checkpoint',
  checkpointThen:
    'A small text that fixes the whole record as it is now. It holds nothing about anybody. Keep it with its date, away from this service: it shows whether the record is ever replaced.',
  noCheckpoint: 'There is no checkpoint yet',
  noCheckpointThen: 'It is written when the first events are sealed. Try again in a minute.',
  proof: 'Prove one event',
  proofThen:
    'The file holds the event itself, NHS number included, and shows with the public key alone that it is in the record.',
  auditId: 'Audit id',
  auditIdHint: 'It stands with every answer, and in the last column of a search.',
  auditIdWrong: 'Enter an audit id, such as 7a3e8f0e-9a55-4f0e-8b61-1c1d2f0f9f10',
  proofSubmit: 'Download the proof',
  notProven: 'There is no sealed event with this audit id',
  notProvenThen: 'Events are sealed within seconds. Those beyond the time they are kept are gone.',
} as const;

/** Of cases on an access. */
export const OFFICER_CASES = {
  title: 'Cases',
  lead: 'A case is a question about one access. Open one from an event that you have found in a search.',
  none: 'There is no case.',
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
    'withdraw-breach': 'Proposal of a breach withdrawn',
    'confirm-breach': 'Breach confirmed',
    erase: 'Words erased',
  },
  acts: {
    inquire: 'Put it under inquiry',
    note: 'Add a note',
    explain: 'It is explained: end the case',
    'propose-breach': 'Propose to call it a breach: a second person has to confirm',
    'withdraw-breach': 'It is no breach: back to the inquiry',
    'confirm-breach': 'Confirm the breach: end the case',
  },
  columns: {
    state: 'State',
    organisation: 'Organisation',
    opened: 'Opened',
    changed: 'Last change',
  },
  open: 'Open a case',
  openThen:
    'Nobody can open or end a case about an access of their own. To call it a breach takes two people.',
  what: 'What do you do?',
  whatWrong: 'Choose what you do',
  words: 'About the access',
  wordsHint:
    'One short text. Name no child, no family and nobody but the person who looked. It can be erased later; the audit keeps only a digest of it.',
  wordsWrong: (problem: string) => `The text ${problem}`,
  submit: 'Record it',
  access: 'The access',
  accessGone: 'The access is no longer in the record: it is older than events are kept.',
  history: 'What was done',
  historyColumns: { at: 'Time', what: 'What', by: 'By', words: 'Words' },
  erased: 'erased',
  ended: 'The case has ended.',
  ownAccess: 'This access is your own',
  ownAccessThen: 'Somebody else has to open the case, and to end it.',
  secondPerson: 'A second person has to confirm',
  secondPersonThen: 'You proposed to call it a breach. Somebody else confirms it or not.',
  notNow: 'This cannot be done to the case now',
  notNowThen: 'Somebody else may have changed it. Nothing was done.',
} as const;
