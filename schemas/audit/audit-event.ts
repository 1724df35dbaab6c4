// One list, since every event says what it holds, and what one leaves out shows beside the others.

import { z } from 'zod';
import { ATTENDANCES } from '../attendance.ts';
import { LOOKUP_OUTCOMES, SEARCH_TYPES } from '../lookup.ts';
import { ACCESSES } from '../people/care-setting.ts';
import { requestIdSchema } from '../request-id.ts';
import { CASE_STEPS } from './access-case.ts';

const WHO_AT_MOST = 200;
/** What {@link whoText} keeps of the end: a user, a client and a request, each as long as its id may be. */
const WHO_END = 150;
const LEFT_OUT = ' (...) ';

/** A name or an id, or several put together by {@link whoText}. Tokens and commands cannot give an empty or longer one. */
const who = z.string().min(1).max(WHO_AT_MOST);

/** Who did something, as an event takes it. A longer text loses its middle: its end has the ids. */
export const whoText = (text: string): string =>
  text.length <= WHO_AT_MOST
    ? text
    : `${text.slice(0, WHO_AT_MOST - WHO_END - LEFT_OUT.length)}${LEFT_OUT}${text.slice(-WHO_END)}`.toWellFormed();

/**
 * What a process writes into an event before the store adds what only the store knows (the number in the
 * partition, the time, what was shown). Never a date of birth, a child's name, a telephone number, a token or
 * a body; an NHS number that is not valid only as a keyed hash.
 */
export const callerSchema = z.object({
  issuer: who,
  client: who,
  user: who,
  name: who,
  role: z.object({ code: who, name: who }),
  organisation: z.object({ code: who, name: who }),
});

/** A verified caller, as events have it. */
export type EventCaller = z.infer<typeof callerSchema>;

/** Signs that may reveal a user who guesses numbers. */
export const ENUMERATION_SIGNS = [
  'distinct-numbers',
  'invalid-numbers',
  'sequential-numbers',
  'out-of-hours',
  'peers',
] as const;
export type EnumerationSign = (typeof ENUMERATION_SIGNS)[number];

const versionsSchema = z.object({ functions: z.string(), configuration: z.string() });

const idsSchema = z.object({
  auditId: z.uuid(),
  requestId: requestIdSchema.optional(),
  correlationId: requestIdSchema.optional(),
});

/** The ways to ask. */
export const APIS = ['plain', 'fhir', 'pages'] as const;
export type Api = (typeof APIS)[number];

const requestSchema = idsSchema.extend({
  caller: callerSchema,
  api: z.enum(APIS),
});

export const lookupEventSchema = requestSchema.extend({
  type: z.literal('lookup'),
  /** The kind of setting; every scheduled one only as `scheduled`. */
  setting: z.string(),
  access: z.enum(ACCESSES),
  /** What made it so: the only activity held, the header, or the header's absence. */
  decidedBy: z.enum(['activity', 'header', 'default']),
  /** FHIR only: what was searched for, and so which part of the answer was shown. */
  search: z.enum(SEARCH_TYPES).optional(),
  nhsNumber: z.string(),
  reason: z.string().optional(),
  coverage: z.object({ expected: z.int(), upToDate: z.int() }),
  versions: versionsSchema,
});

/**
 * The outcome of a look, from the user who made it. It repeats the plans of the look's own event, so that
 * their authorities can be notified. It has no `outcome` field, since earlier versions know a look by that.
 */
export const attendanceEventSchema = requestSchema.extend({
  type: z.literal('attendance'),
  setting: z.string(),
  nhsNumber: z.string(),
  /** The audit id of the look, as it was given: one of the latest five within a day. */
  lookupId: z.uuid(),
  attended: z.enum(ATTENDANCES),
  ward: z.string().optional(),
  switchboard: z.string().optional(),
});
export type AttendanceEvent = z.infer<typeof attendanceEventSchema>;

/** When it happened, by the service's clock: the store may have taken the event later. */
const occurredAt = z.iso.datetime().optional();

/** The answer to the event with this id could not be written in full. */
const notDeliveredEventSchema = z.object({
  type: z.literal('not-delivered'),
  auditId: z.uuid(),
  nhsNumber: z.string(),
  occurredAt,
});

/** A lookup that could not be answered, for a reason that still let the store record it. */
const couldNotCheckEventSchema = lookupEventSchema.extend({
  type: z.literal('could-not-check'),
  cause: z.string(),
  /** The councils that bar this user from the child, if any do. */
  barredBy: z.array(z.string()).optional(),
  /** If the user is barred: the councils that protect the child's whereabouts, the oldest protection first. */
  protectedBy: z.array(z.string()).optional(),
  occurredAt,
});

/** A request with a valid token that was refused. */
const refusalEventSchema = requestSchema.extend({
  type: z.literal('refusal'),
  code: z.string(),
  /** Without role and organisation if the user has several and chose none. */
  caller: callerSchema.partial({ role: true, organisation: true }),
  nhsNumber: z.string().optional(),
  nhsNumberHash: z.string().optional(),
  /** In a flood of identical refusals, how many this event stands for: only the first are recorded singly. */
  count: z.int().optional(),
  occurredAt,
});

/**
 * A user looks numbers up in an unusual way. A sign for a person to follow up; it stops
 * nobody, and names no child.
 */
export const enumerationAlertEventSchema = z.object({
  type: z.literal('enumeration-alert'),
  auditId: z.uuid(),
  caller: callerSchema,
  sign: z.enum(ENUMERATION_SIGNS),
  /** Which lookups were counted; if absent, all of them. */
  access: z.enum(ACCESSES).optional(),
  count: z.int(),
  threshold: z.int(),
  windowSeconds: z.int(),
  occurredAt,
});
export type EnumerationAlertEvent = z.infer<typeof enumerationAlertEventSchema>;

/** Events other than answers for which there was no room while the store was away. */
const eventsLostEventSchema = z.object({
  type: z.literal('events-lost'),
  auditId: z.uuid(),
  count: z.int().positive(),
  from: z.iso.datetime(),
  until: z.iso.datetime(),
});

const loadEventSchema = z.object({
  type: z.literal('load'),
  auditId: z.uuid(),
  authority: z.string(),
  sequence: z.int(),
  sha256: z.string(),
  code: z.string(),
  accepted: z.int(),
  refused: z.int(),
  /** True if the file, or part of it, is held. */
  held: z.literal(true).optional(),
  /** True once what was held of a file is applied: the file already has an event of its own. */
  heldPart: z.literal(true).optional(),
  /** Rows left as a newer file has them; absent if there are none. */
  superseded: z.int().positive().optional(),
  /** Who sent it over HTTP or on a page. Absent otherwise, and in what earlier versions wrote. */
  caller: callerSchema.optional(),
  by: who,
});

/** An authority, or an operator on the command line, was given everything held for the authority. */
const holdingsReadEventSchema = idsSchema.extend({
  type: z.literal('holdings-read'),
  authority: z.string(),
  /** Absent if an operator read it. */
  caller: callerSchema.optional(),
  by: who,
  reason: z.string().optional(),
});

/** A person of an authority saw in a browser what a file would do. Nothing was loaded. */
const uploadPreviewedEventSchema = idsSchema.extend({
  type: z.literal('upload-previewed'),
  authority: z.string(),
  caller: callerSchema,
  by: who,
  /** SHA-256 of the file's bytes. */
  sha256: z.hex(),
  sizeBytes: z.int(),
});

/**
 * The audit was searched, or a report was made from it: by whom, why, for what, and how many events were
 * shown. Recorded before they are shown.
 */
const auditSearchEventSchema = idsSchema.extend({
  type: z.literal('audit-search'),
  /** Absent if it was the command line. */
  caller: callerSchema.optional(),
  by: who,
  reason: z.string(),
  /** Command line only: the account of the operating system that it ran under. */
  account: z.string().optional(),
  /** Which report; absent for a search. */
  report: z.string().optional(),
  /** Whose events could be seen: all, those of one organisation, or those of one authority's children. */
  view: z.string(),
  criteria: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  eventsShown: z.int().nonnegative(),
});

/** An authority was given notifications of accesses to its children, up to and including this one. */
const notificationsReadEventSchema = idsSchema.extend({
  type: z.literal('notifications-read'),
  authority: z.string(),
  caller: callerSchema,
  by: who,
  after: z.string().optional(),
  upTo: z.string(),
  count: z.int(),
});

/** What may be done about a flag on the wrong child. */
export const WITHDRAWAL_ACTS = ['asked', 'declined', 'confirmed', 'urgent', 'undone'] as const;

/**
 * A council asks for one of its flags to be withdrawn as another child's, and a second person confirms it; or
 * one person withdraws it urgently; or it is shown again. Recorded before it takes effect.
 */
export const withdrawalEventSchema = idsSchema.extend({
  type: z.literal('withdrawal'),
  act: z.enum(WITHDRAWAL_ACTS),
  /** The id shared by all acts on one withdrawal. */
  withdrawal: z.string(),
  authority: z.string(),
  nhsNumber: z.string(),
  plan: z.object({ type: z.string(), startDate: z.iso.date() }),
  /** Absent if an operator did it for the council. */
  caller: callerSchema.optional(),
  by: who,
  /** Command line only: the account of the operating system that it ran under. */
  account: z.string().optional(),
  reason: z.string().optional(),
});
export type WithdrawalEvent = z.infer<typeof withdrawalEventSchema>;

/** What a council may keep back about one of its children: where it was looked up, or everything from one user. */
export const RESTRICTION_KINDS = ['whereabouts', 'barred'] as const;

/** A council keeps something back about a child, or ends that. Recorded before it takes effect. */
export const restrictionEventSchema = idsSchema.extend({
  type: z.literal('restriction'),
  act: z.enum(['set', 'ended']),
  /** The id shared by all acts on one restriction. */
  restriction: z.string(),
  kind: z.enum(RESTRICTION_KINDS),
  authority: z.string(),
  nhsNumber: z.string(),
  /**
   * The barred user. A search by user does not read this field, so that nobody learns of their own bar by
   * searching.
   */
  barredUser: who.optional(),
  /** For whereabouts: the councils that protected them before, the oldest protection first. */
  protectedBy: z.array(z.string()).optional(),
  /** Absent if an operator did it for the council. */
  caller: callerSchema.optional(),
  by: who,
  /** Command line only: the account of the operating system that it ran under. */
  account: z.string().optional(),
  reason: z.string(),
});
export type RestrictionEvent = z.infer<typeof restrictionEventSchema>;

/**
 * A step of a case on an access. Its note is stored elsewhere, where it can be erased. The event has a salted
 * digest of it, `words`, which proves that a note that is still there is the one that was written.
 */
export const accessCaseEventSchema = idsSchema.extend({
  type: z.literal('access-case'),
  step: z.enum(CASE_STEPS),
  /** The id shared by all steps of one case. */
  case: z.uuid(),
  /** The access: its place in the log, and its audit id. */
  entry: z.int(),
  accessId: z.uuid(),
  /** The organisation whose people made it. */
  organisation: who,
  /** Absent if an operator did it by the command line. */
  caller: callerSchema.optional(),
  by: who,
  account: z.string().optional(),
  reason: z.string().optional(),
  words: z.string().optional(),
});
export type AccessCaseEvent = z.infer<typeof accessCaseEventSchema>;

/** An act of an operator: a dataset made, an authority set, a process started with a configuration. */
export const operatorEventSchema = z.object({
  type: z.enum([
    'dataset-created',
    'authority-set',
    'authority-removed',
    'authorities-expected',
    'configuration-start',
    'configuration-change',
    'store-opened',
    'promotion-confirmed',
    'event-missing',
    'old-copy-confirmed',
    'clock-confirmed',
    'single-mode-ordered',
    'single-mode-ended',
    'replica-set-aside',
    'replica-put-back',
    'dataset-confirmed',
    'store-repaired',
    'user-blocked',
    'user-unblocked',
    'user-remains-blocked',
    'audit-key-added',
    'audit-key-retired',
    'audit-hold',
    'audit-hold-ended',
    'audit-gap-accepted',
    'audit-pruned',
    'audit-verified',
    'one-copy-ordered',
    'one-copy-ended',
    'older-state-accepted',
    'worker-took-over',
    'hold-released',
    'hold-discarded',
    'number-sensitive',
    'sequence-reset',
    'plans-confirmed',
    'notifications-resent',
    'mesh-resent',
    'mesh-dropped',
    'purge',
  ]),
  auditId: z.uuid(),
  by: who,
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  occurredAt,
});

/**
 * Events that are not answers, which a lookup process also records; what happened while the store was away is
 * recorded later. Each but the count of those lost has `occurredAt`.
 */
export const recordedEventSchema = z.discriminatedUnion('type', [
  notDeliveredEventSchema,
  couldNotCheckEventSchema,
  refusalEventSchema,
  enumerationAlertEventSchema,
  eventsLostEventSchema,
  operatorEventSchema.extend({
    type: operatorEventSchema.shape.type.extract(['configuration-start', 'configuration-change']),
  }),
]);
export type RecordedEvent = z.infer<typeof recordedEventSchema>;

export const writtenEventSchema = z.discriminatedUnion('type', [
  lookupEventSchema,
  notDeliveredEventSchema,
  couldNotCheckEventSchema,
  refusalEventSchema,
  attendanceEventSchema,
  enumerationAlertEventSchema,
  eventsLostEventSchema,
  loadEventSchema,
  holdingsReadEventSchema,
  uploadPreviewedEventSchema,
  auditSearchEventSchema,
  notificationsReadEventSchema,
  accessCaseEventSchema,
  withdrawalEventSchema,
  restrictionEventSchema,
  operatorEventSchema,
]);
/** The part of an event that a process writes. */
export type WrittenEvent = z.infer<typeof writtenEventSchema>;
export type OperatorEvent = z.infer<typeof operatorEventSchema>;
export type LookupEvent = z.infer<typeof lookupEventSchema>;

/** The largest event that is sealed unchanged, in bytes; the log's format allows little more. */
export const EVENT_AT_MOST_BYTES = 65_535;
/** Room for what the store adds to an event that shows no plan. */
const PLACE_AT_MOST_BYTES = 255;

/**
 * An event ready to be written, once the readers' schema has shown that it reads back. A lookup's own event
 * does not pass through here, since its parts were judged when the request came in.
 *
 * @throws if it would be sealed as unreadable, which would be a fault of this program
 */
export function writtenJson(event: WrittenEvent): string {
  const json = JSON.stringify(writtenEventSchema.parse(event));
  if (Buffer.byteLength(json) > EVENT_AT_MOST_BYTES - PLACE_AT_MOST_BYTES) {
    throw new RangeError(`an audit event (${event.type}) is larger than the log takes`);
  }
  return json;
}

/** One plan as it was shown: authority, type, start, status and date of birth result. */
export const shownPlanSchema = z.object({
  authority: z.string(),
  type: z.string(),
  startDate: z.iso.date(),
  status: z.string(),
  dateOfBirth: z.string(),
});

/** Where a plan came from: the authority's own identifier of the child, and the number of the file. */
export const sourceSchema = z.object({ localId: z.string().optional(), sequence: z.int() });

/** The end of the year 9999, in milliseconds: every reader can show a time up to it as a date. */
const LATEST_TIME = 253_402_300_799_999;
/** The same as {@link eventTimeSchema}, for code that reads a time in every lookup. */
export const isEventTime = (at: number): boolean =>
  Number.isSafeInteger(at) && at >= 0 && at <= LATEST_TIME;
/** The store's time of an event, milliseconds. */
export const eventTimeSchema = z.int().min(0).max(LATEST_TIME);

/** What the store adds to a written event. */
export const placedSchema = z.object({
  /** `0` to `255`, or `system` for events that concern no single child. */
  partition: z.union([z.int(), z.literal('system')]),
  /** Without gaps within the partition, from 1. */
  number: z.int(),
  at: eventTimeSchema,
  /** Lookups: what was decided and shown. */
  outcome: z.enum(LOOKUP_OUTCOMES).optional(),
  shown: z.array(shownPlanSchema).optional(),
  /**
   * Lookups other than silent reads: the source of each plan shown, in their order. For its authority only;
   * the person who looked was not shown it.
   */
  sources: z.array(sourceSchema).optional(),
  /** Lookups: audit ids of the accesses shown; none if the answer shows no accesses. */
  accessesShown: z.array(z.string()).optional(),
  /**
   * Lookups and their outcomes: the councils that keep back where the child was looked up. Nobody else is
   * told the place.
   */
  whereaboutsOf: z.array(z.string()).optional(),
});

/** An event as it is read back from its stream or from the sealed log. */
export const auditEventSchema = placedSchema.and(writtenEventSchema);
export type AuditEvent = z.infer<typeof auditEventSchema>;

const knownTypes = new Set<unknown>(
  writtenEventSchema.options.flatMap(({ shape: { type } }) =>
    type instanceof z.ZodEnum ? type.options : [...type.values],
  ),
);

/**
 * Whether an entry that is not an event of this version cannot be one of a newer version either: its type is
 * known here, and its form is wrong. A newer version may know more types, and more words in a list of words.
 */
export const isForged = (entry: unknown, { issues }: z.ZodError): boolean =>
  knownTypes.has((entry as { type?: unknown } | null)?.type) &&
  issues.some(({ code }) => code !== 'invalid_value');

/**
 * What the sealed log has for an entry of a stream that was not an event, and so not written by the service:
 * as much of it as there is room for, and a digest of all of it.
 */
export const unreadableEventSchema = placedSchema.extend({
  type: z.literal('unreadable'),
  sha256: z.string(),
  /** The stream entry's fields as JSON, cut if it is long. */
  fields: z.string(),
});
export type UnreadableEvent = z.infer<typeof unreadableEventSchema>;
