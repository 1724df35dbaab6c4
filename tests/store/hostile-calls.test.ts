import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { partitionOf } from '#schemas/nhs-number.ts';
import { STORE } from '#schemas/wording/store.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { keys } from '#store/keys.ts';
import { watchStore } from '#store/trust/readiness.ts';
import { lookupEvent } from '../support/lookup-event.ts';
import { testNumber, testRow } from '../support/rows.ts';
import { startTestStore, type TestStore, until } from '../support/test-store.ts';

/** Anybody with a lookup process's password can call functions with any arguments. No call may run for ever. */

const FLAGGED = testNumber(801);
const NOT_FLAGGED = testNumber(802);

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  const lock = await t.store.lockAuthority('ZZ101' as Parameters<typeof t.store.lockAuthority>[0]);
  if (lock === undefined) throw new Error('the authority is locked');
  await t.store.applyRows(lock, [testRow(FLAGGED)]);
  await lock.release();
});
afterAll(() => t.stop());

const keysOf = (number: typeof FLAGGED): string[] => {
  const partition = partitionOf(number);
  return [keys.children, keys.accessLists, keys.audit, keys.notInUse].map((of) => of(partition));
};

const element = (number: typeof FLAGGED): (string | number)[] => {
  const [auditId, who] = [randomUUID(), { name: 'A B', role: 'Nurse' }];
  const organisation = { code: 'ZZH01', name: 'H' };
  const entry = JSON.stringify({ ...who, organisation });
  const event = lookupEvent(number, auditId);
  return [number, auditId, event, 0, '', 'unscheduled', '1', '1', 'somebody', entry, 0];
};

test.each([-1, 0, 'nan', '-inf', 'inf', 1e15, 101, ''])(
  'a lookup that would list %s accesses ends, and answers nothing',
  async (most) => {
    const attacker = await t.connect('lookup');
    const dataset = (await attacker.hget(keys.dataset, 'id')) ?? '';
    const all = [...keysOf(NOT_FLAGGED), ...keysOf(FLAGGED)];
    const times = [Date.now(), 5_000, 86_400_000, most];
    const elements = [...element(NOT_FLAGGED), ...element(FLAGGED)];
    const reply = await attacker.call(
      'fcall',
      FUNCTIONS.lookup,
      all.length,
      ...all,
      dataset,
      ...times,
      ...elements,
    );
    expect(reply).toMatchObject([
      expect.anything(),
      ['could-not-check', expect.anything(), NOT_FLAGGED, 'corrupt'],
      ['could-not-check', expect.anything(), FLAGGED, 'corrupt'],
    ]);
  },
);

test.each([
  ['1000000000', '0'],
  ['1', '1e18'],
  ['1', 'inf'],
  ['1', 'nan'],
  ['1', '50001'],
])(
  'a call that would read %s endings of sessions, or %s if there are more, is refused and removes none',
  async (most, ofMore) => {
    const attacker = await t.connect('lookup');
    await attacker.zadd(keys.ended, 1, 'one', 2, 'two', 3, 'three');
    const read = attacker.call(
      'fcall',
      FUNCTIONS.readEndings,
      1,
      keys.ended,
      '-inf',
      '+inf',
      most,
      ofMore,
    );
    await expect(read).rejects.toThrow('too many endings');
    expect(await attacker.zrangebyscore(keys.ended, '-inf', '+inf')).toHaveLength(3);
  },
);

test('no function that a lookup process may call runs for ever, whatever its arguments', async () => {
  const attacker = await t.connect('lookup');
  const argument = fc.constantFrom('-1', '0', '1', '1e18', 'nan', 'inf', '', FLAGGED, '2', 'x');
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.values(FUNCTIONS)),
      fc.constantFrom(...[FLAGGED, NOT_FLAGGED].map(keysOf)),
      fc.array(argument, { maxLength: 16 }),
      fc.nat(4),
      async (name, all, args, count) => {
        const some = all.slice(0, count);
        await attacker.call('fcall', name, some.length, ...some, ...args).catch((error: Error) => {
          expect(error.message).not.toMatch(/^(?:BUSY|Command timed out)/);
        });
      },
    ),
    { numRuns: 300 },
  );
  expect(await t.admin.ping()).toBe('PONG');
});

test('if one command keeps Redis busy, that is given as the reason, with what to do', async () => {
  const readiness = watchStore(await t.connect('lookup'));
  await until(() => readiness.open, 'lookups to open');
  const killer = await t.connect('admin');
  const endless = t.admin.eval('while true do end', 0).catch(() => undefined);
  const said = () => readiness.checks().map(({ detail }) => detail);
  await until(() => said().includes(STORE.busy), 'the reason');
  expect(readiness.open).toBe(false);
  await killer.script('KILL');
  await endless;
  await until(() => readiness.open, 'lookups to open again');
  await readiness.stop();
});
