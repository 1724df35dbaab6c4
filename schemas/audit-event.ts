import { z } from 'zod';

/**
 * What a process writes of itself into an event before the store adds what only the store knows (the
 * number in the partition, the time, what was shown). Never a date of birth, a child's name, a
 * telephone number, a token or a body; an NHS number that is not valid only as a keyed hash.
 */
const callerSchema = z.object({
  issuer: z.string(),
  client: z.string(),
  user: z.string(),
  name: z.string(),
  role: z.object({ code: z.string(), name: z.string() }),
  organisation: z.object({ code: z.string(), name: z.string() }),
});

const versionsSchema = z.object({ functions: z.string(), configuration: z.string() });

const requestSchema = z.object({
  auditId: z.uuid(),
  requestId: z.guid().optional(),
  correlationId: z.guid().optional(),
  caller: callerSchema,
  api: z.enum(['plain', 'fhir']),
});

export const lookupEventSchema = requestSchema.extend({
  type: z.literal('lookup'),
  /** The kind of setting; every scheduled one only as `scheduled`. */
  setting: z.string(),
  access: z.enum(['unscheduled', 'silent-read']),
  /** What made it so: the only activity held, the header, or the header's absence. */
  decidedBy: z.enum(['activity', 'header', 'default']),
  nhsNumber: z.string(),
  reason: z.string().optional(),
  coverage: z.object({ expected: z.int(), upToDate: z.int() }),
  versions: versionsSchema,
});

/** The answer to an event of the same id could not be written in full. */
export const notDeliveredEventSchema = z.object({
  type: z.literal('not-delivered'),
  auditId: z.uuid(),
  nhsNumber: z.string(),
});

/** A lookup that could not be answered for a reason that left the store able to record it. */
export const couldNotCheckEventSchema = lookupEventSchema.extend({
  type: z.literal('could-not-check'),
  cause: z.string(),
});

/** A request with a valid token that was refused. */
export const refusalEventSchema = requestSchema.extend({
  type: z.literal('refusal'),
  code: z.string(),
  /** Without role and organisation where the user has several and chose none. */
  caller: callerSchema.partial({ role: true, organisation: true }),
  nhsNumber: z.string().optional(),
  nhsNumberHash: z.string().optional(),
});

export const loadEventSchema = z.object({
  type: z.literal('load'),
  auditId: z.uuid(),
  authority: z.string(),
  sequence: z.int(),
  sha256: z.string(),
  code: z.string(),
  accepted: z.int(),
  refused: z.int(),
  by: z.string(),
});

/** An act of an operator: a dataset made, an authority set, a process started with a configuration. */
export const operatorEventSchema = z.object({
  type: z.enum(['dataset-created', 'authority-set', 'configuration-start', 'store-opened']),
  auditId: z.uuid(),
  by: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

export const writtenEventSchema = z.discriminatedUnion('type', [
  lookupEventSchema,
  notDeliveredEventSchema,
  couldNotCheckEventSchema,
  refusalEventSchema,
  loadEventSchema,
  operatorEventSchema,
]);
/** The part of an event that a process writes. */
export type WrittenEvent = z.infer<typeof writtenEventSchema>;
export type LookupEvent = z.infer<typeof lookupEventSchema>;

/** One plan as it was shown: authority, type, start, status and date of birth result. */
export const shownPlanSchema = z.object({
  authority: z.string(),
  type: z.string(),
  startDate: z.iso.date(),
  status: z.string(),
  dateOfBirth: z.string(),
});

/** An event as it is read back from its stream. */
export type AuditEvent = WrittenEvent & {
  /** `0` to `255`, or `system` for what concerns no single child. */
  partition: number | 'system';
  /** Without gaps within the partition, from 1. */
  number: number;
  /** The store's time, milliseconds. */
  at: number;
  /** Lookups: what was decided and shown. */
  outcome?: 'flagged' | 'not-flagged';
  shown?: z.infer<typeof shownPlanSchema>[];
  /** Lookups: audit ids of the accesses shown. */
  accessesShown?: string[];
};
