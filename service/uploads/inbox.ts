import { finalAnswer } from '#loaders/inbox/held.ts';
import type { InboxOptions, InboxReport } from '#loaders/inbox/inbox.ts';
import { loadFile } from '#loaders/load/load.ts';
import { LoadSlots } from '#loaders/load/load-slots.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { INBOX_LOG } from '#schemas/wording/inbox.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { Log } from '../telemetry/log.ts';
import type { LoadSettings } from './load-settings.ts';

const DAY_MS = 86_400_000;

/** What an inbox loads into, for as long as `work` takes. */
type Using = <T>(work: (opened: { store: Store; anchor: Anchor }) => Promise<T>) => Promise<T>;

/** The settings of an inbox, for the help. Code that reads another does not compile. */
export const INBOX_SETTINGS = [
  'INBOX_POLL_SECONDS',
  'INBOX_PAIR_WAIT_MINUTES',
  'INBOX_KEEP_DAYS',
  'INBOX_PARALLEL',
] as const satisfies readonly (keyof Configuration)[];

/** How everything in an inbox is loaded, except for its location. */
export function inboxIntake(
  configuration: Pick<Configuration, (typeof INBOX_SETTINGS)[number]>,
  { using, loads, log }: { using: Using; loads: LoadSettings; log: Log },
): Omit<InboxOptions, 'dir' | 'outbox' | 'mesh' | 'settleMs'> {
  // Shared by loads that run side by side, with one reading of all rows.
  const slots = new LoadSlots(configuration.INBOX_PARALLEL);
  return {
    pollMs: configuration.INBOX_POLL_SECONDS * 1000,
    pairWaitMs: configuration.INBOX_PAIR_WAIT_MINUTES * 60_000,
    keepMs: configuration.INBOX_KEEP_DAYS * DAY_MS,
    parallel: configuration.INBOX_PARALLEL,
    load: (source, given) =>
      using(({ store, anchor }) =>
        loadFile(store, anchor, source, { ...loads, ...given, addAuthority: false, slots }),
      ),
    finalAnswer: (provisional) =>
      using(({ store, anchor }) => finalAnswer(store, anchor, provisional)),
    report: (report) => tell(report, log),
  };
}

function tell(report: InboxReport, log: Log): void {
  switch (report.kind) {
    case 'acknowledged': {
      const { code, meaning, authority, sequence, counts } = report.acknowledgement;
      const level = code === 'CPF02' || code === 'CPF03' ? 'info' : 'warn';
      log[level](INBOX_LOG.about(report.name, meaning), {
        code,
        ...(authority !== undefined && { authority: authority.code }),
        sequence,
        count: counts.accepted,
      });
      break;
    }
    case 'held': {
      const { authority, sequence, held } = report.acknowledgement;
      const waits = held?.untraced === true ? INBOX_LOG.untraced : INBOX_LOG.held;
      log.warn(INBOX_LOG.about(report.name, waits), {
        ...(authority !== undefined && { authority: authority.code }),
        sequence,
        count: held?.records ?? 0,
      });
      break;
    }
    case 'left':
      log.warn(INBOX_LOG.left(report.name, report.hint));
      break;
    case 'failed':
      log.warn(INBOX_LOG.failed(report.name, report.hint), { where: report.folder });
      break;
    case 'retried':
      log.warn(INBOX_LOG.retried(report.name, report.hint, Math.ceil(report.againInMs / 1000)));
      break;
    case 'unwell':
      log.error(report.hint);
      break;
  }
}
