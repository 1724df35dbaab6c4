import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { commandsInTurn } from './commands.ts';
import { startServing } from './processes.ts';
import { testFolder } from './service.ts';
import { fileXml, person, planOf, upload } from './upload-model.ts';

/** A demo that runs until the tests in a file are over, with commands beside it and a folder for their files. */
export function commandsBesideDemo() {
  const run = commandsInTurn();
  const demo = { files: '', environment: {} as Record<string, string>, run };
  let service: Awaited<ReturnType<typeof startServing>>;
  beforeAll(async () => {
    demo.files = await testFolder();
    demo.environment = { DATA_DIR: join(demo.files, 'data'), LOG_LEVEL: 'warn' };
    expect((await run(['init', '--demo'], demo.environment)).stderr).toBe('');
    service = await startServing([], demo.environment);
  });
  afterAll(async () => {
    await service?.stop();
    await rm(demo.files, { recursive: true, force: true, maxRetries: 5 });
  });
  return demo;
}

/**
 * Runs a command for a council with one plan for child 1, and two of different types that began on one day for child 3,
 * a service, until the tests in the file are over.
 */
export function councilCommand(command: string) {
  const demo = commandsBesideDemo();
  beforeAll(async () => {
    const path = join(demo.files, 'one.xml');
    const plans = [planOf(3), planOf(3, { type: 'looked-after-child' })].flatMap(
      (record) => record.plans,
    );
    const records = [planOf(1), { child: person(3), plans }];
    await writeFile(path, fileXml(upload({ authority: 'ZZ301', sequence: 1, records })));
    await demo.run(['load', path], demo.environment);
  });
  const runCommand = (args: string[], input?: string) =>
    demo.run([command, 'ZZ301', ...args], demo.environment, input);
  /** Runs another command of the same service. */
  const other = (args: string[]) => demo.run(args, demo.environment);
  return Object.assign(runCommand, { other });
}
