import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { listHeldFiles } from '#loaders/upkeep/held-files.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { Store } from '#store/store.ts';
import { endingAt } from '../../support/cut-short.ts';
import { day, testNumber } from '../../support/rows.ts';
import { startLoading } from '../../support/upload-loading.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

const { t, l, newAuthority, rowsOf, expectWhole, expectOpensAgain } = await startLoading();

const file = (authority: OdsCode, sequence: number, children: readonly number[]) =>
  fileXml(upload({ authority, sequence, records: children.map((n) => planOf(n)) }));

/** Ends in the middle of a file, loses its journal, and lets the worker discover that. */
async function giveUp(
  authority: OdsCode,
  bytes: Buffer | string,
  step: Partial<Store>,
  anchor = t.anchor,
) {
  const store = { ...t.store, ...step };
  await expect(l.load(bytes, { store, anchor })).rejects.toThrow(LoadFailed);
  rmSync(t.anchor.loadInProgress(authority)?.journal ?? '', { recursive: true });
  return resumeLoad(t.store, t.anchor, { authority });
}

/** Applies one row and then ends. */
const partly: Pick<Store, 'applyRows'> = {
  async applyRows(lock, rows, options) {
    await t.store.applyRows(lock, rows.slice(0, 1), options);
    throw new Error('the process ended here');
  },
};

test('each of several abandoned files counts as missing until it comes again', async () => {
  const authority = newAuthority();
  await l.load(file(authority, 1, [1]));
  await giveUp(authority, file(authority, 2, [2, 3]), partly);
  await giveUp(authority, file(authority, 3, [4, 5]), partly);
  const isUpToDate = async () => (await t.store.authority(authority))?.reconciled;
  expect((await l.load(file(authority, 3, [4, 5]))).code).toBe('CPF02');
  expect(await rowsOf(authority, 3)).toEqual([]);
  expect(await isUpToDate()).toBe(false);
  expect((await l.load(file(authority, 2, [2, 3]))).code).toBe('CPF02');
  expect(await isUpToDate()).toBe(true);
  await expectWhole(authority);
});

test('rows held from an earlier file are not mistaken for those of a corrected file with the same number', async () => {
  const authority = newAuthority();
  const children = [1, 2, 3, 4, 5, 6];
  await l.load(file(authority, 1, children));
  const deletions = children.map((n) => planOf(n, { deleteDate: day('2026-11-01') }));
  const wrong = upload({ authority, sequence: 2, records: [...deletions, planOf(11)] });
  expect((await l.load(fileXml(wrong))).held?.rows).toBe(6);
  const corrected = file(authority, 2, [11, 12, 13]);
  expect(await giveUp(authority, corrected, partly)).toMatchObject({ kind: 'behind' });
  expect(listHeldFiles(t.anchor).filter((held) => held.authority === authority)).toEqual([]);
  expect(await t.store.authority(authority)).toMatchObject({ reconciled: false });
  expect((await l.load(corrected)).code).toBe('CPF02');
  expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
  expect(await rowsOf(authority, 13)).toHaveLength(1);
  await expectWhole(authority);
});

test('a first file that ended before its council was known does not close the store', async () => {
  const authority = newAuthority();
  const first = file(authority, 1, [1]);
  const unknown: Pick<Store, 'setAuthority'> = {
    setAuthority: () => Promise.reject(new Error('the process ended here')),
  };
  expect(await giveUp(authority, first, unknown)).toMatchObject({ kind: 'behind' });
  expect(t.anchor.authority(authority)).toBeUndefined();
  await expectOpensAgain();
  expect((await l.load(first)).code).toBe('CPF02');
  expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
  expect((await t.store.readRows([testNumber(1)])).size).toBe(1);
  await expectWhole(authority);
});

test('a file that was done and differs is not called cut short, and is not asked for again', async () => {
  const authority = newAuthority();
  await l.load(file(authority, 1, [1]));
  const differing: Pick<Store, 'applyRows'> = {
    async applyRows(lock, rows, options) {
      await t.store.applyRows(lock, rows.slice(0, 1), options);
      return rows.map(() => 'added');
    },
  };
  const { anchor } = endingAt(t, 'commitLoad');
  const bytes = file(authority, 2, [2, 3]);
  const { kind, ...rest } = await giveUp(authority, bytes, differing, anchor);
  expect(kind).toBe('behind');
  const why = 'why' in rest ? rest.why : '';
  expect(why).toContain('Only a full refresh');
  expect(why).not.toContain('journal is gone');
});
