import { Command, CommanderError } from 'commander';
import {
  type Configuration,
  ConfigurationError,
  readConfiguration,
} from '#schemas/configuration.ts';
import { printable, printableLines } from '#schemas/printable.ts';
import { connectionFault, rightsFault } from '#store/connection/connection.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { withoutNumbers } from '../telemetry/log.ts';
import { Failure } from './failure.ts';
import { exitNow, noteLostOutput } from './signals.ts';

const USAGE = 2;
const FAILED_ENDS_WITHIN_MS = 1_000;

type AddCommands = (program: Command, configuration: () => Configuration) => void;

/**
 * Every command, in the order of the help, with the code that loads it. Each declares itself in its own file;
 * only the file of the typed command is loaded, since loading all of them takes longer than most need to run.
 */
export const COMMANDS: readonly { names: readonly string[]; load: () => Promise<AddCommands> }[] = [
  { names: ['init'], load: async () => (await import('./init.ts')).addInitCommand },
  { names: ['serve'], load: async () => (await import('./serve.ts')).addServeCommand },
  { names: ['load'], load: async () => (await import('./load.ts')).addLoadCommand },
  { names: ['watch'], load: async () => (await import('./watch.ts')).addWatchCommand },
  { names: ['mesh'], load: async () => (await import('./mesh.ts')).addMeshCommands },
  { names: ['generate'], load: async () => (await import('./generate.ts')).addGenerateCommand },
  {
    names: ['made-up-pds'],
    load: async () => (await import('./made-up-pds.ts')).addMadeUpPdsCommand,
  },
  { names: ['validate'], load: async () => (await import('./validate.ts')).addValidateCommand },
  { names: ['release'], load: async () => (await import('./release.ts')).addReleaseCommand },
  { names: ['withdraw'], load: async () => (await import('./withdraw.ts')).addWithdrawCommand },
  { names: ['restrict'], load: async () => (await import('./restrict.ts')).addRestrictCommand },
  { names: ['purge'], load: async () => (await import('./purge.ts')).addPurgeCommand },
  { names: ['repair'], load: async () => (await import('./repair.ts')).addRepairCommand },
  { names: ['authority'], load: async () => (await import('./authority.ts')).addAuthorityCommands },
  { names: ['holdings'], load: async () => (await import('./holdings.ts')).addHoldingsCommand },
  { names: ['reconcile'], load: async () => (await import('./reconcile.ts')).addReconcileCommand },
  {
    names: ['notifications'],
    load: async () => (await import('./notifications.ts')).addNotificationsCommands,
  },
  {
    names: ['block', 'unblock', 'blocked'],
    load: async () => (await import('./block.ts')).addBlockCommands,
  },
  { names: ['confirm'], load: async () => (await import('./confirm.ts')).addConfirmCommands },
  { names: ['replicas'], load: async () => (await import('./replicas.ts')).addReplicasCommands },
  { names: ['status'], load: async () => (await import('./status.ts')).addStatusCommand },
  { names: ['audit'], load: async () => (await import('./audit.ts')).addAuditCommands },
];

const ENVIRONMENT = `
Settings come from the environment:
  DATA_DIR       the data folder (default .data)
  REDIS_URL      a Redis to use instead of the embedded one, with REDIS_PASSWORD_FILE
Every command has its own help: cp-flags load --help
`;

/**
 * The command line, with every command and option.
 *
 * @param typed the first word: if it is a command, only that one is declared
 */
export async function commandLine(
  environment: NodeJS.ProcessEnv,
  typed?: string,
): Promise<Command> {
  const configuration = () => readConfiguration(environment);
  const program = new Command('cp-flags')
    .description('Child protection flag lookup for unscheduled care.')
    .version(packageJson.version)
    .addHelpText('after', ENVIRONMENT)
    .configureOutput({
      // The wrong word is repeated, and may be a child's number.
      outputError: (text, write) =>
        write(printableLines(withoutNumbers(text.replace(/^error: /, 'cp-flags: ')))),
    })
    .exitOverride();

  const own = COMMANDS.filter(({ names }) => names.some((name) => name === typed));
  for (const { load } of own.length === 0 ? COMMANDS : own) (await load())(program, configuration);
  return program;
}

const DISK_FAULTS: ReadonlySet<unknown> = new Set([
  'EDQUOT',
  'EIO',
  'ENOSPC',
  'EROFS',
  'ERR_SQLITE_ERROR',
]);

/** Whether a disk, or another process that uses a file, ended something that may have begun. */
const isDiskFault = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && DISK_FAULTS.has(error.code);

/** What went wrong in a sentence, and the exit code. */
function told(error: unknown): { sentence?: string; exitCode: number } {
  // Commander has printed its own sentence, or the requested help.
  if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : USAGE };
  if (error instanceof Failure) return { sentence: error.message, exitCode: error.exitCode };
  const rights = rightsFault(error);
  if (rights !== undefined) return { sentence: rights, exitCode: 1 };
  const fault = connectionFault(error);
  if (fault !== undefined) {
    const sentence = `${fault} If something was to be changed, it may have been, or part of it. Check Redis and the network in between, and look with cp-flags status before you do it again.`;
    return { sentence, exitCode: 1 };
  }
  if (isDiskFault(error)) {
    const sentence = `A file could not be used (${error.message}). If something was to be changed, it may be on record, and done in part. Look at how things stand before you do it again.`;
    return { sentence, exitCode: 1 };
  }
  const sentence = error instanceof Error ? error.message : 'An unknown fault.';
  const wrongSetting = error instanceof ConfigurationError;
  return { sentence: wrongSetting ? `Wrong setting. ${sentence}` : sentence, exitCode: 1 };
}

/** Runs the typed command. An error becomes one sentence and an exit code. */
export async function runCommandLine(): Promise<void> {
  // Names of files, people and authorities come from outside, and a terminal obeys what it is sent.
  for (const write of ['log', 'error'] as const) {
    const plain = console[write].bind(console);
    console[write] = (text: string) => plain(printableLines(text));
  }

  noteLostOutput();
  try {
    const program = await commandLine(process.env, process.argv[2]);
    await program.parseAsync();
  } catch (error) {
    const { sentence, exitCode } = told(error);
    if (sentence !== undefined) console.error(`cp-flags: ${printable(sentence)}`);
    process.exitCode = exitCode;
    // A failure may have left something that Node still waits for, such as a hanging file call.
    setTimeout(() => exitNow(exitCode), FAILED_ENDS_WITHIN_MS).unref();
  }
}
