import { type Hash, leafHashInPlace } from './hash.ts';

/** Largest entry: its length is two bytes (C2SP tlog-tiles). */
const MOST_ENTRY_BYTES = 65_535;
const LENGTH_BYTES = 2;

/** Calls `each` with where every entry lies; false where the bytes are not a whole number of entries. */
export function scanBundle(
  bundle: Buffer,
  each: (from: number, to: number, position: number) => void,
): boolean {
  let at = 0;
  for (let position = 0; at < bundle.length; position++) {
    if (at + LENGTH_BYTES > bundle.length) return false;
    const from = at + LENGTH_BYTES;
    at = from + bundle.readUInt16BE(at);
    if (at > bundle.length) return false;
    each(from, at, position);
  }
  return true;
}

/** The entries of a bundle, `undefined` where it is damaged. They are views of it. */
export function splitBundle(bundle: Buffer): Buffer[] | undefined {
  const entries: Buffer[] = [];
  const whole = scanBundle(bundle, (from, to) => entries.push(bundle.subarray(from, to)));
  return whole ? entries : undefined;
}

/** An entry as it is in a bundle. */
export function packEntry(entry: Buffer): Buffer {
  if (entry.length > MOST_ENTRY_BYTES) throw new Error('the entry is too long for the log');
  const packed = Buffer.allocUnsafe(LENGTH_BYTES + entry.length);
  packed.writeUInt16BE(entry.length);
  packed.set(entry, LENGTH_BYTES);
  return packed;
}

/** Texts as they are in a bundle, one after the other: views of one buffer, since one for each takes longer. */
export function packTexts(texts: readonly string[]): Buffer[] {
  const lengths = texts.map((text) => Buffer.byteLength(text));
  if (lengths.some((length) => length > MOST_ENTRY_BYTES)) {
    throw new Error('an entry is too long for the log');
  }
  const whole = lengths.reduce((sum, length) => sum + LENGTH_BYTES + length, 0);
  const packed = Buffer.allocUnsafe(whole);
  let at = 0;
  return texts.map((text, i) => {
    const from = at;
    at = packed.writeUInt16BE(lengths[i] ?? 0, at);
    at += packed.write(text, at);
    return packed.subarray(from, at);
  });
}

/** The entry of {@link packEntry} or {@link packTexts}. */
export const unpackEntry = (packed: Buffer): Buffer => packed.subarray(LENGTH_BYTES);

/** Its hash, without a copy of it. */
export const packedHash = (packed: Buffer): Hash =>
  leafHashInPlace(packed, LENGTH_BYTES, packed.length);
