import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { NumberTracingUnavailable } from '#loaders/check/tracing/tracer.ts';
import { sendOutcome } from '#loaders/synthetic/made-up-pds.ts';
import { type FoundInactive, reverifyNumbers } from '#loaders/upkeep/reverify.ts';
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

test('a change that could not be reported is reported at the next check, and delays no others', async () => {
  const all = [1, 2, 3, 4, 5, 6];
  for (const n of all) know(n, n, { security: 'V' });
  let first: string | undefined;
  const { looked, failure } = await reverifyNumbers(t.store, {
    tracer,
    since: LATER,
    onInactive: () => Promise.resolve(),
    onSensitive(nhsNumber) {
      first ??= nhsNumber;
      return nhsNumber === first
        ? Promise.reject(new Error('the disk is full'))
        : Promise.resolve();
    },
    signal: new AbortController().signal,
    now: () => RECEIVED_AT,
  });
  expect([looked, failure]).toEqual([6, { error: new Error('the disk is full') }]);
  for (const nhsNumber of all.map(testNumber)) {
    const expected = nhsNumber === first ? 'in-use' : 'sensitive';
    expect(await t.store.markNumber(nhsNumber, '?')).toBe(expected);
  }
  await reverify();
  expect(sensitive).toEqual([first]);
});

test('checking ends while PDS is away, and a record that cannot be fetched delays no others', async () => {
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
