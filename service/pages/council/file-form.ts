import type { IncomingMessage, ServerResponse } from 'node:http';
import { boundaryOf, NotAForm, readParts } from '../../http/multipart.ts';
import { repeatedHeader } from '../../http/request-head.ts';
import { openBody } from '../../uploads/body.ts';
import { FILE_LIMITS } from '../../uploads/request.ts';
import type { Fields } from '../session/forms.ts';

/** A file that was chosen in a form, with the fields that stand before it. */
export type ChosenFile = { filename: string; content: AsyncIterable<Buffer> };

export type FileForm<Taken> =
  /** With all fields; `taken` is undefined where no file was chosen. */
  | { kind: 'read'; fields: Fields; taken: Taken | undefined }
  | { kind: 'refused'; code: 'form-untrusted' | 'form-field-repeated' }
  /** It ended before it should, or its sender fell silent. */
  | { kind: 'cut-short' };

/** Beside the file: fields and the heads of parts. */
const AROUND_BYTES = 64 * 1024;
/** What is read of a file that is too large, so that its sender's browser gets to the answer. */
const READ_AT_MOST_TIMES = 4;

/**
 * Reads a form with one file, which is handed on as it comes: nothing of it is kept here.
 *
 * @param maxBytes of a file; of a larger one as much is read as a browser needs to see its answer, and no more
 * @param isOurs judges the fields that come before the file; nothing of the file is taken where it says no
 * @param take is given the file, and reads it to its end
 */
export async function readFileForm<Taken>(
  { incoming, outgoing }: { incoming: IncomingMessage; outgoing: ServerResponse },
  maxBytes: number,
  isOurs: (fields: Fields) => boolean,
  take: (file: ChosenFile, fields: Fields) => Promise<Taken>,
): Promise<FileForm<Taken>> {
  const { headers } = incoming;
  const boundary = boundaryOf(headers['content-type']);
  if (
    boundary === undefined ||
    repeatedHeader(incoming) !== undefined ||
    headers['content-encoding'] !== undefined ||
    Number(headers['content-length'] ?? 0) > READ_AT_MOST_TIMES * maxBytes + AROUND_BYTES
  ) {
    return { kind: 'refused', code: 'form-untrusted' };
  }
  const body = openBody(incoming, outgoing, false, FILE_LIMITS);
  const fields = new Map<string, string>();
  let taken: Taken | undefined;
  try {
    for await (const part of readParts(body.stream as AsyncIterable<Buffer>, boundary)) {
      if (fields.has(part.name)) return { kind: 'refused', code: 'form-field-repeated' };
      if (part.kind === 'field') {
        fields.set(part.name, part.value);
        continue;
      }
      if (!isOurs(fields)) return { kind: 'refused', code: 'form-untrusted' };
      fields.set(part.name, part.filename);
      // A browser sends an empty file without a name where none was chosen.
      if (part.filename !== '') taken = await take(part, fields);
    }
  } catch (error) {
    if (body.problem() !== undefined) return { kind: 'cut-short' };
    if (error instanceof NotAForm) return { kind: 'refused', code: 'form-untrusted' };
    throw error;
  } finally {
    body.stream.destroy();
  }
  return isOurs(fields)
    ? { kind: 'read', fields, taken }
    : { kind: 'refused', code: 'form-untrusted' };
}
