/** What an operator is told about the store: in `/_status`, the log and the command line. Never an NHS number. */

import { counted } from './counts.ts';
import { durationText, spaceText } from './durations.ts';
import { DECISIONS, SINGLE_MODE_ENDS } from './operator-decisions.ts';
import { zonedTimeText } from './times.ts';

const RESTORE = 'Stop the service, restore Redis from its last good copy, start again.';
const GO_ON = 'lookups then resume automatically.';
const USERS = 'Give Redis the users of this version.';

/** By the code of Redis's refusal. */
const REFUSALS = {
  LOADING: 'It is still reading its data from disk. Wait until it has',
  MASTERDOWN: 'It is a replica that has lost its primary. Set REDIS_URL to the primary',
  NOREPLICAS: 'Too few replicas are connected. Bring them back, or look at `min-replicas-to-write`',
  READONLY: 'It is a replica that takes no writes. Set REDIS_URL to its primary',
  MISCONF: 'It cannot write to its disk. Look at its disk and its log',
  OOM: 'Its memory is used up. Raise `maxmemory`',
  NOPERM: 'The user may not do it. Give Redis the users of this version',
} as const;

const refusal = (code: string): string => {
  const known = Object.hasOwn(REFUSALS, code) ? REFUSALS[code as keyof typeof REFUSALS] : undefined;
  return `${known ?? `Look at its log${code === '' ? '' : ` (${code})`}`}; ${GO_ON}`;
};

/** Checks of whether the store can be trusted, as they pass and as they fail. */
export const READINESS = {
  notChecked: 'Not checked yet.',
  reachable: 'Redis answers.',
  unreachable: 'Redis cannot be reached. Lookups resume automatically once it can.',
  /** @param code of Redis's refusal */
  refusesChecks: (code: string) => `Redis refuses the checks of this process. ${refusal(code)}`,
  primary: 'This Redis is the primary.',
  replica:
    'This Redis is a replica, which may lack the newest answers. Set REDIS_URL to the primary.',
  promoted: `This Redis is not known to be the server that gave the last answers: it is a replica that was promoted, or a copy, and may lack them. If you can get that server back, set REDIS_URL to it. If it is lost, a named person can continue on the page “${DECISIONS.titles.promotion}”, or with cp-flags confirm promotion.`,
  functions: 'The functions of this version are in the store.',
  noFunctions:
    'The store lacks the functions of this version. A process of this version with role all or worker installs them.',
  /** @param code of Redis's refusal */
  refusesFunctions: (code: string) =>
    `Redis does not run the functions of this version. ${refusal(code)}`,
  writable: 'Redis takes lookups and their audit events.',
  /** @param code of Redis's refusal */
  refuses: (code: string) => `Redis refuses lookups and their audit events. ${refusal(code)}`,
  dataset: (kind: string, id: string) => `The ${kind} dataset ${id} is present.`,
  noDataset:
    'The store holds no dataset. If this is a new store, run `cp-flags init`; if not, Redis has lost its data: restore it from its last good copy.',
  otherDataset:
    'The store holds a different dataset from when this process started. If that is intended, restart this process.',
  verified: 'The store was verified since Redis last started.',
  notVerified:
    'The store has not been verified since Redis last started. A process with role all or worker verifies it within seconds; if none runs, start one.',
  notOpened: 'The store has not been opened: it holds no dataset.',
  whole: 'All partitions are whole.',
  notWhole: (doubtful: number, all: number, first: number | undefined) =>
    `${doubtful} of ${all} partitions are not whole (first: ${first}). Nothing is answered from them. ${RESTORE}`,
  durable: 'Every audit event is on disk before its answer.',
  notAppending: `Redis keeps no append-only file. Set \`appendonly yes\`; ${GO_ON}`,
  appendFailed: 'Redis could not write its append-only file. Look at its disk and its log.',
  rewritten: (mebibytes: number) => `The append-only file of Redis takes ${spaceText(mebibytes)}.`,
  notRewritten: (mebibytes: number) =>
    `Redis could not rewrite its append-only file, which takes ${spaceText(mebibytes)} and grows. Look at its disk, its memory and its log; it tries again by itself, less and less often. Once the cause is gone, \`BGREWRITEAOF\` does it at once.`,
  eventsMissing: `Audit events that were recorded are missing from Redis. ${RESTORE}`,
  memory: (percent: number) => `Redis has ${percent} % of its memory left.`,
  littleMemory: (percent: number, reservePercent: number) =>
    `Redis has ${percent} % of its memory left, below the reserve of ${reservePercent} %. Raise \`maxmemory\`; ${GO_ON}`,
  noMemoryLimit: 'Redis has no memory limit. Set `maxmemory`, so that you can see it running out.',
  mayForget: 'Redis may forget children to save memory. Set `maxmemory-policy noeviction`.',
  disk: (mebibytes: number) => `The disk has ${spaceText(mebibytes)} left.`,
  littleDisk: (mebibytes: number) =>
    `The disk has ${spaceText(mebibytes)} left, below the reserve for audit events. Make room; ${GO_ON}`,
  diskSilent: `The disk of Redis does not answer, so it is not known whether audit events fit on it. See whether it is still there; ${GO_ON}`,
  diskUnreadable: (code: string) =>
    `The folder of Redis cannot be looked at (${code}), so it is not known whether audit events fit on its disk. Correct that; ${GO_ON}`,
  diskElsewhere: 'The disk of Redis is not checked from here. Monitor it on its own machine.',
  clock: (apartMs: number) =>
    apartMs < 1_000
      ? 'The clocks of service and store are less than a second apart.'
      : `The clocks of service and store are at most ${durationText(Math.ceil(apartMs / 1_000) * 1_000)} apart.`,
  clocksApart: (apartMs: number) =>
    `The clocks of service and store are ${durationText(apartMs)} apart; 5 seconds are allowed. Set both by a time server.`,
  clockWentBack: `The clock of the store has gone back. Set it by a time server. If it was ahead before and is right now, a named person can continue on the page “${DECISIONS.titles.clock}”, or with cp-flags confirm clock.`,
  directory: (authorities: number) =>
    `${counted(authorities, 'authority is', 'authorities are')} known.`,
  directoryRead: (agoMs: number) => `Read ${durationText(agoMs)} ago.`,
  authorityUnreadable: (code: string) =>
    `The entry of authority ${code} cannot be read. Enter its name and numbers again on the page Councils, Set up a council, or with cp-flags authority set ${code}. If that is refused, more of it is damaged. ${RESTORE}`,
  directoryUnread: {
    notAllowed: `This process may not read the directory of authorities. ${USERS}`,
    unanswered: `Redis did not give the directory of authorities. Look at its log; ${GO_ON}`,
  },
  blocked: (users: number) => `${counted(users, 'user is', 'users are')} blocked.`,
  blockedUnread: {
    notAllowed: `This process may not read the list of blocked users. ${USERS}`,
    unanswered:
      'Redis did not give the list of blocked users. The list as it was last read counts. Look at the log of Redis.',
  },
  numbersInUse: 'The list of numbers that are no longer in use can be read.',
  numbersInUseUnread: {
    notAllowed: `This process may not read the list of numbers that are no longer in use, so a lookup of a replaced number is answered as a negative. ${USERS}`,
    unanswered:
      'Redis did not give the list of numbers that are no longer in use. A lookup that needs it is could-not-check. Look at the log of Redis.',
  },
  worker: 'A worker is alive.',
  noWorker:
    'No worker has reported within the last seconds that it is alive: after a restart of Redis nothing would open the store. Start a process with role all or worker; if one runs, it cannot reach Redis or write to it.',
  workerUnread: {
    notAllowed: `This process may not read whether a worker is alive. ${USERS}`,
    unanswered: 'Redis did not say whether a worker is alive. Look at its log.',
  },
} as const;

/** The replicas that an answer waits for. */
export const REPLICAS = {
  acknowledge: (attached: number) =>
    `${counted(attached, 'replica acknowledges', 'replicas acknowledge')} every write.`,
  missing: (attached: number, count: number) =>
    `${attached} of ${count} replicas are attached to this Redis: an answer could be lost with it. Bring the replica back; ${GO_ON} If it stays away, a named person orders single mode on the page “${DECISIONS.titles.replicas}”, or with cp-flags replicas single.`,
  silent: (required: number) =>
    `${required === 1 ? 'A replica must acknowledge every write, and does' : `${required} replicas must acknowledge every write, and do`} not in time. Look at ${required === 1 ? 'its disk' : 'their disks'} and at the network between them; ${GO_ON}`,
  noAgreement: (attached: number) =>
    `With ${counted(attached, 'replica')} attached, more than half of the sentinels must confirm each time that this Redis is the primary, and they do not: another may have been promoted. Bring the sentinels or the replica back; ${GO_ON}`,
  away: (attached: number, count: number) =>
    `${attached} of ${count} replicas are attached. Lookups are answered while the sentinels confirm the primary; they stop if another server is lost. Bring the replica back.`,
  neverSaid: `No worker of this version has reported how replicas write to disk. Start one with REDIS_REPLICAS set; ${GO_ON}`,
  saidLongAgo: `No worker has reported within the last 3 s how replicas write to disk, and it may have changed since. Start a process with role worker or all; ${GO_ON}`,
  /** @param problems what is wrong with each, sentences */
  unfit: (fit: number, least: number, problems: string) =>
    `${fit} of ${least} required replicas have every write on disk. ${problems} Lookups resume automatically once enough have.`,
  notRequired: 'No replica is waited for, by order.',
  notSingle: 'Replicas are waited for.',
  single: (by: string, at: string) =>
    `Single mode since ${zonedTimeText(at)}, ordered by ${by}: answers are on one disk only, and after a failover a named person has to confirm. Bring the replicas back. ${SINGLE_MODE_ENDS}`,
  servers: 'All replicas are fit to take over.',
  /** In single mode, which is no fault of the servers. */
  noServers: 'No replica is attached, so none could take over.',
  notSettled: (server: string) =>
    `Replica ${server} has not yet written everything that it copied to its own disk.`,
  wrongSetting: (server: string, setting: string, value: string) =>
    `Replica ${server}: set \`${setting} ${value}\`.`,
  notAppending: (server: string) =>
    `Replica ${server} does not write its append-only file. Look at its disk and its log.`,
  notInStep: (server: string) => `Replica ${server} is not in step with the primary.`,
  notAccepted: (server: string) =>
    `Replica ${server} does not accept the user of REDIS_URL: users are not replicated. Give every server the same users.`,
  fewRights: (server: string) =>
    `Replica ${server} gives the user of REDIS_URL fewer rights than the primary does. Give every server the same users.`,
  /** @param users names of users, at least one */
  otherUsers: (server: string, users: readonly string[]) =>
    `Replica ${server} has other rights, or another password, for ${users.join(', ')} than the primary has: users are not replicated, and after a failover ${users.length === 1 ? 'it' : 'they'} may be refused. Give every server the same users.`,
  usersNotCompared:
    'Whether they have the same users is not compared, because the user of REDIS_URL cannot read them. It needs the right to `acl|getuser`.',
  notReached: (server: string) => `Replica ${server} cannot be reached from this service.`,
  otherVersion: (server: string, version: string, primary: string) =>
    `Replica ${server} is of version ${version}, the primary of ${primary}. Bring both to the same version.`,
  notReplicated: (acknowledged: number, required: number) =>
    `Redis took it, but ${acknowledged} of ${required} replicas acknowledged it in time, so it may still be lost. Do it again once cp-flags status says that the store is ready for lookups.`,
} as const;

/** The sentinels that REDIS_URL names. */
export const SENTINELS = {
  reached: 'More than half of the sentinels are reached.',
  unreachable:
    'The sentinels of REDIS_URL cannot be reached. Look at their addresses and at the network.',
  fewReached: (reached: number, all: number) =>
    `${reached} of ${all} sentinels of REDIS_URL are reached: after a failover the new primary may not be found. Bring them back.`,
  unknownMaster: (master: string) =>
    `The sentinels know no primary named ${master}. REDIS_URL must end with the name after \`sentinel monitor\` in their files.`,
  notAccepted:
    'The sentinels do not accept REDIS_SENTINEL_USERNAME and the password of REDIS_SENTINEL_PASSWORD_FILE, or give it too few rights.',
} as const;

const WITHOUT = {
  appendonly: 'Redis keeps no append-only file.',
  appendfsync: 'Redis does not write audit events to disk at once.',
  'no-appendfsync-on-rewrite': 'Redis stops writing to disk at once while it rewrites its file.',
} as const;

/** Why an audit event may not be on disk before its answer. */
export const DURABILITY = {
  neverSaid: `No worker of this version has reported how Redis writes to disk. Start a process of this version with role worker or all; ${GO_ON}`,
  notSaid: `No worker has reported how Redis writes to disk since Redis started. If this does not pass, start a process with role worker or all; ${GO_ON}`,
  saidLongAgo: (ageMs: number) =>
    `How Redis writes to disk was last reported ${durationText(ageMs)} ago, and it may have changed since. Start a process with role worker or all; ${GO_ON}`,
  wrong: (setting: keyof typeof WITHOUT, value: string) =>
    `${WITHOUT[setting]} Set \`${setting} ${value}\`; ${GO_ON}`,
} as const;

/** What the store verifier found. */
export const VERIFIER = {
  notLookedAt: 'The store has not been checked yet.',
  unreachable: 'Redis cannot be reached.',
  verifying: 'The store is being verified.',
  fewReplicas: (attached: number, least: number) =>
    `${attached} of ${least} replicas are attached: nothing is verified or written before they are.`,
  open: 'The store is open.',
  verifies: 'Nothing keeps this worker from verifying the store.',
  nothingCutShort: 'No load, withdrawal or protection is left half done.',
  /** @param why what to do, in sentences */
  behind: (codes: readonly string[], why: string) =>
    `The store is open, but something was cut short and is not done: ${codes.toSorted().join(', ')} ${codes.length === 1 ? 'counts' : 'count'} as not up to date until it is. ${why}`,
  keptByAnother:
    'This worker does not find in Redis what its folders say, but another worker does and keeps the store open. This one changes nothing. Its DATA_DIR, ANCHOR_DIR or AUDIT_DIR is an old copy or another folder: set the right one, or stop this worker.',
  failed: (fault: string) => `The store could not be verified (${fault}); the service is retrying.`,
  noDatasetYet: 'There is no dataset yet. Create one with `cp-flags init`.',
  unknownDataset:
    'Redis holds a dataset that this data folder does not know. Set DATA_DIR to the folder of its anchor.',
  datasetLost: `Redis holds no dataset, although there was one: it has lost its data. ${RESTORE}`,
  otherDataset:
    'Redis holds a different dataset from this data folder. Set REDIS_URL and DATA_DIR to the two that belong together.',
  oldFolder: (ageMs: number, lastAlive: string) =>
    `This data folder was last in use ${durationText(ageMs)} ago (${zonedTimeText(lastAlive)}): it may be an old copy, without what was loaded and recorded since. If there is a newer one, use that. If this is the newest, a named person can continue on the page “${DECISIONS.titles['old-copy']}”, or with cp-flags confirm old-copy.`,
  comparing: 'Witnesses of the audit log are being asked whether this data folder is the newest.',
  clockWentBack: (behindMs: number, newest: string) =>
    `The clock of Redis is ${durationText(behindMs)} behind a time that was already seen (${zonedTimeText(newest)}). Set it by a time server. If it was ahead then and is right now, a named person can continue on the page “${DECISIONS.titles.clock}”, or with cp-flags confirm clock.`,
  directoryLacks: (codes: readonly string[]) =>
    `The directory no longer knows ${codes.join(', ')}, although files were loaded. ${RESTORE}`,
  rowsDiffer: (codes: readonly string[]) =>
    `Redis does not hold what was loaded for ${codes.join(', ')}: it was restored from an older copy, or part of it is lost. ${RESTORE}`,
  olderState: `Redis holds an older state than before. ${RESTORE}`,
  functionsReplaced:
    'Somebody other than this service has replaced its functions in Redis, so what lookups have found and recorded since cannot be relied on. Find out who has the password of the worker’s or the administrator’s Redis user and change it; then a named person runs `cp-flags repair`.',
  functionsPutBack:
    'Somebody other than this service has replaced its functions in Redis and put them back, so what lookups found and recorded in that second cannot be relied on. The store is verified again. Find out who has the password of the worker’s or the administrator’s Redis user and change it.',
  pushedOn:
    'Somebody other than this service has written to an audit stream and set its event numbers ahead, so nothing can be recorded there. Find out who has the password of the lookup processes’ Redis user and change it; then a named person runs `cp-flags repair`. No event is lost.',
} as const;

/** A connection to Redis whose packets vanish. */
export const CONNECTION_REPLACED =
  'A connection to Redis went silent and was replaced. Look for a firewall or a load balancer that forgets connections.';

/** Why no dataset is there, or none is made. */
export const DATASET = {
  absent: 'The store holds no dataset. Create one with `cp-flags init`.',
  exists:
    'A dataset exists already, in the store or in its anchor. An existing dataset is never replaced.',
  cutShort:
    'The creation of this dataset was interrupted. Run `cp-flags init` again with the same settings: it does the rest.',
  othersChildren: 'This Redis holds children of another dataset. Use an empty Redis for a new one.',
  notNamed: (id: string) =>
    `Redis holds dataset ${id}, which is not the one that DATASET_ID names. Set REDIS_URL and DATASET_ID to the two that belong together.`,
  liveNotNamed: (id: string) =>
    `Redis holds the live dataset ${id}, and a lookup process answers from a live dataset only if DATASET_ID names it. Compare it with the output of cp-flags status on the machine of the worker, then set DATASET_ID.`,
  otherServed: (served: string, id: string) =>
    `This data folder served dataset ${served}, and Redis holds ${id}. Set REDIS_URL to the Redis of the former, or DATA_DIR to another folder; or a named person can continue with cp-flags confirm dataset ${id}.`,
} as const;

/** Why something was not done to the store. */
export const STORE = {
  notWhole:
    'The store is not whole: part of it is missing or belongs to another dataset. Run `cp-flags status`, which says what to do.',
  noConnection: 'Redis could not be reached, or did not answer in time.',
  noRights:
    'The Redis user has too few rights for this. docs/operating/installing.md, "Redis users", names the right user; set REDIS_URL and REDIS_PASSWORD_FILE to that one.',
  notAccepted: 'Redis does not accept the user and password of REDIS_URL and REDIS_PASSWORD_FILE.',
  busy: 'Redis has been busy with one command for seconds and answers nothing else. As its administrator, type `FUNCTION KILL` into Redis (docs/operating/installing.md, "Type commands into Redis"), or `SCRIPT KILL` if it says so. If that answers UNKILLABLE, kill the process of Redis and start it again: nothing that was acknowledged is lost. If it happens again, change the passwords of the lookup processes.',
  tlsFailed: (code: string) =>
    `TLS with Redis failed (${code}). Lookups resume automatically once the certificate of Redis is valid, names its host, and is signed by an authority in REDIS_CA_FILE.`,
  notAnswering: (deadlineMs: number, cause: string | undefined) =>
    `The store did not answer within ${deadlineMs / 1000} s${cause === undefined ? '' : ` (${cause})`}.`,
  overtaken: 'Another loader was working on the authority at the same time.',
  lockLost: (authority: string) => `Another loader has taken over authority ${authority}.`,
  settingsBusy:
    'Another process is changing the settings of an authority. Do it again in a minute.',
  settingsOvertaken:
    'Another process changed these settings at the same moment. What you ordered is on record, but may not have been done, or only in part. Look at the settings, and do it again if it is still needed.',
  adoptionBusy:
    'Another process is deciding which audit log seals the events. Do it again in a minute.',
} as const;

/** Something else lies where a file, or a folder, is to be written. `is` names what: "a link". */
export const IN_THE_WAY = {
  ofFile: (path: string, is: string) =>
    `${path} is ${is}, and only a file is written or replaced. Give the path of a file.`,
  ofFolder: (path: string, is: string) => `${path} is ${is} and must be a folder. Remove it.`,
} as const;

/** The folder of an embedded Redis. */
export const DATA_FOLDER = {
  notWritable: (folder: string) =>
    `The data folder ${folder} cannot be written. Set DATA_DIR to one that can.`,
  inUse: (folder: string, pid: number | undefined) =>
    `The data folder ${folder} is in use by another process${pid === undefined ? '' : ` (${pid})`}. Stop it, or set DATA_DIR to another folder.`,
} as const;

/** What somebody other than this service has written to Redis. */
export const FOREIGN_WRITES = {
  none: 'Nothing in Redis is known to have been written by anybody else.',
  notAllowed: 'The lists of who looked cannot be checked. Give Redis the users of this version.',
  unanswered: 'The lists of who looked cannot be checked while Redis does not answer.',
  found: (counts: Record<'audit-stream' | 'audit-entry' | 'access-list', number>) => {
    const said = [
      ['Audit streams with numbers that this service did not assign', counts['audit-stream']],
      ['Entries in the audit that are not events of this service', counts['audit-entry']],
      ['Lists of who looked that cannot be read', counts['access-list']],
    ].flatMap(([what, count]) => (count === 0 ? [] : [`${what}: ${count}.`]));
    return `${said.join(' ')} Find out who has the password of the lookup processes’ Redis user and change it; then a named person runs cp-flags repair.`;
  },
} as const;
