import { randomUUID } from 'node:crypto';
import type { OdsCode } from '#schemas/authority.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { eachAlone } from '#store/files/each-alone.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import { authorityOf, type PackedRow, packRow } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { mayGo, type Purge, purgeBegun, removeForGood } from '../apply/purge-rows.ts';
import { baseTally } from '../base-tally.ts';
import { withLock } from '../load/lock.ts';
import { endInterrupted } from '../load/resume.ts';
import { asLoadFailed, LoadFailed, requireOpen } from '../load-failed.ts';
import { forgetRestrictions } from './restrict.ts';
import { forgetWithdrawals } from './withdraw.ts';

/**
 * How long a late file is waited for: MESH keeps a message for at most thirty days, and three times that is
 * beyond any late delivery.
 */
export const LATE_FILES_DAYS = 90;
const DAY_MS = 86_400_000;

type PurgeOptions = {
  by: string;
  /** Counts, and changes nothing. */
  dryRun?: boolean;
  /** Milliseconds since 1970; default the present by the earlier of two clocks. */
  now?: () => number;
  lockWaitMs?: number;
  /** Called with what was, or would be, removed from an authority; also with what an earlier purge had begun to. */
  onPurged?: (authority: OdsCode, rows: number) => void;
};

/**
 * Removes the rows that no window can show again: ended, deleted or 18 so long ago that they are hidden for
 * good, and from a file so old that no older one will be accepted.
 *
 * A row keeps older files from bringing its plan back. So a row goes only if it came in a file that was
 * loaded over ninety days ago, and with it the numbers up to its file are closed: a file with such a number
 * that still arrives is refused. Each authority separately, under its lock, announced in the anchor first and
 * finished after a crash.
 *
 * @throws {LoadFailed} if an authority could not be purged, once all others were tried; the next load or start finishes
 * what was begun
 */
export async function purge(
  store: Store,
  anchor: Anchor,
  { by, dryRun = false, now, lockWaitMs, onPurged }: PurgeOptions,
): Promise<void> {
  /** Not purged yet; empty before the first is. */
  const left = new Set<OdsCode>();
  try {
    await requireOpen(store);
    const at = now?.() ?? (await store.earlierClock());
    const limits = new Map<OdsCode, number>();
    for (const { code } of await store.authorities()) {
      limits.set(code, await oldestKept(store, anchor, code, at));
    }
    const found = new Map<OdsCode, PackedRow[]>();
    await store.scan((nhsNumber, packed) => {
      const authority = authorityOf(packed) as OdsCode;
      const upTo = limits.get(authority);
      if (upTo === undefined || !mayGo(nhsNumber, packed, at / 1000, upTo)) return;
      const rows = found.get(authority);
      if (rows === undefined) found.set(authority, [{ nhsNumber, packed }]);
      else rows.push({ nhsNumber, packed });
    });
    if (dryRun) {
      for (const [authority, rows] of found) onPurged?.(authority, rows.length);
      return;
    }
    await store.safeguard();
    for (const authority of limits.keys()) left.add(authority);
    await eachAlone(limits, async ([authority, upTo]) => {
      await forgetWithdrawals(store, anchor, authority, () => at);
      await forgetRestrictions(store, anchor, authority, () => at);
      const rows = found.get(authority);
      // Of one that was cut short, no row may be left.
      if (rows !== undefined || purgeBegun(anchor, authority) !== undefined) {
        const purged = await withLock(store, authority, lockWaitMs, (lock) =>
          purgeAuthority(store, anchor, lock, rows ?? [], {
            now: Math.floor(at / 1000),
            upTo,
            auditId: randomUUID(),
            by,
          }),
        );
        if (purged > 0) onPurged?.(authority, purged);
      }
      left.delete(authority);
    });
  } catch (error) {
    if (left.size === 0) throw asLoadFailed(error, LOAD_FAILED.actNotDone);
    const { message } = asLoadFailed(error, String);
    throw new LoadFailed(LOAD_FAILED.purgeUnfinished([...left], message));
  }
}

/** The highest number such that every file up to it was loaded long enough ago; -1 if none was. */
async function oldestKept(
  store: Store,
  anchor: Anchor,
  authority: OdsCode,
  now: number,
): Promise<number> {
  const { authority: known, closed } = await store.intakeState(authority);
  const highest = known?.sequence;
  if (highest === undefined) return -1;
  const since = now - LATE_FILES_DAYS * DAY_MS;
  let upTo = highest;
  for (const { sequence, at = now } of await store.filesReceived(authority)) {
    if (at > since) upTo = Math.min(upTo, sequence - 1);
  }
  // An abandoned file is to come again, unless only a full refresh replaces it.
  for (const { sequence, fullOnly } of anchor.missingFiles(authority)) {
    if (fullOnly === undefined) upTo = Math.min(upTo, sequence - 1);
  }
  return Math.max(upTo, closed);
}

/** @returns how many rows it removed, with those of a purge that it finished */
async function purgeAuthority(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  seen: readonly PackedRow[],
  options: Omit<Purge, 'rows'>,
): Promise<number> {
  const { authority } = lock;
  const finished = purgeBegun(anchor, authority)?.rows ?? 0;
  // Whatever it finishes, a purge that fails never says that nothing was changed.
  await endInterrupted(store, anchor, lock, () => undefined);
  const anchored = anchor.authority(authority);
  if (anchored === undefined) return finished;
  // Read without the lock: a row that has changed since then stays.
  const held = await store.readRows([...new Set(seen.map(({ nhsNumber }) => nhsNumber))]);
  const rows = seen.filter(({ nhsNumber, packed }) =>
    held.get(nhsNumber)?.some((row) => packRow(row) === packed),
  );
  if (rows.length === 0) return finished;
  const { authority: known } = await store.intakeState(authority);
  const tally = await baseTally(store, anchor, authority, known);
  for (const { nhsNumber, packed } of rows) tally.remove(nhsNumber, packed);
  const expected = { rows: tally.rows, digest: tally.digest };
  const details: Purge = { ...options, rows: rows.length };
  const { sequence } = anchored;
  const journal = JSON.stringify({ purge: details });
  const load = { authority, sequence, sha256: '', journal, ...expected };
  await anchor.beginLoad(load, anchored);
  await removeForGood(store, anchor, lock, rows, details, load);
  return finished + rows.length;
}
