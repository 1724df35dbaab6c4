import { z } from 'zod';
import { planTypes } from '../plans/plan.ts';

/** The answer of `GET /holdings`: everything held for an authority, to compare a case system with. */
export const holdingsSchema = z.object({
  authority: z.object({
    code: z.string(),
    name: z.string(),
    dataAsOf: z.iso.datetime().optional(),
  }),
  rows: z
    .array(
      z.object({
        nhsNumber: z.string(),
        localId: z.string(),
        type: z.enum(planTypes),
        startDate: z.iso.date(),
        endDate: z.iso.date().optional(),
        deleteDate: z.iso.date().optional(),
        withdrawn: z.literal(true).optional().meta({
          description: 'The authority withdrew it on the delete date, as another child’s.',
        }),
        sequence: z
          .int()
          .meta({ description: 'Sequence number of the file that it was last sent with.' }),
        visibleUntil: z.iso.datetime(),
      }),
    )
    .meta({ description: 'Every plan, ended and deleted ones too.' }),
  count: z.int().meta({ description: 'The number of rows; a copy without it was cut short.' }),
});
