import { OPERATOR } from '#schemas/wording/operator.ts';
import { REPAIR } from '#schemas/wording/operator-decisions.ts';
import type { Mountable } from '../../routes/route.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { guardedDesk } from '../desk/guarded-desk.ts';
import { table } from '../desk/parts.ts';
import { html } from '../html/html.ts';
import { heading, link, paragraph } from '../html/parts.ts';
import { byCommand } from './decisions.ts';
import type { OperatorDependencies } from './operator.ts';

export const REPAIR_PAGE = '/operator/running/repair';

/** `GET /operator/running/repair`: what is damaged in Redis, and the command that repairs it. */
export const operatorRepair: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: REPAIR_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, async (_, { page }) => {
      const { damage, failure } = await dependencies.damage();
      return page({
        title: REPAIR.title,
        content: html`${heading(REPAIR.title)}
${failure !== undefined && html`<p class="cpf-strong">${REPAIR[failure]}</p>`}
${
  damage.length === 0
    ? failure === undefined && paragraph(REPAIR.nothing)
    : html`<p class="nhsuk-lede-text">${REPAIR.found}</p>
${table(
  REPAIR.caption,
  REPAIR.columns,
  damage.map(({ where, what, does }) => [where, what, does]),
)}`
}
<h2 class="nhsuk-heading-m">${REPAIR.steps}</h2>
<ol class="nhsuk-list nhsuk-list--number">${REPAIR.stepList.map((step) => html`<li>${step}</li>`)}</ol>
<p>${REPAIR.list} <code>cp-flags repair --list</code></p>
${byCommand('cp-flags repair', REPAIR.machine(dependencies.machine))}
<p>${link('/operator/running', OPERATOR.running)}</p>`,
      });
    }),
};
