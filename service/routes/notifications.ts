import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { formatNotification, notificationsCsv } from '#loaders/answers/notification.ts';
import type { NotificationsReadEvent } from '#schemas/audit/audit-event.ts';
import type { ErrorCode } from '#schemas/errors.ts';
import {
  NOTIFICATION_FORMATS,
  type NotificationsPage,
  notificationIdSchema,
} from '#schemas/notification.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import { headersOf } from '../access/scoped-route.ts';
import type { Route } from '../http/route.ts';
import { NotificationFile } from '../notifications/notification-file.ts';
import { mediaType, preferredFormat } from '../uploads/format.ts';
import {
  type Admitted,
  type AuthorityContext,
  type AuthorityRouteDependencies,
  authorityRoutes,
} from '../uploads/route.ts';

export type NotificationsRouteDependencies = AuthorityRouteDependencies & {
  /** The sealed log's, where notifications lie. */
  folder: string;
  /** Resolves once the event is on disk. */
  record: (event: NotificationsReadEvent) => Promise<void>;
};

const PAGE = 20;
const PAGE_AT_MOST = 100;
const PAGE_CHARACTERS = 1_048_576;

const querySchema = z.strictObject({
  after: notificationIdSchema.optional(),
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,2}$/)
    .transform(Number)
    .pipe(z.number().max(PAGE_AT_MOST))
    .default(PAGE),
});

/** `undefined` where a parameter is not one of ours, is given twice or has no such value. */
function readQuery(url: string) {
  const given = [...new URL(url).searchParams];
  if (new Set(given.map(([name]) => name)).size < given.length) return undefined;
  return querySchema.safeParse(Object.fromEntries(given)).data;
}

/**
 * `GET /notifications?after=ID&limit=N`: an authority's own notifications after one, in order, and where they
 * go on. One page of JSON or CSV; of XML, which holds one, a notification at a time.
 */
export function createNotificationsRoute(dependencies: NotificationsRouteDependencies): Route {
  const { folder, record } = dependencies;

  async function answer(
    { req }: AuthorityContext,
    { ids, caller, authority }: Admitted,
  ): Promise<Response | ErrorCode> {
    const query = readQuery(req.url);
    if (query === undefined) return 'notifications-query-invalid';
    const { after, limit } = query;
    const format = preferredFormat(req.header('accept'), NOTIFICATION_FORMATS);
    const most = format === 'xml' ? 1 : limit;
    const found = NotificationFile.read(folder, (file) => ({
      read: file.cursor().position,
      removed: file.lastOf(authority)?.removed ?? undefined,
      ...file.page(authority, after ?? '', { most, mostCharacters: PAGE_CHARACTERS }),
    }));
    if (found === undefined) return 'store-unavailable';
    // Of a log that went further than this one: what comes next here may have a lower id.
    if (after !== undefined && Number(after.slice(0, 12)) > found.read) {
      return 'notifications-after-unknown';
    }
    const { notifications, more, removed } = found;
    const last = notifications.at(-1);
    if (last !== undefined) {
      // On disk before the first of them leaves.
      await record({
        type: 'notifications-read',
        auditId: randomUUID(),
        requestId: ids.requestId,
        ...(ids.correlationId !== undefined && { correlationId: ids.correlationId }),
        authority,
        caller: auditedCaller(caller.identity),
        by: caller.identity.name,
        ...(after !== undefined && { after }),
        upTo: last.id,
        count: notifications.length,
      });
    }
    const next = last?.id ?? after;
    const headers = {
      ...headersOf(ids, mediaType(format)),
      ...(next !== undefined && { link: `</notifications?after=${next}>; rel="next"` }),
    };
    if (format === 'xml') {
      return last === undefined
        ? new Response(null, { status: 204, headers })
        : new Response(formatNotification(last, 'xml'), { status: 200, headers });
    }
    if (format === 'csv') {
      return new Response(notificationsCsv(notifications), { status: 200, headers });
    }
    const missed = removed !== undefined && (after ?? '') < removed ? removed : undefined;
    const body: NotificationsPage = {
      notifications,
      ...(next !== undefined && { next }),
      more,
      ...(missed !== undefined && { removedUpTo: missed }),
    };
    return new Response(`${JSON.stringify(body)}\n`, { status: 200, headers });
  }

  const route = authorityRoutes(dependencies);
  return {
    method: 'GET',
    path: '/notifications',
    handler: route(answer, 'store-unavailable'),
  };
}
