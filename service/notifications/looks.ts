import { randomUUID } from 'node:crypto';
import { setImmediate as immediate } from 'node:timers/promises';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { Notification, NotificationEntry, NotificationId } from '#schemas/notification.ts';
import { auditedCaller, type Caller } from '#schemas/people/caller.ts';
import type { RequestIds } from '../http/request-ids.ts';
import { type Cursor, NotificationFile } from './notification-file.ts';

/** How looks at one child are chosen: by its NHS number, or by the authority's own id of it. */
export type OfChild = { nhsNumber: string } | { localId: string };

/** Looks at an authority's children, the newest first. */
export type Looks = {
  entries: NotificationEntry[];
  /** The notifications that these are in, as far as they are in any. */
  read: { newest: NotificationId; count: number } | undefined;
  /** Where to continue; `undefined` at the end. */
  before: NotificationId | undefined;
  /** Milliseconds: every look until then is listed; `undefined` if that is not known. */
  listedUntil: number | undefined;
};

const LOOKS_A_PAGE = 50;
/** An event may be read later than others of its time by as much. */
export const SEALED_WITHIN_MS = 5_000;
/** Each is read and parsed in one go, and lookups may wait for the same process. */
const NOTIFICATIONS_A_STEP = 50;

/** Looks that have changed since they were notified, which is notified later, the newest first. */
export function changedLooks(
  auditFolder: string,
  authority: OdsCode,
  of: OfChild | undefined,
): Pick<Looks, 'entries' | 'read' | 'listedUntil'> {
  const now = NotificationFile.read(auditFolder, (file) => ({
    listedUntil: readUntil(file.cursor()),
    changed: file.changedSince(authority),
    newest: file.lastOf(authority)?.last,
  }));
  const entries = chosen(now?.changed ?? [], of);
  return {
    entries,
    read: now?.newest && entries.length > 0 ? { newest: now.newest, count: 0 } : undefined,
    listedUntil: now?.listedUntil,
  };
}

/**
 * One page of an authority's looks, as its notifications hold them; first of all {@link changedLooks}. A page ends with
 * a notification, so it may be longer. Notifications without looks of the child are passed over.
 */
export async function newestLooks(
  auditFolder: string,
  authority: OdsCode,
  { before, of }: { before?: NotificationId | undefined; of?: OfChild | undefined },
): Promise<Looks> {
  const changed = changedLooks(auditFolder, authority, of);
  const first = before === undefined ? changed : { ...changed, entries: [], read: undefined };
  const looks: Looks = { ...first, before: undefined };
  let at = before;
  for (;;) {
    const step = NotificationFile.read(auditFolder, (file) =>
      file.newest(authority, at, NOTIFICATIONS_A_STEP),
    );
    if (step === undefined) return looks;
    for (const notification of step) {
      if (at !== before && looks.entries.length >= LOOKS_A_PAGE) return { ...looks, before: at };
      add(looks, notification, of);
      at = notification.id;
    }
    if (step.length < NOTIFICATIONS_A_STEP) return looks;
    await immediate();
  }
}

/** If nothing more is sealed, the time of the last event is as far as anything is known. */
const readUntil = ({ windowAt, logAt }: Cursor): number | undefined =>
  windowAt === 0 ? undefined : Math.min(windowAt - SEALED_WITHIN_MS, logAt);

/** Those at a child, or all; the newest first. */
const chosen = (
  entries: readonly NotificationEntry[],
  of: OfChild | undefined,
): NotificationEntry[] =>
  entries
    .filter((entry) => of === undefined || isOf(entry, of))
    .toSorted((one, other) => other.last.localeCompare(one.last));

function add(looks: Looks, notification: Notification, of: OfChild | undefined): void {
  const entries = chosen(notification.entries, of);
  if (entries.length === 0) return;
  // One that has changed stands as it is by now, higher up.
  const known = new Set(looks.entries.map(({ id }) => id));
  looks.entries.push(...entries.filter(({ id }) => !known.has(id)));
  looks.read = {
    newest: looks.read?.newest ?? notification.id,
    count: (looks.read?.count ?? 0) + 1,
  };
}

/** A notification with the looks at one child alone; none if it has none. */
export const onlyOf = (notification: Notification, of: OfChild): Notification[] => {
  const entries = notification.entries.filter((entry) => isOf(entry, of));
  return entries.length === 0 ? [] : [{ ...notification, entries }];
};

const isOf = (entry: NotificationEntry, of: OfChild): boolean =>
  'nhsNumber' in of
    ? entry.nhsNumber === of.nhsNumber
    : entry.plans.some(({ localId }) => localId === of.localId);

/** An authority is given notifications: to be on disk before the first of them leaves. */
export const notificationsRead = (
  { ids, caller, authority }: { ids: RequestIds; caller: Caller; authority: OdsCode },
  read: { after?: string | undefined; upTo: string; count: number },
): WrittenEvent => ({
  type: 'notifications-read',
  auditId: randomUUID(),
  ...(ids.requestId !== undefined && { requestId: ids.requestId }),
  ...(ids.correlationId !== undefined && { correlationId: ids.correlationId }),
  authority,
  caller: auditedCaller(caller.identity),
  by: caller.identity.name,
  ...(read.after !== undefined && { after: read.after }),
  upTo: read.upTo,
  count: read.count,
});
