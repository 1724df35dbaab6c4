import { describe, expect, test, vi } from 'vitest';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { LATE_FILES_DAYS, purge } from '#loaders/upkeep/purge.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { addDays } from '#schemas/calendar.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { endingAt } from '../../support/cut-short.ts';
import { testNumber } from '../../support/rows.ts';
import { startLoading } from '../../support/upload-loading.ts';
import { planOf, RECEIVED_AT, TODAY } from '../../support/upload-model.ts';

const { t, newAuthority, loadRecords, rowsOf, events, everything } = await startLoading();

const DAY_MS = 86_400_000;

describe('a purge', () => {
  const OLD = RECEIVED_AT - (LATE_FILES_DAYS + 1) * DAY_MS;
  const past = (days: number) => addDays(TODAY, -days);
  /** Loads plans so long ago that no older file is expected. All of them except the first are hidden. */
  async function old(authority: OdsCode) {
    const startDate = past(900);
    await loadRecords(
      authority,
      5,
      [
        planOf(1, { startDate }),
        planOf(2, { startDate, endDate: past(500) }),
        planOf(3, { startDate, deleteDate: past(400) }),
        planOf(4, { startDate, endDate: past(300) }),
      ],
      { now: () => OLD },
    );
  }
  /** @returns how many rows of which authority were purged */
  async function run({
    store = t.store,
    anchor = t.anchor,
    ...options
  }: Partial<Parameters<typeof purge>[2]> & { store?: Store; anchor?: Anchor } = {}) {
    const purged = new Map<OdsCode, number>();
    await purge(store, anchor, {
      by: 'test',
      now: () => RECEIVED_AT,
      onPurged: (authority, rows) => purged.set(authority, rows),
      ...options,
    });
    return purged;
  }
  const of = (purged: ReadonlyMap<OdsCode, number>, authority: OdsCode) =>
    purged.get(authority) ?? 0;
  const numbers = async (authority: OdsCode) =>
    (await rowsOf(authority, 1, 2, 3, 4)).map(({ nhsNumber }) => nhsNumber);

  test('removes what will never be shown again, closes the numbers up to it, and is audited', async () => {
    const authority = newAuthority();
    await old(authority);
    expect(of(await run(), authority)).toBe(2);
    expect(await numbers(authority)).toEqual([testNumber(1), testNumber(4)]);
    const tally = (await t.store.tally()).get(authority);
    expect(t.anchor.authority(authority)).toMatchObject({ rows: 2, digest: tally?.digest });
    expect(await t.store.authority(authority)).toMatchObject({ rows: 2, reconciled: true });
    expect((await events()).findLast(({ type }) => type === 'purge')).toMatchObject({
      by: 'test',
      detail: { authority, rows: 2, filesClosedUpTo: 5 },
    });
    const late = await loadRecords(authority, 4, [planOf(3, { startDate: past(900) })]);
    expect(late).toMatchObject({ code: 'CPF04', failures: [{ field: 'sequence' }] });
    expect(of(await run(), authority)).toBe(0);
  });

  test('says how many rows it removed, and not how many it found before they changed', async () => {
    const [one, none] = [newAuthority(), newAuthority()];
    await old(one);
    await old(none);
    const changed = (seed: number) => planOf(seed, { startDate: past(900), endDate: past(100) });
    const store: Store = {
      ...t.store,
      async scan(...args) {
        await t.store.scan(...args);
        await loadRecords(one, 6, [changed(2)]);
        await loadRecords(none, 6, [changed(2), changed(3)]);
      },
    };
    const purged = await run({ store });
    expect([purged.get(one), purged.get(none)]).toEqual([1, undefined]);
    expect(await numbers(one)).toEqual([1, 2, 4].map(testNumber));
  });

  test('waits for an abandoned file that is to come again, but for none that only a full refresh replaces', async () => {
    const authority = newAuthority();
    await old(authority);
    t.anchor.changeMissingFiles(authority, t.anchor.authority(authority), () => [
      { sequence: 5, number: 5 },
    ]);
    expect(of(await run(), authority)).toBe(0);
    t.anchor.changeMissingFiles(authority, t.anchor.authority(authority), () => [
      { sequence: 5, number: 5, fullOnly: 'difference' },
    ]);
    expect(of(await run(), authority)).toBe(2);
    expect(await t.store.authority(authority)).toMatchObject({ reconciled: false });
    t.anchor.changeMissingFiles(authority, t.anchor.authority(authority), () => []);
  });

  test('of one authority is not held up by others that are being loaded, and says which were purged and which not', async () => {
    const [busy, free, last] = [newAuthority(), newAuthority(), newAuthority()];
    for (const authority of [busy, free, last]) await old(authority);
    const locks = [await t.store.lockAuthority(busy), await t.store.lockAuthority(last)];
    const purged: OdsCode[] = [];
    const onPurged = (authority: OdsCode) => purged.push(authority);
    const message = await run({ lockWaitMs: 0, onPurged }).then(
      () => '',
      (error: unknown) => String(error),
    );
    expect(message).toContain(
      `Authorities that may not have been purged, or only in part: ${busy}, ${last}.`,
    );
    expect(message).not.toMatch(/load the file/i);
    expect(purged).toEqual([free]);
    expect(
      await Promise.all([busy, free, last].map(async (each) => (await numbers(each)).length)),
    ).toEqual([4, 2, 4]);
    for (const lock of locks) await lock?.release();
    expect([...(await run()).keys()]).toEqual([busy, last]);
  });

  test('of one authority is not held up by another whose load was cut short and cannot be finished', async () => {
    const [cut, free] = [newAuthority(), newAuthority()];
    await old(cut);
    await old(free);
    const full = endingAt(t, 'applyRows');
    await expect(loadRecords(cut, 6, [planOf(5)], full)).rejects.toThrow(LoadFailed);
    await expect(run(full)).rejects.toThrow(`${cut}. the process ended here.`);
    expect([(await numbers(cut)).length, (await numbers(free)).length]).toEqual([4, 2]);
    expect(of(await run(), cut)).toBe(2);
  });

  test('as a dry run counts, and changes nothing', async () => {
    const authority = newAuthority();
    await old(authority);
    const before = await everything();
    expect(of(await run({ dryRun: true }), authority)).toBe(2);
    expect(await everything()).toEqual(before);
    await expect(run({ dryRun: true, ...endingAt(t, 'scan') })).rejects.toThrow(
      /^Nothing was changed/,
    );
  });

  test('keeps what arrived recently, however long ago it ended, because a late file could bring it back', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 5, [planOf(2, { startDate: past(900), endDate: past(500) })]);
    expect(of(await run(), authority)).toBe(0);
    await loadRecords(authority, 4, [planOf(2, { startDate: past(900) })]);
    expect((await rowsOf(authority, 2))[0]?.endDate).toBe(past(500));
  });

  test('removes nothing because only this machine’s clock is ahead', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 5, [planOf(1, { startDate: past(900), endDate: past(300) })], {
      now: Date.now,
    });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 1_000 * DAY_MS });
    try {
      const purged: OdsCode[] = [];
      const onPurged = (code: OdsCode) => purged.push(code);
      await purge(t.store, t.anchor, { by: 'test', onPurged });
      expect(purged).not.toContain(authority);
    } finally {
      vi.useRealTimers();
    }
  });

  const STEPS = ['changeAuthority', 'removeRows', 'tally', 'appendEvent', 'commitLoad'] as const;
  test.each(STEPS)(
    'cut short at %s is finished by the next, which says what was removed',
    async (step) => {
      const authority = newAuthority();
      await old(authority);
      await expect(run(endingAt(t, step))).rejects.toThrow(LoadFailed);
      expect(of(await run(), authority)).toBe(2);
      expect(t.anchor.loadsInProgress()).toEqual([]);
      expect(await numbers(authority)).toEqual([testNumber(1), testNumber(4)]);
      expect(
        (await events()).filter(
          (event) => event.type === 'purge' && event.detail['authority'] === authority,
        ),
      ).toMatchObject([{ detail: { rows: 2 } }]);
      expect(of(await run(), authority)).toBe(0);
    },
  );

  test.each(STEPS)('cut short at %s ends the same when it is resumed', async (step) => {
    const authority = newAuthority();
    await old(authority);
    const { store, anchor } = endingAt(t, step);
    await expect(run({ store, anchor })).rejects.toThrow(LoadFailed);
    const begun = t.anchor.loadsInProgress();
    expect(begun).toHaveLength(1);
    for (const load of begun) await resumeLoad(t.store, t.anchor, load);
    await run();
    expect(await numbers(authority)).toEqual([testNumber(1), testNumber(4)]);
    const tally = (await t.store.tally()).get(authority);
    expect(t.anchor.authority(authority)).toMatchObject({ rows: 2, digest: tally?.digest });
    expect(t.anchor.loadsInProgress()).toEqual([]);
  });
});
