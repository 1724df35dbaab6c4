import { z } from 'zod';
import { PLAN_STATUSES, planTypes } from '../plans/plan.ts';
import { findingSchema } from './acknowledgement.ts';
import { uploadFormats } from './formats.ts';

/** What may differ in a plan that both hold. */
export const COMPARED_FIELDS = [
  'startDate',
  'endDate',
  'deleteDate',
  'dateOfBirth',
  'localId',
] as const;
export type ComparedField = (typeof COMPARED_FIELDS)[number];

const RECONCILED = ['same', 'differs', 'only-here', 'only-there'] as const;

const differenceSchema = z.strictObject({
  field: z.enum(COMPARED_FIELDS),
  here: z.string().meta({ description: 'As it is held; empty if there is none.' }),
  there: z.string().meta({ description: 'As the export has it; empty if there is none.' }),
});

const reconciledRowSchema = z.strictObject({
  result: z.enum(RECONCILED),
  nhsNumber: z.string(),
  localId: z
    .string()
    .meta({ description: 'From the export; for a row that is only here, as it is held.' }),
  type: z.enum(planTypes),
  startDate: z.iso.date(),
  status: z
    .enum([...PLAN_STATUSES, 'not-started', 'not-shown'])
    .optional()
    .meta({ description: 'How the plan is shown now; absent if it is only there.' }),
  place: z.string().optional().meta({ description: 'Its place in the export.' }),
  differences: z.array(differenceSchema).optional(),
  withdrawn: z.literal(true).optional().meta({
    description:
      'It was withdrawn as another child’s, and stays so if it is sent as the export has it: delete it in the case system.',
  }),
});
export type ReconciledRow = z.infer<typeof reconciledRowSchema>;

/** What an authority is advised to do about a plan, by its kind. */
export const ADVICE = ['withdrawn', 'start', 'differs', 'only-here', 'only-there'] as const;
export type Advice = (typeof ADVICE)[number];

/** The advice on a plan; `undefined` if both agree. */
export function adviceOf({ result, withdrawn, differences }: ReconciledRow): Advice | undefined {
  if (result === 'same') return undefined;
  if (result !== 'differs') return result;
  if (withdrawn === true) return 'withdrawn';
  return differences?.some(({ field }) => field === 'startDate') === true ? 'start' : 'differs';
}

/** A case system's export against what is held for its authority. Nothing is changed by it. */
export const reconciliationSchema = z.strictObject({
  authority: z.strictObject({
    code: z.string(),
    name: z.string(),
    dataAsOf: z.iso.datetime().optional(),
  }),
  file: z.strictObject({
    name: z.string(),
    format: z.enum(uploadFormats),
    sha256: z.string(),
    receivedAt: z.iso.datetime(),
  }),
  compared: z.boolean().meta({
    description: 'False if the export cannot be read; `problems` say why, and there are no rows.',
  }),
  counts: z.strictObject({
    same: z.int(),
    differs: z.int(),
    onlyHere: z.int(),
    onlyThere: z.int(),
    over: z.int().meta({
      description:
        'Held, deleted or hidden for good, and not in the export: nothing is wrong with them, so they are not listed.',
    }),
    notCompared: z
      .int()
      .meta({ description: 'Records of the export that an upload would refuse.' }),
  }),
  rows: z.array(reconciledRowSchema).meta({ description: 'Those that are not the same first.' }),
  problems: z
    .array(findingSchema)
    .meta({ description: 'Problems with the export, as in an acknowledgement.' }),
  omitted: z.int().meta({ description: 'How many problems are not listed.' }),
});
export type Reconciliation = z.infer<typeof reconciliationSchema>;
