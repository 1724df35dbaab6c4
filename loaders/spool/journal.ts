import { z } from 'zod';
import { callerSchema, whoText } from '#schemas/audit/audit-event.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';

const detailsSchema = z.strictObject({
  name: z.string().optional(),
  officeHoursPhone: z.string().optional(),
  emergencyDutyTeamPhone: z.string().optional(),
});

const sizeSchema = z.strictObject({ rows: z.number(), added: z.number() });

/** The authority's state once a file has used up its number. */
const consumptionSchema = z.strictObject({
  /** Name and numbers to take over; absent for a CSV, and for a file older than one already loaded. */
  details: detailsSchema.optional(),
  dataAsOf: z.iso.datetime(),
  /** A full refresh: files numbered up to here are no longer accepted. */
  closed: z.int().optional(),
  /** Kept for comparison with later files; absent for a full refresh and a first load. */
  size: sizeSchema.optional(),
});
export type Consumption = z.infer<typeof consumptionSchema>;

/** A file held in part or whole: with its rows in the spool, everything needed to continue it. */
export const heldFileSchema = z.strictObject({
  id: z.string(),
  authority: odsCodeSchema,
  /** With the authority's offset. */
  sequence: z.int().nonnegative(),
  /** The file's own. */
  number: z.int().nonnegative(),
  sha256: z.string(),
  /** ISO 8601. */
  at: z.iso.datetime(),
  by: z.string(),
  whole: z.boolean(),
  /** Whether dates of birth that can be read two ways are in doubt. */
  birthDatesInDoubt: z.boolean().optional(),
  /** What waits to be traced, and for no person's decision: which of the spool's files it is in. */
  untraced: z.int().min(1).optional(),
  /** A full refresh whose omitted rows are still to be removed. */
  sweep: z.boolean(),
  /** Why, in sentences. */
  reasons: z.array(z.string()),
  consumption: consumptionSchema,
  /** What was answered. */
  acknowledgement: acknowledgementSchema,
});
export type HeldFile = z.infer<typeof heldFileSchema>;

/**
 * Everything needed to finish a load from its spool: written, with the decision on every row, before the
 * first row is applied.
 */
export const journalSchema = z.strictObject({
  authority: odsCodeSchema,
  /** With the authority's offset. */
  sequence: z.int().nonnegative(),
  /** The highest sequence that the authority will have used. */
  highestSequence: z.int().nonnegative(),
  sha256: z.string(),
  /** Earlier versions wrote it longer than an event takes, and could not finish such a load. */
  by: z.string().transform(whoText),
  /** Who sent it, if it came from a caller. */
  caller: callerSchema.optional(),
  /** The id of the audit event: a second copy of the event caused by a crash is recognised by it. */
  auditId: z.uuid(),
  /** True if part of a file of this number was applied before. */
  again: z.boolean(),
  /** True if this was held from a file and is applied now. */
  heldPart: z.literal(true).optional(),
  consumption: consumptionSchema,
  recent: z.array(sizeSchema),
  /** What the authority will hold. */
  expected: z.strictObject({ rows: z.int().nonnegative(), digest: z.string() }),
  /** What is held from the file, if anything. */
  hold: heldFileSchema.optional(),
  /** The id of the held file that this load applies or replaces. */
  drops: z.string().optional(),
  /** As it will be sent, if the store turns out to hold what is expected. */
  acknowledgement: acknowledgementSchema,
});
export type Journal = z.infer<typeof journalSchema>;
