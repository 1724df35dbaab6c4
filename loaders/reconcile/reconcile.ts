import type { Authority, OdsCode } from '#schemas/authority.ts';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import { isOver, planStatus } from '#schemas/plans/plan.ts';
import type { PlanRow, SpooledRow } from '#schemas/plans/row.ts';
import type { ColumnMapping } from '#schemas/uploads/columns.ts';
import {
  COMPARED_FIELDS,
  type ComparedField,
  type ReconciledRow,
  type Reconciliation,
} from '#schemas/uploads/reconciliation.ts';
import type { WayIn } from '#schemas/wording/files.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { iso, printableName } from '../answers/acknowledge.ts';
import { type ReadUpload, readUpload } from '../check/read.ts';
import { asHeld } from '../decide/record.ts';
import type { CsvMetadata } from '../formats/common/metadata.ts';
import { SourceBytes, type UploadSource } from '../formats/common/source.ts';
import { asLoadFailed } from '../load-failed.ts';
import { Spool } from '../spool/spool.ts';
import type { PlacedRow } from '../spool/spooled-rows.ts';

/** A case system's export, read and checked. */
type CaseExport = {
  name: string;
  /** Milliseconds since 1970. */
  receivedAt: number;
  read: ReadUpload;
  /** How many of its records can be compared with what is held. */
  records: number;
  rows: readonly PlacedRow[];
};

type ExportOptions = {
  /** The file's authority. A file that names another one cannot be used. */
  authority: OdsCode;
  spoolDir: string;
  maxBytes: number;
  metadata?: CsvMetadata;
  way?: WayIn;
  /** What the case system calls its columns and plans. */
  columns?: ColumnMapping | undefined;
  now?: () => number;
};

/**
 * Reads what a case system holds: Spine XML or CSV as for an upload, but without a number and a creation
 * time. Nothing is traced, so names are not read.
 *
 * @throws {LoadFailed} if the file or the disk failed
 */
export async function readExport(
  source: UploadSource,
  { authority, spoolDir, maxBytes, metadata = {}, way, columns, now = Date.now }: ExportOptions,
): Promise<CaseExport> {
  const receivedAt = now();
  const bytes = new SourceBytes(source, maxBytes);
  try {
    const spool = Spool.create(spoolDir);
    try {
      const unasked = { sequence: 0, createdAt: iso(receivedAt) };
      const options = {
        receivedAt,
        metadata: { ...unasked, ...metadata },
        way,
        authority,
        mappingOf: () => columns,
      };
      const read = await readUpload(bytes, source, options, spool);
      const { sequence = 0 } = read.header;
      const whose = { authority, sequence, birthDatesInDoubt: read.birthDatesInDoubt };
      const rows = read.usable === undefined ? [] : [...spool.records(whose)];
      return {
        name: source.name,
        receivedAt,
        read,
        records: rows.length,
        rows: rows.flatMap((record) => record.rows),
      };
    } finally {
      spool.remove();
    }
  } catch (error) {
    throw asLoadFailed(error, LOAD_FAILED.notLoaded);
  } finally {
    bytes.close();
  }
}

type Identity = Pick<SpooledRow, 'nhsNumber' | 'type' | 'startDate'>;
const personOf = ({ nhsNumber, type }: Identity): string => `${nhsNumber} ${type}`;
const identityOf = (row: Identity): string => `${personOf(row)} ${row.startDate}`;

/**
 * Compares an export with what is held for its authority, plan by plan, and changes nothing. If a person has
 * one plan of a type only here and one only there, they are one plan with different start dates: an end sent
 * with that start would be refused.
 *
 * @param held every row of the authority, in batches
 */
export async function reconcile(
  { name, receivedAt, read, records, rows }: CaseExport,
  { code, name: authorityName, dataAsOf }: Authority,
  held: AsyncIterable<readonly PlanRow[]>,
): Promise<Reconciliation> {
  const seconds = receivedAt / 1000;
  const there = new Map(rows.map((placed) => [identityOf(placed.row), placed]));
  const counts = { same: 0, differs: 0, onlyHere: 0, onlyThere: 0, over: 0, notCompared: 0 };
  const same: ReconciledRow[] = [];
  const differing: ReconciledRow[] = [];
  const here: PlanRow[] = [];
  const both = (row: PlanRow, placed: PlacedRow): void => {
    const found = differences(row, placed.row);
    const into = found.length === 0 ? same : differing;
    into.push({
      ...described(found.length === 0 ? 'same' : 'differs', placed.row),
      status: statusOf(row, seconds),
      place: placed.place,
      ...(found.length > 0 && { differences: found }),
      // With another start date it is another plan: nothing that is held applies to it.
      ...(identityOf(row) === identityOf(placed.row) &&
        asHeld(placed.row, row).withdrawn === true && { withdrawn: true as const }),
    });
  };
  const compared = read.usable !== undefined;
  if (compared) {
    for await (const batch of held) {
      for (const row of batch) {
        const placed = there.get(identityOf(row));
        if (placed === undefined) here.push(row);
        else {
          there.delete(identityOf(row));
          both(row, placed);
        }
      }
    }
  }
  const inUse = here.filter((row) => !isOver(row, seconds));
  counts.over = here.length - inUse.length;
  const [hereOf, thereOf] = [
    Map.groupBy(inUse, personOf),
    Map.groupBy(there.values(), ({ row }) => personOf(row)),
  ];
  const onlyHere: ReconciledRow[] = [];
  for (const [person, plans] of hereOf) {
    const [row, another] = plans;
    const [placed, second] = thereOf.get(person) ?? [];
    if (
      row !== undefined &&
      another === undefined &&
      placed !== undefined &&
      second === undefined
    ) {
      thereOf.delete(person);
      both(row, placed);
      continue;
    }
    for (const plan of plans) {
      onlyHere.push({ ...described('only-here', plan), status: statusOf(plan, seconds) });
    }
  }
  const onlyThere = [...thereOf.values()]
    .flat()
    .map(({ row, place }): ReconciledRow => ({ ...described('only-there', row), place }));
  counts.same = same.length;
  counts.differs = differing.length;
  counts.onlyHere = onlyHere.length;
  counts.onlyThere = onlyThere.length;
  counts.notCompared = compared ? read.records - records : 0;
  return {
    authority: { code, name: authorityName, ...omitUndefined({ dataAsOf }) },
    file: {
      name: printableName(name),
      format: read.format,
      sha256: read.sha256,
      receivedAt: iso(receivedAt),
    },
    compared,
    counts,
    rows: [...differing, ...onlyHere, ...onlyThere, ...same],
    problems: read.failures.sorted(),
    omitted: read.failures.omitted,
  };
}

function differences(here: PlanRow, there: SpooledRow): ReconciledRow['differences'] & object {
  const text = (
    row: { [field in ComparedField]?: string | undefined },
    field: ComparedField,
  ): string => row[field] ?? '';
  return COMPARED_FIELDS.filter((field) => text(here, field) !== text(there, field)).map(
    (field) => ({ field, here: text(here, field), there: text(there, field) }),
  );
}

const described = (
  result: ReconciledRow['result'],
  { nhsNumber, localId, type, startDate }: SpooledRow | PlanRow,
) => ({ result, nhsNumber, localId, type, startDate });

function statusOf(row: PlanRow, now: number): NonNullable<ReconciledRow['status']> {
  if (isOver(row, now)) return 'not-shown';
  return now < row.visibleFrom ? 'not-started' : planStatus(row.type, row.currentUntil, now);
}
