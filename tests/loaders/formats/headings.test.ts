import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  examplesOf,
  masked,
  planTypeNamed,
  planValues,
  proposeColumns,
  readStart,
  START_BYTES,
} from '#loaders/formats/csv/headings.ts';
import { CSV_COLUMNS } from '#schemas/uploads/columns.ts';
import { testNumber } from '../../support/rows.ts';
import { fileCsv, planOf } from '../../support/upload-model.ts';

function startOf(text: string) {
  const read = readStart(Buffer.from(text));
  if (read.kind !== 'read') throw new Error(read.kind);
  return read.start;
}
/** The proposed columns, by their headings. */
const proposed = (text: string) => {
  const start = startOf(text);
  return Object.fromEntries(
    Object.entries(proposeColumns(start)).map(([column, at]) => [column, start.headings[at]]),
  );
};

const EXPORT = [
  'Open plans,,,,,,',
  'as of 24/11/2026,,,,,,',
  'Person ID,NHS No.,Surname,DOB,Case class,Date started,Date ended',
  ...[1, 2, 3].map((n) => `P-${n},${testNumber(n)},Example,05/03/2019,CLA - s20,14/09/2026,`),
].join('\n');

describe('the columns of a file are proposed', () => {
  test.each(['Person ID', 'Case ref', 'Client No.', 'Child reference', 'Case number', 'Local id'])(
    'from what case systems call their own id for a child: %s',
    (heading) => {
      expect(proposed(EXPORT.replace('Person ID', heading))).toMatchObject({ local_id: heading });
    },
  );

  test('from its headings, whatever lines stand above them', () => {
    expect(startOf(EXPORT).linesAbove).toBe(2);
    expect(proposed(EXPORT)).toEqual({
      local_id: 'Person ID',
      nhs_number: 'NHS No.',
      family_name: 'Surname',
      date_of_birth: 'DOB',
      plan_type: 'Case class',
      start_date: 'Date started',
      end_date: 'Date ended',
    });
  });

  test('from its values, if the headings say nothing', () => {
    const text = [
      'a,b,c,d,e,start date',
      ...[1, 2, 3].map((n) => `x,2019-03-0${n},${testNumber(n)},CPP,2026-01-05,2026-01-05`),
    ].join('\n');
    expect(proposed(text)).toEqual({
      start_date: 'start date',
      nhs_number: 'c',
      plan_type: 'd',
      date_of_birth: 'b',
    });
  });

  test('unchanged for a file with our own headings, in any order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...CSV_COLUMNS], { minLength: 9 }), (columns) => {
        const text = fileCsv({ records: [planOf(1), planOf(2)] }, { columns });
        expect(proposed(text)).toEqual(Object.fromEntries(columns.map((each) => [each, each])));
      }),
    );
  });

  test('never two of ours for one of the file’s, whatever the file contains', () => {
    const cell = fc.constantFrom(
      'NHS No',
      'DOB',
      'id',
      'CPP',
      testNumber(1),
      '2019-03-05',
      '"',
      '',
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(cell, { minLength: 5, maxLength: 9 }), { maxLength: 9 }),
        (rows) => {
          const read = readStart(Buffer.from(rows.map((cells) => cells.join(',')).join('\n')));
          if (read.kind !== 'read') return;
          const places = Object.values(proposeColumns(read.start));
          expect(new Set(places).size).toBe(places.length);
        },
      ),
    );
  });
});

test('a file that is not CSV is reported as what it is', () => {
  const kind = (bytes: Buffer) => readStart(bytes).kind;
  expect(kind(gzipSync(EXPORT))).toBe('compressed');
  expect(kind(Buffer.from('<File/>'))).toBe('xml');
  expect(kind(Buffer.from('PK\u0003\u0004\u0000\u0000'))).toBe('not-text');
  expect(kind(Buffer.from([0xff, 0xfe, 0x41]))).toBe('not-text');
  for (const text of ['', 'a;b;c;d;e;f\n1;2;3;4;5;6', 'just words', '"open']) {
    expect(kind(Buffer.from(text)), text).toBe('no-headings');
  }
});

test('a file longer than the part examined is read up to its last whole line', () => {
  const lines = ['nhs_number,a,b,c,d', ...Array.from({ length: 40_000 }, () => 'é,"1,2",3,4,5')];
  const bytes = Buffer.from(lines.join('\n')).subarray(0, START_BYTES);
  expect(readStart(bytes)).toMatchObject({ kind: 'read', start: { linesAbove: 0 } });
});

test('an example shows the form of a value, and none of its letters or digits', () => {
  expect(masked('O’Brien-Smith 4')).toBe('X’Xxxxx-Xxxxx #');
  expect(examplesOf(startOf(EXPORT), 1)).toEqual(['##########']);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
      expect(masked(text)).not.toMatch(/[^\P{L}Xx]|\p{N}/u);
    }),
  );
});

test('plans are listed by the file’s own names for them, unless the column does not contain plan types', () => {
  expect(planValues(startOf(EXPORT), 4)).toEqual(['CLA - s20']);
  const many = ['a,b,c,d,plan', ...Array.from({ length: 31 }, (_, n) => `1,2,3,4,Name ${n}`)];
  expect(planValues(startOf(many.join('\n')), 4)).toBeUndefined();
});

test.each([
  ['Child Protection', 'child-protection-plan'],
  ['CP Plan', 'child-protection-plan'],
  ['Unborn Child Protection Plan', 'unborn-child-protection-plan'],
  ['CLA - s20', 'looked-after-child'],
  ['Looked After Child', 'looked-after-child'],
  ['Child Protection enquiry', undefined],
  ['Child Protection (closed)', undefined],
  ['Previously looked after', undefined],
  ['CIN', undefined],
  ['', undefined],
])('for “%s” no more is proposed than its name says', (text, type) => {
  expect(planTypeNamed(text)).toBe(type);
});
