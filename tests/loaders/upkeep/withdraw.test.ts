import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import type { Acting } from '#loaders/upkeep/changing.ts';
import { plansNotOver } from '#loaders/upkeep/plans-not-over.ts';
import { purge } from '#loaders/upkeep/purge.ts';
import {
  askWithdrawal,
  confirmWithdrawal,
  declineWithdrawal,
  forgetWithdrawals,
  listWithdrawals,
  undoWithdrawal,
  WAITS_DAYS,
  WITHDRAWN_A_DAY,
  withdrawForTwo,
  withdrawUrgently,
} from '#loaders/upkeep/withdraw.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { DEFAULT_BREAKERS } from '#schemas/uploads/breakers.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { keys } from '#store/keys.ts';
import type { KeptBack } from '#store/rows/restrictions.ts';
import type { Store } from '#store/store.ts';
import type { BegunLoad } from '#store/trust/anchor.ts';
import { endingAt, unreplicatedAt } from '../../support/cut-short.ts';
import { day, testNumber } from '../../support/rows.ts';
import { startLoading } from '../../support/upload-loading.ts';
import {
  fileCsv,
  type ModelPlan,
  type ModelRecord,
  person,
  planOf,
  RECEIVED_AT,
} from '../../support/upload-model.ts';

const DAY_MS = 86_400_000;
const { t, l, newAuthority, loadRecords, rowsOf, events, expectWhole, expectOpensAgain } =
  await startLoading();

const ADA: Acting = { name: 'Ada Officer', key: 'council ada' };
const BEN: Acting = { name: 'Ben Manager', key: 'council ben' };
const now = () => RECEIVED_AT;
const START = day('2026-09-14');
const plan = (n = 1) => ({
  nhsNumber: testNumber(n),
  type: 'child-protection-plan' as const,
  startDate: START,
});
const why = 'entered for the wrong child';

/** Asks for a withdrawal as one person and confirms it as another. @returns its id */
async function withdraw(authority: OdsCode, n = 1, at = now): Promise<string> {
  const asked = await askWithdrawal(t.store, t.anchor, authority, plan(n), why, {
    ...ADA,
    now: at,
  });
  if (asked.kind !== 'asked') throw new Error(asked.kind);
  const { id } = asked.withdrawal;
  const number = testNumber(n);
  const done = await confirmWithdrawal(t.store, t.anchor, authority, id, number, {
    ...BEN,
    now: at,
  });
  if (done.kind !== 'withdrawn') throw new Error(done.kind);
  return id;
}
const shown = async (authority: OdsCode, n = 1, at = now): Promise<boolean> =>
  (await plansNotOver(t.store, authority, testNumber(n), at)).length > 0;
const undo = (authority: OdsCode, id: string, at = now) =>
  undoWithdrawal(t.store, t.anchor, authority, id, 'it is this child after all', {
    ...ADA,
    now: at,
  });
const eventsOf = async (authority: OdsCode) =>
  (await events()).flatMap((event) =>
    event.type === 'withdrawal' && event.authority === authority ? event : [],
  );

describe('a flag on the wrong child', () => {
  test('is shown until a second person at the council has confirmed its withdrawal, and never after', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(1), planOf(2)]);
    const asked = await askWithdrawal(t.store, t.anchor, authority, plan(), why, { ...ADA, now });
    if (asked.kind !== 'asked') throw new Error(asked.kind);
    const { id } = asked.withdrawal;
    const confirm = (who: Acting, number = testNumber(1)) =>
      confirmWithdrawal(t.store, t.anchor, authority, id, number, { ...who, now });

    expect(await confirm(ADA)).toEqual({ kind: 'same-person' });
    expect(await confirm({ ...ADA, name: 'Another Name' })).toEqual({ kind: 'same-person' });
    expect(await confirm(BEN, testNumber(2))).toEqual({ kind: 'other-number' });
    // Nor by the command for two, in which she is the second person.
    const second = { ...ADA, now };
    const forTwo = withdrawForTwo(t.store, t.anchor, authority, plan(), why, BEN, second);
    expect(await forTwo).toEqual({ kind: 'same-person' });
    expect(await shown(authority)).toBe(true);

    expect((await confirm(BEN)).kind).toBe('withdrawn');
    expect(await shown(authority)).toBe(false);
    expect(await shown(authority, 2)).toBe(true);
    expect(await confirm(BEN)).toMatchObject({ kind: 'withdrawn', withdrawal: { id } });
    await expectWhole(authority);
    expect(await t.store.authority(authority)).toMatchObject({ sequence: 1, reconciled: true });
    const [row] = await rowsOf(authority, 1);
    expect(row).toMatchObject({ withdrawn: true, deleteDate: day('2026-11-24'), sequence: 1 });
    expect(await eventsOf(authority)).toMatchObject([
      { act: 'asked', by: 'Ada Officer', reason: why, nhsNumber: testNumber(1), withdrawal: id },
      { act: 'confirmed', by: 'Ben Manager', withdrawal: id },
    ]);
  });

  test('can be withdrawn at once by one person, and the audit says that it was urgent', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const done = await withdrawUrgently(t.store, t.anchor, authority, plan(), why, { ...ADA, now });
    expect(done).toMatchObject({ kind: 'withdrawn', withdrawal: { urgent: true } });
    expect(await shown(authority)).toBe(false);
    expect(await eventsOf(authority)).toMatchObject([{ act: 'urgent', by: 'Ada Officer' }]);
  });

  test.each(['changeAuthority', 'commitLoad'] as const)(
    'is withdrawn urgently once, and the answer says so if that is asked again because the first answer was lost (%s)',
    async (step) => {
      const authority = newAuthority();
      await loadRecords(authority, 1);
      const urgently = ({ store, anchor }: Pick<typeof t, 'store' | 'anchor'>, by = ADA) =>
        withdrawUrgently(store, anchor, authority, plan(), why, { ...by, now });
      await expect(urgently(endingAt(t, step))).rejects.toThrow(LoadFailed);
      const again = await urgently(t);
      expect(again).toMatchObject({ kind: 'withdrawn', withdrawal: { urgent: true } });
      expect(again).not.toHaveProperty('again');
      expect(await urgently(t)).toEqual({ ...again, again: true });
      expect(await urgently(t, BEN)).toEqual({ kind: 'no-such-plan' });
      expect(await listWithdrawals(t.store, t.anchor, authority, now)).toMatchObject([
        { standing: 'in-force', withdrawal: { decided: { key: ADA.key } } },
      ]);
      expect(await shown(authority)).toBe(false);
      await expectWhole(authority);
    },
  );

  test('is left as it is once, and the answer says so if the form is sent again', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const asked = await askWithdrawal(t.store, t.anchor, authority, plan(), why, { ...ADA, now });
    if (asked.kind !== 'asked') throw new Error(asked.kind);
    const { id } = asked.withdrawal;
    const decline = (by: Acting) =>
      declineWithdrawal(t.store, t.anchor, authority, id, why, { ...by, now });
    expect(await decline(BEN)).toEqual({ kind: 'declined' });
    expect(await decline(BEN)).toEqual({ kind: 'declined' });
    expect(await decline(ADA)).toEqual({ kind: 'gone' });
    expect((await eventsOf(authority)).map(({ act }) => act)).toEqual(['asked', 'declined']);
  });

  test('can be shown again by one person within thirty days, and no later', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const id = await withdraw(authority);
    expect(await undo(authority, id, () => RECEIVED_AT + 30 * DAY_MS)).toEqual({
      kind: 'too-late',
    });
    expect(await undo(authority, id, () => RECEIVED_AT + 30 * DAY_MS - 1)).toEqual({
      kind: 'undone',
    });
    expect(await shown(authority)).toBe(true);
    expect((await rowsOf(authority, 1))[0]?.deleteDate).toBeUndefined();
    await expectWhole(authority);
    expect((await eventsOf(authority)).at(-1)).toMatchObject({ act: 'undone', by: 'Ada Officer' });
    // It can then be withdrawn again.
    await withdraw(authority);
    expect(await shown(authority)).toBe(false);
  });

  test('is not withdrawn by a request that was declined, has lapsed or names no plan of the council', async () => {
    const authority = newAuthority();
    const other = newAuthority();
    await loadRecords(authority, 1);
    await loadRecords(other, 1, [planOf(2)]);
    expect(
      await askWithdrawal(t.store, t.anchor, authority, plan(2), why, { ...ADA, now }),
    ).toEqual({
      kind: 'no-such-plan',
    });
    const ask = async () => {
      const asked = await askWithdrawal(t.store, t.anchor, authority, plan(), why, { ...ADA, now });
      return asked.kind === 'asked' ? asked.withdrawal.id : '';
    };
    const first = await ask();
    expect(await ask()).toBe(first);
    expect(
      await declineWithdrawal(t.store, t.anchor, authority, first, 'right child', { ...BEN, now }),
    ).toEqual({ kind: 'declined' });
    const confirm = (id: string, of: OdsCode, at = now) =>
      confirmWithdrawal(t.store, t.anchor, of, id, testNumber(1), { ...BEN, now: at });
    expect(await confirm(first, authority)).toEqual({ kind: 'gone' });
    const second = await ask();
    const late = () => RECEIVED_AT + WAITS_DAYS * DAY_MS;
    expect(await confirm(second, authority, late)).toEqual({ kind: 'gone' });
    expect(await confirm(second, other)).toEqual({ kind: 'gone' });
    expect(await shown(authority)).toBe(true);
  });

  test('cannot be withdrawn while a file of its council is being loaded, and the answer says so', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const lock = await t.store.lockAuthority(authority);
    const done = await withdrawUrgently(t.store, t.anchor, authority, plan(), why, {
      ...ADA,
      now,
      lockWaitMs: 0,
    });
    expect(done).toEqual({ kind: 'busy' });
    await lock?.release();
    expect(await shown(authority)).toBe(true);
  });

  test('is withdrawn only if few others were withdrawn that day', async () => {
    const authority = newAuthority();
    const children = Array.from({ length: WITHDRAWN_A_DAY + 1 }, (_, i) => i + 1);
    await loadRecords(
      authority,
      1,
      children.map((n) => planOf(n)),
    );
    for (const n of children.slice(0, -1)) await withdraw(authority, n);
    const urgently = (at: () => number) =>
      withdrawUrgently(t.store, t.anchor, authority, plan(WITHDRAWN_A_DAY + 1), why, {
        ...ADA,
        now: at,
      });
    expect(await urgently(now)).toEqual({ kind: 'too-many' });
    const last = plan(WITHDRAWN_A_DAY + 1);
    const forTwo = (at: () => number) =>
      withdrawForTwo(t.store, t.anchor, authority, last, why, ADA, { ...BEN, now: at });
    expect(await forTwo(now)).toEqual({ kind: 'too-many' });
    // What is refused does not stay as a request.
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toHaveLength(WITHDRAWN_A_DAY);
    await expect(withdraw(authority, WITHDRAWN_A_DAY + 1)).rejects.toThrow('too-many');
    expect((await urgently(() => RECEIVED_AT + DAY_MS)).kind).toBe('withdrawn');
  });
});

describe('a withdrawal outranks files', () => {
  test('that send the plan again, and each acknowledgement says so', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const id = await withdraw(authority);
    for (const sequence of [2, 3]) {
      const answer = await loadRecords(authority, sequence, [planOf(1), planOf(2)]);
      expect(answer.code).toBe('CPF02');
      expect(answer.warnings).toMatchObject([
        {
          code: 'CPR06',
          field: 'delete_date',
          hint: expect.stringContaining('was withdrawn on') as unknown,
        },
      ]);
      expect(await shown(authority)).toBe(false);
    }
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toMatchObject([
      { standing: 'in-force', sentAgain: true, withdrawal: { id } },
    ]);
    await expectWhole(authority);
  });

  test('until the case system deletes the plan; then its files count again', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const id = await withdraw(authority);
    await loadRecords(authority, 2, [planOf(1, { deleteDate: day('2026-11-23') })]);
    expect(await undo(authority, id)).toEqual({ kind: 'settled' });
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toMatchObject([
      { standing: 'settled' },
    ]);
    await loadRecords(authority, 3);
    expect(await shown(authority)).toBe(true);
  });

  test('until the case system sends the plan with another local id', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    await withdraw(authority);
    const anothers = { ...planOf(1), child: person(1, { localId: 'LA-77' }) };
    const answer = await loadRecords(authority, 2, [anothers]);
    expect(answer.warnings).toMatchObject([
      { hint: expect.stringContaining('comes with another local id') as unknown },
    ]);
    expect(await shown(authority)).toBe(true);
    await expectWhole(authority);
  });

  test('and an end sent meanwhile is shown once the withdrawal is undone', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const id = await withdraw(authority);
    await loadRecords(authority, 2, [planOf(1, { endDate: day('2026-11-20') })]);
    expect(await shown(authority)).toBe(false);
    expect(await undo(authority, id)).toEqual({ kind: 'undone' });
    expect(await rowsOf(authority, 1)).toMatchObject([{ endDate: day('2026-11-20'), sequence: 2 }]);
    expect(await shown(authority)).toBe(true);
  });

  test('for as long as its plan would be shown, whatever is purged', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    await withdraw(authority);
    const later = () => RECEIVED_AT + 200 * DAY_MS;
    await purge(t.store, t.anchor, { by: 'test', now: later });
    await loadRecords(authority, 2);
    expect(await shown(authority, 1, later)).toBe(false);
  });
});

type Step = 'add' | 'end' | 'delete' | 'late' | 'full-with' | 'full-without' | 'withdraw' | 'undo';
const STEPS: Step[] = [
  'add',
  'end',
  'delete',
  'late',
  'full-with',
  'full-without',
  'withdraw',
  'undo',
];

/** The rules in brief: the last state sent by the case system, and whether a withdrawal outranks it. */
function model() {
  let sent: 'nothing' | 'plan' | 'deleted' = 'nothing';
  let isWithdrawn = false;
  return {
    takes(step: Step): void {
      if (step === 'add' || step === 'end' || step === 'full-with') sent = 'plan';
      if (step === 'delete' && sent !== 'nothing') {
        sent = 'deleted';
        isWithdrawn = false;
      }
      if (step === 'full-without') {
        sent = 'nothing';
        isWithdrawn = false;
      }
      if (step === 'withdraw' && sent === 'plan') isWithdrawn = true;
      if (step === 'undo') isWithdrawn = false;
    },
    get shows() {
      return sent === 'plan' && !isWithdrawn;
    },
  };
}

test('whatever the order of files, withdrawals and undoings, what is shown follows the last of each, and the anchor agrees', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...STEPS), { minLength: 1, maxLength: 6 }),
      async (further) => {
        const steps: Step[] = ['add', 'withdraw', ...further];
        const authority = newAuthority();
        const expected = model();
        let id: string | undefined;
        let sequence = 10;
        let late = 9;
        const send = async (
          plans: Partial<ModelPlan>[],
          differing: { full?: boolean; of?: number } = {},
        ) => {
          const { full = false, of = ++sequence } = differing;
          const records: ModelRecord[] = [planOf(2), ...plans.map((each) => planOf(1, each))];
          await l.load(fileCsv({ records }), {
            metadata: {
              authority,
              sequence: of,
              createdAt: '2026-11-23T21:30:00Z',
              rowCount: records.length,
              full,
            },
            breakers: { ...DEFAULT_BREAKERS, removalsStopShare: 1 },
          });
        };
        await t.store.setAuthority(
          authority,
          { name: 'Test Council', emergencyDutyTeamPhone: '02079460199' },
          'test',
        );
        await send([]);
        for (const step of steps) {
          expected.takes(step);
          if (step === 'add') await send([{}]);
          if (step === 'end') await send([{ endDate: day('2026-11-01') }]);
          if (step === 'delete') await send([{ deleteDate: day('2026-11-20') }]);
          // This file is older than everything sent so far, so it says nothing about a plan that is held.
          if (step === 'late') await send([{ deleteDate: day('2026-11-20') }], { of: late-- });
          if (step === 'full-with') await send([{}], { full: true });
          if (step === 'full-without') await send([], { full: true });
          if (step === 'withdraw' && (await shown(authority))) id = await withdraw(authority);
          if (step === 'undo' && id !== undefined) await undo(authority, id);
          expect(await shown(authority)).toBe(expected.shows);
          await expectWhole(authority);
        }
        expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
        // Each round counts as a day of its own, so that no limit is reached.
        await t.store.dropWithdrawals(authority, id === undefined ? [] : [id]);
      },
    ),
    { numRuns: 6 },
  );
  await expectOpensAgain();
});

/** The store, with something that others do just before or just after a step. */
function meanwhile(
  step: 'appendEvent' | 'keepWithdrawal' | 'safeguard' | 'applyRows' | 'changeAuthority',
  moment: 'before' | 'after',
  others: () => Promise<unknown>,
): Store {
  let isFirst = true;
  const once = async (): Promise<void> => {
    if (!isFirst) return;
    isFirst = false;
    await others();
  };
  return {
    ...t.store,
    async [step](...args: never[]) {
      if (moment === 'before') await once();
      const done = await (t.store[step] as (...all: never[]) => Promise<unknown>)(...args);
      if (moment === 'after') await once();
      return done;
    },
  };
}

describe('if two people act on one request at the same moment, one act counts and the other person is told so', () => {
  const CAT: Acting = { name: 'Cat Clerk', key: 'council cat' };
  async function asked() {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(1), planOf(2)]);
    const done = await askWithdrawal(t.store, t.anchor, authority, plan(), why, { ...ADA, now });
    if (done.kind !== 'asked') throw new Error(done.kind);
    return { authority, id: done.withdrawal.id };
  }
  const atOnce = { now, lockWaitMs: 0 };
  const confirm = (store: Store, authority: OdsCode, id: string) =>
    confirmWithdrawal(store, t.anchor, authority, id, testNumber(1), { ...BEN, ...atOnce });
  const decline = (store: Store, authority: OdsCode, id: string) =>
    declineWithdrawal(store, t.anchor, authority, id, 'right child', { ...CAT, ...atOnce });
  const actsOf = async (authority: OdsCode) => (await eventsOf(authority)).map(({ act }) => act);

  test.each([
    ['appendEvent', 'before'],
    ['appendEvent', 'after'],
    ['keepWithdrawal', 'before'],
  ] as const)('a confirmation while the request is declined (%s, %s)', async (step, moment) => {
    const { authority, id } = await asked();
    let other: { kind: string } | undefined;
    const store = meanwhile(step, moment, async () => {
      other = await confirm(t.store, authority, id);
    });
    expect(await decline(store, authority, id)).toEqual({ kind: 'declined' });
    expect(other).toEqual({ kind: 'busy' });
    expect(await shown(authority)).toBe(true);
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toMatchObject([
      { standing: 'declined' },
    ]);
    expect(await actsOf(authority)).toEqual(['asked', 'declined']);
    await expectWhole(authority);
  });

  test.each([
    ['keepWithdrawal', 'before'],
    ['safeguard', 'before'],
    ['appendEvent', 'after'],
    ['applyRows', 'after'],
    ['changeAuthority', 'after'],
  ] as const)('a decline while the request is confirmed (%s, %s)', async (step, moment) => {
    const { authority, id } = await asked();
    let other: { kind: string } | undefined;
    const store = meanwhile(step, moment, async () => {
      other = await decline(t.store, authority, id);
    });
    expect((await confirm(store, authority, id)).kind).toBe('withdrawn');
    expect(other).toEqual({ kind: 'busy' });
    expect(await shown(authority)).toBe(false);
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toMatchObject([
      { standing: 'in-force' },
    ]);
    expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
    expect(await actsOf(authority)).toEqual(['asked', 'confirmed']);
    await expectWhole(authority);
  });

  test('two requests for the same plan count as one', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const ask = (by: Acting) =>
      askWithdrawal(t.store, t.anchor, authority, plan(), why, { ...by, now });
    const [one, other] = await Promise.all([ask(ADA), ask(BEN)]);
    expect(other).toEqual(one);
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toHaveLength(1);
  });
});

describe('a withdrawal that was cut short, and whose details the store has lost,', () => {
  /** As in a copy of Redis from just before. */
  async function lost(): Promise<{
    authority: OdsCode;
    load: BegunLoad;
    putBack: () => Promise<void>;
  }> {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(1), planOf(2)]);
    const { store } = endingAt(t, 'appendEvent');
    await expect(
      withdrawUrgently(store, t.anchor, authority, plan(), why, { ...ADA, now }),
    ).rejects.toThrow(LoadFailed);
    const [held] = await t.store.withdrawals(authority);
    const load = t.anchor.loadInProgress(authority);
    if (held === undefined || load === undefined) throw new Error('nothing is being done');
    await t.store.dropWithdrawals(authority, [held.id]);
    const putBack = async (): Promise<void> => {
      await t.admin.hset(keys.withdrawals(authority), held.id, JSON.stringify(held));
    };
    return { authority, load, putBack };
  }

  test('is abandoned, on record, if none of it was done: the store opens, the plan is shown, and it can be withdrawn again', async () => {
    const { authority, load } = await lost();
    const { id } = z
      .object({ withdrawal: z.object({ id: z.string() }) })
      .parse(JSON.parse(load.journal)).withdrawal;
    expect(await resumeLoad(t.store, t.anchor, load)).toEqual({
      kind: 'given up',
      why: LOAD_FAILED.actGivenUp(authority),
    });
    await expectOpensAgain();
    expect(await shown(authority)).toBe(true);
    expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
    await expectWhole(authority);
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toEqual([]);
    expect(await events()).toContainEqual(
      expect.objectContaining({
        type: 'store-repaired',
        by: 'keeper',
        detail: { part: 'withdrawal', authority, act: id },
      }),
    );
    await withdrawUrgently(t.store, t.anchor, authority, plan(), why, { ...ADA, now });
    expect(await shown(authority)).toBe(false);
    await expectWhole(authority);
  });

  test('counts neither as done nor as abandoned if the store is not as it was before either', async () => {
    const { authority, load, putBack } = await lost();
    const change = async (kept: KeptBack[]): Promise<void> => {
      const lock = await t.store.lockAuthority(authority);
      if (lock === undefined) throw new Error('busy');
      await t.store.restrict(lock, testNumber(2), kept);
      await lock.release();
    };
    await change([{ kind: 'whereabouts' }]);
    await expect(resumeLoad(t.store, t.anchor, load)).rejects.toThrow('restore');
    expect(t.anchor.loadInProgress(authority)).toBeDefined();
    expect(await t.store.authority(authority)).toMatchObject({ reconciled: false });
    await change([]);
    await putBack();
    await resumeLoad(t.store, t.anchor, load);
    expect(await shown(authority)).toBe(false);
    await expectWhole(authority);
  });
});

/** The store of somebody who is held up before this step until their lock has expired and others have done this. */
const heldUp = (
  step: 'keepWithdrawal' | 'settle',
  authority: OdsCode,
  others: () => Promise<unknown>,
): Store => {
  let kept = 0;
  return {
    ...t.store,
    async keepWithdrawal(...args) {
      kept += 1;
      if ((step === 'settle') === (kept === 2)) {
        await t.admin.del(keys.lock(authority));
        await others();
      }
      await t.store.keepWithdrawal(...args);
    },
  };
};

describe('somebody held up until their lock has expired replaces nothing that was done since', () => {
  async function asked() {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const done = await askWithdrawal(t.store, t.anchor, authority, plan(), why, { ...ADA, now });
    return { authority, id: done.kind === 'asked' ? done.withdrawal.id : '' };
  }
  const confirm = (store: Store, authority: OdsCode, id: string) =>
    confirmWithdrawal(store, t.anchor, authority, id, testNumber(1), { ...BEN, now });

  test('a decline does not hide that the plan is withdrawn', async () => {
    const { authority, id } = await asked();
    const late = heldUp('keepWithdrawal', authority, () => confirm(t.store, authority, id));
    await expect(
      declineWithdrawal(late, t.anchor, authority, id, 'right child', { ...ADA, now }),
    ).rejects.toThrow(LoadFailed);
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toMatchObject([
      { standing: 'in-force' },
    ]);
    expect(await undo(authority, id)).toEqual({ kind: 'undone' });
    expect(await shown(authority)).toBe(true);
  });

  test('a confirmation does not call a plan withdrawn that is shown again', async () => {
    const { authority, id } = await asked();
    const late = heldUp('settle', authority, () => undo(authority, id));
    await expect(confirm(late, authority, id)).rejects.toThrow(LoadFailed);
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toMatchObject([
      { standing: 'undone' },
    ]);
    expect(await shown(authority)).toBe(true);
    await expectWhole(authority);
  });

  test('a confirmation leaves a later withdrawal of the same plan on the list, from which that can be undone', async () => {
    const { authority, id } = await asked();
    let later = '';
    const late = meanwhile('changeAuthority', 'after', async () => {
      await t.admin.del(keys.lock(authority));
      expect(await undo(authority, id)).toEqual({ kind: 'undone' });
      later = await withdraw(authority);
    });
    await expect(confirm(late, authority, id)).rejects.toThrow(LoadFailed);
    expect(await shown(authority)).toBe(false);
    expect(await undo(authority, later)).toEqual({ kind: 'undone' });
    expect(await shown(authority)).toBe(true);
    await expectWhole(authority);
  });
});

describe('an urgent withdrawal that was cut short before it had begun', () => {
  const urgently =
    (by: Acting, ending: Pick<typeof t, 'store' | 'anchor'> = t) =>
    (of: OdsCode) =>
      withdrawUrgently(ending.store, ending.anchor, of, plan(), why, { ...by, now, lockWaitMs: 0 });
  const confirm = (authority: OdsCode, id: string, by: Acting) =>
    confirmWithdrawal(t.store, t.anchor, authority, id, testNumber(1), { ...by, now });

  test('is no request that a second person could confirm, since nobody recorded one, and can be made again', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    await expect(urgently(ADA, endingAt(t, 'beginLoad'))(authority)).rejects.toThrow(LoadFailed);
    const [left] = await listWithdrawals(t.store, t.anchor, authority, now);
    expect(left?.standing).toBe('cut-short');
    expect(await confirm(authority, left?.withdrawal.id ?? '', BEN)).toEqual({ kind: 'gone' });
    expect(await eventsOf(authority)).toEqual([]);
    expect((await urgently(ADA)(authority)).kind).toBe('withdrawn');
    expect(await eventsOf(authority)).toMatchObject([{ act: 'urgent', by: 'Ada Officer' }]);
    await expectWhole(authority);
  });

  test('leaves a request that waits as it was recorded: the person who asked is not the second one', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const asked = await askWithdrawal(t.store, t.anchor, authority, plan(), why, { ...ADA, now });
    const id = asked.kind === 'asked' ? asked.withdrawal.id : '';
    await expect(urgently(BEN, endingAt(t, 'beginLoad'))(authority)).rejects.toThrow(LoadFailed);
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toMatchObject([
      { standing: 'waiting', withdrawal: { id, urgent: false, asked: { name: 'Ada Officer' } } },
    ]);
    expect(await confirm(authority, id, ADA)).toEqual({ kind: 'same-person' });
    expect((await confirm(authority, id, BEN)).kind).toBe('withdrawn');
    await expectWhole(authority);
  });
});

test.each(['keepWithdrawal', 'appendEvent'] as const)(
  'a request and a decline that may be in Redis (%s) are not said to have changed nothing',
  async (step) => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    const store = unreplicatedAt(t.store, step);
    await expect(
      askWithdrawal(store, t.anchor, authority, plan(), why, { ...ADA, now }),
    ).rejects.toThrow(/before it was known to be done.*Look at the list/);
    const asked = await askWithdrawal(t.store, t.anchor, authority, plan(), why, { ...ADA, now });
    const id = asked.kind === 'asked' ? asked.withdrawal.id : '';
    await expect(
      declineWithdrawal(store, t.anchor, authority, id, 'right child', { ...BEN, now }),
    ).rejects.toThrow(/before it was known to be done.*Look at the list/);
  },
);

test.each(['changeAuthority', 'commitLoad'] as const)(
  'a plan that is withdrawn once more has one withdrawal that can be undone, also if the second was cut short: %s',
  async (step) => {
    const authority = newAuthority();
    await loadRecords(authority, 1);
    await withdraw(authority);
    await loadRecords(authority, 2, [planOf(1, { deleteDate: day('2026-11-23') })]);
    await loadRecords(authority, 3);
    const { store, anchor } = endingAt(t, step);
    await expect(
      withdrawUrgently(store, anchor, authority, plan(), why, { ...ADA, now }),
    ).rejects.toThrow(LoadFailed);
    const load = t.anchor.loadInProgress(authority);
    if (load !== undefined) await resumeLoad(t.store, t.anchor, load);
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toMatchObject([
      { standing: 'in-force', withdrawal: { urgent: true } },
    ]);
    await expectWhole(authority);
  },
);

test.each(['appendEvent', 'applyRows', 'tally', 'changeAuthority', 'commitLoad'] as const)(
  'a withdrawal and an undoing cut short at %s end the same when resumed',
  async (step) => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(1), planOf(2)]);
    const { store, anchor } = endingAt(t, step);
    const resume = async (): Promise<void> => {
      const load = t.anchor.loadInProgress(authority);
      expect(load?.journal).not.toContain(testNumber(1));
      if (load !== undefined) await resumeLoad(t.store, t.anchor, load);
    };
    await expect(
      withdrawUrgently(store, anchor, authority, plan(), why, { ...ADA, now }),
    ).rejects.toThrow(LoadFailed);
    await resume();
    expect(await shown(authority)).toBe(false);
    await expectWhole(authority);
    const [standing] = await listWithdrawals(t.store, t.anchor, authority, now);
    expect(standing).toMatchObject({ standing: 'in-force' });
    const id = standing?.withdrawal.id ?? '';
    await expect(
      undoWithdrawal(store, anchor, authority, id, why, { ...ADA, now }),
    ).rejects.toThrow(LoadFailed);
    await resume();
    expect(await shown(authority)).toBe(true);
    await expectWhole(authority);
    expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
  },
);

test.each(['appendEvent', 'applyRows', 'changeAuthority'] as const)(
  'a withdrawal or an undoing cut short at %s is listed as being done until it is resumed, because it will be',
  async (step) => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(1), planOf(2)]);
    const { store, anchor } = endingAt(t, step);
    const standings = async () =>
      (await listWithdrawals(t.store, t.anchor, authority, now)).map(({ standing }) => standing);
    const resume = async (): Promise<void> => {
      const load = t.anchor.loadInProgress(authority);
      if (load !== undefined) await resumeLoad(t.store, t.anchor, load);
    };
    const alone = { ...ADA, now };
    await expect(withdrawUrgently(store, anchor, authority, plan(1), why, alone)).rejects.toThrow(
      LoadFailed,
    );
    expect(await standings()).toEqual(['being-withdrawn']);
    // However long that takes.
    await forgetWithdrawals(t.store, t.anchor, authority, () => now() + 99 * DAY_MS);
    expect(await standings()).toEqual(['being-withdrawn']);
    await resume();
    expect(await standings()).toEqual(['in-force']);

    const [{ withdrawal } = {}] = await listWithdrawals(t.store, t.anchor, authority, now);
    const id = withdrawal?.id ?? '';
    await expect(undoWithdrawal(store, anchor, authority, id, why, alone)).rejects.toThrow(
      LoadFailed,
    );
    expect(await standings()).toEqual(['being-undone']);
    await resume();
    expect(await standings()).toEqual(['undone']);

    const asked = await askWithdrawal(t.store, t.anchor, authority, plan(2), why, alone);
    const second = asked.kind === 'asked' ? asked.withdrawal.id : '';
    await expect(
      confirmWithdrawal(store, anchor, authority, second, testNumber(2), { ...BEN, now }),
    ).rejects.toThrow(LoadFailed);
    expect((await standings()).toSorted()).toEqual(['being-withdrawn', 'undone']);
    await resume();
    expect((await standings()).toSorted()).toEqual(['in-force', 'undone']);
    await expectWhole(authority);
  },
);

test.each(['appendEvent', 'applyRows', 'changeAuthority'] as const)(
  'a withdrawal not known to be on a replica at %s is not reported as done, and is done once resumed',
  async (step) => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(1), planOf(2)]);
    const store = unreplicatedAt(t.store, step);
    await expect(
      withdrawUrgently(store, t.anchor, authority, plan(), why, { ...ADA, now }),
    ).rejects.toThrow(LoadFailed);
    const load = t.anchor.loadInProgress(authority);
    expect(load).toBeDefined();
    if (load !== undefined) await resumeLoad(t.store, t.anchor, load);
    expect(await shown(authority)).toBe(false);
    await expectWhole(authority);
    const ids = (await eventsOf(authority)).map(({ auditId }) => auditId);
    expect(new Set(ids).size).toBe(1);
    expect(await listWithdrawals(t.store, t.anchor, authority, now)).toMatchObject([
      { standing: 'in-force' },
    ]);
  },
);
