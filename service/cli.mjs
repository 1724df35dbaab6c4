/**
 * The program behind the command cp-flags.
 *
 * A file of JavaScript: what is loaded before the cache is in use is compiled anew each time, and for one file of
 * TypeScript that takes a sixth of a start.
 */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Half of the time that a command takes to start is spent on compiling what the last one compiled. Beside the
// packages, and trusted like them; if nothing can be written there, nothing is.
const { directory } = enableCompileCache(
  join(import.meta.dirname, '..', 'node_modules', '.cache', 'cp-flags'),
);
// Threads have no cache but the one that is named here.
if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= directory;

const { runCommandLine } = await import('./cli/commands.ts');
await runCommandLine();
