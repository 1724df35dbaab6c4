import { RUNNING } from '#schemas/wording/operator.ts';
import { DECISIONS, REPAIR } from '#schemas/wording/operator-decisions.ts';
import { shortTimeText, timeText } from '#schemas/wording/times.ts';
import { DECISION_NAMES } from '../../confirm/decisions.ts';
import type { Mountable } from '../../routes/route.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { guardedDesk } from '../desk/guarded-desk.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { heading, link, paragraph } from '../html/parts.ts';
import { decisionPath } from './decisions.ts';
import type { Expiry } from './expiries.ts';
import { type OperatorDependencies, said } from './operator.ts';
import { type ProcessState, processesOf, readLastHour } from './processes.ts';
import { REPAIR_PAGE } from './repair.ts';

function stateText({ state, lastAt }: ProcessState): string {
  switch (state) {
    case 'ready':
      return RUNNING.ready;
    case 'partly':
    case 'not-ready':
      return RUNNING.notReady;
    case 'ended':
      return RUNNING.ended(timeText(lastAt));
    case 'silent':
      return RUNNING.silent(timeText(lastAt));
  }
}

const subheading = (text: string): Html => html`<h2 class="nhsuk-heading-m">${text}</h2>`;

const expiryRow = ({ what, endsAt, changedAt, unreadable }: Expiry): string[] => [
  said(what),
  unreadable === true
    ? RUNNING.unreadable
    : endsAt === undefined
      ? RUNNING.noEnd
      : shortTimeText(endsAt),
  changedAt === undefined ? '' : shortTimeText(changedAt),
];

/** `GET /operator/running`: processes and versions, replicas, what a person can confirm, and what ends. */
export const operatorRunning: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: '/operator/running', letsIn: 'operate' },
  handler: (dependencies) => {
    const { figures, instance, replicas, readiness, now = Date.now } = dependencies;

    /** What the checks of replicas and sentinels say, as of the last poll of the store. */
    const replicaChecks = (): string[] =>
      readiness
        .checks()
        .filter(({ name }) => OF_REPLICAS.has(name))
        .map(({ detail }) => said(detail));

    return guardedDesk(dependencies, OPERATOR_DESK, async (_, { page }) => {
      const at = now();
      const [lastHour, expiries, server] = await Promise.all([
        readLastHour(figures, at),
        dependencies.expiries(),
        dependencies.server(),
      ]);
      const processes = typeof lastHour === 'string' ? [] : processesOf(lastHour, at);
      return page({
        title: RUNNING.title,
        content: html`${heading(RUNNING.title)}
${subheading(RUNNING.processes)}
${
  processes.length === 0
    ? paragraph(RUNNING.none)
    : table(
        RUNNING.caption,
        RUNNING.columns,
        processes.map((process) => [
          html`<code>${process.instance}</code>${process.instance === instance && RUNNING.own}`,
          process.running?.role,
          stateText(process),
          process.running?.version,
          process.running?.node,
          process.running?.openssl,
        ]),
      )
}
${paragraph(server === undefined ? RUNNING.noServer : RUNNING.server(server.version))}
${subheading(RUNNING.replicas)}
${
  replicas === 0
    ? paragraph(RUNNING.noReplicas)
    : html`${server !== undefined && paragraph(RUNNING.attached(server.attached, replicas))}
${replicaChecks().map(paragraph)}`
}
${subheading(DECISIONS.title)}
${paragraph(DECISIONS.lead)}
<ul class="nhsuk-list nhsuk-list--bullet">${DECISION_NAMES.map((name) => html`<li>${link(decisionPath(name), DECISIONS.titles[name])}</li>`)}<li>${link(REPAIR_PAGE, REPAIR.title)}</li></ul>
<h3 class="nhsuk-heading-s">${DECISIONS.dataset}</h3>
${paragraph(DECISIONS.datasetThen)}
<p><code>cp-flags confirm dataset ID --by "…" --reason "…"</code></p>
${subheading(RUNNING.expires)}
${table(RUNNING.expiresCaption, RUNNING.expiresColumns, expiries.map(expiryRow))}`,
      });
    });
  },
};

const OF_REPLICAS: ReadonlySet<string> = new Set([
  'replicas',
  'single-mode',
  'replica-servers',
  'sentinels',
]);
