import { z } from 'zod';
import { planTypes } from '../plans/plan.ts';

/** The columns of a CSV upload, as this service calls them. */
export const CSV_COLUMNS = [
  'nhs_number',
  'date_of_birth',
  'plan_type',
  'start_date',
  'end_date',
  'delete_date',
  'local_id',
  'given_name',
  'family_name',
] as const;

/** The first line of all that is held for an authority, in the form of an upload. */
export const HOLDINGS_COLUMNS = [
  'nhs_number',
  'local_id',
  'date_of_birth',
  'plan_type',
  'start_date',
  'end_date',
  'delete_date',
  'sequence',
  'visible_until',
] as const;

const heading = z.string().trim().min(1).max(100);

/**
 * What a case system calls its columns and plans, so that its own export can be loaded unedited: `{
 * "columns": { "nhs_number": "NHS No" }, "planTypes": { "CLA": "looked-after-child" } }`. Any other keeps the
 * name it has here. `delete_date` may be null for a system without such a column.
 */
export const columnMappingSchema = z
  .strictObject({
    columns: z
      .partialRecord(z.enum(CSV_COLUMNS), heading.nullable())
      .refine(
        (columns) =>
          Object.entries(columns).every(([name, text]) => text !== null || name === 'delete_date'),
        { error: 'may have null for delete_date only' },
      )
      .default({}),
    planTypes: z.record(heading, z.enum(planTypes)).default({}),
    /** How many non-empty lines stand above the one that names the columns, such as a title. */
    linesAbove: z.int().min(0).max(49).default(0),
  })
  .refine(
    ({ columns }) => {
      const headings = Object.values(columns).map((text) => text?.toLowerCase() ?? '');
      return new Set(headings).size === headings.length;
    },
    { error: 'must not give one heading to two columns' },
  );
export type ColumnMapping = z.infer<typeof columnMappingSchema>;

export const NO_MAPPING: ColumnMapping = { columns: {}, planTypes: {}, linesAbove: 0 };
