import { describe, expect, test } from 'vitest';
import { type Authority, authoritySchema } from '#schemas/authority.ts';
import { ConfigurationError, readConfiguration } from '#schemas/configuration.ts';
import { expectedAuthoritiesSchema } from '#schemas/expected-authorities.ts';
import { coverageSchema } from '#schemas/lookup.ts';
import { CHECK_THE_MOTHER } from '#schemas/wording/lookup.ts';
import {
  coverageCheck,
  coverageLimits,
  coverageOf,
  createCoverage,
  type Directory,
  negativeAdvice,
} from '#service/lookup/coverage.ts';
import { day } from '../../support/rows.ts';

const NOW = Date.parse('2026-11-24T12:00:00Z');
const HOUR = 3_600_000;
const limits = { upToDateMs: 72 * HOUR, minimumShare: { demo: 0.5, live: 0.5 } };

const authority = (code: string, hoursOld?: number, differing: Partial<Authority> = {}) =>
  authoritySchema.parse({
    code,
    name: `Council ${code}`,
    emergencyDutyTeamPhone: '02079460199',
    ...(hoursOld !== undefined && { dataAsOf: new Date(NOW - hoursOld * HOUR).toISOString() }),
    ...differing,
  });
const dataset = (kind: 'demo' | 'live') => ({ id: 'one', kind, createdAt: '2026-11-01T00:00:00Z' });
const directory = (...authorities: Authority[]): Directory => ({
  authorities: new Map(authorities.map((one) => [one.code as string, one])),
  expected: undefined,
  dataset: dataset('demo'),
});
const expecting = (kind: 'all' | 'pilot', ...codes: string[]) =>
  expectedAuthoritiesSchema.parse({
    area: 'North Yorkshire',
    kind,
    authorities: codes.map((code) => ({ code, name: `Listed ${code}` })),
  });
const live = (expected: Directory['expected'], ...authorities: Authority[]): Directory => ({
  ...directory(...authorities),
  expected,
  dataset: dataset('live'),
});

describe('coverage', () => {
  test('counts an authority as up to date until its limit, not at it', () => {
    const at = (hoursOld: number) =>
      coverageOf(directory(authority('ZZ1', hoursOld)), NOW, limits).coverage.upToDate;
    expect([at(0), at(71.99), at(72), at(73)]).toEqual([1, 1, 0, 0]);
  });

  test('names the others with the age of their data, or without one if they have never loaded', () => {
    const { coverage } = coverageOf(
      directory(authority('ZZ1', 1), authority('ZZ2', 100), authority('ZZ3')),
      NOW,
      limits,
    );
    expect(coverageSchema.parse(coverage)).toEqual({
      area: { name: 'a made-up sample', kind: 'sample' },
      expected: 3,
      upToDate: 1,
      complete: false,
      notUpToDate: [
        { code: 'ZZ2', name: 'Council ZZ2', since: '2026-11-20T08:00:00.000Z' },
        { code: 'ZZ3', name: 'Council ZZ3' },
      ],
    });
  });

  test('does not trust an authority whose rows differ from what was loaded', () => {
    const doubtful = authority('ZZ1', 1, { reconciled: false });
    expect(coverageOf(directory(doubtful), NOW, limits).coverage.upToDate).toBe(0);
  });

  test('does not trust data from the future, since one of the clocks must be wrong', () => {
    expect(coverageOf(directory(authority('ZZ1', -1)), NOW, limits).coverage.upToDate).toBe(0);
  });

  test('allows negatives from the minimum share upwards, and never without any authority', () => {
    const allowed = (...authorities: Authority[]) =>
      coverageOf(directory(...authorities), NOW, limits).negativesAllowed;
    expect(allowed(authority('ZZ1', 1), authority('ZZ2'))).toBe(true);
    expect(allowed(authority('ZZ1', 1), authority('ZZ2'), authority('ZZ3'))).toBe(false);
    expect(
      coverageOf(directory(), NOW, { ...limits, minimumShare: { demo: 0, live: 0 } }),
    ).toMatchObject({
      negativesAllowed: false,
      coverage: { complete: false },
    });
  });

  test('asks for the mother’s number until a child’s first birthday', () => {
    const state = coverageOf(directory(authority('ZZ1', 1)), NOW, limits);
    expect(negativeAdvice(state, undefined, NOW)).not.toContain(CHECK_THE_MOTHER);
    expect(negativeAdvice(state, day('2025-11-25'), NOW)).toContain(CHECK_THE_MOTHER);
    expect(negativeAdvice(state, day('2025-11-24'), NOW)).not.toContain(CHECK_THE_MOTHER);
  });

  test('is computed at most once a second, and at once for a new directory', () => {
    let now = NOW;
    const readiness = { ...directory(authority('ZZ1', 71.9999)) };
    const current = createCoverage(readiness, limits, () => now);
    const first = current();
    now += 999;
    expect(current()).toBe(first);
    now += 1;
    expect(current()).not.toBe(first);
    readiness.authorities = directory(authority('ZZ1', 1), authority('ZZ2', 1)).authorities;
    expect(current().coverage.expected).toBe(2);
  });
});

describe('coverage of live data', () => {
  const one = authority('ZZ1', 1);

  test('is that of the listed authorities: one never added here is not up to date, and has its name from the list', () => {
    const { coverage } = coverageOf(live(expecting('all', 'ZZ1', 'ZZ2'), one), NOW, limits);
    expect(coverageSchema.parse(coverage)).toEqual({
      area: { name: 'North Yorkshire', kind: 'all' },
      expected: 2,
      upToDate: 1,
      complete: false,
      notUpToDate: [{ code: 'ZZ2', name: 'Listed ZZ2' }],
    });
  });

  test('ignores authorities that are not listed, but still says whether their flags are up to date', () => {
    const state = coverageOf(live(expecting('all', 'ZZ2'), one), NOW, limits);
    expect(state.coverage).toMatchObject({ expected: 1, upToDate: 0, complete: false });
    expect(state.negativesAllowed).toBe(false);
    expect(state.upToDate).toEqual(new Set(['ZZ1']));
  });

  test('of a pilot names who is covered, with the names that clinicians know', () => {
    const first = authority('ZZ3', 1, { name: 'A Council' });
    const { coverage } = coverageOf(live(expecting('pilot', 'ZZ2', 'ZZ3'), first), NOW, limits);
    expect(coverage.area).toEqual({
      name: 'North Yorkshire',
      kind: 'pilot',
      authorities: [
        { code: 'ZZ3', name: 'A Council' },
        { code: 'ZZ2', name: 'Listed ZZ2' },
      ],
    });
  });

  test('is never complete, and gives no negative, until the expected authorities are set', () => {
    const state = coverageOf(live(undefined, one), NOW, limits);
    expect(state.coverage).toMatchObject({ expected: 1, upToDate: 1, complete: false });
    expect(state.coverage.area).toBeUndefined();
    expect(state.negativesAllowed).toBe(false);
    expect(coverageCheck(live(undefined, one), limits)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('cp-flags authority expect') as string,
    });
  });

  test('has no minimum share except one that somebody has accepted by name', () => {
    const of = (environment: Record<string, string>) =>
      coverageOf(
        live(expecting('all', 'ZZ1', 'ZZ2'), one),
        NOW,
        coverageLimits(readConfiguration(environment), undefined),
      ).negativesAllowed;
    const BY = { MINIMUM_COVERAGE_ACCEPTED_BY: 'C. Officer' };
    expect(of({})).toBe(false);
    expect(of({ MINIMUM_COVERAGE: '0.5' })).toBe(false);
    expect(of(BY)).toBe(false);
    expect(of({ MINIMUM_COVERAGE: '0', ...BY })).toBe(false);
    expect(of({ MINIMUM_COVERAGE: '0.6', ...BY })).toBe(false);
    expect(of({ MINIMUM_COVERAGE: '0.5', ...BY })).toBe(true);
  });

  test('stops the start if there is none, with a message that says whose decision it is', () => {
    const start = (environment: Record<string, string>) => () =>
      coverageLimits(readConfiguration(environment), 'live');
    expect(start({})).toThrow(ConfigurationError);
    expect(start({})).toThrow(
      /^MINIMUM_COVERAGE and MINIMUM_COVERAGE_ACCEPTED_BY: required, because the dataset is live: .*Clinical Safety Officer who accepted it\.$/,
    );
    expect(start({ MINIMUM_COVERAGE: '1' })).toThrow(/^MINIMUM_COVERAGE_ACCEPTED_BY: required/);
    expect(start({ MINIMUM_COVERAGE: '0', MINIMUM_COVERAGE_ACCEPTED_BY: 'C. Officer' })).toThrow(
      /above 0/,
    );
  });
});

describe('a list of expected authorities', () => {
  const list = (differing: object) => ({
    area: 'England',
    kind: 'all',
    authorities: [
      { code: 'ZZ1', name: 'One' },
      { code: 'ZZ2', name: 'Two' },
    ],
    ...differing,
  });
  test.for<[string, object, string, string]>([
    ['without a kind', { kind: undefined }, 'kind', 'must be all'],
    ['without an area', { area: ' ' }, 'area', 'must not be empty'],
    ['without authorities', { authorities: [] }, 'authorities', 'at least one'],
    [
      'with a code twice',
      { authorities: [...list({}).authorities, { code: 'ZZ1', name: 'Three' }] },
      'authorities.2.code',
      'of an earlier authority too',
    ],
    [
      'with a name twice',
      { authorities: [...list({}).authorities, { code: 'ZZ3', name: 'One' }] },
      'authorities.2.name',
      'of an earlier authority too',
    ],
    [
      'with an invalid code',
      { authorities: [{ code: 'z', name: 'One' }] },
      'authorities.0.code',
      'ODS code',
    ],
    [
      'with an unknown member',
      { authorities: [{ code: 'ZZ1', name: 'One', phone: '1' }] },
      'authorities.0',
      'phone',
    ],
  ])('%s is refused, and the message says where', ([, differing, place, words]) => {
    const { error } = expectedAuthoritiesSchema.safeParse(list(differing));
    const [issue] = error?.issues ?? [];
    expect(issue?.path.join('.')).toBe(place);
    expect(issue?.message).toContain(words);
  });
});
