import { z } from 'zod';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { Restriction } from '#store/authorities/restrictions.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import { isSameUser, type KeptBack, packRestriction } from '#store/rows/restrictions.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, BegunLoad } from '#store/trust/anchor.ts';
import { beginAct, finishAct } from './anchored-act.ts';

const journalSchema = z.strictObject({ restriction: z.strictObject({ id: z.string() }) });

export const isRestrictionAct = ({ journal }: BegunLoad): boolean =>
  journal.startsWith('{"restriction"');

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

/** What the locked authority keeps back about a child; each once. */
export async function inForce(
  store: Store,
  { authority }: Pick<AuthorityLock, 'authority'>,
  { nhsNumber }: Pick<Restriction, 'nhsNumber'>,
): Promise<Restriction[]> {
  return (await store.restrictions(authority)).filter(
    (each) => each.nhsNumber === nhsNumber && isInForce(each),
  );
}

/** What is in force of a child once one is as it is to become. */
const withNext = (held: readonly Restriction[], next: Restriction): Restriction[] => [
  ...held.filter(({ id }) => id !== next.id),
  ...(next.ended === undefined ? [next] : []),
];

/**
 * Keeps something back about a child of the locked authority, or ends that. The anchor knows first, then the event is
 * on disk, then it is so; a crash in between is carried to the same end by {@link finishRestriction}.
 *
 * @param restriction as it stands; of a new one as it is to become
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
  const load = await beginAct(store, anchor, lock, {
    journal: JSON.stringify({ restriction: { id } }),
    keep: () => store.keepRestriction(authority, { ...restriction, acting }),
    change(tally) {
      const packed = packRestriction(authority, keptBy(restriction));
      if (acting.next.ended === undefined) tally.add(nhsNumber, packed);
      else tally.remove(nhsNumber, packed);
    },
  });
  await finishRestriction(store, anchor, load, lock);
}

/**
 * Carries what the anchor was told about to its end, from any point.
 *
 * @throws {LoadFailed} where the store has lost what was to be done
 */
export async function finishRestriction(
  store: Store,
  anchor: Anchor,
  load: BegunLoad,
  lock: AuthorityLock,
): Promise<void> {
  const { authority } = lock;
  const { id } = journalSchema.parse(JSON.parse(load.journal)).restriction;
  await finishAct(store, anchor, load, lock, {
    lost: LOAD_FAILED.restrictionLost(authority),
    async find() {
      const restriction = await store.restriction(authority, id);
      const acting = restriction?.acting;
      if (acting === undefined) return undefined;
      return {
        event: acting.event,
        async change() {
          const kept = withNext(await inForce(store, lock, acting.next), acting.next);
          await store.restrict(lock, acting.next.nhsNumber, kept.map(keptBy));
        },
        settle: () => store.keepRestriction(authority, acting.next),
      };
    },
  });
}
