import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import { createStore, type Store } from '#store/store.ts';
import { startTestStore, type TestStore } from '../support/test-store.ts';

let t: TestStore;
let stores: Store[];
const NAMED = { by: 'A. Example', reason: 'test' };
const DETAILS = { name: 'Test Council', emergencyDutyTeamPhone: '02079460100' };
const ods = (code: string): OdsCode => odsCodeSchema.parse(code);

beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  const connections = await Promise.all([1, 2, 3, 4].map(() => t.connect('loader')));
  stores = connections.map((redis) => createStore(redis, t.anchor));
});
afterAll(() => t.stop());

const eventsOf = async (type: string) =>
  (await t.adminStore.readEvents('system')).filter((event) => event.type === type);

test('of several people who change the list of expected authorities at once, one does, and the others are told', async () => {
  const list = (name: string): ExpectedAuthorities => ({
    area: 'Testshire',
    kind: 'pilot',
    authorities: [{ code: ods('V101'), name }],
  });
  const before = await t.store.expected();
  const done = await Promise.all(
    stores.map((store, i) =>
      store.setExpected(list(`Council ${i}`), NAMED, async () =>
        isDeepStrictEqual(await store.expected(), before),
      ),
    ),
  );
  expect(done.toSorted()).toEqual(['overtaken', 'overtaken', 'overtaken', 'set']);
  expect(await t.store.expected()).toEqual(list(`Council ${done.indexOf('set')}`));
  expect(await eventsOf('authorities-expected')).toHaveLength(1);
});

test('of several people who change an authority’s own limits at once, one does, and the others are told', async () => {
  const code = ods('V102');
  await t.store.setAuthority(code, DETAILS, 'test');
  const had = (await t.store.intakeState(code)).breakers;
  const done = await Promise.all(
    stores.map((store, i) =>
      store.setAuthority(code, { breakers: { removalsStopShare: (i + 1) / 10 } }, NAMED, async () =>
        isDeepStrictEqual((await store.intakeState(code)).breakers, had),
      ),
    ),
  );
  expect(done.toSorted()).toEqual(['changed', 'overtaken', 'overtaken', 'overtaken']);
});

test('the audit has changes of a number in the order in which they counted', async () => {
  const code = ods('V103');
  await t.store.setAuthority(code, DETAILS, 'test');
  await Promise.all(
    stores.flatMap((store, i) =>
      Array.from({ length: 6 }, (_, j) =>
        store.setAuthority(code, { emergencyDutyTeamPhone: `020794601${10 + 6 * i + j}` }, NAMED),
      ),
    ),
  );
  let number = DETAILS.emergencyDutyTeamPhone;
  for (const { detail } of (await eventsOf('authority-set')) as {
    detail: Record<string, string>;
  }[]) {
    if (detail['authority'] !== code || detail['reason'] === undefined) continue;
    expect(detail['emergencyDutyTeamPhoneBefore']).toBe(number);
    number = detail['emergencyDutyTeamPhoneAfter'] ?? '';
  }
  expect((await t.store.authority(code))?.emergencyDutyTeamPhone).toBe(number);
});

test('an authority that is changed while it is removed never makes the directory unreadable', async () => {
  for (let round = 0; round < 20; round++) {
    const code = ods(`V2${10 + round}`);
    await t.store.setAuthority(code, DETAILS, 'test');
    const lock = await t.store.lockAuthority(code);
    if (lock === undefined) throw new Error('the authority is locked');
    await Promise.allSettled([
      stores[0]?.setAuthority(code, { officeHoursPhone: '02079460155' }, NAMED),
      t.adminStore.removeAuthority(lock, NAMED),
      stores[1]?.setAuthority(code, { officeHoursPhone: '02079460156' }, NAMED),
    ]);
    await t.store.authorities();
  }
});
