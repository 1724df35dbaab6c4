import type { RestrictionEvent } from '#schemas/audit/audit-event.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import { isOver } from '#schemas/plans/plan.ts';
import type { Restriction } from '#store/authorities/restrictions.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import {
  actOnRestriction,
  inForce,
  isInForce,
  isSame,
  restrictionActs,
  restrictionEvent,
} from '../apply/restriction-act.ts';
import { type Changing, changing, instantOf, newActId } from './changing.ts';
import { plansNotOver } from './plans-not-over.ts';

const DAY_MS = 86_400_000;
/** How long an ended restriction stays on the list: the audit has everything. */
const ENDED_LISTED_DAYS = 30;
/** The most that one council may keep back about one child: a child has to be protected from fewer people than this. */
export const RESTRICTIONS_A_CHILD = 20;
/** Users that one council may bar in a day: a bar delays care. */
export const BARRED_A_DAY = 10;
/**
 * How often one council may protect one child's whereabouts in a day: each time is an event, and more would
 * only hide some.
 */
export const PROTECTED_A_DAY = 10;

/** What is to be kept back, and about whom. */
export type ToRestrict = Pick<Restriction, 'nhsNumber' | 'kind' | 'user'>;

/**
 * Keeps back where a child was looked up, or everything about the child from one user, until somebody ends
 * that. Only for a child with a plan of the council's own that is shown, or will be. Audited first. Asking
 * again returns the one in force.
 */
export function setRestriction(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  { nhsNumber, kind, user }: ToRestrict,
  reason: string,
  { now = Date.now, lockWaitMs, ...by }: Changing,
): Promise<
  { kind: 'set'; restriction: Restriction } | { kind: 'no-such-child' | 'too-many' | 'busy' }
> {
  return changing(store, anchor, authority, lockWaitMs, async (lock, begins) => {
    const [plan] = await plansNotOver(store, authority, nhsNumber, now);
    if (plan === undefined) return { kind: 'no-such-child' };
    const asked = { nhsNumber, kind, ...omitUndefined({ user }) };
    const held = await inForce(store, lock, asked);
    const same = held.find((each) => isSame(each, asked));
    if (same !== undefined) return { kind: 'set', restriction: same };
    if (held.length >= RESTRICTIONS_A_CHILD || (await isTooMany(store, authority, asked, now))) {
      return { kind: 'too-many' };
    }
    const next: Restriction = {
      id: newActId(),
      ...asked,
      localId: plan.localId,
      set: { name: by.name, at: instantOf(now), reason },
    };
    begins();
    const protectedBy =
      kind === 'whereabouts'
        ? (await othersProtecting(store, authority, [next])).get(nhsNumber)?.councils
        : undefined;
    const event = {
      ...restrictionEvent(authority, next, 'set', reason, by),
      ...omitUndefined({ protectedBy }),
    };
    await actOnRestriction(store, anchor, lock, next, { event, next });
    return { kind: 'set', restriction: next };
  });
}

/** Ends what a council keeps back about a child. One person is enough. Audited first. */
export function endRestriction(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  id: string,
  reason: string,
  { now = Date.now, lockWaitMs, ...by }: Changing,
): Promise<{ kind: 'ended' | 'gone' | 'busy' }> {
  return changing(store, anchor, authority, lockWaitMs, async (lock, begins) => {
    const held = await store.restriction(authority, id);
    if (held === undefined) return { kind: 'gone' };
    // A form sent twice.
    if (held.ended !== undefined) return { kind: 'ended' };
    if (!isInForce(held)) return { kind: 'gone' };
    const { acting: _, ...standing } = held;
    const next = { ...standing, ended: { name: by.name, at: instantOf(now), reason } };
    begins();
    const event = restrictionEvent(authority, next, 'ended', reason, by);
    await actOnRestriction(store, anchor, lock, standing, { event, next });
    return { kind: 'ended' };
  });
}

/**
 * Ends an act that was given up because the store had lost it. One person is enough. Audited.
 *
 * @param recorded the act as it is sealed; `undefined` if it is not, and then nothing is recorded now
 */
export function endActInDoubt(
  store: Store,
  anchor: Anchor,
  doubted: { authority: OdsCode; act: string },
  recorded: (RestrictionEvent & { at: number }) | undefined,
  reason: string,
  { now = Date.now, lockWaitMs, ...by }: Changing,
): Promise<{ kind: 'ended' | 'busy' }> {
  const { authority, act } = doubted;
  return changing(store, anchor, authority, lockWaitMs, async (lock, begins) => {
    const inDoubt = anchor.actsInDoubt();
    // Somebody else was quicker.
    if (!inDoubt.some((each) => each.authority === authority && each.act === act)) {
      return { kind: 'ended' };
    }
    begins();
    if (recorded !== undefined) {
      const { restriction: id, kind, barredUser } = recorded;
      const user = barredUser === undefined ? undefined : { id: barredUser };
      const ended: Restriction = {
        id,
        kind,
        nhsNumber: recorded.nhsNumber as NhsNumber,
        localId: '',
        ...omitUndefined({ user }),
        set: { name: recorded.by, at: instantOf(() => recorded.at), reason: recorded.reason },
        ended: { name: by.name, at: instantOf(now), reason },
      };
      // First: an act that the store does not have is not sealed as one.
      await store.keepRestriction(lock, ended);
      await store.appendEvent(restrictionEvent(authority, ended, 'ended', reason, by));
    }
    anchor.settleAct(doubted);
    return { kind: 'ended' };
  });
}

/** The present state of a restriction. */
export type StandingRestriction = {
  restriction: Restriction;
  /**
   * `being-set` and `being-ended`: the anchor knows of it, so it will be done even if it was cut short, unless Redis has
   * lost it. `cut-short`: it is not set, and the anchor does not know of it. It begins within moments, or never.
   */
  standing: 'being-set' | 'in-force' | 'being-ended' | 'ended' | 'cut-short';
  /** The child has a plan of the council's own that is shown, or will be. */
  hasPlan: boolean;
  /**
   * Another council protects the child's whereabouts as well, since before this one (`first`) or after (`also`). Only the
   * first is told where the child is looked up.
   */
  other?: 'first' | 'also';
};

/** What an authority keeps back about its children, or did until recently: the newest first. */
export async function listRestrictions(
  store: Store,
  anchor: Pick<Anchor, 'loadInProgress'>,
  authority: OdsCode,
  now: () => number = Date.now,
): Promise<StandingRestriction[]> {
  // First, so that one that is done meanwhile is not listed as one that never began.
  const underWay = restrictionActs.underWay(anchor, authority);
  const all = await store.restrictions(authority);
  const held = await store.readRows([...new Set(all.map(({ nhsNumber }) => nhsNumber))]);
  const listed = all.map((restriction) => ({
    restriction,
    standing: standingOf(restriction, underWay),
    hasPlan: (held.get(restriction.nhsNumber) ?? []).some(
      (row) => row.authority === authority && !isOver(row, now() / 1000),
    ),
  }));
  const protecting = listed.filter(protectsNow).map(({ restriction }) => restriction);
  const others = await othersProtecting(store, authority, protecting);
  return listed.map((each) => ({ ...each, ...otherOf(each, others) }));
}

const protectsNow = ({ restriction, standing }: StandingRestriction): boolean =>
  restriction.kind === 'whereabouts' && standing === 'in-force';

function otherOf(
  standing: StandingRestriction,
  others: Awaited<ReturnType<typeof othersProtecting>>,
): Pick<StandingRestriction, 'other'> {
  const other = others.get(standing.restriction.nhsNumber);
  if (other === undefined || !protectsNow(standing)) return {};
  return { other: other.isFirst ? 'also' : 'first' };
}

function standingOf(
  restriction: Restriction,
  underWay: string | undefined,
): StandingRestriction['standing'] {
  const { id, acting } = restriction;
  if (id === underWay && acting !== undefined) {
    return acting.next.ended === undefined ? 'being-set' : 'being-ended';
  }
  if (restriction.ended !== undefined) return 'ended';
  return isInForce(restriction) ? 'in-force' : 'cut-short';
}

/** Forgets restrictions that ended and were listed for long enough. */
export async function forgetRestrictions(
  store: Store,
  anchor: Pick<Anchor, 'loadInProgress'>,
  authority: OdsCode,
  now: () => number = Date.now,
): Promise<void> {
  const underWay = restrictionActs.underWay(anchor, authority);
  const over = (await store.restrictions(authority)).filter(
    (each) =>
      !isInForce(each) &&
      each.id !== underWay &&
      Date.parse((each.ended ?? each.set).at) + ENDED_LISTED_DAYS * DAY_MS <= now(),
  );
  await store.dropRestrictions(
    authority,
    over.map(({ id }) => id),
  );
}

async function isTooMany(
  store: Store,
  authority: OdsCode,
  { kind, nhsNumber }: Pick<ToRestrict, 'kind' | 'nhsNumber'>,
  now: () => number,
): Promise<boolean> {
  const lately = (await store.restrictions(authority)).filter(
    (each) => each.kind === kind && Date.parse(each.set.at) + DAY_MS > now(),
  );
  if (kind === 'barred') return lately.length >= BARRED_A_DAY;
  return lately.filter((each) => each.nhsNumber === nhsNumber).length >= PROTECTED_A_DAY;
}

/** Which of these children other councils protect as well, and whether one of those councils did so first. */
async function othersProtecting(
  store: Store,
  authority: OdsCode,
  of: readonly Pick<Restriction, 'nhsNumber'>[],
): Promise<Map<NhsNumber, { councils: string[]; isFirst: boolean }>> {
  const kept = await store.whereaboutsKept([...new Set(of.map(({ nhsNumber }) => nhsNumber))]);
  const others = new Map<NhsNumber, { councils: string[]; isFirst: boolean }>();
  for (const [nhsNumber, all] of kept) {
    const councils = all.filter((each) => each !== authority);
    if (councils.length > 0) others.set(nhsNumber, { councils, isFirst: all[0] === authority });
  }
  return others;
}
