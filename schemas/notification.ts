import { z } from 'zod';
import { notifiedAttendanceSchema } from './attendance.ts';
import { shownPlanSchema, sourceSchema } from './audit/audit-event.ts';
import { mailboxSchema, workflowSchema } from './uploads/mesh.ts';

/**
 * How long repeated accesses of one user, from one organisation, to one child are one entry.
 *
 * Source: design; CP-IS has the same rule for the list of accesses that a clinician is shown.
 */
export const ENTRY_HOURS = 24;

/**
 * Which notification it is: how far into the sealed log it goes, and its number at that position. Twelve and
 * four digits, so that text order is the order of notifications.
 */
export const notificationIdSchema = z
  .string()
  .regex(/^[0-9]{12}\.[0-9]{4}$/)
  .brand<'NotificationId'>();
export type NotificationId = z.infer<typeof notificationIdSchema>;

const PLACES_AT_MOST = 9_999;

/**
 * The id of an authority's next notification.
 *
 * @param position every event of the log before it has been notified
 * @returns `undefined` if the ids for this position are used up
 */
export function nextNotificationId(
  position: number,
  last: string | undefined,
): NotificationId | undefined {
  const begins = String(position).padStart(12, '0');
  const place = last?.startsWith(begins) === true ? Number(last.slice(13)) + 1 : 0;
  if (place > PLACES_AT_MOST) return undefined;
  return notificationIdSchema.parse(`${begins}.${String(place).padStart(4, '0')}`);
}

const notifiedPlanSchema = z.strictObject({
  ...shownPlanSchema.pick({ type: true, startDate: true, status: true }).shape,
  ...sourceSchema.partial().shape,
});

/** One user's accesses to one child within 24 hours. Instants are ISO 8601 in UTC. */
export const notificationEntrySchema = z.strictObject({
  /** The audit id of the first access; the same if the entry is sent a second time. */
  id: z.uuid(),
  /** True if the entry was sent before and there were more accesses since. */
  again: z.boolean(),
  /** The child's; of an unborn child's plan the mother's. */
  nhsNumber: z.string(),
  /** This authority's plans, as the latest access showed them. */
  plans: z.array(notifiedPlanSchema),
  user: z.strictObject({ id: z.string(), name: z.string() }),
  role: z.strictObject({ code: z.string(), name: z.string() }),
  organisation: z.strictObject({ code: z.string(), name: z.string() }),
  setting: z.string(),
  /** Another council keeps back where the child was looked up: who and where say only that they are not shown. */
  withheld: z.literal(true).optional(),
  /** The authority bars the user from the child: nothing was shown, and there are no plans. */
  barred: z.literal(true).optional(),
  /** The reason for the latest access, if one was given. */
  reason: z.string().optional(),
  /** The outcome, as the user last recorded it, if at all. */
  attendance: notifiedAttendanceSchema.optional(),
  count: z.int().positive(),
  first: z.iso.datetime(),
  last: z.iso.datetime(),
  /** The audit id of the last access. */
  lastId: z.uuid(),
});
export type NotificationEntry = z.infer<typeof notificationEntrySchema>;

/**
 * Tells an authority who looked at its children's plans. Without entries it says that nobody did.
 *
 * Source: CP-IS schemas, Access to Service Notification, REPC_MT000004GB01.
 */
export const notificationSchema = z.strictObject({
  id: notificationIdSchema,
  /** The same id, in the form that the XML needs. */
  uuid: z.uuid(),
  createdAt: z.iso.datetime(),
  authority: z.strictObject({ code: z.string(), name: z.string() }),
  /** The id of the one before it, so that a missing one is noticed. Absent from the first. */
  previous: notificationIdSchema.optional(),
  entries: z.array(notificationEntrySchema),
  /** Events since the previous notification that could not be read, and may have concerned a child of the authority. */
  unreadableEvents: z.int().nonnegative(),
  /** A signed checkpoint of the log that covers these accesses: keep it, and the log cannot be rewritten. */
  checkpoint: z.string(),
});
export type Notification = z.infer<typeof notificationSchema>;

/** An answer to `GET /notifications`. */
export const notificationsPageSchema = z.strictObject({
  notifications: z.array(notificationSchema),
  /** What to send as `after` next time; absent until there is one. */
  next: notificationIdSchema.optional(),
  /** True if there are more now. */
  more: z.boolean(),
  /** There were others, up to and including this one, that are no longer kept. */
  removedUpTo: notificationIdSchema.optional(),
});
export type NotificationsPage = z.infer<typeof notificationsPageSchema>;

export const NOTIFICATION_FORMATS = ['json', 'csv', 'xml'] as const;
export type NotificationFormat = (typeof NOTIFICATION_FORMATS)[number];

/** How an authority receives its notifications. */
const preferencesSchema = z.strictObject({
  /** What is written into the outbox. */
  formats: z
    .array(z.enum(NOTIFICATION_FORMATS))
    .default([...NOTIFICATION_FORMATS])
    .transform((formats) => [...new Set(formats)]),
  /** If set: a `.dat`/`.ctl` pair for each format, which a MESH client sends to this mailbox. */
  mailbox: mailboxSchema.optional(),
  /** The workflow id of these, if it differs from the settings. */
  workflowId: workflowSchema.optional(),
  /** Even if nobody looked. */
  empty: z.boolean().default(false),
});
export type NotificationPreferences = z.infer<typeof preferencesSchema>;

/** By ODS code; `*` for authorities not named. */
export const preferencesFileSchema = z.record(
  z.string().regex(/^(?:\*|[A-Z0-9]{3,12})$/, { error: 'must be an ODS code, or *' }),
  preferencesSchema,
);
export type PreferencesFile = z.infer<typeof preferencesFileSchema>;

/** The settings for an authority. */
export const preferencesOf = (file: PreferencesFile, code: string): NotificationPreferences =>
  file[code] ?? file['*'] ?? preferencesSchema.parse({});
