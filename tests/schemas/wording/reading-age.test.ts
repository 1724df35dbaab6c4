import { expect, test } from 'vitest';
import { ERRORS } from '#schemas/errors.ts';
import type { Coverage, Flag } from '#schemas/lookup.ts';
import { PLAN_TYPES, planTypes } from '#schemas/plans/plan.ts';
import * as council from '#schemas/wording/council.ts';
import * as columns from '#schemas/wording/council-columns.ts';
import * as looks from '#schemas/wording/council-looks.ts';
import * as numbers from '#schemas/wording/council-numbers.ts';
import { DESK, DESKS } from '#schemas/wording/desk.ts';
import * as wording from '#schemas/wording/lookup.ts';
import { NHS_NUMBER } from '#schemas/wording/nhs-number.ts';
import * as officer from '#schemas/wording/officer.ts';
import * as operator from '#schemas/wording/operator.ts';
import * as pages from '#schemas/wording/pages.ts';
import { RESTRICTION, RESTRICTIONS } from '#schemas/wording/restrictions.ts';
import { WITHDRAWAL, WITHDRAWALS } from '#schemas/wording/withdrawals.ts';
import { readingAge } from '../../support/reading-age.ts';
import { day } from '../../support/rows.ts';

/** What a tired clinician at night understands without reading it twice. */
const OLDEST = 11;

/** What an officer or operator, who reads at work and by day, understands at once. */
const OLDEST_BY_DAY = 13;

const now = Date.parse('2026-11-24T03:00:00Z');
const leeds = { code: 'ZZ1', name: 'Leeds' };
const names = [leeds];
const AREAS: NonNullable<Coverage['area']>[] = [
  { name: 'England', kind: 'all' },
  { name: 'a made-up sample', kind: 'sample' },
  { name: 'Yorkshire', kind: 'pilot', authorities: names },
  { name: 'Yorkshire', kind: 'pilot', authorities: Array.from({ length: 30 }, () => leeds) },
];
const coverageOf = (area: Coverage['area']): Coverage => ({
  ...(area === undefined ? {} : { area }),
  expected: 3,
  upToDate: 2,
  complete: false,
  notUpToDate: names,
});
const coverages = [...AREAS, undefined].map(coverageOf);

const flags = planTypes.flatMap((type) =>
  (['current', 'ended', 'due-date-passed'] as const).map(
    (status): Flag => ({
      type,
      status,
      startDate: '2026-05-14',
      ...(PLAN_TYPES[type].subject === 'mother'
        ? { dueOrEndDate: '2026-11-03' }
        : { endDate: '2026-11-03' }),
      dateOfBirth: 'mismatch',
      authority: {
        code: 'ZZ1',
        name: 'Leeds',
        officeHoursPhone: '02079460100',
        emergencyDutyTeamPhone: '02079460199',
        emergencyDutyTeamPhoneAsOf: '2026-05-14T02:00:00Z',
        dataAsOf: '2026-11-23T02:00:00Z',
        upToDate: false,
      },
    }),
  ),
);

const sentences = [
  ...Object.values(NHS_NUMBER).map((words) => (typeof words === 'string' ? words : words(9))),
  pages.LOOK_UP.dateMissing(['day', 'month']),
  ...coverages.flatMap((coverage) => wording.notFlaggedAdvice(coverage, day('2026-05-14'), now)),
  ...flags.flatMap((flag) => wording.flaggedAdvice([flag], coverageOf(AREAS[0]), 'not-shown')),
  wording.WHERE_NOT_SHOWN,
  ...flags.map(wording.planNote),
  ...Object.keys(ERRORS).map(wording.refusalAdvice),
  wording.BATCH_INCOMPLETE,
];

/** Every constant sentence in a table of words, however deep. */
const constantsOf = (words: unknown): string[] =>
  typeof words === 'string'
    ? [words].filter((text) => /[.?]$/.test(text))
    : typeof words === 'object' && words !== null
      ? Object.values(words).flatMap(constantsOf)
      : [];

/** The constant sentences on the pages that show an answer, or show that there is none. */
const onPages = [pages.LOOK_UP, pages.RESULT, pages.NOT_CHECKED, pages.HIDDEN, pages.COUNCILS];

/** The constant sentences on a council's own pages, and on every page for people at a desk. */
const onDesks = [
  council,
  looks,
  numbers,
  columns,
  WITHDRAWALS,
  WITHDRAWAL,
  RESTRICTION,
  RESTRICTIONS,
  DESK,
  DESKS.council,
];
const counted = [0, 1, 2, 250].flatMap((count) => [
  council.UPLOAD.wouldTrace(count),
  council.UPLOAD.progress(40, count),
  council.UPLOAD.left(count),
  council.UPLOAD.sequenceHint(count),
  council.UPLOAD.fileHint(count),
  council.RECONCILE.over(count),
  council.OUTCOME.more(count),
  columns.COLUMNS.hint(count),
  columns.COLUMNS.above(count),
  WITHDRAWALS.thenOthers(count),
  DESK.limitedThen(count),
]);
const ofHeldFiles = [
  council.HELD.ask('ZZ1-2'),
  council.HELD.corrected(true),
  council.HELD.corrected(false),
  council.HELD.expires(day('2026-12-28')),
  council.HELD.untracedExpires(day('2026-12-28')),
];

test.each([
  ...new Set([
    ...sentences,
    ...counted,
    ...ofHeldFiles,
    ...[...onPages, ...onDesks].flatMap((words) => constantsOf({ ...words })),
  ]),
])('an eleven-year-old could read: %s', (sentence) => {
  expect(readingAge(sentence)).toBeLessThanOrEqual(OLDEST);
});

test('a clinician reads of a council, and of an authority only in “looked after by the local authority”', () => {
  const read = [...sentences, ...onPages.flatMap((words) => constantsOf({ ...words }))];
  expect(read.filter((each) => /(?<!local )authorit/i.test(each))).toEqual([]);
});

test.each([...new Set([officer, operator].flatMap((words) => constantsOf({ ...words })))])(
  'an officer or operator understands at first reading: %s',
  (sentence) => {
    expect(readingAge(sentence)).toBeLessThanOrEqual(OLDEST_BY_DAY);
  },
);

test('a sentence in office language fails the reading age', () => {
  expect(
    readingAge('Verification of coverage could not be established in respect of this individual.'),
  ).toBeGreaterThan(OLDEST);
});
