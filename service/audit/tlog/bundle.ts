/** Largest entry: its length is two bytes (C2SP tlog-tiles). */
const MOST_ENTRY_BYTES = 65_535;
const LENGTH_BYTES = 2;

/** Calls `each` with the position of every entry; false if the bytes are not a whole number of entries. */
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

/** The entries of a bundle, `undefined` if it is damaged. They are views of it. */
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
