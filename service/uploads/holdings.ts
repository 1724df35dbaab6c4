import { randomUUID } from 'node:crypto';
import { csvText } from '#loaders/formats/common/csv-text.ts';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import type { Authority } from '#schemas/authority.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import type { AdmittedAuthority } from './guarded-authority.ts';

export const HOLDINGS_FORMATS = ['json', 'csv'] as const;
type HoldingsFormat = (typeof HOLDINGS_FORMATS)[number];

const COLUMNS = [
  'nhs_number',
  'local_id',
  'date_of_birth',
  'plan_type',
  'start_date',
  'end_date',
  'delete_date',
  'sequence',
  'visible_until',
];
const BYTE_ORDER_MARK = /^\u{feff}/u;

const instant = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** The number of the file as its authority gave it, of the old numbering where it was of that. */
const numberOf = ({ sequence }: PlanRow, offset: number): number =>
  sequence >= offset ? sequence - offset : sequence;

const asJson = (row: PlanRow, offset: number): string =>
  JSON.stringify({
    nhsNumber: row.nhsNumber,
    localId: row.localId,
    type: row.type,
    startDate: row.startDate,
    endDate: row.endDate,
    deleteDate: row.deleteDate,
    withdrawn: row.withdrawn,
    sequence: numberOf(row, offset),
    visibleUntil: instant(row.visibleUntil),
  });

const asCells = (row: PlanRow, offset: number): (string | number)[] => [
  row.nhsNumber,
  row.localId,
  row.dateOfBirth,
  PLAN_TYPES[row.type].cpis,
  row.startDate,
  row.endDate ?? '',
  row.deleteDate ?? '',
  numberOf(row, offset),
  instant(row.visibleUntil),
];

/**
 * All that is held for an authority, piece by piece, to compare a case system with: every plan, ended and
 * deleted ones too. A deleted plan is visible until it begins, which is to say never.
 *
 * JSON ends with the number of rows, by which a copy cut short is told; a CSV has the form of an
 * upload, and may be loaded back: hence the dates of birth, which JSON leaves out.
 *
 * @param batches the rows, all of this authority
 */
export async function* holdingsText(
  { code, name, dataAsOf, sequenceOffset = 0 }: Authority,
  batches: AsyncIterable<PlanRow[]>,
  format: HoldingsFormat,
): AsyncGenerator<string> {
  if (format === 'csv') {
    yield csvText([COLUMNS]);
    for await (const rows of batches) {
      if (rows.length > 0)
        yield csvText(rows.map((row) => asCells(row, sequenceOffset))).replace(BYTE_ORDER_MARK, '');
    }
    return;
  }
  const head = JSON.stringify({ authority: { code, name, dataAsOf } });
  let count = 0;
  yield `${head.slice(0, -1)},"rows":[`;
  for await (const rows of batches) {
    if (rows.length === 0) continue;
    yield `${count === 0 ? '\n' : ',\n'}${rows.map((row) => asJson(row, sequenceOffset)).join(',\n')}`;
    count += rows.length;
  }
  yield `\n],"count":${count}}\n`;
}

/** The event of an authority that reads all that is held for it, to be on disk before the first row is read. */
export const holdingsRead = (
  { ids, caller, authority }: Pick<AdmittedAuthority, 'ids' | 'caller' | 'authority'>,
  reason?: string,
): WrittenEvent => ({
  type: 'holdings-read',
  auditId: randomUUID(),
  requestId: ids.requestId,
  ...(ids.correlationId !== undefined && { correlationId: ids.correlationId }),
  authority,
  caller: auditedCaller(caller.identity),
  by: caller.identity.name,
  ...(reason !== undefined && { reason }),
});
