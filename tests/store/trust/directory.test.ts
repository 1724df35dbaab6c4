import { afterAll, beforeAll, expect, test } from 'vitest';
import { odsCodeSchema } from '#schemas/authority.ts';
import { READINESS } from '#schemas/wording/store.ts';
import { keys } from '#store/keys.ts';
import { watchStore } from '#store/trust/readiness.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../../support/test-store.ts';

const CODE = odsCodeSchema.parse('ZZ101');
let t: TestStore;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  const details = { name: 'Test Council', emergencyDutyTeamPhone: '02079460199' };
  await t.store.setAuthority(CODE, details, 'test');
});
afterAll(() => t.stop());

test.each([
  ['Redis refuses it', 'LOADING Redis is loading the dataset in memory', 'unanswered'],
  ['this user may not', 'NOPERM this user has no permissions', 'notAllowed'],
  ['the entry is no entry', 'WRONGTYPE Operation against a key holding the wrong kind', 'damaged'],
] as const)(
  'a directory that cannot be read closes lookups and says why: %s',
  async (_, refusal, why) => {
    const redis = await t.connect('lookup');
    let fault: string | undefined;
    const read = redis.hgetall.bind(redis);
    redis.hgetall = (key) =>
      key === keys.authority(CODE) && fault !== undefined
        ? Promise.reject(new Error(fault))
        : read(key);
    const readiness = watchStore(redis);
    const check = () => readiness.checks().find(({ name }) => name === 'directory');
    expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
    fault = refusal;
    await until(() => check()?.ok === false, 'the check of the directory to fail');
    expect(check()?.detail).toBe(
      why === 'damaged' ? READINESS.authorityUnreadable(CODE) : READINESS.directoryUnread[why],
    );
    fault = undefined;
    expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
    await readiness.stop();
  },
);
