import type { IncomingHttpHeaders } from 'node:http';
import { type Accept, parseAccept } from 'hono/utils/accept';
import type { RequestHead } from '../http/request-head.ts';

const FORMATS: ReadonlySet<string> = new Set([
  'json',
  'application/json',
  'application/fhir+json',
  // A plus sign that its sender did not encode is a space in a query.
  'application/fhir json',
]);
const RANGES: ReadonlySet<string> = new Set([
  'application/json',
  'application/fhir+json',
  'application/*',
  '*/*',
]);

/** A media range that JSON of FHIR R4 satisfies. */
const allows = ({ type, params, q }: Accept): boolean =>
  q > 0 &&
  RANGES.has(type.toLowerCase()) &&
  Object.entries(params).every(
    ([name, value]) => name.toLowerCase() !== 'fhirversion' || value === '4.0',
  );

/** Whether JSON was asked for: by `_format`, which takes precedence, by Accept, or by neither. */
export function wantsJson({ accept }: IncomingHttpHeaders, format: string | null): boolean {
  if (format !== null) return FORMATS.has(format);
  return !accept || parseAccept(accept).some(allows);
}

/** True for `application/x-www-form-urlencoded`, in UTF-8 if stated, and without a content encoding. */
export function isForm(headers: RequestHead['headers']): boolean {
  const type = headers['content-type'];
  return (
    type !== undefined &&
    headers['content-encoding'] === undefined &&
    /^application\/x-www-form-urlencoded *(?:; *charset *= *(?:utf-8|"utf-8") *)?$/i.test(type)
  );
}
