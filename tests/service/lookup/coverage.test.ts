import { describe, expect, test } from 'vitest';
import { type Authority, authoritySchema } from '#schemas/authority.ts';
import { coverageSchema } from '#schemas/lookup.ts';
import { CHECK_THE_MOTHER } from '#schemas/wording/lookup.ts';
import { coverageOf, createCoverage, negativeAdvice } from '#service/lookup/coverage.ts';
import { day } from '../../support/rows.ts';

const NOW = Date.parse('2026-11-24T12:00:00Z');
const HOUR = 3_600_000;
const limits = { upToDateMs: 72 * HOUR, minimumShare: 0.5 };

const authority = (code: string, hoursOld?: number, differing: Partial<Authority> = {}) =>
  authoritySchema.parse({
    code,
    name: `Council ${code}`,
    emergencyDutyTeamPhone: '02079460199',
    ...(hoursOld !== undefined && { dataAsOf: new Date(NOW - hoursOld * HOUR).toISOString() }),
    ...differing,
  });
const directory = (...authorities: Authority[]) =>
  new Map(authorities.map((one) => [one.code as string, one]));

describe('coverage', () => {
  test('counts an authority as up to date until its limit, not at it', () => {
    const at = (hoursOld: number) =>
      coverageOf(directory(authority('ZZ1', hoursOld)), NOW, limits).coverage.upToDate;
    expect([at(0), at(71.99), at(72), at(73)]).toEqual([1, 1, 0, 0]);
  });

  test('names those that are not, with the age of what is held, or none for who never loaded', () => {
    const { coverage } = coverageOf(
      directory(authority('ZZ1', 1), authority('ZZ2', 100), authority('ZZ3')),
      NOW,
      limits,
    );
    expect(coverageSchema.parse(coverage)).toEqual({
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

  test('does not trust data from the future: one of the clocks is wrong', () => {
    expect(coverageOf(directory(authority('ZZ1', -1)), NOW, limits).coverage.upToDate).toBe(0);
  });

  test('allows negatives from the minimum share on, and never with no authority at all', () => {
    const allowed = (...authorities: Authority[]) =>
      coverageOf(directory(...authorities), NOW, limits).negativesAllowed;
    expect(allowed(authority('ZZ1', 1), authority('ZZ2'))).toBe(true);
    expect(allowed(authority('ZZ1', 1), authority('ZZ2'), authority('ZZ3'))).toBe(false);
    expect(coverageOf(directory(), NOW, { ...limits, minimumShare: 0 })).toMatchObject({
      negativesAllowed: false,
      coverage: { complete: false },
    });
  });

  test('sends to the mother until the first birthday', () => {
    const state = coverageOf(directory(authority('ZZ1', 1)), NOW, limits);
    expect(negativeAdvice(state, undefined, NOW)).not.toContain(CHECK_THE_MOTHER);
    expect(negativeAdvice(state, day('2025-11-25'), NOW)).toContain(CHECK_THE_MOTHER);
    expect(negativeAdvice(state, day('2025-11-24'), NOW)).not.toContain(CHECK_THE_MOTHER);
  });

  test('is worked out once a second at most, and at once for a new directory', () => {
    let now = NOW;
    const gate = { authorities: directory(authority('ZZ1', 71.9999)) };
    const current = createCoverage(gate, limits, () => now);
    const first = current();
    now += 999;
    expect(current()).toBe(first);
    now += 1;
    expect(current()).not.toBe(first);
    gate.authorities = directory(authority('ZZ1', 1), authority('ZZ2', 1));
    expect(current().coverage.expected).toBe(2);
  });
});
