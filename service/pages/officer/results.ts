import { ERRORS } from '#schemas/errors.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { figure } from '#schemas/wording/counts.ts';
import { eventName } from '#schemas/wording/events.ts';
import {
  OFFICER,
  OFFICER_CASES,
  OFFICER_EVENT,
  OFFICER_REPORTS,
} from '#schemas/wording/officer.ts';
import { RESULT } from '#schemas/wording/pages.ts';
import { shortDateText } from '#schemas/wording/times.ts';
import { type Cell, withOffset } from '../../audit/search/cells.ts';
import { summary, table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { shownText } from '../html/time.ts';
import { numberText } from '../look-up/result.ts';
import type { AtOfficer, CouncilName } from './officer.ts';

/** What people call a value, by a table of names; a value without a known name is unchanged. */
const named =
  (names: Readonly<Record<string, string>>) =>
  (value: string): string =>
    Object.hasOwn(names, value) ? (names[value] ?? value) : value;

const WORDS = OFFICER.cells;

export const some = (text: string): Html | undefined =>
  text === '' ? undefined : html`<bdi>${shownText(text)}</bdi>`;

/** Also why a check could not be made, why a request was refused, and which step of a case it was. */
export const outcomeName = named({
  ...Object.fromEntries(Object.entries(ERRORS).map(([code, { title }]) => [code, title])),
  ...OFFICER.causes,
  ...OFFICER_CASES.steps,
  ...OFFICER.outcomes,
});
export const settingName = named(OFFICER.settings);
export const viewName = named(OFFICER_EVENT.views);
export const activityName = named(OFFICER.activities);
export const statusName = named(RESULT.statuses);
export const signName = named(WORDS.signs);
export const reportName = named({ ...OFFICER_REPORTS.names, ...WORDS.reports });
export const planName = named(
  Object.fromEntries(Object.entries(PLAN_TYPES).map(([type, { label }]) => [type, label])),
);

const PLAN = /^(\S+) of (\S+) from ([0-9]{4}-[0-9]{2}-[0-9]{2}) \((\S+)\)$/;

const plansText = (plans: string, councilName: CouncilName): string =>
  plans
    .split('; ')
    .map((plan) =>
      plan.replace(PLAN, (_, type: string, authority: string, startDate: string, status: string) =>
        WORDS.plan(
          planName(type),
          councilName(authority),
          shortDateText(startDate),
          statusName(status),
        ),
      ),
    )
    .join('; ');

const notDelivered = (delivered: string): string => (delivered === 'no' ? WORDS.notDelivered : '');

/** The column of a child. */
const NUMBER = 'nhs number';

const NUMBER_SEARCHED = /\bnhsNumber\b/;

/** How people write a value of a column or a criterion. */
type Shows = (value: string, councilName: CouncilName) => string;
const councilText: Shows = (code, councilName) => councilName(code);

/** By criterion: what people call its values. */
const VALUES: Readonly<Record<string, Shows>> = {
  nhsNumber: numberText,
  authority: councilText,
  organisation: councilText,
  activity: activityName,
  outcome: outcomeName,
  type: eventName,
};

const criterionText = (name: string, value: string, councilName: CouncilName): string =>
  WORDS.criterion(name, VALUES[name]?.(value, councilName) ?? value);

/** What somebody searched for, in words: `NHS number 999 100 0011, as a file`. */
const criteriaText: Shows = (text, councilName) =>
  text
    .split(', ')
    .map((each) =>
      each.replace(/^(\w+):? (.*)$/s, (_, name: string, value: string) =>
        criterionText(name, value, councilName),
      ),
    )
    .join(', ');

export const criteriaIn = (
  criteria: Readonly<Record<string, unknown>>,
  councilName: CouncilName,
): string =>
  Object.entries(criteria)
    .map(([name, value]) => criterionText(name, String(value), councilName))
    .join(', ');

/** What results are about and why they were asked for: several pages of results may be open. */
export const asked = (
  { councilName }: Pick<AtOfficer, 'councilName'>,
  criteria: Readonly<Record<string, string>>,
  reason: string,
): Html =>
  summary([
    [OFFICER_EVENT.rows.criteria, some(criteriaIn(criteria, councilName))],
    [OFFICER_EVENT.rows.reason, some(reason)],
  ]);

/** What happened, as a report of the command line describes it: `could not check: coverage`. */
function whatName(what: string): string {
  const [kind = '', ...rest] = what.split(': ');
  if (!Object.hasOwn(WORDS.what, kind)) return eventName(outcomeName(what));
  const of = rest.join(': ');
  return [WORDS.what[kind], ...(of === '' ? [] : [reportName(outcomeName(of))])].join(': ');
}

/** By the column of the command line: columns for which a page shows people's names for values. */
const NAMES: Readonly<Record<string, Shows>> = {
  [NUMBER]: numberText,
  event: eventName,
  outcome: outcomeName,
  activity: activityName,
  what: whatName,
  'refused because': outcomeName,
  setting: settingName,
  organisation: councilText,
  sign: signName,
  delivered: notDelivered,
  'answer delivered': notDelivered,
  'plans shown': plansText,
  user: WORDS.userLine,
  issuer: WORDS.issuerLine,
  report: reportName,
  criteria: criteriaText,
  view: WORDS.viewLine,
};

/**
 * Columns of the command line that share one cell on a page, in the order of its lines: this makes room for
 * them, and they read as a person would write them. A file keeps them separate.
 */
const MERGED = [
  { columns: ['event', 'what', 'sign', 'outcome', 'activity', 'delivered', 'answer delivered'] },
  {
    heading: OFFICER_REPORTS.who,
    columns: [
      'name',
      'by',
      'role',
      'organisation',
      'organisation name',
      'setting',
      'user',
      'account',
      'issuer',
    ],
  },
  { columns: ['report', 'reason', 'criteria'] },
  { columns: ['events shown', 'view'] },
];

/** Whether a table names a child by a number: in a column of its own, or in what somebody searched for. */
export const hasNumbers = (
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
): boolean =>
  rows.some((row) =>
    row.some(
      (cell, i) =>
        (columns[i] === NUMBER && cell !== '') ||
        (columns[i] === 'criteria' && NUMBER_SEARCHED.test(String(cell))),
    ),
  );

/** What a table has no room for: it is on the page of each event, or in another column. */
const LEFT_OUT = new Set(['audit id', 'date']);

type Columns = { heading: string; of: readonly number[] };

/** The columns of a table on a page, without empty ones, and without the issuer if every row has the same. */
function columnsOf(columns: readonly string[], rows: readonly (readonly Cell[])[]): Columns[] {
  const says = (column: string, i: number): boolean =>
    column === 'issuer'
      ? new Set(rows.map((row) => row[i])).size > 1
      : rows.some((row) => lineOf(row[i] ?? '', column, (code) => code) !== '');
  const filled = columns.filter((column, i) => !LEFT_OUT.has(column) && says(column, i));
  const shown = new Set<string>();
  return filled.flatMap((column) => {
    if (shown.has(column)) return [];
    const merged = MERGED.find((each) => each.columns.includes(column));
    const of = merged?.columns.filter((each) => filled.includes(each)) ?? [column];
    for (const each of of) shown.add(each);
    const heading = merged?.heading ?? columnHeading(of[0] ?? column);
    return [{ heading, of: of.map((each) => columns.indexOf(each)) }];
  });
}

/** A value as a person writes it. */
function lineOf(cell: Cell, column: string, councilName: CouncilName): string {
  if (typeof cell === 'number') return figure(cell);
  if (cell === '') return '';
  return shownText(NAMES[column]?.(cell, councilName) ?? cell);
}

const isTime = (cell: Cell): boolean => withOffset(cell) !== cell;

function cellOf(
  row: readonly Cell[],
  { of }: Columns,
  columns: readonly string[],
  councilName: CouncilName,
): Html {
  const lines = of.flatMap((i) => {
    const cell = row[i] ?? '';
    const column = columns[i] ?? '';
    // An organisation that the row names needs no other name.
    const isNamed = column === 'organisation' && Boolean(row[columns.indexOf('organisation name')]);
    const text = lineOf(cell, column, isNamed ? (code) => code : councilName);
    // An account of the pages repeats the user's id.
    if (text === '' || (column === 'account' && row[columns.indexOf('user')])) return [];
    return isTime(cell) || column === NUMBER
      ? html`<span class="cpf-one-line">${text}</span>`
      : html`<bdi>${text}</bdi>`;
  });
  return html`${lines.map((line, i) => html`${i > 0 && html`<br>`}${line}`)}`;
}

/** A column of the command line as a heading. */
export const columnHeading = (column: string): string =>
  WORDS.headings[column] ??
  column.replace(/^nhs\b/, 'NHS').replace(/^[a-z]/, (letter) => letter.toUpperCase());

/** What can be done with each row of a table. The table must then be in a form. */
type RowActs = {
  /** The event of each row, which can then be opened. */
  entries?: readonly number[] | undefined;
  /** Whether each row has a {@link userButton}. */
  opensUsers?: boolean;
};

/** A button that sends a user as the field `user`, for a report of what they did. */
export const userButton = (user: string): Html =>
  html`<button class="cpf-link-button" type="submit" name="user" value="${user}" aria-label="${OFFICER_REPORTS.opensUser(user)}">${OFFICER_REPORTS.ofUser}</button>`;

/** Rows of the audit as a table. */
export function resultTable(
  { councilName }: Pick<AtOfficer, 'councilName'>,
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
  { entries, opensUsers = false }: RowActs = {},
): Html {
  const shown = columnsOf(columns, rows);
  const time = Math.max(0, columns.indexOf('time'));
  const open = (row: readonly Cell[], entry: number | undefined): Html[] =>
    entry === undefined
      ? []
      : [
          html`<button class="cpf-link-button" type="submit" name="entry" value="${entry}" aria-label="${OFFICER.opens(lineOf(row[time] ?? '', 'time', councilName))}">${OFFICER.open}</button>`,
        ];
  const user = columns.indexOf('user');
  const cell = (row: readonly Cell[], each: Columns): Html => {
    const of = String(row[user] ?? '');
    const says = cellOf(row, each, columns, councilName);
    return !opensUsers || of === '' || !each.of.includes(user)
      ? says
      : html`${says}<br>${userButton(of)}`;
  };
  return table(
    caption,
    [...(entries === undefined ? [] : [OFFICER.open]), ...shown.map(({ heading }) => heading)],
    rows.map((row, n) => [...open(row, entries?.[n]), ...shown.map((each) => cell(row, each))]),
  );
}
