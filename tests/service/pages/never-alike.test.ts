import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Authority } from '#schemas/authority.ts';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import type { Coverage } from '#schemas/lookup.ts';
import { notFlaggedAdvice, refusalAdvice } from '#schemas/wording/lookup.ts';
import { FRAME, LIST, NOT_A_NO, NOT_CHECKED, RESULT } from '#schemas/wording/pages.ts';
import { html } from '#service/pages/html/html.ts';
import { type Listed, listResult, type Outcome } from '#service/pages/look-up/list.ts';
import {
  couldNotCheckPage,
  formRefusedPage,
  limitedPage,
  notInUsePage,
  overPage,
  stalePage,
  usedPage,
} from '#service/pages/look-up/not-checked.ts';
import { resultContent, subjectBar } from '#service/pages/look-up/result.ts';
import type { FormRefusal } from '#service/pages/session/forms.ts';
import { FORMS_REFUSED } from '#service/pages/session/forms-refused.ts';
import { nurseSession, signedInPages } from '../../support/nurse-session.ts';
import { day, testNumber } from '../../support/rows.ts';
import { wordsOf } from '../../support/visitor.ts';

/** Two answers must never be confused: that nothing was found, and that nothing was looked up. */

/** Words for a check that found nothing, which are used nowhere else. */
const OF_NEGATIVES = [
  RESULT.noPlan,
  RESULT.checkTheNumber,
  RESULT.allUpToDate,
  RESULT.notSafe,
  RESULT.notHere,
  LIST.notSafe,
  'Checked at',
];
/** Every message about a check that was not made begins with one of these, or says it beside the time. */
const OF_UNCHECKED = ['could not check', 'not checked', 'no new check', 'not a “no”', 'try again'];

const said = (content: unknown): string => wordsOf({ text: String(content) }).toLowerCase();
function expectNone(words: string, of: readonly string[]): void {
  expect(of.filter((each) => words.includes(each.toLowerCase()))).toEqual([]);
}

const at = Date.parse('2026-11-28T03:00:00Z');
const { notChecked } = signedInPages(at, () => at + 60_000);
const session = nurseSession(at);
const request = { nhsNumber: testNumber(7_951), dateOfBirth: day('2026-05-05') };

test.for(Object.keys(ERRORS) as ErrorCode[])(
  'a look refused with %s contains no words of “No plan found”',
  (code) => {
    for (const asked of [{ typed: {} }, { typed: { number: request.nhsNumber }, request }]) {
      expectNone(said(notChecked(session, code, asked).content), OF_NEGATIVES);
    }
    expectNone(refusalAdvice(code).toLowerCase(), ['is held', 'no child', 'same answer']);
  },
);

const again = subjectBar({ ...request, at }, false);
/** Every page about a check that was not made. */
const NOT_MADE = [
  couldNotCheckPage(again),
  notInUsePage(),
  limitedPage(1, again),
  limitedPage(40, again),
  overPage([]),
  usedPage('/look-up'),
  usedPage('/list'),
  stalePage('/look-up'),
  stalePage('/list'),
  ...(Object.keys(FORMS_REFUSED) as FormRefusal[]).flatMap((code) => [
    formRefusedPage(code, '/look-up'),
    formRefusedPage(code, '/list'),
  ]),
].map(({ content }) => wordsOf({ text: String(content) }));

test('no page about a check that was not made contains words of “No plan found”', () => {
  for (const words of NOT_MADE) expectNone(words.toLowerCase(), OF_NEGATIVES);
});

test('once hidden, a page about a check that was not made does not call it an answer', () => {
  for (const page of [notChecked(session, 'could-not-check', { typed: {}, request })]) {
    const { heading = '', says = '' } = page.hide ?? {};
    expect(says).toContain(NOT_A_NO);
    expect(`${heading} ${says}`).not.toMatch(/the answer|see it|again/i);
  }
});

test('every page about a check that was not made says that it is not a “no”, what to do, and whom to ring', () => {
  for (const words of NOT_MADE) {
    expect(words).toContain(NOT_A_NO);
    expect(words).toContain(`${NOT_CHECKED.ring} ${FRAME.councils}`);
  }
  expect(NOT_CHECKED.ring).toMatch(
    /safeguarding procedure.*Ring the council where the child lives/,
  );
});

const name = fc.stringMatching(/^[A-Z][a-z]{2,9} Council$/);
const council = fc.record(
  { code: fc.stringMatching(/^ZZ[0-9]{3}$/), name, since: fc.constant('2026-11-01T00:00:00Z') },
  { requiredKeys: ['code', 'name'] },
);
const area = fc.oneof(
  fc.constant(undefined),
  fc.record({ kind: fc.constantFrom('all' as const, 'sample' as const), name }),
  fc.record({
    kind: fc.constant('pilot' as const),
    name,
    authorities: fc.array(council.map(({ code, name: of }) => ({ code, name: of }))),
  }),
);
const coverages = fc
  .record({ area, expected: fc.nat(200), notUpToDate: fc.array(council, { maxLength: 30 }) })
  .map(
    ({ area: of, ...rest }): Coverage => ({
      ...rest,
      ...(of !== undefined && { area: of }),
      upToDate: rest.expected,
      complete: of !== undefined && rest.notUpToDate.length === 0,
    }),
  );

test('“No plan found” never uses words about a check that was not made, whatever is covered or out of date', () => {
  fc.assert(
    fc.property(coverages, fc.boolean(), fc.boolean(), (coverage, isBorn, silent) => {
      const { dateOfBirth, nhsNumber } = request;
      const authorities = new Map(
        coverage.notUpToDate.map(({ code, name: of }) => [
          code,
          { name: of, emergencyDutyTeamPhone: '02079460199' } as unknown as Authority,
        ]),
      );
      const checked = {
        auditId: randomUUID(),
        coverage: { coverage, upToDate: new Set<string>() },
        authorities,
        result: { kind: 'not-flagged' as const, at },
      } as unknown as Parameters<typeof resultContent>[0];
      const asked = isBorn ? { nhsNumber, dateOfBirth } : { nhsNumber };
      const words = said(resultContent(checked, asked, silent));
      expect(words).toContain(RESULT.noPlan.toLowerCase());
      expectNone(words, OF_UNCHECKED);
      const advice = notFlaggedAdvice(coverage, isBorn ? dateOfBirth : undefined, at).join(' ');
      expectNone(advice.toLowerCase(), ['could not be made', 'not a negative', 'try again']);
    }),
  );
});

const outcomes = Object.keys(LIST.outcomes) as Outcome[];
const NOT_FOUND: readonly Outcome[] = ['none', 'noneBehind'];

test('a list says “No plan found” only in the lines where no plan was found', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...outcomes), { minLength: 1, maxLength: 12 }),
      (lines) => {
        const listed = lines.map(
          (outcome, i): Listed => ({
            line: i + 1,
            text: '999 000 0000',
            outcome,
            read: Object.hasOwn(
              {
                wrongLength: 1,
                wrongDigit: 1,
                several: 1,
                wrongDate: 1,
                futureDate: 1,
                unclear: 1,
                wrong: 1,
              },
              outcome,
            )
              ? { kind: 'refused', fault: 'wrong' }
              : { kind: 'read', request },
          }),
        );
        const content = String(listResult(listed, undefined, html``).content);
        const notFound = lines.filter((outcome) => NOT_FOUND.includes(outcome)).length;
        const inLines = content.slice(content.indexOf('<table'));
        expect(said(inLines).split(RESULT.noPlan.toLowerCase())).toHaveLength(1 + notFound);
        if (notFound === 0) expectNone(said(content), [RESULT.noPlan, LIST.notSafe]);
        const [, unchecked = ''] =
          /<div class="cpf-not-checked">([\s\S]*?)<\/div>/.exec(content) ?? [];
        expectNone(said(unchecked), OF_NEGATIVES);
      },
    ),
  );
});
