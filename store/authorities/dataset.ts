import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type Authority, authoritySchema } from '#schemas/authority.ts';
import {
  type ExpectedAuthorities,
  expectedAuthoritiesSchema,
} from '#schemas/expected-authorities.ts';
import { parseJson } from '#schemas/json.ts';
import { inOneWrite } from '../connection/one-write.ts';
import { keys } from '../keys.ts';

/** What a store holds the flags of. `kind` never changes: demo tokens never read live data. */
export const DATASET_KINDS = ['demo', 'live'] as const;
export type Dataset = { id: string; kind: (typeof DATASET_KINDS)[number]; createdAt: string };

const KNOWN = 'authority:';
/** The dataset's field that holds which authorities are expected. */
const EXPECTED_FIELD = 'expected';
/** Since when the list counts, with its digest: an earlier version sets only the list. */
const EXPECTED_SINCE_FIELD = 'expectedSince';
export const EXPECTED_FIELDS = [EXPECTED_FIELD, EXPECTED_SINCE_FIELD];

/** Distinguishes two lists: the first 16 hexadecimal digits of the SHA-256 of the list. */
export const expectedDigest = (expected: ExpectedAuthorities): string =>
  createHash('sha256').update(JSON.stringify(expected)).digest('hex').slice(0, 16);

/** The dataset's fields with a list that counts from now on. */
export const expectedFields = (expected: ExpectedAuthorities): Record<string, string> => ({
  [EXPECTED_FIELD]: JSON.stringify(expected),
  [EXPECTED_SINCE_FIELD]: `${expectedDigest(expected)} ${new Date().toISOString()}`,
});

/** Since when a list counts, ISO 8601; `undefined` if an earlier version set it. */
export async function readExpectedSince(
  redis: Redis,
  expected: ExpectedAuthorities,
): Promise<string | undefined> {
  const [digest, at] = ((await redis.hget(keys.dataset, EXPECTED_SINCE_FIELD)) ?? '').split(' ');
  return digest === expectedDigest(expected) ? at : undefined;
}

/**
 * The dataset, the codes of the authorities known to it, the list of those expected, and the key of the ids under
 * which its resources are shown: a secret that every lookup process reads here, so that all give the same ids.
 * `undefined` if the fields are not those of a dataset.
 */
export function parseDataset(fields: Record<string, string>):
  | {
      dataset: Dataset;
      codes: string[];
      expected: ExpectedAuthorities | undefined;
      resourceKey: string;
    }
  | undefined {
  const { id, createdAt, resourceKey } = fields;
  const kind = DATASET_KINDS.find((known) => known === fields['kind']);
  if (id === undefined || createdAt === undefined || kind === undefined) return undefined;
  if (resourceKey === undefined) return undefined;
  const codes = Object.keys(fields)
    .filter((field) => field.startsWith(KNOWN))
    .map((field) => field.slice(KNOWN.length));
  const expected = parseExpected(fields[EXPECTED_FIELD]);
  return { dataset: { id, kind, createdAt }, codes: codes.toSorted(), expected, resourceKey };
}

/** What {@link parseDataset} reads from the store. */
export const readDataset = async (redis: Redis) => parseDataset(await redis.hgetall(keys.dataset));

/** If unreadable it counts as not set, and then live data gives no negatives. */
const parseExpected = (text = ''): ExpectedAuthorities | undefined =>
  expectedAuthoritiesSchema.safeParse(parseJson(text)).data;

/** The dataset's field that records an authority as known. */
export const knownField = (code: string): string => `${KNOWN}${code}`;

/** An authority from its hash; `undefined` if there is none or it cannot be read. */
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

/** As the authority's hash holds it; undefined fields are left as they are. */
export function authorityFields(
  change: Readonly<Record<string, string | number | boolean | object | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(change).flatMap(([field, value]) =>
      value === undefined
        ? []
        : [[field, typeof value === 'object' ? JSON.stringify(value) : String(value)]],
    ),
  );
}

/** Every known authority, by code. */
export type Directory = ReadonlyMap<string, Authority>;

type Fields = Readonly<Record<string, string>>;

function haveSameFields(one: Fields, other: Fields): boolean {
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
  );
}

/** An authority that is known cannot be read. */
export class AuthorityUnreadable extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`what is held of authority ${code} is unreadable`);
    this.code = code;
  }
}

/**
 * Reads the directory repeatedly: an authority whose hash has not changed is not parsed again.
 *
 * @throws {AuthorityUnreadable} (the function returned): an unreadable directory is not a shorter one.
 */
export function createDirectoryReader(
  redis: Redis,
): (codes: readonly string[]) => Promise<Directory> {
  let before = new Map<string, { fields: Fields; authority: Authority }>();
  const read = (code: string): Promise<Fields> =>
    redis.hgetall(keys.authority(code)).catch((error: unknown) => {
      const isOther = error instanceof Error && error.message.startsWith('WRONGTYPE');
      throw isOther ? new AuthorityUnreadable(code) : error;
    });
  return async (codes) => {
    const replies = await Promise.all(inOneWrite(redis, () => codes.map(read)));
    const now: typeof before = new Map();
    for (const [i, code] of codes.entries()) {
      const fields = replies[i] ?? {};
      const known = before.get(code);
      const authority =
        known !== undefined && haveSameFields(known.fields, fields)
          ? known.authority
          : parseAuthority(code, fields);
      if (authority === undefined) throw new AuthorityUnreadable(code);
      now.set(code, { fields, authority });
    }
    before = now;
    return new Map([...now].map(([code, { authority }]) => [code, authority]));
  };
}
