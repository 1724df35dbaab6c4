/**
 * The program behind the command cp-flags.
 *
 * A file of JavaScript: files loaded before the cache is in use are compiled again each time, and for one
 * TypeScript file that takes a sixth of a start.
 */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

// Otherwise what modules leave behind while loading makes the space for new objects permanently large.
// young-space.ts then lets it grow as far as it should. Before the cache, which separates code compiled with
// other flags.
if (process.env['ROLE'] === 'lookup' && process.argv[2] === 'serve') {
  setFlagsFromString('--semi-space-growth-factor=1');
}

// Half of a command's start would otherwise be spent on compiling what the last one compiled. The cache is
// beside the packages, and trusted like them; if nothing can be written there, nothing is.
const { directory } = enableCompileCache(
  join(import.meta.dirname, '..', 'node_modules', '.cache', 'cp-flags'),
);
// Threads use only the cache named here.
if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= directory;

const { runCommandLine } = await import('./cli/commands.ts');
await runCommandLine();
