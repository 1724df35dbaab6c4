import { LOG_FINDINGS, PROOF } from '#schemas/wording/audit.ts';
import {
  ResourceMissing,
  readBundle,
  readCheckpointFile,
  readCosignedFile,
  tilesOf,
} from '../log/log-folder.ts';
import { splitBundle } from '../tlog/bundle.ts';
import { type Checkpoint, openCheckpoint } from '../tlog/checkpoint.ts';
import { type Hash, leafHash } from '../tlog/hash.ts';
import type { VerifierKey } from '../tlog/note.ts';
import { includes } from '../tlog/proof.ts';
import { formatProof } from '../tlog/proof-text.ts';
import { TILE_WIDTH } from '../tlog/tiles.ts';
import { createTree } from '../tlog/tree.ts';

/** There is nothing to prove, or nothing to prove it with. The message says why. */
export class NoProof extends Error {
  override name = 'NoProof';
}

type Signed = { note: Buffer; checkpoint: Checkpoint };

/**
 * The newest checkpoint that witnesses have cosigned, if it is signed with these keys and covers the entry: a proof
 * with it also shows when it existed. `undefined` if there is none, or if it belongs to a log that was lost.
 */
function cosignedFor(
  folder: string,
  keys: readonly VerifierKey[],
  index: number,
  entry: Buffer,
): { note: Buffer; path: Hash[] } | undefined {
  const note = readCosignedFile(folder);
  const opened = note && openCheckpoint(note, keys);
  if (note === undefined || opened?.kind !== 'signed') return undefined;
  const { checkpoint } = opened;
  if (index >= checkpoint.size) return undefined;
  try {
    const path = createTree(checkpoint.size, tilesOf(folder)).inclusionProof(index);
    return includes(path, checkpoint, index, leafHash(entry)) ? { note, path } : undefined;
  } catch (error) {
    if (error instanceof ResourceMissing) return undefined;
    throw error;
  }
}

function signedCheckpoint(folder: string, keys: readonly VerifierKey[]): Signed {
  const note = readCheckpointFile(folder);
  if (note === undefined) throw new NoProof(LOG_FINDINGS.noCheckpoint(folder));
  const opened = openCheckpoint(note, keys);
  if (opened.kind === 'signed') return { note, checkpoint: opened.checkpoint };
  throw new NoProof(LOG_FINDINGS.checkpointNotBelieved(opened.detail));
}

/** The event's own id: the event of a search for a proof also has the id that was searched for, among its criteria. */
const idOf = (entry: Buffer): unknown =>
  (JSON.parse(entry.toString('utf8')) as { auditId?: unknown }).auditId;

/**
 * The positions in a log of the events with an audit id, in order. There can be several: a lookup and that its answer
 * did not arrive, or all that one act recorded.
 *
 * @throws {NoProof} if there is no checkpoint signed with these keys
 */
export function findEntries(
  folder: string,
  keys: readonly VerifierKey[],
  auditId: string,
): number[] {
  const { size } = signedCheckpoint(folder, keys).checkpoint;
  const wanted = `"auditId":"${auditId.toLowerCase()}"`;
  const found: number[] = [];
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const bundle = readBundle(folder, index, size);
    if (bundle === undefined || !bundle.includes(wanted)) continue;
    for (const [i, entry] of (splitBundle(bundle) ?? []).entries()) {
      const place = index * TILE_WIDTH + i;
      if (place < size && entry.includes(wanted) && idOf(entry) === auditId.toLowerCase()) {
        found.push(place);
      }
    }
  }
  return found;
}

/**
 * A proof that an entry is in the log as now signed, or as witnesses last cosigned it. It is a self-contained text that
 * includes the entry (C2SP tlog-proof).
 *
 * @throws {NoProof} if the entry does not exist, or there is no checkpoint signed with these keys
 */
export function proveEntry(folder: string, keys: readonly VerifierKey[], index: number): string {
  const { note, checkpoint } = signedCheckpoint(folder, keys);
  const { size } = checkpoint;
  const bundle = readBundle(folder, Math.floor(index / TILE_WIDTH), size);
  const entry = bundle && splitBundle(bundle)?.[index % TILE_WIDTH];
  if (index >= size || entry === undefined) {
    throw new NoProof(PROOF.noEntry(index, folder, size));
  }
  const cosigned = cosignedFor(folder, keys, index, entry);
  if (cosigned !== undefined) {
    return formatProof({ index, path: cosigned.path, checkpoint: cosigned.note, extra: entry });
  }
  const path = createTree(size, tilesOf(folder)).inclusionProof(index);
  return formatProof({ index, path, checkpoint: note, extra: entry });
}
