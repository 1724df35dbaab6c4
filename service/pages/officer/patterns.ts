import { OFFICER, OFFICER_REPORTS } from '#schemas/wording/officer.ts';
import type { Report } from '../../audit/search/report.ts';
import type { ReportName } from '../../audit/search/reports.ts';
import { recordedCriteria } from '../../audit/search/viewer.ts';
import type { Mountable } from '../../routes/route.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, heading, paragraph } from '../html/parts.ts';
import { criteriaFields, readCriteria, type Typed, typedHidden, typedOf } from './criteria.ts';
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
import { chartOf, narrowed, periodText, userTable } from './reports.ts';
import { asked } from './results.ts';

/** Signs of somebody who looks without a reason, in the order of the page. */
const PATTERNS = ['out-of-hours', 'repeats', 'refusals', 'alerts'] as const satisfies ReportName[];
const LINES_SHOWN = 10;
const LEAST = 3;
const WORDS = OFFICER_REPORTS;

function patternsForm(
  at: AtOfficer<PrivacyViewer>,
  typed: Typed,
  errors: readonly FieldError[],
): Response {
  return at.page({
    title: OFFICER.patterns,
    errors,
    content: html`${heading(OFFICER.patterns)}
${paragraph(WORDS.patternsLead)}
${paragraph(`${seesText(at)} ${OFFICER.onRecord}`)}
<form method="post" action="/officer/patterns" novalidate autocomplete="off">
${at.hidden(LOOK_FORM)}
${criteriaFields(['from', 'to'], typed, errors)}
${button(WORDS.patternsSubmit)}
</form>`,
  });
}

/** `GET /officer/patterns` */
export const officerPatterns: Mountable<OfficerDependencies> = {
  operation: { method: 'GET', path: '/officer/patterns', letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, (_, at) => patternsForm(at, {}, [])),
};

/** `POST /officer/patterns`: the beginning of each of the reports that show one. */
export const officerPatternsShown: Mountable<OfficerDependencies> = {
  operation: { method: 'POST', path: '/officer/patterns', letsIn: 'audit' },
  handler: (dependencies) =>
    officerLook(dependencies, isPrivacy, async (_, at, fields) => {
      const typed = typedOf(fields);
      const read = readCriteria(typed, ['from', 'to']);
      if (isEdit(fields)) return patternsForm(at, typed, []);
      if (read.kind === 'wrong') return patternsForm(at, typed, read.errors);
      const { reason } = read;
      const parts: { name: ReportName; report: Report; note: Html }[] = [];
      for (const name of PATTERNS) {
        const criteria = narrowed(name, read.criteria, at.viewer);
        const order = {
          name,
          criteria,
          least: LEAST,
          names: false,
          places: true,
          silentReads: true,
          searches: true,
          viewer: at.viewer,
          limit: LINES_SHOWN,
        };
        const looked = await look(dependencies, at, 'report', order, ({ rows }) => ({
          reason,
          report: name,
          criteria: recordedCriteria(criteria),
          eventsShown: rows.length,
        }));
        if (looked.kind === 'refused') return looked.response;
        const note = html`${paragraph(periodText(criteria))}${reachNote(looked.auditId, looked.reach)}`;
        parts.push({ name, report: looked.found, note });
      }
      return at.page({
        title: OFFICER.patterns,
        content: html`${heading(OFFICER.patterns)}
${asked(at, {}, reason)}
${paragraph(WORDS.patternsLead)}
${parts.map(
  ({ name, report, note }) => html`<h2 class="nhsuk-heading-m">${WORDS.names[name]}</h2>
${report.notes.map(paragraph)}
${chartOf(name, report)}
${report.rows.length === 0 ? paragraph(WORDS.nobody) : userTable(at, name, report, typed)}
${note}
<form method="post" action="/officer/reports" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden({ ...typed, report: name })}
<p><button class="cpf-link-button" type="submit">${WORDS.whole}: ${WORDS.names[name]}</button></p>
</form>`,
)}
${at.back}`,
      });
    }),
};
