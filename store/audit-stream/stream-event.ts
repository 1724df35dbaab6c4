import { createHash } from 'node:crypto';
import { StringDecoder } from 'node:string_decoder';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  EVENT_AT_MOST_BYTES,
  isEventTime,
  type UnreadableEvent,
} from '#schemas/audit/audit-event.ts';
import { auditPartitions } from '../keys.ts';
import { type RestrictionAct, restrictionActSchema } from './kept-acts.ts';
import type { ReadLook } from './lookup-frames.ts';
import { joinEvent, timeOf } from './stream-entry.ts';

/** An event as it goes into the sealed log. */
export type StreamEvent = {
  /** Its stream, by its place in `auditPartitions`. */
  stream: number;
  number: number;
  /** Milliseconds, the store's time. */
  at: number;
  /** The event as JSON: what the store added first, then the written event's own members in their order. */
  entry: Buffer;
  /** What it says, if it is a look that found nothing and was read without parsing. */
  look?: ReadLook;
  /** Of an act by which a council keeps something back about a child. */
  act?: RestrictionAct;
};

/**
 * An entry of a stream as it is read. It lies outside the memory that a thread is limited to, and becomes
 * text one by one.
 */
export type RawEntry = [id: Buffer, fields: Buffer[]];
/** An entry of a stream as text. If it is too large for an event, its long fields are empty, and `large` has it all. */
type Entry = { fields: string[]; large?: readonly Buffer[] };

export const idOf = ([id]: RawEntry): string => id.toString('latin1');

export const bytesOf = ([, raw]: RawEntry): number =>
  raw.reduce((sum, field) => sum + field.length, raw.length);

/** Makes text of an entry; of one that is too large for an event, the long fields are left empty. */
export function entryOf(entry: RawEntry): Entry {
  const [, raw] = entry;
  const isLarge = bytesOf(entry) > LARGE_ENTRY_BYTES;
  const fields = raw.map((field) =>
    isLarge && field.length > PIECE_BYTES ? '' : field.toString('utf8'),
  );
  return { fields, ...(isLarge && { large: raw }) };
}

/** The JSON of a list of texts, a piece at a time. */
function* jsonOf(fields: readonly (string | Buffer)[]): Generator<string> {
  yield '[';
  for (const [i, field] of fields.entries()) {
    yield i === 0 ? '"' : ',"';
    if (typeof field === 'string') yield JSON.stringify(field).slice(1, -1);
    else {
      const decoder = new StringDecoder('utf8');
      for (let from = 0; from < field.length; from += PIECE_BYTES) {
        yield JSON.stringify(decoder.write(field.subarray(from, from + PIECE_BYTES))).slice(1, -1);
      }
      yield JSON.stringify(decoder.end()).slice(1, -1);
    }
    yield '"';
  }
  yield ']';
}

/** Reads the bytes of a lookup's event, as {@link createLookupFrames} does. */
type ReadLookup = (bytes: Buffer) => ReadLook | undefined;

const MOST_UNREADABLE_CHARACTERS = 8_192;
/** No event comes near this size. An entry by somebody else may become longer as JSON than a string can be. */
const LARGE_ENTRY_BYTES = 1_048_576;
const PIECE_BYTES = 65_536;

const [EVENT, AT, OUTCOME, NOT_FLAGGED] = ['event', 'at', 'outcome', 'not-flagged'].map((word) =>
  Buffer.from(word),
) as [Buffer, Buffer, Buffer, Buffer];
const ZERO = 0x30;
/** Times beyond this are read as text. */
const TIME_DIGITS_AT_MOST = 15;

/** A time in digits; `undefined` if it is not one, or is too long. */
function timeIn(digits: Buffer): number | undefined {
  if (digits.length === 0 || digits.length > TIME_DIGITS_AT_MOST) return undefined;
  let value = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = (digits[i] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return isEventTime(value) ? value : undefined;
}

/**
 * The event of a lookup that found nothing, as most do; `undefined` for any other. {@link joined} makes the
 * same bytes from it.
 */
function negative(
  stream: number,
  number: number,
  fields: readonly Buffer[],
  readLookup: ReadLookup,
): StreamEvent | undefined {
  const [eventName, text, atName, time, outcomeName, outcome] = fields;
  const partition = auditPartitions[stream] ?? 'system';
  if (fields.length !== 6 || text === undefined || time === undefined || partition === 'system') {
    return undefined;
  }
  const named =
    eventName?.equals(EVENT) === true &&
    atName?.equals(AT) === true &&
    outcomeName?.equals(OUTCOME) === true;
  if (!named || outcome?.equals(NOT_FLAGGED) !== true) return undefined;
  const at = timeIn(time);
  const look = at === undefined ? undefined : readLookup(text);
  if (at === undefined || look === undefined) return undefined;
  const head = `{"partition":${partition},"number":${number},"at":${at},"outcome":"not-flagged",`;
  const length = head.length + text.length - 1;
  if (length > EVENT_AT_MOST_BYTES) return undefined;
  const entry = Buffer.allocUnsafe(length);
  entry.write(head, 0, 'latin1');
  text.copy(entry, head.length, 1);
  return { stream, number, at, entry, look };
}

/** Any event, from its fields; `undefined` if they are not those of one. */
function joined(stream: number, number: number, { fields, large }: Entry): StreamEvent | undefined {
  if (large !== undefined) return undefined;
  const partition = auditPartitions[stream] ?? 'system';
  let event: ReturnType<typeof joinEvent>;
  try {
    event = joinEvent(partition, number, fields);
  } catch {
    event = undefined;
  }
  if (event === undefined) return undefined;
  const json = JSON.stringify(event);
  const entry = Buffer.from(json);
  const begins = `{"partition":${JSON.stringify(partition)},"number":${number},"at":`;
  const isSound = json.startsWith(begins) && entry.length <= EVENT_AT_MOST_BYTES;
  if (!isSound) return undefined;
  const isAct = 'type' in event && event.type === 'restriction';
  const act = isAct ? restrictionActSchema.safeParse(event).data : undefined;
  return { stream, number, at: event.at, entry, ...(act && { act }) };
}

/** Never throws; `undefined` if an entry is not an event. */
export const sealable = (
  stream: number,
  number: number,
  raw: RawEntry,
  readLookup: ReadLookup,
): StreamEvent | undefined =>
  negative(stream, number, raw[1], readLookup) ?? joined(stream, number, entryOf(raw));

/** What is sealed instead of an entry that is not an event, however large it is. Others get their turns meanwhile. */
export async function unreadable(
  stream: number,
  number: number,
  raw: RawEntry,
): Promise<StreamEvent> {
  const { fields, large = [] } = entryOf(raw);
  const digest = createHash('sha256');
  let beginning = '';
  for (const piece of jsonOf(large.length > 0 ? large : fields)) {
    digest.update(piece);
    if (piece.length >= PIECE_BYTES) await immediate();
    if (beginning.length < MOST_UNREADABLE_CHARACTERS) {
      beginning += piece.slice(0, MOST_UNREADABLE_CHARACTERS - beginning.length);
    }
  }
  const event: UnreadableEvent = {
    partition: auditPartitions[stream] ?? 'system',
    number,
    at: timeOf(fields) ?? 0,
    type: 'unreadable',
    sha256: digest.digest('hex'),
    fields: beginning,
  };
  return { stream, number, at: event.at, entry: Buffer.from(JSON.stringify(event)) };
}
