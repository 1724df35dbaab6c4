import { z } from 'zod';
import type { ErrorCode } from '#schemas/errors.ts';
import { BATCH_AT_MOST, type LookupRequest, lookupRequestSchema } from '#schemas/lookup.ts';
import { readObject } from '../http/json-body.ts';

export type ParsedRequest =
  | { kind: 'parsed'; request: LookupRequest }
  | {
      kind: 'refused';
      code: Extract<ErrorCode, 'malformed-json' | 'invalid-request' | 'invalid-nhs-number'>;
      /** The number as it was sent, valid or not, if a text of that name was. */
      number?: string;
    };

const compiledSchema = z.compile(lookupRequestSchema, { strict: true });

type Malformed = { kind: 'refused'; code: 'malformed-json' };
const MALFORMED: Malformed = { kind: 'refused', code: 'malformed-json' };

function parseLookup(value: unknown): ParsedRequest {
  const parsed = compiledSchema.safeParse(value);
  if (parsed.success) return { kind: 'parsed', request: parsed.data };
  const number =
    typeof value === 'object' && value !== null && 'nhsNumber' in value
      ? value.nhsNumber
      : undefined;
  if (typeof number !== 'string') return { kind: 'refused', code: 'invalid-request' };
  const onlyTheNumber = parsed.error.issues.every(({ path }) => path[0] === 'nhsNumber');
  return {
    kind: 'refused',
    code: onlyTheNumber ? 'invalid-nhs-number' : 'invalid-request',
    number,
  };
}

/** Reads the body of a lookup: one JSON object in UTF-8, with the members described and no others. */
export function parseRequest(bytes: Buffer): ParsedRequest {
  const value = readObject(bytes);
  return value === undefined ? MALFORMED : parseLookup(value);
}

const batchSchema = z.strictObject({ items: z.array(z.unknown()).min(1).max(BATCH_AT_MOST) });

/** Reads the body of a batch. A fault in one item concerns only that item. */
export function parseBatch(
  bytes: Buffer,
):
  | { kind: 'parsed'; items: ParsedRequest[] }
  | Malformed
  | { kind: 'refused'; code: 'invalid-batch' } {
  const value = readObject(bytes);
  if (value === undefined) return MALFORMED;
  const batch = batchSchema.safeParse(value);
  if (!batch.success) return { kind: 'refused', code: 'invalid-batch' };
  return { kind: 'parsed', items: batch.data.items.map(parseLookup) };
}
