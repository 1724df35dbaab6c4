import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import { finalAnswer } from '#loaders/inbox/held.ts';
import {
  type Inbox,
  type InboxReport,
  type MeshOptions,
  watchInbox,
} from '#loaders/inbox/inbox.ts';
import { loadFile } from '#loaders/load/load.ts';
import { LoadSlots } from '#loaders/load/load-slots.ts';
import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import { mailboxesFileSchema } from '#schemas/uploads/mesh.ts';
import { makeFolderIn } from '#store/files/whole-file.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { readSettingFile } from '../admission/issuers.ts';
import { openAnchor } from '../files/data-folder.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { loadSettings } from '../uploads/load-settings.ts';
import { openNumberTracer } from '../uploads/number-tracing.ts';
import { Failure, misused } from './failure.ts';
import { createLease } from './lease.ts';
import { LOAD_SETTINGS } from './load.ts';
import { settingsHelp } from './settings-help.ts';
import { whenToldToStop } from './signals.ts';
import { runningRedis, withStore } from './store.ts';

export type WatchOptions = { out?: string };

/** A load under way is given this long to end; one that is cut short is resumed by the next start. */
const LOADS_END_WITHIN_MS = 25_000;
const FORCED_EXIT = 130;
const DAY_MS = 86_400_000;

async function requireFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) throw new Failure(`${path} is not a folder.`);
}

/** How pairs are decided on. `undefined` where no workflow is ours. */
async function meshOf(configuration: Configuration): Promise<MeshOptions | undefined> {
  const { MESH_WORKFLOW_ID, MESH_ACK_WORKFLOW_ID, MESH_MAILBOX, MESH_MAILBOXES_FILE } =
    configuration;
  if (MESH_WORKFLOW_ID === undefined) return undefined;
  const anchor = openAnchor(configuration);
  const kind = anchor.dataset()?.kind;
  anchor.close();
  if (MESH_MAILBOXES_FILE === undefined && kind !== 'demo') {
    throw new ConfigurationError(
      'MESH_MAILBOXES_FILE: required with MESH_WORKFLOW_ID, unless the dataset is a demo.',
    );
  }
  const mailboxes =
    MESH_MAILBOXES_FILE === undefined
      ? undefined
      : await readSettingFile('MESH_MAILBOXES_FILE', MESH_MAILBOXES_FILE, mailboxesFileSchema);
  return {
    workflowId: MESH_WORKFLOW_ID,
    acknowledgementWorkflowId: MESH_ACK_WORKFLOW_ID ?? `${MESH_WORKFLOW_ID}_ACK`,
    ...(MESH_MAILBOX !== undefined && { mailbox: MESH_MAILBOX }),
    mailboxes: mailboxes && new Map(Object.entries(mailboxes)),
  };
}

/** What the data folder says the dataset is decides whether numbers must be traced. */
async function tracerOf(configuration: Configuration): Promise<NumberTracer | undefined> {
  const anchor = openAnchor(configuration);
  const kind = anchor.dataset()?.kind;
  anchor.close();
  return openNumberTracer(configuration, kind);
}

type Opened = { store: Store; anchor: Anchor };

function tell(report: InboxReport, log: Log): void {
  switch (report.kind) {
    case 'acknowledged': {
      const { code, meaning, authority, sequence, counts } = report.acknowledgement;
      const level = code === 'CPF02' || code === 'CPF03' ? 'info' : 'warn';
      log[level](`${report.name}: ${meaning}`, {
        code,
        ...(authority !== undefined && { authority: authority.code }),
        sequence,
        count: counts.accepted,
      });
      break;
    }
    case 'held': {
      const { authority, sequence, held } = report.acknowledgement;
      log.warn(`${report.name}: part of it waits for a decision. See cp-flags release --list`, {
        ...(authority !== undefined && { authority: authority.code }),
        sequence,
        count: held?.records ?? 0,
      });
      break;
    }
    case 'left':
      log.warn(`${report.name} is left where it is. ${report.hint}`);
      break;
    case 'failed':
      log.warn(`${report.name} was not taken. ${report.hint}`, { where: report.folder });
      break;
    case 'retried':
      log.warn(
        `${report.name}: ${report.hint} Tried again by itself in ${Math.ceil(report.againInMs / 1000)} s.`,
      );
      break;
    case 'unwell':
      log.error(report.hint);
      break;
  }
}

/** Resolves once a signal came and the loads under way have ended, or had their time. */
function untilStopped(inbox: Inbox, log: Log): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      void Promise.race([
        inbox.stop(),
        delay(LOADS_END_WITHIN_MS, undefined, { ref: false }).then(() => {
          log.warn('a load is cut short; the next start resumes it');
          process.exit(1);
        }),
      ]).then(resolve);
    };
    whenToldToStop(stop, () => process.exit(FORCED_EXIT));
  });
}

/** `cp-flags watch`: loads what comes into a folder until it is told to stop. */
export async function watch(
  configuration: Configuration,
  dir: string,
  { out }: WatchOptions,
): Promise<void> {
  await requireFolder(dir);
  const outbox = resolve(out ?? join(dir, 'outbox'));
  if (outbox === resolve(dir)) throw misused('--out must be another folder than the inbox.');
  if (out === undefined) await makeFolderIn(dir, 'outbox', 0o700);
  await requireFolder(outbox);
  const log = createLog(configuration.LOG_LEVEL ?? 'info');
  // Shared by loads that go on side by side, and with it one reading of all rows.
  const lease = createLease<Opened>(async (use) => {
    const redis = await runningRedis(configuration);
    await withStore(configuration, redis, 'loader', async (store, anchor) => {
      await use({ store, anchor });
    });
  });
  const settings = loadSettings(configuration, await tracerOf(configuration));
  const slots = new LoadSlots(configuration.INBOX_PARALLEL);
  const inbox = await watchInbox({
    dir: resolve(dir),
    outbox,
    mesh: await meshOf(configuration),
    settleMs: configuration.INBOX_SETTLE_SECONDS * 1000,
    pollMs: configuration.INBOX_POLL_SECONDS * 1000,
    pairWaitMs: configuration.INBOX_PAIR_WAIT_MINUTES * 60_000,
    keepMs: configuration.INBOX_KEEP_DAYS * DAY_MS,
    parallel: configuration.INBOX_PARALLEL,
    load: (source, given) =>
      lease.use(({ store, anchor }) =>
        loadFile(store, anchor, source, { ...settings, ...given, addAuthority: false, slots }),
      ),
    finalAnswer: (provisional) =>
      lease.use(({ store, anchor }) => finalAnswer(store, anchor, provisional)),
    report: (report) => tell(report, log),
  });
  console.log(
    `cp-flags watches ${resolve(dir)}. Acknowledgements go to ${outbox}. Ctrl-C stops it.`,
  );
  await untilStopped(inbox, log);
  lease.end();
}

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

/** Declares `cp-flags watch`. */
export function addWatchCommand(program: Command, configuration: () => Configuration): void {
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
}
