import { Readable } from 'node:stream';
import { afterEach, expect, test, vi } from 'vitest';
import { differFile } from '#loaders/load/load.ts';
import { listHeldFiles, releaseHeldFile } from '#loaders/upkeep/held-files.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { day } from '../../support/rows.ts';
import { startLoading } from '../../support/upload-loading.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

const { t, l, newAuthority, loadRecords, rowsOf, everything } = await startLoading();

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** How far the clock of a loading machine is wrong. Two years ahead, somebody of 16 seems to be an adult. */
const WRONG = [
  ['two years ahead', 730 * DAY_MS],
  ['ten minutes ahead', 10 * MINUTE_MS],
  ['two months behind', -60 * DAY_MS],
] as const;

function turnClock(byMs: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + byMs });
}
afterEach(() => {
  vi.useRealTimers();
});

const now = (): number => Date.now();
const refusal = /clocks of this machine and of Redis are .* apart/;

test.each(WRONG)(
  'a machine whose clock is %s loads nothing, and the same file is loaded once it is right',
  async (_, byMs) => {
    const authority = newAuthority();
    const before = await everything();
    turnClock(byMs);
    await expect(loadRecords(authority, 1, [planOf(1)], { now })).rejects.toThrow(refusal);
    vi.useRealTimers();
    expect(await everything()).toEqual(before);
    expect(await loadRecords(authority, 1, [planOf(1)], { now })).toMatchObject({ code: 'CPF02' });
    expect(await rowsOf(authority, 1)).toHaveLength(1);
  },
);

test('a clock that goes wrong while a file is read does not decide on its records', async () => {
  const authority = newAuthority();
  const lockAuthority = async (code: OdsCode) => {
    turnClock(730 * DAY_MS);
    return t.store.lockAuthority(code);
  };
  const store = { ...t.store, lockAuthority };
  await expect(loadRecords(authority, 1, [planOf(1)], { now, store })).rejects.toThrow(refusal);
  vi.useRealTimers();
  expect(await rowsOf(authority, 1)).toEqual([]);
});

test('a preview by a wrong clock shows no difference', async () => {
  const authority = newAuthority();
  turnClock(730 * DAY_MS);
  const source = { name: 'upload', stream: Readable.from([fileXml(upload({ authority }))]) };
  const options = { spoolDir: l.spoolDir, addAuthority: true, by: 'test' };
  await expect(differFile(t.store, t.anchor, source, options)).rejects.toThrow(refusal);
});

test('a held file is not released by a wrong clock, and is released once it is right', async () => {
  const authority = newAuthority();
  const people = Array.from({ length: 10 }, (_, i) => i + 1);
  await loadRecords(
    authority,
    1,
    people.map((one) => planOf(one)),
  );
  const ended = people.slice(0, 6).map((one) => planOf(one, { endDate: day('2026-11-20') }));
  await loadRecords(authority, 2, ended);
  const { id } = listHeldFiles(t.anchor).find((held) => held.authority === authority) ?? { id: '' };
  const decision = { by: 'A. Example', reason: 'confirmed by telephone' };
  turnClock(730 * DAY_MS);
  await expect(releaseHeldFile(t.store, t.anchor, id, decision)).rejects.toThrow(refusal);
  vi.useRealTimers();
  expect(await releaseHeldFile(t.store, t.anchor, id, decision)).toMatchObject({ code: 'CPF02' });
});
