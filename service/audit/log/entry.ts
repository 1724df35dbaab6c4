import { SEALING } from '#schemas/wording/operations.ts';
import type { StreamGap } from '#store/audit-stream/audit-stream.ts';
import { auditPartitions } from '#store/keys.ts';

/** The stream and number of an entry's event, and when it was recorded. */
type EntryPlace = { stream: number; number: number; at: number };

const PARTITION = Buffer.from('{"partition":');
const NUMBER = Buffer.from(',"number":');
const AT = Buffer.from(',"at":');
const SYSTEM = Buffer.from('"system"');
const SYSTEM_STREAM = auditPartitions.indexOf('system');
const ZERO = 0x30;

function follows(bytes: Buffer, at: number, word: Buffer): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false;
  return true;
}

/**
 * Reads the common beginning of an entry without parsing the rest: verification reads many of them.
 * `undefined` if the entry does not begin so.
 */
export function placeOf(bytes: Buffer, from: number, to: number): EntryPlace | undefined {
  let at = from;
  const digits = (): number => {
    const first = at;
    let value = 0;
    for (; at < to; at++) {
      const digit = (bytes[at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    return at === first || !Number.isSafeInteger(value) ? Number.NaN : value;
  };
  if (!follows(bytes, at, PARTITION)) return undefined;
  at += PARTITION.length;
  let stream: number;
  if (follows(bytes, at, SYSTEM)) {
    at += SYSTEM.length;
    stream = SYSTEM_STREAM;
  } else {
    stream = digits();
    if (!(stream < SYSTEM_STREAM)) return undefined;
  }
  if (!follows(bytes, at, NUMBER)) return undefined;
  at += NUMBER.length;
  const number = digits();
  if (!follows(bytes, at, AT)) return undefined;
  at += AT.length;
  const time = digits();
  return Number.isNaN(number) || Number.isNaN(time) ? undefined : { stream, number, at: time };
}

/** A stream by the name that people read. */
export const streamName = (stream: number): string =>
  stream === SYSTEM_STREAM ? 'the system partition' : `partition ${stream}`;

export const isSystem = (stream: number): boolean => stream === SYSTEM_STREAM;

/** What is wrong with the numbers of one or more streams, and what to do. */
export function gapsText(gaps: readonly StreamGap[]): string {
  const [gap, ...others] = gaps;
  if (gap === undefined) return '';
  const { stream, sealed, found } = gap;
  const name = streamName(stream);
  const text =
    found < sealed
      ? SEALING.gapBack(name, sealed, found)
      : SEALING.gap(name, sealed + 1, found - 1);
  return SEALING.gaps(
    text,
    others.length,
    gaps.every((each) => each.found >= each.sealed),
  );
}
