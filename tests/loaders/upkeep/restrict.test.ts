import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import type { Acting } from '#loaders/upkeep/changing.ts';
import { purge } from '#loaders/upkeep/purge.ts';
import {
  BARRED_A_DAY,
  endActInDoubt,
  endRestriction,
  forgetRestrictions,
  listRestrictions,
  PROTECTED_A_DAY,
  RESTRICTIONS_A_CHILD,
  setRestriction,
  type ToRestrict,
} from '#loaders/upkeep/restrict.ts';
import { undoWithdrawal, withdrawUrgently } from '#loaders/upkeep/withdraw.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { userKeyOf } from '#schemas/people/identity.ts';
import { DEFAULT_BREAKERS } from '#schemas/uploads/breakers.ts';
import { keys } from '#store/keys.ts';
import { createLookupStore, type LookupResult } from '#store/lookup.ts';
import type { Store } from '#store/store.ts';
import { watchStore } from '#store/trust/readiness.ts';
import { endingAt, unreplicatedAt } from '../../support/cut-short.ts';
import { lookupEvent } from '../../support/lookup-event.ts';
import { day, testNumber } from '../../support/rows.ts';
import { until } from '../../support/test-store.ts';
import { startLoading } from '../../support/upload-loading.ts';
import {
  fileCsv,
  type ModelPlan,
  type ModelRecord,
  planOf,
  RECEIVED_AT,
} from '../../support/upload-model.ts';

const DAY_MS = 86_400_000;
const { t, l, newAuthority, loadRecords, events, expectWhole, expectOpensAgain } =
  await startLoading();
const lookupRedis = await t.connect('lookup');
const readiness = watchStore(lookupRedis);
afterAll(() => readiness.stop());
const lookups = createLookupStore(lookupRedis, readiness);

const ADA: Acting = { name: 'Ada Officer', key: 'council ada' };
const now = () => RECEIVED_AT;
const by = { ...ADA, now };
const why = 'the father works there';
const WHEREABOUTS = (n = 1): ToRestrict => ({ nhsNumber: testNumber(n), kind: 'whereabouts' });
const BAR = (id: string, n = 1): ToRestrict => ({
  nhsNumber: testNumber(n),
  kind: 'barred',
  user: { id },
});

/** A look by a user at a hospital. */
async function look(
  user: string,
  n = 1,
  differing: { issuer?: string } = {},
): Promise<LookupResult> {
  const { issuer = 'test' } = differing;
  const auditId = randomUUID();
  const event = JSON.parse(lookupEvent(testNumber(n), auditId)) as { caller: object };
  const organisation = { code: 'ZZH01', name: `Hospital of ${user}` };
  let result: LookupResult | undefined;
  // A store that has just been verified again opens to lookups at their next poll.
  await until(async () => {
    result = await lookups.lookup({
      nhsNumber: testNumber(n),
      auditId,
      event: JSON.stringify({ ...event, caller: { ...event.caller, user, issuer } }),
      access: 'unscheduled',
      showAccesses: true,
      userKey: userKeyOf(issuer, user),
      accessEntry: JSON.stringify({ name: user, role: 'Nurse', roleCode: 'R1', organisation }),
      negativesAllowed: true,
    });
    return result.kind !== 'could-not-check' || result.cause !== 'closed';
  }, 'the store to be open to lookups');
  return result as LookupResult;
}

async function set(authority: OdsCode, what: ToRestrict): Promise<string> {
  const done = await setRestriction(t.store, t.anchor, authority, what, why, by);
  if (done.kind !== 'set') throw new Error(done.kind);
  return done.restriction.id;
}
const end = (authority: OdsCode, id: string) =>
  endRestriction(t.store, t.anchor, authority, id, 'she has moved', by);

const eventsOf = async (authority: OdsCode) =>
  (await events()).flatMap((event) =>
    event.type === 'restriction' && event.authority === authority ? event : [],
  );

/**
 * What a clinician is told about who else has looked: with places, without them, or that the check could not be made.
 */
async function told(user: string, n = 1): Promise<'places' | 'no-places' | 'unchecked' | 'none'> {
  const result = await look(user, n);
  if (result.kind === 'could-not-check') return 'unchecked';
  if (result.kind !== 'flagged' || typeof result.accesses === 'string') return 'none';
  const others = result.accesses.filter(({ own }) => !own);
  expect(JSON.stringify(others).includes('Hospital')).toBe(
    others.some(({ withheld }) => withheld === undefined),
  );
  return others.every(({ withheld }) => withheld === true) ? 'no-places' : 'places';
}

describe('the place of a look that a council keeps back', () => {
  test('is shown to nobody but the user who looked', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(1), planOf(2)]);
    await look('nina');
    expect(await told('omar')).toBe('places');
    const id = await set(authority, WHEREABOUTS());
    const result = await look('omar');
    expect(result).toMatchObject({
      kind: 'flagged',
      accesses: [
        { own: true, name: 'omar', organisation: { name: 'Hospital of omar' }, count: 2 },
        {
          own: false,
          withheld: true,
          name: '',
          role: '',
          entry: '',
          count: 1,
          at: expect.any(Number) as unknown,
        },
      ],
    });
    expect(JSON.stringify(result)).not.toContain('nina');
    await look('nina', 2);
    expect(await told('omar', 2)).toBe('places');
    expect(await eventsOf(authority)).toMatchObject([
      { act: 'set', kind: 'whereabouts', nhsNumber: testNumber(1), by: 'Ada Officer', reason: why },
    ]);
    const [listed] = await listRestrictions(t.store, t.anchor, authority, now);
    expect(listed).toMatchObject({
      standing: 'in-force',
      hasPlan: true,
      restriction: { id, set: { name: 'Ada Officer', reason: why } },
    });
    expect(await end(authority, id)).toEqual({ kind: 'ended' });
    expect(await told('omar')).toBe('places');
    await expectWhole(authority);
  });

  test('is recorded in each look, with the council that keeps it back', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(3)]);
    await set(authority, WHEREABOUTS(3));
    await look('nina', 3);
    const last = (await t.adminStore.readEvents(3))
      .concat(
        ...(await Promise.all(Array.from({ length: 256 }, (_, p) => t.adminStore.readEvents(p)))),
      )
      .filter((event) => 'nhsNumber' in event && event.nhsNumber === testNumber(3))
      .at(-1);
    expect(last).toMatchObject({ type: 'lookup', whereaboutsOf: [authority] });
  });
});

describe('a user barred from a child', () => {
  test('is answered as if the store had not answered, under every issuer and however their id is capitalised', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(4)]);
    const id = await set(authority, BAR('Parent-77', 4));
    for (const [user, issuer] of [
      ['Parent-77', 'test'],
      ['parent-77', 'another'],
    ] as const) {
      expect(await look(user, 4, { issuer })).toEqual({
        kind: 'could-not-check',
        cause: 'store',
        barredBy: [authority],
      });
    }
    expect((await look('parent-7', 4)).kind).toBe('flagged');
    expect(await eventsOf(authority)).toMatchObject([{ kind: 'barred', barredUser: 'Parent-77' }]);
    await end(authority, id);
    expect((await look('Parent-77', 4)).kind).toBe('flagged');
    await expectWhole(authority);
  });

  test('stays barred when the plan is over, while others are told that there is none', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(5), planOf(6)]);
    const id = await set(authority, BAR('parent', 5));
    await set(authority, WHEREABOUTS(5));
    await loadRecords(authority, 2, [planOf(5, { deleteDate: day('2026-11-20') })]);
    const later = () => RECEIVED_AT + 200 * DAY_MS;
    await loadRecords(authority, 3, [planOf(6)], { now: later });
    await purge(t.store, t.anchor, { by: 'test', now: later });
    expect(await told('parent', 5)).toBe('unchecked');
    expect((await look('nurse', 5)).kind).toBe('not-flagged');
    await expectWhole(authority);
    await expectOpensAgain();
    await end(authority, id);
    expect((await look('parent', 5)).kind).toBe('not-flagged');
    await expectWhole(authority);
    await expectOpensAgain();
  });
});

test('a council can keep something back only about its own children', async () => {
  const [authority, other] = [newAuthority(), newAuthority()];
  await loadRecords(authority, 1, [planOf(7)]);
  await loadRecords(other, 1, [planOf(8)]);
  for (const what of [WHEREABOUTS(8), BAR('parent', 8), WHEREABOUTS(9)]) {
    expect(await setRestriction(t.store, t.anchor, authority, what, why, by)).toEqual({
      kind: 'no-such-child',
    });
  }
  const id = await set(authority, BAR('parent', 7));
  expect(await end(other, id)).toEqual({ kind: 'gone' });
  expect(await told('parent', 7)).toBe('unchecked');
});

test('repeating a request or its end has no further effect, and their number is limited', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(10), planOf(11)]);
  const id = await set(authority, BAR('parent', 10));
  expect(await set(authority, BAR('PARENT', 10))).toBe(id);
  expect(await end(authority, id)).toEqual({ kind: 'ended' });
  expect(await end(authority, id)).toEqual({ kind: 'ended' });
  expect((await eventsOf(authority)).map(({ act }) => act)).toEqual(['set', 'ended']);
  for (let i = 2; i <= Math.min(BARRED_A_DAY, RESTRICTIONS_A_CHILD); i++) {
    await set(authority, BAR(`user ${i}`, 10));
  }
  const one = (n: number, at: () => number) =>
    setRestriction(t.store, t.anchor, authority, BAR('one more', n), why, { ...ADA, now: at });
  expect(await one(11, now)).toEqual({ kind: 'too-many' });
  expect((await one(11, () => RECEIVED_AT + DAY_MS)).kind).toBe('set');
  const lock = await t.store.lockAuthority(authority);
  const busy = await setRestriction(t.store, t.anchor, authority, WHEREABOUTS(10), why, {
    ...by,
    lockWaitMs: 0,
  });
  expect(busy).toEqual({ kind: 'busy' });
  await lock?.release();
});

test('whereabouts can be protected several times a day, since each time is a separate event', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(12), planOf(13)]);
  for (let i = 0; i < PROTECTED_A_DAY; i++)
    await end(authority, await set(authority, WHEREABOUTS(12)));
  const again = (at: () => number) =>
    setRestriction(t.store, t.anchor, authority, WHEREABOUTS(12), why, { ...ADA, now: at });
  expect(await again(now)).toEqual({ kind: 'too-many' });
  await set(authority, WHEREABOUTS(13));
  expect((await again(() => RECEIVED_AT + DAY_MS)).kind).toBe('set');
});

test('the restrictions in force for one child are limited, however many days they are set on', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(15)]);
  const setOn = (user: number) =>
    setRestriction(t.store, t.anchor, authority, BAR(`user ${user}`, 15), why, {
      ...ADA,
      now: () => RECEIVED_AT + Math.floor(user / BARRED_A_DAY) * DAY_MS,
    });
  const ids: string[] = [];
  for (let user = 0; user < RESTRICTIONS_A_CHILD; user++) {
    const done = await setOn(user);
    if (done.kind === 'set') ids.push(done.restriction.id);
  }
  expect(ids).toHaveLength(RESTRICTIONS_A_CHILD);
  expect(await setOn(RESTRICTIONS_A_CHILD)).toEqual({ kind: 'too-many' });
  await end(authority, ids[0] ?? '');
  expect((await setOn(RESTRICTIONS_A_CHILD)).kind).toBe('set');
  await expectWhole(authority);
});

test('ended restrictions are listed for thirty days, and those in force for as long as they last', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(14)]);
  const [ended, standing] = [BAR('user 1', 14), BAR('user 2', 14)];
  await end(authority, await set(authority, ended));
  const id = await set(authority, standing);
  const listedAfter = async (days: number) => {
    await purge(t.store, t.anchor, { by: 'test', now: () => RECEIVED_AT + days * DAY_MS });
    const all = await listRestrictions(t.store, t.anchor, authority, now);
    return new Set(all.map(({ restriction }) => restriction.user?.id));
  };
  expect(await listedAfter(29)).toEqual(new Set(['user 1', 'user 2']));
  expect(await listedAfter(30)).toEqual(new Set(['user 2']));
  expect(await listedAfter(400)).toEqual(new Set(['user 2']));
  expect(await end(authority, id)).toEqual({ kind: 'ended' });
});

const STEPS = [
  'send',
  'end-plan',
  'delete',
  'late',
  'full-with',
  'full-without',
  'withdraw',
  'undo',
  'other-council',
  'whereabouts',
  'seen-again',
  'bar',
  'let-in',
] as const;

test('whatever the order of files, withdrawals, marks, bars and their ends, what is in force is what was set and not ended, and the anchor agrees', async () => {
  let n = 20;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...STEPS), { minLength: 3, maxLength: 9 }),
      async (further) => {
        n += 1;
        const [authority, other] = [newAuthority(), newAuthority()];
        let [sequence, late, others] = [10, 9, 0];
        let withdrawal: string | undefined;
        let [marked, barred]: [string | undefined, string | undefined] = [undefined, undefined];
        const send = (
          plans: Partial<ModelPlan>[],
          { full = false, of = ++sequence, from = authority } = {},
        ) => {
          const records: ModelRecord[] = plans.map((each) => planOf(n, each));
          records.push(planOf(1000 + n));
          return l.load(fileCsv({ records }), {
            metadata: {
              authority: from,
              sequence: of,
              createdAt: '2026-11-23T21:30:00Z',
              rowCount: records.length,
              full,
            },
            breakers: { ...DEFAULT_BREAKERS, removalsStopShare: 1 },
          });
        };
        for (const code of [authority, other]) {
          await t.store.setAuthority(
            code,
            { name: 'Test Council', emergencyDutyTeamPhone: '02079460199' },
            'test',
          );
        }
        await send([{}]);
        for (const step of ['whereabouts', 'bar', ...further] as const) {
          const ask = async (what: ToRestrict): Promise<string | undefined> => {
            const done = await setRestriction(t.store, t.anchor, authority, what, why, by);
            return done.kind === 'set' ? done.restriction.id : undefined;
          };
          if (step === 'send') await send([{}]);
          if (step === 'end-plan') await send([{ endDate: day('2026-11-01') }]);
          if (step === 'delete') await send([{ deleteDate: day('2026-11-20') }]);
          if (step === 'late') await send([{ deleteDate: day('2026-11-20') }], { of: late-- });
          if (step === 'full-with') await send([{}], { full: true });
          if (step === 'full-without') await send([], { full: true });
          if (step === 'other-council') await send([{}], { of: ++others, from: other });
          if (step === 'withdraw') {
            const plan = {
              nhsNumber: testNumber(n),
              type: 'child-protection-plan' as const,
              startDate: day('2026-09-14'),
            };
            const done = await withdrawUrgently(t.store, t.anchor, authority, plan, why, by);
            if (done.kind === 'withdrawn') withdrawal = done.withdrawal.id;
          }
          if (step === 'undo' && withdrawal !== undefined) {
            await undoWithdrawal(t.store, t.anchor, authority, withdrawal, why, by);
          }
          if (step === 'whereabouts') marked ??= await ask(WHEREABOUTS(n));
          if (step === 'bar') barred ??= await ask(BAR('parent', n));
          if (step === 'seen-again' && marked !== undefined) {
            await end(authority, marked);
            marked = undefined;
          }
          if (step === 'let-in' && barred !== undefined) {
            await end(authority, barred);
            barred = undefined;
          }
          await expectWhole(authority);
        }
        expect((await look('parent', n)).kind === 'could-not-check').toBe(barred !== undefined);
        // Another council's plan shows who has looked, whatever became of the first council's plan.
        await send([{}], { of: ++others, from: other });
        await look('nina', n);
        expect(await told('omar', n)).toBe(marked === undefined ? 'places' : 'no-places');
        expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
        await expectWhole(authority);
        await expectWhole(other);
      },
    ),
    { numRuns: 4 },
  );
  await expectOpensAgain();
});

async function resume(authority: OdsCode): Promise<void> {
  const load = t.anchor.loadInProgress(authority);
  expect(load?.journal).not.toMatch(/(?<![0-9a-f-])[0-9]{10}(?![0-9a-f-])|parent/);
  if (load !== undefined) await resumeLoad(t.store, t.anchor, load);
}

test.each(['appendEvent', 'restrict', 'tally', 'changeAuthority', 'commitLoad'] as const)(
  'a restriction and its end, cut short at %s, end the same when resumed',
  async (step) => {
    const n = 200 + step.length;
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(n)]);
    const { store, anchor } = endingAt(t, step);
    await expect(
      setRestriction(store, anchor, authority, BAR('parent', n), why, by),
    ).rejects.toThrow(LoadFailed);
    await resume(authority);
    expect(await told('parent', n)).toBe('unchecked');
    await expectWhole(authority);
    const [standing] = await listRestrictions(t.store, t.anchor, authority, now);
    expect(standing).toMatchObject({ standing: 'in-force' });
    const id = standing?.restriction.id ?? '';
    await expect(endRestriction(store, anchor, authority, id, why, by)).rejects.toThrow(LoadFailed);
    await resume(authority);
    expect((await look('parent', n)).kind).toBe('flagged');
    await expectWhole(authority);
    const acts = (await eventsOf(authority)).map(({ act, auditId }) => `${act} ${auditId}`);
    expect(new Set(acts).size).toBe(2);
    expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
  },
);

test('a protection that was held up until its lock had expired does not say that it is in force once others have ended it', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(231)]);
  let kept = 0;
  const late: Store = {
    ...t.store,
    async keepRestriction(...args) {
      kept += 1;
      if (kept === 2) {
        await t.admin.del(keys.lock(authority));
        const [{ restriction } = {}] = await listRestrictions(t.store, t.anchor, authority, now);
        const id = restriction?.id ?? '';
        // Finishes what was cut short first.
        await loadRecords(authority, 2, [planOf(232)]);
        expect((await endRestriction(t.store, t.anchor, authority, id, why, by)).kind).toBe(
          'ended',
        );
      }
      await t.store.keepRestriction(...args);
    },
  };
  await expect(
    setRestriction(late, t.anchor, authority, WHEREABOUTS(231), why, by),
  ).rejects.toThrow(LoadFailed);
  expect(await listRestrictions(t.store, t.anchor, authority, now)).toMatchObject([
    { standing: 'ended' },
  ]);
  await expectWhole(authority);
});

test('an act in doubt is ended once, by the first of two people who end it', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(233)]);
  const doubted = { authority, act: 'lostact' };
  const state = t.anchor.authority(authority) ?? { sequence: 0, rows: 0, digest: '' };
  const load = { authority, sha256: '', journal: 'given up', ...state };
  await t.anchor.beginLoad(load, state);
  t.anchor.doubtAct(doubted.act, load);
  await t.anchor.commitLoad(load, state);
  const recorded = {
    type: 'restriction',
    auditId: randomUUID(),
    act: 'set',
    restriction: doubted.act,
    kind: 'whereabouts',
    authority,
    nhsNumber: testNumber(233),
    by: 'Ada Officer',
    reason: why,
    at: RECEIVED_AT,
  } as const;
  for (const name of ['Ben Manager', 'Cat Clerk']) {
    const person = { name, key: name, now };
    expect(await endActInDoubt(t.store, t.anchor, doubted, recorded, why, person)).toEqual({
      kind: 'ended',
    });
  }
  expect(await eventsOf(authority)).toMatchObject([{ act: 'ended', by: 'Ben Manager' }]);
  expect(await t.store.restriction(authority, doubted.act)).toMatchObject({
    ended: { name: 'Ben Manager' },
  });
  expect(t.anchor.actsInDoubt()).toEqual([]);
});

test('one that was cut short before the anchor knew of it is not reported as in force, and can be set again', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(230)]);
  const { store } = endingAt(t, 'intakeState');
  const cut: Store = {
    ...t.store,
    async keepRestriction(...args) {
      await t.store.keepRestriction(...args);
      throw new Error('the process ended here');
    },
  };
  for (const each of [store, cut]) {
    await expect(
      setRestriction(each, t.anchor, authority, WHEREABOUTS(230), why, by),
    ).rejects.toThrow(LoadFailed);
  }
  expect(await listRestrictions(t.store, t.anchor, authority, now)).toMatchObject([
    { standing: 'cut-short' },
  ]);
  expect(await eventsOf(authority)).toEqual([]);
  await set(authority, WHEREABOUTS(230));
  await look('nina', 230);
  expect(await told('omar', 230)).toBe('no-places');
  await expectWhole(authority);
});

test.each(['beginLoad', 'appendEvent', 'commitLoad'] as const)(
  'a protection that fails at %s is not promised for later: the person is referred to the list',
  async (step) => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(235)]);
    const { store, anchor } = endingAt(t, step);
    const failing = setRestriction(store, anchor, authority, WHEREABOUTS(235), why, by);
    await expect(failing).rejects.toThrow(
      'It failed before it was known to be done: the process ended here. Look at the list (--list) in a minute.',
    );
    const isUnderWay = t.anchor.loadInProgress(authority) !== undefined;
    if (isUnderWay) await resume(authority);
    const standing = isUnderWay ? 'in-force' : 'cut-short';
    expect(await listRestrictions(t.store, t.anchor, authority, now)).toMatchObject([{ standing }]);
  },
);

test('a protection that fails before it starts says that nothing was changed', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(236)]);
  const { store } = endingAt(t, 'readRows');
  await expect(
    setRestriction(store, t.anchor, authority, WHEREABOUTS(236), why, by),
  ).rejects.toThrow('Nothing was changed: the process ended here. Correct that and do it again.');
  expect(await listRestrictions(t.store, t.anchor, authority, now)).toEqual([]);
});

test.each(['appendEvent', 'restrict', 'changeAuthority'] as const)(
  'a protection and its end, cut short at %s, are listed as being done until they are resumed, because they will be',
  async (step) => {
    const n = 280 + step.length;
    const [authority, other] = [newAuthority(), newAuthority()];
    for (const each of [authority, other]) await loadRecords(each, 1, [planOf(n)]);
    await set(other, WHEREABOUTS(n));
    const { store, anchor } = endingAt(t, step);
    const listed = () => listRestrictions(t.store, t.anchor, authority, now);
    await expect(setRestriction(store, anchor, authority, WHEREABOUTS(n), why, by)).rejects.toThrow(
      LoadFailed,
    );
    const [begun] = await listed();
    // It is not said beside another council's before it counts.
    expect([begun?.standing, begun?.other]).toEqual(['being-set', undefined]);
    // However long that takes.
    await forgetRestrictions(t.store, t.anchor, authority, () => now() + 99 * DAY_MS);
    expect(await listed()).toMatchObject([{ standing: 'being-set' }]);
    await resume(authority);
    const [inForce] = await listed();
    expect(inForce).toMatchObject({ standing: 'in-force', other: 'first' });

    const id = inForce?.restriction.id ?? '';
    await expect(endRestriction(store, anchor, authority, id, why, by)).rejects.toThrow(LoadFailed);
    const [ending] = await listed();
    expect([ending?.standing, ending?.other]).toEqual(['being-ended', undefined]);
    await resume(authority);
    expect(await listed()).toMatchObject([{ standing: 'ended' }]);
    await expectWhole(authority);
  },
);

test.each(['appendEvent', 'restrict', 'changeAuthority'] as const)(
  'a bar not known to be on a replica at %s is not reported as set, and is set once resumed',
  async (step) => {
    const n = 240 + step.length;
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(n)]);
    const store = unreplicatedAt(t.store, step);
    await expect(
      setRestriction(store, t.anchor, authority, BAR('parent', n), why, by),
    ).rejects.toThrow(LoadFailed);
    await resume(authority);
    expect(await told('parent', n)).toBe('unchecked');
    await expectWhole(authority);
    expect(new Set((await eventsOf(authority)).map(({ auditId }) => auditId)).size).toBe(1);
  },
);

test('a restriction that the store lost before any of it took effect is abandoned, on record', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(270)]);
  await set(authority, BAR('parent', 270));
  const { store } = endingAt(t, 'appendEvent');
  await expect(
    setRestriction(store, t.anchor, authority, WHEREABOUTS(270), why, by),
  ).rejects.toThrow(LoadFailed);
  const begun = (await t.store.restrictions(authority)).find(({ acting }) => acting !== undefined);
  await t.store.dropRestrictions(authority, [begun?.id ?? '']);
  const load = t.anchor.loadInProgress(authority);
  if (load === undefined) throw new Error('no act was begun');
  expect(await resumeLoad(t.store, t.anchor, load)).toMatchObject({ kind: 'given up' });
  expect(await events()).toContainEqual(
    expect.objectContaining({
      type: 'store-repaired',
      detail: { part: 'restriction', authority, act: begun?.id },
    }),
  );
  await expectOpensAgain();
  await expectWhole(authority);
  expect(await told('parent', 270)).toBe('unchecked');
});

test('a store that has lost a council’s restrictions is not whole, even if the council has no plans left', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, [planOf(260)]);
  await set(authority, WHEREABOUTS(260));
  await l.load(fileCsv({ records: [] }), {
    metadata: {
      authority,
      sequence: 2,
      createdAt: '2026-11-23T21:30:00Z',
      rowCount: 0,
      full: true,
    },
    breakers: { ...DEFAULT_BREAKERS, removalsStopShare: 1 },
  });
  expect(t.anchor.authority(authority)?.rows).toBe(0);
  await expectOpensAgain();
  const lock = await t.store.lockAuthority(authority);
  if (lock === undefined) throw new Error('busy');
  await t.store.restrict(lock, testNumber(260), []);
  await lock.release();
  const tally = (await t.store.tally()).get(authority);
  expect(tally?.digest).not.toBe(t.anchor.authority(authority)?.digest);
  await t.admin.del(keys.open);
  await until(
    async () => (await t.admin.get(keys.open))?.startsWith('closed: ') === true,
    'the store to stay closed',
  );
});
