import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CASE_STEPS,
  type CaseState,
  caseWordsSchema,
  FIRST_STEPS,
  judgeStep,
} from '#schemas/audit/access-case.ts';
import { testNumber } from '../support/rows.ts';

const PEOPLE = ['looker', 'first', 'second', 'third'] as const;
const steps = CASE_STEPS.filter((step) => step !== 'erase');
const act = fc.record({ step: fc.constantFrom(...steps), actor: fc.constantFrom(...PEOPLE) });

test('in any order of acts, nobody acts on their own access, and a breach takes two people', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 30 }), (acts) => {
      let state: CaseState | undefined;
      let proposedBy: string | undefined;
      for (const { step, actor } of acts) {
        const judged = judgeStep({ state, about: 'looker', proposedBy }, step, actor);
        if (actor === 'looker') expect(judged.kind).toBe('refused');
        if (judged.kind === 'refused') continue;
        // A case that has ended stays ended, and a case can only begin with a first step.
        expect(state === 'explained' || state === 'breach').toBe(false);
        if (state === undefined) expect(FIRST_STEPS).toContain(step);
        if (judged.state === 'breach') {
          expect(step).toBe('confirm-breach');
          expect(proposedBy).toBeDefined();
          expect(actor).not.toBe(proposedBy);
        }
        state = judged.state;
        if (step === 'propose-breach') proposedBy = actor;
        else if (step !== 'note') proposedBy = undefined;
      }
    }),
  );
});

const separated = (number: string, by: string): string =>
  [number.slice(0, 3), number.slice(3, 6), number.slice(6)].join(by);

test('a note of a case contains no NHS number in any form, and no second line', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.constantFrom('', ' ', '-'),
      fc.string({ maxLength: 50 }),
      (n, by, around) => {
        const text = `x${around} ${separated(testNumber(n), by)} ${around}`;
        expect(caseWordsSchema.safeParse(text).success).toBe(false);
      },
    ),
  );
  expect(
    caseWordsSchema.safeParse('Rang switchboard on 020 7946 0110, shift book agrees').success,
  ).toBe(true);
  for (const text of ['', '   ', 'a\nb', 'a\u202eb', 'x'.repeat(501)]) {
    expect(caseWordsSchema.safeParse(text).success).toBe(false);
  }
});
