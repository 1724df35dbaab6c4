import type { Command } from 'commander';
import type { Configuration } from '#schemas/configuration.ts';
import { MESH } from '#schemas/wording/mesh.ts';
import { sortableTimeText, zonedTimeText } from '#schemas/wording/times.ts';
import { meshFolder } from '../files/data-folder.ts';
import { decideMessage } from '../mesh/decide-message.ts';
import { startMesh } from '../mesh/mesh.ts';
import { localIdOf, MeshFile, type Sent, titleOf } from '../mesh/mesh-file.ts';
import { MAILBOX_SETTINGS, mailboxSettings } from '../mesh/mesh-settings.ts';
import { meshStatus } from '../mesh/mesh-status.ts';
import { createLog } from '../telemetry/create-log.ts';
import { INBOX_SETTINGS, inboxIntake } from '../uploads/inbox.ts';
import { LOAD_SETTINGS, loadSettings } from '../uploads/load-settings.ts';
import { openNumberTracer } from '../uploads/number-tracing.ts';
import { Failure, misused } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { printMeshStatus } from './print-mesh-status.ts';
import { settingsHelp } from './settings-help.ts';
import { withNewestStore } from './store.ts';
import { datasetKind, intakeLease, untilStopped } from './watch.ts';

type ListOptions = { json?: boolean; all?: boolean };

/** `cp-flags mesh`: works on the mailbox until it is told to stop. */
async function mesh(configuration: Configuration): Promise<void> {
  const kind = datasetKind(configuration);
  const settings = await mailboxSettings(configuration, kind);
  if (settings === undefined) {
    throw misused(
      'Set MESH_URL to where the mailbox is, and what goes with it: cp-flags mesh --help.',
    );
  }
  // Printed at once, and not in the log of a process that nobody watches.
  await settings.connection();
  const log = createLog(configuration.LOG_LEVEL ?? 'info');
  const lease = intakeLease(configuration);
  const loads = loadSettings(configuration, await openNumberTracer(configuration, kind));
  const running = startMesh({
    settings,
    intake: inboxIntake(configuration, { using: lease.use, loads, log }),
    leases: {
      takeMailbox: (mailbox) => lease.use(({ store }) => store.takeMailbox(mailbox)),
      keepMailbox: (mailbox, held, keep) =>
        lease.use(({ store }) => store.keepMailbox(mailbox, held, keep)),
      safeguard: () => lease.use(({ store }) => store.safeguard()),
      appendEvent: (event) => lease.use(({ store }) => store.appendEvent(event)),
    },
    log,
  });
  console.log(
    `Mailbox ${settings.mailbox} at ${settings.url} is checked every ${configuration.MESH_POLL_SECONDS} s. Ctrl-C stops it; cp-flags mesh list shows what was done.`,
  );
  await untilStopped(running, log);
  lease.end();
}

function folderOf(configuration: Configuration): string {
  const { MESH_MAILBOX } = configuration;
  if (MESH_MAILBOX === undefined)
    throw misused('Set MESH_MAILBOX to the mailbox that this is about.');
  return meshFolder(configuration, MESH_MAILBOX);
}

function use<T>(configuration: Configuration, work: (file: MeshFile) => T): T {
  const folder = folderOf(configuration);
  const found = MeshFile.use(folder, (file) => ({ result: work(file) }));
  if (found !== undefined) return found.result;
  throw new Failure(`${MESH.notYet} Nothing is in ${folder}.`);
}

const iso = (instant: number): string => new Date(instant).toISOString();
const STATES: Record<Sent['state'], string> = {
  waiting: 'waits to be sent',
  asked: 'MESH is asked whether it has it',
  sending: 'is being sent',
  sent: 'sent, not fetched yet',
  delivered: 'delivered',
  failed: 'NOT DELIVERED',
  unclear: 'UNCLEAR',
  dropped: 'given up',
};

function lineOf(row: Sent, isDecided: boolean): string {
  const again = row.attempt > 1 ? `, try ${row.attempt}` : '';
  return `${localIdOf(row)}  ${STATES[row.state]}${again}: ${titleOf(row)} to ${row.recipient}, written at ${zonedTimeText(row.addedAt)}. ${isDecided ? MESH.decided : row.detail}`.trim();
}

/** `cp-flags mesh list`: the state of the mailbox, and what needs a decision. */
function list(configuration: Configuration, { json = false, all = false }: ListOptions): void {
  const found = use(configuration, (file) => ({
    state: file.state(),
    ...file.times(),
    counts: file.counts(),
    sent: file.sentIn(
      ...(['failed', 'unclear', 'waiting', 'asked', 'sending'] as const),
      ...(all ? (['sent', 'delivered', 'dropped'] as const) : []),
    ),
    unfetched: file.receivedIn('wrong'),
    left: all ? file.receivedIn('left') : [],
    reports: file.reports(),
    decided: new Set(file.decisions().map(({ key }) => key)),
  }));
  const { state, polledAt, handshakeAt, counts, sent, unfetched, left, reports, decided } = found;
  const status = meshStatus(configuration, Date.now());
  if (json) {
    console.log(
      JSON.stringify(
        {
          state: state ?? null,
          polledAt: polledAt === 0 ? null : iso(polledAt),
          handshakeAt: handshakeAt === 0 ? null : iso(handshakeAt),
          counts,
          sent: sent.map((row) => ({ localId: localIdOf(row), ...row })),
          unfetched,
          left,
          reports,
        },
        null,
        2,
      ),
    );
    return;
  }
  if (status !== undefined) printMeshStatus(status);
  console.log(`  Last checked: ${polledAt === 0 ? 'never' : zonedTimeText(polledAt)}.`);
  for (const row of sent) console.log(lineOf(row, decided.has(row.key)));
  for (const { id, detail, notBefore } of unfetched) {
    console.log(`${id}  NOT FETCHED, tried again after ${zonedTimeText(notBefore)}: ${detail}`);
  }
  for (const { id, detail } of left) console.log(`${id}  left in the mailbox: ${detail}`);
  for (const { at, text } of reports) console.log(`${sortableTimeText(at)}  ${text}`);
}

/** `cp-flags mesh resend` and `drop`. */
async function decide(
  configuration: Configuration,
  localId: string,
  options: Partial<Named>,
  what: 'resend' | 'drop',
): Promise<void> {
  const named = readNamed(options);
  const folder = folderOf(configuration);
  use(configuration, () => undefined);
  const decided = await withNewestStore(configuration, 'loader', (store) =>
    decideMessage(store, folder, { localId, what, named }),
  );
  switch (decided.kind) {
    case 'not-waiting':
      throw new Failure(
        `No message ${localId} waits for a decision. cp-flags mesh list shows those that do.`,
      );
    case 'decided': {
      const { title, recipient, nextId } = decided;
      console.log(
        nextId === undefined
          ? `${title} to ${recipient} is given up, and what is kept of it is removed.`
          : `${title} to ${recipient} is sent again, as ${nextId}.`,
      );
    }
  }
}

export function addMeshCommands(program: Command, configuration: () => Configuration): void {
  const command = program
    .command('mesh')
    .description('Work on a mailbox in MESH by its API, until stopped (Ctrl-C).')
    .addHelpText(
      'after',
      () => `
Fetches uploads, loads them as from any inbox, and sends acknowledgements, notices and notifications. A worker
with MESH_URL does the same automatically. Only one process works at a time, and others wait.

${settingsHelp([...MAILBOX_SETTINGS, ...INBOX_SETTINGS, ...LOAD_SETTINGS])}
Examples:
  cp-flags mesh
  cp-flags mesh list
`,
    )
    .action(() => mesh(configuration()));
  command
    .command('list')
    .description('Show the state of the mailbox, what waits, and what needs a decision.')
    .option('--all', 'also list what was delivered, given up or left')
    .option('--json', 'for programs')
    .action((options: ListOptions) => list(configuration(), options));
  for (const [name, description, reason] of [
    [
      'resend',
      'Send a message again that was not delivered, or may not have been.',
      'their mailbox is open again',
    ],
    [
      'drop',
      'Give up a message that was not delivered, or may not have been.',
      'they fetched it over HTTP',
    ],
  ] as const) {
    command
      .command(name)
      .description(description)
      .argument('<localId>', 'as cp-flags mesh list shows it')
      .requiredOption('--by <name>', 'who decides; goes into the audit')
      .requiredOption('--reason <text>', 'why; goes into the audit')
      .addHelpText(
        'after',
        `
Example:
  cp-flags mesh ${name} cpf-0123456789abcdef0123456789abcdef-1 --by "A. Example" --reason "${reason}"
`,
      )
      .action((localId: string, named: Partial<Named>) =>
        decide(configuration(), localId, named, name),
      );
  }
}
