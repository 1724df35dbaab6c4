import { z } from 'zod';
import { type CalendarDate, parseIsoDate } from './calendar.ts';
import { nhsNumberSchema } from './nhs-number.ts';
import { planTypes } from './plan.ts';

const birthDateSchema = z
  .string()
  .refine((text) => parseIsoDate(text) !== undefined, { error: 'must be a date as YYYY-MM-DD' })
  .transform((text) => text as CalendarDate);

export const REASONS = ['attendance', 'enquiry', 'other'] as const;

/** The body of `POST /lookup`. */
export const lookupRequestSchema = z.strictObject({
  nhsNumber: nhsNumberSchema,
  dateOfBirth: birthDateSchema.optional(),
  reason: z.enum(REASONS).optional(),
});
export type LookupRequest = z.infer<typeof lookupRequestSchema>;

/** How many lookups a batch takes. */
export const BATCH_AT_MOST = 50;

export const dateOfBirthResults = ['match', 'mismatch', 'not-checked'] as const;
export type DateOfBirthResult = (typeof dateOfBirthResults)[number];

const flagAuthoritySchema = z.object({
  code: z.string(),
  name: z.string(),
  officeHoursPhone: z.string().optional(),
  emergencyDutyTeamPhone: z.string(),
  dataAsOf: z.iso.datetime().optional(),
  upToDate: z.boolean(),
});

/**
 * One plan shown. `endDate` only of an ended or ending plan; an unborn child's plan has
 * `dueOrEndDate` in its place, because the upload does not tell the two apart.
 */
export const flagSchema = z.object({
  type: z.enum(planTypes),
  status: z.enum(['current', 'ended', 'due-date-passed']),
  startDate: z.iso.date(),
  endDate: z.iso.date().optional(),
  dueOrEndDate: z.iso.date().optional(),
  dateOfBirth: z.enum(dateOfBirthResults),
  authority: flagAuthoritySchema,
});
export type Flag = z.infer<typeof flagSchema>;

/** An earlier (or the caller's own present) look from an unscheduled setting. */
export const accessSchema = z.object({
  at: z.iso.datetime(),
  name: z.string(),
  role: z.string(),
  organisation: z.object({ code: z.string(), name: z.string() }),
  /** True where the caller is the one who looked. */
  own: z.boolean(),
});

export const coverageSchema = z.object({
  expected: z.int(),
  upToDate: z.int(),
  complete: z.boolean(),
  /** `since` is the data-as-of of what is held; absent when the authority never loaded. */
  notUpToDate: z.array(
    z.object({ code: z.string(), name: z.string(), since: z.iso.datetime().optional() }),
  ),
});
export type Coverage = z.infer<typeof coverageSchema>;

/** The 200 answer of `POST /lookup`. Anything else on that route is a problem with `checked: false`. */
export const lookupAnswerSchema = z.object({
  checked: z.literal(true),
  outcome: z.enum(['flagged', 'not-flagged']),
  /** True while any plan shown is in force (current, or an unborn child's whose due date passed). */
  current: z.boolean(),
  checkedAt: z.iso.datetime(),
  auditId: z.uuid(),
  advice: z.array(z.string()),
  flags: z.array(flagSchema),
  /** The last 25, latest first; absent from the answer to a silent read. */
  accesses: z.array(accessSchema).optional(),
  coverage: coverageSchema,
});

/** How many accesses an answer shows. Source: CP-IS API catalogue, "latest 25". */
export const ACCESSES_SHOWN = 25;
/** A further look by the same user at the same child within this time is not listed again. */
export const ACCESS_COLLAPSE_HOURS = 24;
