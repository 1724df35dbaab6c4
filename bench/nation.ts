import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { syntheticNumber } from '#loaders/synthetic/numbers.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { cpFlags, NATION, startStore, writeCountry } from './country.ts';

/** A loaded country, made once and kept for a day: tomorrow its authorities' data would be out of date. */
export type Nation = {
  /** To be copied before it is used. */
  dataDir: string;
  /** NHS numbers of people in the files, and of people in none. */
  held: string[];
  notHeld: string[];
  authorities: { code: string; name: string }[];
  /** Files of the night after, one for each authority. */
  later: { path: string; authority: string; sequence: number }[];
  rows: number;
  children: number;
  /** The time that `cp-flags load` takes for all first files, with its start. */
  loadMs: number;
  loadCpuMs: number;
  /** The bytes of memory that Redis needs for it, above an empty Redis. */
  storeBytes: number;
};

const NUMBERS_AT_MOST = 50_000;
const CACHE = join(tmpdir(), 'cpf-bench-nation');

/** @param plans of all authorities together; beyond the test range's numbers those of `wide` are used */
export async function nationOf(plans: number): Promise<Nation> {
  const options = {
    ...NATION,
    plans,
    deltas: 1,
    authorities: Math.min(NATION.authorities, Math.ceil(plans / 50)),
    numbers: plans > 600_000 ? ('wide' as const) : NATION.numbers,
  };
  const name = createHash('sha256')
    .update(JSON.stringify([options, FUNCTIONS.lookup, readFileSync(new URL(import.meta.url))]))
    .digest('hex')
    .slice(0, 16);
  const folder = join(CACHE, name);
  const told = join(folder, 'nation.json');
  if (!existsSync(told)) {
    rmSync(CACHE, { recursive: true, force: true });
    const made = `${folder}.${process.pid}`;
    try {
      await make(made, folder, options);
      renameSync(made, folder);
    } finally {
      rmSync(made, { recursive: true, force: true });
    }
  }
  return JSON.parse(readFileSync(told, 'utf8')) as Nation;
}

async function make(made: string, folder: string, options: typeof NATION): Promise<void> {
  mkdirSync(made, { recursive: true, mode: 0o700 });
  const { paths, authorities, people } = writeCountry(join(made, 'files'), options);
  const files = paths.map((path) => {
    const [authority = '', sequence = ''] = basename(path).split('-');
    return { path, authority, sequence: Number(sequence) };
  });
  const first = files.filter(({ sequence }) => sequence === 1).map(({ path }) => path);
  const dataDir = join(made, 'data');
  const store = await startStore(dataDir, authorities);
  const usedMemory = async () =>
    Number(/used_memory:(\d+)/.exec(await store.redis.info('memory'))?.[1]);
  try {
    const before = await usedMemory();
    const { milliseconds, cpuMs } = await cpFlags(['load', ...first], {
      DATA_DIR: dataDir,
      MAX_UPLOAD_MIB: '4096',
    });
    const storeBytes = (await usedMemory()) - before;
    let children = 0;
    for (const key of await store.redis.keys('cpf:{p*}:children')) {
      children += (await store.redis.hlen(key)) - 1;
    }
    const numbers = (from: number, count: number): string[] =>
      Array.from({ length: count }, (_, i) => syntheticNumber(options.numbers, from + i));
    const nation: Nation = {
      dataDir: join(folder, 'data'),
      held: numbers(0, Math.min(children, NUMBERS_AT_MOST)),
      notHeld: numbers(people, NUMBERS_AT_MOST),
      authorities: authorities.map(({ code, name }) => ({ code, name })),
      later: files
        .filter(({ sequence }) => sequence > 1)
        .map((file) => ({ ...file, path: join(folder, 'files', basename(file.path)) })),
      rows: options.plans,
      children,
      loadMs: milliseconds,
      loadCpuMs: cpuMs,
      storeBytes,
    };
    writeFileSync(join(made, 'nation.json'), JSON.stringify(nation));
  } finally {
    await store.stop();
  }
}

/** A copy that may be changed. */
export function copyNation({ dataDir }: Nation, to: string): void {
  cpSync(dataDir, to, { recursive: true });
}
