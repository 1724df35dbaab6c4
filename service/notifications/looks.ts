import { setImmediate as immediate } from 'node:timers/promises';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { Notification, NotificationEntry, NotificationId } from '#schemas/notification.ts';
import type { Caller } from '#schemas/people/caller.ts';
import { requestedBy } from '../audit/record/requested.ts';
import type { RequestIds } from '../http/request-ids.ts';
import { AFTER_ALL, type Cursor, NotificationFile } from './notification-file.ts';

/** The NHS numbers whose looks are asked for. */
export type OfChild = ReadonlySet<string>;

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
/** An event may be read this much later than others of its time. */
export const SEALED_WITHIN_MS = 5_000;
/** Each is read and parsed at once, and lookups may wait for the same process. */
const NOTIFICATIONS_A_STEP = 50;

/** Looks changed since they were notified, whose change is notified later, the newest first. */
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
  const entries = newestFirst(chosen(now?.changed ?? [], of));
  return {
    entries,
    read: now?.newest && entries.length > 0 ? { newest: now.newest, count: 0 } : undefined,
    listedUntil: now?.listedUntil,
  };
}

/** An authority's notifications before one, or all; the newest first. */
async function* notificationsBefore(
  auditFolder: string,
  authority: OdsCode,
  before?: NotificationId,
): AsyncGenerator<Notification> {
  for (let at = before; ; await immediate()) {
    const step = NotificationFile.read(auditFolder, (file) =>
      file.newest(authority, at, NOTIFICATIONS_A_STEP),
    );
    yield* step ?? [];
    at = step?.at(-1)?.id;
    if (step === undefined || step.length < NOTIFICATIONS_A_STEP) return;
  }
}

/**
 * One page of an authority's looks, the newest first, as its notifications hold them; changed ones are shown in their
 * present state ({@link changedLooks}), on the page of their latest look. A look that was notified again is on the page
 * of the newest notification that has it. A page ends with a notification, so it may be longer. Notifications without
 * looks at the child are skipped.
 */
export async function newestLooks(
  auditFolder: string,
  authority: OdsCode,
  { before, of }: { before?: NotificationId | undefined; of?: OfChild | undefined },
): Promise<Looks> {
  const changed = changedLooks(auditFolder, authority, of);
  const known = new Set(changed.entries.map(({ id }) => id));
  // On an older page, what was notified again since is on a newer one.
  const again =
    before && NotificationFile.read(auditFolder, (file) => file.sentAgainFrom(authority, before));
  for (const id of again ?? []) known.add(id);
  const entries: NotificationEntry[] = [];
  let read: Looks['read'];
  let at = before;
  // A page ends at the time of the first notification of the next, which both pages know.
  let until = before === undefined ? AFTER_ALL : '';
  const changedFrom = (from: string): NotificationEntry[] =>
    changed.entries.filter(({ last }) => last >= from && last < until);
  const page = (from: string, next?: NotificationId): Looks => {
    const some = changedFrom(from);
    const newest = some.length > 0 ? changed.read?.newest : read?.newest;
    return {
      entries: newestFirst([...some, ...entries]),
      read: newest && { newest, count: read?.count ?? 0 },
      before: next,
      listedUntil: changed.listedUntil,
    };
  };
  for await (const { id, createdAt, entries: all } of notificationsBefore(
    auditFolder,
    authority,
    before,
  )) {
    if (at !== before) {
      if (entries.length + changedFrom(createdAt).length >= LOOKS_A_PAGE)
        return page(createdAt, at);
    } else if (before !== undefined) until = createdAt;
    const found = chosen(all, of);
    if (found.length > 0) {
      read = { newest: read?.newest ?? id, count: (read?.count ?? 0) + 1 };
    }
    for (const entry of found) {
      if (!known.has(entry.id)) entries.push(entry);
      known.add(entry.id);
    }
    at = id;
  }
  return page('');
}

/**
 * The NHS numbers in an authority's notifications with its own id of a child, and those without any plan,
 * since the user was barred.
 */
export async function notifiedNumbers(
  auditFolder: string,
  authority: OdsCode,
  localId: string,
): Promise<{ numbers: Set<string>; barred: Set<string> }> {
  const numbers = new Set<string>();
  const barred = new Set<string>();
  const note = ({ nhsNumber, plans }: NotificationEntry): void => {
    if (plans.length === 0) barred.add(nhsNumber);
    else if (plans.some((plan) => plan.localId === localId)) numbers.add(nhsNumber);
  };
  for await (const { entries } of notificationsBefore(auditFolder, authority))
    entries.forEach(note);
  changedLooks(auditFolder, authority, undefined).entries.forEach(note);
  return { numbers, barred };
}

/** If nothing more is sealed, nothing is known beyond the time of the last event. */
const readUntil = ({ windowAt, logAt }: Cursor): number | undefined =>
  windowAt === 0 ? undefined : Math.min(windowAt - SEALED_WITHIN_MS, logAt);

const newestFirst = (entries: readonly NotificationEntry[]): NotificationEntry[] =>
  entries.toSorted((one, other) => other.last.localeCompare(one.last));

/** The looks at a child, or all looks. */
const chosen = (
  entries: readonly NotificationEntry[],
  of: OfChild | undefined,
): readonly NotificationEntry[] =>
  of === undefined ? entries : entries.filter(({ nhsNumber }) => of.has(nhsNumber));

/** A notification with only the looks at one child; none if it has none. */
export const onlyOf = (notification: Notification, of: OfChild): Notification[] => {
  const entries = chosen(notification.entries, of);
  return entries.length === 0 ? [] : [{ ...notification, entries: [...entries] }];
};

/** An authority is given notifications: on disk before the first of them is sent. */
export const notificationsRead = (
  reader: { ids: RequestIds; caller: Caller; authority: OdsCode },
  read: { after?: string | undefined; upTo: string; count: number },
): WrittenEvent => ({
  type: 'notifications-read',
  ...requestedBy(reader),
  authority: reader.authority,
  by: reader.caller.identity.name,
  ...(read.after !== undefined && { after: read.after }),
  upTo: read.upTo,
  count: read.count,
});
