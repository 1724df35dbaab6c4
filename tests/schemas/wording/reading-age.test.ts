import { expect, test } from 'vitest';
import { ERRORS } from '#schemas/errors.ts';
import type { Coverage, Flag } from '#schemas/lookup.ts';
import { PLAN_TYPES, planTypes } from '#schemas/plans/plan.ts';
import * as wording from '#schemas/wording/lookup.ts';
import * as pages from '#schemas/wording/pages.ts';
import { readingAge } from '../../support/reading-age.ts';
import { day } from '../../support/rows.ts';

/** What a tired clinician reads at night without reading it twice. */
const OLDEST = 11;

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
  ...coverages.flatMap((coverage) => wording.notFlaggedAdvice(coverage, day('2026-05-14'), now)),
  ...flags.flatMap((flag) => wording.flaggedAdvice([flag], coverageOf(AREAS[0]), false)),
  ...flags.map(wording.planNote),
  ...Object.keys(ERRORS).map(wording.refusalAdvice),
  wording.BATCH_INCOMPLETE,
];

/** The constant sentences of the pages that an answer, or none, stands on. */
const onPages = [pages.LOOK_UP, pages.RESULT, pages.NOT_CHECKED, pages.HIDDEN, pages.COUNCILS]
  .flatMap((texts) => Object.values<unknown>(texts))
  .filter((text) => typeof text === 'string')
  .filter((text) => /[.?]$/.test(text));

test.each([...new Set([...sentences, ...onPages])])(
  'an eleven-year-old could read: %s',
  (sentence) => {
    expect(readingAge(sentence)).toBeLessThanOrEqual(OLDEST);
  },
);

test('a sentence in the manner of an office is older than that', () => {
  expect(
    readingAge('Verification of coverage could not be established in respect of this individual.'),
  ).toBeGreaterThan(OLDEST);
});
