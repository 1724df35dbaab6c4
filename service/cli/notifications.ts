import type { Command } from 'commander';
import type { Configuration } from '#schemas/configuration.ts';
import { notificationIdSchema } from '#schemas/notification.ts';
import { NOTIFYING } from '#schemas/wording/operations.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import { auditFolder, openAnchor } from '../files/data-folder.ts';
import { NotificationFile } from '../notifications/notification-file.ts';
import { NOTIFICATION_SETTINGS, outboxOf } from '../notifications/notification-settings.ts';
import type { NotificationsStatus } from '../notifications/notifications-status.ts';
import { resendNotifications as resend } from '../notifications/resend.ts';
import { Failure, misused } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { settingsHelp } from './settings-help.ts';
import { withNewestStore } from './store.ts';

type NotificationsListOptions = { json?: boolean };
type NotificationsResendOptions = Named & { after?: string };

export function printNotificationsStatus(status: NotificationsStatus): void {
  const { ok, detail, position, behind, oldestUntold, unwritten, unreadable } = status;
  const parts = [
    `events read up to ${position}`,
    ...(behind > 0 ? [`${behind} to read`] : []),
    ...(oldestUntold === undefined
      ? []
      : [`the oldest access not notified is from ${zonedTimeText(oldestUntold)}`]),
    ...(unwritten > 0 ? [`${unwritten} wait for the outbox`] : []),
    ...(unreadable > 0 ? [`${unreadable} events could not be read`] : []),
  ];
  console.log(`Notifications: ${parts.join(', ')}. ${ok ? detail : `PROBLEM: ${detail}`}`);
}

function missing(configuration: Configuration): Failure {
  return new Failure(
    `There are no notifications in ${auditFolder(configuration)} yet. A process with role all or worker makes them; AUDIT_DIR says where they are.`,
  );
}

/** `cp-flags notifications list`: a line for each authority. */
function listNotifications(
  configuration: Configuration,
  { json = false }: NotificationsListOptions,
): void {
  const lines = NotificationFile.read(auditFolder(configuration), (file) => file.list());
  if (lines === undefined) throw missing(configuration);
  if (json) {
    console.log(JSON.stringify(lines, null, 2));
    return;
  }
  if (lines.length === 0) console.log('No authority has been notified of an access yet.');
  for (const { code, last, oldest, kept, unwritten } of lines) {
    const waits = unwritten === 0 ? '' : `, ${unwritten} wait for the outbox`;
    console.log(`${code}  last ${last}, ${kept} kept from ${oldest ?? '-'}${waits}`);
  }
}

/** `cp-flags notifications resend`: has the stored notifications written into the outbox again, under the same ids. */
export async function resendNotifications(
  configuration: Configuration,
  code: string,
  { after, ...named }: NotificationsResendOptions,
): Promise<void> {
  const who = readNamed(named);
  if (after !== undefined && !notificationIdSchema.safeParse(after).success) {
    throw misused('--after takes the id of a notification, such as 000000001204.0000.');
  }
  const anchor = openAnchor(configuration);
  const outbox = outboxOf(configuration, anchor.dataset()?.kind);
  anchor.close();
  const folder = auditFolder(configuration);
  const resent = await withNewestStore(configuration, 'worker', (store) =>
    resend(store, folder, { authority: code, after, named: who }),
  );
  switch (resent.kind) {
    case 'absent':
      throw missing(configuration);
    case 'none':
      throw new Failure(`No notification of ${code} is kept that comes after that one.`);
    case 'resent':
      console.log(NOTIFYING.resent(resent.count, code, outbox));
  }
}

export function addNotificationsCommands(
  program: Command,
  configuration: () => Configuration,
): void {
  const notifications = program
    .command('notifications')
    .description('Notifications to authorities about accesses to their children.')
    .addHelpText(
      'after',
      () => `
An authority reads its own on its page Who looked at our children, or with GET /notifications. With an outbox, they
are also written as files.

${settingsHelp(NOTIFICATION_SETTINGS)}`,
    );
  notifications
    .command('list')
    .description('For each authority: its last notification, how many are kept and since when.')
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
    .description('Write the notifications of an authority into the outbox once more.')
    .argument('<code>', 'its ODS code')
    .option('--after <id>', 'only those after this one (default: all that are kept)')
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
They keep their ids, so a receiver recognises those that it already has. The worker writes them within seconds.

Example:
  cp-flags notifications resend V145 --after 000001204331.0000 --by "A. Example" --reason "lost in their system"
`,
    )
    .action((code: string, options: NotificationsResendOptions) =>
      resendNotifications(configuration(), code, options),
    );
}
