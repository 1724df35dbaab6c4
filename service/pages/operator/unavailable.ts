import { ANSWERING } from '#schemas/wording/operator.ts';
import type { Desk } from '../desk/desks.ts';
import { type Html, html } from '../html/html.ts';
import { link, paragraph } from '../html/parts.ts';
import { namedChecks } from './answering.ts';
import { type OperatorDependencies, said } from './operator.ts';

/**
 * What an operator reads if a page cannot be made: the failing checks, which everybody may read at
 * `/_status`, and what to tell clinicians.
 */
export const unavailableAt =
  ({ readiness, own, machine }: Pick<OperatorDependencies, 'readiness' | 'own' | 'machine'>) =>
  ({ name }: Desk): Html | undefined => {
    if (name !== 'operator') return undefined;
    const failing = namedChecks(readiness.checks(), own()).filter(({ ok }) => !ok);
    return html`${failing.some(({ stops }) => stops) && html`<p class="cpf-strong">${ANSWERING.noneThen}</p>`}
${
  failing.length > 0 &&
  html`<h2 class="nhsuk-heading-m">${ANSWERING.fail}</h2>
<ul class="nhsuk-list nhsuk-list--bullet">${[...new Set(failing.map(({ detail }) => detail))].map((detail) => html`<li>${said(detail)}</li>`)}</ul>
${paragraph(ANSWERING.commandsAt(machine))}`
}
<p>${link('/_status', ANSWERING.status)}</p>`;
  };
