import { z } from 'zod';
import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import { OFFICER, OFFICER_DRAFT } from '#schemas/wording/officer.ts';
import { type Cell, shownCell } from '../../audit/search/cells.ts';
import { SEARCHED } from '../../audit/search/draft.ts';
import type { ReportPage } from '../../audit/search/report.ts';
import { readCursor, writeCursor } from '../../audit/search/search.ts';
import { recordedCriteria } from '../../audit/search/viewer.ts';
import type { Mountable } from '../../routes/route.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import {
  button,
  errorSummary,
  type FieldError,
  heading,
  paragraph,
  radios,
} from '../html/parts.ts';
import { shortTimeText } from '../html/time.ts';
import { numberText } from '../look-up/result.ts';
import type { Fields } from '../session/forms.ts';
import {
  checkbox,
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
  type Looked,
  look,
  type OfficerDependencies,
  officerLook,
  officerMessage,
  type PrivacyViewer,
  reachNote,
  seesText,
} from './officer.ts';
import { periodText } from './reports.ts';
import { columnHeading } from './results.ts';

const WORDS = OFFICER_DRAFT;
const LINES_A_PAGE = 25;

/** What is judged before a draft is made. Source: Data Protection Act 2018, schedule 3, parts 2 and 5. */
const GATES = {
  requester: { legend: WORDS.requester, answers: WORDS.requesters },
  protectedFrom: { legend: WORDS.protectedFrom, answers: WORDS.protectedFromAnswers },
  harm: { legend: WORDS.harm, answers: WORDS.harmAnswers, hint: WORDS.harmHint },
  abuse: { legend: WORDS.abuse, answers: WORDS.abuseAnswers, hint: WORDS.abuseHint },
} as const;
type Gate = keyof typeof GATES;
const GATE_NAMES = Object.keys(GATES) as Gate[];
const SHOWS = ['names', 'places', 'silentReads', 'searches'] as const;
type Shows = Record<(typeof SHOWS)[number], boolean>;

type TypedDraft = Typed & Partial<Record<Gate | (typeof SHOWS)[number], string>>;

function typedDraft(fields: Fields): TypedDraft {
  const typed: TypedDraft = typedOf(fields);
  for (const name of [...GATE_NAMES, ...SHOWS]) {
    const value = fields.get(name);
    if (value !== undefined) typed[name] = value;
  }
  return typed;
}

type Draft = {
  criteria: AuditCriteria & { nhsNumber: NonNullable<AuditCriteria['nhsNumber']> };
  gates: Record<Gate, string>;
  shows: Shows;
  reason: string;
};
type ReadDraft = { kind: 'read'; draft: Draft } | { kind: 'wrong'; errors: FieldError[] };

function readDraft(typed: TypedDraft): ReadDraft {
  const read = readCriteria(typed, ['number', 'from', 'to']);
  const errors = read.kind === 'wrong' ? [...read.errors] : [];
  if (typed.number === undefined) {
    errors.unshift({ field: 'number', text: OFFICER.wrong.needs.nhsNumber });
  }
  const gates = Object.fromEntries(
    GATE_NAMES.map((gate) => {
      const answer = typed[gate] ?? '';
      if (!Object.hasOwn(GATES[gate].answers, answer)) {
        errors.push({ field: gate, text: WORDS.wrong[gate] });
      }
      return [gate, answer];
    }),
  ) as Record<Gate, string>;
  if (read.kind === 'wrong' || errors.length > 0 || read.criteria.nhsNumber === undefined) {
    return { kind: 'wrong', errors };
  }
  const { criteria, reason } = read;
  const { nhsNumber } = read.criteria;
  const shows = Object.fromEntries(SHOWS.map((name) => [name, typed[name] === 'yes'])) as Shows;
  return { kind: 'read', draft: { criteria: { ...criteria, nhsNumber }, gates, shows, reason } };
}

/** Whether anything may be released: every exemption was judged, and none applies. */
const isOpen = ({ requester, protectedFrom, harm, abuse }: Draft['gates']): boolean =>
  requester !== 'other' && protectedFrom === 'no' && harm === 'no' && abuse === 'no';

function draftForm(
  at: AtOfficer<PrivacyViewer>,
  typed: TypedDraft,
  errors: readonly FieldError[],
): Response {
  const isWrong = errors.length > 0;
  const gate = (name: Gate): Html => {
    const { legend, answers, ...more } = GATES[name];
    return radios(name, {
      legend,
      ...more,
      options: Object.entries(answers).map(([value, text]) => ({ value, text })),
      chosen: typed[name],
      error: errors.find(({ field }) => field === name)?.text,
    });
  };
  return at.page({
    title: isWrong ? `Error: ${WORDS.title}` : WORDS.title,
    status: isWrong ? 400 : 200,
    content: html`${errorSummary(errors)}
${heading(WORDS.title)}
<p class="nhsuk-lede-text">${WORDS.lead}</p>
<p class="cpf-strong">${WORDS.warning}</p>
${paragraph(`${seesText(at)} ${OFFICER.onRecord}`)}
<form method="post" action="/officer/child" novalidate autocomplete="off">
${at.hidden(LOOK_FORM)}
${criteriaFields(['number', 'from', 'to'], typed, errors)}
<h2 class="nhsuk-heading-m">${WORDS.gates}</h2>
${GATE_NAMES.map(gate)}
<fieldset class="nhsuk-fieldset" aria-describedby="shows-hint"><legend class="nhsuk-fieldset__legend nhsuk-fieldset__legend--m">${WORDS.shows}</legend>
<div class="nhsuk-hint" id="shows-hint">${WORDS.showsHint}</div>
<div class="nhsuk-checkboxes">${SHOWS.map((name) => checkbox(name, WORDS[name], typed[name] === 'yes'))}</div></fieldset>
${button(WORDS.submit)}
</form>`,
  });
}

/** `GET /officer/child` */
export const officerChild: Mountable<OfficerDependencies> = {
  operation: { method: 'GET', path: '/officer/child', letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, (_, at) => draftForm(at, {}, [])),
};

type Part = { cursor: string | undefined; page: number };
const pageSchema = z.coerce.number().int().min(1).max(100_000).catch(1);
const partOf = (fields: Fields): Part => ({
  cursor: fields.get('cursor'),
  page: pageSchema.parse(fields.get('page') ?? 1),
});

/** Reads a page of a draft, on record before it is shown. */
function lookAtDraft(
  dependencies: OfficerDependencies,
  at: AtOfficer<PrivacyViewer>,
  { criteria, gates, shows, reason }: Draft,
  { cursor, page }: Part,
  released?: number,
): Promise<Looked<'report'>> {
  const after = cursor === undefined ? undefined : readCursor(cursor, criteria);
  const order = {
    name: 'child-draft' as const,
    criteria,
    least: 1,
    ...shows,
    viewer: at.viewer,
    limit: LINES_A_PAGE,
    after,
  };
  return look(dependencies, at, 'report', order, ({ rows }) => ({
    reason,
    report: released === undefined ? 'child-draft' : 'child-copy',
    criteria: { ...recordedCriteria(criteria), ...gates, ...shows, page },
    eventsShown: released ?? rows.length,
  }));
}

/** A line begins with when it was. */
const timeOf = ([at = '']: readonly Cell[]): string => shortTimeText(Date.parse(String(at)));

const tableCells = (row: readonly Cell[]): Html[] =>
  row.map((cell, i) => html`<bdi>${i === 0 ? timeOf(row) : shownCell(cell)}</bdi>`);

type Line = { row: readonly Cell[]; entry: number };
const linesOf = ({ rows, entries = [] }: ReportPage): Line[] =>
  rows.map((row, i) => ({ row, entry: entries[i] ?? -1 }));

/** Accesses, and apart from them what was done to review them, each if there is one. */
const sections = (
  head: readonly string[],
  lines: readonly Line[],
  cells: (line: Line) => Html[],
): (Html | false)[] =>
  [false, true].map((ofSearches) => {
    const own = lines.filter(({ row }) => row.includes(SEARCHED) === ofSearches);
    return (
      own.length > 0 && table(ofSearches ? WORDS.searched : WORDS.accesses, head, own.map(cells))
    );
  });

/** What is not seen beside the box is in the row. */
const releaseLabel = (lines: readonly Line[], line: Line): Html =>
  html`<span class="nhsuk-u-visually-hidden">${WORDS.releases(lines.indexOf(line) + 1, lines.length, timeOf(line.row))}</span>`;

const LINE = /^line-([0-9]{1,15})$/;
const lineName = (entry: number): string => `line-${entry}`;

/**
 * `POST /officer/child`: a page of the draft of one child's accesses, for the controller's review: never to be handed
 * over as it is.
 */
export const officerDraft: Mountable<OfficerDependencies> = {
  operation: { method: 'POST', path: '/officer/child', letsIn: 'audit' },
  handler: (dependencies) =>
    officerLook(dependencies, isPrivacy, async (_, at, fields) => {
      // What is recorded from now on would move the lines from page to page.
      const typed = { to: new Date().toISOString(), ...typedDraft(fields) };
      const read = readDraft(typed);
      if (isEdit(fields)) return draftForm(at, typedDraft(fields), []);
      if (read.kind === 'wrong') return draftForm(at, typedDraft(fields), read.errors);
      const { draft } = read;
      const part = partOf(fields);
      const { page, cursor } = part;
      const looked = await lookAtDraft(dependencies, at, draft, part);
      if (looked.kind === 'refused') return looked.response;
      const { columns, notes, next } = looked.found;
      const lines = linesOf(looked.found);
      const open = isOpen(draft.gates);
      const here = { ...typed, page: String(page), ...(cursor !== undefined && { cursor }) };
      return at.page({
        title: WORDS.draft,
        content: html`${heading(WORDS.draft)}
<p class="cpf-strong">${WORDS.review}</p>
${paragraph(WORDS.warning)}
${!open && html`<div class="cpf-not-checked">${paragraph(WORDS.closed)}</div>`}
<p>${OFFICER.fields.number} <strong>${numberText(draft.criteria.nhsNumber)}</strong>. ${WORDS.page(page)}.</p>
${notes.map(paragraph)}
${
  lines.length === 0
    ? paragraph(next === undefined && page === 1 ? WORDS.none : WORDS.noneHere)
    : html`<form method="post" action="/officer/child/copy" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden(here)}
${sections([...(open ? [WORDS.release] : []), ...columns.map(columnHeading)], lines, (line) => {
  const { row, entry } = line;
  const cells = tableCells(row);
  return open
    ? [checkbox(lineName(entry), releaseLabel(lines, line), fields.has(lineName(entry))), ...cells]
    : cells;
})}
${open && button(WORDS.copy)}
</form>`
}
${
  next !== undefined &&
  html`<form method="post" action="/officer/child" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden({ ...typed, page: String(page + 1), cursor: writeCursor(next, draft.criteria) })}
<button class="nhsuk-button nhsuk-button--secondary" type="submit">${WORDS.next}</button>
</form>`
}
${reachNote(looked.auditId, looked.reach)}
${at.back}`,
      });
    }),
};

/** `POST /officer/child/copy`: of a page of the draft the lines that the reviewer released, for print. */
export const officerCopy: Mountable<OfficerDependencies> = {
  operation: { method: 'POST', path: '/officer/child/copy', letsIn: 'audit' },
  handler: (dependencies) =>
    officerLook(dependencies, isPrivacy, async (_, at, fields) => {
      const read = readDraft(typedDraft(fields));
      if (read.kind === 'wrong' || !isOpen(read.draft.gates)) return at.notFound();
      const { draft } = read;
      const part = partOf(fields);
      const released = new Set(
        [...fields.keys()].flatMap((name) => {
          const entry = LINE.exec(name)?.[1];
          return entry === undefined ? [] : Number(entry);
        }),
      );
      if (released.size === 0) {
        return at.page({
          ...officerMessage(at, WORDS.draft, WORDS.copyNone),
          status: 400,
        });
      }
      const looked = await lookAtDraft(dependencies, at, draft, part, released.size);
      if (looked.kind === 'refused') return looked.response;
      const { columns } = looked.found;
      const lines = linesOf(looked.found).filter(({ entry }) => released.has(entry));
      if (lines.length !== released.size) {
        return at.page({
          ...officerMessage(at, WORDS.draft, WORDS.lineGone),
          status: 409,
        });
      }
      const { name, code } = at.session.role.organisation;
      return at.page({
        title: WORDS.copyTitle,
        printable: true,
        content: html`${heading(WORDS.copyTitle)}
<p>${OFFICER.fields.number} <strong>${numberText(draft.criteria.nhsNumber)}</strong>. ${WORDS.copyLead}</p>
${sections(columns.map(columnHeading), lines, ({ row }) => tableCells(row))}
${paragraph(periodText(draft.criteria))}
<p>${WORDS.copyReleased(`${name} (${code})`, shortTimeText(Date.now()))} ${WORDS.copyReference(looked.auditId)}</p>
<p class="cpf-screen-only">${WORDS.copyNotDelivery}</p>
${at.back}`,
      });
    }),
};
