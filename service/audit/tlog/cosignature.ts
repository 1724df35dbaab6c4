import { verify } from 'node:crypto';
import { type NoteSignature, parseSignatures, type WitnessKey } from './note.ts';

/** A witness's statement that the log never went back or forked up to a checkpoint (C2SP tlog-cosignature). */
export type Cosignature = {
  by: WitnessKey;
  /** Milliseconds, by the witness's clock: until then it knew of no larger tree. */
  at: number;
  /** The signature line, without its newline. */
  line: string;
};

const TIME_BYTES = 8;
const SIGNATURE_BYTES = 64;
/** Seconds; a later time is invalid (the year 9999). */
const TIME_AT_MOST = 253_402_300_799n;

/**
 * A checkpoint's cosignatures by these keys, one for each key. `invalid` has the keys whose signatures are
 * not over this text.
 *
 * @param text the signed text of the checkpoint, with its last newline
 */
export function cosignaturesOf(
  text: string,
  signatures: readonly NoteSignature[],
  keys: readonly WitnessKey[],
): { cosignatures: Cosignature[]; invalid: WitnessKey[] } {
  const cosignatures: Cosignature[] = [];
  const invalid: WitnessKey[] = [];
  for (const key of keys) {
    const signature = signatures.find(({ name, id }) => name === key.name && id === key.id);
    if (signature === undefined) continue;
    const at = verifiedTime(text, signature.bytes, key);
    if (at === undefined) invalid.push(key);
    else cosignatures.push({ by: key, at, line: signature.line });
  }
  return { cosignatures, invalid };
}

function verifiedTime(text: string, bytes: Buffer, { publicKey }: WitnessKey): number | undefined {
  if (bytes.length !== TIME_BYTES + SIGNATURE_BYTES) return undefined;
  const seconds = bytes.readBigUInt64BE();
  // A witness's cosignature always has a time. Source: C2SP tlog-witness, add-checkpoint.
  if (seconds === 0n || seconds > TIME_AT_MOST) return undefined;
  const signed = Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
  const isSigned = verify(null, signed, publicKey, bytes.subarray(TIME_BYTES));
  return isSigned ? Number(seconds) * 1_000 : undefined;
}

/** The cosignature by a key in a witness's answer, among any by others; `undefined` if there is none over this text. */
export function answeredCosignature(
  text: string,
  answer: string,
  key: WitnessKey,
): Cosignature | undefined {
  const signatures = parseSignatures(answer);
  return signatures && cosignaturesOf(text, signatures, [key]).cosignatures[0];
}
