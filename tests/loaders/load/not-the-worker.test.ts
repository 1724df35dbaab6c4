import { expect, test } from 'vitest';
import { confirmPlans } from '#loaders/upkeep/confirm-plans.ts';
import { discardHeldFile, listHeldFiles, releaseHeldFile } from '#loaders/upkeep/held-files.ts';
import { purge } from '#loaders/upkeep/purge.ts';
import { removeAuthority } from '#loaders/upkeep/remove-authority.ts';
import { resetSequence } from '#loaders/upkeep/reset-sequence.ts';
import { setRestriction } from '#loaders/upkeep/restrict.ts';
import { askWithdrawal } from '#loaders/upkeep/withdraw.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { Store } from '#store/store.ts';
import { day, testNumber } from '../../support/rows.ts';
import { metadata, startLoading } from '../../support/upload-loading.ts';
import { fileCsv, person, planOf, RECEIVED_AT } from '../../support/upload-model.ts';

/** The folder of a worker that another one has replaced knows less than what was acknowledged since. */

const { t, l, newAuthority, loadRecords, everything } = await startLoading();

/** Everything except how often a lock was taken. */
async function held(): Promise<unknown> {
  const all = Object.entries(await everything());
  return Object.fromEntries(all.filter(([name]) => !name.endsWith(':fence')));
}

const CHILDREN = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const REPLACED = 'Another worker has taken over';
const replaced: Store = { ...t.store, safeguard: () => Promise.reject(new Error(REPLACED)) };
const now = () => RECEIVED_AT;
const named = { by: 'A. Example', reason: 'asked by the council' };
const acting = { name: 'Ada Officer', key: 'council ada', now };

/** A full refresh with one refused record. */
function loadFull(authority: OdsCode, sequence: number) {
  const wrong = { ...planOf(11), child: person(11, { nhsNumber: '9990000000' }) };
  const records = [...CHILDREN.map((n) => planOf(n)), wrong];
  return l.load(fileCsv({ records }), {
    metadata: metadata(records.length, { authority, sequence, full: true }),
  });
}
const removals = (store: Store, authority: OdsCode) =>
  loadRecords(
    authority,
    2,
    CHILDREN.slice(0, 6).map((n) => planOf(n, { endDate: day('2026-11-20') })),
    { store },
  );
const loaded = (authority: OdsCode) =>
  loadRecords(
    authority,
    1,
    CHILDREN.map((n) => planOf(n)),
  );
const withHeld = async (authority: OdsCode) => {
  await loaded(authority);
  await removals(t.store, authority);
};
function heldOf(authority: OdsCode): string {
  const found = listHeldFiles(t.anchor).find((each) => each.authority === authority);
  if (found === undefined) throw new Error('nothing is held');
  return found.id;
}

const ACTS: [
  string,
  (authority: OdsCode) => Promise<unknown>,
  (authority: OdsCode) => Promise<unknown>,
][] = [
  ['a file that would be held', loaded, (authority) => removals(replaced, authority)],
  [
    'a release',
    withHeld,
    (authority) => releaseHeldFile(replaced, t.anchor, heldOf(authority), named),
  ],
  [
    'a discard',
    withHeld,
    (authority) => discardHeldFile(replaced, t.anchor, heldOf(authority), named),
  ],
  ['a new numbering', loaded, (authority) => resetSequence(replaced, t.anchor, authority, named)],
  [
    'a confirmation that no plan is missing',
    async (authority) => {
      await loaded(authority);
      t.anchor.changeMissingFiles(authority, t.anchor.authority(authority), () => [
        { sequence: 1, number: 1, fullOnly: 'difference' },
      ]);
      await loadFull(authority, 3);
    },
    (authority) => confirmPlans(replaced, t.anchor, authority, { ...named, fullRefresh: 3 }),
  ],
  [
    'a removal from the directory',
    (authority) =>
      t.store.setAuthority(authority, { name: 'X', emergencyDutyTeamPhone: '02079460199' }, 'test'),
    (authority) => removeAuthority(replaced, t.anchor, authority, named),
  ],
  [
    'a request to withdraw a plan',
    loaded,
    (authority) => {
      const plan = {
        nhsNumber: testNumber(1),
        type: 'child-protection-plan',
        startDate: day('2026-09-14'),
      } as const;
      return askWithdrawal(replaced, t.anchor, authority, plan, 'wrong child', acting);
    },
  ],
  [
    'a protection',
    loaded,
    (authority) =>
      setRestriction(
        replaced,
        t.anchor,
        authority,
        { nhsNumber: testNumber(1), kind: 'whereabouts' },
        'why',
        acting,
      ),
  ],
  [
    'a purge',
    (authority) => loadRecords(authority, 1, [planOf(1, { endDate: day('2026-11-20') })]),
    () => purge(replaced, t.anchor, { by: 'test', now: () => RECEIVED_AT + 500 * 86_400_000 }),
  ],
];

test.each(ACTS)(
  '%s changes nothing in the folder of a replaced worker or in Redis, and says so',
  async (_, prepare, act) => {
    const authority = newAuthority();
    await prepare(authority);
    const before = await held();
    await expect(act(authority)).rejects.toThrow(REPLACED);
    expect(await held()).toEqual(before);
  },
);
