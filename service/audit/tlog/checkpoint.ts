import { NOTE } from '#schemas/wording/audit.ts';
import { fromBase64, type Hash, toBase64 } from './hash.ts';
import { openNote, type Signer, signNote, type VerifierKey } from './note.ts';

/** A tree as its log has signed it (C2SP tlog-checkpoint). */
export type Checkpoint = { origin: string; size: number; root: Hash };

type OpenedCheckpoint =
  | { kind: 'signed'; checkpoint: Checkpoint; by: VerifierKey[] }
  | { kind: 'malformed' | 'invalid' | 'unknown'; detail: string };

/** A checkpoint as a note (C2SP tlog-checkpoint), signed by each of the keys. */
export function signCheckpoint(checkpoint: Checkpoint, signers: readonly Signer[]): string {
  const { origin, size, root } = checkpoint;
  return signNote(`${origin}\n${size}\n${toBase64(root)}\n`, signers);
}

/** Reads the text of a checkpoint; `undefined` if it is not one. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const [origin = '', sizeText = '', rootText = '', ...extensions] = text.split('\n');
  const size = Number(sizeText);
  const root = fromBase64(rootText);
  // What follows the last newline is empty; every line before it is not.
  if (extensions.pop() !== '' || extensions.includes('') || origin === '') return undefined;
  if (!/^(0|[1-9][0-9]*)$/.test(sizeText) || !Number.isSafeInteger(size)) return undefined;
  return root === undefined ? undefined : { origin, size, root };
}

/** A checkpoint that one of these keys has signed, and whose origin is that key's name. */
export function openCheckpoint(
  note: Buffer,
  verifierKeys: readonly VerifierKey[],
): OpenedCheckpoint {
  const opened = openNote(note, verifierKeys);
  if (opened.kind !== 'signed') return opened;
  const checkpoint = parseCheckpoint(opened.text);
  if (checkpoint === undefined) {
    return { kind: 'malformed', detail: NOTE.noCheckpoint };
  }
  const by = opened.by.filter(({ name }) => name === checkpoint.origin);
  if (by.length === 0) {
    return { kind: 'unknown', detail: NOTE.otherLog(checkpoint.origin) };
  }
  return { kind: 'signed', checkpoint, by };
}
