import { randomUUID } from 'node:crypto';
import type { RestrictionEvent } from '#schemas/audit/audit-event.ts';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { RESTRICTION } from '#schemas/wording/restrictions.ts';
import type { Restriction } from '#store/authorities/restrictions.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import { isSameUser, type KeptBack, packRestriction } from '#store/rows/restrictions.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { actsOf } from './anchored-act.ts';

const keptBy = ({ kind, user }: Pick<Restriction, 'kind' | 'user'>): KeptBack =>
  kind === 'barred' ? { kind, user: user?.id ?? '' } : { kind: 'whereabouts' };

/** Whether two restrictions of a child keep back the same. */
export const isSame = (
  one: Pick<Restriction, 'kind' | 'user'>,
  other: Pick<Restriction, 'kind' | 'user'>,
): boolean => one.kind === other.kind && isSameUser(one.user?.id ?? '', other.user?.id ?? '');

/** One that was cut short before the anchor knew of it was never in force. */
export const isInForce = ({ ended, acting }: Restriction): boolean =>
  ended === undefined && acting?.event.act !== 'set';

/** What the locked authority keeps back about a child, without repeats. */
export async function inForce(
  store: Store,
  { authority }: Pick<AuthorityLock, 'authority'>,
  { nhsNumber }: Pick<Restriction, 'nhsNumber'>,
): Promise<Restriction[]> {
  return (await store.restrictions(authority)).filter(
    (each) => each.nhsNumber === nhsNumber && isInForce(each),
  );
}

/** What is in force for a child once one restriction has changed. */
const withNext = (held: readonly Restriction[], next: Restriction): Restriction[] => [
  ...held.filter(({ id }) => id !== next.id),
  ...(next.ended === undefined ? [next] : []),
];

export const restrictionActs = actsOf('restriction', {
  lost: LOAD_FAILED.restrictionLost,
  async find(store, lock, id) {
    const { authority } = lock;
    const { acting } = (await store.restriction(authority, id)) ?? {};
    if (acting === undefined) return undefined;
    const { event, next } = acting;
    return {
      event,
      async change() {
        const kept = withNext(await inForce(store, lock, next), next);
        await store.restrict(lock, next.nhsNumber, kept.map(keptBy));
      },
      settle: () => store.keepRestriction(lock, next),
    };
  },
  // Those who go by the record hide too much rather than too little: a place that was shown cannot be taken back.
  async givenUp(store, anchor, { lock: { authority }, load }, id) {
    const held = await store.restriction(authority, id);
    if (held === undefined) anchor.doubtAct(id, load);
    else if (held.ended === undefined) {
      // Recorded after the end that the store has lost.
      const by = { name: 'keeper' };
      await store.appendEvent(restrictionEvent(authority, held, 'set', RESTRICTION.endLost, by));
    }
  },
});

/** What is recorded of an act. It is sealed as one only if the store has it too. */
export const restrictionEvent = (
  authority: string,
  { id, kind, nhsNumber, user }: Restriction,
  act: RestrictionEvent['act'],
  reason: string,
  { name, caller, account }: { name: string } & Pick<RestrictionEvent, 'caller' | 'account'>,
): RestrictionEvent => ({
  type: 'restriction',
  auditId: randomUUID(),
  act,
  restriction: id,
  kind,
  authority,
  nhsNumber,
  by: name,
  reason,
  ...omitUndefined({ barredUser: user?.id, caller, account }),
});

/**
 * Keeps something back about a child of the locked authority, or ends that; see {@link actsOf}.
 *
 * @param restriction as it is; for a new one, as it is to become
 */
export async function actOnRestriction(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  restriction: Restriction,
  acting: NonNullable<Restriction['acting']>,
): Promise<void> {
  const { authority } = lock;
  const { nhsNumber, id } = restriction;
  await restrictionActs.act(store, anchor, lock, {
    id,
    keep: () => store.keepRestriction(lock, { ...restriction, acting }),
    change(tally) {
      const packed = packRestriction(authority, keptBy(restriction));
      if (acting.next.ended === undefined) tally.add(nhsNumber, packed);
      else tally.remove(nhsNumber, packed);
    },
  });
}
