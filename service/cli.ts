import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Half of the time that a command takes to start is spent on compiling what the last one compiled. Beside the
// packages, and trusted like them; where nothing can be written there, nothing is.
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'cp-flags'));

const { runCommandLine } = await import('./cli/commands.ts');
await runCommandLine();
