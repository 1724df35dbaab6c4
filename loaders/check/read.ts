import type { OdsCode } from '#schemas/authority.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { Finding } from '#schemas/uploads/acknowledgement.ts';
import type { InactiveNumber } from '#schemas/uploads/notice.ts';
import { type CsvMetadata, csvHeader } from '../formats/common/metadata.ts';
import type { SourceBytes, UploadSource } from '../formats/common/source.ts';
import {
  type FileProblem,
  type RawRecord,
  UnusableFile,
  type UploadEvent,
  type UploadFormat,
  type UploadHeader,
} from '../formats/common/upload.ts';
import { readCsv } from '../formats/csv/csv.ts';
import { readSpineXml } from '../formats/spine/spine.ts';
import type { Spool } from '../spool/spool.ts';
import { type CheckedRecord, type CheckedRow, checkRecord, repeatedHint } from './check.ts';
import { echoOf } from './echo.ts';
import { Findings, LISTED_AT_MOST, shownLocalId } from './findings.ts';
import type { OnProgress } from './progress.ts';
import { type RecordTrace, traceRecords } from './trace-records.ts';
import { TRACED_AT_ONCE, type Tracer, TracingUnavailable } from './tracing/tracer.ts';

export type ReadOptions = {
  receivedAt: number;
  metadata: CsvMetadata;
  /** The authority that is known to send, where one is. */
  authority: OdsCode | undefined;
  /** Absent: numbers are not traced, and names not read. */
  tracer?: Tracer | undefined;
  /** Codes of authorities that asked to have their refused records back. */
  echoTo?: readonly string[] | undefined;
  onProgress?: OnProgress | undefined;
};

/** A header with all that a load needs. */
export type WholeHeader = UploadHeader &
  Required<Pick<UploadHeader, 'authority' | 'sequence' | 'createdAt'>>;

export type ReadUpload = {
  format: UploadFormat;
  sha256: string;
  header: UploadHeader;
  records: number;
  failures: Findings;
  warnings: Findings;
  droppedColumns: string[];
  /** Numbers that tracing found to be no longer in use, each once. */
  inactive: { numbers: InactiveNumber[]; omitted: number };
  /** Why nothing of the file can be loaded, whatever is held; `undefined` for one that can. */
  refusal: Refusal | undefined;
  /** The header where the file can be loaded. */
  usable: WholeHeader | undefined;
  /** Whether dates of birth that can be read two ways may have been read the wrong way. */
  birthDatesInDoubt: boolean;
  /** What of the authority's name and numbers cannot be taken over. */
  contactProblems: readonly FileProblem[];
};

export type Refusal = 'CPF01' | 'CPF05' | 'CPF06';

/**
 * Reads and checks a whole file into a spool, one record in memory at a time. Everything wrong is found,
 * not just the first thing. Nothing is applied here, whatever the file holds.
 *
 * @throws {SourceFailed} where its bytes could not be had
 */
export async function readUpload(
  bytes: SourceBytes,
  source: UploadSource,
  options: ReadOptions,
  spool: Spool,
): Promise<ReadUpload> {
  const reading = new Reading(
    options,
    spool,
    /\.csv(\.gz)?$/i.test(source.name) ? 'csv' : 'spine-xml',
  );
  try {
    const { format, texts } = await sniff(bytes.text());
    reading.format = format;
    const names = options.tracer !== undefined;
    const events =
      format === 'csv' ? csvEvents(texts, source, options) : readSpineXml(texts, { names });
    for await (const batch of events) {
      for (const event of batch) {
        const taking = reading.take(event);
        if (taking !== undefined) await taking;
      }
      const { records } = reading;
      if (batch.length > 0)
        options.onProgress?.({ step: 'reading', records, bytes: bytes.received });
    }
    reading.end();
  } catch (error) {
    if (!(error instanceof UnusableFile)) throw error;
    reading.problem(error.problem);
  }
  await reading.finish();
  await bytes.drain();
  return reading.result(bytes.sha256());
}

/** XML begins with `<`; a CSV's first line names columns. */
async function sniff(
  texts: AsyncGenerator<string>,
): Promise<{ format: UploadFormat; texts: AsyncIterable<string> }> {
  let start = '';
  while (start.trim() === '') {
    const step = await texts.next();
    if (step.done === true) {
      throw new UnusableFile({ place: 'file', hint: 'The file is empty. Export it again.' });
    }
    start = (start.trim() === '' ? start.slice(-1) : start) + step.value;
  }
  return {
    format: start.trimStart().startsWith('<') ? 'spine-xml' : 'csv',
    texts: (async function* () {
      // An XML declaration must be first, so blank lines before it would be told as a fault of the XML.
      yield start.trimStart().startsWith('<') ? start.trimStart() : start;
      yield* texts;
    })(),
  };
}

async function* csvEvents(
  texts: AsyncIterable<string>,
  source: UploadSource,
  options: ReadOptions,
): AsyncGenerator<UploadEvent[]> {
  const { header, problems, warnings } = await csvHeader(
    source,
    options.metadata,
    options.authority,
  );
  const csv = readCsv(texts, {
    names: options.tracer !== undefined,
    counted: header.recordCount !== undefined,
  });
  for await (const batch of csv) {
    yield batch.map(
      (event): UploadEvent =>
        event.kind !== 'columns'
          ? event
          : {
              kind: 'header',
              header,
              problems: [...problems, ...event.problems],
              warnings,
              contactProblems: [],
              droppedColumns: event.dropped,
            },
    );
  }
}

class Reading {
  format: UploadFormat;
  records = 0;
  #blankRows = 0;
  #birthDatesInDoubt = false;
  #contactProblems: readonly FileProblem[] = [];
  readonly #options: ReadOptions;
  readonly #spool: Spool;
  readonly #failures = new Findings();
  readonly #warnings = new Findings();
  #header: UploadHeader = {};
  #droppedColumns: string[] = [];
  #tracer: Tracer | undefined;
  #refusal: Refusal | undefined;
  #batch: TakenRecord[] = [];
  readonly #inactive = new Map<NhsNumber, InactiveNumber>();
  #inactiveOmitted = 0;
  /** Columns that are not there would make every record wrong: the file's problem says it once. */
  #checksRecords = true;

  constructor(options: ReadOptions, spool: Spool, format: UploadFormat) {
    this.#options = options;
    this.#tracer = options.tracer;
    this.#spool = spool;
    this.format = format;
  }

  problem({ place, field, hint, code = 'CPF01' }: FileProblem): void {
    // That it is not well-formed goes before its being of another version.
    if (this.#refusal !== 'CPF01') this.#refusal = code;
    this.#failures.add({ code, place, ...(field !== undefined && { field }), hint });
  }

  /** A promise where there is something to wait for before the next event. */
  take(event: UploadEvent): Promise<void> | undefined {
    switch (event.kind) {
      case 'record':
        return this.#takeRecord(event.record);
      case 'header':
        this.#takeHeader(event);
        return undefined;
      case 'blank-rows':
        this.#blankRows = event.count;
        this.#remark([
          {
            place: 'file',
            field: 'row',
            hint: `${event.count} rows with nothing in their cells were passed over, and are counted nowhere.`,
          },
        ]);
        return undefined;
      case 'date-order':
        this.#birthDatesInDoubt = event.birthDatesInDoubt;
        for (const problem of event.problems) this.problem(problem);
        this.#remark(event.warnings);
        return undefined;
    }
  }

  /** The code of a remark on the whole file is the file's own, known at the end. */
  #remark(warnings: readonly FileProblem[]): void {
    for (const { place, field, hint } of warnings) {
      this.#warnings.add({ code: 'CPF02', place, ...(field !== undefined && { field }), hint });
    }
  }

  #takeHeader(event: Extract<UploadEvent, { kind: 'header' }>): void {
    this.#header = event.header;
    this.#droppedColumns = event.droppedColumns;
    this.#contactProblems = event.contactProblems;
    for (const problem of event.problems) this.problem(problem);
    this.#checksRecords = !(
      this.format === 'csv' && event.problems.some(({ place }) => place.startsWith('line '))
    );
    this.#remark(event.warnings);
    const { authority, createdAt } = event.header;
    const expected = this.#options.authority;
    if (authority !== undefined && expected !== undefined && authority !== expected) {
      this.problem({
        place: 'file',
        field: 'authority',
        hint: `The file is of another authority than the one that sends it (${expected}). Send it with that authority's own access.`,
      });
    }
    if (createdAt !== undefined && createdAt > this.#options.receivedAt + CLOCKS_MAY_DIFFER_MS) {
      this.#remark([
        {
          place: 'file',
          field: 'createdAt',
          hint: 'The file says that it was made after it was received. Check the clock of the system that makes it.',
        },
      ]);
    }
  }

  #takeRecord(raw: RawRecord): Promise<void> | undefined {
    this.records += 1;
    if (!this.#checksRecords) return undefined;
    const { format } = this;
    const checked = checkRecord(raw, { format, receivedAt: this.#options.receivedAt });
    if (this.#echoes()) {
      const echo = echoOf(raw, format);
      if (echo !== undefined) this.#spool.addEcho(echo);
    }
    if (this.#tracer === undefined) {
      this.#settle(raw.number, checked);
      return undefined;
    }
    this.#batch.push({ number: raw.number, checked });
    return this.#batch.length < TRACED_AT_ONCE ? undefined : this.finish();
  }

  #echoes(): boolean {
    const { authority } = this.#header;
    return authority !== undefined && this.#options.echoTo?.includes(authority) === true;
  }

  /** Traces what is waiting for it. */
  async finish(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    let traces: readonly RecordTrace[] = [];
    try {
      if (this.#tracer !== undefined) traces = await traceRecords(this.#tracer, batch);
    } catch (error) {
      if (!(error instanceof TracingUnavailable)) throw error;
      // Not asked again for this file: each time might mean waiting for the deadline.
      this.#tracer = undefined;
      this.#failures.add(NOT_TRACED);
      this.#refusal ??= 'CPF05';
    }
    batch.forEach(({ number, checked }, i) => this.#settle(number, checked, traces[i]));
  }

  /** A record with nothing wrong is spooled, whole; any other leaves its findings only. */
  #settle(number: number, checked: CheckedRecord, trace?: RecordTrace): void {
    for (const inactive of trace?.inactive ?? []) this.#noteInactive(inactive);
    const failures = [
      ...(checked.kind === 'refused' ? checked.failures : this.#repeats(number, checked.rows)),
      ...(trace?.failures ?? []),
    ];
    if (checked.kind === 'refused' || failures.length > 0) {
      this.#failures.add(...failures);
      return;
    }
    this.#warnings.add(...checked.warnings, ...(trace?.warnings ?? []));
    const { authority, sequence } = this.#header;
    if (this.#refusal !== undefined || authority === undefined || sequence === undefined) return;
    this.#spool.addRecord(
      number,
      checked.rows.map(({ row, place }) => ({ row: { ...row, authority, sequence }, place })),
    );
  }

  #noteInactive(inactive: InactiveNumber): void {
    if (this.#inactive.has(inactive.nhsNumber)) return;
    if (this.#inactive.size < LISTED_AT_MOST) this.#inactive.set(inactive.nhsNumber, inactive);
    else this.#inactiveOmitted += 1;
  }

  #repeats(number: number, rows: readonly { row: CheckedRow; place: string }[]): Finding[] {
    return rows.flatMap(({ row, place }): Finding[] => {
      const earlier = this.#spool.recordOf(row);
      if (earlier === undefined) return [];
      return [
        {
          code: 'CPR07',
          place,
          record: number,
          field: 'start_date',
          ...shownLocalId(row.localId),
          hint: repeatedHint(row.startDate, earlier),
        },
      ];
    });
  }

  /** The file was read to its last byte. */
  end(): void {
    const { recordCount } = this.#header;
    if (recordCount !== undefined && recordCount !== this.records) {
      this.problem({
        place: 'file',
        field: this.format === 'csv' ? 'rowCount' : 'transmissionQuantity',
        hint: `The file says that it has ${recordCount} records, and has ${this.records}. ${this.#blankRows > 0 ? `Its ${this.#blankRows} rows with nothing in their cells are no records: count the others. Otherwise it` : 'It'} may be cut short, or two files run together. Export it again.`,
      });
    }
  }

  result(sha256: string): ReadUpload {
    const { authority, sequence, createdAt } = this.#header;
    return {
      format: this.format,
      sha256,
      header: this.#header,
      records: this.records,
      failures: this.#failures,
      warnings: this.#warnings,
      droppedColumns: this.#droppedColumns,
      inactive: { numbers: [...this.#inactive.values()], omitted: this.#inactiveOmitted },
      refusal: this.#refusal,
      birthDatesInDoubt: this.#birthDatesInDoubt,
      contactProblems: this.#contactProblems,
      usable:
        this.#refusal === undefined &&
        authority !== undefined &&
        sequence !== undefined &&
        createdAt !== undefined
          ? { ...this.#header, authority, sequence, createdAt }
          : undefined,
    };
  }
}

type TakenRecord = { number: number; checked: CheckedRecord };

const NOT_TRACED: Finding = {
  code: 'CPF05',
  place: 'file',
  hint: 'The NHS numbers could not be traced just now, so nothing of the file was loaded. Send the same file again later, with the same sequence number.',
};

const CLOCKS_MAY_DIFFER_MS = 5 * 60_000;
