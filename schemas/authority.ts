import { z } from 'zod';
import { officeHoursSchema } from './office-hours.ts';
import { heldTextSchema } from './text.ts';

/** An Organisation Data Service code: three to twelve capitals and digits. */
export const odsCodeSchema = z
  .string()
  .regex(/^[A-Z0-9]{3,12}$/, { error: 'must be an ODS code: 3 to 12 capital letters and digits' })
  .brand<'OdsCode'>();
export type OdsCode = z.infer<typeof odsCodeSchema>;

/** Digits as dialled, with an optional leading `+`; spaces are for people and are not stored. */
export const phoneSchema = z
  .string()
  .transform((text) => text.replace(/[\s()-]/g, ''))
  .pipe(
    z.string().regex(/^\+?[0-9]{3,15}$/, {
      error:
        'must be one telephone number: 3 to 15 digits, with or without a leading +, and no extension',
    }),
  );

/**
 * What anybody in the United Kingdom may ring: these are no council's or hospital's own, so nobody there
 * knows the child.
 */
const PUBLIC_PHONE = /^(?:(?:\+|00)440?)?(?:999|112|111|101)$/;
export const isPublicPhone = (phone: string): boolean => PUBLIC_PHONE.test(phone);

/** A number to be given to an authority. One stored under earlier rules stays readable by {@link phoneSchema}. */
export const councilPhoneSchema = phoneSchema.refine((phone) => !isPublicPhone(phone), {
  error: 'must be the council’s own number: 999, 112, 111 and 101 are not',
});

/** An authority's own identifier of a child, as its case system prints it. */
export const localIdSchema = z
  .string()
  .trim()
  .max(40, { error: 'must be at most 40 characters' })
  .regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u, { error: 'must have no control characters' });

/** What the directory holds of one authority. Instants are ISO 8601 in UTC. */
export const authoritySchema = z.object({
  code: odsCodeSchema,
  name: heldTextSchema,
  officeHoursPhone: phoneSchema.optional(),
  /** When that number was last given, as below. */
  officeHoursPhoneAsOf: z.iso.datetime().optional(),
  /** When that number answers. Unreadable hours are left out: they only say which number to ring first. */
  officeHours: officeHoursSchema.optional().catch(undefined),
  /** Always present: an authority that cannot be rung at night cannot load. */
  emergencyDutyTeamPhone: phoneSchema,
  /** When that number was last given, by a file or by hand; absent if that was before this was recorded. */
  emergencyDutyTeamPhoneAsOf: z.iso.datetime().optional(),
  /** The earlier of creation and receipt of its last good file; absent until it has loaded. */
  dataAsOf: z.iso.datetime().optional(),
  /** The highest file sequence that consumed its number, with the offset below. */
  sequence: z.int().nonnegative().optional(),
  /** What is added to the numbers of its files since its numbering restarted; 0 before that. */
  sequenceOffset: z.int().nonnegative().optional(),
  /** Children and rows (tombstones included) held when the last load was reconciled. */
  rows: z.int().nonnegative().optional(),
  /** Order-free digest of those rows, 32 hex digits. */
  digest: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
  /** False once reconciliation found a difference; true again after a load that reconciles. */
  reconciled: z.boolean().default(true),
});
export type Authority = z.infer<typeof authoritySchema>;

/** The number of an authority's last file, as in its files; none before the first file of a numbering. */
export function lastFileNumber({
  sequence,
  sequenceOffset = 0,
}: {
  sequence?: number | undefined;
  sequenceOffset?: number | undefined;
}): number | undefined {
  return sequence === undefined || sequence < sequenceOffset
    ? undefined
    : sequence - sequenceOffset;
}

/** The number of a file as in the file itself: for one from before its numbering restarted, the number it has inside. */
export const fileNumber = (sequence: number, sequenceOffset: number): number =>
  sequence >= sequenceOffset ? sequence - sequenceOffset : sequence;
