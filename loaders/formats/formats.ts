import type { CalendarDate } from '#schemas/calendar.ts';
import { formatOfText, UPLOAD_FORMATS, type UploadFormat } from '#schemas/uploads/formats.ts';
import {
  readCsvDate,
  readSpineBirthDate,
  readSpinePlanDate,
  slashedOrder,
} from './common/dates.ts';
import { csvHeader, type FileToRead } from './common/metadata.ts';
import type { UploadSource } from './common/source.ts';
import type { UploadEvent, UploadHeader } from './common/upload.ts';
import { readCsvUpload } from './csv/events.ts';
import { readSpineHeader, readSpineXml } from './spine/spine.ts';

type Reader = {
  /**
   * The file's header, then its records, as its text streams in.
   *
   * @throws {UnusableFile} if nothing of the file can be used
   */
  read(texts: AsyncIterable<string>, file: FileToRead): AsyncGenerator<UploadEvent[]>;
  /** Which authority's file it is and its number, from its beginning or from beside it. */
  header(texts: AsyncIterable<string>, source: UploadSource): Promise<UploadHeader | undefined>;
  /** A plan date, tidied; `undefined` for anything else. */
  planDate(text: string): CalendarDate | undefined;
  birthDate(text: string): CalendarDate | undefined;
  /** Whether a date would be another day with the month first. */
  isReadTwoWays(text: string): boolean;
};

/** How each format is read. Everything else about it is in `UPLOAD_FORMATS`, `schemas/uploads/formats.ts`. */
export const READERS: Record<UploadFormat, Reader> = {
  'spine-xml': {
    read: readSpineXml,
    header: readSpineHeader,
    planDate: readSpinePlanDate,
    birthDate: readSpineBirthDate,
    isReadTwoWays: () => false,
  },
  csv: {
    read: readCsvUpload,
    header: async (_texts, source) => (await csvHeader(source, {}, undefined)).header,
    planDate: readCsvDate,
    birthDate: readCsvDate,
    isReadTwoWays: (text) => slashedOrder(text) === 'either',
  },
};

type Recognised = {
  format: UploadFormat;
  /** True if only blanks came. */
  empty: boolean;
  /** All of the text; for a format recognised by its opening, from there. */
  texts: AsyncIterable<string>;
};

/** The format of a text, by its first characters that are not blanks. */
export async function recognise(texts: AsyncGenerator<string>): Promise<Recognised> {
  let start = '';
  let ended = false;
  while (start.trim() === '' && !ended) {
    const step = await texts.next();
    ended = step.done === true;
    // Of many blanks only the last is kept.
    if (step.done !== true) start = start.slice(-1) + step.value;
  }
  const format = formatOfText(start);
  return {
    format,
    empty: start.trim() === '',
    texts: (async function* () {
      // An XML declaration must be first, so blank lines before it would be reported as a fault of the XML.
      yield UPLOAD_FORMATS[format].opening === undefined ? start : start.trimStart();
      yield* texts;
    })(),
  };
}
