import { expect, test } from 'vitest';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { purge } from '#loaders/upkeep/purge.ts';
import { setRestriction } from '#loaders/upkeep/restrict.ts';
import { withdrawUrgently } from '#loaders/upkeep/withdraw.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { keys } from '#store/keys.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { endingAt } from '../../support/cut-short.ts';
import { day, testNumber } from '../../support/rows.ts';
import { startLoading } from '../../support/upload-loading.ts';
import { planOf, RECEIVED_AT } from '../../support/upload-model.ts';

/** A process that sleeps for longer than its lock lasts, between its last change to Redis and the anchor. */

const { t, newAuthority, loadRecords, expectWhole, expectOpensAgain } = await startLoading();

const by = { name: 'Ada Officer', key: 'council ada', now: () => RECEIVED_AT };
const why = 'the father works there';

/** The anchor, until whose end of a load another process begins the next file and is killed. */
function heldUp(authority: OdsCode, meanwhile: () => Promise<unknown>): Anchor {
  let isFirst = true;
  return new Proxy(t.anchor, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'commitLoad') return value.bind(target) as unknown;
      return async (...given: unknown[]) => {
        if (isFirst && JSON.stringify(given).includes(authority)) {
          isFirst = false;
          await t.admin.del(keys.lock(authority));
          await meanwhile();
        }
        await (Reflect.apply(value, target, given) as Promise<void>);
      };
    },
  });
}

const ACTS: [string, (authority: OdsCode, anchor: Anchor) => Promise<unknown>][] = [
  [
    'a protection',
    (authority, anchor) =>
      setRestriction(
        t.store,
        anchor,
        authority,
        { nhsNumber: testNumber(1), kind: 'whereabouts' },
        why,
        by,
      ),
  ],
  [
    'an urgent withdrawal',
    (authority, anchor) =>
      withdrawUrgently(
        t.store,
        anchor,
        authority,
        {
          nhsNumber: testNumber(1),
          type: 'child-protection-plan',
          startDate: day('2026-09-14'),
        },
        why,
        by,
      ),
  ],
  [
    'a purge',
    (_, anchor) =>
      purge(t.store, anchor, { by: 'test', now: () => RECEIVED_AT + 500 * 86_400_000 }),
  ],
];

test.each(ACTS)(
  '%s that was held up until its lock had expired does not end the load that another has begun since',
  async (_, act) => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(1), planOf(2, { endDate: day('2026-11-20') })]);
    const anchor = heldUp(authority, () =>
      expect(
        loadRecords(authority, 3, [planOf(4)], { store: endingAt(t, 'applyRows').store }),
      ).rejects.toThrow(LoadFailed),
    );
    await act(authority, anchor).catch((error: unknown) => {
      expect(error).toBeInstanceOf(LoadFailed);
    });
    const load = t.anchor.loadInProgress(authority);
    expect(load).toMatchObject({ sequence: 3 });
    if (load !== undefined)
      expect(await resumeLoad(t.store, t.anchor, load)).toMatchObject({ kind: 'resumed' });
    await expectWhole(authority);
    await expectOpensAgain();
  },
);
