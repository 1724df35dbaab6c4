import { describe, expect, test } from 'vitest';
import { MayBeDone } from '#loaders/load-failed.ts';
import { removeAuthority } from '#loaders/upkeep/remove-authority.ts';
import { unreplicatedAt } from '../../support/cut-short.ts';
import { startLoading } from '../../support/upload-loading.ts';

const { t, newAuthority, loadRecords, events } = await startLoading();

describe('an authority added by mistake', () => {
  const WHO = { by: 'A. Example', reason: 'mistyped' };
  const details = { name: 'Example Council', emergencyDutyTeamPhone: '02079460199' };

  test('can be removed from the directory, which is audited, and added again', async () => {
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
    expect((await loadRecords(authority, 1)).code).toBe('CPF02');
  });

  test('is never said to be unchanged if the store failed while it was being removed', async () => {
    const authority = newAuthority();
    await t.store.setAuthority(authority, details, 'test');
    const failing = unreplicatedAt(t.adminStore, 'removeAuthority');
    const error: unknown = await removeAuthority(failing, t.anchor, authority, WHO).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(MayBeDone);
    expect(String(error)).toMatch(/may have been removed/);
    expect(String(error)).not.toMatch(/nothing was changed/i);
  });

  test('is not removed by a process that has only a loader’s rights, and no removal is on record', async () => {
    const authority = newAuthority();
    await t.store.setAuthority(authority, details, 'test');
    await expect(removeAuthority(t.store, t.anchor, authority, WHO)).rejects.toThrow(
      /^Nothing was changed: .* too few rights for this/,
    );
    const removed = (await events()).filter(
      (event) => event.type === 'authority-removed' && event.detail['authority'] === authority,
    );
    expect(removed).toEqual([]);
    expect((await t.store.authorities()).map(({ code }) => code)).toContain(authority);
  });

  test('cannot be removed once it has loaded a file', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    await expect(removeAuthority(t.adminStore, t.anchor, authority, WHO)).rejects.toThrow(
      /so it cannot be removed/,
    );
    expect((await t.store.authorities()).map(({ code }) => code)).toContain(authority);
  });
});
