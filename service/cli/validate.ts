import { basename } from 'node:path';
import type { Command } from 'commander';
import { acknowledgementText } from '#loaders/answers/acknowledgement-text.ts';
import { validateFile } from '#loaders/load/validate.ts';
import type { Configuration } from '#schemas/configuration.ts';
import {
  columnsOf,
  exitCodeOf,
  type LoadOptions,
  metadataOf,
  requireReadable,
  withCsvOptions,
} from './load.ts';

/**
 * `cp-flags validate`: checks a file by itself, with neither Redis nor a network.
 *
 * @returns the exit code that loading it would have, as far as known
 */
async function validate(
  { MAX_UPLOAD_MIB }: Configuration,
  path: string,
  options: Omit<LoadOptions, 'ack' | 'dryRun'>,
): Promise<number> {
  await requireReadable([path]);
  const acknowledgement = await validateFile(
    { path, name: basename(path) },
    {
      metadata: metadataOf(options),
      columns: await columnsOf(options),
      maxBytes: MAX_UPLOAD_MIB * 1_048_576,
    },
  );
  console.log(
    'Checked on its own; nothing was loaded. Faults that depend on what is held are not known.',
  );
  console.log(acknowledgementText(acknowledgement, 'checked'));
  return exitCodeOf(acknowledgement);
}

export function addValidateCommand(program: Command, configuration: () => Configuration): void {
  withCsvOptions(
    program
      .command('validate')
      .description('Check an upload file on its own. Needs neither Redis nor a network.')
      .argument('<file>', 'Spine XML or CSV, also gzipped'),
  )
    .addHelpText(
      'after',
      `
It reports what loading would report, except for what depends on plans already held or on tracing. The exit codes
are those of cp-flags load.

Example:
  cp-flags validate upload-V145-412.xml
`,
    )
    .action(async (file: string, options: Omit<LoadOptions, 'ack' | 'dryRun'>) => {
      process.exitCode = await validate(configuration(), file, options);
    });
}
