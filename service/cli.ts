#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ConfigurationError, readConfiguration } from '#schemas/configuration.ts';
import packageJson from '../package.json' with { type: 'json' };
import { type AuthorityOptions, setAuthority } from './cli/authority.ts';
import { Failure } from './cli/failure.ts';
import { init } from './cli/init.ts';
import { type LoadOptions, load } from './cli/load.ts';
import { serve } from './cli/serve.ts';
import { status } from './cli/status.ts';

const USAGE = 2;

const ENVIRONMENT = `
Settings come from the environment:
  DATA_DIR       the data folder (default .data)
  REDIS_URL      a Redis to use instead of the embedded one, with REDIS_PASSWORD_FILE
Every command has its own help: cp-flags load --help
`;

/** The command line. Each command's work is in a file of its own in `cli/`. */
function commandLine(environment: NodeJS.ProcessEnv): Command {
  const configuration = () => readConfiguration(environment);
  const program = new Command('cp-flags')
    .description('Child protection flag lookup for unscheduled care.')
    .version(packageJson.version)
    .addHelpText('after', ENVIRONMENT)
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'cp-flags: ')),
    })
    .exitOverride();

  program
    .command('init')
    .description('Create the dataset, once and for all, in an empty store.')
    .option('--live', 'for real children: tokens of configured issuers only')
    .option('--demo', 'for made-up children: demo tokens are accepted')
    .option('--unless-there', 'succeed where this very dataset exists already, for start scripts')
    .addHelpText(
      'after',
      `
The kind of a dataset never changes. Where no Redis is running, the embedded one is started for this
and stopped again.

Example:
  DATA_DIR=/var/lib/cp-flags cp-flags init --live
`,
    )
    .action((options: { live?: boolean; demo?: boolean; unlessThere?: boolean }) =>
      init(configuration(), options),
    );

  program
    .command('serve')
    .description('Run the service until it is stopped (Ctrl-C).')
    .option('--demo', 'with a synthetic sample and tokens to try it with, made at the first start')
    .addHelpText(
      'after',
      `
Settings (environment):
  HOST, PORT           where to listen (127.0.0.1, 8080)
  PUBLIC_URL           the address by which clients reach it, for links in FHIR answers
  ROLE                 all, lookup or worker (all)
  ISSUERS_FILE         JSON: trusted token issuers; required for a live dataset
  ORGANISATIONS_FILE   JSON: care settings by ODS code; required for a live dataset
  UP_TO_DATE_HOURS     how long what an authority sent counts as up to date (72)
  MINIMUM_COVERAGE     share of authorities up to date below which a negative is not given (0.5)
  LOG_LEVEL            debug, info, warn, error or silent; the log goes to stderr (info;
                       with --demo warn)

Examples:
  cp-flags serve --demo
  ISSUERS_FILE=issuers.json ORGANISATIONS_FILE=organisations.json cp-flags serve
`,
    )
    .action(async (options: { demo?: boolean }) => {
      process.exitCode = await serve(configuration(), options);
    });

  program
    .command('load')
    .description('Load upload files of local authorities: Spine XML or CSV, also gzipped.')
    .argument('<file...>', 'files, loaded in this order')
    .option(
      '--ack <path>',
      'write the acknowledgement as JSON: to PATH, or where PATH is a folder or several files are loaded, to PATH/FILE.ack.json',
    )
    .option('--authority <code>', 'CSV: ODS code of the authority')
    .option('--sequence <number>', "CSV: the file's sequence number")
    .option('--created <time>', 'CSV: when it was made, ISO 8601 or YYYYMMDDHHMM (London)')
    .option('--rows <count>', 'CSV: how many rows it has, so that a file cut short is noticed')
    .addHelpText(
      'after',
      `
The four CSV options may be left out where the file is named ODS-sequence-yyyymmddHHMM.csv or has a
FILE.json beside it with authority, sequence, createdAt and rowCount.

A new authority is added by its first XML file; one that sends CSV is added with
cp-flags authority set, since a CSV has no telephone numbers.

Exit code: 0 everything loaded (CPF02), 3 some records refused (CPF03), 4 nothing loaded of a file
(CPF01, CPF04 and others), 1 the load could not be made, 2 wrong usage. Of several files the highest
of 0, 3 and 4.

Examples:
  cp-flags load upload-V145-412.xml
  cp-flags load --ack acknowledgements/ *.csv
  cp-flags load --authority V145 --sequence 413 --created 2026-11-24T02:00:00Z --rows 18 tonight.csv
`,
    )
    .action(async (files: string[], options: LoadOptions) => {
      process.exitCode = await load(configuration(), files, options);
    });

  program
    .command('authority')
    .description('Authorities known here.')
    .command('set')
    .description('Add an authority, or change its name and telephone numbers.')
    .argument('<code>', 'its ODS code')
    .option('--name <text>', 'its name, as clinicians read it')
    .option('--office <number>', "children's social care in office hours")
    .option('--emergency <number>', 'emergency duty team, out of hours')
    .addHelpText(
      'after',
      `
A new authority takes at least --name and --emergency. What is not given stays as it is.

Example:
  cp-flags authority set V145 --name "Example Borough Council" --office 02079460100 --emergency 02079460199
`,
    )
    .action((code: string, options: AuthorityOptions) =>
      setAuthority(configuration(), code, options),
    );

  program
    .command('status')
    .description('Is the store trusted, and how fresh is what each authority sent.')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `
Exit code: 0 lookups are answered, 1 they are not (and why is printed).

Example:
  cp-flags status
`,
    )
    .action(async (options: { json?: boolean }) => {
      process.exitCode = (await status(configuration(), options)) ? 0 : 1;
    });

  return program;
}

/** What went wrong in a sentence, and the exit code. */
function told(error: unknown): { sentence?: string; exitCode: number } {
  // Commander has printed its own sentence, or the help that was asked for.
  if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : USAGE };
  if (error instanceof Failure) return { sentence: error.message, exitCode: error.exitCode };
  const sentence = error instanceof Error ? error.message : 'An unknown fault.';
  const wrongSetting = error instanceof ConfigurationError;
  return { sentence: wrongSetting ? `Wrong setting. ${sentence}` : sentence, exitCode: 1 };
}

try {
  await commandLine(process.env).parseAsync();
} catch (error) {
  const { sentence, exitCode } = told(error);
  if (sentence !== undefined) console.error(`cp-flags: ${sentence}`);
  process.exitCode = exitCode;
}
