import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { resumeLoad } from '#loaders/load/load.ts';
import { type FileLoaded, loadFiles } from '#loaders/load/load-files.ts';
import { LoadSlots } from '#loaders/load/load-slots.ts';
import { validateFile } from '#loaders/load/validate.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { keys } from '#store/keys.ts';
import type { Store } from '#store/store.ts';
import { day } from '../../support/rows.ts';
import { startLoading } from '../../support/upload-loading.ts';
import { fileCsv, fileXml, planOf, RECEIVED_AT, upload } from '../../support/upload-model.ts';

const { t, l, newAuthority, loadRecords, rowsOf } = await startLoading();

test('a pipe beside a CSV causes no delay', async () => {
  const path = join(t.dataDir, 'ZZ999-1-202611232130.csv');
  await writeFile(path, fileCsv(upload()));
  execFileSync('mkfifo', [`${path}.json`]);
  const { code } = await validateFile({ path, name: path }, { now: () => RECEIVED_AT });
  expect(code).toBe('CPF02');
});

describe('loads side by side', () => {
  async function files(authorities: OdsCode[], sequences: number[]) {
    const paths: { path: string; name: string }[] = [];
    for (const sequence of sequences) {
      for (const authority of authorities) {
        const path = join(t.dataDir, `${authority}-${sequence}.xml`);
        const records = [planOf(1, sequence === 1 ? {} : { endDate: day('2026-11-20') })];
        await writeFile(path, fileXml(upload({ authority, sequence, records })));
        paths.push({ path, name: path });
      }
    }
    return paths;
  }
  const OPTIONS = () => ({
    spoolDir: l.spoolDir,
    addAuthority: true,
    by: 'test',
    now: () => RECEIVED_AT,
  });

  test('keep each authority’s order, report each file in the order given, and share readings of the store', async () => {
    const authorities = Array.from({ length: 8 }, newAuthority);
    const given = await files(authorities, [1, 2]);
    // Loads that share a reading of the store get the same promise.
    const readings: unknown[] = [];
    const store: Store = {
      ...t.store,
      tally: () => {
        const reading = t.store.tally();
        readings.push(reading);
        return reading;
      },
    };
    const loaded: FileLoaded[] = [];
    await loadFiles(store, t.anchor, given, OPTIONS(), (one) => void loaded.push(one));
    expect(loaded.map(({ file }) => file)).toEqual(given);
    expect(
      loaded.every((one) => one.kind === 'acknowledged' && one.acknowledgement.code === 'CPF02'),
    ).toBe(true);
    for (const authority of authorities) {
      expect((await rowsOf(authority, 1))[0]).toMatchObject({ sequence: 2, endDate: '2026-11-20' });
    }
    expect(readings).toHaveLength(16);
    expect(new Set(readings).size).toBeLessThanOrEqual(4);
  });

  test('share one reading of the store even if their leases are answered at different times', async () => {
    const readings = new Set<unknown>();
    let loads = 0;
    const store: Store = {
      ...t.store,
      tally: () => {
        const reading = t.store.tally();
        readings.add(reading);
        return reading;
      },
      lockAuthority: async (code) => {
        const lock = await t.store.lockAuthority(code);
        if (lock === undefined) return undefined;
        const turns = 100 * loads++;
        const renew = async () => {
          for (let turn = 0; turn < turns; turn++) await immediate();
          await lock.renew();
        };
        return { ...lock, renew };
      },
    };
    const given = await files(Array.from({ length: 8 }, newAuthority), [1]);
    await loadFiles(store, t.anchor, given, OPTIONS(), () => undefined);
    expect(loads).toBe(8);
    expect(readings.size).toBe(1);
  });

  test('leave out files that follow one of the same authority that could not be loaded', async () => {
    const [one, other] = [newAuthority(), newAuthority()];
    const given = await files([one, other], [1, 2]);
    const store: Store = {
      ...t.store,
      fileOf: (code, sequence) =>
        code === one && sequence === 1
          ? Promise.reject(new Error('the store is away'))
          : t.store.fileOf(code, sequence),
    };
    const kinds: string[] = [];
    await loadFiles(store, t.anchor, given, OPTIONS(), ({ kind }) => void kinds.push(kind));
    expect(kinds).toEqual(['failed', 'acknowledged', 'failed', 'acknowledged']);
    expect(await rowsOf(one, 1)).toEqual([]);
  });

  test('are all reported, even if one could not be made', async () => {
    const authorities = [newAuthority(), newAuthority(), newAuthority()];
    const told: string[] = [];
    const loading = loadFiles(
      t.store,
      t.anchor,
      await files(authorities, [1]),
      OPTIONS(),
      (one) => {
        told.push(one.kind);
        if (told.length === 1) throw new Error('no room for its acknowledgement');
      },
    );
    await expect(loading).rejects.toThrow('no room for its acknowledgement');
    expect(told).toEqual(['acknowledged', 'acknowledged', 'acknowledged']);
  });

  test('pass their slots on, and say when none is in use', async () => {
    const slots = new LoadSlots(2);
    const order: string[] = [];
    const [first, second] = [await slots.take(), await slots.take()];
    const third = slots.take().then((give) => {
      order.push('third');
      return give;
    });
    const quiet = slots.whenQuiet(() => Promise.resolve(order.push('quiet')));
    first();
    first();
    second();
    (await third)();
    await quiet;
    expect(order).toEqual(['third', 'quiet']);
  });

  test('are reconciled by one reading, however long other loads take', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const slots = new LoadSlots(1);
      await slots.take();
      let readings = 0;
      const reading = (ms: number) => async (): Promise<number> => {
        readings += 1;
        await pause(ms);
        return readings;
      };
      const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
      const begun = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
      const ready = async (ms: number, count: number): Promise<Promise<number>[]> => {
        const loads = Array.from({ length: count }, () => slots.whenQuiet(reading(ms)));
        await begun();
        return loads;
      };

      // The first load waits ten seconds, and those that have waited for less are reconciled with it.
      const first = await ready(30_000, 1);
      await vi.advanceTimersByTimeAsync(9_000);
      first.push(...(await ready(30_000, 2)));
      expect(readings).toBe(0);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(readings).toBe(3);
      await vi.advanceTimersByTimeAsync(30_000);
      await Promise.all(first);

      // A reading took half a minute, so the next one waits for two minutes.
      const second = await ready(1_000, 1);
      await vi.advanceTimersByTimeAsync(119_000);
      expect(readings).toBe(3);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(readings).toBe(4);
      await vi.advanceTimersByTimeAsync(1_000);
      await Promise.all(second);
    } finally {
      vi.useRealTimers();
    }
  });

  test('for one authority wait for each other, and one that was overtaken writes nothing', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const store: Store = {
      ...t.store,
      applyRows: async (lock, rows, options) => {
        // The lease expires while this loader is delayed, and another loader takes over the authority.
        await t.admin.del(keys.lock(authority));
        const other = await t.store.lockAuthority(authority);
        if (other === undefined) throw new Error('the authority is locked');
        await t.store.applyRows(other, (await rowsOf(authority, 1)).slice(0, 1));
        await other.release();
        return t.store.applyRows(lock, rows, options);
      },
    };
    const records = [planOf(1, { endDate: day('2026-11-20') })];
    await expect(loadRecords(authority, 2, records, { store })).rejects.toThrow(
      /taken over authority/,
    );
    expect((await rowsOf(authority, 1))[0]?.endDate).toBeUndefined();
    const begun = t.anchor.loadInProgress(authority);
    if (begun === undefined) throw new Error('the anchor knows of no load');
    await resumeLoad(t.store, t.anchor, begun);
    expect((await rowsOf(authority, 1))[0]?.endDate).toBe('2026-11-20');
  });

  test('that are delayed past the lease at any point never undo a newer file', async () => {
    const newer = [planOf(1, { endDate: day('2026-11-21') })];
    const told: string[] = [];
    for (let at = 1, overtaken = true; overtaken; at++) {
      const authority = newAuthority();
      await loadRecords(authority, 1);
      let renewals = 0;
      overtaken = false;
      const store: Store = {
        ...t.store,
        lockAuthority: async (code) => {
          const lock = await t.store.lockAuthority(code);
          if (lock === undefined) return undefined;
          const renew = async () => {
            await lock.renew();
            renewals += 1;
            if (renewals === at) {
              overtaken = true;
              await t.admin.del(keys.lock(authority));
              const outcome = await loadRecords(authority, 3, newer).catch(
                (error: unknown) => error,
              );
              told.push(outcome instanceof LoadFailed ? outcome.message : JSON.stringify(outcome));
            }
          };
          return { ...lock, renew };
        },
      };
      const records = [planOf(1, { endDate: day('2026-11-20') })];
      const [loaded] = await Promise.allSettled([loadRecords(authority, 2, records, { store })]);
      const refused = loaded?.status === 'rejected' && String(loaded.reason);
      if (overtaken) expect(refused).toMatch(/taken over authority|working on the authority/);
      // The load that was told to wait is made again, once the other has ended.
      expect((await loadRecords(authority, 3, newer)).code).toBe('CPF02');
      const [row] = await rowsOf(authority, 1);
      const tally = (await t.store.tally()).get(authority);
      expect(row).toMatchObject({ endDate: '2026-11-21', sequence: 3 });
      expect(t.anchor.authority(authority)).toMatchObject({ rows: 1, digest: tally?.digest });
      expect(t.anchor.loadInProgress(authority)).toBeUndefined();
    }
    // Both happened: overtaken before the load had begun, and after.
    expect(told.some((text) => text.includes('CPF02'))).toBe(true);
    expect(told.some((text) => text.includes('and was held up'))).toBe(true);
  });
});
