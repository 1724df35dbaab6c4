import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { csvText } from '#loaders/formats/common/csv-text.ts';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import { type Authority, fileNumber, type OdsCode } from '#schemas/authority.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import { HOLDINGS_COLUMNS } from '#schemas/uploads/columns.ts';
import { StoreNotWhole } from '#store/errors.ts';
import type { Store } from '#store/store.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { requestedBy } from '../audit/record/requested.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import type { AdmittedAuthority } from './guarded-authority.ts';
import { createSharedPlaces } from './shared-places.ts';

export const HOLDINGS_FORMATS = ['json', 'csv'] as const;
type HoldingsFormat = (typeof HOLDINGS_FORMATS)[number];

const BYTE_ORDER_MARK = /^\u{feff}/u;

const instant = (seconds: number): string => new Date(seconds * 1000).toISOString();

const asJson = (row: PlanRow, offset: number): string =>
  JSON.stringify({
    nhsNumber: row.nhsNumber,
    localId: row.localId,
    type: row.type,
    startDate: row.startDate,
    endDate: row.endDate,
    deleteDate: row.deleteDate,
    withdrawn: row.withdrawn,
    sequence: fileNumber(row.sequence, offset),
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
  fileNumber(row.sequence, offset),
  instant(row.visibleUntil),
];

/**
 * All that is held for an authority, piece by piece, to compare a case system with: every plan, ended and
 * deleted ones too. A deleted plan is visible until it begins, that is, never.
 *
 * JSON ends with the number of rows, so that a copy cut short is noticed; a CSV has the form of an upload,
 * and may be loaded back: so it has dates of birth, which JSON leaves out.
 *
 * @param batches the rows, all belonging to this authority
 */
export async function* holdingsText(
  { code, name, dataAsOf, sequenceOffset = 0 }: Authority,
  batches: AsyncIterable<PlanRow[]>,
  format: HoldingsFormat,
): AsyncGenerator<string> {
  if (format === 'csv') {
    yield csvText([HOLDINGS_COLUMNS]);
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

/** The event of an authority that reads everything held for it, on disk before the first row is read. */
export const holdingsRead = (
  reader: Pick<AdmittedAuthority, 'ids' | 'caller' | 'authority'>,
  reason?: string,
): WrittenEvent => ({
  type: 'holdings-read',
  ...requestedBy(reader),
  authority: reader.authority,
  by: reader.caller.identity.name,
  ...(reason !== undefined && { reason }),
});

export type HoldingsReaderDependencies = {
  store: Pick<Store, 'authority' | 'rowsOf' | 'appendEvent'>;
  readiness: Pick<Readiness, 'open' | 'run'>;
  log: Log;
};

/** Each reads the whole store. */
const HOLDINGS_AT_ONCE = 4;
/** How many of those one authority may read as slowly as it likes. */
const OF_AN_AUTHORITY_AT_ONCE = 2;

/**
 * The rows of an authority, from a store that is known to be whole from the first to the last.
 *
 * @throws {StoreNotWhole} if it is not
 */
export async function* wholeRowsOf(
  {
    store,
    readiness,
  }: Pick<HoldingsReaderDependencies, 'readiness'> & { store: Pick<Store, 'rowsOf'> },
  code: OdsCode,
): AsyncGenerator<PlanRow[]> {
  const { open, run } = readiness;
  if (!open) throw new StoreNotWhole();
  yield* store.rowsOf(code);
  if (!readiness.open || readiness.run !== run) throw new StoreNotWhole();
}

/** An answer that cannot be completed breaks off, so that it cannot be taken for a complete one. */
async function* orBrokenOff(
  text: AsyncIterable<string>,
  { log, outgoing, authority }: { log: Log; outgoing: ServerResponse; authority: OdsCode },
): AsyncGenerator<string> {
  try {
    yield* text;
  } catch (error) {
    log.error('Holdings were cut short.', { ...errorFields(error), authority });
    outgoing.destroy();
  }
}

/**
 * Makes the reader of everything held for an authority, recorded before the first row is sent.
 *
 * @returns why it is not read, or its text, which ends with its answer
 */
export function createHoldingsReader({ store, readiness, log }: HoldingsReaderDependencies) {
  const places = createSharedPlaces({ inAll: HOLDINGS_AT_ONCE, ofOne: OF_AN_AUTHORITY_AT_ONCE });
  return async function read(
    admitted: AdmittedAuthority,
    format: HoldingsFormat,
    outgoing: ServerResponse,
  ): Promise<ReadableStream | 'store-unavailable' | 'authority-unknown'> {
    const { authority: code } = admitted;
    // A store not known to be whole would make an authority repair what is not broken.
    const ended = readiness.open ? places.take(code) : undefined;
    if (ended === undefined) return 'store-unavailable';
    let text: Readable | undefined;
    try {
      const authority = await store.authority(code);
      if (authority === undefined) return 'authority-unknown';
      // On disk before the first row is sent.
      await store.appendEvent(holdingsRead(admitted));
      const whole = holdingsText(authority, wholeRowsOf({ store, readiness }, code), format);
      text = Readable.from(orBrokenOff(whole, { log, outgoing, authority: code }), {
        objectMode: false,
      });
    } finally {
      if (text === undefined) ended();
    }
    text.once('close', ended);
    // Also runs if the client left before the first byte.
    outgoing.once('close', () => text.destroy());
    return Readable.toWeb(text) as ReadableStream;
  };
}
