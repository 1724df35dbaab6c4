import { afterAll, beforeAll, expect, test } from 'vitest';
import { addDays, londonDate } from '#schemas/calendar.ts';
import { NOT_CHECKED, RESULT } from '#schemas/wording/pages.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { hiddenOf, signedIn, type Visitor, wordsOf } from '../../support/visitor.ts';

const [PLAN, NONE, OVER] = [testNumber(7_401), testNumber(7_403), testNumber(7_404)];
const CARE = testNumber(7_405);
const TODAY = londonDate(Date.now());
const [YOUNG, OLD] = [addDays(TODAY, -30), addDays(TODAY, -4_000)];
let service: TestService;
let gp: Visitor;
beforeAll(async () => {
  service = await startTestService({
    environment: { PASTED_LISTS_A_DAY: '9', USER_LIMIT: '40' },
    authorities: [
      {
        code: 'ZZ101',
        name: 'Northmoor Council',
        rows: [
          { nhsNumber: PLAN, dateOfBirth: OLD },
          { nhsNumber: CARE, type: 'looked-after-child', dateOfBirth: OLD },
          { nhsNumber: OVER, endDate: addDays(TODAY, -9), dateOfBirth: OLD },
        ],
      },
    ],
  });
  gp = await signedIn(service, 'scheduledCare');
});
afterAll(() => service?.stopAndRemove());

/** What may be said beside a negative. A list says some of it about several children. */
const CAUTIONS = [
  RESULT.covered.notSet,
  'This is a sample of',
  RESULT.allUpToDate,
  RESULT.notHere,
  RESULT.underOne,
  RESULT.endedNotSafe,
  'heck who this is',
  'does not mean that',
];

test.each([
  ['no plan, without a date of birth', NONE, undefined],
  ['no plan, for a baby', NONE, YOUNG],
  ['no plan, for an older child', NONE, OLD],
  ['only an ended plan', OVER, OLD],
  ['only an ended plan, with another date of birth', OVER, YOUNG],
])('a list warns about a negative just as a single answer does: %s', async (_, number, born) => {
  const [year = '', month = '', day = ''] = born?.split('-') ?? [];
  const single = wordsOf(await gp.lookUp(number, born === undefined ? {} : { day, month, year }));
  const listed = wordsOf(await gp.send('/list', { list: born ? `${number}, ${born}` : number }));
  const saidBy = (words: string) => CAUTIONS.filter((caution) => words.includes(caution));
  expect(saidBy(single)).not.toEqual([]);
  expect(saidBy(listed)).toEqual(saidBy(single));
});

test.each([
  ['held', OLD],
  ['another', YOUNG],
])(
  'a list never says of a child in care, without a plan, that there is one: with the date of birth %s',
  async (_, born) => {
    const listed = wordsOf(await gp.send('/list', { list: `${CARE}, ${born}` }));
    expect(listed).toContain('Plan in force, or in care');
    expect(listed).not.toMatch(/(?:Plan in force|With a plan)(?!, or in care)/);
  },
);

test('a list is not called a result if nothing was checked', async () => {
  const answer = await gp.send('/list', { list: '999 000 0000' });
  expect(answer.title).toContain(NOT_CHECKED.title);
  expect(answer.status).toBe(400);
});

test('a list that hit a limit keeps its text, is tried again as a list, and leaves the screen in time', async () => {
  const text = Array.from({ length: 50 }, (_, i) => (i === 0 ? PLAN : NONE)).join('\n');
  const refused = await gp.send('/list', { list: text });
  expect([refused.status, refused.heading]).toEqual([429, NOT_CHECKED.limited]);
  expect(refused.title).toContain(NOT_CHECKED.title);
  expect(hiddenOf(refused, '/list')['list']).toBe(text);
  expect(refused.headers.get('refresh')).toMatch(/; url=\/list\/hidden$/);
});
