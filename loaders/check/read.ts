import type { OdsCode } from '#schemas/authority.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { Finding } from '#schemas/uploads/acknowledgement.ts';
import { formatOfName, UPLOAD_FORMATS, type UploadFormat } from '#schemas/uploads/formats.ts';
import type { InactiveNumber } from '#schemas/uploads/notice.ts';
import { FILE_HINTS, type WayIn } from '#schemas/wording/files.ts';
import { RECORD_HINTS } from '#schemas/wording/records.ts';
import type { CsvMetadata, MappingOf } from '../formats/common/metadata.ts';
import type { SourceBytes, UploadSource } from '../formats/common/source.ts';
import {
  type FileProblem,
  type RawRecord,
  UnusableFile,
  type UploadEvent,
  type UploadHeader,
} from '../formats/common/upload.ts';
import { READERS, recognise } from '../formats/formats.ts';
import { unlessStopped } from '../load-failed.ts';
import type { Spool } from '../spool/spool.ts';
import type { WaitingPerson } from '../spool/waiting-people.ts';
import { type CheckedRecord, type CheckedRow, type CheckedSubject, checkRecord } from './check.ts';
import { type CheckContext, checkContext } from './context.ts';
import { echoOf } from './echo.ts';
import { Findings, LISTED_AT_MOST, shownLocalId } from './findings.ts';
import type { OnProgress } from './progress.ts';
import { type NumberTrace, traceNumbers } from './trace-numbers.ts';
import { type NumberTracer, NumberTracingUnavailable, TRACED_AT_ONCE } from './tracing/tracer.ts';

type ReadOptions = {
  receivedAt: number;
  metadata: CsvMetadata;
  way?: WayIn | undefined;
  mappingOf?: MappingOf | undefined;
  /** The authority known to be sending, if any. */
  authority: OdsCode | undefined;
  /** If absent, numbers are not traced and names not read. */
  tracer?: NumberTracer | undefined;
  /** Codes of authorities that asked to have their refused records back. */
  echoTo?: readonly string[] | undefined;
  onProgress?: OnProgress | undefined;
  /** Once aborted, no more of the file is read and nobody else is traced. */
  stopped?: AbortSignal | undefined;
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
  /** Why nothing of the file can be loaded, whatever is held; `undefined` if it can. */
  refusal: Refusal | undefined;
  /** The header if the file can be loaded. */
  usable: WholeHeader | undefined;
  /** Whether dates of birth that can be read two ways may have been read the wrong way. */
  birthDatesInDoubt: boolean;
  /** What waits to be traced: neither accepted nor refused. */
  waiting: { records: number; rows: number };
  /** The authority's name and numbers that cannot be used. */
  contactProblems: readonly FileProblem[];
};

export type Refusal = 'CPF01' | 'CPF05' | 'CPF06';

/**
 * Reads and checks a whole file into a spool, one record in memory at a time. Every fault is found, not just
 * the first. Nothing is applied here.
 *
 * @throws {SourceFailed} if its bytes could not be read, {LoadFailed} if it was stopped
 */
export async function readUpload(
  bytes: SourceBytes,
  source: UploadSource,
  options: ReadOptions,
  spool: Spool,
): Promise<ReadUpload> {
  const reading = new Reading(options, spool, formatOfName(source.name));
  try {
    const { format, empty, texts } = await recognise(bytes.text());
    if (empty) throw new UnusableFile({ place: 'file', hint: FILE_HINTS.empty });
    reading.format = format;
    const { metadata, way, authority, tracer, mappingOf } = options;
    const file = { source, metadata, way, authority, mappingOf, names: tracer !== undefined };
    for await (const batch of READERS[format].read(texts, file)) {
      for (const event of batch) {
        const taking = reading.take(event);
        if (taking !== undefined) await taking;
      }
      unlessStopped(options.stopped);
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
  #tracer: NumberTracer | undefined;
  #refusal: Refusal | undefined;
  #batch: TakenRecord[] = [];
  readonly #inactive = new Map<NhsNumber, InactiveNumber>();
  #inactiveOmitted = 0;
  #waiting = { records: 0, rows: 0 };
  #checksRecords = true;
  #context: CheckContext | undefined;

  constructor(options: ReadOptions, spool: Spool, format: UploadFormat) {
    this.#options = options;
    this.#tracer = options.tracer;
    this.#spool = spool;
    this.format = format;
  }

  problem({ place, field, hint, code = 'CPF01' }: FileProblem): void {
    // Malformed XML is reported rather than another version.
    if (this.#refusal !== 'CPF01') this.#refusal = code;
    this.#failures.add({ code, place, ...(field !== undefined && { field }), hint });
  }

  /** A promise if something must be waited for before the next event. */
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
            hint: FILE_HINTS.blankRows(event.count),
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
    this.#checksRecords = event.recordsReadable;
    this.#remark(event.warnings);
    const { authority, createdAt } = event.header;
    const expected = this.#options.authority;
    if (authority !== undefined && expected !== undefined && authority !== expected) {
      this.problem({
        place: 'file',
        field: 'authority',
        hint: FILE_HINTS.otherAuthority(authority, expected),
      });
    }
    if (createdAt !== undefined && createdAt > this.#options.receivedAt + CLOCKS_MAY_DIFFER_MS) {
      this.#remark([
        {
          place: 'file',
          field: 'createdAt',
          hint: FILE_HINTS.madeInFuture,
        },
      ]);
    }
  }

  #takeRecord(raw: RawRecord): Promise<void> | undefined {
    this.records += 1;
    if (!this.#checksRecords) return undefined;
    const { format } = this;
    this.#context ??= checkContext(format, this.#options.receivedAt);
    const checked = checkRecord(raw, this.#context);
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
    let traces: readonly NumberTrace[] = [];
    try {
      if (this.#tracer !== undefined && !(this.#refusal !== undefined && this.#tracer.isCostly)) {
        const { stopped } = this.#options;
        traces = await traceNumbers(this.#tracer, batch, this.#header.authority, stopped);
        unlessStopped(stopped);
      }
    } catch (error) {
      if (!(error instanceof NumberTracingUnavailable)) throw error;
      // Not asked again for this file, since each time might mean waiting for the deadline.
      this.#tracer = undefined;
      this.#failures.add(NOT_TRACED);
      this.#refusal ??= 'CPF05';
    }
    batch.forEach(({ number, checked }, i) => this.#settle(number, checked, traces[i]));
  }

  /** A record with nothing wrong is spooled whole; any other leaves only its findings. */
  #settle(number: number, checked: CheckedRecord, trace?: NumberTrace): void {
    for (const inactive of trace?.inactive ?? NONE) this.#noteInactive(inactive);
    const failures =
      checked.kind === 'refused' ? checked.failures : this.#repeats(number, checked.rows);
    const untraceable = trace?.failures ?? NONE;
    if (checked.kind === 'refused' || failures.length > 0 || untraceable.length > 0) {
      this.#failures.add(...failures, ...untraceable);
      return;
    }
    this.#warnings.add(...checked.warnings, ...(trace?.warnings ?? NONE));
    const { authority, sequence } = this.#header;
    if (this.#refusal !== undefined || authority === undefined || sequence === undefined) return;
    const rows = checked.rows.map(({ row, place }) => ({
      row: { ...row, authority, sequence },
      place,
    }));
    if (trace === undefined || trace.untraced.length === 0) {
      this.#spool.addRecord(number, rows);
      return;
    }
    this.#spool.wait(
      number,
      rows,
      trace.untraced.flatMap((subject) => waitingPerson(number, subject)),
    );
    this.#waiting = {
      records: this.#waiting.records + 1,
      rows: this.#waiting.rows + rows.length,
    };
  }

  #noteInactive(inactive: InactiveNumber): void {
    if (this.#inactive.has(inactive.nhsNumber)) return;
    if (this.#inactive.size < LISTED_AT_MOST) this.#inactive.set(inactive.nhsNumber, inactive);
    else this.#inactiveOmitted += 1;
  }

  #repeats(
    number: number,
    rows: readonly { row: CheckedRow; place: string }[],
  ): readonly Finding[] {
    let found: Finding[] | undefined;
    for (const { row, place } of rows) {
      const earlier = this.#spool.recordOf(row);
      if (earlier === undefined) continue;
      (found ??= []).push({
        code: 'CPR07',
        place,
        record: number,
        field: 'start_date',
        ...shownLocalId(row.localId),
        hint: RECORD_HINTS.repeated(row.startDate, earlier),
      });
    }
    return found ?? NONE;
  }

  /** The file was read to its last byte. */
  end(): void {
    const { recordCount } = this.#header;
    if (recordCount !== undefined && recordCount !== this.records) {
      this.problem({
        place: 'file',
        field: UPLOAD_FORMATS[this.format].countField,
        hint: FILE_HINTS.miscounted(recordCount, this.records, this.#blankRows),
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
      waiting: this.#waiting,
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

function waitingPerson(record: number, subject: CheckedSubject): WaitingPerson[] {
  const { place, nhsNumber, dateOfBirth, localId, names } = subject;
  if (nhsNumber === undefined || dateOfBirth === undefined) return [];
  const [givenName, familyName] = [names?.given ?? '', names?.family ?? ''];
  return [{ record, place, nhsNumber, dateOfBirth, localId, givenName, familyName }];
}

/** Nearly every record has no remark. */
const NONE: readonly never[] = [];

type TakenRecord = { number: number; checked: CheckedRecord };

const NOT_TRACED: Finding = {
  code: 'CPF05',
  place: 'file',
  hint: FILE_HINTS.notTraced,
};

const CLOCKS_MAY_DIFFER_MS = 5 * 60_000;
