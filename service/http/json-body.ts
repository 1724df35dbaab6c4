import { isUtf8 } from 'node:buffer';
import type { HttpBindings } from '@hono/node-server';
import { BODY_LIMITS, type Body, readBody } from './body.ts';
import { namesEachOnce } from './json-members.ts';
import type { RequestHead } from './request-head.ts';

type JsonBody = Body | { kind: 'refused'; code: 'unsupported-media-type' };

/** True for `application/json`, in UTF-8 if stated, and without a content encoding. */
function isPlainJson(headers: RequestHead['headers']): boolean {
  const type = headers['content-type'];
  if (type === undefined || headers['content-encoding'] !== undefined) return false;
  return (
    type === 'application/json' ||
    /^application\/json *(?:; *charset *= *(?:utf-8|"utf-8") *)?$/i.test(type)
  );
}

/** The body of a request in JSON, or why it is not read. */
export function readJsonBody({ incoming, outgoing }: HttpBindings): JsonBody | Promise<JsonBody> {
  return isPlainJson(incoming.headers)
    ? readBody(incoming, outgoing, BODY_LIMITS)
    : { kind: 'refused', code: 'unsupported-media-type' };
}

/** UTF-8's byte order mark is part of the transfer. Source: RFC 8259, section 8.1. */
const withoutMark = (bytes: Buffer): Buffer =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;

/** The object that a body is: JSON in UTF-8 whose objects name each member once. */
export function readObject(body: Buffer): object | undefined {
  try {
    const bytes = withoutMark(body);
    const value: unknown = isUtf8(bytes) ? JSON.parse(bytes.toString('utf8')) : undefined;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject && namesEachOnce(bytes, value) ? value : undefined;
  } catch {
    return undefined;
  }
}
