/**
 * What an operator is told about the audit, notifications, access and coverage: in `/_status`, the log and the
 * command line. Never an NHS number, nor who is who. `fault` is the code of a fault, never its message.
 */

import type { EnumerationAlertEvent } from '../audit/audit-event.ts';
import { counted, figure } from './counts.ts';
import { durationText, spaceText } from './durations.ts';
import { DECISIONS } from './operator-decisions.ts';
import { zonedTimeText } from './times.ts';

const RESTORE_LOG =
  'Nothing more is sealed. Keep the folder as it is for the investigation, and restore the log from its last good copy.';

/** The sealing of audit events. */
export const SEALING = {
  starting: 'The sealing of audit events is starting.',
  silent:
    'The sealing of audit events has not reported for 30 s. Events wait in Redis. Restart this process if this does not pass.',
  threadFailed: 'The sealing of audit events failed and is being restarted.',
  asTheyCome: 'Audit events are sealed as they come.',
  inNumbers: (of: {
    sealedEvents: number;
    unsealedEvents: number;
    oldestUnsealedMs: number;
    verifiedAgoMs?: number;
  }) =>
    [
      `${counted(of.sealedEvents, 'event is', 'events are')} sealed`,
      of.unsealedEvents > 0 &&
        `, ${counted(of.unsealedEvents, 'waits', 'wait')}, the oldest for ${durationText(of.oldestUnsealedMs)}`,
      of.verifiedAgoMs !== undefined &&
        `. The newest were verified ${durationText(of.verifiedAgoMs)} ago`,
      '.',
    ]
      .filter((part) => part !== false)
      .join(''),
  noDataset: 'There is no dataset yet, and therefore no audit log.',
  otherDataset: 'Redis does not hold the dataset of this data folder.',
  unreachable: 'Sealing waits for a connection to Redis.',
  inUse: 'Another process seals the log.',
  otherLog:
    'The events of this Redis are sealed by another log. Set AUDIT_DIR to the folder of that log. Without AUDIT_COPY it must be on one file system for all workers.',
  oldLog: ({ here, sealed }: { here: number; sealed: number }) =>
    `The audit log in AUDIT_DIR has ${counted(here, 'event')}, and a worker has sealed ${figure(sealed)}: it is an old copy or another folder. Leave Redis as it is, and set DATA_DIR, ANCHOR_DIR and AUDIT_DIR to the folders of the worker that ran last. If they are lost for good, a named person can continue with this log on the page “${DECISIONS.titles.gap}”, or with cp-flags audit accept-gap.`,
  elsewhere: (folder: string) =>
    `The audit log is not in ${folder}. It is on the machine of the worker: run this there, with its DATA_DIR and AUDIT_DIR, to see how sealing and notifications go. If this is that machine, the log is lost or AUDIT_DIR is wrong.`,
  newerAtWork:
    'The store is open, so a worker is running, and its audit log has more events than this one. Nothing was accepted. Use the folders of that worker.',
  none: (folder: string) =>
    `There is no audit log in ${folder} yet. A process with role all or worker creates it.`,
  nobody: (since: string | undefined) =>
    `No process has sealed audit events${since === undefined ? '' : ` since ${zonedTimeText(since)}`}. Start a process with role all or worker.`,
  gapBack: (stream: string, sealed: number, known: number) =>
    `${stream} went back (${counted(sealed, 'event is', 'events are')} sealed, and Redis knows ${figure(known)})`,
  gap: (stream: string, first: number, last: number) =>
    `${first === last ? `event ${first}` : `events ${first} to ${last}`} of ${stream} ${first === last ? 'is' : 'are'} missing from Redis`,
  /**
   * @param gap the first of them
   * @param isLost whether it can be accepted that events are lost: not if Redis went back
   */
  gaps: (gap: string, others: number, isLost: boolean) =>
    `The numbering of audit events is broken${others > 0 ? ` in ${figure(others + 1)} places, first here` : ''}: ${gap}. Nothing more is sealed. Stop the service and restore Redis from its last good copy${isLost ? `; if there is none, a named person can continue on the page “${DECISIONS.titles.gap}”, or with cp-flags audit accept-gap` : ''}.`,
  notWritten: (fault: string, folder: string) =>
    `The audit log cannot be written (${fault}). See that ${folder} is there, has room, and can be written to by the user of this service. Events wait in Redis; nothing is lost.`,
  failed: (fault: string) =>
    `Events cannot be sealed (${fault}); the service is retrying. They wait in Redis.`,
  damaged: (damage: string) =>
    `The newest part of the audit log is not what was sealed. ${damage} Nothing more is sealed. Keep the folder for the investigation, and restore the log from its last good copy.`,
  foreign: 'Entries that are not events were sealed as unreadable. See the alert ForeignWrites.',
  notIndexed: (why: string) => `The audit index cannot be updated (${why}). It is tried again.`,
  late: (count: number, oldest: string) =>
    `${counted(count, 'audit event waits', 'audit events wait')} to be sealed, the oldest since ${zonedTimeText(oldest)}: sealing is falling behind.`,
} as const;

/** The witnesses that cosign the log's checkpoints. `name` is a witness's. */
export const WITNESSING = {
  starting: 'Witnesses of the audit log are being asked.',
  silent:
    'The witnessing of the audit log has not reported for 30 s. Restart this process if this does not pass.',
  threadFailed: 'The witnessing of the audit log failed and is being restarted.',
  noCheckpoint: 'There is no checkpoint yet for witnesses to cosign.',
  witnessed: (required: number, of: number) =>
    `Checkpoints of the audit log are cosigned: ${required} of ${of} ${of === 1 ? 'witness is' : 'witnesses are'} needed.`,
  notWitnessed: (required: number, of: number, since: string) =>
    `The audit log has not been witnessed since ${zonedTimeText(since)}: ${required} of ${of} ${of === 1 ? 'witness is' : 'witnesses are'} needed. Sealing and lookups continue.`,
  neverWitnessed: (required: number, of: number) =>
    `The audit log has not been witnessed yet: ${required} of ${of} ${of === 1 ? 'witness is' : 'witnesses are'} needed. Sealing and lookups continue.`,
  notCompared:
    'No witness has answered since the start, so this data folder could not be compared with what witnesses know: it may be an old copy.',
  /** @param why without a full stop */
  failing: (name: string, since: string, why: string) =>
    `${name} has not cosigned since ${zonedTimeText(since)} (${why}).`,
  accepted: (name: string) =>
    `${name} cosigns nothing more, because it knows the log as it was before a named person confirmed this copy. Replace it by a witness with a new key.`,
  upTo: (size: number) => `${counted(size, 'entry is', 'entries are')} witnessed.`,
  noCosignature: 'its answer has no cosignature by the key that was set',
  contradicts: 'what it knows of the log contradicts what is here',
  unsettled: 'it names another size each time',
  noProof: 'the files of the log do not lead to what it knows',
  /** @param size what the witness knows */
  contradicted: (name: string, size: number, ours: number) =>
    size > ours
      ? `The witness ${name} knows this audit log with ${counted(size, 'entry', 'entries')}, and here it has ${figure(ours)}: this data folder is an old copy, or another process seals the same log.`
      : `The witness ${name} knows the first ${figure(size)} entries of this audit log, and they are not those here (${counted(ours, 'entry', 'entries')}): an old copy was continued, or the log was rewritten.`,
  /** @param contradicted one of the sentences above */
  oldCopy: (contradicted: string) =>
    `${contradicted} Nothing is answered or sealed from it. If there is a newer data folder, use that. If this is the newest that is left, a named person can continue on the page “${DECISIONS.titles['old-copy']}”, or with cp-flags confirm old-copy.`,
} as const;

/** Why a log is not continued. */
export const LOG_NOT_WHOLE = {
  otherDataset: (folder: string) =>
    `The log in ${folder} belongs to another dataset. Set AUDIT_DIR to the log of this one, or to a new folder.`,
  otherKey: (key: string, log: string) =>
    `The key is named ${key}, the log ${log}. Set AUDIT_KEY_FILE to the log’s own key.`,
  notCommitted: (folder: string) =>
    `There is a log in ${folder}, but it is not what was committed. ${RESTORE_LOG}`,
  damaged: (folder: string) =>
    `Files of the log in ${folder} are missing or damaged. ${RESTORE_LOG}`,
  otherFiles: (folder: string) =>
    `The files of the log in ${folder} are not those that were committed. ${RESTORE_LOG}`,
  notSigned: (folder: string, size: number | undefined) =>
    `The log in ${folder} is not the one that was signed${size === undefined ? '' : ` at ${counted(size, 'entry', 'entries')}`}. ${RESTORE_LOG}`,
  checkpointNotOurs: (folder: string, why: string) =>
    `The checkpoint in ${folder} is not signed by this service’s key. ${why} Set AUDIT_KEY_FILE to the log’s own key, or restore the log from its last good copy.`,
  wentBack: (folder: string, signed: number, committed: number) =>
    `The log in ${folder} was signed at ${counted(signed, 'entry', 'entries')}, but only ${figure(committed)} ${committed === 1 ? 'is' : 'are'} committed: it went back. ${RESTORE_LOG}`,
} as const;

/** The counting of children that each user looks up. */
export const ALERTING = {
  starting: 'Counting the children that each user looks up is starting.',
  silent:
    'Counting the children that each user looks up has not reported for 30 s. Nothing is left out. Restart this process if this does not pass.',
  noLog: 'There is no audit log to count yet.',
  standby: 'Another process counts the children that each user looks up.',
  counted: 'The children that each user looks up are counted.',
  outboxFailed: (outbox: string, fault: string) =>
    `Alerts for the privacy officer cannot be written into ${outbox} (${fault}). They wait and are retried; the audit has them.`,
  auditFailed: (fault: string) =>
    `Alerts cannot be written to the audit (${fault}). They wait and are retried.`,
  failed: (fault: string) =>
    `The children that users look up cannot be counted (${fault}), so a user who looks up many is not noticed. The service is retrying; nothing is left out.`,
} as const;

const PERIODS = new Map([
  [60, 'a minute'],
  [3_600, 'an hour'],
  [86_400, 'a day'],
]);

const ACCESSES = { unscheduled: ' in unscheduled care', 'silent-read': ' in scheduled care' };

const SIGNS: Record<EnumerationAlertEvent['sign'], (count: number, period: string) => string> = {
  'distinct-numbers': (count, period) => `looked up ${count} different children within ${period}`,
  'invalid-numbers': (count, period) =>
    `sent ${count} numbers that are not NHS numbers within ${period}`,
  'sequential-numbers': (count, period) =>
    `looked up ${count} numbers next to each other within ${period}`,
  'out-of-hours': (count, period) =>
    `looked up ${count} different children out of hours within ${period}`,
  peers: (count, period) =>
    `looked up ${count} numbers within ${period}, far more than colleagues did`,
};

/** Alerts about a user, for the operating organisation's privacy officer. */
export const ENUMERATION_ALERT = {
  /** What happened, and what to do, for a person who reads nothing else. */
  summary: ({
    caller: { name, role, organisation },
    sign,
    access,
    count,
    threshold,
    windowSeconds,
  }: EnumerationAlertEvent) => {
    const what = SIGNS[sign](count, PERIODS.get(windowSeconds) ?? `${windowSeconds} seconds`);
    return `${name} (${role.name}, ${organisation.name}) ${what}${access === undefined ? '' : ACCESSES[access]}. The alert is given above ${threshold}. It is a sign, not a finding: read everything that the user did (page “Reports”, or cp-flags audit report user), and ask. To stop the user, block them (page of one of their events, or cp-flags block).`;
  },
} as const;

/** Attempts by barred users, for the operating organisation's Caldicott Guardian. */
export const BARRED_ALERT = {
  summary: (name: string, role: string, organisation: string) =>
    `${name} (${role}, ${organisation}) tried to look up a child that a council bars them from. They were answered that the check could not be made, and do not know that they are barred. Tell the privacy officer of ${organisation}, and nobody else there. The audit has the number, under the audit id. This is a sign, not a finding: ask before you conclude.`,
} as const;

/** Whereabouts that a second council protects. */
export const PROTECTED_TWICE = {
  summary: (auditId: string, council: string, first: string) =>
    `Council ${council} protects where a child is looked up. Council ${first} has protected this child for longer. Only ${first} is told where. Neither was told the other’s name, which may say where the child is. Find out why: ${council} may have good reason, or somebody there may be looking for the child. The audit has the number, under the id ${auditId}.`,
} as const;

/** Looks at protected children whose place no council is told. */
export const PLACE_UNTOLD = {
  summary: (auditId: string, first: string) =>
    `A child was looked up. Council ${first} protects the child’s whereabouts, and did so before any other council. No plan of ${first} for the child is shown any more, so ${first} was not notified. No other council was told where. Ask ${first} whether its protection should end: then the next council that protects the child is notified of later looks. Decide whether anybody has to know the place of this look. The audit has it, under the id ${auditId}.`,
} as const;

/** Entries of the log that are events of a type, or with a word, that this version does not know. */
export const UNKNOWN_ENTRIES = {
  none: 'Every entry that was sealed lately is of a type that this version knows.',
  some: (count: number) =>
    `${counted(count, 'entry', 'entries')} sealed lately ${count === 1 ? 'has' : 'have'} a type or a word that this version does not know. Searches show them as unreadable. During an upgrade a newer process wrote them; start its worker. If no newer process runs, somebody else writes to Redis: see the alert ForeignWrites.`,
  found: 'Sealed entries have a type or word not known to this version: see audit:known-types.',
} as const;

/** Telling authorities who looked. */
export const NOTIFYING = {
  /** @param outbox `undefined` if none is set for the caller */
  resent: (count: number, authority: string, outbox: string | undefined) =>
    outbox === undefined
      ? `${counted(count, 'notification')} of ${authority} ${count === 1 ? 'waits' : 'wait'} to be written once more. NOTIFICATIONS_OUTBOX is not set here: a worker writes them only if it is set there. ${authority} can ask for what is kept: GET /notifications.`
      : `${counted(count, 'notification')} of ${authority} ${count === 1 ? 'is' : 'are'} to be written into ${outbox} once more, which the worker does within seconds.`,
  starting: 'Notifying authorities is starting.',
  silent:
    'Notifying authorities has not reported for a minute. Nothing is lost. Restart this process if this does not pass.',
  threadFailed: 'Notifying authorities failed and is being restarted.',
  asTheyCome: 'Authorities are notified of accesses as they are sealed.',
  /** What waits, after one of these sentences; nothing if nothing does. */
  inNumbers: (of: {
    behindEvents: number;
    lagMs: number;
    unwritten: number;
    unreadable: number;
  }) => {
    const parts = [
      ...(of.behindEvents > 0
        ? [`${counted(of.behindEvents, 'sealed event is', 'sealed events are')} not read yet`]
        : []),
      ...(of.lagMs > 0 ? [`the oldest access not notified is ${durationText(of.lagMs)} old`] : []),
      ...(of.unwritten > 0
        ? [`${counted(of.unwritten, 'notification waits', 'notifications wait')} for the outbox`]
        : []),
      ...(of.unreadable > 0 ? [`${counted(of.unreadable, 'event')} could not be read`] : []),
    ].join('; ');
    return parts === '' ? '' : ` ${parts[0]?.toUpperCase()}${parts.slice(1)}.`;
  },
  standby: 'Another process notifies authorities.',
  notYet: 'No process notifies authorities yet. Start a process with role all or worker.',
  nobody: (since: string) =>
    `No process has notified authorities since ${zonedTimeText(since)}. Start a process with role all or worker.`,
  noAuthorities: 'The authorities are not known yet.',
  noLog: 'There is no audit log to notify from yet.',
  noCheckpoint: 'The audit log has no checkpoint yet.',
  bundleDamaged: (path: string) =>
    `${path} of the audit log is missing or damaged. Notifications stop there, and none is left out: restore the log from its last good copy.`,
  eventDamaged: (position: number) =>
    `Event ${position} of the audit log is damaged. Notifications stop there, and none is left out: verify the log, and restore it from its last good copy.`,
  logWentBack: (size: number, read: number) =>
    `The audit log has ${counted(size, 'event')}, but ${figure(read)} were read for notifications: it was restored from an older copy. No notification is made. Restore notifications.sqlite in its folder from the same copy; or remove it, and all accesses for which notifications are kept are notified again.`,
  outboxFailed: (outbox: string, fault: string) =>
    `Notifications cannot be written into ${outbox} (${fault}). They wait and are retried; until then GET /notifications has them.`,
  unreadable: (positions: readonly number[]) =>
    `Events ${positions.join(', ')} of the audit log could not be read, so an access may not have been notified; every authority’s next notification says so. Find out who writes to Redis.`,
  late: (oldest: string) =>
    `The oldest access that no authority was notified about is from ${zonedTimeText(oldest)}: notifying is falling behind.`,
  failed: (fault: string) => `Authorities cannot be notified (${fault}).`,
  triedAgain: (why: string) => `${why} The service is retrying.`,
  nothingLeftOut: (why: string) => `${why} The service is retrying; nothing is left out.`,
} as const;

/** Who may ask, and who asks too much. */
export const ADMISSION = {
  becameLive:
    'The dataset has become live: nobody may look. Set ISSUERS_FILE and ORGANISATIONS_FILE, and restart.',
  issuers: (count: number) => `${count} ${count === 1 ? 'issuer is' : 'issuers are'} trusted.`,
  /** @param why without a full stop */
  notIntrospected: (url: string, why: string) =>
    `Opaque tokens cannot be resolved at ${url}: ${why}. Those resolved within the last minute count; lookups with others are could-not-check.`,
  keysPassedOver: (issuer: string, keys: string) =>
    `Keys of ${issuer} that fit none of its algorithms are not used: ${keys}.`,
  /** `why` begins with a colon, or is empty. */
  keysNotFetched: (url: string, lastAt: string | undefined, why: string) =>
    `The keys at ${url} ${lastAt === undefined ? 'have not been fetched yet' : `were last fetched at ${zonedTimeText(lastAt)} and no longer count`}${why}. Its tokens cannot be verified, so lookups with them are could-not-check.`,
  keysNotFetchedAgain: (url: string, until: string, why: string) =>
    `The keys at ${url} cannot be fetched again${why}. The keys fetched before count until ${zonedTimeText(until)}.`,
  filesUnreadable: 'The files cannot be read.',
  noFile: (path: string) => `${path} is not a file.`,
  filesSilent: (files: string, ms: number) => `${files}: not read within ${durationText(ms)}.`,
  /** @param why the reason for which a file that has changed is not used */
  stillCounts: (why: string) => `${why} The last good file still counts.`,
  noCareSetting: 'No care setting is registered in ORGANISATIONS_FILE: every lookup is refused.',
  organisations: (n: number) => `${counted(n, 'organisation is', 'organisations are')} registered.`,
  revocations: 'Revocations are read.',
  nothingUnusual: 'Nobody looks up numbers in an unusual way.',
  alerts: (count: number) => `${counted(count, 'alert')} in the last hour; the audit says who.`,
} as const;

/** Providers by which people sign in to the pages. `fault` is a few words of ours. */
export const SIGN_IN_PROVIDERS = {
  answers: (name: string) => `${name} answers.`,
  discovery: (name: string, fault: string) =>
    `${name} does not say how to sign in with it (${fault}).`,
  tokens: (name: string, fault: string) =>
    `${name} does not say who has signed in (${fault}): nobody can sign in with it.`,
  keys: (name: string, fault: string) =>
    `The keys of ${name} cannot be fetched (${fault}): its sign-outs are not accepted, and it is asked to send them again.`,
  clock: (name: string, fault: string) =>
    `The clocks of ${name} and of this machine differ (${fault}): its sign-outs may be refused, and if it is behind nobody may be able to sign in with it.`,
  ahead: (seconds: number) => `its own is more than ${seconds} s ahead`,
  behind: (seconds: number) => `its own is more than ${seconds} s behind`,
  silent: 'no answer within 5 s',
  notUnderstood: 'the answer does not follow OpenID Connect',
  unknownKey: 'an ID token is signed with a key that was not among its keys',
  keysAway: 'from jwks_uri in its discovery document',
  status: (status: number) => `status ${status}`,
  says: (code: string) => `it answers ${code}; see clientId and the secret or key in SIGN_IN_FILE`,
  unreachable: (code: string) => `it cannot be reached, ${code}`,
} as const;

/** Sessions of the pages. */
export const SESSIONS = {
  notRead: 'The list of ended sessions of the pages has not been read yet.',
  known: (count: number) =>
    `The list of ended sessions of the pages can be read. Endings of the last 12 hours: ${count}.`,
  /** @param code how Redis's answer begins; if it gave none, nothing is known about lookups either */
  unreadable: (code: string | undefined) =>
    `The list of ended sessions of the pages cannot be read from Redis (cpf:ended${code === undefined ? '' : `, ${code}`}). Until it can, every check on the pages is could-not-check and nobody can sign in.${code === undefined ? '' : ' This alone does not stop lookups of the API.'} See the alert SessionsUnknown.`,
  /** @param code how Redis's answer begins */
  unchangeable: (code: string) =>
    `The list of ended sessions of the pages can be read, but Redis lets this process change nothing in it (cpf:ended, ${code}), so nobody can sign out. Until it can, every check on the pages is could-not-check, and only operators can sign in. See the alert SessionsUnknown.`,
  unconfirmed:
    'The list of ended sessions of the pages (cpf:ended) is read from a Redis that its replicas do not confirm as the primary, so sessions may have ended without being on it. Until they confirm it, every check on the pages is could-not-check, and only operators can sign in. See the alert SessionsUnknown.',
  tooMany: (most: number, since: string) =>
    `More than ${most} sessions of the pages ended, which never happens in normal use, and not all could be read. Everybody who signed in before ${zonedTimeText(since)} must sign in again. See the alert SessionsUnknown.`,
  tooManyAhead: (most: number, since: string) =>
    `More than ${most} endings of sessions in Redis (cpf:ended) have a time in the future, which this service never writes. ${most} are put right each second. Everybody who signed in before ${zonedTimeText(since)} must sign in again. See the alert SessionsUnknown.`,
} as const;

const shareText = (upToDate: number, expected: number): string =>
  `${upToDate} of ${expected} authorities are up to date`;

/** Which authorities are expected, and how many are up to date. */
export const COVERAGE = {
  notSet:
    'The expected authorities are not set, so a number without a flag is could-not-check. Set them on the page “Councils expected”, or with cp-flags authority expect.',
  becameLive:
    'The dataset has become live: a number without a flag is could-not-check. Set MINIMUM_COVERAGE and MINIMUM_COVERAGE_ACCEPTED_BY, and restart.',
  demo: 'A demo expects the authorities it has.',
  expected: (count: number, area: string, others: readonly string[]) =>
    `${count} ${count === 1 ? 'authority is' : 'authorities are'} expected (${area}).${others.length === 0 ? '' : ` Known but not expected: ${others.join(', ')}.`}`,
  share: (upToDate: number, expected: number) => `${shareText(upToDate, expected)}.`,
  tooFew: (upToDate: number, expected: number) =>
    `${shareText(upToDate, expected)}, too few for a negative: where no flag is found, the answer is could-not-check. Load their newest files.`,
  nothingHeld: (upToDate: number, expected: number) =>
    `${expected === 0 ? 'No authority is known here' : shareText(upToDate, expected)}, and no plan is held: every lookup is could-not-check. Have the councils send their first files, or load them (cp-flags load).`,
} as const;

export const OWN_DISK = {
  notLooked: 'Not looked at yet.',
  room: (mebibytes: number) => `The disk of DATA_DIR has ${spaceText(mebibytes)} left.`,
  little: (mebibytes: number) =>
    `The disk of DATA_DIR has ${spaceText(mebibytes)} left. Without room this process cannot keep refusals and undelivered answers while Redis is away, nor councils’ numbers. Make room.`,
  noAnswer:
    'The disk of DATA_DIR does not answer, so this process cannot keep refusals and undelivered answers while Redis is away, nor councils’ numbers. See whether it is still there.',
  notWritable: (code: string) =>
    `This process cannot write into DATA_DIR (${code}), so refusals and undelivered answers are lost while Redis is away, and councils’ numbers are not kept. Make room on the disk, or correct the rights of the folder.`,
} as const;

export const TLS = {
  expired: 'The certificate has expired. Renew it.',
  valid: (days: number) => `The certificate is valid for ${counted(days, 'more day')}.`,
  endsSoon: (days: number) => `The certificate expires in ${counted(days, 'day')}. Renew it.`,
} as const;

export const TELEMETRY = {
  noMetrics: (address: string, fault: string) =>
    `Metrics cannot be served on ${address} (${fault}). Set METRICS_PORT and METRICS_HOST to a free port on this machine; the service is retrying.`,
  notSent:
    'Traces or metrics cannot be sent by OTLP; lookups continue. See OTEL_EXPORTER_OTLP_ENDPOINT.',
} as const;

/** Why there is no demo, or not all of it. */
export const DEMO = {
  notWhole: (file: string, why: string) => `The sample file ${file} was not loaded whole: ${why}`,
  live: 'The dataset here is live and cannot be made a demo. Start with cp-flags serve, or set DATA_DIR to another folder.',
  otherData: 'The Redis at REDIS_URL holds other data, and a demo is only put into an empty one.',
  noAuthority: 'There is no sample authority.',
} as const;

/** An address at which the service cannot be reached. */
export const LISTENING = {
  inUse: (address: string) =>
    `${address} is in use by another program. Stop that one, or set PORT to another port.`,
  failed: (address: string, fault: string) =>
    `${address} cannot be listened on (${fault}). Set HOST to an address of this machine, and PORT to a port that this user may use.`,
} as const;
