import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openRegister } from '#loaders/check/tracing/register.ts';
import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import {
  type GeneratedFile,
  type GenerateOptions,
  generateEngland,
  type WrongRecord,
} from '#loaders/synthetic/generate.ts';
import { numbersIn, syntheticNumber } from '#loaders/synthetic/numbers.ts';
import { expectedAuthoritiesSchema } from '#schemas/expected-authorities.ts';
import { parseNhsNumber } from '#schemas/nhs-number.ts';
import { SAMPLE_NUMBERS } from '#schemas/sample.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import type { Breakers } from '#schemas/uploads/breakers.ts';
import { generate } from '#service/cli/write-country.ts';
import { run } from '../../support/processes.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';
import { loader } from '../../support/upload-loading.ts';
import { TODAY } from '../../support/upload-model.ts';

const OPTIONS: GenerateOptions = {
  seed: 7,
  authorities: 6,
  plans: 1200,
  deltas: 0,
  date: TODAY,
  changes: 0.05,
  numbers: 'test',
  format: 'both',
  badRate: 0,
};

/** A small file is unusual in many ways, which this file does not test. */
const NEVER: Breakers = {
  removalsWarnShare: 1,
  removalsStopShare: 1,
  refusedWarnShare: 1,
  refusedStopShare: 1,
  rowsWarnTimes: 1_000_000,
  additionsStopTimes: 1_000_000,
};

function whole(file: GeneratedFile) {
  const wrong: WrongRecord[] = [];
  const pieces = file.text((record) => void wrong.push(record));
  let text = '';
  for (;;) {
    const step = pieces.next();
    if (step.done === true) return { text, summary: step.value, wrong };
    text += step.value;
  }
}

const digest = (options: GenerateOptions): string => {
  const hash = createHash('sha256');
  for (const file of generateEngland(options).files())
    hash.update(file.name).update(whole(file).text);
  return hash.digest('hex');
};

/** Loads every file in turn, each on the right day. */
async function loadAll(
  t: TestStore,
  options: GenerateOptions,
  tracer?: NumberTracer,
): Promise<{ file: GeneratedFile; written: ReturnType<typeof whole>; ack: Acknowledgement }[]> {
  const l = loader(t);
  const england = generateEngland(options);
  for (const { code, name, officeHoursPhone, emergencyDutyTeamPhone } of england.authorities) {
    await t.store.setAuthority(
      code as never,
      { name, officeHoursPhone, emergencyDutyTeamPhone },
      'test',
    );
  }
  const loaded = [];
  for (const file of england.files()) {
    const written = whole(file);
    const ack = await l.load(written.text, {
      name: file.name,
      now: () => file.createdAt + 3_600_000,
      ...(file.format === 'csv' && { metadata: { rowCount: written.summary.records } }),
      breakers: NEVER,
      tracer,
    });
    loaded.push({ file, written, ack });
  }
  return loaded;
}

describe('synthetic numbers', () => {
  test.each(['test', 'wide'] as const)(
    'in the range %s are valid, all different, and within the range',
    (range) => {
      const prefix = range === 'test' ? /^999/ : /^9(?!99)/;
      const seen = new Set<string>();
      const step = range === 'test' ? 11 : 1091;
      for (let index = 0; index < numbersIn(range); index += step) {
        const number = syntheticNumber(range, index);
        if (parseNhsNumber(number) === undefined || !prefix.test(number)) {
          throw new Error(`number ${index} is ${number}`);
        }
        seen.add(number);
      }
      expect(seen.size).toBe(Math.ceil(numbersIn(range) / step));
      for (const { nhsNumber } of SAMPLE_NUMBERS) expect(seen.has(nhsNumber)).toBe(false);
    },
  );

  test('in neighbouring ranges never overlap, at any size', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('test', 'wide'),
        fc.nat(numbersIn('test') - 1),
        fc.nat(numbersIn('wide') - 1),
        (range, one, other) => {
          const a = one % numbersIn(range);
          const b = other % numbersIn(range);
          expect(syntheticNumber(range, a) === syntheticNumber(range, b)).toBe(a === b);
        },
      ),
    );
  });
});

describe('a synthetic England', () => {
  test('is identical, byte for byte, for the same seed, and different for another', () => {
    const options = { ...OPTIONS, deltas: 2, badRate: 0.1 };
    expect(digest(options)).toBe(digest({ ...options }));
    expect(digest(options)).not.toBe(digest({ ...options, seed: 8 }));
  });

  test('has authorities of realistic sizes, and exactly as many plans as asked for', () => {
    const england = generateEngland({
      ...OPTIONS,
      authorities: 153,
      plans: 46_000,
      format: 'csv',
    });
    const sizes: number[] = [];
    const counts = new Map<string, number>();
    const holders = new Map<string, number>();
    const unborn = new Set<string>();
    const mothersLookedAfter = new Set<string>();
    for (const file of england.files()) {
      const lines = whole(file).text.trimEnd().split('\n').slice(1);
      sizes.push(lines.length);
      const numbers = new Set<string>();
      for (const line of lines) {
        const [number = ''] = line.split(',', 1);
        const [type = '', , end = '', deleted] = line.split(',').slice(-4);
        const state = deleted !== '' ? 'deleted' : end !== '' && end <= TODAY ? 'ended' : 'open';
        counts.set(`${type} ${state}`, (counts.get(`${type} ${state}`) ?? 0) + 1);
        numbers.add(number);
        if (type === 'unborn-child-protection-plan') unborn.add(number);
      }
      for (const line of lines) {
        const [number = ''] = line.split(',', 1);
        if (line.includes('looked-after-child') && unborn.has(number))
          mothersLookedAfter.add(number);
      }
      for (const number of numbers) holders.set(number, (holders.get(number) ?? 0) + 1);
    }
    sizes.sort((one, other) => one - other);
    expect(sizes.reduce((total, size) => total + size, 0)).toBe(46_000);
    expect(sizes[76]).toBeGreaterThan(160);
    expect(sizes[76]).toBeLessThan(210);
    expect(sizes.at(-1)).toBeGreaterThan(1_000);
    expect(sizes.at(-1)).toBeLessThan(2_000);
    const near = (kind: string, expected: number): void => {
      expect([kind, Math.round((counts.get(kind) ?? 0) / expected / 0.05) * 0.05]).toEqual([
        kind,
        1,
      ]);
    };
    near('looked-after-child open', 16_400);
    near('child-protection-plan open', 9_800);
    near('child-protection-plan ended', 11_600);
    near('looked-after-child ended', 6_200);
    expect(counts.get('unborn-child-protection-plan open')).toBeGreaterThan(500);
    expect(mothersLookedAfter.size).toBeGreaterThan(60);
    expect([...holders.values()].filter((n) => n > 1).length).toBeGreaterThan(400);
  });

  test('is refused, with a message, if the range has too few numbers', () => {
    expect(() => generateEngland({ ...OPTIONS, plans: 2_000_000 })).toThrow(
      /899,901 numbers in the range, and these files need/,
    );
  });
});

describe('the command', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cpf-generate-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  const options = ['--seed', '5', '--authorities', '2', '--plans', '90', '--date', '2026-11-24'];

  test('writes files that need no options, and a manifest of what they contain', async () => {
    const out = join(folder, 'england');
    const wanted = [...options, '--deltas', '1', '--bad-rate', '0.1', '--register'];
    expect(await run(['generate', '--out', out, ...wanted], {})).toMatchObject({
      code: 0,
      stderr: '',
    });
    const manifest = manifestSchema.parse(
      JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8')),
    );
    const england = generateEngland({
      ...OPTIONS,
      seed: 5,
      authorities: 2,
      plans: 90,
      deltas: 1,
      changes: 0.01,
      badRate: 0.1,
    });
    const expected = await readFile(join(out, 'expected-authorities.json'), 'utf8');
    expect(expectedAuthoritiesSchema.parse(JSON.parse(expected)).authorities).toEqual(
      england.authorities.map(({ code, name }) => ({ code, name })),
    );
    const files = [...england.files()];
    expect(manifest.files.map(({ path }) => path)).toEqual(
      files.map(({ name, kind }) => join(kind === 'first' ? '2026-11-23' : '2026-11-24', name)),
    );
    for (const [i, file] of files.entries()) {
      const { path = '', wrong, records } = manifest.files[i] ?? {};
      const made = whole(file);
      expect(await readFile(join(out, path), 'utf8')).toBe(made.text);
      expect({ wrong, records }).toEqual({ wrong: made.wrong, records: made.summary.records });
      if (file.format !== 'csv') continue;
      const sidecar = await readFile(join(out, path.replace(/csv$/, 'json')), 'utf8');
      expect(JSON.parse(sidecar)).toEqual({
        authority: file.authority.code,
        sequence: file.sequence,
        createdAt: new Date(file.createdAt).toISOString(),
        rowCount: made.summary.records,
      });
    }
    expect(await readFile(join(out, 'register.csv'), 'utf8')).toBe(
      [...england.register()].join(''),
    );
  });

  const given = {
    seed: '5',
    authorities: '2',
    plans: '90',
    format: 'both',
    badRate: '0',
    deltas: '0',
    changes: '0.01',
    numbers: 'test',
  };

  test.each([
    [{ plans: '2000000' }, /numbers in the range.*--numbers wide/],
    [{ plans: '1' }, /--plans must be a whole number from 2 to/],
    [{ badRate: '2' }, /--bad-rate must be a share from 0 to 1/],
    [{ date: '24/13/2026' }, /--date must be a day/],
    [{ format: 'pdf' }, /--format must be one of xml, csv, both/],
    [{ seed: 'x' }, /--seed must be a whole number/],
  ])('says what is wrong with %j, and writes nothing', (wrong, sentence) => {
    const out = join(folder, 'nothing');
    expect(() => generate({ ...given, ...wrong, out })).toThrow(sentence);
    expect(existsSync(out)).toBe(false);
  });

  test('never writes into a folder that is not empty', () => {
    const out = join(folder, 'kept');
    mkdirSync(out);
    writeFileSync(join(out, 'kept.txt'), 'kept');
    expect(() => generate({ ...given, out })).toThrow(/is not empty/);
    expect(readdirSync(out)).toEqual(['kept.txt']);
  });
});

const manifestSchema = z.object({
  files: z.array(
    z.object({
      path: z.string(),
      records: z.int(),
      wrong: z.array(z.record(z.string(), z.json())),
    }),
  ),
});

describe('its files', () => {
  let t: TestStore;
  beforeAll(async () => {
    t = await startTestStore({ kind: 'demo' });
  });
  afterAll(() => t.stop());

  test('load without a finding, day after day, and do what they say', async () => {
    const loaded = await loadAll(t, { ...OPTIONS, deltas: 4 });
    for (const { file, written, ack } of loaded) {
      expect([file.name, ack.code, ack.failures, ack.warnings]).toEqual([
        file.name,
        'CPF02',
        [],
        [],
      ]);
      expect(ack.counts.records).toBe(written.summary.records);
      const { changes } = written.summary;
      if (file.kind === 'later') {
        expect(changes.new + changes.changed + changes.ended + changes.deleted).toBeGreaterThan(0);
        expect(ack.rows.added).toBeGreaterThanOrEqual(changes.new);
        expect(ack.rows.changed).toBeGreaterThanOrEqual(
          changes.changed + changes.ended + changes.deleted,
        );
      } else {
        expect(ack.rows.changed + ack.rows.unchanged + ack.rows.superseded).toBe(0);
      }
    }
  });
});

describe.each([{ traced: false }, { traced: true }])(
  'deliberately faulty records, traced: $traced',
  ({ traced }) => {
    const options = { ...OPTIONS, deltas: 4, badRate: 0.15 };
    let t: TestStore;
    let tracer: NumberTracer | undefined;
    beforeAll(async () => {
      t = await startTestStore({ kind: 'demo' });
      const path = join(t.dataDir, 'register.csv');
      writeFileSync(path, [...generateEngland(options).register()].join(''));
      if (traced) tracer = await openRegister(path);
    });
    afterAll(() => t.stop());

    test('are refused with the expected code and field, and all others are accepted', async () => {
      const kinds = new Set<string>();
      for (const { file, written, ack } of await loadAll(t, options, tracer)) {
        const foretold = written.wrong.filter(({ whenTraced }) => traced || !whenTraced);
        expect([file.name, ...findings(ack.failures)]).toEqual([file.name, ...findings(foretold)]);
        const { summary } = written;
        const { code, ...counts } = traced ? summary.expectedWhenTraced : summary.expected;
        expect([file.name, ack.code]).toEqual([file.name, code]);
        expect(ack.counts).toMatchObject({ records: summary.records, ...counts });
        // A delete only gets warnings from tracing. A file with nothing accepted counts as missing.
        const warned = ack.warnings.filter(
          ({ code: own, field }) => (!traced || own !== 'CPR06') && field !== 'sequence',
        );
        expect([file.name, warned]).toEqual([file.name, []]);
        for (const { kind } of foretold) kinds.add(kind);
      }
      expect(kinds.size).toBe(traced ? 29 : 22);
    });
  },
);

/** What was found wrong, each fault once, in the order of the file. */
function findings(
  list: readonly { record?: number | undefined; code: string; field?: string | undefined }[],
): string[] {
  const texts = list.map(({ record, code, field }) => `${record} ${code} ${field}`);
  return [...new Set(texts)].toSorted();
}
