import { createHash, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { SESSIONS } from '#schemas/wording/operations.ts';
import { acknowledgeByReplicas, NotReplicated } from '#store/connection/acknowledged.ts';
import { keys } from '#store/keys.ts';
import { createSessionEndings, type SessionEndings } from '#store/session-endings.ts';
import { startTestStore, type TestStore, until } from '../support/test-store.ts';

const KEEP_MS = 12 * 3_600_000;
const YEARS_MS = 10 * 365 * 86_400_000;

let store: TestStore;
beforeAll(async () => {
  store = await startTestStore({ kind: 'demo' });
});
afterAll(() => store?.stop());

/** Two processes, both of which have read the endings so far. */
async function processes(): Promise<[SessionEndings, SessionEndings]> {
  const one = createSessionEndings(await store.connect('lookup'), { keepMs: KEEP_MS });
  const two = createSessionEndings(await store.connect('lookup'), { keepMs: KEEP_MS });
  await until(() => one.current && two.current);
  return [one, two];
}

test('an entry from the future hides no later sign-out, and is corrected', async () => {
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

test('endings are read while all replicas are away, so that an operator can sign in and order single mode, and nobody else is judged by them', async () => {
  const redis = await store.connect('lookup');
  acknowledgeByReplicas(redis, { replicas: 1, sentinels: undefined }, 1_000);
  const endings = createSessionEndings(redis, { keepMs: KEEP_MS });
  await until(() => endings.isRead);
  expect(endings.now()).toBeDefined();
  await expect(endings.endSession('away')).rejects.toThrow(NotReplicated);
  expect(endings.current).toBe(false);
  // On a busy machine a reading may come too late, and is then made again.
  await until(() => endings.state.detail === SESSIONS.unconfirmed, 'the reason to be said');
  expect(endings.state.ok).toBe(false);
  expect(endings.current).toBe(false);
  endings.stop();
});

test('a list that can be read and not changed is not blamed on replicas', async () => {
  const password = randomUUID();
  const limited = ['on', `>${password}`, '~*', '&*', '+@all', '-zremrangebyscore'] as const;
  await store.admin.call('ACL', 'SETUSER', 'limited', ...limited);
  const path = store.server.socketPath;
  const redis = new Redis({ path, username: 'limited', password, maxRetriesPerRequest: 0 });
  const endings = createSessionEndings(redis, { keepMs: KEEP_MS });
  await until(() => endings.state.detail.includes('NOPERM'));
  expect(endings.state).toMatchObject({ ok: false, detail: SESSIONS.unchangeable('NOPERM') });
  endings.stop();
  redis.disconnect();
});

test('what a former primary lacked is read from the next one before replicas confirm that one', async () => {
  const redis = await store.connect('lookup');
  const rule = { replicas: 0, sentinels: undefined };
  acknowledgeByReplicas(redis, rule, 1_000);
  const endings = createSessionEndings(redis, { keepMs: KEEP_MS });
  await until(() => endings.current);
  const before = endings.now() ?? Number.NaN;
  rule.replicas = 1;
  await until(() => !endings.current && endings.isRead, 'replicas to no longer confirm it');
  // As on a server that was promoted meanwhile, longer ago than is read again by the clock alone.
  const ending = { of: 'session', id: 'on the new primary' } as const;
  const text = JSON.stringify([ending.of, ending.id]);
  const member = createHash('sha256').update(text).digest('base64url');
  await store.admin.zadd(keys.ended, before - 59_000, member);
  // A reading that began before this must not be the one that is confirmed: no process reads one server and has another
  // confirm it.
  await until(() => endings.hasEnded(ending, 0), 'the ending to be read');
  rule.replicas = 0;
  await until(() => endings.current);
  expect(endings.hasEnded(ending, 0)).toBe(true);
  endings.stop();
});

test('an ended session stays ended, whether it was ours or the provider’s and whenever it began', async () => {
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

test('a token ends what it names only once, and nothing that began after it', async () => {
  const [one, two] = await processes();
  const ofPerson = { of: 'subject', issuer: 'i', subject: 'p' } as const;
  const before = one.now() ?? 0;
  expect(await one.endByToken('b', [ofPerson])).toBe(true);
  expect(one.hasEnded(ofPerson, before)).toBe(true);
  const [seconds] = await store.admin.time();
  const after = (Number(seconds) + 1) * 1_000;
  expect(await two.endByToken('b', [ofPerson])).toBe(false);
  expect(two.hasEnded(ofPerson, after)).toBe(false);
  one.stop();
  two.stop();
});

test('if there are too many endings to read, earlier sessions are refused and later ones accepted', async () => {
  const MEMBERS = 20_000;
  const long = '-'.repeat(40);
  await store.admin.eval(
    `for i = 1, ${MEMBERS} do redis.call('ZADD', KEYS[1], ARGV[1], i .. ARGV[2]) end`,
    1,
    keys.ended,
    Date.now() - 120_000,
    long,
  );
  const redis = await store.connect('lookup');
  const earlier = Date.now() - 2_000;
  const one = createSessionEndings(redis, { keepMs: KEEP_MS, atMost: 1_000 });
  await until(() => one.current);
  expect(one.isLost(earlier)).toBe(true);
  expect(one.state).toMatchObject({ ok: false });
  expect(one.state.detail).toContain('must sign in again');
  // Endings of sessions that begin from now on are read, so those sessions can be trusted for as long as they last.
  const later = (one.now() ?? 0) + 1;
  await one.endSession('z');
  const another = await store.connect('lookup');
  const other = createSessionEndings(another, { keepMs: KEEP_MS, atMost: 1_000 });
  await until(() => other.hasEnded({ of: 'session', id: 'z' }, later));
  expect(one.isLost(later)).toBe(false);
  for (const { stream } of [redis, another]) {
    expect(stream.bytesRead).toBeLessThan((MEMBERS * long.length) / 2);
  }
  one.stop();
  other.stop();
  await store.admin.del(keys.ended);
});

test('while endings lie in the future, sessions that they may have ended are refused; the endings are corrected, and later sessions continue', async () => {
  for (const score of [String(Date.now() + YEARS_MS), '+inf']) {
    await store.admin.eval(
      `for i = 1, 600 do redis.call('ZADD', KEYS[1], ARGV[1], ARGV[1] .. i) end`,
      1,
      keys.ended,
      score,
    );
  }
  const earlier = Date.now() - 2_000;
  const one = createSessionEndings(await store.connect('lookup'), { keepMs: KEEP_MS });
  await until(() => one.current);
  expect(one.isLost(earlier)).toBe(true);
  expect(one.state).toMatchObject({ ok: false });
  expect(one.state.detail).toContain('a time in the future');
  const soon = Date.now() + YEARS_MS / 2;
  await until(async () => (await store.admin.zcount(keys.ended, soon, '+inf')) === 0);
  await until(() => one.now() !== undefined, 'the clock to be known');
  const signedInAt = (one.now() ?? Number.NaN) + 1;
  await until(() => (one.now() ?? 0) > signedInAt + 1_100, 'another reading');
  expect(one.isLost(signedInAt)).toBe(false);
  await store.admin.del(keys.ended);
  one.stop();
});

test('entries that are not text, in the future, are removed and end no session', async () => {
  const members = Array.from({ length: 600 }, (_, i) => Buffer.from([0xff, 0x80 + (i >> 6), i]));
  const entries = members.flatMap((member) => [Date.now() + YEARS_MS, member]);
  await store.admin.zadd(keys.ended, ...entries);
  const one = createSessionEndings(await store.connect('lookup'), { keepMs: KEEP_MS });
  await until(async () => (await store.admin.zcard(keys.ended)) === 0, 'their removal');
  one.stop();
});

test('no session begins before the store’s clock is known, or by any clock but that one', async () => {
  const redis = await store.connect('lookup');
  const local = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000);
  const one = createSessionEndings(redis, { keepMs: KEEP_MS });
  const first = one.now();
  await until(() => one.current);
  const begun = one.now() ?? Number.POSITIVE_INFINITY;
  const ofPerson = { of: 'subject', issuer: 'i', subject: 'skewed' } as const;
  await one.endByToken('skewed', [ofPerson]);
  local.mockRestore();
  expect(first).toBeUndefined();
  expect(one.hasEnded(ofPerson, begun)).toBe(true);
  one.stop();
});

test('the operator is told why endings cannot be read, and when they can be again', async () => {
  const one = createSessionEndings(await store.connect('lookup'), { keepMs: KEEP_MS });
  expect(one.state.ok).toBe(false);
  await until(() => one.state.ok);
  await store.admin.del(keys.ended);
  await store.admin.set(keys.ended, 'damaged');
  await until(() => one.state.detail.includes('cpf:ended, WRONGTYPE'));
  expect(one.state.ok).toBe(false);
  expect(one.now()).toBeUndefined();
  await store.admin.del(keys.ended);
  await until(() => one.state.ok);
  one.stop();
});

test('entries larger than any ending are not sent to the processes, and are removed', async () => {
  const connection = await store.connect('lookup');
  const large = Array.from({ length: 8 }, (_, i) => String(i).repeat(1_048_576));
  // A lookup process's password is enough to write these.
  for (const [i, member] of large.entries()) {
    await connection.zadd(keys.ended, Date.now() + (i % 2) * YEARS_MS, member);
  }
  const reader = await store.connect('lookup');
  const endings = createSessionEndings(reader, { keepMs: KEEP_MS });
  await until(() => endings.current);
  await endings.endSession('beside them');
  expect(endings.hasEnded({ of: 'session', id: 'beside them' }, 0)).toBe(true);
  expect(reader.stream.bytesRead).toBeLessThan(100_000);
  const lengths = (await store.admin.zrange(keys.ended, '0', '-1')).map(({ length }) => length);
  expect(Math.max(...lengths)).toBeLessThan(100);
  endings.stop();
});

test('the first of several choices counts, and counts again only for a moment and for the same choice', async () => {
  const [one, two] = await processes();
  expect(await one.choose('c', 'this', 60_000)).toBe('first');
  expect(await two.choose('c', 'this', 60_000)).toBe('again');
  expect(await two.choose('c', 'other', 60_000)).toBe('refused');
  expect(await one.choose('c', 'this', 60_000)).toBe('again');
  await until(async () => (await two.choose('c', 'this', 1)) === 'refused');
  one.stop();
  two.stop();
});
