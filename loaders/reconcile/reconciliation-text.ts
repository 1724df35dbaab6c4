import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import {
  ADVICE,
  adviceOf,
  type ComparedField,
  type ReconciledRow,
  type Reconciliation,
} from '#schemas/uploads/reconciliation.ts';
import { ACKNOWLEDGEMENT } from '#schemas/wording/answers.ts';
import { RECONCILE } from '#schemas/wording/council.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import { printedNhsNumber } from '../answers/notice.ts';
import { csvText } from '../formats/common/csv-text.ts';

/** By the ending of their files. */
export const RECONCILIATION_FORMATS = ['json', 'csv', 'txt'] as const;
type ReconciliationFormat = (typeof RECONCILIATION_FORMATS)[number];

/** A reconciliation in any of its formats. It holds NHS numbers, so it is only for the authority. */
export function formatReconciliation(
  reconciliation: Reconciliation,
  format: ReconciliationFormat,
): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(reconciliation, null, 2)}\n`;
    case 'csv':
      return asCsv(reconciliation);
    case 'txt':
      return asText(reconciliation);
  }
}

/** The names of the columns of an upload. */
const COLUMNS: Record<ComparedField, string> = {
  startDate: 'start_date',
  endDate: 'end_date',
  deleteDate: 'delete_date',
  dateOfBirth: 'date_of_birth',
  localId: 'local_id',
};

/** A line for each plan, and one for each problem of the export. */
function asCsv({ rows, problems, omitted }: Reconciliation): string {
  const listed = (differences: ReconciledRow['differences'], side: 'here' | 'there'): string =>
    (differences ?? []).map((each) => `${COLUMNS[each.field]}=${each[side]}`).join('; ');
  return csvText([
    [
      'result',
      'nhs_number',
      'local_id',
      'plan_type',
      'start_date',
      'status',
      'here',
      'there',
      'place',
      'remark',
    ],
    ...rows.map((row) => [
      row.result,
      printedNhsNumber(row.nhsNumber),
      row.localId,
      PLAN_TYPES[row.type].cpis,
      row.startDate,
      row.status ?? '',
      listed(row.differences, 'here'),
      listed(row.differences, 'there'),
      row.place ?? '',
      adviceText(row),
    ]),
    ...problems.map(({ localId, place, field, hint }) => [
      'not-compared',
      '',
      localId ?? '',
      '',
      '',
      '',
      '',
      '',
      place,
      field === undefined ? hint : `${field}: ${hint}`,
    ]),
    ...(omitted === 0
      ? []
      : [['not-compared', '', '', '', '', '', '', '', '', ACKNOWLEDGEMENT.moreProblems(omitted)]]),
  ]);
}

function adviceText(row: ReconciledRow): string {
  const advice = adviceOf(row);
  return advice === undefined ? '' : RECONCILE.results[advice];
}

/** For a person to read: everything that is not the same. */
function asText({
  authority,
  file,
  compared,
  counts,
  rows,
  problems,
  omitted,
}: Reconciliation): string {
  const { same, differs, onlyHere, onlyThere, over, notCompared } = counts;
  return `${[
    `${file.name}: ${compared ? 'compared' : 'NOT compared'} with what is held for ${authority.name} (${authority.code})${authority.dataAsOf === undefined ? '' : `, as of ${zonedTimeText(authority.dataAsOf)}`}. Nothing was changed.`,
    ...(compared
      ? [
          `  ${same} the same, ${differs} differ, ${onlyHere} only here, ${onlyThere} only there, ${notCompared} records not compared`,
          ...(over === 0
            ? []
            : [
                `  ${over} held here are deleted or no longer shown, and not in the file: nothing is to be done`,
              ]),
        ]
      : []),
    ...ADVICE.flatMap((advice) => {
      const found = rows.filter((row) => adviceOf(row) === advice);
      return found.length === 0 ? [] : [`  ${RECONCILE.results[advice]}:`, ...found.map(line)];
    }),
    ...(problems.length === 0 ? [] : [compared ? '  Not compared:' : '  Why:']),
    ...problems.map(
      ({ place, field, localId, hint }) =>
        `    ${[place, ...(localId === undefined ? [] : [`local id ${localId}`]), ...(field === undefined ? [] : [field])].join(', ')}: ${hint}`,
    ),
    ...(omitted === 0 ? [] : [`    ${ACKNOWLEDGEMENT.moreProblems(omitted)}`]),
  ].join('\n')}\n`;
}

function line({
  nhsNumber,
  localId,
  type,
  startDate,
  status,
  place,
  differences,
}: ReconciledRow): string {
  const what = [
    printedNhsNumber(nhsNumber),
    ...(localId === '' ? [] : [`local id ${localId}`]),
    `${PLAN_TYPES[type].label} started ${startDate}`,
    ...(status === undefined ? [] : [status]),
    ...(place === undefined ? [] : [place]),
  ];
  const values = (differences ?? []).map(
    ({ field, here, there }) =>
      `${COLUMNS[field]} here ${here || '(none)'}, there ${there || '(none)'}`,
  );
  return `    ${what.join(', ')}${values.length === 0 ? '' : `: ${values.join('; ')}`}`;
}
