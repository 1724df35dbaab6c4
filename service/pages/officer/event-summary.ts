import { z } from 'zod';
import { shownPlanSchema } from '#schemas/audit/audit-event.ts';
import { figure } from '#schemas/wording/counts.ts';
import { eventNameAndId } from '#schemas/wording/events.ts';
import { OFFICER_EVENT } from '#schemas/wording/officer.ts';
import { shortDateText } from '#schemas/wording/times.ts';
import { searchRow, textAt } from '../../audit/search/cells.ts';
import type { ShownEvent } from '../../audit/search/view.ts';
import { summary, table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { shownText } from '../html/time.ts';
import { numberText } from '../look-up/result.ts';
import type { AtOfficer, CouncilName } from './officer.ts';
import {
  activityName,
  columnHeading,
  criteriaIn,
  outcomeName,
  planName,
  reportName,
  settingName,
  signName,
  some,
  statusName,
  viewName,
} from './results.ts';

const WORDS = OFFICER_EVENT;

const plans = z.array(shownPlanSchema).catch([]);

/**
 * Fields not shown under their own names: {@link eventSummary} shows some under another name, and the others
 * mean nothing to a person. The CSV and the proof of the event contain them.
 */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'type',
  'at',
  'occurredAt',
  'entry',
  'partition',
  'number',
  'shown',
  'outcome',
  'delivered',
  'auditId',
  'caller',
  'access',
  'setting',
  'nhsNumber',
  'reason',
  'criteria',
  'report',
  'by',
  'code',
  'cause',
  'step',
  'attended',
  'ward',
  'switchboard',
  'sources',
  'accessesShown',
  'requestId',
  'correlationId',
  'api',
  'decidedBy',
  'search',
  'versions',
  'detail.blocks',
  'nhsNumberHash',
  'words',
]);

/** A field's own name as words: `confirmedBy` is `Confirmed by`. */
const fieldName = (path: string): string =>
  Object.hasOwn(WORDS.fields, path)
    ? (WORDS.fields[path] ?? path)
    : columnHeading(
        path.replace(/^.*\./, '').replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
      );

function fieldText(path: string, value: unknown, councilName: CouncilName): string {
  if (typeof value === 'boolean') return value ? WORDS.rows.yes : WORDS.rows.no;
  if (typeof value === 'number') return path.endsWith('sequence') ? String(value) : figure(value);
  const text = String(value);
  switch (path) {
    case 'plan.type':
      return planName(text);
    case 'view':
      return viewName(text);
    case 'sign':
      return signName(text);
    case 'detail.nhsNumber':
      return numberText(text);
    case 'authority':
    case 'detail.authority':
    case 'plan.authority':
      return councilName(text);
    default:
      return text;
  }
}

/** Every other field of an event as a row, including nested ones. */
function fieldRows(
  fields: Readonly<Record<string, unknown>>,
  councilName: CouncilName,
  inside = '',
): [string, Html][] {
  return Object.entries(fields).flatMap(([name, value]): [string, Html][] => {
    const path = `${inside}${name}`;
    if (value === undefined || value === '' || LEFT_OUT.has(path)) return [];
    if (Array.isArray(value)) return fieldRows({ [name]: value.join(', ') }, councilName, inside);
    if (typeof value === 'object' && value !== null) {
      return fieldRows({ ...value }, councilName, `${path}.`);
    }
    return [[fieldName(path), html`<bdi>${shownText(fieldText(path, value, councilName))}</bdi>`]];
  });
}

const criteriaOf = ({ criteria }: ShownEvent, councilName: CouncilName): string =>
  typeof criteria === 'object' && criteria !== null ? criteriaIn({ ...criteria }, councilName) : '';

/** What an event says, with the plans shown if the viewer may see them. */
export function eventSummary(
  { councilName }: Pick<AtOfficer, 'councilName'>,
  event: ShownEvent,
): Html {
  const { rows } = WORDS;
  const [, , outcome = ''] = searchRow(event);
  const number = textAt(event, 'nhsNumber') || textAt(event, 'criteria', 'nhsNumber');
  const shown = plans.parse(event['shown']);
  return html`${summary([
    [rows.time, shownText(event.at)],
    [rows.event, eventNameAndId(event.type)],
    [rows.outcome, some(outcomeName(String(outcome)))],
    [rows.activity, some(activityName(textAt(event, 'access')))],
    [rows.number, number === '' ? undefined : numberText(number)],
    [rows.name, some(textAt(event, 'caller', 'name') || textAt(event, 'by'))],
    [rows.user, some(textAt(event, 'caller', 'user'))],
    [rows.role, some(textAt(event, 'caller', 'role', 'name'))],
    [rows.organisation, some(textAt(event, 'caller', 'organisation', 'name'))],
    [rows.issuer, some(textAt(event, 'caller', 'issuer'))],
    [rows.setting, some(settingName(textAt(event, 'setting')))],
    [rows.reason, some(textAt(event, 'reason'))],
    [rows.report, some(reportName(textAt(event, 'report')))],
    [rows.criteria, some(criteriaOf(event, councilName))],
    ...fieldRows(event, councilName),
    [rows.delivered, event['delivered'] === false ? rows.notDelivered : undefined],
    [rows.auditId, some(textAt(event, 'auditId'))],
  ])}
${
  shown.length > 0 &&
  table(
    rows.plans,
    rows.planColumns,
    shown.map(({ authority, type, startDate, status }) => [
      html`<bdi>${councilName(authority)}</bdi>`,
      planName(type),
      shortDateText(startDate),
      statusName(status),
    ]),
  )
}`;
}
