import { closeSync, mkdirSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  DELTAS_AT_MOST,
  type FileSummary,
  GENERATED_FORMATS,
  type GeneratedFile,
  type GenerateOptions,
  generateEngland,
  NUMBER_RANGES,
  type NumberRange,
} from '#loaders/synthetic/generate.ts';
import { londonDate } from '#schemas/calendar.ts';
import { expectedAuthoritiesSchema } from '#schemas/expected-authorities.ts';
import { readTypedDay, TYPED_DAYS } from '#schemas/typed-time.ts';
import { figure } from '#schemas/wording/counts.ts';
import { Failure, misused } from './failure.ts';
import { readTypedNumber } from './typed-number.ts';

export type GenerateCommandOptions = {
  out: string;
  seed: string;
  authorities: string;
  plans: string;
  format: string;
  badRate: string;
  date?: string;
  deltas: string;
  changes: string;
  numbers: string;
  register?: boolean;
};

const PIECE = 65_536;

function share(option: string, text: string): number {
  const value = /^[01]?(\.[0-9]{1,9})?$/.test(text) && text !== '' ? Number(text) : Number.NaN;
  if (value >= 0 && value <= 1) return value;
  throw misused(`${option} must be a share from 0 to 1, for instance 0.01.`);
}

function choice<T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((one) => one === text);
  if (found === undefined) throw misused(`${option} must be one of ${known.join(', ')}.`);
  return found;
}

function readOptions(options: GenerateCommandOptions): GenerateOptions {
  const date = options.date === undefined ? londonDate(Date.now()) : readTypedDay(options.date);
  if (date === undefined) throw misused(`--date must be ${TYPED_DAYS}.`);
  const authorities = readTypedNumber('--authorities', options.authorities, 1, 2_000);
  return {
    seed: readTypedNumber('--seed', options.seed, 0, 999_999_999),
    authorities,
    plans: readTypedNumber('--plans', options.plans, authorities, 80_000_000),
    format: choice('--format', options.format, GENERATED_FORMATS),
    badRate: share('--bad-rate', options.badRate),
    date,
    deltas: readTypedNumber('--deltas', options.deltas, 0, DELTAS_AT_MOST),
    changes: share('--changes', options.changes),
    numbers: choice('--numbers', options.numbers, Object.keys(NUMBER_RANGES) as NumberRange[]),
  };
}

/** An empty folder of its own: made-up files must never be mixed with an authority's. */
function makeFolder(out: string): void {
  mkdirSync(out, { recursive: true });
  if (readdirSync(out).length > 0) {
    throw new Failure(`${out} is not empty. Give --out a folder that is new or empty.`);
  }
}

/** Writes a text as it is made; returns what the generator returns at its end. */
function writeText<T>(path: string, text: Generator<string, T>): { bytes: number; result: T } {
  const descriptor = openSync(path, 'wx');
  let bytes = 0;
  let piece = '';
  try {
    for (;;) {
      const step = text.next();
      if (step.done !== true) piece += step.value;
      if (step.done === true || piece.length >= PIECE) {
        bytes += writeSync(descriptor, piece);
        piece = '';
      }
      if (step.done === true) return { bytes, result: step.value };
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Gives what a CSV cannot say about itself, above all its row count. */
function writeSidecar(path: string, file: GeneratedFile, { records }: FileSummary): void {
  writeFileSync(
    path.replace(/\.csv$/, '.json'),
    `${JSON.stringify({
      authority: file.authority.code,
      sequence: file.sequence,
      createdAt: new Date(file.createdAt).toISOString(),
      rowCount: records,
    })}\n`,
  );
}

/**
 * The manifest, extended a file at a time: what each holds, which records are wrong, and what the
 * acknowledgement must say. Streamed by hand, since a national one with many bad rows is larger than memory
 * should be.
 */
class Manifest {
  readonly #descriptor: number;
  #files = 0;
  #wrong = 0;

  constructor(path: string, about: object) {
    this.#descriptor = openSync(path, 'wx');
    const opened = JSON.stringify(about, null, 2).replace(/\n\}$/, '');
    writeSync(this.#descriptor, `${opened},\n  "files": [`);
  }

  begin(file: GeneratedFile, path: string): void {
    const { format, kind, authority, sequence, createdAt } = file;
    const about = {
      path,
      format,
      kind,
      authority: authority.code,
      sequence,
      createdAt: new Date(createdAt).toISOString(),
    };
    writeSync(
      this.#descriptor,
      `${this.#files === 0 ? '' : ','}\n    ${JSON.stringify(about).slice(0, -1)},"wrong":[`,
    );
    this.#files += 1;
    this.#wrong = 0;
  }

  wrong(record: object): void {
    writeSync(this.#descriptor, `${this.#wrong === 0 ? '' : ','}\n      ${JSON.stringify(record)}`);
    this.#wrong += 1;
  }

  end(summary: FileSummary): void {
    writeSync(this.#descriptor, `],${JSON.stringify(summary).slice(1)}`);
  }

  close(): void {
    writeSync(this.#descriptor, '\n  ]\n}\n');
    closeSync(this.#descriptor);
  }
}

const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** `cp-flags generate`: writes a synthetic England into a folder. */
export function generate(given: GenerateCommandOptions): void {
  const options = readOptions(given);
  let england: ReturnType<typeof generateEngland>;
  try {
    england = generateEngland(options);
  } catch (error) {
    throw misused(`${(error as Error).message} Ask for fewer --plans, or for --numbers wide.`);
  }
  const { out } = given;
  makeFolder(out);
  const began = performance.now();
  writeFileSync(
    join(out, 'authorities.sh'),
    `#!/bin/sh\nset -e\n${england.authorities
      .map(
        ({ code, name, officeHoursPhone, emergencyDutyTeamPhone }) =>
          `npx cp-flags authority set ${code} --name ${shellQuoted(name)} --office ${officeHoursPhone} --emergency ${emergencyDutyTeamPhone}\n`,
      )
      .join('')}`,
    { mode: 0o755 },
  );
  const expected = expectedAuthoritiesSchema.parse({
    area: 'a made-up England',
    kind: 'all',
    authorities: england.authorities.map(({ code, name }) => ({ code, name })),
  });
  writeFileSync(join(out, 'expected-authorities.json'), `${JSON.stringify(expected, null, 2)}\n`);
  const manifest = new Manifest(join(out, 'manifest.json'), {
    synthetic: 'Everything here is made up: authorities, people and plans.',
    options,
    people: england.people,
    authorities: england.authorities,
  });
  const total = { files: 0, records: 0, refused: 0, bytes: 0 };
  for (const file of england.files()) {
    mkdirSync(join(out, file.day), { recursive: true });
    const path = join(file.day, file.name);
    manifest.begin(file, path);
    const { bytes, result } = writeText(
      join(out, path),
      file.text((record) => manifest.wrong(record)),
    );
    manifest.end(result);
    if (file.format === 'csv') writeSidecar(join(out, path), file, result);
    total.files += 1;
    total.records += result.records;
    total.refused += result.expected.refused;
    total.bytes += bytes;
  }
  manifest.close();
  if (given.register === true) writeText(join(out, 'register.csv'), england.register());

  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`Wrote ${figure(options.plans)} made-up plans of ${figure(england.people)} people into ${out}:
  ${figure(total.files)} files, ${figure(total.records)} records, ${figure(total.refused)} of them spoilt on purpose; ${(total.bytes / 1e6).toFixed(1)} MB in ${seconds} s.
  manifest.json says what each file holds and what its acknowledgement must say.
  expected-authorities.json lists the authorities, for EXPECTED_AUTHORITIES_FILE.`);
  if (options.format !== 'xml') {
    console.log(
      '  authorities.sh makes the authorities known, which a CSV cannot do: run it first.',
    );
  }
}
