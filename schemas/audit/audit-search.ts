import { z } from 'zod';
import { odsCodeSchema } from '../authority.ts';
import { LOOKUP_OUTCOMES } from '../lookup.ts';
import { nhsNumberSchema } from '../nhs-number.ts';
import {
  ACCESSES,
  ACTIVITY_SILENT,
  ACTIVITY_UNSCHEDULED,
  type Access,
} from '../people/care-setting.ts';
import { heldTextSchema, shortTextSchema } from '../text.ts';

/** The outcome that an event records. */
export const AUDIT_OUTCOMES = [
  ...LOOKUP_OUTCOMES,
  'could-not-check',
  'refused',
  'not-delivered',
] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** How a lookup counted, by the name of the access or the code of the activity. */
const activityNames: Record<string, Access> = {
  ...Object.fromEntries(ACCESSES.map((access) => [access, access])),
  [ACTIVITY_UNSCHEDULED]: 'unscheduled',
  [ACTIVITY_SILENT]: 'silent-read',
};

const instant = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-11-24T08:00:00Z' })
  .transform((text) => Date.parse(text));

/**
 * The criteria of an audit search; all that are given must hold. `user` is the user's id, or who did it if
 * that was an operator. `from` is included, `to` is not; milliseconds once parsed.
 */
export const auditCriteriaSchema = z.strictObject({
  nhsNumber: nhsNumberSchema.optional(),
  user: heldTextSchema.optional(),
  organisation: odsCodeSchema.optional(),
  /** Whose plan was shown, whose upload it was, or who read its holdings. */
  authority: odsCodeSchema.optional(),
  activity: z
    .enum(Object.keys(activityNames) as [string, ...string[]], {
      error: `must be one of ${Object.keys(activityNames).join(', ')}`,
    })
    .transform((name) => activityNames[name] as Access)
    .optional(),
  outcome: z
    .enum(AUDIT_OUTCOMES, { error: `must be one of ${AUDIT_OUTCOMES.join(', ')}` })
    .optional(),
  /** The type of the event, such as `lookup`. */
  type: z
    .string()
    .regex(/^[a-z-]{1,40}$/, { error: 'must be a type of event, such as lookup' })
    .optional(),
  from: instant.optional(),
  to: instant.optional(),
});
export type AuditCriteria = z.infer<typeof auditCriteriaSchema>;

const inOrder = ({ from, to }: { from?: number | undefined; to?: number | undefined }): boolean =>
  from === undefined || to === undefined || from < to;

export const orderedCriteriaSchema = auditCriteriaSchema.refine(inOrder, {
  path: ['from'],
  error: 'must be before to',
});

/** Events on a page. */
const AUDIT_PAGE = { standard: 100, most: 500 };

/** The body of `POST /audit/search`. */
export const auditSearchSchema = auditCriteriaSchema
  .extend({
    /** Why: recorded with the search. */
    reason: shortTextSchema,
    limit: z.int().min(1).max(AUDIT_PAGE.most).default(AUDIT_PAGE.standard),
    cursor: z.string().max(200).meta({ pattern: '^[A-Za-z0-9_-]+$' }).optional(),
  })
  .refine(inOrder);

const searchedUntilSchema = z.object({
  completeUntil: z.iso.datetime().exactOptional().meta({
    description:
      'Everything recorded before this time was searched. Absent while the index is being built: events may be missing.',
  }),
  notSearched: z
    .int()
    .nonnegative()
    .meta({ description: 'Events that are recorded and were not searched.' }),
});
/** How far a search reached. Later events may exist and were not searched. */
export type SearchedUntil = z.infer<typeof searchedUntilSchema>;

/** The 200 answer of `POST /audit/search`. What an event holds depends on its type and on who asks. */
export const auditSearchAnswerSchema = z.object({
  auditId: z.uuid(),
  view: z.enum(['all', 'organisation', 'authority']),
  events: z.array(z.looseObject({ type: z.string(), at: z.iso.datetime() })),
  next: z.string().optional(),
  coverage: searchedUntilSchema,
});
