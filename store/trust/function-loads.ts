import type { Redis } from 'ioredis';
import { information } from '../connection/reply.ts';
import { libraryNames } from '../functions/functions.ts';

/** What has been seen of the libraries of one run of Redis. */
type Seen = { run: string; names: ReadonlySet<string>; loads: number; unloaded: number };

/** How often a library has been loaded since Redis started; failures, such as of one that is there, do not count. */
async function loadsSoFar(redis: Redis): Promise<number> {
  const stats = information(await redis.info('commandstats')).get('cmdstat_function|load') ?? '';
  const figure = (name: string): number =>
    Number(new RegExp(`(?:^|,)${name}=([0-9]+)`).exec(stats)?.[1] ?? 0);
  return figure('calls') - figure('failed_calls');
}

/**
 * Notices functions that were replaced and put back between two looks: then libraries were loaded more often than new
 * ones have appeared. Processes of other versions only add their own.
 *
 * @returns looks, and says whether that has happened since the last look in this run of Redis
 */
export function watchFunctionLoads(redis: Redis): (run: string) => Promise<boolean> {
  let seen: Seen | undefined;
  return async (run) => {
    // In this order, on one connection: a library that is loaded in between is never counted before it is named.
    const [before, loads, after] = await Promise.all([
      libraryNames(redis),
      loadsSoFar(redis),
      libraryNames(redis),
    ]);
    const last =
      seen?.run === run && seen.loads <= loads
        ? seen
        : { names: new Set(before), loads, unloaded: 0 };
    const appeared = after.filter((name) => !last.names.has(name)).length;
    const unloaded = last.unloaded + appeared - (loads - last.loads);
    seen = { run, names: new Set(after), loads, unloaded: Math.max(0, unloaded) };
    return unloaded < 0;
  };
}
