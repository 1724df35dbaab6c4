import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import { StoreNotWhole } from '#store/errors.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import type { Tally } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, BegunLoad } from '#store/trust/anchor.ts';
import { baseTally } from '../base-tally.ts';
import { agreesWith, withDiffering } from './apply.ts';

/** What is to be done to rows of the locked authority, other than by its files. */
type Act = {
  event: WrittenEvent;
  /** Doing it again changes nothing. */
  change: () => Promise<unknown>;
  /** Records that it is done. */
  settle: () => Promise<void>;
};

/** `given up`: the store has lost what was to be done, and none of it was done. */
type End = 'done' | 'given up';

/** How an act begins: `keep` stores what is to be done, and `change` computes the new state from what is held. */
type Beginning = { id: string; keep: () => Promise<void>; change: (tally: Tally) => void };

/**
 * Acts of one kind: the anchor knows first, then the event is on disk, then the rows change; after a crash
 * the act is finished with the same result.
 *
 * @param kind the name under which the anchor knows them
 * @param lost what is said if the store has lost what was to be done
 * @param find what is to be done; `undefined` if already finished
 * @param givenUp called if the act is given up. It may be on record, so whatever goes by the record must learn of it.
 * Calling it again changes nothing
 */
export function actsOf(
  kind: string,
  {
    lost,
    find,
    givenUp = () => Promise.resolve(),
  }: {
    lost: (authority: string) => string;
    find: (store: Store, lock: AuthorityLock, id: string) => Promise<Act | undefined>;
    givenUp?: (
      store: Store,
      anchor: Anchor,
      at: { lock: AuthorityLock; load: BegunLoad },
      id: string,
    ) => Promise<void>;
  },
) {
  /** Kept in the anchor instead of a file's journal: it names no child, and the rest is in the store. */
  const journalSchema = z.strictObject({ [kind]: z.strictObject({ id: z.string() }) });
  const isOf = ({ journal }: BegunLoad): boolean => journal.startsWith(`{"${kind}"`);
  const idOf = ({ journal }: BegunLoad): string =>
    journalSchema.parse(JSON.parse(journal))[kind]?.id ?? '';

  async function begin(
    store: Store,
    anchor: Anchor,
    lock: AuthorityLock,
    { id, keep, change }: Beginning,
  ): Promise<BegunLoad> {
    const { authority } = lock;
    const anchored = anchor.authority(authority);
    if (anchored === undefined) throw new Error('a row is held of which the anchor does not know');
    const { authority: known } = await store.intakeState(authority);
    const tally = await baseTally(store, anchor, authority, known);
    change(tally);
    await keep();
    await lock.renew();
    const { sequence } = anchored;
    const { rows, digest } = tally;
    const journal = JSON.stringify({ [kind]: { id } });
    const load: BegunLoad = { authority, sequence, sha256: '', journal, rows, digest };
    await anchor.beginLoad(load, anchored);
    return load;
  }

  /**
   * Finishes an act that the anchor knows about, from any point. One that the store has lost is abandoned, on
   * record, if everything held for the authority is as before: nobody was told that it was done, and it can
   * be done again.
   *
   * @throws {StoreNotWhole} if the store has lost what was to be done, and is not as before either
   */
  async function finish(
    store: Store,
    anchor: Anchor,
    load: BegunLoad,
    lock: AuthorityLock,
  ): Promise<End> {
    const { authority, sequence, rows, digest } = load;
    const id = idOf(load);
    await store.safeguard();
    const act = await find(store, lock, id);
    if (act !== undefined) {
      await store.appendEvent(act.event);
      await act.change();
    }
    const tally = (await store.tally()).get(authority);
    const reconciled = agreesWith(tally, { rows, digest });
    const isLost = act === undefined && !reconciled;
    const held = isLost ? anchor.authority(authority) : { rows, digest };
    if (held === undefined || (isLost && !agreesWith(tally, held))) {
      throw new StoreNotWhole(lost(authority));
    }
    const endRecorded = `given up: ${id}`;
    // It was recorded before if the anchor could not be written then.
    if (isLost && (await store.intakeState(lock.authority)).recorded !== endRecorded) {
      await givenUp(store, anchor, { lock, load }, id);
      await store.appendEvent({
        type: 'store-repaired',
        auditId: randomUUID(),
        by: 'keeper',
        detail: { part: kind, authority, act: id },
      });
    }
    const { sequenceOffset } = await store.intakeState(lock.authority);
    const before = anchor.missingFiles(authority);
    const missing =
      reconciled || isLost
        ? before
        : withDiffering(before, { sequence, number: sequence - sequenceOffset });
    await store.changeAuthority(lock, {
      rows: held.rows,
      digest: held.digest,
      inForce: tally?.inForce ?? 0,
      ...(isLost && { recorded: endRecorded }),
      reconciled: missing.length === 0,
    });
    await act?.settle();
    const state = { sequence, rows: held.rows, digest: held.digest };
    await anchor.commitLoad(load, state, { missing });
    return isLost ? 'given up' : 'done';
  }

  return {
    isOf,
    finish,
    /** The act of the authority that has begun, and so will be done; `undefined` if there is none of this kind. */
    underWay(anchor: Pick<Anchor, 'loadInProgress'>, authority: string): string | undefined {
      const load = anchor.loadInProgress(authority);
      return load !== undefined && isOf(load) ? idOf(load) : undefined;
    },
    /** Does one act from beginning to end. */
    async act(
      store: Store,
      anchor: Anchor,
      lock: AuthorityLock,
      beginning: Beginning,
    ): Promise<void> {
      await finish(store, anchor, await begin(store, anchor, lock, beginning), lock);
    },
  };
}
