import { parentPort, workerData } from 'node:worker_threads';
import { comeAfterLookups } from '../../telemetry/after-lookups.ts';
import { CHECKPOINT, readCheckpointFile } from '../log/log-folder.ts';
import { readKeys, retiredKeysOf } from '../seal/keys.ts';
import { findEntries, NoProof, proveEntry } from '../verify/prove.ts';
import { type Verification, verifyLog } from '../verify/verify.ts';
import { readWitnesses } from '../witness/witnesses-file.ts';

/** What one thread is started for. */
export type VerificationOrder = { folder: string; keyFile: string } & (
  | {
      kind: 'verify';
      /** A checkpoint seen before, which the log must continue. */
      old?: string | undefined;
      /** The file of the witnesses that must have cosigned. */
      witnessesFile: string | undefined;
    }
  | {
      kind: 'prove';
      auditId: string;
      /** Its position in the log, if it is known: several events can have one audit id. */
      entry: number | undefined;
    }
);

export type VerificationMessage =
  | { kind: 'progress'; read: number; of: number }
  | {
      kind: 'verified';
      verification: Pick<
        Verification,
        'findings' | 'more' | 'explained' | 'unusable' | 'witnessed'
      > & { size: number };
      /** The checkpoint before the log was read. */
      checkpoint: string;
    }
  | { kind: 'proof'; text: string }
  | { kind: 'no-proof' }
  /** Several events have the audit id, and no position was given. */
  | { kind: 'several' };

const TOLD_EVERY_MS = 500;

comeAfterLookups();

const order = workerData as VerificationOrder;
const { folder, keyFile } = order;
const tell = (message: VerificationMessage): void => parentPort?.postMessage(message, []);
const keys = (await readKeys(keyFile)).map(({ verifierKey }) => verifierKey);

async function verify(old: string | undefined, witnessesFile: string | undefined): Promise<void> {
  const read = witnessesFile === undefined ? undefined : readWitnesses(witnessesFile, 'verify');
  if (read?.kind === 'wrong') throw new Error(read.detail);
  const checkpoint = readCheckpointFile(folder)?.toString('utf8') ?? '';
  let toldAt = 0;
  const verification = await verifyLog({
    folder,
    keys,
    retiredKeys: retiredKeysOf(keyFile).map(({ verifierKey }) => verifierKey),
    ...(old !== undefined && { old: [{ name: CHECKPOINT, note: Buffer.from(old) }] }),
    witnesses: read?.witnesses,
    onProgress(done, of) {
      const now = performance.now();
      if (now - toldAt < TOLD_EVERY_MS) return;
      toldAt = now;
      tell({ kind: 'progress', read: done, of });
    },
  });
  const { findings, more, explained, unusable, witnessed } = verification;
  const size = verification.checkpoint?.size ?? 0;
  const told = { findings, more, explained, unusable, size, ...(witnessed && { witnessed }) };
  tell({ kind: 'verified', verification: told, checkpoint });
}

function prove(auditId: string, entry: number | undefined): VerificationMessage {
  try {
    const found = findEntries(folder, keys, auditId).filter(
      (one) => entry === undefined || one === entry,
    );
    const [index] = found;
    if (found.length > 1) return { kind: 'several' };
    if (index === undefined) return { kind: 'no-proof' };
    return { kind: 'proof', text: proveEntry(folder, keys, index) };
  } catch (error) {
    if (error instanceof NoProof) return { kind: 'no-proof' };
    throw error;
  }
}

if (order.kind === 'verify') await verify(order.old, order.witnessesFile);
else tell(prove(order.auditId, order.entry));
