import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { type IndexedPlan, PlanIndex } from '#loaders/spool/plan-index.ts';
import { fromEpochDay } from '#schemas/calendar.ts';
import { planTypes } from '#schemas/plans/plan.ts';
import { testNumber } from '../../support/rows.ts';
import { temporaryFolder } from '../../support/upload-loading.ts';

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newIndex = (limit: number) => new PlanIndex(join(folder, String((files += 1))), limit);

// Mostly few days, so that plans are often repeated.
const dayArbitrary = fc
  .oneof(fc.constantFrom(20_000, 20_001), fc.integer({ min: -25_567, max: 84_005 }))
  .map(fromEpochDay);
const planArbitrary = fc.record(
  {
    nhsNumber: fc.integer({ min: 0, max: 12 }).map(testNumber),
    type: fc.constantFrom(...planTypes),
    startDate: dayArbitrary,
    endDate: dayArbitrary,
    deleteDate: dayArbitrary,
  },
  { requiredKeys: ['nhsNumber', 'type', 'startDate'], noNullPrototype: true },
);

test('every plan in a file is found by its identity, and so is every plan of a person', () => {
  fc.assert(
    fc.property(
      fc.array(planArbitrary, { maxLength: 60 }),
      planArbitrary,
      fc.constantFrom(0, 20, 1_000),
      (plans, other, limit) => {
        // Some plans are in memory and, beyond the limit, some in a file.
        const index = newIndex(limit);
        const known = new Map<string, { plan: IndexedPlan; record: number }>();
        const identity = ({ nhsNumber, type, startDate }: IndexedPlan): string =>
          `${nhsNumber} ${type} ${startDate}`;
        plans.forEach((plan, i) => {
          expect(index.recordOf(plan)).toBe(known.get(identity(plan))?.record);
          if (known.has(identity(plan))) return;
          known.set(identity(plan), { plan, record: i + 1 });
          index.add(plan, i + 1);
        });
        expect(index.recordOf(other)).toBe(known.get(identity(other))?.record);
        const found = index
          .plansOf(other.nhsNumber)
          .map((plan) => [
            identity(plan),
            plan.deleteDate !== undefined,
            plan.deleteDate === undefined ? plan.endDate : undefined,
          ]);
        expect(index.hasSeveral(other.nhsNumber)).toBe(found.length > 1);
        const expected = [...known.values()]
          .filter(({ plan }) => plan.nhsNumber === other.nhsNumber)
          .map(({ plan }) => [
            identity(plan),
            plan.deleteDate !== undefined,
            plan.deleteDate === undefined ? plan.endDate : undefined,
          ]);
        expect(new Set(found.map(String))).toEqual(new Set(expected.map(String)));
        expect(found).toHaveLength(expected.length);
        index.close();
      },
    ),
  );
});

test.each([10_000, 1_500])('plans are found among many thousands, with %d in memory', (limit) => {
  const index = newIndex(limit);
  const startDate = fromEpochDay(20_000);
  const plan = (n: number) => ({
    nhsNumber: testNumber(n),
    type: 'looked-after-child' as const,
    startDate,
  });
  for (let n = 1; n <= 5_000; n++) index.add(plan(n), n);
  for (let n = 1; n <= 5_000; n += 7) expect(index.recordOf(plan(n))).toBe(n);
  expect(index.recordOf(plan(5_001))).toBeUndefined();
  index.close();
});
