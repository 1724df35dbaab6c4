import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { type Inbox, watchInbox } from '#loaders/inbox/inbox.ts';
import type { Configuration } from '#schemas/configuration.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import { makeFolderIn } from '#store/files/whole-file.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { openAnchor } from '../files/data-folder.ts';
import { meshOptions, PAIR_SETTINGS } from '../mesh/mesh-settings.ts';
import { createLog } from '../telemetry/create-log.ts';
import type { Log } from '../telemetry/log.ts';
import { INBOX_SETTINGS, inboxIntake } from '../uploads/inbox.ts';
import { LOAD_SETTINGS, loadSettings } from '../uploads/load-settings.ts';
import { openNumberTracer } from '../uploads/number-tracing.ts';
import { Failure, misused } from './failure.ts';
import { createLease } from './lease.ts';
import { settingsHelp } from './settings-help.ts';
import { exitNow, whenToldToStop } from './signals.ts';
import { withNewestStore } from './store.ts';

type WatchOptions = { out?: string };

/** A load under way is given this long to end; one that is cut short is continued by the service, or by the next start. */
const LOADS_END_WITHIN_MS = 25_000;
const FORCED_EXIT = 130;

async function requireFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) throw new Failure(`${path} is not a folder, or is not there.`);
}

/** The dataset's kind, from the data folder, decides what must be traced, and who may send. */
export function datasetKind(configuration: Configuration): Dataset['kind'] | undefined {
  const anchor = openAnchor(configuration);
  const kind = anchor.dataset()?.kind;
  anchor.close();
  return kind;
}

/** A store and its anchor, open for as long as somebody uses them. */
export function intakeLease(configuration: Configuration) {
  return createLease<{ store: Store; anchor: Anchor }>(async (use) => {
    await withNewestStore(configuration, 'loader', async (store, anchor) => {
      await use({ store, anchor });
    });
  });
}

/** Resolves after a signal, once the loads under way have ended or run out of time. */
export function untilStopped(inbox: Pick<Inbox, 'stop'>, log: Log): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      void Promise.race([
        inbox.stop(),
        delay(LOADS_END_WITHIN_MS, undefined, { ref: false }).then(() => {
          log.warn('A load was cut short. The service continues it, or the next start does.');
          return exitNow(1);
        }),
      ]).then(resolve);
    };
    whenToldToStop(stop, () => exitNow(FORCED_EXIT));
  });
}

/** `cp-flags watch`: loads what arrives in a folder until it is told to stop. */
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
  const lease = intakeLease(configuration);
  const kind = datasetKind(configuration);
  const loads = loadSettings(configuration, await openNumberTracer(configuration, kind));
  const inbox = await watchInbox({
    ...inboxIntake(configuration, { using: lease.use, loads, log }),
    dir: resolve(dir),
    outbox,
    mesh: await meshOptions(configuration, kind),
    settleMs: configuration.INBOX_SETTLE_SECONDS * 1000,
  });
  console.log(
    `cp-flags watches ${resolve(dir)}. Acknowledgements go to ${outbox}. Ctrl-C stops it.`,
  );
  await untilStopped(inbox, log);
  lease.end();
}

export function addWatchCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('watch')
    .description('Load the uploads that arrive in a folder, until stopped (Ctrl-C).')
    .argument('<dir>', 'the inbox: where a MESH client or a person puts files')
    .option('--out <dir>', 'where acknowledgements go (default: the folder outbox in the inbox)')
    .addHelpText(
      'after',
      () => `
Takes .xml, .csv and .gz files, with an optional FILE.json, and the .dat/.ctl pairs of a MESH client. Put FILE.json
there before FILE, which does not wait for it.
Authorities are never added by an inbox: use cp-flags load or cp-flags authority set.

${settingsHelp([...PAIR_SETTINGS, 'INBOX_SETTLE_SECONDS', ...INBOX_SETTINGS, ...LOAD_SETTINGS])}
Examples:
  cp-flags watch /var/lib/cp-flags/inbox
  MESH_WORKFLOW_ID=YOUR_WORKFLOW MESH_MAILBOXES_FILE=mailboxes.json cp-flags watch /mesh/IN --out /mesh/OUT
`,
    )
    .action((dir: string, options: WatchOptions) => watch(configuration(), dir, options));
}
