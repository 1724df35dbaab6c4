// One file, since a request, its confirmation and its end are the states of one act.

import { randomUUID } from 'node:crypto';
import type { WITHDRAWAL_ACTS, WithdrawalEvent } from '#schemas/audit/audit-event.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import { isOver } from '#schemas/plans/plan.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import type { Withdrawal } from '#store/authorities/withdrawals.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import { restoredRow } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { actOnWithdrawal, rowOf, withdrawalActs } from '../apply/withdrawal-act.ts';
import { sameIdentity } from '../check/check.ts';
import { type Acting, type Changing, changing, instantOf, newActId } from './changing.ts';
import { plansNotOver } from './plans-not-over.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** How long a request waits for a second person before it lapses. */
export const WAITS_DAYS = 7;
/** How long a withdrawal can be undone, and stays on the list once it is over. */
export const UNDONE_WITHIN_DAYS = 30;
/** More than this in a day are not single mistakes, and a missing flag is the dangerous direction. */
export const WITHDRAWN_A_DAY = 10;

type PlanIdentity = Pick<PlanRow, 'nhsNumber' | 'type' | 'startDate'>;

/**
 * `again`: the same person had done it before, and nothing was left to do. `busy`: a file of the authority is being
 * loaded. `too-many`: more than single mistakes, in one day.
 */
export type Withdrawn =
  | { kind: 'withdrawn'; withdrawal: Withdrawal; again?: true }
  | { kind: 'no-such-plan' | 'too-many' | 'busy' };

const hasPassed = (since: string | undefined, ms: number, now: number): boolean =>
  Date.parse(since ?? '') + ms <= now;

/**
 * Requests that a plan be withdrawn as another child's. Nothing changes before a second person has confirmed
 * it. Audited first. Asking again for the same plan returns the waiting request.
 */
export function askWithdrawal(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  plan: PlanIdentity,
  reason: string,
  { now = Date.now, lockWaitMs, ...by }: Changing,
): Promise<{ kind: 'asked'; withdrawal: Withdrawal } | { kind: 'no-such-plan' | 'busy' }> {
  return changing(store, anchor, authority, lockWaitMs, async (lock, begins) => {
    const { waiting, row } = await lookUp(store, authority, plan, now);
    if (row === undefined) return { kind: 'no-such-plan' };
    if (waiting !== undefined) return { kind: 'asked', withdrawal: waiting };
    const withdrawal = request(row, reason, false, by, now);
    begins();
    await keepRequest(store, lock, withdrawal, by);
    return { kind: 'asked', withdrawal };
  });
}

/**
 * Asks for a withdrawal as one person and confirms it as another, both in one step: if it is refused, no request is left
 * behind.
 */
export function withdrawForTwo(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  plan: PlanIdentity,
  reason: string,
  first: Acting,
  { now = Date.now, lockWaitMs, ...second }: Changing,
): Promise<Withdrawn | { kind: 'same-person' }> {
  return changingWithdrawal(store, anchor, authority, lockWaitMs, async (act, at) => {
    const { waiting, row } = await lookUp(store, authority, plan, now);
    if (row === undefined) {
      const isTheirs = (each: Withdrawal): boolean =>
        !each.urgent && each.decided?.key === second.key && sameIdentity(each, plan);
      return doneBefore(store, authority, isTheirs, at.finished);
    }
    const withdrawal = waiting ?? request(row, reason, false, first, now);
    if (withdrawal.asked.key === second.key) return { kind: 'same-person' };
    if (await isTooMany(store, authority, now)) return { kind: 'too-many' };
    at.begins();
    if (waiting === undefined) await keepRequest(store, at.lock, withdrawal, first);
    const next = withdrawn(withdrawal, row, second, now);
    await act(withdrawal, row, next, eventOf(authority, next, 'confirmed', second));
    return { kind: 'withdrawn', withdrawal: next };
  });
}

/**
 * Withdraws a plan at once, on the word of one person, for when no second person can be found. Audited as urgent. Doing
 * it again, because the first was cut short or its answer was lost, changes nothing.
 */
export function withdrawUrgently(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  plan: PlanIdentity,
  reason: string,
  { now = Date.now, lockWaitMs, ...by }: Changing,
): Promise<Withdrawn> {
  return changingWithdrawal(store, anchor, authority, lockWaitMs, async (act, { finished }) => {
    const { waiting, row } = await lookUp(store, authority, plan, now);
    if (row === undefined) {
      const isOwn = (each: Withdrawal): boolean =>
        each.urgent && each.decided?.key === by.key && sameIdentity(each, plan);
      return doneBefore(store, authority, isOwn, finished);
    }
    if (await isTooMany(store, authority, now)) return { kind: 'too-many' };
    const asked = request(row, reason, true, by, now);
    // A waiting request becomes this urgent withdrawal, and stays what was asked for until then.
    const next = withdrawn({ ...asked, id: waiting?.id ?? asked.id }, row, by, now);
    await act(waiting ?? asked, row, next, eventOf(authority, next, 'urgent', by, reason));
    return { kind: 'withdrawn', withdrawal: next };
  });
}

/**
 * The answer to somebody who withdraws again what is no longer shown, because the first answer was lost. Finishes what
 * was cut short, and changes nothing else.
 *
 * @param isMeant whether it is what they have withdrawn
 */
export function withdrawnBefore(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  isMeant: (withdrawal: Withdrawal) => boolean,
  lockWaitMs?: number,
): Promise<Withdrawn> {
  return changingWithdrawal(store, anchor, authority, lockWaitMs, (_, { finished }) =>
    doneBefore(store, authority, isMeant, finished),
  );
}

/**
 * The second person's confirmation: the plan is withdrawn, and lookups no longer show it.
 *
 * @param nhsNumber as the second person typed it
 */
export function confirmWithdrawal(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  id: string,
  nhsNumber: NhsNumber,
  { now = Date.now, lockWaitMs, ...by }: Changing,
): Promise<Withdrawn | { kind: 'gone' | 'same-person' | 'other-number' }> {
  return changingWithdrawal(store, anchor, authority, lockWaitMs, async (act) => {
    const withdrawal = await store.withdrawal(authority, id);
    if (withdrawal === undefined) return { kind: 'gone' };
    // A form sent twice.
    if (withdrawal.state === 'withdrawn' && withdrawal.decided?.key === by.key) {
      return { kind: 'withdrawn', withdrawal };
    }
    if (!isWaiting(withdrawal, now())) return { kind: 'gone' };
    if (withdrawal.asked.key === by.key) return { kind: 'same-person' };
    if (withdrawal.nhsNumber !== nhsNumber) return { kind: 'other-number' };
    const row = await rowOf(store, { authority }, withdrawal);
    if (row === undefined || isOver(row, now() / 1000)) return { kind: 'no-such-plan' };
    if (await isTooMany(store, authority, now)) return { kind: 'too-many' };
    const next = withdrawn(withdrawal, row, by, now);
    await act(withdrawal, row, next, eventOf(authority, next, 'confirmed', by));
    return { kind: 'withdrawn', withdrawal: next };
  });
}

/** Takes a request back, or declines it; it had changed nothing. Audited first. */
export function declineWithdrawal(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  id: string,
  reason: string,
  { now = Date.now, lockWaitMs, ...by }: Changing,
): Promise<{ kind: 'declined' | 'gone' | 'busy' }> {
  return changing(store, anchor, authority, lockWaitMs, async (lock, begins) => {
    const withdrawal = await store.withdrawal(authority, id);
    // A form sent twice.
    if (withdrawal?.state === 'declined' && withdrawal.decided?.key === by.key) {
      return { kind: 'declined' };
    }
    if (withdrawal === undefined || !isWaiting(withdrawal, now())) return { kind: 'gone' };
    begins();
    await store.appendEvent(eventOf(authority, withdrawal, 'declined', by, reason));
    const { acting: _, ...standing } = withdrawal;
    await store.keepWithdrawal(lock, {
      ...standing,
      state: 'declined',
      decided: { name: by.name, key: by.key, at: instantOf(now) },
    });
    return { kind: 'declined' };
  });
}

/**
 * Shows a withdrawn plan again, as files now have it. One person is enough: absence is the dangerous
 * direction.
 *
 * `settled`: meanwhile the case system has deleted the plan, left it out of a full refresh, or sent it as
 * another child's, and there is nothing to undo.
 */
export function undoWithdrawal(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  id: string,
  reason: string,
  { now = Date.now, lockWaitMs, ...by }: Changing,
): Promise<{ kind: 'undone' | 'gone' | 'too-late' | 'settled' | 'busy' }> {
  return changingWithdrawal(store, anchor, authority, lockWaitMs, async (act) => {
    const withdrawal = await store.withdrawal(authority, id);
    if (withdrawal?.state === 'undone') return { kind: 'undone' };
    if (withdrawal?.state !== 'withdrawn') return { kind: 'gone' };
    if (hasPassed(withdrawal.decided?.at, UNDONE_WITHIN_DAYS * DAY_MS, now())) {
      return { kind: 'too-late' };
    }
    const row = await rowOf(store, { authority }, withdrawal);
    if (row?.withdrawn !== true) return { kind: 'settled' };
    const next: Withdrawal = {
      ...withdrawal,
      state: 'undone',
      undone: { name: by.name, key: by.key, at: instantOf(now) },
    };
    await act(withdrawal, row, next, eventOf(authority, next, 'undone', by, reason));
    return { kind: 'undone' };
  });
}

/** The present state of a withdrawal. */
export type StandingWithdrawal = {
  withdrawal: Withdrawal;
  /**
   * `settled`: the case system itself has deleted the plan, left it out or sent it as another child's. `being-withdrawn`
   * and `being-undone`: the anchor knows of it, so it will be done even if it was cut short, unless Redis has lost it.
   * `cut-short`: it is urgent and the anchor does not know of it. It begins within moments, or never.
   */
  standing:
    | 'waiting'
    | 'cut-short'
    | 'lapsed'
    | 'declined'
    | 'being-withdrawn'
    | 'in-force'
    | 'settled'
    | 'being-undone'
    | 'undone';
  /** In force, and files have sent the plan since. */
  sentAgain: boolean;
  /** In force: until when it can be undone, milliseconds since 1970. */
  undoUntil: number | undefined;
};

/** What an authority has requested and withdrawn, the newest first. */
export async function listWithdrawals(
  store: Store,
  anchor: Pick<Anchor, 'loadInProgress'>,
  authority: OdsCode,
  now: () => number = Date.now,
): Promise<StandingWithdrawal[]> {
  // First, so that one that is done meanwhile is not listed as one that never began.
  const underWay = withdrawalActs.underWay(anchor, authority);
  const all = await store.withdrawals(authority);
  const held = await store.readRows([...new Set(all.map(({ nhsNumber }) => nhsNumber))]);
  return all.map((withdrawal) => {
    const row = held
      .get(withdrawal.nhsNumber)
      ?.find((each) => each.authority === authority && sameIdentity(each, withdrawal));
    const standing = standingOf(withdrawal, row, { underWay, now: now() });
    const inForce = standing === 'in-force';
    return {
      withdrawal,
      standing,
      sentAgain: inForce && (row?.sequence ?? 0) > (withdrawal.sequence ?? 0),
      undoUntil: inForce
        ? Date.parse(withdrawal.decided?.at ?? '') + UNDONE_WITHIN_DAYS * DAY_MS
        : undefined,
    };
  });
}

/** Forgets what has ended and was kept for long enough: the audit has everything. */
export async function forgetWithdrawals(
  store: Store,
  anchor: Pick<Anchor, 'loadInProgress'>,
  authority: OdsCode,
  now: () => number = Date.now,
): Promise<void> {
  const over = (await listWithdrawals(store, anchor, authority, now)).filter(
    ({ withdrawal: { asked, decided, undone }, standing }) =>
      standing !== 'in-force' &&
      standing !== 'waiting' &&
      standing !== 'being-withdrawn' &&
      standing !== 'being-undone' &&
      hasPassed(undone?.at ?? decided?.at ?? asked.at, UNDONE_WITHIN_DAYS * DAY_MS, now()),
  );
  await store.dropWithdrawals(
    authority,
    over.map(({ withdrawal: { id } }) => id),
  );
}

function standingOf(
  withdrawal: Withdrawal,
  row: PlanRow | undefined,
  { underWay, now }: { underWay: string | undefined; now: number },
): StandingWithdrawal['standing'] {
  const { id, acting } = withdrawal;
  if (id === underWay && acting !== undefined) {
    return acting.next.state === 'undone' ? 'being-undone' : 'being-withdrawn';
  }
  switch (withdrawal.state) {
    case 'asked':
      if (withdrawal.urgent) return 'cut-short';
      return isWaiting(withdrawal, now) ? 'waiting' : 'lapsed';
    case 'withdrawn':
      return row?.withdrawn === true && !isOver(restoredRow(row), now / 1000)
        ? 'in-force'
        : 'settled';
    case 'declined':
    case 'undone':
      return withdrawal.state;
  }
}

/** One that was urgent waits for nobody: nobody recorded a request. */
const isWaiting = ({ state, urgent, asked }: Withdrawal, now: number): boolean =>
  state === 'asked' && !urgent && !hasPassed(asked.at, WAITS_DAYS * DAY_MS, now);

type Act = (
  withdrawal: Withdrawal,
  row: PlanRow,
  next: Withdrawal,
  event: WithdrawalEvent,
) => Promise<void>;

/** Runs a change to a withdrawal of an authority; see {@link changing}. */
const changingWithdrawal = <T>(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  lockWaitMs: number | undefined,
  work: (
    act: Act,
    at: { lock: AuthorityLock; begins: () => void; finished: boolean },
  ) => Promise<T>,
): Promise<T | { kind: 'busy' }> =>
  changing(store, anchor, authority, lockWaitMs, (lock, begins, finished) =>
    work(
      async (withdrawal, row, next, event) => {
        begins();
        const { acting: _, ...standing } = next;
        await actOnWithdrawal(store, anchor, lock, withdrawal, row, { event, next: standing });
      },
      { lock, begins, finished },
    ),
  );

/** Records a request and stores it. */
async function keepRequest(
  store: Store,
  lock: AuthorityLock,
  withdrawal: Withdrawal,
  by: Acting,
): Promise<void> {
  const { authority } = lock;
  await store.appendEvent(eventOf(authority, withdrawal, 'asked', by, withdrawal.reason));
  await store.keepWithdrawal(lock, withdrawal);
}

async function lookUp(
  store: Store,
  authority: OdsCode,
  plan: PlanIdentity,
  now: () => number,
): Promise<{ waiting: Withdrawal | undefined; row: PlanRow | undefined }> {
  const plans = await plansNotOver(store, authority, plan.nhsNumber, now);
  const waiting = (await store.withdrawals(authority)).find(
    (each) => isWaiting(each, now()) && sameIdentity(each, plan),
  );
  return { waiting, row: plans.find((row) => sameIdentity(row, plan)) };
}

/** @param finished whether something that was cut short has been finished just now: it may be this withdrawal */
async function doneBefore(
  store: Store,
  authority: OdsCode,
  isMeant: (withdrawal: Withdrawal) => boolean,
  finished: boolean,
): Promise<Withdrawn> {
  for (const withdrawal of await store.withdrawals(authority)) {
    if (withdrawal.state !== 'withdrawn' || !isMeant(withdrawal)) continue;
    const row = await rowOf(store, { authority }, withdrawal);
    if (row?.withdrawn !== true) continue;
    return { kind: 'withdrawn', withdrawal, ...(!finished && { again: true }) };
  }
  return { kind: 'no-such-plan' };
}

async function isTooMany(store: Store, authority: OdsCode, now: () => number): Promise<boolean> {
  const lately = (await store.withdrawals(authority)).filter(
    ({ state, decided }) =>
      (state === 'withdrawn' || state === 'undone') && !hasPassed(decided?.at, DAY_MS, now()),
  );
  return lately.length >= WITHDRAWN_A_DAY;
}

function request(
  { nhsNumber, type, startDate, localId }: PlanRow,
  reason: string,
  urgent: boolean,
  { name, key }: Acting,
  now: () => number,
): Withdrawal {
  const asked = { name, key, at: instantOf(now) };
  return {
    id: newActId(),
    nhsNumber,
    type,
    startDate,
    localId,
    reason,
    asked,
    state: 'asked',
    urgent,
  };
}

const withdrawn = (
  withdrawal: Withdrawal,
  { sequence }: PlanRow,
  { name, key }: Acting,
  now: () => number,
): Withdrawal => ({
  ...withdrawal,
  state: 'withdrawn',
  sequence,
  decided: { name, key, at: instantOf(now) },
});

function eventOf(
  authority: OdsCode,
  { id, nhsNumber, type, startDate }: Withdrawal,
  act: (typeof WITHDRAWAL_ACTS)[number],
  { name, caller, account }: Acting,
  reason?: string,
): WithdrawalEvent {
  return {
    type: 'withdrawal',
    auditId: randomUUID(),
    act,
    withdrawal: id,
    authority,
    nhsNumber,
    plan: { type, startDate },
    by: name,
    ...omitUndefined({ caller, account, reason }),
  };
}
