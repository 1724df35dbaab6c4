import type { IncomingMessage } from 'node:http';
import type { ErrorCode } from '#schemas/errors.ts';
import { formatOfMediaType, UPLOAD_FORMATS, uploadFormats } from '#schemas/uploads/formats.ts';
import type { BodyLimits } from './body.ts';

/** How long to wait for the sender of a file. */
export const FILE_LIMITS: BodyLimits = { idleMs: 10_000, deadlineMs: 240_000 };

/** The media types in which a file may be sent, for the description. */
export const fileMediaTypes: readonly string[] = uploadFormats.map(
  (format) => UPLOAD_FORMATS[format].mediaTypes[0],
);

const ENCODINGS = new Map([
  ['', false],
  ['identity', false],
  ['gzip', true],
  ['x-gzip', true],
]);

/** A content type without its parameters. */
const essence = (type = ''): string => type.split(';', 1)[0]?.trim().toLowerCase() ?? '';

/** What the head of a request says about the file in its body, or why it is not accepted. */
export function fileOf(
  { headers }: IncomingMessage,
  maxBytes: number,
): { name: string; gzip: boolean } | ErrorCode {
  const format = formatOfMediaType(essence(headers['content-type']));
  const gzip = ENCODINGS.get((headers['content-encoding'] ?? '').toLowerCase());
  if (format === undefined || gzip === undefined) return 'upload-media-type';
  if (Number(headers['content-length'] ?? 0) > maxBytes) return 'upload-too-large';
  // The extension says what an unreadable file was meant to be.
  return { name: `upload.${UPLOAD_FORMATS[format].endings[0]}`, gzip };
}
