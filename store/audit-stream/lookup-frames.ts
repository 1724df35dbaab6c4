import { type LookupEvent, lookupEventSchema, placedSchema } from '#schemas/audit/audit-event.ts';

/** Members that only the store may write. */
export const STORES_OWN: readonly string[] = Object.keys(placedSchema.shape);

/** An event without what is its own: in all lookups that one user makes in one way, the same. */
type Frame = { text: string; numberAt: number };

const HEX = '[0-9a-fA-F]';
const GUID = `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`;
/** As `randomUUID` makes them. */
const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';
const IDS = new RegExp(
  `^\\{"type":"lookup","auditId":"(${UUID})","requestId":"(${GUID})"(?:,"correlationId":"(${GUID})")?,`,
);
const NUMBER_MEMBER = '"nhsNumber":"';
const NUMBER_DIGITS = 10;
const NUMBER = /^[0-9]{10}$/;
/** A placeholder for an NHS number. It is not a valid one. */
const NO_NUMBER = '----------';
const FRAMES_REMEMBERED = 8_192;
/** V8 hashes texts of 16,384 characters or more by their length alone: in a map each would be compared with all of them. */
const LENGTH_AT_MOST = 8_192;
/** Characters kept in all frames together; most frames have some 600. */
const CHARACTERS_REMEMBERED = 4 * 1_048_576;

/** The event of a frame, once it is certain that it is sound whatever the ids and the number are. */
function eventOf(ids: string, { text, numberAt }: Frame, own: object): LookupEvent | undefined {
  const withoutNumber = `${ids}${text.slice(0, numberAt)}${NO_NUMBER}${text.slice(numberAt)}`;
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
  return lookupEventSchema.safeParse({ ...json, ...own }).data;
}

/**
 * Reads events of lookups without parsing each, which is most of what a worker would do otherwise. A user's lookups
 * differ in their ids and the NHS number alone. The text around these is parsed once; with other ids and another number
 * in the same places and of the same form, it is as sound.
 *
 * @returns a function that gives the event of a text; `undefined` if that has to be parsed to be judged. What it
 * gives shares its parts with other events: they are not to be changed
 */
export function createLookupFrames(): (text: string) => LookupEvent | undefined {
  const frames = new Map<string, { numberAt: number; event: LookupEvent }>();
  let characters = 0;

  return (text) => {
    if (text.length > LENGTH_AT_MOST) return undefined;
    const ids = IDS.exec(text);
    if (ids === null) return undefined;
    const [before, auditId = '', requestId = '', correlationId] = ids;
    const at = text.lastIndexOf(NUMBER_MEMBER) + NUMBER_MEMBER.length;
    const nhsNumber = text.slice(at, at + NUMBER_DIGITS);
    if (at < before.length || !NUMBER.test(nhsNumber)) return undefined;

    const own = {
      auditId,
      requestId,
      ...(correlationId !== undefined && { correlationId }),
      nhsNumber,
    };
    const frame = {
      text: text.slice(before.length, at) + text.slice(at + NUMBER_DIGITS),
      numberAt: at - before.length,
    };
    const known = frames.get(frame.text);
    if (known?.numberAt === frame.numberAt) return { ...known.event, ...own };

    const event = eventOf(before, frame, own);
    if (event === undefined) return undefined;
    characters += frame.text.length;
    if (frames.size >= FRAMES_REMEMBERED || characters > CHARACTERS_REMEMBERED) {
      frames.clear();
      characters = frame.text.length;
    }
    const { correlationId: _, ...shared } = event;
    frames.set(frame.text, { numberAt: frame.numberAt, event: shared });
    return event;
  };
}
