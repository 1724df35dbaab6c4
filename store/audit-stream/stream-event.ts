import { createHash } from 'node:crypto';
import { StringDecoder } from 'node:string_decoder';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  type AuditEvent,
  EVENT_AT_MOST_BYTES,
  type LookupEvent,
  type UnreadableEvent,
} from '#schemas/audit/audit-event.ts';
import { auditPartitions } from '../keys.ts';
import { type RestrictionAct, restrictionActSchema } from './kept-acts.ts';
import { joinEvent, timeOf } from './stream-entry.ts';

/** An event as it goes into the sealed log. */
export type StreamEvent = {
  /** Its stream, by its place in `auditPartitions`. */
  stream: number;
  number: number;
  /** Milliseconds, the store's time. */
  at: number;
  /** The event as JSON: what the store added first, then the written event's own members in their order. */
  json: string;
  /** What `json` says, if that is known already. */
  event?: AuditEvent;
  /** Of an act by which a council keeps something back about a child. */
  act?: RestrictionAct;
};

/** An entry of a stream as it is read. It is outside of the memory that a thread is limited to, and made text one by one. */
export type RawEntry = [id: Buffer, fields: Buffer[]];
/** An entry of a stream; `fields` are empty where they are long, if it is too large for an event. */
export type Entry = { fields: string[]; bytes: number; large?: readonly Buffer[] };

export const idOf = ([id]: RawEntry): string => id.toString('latin1');

export function entryOf([, raw]: RawEntry): Entry {
  const bytes = raw.reduce((sum, field) => sum + field.length, raw.length);
  const isLarge = bytes > LARGE_ENTRY_BYTES;
  const fields = raw.map((field) =>
    isLarge && field.length > PIECE_BYTES ? '' : field.toString('utf8'),
  );
  return { fields, bytes, ...(isLarge && { large: raw }) };
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

/** Gives the event of a lookup's text, as {@link createLookupFrames} does. */
export type ReadLookup = (text: string) => LookupEvent | undefined;

const MOST_UNREADABLE_CHARACTERS = 8_192;
/** No event comes near it. An entry of somebody else may be longer than a text may be once it is written as JSON. */
const LARGE_ENTRY_BYTES = 1_048_576;
const PIECE_BYTES = 65_536;

/** The event of a lookup that found nothing, as most do; `undefined` for any other. */
function negative(
  stream: number,
  number: number,
  fields: readonly string[],
  readLookup: ReadLookup,
): StreamEvent | undefined {
  const [eventName, text = '', atName, , outcomeName, outcome, ...more] = fields;
  const named = eventName === 'event' && atName === 'at' && outcomeName === 'outcome';
  if (!named || outcome !== 'not-flagged' || more.length > 0) return undefined;
  const at = timeOf(fields);
  const partition = auditPartitions[stream] ?? 'system';
  const lookup = at === undefined || partition === 'system' ? undefined : readLookup(text);
  if (at === undefined || lookup === undefined) return undefined;
  const json = `{"partition":${partition},"number":${number},"at":${at},"outcome":"not-flagged",${text.slice(1)}`;
  if (Buffer.byteLength(json) > EVENT_AT_MOST_BYTES) return undefined;
  return { stream, number, at, json, event: { partition, number, at, outcome, ...lookup } };
}

/** Never throws; `undefined` if an entry is not an event. */
export function sealable(
  stream: number,
  number: number,
  { fields, large }: Entry,
  readLookup: ReadLookup,
): StreamEvent | undefined {
  if (large !== undefined) return undefined;
  const usual = negative(stream, number, fields, readLookup);
  if (usual !== undefined) return usual;
  const partition = auditPartitions[stream] ?? 'system';
  let joined: ReturnType<typeof joinEvent>;
  try {
    joined = joinEvent(partition, number, fields);
  } catch {
    joined = undefined;
  }
  if (joined !== undefined) {
    const json = JSON.stringify(joined);
    const begins = `{"partition":${JSON.stringify(partition)},"number":${number},"at":`;
    if (json.startsWith(begins) && Buffer.byteLength(json) <= EVENT_AT_MOST_BYTES) {
      const act = restrictionActSchema.safeParse(joined).data;
      return { stream, number, at: joined.at, json, ...(act && { act }) };
    }
  }
  return undefined;
}

/** What is sealed instead of an entry that is not an event, however large it is. Others get their turns meanwhile. */
export async function unreadable(
  stream: number,
  number: number,
  { fields, large = [] }: Entry,
): Promise<StreamEvent> {
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
  return { stream, number, at: event.at, json: JSON.stringify(event) };
}
