import { afterAll, beforeAll, expect, test } from 'vitest';
import { keys } from '#store/keys.ts';
import { createSessionEndings, type SessionEndings } from '#store/session-endings.ts';
import { startTestStore, type TestStore, until } from '../support/test-store.ts';

const KEEP_MS = 12 * 3_600_000;
const YEARS_MS = 10 * 365 * 86_400_000;

let store: TestStore;
beforeAll(async () => {
  store = await startTestStore();
});
afterAll(() => store?.stop());

/** Two processes, both of which have read what there was. */
async function processes(): Promise<[SessionEndings, SessionEndings]> {
  const one = createSessionEndings(await store.connect('lookup'), KEEP_MS);
  const two = createSessionEndings(await store.connect('lookup'), KEEP_MS);
  await until(() => one.current && two.current);
  return [one, two];
}

test('an entry from the future hides no later sign-out, and is put right', async () => {
  await store.admin.zadd(keys.ended, Date.now() + YEARS_MS, 'from-a-clock-gone-wrong');
  const [one, two] = await processes();
  await one.endSession('x');
  await until(() => two.hasEnded({ of: 'session', id: 'x' }, 0));
  await until(async () => {
    const score = Number(await store.admin.zscore(keys.ended, 'from-a-clock-gone-wrong'));
    return score < Date.now() + 60_000;
  });
  one.stop();
  two.stop();
});

test('a session and a provider’s session once ended are ended for ever, whenever they began', async () => {
  const [one, two] = await processes();
  const later = Date.now() + 4_000;
  await one.endSession('y');
  const ofProvider = { of: 'provider-session', issuer: 'i', sid: 's' } as const;
  await one.endByToken('a', [ofProvider]);
  await until(() => two.hasEnded({ of: 'session', id: 'y' }, later));
  expect(one.hasEnded({ of: 'session', id: 'y' }, later)).toBe(true);
  await until(() => two.hasEnded(ofProvider, later));
  one.stop();
  two.stop();
});

test('a token ends what it names once, and nothing that began after it', async () => {
  const [one, two] = await processes();
  const ofPerson = { of: 'subject', issuer: 'i', subject: 'p' } as const;
  const before = one.now();
  expect(await one.endByToken('b', [ofPerson])).toBe(true);
  expect(one.hasEnded(ofPerson, before)).toBe(true);
  const [seconds] = await store.admin.time();
  const after = (Number(seconds) + 1) * 1_000;
  expect(await two.endByToken('b', [ofPerson])).toBe(false);
  expect(two.hasEnded(ofPerson, after)).toBe(false);
  one.stop();
  two.stop();
});
