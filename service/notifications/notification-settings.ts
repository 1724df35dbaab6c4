import { join } from 'node:path';
import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import { type PreferencesFile, preferencesFileSchema } from '#schemas/notification.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import { auditFolder } from '../files/data-folder.ts';
import { readSettingFile } from '../files/setting-file.ts';
import { type WatchedFiles, watchFiles } from '../files/watched-files.ts';
import type { NotifierOptions } from './notifier.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const WINDOW_MINUTES = 15;
/** So that people who try it out see the notification of their lookup while they are still there. */
const DEMO_WINDOW_MINUTES = 1;

/** Where notifications are written as files; a demo has a folder by default. */
export const outboxOf = (
  { NOTIFICATIONS_OUTBOX, DATA_DIR }: Pick<Configuration, 'NOTIFICATIONS_OUTBOX' | 'DATA_DIR'>,
  kind: Dataset['kind'] | undefined,
): string | undefined =>
  NOTIFICATIONS_OUTBOX ?? (kind === 'demo' ? join(DATA_DIR, 'outbox') : undefined);

/** The settings of notifying, for the help. Code that reads another does not compile. */
export const NOTIFICATION_SETTINGS = [
  'AUDIT_DIR',
  'NOTIFICATIONS_WINDOW_MINUTES',
  'NOTIFICATIONS_KEEP_DAYS',
  'NOTIFICATIONS_OUTBOX',
  'NOTIFICATIONS_FILE',
  'MESH_MAILBOX',
  'MESH_NOTIFICATION_WORKFLOW_ID',
  'REREAD_SECONDS',
] as const satisfies readonly (keyof Configuration)[];

type NotificationConfiguration = Pick<
  Configuration,
  'DATA_DIR' | (typeof NOTIFICATION_SETTINGS)[number]
>;

/** What one notification covers, in milliseconds. */
export function notifiedEveryMs(
  { NOTIFICATIONS_WINDOW_MINUTES }: Pick<Configuration, 'NOTIFICATIONS_WINDOW_MINUTES'>,
  kind: Dataset['kind'] | undefined,
): number {
  const standard = kind === 'demo' ? DEMO_WINDOW_MINUTES : WINDOW_MINUTES;
  return Math.round((NOTIFICATIONS_WINDOW_MINUTES ?? standard) * MINUTE_MS);
}

/** The notifier's settings, from the configuration. */
export function notifierSettings(
  configuration: NotificationConfiguration,
  kind: Dataset['kind'] | undefined,
): Omit<NotifierOptions, 'clock'> {
  const { MESH_MAILBOX, MESH_NOTIFICATION_WORKFLOW_ID } = configuration;
  const outbox = outboxOf(configuration, kind);
  return {
    folder: auditFolder(configuration),
    windowMs: notifiedEveryMs(configuration, kind),
    keepMs: configuration.NOTIFICATIONS_KEEP_DAYS * DAY_MS,
    ...(outbox !== undefined && { outbox }),
    ...(MESH_MAILBOX !== undefined && {
      mesh: { mailbox: MESH_MAILBOX, workflowId: MESH_NOTIFICATION_WORKFLOW_ID },
    }),
  };
}

/**
 * What each authority wants, read again whenever the file changes.
 *
 * @throws {ConfigurationError}
 */
export async function watchPreferences(
  configuration: NotificationConfiguration,
  outbox: string | undefined,
  onProblem: (sentence: string) => void,
): Promise<Pick<WatchedFiles<PreferencesFile>, 'value' | 'problem' | 'stop'>> {
  const { NOTIFICATIONS_FILE, REREAD_SECONDS } = configuration;
  if (NOTIFICATIONS_FILE === undefined) {
    return { value: {}, problem: undefined, stop: () => undefined };
  }
  const read = async (): Promise<PreferencesFile> => {
    const file = await readSettingFile(
      'NOTIFICATIONS_FILE',
      NOTIFICATIONS_FILE,
      preferencesFileSchema,
    );
    const { MESH_MAILBOX, MESH_NOTIFICATION_WORKFLOW_ID } = configuration;
    const withMailbox = Object.values(file).filter((each) => each.mailbox !== undefined);
    const byMesh = withMailbox.length > 0;
    const named = withMailbox.every((each) => each.workflowId ?? MESH_NOTIFICATION_WORKFLOW_ID);
    if (byMesh && (MESH_MAILBOX === undefined || !named)) {
      throw new ConfigurationError(
        'MESH_MAILBOX, MESH_NOTIFICATION_WORKFLOW_ID: required, because NOTIFICATIONS_FILE has a mailbox.',
      );
    }
    if (byMesh && outbox === undefined) {
      throw new ConfigurationError(
        'NOTIFICATIONS_OUTBOX: required, because NOTIFICATIONS_FILE has a mailbox.',
      );
    }
    if (file['*']?.mailbox !== undefined) {
      throw new ConfigurationError(
        'NOTIFICATIONS_FILE: a mailbox is of one authority and cannot stand under *.',
      );
    }
    return file;
  };
  return watchFiles([NOTIFICATIONS_FILE], read, {
    everyMs: REREAD_SECONDS * 1_000,
    onProblem,
  });
}
