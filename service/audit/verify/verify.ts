import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LOG_FINDINGS } from '#schemas/wording/audit.ts';
import { CommitFile } from '../log/commit.ts';
import {
  CHECKPOINT,
  COSIGNED_CHECKPOINT,
  ResourceMissing,
  readCheckpointFile,
  readCosignedFile,
  tilesOf,
} from '../log/log-folder.ts';
import { type Checkpoint, openCheckpoint } from '../tlog/checkpoint.ts';
import { cosignaturesOf } from '../tlog/cosignature.ts';
import type { Hash } from '../tlog/hash.ts';
import { splitNote, type VerifierKey } from '../tlog/note.ts';
import { extendsTree } from '../tlog/proof.ts';
import { TILE_WIDTH, tilePath } from '../tlog/tiles.ts';
import { createTree } from '../tlog/tree.ts';
import type { Witnesses } from '../witness/witnesses-file.ts';
import { asWritten } from './as-written.ts';
import { type Explanation, type Finding, LogScan } from './scan.ts';
import { keyName, witnessed } from './verify-proof.ts';

export type Verification = {
  /** What was signed; absent if no checkpoint could be trusted. */
  checkpoint?: Checkpoint;
  /** Names of the keys that signed it, with their ids. */
  signedBy: string[];
  /** The newest checkpoint that witnesses have cosigned: who, and when by their clocks (ISO 8601). */
  witnessed?: { size: number; by: { name: string; at: string }[] };
  /** The entries read: from the first kept one to before the last. */
  from: number;
  to: number;
  bytes: number;
  /** Milliseconds: the latest event. */
  newest: number;
  /** Entries after those the checkpoint covers: they are not judged. */
  uncovered: number;
  /** Given checkpoints that could not be compared, and why. That says nothing about the log. */
  unusable: { name: string; detail: string }[];
  findings: Finding[];
  /** Findings beyond those listed. */
  more: number;
  explained: Explanation[];
};

const CHECKPOINT_FOLLOWS_WITHIN_MS = 5_000;
const LOOKED_EVERY_MS = 200;
const HOUR_MS = 3_600_000;

/** Entries, bundles or tiles in the folder after what the checkpoint covers. */
function pastCheckpoint(folder: string, size: number): string | undefined {
  const last = Math.floor(size / TILE_WIDTH);
  for (const level of ['entries', 0] as const) {
    for (const index of [last, last + 1]) {
      const path = tilePath(level, index);
      if (existsSync(join(folder, path))) return path;
      const partials = `${path}.p`;
      if (!existsSync(join(folder, partials))) continue;
      const kept = index === last ? size % TILE_WIDTH : 0;
      const past = readdirSync(join(folder, partials)).find((width) => Number(width) > kept);
      if (past !== undefined) return `${partials}/${past}`;
    }
  }
  return undefined;
}

/** How many of a bundle's entries exist, 0 if it does not. */
function widthThere(folder: string, index: number): number {
  const path = join(folder, tilePath('entries', index));
  if (existsSync(path)) return TILE_WIDTH;
  const partials = `${path}.p`;
  const widths = existsSync(partials) ? readdirSync(partials).map(Number) : [];
  return Math.max(0, ...widths.filter(Number.isInteger));
}

/** How many entries are in the folder after the `size` that the checkpoint covers. */
function entriesPast(folder: string, size: number): number {
  for (let index = Math.floor(size / TILE_WIDTH); ; index++) {
    const width = widthThere(folder, index);
    if (width < TILE_WIDTH) return Math.max(0, index * TILE_WIDTH + width - size);
  }
}

/** The first entry with a bundle, if the beginning of the log has none. */
function firstKept(folder: string, size: number): number {
  const isThere = (index: number): boolean =>
    existsSync(join(folder, tilePath('entries', index))) ||
    existsSync(join(folder, `${tilePath('entries', index)}.p`));
  if (isThere(0)) return 0;
  let absent = 0;
  let there = Math.ceil(size / TILE_WIDTH);
  while (there - absent > 1) {
    const middle = Math.floor((there + absent) / 2);
    if (isThere(middle)) there = middle;
    else absent = middle;
  }
  // If nothing at all exists, everything is missing from the first entry on.
  return isThere(there) ? there * TILE_WIDTH : 0;
}

type VerifyOptions = {
  folder: string;
  /** Keys that sign: one of them must have signed the log's own checkpoint. */
  keys: readonly VerifierKey[];
  /** Keys that signed earlier, and so perhaps a checkpoint seen before. Default none. */
  retiredKeys?: readonly VerifierKey[];
  /** Checkpoints seen before, which the log must continue. */
  old?: readonly { name: string; note: Buffer }[];
  /** The witnesses that must have cosigned. */
  witnesses?: Witnesses | undefined;
  /** The latest event may be at most this old. */
  newestWithinHours?: number;
  /** Milliseconds since 1970. */
  now?: number;
  /** How long a running worker may take to replace a checkpoint whose files already exist. Default 5 s. */
  waitMs?: number;
  /** Called with how many entries have been read, and of how many. */
  onProgress?: (read: number, of: number) => void;
};

/** Records who has cosigned, and whether that is enough. */
function checkWitnesses(
  note: Buffer | undefined,
  { keys, retiredKeys = [], witnesses }: VerifyOptions,
  verification: Verification,
): void {
  if (witnesses === undefined) return;
  const { quorum, required } = witnesses;
  const opened = note && openCheckpoint(asWritten(note), [...keys, ...retiredKeys]);
  const split = note && splitNote(asWritten(note));
  const isOurs = opened?.kind === 'signed' && split?.kind === 'note';
  const { cosignatures } = isOurs
    ? cosignaturesOf(split.text, split.signatures, quorum)
    : { cosignatures: [] };
  if (isOurs) {
    verification.witnessed = { size: opened.checkpoint.size, by: cosignatures.map(witnessed) };
  }
  if (cosignatures.length >= required) return;
  verification.findings.push({
    kind: 'not-witnessed',
    detail: LOG_FINDINGS.notWitnessed(cosignatures.length, required, quorum.length),
    path: COSIGNED_CHECKPOINT,
  });
}

type Old = { name: string; checkpoint: Checkpoint };

function openOld(
  { old = [], keys, retiredKeys = [] }: VerifyOptions,
  unusable: Verification['unusable'],
): Old[] {
  return old.flatMap(({ name, note }) => {
    const opened = openCheckpoint(asWritten(note), [...keys, ...retiredKeys]);
    if (opened.kind === 'signed') return [{ name, checkpoint: opened.checkpoint }];
    unusable.push({
      name,
      detail: (opened.kind === 'unknown' ? LOG_FINDINGS.oldOfOtherLog : LOG_FINDINGS.oldDamaged)(
        name,
        opened.detail,
      ),
    });
    return [];
  });
}

function compareOld(
  { name, checkpoint: old }: Old,
  checkpoint: Checkpoint,
  rootAt: (size: number) => Hash | undefined,
  findings: Finding[],
): void {
  if (old.size > checkpoint.size) {
    findings.push({
      kind: 'rolled-back',
      detail: LOG_FINDINGS.rolledBack(checkpoint.size, name, old.size),
      entry: checkpoint.size,
      path: CHECKPOINT,
    });
    return;
  }
  const root = old.size === checkpoint.size ? checkpoint.root : rootAt(old.size);
  if (root === old.root) return;
  findings.push(
    root === undefined
      ? {
          kind: 'not-compared',
          detail: LOG_FINDINGS.notCompared(name, old.size),
        }
      : {
          kind: 'forked',
          detail: LOG_FINDINGS.forked(name, old.size),
          entry: 0,
        },
  );
}

/**
 * The root of a log at a size up to `start`, from tiles only, since the entries are pruned. `undefined` if
 * the tiles do not lead to the signed root, and so prove nothing.
 */
function prunedRoot(folder: string, checkpoint: Checkpoint, at: number): Hash | undefined {
  try {
    const tree = createTree(checkpoint.size, tilesOf(folder));
    const root = tree.root(at);
    if (at === 0) return root;
    const old = { size: at, root };
    return extendsTree(tree.consistencyProof(at), old, checkpoint) ? root : undefined;
  } catch (error) {
    if (error instanceof ResourceMissing) return undefined;
    throw error;
  }
}

/**
 * Verifies a log from only its public files and a public key: the checkpoint's signature, every entry against
 * the tiles, the tiles against the signed root, the numbers of each partition, and that the log continues
 * checkpoints seen before. Also reads a log that is being written.
 */
export async function verifyLog(options: VerifyOptions): Promise<Verification> {
  const { folder, keys, newestWithinHours, now = Date.now(), onProgress } = options;
  const waitMs = options.waitMs ?? CHECKPOINT_FOLLOWS_WITHIN_MS;
  const verification: Verification = {
    signedBy: [],
    from: 0,
    to: 0,
    bytes: 0,
    newest: 0,
    uncovered: 0,
    unusable: [],
    findings: [],
    more: 0,
    explained: [],
  };
  const { findings } = verification;
  // First, since it follows the other one.
  const cosigned = readCosignedFile(folder);
  const seen = [
    ...(options.old ?? []),
    ...(cosigned === undefined ? [] : [{ name: COSIGNED_CHECKPOINT, note: cosigned }]),
  ];
  const old = openOld({ ...options, old: seen }, verification.unusable);
  const note = readCheckpointFile(folder);
  if (note === undefined) {
    const detail = LOG_FINDINGS.noCheckpoint(folder);
    findings.push({ kind: 'checkpoint-missing', detail, path: CHECKPOINT });
    return verification;
  }
  const opened = openCheckpoint(asWritten(note), keys);
  if (opened.kind !== 'signed') {
    const detail = LOG_FINDINGS.checkpointNotBelieved(opened.detail);
    findings.push({ kind: 'checkpoint-invalid', detail, path: CHECKPOINT });
    return verification;
  }
  const { checkpoint, by } = opened;
  const { size, root } = checkpoint;
  checkWitnesses(cosigned, options, verification);
  verification.checkpoint = checkpoint;
  verification.signedBy = by.map(keyName);

  const start = size === 0 ? 0 : firstKept(folder, size);
  verification.from = start;
  // A root counts only if it leads to the signed root: damage is not a fork.
  let rootAt = (at: number): Hash | undefined => prunedRoot(folder, checkpoint, at);
  try {
    const watched = old.map((one) => one.checkpoint.size);
    // An hour, for clocks that differ. Anybody who can write to Redis can date an event far ahead.
    const latest = now + HOUR_MS;
    const scan = new LogScan({ folder, size, root, start, watched, latest });
    while (scan.next()) onProgress?.(scan.position, size);
    scan.end();
    rootAt = (at) => {
      if (at <= start) return prunedRoot(folder, checkpoint, at);
      return scan.leadsToRoot ? scan.rootAt(at) : undefined;
    };
    verification.to = scan.position;
    verification.bytes = scan.bytes;
    verification.newest = scan.newest;
    verification.more = scan.more;
    verification.explained = scan.explained;
    findings.push(...scan.findings);
  } catch (error) {
    if (!(error instanceof ResourceMissing)) throw error;
    findings.push({
      kind: 'tile-missing',
      detail: LOG_FINDINGS.nothingBefore(error.message, start),
      path: error.path,
    });
  }
  for (const one of old) compareOld(one, checkpoint, rootAt, findings);
  verification.uncovered = entriesPast(folder, size);
  await checkAge(folder, note, size, findings, waitMs);
  const age = now - verification.newest;
  if (newestWithinHours !== undefined && age > newestWithinHours * HOUR_MS) {
    findings.push({
      kind: 'too-old',
      detail: LOG_FINDINGS.tooOld(new Date(verification.newest).toISOString(), newestWithinHours),
    });
  }
  return verification;
}

/**
 * Where the worker writes, a checkpoint behind the files beside it is not the newest one. In a copy of the
 * public files it is only the older of the two, since it is copied first.
 */
async function checkAge(
  folder: string,
  note: Buffer,
  size: number,
  findings: Finding[],
  waitMs: number,
): Promise<void> {
  if (!CommitFile.isThere(folder)) return;
  const giveUpAt = performance.now() + waitMs;
  let past = pastCheckpoint(folder, size);
  while (past !== undefined && performance.now() < giveUpAt) {
    if (readCheckpointFile(folder)?.equals(note) !== true) return;
    await delay(LOOKED_EVERY_MS);
    past = pastCheckpoint(folder, size);
  }
  if (past === undefined || readCheckpointFile(folder)?.equals(note) !== true) return;
  findings.push({
    kind: 'stale-checkpoint',
    detail: LOG_FINDINGS.staleCheckpoint(size, past),
    entry: size,
    path: past,
  });
}
