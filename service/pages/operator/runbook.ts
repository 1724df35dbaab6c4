import { readFileSync } from 'node:fs';
import { RUNBOOK } from '#schemas/wording/operator.ts';
import type { Mountable } from '../../routes/route.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { type DeskDependencies, guardedDesk } from '../desk/guarded-desk.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { heading, paragraph } from '../html/parts.ts';

const ROOT = new URL('../../../', import.meta.url);
const FILE = new URL('docs/operating/alerts.md', ROOT);
export const RUNBOOK_PATH = '/operator/runbook';

/** The section for every check that no other section lists. */
const OTHER_SECTION = 'checkfails';

const anchorOf = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');

/** What to do about alerts and checks, as `docs/operating/alerts.md` has it. */
export type Runbook = {
  text: string;
  /** The section that says what to do about a check of `/_status`: the one that lists it in its first line. */
  sectionOf: (check: string) => string;
};

function textOf(file: URL): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // A missing page of advice is no reason for a worker not to start.
    return '';
  }
}

/** The checks that a section is about: after its urgency, as in "*page.* Checks `store:opened`, `store:whole`." */
const CHECKS = /^\*\w+\.\* Checks? ([^.]+)\./m;

function checksOf(section: string): string[] {
  const [, listed = ''] = CHECKS.exec(section) ?? [];
  return [...listed.matchAll(/`([^`]+)`/g)].map(([, check = '']) => check);
}

export function readRunbook(): Runbook {
  const text = textOf(FILE);
  const sections = text.split(/^### /m).slice(1);
  const anchors = new Map(
    sections.flatMap((section) => {
      const anchor = anchorOf(section.slice(0, section.indexOf('\n')));
      return checksOf(section).map((check) => [check, anchor] as const);
    }),
  );
  return { text, sectionOf: (check) => anchors.get(check) ?? OTHER_SECTION };
}

/** Where a link leads, from the root of the repository. */
const fileOf = (to: string): string => new URL(to, FILE).href.slice(ROOT.href.length);

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(([^)]+)\)/g;

/**
 * A line of Markdown. A link within this page stays a link. Any other becomes its words and the file that it leads
 * to, since no other document is served.
 */
function inline(line: string): Html {
  const parts: Html[] = [];
  let from = 0;
  for (const found of line.matchAll(INLINE)) {
    const [whole, code, strong, emphasis, words = '', to = ''] = found;
    parts.push(html`${line.slice(from, found.index)}`);
    from = found.index + whole.length;
    if (code !== undefined) parts.push(html`<code>${code}</code>`);
    else if (strong !== undefined) parts.push(html`<strong>${inline(strong)}</strong>`);
    else if (emphasis !== undefined) parts.push(html`<em>${inline(emphasis)}</em>`);
    else if (to.startsWith('#')) {
      parts.push(html`<a class="nhsuk-link" href="${to}">${inline(words)}</a>`);
    } else parts.push(html`${inline(words)} (<code>${fileOf(to)}</code>)`);
  }
  return html`${parts}${line.slice(from)}`;
}

const cellsOf = (row: string): string[] => row.slice(1, -1).split(' | ');

function tableOf(rows: readonly string[]): Html {
  const [head = [], , ...body] = rows.map((row) => cellsOf(row).map((cell) => cell.trim()));
  return table(
    RUNBOOK.table(head),
    head,
    body.map((cells) => cells.map(inline)),
  );
}

function block(lines: string): Html {
  const [, marks = '', title = ''] = /^(#{2,3}) (.+)$/.exec(lines) ?? [];
  if (marks === '##') {
    return html`<h2 class="nhsuk-heading-l" id="${anchorOf(title)}">${inline(title)}</h2>`;
  }
  if (marks === '###') {
    return html`<h3 class="nhsuk-heading-m" id="${anchorOf(title)}">${inline(title)}</h3>`;
  }
  return lines.startsWith('|') ? tableOf(lines.split('\n')) : paragraph(inline(lines));
}

type OperatorRunbookDependencies = DeskDependencies & { runbook: Runbook };

/** `GET /operator/runbook`: what each alert and check means, and what to do. */
export const operatorRunbook: Mountable<OperatorRunbookDependencies> = {
  operation: { method: 'GET', path: RUNBOOK_PATH, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (_, { page }) =>
      page({
        title: RUNBOOK.title,
        printable: true,
        content: html`${heading(RUNBOOK.title)}${paragraph(RUNBOOK.lead)}
${dependencies.runbook.text === '' && paragraph(RUNBOOK.absent)}
${dependencies.runbook.text
  .split(/\n{2,}/)
  .slice(1)
  .map((lines) => block(lines.trim()))}`,
      }),
    ),
};
