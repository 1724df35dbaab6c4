import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import { STORE } from '#schemas/wording/store.ts';
import { knownField } from '#store/authorities/dataset.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { LockLost } from '#store/errors.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { keys } from '#store/keys.ts';
import { createStore, type Store } from '#store/store.ts';
import { startTestStore, type TestStore, WAIT_MS } from '../support/test-store.ts';

type Redis = Awaited<ReturnType<TestStore['connect']>>;

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
  // They take turns in no order, and none may wait for longer than a person would.
  await Promise.all(
    stores.flatMap((store, i) =>
      Array.from({ length: 2 }, (_, j) =>
        store.setAuthority(code, { emergencyDutyTeamPhone: `020794601${10 + 2 * i + j}` }, NAMED),
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

/** A store that is held up, longer than its lease lasts, just before it writes something, while others work. */
function heldUpBefore(redis: Redis, written: string, others: () => Promise<unknown>): Store {
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (command, stream) => {
    const { name, args } = command as unknown as { name: string; args: unknown[] };
    const isFunction = name === 'fcall' && args[0] !== FUNCTIONS.appendEvent;
    const writes = ['hset', 'hdel'].includes(name) || isFunction;
    return writes && JSON.stringify(args).includes(written)
      ? t.admin
          .del(keys.settingsLock)
          .then(others)
          .then(() => send(command, stream))
      : send(command, stream);
  };
  return createStore(redis, t.anchor);
}

test('a change that is held up for longer than its lease never replaces one that was made meanwhile', async () => {
  const code = ods('V104');
  await t.store.setAuthority(code, DETAILS, 'test');
  const [old, corrected] = ['02079460171', '02079460172'];
  const late = heldUpBefore(await t.connect('loader'), old, () =>
    t.store.setAuthority(code, { emergencyDutyTeamPhone: corrected }, NAMED),
  );
  const done = late.setAuthority(code, { emergencyDutyTeamPhone: old }, NAMED);
  await expect(done).rejects.toThrow(STORE.settingsOvertaken);
  expect((await t.store.authority(code))?.emergencyDutyTeamPhone).toBe(corrected);
});

test('a list of expected authorities that is held up for longer than its lease never replaces a newer one', async () => {
  const list = (area: string): ExpectedAuthorities => ({
    area,
    kind: 'pilot',
    authorities: [{ code: ods('V101'), name: 'One' }],
  });
  const late = heldUpBefore(await t.connect('loader'), 'Earlier', () =>
    t.store.setExpected(list('Later'), NAMED),
  );
  await expect(late.setExpected(list('Earlier'), NAMED)).rejects.toThrow(STORE.settingsOvertaken);
  expect(await t.store.expected()).toEqual(list('Later'));
});

test('a removal that is held up for longer than its lease never removes an authority that was changed meanwhile', async () => {
  const code = ods('V106');
  await t.store.setAuthority(code, DETAILS, 'test');
  const late = heldUpBefore(await t.connect('admin'), knownField(code), () =>
    t.store.setAuthority(code, { emergencyDutyTeamPhone: '02079460173' }, NAMED),
  );
  const lock = await late.lockAuthority(code);
  if (lock === undefined) throw new Error('the authority is locked');
  await expect(late.removeAuthority(lock, NAMED)).rejects.toThrow(STORE.settingsOvertaken);
  const kept = (await t.store.authorities()).find((each) => each.code === code);
  expect(kept?.emergencyDutyTeamPhone).toBe('02079460173');
  await lock.release();
});

test('a change that is refused, or comes too late, leaves nothing behind', async () => {
  const code = ods('V108');
  const before = await t.admin.hkeys(keys.dataset);
  await expect(t.store.setAuthority(code, { name: 'Without a number' }, NAMED)).rejects.toThrow(
    'needs a name',
  );
  const isAsShown = () => Promise.resolve(false);
  expect(await t.store.setAuthority(code, DETAILS, NAMED, isAsShown)).toBe('overtaken');
  expect(await t.admin.exists(keys.authority(code))).toBe(0);
  expect(await t.admin.hkeys(keys.dataset)).toEqual(before);
});

test('a change of the directory by a user with too few rights is not on record', async () => {
  const acl = readFileSync(new URL('../../store/acl/loader.acl', import.meta.url), 'utf8');
  const rules = acl
    .replace(
      '(+fcall +hgetall +hget +hset +hexists ~cpf:dataset)',
      '(+hgetall +hget +hset +hexists ~cpf:dataset)',
    )
    .replace('#PASSWORD_SHA256', '>x');
  expect(rules).not.toMatch(/fcall[^)]*cpf:dataset/);
  const [, , ...user] = rules.trim().split(' ');
  await t.admin.call('ACL', 'SETUSER', 'few', ...user);
  const few = connectStore(
    { socketPath: t.server.socketPath, username: 'few', password: 'x' },
    { name: 'test', commandTimeoutMs: WAIT_MS },
  );
  try {
    await whenReady(few, WAIT_MS);
    const store = createStore(few, t.anchor);
    const before = await t.adminStore.readEvents('system');
    await expect(store.setAuthority(ods('V107'), DETAILS, NAMED)).rejects.toThrow(/permission/i);
    const list: ExpectedAuthorities = {
      area: 'Testshire',
      kind: 'pilot',
      authorities: [{ code: ods('V107'), name: 'Test' }],
    };
    await expect(store.setExpected(list, NAMED)).rejects.toThrow(/permission/i);
    expect(await t.adminStore.readEvents('system')).toEqual(before);
  } finally {
    few.disconnect();
  }
});

test('an authority that another loader has locked meanwhile is not removed', async () => {
  const code = ods('V105');
  await t.store.setAuthority(code, DETAILS, 'test');
  const lock = await t.adminStore.lockAuthority(code);
  if (lock === undefined) throw new Error('the authority is locked');
  await t.admin.del(keys.lock(code));
  const other = await t.store.lockAuthority(code);
  await expect(t.adminStore.removeAuthority(lock, NAMED)).rejects.toThrow(LockLost);
  expect((await t.store.authorities()).map((each) => each.code)).toContain(code);
  await other?.release();
});
