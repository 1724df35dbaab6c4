import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatNotification } from '#loaders/answers/notification.ts';
import { writeControl } from '#loaders/inbox/mesh-control.ts';
import {
  NOTIFICATION_FORMATS,
  type Notification,
  type NotificationFormat,
  type NotificationPreferences,
} from '#schemas/notification.ts';
import { lstatOrNothing, makeFolderIn, writeWhole } from '#store/files/whole-file.ts';
import { NotificationFile } from './notification-file.ts';

/** The mailbox and workflow with which notifications are sent by MESH. */
export type NotificationMesh = { mailbox: string; workflowId: string | undefined };

/** Readable by the group: another user's program collects them. */
const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;

type Named = { authority: string; id: string };

const stemOf = ({ authority, id }: Named): string => `notification-${authority}-${id}`;

/** The path of a pair. Its name begins with the format, since a MESH client allows no other extension. */
const pairOf = (outbox: string, named: Named, format: NotificationFormat): string =>
  join(outbox, `${stemOf(named)}-${format}`);
const fileOf = (outbox: string, named: Named, format: NotificationFormat): string =>
  join(outbox, named.authority, `${stemOf(named)}.${format}`);

/**
 * Writes a notification as its authority wants it: files in a folder of the authority, or pairs for a MESH
 * client. Each is whole and on disk under its name when this resolves, and replaces itself when written
 * again.
 */
export async function writeNotification(
  outbox: string,
  notification: Notification,
  { formats, mailbox, ...own }: NotificationPreferences,
  mesh: NotificationMesh | undefined,
): Promise<void> {
  const workflowId = own.workflowId ?? mesh?.workflowId;
  const named = { authority: notification.authority.code, id: notification.id };
  if (mailbox === undefined) {
    await makeFolderIn(outbox, named.authority, FOLDER_MODE);
    for (const format of formats) {
      const path = fileOf(outbox, named, format);
      await writeWhole(path, formatNotification(notification, format), FILE_MODE);
    }
    return;
  }
  if (mesh === undefined || workflowId === undefined) {
    throw new Error('a mailbox without settings of MESH');
  }
  await mkdir(outbox, { recursive: true, mode: FOLDER_MODE });
  for (const format of formats) {
    const path = pairOf(outbox, named, format);
    // Data before control file, since the client sends as soon as it sees the latter.
    await writeWhole(`${path}.dat`, formatNotification(notification, format), FILE_MODE);
    await writeWhole(
      `${path}.ctl`,
      writeControl({
        from: mesh.mailbox,
        to: mailbox,
        workflowId,
        subject: `Access to service notification ${named.id}`,
        localId: `${named.authority}-${named.id}`,
        partnerId: '',
      }),
      FILE_MODE,
    );
  }
}

/** The name of a pair from {@link pairOf}. */
const STEM = /^notification-([A-Z0-9]+)-([0-9]{12}\.[0-9]{4})-([a-z]+)$/;

/**
 * The present contents of a pair with this name, if it is a stored notification: a council may have started
 * to keep something back since it was written.
 *
 * @param auditFolder where the notifications are kept
 */
export function currentContent(auditFolder: string, stem: string): Buffer | undefined {
  const [, authority = '', id = '', named] = STEM.exec(stem) ?? [];
  const format = NOTIFICATION_FORMATS.find((each) => each === named);
  if (format === undefined) return undefined;
  const notification = NotificationFile.read(auditFolder, (file) => file.find(authority, id));
  return notification && Buffer.from(formatNotification(notification, format));
}

const isThere = async (path: string): Promise<boolean> =>
  (await lstatOrNothing(path)) !== undefined;

/**
 * Writes the present form of a notification into those of its files that nobody has collected, whatever its
 * authority has asked for since. Collected files are not written again.
 */
export async function rewriteNotification(
  outbox: string,
  notification: Notification,
): Promise<void> {
  const named = { authority: notification.authority.code, id: notification.id };
  for (const format of NOTIFICATION_FORMATS) {
    const pair = pairOf(outbox, named, format);
    for (const path of [fileOf(outbox, named, format), `${pair}.dat`]) {
      if (!(await isThere(path))) continue;
      await writeWhole(path, formatNotification(notification, format), FILE_MODE);
    }
    // Collected meanwhile: without its control file, the data is not sent by a client.
    if (!(await isThere(`${pair}.ctl`))) await rm(`${pair}.dat`, { force: true });
  }
}

/** Removes the uncollected files of a notification that is no longer kept. */
export async function removeNotification(outbox: string, named: Named): Promise<void> {
  for (const format of NOTIFICATION_FORMATS) {
    const pair = pairOf(outbox, named, format);
    // The control file first: without it, the data is not sent by a client.
    for (const path of [fileOf(outbox, named, format), `${pair}.ctl`, `${pair}.dat`]) {
      await rm(path, { force: true });
    }
  }
}
