// By hand, since csv-parse took as long as the rest of a load, and faster parsers miss faults (decision 15);
// the tests compare it with csv-parse.

import { tidy } from '#schemas/tidy.ts';

type CsvLine<Cells> = {
  cells: Cells;
  /** The last line of the record's text, from 1. */
  line: number;
};

export type CsvFault =
  /** More or fewer fields than the first line names. */
  | 'ragged'
  | 'quote-not-closed'
  /** Something follows the quote that closes a field. */
  | 'after-closing-quote'
  /** A quote is in a field that does not begin with one. */
  | 'quote-inside'
  | 'too-long';

/** A malformed CSV. Holds none of its contents. */
export class MalformedCsv extends Error {
  override name = 'MalformedCsv';
  readonly fault: CsvFault;
  /** From 1. */
  readonly line: number;

  constructor(fault: CsvFault, line: number) {
    super(`the CSV is not well-formed: ${fault} at line ${line}`);
    this.fault = fault;
    this.line = line;
  }
}

type CsvLinesOptions = {
  /**
   * Given the first line; returns `false` for a column to be skipped, and `undefined` if the line is not the
   * header: then it is given the next one too.
   */
  columns: (header: string[], line: number) => (string | false)[] | undefined;
  /** Called with the line number of each row skipped because its cells are empty. */
  onBlank?: (line: number) => void;
  /** Characters of one record. */
  lineAtMost: number;
};

/**
 * The records of a CSV as it streams in, in batches. RFC 4180, strictly, with any of the three line ends.
 * Empty lines are left out, and so are rows with only empty cells, which spreadsheets write for cleared
 * cells.
 *
 * @throws {MalformedCsv} and anything that `columns` or the text throws
 */
export async function* parseCsv<Cells>(
  texts: AsyncIterable<string>,
  options: CsvLinesOptions,
): AsyncGenerator<CsvLine<Cells>[]> {
  const scanner = new CsvScanner<Cells>(options);
  for await (const text of texts) {
    const lines = scanner.write(text);
    if (lines.length > 0) yield lines;
    if (scanner.failure !== undefined) throw scanner.failure;
  }
  yield scanner.end();
  if (scanner.failure !== undefined) throw scanner.failure;
}

const QUOTE = 34;
const COMMA = 44;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const SPACE = 32;
const DELETE = 127;

function isBlank(field: string): boolean {
  const first = field.charCodeAt(0);
  // Almost every record of almost every file begins with a digit.
  return !(first > SPACE && first < DELETE) && tidy(field) === '';
}

class CsvScanner<Cells> {
  /** Why nothing more is accepted; what came before it was. */
  failure: Error | undefined;
  readonly #options: CsvLinesOptions;
  #columns: readonly (string | false)[] | undefined;
  /** What has arrived and is not yet taken. */
  #text = '';
  #at = 0;
  #line = 0;
  #ended = false;
  #fields: string[] = [];

  constructor(options: CsvLinesOptions) {
    this.#options = options;
  }

  write(text: string): CsvLine<Cells>[] {
    this.#text = this.#text.slice(this.#at) + text;
    this.#at = 0;
    return this.#take();
  }

  end(): CsvLine<Cells>[] {
    this.#ended = true;
    return this.#take();
  }

  #take(): CsvLine<Cells>[] {
    const lines: CsvLine<Cells>[] = [];
    try {
      this.#takeInto(lines);
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error('unknown failure');
    }
    return lines;
  }

  #takeInto(lines: CsvLine<Cells>[]): void {
    const { lineAtMost } = this.#options;
    while (this.#at < this.#text.length) {
      const from = this.#at;
      const line = this.#line;
      if (!this.#record()) {
        // Nothing is taken before a record is complete.
        this.#at = from;
        this.#line = line;
        if (this.#text.length - from > lineAtMost) throw new MalformedCsv('too-long', line + 1);
        break;
      }
      if (this.#at - from > lineAtMost + 2) throw new MalformedCsv('too-long', this.#line);
      if (this.#fields.every(isBlank)) {
        if (this.#fields.length > 1) this.#options.onBlank?.(this.#line);
        continue;
      }
      if (this.#columns === undefined) {
        this.#columns = this.#options.columns(this.#fields, this.#line);
      } else lines.push({ cells: this.#cells(this.#columns), line: this.#line });
    }
  }

  #cells(columns: readonly (string | false)[]): Cells {
    const fields = this.#fields;
    if (fields.length !== columns.length) throw new MalformedCsv('ragged', this.#line);
    const cells: Record<string, string> = {};
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i];
      if (column) cells[column] = fields[i] ?? '';
    }
    return cells as Cells;
  }

  /** Takes one record; false if its end has not arrived yet. */
  #record(): boolean {
    const text = this.#text;
    const end = text.indexOf('\n', this.#at);
    if (end >= 0) {
      const last = text.charCodeAt(end - 1) === CARRIAGE_RETURN && end > this.#at ? end - 1 : end;
      const record = text.slice(this.#at, last);
      // Almost every record of almost every file: without a quote, and no stray line end in it.
      if (!record.includes('"') && !record.includes('\r')) {
        this.#fields = record.split(',');
        this.#at = end + 1;
        this.#line += 1;
        return true;
      }
    }
    return this.#anyRecord();
  }

  #anyRecord(): boolean {
    const fields: string[] = [];
    for (;;) {
      const field = this.#field();
      if (field === undefined) return false;
      fields.push(field);
      const next = this.#text.charCodeAt(this.#at);
      if (this.#at < this.#text.length && next === COMMA) {
        this.#at += 1;
        continue;
      }
      if (!this.#lineEnd()) return false;
      this.#fields = fields;
      return true;
    }
  }

  /** Up to the following comma or line end; `undefined` if that has not arrived yet. */
  #field(): string | undefined {
    const text = this.#text;
    if (text.charCodeAt(this.#at) === QUOTE) return this.#quoted();
    const from = this.#at;
    for (let at = from; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) throw new MalformedCsv('quote-inside', this.#line + 1);
      if (code === COMMA || code === LINE_FEED || code === CARRIAGE_RETURN) {
        this.#at = at;
        return text.slice(from, at);
      }
    }
    if (!this.#ended) return undefined;
    this.#at = text.length;
    return text.slice(from);
  }

  #quoted(): string | undefined {
    const text = this.#text;
    const opened = this.#line + 1;
    let field = '';
    let from = this.#at + 1;
    for (;;) {
      const quote = text.indexOf('"', from);
      if (quote < 0) {
        if (this.#ended) throw new MalformedCsv('quote-not-closed', opened);
        return undefined;
      }
      field += text.slice(from, quote);
      const next = quote + 1;
      if (next === text.length && !this.#ended) return undefined;
      if (text.charCodeAt(next) === QUOTE) {
        field += '"';
        from = next + 1;
        continue;
      }
      const code = text.charCodeAt(next);
      const closes =
        next === text.length || code === COMMA || code === LINE_FEED || code === CARRIAGE_RETURN;
      this.#line += field.split(/\r\n|\r|\n/).length - 1;
      if (!closes) throw new MalformedCsv('after-closing-quote', this.#line + 1);
      this.#at = next;
      return field;
    }
  }

  #lineEnd(): boolean {
    const text = this.#text;
    if (text.charCodeAt(this.#at) === CARRIAGE_RETURN) {
      // Its line feed may be yet to come.
      if (this.#at + 1 === text.length && !this.#ended) return false;
      if (text.charCodeAt(this.#at + 1) === LINE_FEED) this.#at += 1;
    }
    if (this.#at < text.length) this.#at += 1;
    this.#line += 1;
    return true;
  }
}
