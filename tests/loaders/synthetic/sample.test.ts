import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type SampleUpload, sampleRenewals, sampleUploads } from '#loaders/synthetic/sample.ts';
import { parseNhsNumber } from '#schemas/nhs-number.ts';
import { planStatus } from '#schemas/plans/plan.ts';
import { SAMPLE_AUTHORITIES, SAMPLE_NUMBERS } from '#schemas/sample.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';
import { loader } from '../../support/upload-loading.ts';
import { RECEIVED_AT } from '../../support/upload-model.ts';

let t: TestStore;
let l: ReturnType<typeof loader>;

async function loadAll(uploads: readonly SampleUpload[], now: number): Promise<Acknowledgement[]> {
  const acknowledgements: Acknowledgement[] = [];
  for (const { name, text, metadata } of uploads) {
    acknowledgements.push(
      await l.load(text, { name, now: () => now, ...(metadata !== undefined && { metadata }) }),
    );
  }
  return acknowledgements;
}

beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  l = loader(t);
  for (const {
    code,
    name,
    officeHoursPhone,
    emergencyDutyTeamPhone,
    format,
  } of SAMPLE_AUTHORITIES) {
    if (format === 'csv') {
      await t.store.setAuthority(code, { name, officeHoursPhone, emergencyDutyTeamPhone }, 'test');
    }
  }
});
afterAll(() => t.stop());

describe('the sample', () => {
  test('has only numbers from its own part of the test range, and telephone numbers reserved for drama', () => {
    for (const { nhsNumber } of SAMPLE_NUMBERS) {
      expect(parseNhsNumber(nhsNumber)).toBe(nhsNumber);
      expect(nhsNumber).toMatch(/^9991/);
    }
    for (const { name, officeHoursPhone, emergencyDutyTeamPhone } of SAMPLE_AUTHORITIES) {
      expect(name).toMatch(/\(sample\)$/);
      for (const phone of [officeHoursPhone, emergencyDutyTeamPhone])
        expect(phone).toMatch(/^0207946 ?0/);
    }
  });

  test('loads without a finding on any day, and shows what its list says', async () => {
    const acknowledgements = await loadAll(
      sampleUploads({ sequence: 1, now: RECEIVED_AT }),
      RECEIVED_AT,
    );
    expect(
      acknowledgements.map(({ code, failures, warnings }) => [code, failures, warnings]),
    ).toEqual(SAMPLE_AUTHORITIES.map(() => ['CPF02', [], []]));
    const now = RECEIVED_AT / 1000;
    const shown = await Promise.all(
      SAMPLE_NUMBERS.map(async ({ nhsNumber, dateOfBirth }) => {
        const number = parseNhsNumber(nhsNumber);
        if (number === undefined) throw new Error('not a number');
        const rows = (await t.store.readRows([number])).get(number) ?? [];
        expect(rows.every((row) => row.dateOfBirth === dateOfBirth)).toBe(true);
        return rows
          .filter((row) => row.visibleFrom <= now && now < row.visibleUntil)
          .map(
            (row) => `${row.authority} ${row.type} ${planStatus(row.type, row.currentUntil, now)}`,
          )
          .toSorted();
      }),
    );
    expect(shown).toEqual([
      ['ZZN01 child-protection-plan current'],
      ['ZZN01 looked-after-child current'],
      ['ZZN01 child-protection-plan ended'],
      ['ZZN01 unborn-child-protection-plan current'],
      ['ZZE01 unborn-child-protection-plan due-date-passed'],
      ['ZZE01 looked-after-child current', 'ZZN01 child-protection-plan current'],
      ['ZZW01 child-protection-plan current', 'ZZW01 looked-after-child current'],
      [],
      [],
    ]);
  });

  test('is kept up to date by files without records', async () => {
    const later = RECEIVED_AT + 5 * 86_400_000;
    const before = await t.store.tally();
    const acknowledgements = await loadAll(sampleRenewals({ sequence: 2, now: later }), later);
    for (const { code, counts, dataAsOf } of acknowledgements) {
      expect([code, counts.records, dataAsOf]).toEqual(['CPF02', 0, new Date(later).toISOString()]);
    }
    const digests = (tallies: typeof before) =>
      [...tallies].map(([code, { digest }]) => [code, digest]);
    expect(digests(await t.store.tally())).toEqual(digests(before));
  });
});
