import { z } from 'zod';
import { type NhsNumber, nhsNumberSchema } from '../nhs-number.ts';

/**
 * Tells an authority which NHS numbers of one of its uploads are no longer in use. It moves nothing to
 * another number.
 *
 * Source: CP-IS schemas, Inactive NHS Number Notification, REPC_MT000005GB01.
 */
export const inactiveNumbersNoticeSchema = z.strictObject({
  id: z.uuid(),
  createdAt: z.iso.datetime(),
  authority: z.strictObject({ code: z.string(), name: z.string().optional() }),
  /** The number of the upload that the NHS numbers came in. */
  sequence: z.int().nonnegative(),
  /** Each number once. */
  numbers: z
    .array(
      z.strictObject({
        nhsNumber: nhsNumberSchema,
        localId: z.string().max(40).optional(),
        /** Absent for a number that was withdrawn without a replacement. */
        replacedBy: nhsNumberSchema.optional(),
      }),
    )
    .min(1),
  /** How many more there are than a notice lists. */
  omitted: z.int().nonnegative(),
});
/** Tells an authority that the record of one of its numbers has become sensitive since its plan was loaded. */
export type SensitiveNumberNotice = {
  id: string;
  /** ISO 8601. */
  createdAt: string;
  authority: { code: string; name?: string | undefined };
  nhsNumber: NhsNumber;
  localId?: string;
};

export type InactiveNumbersNotice = z.infer<typeof inactiveNumbersNoticeSchema>;
export type InactiveNumber = InactiveNumbersNotice['numbers'][number];
