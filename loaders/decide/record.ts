import type { CalendarDate } from '#schemas/calendar.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { Plan } from '#schemas/plans/plan.ts';
import type { PlanRow, RowFacts, SpooledRow } from '#schemas/plans/row.ts';
import type { Finding } from '#schemas/uploads/acknowledgement.ts';
import { ROW_HINTS } from '#schemas/wording/records.ts';
import type { RowEffect } from '#store/rows/row-calls.ts';
import { sameIdentity } from '../check/check.ts';
import { shownLocalId } from '../check/findings.ts';
import type { IndexedPlan } from '../spool/plan-index.ts';
import type { PlacedRow } from '../spool/spooled-rows.ts';

export type Decision =
  | { kind: 'accepted'; rows: RowDecision[]; warnings: Finding[] }
  | { kind: 'refused'; failures: Finding[] };

/** What a row will do, the row that it meets, and what will be held. */
type RowDecision = { effect: RowEffect; match: PlanRow | undefined; facts: RowFacts };

type DecisionContext = {
  /** The day in London on which the file was received. */
  today: CalendarDate;
  /** True if the authority has loaded nothing yet, so that there is nothing to compare with. */
  firstFile: boolean;
  /** True if part of the file's number was applied before, which this replaces. */
  again: boolean;
  /** What the authority itself held for a number before this file, including tombstones. */
  held: (nhsNumber: NhsNumber) => readonly PlanRow[];
  /** Every plan in this file for a number; none if there is only this row. */
  inFile: (nhsNumber: NhsNumber) => readonly IndexedPlan[];
};

/**
 * Accepts or refuses one whole record, compared with what is held, and predicts what each row will do.
 *
 * Rows order themselves by their file's sequence: one that a newer file has written is left as it is
 * (superseded), with a warning if this file differs; one that another file of the same number has written is
 * refused. A delete must match a held row by its start date. So must an end, unless no plan of the type is in
 * force for the number: then the plan began and ended between two files, and is accepted with a warning. An
 * end in the future does not end the plan yet. An authority's first file is accepted unchanged. A plan that
 * was withdrawn as another child's stays withdrawn, whatever is sent, until it is deleted or sent as
 * another's.
 *
 * Rows are compared with the state before the file, without the plans that the file itself contains, so the
 * order of records within a file makes no difference.
 */
export function decideRecord(
  record: number,
  rows: readonly PlacedRow[],
  context: DecisionContext,
): Decision {
  const failures: Finding[] = [];
  const warnings: Finding[] = [];
  const decided = rows.map((placed) => decideRow(record, placed, context, failures, warnings));
  return failures.length > 0
    ? { kind: 'refused', failures }
    : { kind: 'accepted', rows: decided, warnings };
}

function decideRow(
  record: number,
  { row: sent, place }: PlacedRow,
  context: DecisionContext,
  failures: Finding[],
  warnings: Finding[],
): RowDecision {
  const finding = (code: Finding['code'], field: string, hint: string): Finding => ({
    code,
    place,
    record,
    field,
    ...shownLocalId(sent.localId),
    hint,
  });
  const held = context.held(sent.nhsNumber);
  const match = held.find((other) => sameIdentity(sent, other));
  const row = asHeld(sent, match);
  const othersInForce = plansInForce(row, held, context);

  if (match === undefined && !context.firstFile) {
    const other = othersInForce.heldBefore[0];
    if (row.deleteDate !== undefined) {
      failures.push(
        finding(
          'CPR07',
          'start_date',
          ROW_HINTS.nothingToDelete(row.type, row.startDate, other?.startDate),
        ),
      );
    } else if (hasEnded(row, context.today)) {
      if (other !== undefined) {
        failures.push(
          finding('CPR07', 'start_date', ROW_HINTS.endsAnother(row.type, other.startDate)),
        );
      } else {
        warnings.push(finding('CPR06', 'end_date', ROW_HINTS.hadEnded));
      }
    }
  }
  const differing = match && differsIn(row, match);
  // The store refuses such a row, which would keep the load from ever finishing.
  if (differing !== undefined && match?.sequence === row.sequence && !context.again) {
    failures.push(finding('CPR07', differing, ROW_HINTS.sameNumber));
  }
  if (isInForce(row, context.today)) {
    const other = othersInForce.all[0];
    if (other !== undefined) {
      warnings.push(
        finding('CPR06', 'start_date', ROW_HINTS.anotherInForce(row.type, other.startDate)),
      );
    }
  }
  if (
    match?.deleteDate !== undefined &&
    sent.deleteDate === undefined &&
    match.sequence <= row.sequence
  ) {
    const hint =
      match.withdrawn === undefined
        ? ROW_HINTS.broughtBack
        : row.withdrawn === undefined
          ? ROW_HINTS.sentAsAnothers(match.deleteDate)
          : ROW_HINTS.withdrawn(match.deleteDate);
    warnings.push(finding('CPR06', 'delete_date', hint));
  }
  const effect = effectOf(row, match);
  if (effect === 'superseded' && differing !== undefined) {
    warnings.push(finding('CPR06', differing, ROW_HINTS.notDone));
  }
  return { effect, match, facts: row };
}

/**
 * What will be held for a row. A withdrawal outranks files until the case system itself deletes the plan, or
 * sends it under another local id: then it belongs to another child's record, and may well be right.
 */
export function asHeld(sent: SpooledRow, match: PlanRow | undefined): RowFacts {
  if (match?.withdrawn === undefined || match.deleteDate === undefined) return sent;
  const isAnothers = sent.localId !== '' && match.localId !== '' && sent.localId !== match.localId;
  if (sent.deleteDate !== undefined || isAnothers) return sent;
  return { ...sent, deleteDate: match.deleteDate, withdrawn: true };
}

/**
 * True if a row takes away something that is shown: it deletes a plan, gives it an end that it did not have,
 * or in another way takes it out of force, such as by another date of birth.
 *
 * @param row as it will be held
 * @param match as it is held
 */
export function isRemoval(row: PlanRow, match: PlanRow, now: number): boolean {
  if (match.visibleUntil <= now) return false;
  if (row.deleteDate !== undefined) return true;
  const ends = row.endDate !== undefined && match.endDate === undefined;
  return ends || (match.currentUntil > now && row.currentUntil <= now);
}

/** Whether a row takes a plan out of force at once; one that ends it later does not. */
export const isStop = (row: PlanRow, match: PlanRow, now: number): boolean =>
  match.currentUntil > now && (row.deleteDate !== undefined || row.currentUntil <= now);

/** Plans for the row's person and type that are in force, except the row itself. */
function plansInForce(
  row: RowFacts,
  held: readonly PlanRow[],
  { inFile, today }: DecisionContext,
): { heldBefore: readonly PlanRow[]; all: readonly Pick<Plan, 'startDate'>[] } {
  const sent = inFile(row.nhsNumber);
  if (held.length === 0 && sent.length === 0) return { heldBefore: [], all: [] };
  const relevant = (other: IndexedPlan): boolean =>
    other.type === row.type && !sameIdentity(row, other) && isInForce(other, today);
  const untouched = held.filter(
    (other) => relevant(other) && !sent.some((mentioned) => sameIdentity(mentioned, other)),
  );
  return {
    // A plan that a newer file started says nothing about the start dates in an older, late file.
    heldBefore: untouched.filter((other) => other.sequence <= row.sequence),
    all: [...untouched, ...sent.filter(relevant)],
  };
}

type Dates = {
  endDate?: CalendarDate | undefined;
  deleteDate?: CalendarDate | undefined;
};

function isInForce({ endDate, deleteDate }: Dates, today: CalendarDate): boolean {
  return deleteDate === undefined && (endDate === undefined || endDate > today);
}

/** An end in the future, such as a due date, leaves the plan in force until then. */
function hasEnded({ endDate }: Dates, today: CalendarDate): boolean {
  return endDate !== undefined && endDate <= today;
}

/** The store's own rule, predicted so that the load can be checked against it and counted once. */
function effectOf(row: RowFacts, match: PlanRow | undefined): RowEffect {
  if (match === undefined) return 'added';
  if (match.sequence > row.sequence) return 'superseded';
  return differsIn(row, match) === undefined ? 'unchanged' : 'changed';
}

/** The column in which a row differs from what is held; `undefined` if it is the same. */
function differsIn(row: RowFacts, match: PlanRow): string | undefined {
  if (match.deleteDate !== row.deleteDate || match.withdrawn !== row.withdrawn) {
    return 'delete_date';
  }
  if (match.endDate !== row.endDate) return 'end_date';
  const isSameBirth =
    match.dateOfBirth === row.dateOfBirth && match.dateOfBirthInDoubt === row.dateOfBirthInDoubt;
  if (!isSameBirth) return 'date_of_birth';
  return match.localId === row.localId ? undefined : 'local_id';
}
