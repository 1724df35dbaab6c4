import { Command, CommanderError } from 'commander';
import { ConfigurationError, readConfiguration } from '#schemas/configuration.ts';
import { printable, printableLines } from '#schemas/printable.ts';
import { connectionFault, rightsFault } from '#store/connection/connection.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { withoutNumbers } from '../telemetry/log.ts';
import { addAuditCommands } from './audit.ts';
import {
  type AuthorityOptions,
  BREAKER_OPTIONS,
  type ExpectOptions,
  expectAuthorities,
  listAuthorities,
  removeAuthorityByMistake,
  resetAuthoritySequence,
  setAuthority,
} from './authority.ts';
import { type BlockOptions, block, blocked, unblock } from './block.ts';
import { confirmDataset, confirmOldDataFolder, confirmPromotedServer } from './confirm.ts';
import { Failure } from './failure.ts';
import { type HoldingsOptions, holdings } from './holdings.ts';
import { init } from './init.ts';
import { type LoadOptions, load } from './load.ts';
import type { Named } from './named.ts';
import {
  listNotifications,
  type NotificationsListOptions,
  type NotificationsResendOptions,
  resendNotifications,
} from './notifications.ts';
import { purgeRows } from './purge.ts';
import { type ReconcileOptions, reconcileFile } from './reconcile.ts';
import { type ReleaseOptions, release } from './release.ts';
import { type RepairOptions, repair } from './repair.ts';
import { serve } from './serve.ts';
import { settingsHelp } from './settings-help.ts';
import { noteLostOutput } from './signals.ts';
import { status } from './status.ts';
import { validate } from './validate.ts';
import { type WatchOptions, watch } from './watch.ts';
import type { GenerateCommandOptions } from './write-country.ts';

const USAGE = 2;

const LOAD_SETTINGS = [
  'TRACING',
  'TRACING_REGISTER_FILE',
  'ACK_ECHO',
  'MAX_UPLOAD_MIB',
  'REMOVALS_WARN_SHARE',
  'REMOVALS_STOP_SHARE',
  'REFUSED_WARN_SHARE',
  'REFUSED_STOP_SHARE',
  'ROWS_WARN_TIMES',
  'ADDITIONS_STOP_TIMES',
] as const;
const WATCH_SETTINGS = [
  'MESH_WORKFLOW_ID',
  'MESH_ACK_WORKFLOW_ID',
  'MESH_MAILBOX',
  'MESH_MAILBOXES_FILE',
  'INBOX_SETTLE_SECONDS',
  'INBOX_POLL_SECONDS',
  'INBOX_PAIR_WAIT_MINUTES',
  'INBOX_KEEP_DAYS',
  'INBOX_PARALLEL',
  ...LOAD_SETTINGS,
] as const;
const NOTIFICATION_SETTINGS = [
  'NOTIFICATIONS_WINDOW_MINUTES',
  'NOTIFICATIONS_KEEP_DAYS',
  'NOTIFICATIONS_OUTBOX',
  'NOTIFICATIONS_FILE',
  'MESH_MAILBOX',
  'MESH_NOTIFICATION_WORKFLOW_ID',
] as const;

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
      // What was wrongly used is repeated, and may be a child's number.
      outputError: (text, write) =>
        write(printableLines(withoutNumbers(text.replace(/^error: /, 'cp-flags: ')))),
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
A live dataset takes EXPECTED_AUTHORITIES_FILE: the authorities whose plans it is to hold, in JSON, and
what they stand for. kind is all (every council of the area) or pilot (only those listed, whom each negative
then names):
  { "area": "England", "kind": "all", "authorities": [{ "code": "V145", "name": "Example Borough Council" }] }
It is changed later with cp-flags authority expect.

The kind of a dataset never changes. Where no Redis is running, the embedded one is started for this
and stopped again.

Example:
  EXPECTED_AUTHORITIES_FILE=expected.json DATA_DIR=/var/lib/cp-flags cp-flags init --live
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
      () => `
${settingsHelp()}
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
      'write the acknowledgement: to PATH where it ends in .json, .csv, .xml or .txt, else into the folder PATH in every format that applies, as FILE.ack.json and so on',
    )
    .option('--authority <code>', 'CSV: ODS code of the authority')
    .option('--sequence <number>', "CSV: the file's sequence number")
    .option(
      '--created <time>',
      'CSV: when it was made, such as 27/11/2026 02:00 (London), ISO 8601 or YYYYMMDDHHMM',
    )
    .option('--rows <count>', 'CSV: how many rows it has, so that a file cut short is noticed')
    .option('--columns <file>', 'CSV: JSON, what it calls columns and plans')
    .option(
      '--full',
      'CSV: a full refresh, every plan that is to be held; what it leaves out is taken away. Takes --rows',
    )
    .option(
      '--dry-run',
      'tell what would become of each file, as +ADDED -REMOVED ~CHANGED; change nothing',
    )
    .addHelpText(
      'after',
      () => `
Files of several authorities are loaded side by side, those of one in the order given.

The first four CSV options may be left out where the file is named ODS-sequence-yyyymmddHHMM.csv or has a
FILE.json beside it with authority, sequence, createdAt, rowCount and full.

--columns takes the headings and plan names of a case system, so that its own export is loaded as it is; what
is not named keeps its name here, delete_date may be null, and linesAbove counts the lines of a title:
  { "columns": { "nhs_number": "NHS No", "delete_date": null }, "planTypes": { "CLA": "looked-after-child" } }
cp-flags authority set CODE --columns FILE keeps it for all ways in.

NHS numbers that are no longer in use make a notice for the authority, inactive-numbers-ODS-SEQUENCE in
JSON, CSV and XML: beside the acknowledgement, or in notices/ of the data folder.

${settingsHelp(LOAD_SETTINGS)}An authority may have settings of its own: cp-flags authority set. What waits: cp-flags release --list.

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
    .command('watch')
    .description('Load the uploads that come into a folder, until it is stopped (Ctrl-C).')
    .argument('<dir>', 'the inbox: where a MESH client or a person puts files')
    .option('--out <dir>', 'where acknowledgements go (default: the folder outbox in the inbox)')
    .addHelpText(
      'after',
      () => `
Takes .xml, .csv and .gz files, with an optional FILE.json, and the .dat/.ctl pairs of a MESH client.
Authorities are never added by an inbox: use cp-flags load or cp-flags authority set.

${settingsHelp(WATCH_SETTINGS)}
Examples:
  cp-flags watch /var/lib/cp-flags/inbox
  MESH_WORKFLOW_ID=YOUR_WORKFLOW MESH_MAILBOXES_FILE=mailboxes.json cp-flags watch /mesh/IN --out /mesh/OUT
`,
    )
    .action((dir: string, options: WatchOptions) => watch(configuration(), dir, options));

  program
    .command('generate')
    .description('Write a synthetic England: made-up uploads to try, test and measure with.')
    .requiredOption('--out <folder>', 'where to, a new or empty folder')
    .option('--seed <number>', 'the same seed and options write the same bytes', '1')
    .option('--authorities <count>', 'local authorities', '153')
    .option('--plans <count>', 'plans in their first files together', '230000')
    .option('--format <format>', 'xml, csv, or both: every other authority sends XML', 'both')
    .option('--bad-rate <share>', 'share of records spoilt on purpose, each in one way', '0')
    .option(
      '--date <day>',
      'day of the newest files, such as 27/11/2026 or 2026-11-27 (default: today in London)',
    )
    .option('--deltas <days>', 'days of changes after the first files', '0')
    .option('--changes <share>', 'share of the records that a day changes', '0.01')
    .option('--numbers <range>', 'test: 999 numbers; wide: others that begin with 9', 'test')
    .option('--register', 'also write register.csv, to trace these people in')
    .addHelpText(
      'after',
      `
Everything is made up, names too, which are there to be dropped. Files lie in a folder for each day, to be
loaded in that order, and need no options. manifest.json lists every spoilt record with the code and field
that the acknowledgement must name. In register.csv, for TRACING_REGISTER_FILE, the same share of people is
superseded, inactive, unknown, sensitive or somebody else; the manifest lists those records too.

The range kept for tests has 899,901 numbers. --numbers wide is for load tests beyond that, and never for
a store that real lookups are made in.

Examples:
  cp-flags generate --out england
  cp-flags generate --out small --authorities 3 --plans 600 --deltas 7 --bad-rate 0.02
  cp-flags generate --out large --plans 5000000 --numbers wide --format csv
  cp-flags load --ack acks/ england/*/*.xml
`,
    )
    .action(async (options: GenerateCommandOptions) => {
      const { generate } = await import('./write-country.ts');
      generate(options);
    });

  const describesCsv = (command: Command): Command =>
    command
      .option('--authority <code>', 'CSV: ODS code of the authority')
      .option('--sequence <number>', "CSV: the file's sequence number")
      .option(
        '--created <time>',
        'CSV: when it was made, such as 27/11/2026 02:00 (London), ISO 8601 or YYYYMMDDHHMM',
      )
      .option('--rows <count>', 'CSV: how many rows it has')
      .option('--columns <file>', 'CSV: JSON, what it calls columns and plans')
      .option('--full', 'CSV: a full refresh');
  describesCsv(
    program
      .command('validate')
      .description('Check an upload file by itself. Needs neither Redis nor a network.')
      .argument('<file>', 'Spine XML or CSV, also gzipped'),
  )
    .addHelpText(
      'after',
      `
Says what loading it would say, but for what depends on what is held, and on tracing. Exit code as for
cp-flags load.

Example:
  cp-flags validate upload-V145-412.xml
`,
    )
    .action(async (file: string, options: Omit<LoadOptions, 'ack' | 'dryRun'>) => {
      process.exitCode = await validate(configuration(), file, options);
    });

  program
    .command('release')
    .description('Let through, or discard, what of a file waits because it is too unusual.')
    .argument(
      '[file]',
      "the authority's code and the file's number, V145-412, or the id of the hold",
    )
    .option('--list', 'what waits, and why')
    .option('--discard', 'give it up: it is not done')
    .option('--by <name>', 'who decides; goes into the audit')
    .option('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
What is let through is decided on again, against what is held by now. What nobody decides on is discarded
after HELD_DAYS (30), by a process with role all or worker.

Exit code: 0 all of the file is in, 3 but for refused records, 4 nothing of it.

Examples:
  cp-flags release --list
  cp-flags release V145-412 --by "A. Example" --reason "confirmed by telephone: a service has moved"
  cp-flags release V145-412 --discard --by "A. Example" --reason "exported by mistake"
`,
    )
    .action(async (file: string | undefined, options: ReleaseOptions) => {
      process.exitCode = await release(configuration(), file, options);
    });

  program
    .command('purge')
    .description('Remove the rows that can never be shown again. The service does so daily.')
    .option('--dry-run', 'count them; change nothing')
    .addHelpText(
      'after',
      `
Ended, deleted or 18 so long ago that they are hidden for good, and from a file that was loaded more than
90 days ago: files of its number and lower are not taken any more, so that a late one cannot bring them back.

Example:
  cp-flags purge --dry-run
`,
    )
    .action((options: { dryRun?: boolean }) => purgeRows(configuration(), options));

  program
    .command('repair')
    .description('Put right what somebody with the password of a lookup process has damaged.')
    .option('--list', 'what is damaged; change nothing')
    .option('--by <name>', 'who does it; goes into the audit')
    .option('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
Audit streams whose numbers were pushed on: their entries get the numbers that they would have had, and none
is lost. Lists of those who looked that cannot be read: new ones begin, and the audit has who looked. Entries
that are no events: they stay in the log as they were, and the alarm ends. It needs the rights of Redis's
administrator. Change the password first.

Examples:
  cp-flags repair --list
  cp-flags repair --by "A. Example" --reason "password of a lookup process was taken, incident 1234"
`,
    )
    .action((options: RepairOptions) => repair(configuration(), options));

  const authority = program.command('authority').description('Authorities known here.');
  const set = authority
    .command('set')
    .description('Add an authority, or change its name, numbers and settings.')
    .argument('<code>', 'its ODS code')
    .option('--name <text>', 'its name, as clinicians read it')
    .option('--office <number>', "children's social care in office hours")
    .option('--emergency <number>', 'emergency duty team, out of hours')
    .option(
      '--columns <file>',
      'JSON: what its CSVs call columns and plans, by whichever way they come; or default',
    );
  for (const { flag } of BREAKER_OPTIONS) {
    set.option(`${flag} <number>`, 'its own, as for cp-flags load; default: as configured');
  }
  set
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
  authority
    .command('list')
    .description('Those known and expected: name, numbers, how fresh their data is.')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `
Example:
  cp-flags authority list
`,
    )
    .action((options: { json?: boolean }) => listAuthorities(configuration(), options));
  authority
    .command('reset-sequence')
    .description('Let the files of an authority be numbered anew, as by a new case system.')
    .argument('<code>', 'its ODS code')
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
Files made before the newest one loaded so far are refused from then on.

Example:
  cp-flags authority reset-sequence V145 --by "A. Example" --reason "new case system since Monday"
`,
    )
    .action((code: string, options: { by: string; reason: string }) =>
      resetAuthoritySequence(configuration(), code, options),
    );

  authority
    .command('expect')
    .description('Set which authorities are to send their plans, in the place of those before.')
    .requiredOption('--file <path>', 'JSON, as for cp-flags init')
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
For a council that joins, leaves or merges with another. One that is expected and never loaded is not up to
date. Plans that are held stay shown, whether their authority is expected or not. Lookups count by the new
list within a second.

Example:
  cp-flags authority expect --file expected.json --by "A. Example" --reason "V146 joins the pilot"
`,
    )
    .action((options: ExpectOptions) => expectAuthorities(configuration(), options));

  authority
    .command('remove')
    .description(
      'Take an authority off the directory that was entered by mistake and loaded nothing.',
    )
    .argument('<code>', 'its ODS code')
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
Example:
  cp-flags authority remove V415 --by "A. Example" --reason "mistyped, meant V145"
`,
    )
    .action((code: string, options: { by: string; reason: string }) =>
      removeAuthorityByMistake(configuration(), code, options),
    );

  program
    .command('holdings')
    .description('Write all that is held for one authority, to compare its case system with.')
    .argument('<code>', 'its ODS code')
    .option('--csv', 'with the columns of an upload')
    .option('--json', 'for programs (default)')
    .option('--out <path>', 'to a file that only its owner can read, in place of standard output')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
Every plan that is held, ended and deleted ones too, with NHS numbers: for the authority alone. Who reads
it is audited. An authority reads its own with GET /holdings.

Example:
  cp-flags holdings V145 --csv --out V145-holdings.csv --reason "asked for by V145, ticket 1234"
`,
    )
    .action((code: string, options: HoldingsOptions) => holdings(configuration(), code, options));

  program
    .command('reconcile')
    .description(
      "Compare a case system's extract with what is held, plan by plan. Changes nothing.",
    )
    .argument('<code>', "the authority's ODS code")
    .argument(
      '<file>',
      'every plan the case system has, in the form of an upload: Spine XML or CSV',
    )
    .option('--columns <file>', 'CSV: JSON, what it calls columns and plans')
    .option('--csv', 'for a spreadsheet, in place of text')
    .option('--json', 'for programs')
    .option('--out <path>', 'to a file that only its owner can read, in place of standard output')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
Says of each plan whether it is the same, differs (and in what), is only here or only there. The file needs
no number, time of creation or names. What is printed has NHS numbers: it is for the authority alone. Who
compares is audited. An authority does the same by itself with POST /reconcile.

Exit code: 0 all is the same, 3 something is not, 4 the file cannot be read, 1 the comparison failed.

Example:
  cp-flags reconcile V145 extract.csv --csv --out differences.csv --reason "asked for by V145, ticket 1234"
`,
    )
    .action(async (code: string, file: string, options: ReconcileOptions) => {
      process.exitCode = await reconcileFile(configuration(), code, file, options);
    });

  const notifications = program
    .command('notifications')
    .description('What authorities are told of accesses to their children.')
    .addHelpText(
      'after',
      () => `
An authority reads its own with GET /notifications; where there is an outbox, they are files as well.

${settingsHelp(NOTIFICATION_SETTINGS)}`,
    );
  notifications
    .command('list')
    .description('A line an authority: its last notification, how many are kept and since which.')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `
Example:
  cp-flags notifications list
`,
    )
    .action((options: NotificationsListOptions) => listNotifications(configuration(), options));
  notifications
    .command('resend')
    .description('Write notifications of an authority into the outbox once more.')
    .argument('<code>', 'its ODS code')
    .option('--after <id>', 'only those after this one (default: all that are kept)')
    .requiredOption('--by <name>', 'who decides it; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
They keep their ids, so that whoever has them already can tell. The worker writes them within seconds.

Example:
  cp-flags notifications resend V145 --after 000001204331.0000 --by "A. Example" --reason "lost in their system"
`,
    )
    .action((code: string, options: NotificationsResendOptions) =>
      resendNotifications(configuration(), code, options),
    );

  program
    .command('block')
    .description('Stop a user: no token of theirs counts any more, within seconds.')
    .argument('<user>', 'the user id, as the audit has it')
    .requiredOption('--issuer <issuer>', 'whose user it is')
    .requiredOption('--by <name>', 'who decides it; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
A blocked user is refused with words that send the patient's check to somebody else. Enumeration alerts
never block anybody by themselves. Whoever is blocked: cp-flags blocked. Undone: cp-flags unblock.

Example:
  cp-flags block 555021935107 --issuer https://id.example --by "C. Guardian" --reason "Card reported stolen"
`,
    )
    .action((user: string, options: BlockOptions) => block(configuration(), user, options));

  program
    .command('unblock')
    .description('Let a blocked user in again.')
    .argument('<user>', 'the user id')
    .requiredOption('--issuer <issuer>', 'whose user it is')
    .requiredOption('--by <name>', 'who decides it; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
Example:
  cp-flags unblock 555021935107 --issuer https://id.example --by "C. Guardian" --reason "New card"
`,
    )
    .action((user: string, options: BlockOptions) => unblock(configuration(), user, options));

  program
    .command('blocked')
    .description('Who is blocked, since when, by whom and why.')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `
Example:
  cp-flags blocked
`,
    )
    .action((options: { json?: boolean }) => blocked(configuration(), options));

  const confirm = program
    .command('confirm')
    .description(
      'Go on, by the word of a named person, where the store stays closed for good reason.',
    );
  const named = (command: Command): Command =>
    command
      .requiredOption('--by <name>', 'who decides it; goes into the audit')
      .requiredOption('--reason <text>', 'why; goes into the audit');
  named(
    confirm
      .command('promotion')
      .description('A replica was promoted, and the server before it is lost.'),
  )
    .addHelpText(
      'after',
      `
A replica may lack the last answers that were given. First try to have the former primary again: set REDIS_URL
to it. This prints from when on events may be missing, and how many of those that are known are.

Example:
  cp-flags confirm promotion --by "A. Example" --reason "the primary's disk is lost, ticket 1234"
`,
    )
    .action((options: Named) => confirmPromotedServer(configuration(), options));
  named(
    confirm
      .command('old-copy')
      .description(
        'A live data folder was last alive over 24 hours ago, and there is no newer one.',
      ),
  )
    .addHelpText(
      'after',
      `
Example:
  cp-flags confirm old-copy --by "A. Example" --reason "the service was off for the move, nothing was loaded"
`,
    )
    .action((options: Named) => confirmOldDataFolder(configuration(), options));
  named(
    confirm
      .command('dataset')
      .description('A lookup process is to serve another dataset from the same data folder.')
      .argument('<id>', 'the dataset, as cp-flags status prints it'),
  )
    .addHelpText(
      'after',
      `
With the settings of the lookup process, which must not run.

Example:
  cp-flags confirm dataset 3f0c8a52-7c1e-4a0c-9a53-0e6f6c1d2b11 --by "A. Example" --reason "moved from the pilot"
`,
    )
    .action((id: string, options: Named) => confirmDataset(configuration(), id, options));

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

  addAuditCommands(program, configuration);
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
    const sentence = `${fault} Look at Redis and the network in between, then see with cp-flags status what was done.`;
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
