import { readFileSync } from 'node:fs';
import { RUNBOOK } from '#schemas/wording/operator.ts';
import type { Mountable } from '../../routes/route.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { type DeskDependencies, guardedDesk } from '../desk/guarded-desk.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { heading, paragraph } from '../html/parts.ts';

const FILE = new URL('../../../docs/operating/alerts.md', import.meta.url);
export const RUNBOOK_PATH = '/operator/runbook';

/** The section for a closed store, and for a check that no section names. */
const STORE_SECTION = 'storeclosed';
const OTHER_SECTION = 'checkfails';

const anchorOf = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');

/** What to do about alerts and checks, as `docs/operating/alerts.md` has it. */
export type Runbook = {
  text: string;
  /** The section that says what to do about a check of `/_status`: the first that names it. */
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

export function readRunbook(): Runbook {
  const text = textOf(FILE);
  const sections = text.split(/^### /m).slice(1);
  return {
    text,
    sectionOf(check) {
      const named = sections.find((section) => section.includes(`\`${check}\``));
      if (named !== undefined) return anchorOf(named.slice(0, named.indexOf('\n')));
      return check.startsWith('store:') ? STORE_SECTION : OTHER_SECTION;
    },
  };
}

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(([^)]+)\)/g;

/** A line of Markdown. A link within this page stays a link. Any other link becomes its words. */
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
    } else parts.push(inline(words));
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
