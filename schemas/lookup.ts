import { z } from 'zod';
import { type CalendarDate, parseIsoDate } from './calendar.ts';
import { problemSchema } from './errors.ts';
import { nhsNumberSchema } from './nhs-number.ts';
import { PLAN_STATUSES, planTypes } from './plans/plan.ts';

const birthDateSchema = z
  .string()
  .refine((text) => parseIsoDate(text) !== undefined, { error: 'must be a date as YYYY-MM-DD' })
  .transform((text) => text as CalendarDate)
  .meta({
    format: 'date',
    description:
      'The date of birth of the patient who is present. Each flag says whether it matches the one held; it hides nothing.',
  });

/** The FHIR searches, each a view of one and the same lookup. */
export const SEARCH_TYPES = ['CareTeam', 'AuditEvent', 'Flag'] as const;
export type SearchType = (typeof SEARCH_TYPES)[number];

export const REASONS = ['attendance', 'enquiry', 'other'] as const;

/** The body of `POST /lookup`. */
export const lookupRequestSchema = z.strictObject({
  nhsNumber: nhsNumberSchema,
  dateOfBirth: birthDateSchema.optional(),
  reason: z
    .enum(REASONS)
    .optional()
    .meta({ description: 'Why the view was opened; kept in the audit.' }),
});
export type LookupRequest = z.infer<typeof lookupRequestSchema>;

/** How many lookups a batch takes. */
export const BATCH_AT_MOST = 50;

/** The result of a check that could be made. */
export const LOOKUP_OUTCOMES = ['flagged', 'not-flagged'] as const;

/**
 * Why a lookup could not be made, as far as the store finds out: the partition is not whole, the child's rows
 * cannot be read, the clocks differ, the number was replaced or withdrawn, or coverage is too low for a negative.
 */
export const STORE_CAUSES = ['incomplete', 'corrupt', 'clock', 'not-in-use', 'coverage'] as const;

/**
 * The same cause, wherever it was found: the store was not open, the store did not answer, replicas did not
 * acknowledge the event, or the directory is old.
 */
export const COULD_NOT_CHECK_CAUSES = [
  'closed',
  ...STORE_CAUSES,
  'store',
  'not-replicated',
  'directory',
  'rehearsal',
  'late',
] as const;
export type CouldNotCheckCause = (typeof COULD_NOT_CHECK_CAUSES)[number];

/** What the audit records instead of a cause if the user is barred from the child. Nobody else learns of the bar. */
export const BARRED = 'barred';

/** Causes of could-not-check that arise only if no flag is held: a flag is shown in spite of them. */
export const saysNothingHeld = (cause: string): boolean =>
  cause === 'coverage' || cause === 'not-in-use';

export const dateOfBirthResults = ['match', 'mismatch', 'not-checked'] as const;
export type DateOfBirthResult = (typeof dateOfBirthResults)[number];

const flagAuthoritySchema = z.object({
  code: z.string().meta({ description: 'ODS code.' }),
  name: z.string(),
  officeHoursPhone: z.string().optional(),
  emergencyDutyTeamPhone: z.string().meta({ description: 'The number out of hours.' }),
  emergencyDutyTeamPhoneAsOf: z.iso.datetime().optional().meta({
    description: 'When the authority last gave that number. `advice` says so if the data is newer.',
  }),
  dataAsOf: z.iso
    .datetime()
    .optional()
    .meta({ description: 'The time up to which its data is known.' }),
  upToDate: z.boolean().meta({ description: 'If false, what is shown may have changed since.' }),
});

/**
 * One plan shown. `endDate` only for an ended or ending plan; an unborn child's plan has `dueOrEndDate`
 * instead, because uploads do not distinguish the two.
 */
export const flagSchema = z
  .object({
    type: z.enum(planTypes),
    status: z.enum(PLAN_STATUSES).meta({
      description:
        'ended: for information. due-date-passed: an unborn child’s plan, to be treated as in force.',
    }),
    startDate: z.iso.date(),
    endDate: z.iso.date().optional(),
    dueOrEndDate: z.iso.date().optional().meta({
      description:
        'For an unborn child’s plan, instead of endDate: uploads do not say which it is.',
    }),
    dateOfBirth: z.enum(dateOfBirthResults).meta({
      description:
        'Whether the date of birth sent matches the one held. mismatch: check the patient, do not dismiss the flag. not-checked: none was sent, or the one held is in doubt.',
    }),
    authority: flagAuthoritySchema.meta({ description: 'Whom to ring.' }),
  })
  .meta({ description: 'One plan.' });
export type Flag = z.infer<typeof flagSchema>;

/** A user's looks from unscheduled care within 24 hours, the caller's present one included. */
export const accessSchema = z
  .object({
    at: z.iso.datetime().meta({ description: 'The latest of them.' }),
    count: z.int().min(1).meta({ description: 'The number of looks.' }),
    name: z.string(),
    role: z.string(),
    organisation: z.object({ code: z.string(), name: z.string() }),
    own: z.boolean().meta({ description: 'True if the caller is the one who looked.' }),
    withheld: z.literal(true).optional().meta({
      description:
        'The child’s council keeps back where the child was looked up: name, role and organisation only say that they are not shown, and the code is empty.',
    }),
  })
  .meta({
    description:
      'Who looked from unscheduled care. One entry for a user and a child within 24 hours of the first look, with the time, role and organisation of the latest and the number of looks.',
  });

const areaSchema = z
  .object({
    name: z.string(),
    kind: z.enum(['all', 'pilot', 'sample']).meta({
      description:
        'all: every council of the area is expected. pilot: only those listed. sample: made-up councils of a demo.',
    }),
    authorities: z
      .array(z.object({ code: z.string(), name: z.string() }))
      .optional()
      .meta({
        description: 'For a pilot: the councils covered, by name. It covers no others.',
      }),
  })
  .meta({ description: 'What the expected authorities stand for.' });

export const coverageSchema = z
  .object({
    area: areaSchema.optional().meta({
      description: 'Absent until the expected authorities are set.',
    }),
    expected: z.int().meta({ description: 'The number of authorities expected to send plans.' }),
    upToDate: z.int(),
    complete: z.boolean().meta({
      description:
        'True if every expected authority is up to date. This is about the area, not about England.',
    }),
    notUpToDate: z.array(
      z.object({
        code: z.string(),
        name: z.string(),
        since: z.iso.datetime().optional().meta({
          description: 'The time up to which its data is known; absent if it never sent anything.',
        }),
      }),
    ),
  })
  .meta({ description: 'Whether every authority expected here is up to date, and which are not.' });
export type Coverage = z.infer<typeof coverageSchema>;

/** The 200 answer of `POST /lookup`. Anything else on that route is a problem with `checked: false`. */
export const lookupAnswerSchema = z.object({
  checked: z.literal(true),
  outcome: z.enum(LOOKUP_OUTCOMES),
  current: z.boolean().meta({
    description:
      'True while any plan shown is in force: current, or an unborn child’s whose due date has passed.',
  }),
  checkedAt: z.iso.datetime(),
  auditId: z.uuid(),
  advice: z.array(z.string()).meta({
    description: 'Show all of it, unchanged. For a negative it says what that does not mean.',
  }),
  flags: z.array(flagSchema).meta({ description: 'Those in force first.' }),
  accesses: z.array(accessSchema).optional().meta({
    description:
      'The last 25 entries, latest first. Absent in the answer to a silent read, and if they cannot be read, which `advice` then says.',
  }),
  coverage: coverageSchema,
});

/** The body of `POST /lookup/batch`. */
export const batchRequestSchema = z.strictObject({
  items: z.array(lookupRequestSchema).min(1).max(BATCH_AT_MOST),
});

/** The 200 answer of `POST /lookup/batch`. */
export const batchAnswerSchema = z.object({
  checked: z.boolean().meta({
    description: 'True only if all were checked; still look at each item’s own.',
  }),
  advice: z.array(z.string()).optional().meta({ description: 'If not all were checked.' }),
  items: z.array(z.union([lookupAnswerSchema, problemSchema])).meta({
    description: 'In the order sent: an answer, the refusal of that item, or could-not-check.',
  }),
});

/** How many accesses an answer shows. Source: CP-IS API catalogue, "latest 25". */
export const ACCESSES_SHOWN = 25;
/** A user's looks at a child within this time of the first are one entry: the latest, with their number. */
export const ACCESS_COLLAPSE_HOURS = 24;
