import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import { SourceBytes } from '../formats/common/source.ts';
import { READERS, recognise } from '../formats/formats.ts';

/** What orders files: their authority and their sequence number. */
export type Place = { authority?: OdsCode; sequence?: number };

/** The header is within the first few kilobytes of every real file. */
const LOOKED_AT_BYTES = 262_144;

/**
 * Which authority's file it is and its number, from its beginning. Decides only the order in which files are
 * loaded: an unclear file is still loaded, and refused there if it is wrong.
 *
 * @param name what the file is called; a CSV's name may give both
 */
export async function placeOf(path: string, name: string): Promise<Place> {
  const source = { path, name };
  const bytes = new SourceBytes(source, LOOKED_AT_BYTES);
  try {
    const { format, texts } = await recognise(bytes.text());
    const header = await READERS[format].header(texts, source);
    const authority = odsCodeSchema.safeParse(header?.authority).data;
    return {
      ...(authority !== undefined && { authority }),
      ...(header?.sequence !== undefined && { sequence: header.sequence }),
    };
  } catch {
    return {};
  } finally {
    bytes.close();
  }
}
