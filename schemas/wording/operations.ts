/**
 * What an operator is told of the audit, notifications, access and coverage: in `/_status`, the log and the
 * command line. Never an NHS number, nor who is who. `fault` is the code of a fault, never its message.
 */

const RESTORE_LOG =
  'Nothing more is sealed. Keep the folder as it is for whoever looks into it, and restore the log from its last good copy.';

/** Of the sealing of audit events. */
export const SEALING = {
  starting: 'The sealing of audit events is starting.',
  silent:
    'The sealing of audit events has not been heard of for 30 s. Events wait in Redis meanwhile. Restart this process if that does not pass.',
  threadFailed: 'the sealing of audit events failed and is started again',
  asTheyCome: 'Audit events are sealed as they come.',
  noDataset: 'There is no dataset yet, and so no audit log.',
  otherDataset: 'Redis does not hold the dataset of this data folder.',
  unreachable: 'Redis cannot be reached.',
  inUse: 'Another process seals the log.',
  otherLog:
    'The events of this Redis are sealed by another log. Set AUDIT_DIR to the folder of that one; it must be on one file system for all workers.',
  none: (folder: string) =>
    `There is no audit log in ${folder} yet. A process with role all or worker begins it.`,
  nobody: (since: string | undefined) =>
    `Nobody seals audit events${since === undefined ? '' : ` since ${since}`}. Start a process with role all or worker.`,
  gapBack: (stream: string, sealed: number, known: number) =>
    `${stream} went back: ${sealed} events of it are sealed, Redis knows of ${known}`,
  gap: (stream: string, first: number, last: number) =>
    `events ${first} to ${last} of ${stream} are missing from Redis`,
  /** @param gap the first of them */
  gaps: (gap: string, others: number) =>
    `The audit's numbers are not whole: ${gap}${others > 0 ? `, and ${others} others` : ''}. Nothing more is sealed. Stop the service and restore Redis from its last good copy; if there is none, a named person goes on with cp-flags audit accept-gap.`,
  notWritten: (fault: string, folder: string) =>
    `The audit log cannot be written (${fault}). Make room in ${folder}. Events wait in Redis meanwhile; nothing is lost.`,
  failed: (fault: string) =>
    `Events cannot be sealed (${fault}); it is tried again. They wait in Redis meanwhile.`,
  damaged: (damage: string) =>
    `The newest part of the audit log is not what was sealed. ${damage} Nothing more is sealed. Keep the folder for whoever looks into it, and restore the log from its last good copy.`,
  late: (count: number, oldest: string) =>
    `${count} audit events wait to be sealed, the oldest since ${oldest}: sealing does not keep up.`,
} as const;

/** Why a log is not gone on with. */
export const LOG_NOT_WHOLE = {
  otherDataset: (folder: string) =>
    `The log in ${folder} is of another dataset. Set AUDIT_DIR to the log of this one, or to a new folder.`,
  otherKey: (key: string, log: string) =>
    `The key is named ${key}, the log ${log}. Set AUDIT_KEY_FILE to the log's own key.`,
  notCommitted: (folder: string) =>
    `There is a log in ${folder}, but not what was committed. ${RESTORE_LOG}`,
  damaged: (folder: string) =>
    `Files of the log in ${folder} are missing or damaged. ${RESTORE_LOG}`,
  otherFiles: (folder: string) =>
    `The files of the log in ${folder} are not those that were committed. ${RESTORE_LOG}`,
  notSigned: (folder: string, size: number | undefined) =>
    `The log in ${folder} is not the one that was signed at ${size} entries. ${RESTORE_LOG}`,
  checkpointNotOurs: (folder: string, why: string) =>
    `The checkpoint in ${folder} is not signed by this service's key. ${why} Set AUDIT_KEY_FILE to the log's own key, or restore the log from its last good copy.`,
  wentBack: (folder: string, signed: number, committed: number) =>
    `The log in ${folder} was signed at ${signed} entries, but only ${committed} are committed: it went back. ${RESTORE_LOG}`,
} as const;

/** Of the counting of children that each user looks up. */
export const ALERTING = {
  starting: 'Counting the children that each user looks up is starting.',
  silent:
    'Counting the children that each user looks up has not been heard of for 30 s. Nothing is left out. Restart this process if that does not pass.',
  noLog: 'There is no audit log yet to count.',
  standby: 'Another process counts the children that each user looks up.',
  counted: 'The children that each user looks up are counted.',
  outboxFailed: (outbox: string, fault: string) =>
    `Alerts for the privacy officer cannot be written into ${outbox} (${fault}). They wait, and it is tried again; the audit has them.`,
  auditFailed: (fault: string) =>
    `Alerts cannot be put into the audit (${fault}). They wait, and it is tried again.`,
  failed: (fault: string) =>
    `The children that users look up cannot be counted (${fault}), so nobody who takes many is noticed. It is tried again; nothing is left out.`,
} as const;

/** Of telling authorities who looked. */
export const NOTIFYING = {
  /** @param outbox `undefined` where none is set for whoever asked */
  resent: (count: number, authority: string, outbox: string | undefined) =>
    outbox === undefined
      ? `${count} notifications of ${authority} wait to be written once more. NOTIFICATIONS_OUTBOX is not set here: a worker writes them only where it is set for it. ${authority} can ask for what is kept: GET /notifications.`
      : `${count} notifications of ${authority} are to be written into ${outbox} once more, which the worker does within seconds.`,
  starting: 'Telling authorities is starting.',
  silent:
    'Telling authorities has not been heard of for a minute. Nothing is lost. Restart this process if that does not pass.',
  threadFailed: 'telling authorities failed and is started again',
  asTheyCome: 'Authorities are told of accesses as they are sealed.',
  standby: 'Another process tells authorities.',
  notYet: 'Nobody tells authorities yet. A process with role all or worker does.',
  nobody: (since: string) =>
    `Nobody tells authorities since ${since}. Start a process with role all or worker.`,
  noAuthorities: 'The authorities are not known yet.',
  noLog: 'There is no audit log yet to notify from.',
  noCheckpoint: 'The audit log has no checkpoint yet.',
  bundleDamaged: (path: string) =>
    `${path} of the audit log is missing or damaged. No notification is made beyond it, and none is left out: restore the log from its last good copy.`,
  eventDamaged: (position: number) =>
    `Event ${position} of the audit log is damaged. No notification is made beyond it, and none is left out: verify the log, and restore it from its last good copy.`,
  logWentBack: (size: number, read: number) =>
    `The audit log has ${size} events, but ${read} were read for notifications: it was restored from an older copy. No notification is made. Restore notifications.sqlite in its folder from the same copy; or remove it, and accesses of the time for which notifications are kept are told again.`,
  outboxFailed: (outbox: string, fault: string) =>
    `Notifications cannot be written into ${outbox} (${fault}). They wait, and it is tried again; GET /notifications gives them meanwhile.`,
  unreadable: (positions: readonly number[]) =>
    `Events ${positions.join(', ')} of the audit log could not be read, so an access may not have been told; every authority's next notification says so. Look into who writes to Redis.`,
  late: (oldest: string) =>
    `The oldest access that no authority was told of is of ${oldest}: notifying does not keep up.`,
  failed: (fault: string) => `Authorities cannot be told (${fault}).`,
  triedAgain: (why: string) => `${why} It is tried again.`,
  nothingLeftOut: (why: string) => `${why} It is tried again; nothing is left out.`,
} as const;

/** Of who may ask, and who asks too much. */
export const ADMISSION = {
  becameLive:
    'The dataset has become live: nobody may ask. Set ISSUERS_FILE and ORGANISATIONS_FILE, and restart.',
  issuers: (count: number) => `${count} issuers are trusted.`,
  keysPassedOver: (issuer: string, keys: string) =>
    `Keys of ${issuer} that fit none of its algorithms are passed over: ${keys}.`,
  /** `why` begins with a colon, or is empty. */
  keysNotFetched: (url: string, lastAt: string | undefined, why: string) =>
    `The keys at ${url} ${lastAt === undefined ? 'have not been fetched yet' : `were last fetched at ${lastAt} and count no longer`}${why}. Its tokens cannot be judged: they are answered could-not-check.`,
  keysNotFetchedAgain: (url: string, until: string, why: string) =>
    `The keys at ${url} cannot be fetched again${why}. Those fetched before count until ${until}.`,
  filesUnreadable: 'The files cannot be read.',
  /** @param why the reason for which a file that has changed is not used */
  stillCounts: (why: string) => `${why} What was read before still counts.`,
  noCareSetting: 'No care setting is registered in ORGANISATIONS_FILE: every lookup is refused.',
  organisations: (count: number) => `${count} organisations are registered.`,
  revocations: 'Revocations are read.',
  nothingUnusual: 'Nobody looks numbers up in an unusual manner.',
  alerts: (count: number) => `${count} alerts in the last hour; the audit says who.`,
} as const;

const shareText = (upToDate: number, expected: number): string =>
  `${upToDate} of ${expected} authorities are up to date`;

/** Of which authorities there are to be, and how many are up to date. */
export const COVERAGE = {
  notSet:
    'It is not set which authorities are expected: a number without a flag is could-not-check. Set it with `cp-flags authority expect`.',
  becameLive:
    'The dataset has become live: a number without a flag is could-not-check. Set MINIMUM_COVERAGE and MINIMUM_COVERAGE_ACCEPTED_BY, and restart.',
  demo: 'A demo expects those it has.',
  expected: (count: number, area: string, others: readonly string[]) =>
    `${count} authorities are expected (${area}).${others.length === 0 ? '' : ` Known, and not expected: ${others.join(', ')}.`}`,
  share: (upToDate: number, expected: number) => `${shareText(upToDate, expected)}.`,
  tooFew: (upToDate: number, expected: number) =>
    `${shareText(upToDate, expected)}, too few for a negative: where no flag is found, the answer is could-not-check. Load their newest files.`,
  nothingHeld: (upToDate: number, expected: number) =>
    `${shareText(upToDate, expected)}, and no plan is held: every lookup is could-not-check. Load the first files (cp-flags load).`,
} as const;

/** Of what somebody other than this service has written to Redis. */
export const FOREIGN_WRITES = {
  none: 'Nothing in Redis is known to be by anybody else.',
  notLooked:
    'Lists of those who looked cannot be looked through. Give Redis the users of this version.',
  found: (counts: Record<'audit-stream' | 'audit-entry' | 'access-list', number>) => {
    const said = [
      [counts['audit-stream'], 'audit streams have numbers that this service did not give'],
      [counts['audit-entry'], 'entries of the audit are no events of this service'],
      [counts['access-list'], 'lists of those who looked cannot be read'],
    ].flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]));
    return `${said.join('; ')}. Find out who has the password of the lookup processes' Redis user and change it; then a named person puts it right with cp-flags repair.`;
  },
} as const;

export const TLS = {
  expired: 'The certificate has expired. Renew it.',
  valid: (days: number) => `The certificate is valid for ${days} more days.`,
} as const;

export const TELEMETRY = {
  noMetrics: (address: string, fault: string) =>
    `Metrics cannot be given on ${address} (${fault}). Set METRICS_PORT and METRICS_HOST to a free port of this machine; it is tried again.`,
  notSent:
    'Traces or metrics cannot be sent by OTLP; lookups go on without. See OTEL_EXPORTER_OTLP_ENDPOINT.',
} as const;

/** Why there is no demo, or not all of it. */
export const DEMO = {
  notWhole: (file: string, why: string) => `The sample file ${file} was not loaded whole: ${why}`,
  live: 'The dataset here is live, and a demo is not made of it. Start with cp-flags serve, or set DATA_DIR to another folder.',
  otherData: 'The Redis at REDIS_URL holds other data, and a demo is only put into an empty one.',
  noAuthority: 'There is no sample authority.',
} as const;
