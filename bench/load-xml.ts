import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { SaxesParser } from 'saxes';
import { readUpload } from '#loaders/check/read.ts';
import { SourceBytes } from '#loaders/formats/common/source.ts';
import { Spool } from '#loaders/spool/spool.ts';
import { type Country, cpFlags, NATION, startStore, withFolder, writeCountry } from './country.ts';
import { median } from './processes.ts';

type XmlFigures = {
  megabytes: number;
  /** Megabytes a second: the parser alone, read and checked into the spool, and a whole `cp-flags load`. */
  saxes: number[];
  read: number[];
  load: number[];
  ratio: number;
};

const PLANS = 30_000;
const MAX_BYTES = 2 ** 31;

/** Reads one large Spine XML upload by turns with the bare parser and with all that the loader does to it. */
export async function measureXml(runs: number): Promise<XmlFigures> {
  return withFolder(async (folder) => {
    const { paths, authorities } = writeCountry(join(folder, 'files'), {
      ...NATION,
      authorities: 1,
      plans: PLANS,
      format: 'xml',
    });
    const path = paths[0] ?? '';
    const megabytes = statSync(path).size / 1e6;
    const rate = (milliseconds: number): number => megabytes / (milliseconds / 1000);
    const figures: XmlFigures = { megabytes, saxes: [], read: [], load: [], ratio: 0 };
    // The first run of each does not count, because compilers warm up.
    for (let run = -1; run < runs; run += 1) {
      const saxes = rate(await bareSaxes(path));
      const read = rate(await readIntoSpool(path, join(folder, 'spool')));
      const load = rate(await wholeLoad(path, join(folder, `data${run}`), authorities));
      if (run < 0) continue;
      figures.saxes.push(saxes);
      figures.read.push(read);
      figures.load.push(load);
    }
    figures.ratio = median(figures.read) / median(figures.saxes);
    return figures;
  });
}

async function bareSaxes(path: string): Promise<number> {
  const began = performance.now();
  const parser = new SaxesParser({ xmlns: true });
  parser.on('error', (error) => {
    throw error;
  });
  for await (const text of createReadStream(path, 'utf8')) parser.write(text as string);
  parser.close();
  return performance.now() - began;
}

async function readIntoSpool(path: string, spoolDir: string): Promise<number> {
  const source = { path, name: 'upload.xml' };
  const spool = Spool.create(spoolDir);
  try {
    const began = performance.now();
    const read = await readUpload(
      new SourceBytes(source, MAX_BYTES),
      source,
      { receivedAt: Date.now(), metadata: {}, authority: undefined },
      spool,
    );
    const took = performance.now() - began;
    if (read.usable === undefined || read.failures.listed.length > 0) {
      throw new Error('the file to be measured has a fault');
    }
    return took;
  } finally {
    spool.remove();
  }
}

async function wholeLoad(
  path: string,
  dataDir: string,
  authorities: Country['authorities'],
): Promise<number> {
  const store = await startStore(dataDir, authorities);
  try {
    return (await cpFlags(['load', path], { DATA_DIR: dataDir })).milliseconds;
  } finally {
    await store.stop();
  }
}
