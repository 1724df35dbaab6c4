import { expect, test } from 'vitest';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { LATE_FILES_DAYS, purge } from '#loaders/upkeep/purge.ts';
import { setRestriction } from '#loaders/upkeep/restrict.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { addDays } from '#schemas/calendar.ts';
import { keys } from '#store/keys.ts';
import { endingAt } from '../../support/cut-short.ts';
import { testNumber } from '../../support/rows.ts';
import { startLoading } from '../../support/upload-loading.ts';
import { planOf, RECEIVED_AT, TODAY } from '../../support/upload-model.ts';

const { t, newAuthority, loadRecords, events, expectWhole } = await startLoading();

/** An anchor whose disk has room for what begins, and none for its end. */
const { anchor: fullAtTheEnd } = endingAt(t, 'commitLoad');

const BEGINNINGS: Record<string, (authority: OdsCode) => Promise<unknown>> = {
  load: (authority) => loadRecords(authority, 2, [planOf(2)], { anchor: fullAtTheEnd }),
  async purge(authority) {
    const past = (days: number) => addDays(TODAY, -days);
    const old = RECEIVED_AT - (LATE_FILES_DAYS + 1) * 86_400_000;
    const over = planOf(9, { startDate: past(900), endDate: past(500) });
    await loadRecords(authority, 2, [over], { now: () => old });
    return purge(t.store, fullAtTheEnd, { by: 'test', now: () => RECEIVED_AT });
  },
  async 'store-repaired'(authority) {
    const { store } = endingAt(t, 'restrict');
    const what = { kind: 'whereabouts', nhsNumber: testNumber(1) } as const;
    const by = { name: 'Ada Officer', key: 'ada' };
    try {
      return await setRestriction(store, t.anchor, authority, what, 'a test', by);
    } finally {
      await t.admin.del(keys.restrictions(authority));
    }
  },
};

test.each(Object.entries(BEGINNINGS))(
  'an event is recorded once, however often the anchor cannot be written: %s',
  async (type, begin) => {
    const authority = newAuthority();
    const recorded = async () => {
      const all = (await events()).filter((event) => event.type === type);
      return all.filter((event) => JSON.stringify(event).includes(authority)).length;
    };
    const old = RECEIVED_AT - (LATE_FILES_DAYS + 1) * 86_400_000;
    await loadRecords(authority, 1, [planOf(1)], { now: () => old });
    const before = await recorded();
    await expect(begin(authority)).rejects.toThrow(LoadFailed);
    for (let i = 0; i < 3; i++) {
      const { kind } = await resumeLoad(t.store, fullAtTheEnd, { authority });
      expect(kind).toBe('behind');
    }
    await resumeLoad(t.store, t.anchor, { authority });
    expect(await recorded()).toBe(before + 1);
    await expectWhole(authority);
  },
);
