import { z } from 'zod';

const STATUSES = ['pass', 'warn', 'fail'] as const;

/** The version running here; the last three only if the deployment sets them. */
export const buildSchema = z.object({
  version: z.string(),
  revision: z.string().optional(),
  releaseId: z.string().optional(),
  commitId: z.string().optional(),
});
/** The answer of `GET /_ping`. */
export type Build = z.infer<typeof buildSchema>;

/** The answer of `GET /_status`, in the shape of NHS APIs. Source: PDS FHIR API, `_status`. */
export const statusSchema = buildSchema.extend({
  status: z.enum(STATUSES).meta({
    description:
      'fail: no lookup is answered. warn: lookups are answered, and somebody has to act on something.',
  }),
  checks: z
    .record(
      z.string(),
      z.array(
        z.object({
          status: z.enum(STATUSES),
          timeout: z.boolean().optional(),
          outcome: z.string().meta({ description: 'The state, or what to do.' }),
          since: z.iso.datetime().optional(),
          links: z.object({ self: z.string() }),
        }),
      ),
    )
    .meta({ description: 'By name.' }),
});

/** What `/_status` calls a process's own checks. */
export type OwnCheckName =
  | 'access:children-counted'
  | 'access:enumeration'
  | 'access:issuers'
  | 'access:organisations'
  | 'access:revocations'
  | 'audit-copy'
  | 'audit-sealed'
  | 'audit-witnessed'
  | 'audit:known-types'
  | 'coverage:expected'
  | 'coverage:share'
  | 'mesh:mailbox'
  | 'notifications'
  | 'notifications:preferences'
  | 'pages:sessions'
  | 'pages:sign-in'
  | 'process:disk'
  | 'store:cut-short'
  | 'store:foreign-writes'
  | 'store:verified'
  | 'tls:certificate'
  | 'tracing:pds'
  | 'worker'
  | 'worker-state';

/** Something about this process that needs attention. */
export type OwnCheck = {
  name: OwnCheckName;
  ok: boolean;
  /** The state, or what is wrong and what to do about it. Never an NHS number. */
  detail: string;
  /** ISO 8601: since when. */
  since?: string;
  /** True for a check whose failure stops all lookups. */
  stops?: boolean;
  /** True if it fails because the second copy of the audit log cannot be used. */
  isCopyAway?: boolean;
};

/** What the address in a problem's `type` shows. */
export const problemDescriptionSchema = z.object({
  code: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  retryable: z.boolean().meta({ description: 'Whether the same request may succeed later.' }),
});
