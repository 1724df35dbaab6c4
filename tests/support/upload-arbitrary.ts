import * as fc from 'fast-check';
import { addDays, type CalendarDate } from '#schemas/calendar.ts';
import type { PlanType } from '#schemas/plans/plan.ts';
import { testNumber } from './rows.ts';
import {
  type ModelPerson,
  type ModelPlan,
  type ModelRecord,
  type ModelUpload,
  TODAY,
  upload,
} from './upload-model.ts';

const daysAgo = (from: number, to: number): fc.Arbitrary<CalendarDate> =>
  fc.integer({ min: to, max: from }).map((days) => addDays(TODAY, -days));

const word = fc.stringMatching(/^[A-Za-zÀ-ž'" ,&<;-]{0,20}$/);
const localId = fc.stringMatching(/^[A-Za-z0-9/#&",.-]{0,20}$/);

function personArbitrary(n: number, born: fc.Arbitrary<CalendarDate>): fc.Arbitrary<ModelPerson> {
  return fc
    .record({ localId, dateOfBirth: born, given: word, family: word })
    .map((details) => ({ nhsNumber: testNumber(n), ...details }));
}

function planArbitrary(type: PlanType): fc.Arbitrary<ModelPlan> {
  return fc
    .record({
      startDate: daysAgo(1000, -31),
      lasts: fc.option(fc.integer({ min: 0, max: 280 }), {
        nil: type === 'unborn-child-protection-plan' ? 200 : undefined,
      }),
      deleteDate: fc.option(daysAgo(900, 0), { nil: undefined, freq: 4 }),
    })
    .map(({ startDate, lasts, deleteDate }) => ({
      type,
      startDate,
      ...(lasts !== undefined && { endDate: addDays(startDate, lasts) }),
      ...(deleteDate !== undefined && { deleteDate }),
    }));
}

/** A record that breaks no rule. Records with different `n` have no person in common. */
function recordArbitrary(n: number): fc.Arbitrary<ModelRecord> {
  return fc
    .subarray<PlanType>(
      ['child-protection-plan', 'looked-after-child', 'unborn-child-protection-plan'],
      { minLength: 1 },
    )
    .chain((types) =>
      fc.record(
        {
          plans: fc.tuple(...types.map(planArbitrary)),
          ...(types.some((type) => type !== 'unborn-child-protection-plan') && {
            child: personArbitrary(2 * n, daysAgo(17 * 365, 1)),
          }),
          ...(types.includes('unborn-child-protection-plan') && {
            mother: personArbitrary(2 * n + 1, daysAgo(45 * 365, 14 * 365)),
          }),
        },
        { noNullPrototype: true },
      ),
    );
}

/** An authority's first file, in which every record should be accepted. */
export const uploadArbitrary: fc.Arbitrary<ModelUpload> = fc
  .integer({ min: 1, max: 6 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, n) => recordArbitrary(n + 1))))
  .map((records) => upload({ records }));
