import { expect, test } from 'vitest';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed, MayBeDone } from '#loaders/load-failed.ts';
import { confirmPlans } from '#loaders/upkeep/confirm-plans.ts';
import { discardHeldFile, listHeldFiles, releaseHeldFile } from '#loaders/upkeep/held-files.ts';
import { resetSequence } from '#loaders/upkeep/reset-sequence.ts';
import { withdrawUrgently } from '#loaders/upkeep/withdraw.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { endingAt } from '../../support/cut-short.ts';
import { day, testNumber } from '../../support/rows.ts';
import { startLoading } from '../../support/upload-loading.ts';
import { type ModelRecord, planOf, RECEIVED_AT } from '../../support/upload-model.ts';

const { t, newAuthority, loadRecords } = await startLoading();

const WHO = { by: 'A. Example', reason: 'confirmed by telephone', now: () => RECEIVED_AT };
const children = (count: number, differing = {}): ModelRecord[] =>
  Array.from({ length: count }, (_, i) => planOf(i + 1, differing));

type Place = Pick<typeof t, 'store' | 'anchor'>;
const load = (authority: OdsCode, place: Parameters<typeof loadRecords>[3]) =>
  loadRecords(authority, 3, [planOf(12)], place);
const held = (authority: OdsCode): string =>
  listHeldFiles(t.anchor).find((heldFile) => heldFile.authority === authority)?.id ?? '';
const withdraw = (authority: OdsCode, { store, anchor }: Place) =>
  withdrawUrgently(
    store,
    anchor,
    authority,
    { nhsNumber: testNumber(8), type: 'child-protection-plan', startDate: day('2026-09-14') },
    'entered for the wrong child',
    { name: 'Ada Officer', key: 'council ada', now: WHO.now },
  );

const ACTS: Record<string, (authority: OdsCode, place: Place) => Promise<unknown>> = {
  load,
  withdrawal: withdraw,
  release: (authority, { store, anchor }) => releaseHeldFile(store, anchor, held(authority), WHO),
  discard: (authority, { store, anchor }) => discardHeldFile(store, anchor, held(authority), WHO),
  'new numbering': (authority, { store, anchor }) => resetSequence(store, anchor, authority, WHO),
  'confirmation of plans': (authority, { store, anchor }) =>
    confirmPlans(store, anchor, authority, { ...WHO, fullRefresh: 3 }),
};
const OF_A_DECISION = ['release', 'discard', 'new numbering', 'confirmation of plans'];

/** A council with a held file, whose load or act was cut short once it was done, before the anchor knew. */
async function cutShort(begin: (typeof ACTS)[string]): Promise<OdsCode> {
  const authority = newAuthority();
  await loadRecords(authority, 1, children(10));
  await loadRecords(authority, 2, [...children(6, { endDate: day('2026-11-20') }), planOf(11)]);
  await expect(begin(authority, endingAt(t, 'commitLoad'))).rejects.toThrow(LoadFailed);
  expect(t.anchor.loadInProgress(authority)).toBeDefined();
  return authority;
}

test.each(Object.entries(ACTS))(
  'a %s that finishes what was cut short before is never said to have changed nothing',
  async (what, act) => {
    const authority = await cutShort(what === 'withdrawal' ? withdraw : load);
    const error: unknown = await act(authority, endingAt(t, 'commitLoad')).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(OF_A_DECISION.includes(what) ? MayBeDone : LoadFailed);
    expect(String(error)).not.toMatch(/nothing was changed/i);
  },
);

test('a repeated load that is told to stop while it finishes the first is never said to have changed nothing', async () => {
  const authority = await cutShort(load);
  const stop = new AbortController();
  const store = {
    ...t.store,
    safeguard() {
      stop.abort();
      return t.store.safeguard();
    },
  };
  const loading = load(authority, { store, stopped: stop.signal });
  await expect(loading).rejects.toThrow(/may have been loaded.*told to stop/);
  expect(await load(authority, {})).toMatchObject({ code: 'CPF02' });
});

test('a load that is told to stop after it finished another is never said to have changed nothing', async () => {
  const authority = await cutShort(load);
  const stop = new AbortController();
  const store = {
    ...t.store,
    finishFile(...args: Parameters<typeof t.store.finishFile>) {
      stop.abort();
      return t.store.finishFile(...args);
    },
  };
  const next = (place: Parameters<typeof loadRecords>[3]) =>
    loadRecords(authority, 4, [planOf(13)], place);
  const loading = next({ store, stopped: stop.signal });
  await expect(loading).rejects.toThrow(LOAD_FAILED.stoppedAfterEarlier);
  expect(t.anchor.loadInProgress(authority)).toBeUndefined();
  expect(await next({})).toMatchObject({ code: 'CPF02' });
});

test('a load that is not resumed because the process was told to stop is never said to have changed nothing', async () => {
  const authority = await cutShort(load);
  const resuming = resumeLoad(t.store, t.anchor, { authority }, { stopped: AbortSignal.abort() });
  await expect(resuming).rejects.toThrow(LOAD_FAILED.willResume(LOAD_FAILED.stoppedMidway));
});
