import { z } from 'zod';
import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import { OFFICER, OFFICER_DRAFT } from '#schemas/wording/officer.ts';
import { shortTimeText, timeText } from '#schemas/wording/times.ts';
import { type Cell } from '../../audit/search/cells.ts';
import { SEARCHED } from '../../audit/search/draft.ts';
import type { ReportPage } from '../../audit/search/report.ts';
import { readCursor, writeCursor } from '../../audit/search/search.ts';
import { recordedCriteria } from '../../audit/search/viewer.ts';
import type { Mountable } from '../../routes/route.ts';
import { checkboxItem, table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, heading, paragraph, radios } from '../html/parts.ts';
import { shownText } from '../html/time.ts';
import { numberText } from '../look-up/result.ts';
import type { Fields } from '../session/forms.ts';
import { criteriaFields, readCriteria, type Typed, typedHidden, typedOf } from './criteria.ts';
import {
  type AtOfficer,
  ask,
  guardedOfficer,
  isEdit,
  isPrivacy,
  LOOK_FORM,
  look,
  type OfficerDependencies,
  officerLook,
  officerMessage,
  onRecordAs,
  type PrivacyViewer,
  reachNote,
  seesText,
} from './officer.ts';
import { periodText } from './reports.ts';
import { columnHeading, settingName } from './results.ts';

const WORDS = OFFICER_DRAFT;
const PATH = '/officer/child';
const COPY_PATH = `${PATH}/copy`;
const LINES_A_PAGE = 25;
/** Examined for a copy. */
const LINES_AT_ONCE = 1_000;

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
    title: WORDS.title,
    errors,
    content: html`${heading(WORDS.title)}
<p class="nhsuk-lede-text">${WORDS.lead}</p>
<p class="cpf-strong">${WORDS.warning}</p>
${paragraph(`${seesText(at)} ${OFFICER.onRecord}`)}
<form method="post" action="${PATH}" novalidate autocomplete="off">
${at.hidden(LOOK_FORM)}
${criteriaFields(['number', 'from', 'to'], typed, errors)}
<h2 class="nhsuk-heading-m">${WORDS.gates}</h2>
${GATE_NAMES.map(gate)}
<div class="nhsuk-form-group"><fieldset class="nhsuk-fieldset" aria-describedby="shows-hint"><legend class="nhsuk-fieldset__legend nhsuk-fieldset__legend--m">${WORDS.shows}</legend>
<div class="nhsuk-hint" id="shows-hint">${WORDS.showsHint}</div>
<div class="nhsuk-checkboxes">${SHOWS.map((name) => checkboxItem({ name, label: WORDS[name], checked: typed[name] === 'yes' }))}</div></fieldset></div>
${button(WORDS.submit)}
</form>`,
  });
}

/** `GET /officer/child` */
export const officerChild: Mountable<OfficerDependencies> = {
  operation: { method: 'GET', path: PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, (_, at) => draftForm(at, {}, [])),
};

/** What a page of a draft asks of the audit. */
const orderOf = ({ criteria, shows }: Draft, viewer: PrivacyViewer) => ({
  name: 'child-draft' as const,
  criteria,
  least: 1,
  ...shows,
  viewer,
});

const recordOf = ({ criteria, gates, shows }: Draft) => ({
  ...recordedCriteria(criteria),
  ...gates,
  ...shows,
});

type Part = { cursor: string | undefined; page: number };
const pageSchema = z.coerce.number().int().min(1).max(100_000).catch(1);

/** Which page of the draft is wanted: the present one, unless the reader goes to another. */
function partOf(fields: Fields): Part {
  const page = pageSchema.parse(fields.get('page') ?? 1);
  switch (fields.get('go')) {
    case 'next':
      return { page: page + 1, cursor: fields.get('next') };
    case 'first':
      return { page: 1, cursor: undefined };
    default:
      return { page, cursor: fields.get('cursor') };
  }
}

const LINE = /^line-([0-9]{1,15})$/;
const lineName = (entry: number): string => `line-${entry}`;
const RELEASED = /^[0-9]{1,15}(?:,[0-9]{1,15})*$/;

/** The lines that a reviewer has released so far, on any pages of the draft. */
function releasedIn(fields: Fields): Set<number> {
  const others = fields.get('released') ?? '';
  const here = [...fields.keys()].flatMap((name) => LINE.exec(name)?.[1] ?? []);
  return new Set([...(RELEASED.test(others) ? others.split(',') : []), ...here].map(Number));
}

/** A line begins with its time. */
const timeOf = ([at = '']: readonly Cell[]): string => shortTimeText(String(at));

const tableCells = (columns: readonly string[], row: readonly Cell[]): Html[] =>
  row.map((cell, i) => {
    const text = columns[i] === 'setting' ? settingName(String(cell)) : shownText(cell);
    return html`<bdi>${i === 0 ? timeOf(row) : text}</bdi>`;
  });

type Line = { row: readonly Cell[]; entry: number };
const linesOf = ({ rows, entries = [] }: ReportPage): Line[] =>
  rows.map((row, i) => ({ row, entry: entries[i] ?? -1 }));

/** Accesses, and separately the reviews of them, each if there are any. */
const sections = (
  head: readonly string[],
  lines: readonly Line[],
  cells: (line: Line) => Html[],
  foot?: string,
): (Html | false)[] =>
  [false, true].map((ofSearches) => {
    const own = lines.filter(({ row }) => row.includes(SEARCHED) === ofSearches);
    const caption = ofSearches ? WORDS.searched : WORDS.accesses;
    return own.length > 0 && table(caption, head, own.map(cells), foot);
  });

/** What is not seen beside the box is in the row. */
const releaseLabel = (lines: readonly Line[], line: Line): Html =>
  html`<span class="nhsuk-u-visually-hidden">${WORDS.releases(lines.indexOf(line) + 1, lines.length, timeOf(line.row))}</span>`;

/**
 * `POST /officer/child`: a page of the draft of one child's accesses, for the controller's review: never to
 * be handed over unreviewed.
 */
export const officerDraft: Mountable<OfficerDependencies> = {
  operation: { method: 'POST', path: PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    officerLook(dependencies, isPrivacy, async (_, at, fields) => {
      // Later records would move the lines from page to page.
      const typed = { to: new Date().toISOString(), ...typedDraft(fields) };
      const read = readDraft(typed);
      if (isEdit(fields)) return draftForm(at, typedDraft(fields), []);
      if (read.kind === 'wrong') return draftForm(at, typedDraft(fields), read.errors);
      const { draft } = read;
      const { page, cursor } = partOf(fields);
      const after = cursor === undefined ? undefined : readCursor(cursor, draft.criteria);
      const order = { ...orderOf(draft, at.viewer), limit: LINES_A_PAGE, after };
      const looked = await look(dependencies, at, 'report', order, ({ rows }) => ({
        reason: draft.reason,
        report: 'child-draft',
        criteria: { ...recordOf(draft), page },
        eventsShown: rows.length,
      }));
      if (looked.kind === 'refused') return looked.response;
      const { columns, notes, next } = looked.found;
      const lines = linesOf(looked.found);
      const open = isOpen(draft.gates);
      const released = releasedIn(fields);
      const elsewhere = [...released].filter((each) => lines.every(({ entry }) => entry !== each));
      const here = {
        ...typed,
        page: String(page),
        ...(cursor !== undefined && { cursor }),
        ...(next !== undefined && { next: writeCursor(next, draft.criteria) }),
        ...(elsewhere.length > 0 && { released: elsewhere.join(',') }),
      };
      const head = [...(open ? [WORDS.release] : []), ...columns.map(columnHeading)];
      const goes = (to: 'next' | 'first', text: string): Html =>
        html`<button class="nhsuk-button nhsuk-button--secondary" type="submit" name="go" value="${to}" formaction="${PATH}">${text}</button>`;
      return at.page({
        title: WORDS.draft,
        content: html`${heading(WORDS.draft)}
<p class="cpf-strong">${WORDS.review}</p>
${paragraph(WORDS.warning)}
${!open && html`<div class="cpf-not-checked">${paragraph(WORDS.closed)}</div>`}
<p>${OFFICER.fields.number} <strong>${numberText(draft.criteria.nhsNumber)}</strong>. ${WORDS.page(page)}.</p>
${notes.map(paragraph)}
<form method="post" action="${COPY_PATH}" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden(here)}
${
  lines.length === 0
    ? paragraph(next === undefined && page === 1 ? WORDS.none : WORDS.noneHere)
    : sections(head, lines, (line) => {
        const { row, entry } = line;
        const cells = tableCells(columns, row);
        return open
          ? [
              checkboxItem({
                name: lineName(entry),
                label: releaseLabel(lines, line),
                checked: released.has(entry),
              }),
              ...cells,
            ]
          : cells;
      })
}
${open && elsewhere.length > 0 && paragraph(WORDS.elsewhere(elsewhere.length))}
${open && (lines.length > 0 || elsewhere.length > 0) && button(WORDS.copy)}
${next !== undefined && goes('next', WORDS.next)}
${page > 1 && goes('first', WORDS.first)}
</form>
${reachNote(looked.auditId, looked.reach)}
${at.back}`,
      });
    }),
};

type Copied =
  | { kind: 'copied'; columns: readonly string[]; lines: Line[] }
  | { kind: 'refused'; response: Response };

/** The lines of a draft that were released, on any of its pages. */
async function copied(
  dependencies: OfficerDependencies,
  at: AtOfficer<PrivacyViewer>,
  draft: Draft,
  released: ReadonlySet<number>,
): Promise<Copied> {
  const lines: Line[] = [];
  for (let after: ReportPage['next']; ; ) {
    const order = { ...orderOf(draft, at.viewer), limit: LINES_AT_ONCE, after };
    const asked = await ask(dependencies, at, 'report', order);
    if (asked.kind === 'refused') return asked;
    const { columns, next } = asked.found;
    lines.push(...linesOf(asked.found).filter(({ entry }) => released.has(entry)));
    if (next === undefined) return { kind: 'copied', columns, lines };
    after = next;
  }
}

/** `POST /officer/child/copy`: the lines of the draft that the reviewer released, for print. */
export const officerCopy: Mountable<OfficerDependencies> = {
  operation: { method: 'POST', path: COPY_PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    officerLook(dependencies, isPrivacy, async (_, at, fields) => {
      const read = readDraft(typedDraft(fields));
      if (read.kind === 'wrong' || !isOpen(read.draft.gates)) return at.notFound();
      const { draft } = read;
      const released = releasedIn(fields);
      const not = (says: string, status: number): Response =>
        at.page({ ...officerMessage(at, WORDS.draft, says), status });
      if (released.size === 0) return not(WORDS.copyNone, 400);
      const found = await copied(dependencies, at, draft, released);
      if (found.kind === 'refused') return found.response;
      const { columns, lines } = found;
      if (lines.length !== released.size) return not(WORDS.lineGone, 409);
      const auditId = await onRecordAs(dependencies, at, {
        reason: draft.reason,
        report: 'child-copy',
        criteria: recordOf(draft),
        eventsShown: lines.length,
      });
      const { name, code } = at.session.role.organisation;
      const reference = WORDS.copyReference(auditId);
      return at.page({
        title: WORDS.copyTitle,
        printable: true,
        content: html`${heading(WORDS.copyTitle)}
<p>${OFFICER.fields.number} <strong>${numberText(draft.criteria.nhsNumber)}</strong>. ${WORDS.copyLead}</p>
${sections(columns.map(columnHeading), lines, ({ row }) => tableCells(columns, row), reference)}
${paragraph(periodText(draft.criteria))}
<p>${WORDS.copyReleased(`${name} (${code})`, timeText(Date.now()))} ${reference}</p>
<p class="cpf-screen-only">${WORDS.copyNotDelivery}</p>
${at.back}`,
      });
    }),
};
