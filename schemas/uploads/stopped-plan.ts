import { z } from 'zod';
import { localIdSchema } from '../authority.ts';
import { nhsNumberSchema } from '../nhs-number.ts';
import { planTypes } from '../plans/plan.ts';
import { dateSchema } from '../plans/row.ts';

/** How many plans are listed that a file would take out of force. */
export const STOPPED_LISTED_AT_MOST = 500;

/** A plan in force that a file would take out of force at once, and by what. */
export const stoppedPlanSchema = z.strictObject({
  localId: localIdSchema,
  /** Only if the authority gave no identifier of its own for the child. */
  nhsNumber: nhsNumberSchema.exactOptional(),
  type: z.enum(planTypes),
  startDate: dateSchema,
  by: z.enum(['delete', 'end', 'date-of-birth', 'left-out']),
  /** Where in the file; a plan that is left out has no place there. */
  place: z.string().exactOptional(),
});
export type StoppedPlan = z.infer<typeof stoppedPlanSchema>;
