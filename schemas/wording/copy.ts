import { counted } from './counts.ts';
import { DECISIONS } from './operator-decisions.ts';
import { zonedTimeText } from './times.ts';

/** What an operator is told about the second copy of the audit log: in `/_status`, the log and the command line. */

const WAITS = 'Nothing is sealed; events wait in Redis and nothing is lost.';

export const COPY = {
  starting: 'The second copy of the audit log has not been looked at yet.',
  kept: (place: string, entries: number) => `${place} has all ${counted(entries, 'sealed event')}.`,
  behind: (place: string, entries: number) =>
    `${place} is being brought up to date: it has ${counted(entries, 'sealed event')}.`,
  /** @param fault a code, never a message */
  away: (place: string, fault: string) =>
    `The second copy in ${place} cannot be used (${fault}). ${WAITS} Bring it back. If that takes long, a named person can continue with one copy on the page “${DECISIONS.titles.copy}”, or with cp-flags audit copy single.`,
  noRights: (place: string) =>
    `The second copy in ${place} refuses the credentials. Allow them to read, list and write there. ${WAITS}`,
  elsewhere: (place: string) =>
    `The server of the second copy in ${place} says that the bucket is in another region or at another address. Correct AUDIT_COPY_REGION and AUDIT_COPY_ENDPOINT. ${WAITS}`,
  clocksApart: (place: string) =>
    `The server of the second copy in ${place} refuses requests because its clock and that of this machine are too far apart. Set them by a time server. ${WAITS}`,
  noSuchBucket: (place: string) =>
    `There is no bucket for the second copy in ${place}. Create it, or correct AUDIT_COPY. ${WAITS}`,
  notThere: (place: string) =>
    `The folder of the second copy, ${place}, is not there. Create it on another file system than the audit log, owned by the user of this service, or mount it. ${WAITS}`,
  credentials: (fault: string) =>
    `The credentials of the second copy cannot be read (${fault}). Give AUDIT_COPY_CREDENTIALS_FILE a file with the access key on its first line and the secret key on its second, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. ${WAITS}`,
  notExclusive: (place: string) =>
    `${place} overwrites an object that was to be created only if it is not there (If-None-Match), so two workers could seal two different logs. Use a store that honours it. ${WAITS}`,
  expires: (place: string) =>
    `The bucket of the second copy in ${place} has a lifecycle rule that deletes its objects. Remove the rule, or limit it to objects outside the prefix in AUDIT_COPY. ${WAITS}`,
  expiryUnknown: (place: string) =>
    `The service may not read whether the bucket of the second copy in ${place} has a lifecycle rule that deletes its objects. Allow s3:GetLifecycleConfiguration.`,
  expiryNotSaid: (place: string, status: number) =>
    `The service could not read whether the bucket of the second copy in ${place} has a lifecycle rule that deletes its objects (status ${status}), so this is not known. It asks again within a minute.`,
  listsLate: (place: string) =>
    `${place} does not list objects that it has had for some time. Nothing is missing, because the service asks for what counts by its name. Use a server whose listings are complete at once: a worker then takes over faster, and nothing stays past the retention.`,
  otherLog: (place: string) =>
    `${place} holds the copy of another audit log. Set AUDIT_COPY to the copy of this one, or to an empty place.`,
  differs: (place: string, size: number) =>
    `The audit log and its copy in ${place} are not the same after ${counted(size, 'entry', 'entries')}. Nothing more is sealed. Keep both for the investigation, and restore the one that was changed.`,
  damaged: (place: string, name: string) =>
    `${name} in ${place} is damaged or missing. Nothing more is sealed. Keep the copy for the investigation, and restore that object.`,
  pruned: (place: string) =>
    `The beginning of the audit log is pruned, so a copy of it cannot begin in ${place}. Set AUDIT_COPY to the copy that has the beginning.`,
  beginsLater: (place: string, folder: string) =>
    `The audit log in ${folder} ends before the beginning of its copy in ${place}, which is pruned. Empty the folder: the log is then made from the copy.`,
  notPruned: (place: string, why: string) =>
    `Events older than AUDIT_RETENTION_YEARS stay in ${place}, because they could not be deleted. ${why}`,
  successor: 'Another worker has taken over and seals the log now. This one stops.',
  sameDisk: (place: string) =>
    `The second copy in ${place} is on the same file system as the audit log: both are lost with that disk. Set AUDIT_COPY to a folder on another one, or to a bucket.`,
  notTheWorker:
    'Another worker has taken over, so nothing is loaded or changed with this data folder. Use the data folder of the worker that is running.',
  takingOver:
    'Another worker has been trying to take over for a while, so nothing is loaded or changed with this data folder. Look at what that worker says, and try again.',
  commitNotSigned: (place: string, name: string) =>
    `${name} in ${place} is not signed with the audit key of this worker, so its events are not taken over, and nothing more is sealed; events wait in Redis. If the workers have different files in AUDIT_KEY_FILE, give each the same. If a worker of an earlier version was running last, start that one again, in this version. Otherwise somebody else has written it: keep a copy of it for the investigation, and remove it there.`,
  baseNotSigned: (place: string, name: string) =>
    `${name} in ${place} says where the audit log begins and is not signed with the audit key of this worker, so no log is begun from it. If the workers have different files in AUDIT_KEY_FILE, give each the same. If a worker of an earlier version wrote it, start one that still has its data folder, in this version: it signs it within a minute. Otherwise somebody else has written it: keep a copy of it for the investigation, remove it there, and put back what was removed under base/ and log/.`,
  stateNotSigned: (place: string, name: string) =>
    `${name} in ${place} is not signed with the audit key of this worker, so nothing is taken over from it. If the workers have different files in AUDIT_KEY_FILE, give each the same. Otherwise somebody else has written it, or a worker of an earlier version: start the worker that was running last, in this version, and it signs its own state again. If that cannot be done, keep the copy for the investigation, and put back what a worker last wrote there.`,
  stateOlder: (place: string, name: string) =>
    `What is in ${place} under ${name} is older than what was there before, so nothing is taken over from it: files or held records would be lost. Start the worker that was running last, which copies its state again. If that cannot be done, keep the copy for the investigation, and put back the newest version of each object there. If there is none, a named person can continue with what is there, without what came after it: cp-flags audit copy accept-older.`,
  /** In the sentence {@link COPY.stateNotKept}. */
  copiedByAnother:
    'Another process with this data folder has been copying it for too long. Look at which commands are running with it.',
  noState: 'The second copy has no state of a worker.',
  acceptedOlder: (epoch: number, at: string) =>
    `Accepted: the next worker takes over the state of worker ${epoch} as it was at ${zonedTimeText(at)}. Files acknowledged since then are compared with Redis when the store opens; held records and notices since then are missing, so ask each authority.`,
  nothingHere:
    'This data folder holds nothing of the dataset in Redis, and the second copy does not either. Start the worker that has it first.',
  stateKept: 'What a worker needs to take over is in the second copy.',
  stateNotKept: (why: string) =>
    `What a worker needs to take over is not in the second copy. ${why} Files are not loaded until it is.`,
  /** In the sentence {@link COPY.stateNotKept}. @param fault a code, never a message */
  stateFailed: (fault: string) => `It could not be copied (${fault}).`,
  stateNotCopied:
    'What a worker needs to take over is not copied while the audit log has one copy, by order of a named person: until that is ended, no other machine can take over.',
  stateLeft: (place: string, names: readonly string[]) =>
    `An earlier worker kept ${names.join(', ')} in ${place}. This worker has no place for it, so it stays there for a worker that has one. What begins with mesh belongs to the mailbox that it names, or to the only mailbox if it names none. MESH_MAILBOX here is not that mailbox. If that mailbox is still in use, answers may wait there: start a worker with that MESH_MAILBOX. Anything else is from a later version: update this worker.`,
  standingBy: 'Another worker is running. This one stands by and follows the second copy.',
  cannotTake: (fault: string) =>
    `This worker stands by, because it cannot find out whether another one is running (${fault}). The service is retrying.`,
  tookOver: (epoch: number) => `This worker has taken up its work (number ${epoch}).`,
  single: (by: string, at: string) =>
    `The audit log has one copy only, by order of ${by} since ${zonedTimeText(at)}. Once the second one is back, end this on the page “${DECISIONS.titles.copy}”, or with cp-flags audit copy require.`,
  singleElsewhere: `The audit log has one copy, on another machine, by order of a named person, so this worker may lack events. Start that worker. If its disk is lost, a named person runs cp-flags audit copy require, and then accepts what is missing on the page “${DECISIONS.titles.gap}”.`,
  notSet: `The audit log has a second copy, but AUDIT_COPY is not set here. Set it. Otherwise a named person can continue with one copy on the page “${DECISIONS.titles.copy}”, or with cp-flags audit copy single.`,
} as const;
