import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CsvFault, MalformedCsv, parseCsv } from '#loaders/formats/csv/lines.ts';

type Row = Record<string, string>;
type Outcome = { rows: Row[]; lines: number[]; fault?: CsvFault | 'other' };

async function scanned(text: string, pieces: number, columns = names): Promise<Outcome> {
  const rows: Row[] = [];
  const lines: number[] = [];
  const texts = Readable.from(
    Array.from({ length: Math.ceil(text.length / pieces) }, (_, i) =>
      text.slice(i * pieces, (i + 1) * pieces),
    ),
  ) as AsyncIterable<string>;
  try {
    for await (const batch of parseCsv<Row>(texts, { columns, lineAtMost: 1_000 })) {
      for (const { cells, line } of batch) {
        rows.push(cells);
        lines.push(line);
      }
    }
  } catch (error) {
    if (!(error instanceof MalformedCsv)) throw error;
    return { rows, lines, fault: error.fault };
  }
  return { rows, lines };
}

const FAULTS: Partial<Record<CsvError['code'], CsvFault>> = {
  CSV_QUOTE_NOT_CLOSED: 'quote-not-closed',
  CSV_INVALID_CLOSING_QUOTE: 'after-closing-quote',
  INVALID_OPENING_QUOTE: 'quote-inside',
};

/** The same with a parser that is known to be strict. */
async function parsed(text: string): Promise<Outcome> {
  const rows: Row[] = [];
  const lines: number[] = [];
  const parser = Readable.from([text]).pipe(
    parse({
      record_delimiter: ['\r\n', '\n', '\r'],
      skip_empty_lines: true,
      relax_column_count: true,
      info: true,
    }),
  );
  try {
    let header: string[] | undefined;
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[];
      info: { lines: number };
    }>) {
      if (record.every((text) => text.trim() === '')) continue;
      if (header === undefined) {
        header = names(record);
        continue;
      }
      if (record.length !== header.length) return { rows, lines, fault: 'ragged' };
      rows.push(Object.fromEntries(record.map((text, i) => [`c${i}`, text])));
      lines.push(info.lines);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { rows, lines, fault: FAULTS[error.code] ?? 'other' };
  }
  return { rows, lines };
}

/** Names for columns by position, so that two with the same name stay apart. */
function names(header: string[]): string[] {
  return header.map((_, i) => `c${i}`);
}

const piece = fc.constantFrom('a', 'é', ' ', ',', '"', '""', '\n', '\r\n', '\r', '1');
const nearlyGood = fc
  .array(
    fc.constantFrom('a,b', '1, 2', '"x",y', '"a ""b"",\n",', ',', '', ' ,""', 'é,"1"', 'one', '"'),
    {
      maxLength: 8,
    },
  )
  .chain((lines) =>
    fc
      .array(fc.constantFrom('\n', '\r\n', '\r'), {
        minLength: lines.length,
        maxLength: lines.length,
      })
      .map((ends) => lines.map((line, i) => line + ends[i]).join('')),
  );
const anyText = fc.oneof(
  fc.array(piece, { maxLength: 30 }).map((parts) => parts.join('')),
  nearlyGood,
);
const cell = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', ' ', '7'), maxLength: 5 });
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

describe('any text', () => {
  test('is read, or refused for the same fault, as csv-parse does it, in pieces of any size', async () => {
    let several = 0;
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 9 }), async (text, pieces) => {
        const [one, other] = [await scanned(text, pieces), await parsed(text)];
        if (one.rows.length > 1) several++;
        expect(one.fault === undefined).toBe(other.fault === undefined);
        if (other.fault === undefined) expect(one.rows).toEqual(other.rows);
        expect(await scanned(text, 1_000)).toEqual(one);
      }),
      { numRuns: 1_500 },
    );
    expect(several).toBeGreaterThan(100);
  });
});

describe('cells', () => {
  test('that were quoted come back unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(cell, { minLength: 2, maxLength: 2 }), { maxLength: 5 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.integer({ min: 1, max: 9 }),
        async (records, end, pieces) => {
          const text = [['x', 'y'], ...records].map((r) => r.map(quoted).join(',') + end).join('');
          const { rows, fault } = await scanned(text, pieces);
          expect(fault).toBeUndefined();
          const filled = records.filter((r) => r.some((text) => text.trim() !== ''));
          expect(rows).toEqual(filled.map(([c0, c1]) => ({ c0, c1 })));
        },
      ),
    );
  });

  test('in skipped columns are left out', async () => {
    const columns = () => ['a', false as const, 'c'];
    const { rows } = await scanned('a,b,c\n1,2,3\n', 4, columns as unknown as typeof names);
    expect(rows).toEqual([{ a: '1', c: '3' }]);
  });
});

test.each<[string, CsvFault, number]>([
  ['a,b\n1,2\n3\n', 'ragged', 3],
  ['a,b\n1,2\n3,4,5\n', 'ragged', 3],
  ['a,b\n1,"2\n3,4\n', 'quote-not-closed', 2],
  ['a,b\n1,"2"x\n', 'after-closing-quote', 2],
  ['a,b\n\n1,2"\n', 'quote-inside', 3],
  [`a,b\n1,${'x'.repeat(2_000)}\n`, 'too-long', 2],
  [`a,b\n1,"${'x\n'.repeat(1_000)}`, 'too-long', 2],
])('%j is refused as %s at line %i', async (text, fault, line) => {
  for (const pieces of [1, 7, 10_000]) {
    const texts = Readable.from(text.match(new RegExp(`[^]{1,${pieces}}`, 'g')) ?? []);
    const reading = (async () => {
      for await (const _ of parseCsv(texts, { columns: names, lineAtMost: 1_000 }));
    })();
    await expect(reading).rejects.toMatchObject({ fault, line });
  }
});

test('a record’s line number is that of its last line', async () => {
  expect((await scanned('a\r\n"x\ny"\r\n\r\nz\rq', 3)).lines).toEqual([3, 5, 6]);
});
