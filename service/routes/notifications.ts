import { z } from 'zod';
import { formatNotification, notificationsCsv } from '#loaders/answers/notification.ts';
import {
  NOTIFICATION_FORMATS,
  type NotificationsPage,
  notificationIdSchema,
  notificationsPageSchema,
} from '#schemas/notification.ts';
import type { Store } from '#store/store.ts';
import { authorityHeaders } from '../description/operation.ts';
import { answerHeaders } from '../http/headers.ts';
import { notificationsRead } from '../notifications/looks.ts';
import { NotificationFile } from '../notifications/notification-file.ts';
import { mediaType, preferredFormat } from '../uploads/format.ts';
import { type AuthorityGuardDependencies, guardedAuthority } from '../uploads/guarded-authority.ts';
import type { Route } from './route.ts';

type NotificationsDependencies = AuthorityGuardDependencies & {
  /** The folder of the sealed log and the notifications. */
  auditFolder: string;
  store: Pick<Store, 'appendEvent'>;
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

/** `undefined` if a parameter is unknown, repeated or has an invalid value. */
function readQuery(url: string) {
  const given = [...new URL(url).searchParams];
  if (new Set(given.map(([name]) => name)).size < given.length) return undefined;
  return querySchema.safeParse(Object.fromEntries(given)).data;
}

/**
 * `GET /notifications?after=ID&limit=N`: an authority's own notifications after one, in order, and where they
 * continue. One page of JSON or CSV; of XML, which holds one, a notification at a time.
 */
export const notifications: Route<NotificationsDependencies> = {
  operation: {
    method: 'GET',
    path: '/notifications',
    id: 'notifications',
    tag: 'Authorities',
    summary: 'Who looked at the authority’s children',
    description:
      'The notifications after a given one, in order. Each keeps its id and its content, unless another council protects a child later: then who looked and where is withheld. As CSV, a line for each entry; as XML, one Access to Service Notification at a time, 204 if there is none. The header Link has the address to continue with. Each reading that gives a notification is audited.',
    letsIn: 'authority',
    parameters: [
      {
        name: 'after',
        in: 'query',
        description: 'The `next` of the previous page. Without it, all that are kept.',
        schema: notificationIdSchema,
        example: '000001204331.0000',
      },
      {
        name: 'limit',
        in: 'query',
        description: 'The most notifications on a page (20).',
        schema: z.int().min(1).max(100),
      },
      ...authorityHeaders,
    ],
    answer: {
      description: 'The next ones, oldest first.',
      content: {
        'application/json': { schema: notificationsPageSchema },
        'text/csv': { schema: z.string() },
        'application/xml': { schema: z.string() },
      },
    },
    refusals: ['notifications-query-invalid', 'notifications-after-unknown', 'store-unavailable'],
  },
  handler: ({ auditFolder, store, ...guard }) =>
    guardedAuthority(guard, 'store-unavailable', async (c, { ids, caller, authority }) => {
      const query = readQuery(c.req.url);
      if (query === undefined) return { code: 'notifications-query-invalid' };
      const { after, limit } = query;
      const format = preferredFormat(c, NOTIFICATION_FORMATS);
      const most = format === 'xml' ? 1 : limit;
      const found = NotificationFile.read(auditFolder, (file) => ({
        read: file.cursor().position,
        removed: file.lastOf(authority)?.removed ?? undefined,
        ...file.page(authority, after ?? '', { most, mostCharacters: PAGE_CHARACTERS }),
      }));
      if (found === undefined) return { code: 'store-unavailable' };
      // The id is from a log that went further than this one: what comes next here may have a lower id.
      if (after !== undefined && Number(after.slice(0, 12)) > found.read) {
        return { code: 'notifications-after-unknown' };
      }
      const { notifications: shown, more, removed } = found;
      const last = shown.at(-1);
      if (last !== undefined) {
        // On disk before the first of them leaves.
        await store.appendEvent(
          notificationsRead(
            { ids, caller, authority },
            { after, upTo: last.id, count: shown.length },
          ),
        );
      }
      const next = last?.id ?? after;
      const headers = {
        ...answerHeaders(mediaType(format), ids),
        ...(next !== undefined && { link: `</notifications?after=${next}>; rel="next"` }),
      };
      if (format === 'xml') {
        return last === undefined
          ? new Response(null, { status: 204, headers })
          : new Response(formatNotification(last, 'xml'), { status: 200, headers });
      }
      if (format === 'csv') {
        return new Response(notificationsCsv(shown), { status: 200, headers });
      }
      const missed = removed !== undefined && (after ?? '') < removed ? removed : undefined;
      const body: NotificationsPage = {
        notifications: shown,
        ...(next !== undefined && { next }),
        more,
        ...(missed !== undefined && { removedUpTo: missed }),
      };
      return new Response(`${JSON.stringify(body)}\n`, { status: 200, headers });
    }),
};
