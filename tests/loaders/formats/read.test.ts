import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { describe, expect, test, vi } from 'vitest';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { findingSchema } from '#schemas/uploads/acknowledgement.ts';
import { testNumber } from '../../support/rows.ts';
import { uploadArbitrary } from '../../support/upload-arbitrary.ts';
import { metadata, ods, read } from '../../support/upload-loading.ts';
import {
  CSV_COLUMNS,
  childXml,
  fileCsv,
  fileXml,
  type ModelUpload,
  motherXml,
  person,
  planOf,
  planXml,
  recordXml,
  TODAY,
  unbornOf,
  upload,
} from '../../support/upload-model.ts';

const lines = (model: Pick<ModelUpload, 'records'>): number =>
  model.records.reduce((sum, { plans }) => sum + plans.length, 0);

/** The hints of findings about the whole file. */
const fileProblems = (result: Awaited<ReturnType<typeof read>>): string[] =>
  result.failures.listed.filter(({ code }) => code === 'CPF01').map(({ hint }) => hint);

/** Why a file cannot be used. Throws if it can. */
async function whyRefused(
  bytes: Buffer | string,
  options: Parameters<typeof read>[1] = {},
): Promise<string> {
  const result = await read(bytes, options);
  if (result.usable !== undefined) throw new Error('the file was not refused');
  for (const finding of result.failures.listed) findingSchema.parse(finding);
  return fileProblems(result).join('\n');
}

const XML = fileXml(upload());

describe('any upload', () => {
  test('the same plans give the same rows as Spine XML and as CSV, however the CSV is written', async () => {
    await fc.assert(
      fc.asyncProperty(
        uploadArbitrary,
        fc.record({
          columns: fc.shuffledSubarray([...CSV_COLUMNS, 'Ward', 'postcode'], { minLength: 11 }),
          lineEnd: fc.constantFrom('\n' as const, '\r\n' as const),
          bom: fc.boolean(),
          date: fc.constantFrom(
            (date: string) => date,
            (date: string) => date.split('-').toReversed().join('/'),
            (date: string) => `${date.replaceAll('-', '')}2359`,
          ),
          number: fc.constantFrom(
            (n: string) => n,
            (n: string) => `${n.slice(0, 3)} ${n.slice(3, 6)} ${n.slice(6)}`,
          ),
          type: fc.constantFrom(
            (type: keyof typeof PLAN_TYPES) => type,
            (type: keyof typeof PLAN_TYPES) => PLAN_TYPES[type].cpis.toLowerCase(),
          ),
        }),
        fc.integer({ min: 1, max: 4000 }),
        async (model, style, pieces) => {
          const xml = await read(fileXml(model), { pieces });
          const csv = await read(fileCsv(model, style), {
            metadata: metadata(lines(model)),
            pieces,
          });
          expect(xml.failures.listed).toEqual([]);
          expect(csv.failures.listed).toEqual([]);
          expect(xml.rows).toHaveLength(lines(model));
          expect(csv.rows).toEqual(xml.rows);
          expect(csv.droppedColumns.toSorted()).toEqual(['Ward', 'postcode']);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a file cut anywhere before its end can never be used', async () => {
    const model = upload({ records: [planOf(1), unbornOf(2), planOf(3)] });
    const xml = Buffer.from(fileXml(model).trimEnd());
    // The line break at the end is tested separately, below.
    const csv = Buffer.from(fileCsv(model).trimEnd());
    const packed = gzipSync(xml);
    await fc.assert(
      fc.asyncProperty(
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        async (share) => {
          for (const whole of [xml, csv, packed]) {
            const result = await read(whole.subarray(0, Math.floor(whole.length * share)), {
              metadata: metadata(3),
            });
            expect(result.usable).toBeUndefined();
            expect(fileProblems(result)).not.toEqual([]);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('gzip is read as what it contains', async () => {
    const model = upload({ records: [planOf(1), unbornOf(2)] });
    const plain = await read(fileXml(model));
    const packed = await read(gzipSync(fileXml(model)), { pieces: 7 });
    expect(packed.rows).toEqual(plain.rows);
    expect(packed.sha256).not.toBe(plain.sha256);
  });

  test('blank lines before an XML declaration are ignored', async () => {
    const plain = await read(XML);
    const before = await read(`\n \r\n${XML}`, { pieces: 1 });
    expect(before.refusal).toBeUndefined();
    expect(before.rows).toEqual(plain.rows);
  });

  test('the authority is recognised by its code, whatever white space surrounds it', async () => {
    const model = upload({ authority: 'ZZ101 \u00a0\u200b' });
    expect((await read(fileXml(model))).header.authority).toBe('ZZ101');
    const given = { ...metadata(1), authority: ' ZZ101\u200b' };
    expect((await read(fileCsv(upload()), { metadata: given })).header.authority).toBe('ZZ101');
  });

  test.each([
    ['empty', '', /empty/],
    ['empty except for a byte order mark', '\u{feff}', /empty/],
    ['NUL characters', '\0'.repeat(100), /NUL/],
    ['XML with a NUL in it', XML.replace('Ada', 'A\0da'), /NUL/],
    ['CSV with a NUL in it', fileCsv(upload()).replace('Ada', 'A\0da'), /NUL/],
    ['blank', ' \n\n ', /empty/],
    ['a spreadsheet', Buffer.from('PK\u0003\u0004xxxxxxxx'), /spreadsheet/],
    ['a PDF', '%PDF-1.7\n1 0 obj', /PDF or a picture/],
    ['a picture', Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), /PDF or a picture/],
    ['a photograph', Buffer.from([0xff, 0xd8, 0xff, 0xe0]), /PDF or a picture/],
    ['a WebP', Buffer.from('RIFF\u00ff\u00fe\n\u0000WEBPVP8 ', 'latin1'), /PDF or a picture/],
    ['a GIF', Buffer.from('GIF89a\u00ff\u00fe', 'latin1'), /PDF or a picture/],
    ['a HEIC', Buffer.from('\u0000\u0000\u0000\u0018ftypheic\u00ff', 'latin1'), /PDF or a picture/],
    ['in Latin-1', Buffer.from(fileXml(upload({ authorityName: 'Zoë' })), 'latin1'), /not UTF-8/],
    ['UTF-16', Buffer.from(fileXml(upload()), 'utf16le'), /UTF-16/],
    ['gzip with bytes after it', Buffer.concat([gzipSync(XML), Buffer.from('x')]), /damaged/],
    [
      'gzip with padding after it',
      Buffer.concat([gzipSync(XML), Buffer.alloc(9)]),
      /after its end/,
    ],
    [
      'damaged gzip',
      Buffer.concat([gzipSync(fileXml(upload())).subarray(0, 60), Buffer.alloc(99)]),
      /damaged/,
    ],
  ])('a file that is %s is refused with a hint', async (_what, bytes, hint) => {
    expect(await whyRefused(bytes, { metadata: metadata(1) })).toMatch(hint);
    // However few bytes arrive at a time.
    expect(await whyRefused(bytes, { metadata: metadata(1), pieces: 1 })).toMatch(hint);
  });

  test('a file that is too large, as sent or unpacked, is refused, and a compression bomb is not unpacked', async () => {
    expect(await whyRefused(fileXml(upload()), { maxBytes: 500 })).toMatch(/larger than/);
    expect(
      await whyRefused(gzipSync(Buffer.alloc(200_000_000, ' ')), { maxBytes: 1_000_000 }),
    ).toMatch(/larger than/);
  });

  test('a file from a different authority than its sender is refused', async () => {
    expect(await whyRefused(fileXml(upload()), { authority: ods('ZZ999') })).toMatch(
      /another authority/,
    );
    expect(
      await whyRefused(fileCsv(upload()), {
        authority: ods('ZZ999'),
        metadata: metadata(1),
      }),
    ).toMatch(/another authority/);
  });

  test('a plan repeated in the file is refused, with the place of the first', async () => {
    const records = [
      planOf(1),
      planOf(2),
      planOf(1, { endDate: planOf(1).plans[0]?.startDate ?? ('' as never) }),
    ];
    for (const result of [
      await read(fileXml(upload({ records }))),
      await read(fileCsv({ records }), { metadata: metadata(3) }),
    ]) {
      expect(result.failures.listed).toMatchObject([
        { code: 'CPR07', record: 3, field: 'start_date', localId: 'LA-1' },
      ]);
      expect(result.failures.listed[0]?.hint).toContain('already in record 1');
      expect(result.rows).toHaveLength(2);
      expect(result.rows.every(({ endDate }) => endDate === undefined)).toBe(true);
    }
  });

  test('every record is checked even if the header is unusable, so that every fault is known at once', async () => {
    const model = upload({
      createdAt: 'x',
      records: [planOf(1), { plans: [], child: person(2) }],
    });
    const result = await read(fileXml(model));
    expect(result.failures.listed.map(({ code }) => code)).toEqual(['CPF01', 'CPR07']);
    expect(result.records).toBe(2);
    expect(result.rows).toEqual([]);
  });

  test('a list of findings has a limit, and counts those that it leaves out', async () => {
    const records = Array.from({ length: 5200 }, (_, n) =>
      planOf(n + 1, { startDate: 'x' as never }),
    );
    const result = await read(fileCsv({ records }), { metadata: metadata(5200) });
    expect(result.failures.listed).toHaveLength(5000);
    expect(result.failures.omitted).toBe(200);
  });
});

describe('Spine XML', () => {
  const xml = fileXml(upload());

  test.each([
    ['a document type', xml.replace('<File', '<!DOCTYPE File><File'), /DOCTYPE/],
    [
      'an entity',
      xml
        .replace('<File', '<!DOCTYPE File [<!ENTITY a "aaa">]><File')
        .replace('Test Council', '&a;'),
      /DOCTYPE/,
    ],
    [
      'a billion laughs',
      xml.replace(
        '<File',
        `<!DOCTYPE File [<!ENTITY a "ha">${Array.from({ length: 9 }, (_, n) => `<!ENTITY ${'abcdefghij'[n + 1]} "${`&${'abcdefghij'[n]};`.repeat(10)}">`).join('')}]><File`,
      ),
      /DOCTYPE/,
    ],
    [
      'an external entity',
      xml.replace('<File', '<!DOCTYPE File SYSTEM "file:///etc/passwd"><File'),
      /DOCTYPE/,
    ],
    ['an endless text', xml.replace('Test Council', 'x'.repeat(700_000)), /far longer/],
    ['an undeclared entity', xml.replace('Test Council', '&nbsp;'), /not well-formed/],
    [
      'a repeated attribute',
      xml.replace('<id extension', '<id extension="1" extension'),
      /not well-formed/,
    ],
    ['another encoding declared', xml.replace('UTF-8', 'ISO-8859-1'), /UTF-8/],
    ['another version', xml.replace('version="1.0"', 'version="1.1"'), /version 1.0/],
    ['no namespace', xml.replace(' xmlns="urn:hl7-org:v3"', ''), /namespace/],
    ['another message', xml.replaceAll('File', 'Filet'), /root element/],
    ['something after its end', `${xml}<File/>`, /not well-formed/],
    ['no record', fileXml(upload({ records: [] })), /no record/],
    [
      'a wrong record count',
      xml.replace('Quantity value="1"', 'Quantity value="2"'),
      /has 2 records, and has 1/,
    ],
    ['no record count', xml.replace(/<transmissionQuantity.*/, ''), /transmissionQuantity/],
    [
      'a sequence that is not a number',
      xml.replace('<id extension="1"', '<id extension="one"'),
      /sequence number/,
    ],
    [
      'two sequences',
      xml.replace('<id extension="1"/>', '<id extension="1"/><id extension="1"/>'),
      /given once/,
    ],
    ['no creation time', xml.replace(/<creationTime.*/, ''), /creationTime/],
    ['an invalid creation time', xml.replace('202611232130', '202613232130'), /creationTime/],
    ['another root for the authority', xml.replace('4.19.1', '4.19.3'), /ODS/],
    ['an invalid code', xml.replace('extension="ZZ101"', 'extension="zz 101"'), /ODS/],
    [
      'a header after a record',
      xml.replace('</File>', '<id extension="2"/></File>'),
      /before the first record/,
    ],
    ['a tag without end', xml.replace('<id ', `<id a="${'x'.repeat(700_000)}" `), /far longer/],
    [
      'a comment without end',
      xml.replace('<record>', `<!--${'x'.repeat(700_000)}--><record>`),
      /far longer/,
    ],
    [
      'endless nesting',
      xml.replace('<record>', `${'<a>'.repeat(90)}${'</a>'.repeat(90)}<record>`),
      /nested/,
    ],
  ])('%s is refused', async (_what, bytes, hint) => {
    expect(await whyRefused(bytes)).toMatch(hint);
  });

  test.each([
    ['missing', [{ use: 'WP', value: 'tel:02079460100' }]],
    [
      'given twice',
      [
        { use: 'EC', value: 'tel:02079460199' },
        { use: 'EC', value: 'tel:02079460198' },
      ],
    ],
    ['without digits', [{ use: 'EC', value: 'tel:' }]],
    ['a word', [{ use: 'EC', value: 'tel:ask' }]],
    ['with an extension', [{ use: 'EC', value: '020 7946 0119 ext 4' }]],
    ['used by everybody', [{ use: 'EC', value: 'tel:999' }]],
  ])(
    'an emergency duty number %s is not used, and the message says what it must be',
    async (_what, phones) => {
      const result = await read(fileXml(upload({ phones })));
      expect(result.usable).not.toHaveProperty('emergencyDutyTeamPhone');
      expect(result.contactProblems).toHaveLength(1);
      expect(result.contactProblems[0]?.hint).toMatch(
        /emergency duty team.*3 to 15 digits.*no extension/,
      );
    },
  );

  test.each([
    ['none', ' '],
    ['a name in endless pieces', `${'x'.repeat(500)}<a/>`.repeat(1000)],
  ])('a name that is %s is not used', async (_what, name) => {
    const result = await read(fileXml(upload()).replace('Test Council', name));
    expect(result.usable).not.toHaveProperty('authorityName');
    expect(result.contactProblems).toMatchObject([{ field: 'name' }]);
  });

  test('every problem in the header is named', async () => {
    const result = await read(fileXml(upload({ phones: [], createdAt: 'x', authority: '?' })));
    expect(result.failures.listed.map(({ place }) => place)).toEqual([
      '/File/creationTime/@value',
      '/File/communicationFunctionSnd/organisation/id/@extension',
    ]);
    expect(result.contactProblems.map(({ place }) => place)).toEqual([
      '/File/communicationFunctionSnd/organisation/telecom',
    ]);
  });

  test.each(['x', 'tel:999', '+44 111'])(
    'an office hours number that cannot be a council’s is left out with a warning: %s',
    async (value) => {
      const result = await read(
        fileXml(
          upload({
            phones: [
              { use: 'WP', value },
              { use: 'EC', value: 'tel:02079460199' },
            ],
          }),
        ),
      );
      expect(result.usable).toMatchObject({ emergencyDutyTeamPhone: '02079460199' });
      expect(result.usable).not.toHaveProperty('officeHoursPhone');
      expect(result.warnings.listed).toHaveLength(1);
    },
  );

  test('a record of three plans and two people becomes three rows, each for the right person', async () => {
    const record =
      planXml({ type: 'child-protection-plan', startDate: '2026-02-02' as never }) +
      planXml({ type: 'looked-after-child', startDate: '2026-03-03' as never }) +
      planXml(unbornOf(2).plans[0] ?? (planOf(1).plans[0] as never)) +
      childXml(person(1)) +
      motherXml(person(2, { dateOfBirth: '1998-09-11' as never }));
    const result = await read(fileXml(upload(), [recordXml(record)]));
    expect(result.perRecord).toEqual([3]);
    expect(result.rows.map(({ nhsNumber, type }) => `${nhsNumber} ${type}`).toSorted()).toEqual(
      [
        `${testNumber(1)} child-protection-plan`,
        `${testNumber(1)} looked-after-child`,
        `${testNumber(2)} unborn-child-protection-plan`,
      ].toSorted(),
    );
  });

  test('a nil end means no end, and an empty end is refused', async () => {
    const start =
      '<component><cPPStartDate><value value="202609140900"/></cPPStartDate></component>';
    const record = (end: string): string =>
      recordXml(
        `<pertinentInformation><COCT_TP146101GB01.CPPInformation>${start}<component1>${end}</component1></COCT_TP146101GB01.CPPInformation></pertinentInformation>${childXml(person(1))}`,
      );
    const nil =
      '<cPPEndDate xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>';
    expect((await read(fileXml(upload(), [record(nil)]))).rows).toHaveLength(1);
    for (const end of ['<cPPEndDate/>', '<cPPEndDate><value/></cPPEndDate>']) {
      const result = await read(fileXml(upload(), [record(end)]));
      expect(result.failures.listed).toMatchObject([{ code: 'CPR07', field: 'end_date' }]);
    }
  });

  test.each([
    ['its namespace', xml.replace('urn:hl7-org:v3', 'urn:hl7-org:v4'), 'urn:hl7-org:v4'],
    [
      'a plan',
      xml.replaceAll('COCT_TP146101GB01.CPP', 'COCT_TP146101GB02.CPP'),
      'COCT_TP146101GB02',
    ],
    [
      'a person',
      xml.replaceAll('COCT_TP145101GB01.Child', 'COCT_TP145101GB03.Child'),
      'COCT_TP145101GB03',
    ],
  ])(
    'another version of %s is CPF06, and the message names the right one',
    async (_what, bytes, version) => {
      const result = await read(bytes);
      expect(result).toMatchObject({ refusal: 'CPF06', usable: undefined });
      expect(result.failures.listed).toMatchObject([{ code: 'CPF06', place: 'file' }]);
      expect(result.failures.listed[0]?.hint).toContain(version);
    },
  );

  test.each([
    [
      'two plans in one place',
      planXml({ type: 'child-protection-plan', startDate: '2026-02-02' as never }).replace(
        '</pertinentInformation>',
        '<COCT_TP146100GB01.LACInformation><component1><lACEndDate><value value="202603030000"/></lACEndDate></component1></COCT_TP146100GB01.LACInformation></pertinentInformation>',
      ) + childXml(person(1)),
    ],
    [
      'two people in one place',
      planXml({ type: 'child-protection-plan', startDate: '2026-02-02' as never }) +
        childXml(person(1)).replace('</subject>', '<COCT_TP145100GB01.UnbornChild/></subject>'),
    ],
    [
      'two records in one',
      `${planXml({ type: 'child-protection-plan', startDate: '2026-02-02' as never })}${childXml(person(1))}</CP-ISRecord><CP-ISRecord>${planXml(unbornOf(2).plans[0] as never)}${motherXml(person(2))}`,
    ],
  ])('%s are not run together', async (_what, inside) => {
    const result = await read(fileXml(upload(), [recordXml(inside)]));
    expect(result.rows).toEqual([]);
    expect(result.failures.listed.map(({ code }) => code)).toContain('CPR07');
  });

  test('elements that never end cost next to no time, since the parser looks through all of them at each', async () => {
    const deep = `<File xmlns="urn:hl7-org:v3">${'<a>'.repeat(20_000)}`;
    const before = process.threadCpuUsage();
    expect(await whyRefused(deep, { pieces: 65_536 })).toContain('nested');
    expect(process.threadCpuUsage(before).user / 1_000).toBeLessThan(500);
  });

  test('the parser is asked for the text of only one element, the authority’s name', async () => {
    const listening = vi.spyOn(SaxesParser.prototype, 'on');
    const result = await read(fileXml(upload({ records: [planOf(1), unbornOf(2), planOf(3)] })));
    expect(result.usable?.authorityName).toBe('Test Council');
    expect(listening.mock.calls.filter(([event]) => event === 'text')).toHaveLength(1);
  });

  test('a finding gives its place as an XPath', async () => {
    const records = [planOf(1), { ...planOf(2), child: person(2, { nhsNumber: '9990000019' }) }];
    const result = await read(fileXml(upload({ records })));
    expect(result.failures.listed).toMatchObject([
      {
        code: 'CPR04',
        place: '/File/record[2]/CP-ISRecord/subject[1]/COCT_TP145101GB01.Child/id[1]/@extension',
        record: 2,
        localId: 'LA-2',
      },
    ]);
  });

  test('elements in another namespace, and names that every object has, are ignored', async () => {
    const strange =
      '<constructor/><__proto__/><toString/><x:record xmlns:x="urn:x"><x:CP-ISRecord/></x:record>';
    const result = await read(xml.replace('<record>', `${strange}<record>`));
    expect(result.failures.listed).toEqual([]);
    expect(result.rows).toHaveLength(1);
  });
});

describe('CSV', () => {
  const model = upload({ records: [planOf(1), planOf(2)] });
  const csv = fileCsv(model);

  test.each(['nhs_number', 'date_of_birth', 'plan_type', 'start_date', 'end_date', 'delete_date'])(
    'a missing column %s is refused by name',
    async (column) => {
      expect(
        await whyRefused(csv.replace(column, 'x'), {
          metadata: metadata(2),
        }),
      ).toMatch(new RegExp(`column ${column} is missing`));
    },
  );

  test('local_id and the names may be left out', async () => {
    const columns = CSV_COLUMNS.filter((name) => !/local|name/.test(name));
    const result = await read(fileCsv(model, { columns }), { metadata: metadata(2) });
    expect(result.rows.map(({ localId }) => localId)).toEqual(['', '']);
  });

  test.each([
    ['a repeated column', csv.replace('local_id', 'nhs_number'), /there 2 times/],
    ['other separators', csv.replaceAll(',', ';'), /commas/],
    ['a line with one field too many', `${csv.trimEnd()},\n`, /more or fewer fields/],
    ['an unquoted name with a comma', csv.replace('Example', 'Exam,ple'), /more or fewer fields/],
    ['a quote inside a field', csv.replace('Example', 'Exam"ple'), /double quote/],
    ['an unclosed quote', csv.replace('Example', '"Example'), /never closed/],
    ['text after a closing quote', csv.replace('Example', '"Exam"ple'), /closing quote/],
    ['an endless line', csv.replace('Example', 'x'.repeat(100_000)), /far longer/],
    [
      'a wrong row count',
      `${csv}${csv.split('\n')[1]?.replace(testNumber(1), testNumber(3))}\n`,
      /has 2 records, and has 3/,
    ],
  ])('%s is refused', async (_what, bytes, hint) => {
    expect(await whyRefused(bytes, { metadata: metadata(2) })).toMatch(hint);
  });

  // A page shows the reason alone, without the place.
  test.each([
    ['a line with one field too many', `${csv.trimEnd()},\n`, /^Line 3 has more/],
    ['a quote inside a field', csv.replace('Example', 'Exam"ple'), /^On line 2,/],
    ['an unclosed quote', csv.replace('Example', '"Example'), /before line \d/],
    ['text after a closing quote', csv.replace('Example', '"Exam"ple'), /^On line 2,/],
    ['an endless line', csv.replace('Example', 'x'.repeat(100_000)), /^Line 2 is far longer/],
  ])('%s is refused with the number of the line in the reason', async (_what, bytes, hint) => {
    expect(await whyRefused(bytes, { metadata: metadata(2) })).toMatch(hint);
  });

  describe('without a line break at its end', () => {
    test('is refused if it gives no row count', async () => {
      const { rowCount: _, ...given } = metadata(2);
      expect(await whyRefused(csv.trimEnd(), { metadata: given })).toMatch(/no line break/);
    });

    test('is accepted if the row count is right, except for a last record whose date may be cut off', async () => {
      const result = await read(csv.trimEnd(), { metadata: metadata(2) });
      expect(result.perRecord).toEqual([1]);
      expect(result.failures.listed).toMatchObject([
        { code: 'CPR07', record: 2, field: 'delete_date' },
      ]);
    });

    test('is accepted in full if another column is the last, or the date is complete', async () => {
      const columns = [...CSV_COLUMNS.filter((name) => name !== 'plan_type'), 'plan_type'];
      const typeLast = fileCsv(model, { columns }).trimEnd();
      expect((await read(typeLast, { metadata: metadata(2) })).perRecord).toEqual([1, 1]);
      const deleted = { records: [planOf(1), planOf(2, { deleteDate: TODAY })] };
      const dated = fileCsv(deleted).trimEnd();
      expect((await read(dated, { metadata: metadata(2) })).perRecord).toEqual([1, 1]);
    });

    test('never yields part of a record, wherever it was cut and whatever its columns', async () => {
      await fc.assert(
        fc.asyncProperty(
          uploadArbitrary,
          fc.shuffledSubarray(CSV_COLUMNS, { minLength: CSV_COLUMNS.length }),
          fc.nat({ max: 60 }),
          async (whole, columns, cut) => {
            const text = fileCsv(whole, { columns });
            const given = { metadata: metadata(lines(whole)) };
            const all = await read(text, given);
            const part = await read(text.slice(0, text.length - 1 - cut), given);
            if (part.usable === undefined) return;
            const held = all.rows.map((row) => JSON.stringify(row));
            for (const row of part.rows) expect(held).toContain(JSON.stringify(row));
          },
        ),
        { numRuns: 100 },
      );
    });
  });

  test('text that looks like a formula is read as text', async () => {
    const records = [
      { ...planOf(1), child: person(1, { localId: '=1+1', given: '@SUM(A1)', family: '-x' }) },
    ];
    const result = await read(fileCsv({ records }), { metadata: metadata(1) });
    expect(result.rows).toMatchObject([{ localId: '=1+1' }]);
  });

  test('a field of ten megabytes is refused without being held in memory', async () => {
    const field = csv.replace('Example', 'x'.repeat(10_000_000));
    const reason = await whyRefused(field, { metadata: metadata(2), maxBytes: 20_000_000 });
    expect(reason).toMatch(/far longer/);
  });

  test('a finding repeats no text from a line, nor from a first line that names no columns', async () => {
    const withoutHeader = csv.slice(csv.indexOf('\n') + 1);
    for (const bytes of [csv.replace('Example', 'Exam"ple'), withoutHeader]) {
      const result = await read(bytes, { metadata: metadata(2) });
      const text = JSON.stringify(result);
      expect(result.usable).toBeUndefined();
      for (const canary of ['Exam', 'Ada', testNumber(1), '2019-03-05']) {
        expect(text).not.toContain(canary);
      }
    }
  });

  test('rows with only empty cells are not records, and are not counted', async () => {
    const [header = '', ...rows] = csv.trimEnd().split('\n');
    const ghost = ','.repeat(header.split(',').length - 1);
    const ghosts = [ghost, ',', ' ,\u00a0', '"",""', ghost];
    const text = [header, ghost, ...rows, ...ghosts, ''].join('\n');
    const result = await read(text, { metadata: metadata(2) });
    expect(result).toMatchObject({ records: 2, refusal: undefined });
    expect(result.rows).toEqual((await read(csv, { metadata: metadata(2) })).rows);
    expect(result.warnings.listed.map(({ hint }) => hint).join()).toContain('6 rows with nothing');
    const counted = await whyRefused(text, { metadata: metadata(8) });
    expect(counted).toContain('Its 6 rows with nothing in their cells are not records');
    // A record that was cut short casts no doubt on the one before it.
    const cut = [header, ...rows, ',,'].join('\n');
    expect((await read(cut, { metadata: metadata(2) })).rows).toHaveLength(2);
    // A row that has lost everything but a name is a faulty record.
    const named = header
      .split(',')
      .map((name) => (name === 'given_name' ? 'Ada' : ''))
      .join(',');
    const refused = await read(`${csv}${named}\n`, { metadata: metadata(3) });
    expect(refused.failures.listed.length).toBeGreaterThan(0);
  });

  test.each([
    ['a title', 'Plans of Example Council', 1],
    ['a title and lines of any length', 'Plans,Council\n\nExported by,nobody,today', 1],
    ['a title below a blank row', ',,,\nPlans', 2],
  ])('%s above the header is reported, with where the header is', async (_what, title, line) => {
    const at = title.split('\n').length + 1;
    expect(await whyRefused(`${title}\n${csv}`, { metadata: metadata(2) })).toContain(
      `Line ${line} is not the header: the columns are named on line ${at}. Remove the lines above it.`,
    );
  });

  test.each(['sep=,', '"sep=,"', 'SEP=,', '\n,,\n'])(
    'a line above the header that only spreadsheets read, %j, is ignored',
    async (line) => {
      expect((await read(`${line}\n${csv}`, { metadata: metadata(2) })).rows).toHaveLength(2);
    },
  );

  test('a header that is not separated by commas is reported as such', async () => {
    const text = csv.replaceAll(',', ';');
    expect(await whyRefused(text, { metadata: metadata(2) })).toContain('with commas');
    expect(await whyRefused(`sep=;\n${text}`, { metadata: metadata(2) })).toContain('with commas');
  });

  test('a header line alone is a file without records', async () => {
    const result = await read(fileCsv({ records: [] }), { metadata: metadata(0) });
    expect(result.usable).toBeDefined();
    expect(result.records).toBe(0);
  });

  test('unneeded columns are listed', async () => {
    const columns = [...CSV_COLUMNS, 'Social Worker', 'postcode'];
    const result = await read(fileCsv(model, { columns }), { metadata: metadata(2) });
    expect(result.droppedColumns).toEqual(['Social Worker', 'postcode']);
  });

  test('a column name is recognised however it is written', async () => {
    const written = csv
      .replace('nhs_number', '"NHS Number"')
      .replace('date_of_birth', 'Date-of-birth ');
    expect((await read(written, { metadata: metadata(2) })).rows).toHaveLength(2);
  });

  test('a finding gives its line number', async () => {
    const records = [
      { ...planOf(1), child: person(1, { family: 'two\nlines' }) },
      { ...planOf(2), child: person(2, { nhsNumber: '1' }) },
    ];
    const result = await read(fileCsv({ records }), { metadata: metadata(2) });
    expect(result.failures.listed).toMatchObject([{ place: 'line 4', record: 2, code: 'CPR04' }]);
  });

  test('an unknown plan type is refused', async () => {
    const result = await read(csv.replace('child-protection-plan', 'CIN'), {
      metadata: metadata(2),
    });
    expect(result.failures.listed).toMatchObject([
      { code: 'CPR07', field: 'plan_type', record: 1 },
    ]);
  });

  test('the file name gives authority, sequence and time, and options override it', async () => {
    const name = 'zz202-17-202611232130.csv';
    expect((await read(csv, { name })).usable).toMatchObject({
      authority: 'ZZ202',
      sequence: 17,
      createdAt: Date.parse('2026-11-23T21:30:00Z'),
    });
    expect((await read(csv, { name, metadata: { sequence: 18 } })).usable).toMatchObject({
      authority: 'ZZ202',
      sequence: 18,
    });
  });

  test('without authority, sequence or time it is refused, and the sender is told how to give each', async () => {
    const result = await read(csv);
    expect(result.failures.listed.map(({ field }) => field)).toEqual([
      'authority',
      'sequence',
      'createdAt',
    ]);
    expect(result.usable).toBeUndefined();
  });

  test('without a row count it is read with a warning', async () => {
    const { rowCount: _, ...rest } = metadata(2);
    const result = await read(csv, { metadata: rest });
    expect(result.usable).toBeDefined();
    expect(result.warnings.listed).toMatchObject([{ field: 'rowCount' }]);
  });
});
