/**
 * The program behind the command cp-flags.
 *
 * A file of JavaScript: what is loaded before the cache is in use is compiled anew each time, and for one file of
 * TypeScript that takes a sixth of a start.
 */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

// Else what modules leave behind while they are loaded makes the space for new objects large for good. young-space.ts
// then lets it grow as far as it should. Before the cache, which keeps apart what was compiled with other flags.
if (process.env['ROLE'] === 'lookup' && process.argv[2] === 'serve') {
  setFlagsFromString('--semi-space-growth-factor=1');
}

// Half of the time that a command takes to start is spent on compiling what the last one compiled. Beside the
// packages, and trusted like them; if nothing can be written there, nothing is.
const { directory } = enableCompileCache(
  join(import.meta.dirname, '..', 'node_modules', '.cache', 'cp-flags'),
);
// Threads have no cache but the one that is named here.
if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= directory;

const { runCommandLine } = await import('./cli/commands.ts');
await runCommandLine();
