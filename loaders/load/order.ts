import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import { csvHeader } from '../formats/common/metadata.ts';
import { SourceBytes } from '../formats/common/source.ts';
import type { UploadHeader } from '../formats/common/upload.ts';
import { readSpineXml } from '../formats/spine/spine.ts';

/** By which files are put in order: whose they are, and their sequence number. */
export type Place = { authority?: OdsCode; sequence?: number };

/** The header is within the first few kilobytes of every real file. */
const LOOKED_AT_BYTES = 262_144;

/**
 * Whose a file is and which of theirs, by a look at its beginning. Decides nothing but the order in which
 * files are loaded: what cannot be told is loaded all the same, and refused there if it is wrong.
 *
 * @param name what the file is called; a CSV may say by it which file it is
 */
export async function placeOf(path: string, name: string): Promise<Place> {
  const source = { path, name };
  const bytes = new SourceBytes(source, LOOKED_AT_BYTES);
  try {
    const header = (await xmlHeader(bytes)) ?? (await csvHeader(source, {}, undefined)).header;
    const authority = odsCodeSchema.safeParse(header.authority).data;
    return {
      ...(authority !== undefined && { authority }),
      ...(header.sequence !== undefined && { sequence: header.sequence }),
    };
  } catch {
    return {};
  } finally {
    bytes.close();
  }
}

/** `undefined` for what is not XML. */
async function xmlHeader(bytes: SourceBytes): Promise<UploadHeader | undefined> {
  const texts = bytes.text();
  let start = '';
  while (start.trim() === '') {
    const step = await texts.next();
    if (step.done === true) return undefined;
    start = step.value;
  }
  if (!start.trimStart().startsWith('<')) return undefined;
  const whole = (async function* () {
    yield start.trimStart();
    yield* texts;
  })();
  for await (const [event] of readSpineXml(whole, { names: false })) {
    if (event !== undefined) return event.kind === 'header' ? event.header : undefined;
  }
  return undefined;
}
