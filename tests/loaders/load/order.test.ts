import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isFarFrom } from '#loaders/decide/file.ts';
import { Overtaken } from '#loaders/load-failed.ts';
import { purge } from '#loaders/upkeep/purge.ts';
import { resetSequence } from '#loaders/upkeep/reset-sequence.ts';
import { ROW_HINTS } from '#schemas/wording/records.ts';
import { keys } from '#store/keys.ts';
import type { Store } from '#store/store.ts';
import { unreplicatedAt } from '../../support/cut-short.ts';
import { day } from '../../support/rows.ts';
import { startTestStore } from '../../support/test-store.ts';
import { startLoading } from '../../support/upload-loading.ts';
import { planOf, RECEIVED_AT } from '../../support/upload-model.ts';

const { t, newAuthority, loadRecords, rowsOf, events, everything } = await startLoading();

const DAY_MS = 86_400_000;
describe('the order of files', () => {
  test('decides row by row, whatever the order in which they arrive', async () => {
    const words = [
      { sequence: 1, records: [planOf(1), planOf(2)] },
      { sequence: 2, records: [planOf(1, { endDate: day('2026-11-01') }), planOf(3)] },
      { sequence: 3, records: [planOf(1, { endDate: day('2026-11-08') })] },
    ];
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [0, 2, 1, 2, 1],
    ];
    const ends = await Promise.all(
      orders.map(async (order) => {
        const authority = newAuthority();
        for (const i of order) {
          const { sequence = 0, records = [] } = words[i] ?? {};
          expect((await loadRecords(authority, sequence, records)).code).toBe('CPF02');
        }
        const rows = await rowsOf(authority, 1, 2, 3);
        return rows.map(({ authority: _authority, ...row }) => row);
      }),
    );
    expect(ends[1]).toEqual(ends[0]);
    expect(ends[2]).toEqual(ends[0]);
    expect(ends[0]).toHaveLength(3);
  });

  test('keeps a tombstone against a late file, and lets a newer file restore the plan', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    await loadRecords(authority, 5, [planOf(1, { deleteDate: day('2026-11-20') })]);
    expect((await loadRecords(authority, 4)).rows.superseded).toBe(1);
    expect((await rowsOf(authority, 1))[0]?.deleteDate).toBe('2026-11-20');
    await loadRecords(authority, 6);
    expect((await rowsOf(authority, 1))[0]?.deleteDate).toBeUndefined();
  });

  test('names each plan for which a late file says something that is not done', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 5, [planOf(1), planOf(2)]);
    const late = [planOf(1, { endDate: day('2026-11-20') }), planOf(2)];
    const { rows, warnings } = await loadRecords(authority, 4, late);
    expect(rows.superseded).toBe(2);
    expect(warnings.filter(({ record }) => record !== undefined)).toEqual([
      expect.objectContaining({
        code: 'CPR06',
        record: 1,
        field: 'end_date',
        localId: 'LA-1',
        hint: ROW_HINTS.notDone,
      }),
    ]);
    expect((await rowsOf(authority, 1))[0]?.endDate).toBeUndefined();
  });

  test('lets a late correction reopen a plan that ended so long ago that it was hidden', async () => {
    const authority = newAuthority();
    const startDate = day('2024-01-10');
    await loadRecords(authority, 1, [planOf(1, { startDate, endDate: day('2025-01-10') })]);
    const [hidden] = await rowsOf(authority, 1);
    expect((hidden?.visibleUntil ?? 0) * 1000).toBeLessThan(RECEIVED_AT);
    await loadRecords(authority, 2, [planOf(1, { startDate })]);
    const [open] = await rowsOf(authority, 1);
    expect((open?.currentUntil ?? 0) * 1000).toBeGreaterThan(RECEIVED_AT);
  });

  test('is kept for the newest 400 files, and older numbers are closed', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const lock = await t.store.lockAuthority(authority);
    if (lock === undefined) throw new Error('the authority is locked');
    for (let sequence = 2; sequence <= 401; sequence++) {
      const ledger = { sequence, sha256: 'x', code: 'CPF02' as const, acknowledgement: '{}' };
      await t.store.finishFile(lock, { sequence, ledger });
    }
    await lock.release();
    expect(await t.admin.hlen(keys.files(authority))).toBe(400);
    expect(await loadRecords(authority, 1)).toMatchObject({
      code: 'CPF04',
      failures: [{ field: 'sequence', hint: expect.stringContaining('1 and lower') as string }],
    });
    expect((await loadRecords(authority, 402)).code).toBe('CPF02');
    expect((await loadRecords(authority, 2)).failures[0]?.hint).toContain('2 and lower');
  });
});

describe('a restarted numbering', () => {
  const RESET = { by: 'A. Example', reason: 'new case system' };

  test('continues after the old one, gives the file’s own numbers in answers, and refuses the old ones', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 412);
    expect((await loadRecords(authority, 1)).code).toBe('CPF02');
    expect(await resetSequence(t.store, t.anchor, authority, RESET)).toEqual({
      highest: 412,
      missing: [],
    });
    const later = { createdAt: '202611240300+0000' };
    const records = [planOf(1, { endDate: day('2026-11-20') })];
    const first = await loadRecords(authority, 1, records, later);
    expect(first).toMatchObject({ code: 'CPF02', sequence: 1, warnings: [] });
    expect((await rowsOf(authority, 1))[0]).toMatchObject({ endDate: '2026-11-20', sequence: 414 });
    expect(await loadRecords(authority, 1, records, later)).toEqual(first);
    expect((await loadRecords(authority, 1, [planOf(2)], later)).failures[0]?.hint).toContain(
      'the highest used is 1',
    );
    expect(await loadRecords(authority, 413)).toMatchObject({
      code: 'CPF04',
      failures: [{ field: 'createdAt' }],
    });
    expect((await loadRecords(authority, 0, [planOf(3)], later)).rows.added).toBe(1);
  });

  test('is audited, and refused to an authority that has loaded nothing', async () => {
    const authority = newAuthority();
    await expect(resetSequence(t.store, t.anchor, authority, RESET)).rejects.toThrow(
      /has loaded no file yet/,
    );
    await loadRecords(authority, 7);
    await resetSequence(t.store, t.anchor, authority, RESET);
    expect((await events()).at(-1)).toMatchObject({
      type: 'sequence-reset',
      by: 'A. Example',
      detail: { authority, reason: 'new case system', highest: 7 },
    });
  });

  const resetsOf = async (authority: string) =>
    (await events()).filter(
      (event) => event.type === 'sequence-reset' && event.detail['authority'] === authority,
    );

  test('is not started twice, by a form that was opened before or by a command that is given again', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 7);
    const seen = { sequence: 7, sequenceOffset: 0 };
    await resetSequence(t.store, t.anchor, authority, { ...RESET, seen });
    await expect(
      resetSequence(t.store, t.anchor, authority, { ...RESET, seen }),
    ).rejects.toBeInstanceOf(Overtaken);
    await expect(resetSequence(t.store, t.anchor, authority, RESET)).rejects.toThrow(
      /has begun already.*Nothing was changed/,
    );
    expect(await resetsOf(authority)).toMatchObject([{ detail: { highest: 7 } }]);
    const later = { createdAt: '202611240300+0000' };
    expect((await loadRecords(authority, 3, [planOf(2)], later)).code).toBe('CPF02');
    expect(await resetSequence(t.store, t.anchor, authority, RESET)).toMatchObject({ highest: 3 });
  });

  test('that may have begun is not said to have changed nothing; once more, it ends what a failure left open', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 7);
    t.anchor.changeMissingFiles(authority, t.anchor.authority(authority), () => [
      { sequence: 6, number: 6 },
    ]);
    const follows = { ...RESET, fullRefreshFollows: true };
    const store = unreplicatedAt(t.store, 'changeAuthority');
    await expect(resetSequence(store, t.anchor, authority, follows)).rejects.toThrow(
      /^This may have been done/,
    );
    expect(await resetSequence(t.store, t.anchor, authority, follows)).toEqual({
      highest: undefined,
      missing: [6],
    });
    expect(t.anchor.missingFiles(authority)).toMatchObject([{ fullOnly: 'new-numbering' }]);
    const resets = await resetsOf(authority);
    expect(resets).toMatchObject([{ detail: { highest: 7 } }, { detail: { missing: '6' } }]);
    expect(resets[1]).not.toHaveProperty('detail.highest');
    const closed: Store = { ...t.store, isOpen: () => Promise.resolve(false) };
    await expect(resetSequence(closed, t.anchor, authority, RESET)).rejects.not.toThrow(
      /may have been done/,
    );
    t.anchor.changeMissingFiles(authority, t.anchor.authority(authority), () => []);
  });
});

describe('a store that is not open', () => {
  test('is not written to', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const before = await everything();
    const store: Store = { ...t.store, isOpen: () => Promise.resolve(false) };
    await expect(loadRecords(authority, 2, [planOf(2)], { store })).rejects.toThrow(
      /not been verified since Redis last started.*cp-flags status/,
    );
    await expect(purge(store, t.anchor, { by: 'test' })).rejects.toThrow(/not been verified/);
    // A loader that took the authority's lock leaves behind its fence, and nothing else.
    const fence = keys.lockFence(authority);
    expect({ ...(await everything()), [fence]: '' }).toEqual({ ...before, [fence]: '' });
    expect((await loadRecords(authority, 2, [planOf(2)])).code).toBe('CPF02');
  });

  test('includes one that has not been verified since Redis started', async () => {
    const unkept = await startTestStore();
    try {
      expect(await unkept.store.isOpen()).toBe(false);
      await unkept.admin.set(keys.open, 'another run');
      expect(await unkept.store.isOpen()).toBe(false);
      const run = /run_id:(\w+)/.exec(await unkept.admin.info('server'))?.[1] ?? '';
      await unkept.admin.set(keys.open, run);
      expect(await unkept.store.isOpen()).toBe(true);
    } finally {
      await unkept.stop();
    }
  });
});

describe('a number far from the last one', () => {
  test('is refused however it came about, and closes no numbers', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 412);
    for (const mistyped of [41_300_000, 999_999_999_999_999]) {
      const before = await everything();
      const refused = await loadRecords(authority, mistyped, [planOf(2)]);
      expect(refused).toMatchObject({ code: 'CPF04', failures: [{ field: 'sequence' }] });
      expect(refused.failures[0]?.hint).toContain(
        'is mistyped, send the file with its correct number',
      );
      expect(refused.failures[0]?.hint).toContain(`reset-sequence ${authority}`);
      expect(await rowsOf(authority, 2)).toEqual([]);
      expect((await t.store.authority(authority))?.sequence).toBe(412);
      expect(Object.keys(await everything())).toEqual(Object.keys(before));
    }
    expect((await loadRecords(authority, 413, [planOf(2)])).code).toBe('CPF02');
  });

  test('is accepted from a named operator if a mistyped first number caused it, and its files then take effect', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 999_999_999_999_999);
    const END = [planOf(1, { endDate: day('2026-11-20') })];
    const refused = await loadRecords(authority, 413, END);
    expect(refused).toMatchObject({ code: 'CPF04', failures: [{ field: 'sequence' }] });
    await resetSequence(t.store, t.anchor, authority, { by: 'Olive', reason: 'mistyped' });
    const later = { createdAt: '202611240530+0000' };
    expect((await loadRecords(authority, 413, END, later)).code).toBe('CPF02');
    expect((await rowsOf(authority, 1))[0]?.endDate).toBe('2026-11-20');
    expect((await loadRecords(authority, 414, [planOf(2)], later)).code).toBe('CPF02');
  });

  test('is never one that numbering by file, day or minute reaches next', () => {
    const count = fc.integer({ min: 0, max: 999_999_999 });
    fc.assert(
      fc.property(count, fc.integer({ min: 1, max: 10_000 }), (last, files) => {
        expect(isFarFrom(last + files, last)).toBe(false);
        expect(isFarFrom(last, last + files)).toBe(false);
      }),
    );
    const date = fc.date({
      min: new Date('2020-01-01'),
      max: new Date('2099-01-01'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, fc.integer({ min: 1, max: 400 }), (at, days) => {
        const digits = (time: number): string => new Date(time).toISOString().replaceAll(/\D/g, '');
        const [before, after] = [digits(at.getTime()), digits(at.getTime() + days * DAY_MS)];
        for (const length of [8, 12, 14]) {
          const [last, next] = [Number(before.slice(0, length)), Number(after.slice(0, length))];
          expect(isFarFrom(next, last)).toBe(false);
          expect(isFarFrom(last * 10 + 1, last)).toBe(true);
        }
      }),
    );
  });
});
