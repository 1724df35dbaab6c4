import type { Command } from 'commander';
import {
  AUDIT_OUTCOMES,
  type AuditCriteria,
  orderedCriteriaSchema,
} from '#schemas/audit/audit-search.ts';
import { readTypedInstant, TYPED_DAYS } from '#schemas/typed-time.ts';
import { misused } from './failure.ts';
import { readNhsNumber } from './typed-nhs-number.ts';

export type CriteriaOptions = {
  child?: string;
  user?: string;
  organisation?: string;
  authority?: string;
  activity?: string;
  outcome?: string;
  type?: string;
  from?: string;
  to?: string;
};
export type FormatOptions = { json?: boolean; csv?: boolean; fhir?: boolean };

/** @throws {Failure} if it is not a time */
function instantOf(option: 'from' | 'to', text: string): string {
  const instant = readTypedInstant(text, option);
  if (instant !== undefined) return instant;
  throw misused(
    `--${option} must be ${TYPED_DAYS}, or a time such as 27/11/2026 08:00 (London) or 2026-11-27T08:00:00Z.`,
  );
}

/** Criteria whose option has another name. */
export const OPTION_OF: Record<string, string> = { nhsNumber: '--child' };

/**
 * What to search for, by the options given. Reads the NHS number from the terminal or standard input.
 *
 * @throws {Failure} if an option is wrong; it names the option
 */
export async function criteriaOf(options: CriteriaOptions): Promise<AuditCriteria> {
  const { child, from, to, user, organisation, authority, activity, outcome, type } = options;
  const given = {
    nhsNumber: child === undefined ? undefined : await readNhsNumber(child),
    from: from === undefined ? undefined : instantOf('from', from),
    to: to === undefined ? undefined : instantOf('to', to),
    user,
    organisation,
    authority,
    activity,
    outcome,
    type,
  };
  const parsed = orderedCriteriaSchema.safeParse(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  );
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0]);
  throw misused(`${OPTION_OF[name] ?? `--${name}`} ${issue?.message}.`);
}

/** @throws {Failure} if more than one is given */
export function formatOf(options: FormatOptions): 'table' | 'json' | 'csv' | 'fhir' {
  const given = (['json', 'csv', 'fhir'] as const).filter((format) => options[format] === true);
  if (given.length > 1) throw misused(`Give one of ${given.map((f) => `--${f}`).join(' and ')}.`);
  return given[0] ?? 'table';
}

/** The options by which events are chosen, and who asks. */
export const withCriteria = (command: Command): Command =>
  command
    .option('--child <->', 'always -: asks for the NHS number, or reads it from standard input')
    .option('--user <id>', 'a user’s id, or an operator’s name')
    .option('--organisation <code>', 'ODS code of the organisation that asked')
    .option(
      '--authority <code>',
      'ODS code of the authority whose plan was shown, or whose file it was',
    )
    .option('--activity <name>', 'unscheduled (B0107) or silent-read (B0170)')
    .option('--outcome <outcome>', AUDIT_OUTCOMES.join(', '))
    .option('--type <type>', 'the type of event, such as lookup, refusal, load, audit-search')
    .option(
      '--from <time>',
      'a day or time in London, such as 27/11/2026 or 27/11/2026 08:00; or 2026-11-24T08:00:00Z',
    )
    .option('--to <time>', 'the same; as an end, a day is included and a time is not')
    .requiredOption('--by <name>', 'who asks; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .option('--json', 'for programs')
    .option('--csv', 'for a spreadsheet');
