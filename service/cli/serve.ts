import { relative } from 'node:path';
import type { Command } from 'commander';
import type { Configuration } from '#schemas/configuration.ts';
import { SAMPLE_NUMBERS, SAMPLE_REHEARSALS } from '#schemas/sample.ts';
import { type Service, startService } from '../main.ts';
import type { Demo } from '../start/demo.ts';
import { StoppedStandingBy } from '../start/one-worker.ts';
import { createLog } from '../telemetry/create-log.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import { misused } from './failure.ts';
import { settingsHelp } from './settings-help.ts';
import { exitNow, whenToldToStop } from './signals.ts';

const FORCED_EXIT = 130;
/** For the last lines of the log. */
const EXITS_WITHIN_MS = 1_000;

/** A path quoted for a POSIX shell. */
const quoted = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;

function welcome(baseUrl: string, demoPath: string): string {
  const near = relative(process.cwd(), demoPath);
  const path = near.startsWith('..') ? demoPath : near;
  const parse = (file: string) => `JSON.parse(require("fs").readFileSync(${file}, "utf8"))`;
  const [first] = SAMPLE_NUMBERS;
  return `
cp-flags: child protection flag lookup, a demo with made-up children.

  ${baseUrl}

Open that address in a browser to look a child up as a nurse does. To look one up as a system
does, paste this into another terminal in this folder:

  DEMO=${quoted(path)}
  curl -s ${baseUrl}/lookup \\
    -H "Authorization: Bearer $(node -p '${parse('process.argv[1]')}.tokens.emergencyDepartment' "$DEMO")" \\
    -H "X-Request-ID: $(node -p 'crypto.randomUUID()')" \\
    -H 'Content-Type: application/json' \\
    -d '{"nhsNumber":"${first?.nhsNumber}"}' |
    node -p 'JSON.stringify(${parse('0')}, null, 2)'

Numbers to look up:

${[...SAMPLE_NUMBERS, ...SAMPLE_REHEARSALS].map(({ nhsNumber, dateOfBirth, shows }) => `  ${nhsNumber}  born ${dateOfBirth}  ${shows}`).join('\n')}

The API is described at ${baseUrl}/docs. Tokens for other people are in ${path}.
Ctrl-C stops everything, and so does this command: kill ${process.pid}. The data stays.
`;
}

/** Stops on the first signal, at once on the second, and on an internal fault. Resolves with the exit code. */
function untilStopped(
  starting: Promise<Service>,
  beforeStop: () => void,
  log: Log,
): Promise<number> {
  return new Promise((resolve) => {
    let stopping = false;
    let started: Service | undefined;
    const end = (exitCode: number): void => {
      resolve(exitCode);
      // Nothing more is waited for, such as a silent collector.
      setTimeout(() => exitNow(exitCode), EXITS_WITHIN_MS).unref();
    };
    const stop = (exitCode: number): void => {
      stopping = true;
      beforeStop();
      // A start under way may finish, so that what it began can end in order.
      starting
        .then((service) => service.stop())
        .then(
          () => end(exitCode),
          // The start failed, which its caller reports; or the stop did.
          (error: unknown) => {
            if (error instanceof StoppedStandingBy) return end(exitCode);
            log.error('The service could not be stopped in order.', errorFields(error));
            end(1);
          },
        );
    };
    async function follow(): Promise<void> {
      started = await starting;
      await started.replaced;
      // A supervisor starts it again, and it stands by.
      if (!stopping) stop(1);
    }
    follow().catch(() => undefined);
    whenToldToStop(
      () => {
        if (!stopping) stop(0);
      },
      () => {
        started?.abandon();
        exitNow(FORCED_EXIT);
      },
    );
    // Node would print the whole error, and with it perhaps the arguments of a Redis command.
    process.on('uncaughtException', (error) => {
      log.error('There was a fault inside the service.', errorFields(error));
      if (!stopping) stop(1);
    });
  });
}

/** `cp-flags serve`: runs until it is told to stop. */
export async function serve(
  configuration: Configuration,
  options: { demo?: boolean },
): Promise<number> {
  if (options.demo === true && configuration.ROLE !== 'all') {
    throw misused(
      `--demo fills the store and answers from it, which ROLE=${configuration.ROLE} cannot do: start it with ROLE=all.`,
    );
  }
  const log = createLog(configuration.LOG_LEVEL ?? (options.demo === true ? 'warn' : 'info'));
  let demo: Demo | undefined;
  if (options.demo === true) {
    // With the code that makes people up, which no other start uses.
    const { createDemo } = await import('../start/demo.ts');
    demo = createDemo(configuration, log);
  }
  const told = new AbortController();
  const starting = startService(configuration, {
    log,
    stopped: told.signal,
    ...(demo !== undefined && { prepare: demo.prepare }),
  });
  const beforeStop = (): void => {
    told.abort();
    demo?.stop();
  };
  const stopped = untilStopped(starting, beforeStop, log);
  const served = await starting.catch((error: unknown) => {
    if (error instanceof StoppedStandingBy) return undefined;
    throw error;
  });
  if (served === undefined) return stopped;
  const { baseUrl } = served;
  if (demo === undefined) console.log(`cp-flags answers on ${baseUrl}`);
  else console.log(welcome(baseUrl, await demo.publish(baseUrl)));
  return stopped;
}

export function addServeCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('serve')
    .description('Run the service until stopped (Ctrl-C).')
    .option('--demo', 'with a made-up sample and tokens to try it with, made at the first start')
    .addHelpText(
      'after',
      () => `
${settingsHelp()}
Examples:
  cp-flags serve --demo
  DATA_DIR=/var/lib/cp-flags ISSUERS_FILE=issuers.json ORGANISATIONS_FILE=organisations.json \\
    MINIMUM_COVERAGE=0.95 MINIMUM_COVERAGE_ACCEPTED_BY="A. Example, Clinical Safety Officer" \\
    TRACING=register TRACING_REGISTER_FILE=register.csv cp-flags serve
`,
    )
    .action(async (options: { demo?: boolean }) => {
      process.exitCode = await serve(configuration(), options);
    });
}
