import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { commandsInTurn } from './commands.ts';
import { startServing } from './processes.ts';
import { testFolder } from './service.ts';
import { fileXml, planOf, upload } from './upload-model.ts';

/** Runs a command for a council that has one plan, beside a service, until the tests of the file are over. */
export function councilCommand(command: string) {
  const run = commandsInTurn();
  let files: string;
  let environment: Record<string, string>;
  let service: Awaited<ReturnType<typeof startServing>>;
  beforeAll(async () => {
    files = await testFolder();
    environment = { DATA_DIR: join(files, 'data'), LOG_LEVEL: 'warn' };
    await run(['init', '--demo'], environment);
    service = await startServing([], environment);
    const path = join(files, 'one.xml');
    const records = [planOf(1)];
    await writeFile(path, fileXml(upload({ authority: 'ZZ301', sequence: 1, records })));
    await run(['load', path], environment);
  });
  afterAll(async () => {
    await service?.stop();
    await rm(files, { recursive: true, force: true, maxRetries: 5 });
  });
  return (args: string[], input?: string) => run([command, 'ZZ301', ...args], environment, input);
}
