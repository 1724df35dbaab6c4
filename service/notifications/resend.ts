import { randomUUID } from 'node:crypto';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import type { Store } from '#store/store.ts';
import { NotificationFile } from './notification-file.ts';

type Resent =
  /** No notification was ever made in this folder. */
  | { kind: 'absent' }
  /** No stored notification of this authority comes after the named one. */
  | { kind: 'none' }
  | { kind: 'resent'; count: number };

const ONE = { most: 1, mostCharacters: 1 };

/**
 * Marks an authority's notifications to be written into the outbox again, under the same ids; audited first.
 *
 * @param after the id of the last that its receiver has; if absent, all that are kept
 */
export async function resendNotifications(
  store: Pick<Store, 'appendEvent'>,
  folder: string,
  {
    authority,
    after,
    named,
  }: { authority: string; after?: string | undefined; named: NamedPerson },
): Promise<Resent> {
  const kept = NotificationFile.read(folder, (file) => file.page(authority, after ?? '', ONE));
  if (kept === undefined) return { kind: 'absent' };
  if (kept.notifications.length === 0) return { kind: 'none' };
  await store.appendEvent({
    type: 'notifications-resent',
    auditId: randomUUID(),
    by: named.by,
    detail: { authority, ...(after !== undefined && { after }), ...whyDetail(named) },
  });
  const count = NotificationFile.read(folder, (file) => file.writeAgain(authority, after ?? ''));
  return { kind: 'resent', count: count ?? 0 };
}
