import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ATTENDANCE_HOURS } from '#schemas/attendance.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import { addDays, epochDay, londonDate } from '#schemas/calendar.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { shortTextSchema } from '#schemas/text.ts';
import { createAttendance } from '#store/attendance.ts';
import { LockLost, StoreNotWhole } from '#store/errors.ts';
import { keys } from '#store/keys.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import {
  createLookupStore,
  type LookupInput,
  type LookupResult,
  type LookupStore,
} from '#store/lookup.ts';
import { packRow, Tally } from '#store/rows/rows.ts';
import { type Readiness, watchStore } from '#store/trust/readiness.ts';
import { lookupEvent, lookupEventOf } from '../support/lookup-event.ts';
import { AUTHORITY, day, testNumber, testRow } from '../support/rows.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../support/test-store.ts';
import { START_MS } from '../support/until.ts';

let t: TestStore;
let readiness: Readiness;
let lookups: Pick<LookupStore, 'lookup'>;
let lock: AuthorityLock;

async function takeLock(authority = AUTHORITY): Promise<AuthorityLock> {
  const taken = await t.store.lockAuthority(authority);
  if (taken === undefined) throw new Error('the authority is locked');
  return taken;
}

/** Lookups made once the store is open: on a busy machine readiness may be lost for a moment. */
const patient = (store: LookupStore): typeof lookups => ({
  async lookup(asked) {
    let result: LookupResult | undefined;
    await until(async () => {
      result = await store.lookup(asked);
      return result.kind !== 'could-not-check' || result.cause !== 'closed';
    }, 'lookups to be open');
    return result as LookupResult;
  },
});

beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  await t.store.setAuthority(
    AUTHORITY,
    { name: 'Test Council', emergencyDutyTeamPhone: '02079460199' },
    'test',
  );
  lock = await takeLock();
  const redis = await t.connect('lookup');
  readiness = watchStore(redis);
  lookups = patient(createLookupStore(redis, readiness));
  if (!(await readiness.whenOpen(WAIT_MS))) throw new Error('the store did not open');
});

afterAll(async () => {
  await readiness.stop();
  await t.stop();
});
// These tests together may take longer than the lease lasts, and on a busy machine a single one may.
beforeEach(async () => {
  try {
    await lock.renew();
  } catch (error) {
    if (!(error instanceof LockLost)) throw error;
    lock = await takeLock();
  }
});

const entryOf = (name: string): string =>
  JSON.stringify({ name, role: 'Nurse', organisation: { code: 'ZZX', name: 'Test Hospital' } });

function input(number: ReturnType<typeof testNumber>, differing: Partial<LookupInput> = {}) {
  const auditId = randomUUID();
  return {
    nhsNumber: number,
    auditId,
    event: lookupEvent(number, auditId),
    access: 'unscheduled',
    userKey: 'user-1',
    showAccesses: true,
    accessEntry: entryOf('A Nurse'),
    negativesAllowed: true,
    ...differing,
  } satisfies LookupInput;
}

const HOUR_MS = 3_600_000;
/** Writes a list of accesses, as if they had been made at other times. */
const listAccesses = (number: ReturnType<typeof testNumber>, entries: unknown[][]) =>
  t.admin.eval(
    "return redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack(cjson.decode(ARGV[2])))",
    1,
    keys.accessLists(partitionOf(number)),
    number,
    JSON.stringify(entries),
  );

const atOf = (result: { kind: string; at?: number }): number => result.at ?? Number.NaN;
const eventOf = async (number: ReturnType<typeof testNumber>, auditId: string) =>
  (await t.adminStore.readEvents(partitionOf(number))).find((event) => event.auditId === auditId);

describe('a lookup', () => {
  test('of a held number is flagged, and its event says what was shown', async () => {
    const number = testNumber(1);
    await t.store.applyRows(lock, [testRow(number)]);
    const asked = input(number, { dateOfBirthDay: epochDay(day('2019-03-05')) });
    const result = await lookups.lookup(asked);
    expect(result).toMatchObject({
      kind: 'flagged',
      plans: [
        {
          type: 'child-protection-plan',
          authority: AUTHORITY,
          startDate: '2026-01-05',
          status: 'current',
          dateOfBirth: 'match',
        },
      ],
      accesses: [{ own: true, name: 'A Nurse', role: 'Nurse', entry: entryOf('A Nurse') }],
    });
    expect(await eventOf(number, asked.auditId)).toMatchObject({
      type: 'lookup',
      outcome: 'flagged',
      nhsNumber: number,
      shown: [{ authority: AUTHORITY, status: 'current', dateOfBirth: 'match' }],
      sources: [{ localId: 'LA-1', sequence: 1 }],
      accessesShown: [asked.auditId],
    });
  });

  test('compares no doubtful date of birth, and keeps it doubtful when the row is written again', async () => {
    for (const [n, born] of [
      [3_201, '2018-02-01'],
      [3_202, '1969-02-01'],
      [3_203, '1970-01-01'],
    ] as const) {
      const number = testNumber(n);
      const type = 'unborn-child-protection-plan';
      const dates = { dateOfBirth: day(born), endDate: day('2199-01-01') };
      const row = testRow(number, { type, ...dates, dateOfBirthInDoubt: true });
      await t.store.applyRows(lock, [row]);
      const asked = input(number, { dateOfBirthDay: epochDay(day(born)) });
      expect(await lookups.lookup(asked)).toMatchObject({
        kind: 'flagged',
        plans: [{ dateOfBirth: 'not-checked' }],
      });
      expect((await t.store.readRows([number])).get(number)).toEqual([row]);
      // The doubt ends with a file that gives the date in an unambiguous way.
      await t.store.applyRows(lock, [testRow(number, { type, ...dates, sequence: 2 })]);
      const again = input(number, { dateOfBirthDay: epochDay(day(born)) });
      expect(await lookups.lookup(again)).toMatchObject({ plans: [{ dateOfBirth: 'match' }] });
    }
  });

  test('that is a silent read leaves nothing that could tell an authority of it', async () => {
    const number = testNumber(3_100);
    await t.store.applyRows(lock, [testRow(number)]);
    const asked = input(number, { access: 'silent-read' });
    expect(await lookups.lookup(asked)).toMatchObject({ kind: 'flagged' });
    expect(await eventOf(number, asked.auditId)).not.toHaveProperty('sources');
  });

  test('of a child with more plans than fit in its event is could-not-check', async () => {
    const number = testNumber(3_001);
    const rows = Array.from({ length: 121 }, (_, i) =>
      testRow(number, { startDate: addDays(day('2025-01-05'), i) }),
    );
    await t.store.applyRows(lock, rows.slice(1));
    expect(await lookups.lookup(input(number))).toMatchObject({ kind: 'flagged' });
    await t.store.applyRows(lock, rows);
    expect(await lookups.lookup(input(number))).toEqual({
      kind: 'could-not-check',
      cause: 'corrupt',
    });
  });

  test('of a number that is not held is not flagged, and also has its event', async () => {
    const number = testNumber(2);
    const asked = input(number);
    expect(await lookups.lookup(asked)).toMatchObject({ kind: 'not-flagged' });
    expect(await eventOf(number, asked.auditId)).toMatchObject({ outcome: 'not-flagged' });
  });

  test('is never negative if coverage is too low, and then leaves no event of an answer', async () => {
    const number = testNumber(3);
    const asked = input(number, { negativesAllowed: false });
    expect(await lookups.lookup(asked)).toEqual({ kind: 'could-not-check', cause: 'coverage' });
    expect(await eventOf(number, asked.auditId)).toBeUndefined();
  });

  test('shows each plan with its own dates and state', async () => {
    const number = testNumber(4);
    const today = londonDate(Date.now());
    const ago = (days: number) => {
      const date = new Date(Date.parse(today) - days * 86_400_000);
      return day(date.toISOString().slice(0, 10));
    };
    await t.store.applyRows(lock, [
      testRow(number, { startDate: ago(800), endDate: ago(366) }),
      testRow(number, { startDate: ago(700), endDate: ago(364) }),
      testRow(number, { startDate: ago(10) }),
      testRow(number, { startDate: ago(-2) }),
      testRow(number, { startDate: ago(5), deleteDate: ago(1) }),
      testRow(number, {
        type: 'unborn-child-protection-plan',
        startDate: ago(100),
        endDate: ago(27),
        dateOfBirth: day('1990-01-01'),
      }),
      testRow(number, {
        type: 'unborn-child-protection-plan',
        startDate: ago(101),
        endDate: ago(29),
        dateOfBirth: day('1990-01-01'),
      }),
    ]);
    const result = await lookups.lookup(input(number));
    const shown = result.kind === 'flagged' ? result.plans : [];
    expect(shown.map(({ startDate, status }) => [startDate, status])).toEqual([
      [ago(700), 'ended'],
      [ago(10), 'current'],
      [ago(100), 'due-date-passed'],
    ]);
  });

  test('lists a user once in 24 hours, with the time of the latest look and their number, and never for a silent read', async () => {
    const number = testNumber(5);
    await t.store.applyRows(lock, [testRow(number)]);
    const silent = await lookups.lookup(input(number, { access: 'silent-read' }));
    expect(silent).toMatchObject({ kind: 'flagged', accesses: [] });
    const first = await lookups.lookup(input(number));
    const entry = entryOf('B');
    await lookups.lookup(input(number, { userKey: 'user-2', accessEntry: entry }));
    const asked = input(number);
    await until(() => Date.now() > atOf(first), 'the next millisecond');
    const again = await lookups.lookup(asked);
    expect(again).toMatchObject({
      accesses: [
        { own: true, entry: entryOf('A Nurse'), count: 2, at: atOf(again), since: atOf(first) },
        { own: false, entry, count: 1 },
      ],
    });
    expect(atOf(again)).toBeGreaterThan(atOf(first));
    expect((await eventOf(number, asked.auditId))?.accessesShown?.[0]).toBe(asked.auditId);
    const other = await lookups.lookup(input(number, { userKey: 'user-2', accessEntry: entry }));
    expect(other).toMatchObject({
      accesses: [
        { own: true, entry, count: 2, at: atOf(other) },
        { own: false, entry: entryOf('A Nurse'), count: 2, at: atOf(again) },
      ],
    });
  });

  test('begins a new entry 24 hours after the first look, however often the user looks', async () => {
    const number = testNumber(11);
    await t.store.applyRows(lock, [testRow(number)]);
    const now = Date.now();
    const list = (...entries: unknown[][]) => listAccesses(number, entries);
    const seen = (atMs: number, ...more: number[]) => [
      now - atMs,
      randomUUID(),
      'user-1',
      entryOf('A Nurse'),
      ...more,
    ];
    await list(seen(HOUR_MS, 7, now - 23 * HOUR_MS));
    expect(await lookups.lookup(input(number))).toMatchObject({ accesses: [{ count: 8 }] });
    await list(seen(HOUR_MS, 7, now - 25 * HOUR_MS));
    expect(await lookups.lookup(input(number))).toMatchObject({
      accesses: [{ count: 1 }, { count: 7, at: now - HOUR_MS }],
    });
    // Earlier versions wrote an entry without a count, with the time of the first look.
    await list(seen(23 * HOUR_MS));
    expect(await lookups.lookup(input(number))).toMatchObject({
      accesses: [{ count: 2, since: now - 23 * HOUR_MS }],
    });
    await list(seen(25 * HOUR_MS));
    expect(await lookups.lookup(input(number))).toMatchObject({
      accesses: [{ count: 1 }, { count: 1, at: now - 25 * HOUR_MS }],
    });
  });

  test('lists the last 25 accesses, the caller’s own first', async () => {
    const number = testNumber(6);
    await t.store.applyRows(lock, [testRow(number)]);
    let result = await lookups.lookup(input(number));
    for (let i = 0; i < 30; i++) {
      result = await lookups.lookup(
        input(number, { userKey: `u${i}`, accessEntry: entryOf(`${i}`) }),
      );
    }
    const accesses = result.kind === 'flagged' ? result.accesses : 'unreadable';
    const names = typeof accesses === 'string' ? accesses : accesses.map(({ name }) => name);
    expect(names).toEqual(Array.from({ length: 25 }, (_, i) => `${29 - i}`));
  });

  test('lists every name that a token may have', async () => {
    const number = testNumber(60);
    await t.store.applyRows(lock, [testRow(number)]);
    // All characters of one or two bytes, and one of each more that begins with another byte.
    const longer = Array.from({ length: 0x10f }, (_, i) => 0x8a9 + i * 0x1000);
    const characters = [...Array(0x800).keys(), ...longer].map((code) =>
      String.fromCodePoint(code),
    );
    const names = characters.filter((name) => shortTextSchema.safeParse(name).success);
    expect(names).toEqual(expect.arrayContaining(['A', '½', 'ª', 'é', '߉']));
    const results = await Promise.all(
      names.map((name) => lookups.lookup(input(number, { accessEntry: entryOf(name) }))),
    );
    const unlisted = names.filter((name, i) => {
      const result = results[i];
      const accesses = result?.kind === 'flagged' ? result.accesses : undefined;
      return !Array.isArray(accesses) || accesses[0]?.name !== name;
    });
    expect(unlisted).toEqual([]);
  });

  test('of a corrupt child is could-not-check, and the rest of its batch is answered correctly', async () => {
    const numbers = Array.from({ length: 100 }, (_, i) => testNumber(100 + i));
    await t.store.applyRows(
      lock,
      numbers.map((number) => testRow(number)),
    );
    const corrupt = testNumber(150);
    await t.admin.hset(keys.children(partitionOf(corrupt)), corrupt, 'not a row');
    const asked = numbers.map((number) => input(number));
    const results = await Promise.all(asked.map((each) => lookups.lookup(each)));
    for (const [i, result] of results.entries()) {
      expect(result.kind).toBe(numbers[i] === corrupt ? 'could-not-check' : 'flagged');
    }
    const corruptAsked = asked[numbers.indexOf(corrupt)];
    expect(await eventOf(corrupt, corruptAsked?.auditId ?? '')).toBeUndefined();
    await t.admin.hset(keys.children(partitionOf(corrupt)), corrupt, packRow(testRow(corrupt)));
    expect(await lookups.lookup(input(corrupt))).toMatchObject({ kind: 'flagged' });
  });

  test('of a child is could-not-check while another child is missing from its partition', async () => {
    const number = testNumber(7);
    await t.store.applyRows(lock, [testRow(number)]);
    const key = keys.children(partitionOf(number));
    await t.admin.hdel(key, number);
    expect(await lookups.lookup(input(number))).toEqual({
      kind: 'could-not-check',
      cause: 'incomplete',
    });
    await expect(t.store.readRows([number])).rejects.toThrow(StoreNotWhole);
    await t.admin.hset(key, number, packRow(testRow(number)));
    expect(await lookups.lookup(input(number))).toMatchObject({ kind: 'flagged' });
  });

  test('in a partition whose state has gone back in time is could-not-check', async () => {
    const number = testNumber(8);
    const key = keys.children(partitionOf(number));
    const before = await t.admin.dumpBuffer(key);
    await t.store.applyRows(lock, [testRow(number)]);
    expect(await lookups.lookup(input(number))).toMatchObject({ kind: 'flagged' });
    const after = await t.admin.dumpBuffer(key);
    await t.admin.restore(key, 0, before, 'REPLACE');
    expect(await lookups.lookup(input(number))).toMatchObject({ cause: 'incomplete' });
    await t.admin.restore(key, 0, after, 'REPLACE');
  });

  test('made while the caller’s clock is an hour wrong is could-not-check and leaves no event', async () => {
    const number = testNumber(9);
    const skewed = patient(
      createLookupStore(await t.connect('lookup'), readiness, {
        clock: () => Date.now() + 3_600_000,
      }),
    );
    const asked = input(number);
    expect(await skewed.lookup(asked)).toEqual({ kind: 'could-not-check', cause: 'clock' });
    expect(await eventOf(number, asked.auditId)).toBeUndefined();
  });

  test('numbers its events without a gap', async () => {
    const number = testNumber(10);
    await Promise.all(Array.from({ length: 200 }, () => lookups.lookup(input(number))));
    const events = await t.adminStore.readEvents(partitionOf(number));
    expect(events.map((event) => event.number)).toEqual(events.map((_, i) => i + 1));
  });
});

test('the outcome of a look can be recorded for as long as a look counts, and no longer', async () => {
  const number = testNumber(29);
  await t.store.applyRows(lock, [testRow(number)]);
  const record = createAttendance(await t.connect('lookup'), readiness);
  const recorded = async (agoMs: number) => {
    const lookupId = randomUUID();
    const { caller, api, setting } = lookupEventOf({});
    await listAccesses(number, [[Date.now() - agoMs, lookupId, 'user-1', entryOf('A Nurse')]]);
    return record(number, 'user-1', {
      type: 'attendance',
      auditId: randomUUID(),
      requestId: randomUUID(),
      caller,
      api,
      setting,
      nhsNumber: number,
      lookupId,
      attended: 'seen',
    });
  };
  const lastsMs = ATTENDANCE_HOURS * HOUR_MS;
  await until(
    async () => (await recorded(lastsMs - 60_000)).kind === 'recorded',
    'the store to be open',
  );
  expect(await recorded(lastsMs + 1)).toEqual({ kind: 'no-look' });
});

describe('applying rows', () => {
  test('is decided for each row by the sequence of its file, and repeating it changes nothing', async () => {
    const number = testNumber(20);
    const row = (sequence: number, localId: string) => testRow(number, { sequence, localId });
    const effects = async (...rows: Parameters<typeof t.store.applyRows>[1]) =>
      t.store.applyRows(lock, rows);
    expect(await effects(row(5, 'five'))).toEqual(['added']);
    expect(await effects(row(5, 'five'))).toEqual(['unchanged']);
    expect(await effects(row(4, 'four'))).toEqual(['superseded']);
    expect(await effects(row(6, 'six'))).toEqual(['changed']);
    expect(await effects(row(7, 'six'))).toEqual(['unchanged']);
    expect(await effects(row(6, 'late'))).toEqual(['superseded']);
    await expect(effects(row(7, 'other content'))).rejects.toThrow('conflict');
    expect((await t.store.readRows([number])).get(number)).toEqual([row(7, 'six')]);
  });

  test('leaves other authorities’ rows of the same child alone', async () => {
    const number = testNumber(21);
    const other = testRow(number, { authority: 'ZZ202' as typeof AUTHORITY });
    await expect(t.store.applyRows(lock, [other])).rejects.toThrow('invalid');
    await t.store.applyRows(lock, [testRow(number)]);
    expect((await t.store.readRows([number])).get(number)).toEqual([testRow(number)]);
    const theirs = await takeLock(other.authority as typeof AUTHORITY);
    await t.store.applyRows(theirs, [other]);
    await expect(t.store.removeRows(lock, [other])).rejects.toThrow('invalid');
    expect((await t.store.readRows([number])).get(number)).toEqual([testRow(number), other]);
    await theirs.release();
  });

  test('is refused to a loader whose authority another has taken over', async () => {
    const code = 'ZZ303' as typeof AUTHORITY;
    const first = await t.store.lockAuthority(code);
    if (first === undefined) throw new Error('the authority is locked');
    expect(await t.store.lockAuthority(code)).toBeUndefined();
    await t.admin.del(keys.lock(code));
    const second = await t.store.lockAuthority(code);
    if (second === undefined) throw new Error('the authority is locked');
    const number = testNumber(22);
    const row = testRow(number, { authority: code });
    await t.store.applyRows(second, [row]);
    await expect(t.store.applyRows(first, [{ ...row, sequence: 9 }])).rejects.toThrow(LockLost);
    await expect(first.renew()).rejects.toThrow(LockLost);
    await second.release();
  });

  test('and restricting a child are refused once another loader has taken over or if the partition is not whole', async () => {
    const code = 'ZZ304' as typeof AUTHORITY;
    const first = await t.store.lockAuthority(code);
    await t.admin.del(keys.lock(code));
    const second = await t.store.lockAuthority(code);
    if (first === undefined || second === undefined) throw new Error('the authority is locked');
    const number = testNumber(26);
    const whereabouts = [{ kind: 'whereabouts' }] as const;
    const kept = async () => (await t.store.whereaboutsKept([number])).get(number);
    await t.store.applyRows(lock, [testRow(number)]);
    await t.store.restrict(second, number, whereabouts);
    await expect(t.store.restrict(first, number, [])).rejects.toThrow(LockLost);
    expect(await kept()).toEqual([code]);
    const children = keys.children(partitionOf(number));
    await t.admin.hset(children, 'another field', 'x');
    await expect(t.store.restrict(second, number, [])).rejects.toThrow(StoreNotWhole);
    await t.admin.hdel(children, 'another field');
    expect(await kept()).toEqual([code]);
    await second.release();
  });

  test('removes the list of who looked with the child’s last plan, even if something else about the child is kept back', async () => {
    const number = testNumber(27);
    const [children, lists] = [keys.children, keys.accessLists].map((of) =>
      of(partitionOf(number)),
    );
    const row = testRow(number);
    await t.store.applyRows(lock, [row]);
    await t.store.restrict(lock, number, [{ kind: 'barred', user: 'parent' }]);
    await t.admin.hset(lists ?? '', number, 'some');
    await t.store.removeRows(lock, [row]);
    expect(await t.admin.hexists(lists ?? '', number)).toBe(0);
    expect(await t.admin.hexists(children ?? '', number)).toBe(1);
    await t.store.restrict(lock, number, []);
    expect(await t.admin.hexists(children ?? '', number)).toBe(0);
    await expect(t.store.tally()).resolves.toBeDefined();
  });

  test('is undone only for rows unchanged since, and a child without rows is removed', async () => {
    const number = testNumber(23);
    const other = testRow(number, { startDate: day('2026-02-02') });
    const [first, second] = [testRow(number), testRow(number, { sequence: 2, localId: 'two' })];
    await t.store.applyRows(lock, [first, other, second]);
    await lookups.lookup(input(number));
    expect(await t.store.removeRows(lock, [first, other])).toEqual(['changed', 'removed']);
    expect((await t.store.readRows([number])).get(number)).toEqual([second]);
    expect(await t.store.removeRows(lock, [second, second])).toEqual(['removed', 'absent']);
    expect(await lookups.lookup(input(number))).toMatchObject({ kind: 'not-flagged' });
    expect(await t.admin.hexists(keys.accessLists(partitionOf(number)), number)).toBe(0);
    await t.store.applyRows(lock, [first]);
    const again = await lookups.lookup(input(number));
    expect(again).toMatchObject({ kind: 'flagged', accesses: [{ own: true }] });
  });

  test('gives the same tally whatever the order of the rows', async () => {
    const rows = Array.from({ length: 50 }, (_, i) => testRow(testNumber(300 + i)));
    const forwards = new Tally();
    const backwards = new Tally();
    for (const row of rows) forwards.add(row.nhsNumber, packRow(row));
    for (const row of rows.toReversed()) backwards.add(row.nhsNumber, packRow(row));
    expect(backwards.digest).toBe(forwards.digest);
    const extra = testRow(testNumber(400));
    backwards.add(extra.nhsNumber, packRow(extra));
    expect(backwards.digest).not.toBe(forwards.digest);
    backwards.remove(extra.nhsNumber, packRow(extra));
    expect(backwards).toEqual(forwards);
    expect(Tally.from(forwards).digest).toBe(forwards.digest);
  });
});

describe('the lock of an authority', () => {
  test('is given to the next loader at once if its holder has died on this machine', async () => {
    const code = odsCodeSchema.parse('ZZ404');
    const loader = fileURLToPath(new URL('../support/lock-and-die.ts', import.meta.url));
    const { socketPath, users } = t.server;
    const { status, stderr } = spawnSync(process.execPath, [loader, code, t.dataDir], {
      encoding: 'utf8',
      input: JSON.stringify({ socketPath, ...users.loader }),
    });
    expect(stderr).toBe('');
    expect(status).toBe(null);
    expect(await t.admin.exists(keys.lock(code))).toBe(1);
    const lockAfter = await t.store.lockAuthority(code);
    expect(lockAfter?.fence).toBe(2);
    await lockAfter?.release();
  });
});

/** As in a container, the process sees itself as number 1. */
const UNSHARE = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child'];
const hasContainers = spawnSync('unshare', [...UNSHARE, 'true']).status === 0;

test.skipIf(!hasContainers)(
  'held in one container is not taken by a process in another with the same host name and process id',
  async () => {
    const code = odsCodeSchema.parse('ZZ405');
    const loader = fileURLToPath(new URL('../support/lock-and-die.ts', import.meta.url));
    const { socketPath, users } = t.server;
    const input = JSON.stringify({ socketPath, ...users.loader });
    const given = join(t.dataDir, 'container-input.json');
    writeFileSync(given, input);
    const loading = [process.execPath, loader, code, t.dataDir];
    // The many processes make the holder's id higher than any thread id of the other process. The container stays: once
    // it is gone, Linux gives its number to another.
    const script = 'for i in $(seq 60); do (:); done; "$@" < "$0"; echo ended; read -r end';
    const first = spawn('unshare', [...UNSHARE, 'sh', '-c', script, given, ...loading], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const gone = once(first, 'close');
    let said = '';
    first.stdout.on('data', (text: Buffer) => (said += text.toString()));
    try {
      await until(() => said.includes('ended'), 'the holder to have died', START_MS);
      const holder = await t.admin.get(keys.lock(code));
      expect(holder).not.toBeNull();
      const other = spawnSync('unshare', [...UNSHARE, ...loading], {
        encoding: 'utf8',
        input,
        timeout: START_MS,
        killSignal: 'SIGKILL',
      });
      expect(other.stderr).toContain('the authority was locked');
      expect(await t.admin.get(keys.lock(code))).toBe(holder);
    } finally {
      first.stdin.end();
      await gone;
    }
  },
);

describe('a lookup process’s Redis user', () => {
  test('cannot list children, write rows or remove anything', async () => {
    const redis = await t.connect('lookup');
    const children = keys.children(1);
    for (const command of [
      ['hgetall', children],
      ['hkeys', children],
      ['hscan', children, '0'],
      ['scan', '0'],
      ['keys', '*'],
      ['hset', children, 'a', 'b'],
      ['hdel', children, 'a'],
      ['del', children],
      ['xrange', keys.audit(1), '-', '+'],
      ['xtrim', keys.audit(1), 'MAXLEN', '0'],
      ['del', keys.audit(1)],
      ['set', keys.open, 'x'],
      ['hset', keys.dataset, 'a', 'b'],
      ['flushall'],
      ['config', 'set', 'appendfsync', 'no'],
      ['function', 'flush'],
      ['acl', 'list'],
      ['eval', 'return 1', '0'],
    ] as const) {
      const [name, ...args] = command;
      await expect(redis.call(name, ...args)).rejects.toThrow('NOPERM');
    }
  });

  test('cannot apply rows through the loader’s function', async () => {
    const redis = await t.connect('lookup');
    const { createStore } = await import('#store/store.ts');
    const store = createStore(redis, t.anchor);
    await expect(store.applyRows(lock, [testRow(testNumber(500))])).rejects.toThrow('NOPERM');
    expect((await t.store.readRows([testNumber(500)])).get(testNumber(500))).toEqual([]);
  });
});

test('what changed of an authority since the directory was last read is read, and damage to it stops lookups', async () => {
  /** On a busy machine a poll may take too long, and is then made again. */
  const sees = (condition: () => boolean, what: string): Promise<void> =>
    until(async () => {
      await readiness.refresh();
      return condition();
    }, what);
  await sees(() => readiness.open, 'lookups to be open');
  const key = keys.authority(AUTHORITY);
  const nameNow = () => readiness.authorities.get(AUTHORITY)?.name;
  await t.admin.hset(key, 'name', 'Another Name');
  await sees(() => nameNow() === 'Another Name', 'the name');
  const directory = () => readiness.checks().find(({ name }) => name === 'directory');
  for (const damage of [
    () => t.admin.hdel(key, 'name'),
    () => t.admin.hset(key, 'name', 'Another Name', 'rows', 'x'),
  ]) {
    await sees(() => readiness.open, 'lookups to be open');
    await damage();
    await sees(() => directory()?.ok === false, 'the damage to be found');
    expect(directory()?.detail).toContain(`cp-flags authority set ${AUTHORITY}`);
    expect(readiness.open).toBe(false);
    await t.admin.hdel(key, 'rows');
    await t.admin.hset(key, 'name', 'Another Name');
  }
  await sees(() => readiness.open, 'lookups to be open again');
  expect(nameNow()).toBe('Another Name');
});
