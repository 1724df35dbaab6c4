import { z } from 'zod';
import { planTypes, SUBJECTS } from '../plans/plan.ts';
import { uploadFormats } from './formats.ts';

/** What became of a file. The words, and their source, are in `wording/answers.ts`. */
export const fileCodes = ['CPF01', 'CPF02', 'CPF03', 'CPF04', 'CPF05', 'CPF06'] as const;
export type FileCode = (typeof fileCodes)[number];

/** What became of a record. */
export const recordCodes = ['CPR01', 'CPR02', 'CPR03', 'CPR04', 'CPR05', 'CPR06', 'CPR07'] as const;
export type RecordCode = (typeof recordCodes)[number];

/**
 * One thing wrong (or worth knowing) with a file or a record. `place` is an XPath for Spine XML, `line N`
 * for CSV, `file` for the whole. `hint` tells a data officer what to do. Never a name, an address or a
 * date of birth; the local id finds the child in the authority's own system.
 */
export const findingSchema = z.strictObject({
  code: z.enum([...fileCodes, ...recordCodes]),
  place: z.string().max(300),
  /** Position in the file, from 1; absent for a finding of the whole file. */
  record: z.int().positive().optional(),
  field: z.string().max(60).optional(),
  localId: z.string().max(40).optional(),
  hint: z.string().max(500),
});
export type Finding = z.infer<typeof findingSchema>;

/**
 * A refused record as the authority sent it, for an authority that asked for echoes: number, local id and
 * dates. Never a name: names have been dropped by then.
 */
export const echoedRecordSchema = z.strictObject({
  record: z.int().positive(),
  plans: z
    .array(
      z.strictObject({
        type: z.enum(planTypes),
        startDate: z.iso.date(),
        endDate: z.iso.date().optional(),
        deleteDate: z.iso.date().optional(),
      }),
    )
    .min(1)
    .max(3),
  people: z
    .array(
      z.strictObject({
        kind: z.enum(SUBJECTS),
        /** As sent, right or wrong. */
        nhsNumber: z.string().min(1).max(40),
        localId: z.string().min(1).max(40).optional(),
        dateOfBirth: z.iso.date(),
      }),
    )
    .min(1)
    .max(2),
});
export type EchoedRecord = z.infer<typeof echoedRecordSchema>;

/** The part of a file that waits. Its records are neither accepted nor refused. */
const heldSchema = z.strictObject({
  /** The id by which the operator names it: `cp-flags release ID`. */
  id: z.string(),
  since: z.iso.datetime(),
  /** True if nothing of the file was applied. */
  whole: z.boolean(),
  records: z.int().nonnegative(),
  rows: z.int().nonnegative(),
  /** A full refresh: rows that it leaves out, to be taken away. */
  leftOut: z.int().nonnegative(),
  /** True of records whose NHS numbers could not be traced yet: they are taken up automatically once they can. */
  untraced: z.literal(true).optional(),
});

export const acknowledgementSchema = z.strictObject({
  file: z.strictObject({
    /** Base name only: paths belong to the machine. */
    name: z.string(),
    format: z.enum(uploadFormats),
    /** SHA-256 of the bytes received, hex. */
    sha256: z.string(),
    createdAt: z.iso.datetime().optional(),
    receivedAt: z.iso.datetime(),
  }),
  authority: z
    .strictObject({
      code: z.string(),
      name: z.string().optional(),
      /** What clinicians are given to ring, after this file. */
      officeHoursPhone: z.string().optional(),
      emergencyDutyTeamPhone: z.string().optional(),
    })
    .optional(),
  /** The file's own number, or -1 if it could not be read. */
  sequence: z.int().min(-1),
  code: z.enum(fileCodes),
  meaning: z.string(),
  /** True if this upload added the authority. */
  authorityAdded: z.boolean(),
  counts: z.strictObject({
    /** What the file says about itself or was given with it; absent if unreadable. */
    declared: z.int().nonnegative().optional(),
    records: z.int().nonnegative(),
    /** Together with those refused and those held, all records. */
    accepted: z.int().nonnegative(),
    refused: z.int().nonnegative(),
  }),
  /** Sum over accepted records, by what each row did to the store. */
  rows: z.strictObject({
    added: z.int().nonnegative(),
    changed: z.int().nonnegative(),
    unchanged: z.int().nonnegative(),
    /** A newer file had another value already, which stays. */
    superseded: z.int().nonnegative(),
    /** A full refresh: older rows that it leaves out and that were taken away. */
    removed: z.int().nonnegative().optional(),
  }),
  /** True for an authority's first load, in which nothing can be called unusual. */
  firstLoad: z.boolean().optional(),
  /** Part or all of the file waits, for the operator's decision or to be traced; this acknowledgement is provisional. */
  held: heldSchema.optional(),
  /** True for a file that was loaded before: nothing was done, and this is the earlier answer. */
  repeated: z.literal(true).optional(),
  failures: z.array(findingSchema),
  warnings: z.array(findingSchema),
  /** How many findings of each kind were left out of a list capped for size. */
  omitted: z.strictObject({ failures: z.int().nonnegative(), warnings: z.int().nonnegative() }),
  /** CSV columns that were skipped and never stored. */
  droppedColumns: z.array(z.string()),
  /** The authority's data-as-of after this file. */
  dataAsOf: z.iso.datetime().optional(),
  /** Only for an authority that asked for it (`ACK_ECHO`), and never stored. */
  echo: z.array(echoedRecordSchema).optional(),
});
export type Acknowledgement = z.infer<typeof acknowledgementSchema>;
