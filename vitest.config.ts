import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import LongestFirst from './tests/support/longest-first.ts';
import { WAIT_MS } from './tests/support/until.ts';

// Processes of tests and their threads compile each file of the service once, as the service's own do.
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, 'node_modules/.cache/cp-flags');

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    setupFiles: ['tests/support/same-draws.ts'],
    // Code here holds no module-level state, so a fresh module graph a file would only cost time.
    isolate: false,
    // Processes, not threads: tests send signals and read modes that belong to a process.
    pool: 'forks',
    // Much of what a test takes it waits for something that happens on its own.
    maxWorkers: Math.max(4, Math.floor(availableParallelism() / 2)),
    // Longer than some waits one after the other, so that the wait that fails says what it waited for.
    testTimeout: 4 * WAIT_MS,
    hookTimeout: 4 * WAIT_MS,
    expect: { poll: { timeout: WAIT_MS } },
    sequence: { sequencer: LongestFirst },
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
    reporters: ['default', './tests/support/closing-line.ts'],
  },
});
