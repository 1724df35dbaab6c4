import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorCode } from '#schemas/errors.ts';
import { boundaryOf, NotAForm, readParts } from '../../http/multipart.ts';
import { repeatedHeader } from '../../http/request-head.ts';
import { openBody } from '../../uploads/body.ts';
import { FILE_LIMITS } from '../../uploads/request.ts';
import type { Fields } from '../session/forms.ts';

/** A file chosen in a form, with the fields before it. */
export type ChosenFile = { filename: string; content: AsyncIterable<Buffer> };

export type FileForm<Taken> =
  /** With all fields; `taken` is undefined if no file was chosen. */
  | { kind: 'read'; fields: Fields; taken: Taken | undefined }
  | { kind: 'refused'; code: ErrorCode }
  /** So large that it is not read at all. */
  | { kind: 'too-large' }
  /** It ended too early, or its sender fell silent. */
  | { kind: 'cut-short' };

/** Besides the file: fields and the headers of parts. */
const AROUND_BYTES = 64 * 1024;
/** How much of a too large file is read, so that its sender's browser gets the answer. */
const READ_AT_MOST_TIMES = 4;

/** How a form with a file is read. */
type FileFormReader<Taken> = {
  /** Largest file. From a larger one only as much is read as its browser needs to get the answer. */
  maxBytes: number;
  /**
   * Checks the fields before the file, which is not taken if they are faulty, and all fields once the file
   * has arrived.
   */
  refusalOf: (fields: Fields) => ErrorCode | undefined;
  /** Is given the file, and reads it to its end. */
  take: (file: ChosenFile) => Promise<Taken>;
  /** Undoes what was taken from a form that turns out to be invalid. */
  drop?: (taken: Taken) => Promise<void>;
};

/** Reads a form with one file, which is passed on as it arrives: nothing is stored here. */
export async function readFileForm<Taken>(
  { incoming, outgoing }: { incoming: IncomingMessage; outgoing: ServerResponse },
  { maxBytes, refusalOf, take, drop }: FileFormReader<Taken>,
): Promise<FileForm<Taken>> {
  const { headers } = incoming;
  const boundary = boundaryOf(headers['content-type']);
  if (
    boundary === undefined ||
    repeatedHeader(incoming) !== undefined ||
    headers['content-encoding'] !== undefined
  ) {
    return { kind: 'refused', code: 'form-untrusted' };
  }
  const readAtMost = READ_AT_MOST_TIMES * maxBytes + AROUND_BYTES;
  if (Number(headers['content-length'] ?? 0) > readAtMost) return { kind: 'too-large' };
  const body = openBody(incoming, outgoing, false, FILE_LIMITS);
  const fields = new Map<string, string>();
  let taken: Taken | undefined;

  async function read(ofBoundary: string): Promise<FileForm<Taken>> {
    for await (const part of readParts(body.stream as AsyncIterable<Buffer>, ofBoundary)) {
      if (fields.has(part.name)) return { kind: 'refused', code: 'form-field-repeated' };
      if (part.kind === 'field') {
        fields.set(part.name, part.value);
        continue;
      }
      // A second file, under whatever name.
      const code = taken === undefined ? refusalOf(fields) : 'form-untrusted';
      if (code !== undefined) return { kind: 'refused', code };
      fields.set(part.name, part.filename);
      // A browser sends an empty file without a name if none was chosen.
      if (part.filename !== '') taken = await take(part);
    }
    const code = refusalOf(fields);
    return code === undefined ? { kind: 'read', fields, taken } : { kind: 'refused', code };
  }

  let form: FileForm<Taken> = { kind: 'cut-short' };
  try {
    form = await read(boundary);
  } catch (error) {
    if (body.problem() === undefined) {
      if (!(error instanceof NotAForm)) throw error;
      form = { kind: 'refused', code: 'form-untrusted' };
    }
  } finally {
    body.stream.destroy();
    if (form.kind !== 'read' && taken !== undefined) await drop?.(taken);
  }
  return form;
}
