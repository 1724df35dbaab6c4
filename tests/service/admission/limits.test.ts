import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LimitReached } from '#schemas/errors.ts';
import type { Caller } from '#schemas/people/caller.ts';
import { createLimits, type LimitSettings } from '#service/admission/limits/limits.ts';
import { createRefusalSampling } from '#service/audit/record/refusal-sampling.ts';
import { createSharedUse, type SharedUse } from '#store/shared-use.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';

const NOBODY: SharedUse = { add: () => Promise.resolve(undefined) };

function caller(user: string, client = 'client-1', organisation = 'ZZH01'): Caller {
  return {
    identity: {
      issuer: 'https://id.example',
      client,
      user,
      name: 'Nora Nurse',
      role: {
        id: 'role-1',
        code: 'R8000',
        name: 'Nurse',
        organisation: { code: organisation, name: 'A hospital' },
        activities: ['B0107'],
      },
      scopes: [],
    },
    eventJson: '{}',
    accessEntry: '{}',
    userKey: user,
  };
}

function limits(settings: Partial<LimitSettings>, shared = NOBODY) {
  const clock = { now: 1_000_000_020_000 };
  const all: LimitSettings = { user: 0, client: 0, organisation: 0, ...settings };
  return {
    clock,
    ...createLimits(
      () => all,
      shared,
      () => clock.now,
    ),
  };
}

const refusals = (take: (caller: Caller) => LimitReached | undefined, who: Caller, times: number) =>
  Array.from({ length: times }, () => take(who)).filter((reached) => reached !== undefined).length;

describe('a limit', () => {
  test('lets through exactly its number of requests, and says when to continue', () => {
    const { take, clock } = limits({ user: 60 });
    const nurse = caller('nurse');
    expect(refusals(take, nurse, 60)).toBe(0);
    expect(take(nurse)).toEqual({ of: 'user', limit: 60, windowSeconds: 60, retryAfterSeconds: 1 });
    clock.now += 1_000;
    expect(take(nurse)).toBeUndefined();
    expect(take(nurse)).toBeDefined();
    clock.now += 60_000;
    expect(refusals(take, nurse, 61)).toBe(1);
  });

  test('counts for the user whatever their token, for the client and for the organisation', () => {
    const { take } = limits({ user: 3, client: 5, organisation: 7 });
    expect(refusals(take, caller('one'), 3)).toBe(0);
    expect(take(caller('one'))?.of).toBe('user');
    expect(refusals(take, caller('two'), 2)).toBe(0);
    expect(take(caller('three'))?.of).toBe('client');
    expect(refusals(take, caller('four', 'client-2'), 2)).toBe(0);
    expect(take(caller('five', 'client-3'))?.of).toBe('organisation');
    expect(take(caller('five', 'client-3', 'ZZH02'))).toBeUndefined();
  });

  test('that has been reached uses up none of the others', () => {
    const { take } = limits({ user: 1, organisation: 3 });
    expect(refusals(take, caller('one'), 50)).toBe(49);
    expect(take(caller('two'))).toBeUndefined();
    expect(take(caller('three'))).toBeUndefined();
    expect(take(caller('four'))?.of).toBe('organisation');
  });

  test('of 0 means no limit', () => {
    const { take } = limits({});
    expect(refusals(take, caller('one'), 10_000)).toBe(0);
  });

  test('never makes a batch impossible', () => {
    const { take, clock } = limits({ user: 10 });
    expect(take(caller('one'), 50)).toBeUndefined();
    expect(take(caller('one'), 1)).toBeDefined();
    clock.now += 600_000;
    expect(take(caller('one'), 50)).toBeUndefined();
  });

  test('holds over any period, as its number plus what had been saved up before', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 200 }),
        (limit, waits) => {
          const { take, clock } = limits({ user: limit });
          const nurse = caller('nurse');
          const began = clock.now;
          let taken = 0;
          for (const wait of waits) {
            clock.now += wait;
            if (take(nurse) === undefined) taken++;
          }
          const passed = clock.now - began;
          expect(taken).toBeLessThanOrEqual(limit + (limit * passed) / 60_000 + 1e-6);
        },
      ),
    );
  });

  test('says how long to wait, which is never longer than needed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 0, max: 59_000 }),
        (limit, wait) => {
          const { take, clock } = limits({ user: limit });
          const nurse = caller('nurse');
          refusals(take, nurse, limit);
          clock.now += wait;
          let reached = take(nurse);
          while (reached === undefined) reached = take(nurse);
          clock.now += reached.retryAfterSeconds * 1_000;
          expect(take(nurse)).toBeUndefined();
          expect(reached.retryAfterSeconds).toBeLessThanOrEqual(Math.ceil(60 / limit));
        },
      ),
      // The allowance at that moment is a whole number less a rounding error.
      { examples: [[4, 49_000]] },
    );
  });

  test('stays correct if the clock goes back', () => {
    const { take, clock } = limits({ user: 2 });
    refusals(take, caller('nurse'), 2);
    clock.now -= 3_600_000;
    expect(take(caller('nurse'))).toBeDefined();
    clock.now += 30_000;
    expect(take(caller('nurse'))).toBeUndefined();
  });
});

describe('several processes', () => {
  let store: TestStore;
  beforeAll(async () => {
    store = await startTestStore({ kind: 'demo' });
  });
  afterAll(() => store?.stop());

  test('share a limit once they have told each other, with only a lookup process’s rights', async () => {
    const shared = createSharedUse(await store.connect('lookup'));
    const one = limits({ user: 60 }, shared);
    const two = limits({ user: 60 }, shared);
    const nurse = caller('shared-nurse');
    expect(refusals(one.take, nurse, 40)).toBe(0);
    expect(refusals(two.take, nurse, 10)).toBe(0);
    await one.share();
    await two.share();
    // Forty were used in the other process, and ten in this one.
    expect(refusals(two.take, nurse, 11)).toBe(1);
    expect(refusals(one.take, nurse, 1)).toBe(0);
    await two.share();
    await one.share();
    expect(refusals(one.take, nurse, 1)).toBe(1);
  });

  test('count alone while they cannot, and tell each other later', async () => {
    let reachable = false;
    const real = createSharedUse(await store.connect('lookup'));
    const flaky: SharedUse = {
      add: (...given) => (reachable ? real.add(...given) : Promise.resolve(undefined)),
    };
    const one = limits({ user: 20 }, flaky);
    const nurse = caller('flaky-nurse');
    expect(refusals(one.take, nurse, 21)).toBe(1);
    await one.share();
    reachable = true;
    await one.share();
    const two = limits({ user: 20 }, real);
    expect(refusals(two.take, nurse, 1)).toBe(0);
    await two.share();
    expect(refusals(two.take, nurse, 1)).toBe(1);
  });

  test('leave behind nothing that identifies anybody, and nothing for long', async () => {
    const shared = createSharedUse(await store.connect('lookup'));
    const { take, share } = limits({ user: 5 }, shared);
    take(caller('named-nurse'));
    await share();
    const [key] = await store.admin.keys('cpf:{use}:*');
    expect(key).toBeDefined();
    expect(JSON.stringify(await store.admin.hgetall(key ?? ''))).not.toContain('named-nurse');
    expect(await store.admin.pttl(key ?? '')).toBeGreaterThan(0);
  });
});

describe('a flood of refusals', () => {
  const event = (user: string) => ({
    type: 'refusal' as const,
    auditId: '60e0b220-8136-4ca5-ae46-1d97ef59d068',
    caller: { issuer: 'i', client: 'c', user, name: 'n' },
    api: 'plain' as const,
    code: 'too-many-requests',
  });

  test('is audited in full, in few events', () => {
    const written: { count?: number | undefined; occurredAt?: string | undefined }[] = [];
    let now = 0;
    const { note, flush } = createRefusalSampling(
      (each) => written.push(each),
      () => now++,
    );
    for (let i = 0; i < 5_000; i++) note(event('one'));
    for (let i = 0; i < 3; i++) note(event('two'));
    flush();
    flush();
    expect(written.length).toBe(24);
    const total = written.reduce((sum, { count }) => sum + (count ?? 1), 0);
    expect(total).toBe(5_003);
    const counted = written.find(({ count }) => count !== undefined);
    const at = Date.parse(counted?.occurredAt ?? '');
    // This is when the last of them happened, and not when they were written.
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThan(now - 3);
  });

  test('from many callers takes a bounded amount of memory, and none is lost', () => {
    const written: { count?: number | undefined }[] = [];
    const { note, flush } = createRefusalSampling(
      (each) => written.push(each),
      () => 0,
    );
    for (let user = 0; user < 3_000; user++) for (let i = 0; i < 25; i++) note(event(String(user)));
    flush();
    expect(written.reduce((sum, { count }) => sum + (count ?? 1), 0)).toBe(75_000);
  });
});
