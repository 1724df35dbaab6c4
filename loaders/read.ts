import type { Finding } from '#schemas/acknowledgement.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { type CheckedRecord, checkRecord, repeatedHint } from './check.ts';
import { readCsv } from './csv.ts';
import { type CsvMetadata, csvHeader } from './csv-metadata.ts';
import { Findings, shownLocalId } from './findings.ts';
import type { SourceBytes, UploadSource } from './source.ts';
import { readSpineXml } from './spine-xml.ts';
import type { Spool } from './spool.ts';
import {
  type FileProblem,
  type RawRecord,
  UnusableFile,
  type UploadEvent,
  type UploadFormat,
  type UploadHeader,
} from './upload.ts';

export type ReadOptions = {
  receivedAt: number;
  metadata: CsvMetadata;
  /** The authority that is known to send, where one is. */
  authority: OdsCode | undefined;
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
  /** The header where the file can be loaded; `undefined` where it is CPF01. */
  usable: WholeHeader | undefined;
};

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
    const events = format === 'csv' ? csvEvents(texts, source, options) : readSpineXml(texts);
    for await (const event of events) reading.take(event);
    reading.end();
  } catch (error) {
    if (!(error instanceof UnusableFile)) throw error;
    reading.problem(error.problem);
  }
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
      yield start;
      yield* texts;
    })(),
  };
}

async function* csvEvents(
  texts: AsyncIterable<string>,
  source: UploadSource,
  options: ReadOptions,
): AsyncGenerator<UploadEvent> {
  const { header, problems, warnings } = await csvHeader(
    source,
    options.metadata,
    options.authority,
  );
  for await (const event of readCsv(texts)) {
    if (event.kind === 'record') yield event;
    else {
      yield {
        kind: 'header',
        header,
        problems: [...problems, ...event.problems],
        warnings,
        droppedColumns: event.dropped,
      };
    }
  }
}

class Reading {
  format: UploadFormat;
  readonly #options: ReadOptions;
  readonly #spool: Spool;
  readonly #failures = new Findings();
  readonly #warnings = new Findings();
  #header: UploadHeader = {};
  #droppedColumns: string[] = [];
  #records = 0;
  #usable = true;
  /** Columns that are not there would make every record wrong: the file's problem says it once. */
  #checksRecords = true;

  constructor(options: ReadOptions, spool: Spool, format: UploadFormat) {
    this.#options = options;
    this.#spool = spool;
    this.format = format;
  }

  problem({ place, field, hint }: FileProblem): void {
    this.#usable = false;
    this.#failures.add({ code: 'CPF01', place, ...(field !== undefined && { field }), hint });
  }

  take(event: UploadEvent): void {
    switch (event.kind) {
      case 'header':
        this.#takeHeader(event);
        break;
      case 'record':
        this.#takeRecord(event.record);
        break;
    }
  }

  #takeHeader(event: Extract<UploadEvent, { kind: 'header' }>): void {
    this.#header = event.header;
    this.#droppedColumns = event.droppedColumns;
    for (const problem of event.problems) this.problem(problem);
    this.#checksRecords = !(
      this.format === 'csv' && event.problems.some(({ place }) => place === 'line 1')
    );
    for (const { place, field, hint } of event.warnings) {
      // The code of a remark on the whole file is the file's own, known at the end.
      this.#warnings.add({ code: 'CPF02', place, ...(field !== undefined && { field }), hint });
    }
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
      this.#warnings.add({
        code: 'CPF02',
        place: 'file',
        field: 'createdAt',
        hint: 'The file says that it was made after it was received. Check the clock of the system that makes it.',
      });
    }
  }

  #takeRecord(raw: RawRecord): void {
    this.#records += 1;
    if (!this.#checksRecords) return;
    const checked = this.#withoutRepeats(
      raw,
      checkRecord(raw, { format: this.format, receivedAt: this.#options.receivedAt }),
    );
    if (checked.kind === 'refused') {
      this.#failures.add(...checked.failures);
      return;
    }
    this.#warnings.add(...checked.warnings);
    const { authority, sequence } = this.#header;
    if (!this.#usable || authority === undefined || sequence === undefined) return;
    this.#spool.addRecord(
      raw.number,
      checked.rows.map(({ row, place }) => ({ row: { ...row, authority, sequence }, place })),
    );
  }

  #withoutRepeats(raw: RawRecord, checked: CheckedRecord): CheckedRecord {
    if (checked.kind === 'refused') return checked;
    const failures = checked.rows.flatMap(({ row, place }): Finding[] => {
      const earlier = this.#spool.recordOf(row);
      if (earlier === undefined) return [];
      return [
        {
          code: 'CPR07',
          place,
          record: raw.number,
          field: 'start_date',
          ...shownLocalId(row.localId),
          hint: repeatedHint(row.startDate, earlier),
        },
      ];
    });
    return failures.length > 0 ? { kind: 'refused', failures } : checked;
  }

  /** The file was read to its last byte. */
  end(): void {
    const { recordCount } = this.#header;
    if (recordCount !== undefined && recordCount !== this.#records) {
      this.problem({
        place: 'file',
        field: this.format === 'csv' ? 'rowCount' : 'transmissionQuantity',
        hint: `The file says that it has ${recordCount} records, and has ${this.#records}. It may be cut short, or two files run together. Export it again.`,
      });
    }
  }

  result(sha256: string): ReadUpload {
    const { authority, sequence, createdAt } = this.#header;
    return {
      format: this.format,
      sha256,
      header: this.#header,
      records: this.#records,
      failures: this.#failures,
      warnings: this.#warnings,
      droppedColumns: this.#droppedColumns,
      usable:
        this.#usable && authority !== undefined && sequence !== undefined && createdAt !== undefined
          ? { ...this.#header, authority, sequence, createdAt }
          : undefined,
    };
  }
}

const CLOCKS_MAY_DIFFER_MS = 5 * 60_000;
