import { z } from 'zod';
import { localIdSchema, odsCodeSchema } from '../authority.ts';
import type { CalendarDate } from '../calendar.ts';
import { type NhsNumber, nhsNumberSchema } from '../nhs-number.ts';
import { type Plan, type PlanWindow, planTypes } from './plan.ts';

/**
 * One plan of one authority as the store holds it. Its identity is (NHS number, authority, type, start
 * date); everything else may be corrected by a file with a higher sequence.
 */
export type PlanRow = Plan &
  PlanWindow & {
    nhsNumber: NhsNumber;
    authority: string;
    /** The authority's own identifier of the child, or ''. */
    localId: string;
    /** The sequence of the file that gave the row its present state. */
    sequence: number;
    /** The date of birth may have day and month swapped, so nothing is compared with it. */
    dateOfBirthInDoubt?: true;
    /**
     * The delete date is the day on which its authority withdrew it as another child's, and was not sent by
     * the case system: files that send it again leave it withdrawn.
     */
    withdrawn?: true;
  };

export const dateSchema = z.iso.date().transform((text) => text as CalendarDate);

/**
 * A checked row of an upload, as it is in the spool: only what the store needs. Parsed again when the spool
 * is read back, since a spool outlives the process that wrote it.
 */
const spooledRowSchema = z.strictObject({
  nhsNumber: nhsNumberSchema,
  authority: odsCodeSchema,
  type: z.enum(planTypes),
  startDate: dateSchema,
  endDate: dateSchema.optional(),
  deleteDate: dateSchema.optional(),
  dateOfBirth: dateSchema,
  localId: localIdSchema,
  sequence: z.int().nonnegative(),
  /** As in a held row; while a file is read, that its date of birth can be read two ways. */
  dateOfBirthInDoubt: z.literal(true).optional(),
});
export type SpooledRow = z.infer<typeof spooledRowSchema>;

/** A plan to be held, before it is known when it is shown. */
export type RowFacts = Omit<SpooledRow, 'authority'> & {
  authority: string;
  withdrawn?: true | undefined;
};
