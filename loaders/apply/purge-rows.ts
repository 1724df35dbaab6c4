import { z } from 'zod';
import type { OdsCode } from '#schemas/authority.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import { authorityOf, type PackedRow, restoredRow, unpackRow } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, BegunLoad } from '#store/trust/anchor.ts';
import { agreesWith, withDiffering } from './apply.ts';

const ROWS_A_STEP = 2_000;

/** Kept in the anchor instead of a journal: a purge that was cut short is repeated from it. */
const purgeSchema = z.strictObject({
  purge: z.strictObject({
    /** Seconds since 1970. */
    now: z.int(),
    /** Rows from files up to this one may be removed. */
    upTo: z.int(),
    auditId: z.uuid(),
    by: z.string(),
    rows: z.int(),
  }),
});
export type Purge = z.infer<typeof purgeSchema>['purge'];

export const isPurge = ({ journal }: BegunLoad): boolean => journal.startsWith('{"purge"');

const purgeOf = ({ journal }: BegunLoad): Purge => purgeSchema.parse(JSON.parse(journal)).purge;

/** A purge of an authority that was begun and has not ended. */
export function purgeBegun(anchor: Anchor, authority: OdsCode): Purge | undefined {
  const load = anchor.loadInProgress(authority);
  return load !== undefined && isPurge(load) ? purgeOf(load) : undefined;
}

/**
 * True if a row can never be shown again, and keeps out no older file that could still be loaded. A withdrawn
 * one keeps out every file, as long as its plan would be shown.
 */
export function mayGo(nhsNumber: NhsNumber, packed: string, now: number, upTo: number): boolean {
  const { visibleUntil, sequence } = restoredRow(unpackRow(nhsNumber, packed));
  return visibleUntil <= now && sequence <= upTo;
}

/** Ends a purge that was cut short: the same rule finds again what it was to remove. */
export async function resumePurge(
  store: Store,
  anchor: Anchor,
  load: BegunLoad,
  lock: AuthorityLock,
): Promise<void> {
  const details = purgeOf(load);
  const rows: PackedRow[] = [];
  await store.scan((nhsNumber, packed) => {
    if (
      authorityOf(packed) === lock.authority &&
      mayGo(nhsNumber, packed, details.now, details.upTo)
    ) {
      rows.push({ nhsNumber, packed });
    }
  });
  await removeForGood(store, anchor, lock, rows, details, load);
}

/** Removes rows of the locked authority that the anchor knows about. */
export async function removeForGood(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  rows: readonly PackedRow[],
  { upTo, auditId, by, rows: count }: Purge,
  load: BegunLoad,
): Promise<void> {
  const { authority } = lock;
  const { sequence, rows: expectedRows, digest } = load;
  await store.safeguard();
  const { closed, sequenceOffset, recorded } = await store.intakeState(authority);
  // Before the first row is removed, so that no older file comes in between.
  await store.changeAuthority(lock, { closed: Math.max(closed, upTo) });
  for (let from = 0; from < rows.length; from += ROWS_A_STEP) {
    await lock.renew();
    await store.removeRows(lock, rows.slice(from, from + ROWS_A_STEP));
  }
  const tally = (await store.tally()).get(authority);
  const before = anchor.missingFiles(authority);
  const missing = agreesWith(tally, load)
    ? before
    : withDiffering(before, { sequence, number: sequence - sequenceOffset });
  if (recorded !== auditId) {
    await store.appendEvent({
      type: 'purge',
      auditId,
      by,
      detail: { authority, rows: count, filesClosedUpTo: upTo },
    });
  }
  await store.changeAuthority(lock, {
    rows: expectedRows,
    digest,
    recorded: auditId,
    reconciled: missing.length === 0,
  });
  await anchor.commitLoad(load, { sequence, rows: expectedRows, digest }, { missing });
}
