import { NOTIFYING } from '#schemas/wording/operations.ts';
import { NotificationFile, type NotifierState } from './notification-file.ts';

const HEARD_OF_WITHIN_MS = 60_000;

export type NotificationsStatus = Omit<NotifierState, 'problem' | 'at'> & { ok: boolean };

/** How far authorities are notified, from the folder of the log. */
export function notificationsStatus(auditFolder: string, now: number): NotificationsStatus {
  const state = NotificationFile.read(auditFolder, (file) => file.state());
  if (state === undefined) {
    const detail = NOTIFYING.notYet;
    return { ok: false, detail, position: 0, behind: 0, unwritten: 0, unreadable: 0 };
  }
  const { problem, at, detail, ...numbers } = state;
  const silent = Math.abs(now - Date.parse(at)) > HEARD_OF_WITHIN_MS;
  return {
    ok: !problem && !silent,
    detail: silent ? NOTIFYING.nobody(at) : detail,
    ...numbers,
  };
}
