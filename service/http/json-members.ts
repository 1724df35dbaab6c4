const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** How many members the objects of a JSON text have, as written: its colons outside strings. */
function membersWritten(bytes: Buffer): number {
  let members = 0;
  let inside = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) inside = !inside;
    else if (byte === BACKSLASH) i++;
    else if (byte === COLON && !inside) members++;
  }
  return members;
}

/** Nothing read here is nested deeper, and deeper nesting could exhaust the stack. */
const DEEPEST = 10;

function membersRead(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth > DEEPEST) return Number.NaN;
  const values: unknown[] = Object.values(value);
  let members = Array.isArray(value) ? 0 : values.length;
  for (const inner of values) members += membersRead(inner, depth + 1);
  return members;
}

/**
 * Whether a JSON text names each member of each object once; `value` is its parsed value. Readers differ in
 * which of two `nhsNumber` they take (ours the last, a gateway perhaps the first), and the wrong one is the
 * wrong child; in a token, the wrong user.
 */
export function namesEachOnce(bytes: Buffer, value: unknown): boolean {
  return membersWritten(bytes) === membersRead(value);
}
