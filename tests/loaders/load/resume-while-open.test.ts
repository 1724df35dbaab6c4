import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { resumeLoad } from '#loaders/load/load.ts';
import { LATE_FILES_DAYS, purge } from '#loaders/upkeep/purge.ts';
import { resetSequence } from '#loaders/upkeep/reset-sequence.ts';
import { setRestriction } from '#loaders/upkeep/restrict.ts';
import { withdrawUrgently } from '#loaders/upkeep/withdraw.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { addDays } from '#schemas/calendar.ts';
import { keys } from '#store/keys.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { type StoreVerifier, startStoreVerifier } from '#store/trust/verifier.ts';
import { endingAt } from '../../support/cut-short.ts';
import { day, testNumber } from '../../support/rows.ts';
import { until } from '../../support/test-store.ts';
import { startLoading } from '../../support/upload-loading.ts';
import { planOf, RECEIVED_AT, TODAY } from '../../support/upload-model.ts';

const { t, newAuthority, loadRecords, rowsOf, events, expectWhole } = await startLoading();

const DAY_MS = 86_400_000;
const ADA = { name: 'Ada Officer', key: 'council ada', now: () => RECEIVED_AT };
const why = 'entered for the wrong child';

let verifiers: StoreVerifier[] = [];
afterEach(async () => {
  await Promise.all(verifiers.map((verifier) => verifier.stop()));
  verifiers = [];
});

/** A worker that continues interrupted work. */
async function startWorker(store: Store = t.store): Promise<StoreVerifier> {
  const verifier = startStoreVerifier(await t.connect('worker'), t.anchor, {
    resume: (load, stopped) => resumeLoad(store, t.anchor, load, { lockWaitMs: 0, stopped }),
  });
  verifiers.push(verifier);
  await until(() => verifier.state.opened, 'the store to open');
  return verifier;
}

type Ending = { store: Store; anchor: Anchor };
const LONG_AGO = RECEIVED_AT - (LATE_FILES_DAYS + 1) * DAY_MS;

/** All kinds of work that the anchor knows as under way, each cut short before its end. */
const CUT_SHORT: Record<string, (authority: OdsCode, ending: Ending) => Promise<unknown>> = {
  'a load': (authority, ending) =>
    loadRecords(authority, 2, [planOf(1, { endDate: day('2026-11-20') })], ending),
  'a withdrawal': (authority, { store, anchor }) => {
    const plan = {
      nhsNumber: testNumber(1),
      type: 'child-protection-plan' as const,
      startDate: day('2026-09-14'),
    };
    return withdrawUrgently(store, anchor, authority, plan, why, ADA);
  },
  'what is kept back about a child': (authority, { store, anchor }) =>
    setRestriction(
      store,
      anchor,
      authority,
      { nhsNumber: testNumber(1), kind: 'whereabouts' },
      why,
      ADA,
    ),
  async 'a purge'(authority, { store, anchor }) {
    const plan = planOf(2, { startDate: addDays(TODAY, -900), endDate: addDays(TODAY, -500) });
    await loadRecords(authority, 2, [plan], { now: () => LONG_AGO });
    await purge(store, anchor, { by: 'test', now: () => RECEIVED_AT });
  },
};

/** Changes what a journal says; its file ends with the digest and the length of what comes before the journal. */
function rewriteJournal(folder: string, change: (json: string) => string): void {
  const path = join(folder, 'decided');
  const text = readFileSync(path, 'latin1');
  const length = text.slice(-17, -1);
  const body = text.slice(0, Number(length)) + change(text.slice(Number(length), -81));
  const digest = createHash('sha256').update(body, 'latin1').digest('hex');
  writeFileSync(path, `${body}${digest}${length}\n`, 'latin1');
}

const isUnderWay = (authority: OdsCode) => t.anchor.loadInProgress(authority) !== undefined;

describe('while Redis continues', () => {
  test.each(Object.keys(CUT_SHORT))(
    '%s that was cut short is finished by one of the workers, and its council counts as behind until then',
    async (what) => {
      const authority = newAuthority();
      await loadRecords(authority, 1, [planOf(1)], { now: () => LONG_AGO });
      await expect(CUT_SHORT[what]?.(authority, endingAt(t, 'tally'))).rejects.toThrow(
        'ended here',
      );
      expect(isUnderWay(authority)).toBe(true);
      const meanwhile: unknown[] = [];
      const store: Store = {
        ...t.store,
        async tally() {
          meanwhile.push((await t.store.authority(authority))?.reconciled);
          return t.store.tally();
        },
      };
      await Promise.all([startWorker(store), startWorker(store)]);
      await until(() => !isUnderWay(authority), 'its end');
      await expectWhole(authority);
      expect(meanwhile).toEqual([false]);
      expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
    },
  );

  test('a load whose journal names its sender in more characters than an event takes is finished, and is on record', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    await expect(CUT_SHORT['a load']?.(authority, endingAt(t, 'tally'))).rejects.toThrow(
      'ended here',
    );
    const by = `${'N'.repeat(170)} (u, by c), POST /uploads, request 1`;
    const council = { code: authority, name: 'A Council' };
    const of = { issuer: 'i', client: 'c', user: 'u', name: 'N', role: { code: 'R', name: 'R' } };
    const caller = { ...of, organisation: council };
    rewriteJournal(t.anchor.loadInProgress(authority)?.journal ?? '', (json) =>
      json.replace(/"by":"[^"]*"/, `"by":"${by}","caller":${JSON.stringify(caller)}`),
    );
    await startWorker();
    await until(() => !isUnderWay(authority), 'its end');
    await expectWhole(authority);
    const loads = (await events()).filter((event) => event.type === 'load');
    const [load, ...others] = loads.filter(
      (event) => event.authority === authority && event.sequence === 2,
    );
    expect(load?.by).toMatch(/^N+ .*\(u, by c\), POST/);
    expect([load?.caller, others]).toEqual([caller, []]);
  });

  test('a load under way is left to its own process, however long it takes', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const worker = await startWorker();
    const store: Store = {
      ...t.store,
      async tally() {
        for (let i = 0; i < 4; i++) await worker.look();
        expect(isUnderWay(authority)).toBe(true);
        expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
        return t.store.tally();
      },
    };
    const { code } = await loadRecords(authority, 2, [planOf(2)], { store });
    expect(code).toBe('CPF02');
    await worker.look();
    expect(worker.state).toMatchObject({ opened: true, problem: false });
  });
});

describe('a load that cannot be continued', () => {
  const damage: [string, (journal: string) => void][] = [
    ['is gone', (journal) => rmSync(journal, { recursive: true })],
    [
      'cannot be read',
      (journal) => {
        for (const name of readdirSync(journal)) {
          if (name !== 'lock') writeFileSync(join(journal, name), 'damaged');
        }
      },
    ],
  ];

  test.each(damage)(
    'because its journal %s leaves other answers alone, is named, and its file can be loaded again',
    async (_, spoil) => {
      const [authority, other] = [newAuthority(), newAuthority()];
      await loadRecords(authority, 1);
      await loadRecords(other, 1);
      const again = [planOf(2), planOf(3)];
      await expect(loadRecords(authority, 2, again, endingAt(t, 'finishFile'))).rejects.toThrow(
        /will be resumed/,
      );
      spoil(t.anchor.loadInProgress(authority)?.journal ?? '');
      await t.admin.del(keys.open);
      const worker = await startWorker();
      await until(() => worker.state.problem, 'the load to be missed');
      expect(worker.state.opened).toBe(true);
      expect(worker.state.detail).toContain(authority);
      expect(worker.state.detail).toContain('Load that file again');
      expect(await t.store.authority(authority)).toMatchObject({ reconciled: false });
      expect(await t.store.authority(other)).toMatchObject({ reconciled: true });

      expect((await loadRecords(other, 2, [planOf(2)])).code).toBe('CPF02');
      expect((await loadRecords(authority, 2, again)).code).toBe('CPF02');
      expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
      expect(await rowsOf(authority, 1, 2, 3)).toHaveLength(3);
      await expectWhole(authority);
      // An attempt to continue it that is still under way may be counted once more.
      await until(async () => {
        await worker.look();
        return !worker.state.problem;
      }, 'the load to be no longer missed');
      expect(worker.state.opened).toBe(true);
    },
  );

  test('keeps its authority from restarting its numbering, after which only a full refresh would help, until somebody accepts that', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    await expect(loadRecords(authority, 2, [planOf(2)], endingAt(t, 'applyRows'))).rejects.toThrow(
      /will be resumed/,
    );
    rmSync(t.anchor.loadInProgress(authority)?.journal ?? '', { recursive: true });

    const named = { by: 'A. Example', reason: 'new case system' };
    await expect(resetSequence(t.store, t.anchor, authority, named)).rejects.toThrow(
      /File 2 .*only a full refresh.*--full-refresh-follows.*Nothing was changed/,
    );
    const resets = async () => (await events()).filter(({ type }) => type === 'sequence-reset');
    expect(await resets()).toEqual([]);

    const accepted = { ...named, fullRefreshFollows: true };
    expect(await resetSequence(t.store, t.anchor, authority, accepted)).toEqual({
      highest: 1,
      missing: [2],
    });
    expect(await resets()).toMatchObject([{ detail: { authority, missing: '2' } }]);
    const worker = await startWorker();
    await until(() => worker.state.problem, 'the file to be missed');
    expect(worker.state.detail).toContain('Only a full refresh');
    expect(worker.state.detail).not.toContain('Load that file again');
  });
});
