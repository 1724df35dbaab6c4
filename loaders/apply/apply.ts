import { omitUndefined } from '#schemas/omit-undefined.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { FILE_REMARKS } from '#schemas/wording/decisions.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { FileLedgerEntry } from '#store/authorities/ledger.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import type { RemovalEffect, RowEffect } from '#store/rows/row-calls.ts';
import { Tally } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, AnchoredHeldFile, MissingFile } from '#store/trust/anchor.ts';
import { auditedOutcome } from '../answers/acknowledge.ts';
import type { HeldFile, Journal } from '../spool/journal.ts';
import type { DecidedEffect, DecidedRow, Spool } from '../spool/spool.ts';

const ROWS_A_STEP = 2_000;

type Applying = {
  store: Store;
  anchor: Anchor;
  lock: AuthorityLock;
  /** Called when every row is applied, instead of the store's: may wait for others and share one reading with them. */
  tally?: Store['tally'] | undefined;
  onRows?: ((rows: number) => void) | undefined;
  /** Once aborted, it ends between two steps. */
  stopped?: AbortSignal | undefined;
};

/**
 * Finishes a decided load: applies the accepted rows, compares what the store then holds with what it should,
 * records it, enters the file in the ledger, and tells the anchor. Every step may be repeated after a crash,
 * and the acknowledgement is always the one decided on. It is not recorded again once it is in the ledger, however
 * often the anchor cannot be written.
 *
 * The anchor comes last: until then it knows the load as under way, so that a crash at any point leaves
 * something that says "resume", and never a store that is ahead of its anchor or behind it.
 *
 * @throws if the store cannot be reached, another loader has the authority or it was told to stop; the load
 * stays resumable
 */
export async function applyJournal(
  applying: Applying,
  spool: Spool,
  journal: Journal,
): Promise<Acknowledgement> {
  const { store, anchor, lock, tally: read = store.tally } = applying;
  const { authority, sequence, highestSequence, sha256, expected, by, caller, consumption } =
    journal;
  const { details, dataAsOf, closed } = consumption;
  // If any of its rows are in the store, its journal is there too.
  await store.safeguard();
  // First, so that no plan is ever shown without a number to ring.
  if (details !== undefined) await store.setAuthority(authority, omitUndefined(details), by);
  const asDecided = await applyRows(applying, spool, journal.again);

  // A lease lost meanwhile stops this load here or where it is added to the ledger.
  const tally = (await read()).get(authority);
  await lock.renew();
  const reconciled = asDecided && agreesWith(tally, expected);
  const { sequence: number, counts } = journal.acknowledgement;
  const refused = counts.refused > 0;
  const after = missingAfter(anchor, authority, { sequence, number, closed, refused });
  const acknowledgement = withRemarks(journal.acknowledgement, [
    ...(reconciled ? [] : [FILE_REMARKS.storeDiffers(expected.rows, tally?.rows ?? 0)]),
    ...(closed !== undefined && after.some(({ refusedIn }) => refusedIn === number)
      ? [FILE_REMARKS.refusedAfterDifference]
      : []),
  ]);
  const missing = agreesWith(tally, expected)
    ? after
    : withDiffering(after, { sequence: highestSequence, number });
  if ((await store.intakeState(authority)).recorded !== journal.auditId) {
    await store.appendEvent({
      type: 'load',
      auditId: journal.auditId,
      authority,
      sequence: acknowledgement.sequence,
      sha256,
      ...auditedOutcome(acknowledgement),
      ...(journal.heldPart && { heldPart: true }),
      ...omitUndefined({ caller }),
      by,
    });
  }
  await store.finishFile(lock, {
    dataAsOf,
    // A file that gives the number is the newest of its authority.
    ...(details?.officeHoursPhone !== undefined && { officeHoursPhoneAsOf: dataAsOf }),
    ...(details?.emergencyDutyTeamPhone !== undefined && { emergencyDutyTeamPhoneAsOf: dataAsOf }),
    sequence: highestSequence,
    ...expected,
    reconciled: reconciled && missing.length === 0,
    inForce: tally?.inForce ?? 0,
    recent: journal.recent,
    ...(closed !== undefined && { closed }),
    recorded: journal.auditId,
    ledger: ledgerEntry(sequence, sha256, acknowledgement),
  });
  await anchor.commitLoad(
    { authority, sequence, sha256, journal: spool.folder, ...expected },
    { sequence: highestSequence, ...expected },
    {
      missing,
      drops: journal.drops,
      holds: journal.hold && anchoredHeldFile(journal.hold, acknowledgement, spool.folder),
    },
  );
  return acknowledgement;
}

/** True if an authority's rows are those expected. */
export function agreesWith(
  tally: Tally | undefined,
  expected: { rows: number; digest: string },
): boolean {
  const { rows, digest } = tally ?? new Tally();
  return rows === expected.rows && digest === expected.digest;
}

/**
 * These files, and that the store held something other than what was loaded up to this file. So the next file, which is
 * compared with what is held then, does not make its authority count as up to date. Only a full refresh does.
 */
export const withDiffering = (
  missing: readonly MissingFile[],
  file: Pick<MissingFile, 'sequence' | 'number'>,
): MissingFile[] => [
  // One older than the last such file does not move it back.
  ...missing.filter((each) => each.fullOnly !== 'difference' || each.sequence > file.sequence),
  { ...file, fullOnly: 'difference' },
];

/**
 * Whether what is held is not what was sent: a file of the authority was abandoned and has not come again, or the store
 * was found to differ.
 */
export const lacksFile = (anchor: Anchor, authority: string): boolean =>
  anchor.missingFiles(authority).length > 0;

/**
 * What will still be missing once this file is loaded. A full refresh states everything that older files did. But if any
 * of its records is refused, that may be what the store had lost, and then it does not end a difference.
 */
const missingAfter = (
  anchor: Anchor,
  authority: string,
  {
    sequence,
    number,
    closed = -1,
    refused,
  }: { sequence: number; number: number; closed: number | undefined; refused: boolean },
): MissingFile[] =>
  anchor.missingFiles(authority).flatMap((each) => {
    if (each.sequence > closed) {
      return each.sequence === sequence && each.fullOnly === undefined ? [] : [each];
    }
    return refused && each.fullOnly === 'difference' ? [{ ...each, refusedIn: number }] : [];
  });

/** What the ledger keeps of a file: its answer, with which a repeat is answered, and what of it is held. */
export function ledgerEntry(
  sequence: number,
  sha256: string,
  acknowledgement: Acknowledgement,
): FileLedgerEntry {
  const { code, held } = acknowledgement;
  return {
    sequence,
    sha256,
    code,
    acknowledgement: JSON.stringify(acknowledgement),
    at: Date.parse(acknowledgement.file.receivedAt),
    ...(held !== undefined && { held: held.id }),
  };
}

/** A held file as the anchor keeps it. @param folder of the spool with its rows */
export function anchoredHeldFile(
  heldFile: HeldFile,
  acknowledgement: Acknowledgement,
  folder: string,
): AnchoredHeldFile {
  const { id, authority, sequence } = heldFile;
  return {
    id,
    authority,
    sequence,
    folder,
    at: Date.parse(heldFile.at),
    json: JSON.stringify({ ...heldFile, acknowledgement }),
  };
}

/** False if the store did something other than was decided. */
async function applyRows(
  { store, lock, onRows, stopped }: Applying,
  spool: Spool,
  again: boolean,
): Promise<boolean> {
  async function apply(rows: readonly DecidedRow[]): Promise<boolean> {
    const removed = rows.filter(({ effect }) => effect === 'removed');
    const written = rows.filter(({ effect }) => effect !== 'removed');
    const effects = await store.applyRows(lock, written, { again });
    const removals = removed.length === 0 ? [] : await store.removeRows(lock, removed);
    return (
      written.every(({ effect }, i) => agrees(effect, effects[i])) &&
      removals.every((effect) => effect !== 'changed')
    );
  }
  let asDecided = true;
  let done = 0;
  let last: Promise<boolean> = Promise.resolve(true);
  // While Redis writes one step the next is prepared.
  for (const rows of spool.decided(ROWS_A_STEP)) {
    if (stopped?.aborted === true) {
      await last;
      throw new Error(LOAD_FAILED.stoppedMidway);
    }
    await lock.renew();
    const applying = apply(rows);
    applying.catch(() => undefined);
    asDecided = (await last) && asDecided;
    last = applying;
    onRows?.(done);
    done += rows.length;
  }
  asDecided = (await last) && asDecided;
  onRows?.(done);
  return asDecided;
}

/** A row that was applied before a crash is found unchanged when it is applied again. */
function agrees(decided: DecidedEffect, done: RowEffect | RemovalEffect | undefined): boolean {
  return done === decided || (done === 'unchanged' && decided !== 'superseded');
}

function withRemarks(acknowledgement: Acknowledgement, hints: readonly string[]): Acknowledgement {
  const { code, warnings } = acknowledgement;
  const remarks = hints.map((hint) => ({ code, place: 'file', hint }));
  return { ...acknowledgement, warnings: [...remarks, ...warnings] };
}
