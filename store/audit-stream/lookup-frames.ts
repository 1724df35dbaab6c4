import { isUtf8 } from 'node:buffer';
import { type LookupEvent, lookupEventSchema, placedSchema } from '#schemas/audit/audit-event.ts';

/** Members that only the store may write. */
export const STORES_OWN: readonly string[] = Object.keys(placedSchema.shape);

/** What all lookups that one user makes in one way have in common. The same object for all that were read alike. */
export type CommonLook = Omit<LookupEvent, 'auditId' | 'requestId' | 'correlationId' | 'nhsNumber'>;

/** A lookup as it was read: the number looked up, ten digits as a number, and everything but its ids. */
export type ReadLook = { child: number; common: CommonLook };

/** The bytes of an event without its ids, as they were parsed once. */
type Frame = {
  /** With some number at `numberAt`. */
  bytes: Buffer;
  numberAt: number;
  common: CommonLook;
};

const HEX = '[0-9a-fA-F]';
const GUID = `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`;
/** As `randomUUID` makes them. */
const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';
const IDS = new RegExp(
  `^\\{"type":"lookup","auditId":"(${UUID})","requestId":"(${GUID})"(?:,"correlationId":"(${GUID})")?,`,
);
const NUMBER_MEMBER = '"nhsNumber":"';
const NUMBER_DIGITS = 10;
/** A placeholder for an NHS number. It is not a valid one. */
const NO_NUMBER = '----------';
const FRAMES_REMEMBERED = 8_192;
/** For each user: more than the roles, organisations and ways to ask that anybody has. */
const FRAMES_OF_A_USER = 16;
const LENGTH_AT_MOST = 8_192;
/** Bytes kept of all frames together; most frames have some 600. */
const BYTES_REMEMBERED = 4 * 1_048_576;

const BEFORE_AUDIT_ID = Buffer.from('{"type":"lookup","auditId":"');
const BEFORE_REQUEST_ID = Buffer.from('","requestId":"');
const BEFORE_CORRELATION_ID = Buffer.from('","correlationId":"');
const AFTER_IDS = Buffer.from('",');
const ID_LENGTH = 36;
const USER_MEMBER = Buffer.from('"user":"');
/** Distinguishes most users. */
const USER_BYTES = 24;
const ZERO = 0x30;

/** The characters allowed at each position of an id, a bit each. */
const [LOWER, ANY_HEX, HYPHEN, VERSION, VARIANT] = [1, 2, 4, 8, 16];
const KINDS = Uint8Array.from({ length: 256 }, (_, code) => {
  const one = String.fromCharCode(code);
  return (
    (/[0-9a-f]/.test(one) ? LOWER : 0) |
    (/[0-9a-fA-F]/.test(one) ? ANY_HEX : 0) |
    (one === '-' ? HYPHEN : 0) |
    (one === '4' ? VERSION : 0) |
    (/[89ab]/.test(one) ? VARIANT : 0)
  );
});
const placesOf = (example: string): Uint8Array =>
  Uint8Array.from(example, (one) => {
    if (one === '-') return HYPHEN;
    if (one === 'M') return VERSION;
    if (one === 'N') return VARIANT;
    return one === 'x' ? LOWER : ANY_HEX;
  });
const UUID_PLACES = placesOf('xxxxxxxx-xxxx-Mxxx-Nxxx-xxxxxxxxxxxx');
const GUID_PLACES = placesOf('XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX');

function follows(bytes: Buffer, at: number, word: Buffer): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false;
  return true;
}

function isId(bytes: Buffer, at: number, places: Uint8Array): boolean {
  for (let i = 0; i < ID_LENGTH; i++) {
    if (((KINDS[bytes[at + i] ?? 0] ?? 0) & (places[i] ?? 0)) === 0) return false;
  }
  return true;
}

/** Where the ids of a lookup's event end, if `IDS` finds them; `undefined` for any other event. */
function endOfIds(bytes: Buffer): number | undefined {
  let at = BEFORE_AUDIT_ID.length;
  if (!follows(bytes, 0, BEFORE_AUDIT_ID) || !isId(bytes, at, UUID_PLACES)) return undefined;
  at += ID_LENGTH;
  if (!follows(bytes, at, BEFORE_REQUEST_ID)) return undefined;
  at += BEFORE_REQUEST_ID.length;
  if (!isId(bytes, at, GUID_PLACES)) return undefined;
  at += ID_LENGTH;
  if (follows(bytes, at, BEFORE_CORRELATION_ID)) {
    at += BEFORE_CORRELATION_ID.length;
    if (!isId(bytes, at, GUID_PLACES)) return undefined;
    at += ID_LENGTH;
  }
  return follows(bytes, at, AFTER_IDS) ? at + AFTER_IDS.length : undefined;
}

/** Ten digits as a number; `undefined` if there are not ten. */
function numberAt(bytes: Buffer, from: number): number | undefined {
  let value = 0;
  for (let i = from; i < from + NUMBER_DIGITS; i++) {
    const digit = (bytes[i] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

/** The frame of an event, once it is certain to be sound whatever the ids and the number are. */
function frameOf(bytes: Buffer, idsEnd: number): Frame | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  const ids = IDS.exec(text);
  const at = text.lastIndexOf(NUMBER_MEMBER) + NUMBER_MEMBER.length;
  if (ids?.[0].length !== idsEnd || at < idsEnd) return undefined;
  const withoutNumber = text.slice(0, at) + NO_NUMBER + text.slice(at + NUMBER_DIGITS);
  let json: object;
  try {
    json = JSON.parse(withoutNumber) as object;
  } catch {
    return undefined;
  }
  // A repeated member or an escape could be read in two ways.
  if (JSON.stringify(json) !== withoutNumber) return undefined;
  if (!('nhsNumber' in json) || json.nhsNumber !== NO_NUMBER) return undefined;
  if (STORES_OWN.some((member) => member in json)) return undefined;
  const event = lookupEventSchema.safeParse(json).data;
  if (event === undefined) return undefined;
  const {
    auditId: _,
    requestId: _request,
    correlationId: _correlation,
    nhsNumber: _number,
    ...common
  } = event;
  const beforeNumber = Buffer.byteLength(text.slice(idsEnd, at));
  return { bytes: Buffer.from(bytes.subarray(idsEnd)), numberAt: beforeNumber, common };
}

/**
 * Reads events of lookups without parsing each one, which would otherwise be most of a worker's work. A
 * user's lookups differ in their ids and the NHS number alone. The bytes around these are parsed once; with
 * other ids and another number in the same places and of the same form, they are as sound.
 *
 * @returns a function that reads an event's bytes; `undefined` if they have to be parsed to be judged
 */
export function createLookupFrames(): (bytes: Buffer) => ReadLook | undefined {
  /** Keyed by the beginning of the user's id, only to find candidates: equality is decided by comparing all bytes. */
  const frames = new Map<string, Frame[]>();
  let remembered = 0;
  let kept = 0;
  /** Where the user's id stood in the last event, counted from the end of its ids. */
  let userAt = 0;

  function userOf(bytes: Buffer, idsEnd: number): string {
    if (!follows(bytes, idsEnd + userAt, USER_MEMBER)) {
      userAt = Math.max(0, bytes.indexOf(USER_MEMBER, idsEnd) - idsEnd);
    }
    const from = idsEnd + userAt + USER_MEMBER.length;
    return bytes.toString('latin1', from, from + USER_BYTES);
  }

  function remember(user: string, frame: Frame): void {
    if (remembered === FRAMES_REMEMBERED || kept + frame.bytes.length > BYTES_REMEMBERED) {
      frames.clear();
      remembered = 0;
      kept = 0;
    }
    remembered++;
    kept += frame.bytes.length;
    const same = frames.get(user);
    if (same === undefined) frames.set(user, [frame]);
    else if (same.push(frame) > FRAMES_OF_A_USER) {
      remembered--;
      kept -= same.shift()?.bytes.length ?? 0;
    }
  }

  return (bytes) => {
    if (bytes.length > LENGTH_AT_MOST) return undefined;
    const idsEnd = endOfIds(bytes);
    if (idsEnd === undefined) return undefined;
    const user = userOf(bytes, idsEnd);
    const length = bytes.length - idsEnd;
    for (const frame of frames.get(user) ?? []) {
      if (frame.bytes.length !== length) continue;
      const before = frame.numberAt;
      const after = before + NUMBER_DIGITS;
      const child = numberAt(bytes, idsEnd + before);
      if (child === undefined) continue;
      if (bytes.compare(frame.bytes, after, length, idsEnd + after) !== 0) continue;
      if (bytes.compare(frame.bytes, 0, before, idsEnd, idsEnd + before) !== 0) continue;
      return { child, common: frame.common };
    }
    const frame = frameOf(bytes, idsEnd);
    const child = frame && numberAt(bytes, idsEnd + frame.numberAt);
    if (frame === undefined || child === undefined) return undefined;
    remember(user, frame);
    return { child, common: frame.common };
  };
}
