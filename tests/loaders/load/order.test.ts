import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isFarFrom } from '#loaders/decide/file.ts';
import { differFile, LoadFailed, loadFile, resumeLoad } from '#loaders/load/load.ts';
import { type FileLoaded, loadFiles } from '#loaders/load/load-files.ts';
import { LoadSlots } from '#loaders/load/load-slots.ts';
import { validateFile } from '#loaders/load/validate.ts';
import { LATE_FILES_DAYS, purge } from '#loaders/upkeep/purge.ts';
import { removeAuthority } from '#loaders/upkeep/remove-authority.ts';
import { resetSequence } from '#loaders/upkeep/reset-sequence.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { addDays } from '#schemas/calendar.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { keys } from '#store/keys.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { DURABILITY_FIELD } from '#store/trust/durability.ts';
import { day, testNumber } from '../../support/rows.ts';
import { startTestStore } from '../../support/test-store.ts';
import { metadata, startLoading } from '../../support/upload-loading.ts';
import {
  fileCsv,
  fileXml,
  type ModelRecord,
  person,
  planOf,
  RECEIVED_AT,
  TODAY,
  upload,
} from '../../support/upload-model.ts';

const { t, l, newAuthority } = await startLoading();

const DAY_MS = 86_400_000;
const loadXml = (
  authority: OdsCode,
  sequence: number,
  records: ModelRecord[] = [planOf(1)],
  options: Parameters<typeof l.load>[1] & { createdAt?: string } = {},
) => {
  const { createdAt = '202611232130+0000', ...rest } = options;
  return l.load(fileXml(upload({ authority, sequence, records, createdAt })), rest);
};
const rowsOf = async (authority: OdsCode, ...people: number[]) =>
  [...(await t.store.readRows(people.map(testNumber))).values()]
    .flat()
    .filter((row) => row.authority === authority);
const events = () => t.adminStore.readEvents('system');

/** Everything that a look without consequences must leave as it was, the store verifier's own signs of life apart. */
async function everything(): Promise<Record<string, unknown>> {
  const kept = (await t.admin.keys('*')).filter(
    (name) => !name.endsWith(':lock') && name !== 'cpf:heartbeat',
  );
  const digests = await Promise.all(
    kept.toSorted().map(async (name) => {
      if (name === keys.dataset) {
        // Said again each second, by whoever keeps the store; and fields come in any order.
        const { [DURABILITY_FIELD]: _, ...dataset } = await t.admin.hgetall(name);
        return [name, Object.entries(dataset).map(String).toSorted().join()] as const;
      }
      const dump = (await t.admin.dumpBuffer(name)) ?? '';
      return [name, hash('sha256', dump).slice(0, 12)] as const;
    }),
  );
  return {
    ...Object.fromEntries(digests),
    authorities: [...t.anchor.authorities()],
    loads: t.anchor.loadsInProgress(),
    holds: t.anchor.heldFiles(),
    spools: l.spools(),
  };
}

describe('the order of files', () => {
  test('decides row by row, whatever order they come in', async () => {
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
          expect((await loadXml(authority, sequence, records)).code).toBe('CPF02');
        }
        const rows = await rowsOf(authority, 1, 2, 3);
        return rows.map(({ authority: _authority, ...row }) => row);
      }),
    );
    expect(ends[1]).toEqual(ends[0]);
    expect(ends[2]).toEqual(ends[0]);
    expect(ends[0]).toHaveLength(3);
  });

  test('keeps a tombstone’s word against a late file, and lets a newer one bring the plan back', async () => {
    const authority = newAuthority();
    await loadXml(authority, 1);
    await loadXml(authority, 5, [planOf(1, { deleteDate: day('2026-11-20') })]);
    expect((await loadXml(authority, 4)).rows.superseded).toBe(1);
    expect((await rowsOf(authority, 1))[0]?.deleteDate).toBe('2026-11-20');
    await loadXml(authority, 6);
    expect((await rowsOf(authority, 1))[0]?.deleteDate).toBeUndefined();
  });

  test('a late correction opens a plan again that had ended so long ago that it was hidden', async () => {
    const authority = newAuthority();
    const startDate = day('2024-01-10');
    await loadXml(authority, 1, [planOf(1, { startDate, endDate: day('2025-01-10') })]);
    const [hidden] = await rowsOf(authority, 1);
    expect((hidden?.visibleUntil ?? 0) * 1000).toBeLessThan(RECEIVED_AT);
    await loadXml(authority, 2, [planOf(1, { startDate })]);
    const [open] = await rowsOf(authority, 1);
    expect((open?.currentUntil ?? 0) * 1000).toBeGreaterThan(RECEIVED_AT);
  });

  test('the ledger keeps the newest 400 files, and what leaves it is closed', async () => {
    const authority = newAuthority();
    await loadXml(authority, 1);
    const lock = await t.store.lockAuthority(authority);
    if (lock === undefined) throw new Error('the authority is locked');
    for (let sequence = 2; sequence <= 401; sequence++) {
      const ledger = { sequence, sha256: 'x', code: 'CPF02' as const, acknowledgement: '{}' };
      await t.store.finishFile(lock, { sequence, ledger });
    }
    await lock.release();
    expect(await t.admin.hlen(keys.files(authority))).toBe(400);
    expect(await loadXml(authority, 1)).toMatchObject({
      code: 'CPF04',
      failures: [{ field: 'sequence', hint: expect.stringContaining('1 and lower') as string }],
    });
    expect((await loadXml(authority, 402)).code).toBe('CPF02');
    expect((await loadXml(authority, 2)).failures[0]?.hint).toContain('2 and lower');
  });
});

describe('a numbering that starts again', () => {
  const RESET = { by: 'A. Example', reason: 'new case system' };

  test('continues after the old one, echoes the file’s own numbers, and refuses the old ones', async () => {
    const authority = newAuthority();
    await loadXml(authority, 412);
    expect((await loadXml(authority, 1)).code).toBe('CPF02');
    expect(await resetSequence(t.store, t.anchor, authority, RESET)).toBe(412);
    const later = { createdAt: '202611240300+0000' };
    const records = [planOf(1, { endDate: day('2026-11-20') })];
    const first = await loadXml(authority, 1, records, later);
    expect(first).toMatchObject({ code: 'CPF02', sequence: 1, warnings: [] });
    expect((await rowsOf(authority, 1))[0]).toMatchObject({ endDate: '2026-11-20', sequence: 414 });
    expect(await loadXml(authority, 1, records, later)).toEqual(first);
    expect((await loadXml(authority, 1, [planOf(2)], later)).failures[0]?.hint).toContain(
      'the highest used is 1',
    );
    expect(await loadXml(authority, 413)).toMatchObject({
      code: 'CPF04',
      failures: [{ field: 'createdAt' }],
    });
    expect((await loadXml(authority, 0, [planOf(3)], later)).rows.added).toBe(1);
  });

  test('is audited, and refused to an authority that has loaded nothing', async () => {
    const authority = newAuthority();
    await expect(resetSequence(t.store, t.anchor, authority, RESET)).rejects.toThrow(
      /has loaded no file yet/,
    );
    await loadXml(authority, 7);
    await resetSequence(t.store, t.anchor, authority, RESET);
    expect((await events()).at(-1)).toMatchObject({
      type: 'sequence-reset',
      by: 'A. Example',
      detail: { authority, reason: 'new case system', highest: 7 },
    });
  });
});

describe('a store that is not open', () => {
  test('is not written to', async () => {
    const authority = newAuthority();
    await loadXml(authority, 1);
    const before = await everything();
    const store: Store = { ...t.store, isOpen: () => Promise.resolve(false) };
    await expect(loadXml(authority, 2, [planOf(2)], { store })).rejects.toThrow(
      /not been verified since Redis last started.*cp-flags status/,
    );
    await expect(purge(store, t.anchor, { by: 'test' })).rejects.toThrow(/not been verified/);
    // A loader that took the authority's lock leaves its fence behind, and nothing else.
    const fence = keys.lockFence(authority);
    expect({ ...(await everything()), [fence]: '' }).toEqual({ ...before, [fence]: '' });
    expect((await loadXml(authority, 2, [planOf(2)])).code).toBe('CPF02');
  });

  test('is one that was not verified for this very run of Redis', async () => {
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
  test('is refused however it came about, and closes nothing', async () => {
    const authority = newAuthority();
    await loadXml(authority, 412);
    for (const mistyped of [41_300_000, 999_999_999_999_999]) {
      const before = await everything();
      const refused = await loadXml(authority, mistyped, [planOf(2)]);
      expect(refused).toMatchObject({ code: 'CPF04', failures: [{ field: 'sequence' }] });
      expect(refused.failures[0]?.hint).toContain(
        'is mistyped, send the file with its right number',
      );
      expect(refused.failures[0]?.hint).toContain(`reset-sequence ${authority}`);
      expect(await rowsOf(authority, 2)).toEqual([]);
      expect((await t.store.authority(authority))?.sequence).toBe(412);
      expect(Object.keys(await everything())).toEqual(Object.keys(before));
    }
    expect((await loadXml(authority, 413, [planOf(2)])).code).toBe('CPF02');
  });

  test('of which the first was the mistyped one is let in by a named operator, and its files take effect', async () => {
    const authority = newAuthority();
    await loadXml(authority, 999_999_999_999_999);
    const END = [planOf(1, { endDate: day('2026-11-20') })];
    const refused = await loadXml(authority, 413, END);
    expect(refused).toMatchObject({ code: 'CPF04', failures: [{ field: 'sequence' }] });
    await resetSequence(t.store, t.anchor, authority, { by: 'Olive', reason: 'mistyped' });
    const later = { createdAt: '202611240530+0000' };
    expect((await loadXml(authority, 413, END, later)).code).toBe('CPF02');
    expect((await rowsOf(authority, 1))[0]?.endDate).toBe('2026-11-20');
    expect((await loadXml(authority, 414, [planOf(2)], later)).code).toBe('CPF02');
  });

  test('is never one that a numbering by file, day or minute comes to next', () => {
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

describe('a look without consequences', () => {
  test('says by how many rows the store would differ, and changes nothing at all', async () => {
    const authority = newAuthority();
    await loadXml(
      authority,
      1,
      [1, 2, 3, 4].map((n) => planOf(n)),
    );
    const records = [
      planOf(1),
      planOf(2, { endDate: day('2026-11-20') }),
      { ...planOf(3), child: person(3, { localId: 'other' }) },
      planOf(5),
      { ...planOf(6), child: person(6, { nhsNumber: '1' }) },
    ];
    const path = join(t.dataDir, 'dry.xml');
    await writeFile(path, fileXml(upload({ authority, sequence: 2, records })));
    const options = {
      spoolDir: l.spoolDir,
      addAuthority: true,
      by: 'test',
      now: () => RECEIVED_AT,
    };
    const before = await everything();
    const { acknowledgement, difference } = await differFile(
      t.store,
      t.anchor,
      { path, name: path },
      options,
    );
    expect(difference).toEqual({ added: 1, removed: 1, changed: 1 });
    expect(await everything()).toEqual(before);
    expect(await loadFile(t.store, t.anchor, { path, name: path }, options)).toEqual(
      acknowledgement,
    );
  });

  test('counts what a full refresh would take away, and that it would wait', async () => {
    const authority = newAuthority();
    await loadXml(
      authority,
      1,
      [1, 2, 3, 4].map((n) => planOf(n)),
    );
    const path = join(t.dataDir, 'dry.csv');
    await writeFile(path, fileCsv({ records: [planOf(1)] }));
    const { acknowledgement, difference } = await differFile(
      t.store,
      t.anchor,
      { path, name: path },
      {
        spoolDir: l.spoolDir,
        addAuthority: true,
        by: 'test',
        now: () => RECEIVED_AT,
        metadata: metadata(1, { authority, sequence: 2, full: true }),
      },
    );
    expect(difference).toEqual({ added: 0, removed: 3, changed: 0 });
    expect(acknowledgement.held).toMatchObject({ leftOut: 3 });
    expect(t.anchor.heldFiles()).toEqual([]);
  });

  test('checks a file on its own, without any store', async () => {
    const path = join(t.dataDir, 'alone.xml');
    const records = [planOf(1), { ...planOf(2), child: person(2, { nhsNumber: '1' }) }];
    await writeFile(path, fileXml(upload({ records })));
    const now = () => RECEIVED_AT;
    const acknowledgement = await validateFile({ path, name: path }, { now });
    expect(acknowledgementSchema.parse(acknowledgement)).toMatchObject({
      code: 'CPF03',
      counts: { records: 2, accepted: 1, refused: 1 },
      failures: [{ code: 'CPR04', record: 2 }],
    });
    await writeFile(path, fileXml(upload({ records })).slice(0, -20));
    expect((await validateFile({ path, name: path }, { now })).code).toBe('CPF01');
  });
});

test('a pipe beside a CSV keeps nobody waiting', async () => {
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

  test('keep each authority’s order, report each in the order given, and share a reading of the store', async () => {
    const authorities = Array.from({ length: 8 }, newAuthority);
    const given = await files(authorities, [1, 2]);
    // The same promise twice is the same reading of the store.
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

  test('share one reading of the store where the answers about their leases come at different times', async () => {
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

  test('leave out what follows a file of the same authority that could not be loaded', async () => {
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

  test('are all reported when one of them cannot be', async () => {
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

  test('give their slots on, and are quiet once none is at work', async () => {
    const slots = new LoadSlots(2);
    const order: string[] = [];
    const [first, second] = [await slots.take(), await slots.take()];
    const third = slots.take().then((give) => {
      order.push('third');
      return give;
    });
    const quiet = slots.quiet().then(() => order.push('quiet'));
    first();
    first();
    second();
    (await third)();
    await quiet;
    expect(order).toEqual(['third', 'quiet']);
  });

  test('of one authority wait for each other, and one that was overtaken writes nothing', async () => {
    const authority = newAuthority();
    await loadXml(authority, 1);
    const store: Store = {
      ...t.store,
      applyRows: async (lock, rows, options) => {
        // The lease runs out while this loader is held up, and another takes the authority over.
        await t.admin.del(keys.lock(authority));
        const other = await t.store.lockAuthority(authority);
        if (other === undefined) throw new Error('the authority is locked');
        await t.store.applyRows(other, (await rowsOf(authority, 1)).slice(0, 1));
        await other.release();
        return t.store.applyRows(lock, rows, options);
      },
    };
    const records = [planOf(1, { endDate: day('2026-11-20') })];
    await expect(loadXml(authority, 2, records, { store })).rejects.toThrow(/taken over authority/);
    expect((await rowsOf(authority, 1))[0]?.endDate).toBeUndefined();
    const begun = t.anchor.loadInProgress(authority);
    if (begun === undefined) throw new Error('the anchor knows of no load');
    await resumeLoad(t.store, t.anchor, begun);
    expect((await rowsOf(authority, 1))[0]?.endDate).toBe('2026-11-20');
  });

  test('that is held up past its lease at any point never undoes a newer file', async () => {
    const newer = [planOf(1, { endDate: day('2026-11-21') })];
    const told: string[] = [];
    for (let at = 1, overtaken = true; overtaken; at++) {
      const authority = newAuthority();
      await loadXml(authority, 1);
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
              const outcome = await loadXml(authority, 3, newer).catch((error: unknown) => error);
              told.push(outcome instanceof LoadFailed ? outcome.message : JSON.stringify(outcome));
            }
          };
          return { ...lock, renew };
        },
      };
      const records = [planOf(1, { endDate: day('2026-11-20') })];
      const [loaded] = await Promise.allSettled([loadXml(authority, 2, records, { store })]);
      const refused = loaded?.status === 'rejected' && String(loaded.reason);
      if (overtaken) expect(refused).toMatch(/taken over authority|working on the authority/);
      // Whoever was told to wait does it again, once the other has ended.
      expect((await loadXml(authority, 3, newer)).code).toBe('CPF02');
      const [row] = await rowsOf(authority, 1);
      const tally = (await t.store.tally()).get(authority);
      expect(row).toMatchObject({ endDate: '2026-11-21', sequence: 3 });
      expect(t.anchor.authority(authority)).toMatchObject({ rows: 1, digest: tally?.digest });
      expect(t.anchor.loadInProgress(authority)).toBeUndefined();
    }
    // Before and after the load had begun.
    expect(told.some((text) => text.includes('CPF02'))).toBe(true);
    expect(told.some((text) => text.includes('and was held up'))).toBe(true);
  });
});

describe('an authority that was entered by mistake', () => {
  const WHO = { by: 'A. Example', reason: 'mistyped' };
  const details = { name: 'Example Council', emergencyDutyTeamPhone: '02079460199' };

  test('can be taken off the directory again, audited, and entered again', async () => {
    const authority = newAuthority();
    await t.store.setAuthority(authority, details, 'test');
    await removeAuthority(t.adminStore, t.anchor, authority, WHO);
    const codes = (await t.store.authorities()).map(({ code }) => code);
    expect(codes).not.toContain(authority);
    expect((await events()).at(-1)).toMatchObject({
      type: 'authority-removed',
      by: 'A. Example',
      detail: { authority, reason: 'mistyped' },
    });
    await expect(removeAuthority(t.adminStore, t.anchor, authority, WHO)).rejects.toThrow(
      /not known/,
    );
    await t.store.setAuthority(authority, details, 'test');
    expect((await loadXml(authority, 1)).code).toBe('CPF02');
  });

  test('cannot be taken off by a process with a loader’s rights', async () => {
    const authority = newAuthority();
    await t.store.setAuthority(authority, details, 'test');
    await expect(removeAuthority(t.store, t.anchor, authority, WHO)).rejects.toThrow(
      /too few rights for this/,
    );
    expect((await t.store.authorities()).map(({ code }) => code)).toContain(authority);
  });

  test('stays once it has loaded a file', async () => {
    const authority = newAuthority();
    await loadXml(authority, 1);
    await expect(removeAuthority(t.adminStore, t.anchor, authority, WHO)).rejects.toThrow(
      /so it cannot be removed/,
    );
    expect((await t.store.authorities()).map(({ code }) => code)).toContain(authority);
  });
});

describe('a purge', () => {
  const OLD = RECEIVED_AT - (LATE_FILES_DAYS + 1) * DAY_MS;
  const past = (days: number) => addDays(TODAY, -days);
  /** Loaded so long ago that no older file is waited for; what it holds is hidden, except for the first. */
  async function old(authority: OdsCode) {
    const startDate = past(900);
    await loadXml(
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
  const run = (options: { dryRun?: boolean; store?: Store; anchor?: Anchor } = {}) =>
    purge(options.store ?? t.store, options.anchor ?? t.anchor, {
      by: 'test',
      now: () => RECEIVED_AT,
      ...(options.dryRun !== undefined && { dryRun: options.dryRun }),
    });
  const of = (purged: { authority: string; rows: number }[], authority: OdsCode) =>
    purged.find((one) => one.authority === authority)?.rows ?? 0;
  const numbers = async (authority: OdsCode) =>
    (await rowsOf(authority, 1, 2, 3, 4)).map(({ nhsNumber }) => nhsNumber);

  test('removes what no window shows again, closes the numbers up to it, and is audited', async () => {
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
    const late = await loadXml(authority, 4, [planOf(3, { startDate: past(900) })]);
    expect(late).toMatchObject({ code: 'CPF04', failures: [{ field: 'sequence' }] });
    expect(of(await run(), authority)).toBe(0);
  });

  test('counts, and changes nothing, when only asked', async () => {
    const authority = newAuthority();
    await old(authority);
    const before = await everything();
    expect(of(await run({ dryRun: true }), authority)).toBe(2);
    expect(await everything()).toEqual(before);
  });

  test('keeps what came lately, however long ago it ended: a late file could bring it back', async () => {
    const authority = newAuthority();
    await loadXml(authority, 5, [planOf(2, { startDate: past(900), endDate: past(500) })]);
    expect(of(await run(), authority)).toBe(0);
    await loadXml(authority, 4, [planOf(2, { startDate: past(900) })]);
    expect((await rowsOf(authority, 2))[0]?.endDate).toBe(past(500));
  });

  test.each(['changeAuthority', 'removeRows', 'tally', 'appendEvent', 'commitLoad'] as const)(
    'cut short at %s comes to the same end when it is resumed',
    async (step) => {
      const authority = newAuthority();
      await old(authority);
      const fail = (): never => {
        throw new Error('the process ended here');
      };
      const store: Store =
        step === 'commitLoad'
          ? t.store
          : { ...t.store, [step]: () => Promise.resolve().then(fail) };
      const anchor =
        step !== 'commitLoad'
          ? t.anchor
          : new Proxy(t.anchor, {
              get(target, name) {
                const value: unknown = Reflect.get(target, name, target);
                if (name === step) return fail;
                return typeof value === 'function' ? (value.bind(target) as unknown) : value;
              },
            });
      await expect(run({ store, anchor })).rejects.toThrow(LoadFailed);
      const begun = t.anchor.loadsInProgress();
      expect(begun).toHaveLength(1);
      for (const load of begun) await resumeLoad(t.store, t.anchor, load);
      await run();
      expect(await numbers(authority)).toEqual([testNumber(1), testNumber(4)]);
      const tally = (await t.store.tally()).get(authority);
      expect(t.anchor.authority(authority)).toMatchObject({ rows: 2, digest: tally?.digest });
      expect(t.anchor.loadsInProgress()).toEqual([]);
    },
  );
});
