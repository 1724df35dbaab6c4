import { OFFICER } from '#schemas/wording/officer.ts';
import type { Cases } from '../../audit/cases/cases.ts';
import { SEARCH_COLUMNS, searchRow } from '../../audit/search/cells.ts';
import { cursorFrom, readCursor, writeCursor } from '../../audit/search/search.ts';
import { recordedCriteria } from '../../audit/search/viewer.ts';
import type { Mountable } from '../../routes/route.ts';
import { download } from '../desk/download.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, heading, link, paragraph } from '../html/parts.ts';
import { casesWaiting } from './case-form.ts';
import {
  CRITERIA_FOR,
  criteriaFields,
  readCriteria,
  type Typed,
  typedHidden,
  typedOf,
} from './criteria.ts';
import {
  type AtOfficer,
  guardedOfficer,
  isAny,
  isEdit,
  isPrivacy,
  LOOK_FORM,
  look,
  type OfficerDependencies,
  officerLook,
  reachNote,
  seesText,
} from './officer.ts';
import { asked, hasNumbers, resultTable } from './results.ts';

export const ROWS_A_PAGE = 50;
export const CSV = 'text/csv; charset=utf-8';

export const fileButton = (): Html =>
  html`<button class="nhsuk-button nhsuk-button--secondary" type="submit" name="as" value="csv">${OFFICER.file}</button>`;

function searchForm(
  at: AtOfficer,
  typed: Typed,
  errors: readonly FieldError[],
  waiting: Html | false = false,
): Response {
  return at.page({
    title: OFFICER.search,
    errors,
    content: html`${heading(OFFICER.search)}
${waiting}
<p class="nhsuk-lede-text">${OFFICER.searchLead}</p>
${paragraph(`${seesText(at)} ${OFFICER.onRecord}`)}
<form method="post" action="/officer/search" novalidate autocomplete="off">
${at.hidden(LOOK_FORM)}
${criteriaFields(CRITERIA_FOR[at.viewer.kind], typed, errors)}
${button(OFFICER.submit)} ${fileButton()}
</form>`,
  });
}

/** `GET /officer`: the form of a search. */
export const officerHome: Mountable<OfficerDependencies & { cases: Cases }> = {
  operation: { method: 'GET', path: '/officer', letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isAny, (_, at) => {
      const { viewer } = at;
      const waiting = isPrivacy(viewer) && casesWaiting({ ...at, viewer }, dependencies.cases);
      return searchForm(at, {}, [], waiting);
    }),
};

/** `POST /officer/search`: a page of what is found, or all of it as a file. */
export const officerSearch: Mountable<OfficerDependencies> = {
  operation: { method: 'POST', path: '/officer/search', letsIn: 'audit' },
  handler: (dependencies) =>
    officerLook(dependencies, isAny, async (_, at, fields) => {
      const typed = typedOf(fields);
      const read = readCriteria(typed, CRITERIA_FOR[at.viewer.kind]);
      if (isEdit(fields)) return searchForm(at, typed, []);
      if (read.kind === 'wrong') return searchForm(at, typed, read.errors);
      const { criteria, reason } = read;
      const { viewer } = at;
      const recorded = recordedCriteria(criteria);
      if (fields.get('as') === 'csv') {
        const made = await look(
          dependencies,
          at,
          'searchFile',
          { criteria, viewer },
          ({ rows }) => ({
            reason,
            criteria: { ...recorded, csv: true },
            eventsShown: rows,
          }),
        );
        return made.kind === 'refused'
          ? made.response
          : download(`audit-search-${made.auditId}.csv`, CSV, made.found.text);
      }
      const cursor = fields.get('cursor');
      const after = cursor === undefined ? undefined : readCursor(cursor, criteria);
      const order = { criteria, viewer, limit: ROWS_A_PAGE, after };
      const looked = await look(dependencies, at, 'search', order, ({ events }) => ({
        reason,
        criteria: recorded,
        eventsShown: events.length,
      }));
      if (looked.kind === 'refused') return looked.response;
      const { events, entries, next } = looked.found;
      const rows = events.map(searchRow);
      const [first] = events;
      const [entry] = entries;
      const begins =
        first !== undefined && entry !== undefined
          ? cursorFrom({ at: Date.parse(first.at), entry }, criteria)
          : undefined;
      return at.page({
        title: OFFICER.results,
        content: html`${heading(OFFICER.results)}
${asked(at, recorded, reason)}
<p class="cpf-strong">${events.length === 0 ? OFFICER.none : OFFICER.count(events.length)}</p>
${reachNote(looked.auditId, looked.reach)}
${(criteria.nhsNumber !== undefined || hasNumbers(SEARCH_COLUMNS, rows)) && paragraph(OFFICER.confidential)}
${
  events.length > 0 &&
  html`<form method="post" action="/officer/event" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden({ ...typed, cursor: cursor ?? begins })}
${resultTable(at, OFFICER.results, SEARCH_COLUMNS, rows, { entries })}
</form>`
}
<form method="post" action="/officer/search" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden(typed)}
${next !== undefined && html`<button class="nhsuk-button" type="submit" name="cursor" value="${writeCursor(next, criteria)}">${OFFICER.older}</button>`}
${fileButton()}
</form>
${at.back}
<p>${link('/officer', OFFICER.again)}</p>`,
      });
    }),
};
