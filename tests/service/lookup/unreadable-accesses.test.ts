import { randomUUID } from 'node:crypto';
import type { Bundle } from '@medplum/fhirtypes';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { WHO_LOOKED_NOT_SHOWN } from '#schemas/wording/lookup.ts';
import { keys } from '#store/keys.ts';
import { type Fhir, fhirOf } from '../../support/fhir.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';

/**
 * A lookup process may write the lists of who looked, so anybody with its password may write anything there. A list
 * that cannot be read is reported as unreadable, and never hides the flag.
 */

const CHILD = testNumber(701);
const LIST = keys.accessLists(partitionOf(CHILD));

let service: TestService;
let fhir: Fhir;
beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
    environment: { METRICS_PORT: '0' },
  });
  fhir = fhirOf(service);
});
afterAll(() => service?.stopAndRemove());
beforeEach(() => service.admin.del(LIST));

const poison = (value: string | Buffer): Promise<unknown> => service.admin.hset(LIST, CHILD, value);
/** Writes a list there, packed as the functions would pack it. */
const poisonPacked = (value: unknown): Promise<unknown> =>
  service.admin.eval(
    "return redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack(cjson.decode(ARGV[2])))",
    1,
    LIST,
    CHILD,
    JSON.stringify(value),
  );

const WHO = {
  name: 'Nora Nurse',
  role: 'Nurse',
  roleCode: 'R8000',
  organisation: { code: 'ZZH01', name: 'Hospital' },
};
const listed = (
  differing: { at?: unknown; id?: unknown; user?: unknown; entry?: unknown } = {},
  ...more: unknown[]
) => {
  const { at = 1_700_000_000_000, id = randomUUID(), user = 'issuer/nurse' } = differing;
  return [at, id, user, differing.entry ?? JSON.stringify(WHO), ...more];
};

const who = (differing: Partial<typeof WHO>): string => JSON.stringify({ ...WHO, ...differing });
const at = (differing: Partial<(typeof WHO)['organisation']>): string =>
  who({ organisation: { ...WHO.organisation, ...differing } });

async function look() {
  const response = await service.answered({ nhsNumber: CHILD });
  expect(response.status).toBe(200);
  return lookupAnswerSchema.parse(await response.json());
}

async function eventOf(auditId: string | undefined) {
  return (await service.events()).find((event) => event.auditId === auditId);
}

test('a list written by the service is read, with or without a role code', async () => {
  const { roleCode: _, ...older } = WHO;
  await poisonPacked([listed(), listed({ user: 'other', entry: JSON.stringify(older) })]);
  const { accesses, advice } = await look();
  expect(accesses?.map(({ name, own }) => [name, own])).toEqual([
    ['Nora Nurse', true],
    ['Nora Nurse', false],
    ['Nora Nurse', false],
  ]);
  expect(advice).not.toContain(WHO_LOOKED_NOT_SHOWN);
});

test('a list with the longest names that a token may contain is read', async () => {
  const longest = '\u0939'.repeat(120);
  const entry = JSON.stringify({
    name: longest,
    role: 'M\u00fcller\u2019s \u00b7 role',
    roleCode: 'x'.repeat(40),
    organisation: { code: 'Z'.repeat(12), name: longest },
  });
  await poisonPacked([listed({ entry })]);
  expect((await look()).accesses).toMatchObject([{ own: true }, { name: longest }]);
});

describe('an unreadable list hides no flag, is reported as unreadable, and stays as evidence', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['bytes', () => poison('nonsense')],
    ['nothing', () => poison('')],
    ['not a list', () => poisonPacked({ a: 1 })],
    ['no accesses', () => poisonPacked(['a', 'b'])],
    ['a time as text', () => poisonPacked([listed({ at: 'now' })])],
    ['a time beyond all calendars', () => poisonPacked([listed({ at: 1e300 })])],
    ['a time in the future', () => poisonPacked([listed({ at: Date.now() + 3_600_000 })])],
    ['no audit id', () => poisonPacked([listed({ id: 'x,y' })])],
    ['a user that is not text', () => poisonPacked([listed({ user: 5 })])],
    ['not JSON', () => poisonPacked([listed({ entry: '{' })])],
    ['nobody', () => poisonPacked([listed({ entry: '{}' })])],
    [
      'a name that is not text',
      () => poisonPacked([listed({ entry: '{"name":0x10,"role":"a"}' })]),
    ],
    ['an empty name', () => poisonPacked([listed({ entry: who({ name: '' }) })])],
    ['a blank name', () => poisonPacked([listed({ entry: who({ name: ' \u00a0' }) })])],
    ['a name of 100 kB', () => poisonPacked([listed({ entry: who({ name: 'x'.repeat(1e5) }) })])],
    [
      'a name of 361 bytes',
      () => poisonPacked([listed({ entry: who({ name: 'x'.repeat(361) }) })]),
    ],
    ['a name of two lines', () => poisonPacked([listed({ entry: who({ name: 'a\nb' }) })])],
    [
      'a name with a line break at its end',
      () => poisonPacked([listed({ entry: who({ name: 'a\u2028b' }) })]),
    ],
    [
      'a name with terminal colours',
      () => poisonPacked([listed({ entry: who({ name: 'a\u009b31mb' }) })]),
    ],
    [
      'a name that reverses its direction',
      () => poisonPacked([listed({ entry: who({ name: 'a\u202eb' }) })]),
    ],
    ['an empty role', () => poisonPacked([listed({ entry: who({ role: '' }) })])],
    ['a role of 10 kB', () => poisonPacked([listed({ entry: who({ role: 'x'.repeat(1e4) }) })])],
    [
      'a long role code',
      () => poisonPacked([listed({ entry: who({ roleCode: 'x'.repeat(41) }) })]),
    ],
    ['no organisation code', () => poisonPacked([listed({ entry: at({ code: 'a b' }) })])],
    [
      'a long organisation code',
      () => poisonPacked([listed({ entry: at({ code: 'Z'.repeat(13) }) })]),
    ],
    ['an organisation without a name', () => poisonPacked([listed({ entry: at({ name: '' }) })])],
    [
      'a long organisation name',
      () => poisonPacked([listed({ entry: at({ name: 'x'.repeat(1e4) }) })]),
    ],
    ['a long user', () => poisonPacked([listed({ user: 'x'.repeat(201) })])],
    ['an empty user', () => poisonPacked([listed({ user: '' })])],
    ['an invalid count', () => poisonPacked([listed({}, 0, 1_700_000_000_000)])],
    ['a count as text', () => poisonPacked([listed({}, '2', 1_700_000_000_000)])],
    ['an impossibly large count', () => poisonPacked([listed({}, 1e15, 1_700_000_000_000)])],
    ['a count without its first look', () => poisonPacked([listed({}, 2)])],
    ['a first look after the latest', () => poisonPacked([listed({}, 2, 1_700_000_000_001)])],
    [
      'more accesses than there can be',
      () => poisonPacked(Array.from({ length: 200 }, () => listed())),
    ],
    ['a key of another type', () => service.admin.set(LIST, 'x')],
  ])('%s', async (_, write) => {
    await write();
    const before = await service.admin.dumpBuffer(LIST);
    const answer = await look();
    expect(answer).toMatchObject({ outcome: 'flagged', current: true });
    expect(answer.flags).toHaveLength(1);
    expect(answer.advice).toContain(WHO_LOOKED_NOT_SHOWN);
    expect(answer).not.toHaveProperty('accesses');
    expect(await eventOf(answer.auditId)).toMatchObject({ outcome: 'flagged', accessesShown: [] });
    expect(await service.admin.dumpBuffer(LIST)).toEqual(before);
  });

  test('whatever it holds', async () => {
    const values = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.jsonValue({ maxDepth: 4 }));
    await fc.assert(
      fc.asyncProperty(values, async (value) => {
        await (value instanceof Uint8Array ? poison(Buffer.from(value)) : poisonPacked(value));
        const { outcome, flags } = await look();
        expect([outcome, flags.length]).toEqual(['flagged', 1]);
      }),
      { numRuns: 60 },
    );
  });
});

test.each(['CareTeam', 'Flag'] as const)(
  'a search for %s shows its plans, and says that who looked cannot be shown',
  async (type) => {
    await poison('nonsense');
    const { matches, issues } = await fhir.found(type, CHILD);
    expect(matches).toHaveLength(1);
    expect(issues).toContainEqual(
      expect.objectContaining({
        severity: 'warning',
        code: 'incomplete',
        details: { text: WHO_LOOKED_NOT_SHOWN },
      }),
    );
  },
);

test('a search for accesses says that they cannot be shown, not that there are none', async () => {
  await poison('nonsense');
  const response = await untilAnswered(() => fhir.search('AuditEvent', CHILD));
  expect(response.status).toBe(200);
  const bundle = await fhir.sound<Bundle>(response);
  expect(bundle).not.toHaveProperty('total');
  expect(bundle.entry).toHaveLength(1);
  const [entry] = bundle.entry ?? [];
  expect(entry?.search?.mode).toBe('outcome');
  expect(entry?.resource).toHaveProperty(
    'issue',
    expect.arrayContaining([
      { severity: 'warning', code: 'incomplete', details: { text: WHO_LOOKED_NOT_SHOWN } },
    ]),
  );
  expect(await eventOf(bundle.id)).toMatchObject({ search: 'AuditEvent', accessesShown: [] });
});

test('a silent read, which shows no accesses, is answered as usual', async () => {
  await poison('nonsense');
  const token = await service.token(claims({ activities: ['B0170'], organisation: 'ZZP01' }));
  const response = await service.answered({ nhsNumber: CHILD }, { token });
  const { outcome, advice } = lookupAnswerSchema.parse(await response.json());
  expect(outcome).toBe('flagged');
  expect(advice).not.toContain(WHO_LOOKED_NOT_SHOWN);
});

test('an unreadable list is counted', async () => {
  await poison('nonsense');
  await look();
  const page = await fetch(`http://127.0.0.1:${await service.metricsPort}/metrics`);
  expect(await page.text()).toMatch(/^cp_flags_accesses_unreadable_total\S* [1-9]/m);
});
