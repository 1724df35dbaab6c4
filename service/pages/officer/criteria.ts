import {
  AUDIT_OUTCOMES,
  type AuditCriteria,
  auditCriteriaSchema,
  orderedCriteriaSchema,
} from '#schemas/audit/audit-search.ts';
import { typedNhsNumber } from '#schemas/nhs-number.ts';
import { ACCESSES } from '#schemas/people/care-setting.ts';
import { readTypedInstant } from '#schemas/typed-time.ts';
import { EVENT_TYPES, eventNameAndId } from '#schemas/wording/events.ts';
import { wrongNhsNumber } from '#schemas/wording/nhs-number.ts';
import { OFFICER } from '#schemas/wording/officer.ts';
import type { Viewer } from '../../audit/search/view.ts';
import { type Option, readReason, reasonField, select, textField } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import type { FieldError } from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';

/** The fields by which events are chosen, as they were typed. */
const CRITERIA = [
  'number',
  'user',
  'organisation',
  'authority',
  'activity',
  'outcome',
  'type',
  'from',
  'to',
] as const;
export type Criterion = (typeof CRITERIA)[number];
export type Typed = Partial<Record<Criterion | 'reason', string>>;

const WORDS = OFFICER.fields;

/** The fields that somebody can use: those that could only find their own events, or none, are left out. */
export const CRITERIA_FOR: Record<Viewer['kind'], readonly Criterion[]> = {
  all: CRITERIA,
  organisation: ['number', 'user', 'activity', 'outcome', 'type', 'from', 'to'],
  authority: ['number', 'user', 'organisation', 'from', 'to'],
};

/** What was typed into a form, to be shown again and to be read. */
export function typedOf(fields: Fields): Typed {
  const typed: Typed = {};
  for (const name of [...CRITERIA, 'reason'] as const) {
    const value = fields.get(name)?.trim();
    if (value !== undefined && value !== '') typed[name] = value;
  }
  return typed;
}

type ReadCriteria =
  | { kind: 'read'; criteria: AuditCriteria; reason: string }
  | { kind: 'wrong'; errors: FieldError[] };

/** The field of a criterion that the schema refused. */
const fieldOf = (name: string): Criterion => CRITERIA.find((each) => each === name) ?? 'number';

function wrongText(field: Criterion, typed: string): string {
  switch (field) {
    case 'number':
      return wrongNhsNumber(typed);
    case 'from':
    case 'to':
      return OFFICER.wrong.time;
    case 'activity':
    case 'outcome':
    case 'type':
      return OFFICER.wrong.choice;
    default:
      return OFFICER.wrong[field];
  }
}

/** Reads what was typed by the rules of the command line. */
export function readCriteria(typed: Typed, allowed: readonly Criterion[]): ReadCriteria {
  const errors: FieldError[] = [];
  const given: Record<string, string> = {};
  for (const name of allowed) {
    const text = typed[name];
    if (text === undefined) continue;
    if (name === 'number') given['nhsNumber'] = typedNhsNumber(text);
    else if (name === 'from' || name === 'to') {
      const instant = readTypedInstant(text, name);
      if (instant === undefined) errors.push({ field: name, text: OFFICER.wrong.time });
      else given[name] = instant;
    } else if (name === 'organisation' || name === 'authority') given[name] = text.toUpperCase();
    else given[name] = text;
  }
  const each = auditCriteriaSchema.safeParse(given);
  for (const issue of each.error?.issues ?? []) {
    const field = fieldOf(String(issue.path[0]));
    errors.push({ field, text: wrongText(field, typed[field] ?? '') });
  }
  const ordered = orderedCriteriaSchema.safeParse(given);
  if (each.success && !ordered.success) {
    errors.push({ field: 'from', text: OFFICER.wrong.order });
  }
  const places: readonly string[] = allowed;
  errors.sort((a, b) => places.indexOf(a.field) - places.indexOf(b.field));
  const reason = readReason(typed.reason);
  if (reason.kind === 'wrong') errors.push(reason.error);
  if (errors.length > 0 || !ordered.success || reason.kind === 'wrong') {
    return { kind: 'wrong', errors };
  }
  return { kind: 'read', criteria: ordered.data, reason: reason.reason };
}

const any: Option = { value: '', text: WORDS.any };

/** The fields of some criteria, and of the reason. */
export function criteriaFields(
  allowed: readonly Criterion[],
  typed: Typed,
  errors: readonly FieldError[],
): Html {
  const text = (name: Criterion, label: string, hint?: string, width: 10 | 20 = 20): Html =>
    textField({
      name,
      label,
      ...(hint !== undefined && { hint }),
      value: typed[name],
      errors,
      width,
      ...(name === 'number' && { inputMode: 'numeric' as const }),
    });
  const choice = (name: Criterion, label: string, options: readonly Option[]): Html =>
    select(name, label, [any, ...options], { chosen: typed[name], errors });
  const field: Record<Criterion, () => Html> = {
    number: () => text('number', WORDS.number, WORDS.numberHint),
    user: () => text('user', WORDS.user, WORDS.userHint),
    organisation: () => text('organisation', WORDS.organisation, undefined, 10),
    authority: () => text('authority', WORDS.authority, WORDS.authorityHint, 10),
    activity: () =>
      choice(
        'activity',
        WORDS.activity,
        ACCESSES.map((value) => ({ value, text: OFFICER.activities[value] })),
      ),
    outcome: () =>
      choice(
        'outcome',
        WORDS.outcome,
        AUDIT_OUTCOMES.map((value) => ({ value, text: OFFICER.outcomes[value] })),
      ),
    type: () =>
      choice(
        'type',
        WORDS.type,
        EVENT_TYPES.map((value) => ({ value, text: eventNameAndId(value) })),
      ),
    from: () => text('from', WORDS.from, WORDS.fromHint),
    to: () => text('to', WORDS.to, WORDS.toHint),
  };
  return html`${allowed.map((name) => field[name]())}
${reasonField(typed.reason, errors)}`;
}

/** What was typed before, hidden, for the next page of the same. */
export const typedHidden = (typed: Partial<Record<string, string>>): Html =>
  html`${Object.entries(typed).map(([name, value]) => value !== undefined && html`<input type="hidden" name="${name}" value="${value}">`)}`;
