import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { ErrorCode } from '#schemas/errors.ts';
import { type LookupRequest, lookupRequestSchema } from '#schemas/lookup.ts';

export type ParsedRequest =
  | { kind: 'parsed'; request: LookupRequest }
  | {
      kind: 'refused';
      code: Extract<ErrorCode, 'malformed-json' | 'invalid-request' | 'invalid-nhs-number'>;
      /** The number as it was sent, valid or not, if a text of that name was. */
      number?: string;
    };

/** True of `application/json`, in UTF-8 if it says, and without a content encoding. */
export function isPlainJson(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type'];
  if (type === undefined || headers['content-encoding'] !== undefined) return false;
  return (
    type === 'application/json' ||
    /^application\/json *(?:; *charset *= *(?:utf-8|"utf-8") *)?$/i.test(type)
  );
}

const QUOTE = 0x22;

/**
 * Whether the text names each of its members once, where `members` of them, all with text values, were
 * read from it. Readers differ in which of two `nhsNumber` they take (ours the last, a gateway perhaps
 * the first), and the wrong one is the wrong child. A sound body has four quotes a member and none
 * within a value, so counting them finds any member that was read over.
 */
function namesEachOnce(bytes: Buffer, members: number): boolean {
  let quotes = 0;
  for (const byte of bytes) if (byte === QUOTE) quotes++;
  return quotes === members * 4;
}

const compiledSchema = z.compile(lookupRequestSchema, { strict: true });

/** Reads the body of a lookup: one JSON object in UTF-8, with the members described and no others. */
export function parseRequest(bytes: Buffer): ParsedRequest {
  let value: unknown;
  try {
    if (isUtf8(bytes)) value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return { kind: 'refused', code: 'malformed-json' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { kind: 'refused', code: 'malformed-json' };
  }
  const parsed = compiledSchema.safeParse(value);
  if (parsed.success) {
    return namesEachOnce(bytes, Object.keys(value).length)
      ? { kind: 'parsed', request: parsed.data }
      : { kind: 'refused', code: 'malformed-json' };
  }
  const number = 'nhsNumber' in value ? value.nhsNumber : undefined;
  if (typeof number !== 'string') return { kind: 'refused', code: 'invalid-request' };
  const onlyTheNumber = parsed.error.issues.every(({ path }) => path[0] === 'nhsNumber');
  return {
    kind: 'refused',
    code: onlyTheNumber ? 'invalid-nhs-number' : 'invalid-request',
    number,
  };
}
