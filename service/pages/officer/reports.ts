import { z } from 'zod';
import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import { OFFICER, OFFICER_REPORTS } from '#schemas/wording/officer.ts';
import { timeText } from '#schemas/wording/times.ts';
import { textAt } from '../../audit/search/cells.ts';
import type { Place } from '../../audit/search/index-file.ts';
import {
  type Report,
  type ReportOptions,
  type ReportPage,
  reportFrom,
} from '../../audit/search/report.ts';
import { isReport, REPORTS, type ReportName } from '../../audit/search/reports.ts';
import { cursorFrom, readCursor, writeCursor } from '../../audit/search/search.ts';
import type { ShownEvent } from '../../audit/search/view.ts';
import { recordedCriteria } from '../../audit/search/viewer.ts';
import type { Mountable } from '../../routes/route.ts';
import { namedBars } from '../desk/charts.ts';
import { download } from '../desk/download.ts';
import { checkbox, select, textField } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, heading, paragraph } from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';
import {
  type Criterion,
  criteriaFields,
  readCriteria,
  type Typed,
  typedHidden,
  typedOf,
} from './criteria.ts';
import {
  type AtOfficer,
  guardedOfficer,
  isEdit,
  isPrivacy,
  LOOK_FORM,
  look,
  type OfficerDependencies,
  officerLook,
  type PrivacyViewer,
  reachNote,
  seesText,
} from './officer.ts';
import { asked, hasNumbers, resultTable, userButton } from './results.ts';
import { CSV, fileButton, ROWS_A_PAGE } from './search.ts';

const WORDS = OFFICER_REPORTS;
const DEFAULT_LEAST = '3';
const CHARTED = 10;
const leastSchema = z.coerce.number().int().min(1).max(1_000_000);

/** The criteria that narrow a report. */
const NARROWED: Record<PrivacyViewer['kind'], readonly Criterion[]> = {
  all: ['number', 'user', 'organisation', 'activity', 'from', 'to'],
  organisation: ['number', 'user', 'activity', 'from', 'to'],
};

type TypedReport = Typed & { report?: string; least?: string; names?: string };

function typedReport(fields: Fields): TypedReport {
  const [report, least, names] = ['report', 'least', 'names'].map((name) => fields.get(name));
  return {
    ...typedOf(fields),
    ...(report !== undefined && { report }),
    ...(least !== undefined && { least }),
    ...(names === 'yes' && { names }),
  };
}

function reportForm(
  at: AtOfficer<PrivacyViewer>,
  typed: TypedReport,
  errors: readonly FieldError[],
): Response {
  const options = Object.entries(WORDS.names).map(([value, text]) => ({ value, text }));
  return at.page({
    title: OFFICER.reports,
    errors,
    content: html`${heading(OFFICER.reports)}
${paragraph(WORDS.lead)}
${paragraph(`${seesText(at)} ${OFFICER.onRecord}`)}
<form method="post" action="/officer/reports" novalidate autocomplete="off">
${at.hidden(LOOK_FORM)}
${select('report', OFFICER.fields.report, options, { chosen: typed.report ?? 'user', errors })}
${criteriaFields(NARROWED[at.viewer.kind], typed, errors)}
${textField({ name: 'least', label: OFFICER.fields.least, hint: OFFICER.fields.leastHint, value: typed.least ?? DEFAULT_LEAST, errors, width: 5, inputMode: 'numeric' })}
${checkbox({ name: 'names', label: OFFICER.fields.names, checked: typed.names === 'yes' })}
${button(WORDS.submit)} ${fileButton()}
</form>`,
  });
}

/** `GET /officer/reports` */
export const officerReports: Mountable<OfficerDependencies> = {
  operation: { method: 'GET', path: '/officer/reports', letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, (_, at) => reportForm(at, {}, [])),
};

type ReadReport =
  | { kind: 'read'; name: ReportName; options: ReportOptions; reason: string }
  | { kind: 'wrong'; errors: FieldError[] };

/** The criteria of a report for a viewer, over its own time if none was typed. */
export const narrowed = (
  name: ReportName,
  criteria: AuditCriteria,
  viewer: PrivacyViewer,
): AuditCriteria => {
  const from = reportFrom(REPORTS[name], criteria, Date.now());
  const isOwn = viewer.kind === 'organisation' && 'needs' in REPORTS[name];
  return {
    ...criteria,
    ...(isOwn && { organisation: viewer.organisation as AuditCriteria['organisation'] }),
    ...(from !== undefined && { from }),
  };
};

function readReport(typed: TypedReport, viewer: PrivacyViewer): ReadReport {
  const { report = '', names, least: typedLeast = DEFAULT_LEAST } = typed;
  const read = readCriteria(typed, NARROWED[viewer.kind]);
  const least = leastSchema.safeParse(typedLeast.trim()).data;
  const errors = read.kind === 'wrong' ? [...read.errors] : [];
  if (least === undefined) errors.push({ field: 'least', text: OFFICER.wrong.least });
  if (!isReport(report)) errors.unshift({ field: 'report', text: OFFICER.wrong.choice });
  if (read.kind === 'wrong' || least === undefined || !isReport(report)) {
    return { kind: 'wrong', errors };
  }
  const maker = REPORTS[report];
  const criteria = narrowed(report, read.criteria, viewer);
  const needs = 'needs' in maker ? maker.needs : undefined;
  if (needs !== undefined && criteria[needs] === undefined) {
    const field = needs === 'nhsNumber' ? 'number' : needs;
    return { kind: 'wrong', errors: [{ field, text: OFFICER.wrong.needs[needs] }] };
  }
  const options = {
    criteria,
    least,
    names: names === 'yes',
    places: true,
    silentReads: true,
    searches: true,
    viewer,
  };
  return { kind: 'read', name: report, options, reason: read.reason };
}

/** A report of sums at a glance: its first lines, by its main figure. */
export function chartOf(name: ReportName, { title, columns, rows }: Report): Html | false {
  const maker = REPORTS[name];
  const figure = 'figure' in maker ? maker.figure : name === 'alerts' ? 'count' : undefined;
  if (figure === undefined || rows.length === 0) return false;
  const value = columns.indexOf(figure);
  const user = columns.indexOf('user');
  return namedBars({
    title: WORDS.chart(title),
    columns: [WORDS.who, figure],
    points: rows
      .toSorted((a, b) => Number(b[value]) - Number(a[value]))
      .slice(0, CHARTED)
      .map((row) => ({ label: String(row[user]), value: Number(row[value]) })),
  });
}

/**
 * Whatever has buttons of users: each leads to everything by its user, for the same time and reason; that is
 * another look on record.
 */
const usersForm = (at: AtOfficer, { from, to, reason }: Typed, content: Html): Html =>
  html`<form method="post" action="/officer/reports" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden({ report: 'user', from, to, reason })}
${content}
</form>`;

/** The lines of a report of users. */
export const userTable = (at: AtOfficer, name: ReportName, report: Report, typed: Typed): Html =>
  usersForm(
    at,
    typed,
    resultTable(at, WORDS.names[name], report.columns, report.rows, { opensUsers: true }),
  );

/** From one event to everything by its user, for those who may see reports. */
export function userOfEvent(at: AtOfficer, event: ShownEvent, reason: string): Html | false {
  const user = textAt(event, 'caller', 'user');
  return isPrivacy(at.viewer) && user !== '' && usersForm(at, { reason }, userButton(user));
}

export const periodText = ({ from, to }: AuditCriteria): string =>
  WORDS.period(
    from === undefined ? WORDS.fromBeginning : timeText(from),
    to === undefined ? WORDS.now : timeText(to),
  );

/** The first event of a page. */
function firstPlace({ columns, rows, entries }: ReportPage): Place | undefined {
  const at = Date.parse(String(rows[0]?.[columns.indexOf('time')]));
  const entry = entries?.[0];
  return entry === undefined || Number.isNaN(at) ? undefined : { at, entry };
}

/** On the next pages of a report, its period starts where it started on the first. */
const fromText = ({ from }: AuditCriteria): { from?: string } =>
  from === undefined ? {} : { from: new Date(from).toISOString() };

/** `POST /officer/reports`: a page of a report, or all of it as a file. */
export const officerReport: Mountable<OfficerDependencies> = {
  operation: { method: 'POST', path: '/officer/reports', letsIn: 'audit' },
  handler: (dependencies) =>
    officerLook(dependencies, isPrivacy, async (_, at, fields) => {
      const typed = typedReport(fields);
      const read = readReport(typed, at.viewer);
      if (isEdit(fields)) return reportForm(at, typed, []);
      if (read.kind === 'wrong') return reportForm(at, typed, read.errors);
      const { name, options, reason } = read;
      const { criteria, names } = options;
      const recorded = { ...recordedCriteria(criteria), ...(names && { names }) };
      if (fields.get('as') === 'csv') {
        const made = await look(
          dependencies,
          at,
          'reportFile',
          { ...options, name },
          ({ rows }) => ({
            reason,
            report: name,
            criteria: { ...recorded, csv: true },
            eventsShown: rows,
          }),
        );
        return made.kind === 'refused'
          ? made.response
          : download(`audit-${name}-${made.auditId}.csv`, CSV, made.found.text);
      }
      const cursor = fields.get('cursor');
      const after = cursor === undefined ? undefined : readCursor(cursor, criteria);
      const order = { ...options, name, limit: ROWS_A_PAGE, after };
      const looked = await look(dependencies, at, 'report', order, ({ rows }) => ({
        reason,
        report: name,
        criteria: recorded,
        eventsShown: rows.length,
      }));
      if (looked.kind === 'refused') return looked.response;
      const { found } = looked;
      const title = WORDS.names[name];
      const chart = after === undefined && chartOf(name, found);
      // Only the first page has a chart. A report with a chart is never about its reader.
      const begins = chart === false ? cursorFrom(firstPlace(found), criteria) : undefined;
      const { from: _from, to: _to, ...about } = recordedCriteria(criteria);
      return at.page({
        title,
        content: html`${heading(title)}
${asked(at, about, reason)}
${paragraph(periodText(criteria))}
${found.notes.map(paragraph)}
${(criteria.nhsNumber !== undefined || hasNumbers(found.columns, found.rows)) && paragraph(OFFICER.confidential)}
${chart}
<p class="cpf-strong">${found.rows.length === 0 ? OFFICER.none : OFFICER.lines(found.rows.length)}</p>
${
  found.rows.length > 0 &&
  (found.entries === undefined
    ? userTable(at, name, found, typed)
    : html`<form method="post" action="/officer/event" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden({ ...typed, ...fromText(criteria), cursor: cursor ?? begins })}
${resultTable(at, title, found.columns, found.rows, { entries: found.entries })}
</form>`)
}
${reachNote(looked.auditId, looked.reach)}
<form method="post" action="/officer/reports" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden({ ...typed, ...fromText(criteria) })}
${found.next !== undefined && html`<button class="nhsuk-button" type="submit" name="cursor" value="${writeCursor(found.next, criteria)}">${OFFICER.older}</button>`}
${fileButton()}
</form>
${at.back}`,
      });
    }),
};
