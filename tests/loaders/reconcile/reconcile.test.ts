import { rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { csvText, unguarded } from '#loaders/formats/common/csv-text.ts';
import { readExport, reconcile } from '#loaders/reconcile/reconcile.ts';
import { formatReconciliation } from '#loaders/reconcile/reconciliation-text.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import { adviceOf, reconciliationSchema } from '#schemas/uploads/reconciliation.ts';
import { RECONCILE } from '#schemas/wording/council.ts';
import { holdingsText } from '#service/uploads/holdings.ts';
import { planRow } from '#store/rows/rows.ts';
import { AUTHORITY, day, testNumber, testRow } from '../../support/rows.ts';
import { ods, temporaryFolder } from '../../support/upload-loading.ts';
import { fileXml, planOf, RECEIVED_AT, upload } from '../../support/upload-model.ts';

const authority = {
  code: AUTHORITY,
  name: 'Test Council',
  emergencyDutyTeamPhone: '02079460199',
  reconciled: true,
};
let spoolDir: string;
beforeAll(() => (spoolDir = temporaryFolder()));
afterAll(() => rmSync(spoolDir, { recursive: true }));

async function* inOne(rows: readonly PlanRow[]) {
  yield [...rows];
}
async function against(held: readonly PlanRow[], text: string, code = AUTHORITY) {
  const source = { name: 'export.csv', stream: Readable.from([text], { objectMode: false }) };
  const options = { authority: code, spoolDir, maxBytes: 1_000_000, now: () => RECEIVED_AT };
  return reconciliationSchema.parse(
    await reconcile(await readExport(source, options), authority, inOne(held)),
  );
}
async function csvOf(rows: readonly PlanRow[]): Promise<string> {
  let text = '';
  for await (const part of holdingsText(authority, inOne(rows), 'csv')) text += part;
  return text;
}
const HEADER = 'nhs_number,local_id,date_of_birth,plan_type,start_date,end_date,delete_date';

describe('a case system compared with what is held', () => {
  test('says for each plan whether it is the same, differs, or is on one side only', async () => {
    const held = [
      testRow(testNumber(1)),
      testRow(testNumber(2)),
      testRow(testNumber(3)),
      testRow(testNumber(4)),
      testRow(testNumber(5), { deleteDate: day('2026-06-01') }),
      testRow(testNumber(6), { startDate: day('2024-01-05'), endDate: day('2024-06-01') }),
    ];
    const line = (n: number, start = '2026-01-05', end = '') =>
      `${testNumber(n)},LA-1,2019-03-05,CPP,${start},${end},`;
    const result = await against(
      held,
      `${[HEADER, line(1), line(2, '2026-01-05', '2026-11-20'), line(3, '2026-02-05'), line(7), '1,,x,CPP,,,'].join('\n')}\n`,
    );
    expect(result.counts).toEqual({
      same: 1,
      differs: 2,
      onlyHere: 1,
      onlyThere: 1,
      over: 2,
      notCompared: 1,
    });
    expect(result.rows.map(({ result: is, nhsNumber }) => `${is} ${nhsNumber}`)).toEqual([
      `differs ${testNumber(2)}`,
      `differs ${testNumber(3)}`,
      `only-here ${testNumber(4)}`,
      `only-there ${testNumber(7)}`,
      `same ${testNumber(1)}`,
    ]);
    expect(result.rows[0]?.differences).toEqual([
      { field: 'endDate', here: '', there: '2026-11-20' },
    ]);
    // An end sent with the case system's start date would be refused.
    expect(result.rows[1]?.differences).toEqual([
      { field: 'startDate', here: '2026-01-05', there: '2026-02-05' },
    ]);
    expect(result.problems.length).toBeGreaterThan(0);
    const text = formatReconciliation(result, 'txt');
    expect(text).toContain(
      '1 the same, 2 differ, 1 only here, 1 only there, 1 records not compared',
    );
    expect(text).toContain('end_date here (none), there 2026-11-20');
    expect(formatReconciliation(result, 'csv').split('\r\n')).toHaveLength(
      1 + result.rows.length + result.problems.length + 1,
    );
  });

  test.each([
    ['dateOfBirth', '2019-03-06', 'LA-1', '', '2019-03-05', '2019-03-06'],
    ['localId', '2019-03-05', 'LA-2', '', 'LA-1', 'LA-2'],
    ['deleteDate', '2019-03-05', 'LA-1', '2026-10-01', '', '2026-10-01'],
  ])('says that a plan differs in its %s', async (field, born, local, deleted, here, there) => {
    const line = `${testNumber(1)},${local},${born},CPP,2026-01-05,,${deleted}`;
    const { rows } = await against([testRow(testNumber(1))], `${HEADER}\n${line}\n`);
    expect(rows.map(({ result, differences }) => [result, differences])).toEqual([
      ['differs', [{ field, here, there }]],
    ]);
  });

  test('does not mistake one plan for another if a person has several of the type', async () => {
    const starts = (...days: string[]) =>
      days.map((start) => testRow(testNumber(1), { startDate: day(start) }));
    const text = (...days: string[]) =>
      `${[HEADER, ...days.map((start) => `${testNumber(1)},LA-1,2019-03-05,CPP,${start},,`)].join('\n')}\n`;
    for (const [held, sent] of [
      [starts('2026-01-05', '2026-02-05'), text('2026-03-05')],
      [starts('2026-01-05'), text('2026-02-05', '2026-03-05')],
    ] as const) {
      const { counts } = await against(held, sent);
      expect(counts).toMatchObject({ differs: 0, onlyHere: held.length });
    }
  });

  test('says what state each held plan is in', async () => {
    const held = [
      testRow(testNumber(1)),
      testRow(testNumber(2), { endDate: day('2026-10-01') }),
      testRow(testNumber(3), { startDate: day('2027-01-05') }),
      testRow(testNumber(4), { deleteDate: day('2026-10-01') }),
    ];
    const { rows } = await against(held, await csvOf(held));
    const status = new Map(rows.map((row) => [row.nhsNumber, row.status]));
    expect([1, 2, 3, 4].map((n) => status.get(testNumber(n)))).toEqual([
      'current',
      'ended',
      'not-started',
      'not-shown',
    ]);
  });

  test('has a heading for each kind of difference in its text, and says how many problems it leaves out', async () => {
    const held = [testRow(testNumber(1))];
    const wrong = Array.from({ length: 5_001 }, () => '1,,2019-03-05,CPP,2026-01-05,,');
    const result = await against(
      held,
      `${[HEADER, `${testNumber(2)},LA-1,2019-03-05,CPP,2026-01-05,,`, ...wrong].join('\n')}\n`,
    );
    const text = formatReconciliation(result, 'txt');
    const [here, there] = ['Only here:', 'Only in your file:'].map((title) => text.indexOf(title));
    const printed = (n: number) => text.indexOf(testNumber(n).replace(/^(...)(...)/, '$1 $2 '));
    expect(here).toBeGreaterThan(0);
    expect(printed(1)).toBeGreaterThan(here ?? 0);
    expect(printed(1)).toBeLessThan(there ?? 0);
    expect(printed(2)).toBeGreaterThan(there ?? 0);
    for (const format of ['txt', 'csv'] as const) {
      expect(formatReconciliation(result, format)).toContain('1 more problem is not listed.');
    }
  });

  test('never advises anything that would leave a plan unchanged, or show it twice', async () => {
    const withdrawn = { deleteDate: day('2026-11-20'), withdrawn: true } as const;
    const held = [
      planRow({ ...testRow(testNumber(1)), ...withdrawn }),
      planRow({ ...testRow(testNumber(2)), ...withdrawn }),
      planRow({ ...testRow(testNumber(3)), ...withdrawn }),
      testRow(testNumber(4)),
      testRow(testNumber(5)),
    ];
    const line = (n: number, differs: { local?: string; start?: string; deleted?: string } = {}) =>
      `${testNumber(n)},${differs.local ?? 'LA-1'},2019-03-05,CPP,${differs.start ?? '2026-01-05'},,${differs.deleted ?? ''}`;
    const result = await against(
      held,
      `${[
        HEADER,
        line(1),
        // A change that ends a withdrawal is a difference like any other, and is to be sent.
        line(2, { deleted: '2026-11-21' }),
        line(3, { local: 'LA-9' }),
        line(4, { start: '2026-02-05' }),
        line(5, { deleted: '2026-11-21' }),
      ].join('\n')}\n`,
    );
    expect(
      result.rows.map((row) => [row.nhsNumber, row.result, row.withdrawn, adviceOf(row)]),
    ).toEqual([
      [testNumber(1), 'differs', true, 'withdrawn'],
      [testNumber(2), 'differs', undefined, 'differs'],
      [testNumber(3), 'differs', undefined, 'differs'],
      [testNumber(5), 'differs', undefined, 'differs'],
      [testNumber(4), 'differs', undefined, 'start'],
    ]);
    const text = formatReconciliation(result, 'txt');
    for (const advice of ['withdrawn', 'start', 'differs'] as const) {
      expect(text).toContain(RECONCILE.results[advice]);
    }
    const [, first] = formatReconciliation(result, 'csv').split('\r\n');
    expect(first).toContain(RECONCILE.results.withdrawn);
  });

  test('accepts Spine XML, and refuses a file from another authority or one that cannot be read', async () => {
    const xml = fileXml(upload({ authority: AUTHORITY, records: [planOf(1)] }));
    expect((await against([], xml)).counts).toMatchObject({ onlyThere: 1 });
    const held = [testRow(testNumber(1))];
    for (const refused of [
      await against(held, xml, ods('ZZ102')),
      await against(held, 'x,y\n1,2\n'),
    ]) {
      expect(refused).toMatchObject({ compared: false, rows: [], counts: { onlyHere: 0 } });
      expect(refused.problems[0]?.code).toBe('CPF01');
    }
  });

  test('finds no difference if the export is the holdings themselves, as CSV', async () => {
    const local = fc
      .string({ unit: 'grapheme', maxLength: 30 })
      .map((text) => text.replaceAll(/[\p{C}\p{Z}]/gu, ''))
      .chain((text) => fc.constantFrom(text, `=${text}`, `'=${text}`, `''+${text}`, `"${text},`));
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: 9_999 }), { minLength: 1, maxLength: 8 }),
        fc.array(local, { minLength: 8, maxLength: 8 }),
        async (numbers, locals) => {
          const rows = numbers.map((n, i) =>
            testRow(testNumber(n), {
              localId: locals[i] ?? '',
              ...(i % 3 === 1 && { endDate: day('2026-11-02') }),
              ...(i % 3 === 2 && { deleteDate: day('2026-11-02') }),
            }),
          );
          const { counts } = await against(rows, await csvOf(rows));
          expect(counts).toMatchObject({ same: numbers.length, differs: 0, notCompared: 0 });
        },
      ),
      { numRuns: 50 },
    );
  });
});

test('a cell guarded against spreadsheets is read as its original text', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^['=+@a-]{0,6}$/), (text) => {
      const written = csvText([[text]]).slice(2, -3);
      expect(unguarded(written)).toBe(text);
    }),
  );
});
