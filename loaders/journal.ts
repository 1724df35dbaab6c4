import { z } from 'zod';
import { acknowledgementSchema } from '#schemas/acknowledgement.ts';
import { odsCodeSchema } from '#schemas/authority.ts';

/**
 * What a load needs to be carried to its end from its spool alone: written, with the decision on every
 * row, before the first row is applied.
 */
export const journalSchema = z.strictObject({
  authority: odsCodeSchema,
  sequence: z.int().nonnegative(),
  /** The highest sequence the authority will have consumed. */
  highestSequence: z.int().nonnegative(),
  sha256: z.string(),
  by: z.string(),
  /** Of the audit event, so that one written twice around a crash is known for one. */
  auditId: z.uuid(),
  /** Name and numbers to take over; absent for a CSV, and for a file older than one already loaded. */
  details: z
    .strictObject({
      name: z.string().optional(),
      officeHoursPhone: z.string().optional(),
      emergencyDutyTeamPhone: z.string().optional(),
    })
    .optional(),
  dataAsOf: z.iso.datetime(),
  /** What the authority will hold. */
  expected: z.strictObject({ rows: z.int().nonnegative(), digest: z.string() }),
  /** As it will be sent, if the store turns out to hold what is expected. */
  acknowledgement: acknowledgementSchema,
});
export type Journal = z.infer<typeof journalSchema>;
