/**
 * Finds the Redis to run. Plain JavaScript without dependencies, because the set-up step reads it
 * on Node 20 before any package is installed.
 */
import { spawnSync } from 'node:child_process';

/** The half of the sentence that says what is needed, the same everywhere. */
export const NEEDED_REDIS = 'redis-server 7.0 or later (or valkey-server 7.2 or later)';

const CANDIDATES = /** @type {const} */ ([
  { name: 'redis-server', least: [7, 0] },
  { name: 'valkey-server', least: [7, 2] },
]);

/**
 * The first server on PATH that is new enough, else undefined with the versions that were too old.
 *
 * @returns {{ binary: string | undefined, tooOld: string[] }}
 */
export function findRedisServer() {
  const tooOld = [];
  for (const { name, least } of CANDIDATES) {
    const { stdout } = spawnSync(name, ['--version'], { encoding: 'utf8', timeout: 10_000 });
    const version = /\bv=(\d+)\.(\d+)/.exec(stdout ?? '');
    if (version === null) continue;
    const [major, minor] = [Number(version[1]), Number(version[2])];
    if (major > least[0] || (major === least[0] && minor >= least[1])) {
      return { binary: name, tooOld };
    }
    tooOld.push(`${name} ${major}.${minor}`);
  }
  return { binary: undefined, tooOld };
}
