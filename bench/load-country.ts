import { appendFileSync, closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { allChildrenKeys } from '#store/keys.ts';
import { type Country, cpFlags, startStore, timed, withFolder } from './country.ts';
import { median } from './processes.ts';

type CountryFigures = {
  loadMs: number[];
  /** Processor time of the loader only: on an otherwise idle machine, what the clock says. */
  loadCpuMs: number[];
  pipeMs: number[];
  children: number;
  ratio: number;
};

const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

/**
 * A whole country through the command line into an empty store, beside the same keys, fields and values
 * written by `redis-cli --pipe` to a server of the same configuration: one HSET a child. The two alternate,
 * so that a noisy machine affects both alike.
 */
export async function measureCountry(country: Country, runs: number): Promise<CountryFigures> {
  const figures: CountryFigures = { loadMs: [], loadCpuMs: [], pipeMs: [], children: 0, ratio: 0 };
  for (let run = 0; run < runs; run += 1) {
    await withFolder(async (folder) => {
      const loaded = join(folder, 'loaded');
      const protocol = join(folder, 'protocol');
      const store = await startStore(loaded, country.authorities);
      try {
        const used = await cpFlags(['load', ...country.paths], { DATA_DIR: loaded });
        figures.loadMs.push(used.milliseconds);
        figures.loadCpuMs.push(used.cpuMs);
        writeFileSync(protocol, '');
        figures.children = 0;
        for (const key of allChildrenKeys) {
          const fields = await store.redis.hgetall(key);
          let commands = '';
          for (const [field, value] of Object.entries(fields)) {
            if (field === '_') continue;
            commands += `*4\r\n${bulk('HSET')}${bulk(key)}${bulk(field)}${bulk(value)}`;
            figures.children += 1;
          }
          appendFileSync(protocol, commands);
        }
      } finally {
        await store.stop();
      }
      figures.pipeMs.push(await pipe(join(folder, 'piped'), protocol));
      rmSync(protocol);
    });
  }
  figures.ratio = median(figures.loadMs) / median(figures.pipeMs);
  return figures;
}

async function pipe(dataDir: string, protocol: string): Promise<number> {
  const server = await startEmbeddedRedis({ dataDir });
  const input = openSync(protocol, 'r');
  try {
    const { username, password } = server.users.admin;
    return await timed(
      'redis-cli',
      ['-s', server.socketPath, '--user', username, '--pipe'],
      { PATH: process.env['PATH'] ?? '', REDISCLI_AUTH: password },
      input,
    );
  } finally {
    closeSync(input);
    await server.stop();
  }
}
