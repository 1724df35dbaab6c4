import { Command, CommanderError } from 'commander';
import { ConfigurationError, readConfiguration } from '#schemas/configuration.ts';
import { printable, printableLines } from '#schemas/printable.ts';
import { connectionFault, rightsFault } from '#store/connection/connection.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { withoutNumbers } from '../telemetry/log.ts';
import { addAuditCommands } from './audit.ts';
import { addAuthorityCommands } from './authority.ts';
import { addBlockCommands } from './block.ts';
import { addConfirmCommands } from './confirm.ts';
import { Failure } from './failure.ts';
import { addGenerateCommand } from './generate.ts';
import { addHoldingsCommand } from './holdings.ts';
import { addInitCommand } from './init.ts';
import { addLoadCommand } from './load.ts';
import { addMadeUpPdsCommand } from './made-up-pds.ts';
import { addMeshCommands } from './mesh.ts';
import { addNotificationsCommands } from './notifications.ts';
import { addPurgeCommand } from './purge.ts';
import { addReconcileCommand } from './reconcile.ts';
import { addReleaseCommand } from './release.ts';
import { addRepairCommand } from './repair.ts';
import { addReplicasCommands } from './replicas.ts';
import { addServeCommand } from './serve.ts';
import { noteLostOutput } from './signals.ts';
import { addStatusCommand } from './status.ts';
import { addValidateCommand } from './validate.ts';
import { addWatchCommand } from './watch.ts';

const USAGE = 2;

/** Every command, in the order of the help. Each declares itself, in the file of its work. */
const COMMANDS = [
  addInitCommand,
  addServeCommand,
  addLoadCommand,
  addWatchCommand,
  addMeshCommands,
  addGenerateCommand,
  addMadeUpPdsCommand,
  addValidateCommand,
  addReleaseCommand,
  addPurgeCommand,
  addRepairCommand,
  addAuthorityCommands,
  addHoldingsCommand,
  addReconcileCommand,
  addNotificationsCommands,
  addBlockCommands,
  addConfirmCommands,
  addReplicasCommands,
  addStatusCommand,
  addAuditCommands,
];

const ENVIRONMENT = `
Settings come from the environment:
  DATA_DIR       the data folder (default .data)
  REDIS_URL      a Redis to use instead of the embedded one, with REDIS_PASSWORD_FILE
Every command has its own help: cp-flags load --help
`;

/** The command line, with every command and option that it has. */
export function commandLine(environment: NodeJS.ProcessEnv): Command {
  const configuration = () => readConfiguration(environment);
  const program = new Command('cp-flags')
    .description('Child protection flag lookup for unscheduled care.')
    .version(packageJson.version)
    .addHelpText('after', ENVIRONMENT)
    .configureOutput({
      // What was wrongly used is repeated, and may be a child's number.
      outputError: (text, write) =>
        write(printableLines(withoutNumbers(text.replace(/^error: /, 'cp-flags: ')))),
    })
    .exitOverride();

  for (const add of COMMANDS) add(program, configuration);
  return program;
}

/** What went wrong in a sentence, and the exit code. */
function told(error: unknown): { sentence?: string; exitCode: number } {
  // Commander has printed its own sentence, or the help that was asked for.
  if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : USAGE };
  if (error instanceof Failure) return { sentence: error.message, exitCode: error.exitCode };
  const rights = rightsFault(error);
  if (rights !== undefined) return { sentence: rights, exitCode: 1 };
  const fault = connectionFault(error);
  if (fault !== undefined) {
    const sentence = `${fault} Check Redis and the network in between, then see with cp-flags status what was done.`;
    return { sentence, exitCode: 1 };
  }
  const sentence = error instanceof Error ? error.message : 'An unknown fault.';
  const wrongSetting = error instanceof ConfigurationError;
  return { sentence: wrongSetting ? `Wrong setting. ${sentence}` : sentence, exitCode: 1 };
}

// Names of files, people and authorities are from outside, and a terminal obeys what it is sent.
for (const write of ['log', 'error'] as const) {
  const plain = console[write].bind(console);
  console[write] = (text: string) => plain(printableLines(text));
}

noteLostOutput();
try {
  await commandLine(process.env).parseAsync();
} catch (error) {
  const { sentence, exitCode } = told(error);
  if (sentence !== undefined) console.error(`cp-flags: ${printable(sentence)}`);
  process.exitCode = exitCode;
}
