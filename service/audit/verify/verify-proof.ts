import { PROOF } from '#schemas/wording/audit.ts';
import { type Checkpoint, openCheckpoint } from '../tlog/checkpoint.ts';
import { type Cosignature, cosignaturesOf } from '../tlog/cosignature.ts';
import { leafHash } from '../tlog/hash.ts';
import { splitNote, type VerifierKey, type WitnessKey } from '../tlog/note.ts';
import { includes } from '../tlog/proof.ts';
import { parseProof } from '../tlog/proof-text.ts';
import { asWritten } from './as-written.ts';

/** A key as people name it. */
export const keyName = ({ name, id }: Pick<VerifierKey, 'name' | 'id'>): string =>
  `${name} (${id})`;

/** Who cosigned, and when by their clock (ISO 8601). */
export const witnessed = ({ by, at }: Cosignature): { name: string; at: string } => ({
  name: keyName(by),
  at: new Date(at).toISOString(),
});

/** Why a proof proves nothing: what is wrong with the text, with its checkpoint, or with its event. */
type NotProven =
  | 'no-proof'
  | 'no-event'
  | 'checkpoint-malformed'
  | 'checkpoint-changed'
  | 'other-key'
  | 'not-in-log';

type ProofVerification =
  | {
      kind: 'proven';
      checkpoint: Checkpoint;
      /** The keys that signed it, as `NAME (ID)`. */
      signedBy: string[];
      /** The given witnesses that cosigned it, and when by their clocks (ISO 8601). */
      witnessedBy: { name: string; at: string }[];
      /** Given witnesses whose signature in it is not over this checkpoint. */
      falselyWitnessedBy: string[];
      index: number;
      entry: string;
    }
  | { kind: 'refuted'; why: NotProven; detail: string };

const WHY_NOT = {
  malformed: 'checkpoint-malformed',
  invalid: 'checkpoint-changed',
  unknown: 'other-key',
} as const satisfies Record<string, NotProven>;

/**
 * Verifies a proof that an event is in the log: it needs only the file and a public key.
 *
 * @param witnesses whose cosignatures count, if there are any
 */
export function verifyProof(
  bytes: Buffer,
  keys: readonly VerifierKey[],
  witnesses: readonly WitnessKey[] = [],
): ProofVerification {
  const refuted = (why: NotProven, detail: string) => ({ kind: 'refuted', why, detail }) as const;
  const proof = parseProof(asWritten(bytes).toString());
  if (proof === undefined) return refuted('no-proof', PROOF.noProof);
  if (proof.extra === undefined) return refuted('no-event', PROOF.noEvent);
  const opened = openCheckpoint(proof.checkpoint, keys);
  if (opened.kind !== 'signed') {
    return refuted(WHY_NOT[opened.kind], PROOF.checkpointNotBelieved(opened.detail));
  }
  const { checkpoint, by } = opened;
  if (!includes(proof.path, checkpoint, proof.index, leafHash(proof.extra))) {
    return refuted('not-in-log', PROOF.notInLog);
  }
  const split = splitNote(proof.checkpoint);
  const { cosignatures, invalid } =
    split.kind === 'note'
      ? cosignaturesOf(split.text, split.signatures, witnesses)
      : { cosignatures: [], invalid: [] };
  return {
    kind: 'proven',
    checkpoint,
    signedBy: by.map(keyName),
    witnessedBy: cosignatures.map(witnessed),
    falselyWitnessedBy: invalid.map(keyName),
    index: proof.index,
    entry: proof.extra.toString('utf8'),
  };
}
