import type { Redis } from 'ioredis';
import { type Authority, authoritySchema } from '#schemas/authority.ts';
import { keys } from '../keys.ts';

/** What a store holds the flags of. `kind` never changes: demo tokens never read live data. */
export type Dataset = { id: string; kind: 'demo' | 'live'; createdAt: string };

const EXPECTED = 'authority:';

/**
 * The dataset, the codes of the authorities expected to load into it, and the key of the ids under which
 * its resources are shown: a secret that every lookup process reads here, so that all give the same ids.
 */
export function parseDataset(
  fields: Record<string, string>,
): { dataset: Dataset; codes: string[]; resourceKey: string } | undefined {
  const { id, kind, createdAt, resourceKey } = fields;
  if (id === undefined || createdAt === undefined || (kind !== 'demo' && kind !== 'live')) {
    return undefined;
  }
  if (resourceKey === undefined) return undefined;
  const codes = Object.keys(fields)
    .filter((field) => field.startsWith(EXPECTED))
    .map((field) => field.slice(EXPECTED.length));
  return { dataset: { id, kind, createdAt }, codes: codes.toSorted(), resourceKey };
}

/** The dataset's fields that hold `authority` as expected. */
export const expectedField = (code: string): string => `${EXPECTED}${code}`;

/** An authority from its hash; `undefined` where there is none or it cannot be read. */
export function parseAuthority(
  code: string,
  fields: Record<string, string>,
): Authority | undefined {
  const { reconciled, sequence, sequenceOffset, rows, ...text } = fields;
  const parsed = authoritySchema.safeParse({
    ...text,
    code,
    ...(sequence !== undefined && { sequence: Number(sequence) }),
    ...(sequenceOffset !== undefined && { sequenceOffset: Number(sequenceOffset) }),
    ...(rows !== undefined && { rows: Number(rows) }),
    reconciled: reconciled !== 'false',
  });
  return parsed.success ? parsed.data : undefined;
}

/**
 * Every expected authority, by code.
 *
 * @throws where one that is expected cannot be read: an unreadable directory is not a shorter one.
 */
export async function readAuthorities(
  redis: Redis,
  codes: readonly string[],
): Promise<Map<string, Authority>> {
  const replies = await Promise.all(codes.map((code) => redis.hgetall(keys.authority(code))));
  const authorities = new Map<string, Authority>();
  for (const [i, code] of codes.entries()) {
    const authority = parseAuthority(code, replies[i] ?? {});
    if (authority === undefined) throw new Error(`what is held of authority ${code} is unreadable`);
    authorities.set(code, authority);
  }
  return authorities;
}
