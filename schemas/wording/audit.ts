import { counted, figure } from './counts.ts';
import { zonedTimeText } from './times.ts';

/** What somebody who verifies the audit log is told: findings, and why a proof or a checkpoint does not count. */

/** How a log differs from what was signed. Entries count from 0; `to` is the last of them. */
export const LOG_FINDINGS = {
  noCheckpoint: (folder: string) => `There is no checkpoint in ${folder}.`,
  checkpointNotBelieved: (why: string) => `The checkpoint cannot be trusted. ${why}`,
  missingOrCut: (path: string) => `${path} is missing or cut short.`,
  nothingBefore: (what: string, start: number) =>
    `${what} Without it nothing can be said about the entries before ${start}.`,
  tooOld: (newest: string, hours: number) =>
    `The youngest event is from ${zonedTimeText(newest)}, more than ${hours} hours ago: this may be an old copy of the log.`,
  staleCheckpoint: (size: number, past: string) =>
    `The checkpoint is older than the log: it covers ${counted(size, 'entry', 'entries')}, but ${past} goes beyond them. Either an old checkpoint was put in its place, or the worker was killed and has not started again.`,
  oldOfOtherLog: (name: string, why: string) =>
    `${name} is a checkpoint of another log, or signed by a key that was not given. ${why}`,
  oldDamaged: (name: string, why: string) => `${name} is damaged, or is not a checkpoint. ${why}`,
  rolledBack: (size: number, name: string, oldSize: number) =>
    `The log was rolled back: its checkpoint covers ${counted(size, 'entry', 'entries')}, ${name} covered ${figure(oldSize)}. ${oldSize - size === 1 ? `Entry ${size} is` : `Entries ${size} to ${oldSize - 1} are`} gone.`,
  notCompared: (name: string, oldSize: number) =>
    `The log cannot be compared with ${name} (${counted(oldSize, 'entry', 'entries')}): its files are not those that were signed.`,
  forked: (name: string, oldSize: number) =>
    `The log is forked: its first ${figure(oldSize)} entries are not those that ${name} covered. Entries before ${oldSize} were rewritten and signed again.`,
  notWitnessed: (found: number, required: number, of: number) =>
    `checkpoint.cosigned has cosignatures of ${found} of the ${of} ${of === 1 ? 'witness' : 'witnesses'}; ${required} ${required === 1 ? 'is' : 'are'} needed.`,
  bundleDamaged: (path: string, entry: number) =>
    `${path} is damaged: it ends within entry ${entry}.`,
  hashesChanged: (path: string, from: number, to: number) =>
    `${path} was changed: entries ${from} to ${to} are those that were signed, their hashes in it are not.`,
  /** @param what one of the sentences without an end below */
  entryDiffers: (path: string, what: string) =>
    `${path}: ${what}. Its hash is not the one that was signed.`,
  tileDiffers: (path: string, from: number, to: number) =>
    `${path} does not agree with entries ${from} to ${to}: they, their tiles or it were changed.`,
  entriesMissing: (from: number, to: number, path: string) =>
    `Entries ${from} to ${to} are missing (from ${path} on).`,
  notAnEvent: (entry: number) => `Entry ${entry} is not an audit event.`,
  numberRepeated: (entry: number, number: number, stream: string, last: number) =>
    `Entry ${entry} is event ${number} of ${stream}, which was at ${last} before it.`,
  truncated: (from: number, to: number) =>
    `The log ends at entry ${from}: entries ${from} to ${to}, which the checkpoint covers, are missing.`,
  rootDiffers: (size: number) =>
    `The ${counted(size, 'entry', 'entries')} and their tiles agree with each other, but not with the root that was signed: from some entry on, entries were rewritten together with the tiles.`,
  numbersMissing: (from: number, to: number, stream: string, entry: number) =>
    `Events ${from} to ${to} of ${stream} are missing before entry ${entry}.`,
  gapAccepted: (
    gap: { from: number; to: number; stream: string; entry: number },
    accepted: { by: string; entry: number; reason: string },
  ) =>
    `Events ${gap.from} to ${gap.to} of ${gap.stream} are missing before entry ${gap.entry}; accepted by ${accepted.by} in entry ${accepted.entry}: ${accepted.reason}`,
  beginningMissing: (from: number, to: number) =>
    `Entries ${from} to ${to} are missing, and no entry says that they were pruned.`,
  pruned: (start: number) => `Entries before ${start} were pruned, as the log itself says.`,
  numbersMissingAfterPruned: (from: number, to: number, stream: string) =>
    `Events ${from} to ${to} of ${stream} are missing after what was pruned.`,
} as const;

/** What was done to an entry, for a sentence of its own. */
export const ENTRY_DIFFERS = {
  changed: (entry: number, nowSays: string) => `entry ${entry} was changed${nowSays}`,
  deleted: (entry: number) => `entry ${entry} was deleted`,
  inserted: (entry: number) => `something was inserted before entry ${entry}`,
  reordered: (entry: number) => `entries are in another order from entry ${entry} on`,
} as const;

/** Why a note that should be signed, such as a checkpoint, does not count as signed. */
export const NOTE = {
  tooLong: 'It is too long.',
  notUtf8: 'It is not UTF-8.',
  controlCharacters: 'It has control characters.',
  noSignatures: 'It has no signatures.',
  tooManySignatures: 'It has too many signatures.',
  badSignatureLine: 'A line among its signatures is not a signature.',
  otherText: (name: string, id: string) =>
    `The signature of ${name} (${id}) is not over this text.`,
  noneSigned: 'It is not signed by any of the keys given.',
  noCheckpoint: 'The signed text is not a checkpoint.',
  otherLog: (origin: string) => `It belongs to another log, ${origin}.`,
} as const;

/** Why something is not proven. */
export const PROOF = {
  noProof: 'This is not a proof in the form c2sp.org/tlog-proof@v1.',
  noEvent: 'The proof does not hold its event.',
  checkpointNotBelieved: (why: string) => `Its checkpoint cannot be trusted. ${why}`,
  notInLog: 'The event is not in the log that was signed.',
  noEntry: (index: number, folder: string, size: number) =>
    `There is no entry ${index} in ${folder}: it has ${size}, or it was pruned.`,
} as const;

/** The keys that sign it. */
export const AUDIT_KEY = {
  missing: (path: string) =>
    `The audit key ${path} is missing. Restore it, or set AUDIT_KEY_FILE to its path.`,
  unreadable: (path: string) =>
    `The audit key ${path} cannot be read. Restore it, or set AUDIT_KEY_FILE to its path.`,
  holdsNone: (path: string) =>
    `${path} holds no Ed25519 signing keys of one name, a line each (PRIVATE+KEY+...). Restore the audit key, or set AUDIT_KEY_FILE to it.`,
  notRetired: (path: string) => `${path} holds something other than retired public keys.`,
  notSignedYet:
    'The newest checkpoint is not signed by the new key yet. Start a process with role all or worker, which signs it within seconds.',
} as const;

/** The index by which the log is searched. */
export const AUDIT_INDEX = {
  none: 'There is no audit index yet.',
  damaged: 'The audit index is damaged.',
  notMade: 'The audit index cannot be built.',
  ahead: 'The audit index has events that the log does not have.',
  wrong: 'The audit index names the wrong events.',
} as const;

/** Reports of the audit. */
export const AUDIT_REPORT = {
  tooMuch: (events: number) =>
    `There are more than ${counted(events, 'event')}. Ask for a shorter time with --from and --to.`,
  whereaboutsProtected: (councils: readonly string[]) =>
    `${councils.join(' and ')} ${councils.length === 1 ? 'protects' : 'protect'} where this child is looked up. Places are left out unless you asked for them. Ask ${councils.length === 1 ? 'that council' : 'these councils'} before you release a place, or a name or role by which a place could be known.`,
  whereaboutsShown: (councils: readonly string[]) =>
    `${councils.join(' and ')} ${councils.length === 1 ? 'protects' : 'protect'} where this child is looked up. This report shows the places. Ask ${councils.length === 1 ? 'that council' : 'these councils'} before you release a place, or a name or role by which a place could be known.`,
  leftOutOfDraft: (count: number) =>
    `Left out of this page: ${count} (requests refused for a technical reason, events that are not accesses, and silent reads and searches of the audit unless they were asked for).`,
} as const;

/** What is wrong with a file of witnesses, after its path. */
export const WITNESSES_FILE = {
  wrong: (line: number, what: string) => `line ${line}: ${what}`,
  word: 'expected witness, group, quorum, log or a comment with #.',
  name: 'give a name that no line before it has, and that is not none.',
  key: 'expected witness NAME KEY ADDRESS, where KEY is the verifier key of a witness with Ed25519 (NAME+ID+B...).',
  url: 'the address must be https without a query; http only on this machine.',
  twice: 'an earlier witness has the same key.',
  tooMany: 'there are more than 32 witnesses.',
  group:
    'expected group NAME any, all or a number, and then names of witnesses above it, each once and at least that many.',
  quorum: 'expected quorum once, with the name of a witness or a group above it.',
  noQuorum: 'there is no quorum line, which says how many witnesses are needed.',
  noAddress: (name: string) => `the witness ${name} has no address.`,
  unreadable: (path: string) => `${path} cannot be read.`,
} as const;

/** Logged once, until it is recorded. */
export const CASES_UNSETTLED =
  'A step of a case was cut short before it was known to be on record. It is recorded and shown as soon as that is possible.';
