import { expect, test } from 'vitest';
import { MayBeDone } from '#loaders/load-failed.ts';
import { confirmPlans } from '#loaders/upkeep/confirm-plans.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { whyLacking } from '#store/trust/lacking.ts';
import { unreplicatedAt } from '../../support/cut-short.ts';
import { testNumber } from '../../support/rows.ts';
import { metadata, startLoading } from '../../support/upload-loading.ts';
import { fileCsv, type ModelRecord, person, planOf, upload } from '../../support/upload-model.ts';

const { t, l, newAuthority, loadRecords, rowsOf, events } = await startLoading();

const isUpToDate = async (authority: OdsCode) => (await t.store.authority(authority))?.reconciled;
const confirming = { by: 'A. Example', reason: 'B. Council: none of them is ours any more' };
const confirm = (authority: OdsCode, fullRefresh = 3) =>
  confirmPlans(t.store, t.anchor, authority, { ...confirming, fullRefresh });

/** Loads every plan. The children in `refused` have an NHS number that is none. */
function loadFull(
  authority: OdsCode,
  sequence: number,
  children: readonly number[],
  refused: readonly number[] = [],
) {
  const records = children.map((n): ModelRecord => {
    const nhsNumber = refused.includes(n) ? '9990000000' : testNumber(n);
    return { ...planOf(n), child: person(n, { nhsNumber }) };
  });
  return l.load(fileCsv(upload({ authority, records })), {
    metadata: metadata(records.length, { authority, sequence, full: true }),
  });
}

/** Redis loses the first child, and the next file discovers it. */
async function lose(authority: OdsCode): Promise<void> {
  await loadRecords(authority, 1, [planOf(1), planOf(2)]);
  const lock = await t.store.lockAuthority(authority);
  const [row] = await rowsOf(authority, 1);
  if (lock === undefined || row === undefined) throw new Error('nothing can be lost');
  await t.store.removeRows(lock, [row]);
  await lock.release();
  const { warnings } = await loadRecords(authority, 2, [planOf(3)]);
  expect(warnings[0]?.hint).toContain('does not hold what it should');
  expect(await isUpToDate(authority)).toBe(false);
}

test('a full refresh whose refused record may be the plan that was lost does not make the council up to date', async () => {
  const authority = newAuthority();
  await lose(authority);
  const { code, warnings } = await loadFull(authority, 3, [1, 2, 3], [1]);
  expect(code).toBe('CPF03');
  expect(warnings[0]?.hint).toContain('still counts as not up to date');
  expect(await isUpToDate(authority)).toBe(false);
  expect(whyLacking(t.anchor, authority)).toContain('Full refresh 3');
  await loadRecords(authority, 4, [planOf(4)]);
  expect(await isUpToDate(authority)).toBe(false);
  expect((await loadFull(authority, 5, [1, 2, 3, 4])).warnings).toEqual([]);
  expect(await isUpToDate(authority)).toBe(true);
  expect(whyLacking(t.anchor, authority)).toBe('');
});

test('a named person confirms for the council that no plan is missing, once a full refresh has come', async () => {
  const authority = newAuthority();
  await expect(confirm(authority)).rejects.toThrow(/has nothing that waits to be confirmed/);
  await lose(authority);
  await expect(confirm(authority)).rejects.toThrow(/full refresh first.*Nothing was changed/);
  expect(await isUpToDate(authority)).toBe(false);
  await loadFull(authority, 3, [1, 2, 3], [1]);
  await confirm(authority);
  expect(await isUpToDate(authority)).toBe(true);
  expect((await events()).at(-1)).toMatchObject({
    type: 'plans-confirmed',
    by: confirming.by,
    detail: { authority, fullRefresh: 3, reason: confirming.reason },
  });
  await loadRecords(authority, 4, [planOf(4)]);
  expect(await isUpToDate(authority)).toBe(true);
});

test('a confirmation that may be in Redis is not said to have changed nothing, and can be made once more', async () => {
  const authority = newAuthority();
  await lose(authority);
  await loadFull(authority, 3, [1, 2, 3], [1]);
  const store = unreplicatedAt(t.store, 'changeAuthority');
  const confirmed = confirmPlans(store, t.anchor, authority, { ...confirming, fullRefresh: 3 });
  await expect(confirmed).rejects.toBeInstanceOf(MayBeDone);
  expect(whyLacking(t.anchor, authority)).toContain('Full refresh 3');
  await confirm(authority);
  expect(whyLacking(t.anchor, authority)).toBe('');
  expect(await isUpToDate(authority)).toBe(true);
});

test('what a council has said about one full refresh is not taken to be about a later one, in which other records were refused', async () => {
  const authority = newAuthority();
  await lose(authority);
  await loadFull(authority, 3, [1, 2, 3], [1]);
  await loadFull(authority, 4, [1, 2, 3, 4], [4]);
  await expect(confirm(authority)).rejects.toThrow(/full refresh 4 .*Nothing was changed/i);
  expect(await isUpToDate(authority)).toBe(false);
  expect((await events()).at(-1)?.type).not.toBe('plans-confirmed');
  await confirm(authority, 4);
  expect(await isUpToDate(authority)).toBe(true);
});

test('a difference that only the store knows about is not ended by the next file', async () => {
  const authority = newAuthority();
  await lose(authority);
  // As an earlier version left it.
  t.anchor.changeMissingFiles(authority, t.anchor.authority(authority), () => []);
  await loadRecords(authority, 3, [planOf(4)]);
  expect(await isUpToDate(authority)).toBe(false);
  expect(t.anchor.missingFiles(authority)).toMatchObject([{ fullOnly: 'difference' }]);
  await loadFull(authority, 4, [1, 2, 3, 4]);
  expect(await isUpToDate(authority)).toBe(true);
});
