import type { Breakers } from '#schemas/uploads/breakers.ts';
import type { LoadSize } from '#store/authorities/ledger.ts';

/** What a file would do, in numbers. */
export type FileSizes = {
  firstLoad: boolean;
  /** Plans in force before it; `undefined` where nobody has counted. */
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
  /** Of a full refresh: rows that it leaves out, all and in force. */
  leftOut: { rows: number; inForce: number } | undefined;
};

export type Judgement = {
  /** What waits: nothing, the whole file, or what it takes away. */
  holds: { whole: boolean; removals: boolean; sweep: boolean };
  /** Sentences: why something waits, and what is unusual. */
  reasons: string[];
  remarks: string[];
};

/** Fewer than this are an ordinary night, whatever their share. */
const REMOVALS_AT_LEAST = 5;
const REFUSED_AT_LEAST = 5;
const ROWS_AT_LEAST = 100;
const ADDITIONS_OVER = 1_000;
/** Fewer loads than this say nothing of what is usual; then what is held is the measure. */
const LOADS_AT_LEAST = 3;

/**
 * What of a file is too unusual to be applied unseen.
 *
 * Additions are held in one case only, ten times the usual and over a thousand: a mistake on that scale
 * would bury what is true. Everything else that stops holds back what the file takes away and nothing more,
 * since absence is the dangerous direction. So does a file of which too many records are refused: what is
 * sound in it goes in, and what it takes away is not believed. A full refresh with any record refused waits
 * with its sweep, which would take away the very rows that the refused records were to keep.
 */
export function judge(sizes: FileSizes, breakers: Breakers): Judgement {
  const reasons: string[] = [];
  const remarks: string[] = [];
  const holds = { whole: false, removals: false, sweep: false };
  const { firstLoad, records, refused, rows, added, removals, leftOut, inForce } = sizes;

  const refusedShare = records === 0 ? 0 : refused / records;
  const refusedText = `${refused} of ${records} records are refused (${percent(refusedShare)})`;
  const manyRefused = refused >= REFUSED_AT_LEAST && refusedShare > breakers.refusedStopShare;
  if (manyRefused && (removals > 0 || leftOut !== undefined)) {
    holds.removals = removals > 0;
    holds.sweep = leftOut !== undefined && leftOut.rows > 0;
    if (holds.removals || holds.sweep) {
      reasons.push(`${refusedText}, so what the file takes away is not believed unseen.`);
    }
  }
  if (refused >= REFUSED_AT_LEAST && refusedShare > breakers.refusedWarnShare) {
    remarks.push(`${refusedText}. Look for one cause that they have in common.`);
  }
  if (refused > 0 && leftOut !== undefined && leftOut.rows > 0 && !holds.sweep) {
    holds.sweep = true;
    reasons.push(
      `${plural(refused, 'record is', 'records are')} refused, and what they were to keep would be taken away as left out.`,
    );
  }
  if (firstLoad) return { holds, reasons, remarks };

  const usual = usualOf(sizes);
  if (added > ADDITIONS_OVER && added > usual.added * breakers.additionsStopTimes) {
    return {
      holds: { whole: true, removals: false, sweep: false },
      reasons: [
        `It adds ${added} rows, over ${breakers.additionsStopTimes} times what is usual for this authority (${usual.added}).`,
      ],
      remarks,
    };
  }
  if (leftOut === undefined) {
    if (rows >= ROWS_AT_LEAST && rows > usual.rows * breakers.rowsWarnTimes) {
      remarks.push(`The file has ${rows} rows, where ${usual.rows} are usual.`);
    } else if (
      sizes.recent.length >= LOADS_AT_LEAST &&
      usual.rows >= ROWS_AT_LEAST &&
      rows * breakers.rowsWarnTimes * 3 < usual.rows
    ) {
      remarks.push(`The file has only ${rows} rows, where ${usual.rows} are usual.`);
    }
  }
  if (inForce === undefined) return { holds, reasons, remarks };

  const share = (count: number): number => Math.min(1, count / Math.max(1, inForce));
  const text = (count: number): string => `${count} of ${inForce} (${percent(share(count))})`;
  const stops = (count: number): boolean => share(count) > breakers.removalsStopShare;
  if (removals >= REMOVALS_AT_LEAST && stops(removals)) {
    holds.removals = true;
    reasons.push(`It ends or deletes ${text(removals)} plans in force.`);
  }
  const all = removals + (leftOut?.inForce ?? 0);
  if (leftOut !== undefined && leftOut.inForce > 0 && stops(all)) {
    holds.sweep = true;
    reasons.push(`It leaves out, ends or deletes ${text(all)} plans in force.`);
  }
  const waits = holds.removals || holds.sweep;
  if (!waits && all >= REMOVALS_AT_LEAST && share(all) > breakers.removalsWarnShare) {
    remarks.push(`The file takes away ${text(all)} plans in force. Check that this is meant.`);
  }
  return { holds, reasons, remarks };
}

/** The middle of what was sent lately; what is held, as long as too little was sent to tell. */
function usualOf({ recent, held }: FileSizes): LoadSize {
  if (recent.length < LOADS_AT_LEAST) return { rows: held, added: held };
  const middle = (of: (size: LoadSize) => number): number =>
    recent.map(of).toSorted((one, other) => one - other)[Math.floor(recent.length / 2)] ?? 0;
  return { rows: middle(({ rows }) => rows), added: middle(({ added }) => added) };
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
const plural = (count: number, one: string, several: string): string =>
  `${count} ${count === 1 ? one : several}`;
