import { parse } from 'csv-parse/sync';
import * as fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { describe, expect, test } from 'vitest';
import { acknowledgementText } from '#loaders/answers/acknowledgement-text.ts';
import {
  acknowledgementFormats,
  formatAcknowledgement,
  formatNotice,
  NOTICE_FORMATS,
} from '#loaders/answers/answers.ts';
import { csvText } from '#loaders/formats/common/csv-text.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { ANSWER_FORMATS } from '#schemas/uploads/formats.ts';
import { inactiveNumbersNoticeSchema } from '#schemas/uploads/notice.ts';
import {
  acknowledgement,
  everyAcknowledgement,
  everyNotice,
  notice,
} from '../../support/acknowledgements.ts';
import { testNumber } from '../../support/rows.ts';
import { metadata, read } from '../../support/upload-loading.ts';
import { fileCsv, fileXml, person, planOf, unbornOf, upload } from '../../support/upload-model.ts';

const cells = (csv: string): string[][] => parse(csv, { bom: true, skip_empty_lines: true });

/** The texts of all elements with this name, in order. Throws if the XML is not well-formed. */
function texts(xml: string, name: string): string[] {
  const found: string[] = [];
  let inside = false;
  const parser = new SaxesParser({ xmlns: true });
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', (tag) => {
    inside = tag.local === name;
    if (inside) found.push('');
  });
  parser.on('text', (text) => {
    if (inside) found.push((found.pop() ?? '') + text);
  });
  parser.on('closetag', () => {
    inside = false;
  });
  parser.write(xml).close();
  return found;
}

const values = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}[^>]*? (?:value|extension)="([^"]*)"`, 'g'))].map(
    ([, value = '']) => value,
  );

describe('a CSV for people', () => {
  test('has no cell that a spreadsheet would run, and keeps every text unchanged', () => {
    const dangerous = fc.tuple(
      fc.constantFrom('', ' ', '\t', '\r', '\n', '\u{feff}', '\u00a0'),
      fc.constantFrom('=', '+', '-', '@', '|', '%', '\uFF1D', 'x', '"', ','),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(dangerous, { minLength: 1 }), (parts) => {
        const row = parts.map((part) => part.join(''));
        const [read = []] = parse(csvText([row]), { bom: true });
        for (const [i, cell] of read.entries()) {
          expect(cell).not.toMatch(/^\s*[=+\-@]/);
          expect(cell.replace(/^'/, '')).toBe((row[i] ?? '').replace(/^'/, ''));
        }
      }),
    );
  });
});

describe('an acknowledgement', () => {
  test.each(Object.entries(everyAcknowledgement()))(
    'of kind %s can be written in every format',
    (_name, one) => {
      expect(acknowledgementSchema.parse(JSON.parse(formatAcknowledgement(one, 'json')))).toEqual(
        one,
      );
      const xml = formatAcknowledgement(one, 'xml');
      expect(values(xml, 'id')[0]).toBe(String(one.sequence));
      expect(texts(xml, 'location').length).toBeGreaterThanOrEqual(one.failures.length);
      const table = cells(formatAcknowledgement(one, 'csv'));
      expect(new Set(table.map((row) => row.length)).size).toBe(1);
      expect(formatAcknowledgement(one, 'txt')).toContain(one.meaning);
      for (const { hint } of one.failures) {
        for (const format of ['csv', 'txt'] as const) {
          const text = formatAcknowledgement(one, format).replaceAll('""', '"');
          expect(text).toContain(hint);
        }
        expect(texts(xml, 'originalText').some((text) => text.includes(hint))).toBe(true);
      }
    },
  );

  test('as text says what a dry run would have done, and never that anything was done', () => {
    const one = {
      ...acknowledgement(),
      code: 'CPF02' as const,
      meaning: 'Successful',
      authorityAdded: true,
      failures: [],
      warnings: [],
      held: {
        id: 'abcdefgh',
        since: '2026-11-24T02:00:00.000Z',
        whole: false,
        records: 2,
        rows: 2,
        leftOut: 0,
      },
    };
    const [loaded, checked, dryRun] = (['loaded', 'checked', 'dry-run'] as const).map((done) =>
      acknowledgementText(one, done),
    );
    expect(loaded).toMatch(
      /: CPF02 Successful\n[^]*not known here and has been added[^]*release abcdefgh/,
    );
    expect(checked).toMatch(/: as far as the file itself shows, CPF02\n/);
    expect(dryRun).toMatch(/: would be CPF02, if loaded now\n[^]*would be added\.[^]*would wait/);
    for (const text of [checked, dryRun])
      expect(text).not.toMatch(/Successful|has been added|abcdefgh/);
  });

  test('as text names an authority by its code if it has no name, and uses the singular for one', () => {
    const one = {
      ...acknowledgement(),
      authority: { code: 'ZZ101' },
      sequence: 3,
      held: {
        id: 'abcdefgh',
        since: '2026-11-24T02:00:00.000Z',
        whole: false,
        records: 1,
        rows: 1,
        leftOut: 0,
        untraced: true as const,
      },
    };
    const text = acknowledgementText(one);
    expect(text).toContain('  From ZZ101 file 3\n');
    expect(text).toContain('1 record waits to be traced, and is loaded automatically');
  });

  test('as CSV has one line for each refused record, with everything that is wrong with it', () => {
    const [header = [], ...rows] = cells(formatAcknowledgement(acknowledgement(), 'csv'));
    expect(header).toEqual([
      'file_code',
      'outcome',
      'record',
      'place',
      'local_id',
      'code',
      'field',
      'hint',
    ]);
    const refused = rows.filter(([, outcome]) => outcome === 'refused');
    expect(refused).toHaveLength(1);
    expect(refused[0]?.slice(2)).toEqual([
      '2',
      '/File/record[2]/CP-ISRecord/subject[1]/COCT_TP145101GB01.Child/id[1]/@extension',
      "'=LA&2",
      'CPR04 CPR07',
      'nhs_number start_date',
      'This is not an NHS number. The "start" is <missing>.',
    ]);
    expect(rows.map(([, outcome]) => outcome)).toEqual(['refused', 'file', 'accepted']);
  });

  test('as CSV says how many findings it leaves out', () => {
    const one = acknowledgement({ omitted: { failures: 7, warnings: 0 } });
    expect(formatAcknowledgement(one, 'csv')).toContain('7 more');
  });

  test('as XML counts records, and gives -1 for a count that could not be read', () => {
    const xml = formatAcknowledgement(acknowledgement(), 'xml');
    expect(values(xml, 'transmissionQuantity')).toEqual(['3']);
    expect(xml).toContain('<failedReturnedCP-ISRecords><value value="1"/>');
    expect(xml).toContain('<successfulReturnedCP-ISRecords><value value="2"/>');
    expect(values(xml, 'telecom')).toEqual(['tel:02079460100', 'tel:+442079460199']);
    const { unreadable } = everyAcknowledgement();
    const without = formatAcknowledgement(unreadable ?? acknowledgement(), 'xml');
    expect(values(without, 'id')[0]).toBe('-1');
    expect(values(without, 'transmissionQuantity')).toEqual(['-1']);
  });

  test('is sent as XML only to an authority that sent XML', () => {
    expect(acknowledgementFormats(acknowledgement())).toEqual(ANSWER_FORMATS);
    const { file } = acknowledgement();
    const ofCsv = acknowledgement({ file: { ...file, format: 'csv' } });
    expect(acknowledgementFormats(ofCsv)).toEqual(['json', 'csv', 'txt']);
  });

  test('as XML contains only characters that XML allows', () => {
    const [finding] = acknowledgement().failures;
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (localId) => {
        const failures = finding === undefined ? [] : [{ ...finding, localId }];
        const xml = formatAcknowledgement(acknowledgement({ failures }), 'xml');
        expect(texts(xml, 'originalText')[0]).toContain('This is not an NHS number.');
      }),
    );
  });
});

describe('an echo', () => {
  const records = [
    { ...planOf(1), child: person(1, { nhsNumber: '9990000019', given: 'Quokka' }) },
    unbornOf(2),
    planOf(3, { startDate: 'x' as never }),
  ];
  const both = (echoTo: string[]) => [
    read(fileXml(upload({ records })), { echoTo }),
    read(fileCsv({ records }), { metadata: metadata(3), echoTo }),
  ];

  test('is stored only for an authority that asked for it', async () => {
    for (const reading of both(['ZZ999'])) expect((await reading).echoes).toEqual([]);
  });

  test('repeats the number, local id and dates as they were sent, and never a name', async () => {
    for (const reading of both(['ZZ101'])) {
      const { echoes } = await reading;
      expect(echoes).toEqual([
        {
          record: 1,
          plans: [{ type: 'child-protection-plan', startDate: '2026-09-14' }],
          people: [
            {
              kind: 'child',
              nhsNumber: '9990000019',
              localId: 'LA-1',
              dateOfBirth: '2019-03-05',
            },
          ],
        },
        {
          record: 2,
          plans: [
            {
              type: 'unborn-child-protection-plan',
              startDate: '2026-08-03',
              endDate: '2026-12-24',
            },
          ],
          people: [
            {
              kind: 'mother',
              nhsNumber: testNumber(2),
              localId: 'LA-2',
              dateOfBirth: '1998-09-11',
            },
          ],
        },
      ]);
    }
  });
});

describe('a notice of inactive numbers', () => {
  test.each(Object.entries(everyNotice()))('%s can be written in every format', (_name, one) => {
    const json = formatNotice(one, 'json');
    expect(inactiveNumbersNoticeSchema.parse(JSON.parse(json))).toEqual(one);
    const xml = formatNotice(one, 'xml');
    const numbers = one.numbers.flatMap(({ nhsNumber, replacedBy }) => [nhsNumber, replacedBy]);
    for (const number of numbers) if (number !== undefined) expect(xml).toContain(`"${number}"`);
    expect(texts(xml, 'name')).toEqual([one.authority.name ?? one.authority.code]);
    expect(NOTICE_FORMATS).toEqual(['json', 'csv', 'xml']);
  });

  test('as CSV has one line for each number, in a form that a spreadsheet does not change', () => {
    const printed = (n: number): string => testNumber(n).replace(/^(...)(...)(....)$/, '$1 $2 $3');
    const [, first, second] = cells(formatNotice(notice(), 'csv'));
    expect(first?.slice(0, 4)).toEqual(['412', `'+LA"1`, printed(1), printed(2)]);
    expect(second?.slice(0, 4)).toEqual(['412', '', printed(3), '']);
  });

  test('as XML gives the new number for one that was replaced, and none for one that was withdrawn', () => {
    const xml = formatNotice(notice(), 'xml');
    const [first = '', second = ''] =
      xml.match(/<pDSInactivePatient>.*?<\/pDSInactivePatient>/g) ?? [];
    expect(values(first, 'id')).toEqual([testNumber(1), '+LA&quot;1', testNumber(2)]);
    expect(first).toContain('<replacedBy>');
    expect(values(second, 'id')).toEqual([testNumber(3)]);
    expect(second).not.toContain('replacedBy');
    expect(values(first, 'value')).toEqual(['412']);
  });
});
