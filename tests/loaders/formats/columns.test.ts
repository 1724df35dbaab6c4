import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { columnMappingSchema, HOLDINGS_COLUMNS } from '#schemas/uploads/columns.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';
import { loader, metadata, ods, read } from '../../support/upload-loading.ts';

const OWN = `NHS No,Person ID,Date of Birth,Plan,Started,Ended,Ward
${testNumber(1)},M-1,05/03/2019,Child Protection,14/09/2026,,North
${testNumber(2)},M-2,06/03/2019,CLA - s20,15/09/2026,,South
`;
const MAPPING = columnMappingSchema.parse({
  columns: {
    nhs_number: 'NHS No',
    local_id: 'person id',
    date_of_birth: 'Date of Birth',
    plan_type: 'Plan',
    start_date: 'Started',
    end_date: 'Ended',
    delete_date: null,
  },
  planTypes: { 'child protection': 'child-protection-plan', 'CLA - S20': 'looked-after-child' },
});

describe('a case system’s own export', () => {
  test('is read by its own column and plan names, and other columns are dropped', async () => {
    const result = await read(OWN, { metadata: metadata(2), columns: MAPPING });
    expect(result.failures.listed).toEqual([]);
    expect(result.droppedColumns).toEqual(['Ward']);
    expect(result.rows).toMatchObject([
      {
        nhsNumber: testNumber(1),
        localId: 'M-1',
        type: 'child-protection-plan',
        startDate: '2026-09-14',
      },
      { nhsNumber: testNumber(2), localId: 'M-2', type: 'looked-after-child' },
    ]);
  });

  test('is read by the mapping given for it, even before its authority is known', async () => {
    const { failures } = await read(OWN, { columns: MAPPING });
    expect(failures.sorted().map(({ field }) => field)).toEqual([
      'authority',
      'sequence',
      'createdAt',
    ]);
  });

  test('may have a title above its headings, with as many lines as the mapping says', async () => {
    const above = 'Plans in force,,\nDuty team: 020 7946 0110\n';
    const columns = { ...MAPPING, linesAbove: 2 };
    const { rows, failures } = await read(above + OWN, { metadata: metadata(2), columns });
    expect(failures.listed).toEqual([]);
    expect(rows).toHaveLength(2);
    for (const linesAbove of [0, 1, 3]) {
      const refused = await read(above + OWN, {
        metadata: metadata(2),
        columns: { ...MAPPING, linesAbove },
      });
      expect(refused.failures.listed[0]?.hint).toMatch(
        /the columns are named on line 3.*Columns of your CSV.*operator/i,
      );
      expect(refused.rows).toEqual([]);
    }
  });

  test('without a delete column takes no delete from a column without a heading', async () => {
    const unnamed = OWN.replaceAll(/,(Ward|North|South)$/gm, ',').replaceAll(
      /,,$/gm,
      ',,01/10/2026',
    );
    const { rows, failures } = await read(unnamed, { metadata: metadata(2), columns: MAPPING });
    expect(failures.listed).toEqual([]);
    expect(rows.map(({ deleteDate }) => deleteDate)).toEqual([undefined, undefined]);
  });

  test('may also use the names of this service, but each column only once', async () => {
    const own = OWN.replace('NHS No', 'nhs_number');
    expect((await read(own, { metadata: metadata(2), columns: MAPPING })).rows).toHaveLength(2);
    const twice = OWN.replace('Ward', 'nhs_number');
    const refused = await read(twice, { metadata: metadata(2), columns: MAPPING });
    expect(refused.failures.listed[0]?.hint).toContain('nhs_number is there 2 times');
  });

  test.each([
    ['lines above it', { linesAbove: 2 }],
    [
      'headings that are other columns’ names here',
      {
        columns: { start_date: 'end_date', end_date: 'start_date', local_id: 'sequence' },
      },
    ],
  ])(
    'does not change how a file that has only our own column names is read: %s',
    async (_what, own) => {
      const held = `${HOLDINGS_COLUMNS.join(',')}
${testNumber(1)},M-1,2019-03-05,CPP,2026-09-01,2026-09-20,,4,2026-10-20T00:00:00.000Z
`;
      const columns = columnMappingSchema.parse(own);
      const { rows, failures } = await read(held, { metadata: metadata(1), columns });
      expect(failures.listed).toEqual([]);
      expect(rows).toMatchObject([
        { localId: 'M-1', startDate: '2026-09-01', endDate: '2026-09-20' },
      ]);
    },
  );

  test('without a mapped column is refused once, with the cause first', async () => {
    const partly = OWN.replace('NHS No', 'NHS Number').replace('Started', 'Start date');
    const { failures } = await read(partly, {});
    const [first, ...others] = failures.sorted();
    expect(first?.hint).toMatch(
      /columns plan_type, end_date, delete_date are missing.*Columns of your CSV.*--columns/s,
    );
    expect(others.every(({ place }) => place === 'file')).toBe(true);
    // No heading is recognised, so the line may be a child's, and none of it is repeated.
    const [unknown] = (
      await read(OWN.replace('Date of Birth', 'DOB'), { metadata: metadata(2) })
    ).failures.sorted();
    expect(unknown?.hint).toMatch(/names none of the columns.*Columns of your CSV.*--columns/s);
    expect(unknown?.hint).not.toContain('NHS No');
  });

  test.each([
    ['no such column here', { columns: { postcode: 'Postcode' } }],
    ['no such plan type', { planTypes: { CIN: 'child-in-need' } }],
    ['one heading for two columns', { columns: { start_date: 'Date', end_date: 'date' } }],
    ['no column for ends', { columns: { end_date: null } }],
  ])('is not read with a mapping that has %s', (_what, mapping) => {
    expect(columnMappingSchema.safeParse(mapping).success).toBe(false);
  });
});

describe('an authority’s column settings', () => {
  let t: TestStore;
  beforeAll(async () => {
    t = await startTestStore({ kind: 'demo' });
  });
  afterAll(() => t?.stop());

  test('apply however a file arrives, until they are changed', async () => {
    const { load } = loader(t);
    const authority = ods('ZZ101');
    const details = { name: 'C', emergencyDutyTeamPhone: '02079460199' };
    await t.store.setAuthority(authority, { ...details, columns: MAPPING }, 'test');
    const sent = (sequence: number) =>
      load(OWN, {
        authority,
        metadata: metadata(2, { sequence }),
        way: 'http',
        addAuthority: false,
      });
    expect(await sent(1)).toMatchObject({ code: 'CPF02', rows: { added: 2 } });
    await t.store.setAuthority(authority, { columns: columnMappingSchema.parse({}) }, 'test');
    expect(await sent(2)).toMatchObject({ code: 'CPF01' });
    const own = await load(OWN, { metadata: metadata(2, { sequence: 2 }), columns: MAPPING });
    expect(own).toMatchObject({ code: 'CPF02', rows: { unchanged: 2 } });
  });
});
