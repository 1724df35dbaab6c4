import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { NumberTracingUnavailable } from '#loaders/check/tracing/tracer.ts';
import { sendOutcome } from '#loaders/synthetic/made-up-pds.ts';
import { type FoundInactive, reverifyNumbers } from '#loaders/upkeep/reverify.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { keys } from '#store/keys.ts';
import { startTestPds, type TestPds } from '../../support/pds.ts';
import { day, testNumber } from '../../support/rows.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';
import { loader, ods } from '../../support/upload-loading.ts';
import { fileXml, planOf, RECEIVED_AT, upload } from '../../support/upload-model.ts';

let t: TestStore;
let p: TestPds;
let tracer: ReturnType<TestPds['tracer']>;
let inactive: FoundInactive[];
let sensitive: string[];
/** By then everybody who was checked before is due again. */
const LATER = RECEIVED_AT + 100 * 86_400_000;

const know = (n: number, as = n, differing: { security?: string; family?: string } = {}): void => {
  const { security = 'U', family = 'Example' } = differing;
  p.pds.records.set(testNumber(n), {
    nhsNumber: testNumber(as),
    dateOfBirth: '2019-03-05',
    names: [{ given: ['Ada', 'Mary'], family }],
    security,
  });
};

beforeAll(async () => {
  [t, p] = await Promise.all([startTestStore({ kind: 'demo' }), startTestPds()]);
  tracer = p.tracer({ awayMs: 0, now: () => RECEIVED_AT });
  for (let n = 1; n <= 7; n++) know(n);
  const records = [
    ...[1, 2, 3, 4, 5, 6].map((n) => planOf(n)),
    planOf(7, { startDate: day('2024-01-05'), endDate: day('2024-06-05') }),
  ];
  const { code } = await loader(t).load(fileXml(upload({ authority: 'ZZ501', records })), {
    tracer,
  });
  expect(code).toBe('CPF02');
});
afterAll(() => Promise.all([t?.stop(), p?.stop()]));
beforeEach(() => {
  inactive = [];
  sensitive = [];
  p.pds.asked.length = 0;
});

const reverify = (since = LATER) =>
  reverifyNumbers(t.store, {
    tracer,
    since,
    onInactive: (found) => Promise.resolve(void inactive.push(...found)),
    onSensitive: (number) => Promise.resolve(void sensitive.push(number)),
    signal: new AbortController().signal,
    now: () => RECEIVED_AT,
  });

test('a number that was checked recently, or has nothing to show, is not checked again', async () => {
  expect(await reverify(RECEIVED_AT)).toEqual({ looked: 0, unknown: 0 });
  expect(await reverify()).toEqual({ looked: 6, unknown: 0 });
  expect(p.pds.asked.map(({ nhsNumber }) => nhsNumber)).not.toContain(testNumber(7));
  expect(inactive).toEqual([]);
});

test('a change is reported once, and the new number only to those who sent the date of birth and the name', async () => {
  know(2, 12);
  know(3, 13, { family: 'Other' });
  know(4, 4, { security: 'R' });
  p.pds.records.set(testNumber(5), 'invalidated');
  p.pds.records.delete(testNumber(6));
  expect(await reverify()).toEqual({ looked: 6, unknown: 1 });
  const of = (n: number, replacedBy?: number): FoundInactive => ({
    authority: ods('ZZ501'),
    sequence: 1,
    nhsNumber: testNumber(n),
    localId: `LA-${n}`,
    replacedBy: replacedBy === undefined ? undefined : testNumber(replacedBy),
  });
  expect(inactive.toSorted((a, b) => a.localId.localeCompare(b.localId))).toEqual([
    of(2, 12),
    // The record now has a different name from the one that this council had verified.
    of(3),
    of(5),
  ]);
  expect(sensitive).toEqual([testNumber(4)]);
  expect(await t.store.markNumber(testNumber(4), '?')).toBe('sensitive');
  expect(await t.store.markNumber(testNumber(5), '?')).toBe('not-in-use');

  [inactive, sensitive] = [[], []];
  know(4);
  await reverify();
  expect([inactive, sensitive]).toEqual([[], []]);
  expect(await t.store.markNumber(testNumber(4), '?')).toBe('in-use');
});

test('a number that was replaced or withdrawn is not in use, and its record sensitive, if it is both; no notice leads to the new number', async () => {
  for (const n of [1, 2, 3, 4, 5, 6]) know(n);
  await reverify();
  know(1, 11, { security: 'R' });
  know(2, 2, { security: 'R' });
  await reverify();
  expect(inactive).toMatchObject([{ nhsNumber: testNumber(1), replacedBy: undefined }]);
  expect(sensitive.toSorted()).toEqual([1, 2].map(testNumber).toSorted());
  p.pds.records.set(testNumber(2), 'invalidated');
  await reverify();
  expect(inactive.slice(1)).toMatchObject([{ nhsNumber: testNumber(2), replacedBy: undefined }]);
  for (const nhsNumber of [1, 2].map(testNumber)) {
    expect(await t.store.markNumber(nhsNumber, '?')).toBe('sensitive-not-in-use');
    const key = keys.notInUse(partitionOf(nhsNumber));
    expect(await t.admin.smismember(key, nhsNumber, `S${nhsNumber}`)).toEqual([1, 1]);
  }
  // Each is reported once.
  await reverify();
  expect([inactive.length, sensitive.length]).toEqual([2, 2]);
});

test.each([
  ['sensitive', 'V', 'S'],
  ['not in use', 'invalidated', ''],
])(
  'a number found to be %s counts as that at once, even if it cannot be reported, and is reported at the next check',
  async (_, becomes, prefix) => {
    const all = [1, 2, 3, 4, 5, 6];
    for (const n of all) know(n);
    await reverify();
    for (const n of all) {
      if (becomes === 'invalidated') p.pds.records.set(testNumber(n), becomes);
      else know(n, n, { security: becomes });
    }
    let first: string | undefined;
    const tell = (nhsNumber: string | undefined): Promise<void> => {
      first ??= nhsNumber;
      return nhsNumber === first
        ? Promise.reject(new Error('the disk is full'))
        : Promise.resolve();
    };
    const { looked, failure } = await reverifyNumbers(t.store, {
      tracer,
      since: LATER,
      onInactive: ([found]) => tell(found?.nhsNumber),
      onSensitive: tell,
      signal: new AbortController().signal,
      now: () => RECEIVED_AT,
    });
    expect([looked, failure]).toEqual([6, { error: new Error('the disk is full') }]);
    for (const nhsNumber of all.map(testNumber)) {
      const key = keys.notInUse(partitionOf(nhsNumber));
      expect(await t.admin.sismember(key, `${prefix}${nhsNumber}`)).toBe(1);
      const state = prefix === '' ? 'not-in-use' : 'sensitive';
      const expected = nhsNumber === first ? 'untold' : state;
      expect(await t.store.markNumber(nhsNumber, '?')).toBe(expected);
    }
    await reverify();
    expect([...sensitive, ...inactive.map(({ nhsNumber }) => nhsNumber)]).toEqual([first]);
    await reverify();
    expect(sensitive.length + inactive.length).toBe(1);
  },
);

test('checking ends while PDS is away, and a record that cannot be fetched delays none of the others', async () => {
  p.pds.instead = (_request, response, path) => {
    if (!path.endsWith(testNumber(2))) return false;
    response.writeHead(200).end('{}');
    return true;
  };
  expect(await reverify()).toMatchObject({ looked: 5 });
  p.pds.instead = (_request, response, path) => {
    if (!path.includes('/Patient/')) return false;
    sendOutcome(response, 403, 'ACCESS_DENIED');
    return true;
  };
  tracer = p.tracer({ memory: tracer.memory, awayMs: 60_000 });
  await expect(reverify()).rejects.toThrow(NumberTracingUnavailable);
  p.pds.instead = undefined;
});
