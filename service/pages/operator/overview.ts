import { listHeldFiles } from '#loaders/upkeep/held-files.ts';
import { ANSWERING, OPERATOR } from '#schemas/wording/operator.ts';
import { timeText } from '#schemas/wording/times.ts';
import { coverageOf, shareCheck } from '../../lookup/coverage.ts';
import { isDirectoryTrusted } from '../../lookup/lookup.ts';
import type { Mountable } from '../../routes/route.ts';
import { isReady } from '../../routes/status.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { guardedDesk } from '../desk/guarded-desk.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { heading, link, paragraph } from '../html/parts.ts';
import {
  type Answering,
  answering,
  type Concern,
  concernsOf,
  type NamedCheck,
  namedChecks,
} from './answering.ts';
import { type OperatorDependencies, said } from './operator.ts';
import { processesOf, readLastHour } from './processes.ts';
import { speed } from './speed.ts';

function headline(state: Answering, concerns: number): string {
  switch (state) {
    case 'all':
      return concerns === 0 ? ANSWERING.all : ANSWERING.allAnd(concerns);
    case 'withheld':
      return ANSWERING.withheld;
    case 'some':
      return ANSWERING.some;
    case 'none':
      return ANSWERING.none;
    case 'unknown':
      return ANSWERING.unknown;
  }
}

const THEN: Record<Answering, string | undefined> = {
  all: undefined,
  withheld: ANSWERING.withheldThen,
  some: ANSWERING.someThen,
  none: ANSWERING.noneThen,
  unknown: ANSWERING.unknownThen,
};

const concernItem = ({ level, text, since, to }: Concern): Html =>
  html`<li class="cpf-concern cpf-concern--${level}"><strong>${ANSWERING.levels[level]}.</strong> ${said(text)}${since !== undefined && ` ${OPERATOR.since(timeText(since))}`} ${link(to.href, said(to.text))}</li>
`;

const checksDetails = (checks: readonly NamedCheck[]): Html =>
  html`<details class="nhsuk-details"><summary class="nhsuk-details__summary"><span class="nhsuk-details__summary-text">${ANSWERING.checks(checks.filter(({ ok }) => ok).length, checks.length)}</span></summary>
<div class="nhsuk-details__text">${paragraph(ANSWERING.otherProcesses)}
${table(
  ANSWERING.checks(checks.filter(({ ok }) => ok).length, checks.length),
  ANSWERING.checkColumns,
  checks.map(({ name, ok, detail }) => [
    html`<code>${name}</code>`,
    ok ? ANSWERING.passes : ANSWERING.fails,
    said(detail),
  ]),
)}</div></details>`;

/** Checks that exist only if something is set up, and what it means if it is not. */
const NOT_SET_UP = [
  ['audit-copy', ANSWERING.notCopied],
  ['audit-witnessed', ANSWERING.notWitnessed],
] as const;

/** Whether the audit is sealed, copied and witnessed, and how far: all of its checks. */
const auditPart = (checks: readonly NamedCheck[]): Html =>
  html`<h2 class="nhsuk-heading-m">${ANSWERING.audit}</h2>
${checks.filter(({ name }) => name.startsWith('audit')).map(({ detail }) => paragraph(said(detail)))}
${checks.some(({ name, ok }) => name === 'audit-sealed' && ok) && NOT_SET_UP.map(([check, text]) => !checks.some(({ name }) => name === check) && paragraph(text))}`;

/** `GET /operator`: whether lookups are answered, what needs attention, and how fast answers are. */
export const operatorHome: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: '/operator', letsIn: 'operate' },
  handler: (dependencies) => {
    const { readiness, looksUp, instance, limits, figures, anchor } = dependencies;
    const { runbook, now = Date.now } = dependencies;
    return guardedDesk(dependencies, OPERATOR_DESK, async (_, { page }) => {
      const at = now();
      const [lastHour, expiries, waiting] = await Promise.all([
        readLastHour(figures, at),
        dependencies.expiries(),
        dependencies.decisions.waiting(),
      ]);
      const own = dependencies.own();
      const coverage = coverageOf(readiness, at, limits);
      // A worker by itself does not say how many councils are up to date, since it answers no lookup.
      const share = looksUp ? [] : [shareCheck(readiness.authorities, coverage)];
      const checks = namedChecks(readiness.checks(), [...own, ...share]);
      const processes = typeof lastHour === 'string' ? lastHour : processesOf(lastHour, at);
      const state = answering({
        isStoreReady: readiness.ready && isDirectoryTrusted(readiness),
        isOwnReady: looksUp ? isReady(readiness, own) : undefined,
        instance,
        negativesAllowed: coverage.negativesAllowed,
        processes: typeof processes === 'string' ? undefined : processes,
      });
      const concerns = concernsOf({
        checks,
        runbook,
        instance,
        processes,
        behind: coverage.coverage.notUpToDate,
        expected: coverage.coverage.expected,
        held: listHeldFiles(anchor).length,
        waiting,
        expiries,
        now: at,
      });
      const title = headline(state, concerns.length);
      const then = THEN[state];
      return page({
        title,
        content: html`${heading(title)}
${then !== undefined && html`<p class="nhsuk-lede-text">${then}</p>`}
<h2 class="nhsuk-heading-m">${concerns.length === 0 ? ANSWERING.nothing : ANSWERING.concerns}</h2>
${
  concerns.length > 0 &&
  html`<ol class="nhsuk-list cpf-concerns" role="list">
${concerns.map(concernItem)}</ol>`
}
${checksDetails(checks)}
${auditPart(checks)}
<p>${OPERATOR.asOf(timeText(at))} ${link('/operator', OPERATOR.again)}</p>
<h2 class="nhsuk-heading-m">${ANSWERING.speed}</h2>
${typeof lastHour === 'string' ? paragraph(ANSWERING.noFigures[lastHour]) : speed(lastHour)}`,
      });
    });
  },
};
