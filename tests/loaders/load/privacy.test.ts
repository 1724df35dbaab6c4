import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatAcknowledgement } from '#loaders/answers/answers.ts';
import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import { Spool } from '#loaders/spool/spool.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import { nhsNumberCheckDigit } from '#schemas/nhs-number.ts';
import { ANSWER_FORMATS } from '#schemas/uploads/formats.ts';
import type { Store } from '#store/store.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';
import { loader, metadata } from '../../support/upload-loading.ts';
import {
  CSV_COLUMNS,
  fileCsv,
  fileXml,
  type ModelRecord,
  person,
  planOf,
  unbornOf,
  upload,
} from '../../support/upload-model.ts';

/** Each of these words is in a place whose content must be dropped while the file is read. */
const CANARIES = ['Zwickelmann', 'Quokkabella', 'Snorkelgasse', 'Neglectomania', 'Commentaria'];
const [FAMILY = '', GIVEN = '', ADDRESS = '', REASON = '', COMMENT = ''] = CANARIES;

const named = (record: ModelRecord): ModelRecord => {
  const names = { given: GIVEN, family: FAMILY };
  return {
    ...record,
    ...(record.child && { child: { ...record.child, ...names } }),
    ...(record.mother && { mother: { ...record.mother, ...names } }),
  };
};
/** One of the records is refused, so that the findings are checked too. */
const records = [
  planOf(1),
  unbornOf(2),
  { ...planOf(3), child: person(3, { nhsNumber: '9990000019' }) },
].map(named);

const XML = fileXml(upload({ records }))
  .replaceAll('<childPerson>', `<addr>${ADDRESS}</addr><childPerson><!--${COMMENT}-->`)
  .replaceAll('</name>', `</name><reason value="${REASON}"><![CDATA[${REASON}]]></reason>`);
const CSV = fileCsv(
  { records },
  { columns: [...CSV_COLUMNS, 'address', 'reason'], further: { address: ADDRESS, reason: REASON } },
);

let t: TestStore;
let l: ReturnType<typeof loader>;

beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  l = loader(t);
});
afterAll(() => t.stop());

function* filesIn(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const kind = statSync(path);
    if (kind.isDirectory()) yield* filesIn(path);
    else if (kind.isFile()) yield path;
  }
}

function expectNoCanary(text: string): void {
  for (const canary of CANARIES) {
    for (const form of [canary, canary.toUpperCase(), Buffer.from(canary).toString('base64')]) {
      expect(text.includes(form), `${canary} was kept`).toBe(false);
    }
  }
}

describe.each([
  ['Spine XML', XML, {}, 1],
  ['CSV', CSV, { metadata: metadata(3, { sequence: 2 }) }, 2],
] as const)('names, addresses and unneeded columns, in %s', (_format, bytes, options, sequence) => {
  test('are found neither on disk, during or after the load, nor in the acknowledgement', async () => {
    let whileLoading = '';
    const store: Store = {
      ...t.store,
      applyRows: (lock, rows) => {
        whileLoading = [...filesIn(t.dataDir)]
          .map((path) => readFileSync(path, 'latin1'))
          .join('\n');
        return t.store.applyRows(lock, rows);
      },
    };
    const acknowledgement = await l.load(bytes, { ...options, store });
    expect(acknowledgement).toMatchObject({ code: 'CPF03', sequence, counts: { accepted: 2 } });
    // A word that is kept is found, which proves that the check works.
    expect(whileLoading).toContain('LA-1');
    expectNoCanary(whileLoading);
    expectNoCanary(JSON.stringify(acknowledgement));
    const after = [...filesIn(t.dataDir)].map((path) => readFileSync(path, 'latin1')).join('\n');
    expect(after).toContain('LA-1');
    expectNoCanary(after);
  });

  test('are found neither on disk nor in the acknowledgement if the file breaks off', async () => {
    for (const share of [0.5, 0.9]) {
      const acknowledgement = await l.load(bytes.slice(0, bytes.length * share), options);
      expect(acknowledgement.code).toBe('CPF01');
      expectNoCanary(JSON.stringify(acknowledgement));
    }
    expectNoCanary([...filesIn(t.dataDir)].map((path) => readFileSync(path, 'latin1')).join('\n'));
  });
});

describe.each([
  ['Spine XML', (sequence: number) => [fileXml(upload({ sequence, records })), {}] as const],
  [
    'CSV',
    (sequence: number) => [fileCsv({ records }), { metadata: metadata(3, { sequence }) }] as const,
  ],
])('names compared while tracing numbers, in %s', (format, file) => {
  test('are compared, and stored nowhere', async () => {
    const [bytes, options] = file(format === 'CSV' ? 31 : 32);
    const compared: string[] = [];
    const tracer: NumberTracer = {
      trace(people) {
        compared.push(...people.flatMap(({ givenName, familyName }) => [givenName, familyName]));
        return Promise.resolve(
          people.map((_, i) =>
            i === 0
              ? { kind: 'inactive' as const }
              : { kind: 'not-verified' as const, differs: ['family_name' as const] },
          ),
        );
      },
    };
    const notices: unknown[] = [];
    const loading = { ...options, tracer, echoTo: ['ZZ101'] };
    const acknowledgement = await l.load(bytes, {
      ...loading,
      onNotice: (notice) => void notices.push(notice),
    });
    expect(compared).toContain(FAMILY);
    expect(notices).toHaveLength(1);
    expect(acknowledgement.echo).toHaveLength(3);
    for (const each of ANSWER_FORMATS) expectNoCanary(formatAcknowledgement(acknowledgement, each));
    expectNoCanary(JSON.stringify(notices));
    expectNoCanary([...filesIn(t.dataDir)].map((path) => readFileSync(path, 'latin1')).join('\n'));
  });
});

test('an echo is not stored with its acknowledgement', async () => {
  const bytes = fileXml(upload({ sequence: 40, records: [planOf(41), ...records.slice(2)] }));
  const { echo } = await l.load(bytes, { echoTo: ['ZZ101'] });
  expect(echo).toMatchObject([{ record: 2, people: [{ nhsNumber: '9990000019' }] }]);
  const entry = await t.store.fileOf(odsCodeSchema.parse('ZZ101'), 40);
  expect(entry?.acknowledgement).toContain('CPR04');
  expect(entry?.acknowledgement).not.toContain('9990000019');
  // A repeat is answered from what is stored, together with the file itself.
  expect((await l.load(bytes, { echoTo: ['ZZ101'] })).echo).toEqual(echo);
  expect(await l.load(bytes)).not.toHaveProperty('echo');
});

test('no finding contains an NHS number or a date of birth, and no folder or acknowledged file name contains a number', async () => {
  const wrong = '9990000019';
  const acknowledgement = await l.load(
    fileXml(
      upload({
        sequence: 9,
        records: [
          { ...planOf(4), child: person(4, { nhsNumber: wrong }) },
          {
            ...planOf(5),
            child: person(5, { localId: person(5).nhsNumber, dateOfBirth: '1999-01-02' as never }),
          },
        ],
      }),
    ),
    { name: `child ${person(5).nhsNumber}.xml` },
  );
  const text = JSON.stringify(acknowledgement);
  expect(acknowledgement.failures).toHaveLength(2);
  for (const secret of [wrong, person(5).nhsNumber, '1999-01-02', '19990102']) {
    expect(text).not.toContain(secret);
  }
  expect(Spool.create(l.spoolDir).folder).not.toMatch(/load-.*[0-9]/);
  expect(nhsNumberCheckDigit(person(5).nhsNumber)).toBe(Number(person(5).nhsNumber.at(-1)));
});
