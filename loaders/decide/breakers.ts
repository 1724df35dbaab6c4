import type { Breakers } from '#schemas/uploads/breakers.ts';
import { HELD_FILE_REASONS, UNUSUAL } from '#schemas/wording/decisions.ts';
import type { LoadSize } from '#store/authorities/ledger.ts';

/** What a file would do, in numbers. */
export type FileSizes = {
  firstLoad: boolean;
  /** Plans in force before it; `undefined` if nobody has counted. */
  inForce: number | undefined;
  /** Rows held before it, whatever their state. */
  held: number;
  /** What earlier files were like, without the first and full refreshes. */
  recent: readonly LoadSize[];
  records: number;
  refused: number;
  rows: number;
  added: number;
  /** Rows of the file that end or delete what is shown. */
  removals: number;
  /** For a full refresh: how many rows it leaves out, and how many of those are in force. */
  leftOut: { rows: number; inForce: number } | undefined;
};

export type BreakerOutcome = {
  /** What is held: nothing, the whole file, or its removals. */
  heldBack: { whole: boolean; removals: boolean; sweep: boolean };
  /** Sentences: why something is held, and what is unusual. */
  reasons: string[];
  remarks: string[];
};

/** Fewer than this are an ordinary night, whatever their share. */
const REMOVALS_AT_LEAST = 5;
const REFUSED_AT_LEAST = 5;
const ROWS_AT_LEAST = 100;
const ADDITIONS_OVER = 1_000;
/** Fewer loads than this do not show what is usual; then the measure is what is held. */
const LOADS_AT_LEAST = 3;

/**
 * What is too unusual in a file to be applied unseen.
 *
 * Additions are held in one case only, many times the usual (by default ten) and over a thousand: a mistake on
 * that scale would bury the truth. Every other stop holds only what the file takes away, since absence is the dangerous
 * direction. So does a file with too many refused records: its sound records go in, and its removals are not
 * trusted. A full refresh with any refused record holds its sweep, which would take away the very rows that
 * the refused records were to keep.
 */
export function applyBreakers(sizes: FileSizes, breakers: Breakers): BreakerOutcome {
  const reasons: string[] = [];
  const remarks: string[] = [];
  const heldBack = { whole: false, removals: false, sweep: false };
  const { firstLoad, records, refused, rows, added, removals, leftOut, inForce } = sizes;

  const refusedShare = records === 0 ? 0 : refused / records;
  const manyRefused = refused >= REFUSED_AT_LEAST && refusedShare > breakers.refusedStopShare;
  if (manyRefused && (removals > 0 || leftOut !== undefined)) {
    heldBack.removals = removals > 0;
    heldBack.sweep = leftOut !== undefined && leftOut.rows > 0;
    if (heldBack.removals || heldBack.sweep) {
      reasons.push(HELD_FILE_REASONS.manyRefused(refused, records));
    }
  }
  if (refused >= REFUSED_AT_LEAST && refusedShare > breakers.refusedWarnShare) {
    remarks.push(UNUSUAL.manyRefused(refused, records));
  }
  if (refused > 0 && leftOut !== undefined && leftOut.rows > 0 && !heldBack.sweep) {
    heldBack.sweep = true;
    reasons.push(HELD_FILE_REASONS.refusedInFull(refused));
  }
  if (firstLoad) return { heldBack, reasons, remarks };

  const usual = usualOf(sizes);
  if (added > ADDITIONS_OVER && added > usual.added * breakers.additionsStopTimes) {
    return {
      heldBack: { whole: true, removals: false, sweep: false },
      reasons: [HELD_FILE_REASONS.additions(added, breakers.additionsStopTimes, usual.added)],
      remarks,
    };
  }
  if (leftOut === undefined) {
    if (rows >= ROWS_AT_LEAST && rows > usual.rows * breakers.rowsWarnTimes) {
      remarks.push(UNUSUAL.manyRows(rows, usual.rows));
    } else if (
      sizes.recent.length >= LOADS_AT_LEAST &&
      usual.rows >= ROWS_AT_LEAST &&
      rows * breakers.rowsWarnTimes * 3 < usual.rows
    ) {
      remarks.push(UNUSUAL.fewRows(rows, usual.rows));
    }
  }
  if (inForce === undefined) return { heldBack, reasons, remarks };

  const share = (count: number): number => Math.min(1, count / Math.max(1, inForce));
  const stops = (count: number): boolean => share(count) > breakers.removalsStopShare;
  if (removals >= REMOVALS_AT_LEAST && stops(removals)) {
    heldBack.removals = true;
    reasons.push(HELD_FILE_REASONS.removals(removals, inForce));
  }
  const all = removals + (leftOut?.inForce ?? 0);
  if (leftOut !== undefined && leftOut.inForce > 0 && stops(all)) {
    heldBack.sweep = true;
    reasons.push(HELD_FILE_REASONS.leavesOut(all, inForce));
  }
  const waits = heldBack.removals || heldBack.sweep;
  if (!waits && all >= REMOVALS_AT_LEAST && share(all) > breakers.removalsWarnShare) {
    remarks.push(UNUSUAL.removals(all, inForce));
  }
  return { heldBack, reasons, remarks };
}

/** The median of recent files; until there are enough, what is held. */
function usualOf({ recent, held }: FileSizes): LoadSize {
  if (recent.length < LOADS_AT_LEAST) return { rows: held, added: held };
  const middle = (of: (size: LoadSize) => number): number =>
    recent.map(of).toSorted((one, other) => one - other)[Math.floor(recent.length / 2)] ?? 0;
  return { rows: middle(({ rows }) => rows), added: middle(({ added }) => added) };
}
