import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { plainName, sameFamilyName, sameGivenName } from '#loaders/check/tracing/names.ts';
import { openRegister, RegisterError } from '#loaders/check/tracing/register.ts';
import {
  type NumberTracer,
  NumberTracingUnavailable,
  type Traced,
  type TraceOutcome,
} from '#loaders/check/tracing/tracer.ts';
import { readCsv } from '#loaders/formats/csv/csv.ts';
import { readSpineXml } from '#loaders/formats/spine/spine.ts';
import { findingSchema } from '#schemas/uploads/acknowledgement.ts';
import { NO_MAPPING } from '#schemas/uploads/columns.ts';
import { inactiveNumbersNoticeSchema } from '#schemas/uploads/notice.ts';
import { day, testNumber } from '../../support/rows.ts';
import { startTestStore, type TestStore, WAIT_MS } from '../../support/test-store.ts';
import { loader, metadata, read } from '../../support/upload-loading.ts';
import {
  CSV_COLUMNS,
  childXml,
  fileCsv,
  fileXml,
  type ModelRecord,
  motherXml,
  person,
  planOf,
  planXml,
  recordXml,
  unbornOf,
  upload,
} from '../../support/upload-model.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cpf-register-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const HEADER = 'nhs_number,status,replaced_by,date_of_birth,given_name,family_name';
const line = (n: number, status = '', replacedBy = '', differing: Partial<Traced> = {}): string => {
  const { dateOfBirth = day('2019-03-05'), givenName = 'Ada', familyName = 'Example' } = differing;
  return [testNumber(n), status, replacedBy, dateOfBirth, givenName, familyName].join(',');
};

let files = 0;
function register(...lines: string[]): string {
  files += 1;
  const path = join(folder, `register-${files}.csv`);
  writeFileSync(path, `${[HEADER, ...lines].join('\n')}\n`);
  return path;
}

/** A tracer that gives the scripted answers, and records what it was asked. */
function scripted(answer: (person: Traced) => TraceOutcome): NumberTracer & { asked: Traced[][] } {
  const asked: Traced[][] = [];
  return {
    asked,
    trace(people) {
      asked.push([...people]);
      return Promise.resolve(people.map(answer));
    },
  };
}
const always = (outcome: TraceOutcome) => scripted(() => outcome);

describe('names', () => {
  const given = (sent: string, known: string): boolean =>
    sameGivenName(plainName(sent, 'x'), plainName(known, 'x'));
  const family = (sent: string, known: string): boolean =>
    sameFamilyName(plainName('x', sent), plainName('x', known));

  test.each([
    ['all the same', 'Ada Mary', 'ada mary'],
    ['the first name the same', 'Ada', 'Ada Mary'],
    ['the first name the same, others not', 'Ada Jane', 'Ada Mary'],
    ['the first name sent is among those known', 'Mary', 'Ada Mary'],
    ['one shortened', 'Sam', 'Samuel'],
    ['one shortened, the other way', 'Christopher', 'Chris John'],
    ['accents and hyphens', 'Zoë-Anne', 'ZOEANNE'],
    ['letters without a decomposition', 'Søren', 'Soren'],
  ])('given names agree: %s', (_what, sent, known) => {
    expect(given(sent, known)).toBe(true);
  });

  test.each([
    ['others', 'Ada', 'Eve'],
    ['an initial', 'A', 'Ada'],
    ['two letters', 'Al', 'Alexander'],
    ['a later name sent is the first known', 'Ada Mary', 'Mary'],
    ['no name sent', '', 'Ada'],
    ['only signs', '-', 'Ada'],
  ])('given names differ: %s', (_what, sent, known) => {
    expect(given(sent, known)).toBe(false);
  });

  test('family names match however they are written, but never on a part', () => {
    expect(family("O'Brien", 'OBRIEN')).toBe(true);
    expect(family('O’Brien', "O'Brien")).toBe(true);
    expect(family('Smith-Jones', 'Smith Jones')).toBe(true);
    expect(family('Müller', 'Muller')).toBe(true);
    expect(family('Smith', 'Smith-Jones')).toBe(false);
    expect(family('', '')).toBe(false);
  });

  test.each([
    ['an apostrophe that Unicode counts as a letter', 'OʼBrien', "O'Brien"],
    ['the glottal stop of Pacific names', 'Kaʻahumanu', 'Kaahumanu'],
    ['a stretched Arabic letter', 'محـمد', 'محمد'],
    ['a Greek letter that is written differently at the end', 'Νίκος-Άννα', 'ΝΙΚΟΣΑΝΝΑ'],
    ['Maltese letters', 'Għawdex', 'Ghawdex'],
    ['Turkish letters', 'Işık İnan', 'ISIK Inan'],
    ['German letters', 'Straßer', 'STRASSER'],
    ['ligatures', 'Eﬀie', 'Effie'],
    ['accents put together or apart', 'Zo\u00eb', 'Zoe\u0308'],
    ['Hangul put together or apart', '한', '한'.normalize('NFD')],
  ])('names are the same however they are written: %s', (_what, one, other) => {
    expect(given(one, other)).toBe(true);
    expect(family(one, other)).toBe(true);
    expect(family(other, one)).toBe(true);
  });

  test.each([
    ['an Arabic vowel mark alone', '\ufe72'],
    ['a Japanese voicing mark alone', '\uff9e'],
    ['only signs', "-'."],
  ])('a name without a letter matches nothing, not even itself: %s', (_what, name) => {
    expect(given(name, name)).toBe(false);
    expect(family(name, name)).toBe(false);
  });

  // Some signs that Unicode counts as letters are a mark on its own, or stand for an apostrophe.
  const LETTER = /[^\P{L}\u02b9-\u02ff\u0640]/u;

  test('every name matches itself, also in capitals', () => {
    const letter = fc.constantFrom(...'aZéßŉıİœþŁħŋσςΣẞﬁJǰ李한なเकنםД'.split(''));
    const name = fc.string({ unit: fc.oneof(fc.string({ unit: 'grapheme' }), letter) });
    fc.assert(
      fc.property(name, (written) => {
        fc.pre(LETTER.test(written.normalize('NFKD')));
        for (const same of [written, written.toUpperCase(), written.normalize('NFD')]) {
          expect(family(written, same)).toBe(true);
          expect(given(written, same)).toBe(true);
        }
      }),
    );
  });
});

describe('a register', () => {
  const traced = (n: number, differing: Partial<Traced> = {}): Traced => ({
    nhsNumber: testNumber(n),
    dateOfBirth: day('2019-03-05'),
    givenName: 'Ada',
    familyName: 'Example',
    ...differing,
  });
  const ask = async (path: string, ...people: Traced[]) =>
    (await openRegister(path)).trace(people, AbortSignal.timeout(WAIT_MS));

  test('gives what is known about each number, in the order in which they were asked about', async () => {
    const path = register(
      line(1),
      line(2, 'superseded', testNumber(3)),
      line(3),
      line(4, 'inactive'),
      `${testNumber(5)},sensitive,,,,`,
    );
    expect(
      await ask(
        path,
        traced(5),
        traced(4),
        traced(2),
        traced(1),
        traced(9),
        traced(1, { familyName: 'Other', dateOfBirth: day('2019-03-06') }),
      ),
    ).toEqual([
      { kind: 'sensitive' },
      { kind: 'inactive' },
      { kind: 'inactive', replacedBy: testNumber(3) },
      { kind: 'verified' },
      { kind: 'no-match' },
      { kind: 'not-verified', differs: ['date_of_birth', 'family_name'] },
    ]);
  });

  test('gives the new number only for the right person', async () => {
    const path = register(line(2, 'superseded', testNumber(3)));
    const [outcome] = await ask(path, traced(2, { givenName: 'Eve' }));
    expect(outcome).toEqual({ kind: 'not-verified', differs: ['given_name'] });
  });

  test('follows replacements to the last one, but never to a sensitive record', async () => {
    const chain = [line(1, 'superseded', testNumber(2)), line(2, 'superseded', testNumber(3))];
    expect(await ask(register(...chain, line(3)), traced(1))).toEqual([
      { kind: 'inactive', replacedBy: testNumber(3) },
    ]);
    const adopted = register(...chain, `${testNumber(3)},sensitive,,,,`);
    expect(await ask(adopted, traced(1))).toEqual([{ kind: 'inactive' }]);
  });

  test.each([
    ['is not there', join('nowhere', 'register.csv'), /cannot be read/],
    ['has no number', () => register(), /no number/],
    ['has a wrong number', () => register('9990000019,,,2019-03-05,A,B'), /line 2.*nhs_number/],
    ['has a number twice', () => register(line(1), line(1)), /line 3.*already/],
    ['has an unknown status', () => register(line(1, 'dead')), /line 2.*status/],
    ['replaces with nothing', () => register(line(1, 'superseded')), /line 2.*replaced_by/],
    [
      'has an empty replacement',
      () => register(line(1, 'superseded', '12')),
      /line 2.*replaced_by/,
    ],
    ['replaces a current number', () => register(line(1, 'current', testNumber(2))), /replaced_by/],
    ['has no date of birth', () => register(`${testNumber(1)},,,,Ada,Example`), /date_of_birth/],
    ['has no name', () => register(`${testNumber(1)},,,2019-03-05,Ada,`), /family_name/],
    ['has a line that is too short', () => register(`${testNumber(1)},`), /line 2.*CSV/],
    [
      'goes in a circle',
      () =>
        register(
          line(1, 'superseded', testNumber(2)),
          line(2, 'superseded', testNumber(3)),
          line(3, 'superseded', testNumber(2)),
        ),
      /circle/,
    ],
  ])(
    'that %s is refused with a message that repeats none of its contents',
    async (_what, path, says) => {
      const opening = openRegister(typeof path === 'string' ? path : path());
      await expect(opening).rejects.toThrow(RegisterError);
      const message = await opening.then(String, (error: Error) => error.message);
      expect(message).toMatch(says);
      // The name of the folder ends with random letters and digits.
      expect(message.replaceAll(folder, '')).not.toMatch(/999|Ada|Example|2019/);
    },
  );

  test('without a column is refused with the name of the column', async () => {
    const path = join(folder, 'columns.csv');
    writeFileSync(path, `${HEADER.replace(',status', '')}\n`);
    await expect(openRegister(path)).rejects.toThrow(/column status/);
  });

  test('is read again when it changes, and counts as unavailable if it becomes unusable', async () => {
    const path = register(line(1));
    const tracer = await openRegister(path);
    const once = () => tracer.trace([traced(2)], AbortSignal.timeout(WAIT_MS));
    expect(await once()).toEqual([{ kind: 'no-match' }]);
    const change = (text: string, seconds: number): void => {
      writeFileSync(path, text);
      utimesSync(path, seconds, seconds);
    };
    change(`${HEADER}\n${line(2)}\n`, 1000);
    expect(await once()).toEqual([{ kind: 'verified' }]);
    change('rubbish', 2000);
    await expect(once()).rejects.toThrow(NumberTracingUnavailable);
    change(`${HEADER}\n${line(2)}\n`, 3000);
    expect(await once()).toEqual([{ kind: 'verified' }]);
    rmSync(path);
    await expect(once()).rejects.toThrow(NumberTracingUnavailable);
  });
});

const bothFormats: [string, (records: ModelRecord[]) => Parameters<typeof read>][] = [
  ['Spine XML', (records) => [fileXml(upload({ records })), {}]],
  ['CSV', (records) => [fileCsv({ records }), { metadata: metadata(records.length) }]],
];

describe.each(bothFormats)('tracing an upload in %s', (_format, file) => {
  const trace = (records: ModelRecord[], tracer: NumberTracer) => {
    const [bytes, options] = file(records);
    return read(bytes, { ...options, tracer });
  };

  test('asks with number, date of birth and names, and for an unborn child with the mother’s', async () => {
    const tracer = always({ kind: 'verified' });
    const names = { given: 'Ada Mary', family: "O'Brien & Co" };
    const result = await trace([{ ...planOf(1), child: person(1, names) }, unbornOf(2)], tracer);
    expect(tracer.asked).toEqual([
      [
        {
          nhsNumber: testNumber(1),
          dateOfBirth: '2019-03-05',
          givenName: 'Ada Mary',
          familyName: "O'Brien & Co",
        },
        {
          nhsNumber: testNumber(2),
          dateOfBirth: '1998-09-11',
          givenName: 'Ada',
          familyName: 'Example',
        },
      ],
    ]);
    expect(result.rows).toHaveLength(2);
  });

  test.each<[string, TraceOutcome, string]>([
    ['CPR01', { kind: 'no-match' }, 'nhs_number'],
    ['CPR01', { kind: 'inactive' }, 'nhs_number'],
    ['CPR02', { kind: 'sensitive' }, 'nhs_number'],
    ['CPR03', { kind: 'not-verified', differs: ['date_of_birth', 'given_name'] }, 'date_of_birth'],
    ['CPR03', { kind: 'not-verified', differs: ['family_name'] }, 'family_name'],
    ['CPR05', { kind: 'inactive', replacedBy: testNumber(7) }, 'nhs_number'],
  ])(
    'refuses with %s a person for whom %j comes back, and accepts the others',
    async (code, outcome, field) => {
      const tracer = scripted(({ nhsNumber }) =>
        nhsNumber === testNumber(2) ? outcome : { kind: 'verified' },
      );
      const result = await trace([planOf(1), planOf(2), planOf(3)], tracer);
      expect(result.failures.listed).toMatchObject([{ code, field, record: 2, localId: 'LA-2' }]);
      findingSchema.parse(result.failures.listed[0]);
      expect(JSON.stringify(result.failures)).not.toMatch(/999[0-9]{7}/);
      expect(result.rows.map(({ nhsNumber }) => nhsNumber)).toEqual([testNumber(1), testNumber(3)]);
    },
  );

  test('a delete is accepted whatever comes back, with a remark', async () => {
    for (const outcome of [{ kind: 'sensitive' }, { kind: 'no-match' }] as const) {
      const result = await trace([planOf(1, { deleteDate: day('2026-11-20') })], always(outcome));
      expect(result.rows).toHaveLength(1);
      expect(result.warnings.listed).toMatchObject([{ code: 'CPR06', record: 1 }]);
    }
  });

  test('an end is not accepted whatever comes back', async () => {
    const ended = planOf(1, { endDate: day('2026-11-20') });
    expect((await trace([ended], always({ kind: 'sensitive' }))).rows).toEqual([]);
  });

  test('also traces a record that already has a fault, so that every fault is known at once', async () => {
    const wrong = planOf(1, { endDate: day('2020-01-01') });
    const result = await trace([wrong], always({ kind: 'sensitive' }));
    expect(result.failures.listed.map(({ code }) => code).toSorted()).toEqual(['CPR02', 'CPR07']);
  });

  test('does not ask about a number or date of birth that cannot be read', async () => {
    const tracer = always({ kind: 'verified' });
    await trace([{ ...planOf(1), child: person(1, { nhsNumber: '9990000019' }) }], tracer);
    expect(tracer.asked).toEqual([]);
  });

  test('asks about at most a hundred people at a time, and covers every record', async () => {
    const tracer = always({ kind: 'verified' });
    const records = Array.from({ length: 250 }, (_, n) => planOf(n + 1));
    const result = await trace(records, tracer);
    expect(tracer.asked.map((people) => people.length)).toEqual([100, 100, 50]);
    expect(result.rows).toHaveLength(250);
  });

  test('a plan repeated in the file is refused even if both are among the same hundred', async () => {
    const result = await trace([planOf(1), planOf(1)], always({ kind: 'verified' }));
    expect(result.failures.listed).toMatchObject([{ code: 'CPR07', record: 2 }]);
  });

  test('if the register is away gives CPF05, and asks no more for that file', async () => {
    let asked = 0;
    const tracer: NumberTracer = {
      trace() {
        asked += 1;
        return Promise.reject(new NumberTracingUnavailable('down'));
      },
    };
    const records = Array.from({ length: 250 }, (_, n) => planOf(n + 1));
    const result = await trace(records, tracer);
    expect(result).toMatchObject({ refusal: 'CPF05', usable: undefined, rows: [] });
    expect(result.failures.listed).toMatchObject([{ code: 'CPF05', place: 'file' }]);
    expect(asked).toBe(1);
  });

  test('collects the numbers no longer in use, each once', async () => {
    const tracer = scripted(({ nhsNumber }) => ({
      kind: 'inactive',
      ...(nhsNumber === testNumber(1) && { replacedBy: testNumber(7) }),
    }));
    const later = planOf(1, { startDate: day('2026-10-01') });
    const { inactive } = await trace([planOf(1), later, planOf(2)], tracer);
    expect(inactive).toEqual({
      numbers: [
        { nhsNumber: testNumber(1), localId: 'LA-1', replacedBy: testNumber(7) },
        { nhsNumber: testNumber(2), localId: 'LA-2' },
      ],
      omitted: 0,
    });
  });
});

test('readers pass names on only if they are needed', async () => {
  const named = { ...planOf(1), child: person(1, { given: 'Quokka', family: 'Zwickel' }) };
  const records = [
    named,
    { ...unbornOf(2), mother: person(2, { given: 'Snork', family: 'Maid' }) },
  ];
  async function* only(text: string): AsyncGenerator<string> {
    yield text;
  }
  const seen = async (names: boolean): Promise<string> => {
    let text = '';
    const csv = readCsv(only(fileCsv({ records })), { names, counted: true, mapping: NO_MAPPING });
    for await (const event of csv) text += JSON.stringify(event);
    const xml = readSpineXml(only(fileXml(upload({ records }))), { names });
    for await (const event of xml) text += JSON.stringify(event);
    return text;
  };
  expect(await seen(false)).not.toMatch(/Quokka|Zwickel|Snork|Maid/);
  for (const name of ['Quokka', 'Zwickel', 'Snork', 'Maid']) {
    expect((await seen(true)).split(name)).toHaveLength(3);
  }
});

describe('tracing', () => {
  test('a CSV without name columns cannot be traced, and the answer names the missing columns', async () => {
    const columns = CSV_COLUMNS.filter((name) => !name.endsWith('_name'));
    const result = await read(fileCsv({ records: [planOf(1)] }, { columns }), {
      metadata: metadata(1),
      tracer: always({ kind: 'verified' }),
    });
    expect(result.refusal).toBe('CPF01');
    expect(result.failures.listed.map(({ hint }) => hint)).toEqual([
      expect.stringContaining('columns given_name, family_name are missing'),
    ]);
  });

  test('a record of a child and a mother is refused as a whole for either of them', async () => {
    const both = recordXml(
      planXml({ type: 'child-protection-plan', startDate: day('2026-02-02') }) +
        planXml(unbornOf(1).plans[0] as never) +
        motherXml(person(2)) +
        childXml(person(1)),
    );
    const tracer = scripted(({ nhsNumber }) =>
      nhsNumber === testNumber(2) ? { kind: 'sensitive' } : { kind: 'verified' },
    );
    const result = await read(fileXml(upload(), [both]), { tracer });
    expect(result.failures.listed).toMatchObject([
      { code: 'CPR02', place: '/File/record[1]/CP-ISRecord/subject[1]' },
    ]);
    expect(result.rows).toEqual([]);
  });

  test('a delete does not exempt a plan in force in the same record from tracing', async () => {
    const type = 'child-protection-plan';
    const both = recordXml(
      planXml({ type, startDate: day('2026-02-02'), deleteDate: day('2026-11-20') }) +
        planXml({ type, startDate: day('2026-03-03') }) +
        childXml(person(1)),
    );
    const result = await read(fileXml(upload(), [both]), { tracer: always({ kind: 'sensitive' }) });
    expect(result.rows).toEqual([]);
    expect(result.failures.listed).toMatchObject([{ code: 'CPR02' }]);
  });

  test('a tracer that fails in another way, or leaves out an answer, ends the reading, and its words are not repeated', async () => {
    const failing: NumberTracer = { trace: () => Promise.reject(new Error('Ada Example is odd')) };
    const short: NumberTracer = { trace: () => Promise.resolve([]) };
    for (const tracer of [failing, short]) {
      const message = await read(fileXml(upload()), { tracer }).then(
        () => 'was read',
        (error: Error) => error.message,
      );
      expect(message).toMatch(/tracer/);
      expect(message).not.toContain('Ada');
    }
  });

  test('a tracer that never answers counts as unavailable after a minute', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      let signalled = false;
      const asked = Promise.withResolvers<void>();
      const tracer: NumberTracer = {
        trace: (_people, signal) =>
          new Promise(() => {
            signal.addEventListener('abort', () => (signalled = true));
            asked.resolve();
          }),
      };
      const reading = read(fileXml(upload()), { tracer });
      await asked.promise;
      await vi.advanceTimersByTimeAsync(60_000);
      expect((await reading).refusal).toBe('CPF05');
      expect(signalled).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a load', () => {
  let t: TestStore;
  let l: ReturnType<typeof loader>;
  beforeAll(async () => {
    t = await startTestStore({ kind: 'demo' });
    l = loader(t);
  });
  afterAll(() => t.stop());

  let notices: unknown[] = [];
  const onNotice = (notice: unknown): void => void notices.push(notice);
  beforeEach(() => {
    notices = [];
  });

  test('whose numbers could not be traced changes nothing, and its file number can be used again', async () => {
    const unavailable: NumberTracer = {
      trace: () => Promise.reject(new NumberTracingUnavailable('down')),
    };
    const bytes = fileXml(upload());
    expect(await l.load(bytes, { tracer: unavailable })).toMatchObject({
      code: 'CPF05',
      sequence: 1,
      counts: { accepted: 0 },
    });
    expect(await t.store.authorities()).toEqual([]);
    const verified = always({ kind: 'verified' });
    expect(await l.load(bytes, { tracer: verified })).toMatchObject({ code: 'CPF02' });
  });

  test('gives a notice before it applies anything, and again for a repeated file, but none if it accepts nothing', async () => {
    const tracer = always({ kind: 'inactive', replacedBy: testNumber(9) });
    const bytes = fileXml(upload({ sequence: 2, records: [planOf(11), planOf(12)] }));
    const mixed = scripted(({ nhsNumber }) =>
      nhsNumber === testNumber(11)
        ? { kind: 'inactive', replacedBy: testNumber(9) }
        : { kind: 'verified' },
    );
    const failing = l.load(bytes, {
      tracer: mixed,
      onNotice: () => {
        throw new Error('no room');
      },
    });
    await expect(failing).rejects.toThrow(/nothing was changed/);
    const { rows } = (await t.store.authorities())[0] ?? {};
    for (let i = 0; i < 2; i++) {
      expect(await l.load(bytes, { tracer: mixed, onNotice })).toMatchObject({ code: 'CPF03' });
    }
    expect((await t.store.authorities())[0]?.rows).toBe((rows ?? 0) + 1);
    expect(notices).toMatchObject([{ sequence: 2 }, { sequence: 2 }]);
    for (const notice of notices) {
      expect(inactiveNumbersNoticeSchema.parse(notice)).toMatchObject({
        authority: { code: 'ZZ101', name: 'Test Council' },
        numbers: [{ nhsNumber: testNumber(11), localId: 'LA-11', replacedBy: testNumber(9) }],
      });
    }
    notices = [];
    const cut = bytes.slice(0, -20);
    expect(await l.load(cut, { tracer, onNotice })).toMatchObject({ code: 'CPF01' });
    const stranger = fileXml(upload({ authority: 'ZZ909' }));
    expect(await l.load(stranger, { tracer, onNotice, addAuthority: false })).toMatchObject({
      code: 'CPF04',
    });
    expect(notices).toEqual([]);
  });

  test('with every record refused still gives its notice', async () => {
    const tracer = always({ kind: 'inactive' });
    const bytes = fileXml(upload({ sequence: 3, records: [planOf(21)] }));
    expect(await l.load(bytes, { tracer, onNotice })).toMatchObject({ code: 'CPF04' });
    expect(notices).toHaveLength(1);
  });
});

test('nothing is loaded into a live dataset without tracing', async () => {
  const t = await startTestStore({ kind: 'live' });
  try {
    await expect(loader(t).load(fileXml(upload()))).rejects.toThrow(/TRACING/);
    const tracer = always({ kind: 'verified' });
    expect(await loader(t).load(fileXml(upload()), { tracer })).toMatchObject({ code: 'CPF02' });
  } finally {
    await t.stop();
  }
});
