import { OPERATOR } from '#schemas/wording/operator.ts';
import { DECISIONS } from '#schemas/wording/operator-decisions.ts';
import { timeText } from '#schemas/wording/times.ts';
import { DECISION_NAMES, type DecisionName, type Matter } from '../../confirm/decisions.ts';
import type { RouteContext } from '../../http/route.ts';
import type { Mountable } from '../../routes/route.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { type AtDesk, deskAct, deskMessage, guardedDesk } from '../desk/guarded-desk.ts';
import { reasonField, textField } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { button, buttonLink, type FieldError, heading, link, paragraph } from '../html/parts.ts';
import { type OperatorDependencies, readName, readWhy, said } from './operator.ts';

const DECISION_PAGE = '/operator/running/decisions/:decision';
const FORM = 'operator-decision';

export const decisionPath = (name: DecisionName): string => `/operator/running/decisions/${name}`;

const nameOf = (c: RouteContext): DecisionName | undefined =>
  DECISION_NAMES.find((name) => name === c.req.param('decision'));

const list = (title: string, sentences: readonly string[]): Html | false =>
  sentences.length > 0 &&
  html`<h2 class="nhsuk-heading-m">${title}</h2>
<ul class="nhsuk-list nhsuk-list--bullet">${sentences.map((sentence) => html`<li>${said(sentence)}</li>`)}</ul>`;

/** A command with the options that each of them needs, and where to run it. */
export const byCommand = (command: string, machine: string): Html =>
  html`<p>${OPERATOR.byCommand} <code>${command} --by "…" --reason "…"</code></p>${paragraph(machine)}`;

/** What is done by command alone, beside what the page itself does. */
function beside(name: DecisionName): Html | false {
  const { replicas, copy } = DECISIONS;
  if (name === 'replicas') {
    return html`${paragraph(replicas.restarts)}
<ul class="nhsuk-list nhsuk-list--bullet"><li><code>cp-flags replicas set-aside HOST:PORT</code></li><li><code>cp-flags replicas put-back HOST:PORT</code></li></ul>`;
  }
  return (
    name === 'copy' &&
    html`${paragraph(copy.older)}<p><code>cp-flags audit copy accept-older</code></p>`
  );
}

type Shown = {
  agreedBy?: string | undefined;
  reason?: string | undefined;
  errors?: readonly FieldError[];
  done?: string | undefined;
};

const matterForm = (
  { hidden }: AtDesk,
  name: DecisionName,
  { subject, happened, lost, before, after, submit }: Matter,
  { reason, agreedBy, errors = [] }: Shown,
): Html => html`${[...new Set(happened)].map((each, i) => (i === 0 ? html`<p class="nhsuk-lede-text">${said(each)}</p>` : paragraph(said(each))))}
${list(name === 'replicas' || name === 'copy' ? DECISIONS.means : DECISIONS.lost, lost)}
${list(DECISIONS.before, before)}
${list(DECISIONS.after, after)}
<form method="post" action="${decisionPath(name)}" novalidate>
<h2 class="nhsuk-heading-m">${DECISIONS.decide}</h2>
${hidden(FORM)}<input type="hidden" name="subject" value="${subject}">
${name === 'gap' && textField({ name: 'agreedBy', label: DECISIONS.gap.agreedBy, hint: DECISIONS.gap.agreedByHint, value: agreedBy, errors, width: 30 })}
${reasonField(reason, errors)}
${button(submit)}
</form>`;

async function decisionPage(
  { decisions, machine }: OperatorDependencies,
  at: AtDesk,
  name: DecisionName,
  shown: Shown = {},
): Promise<Response> {
  const title = DECISIONS.titles[name];
  const done = shown.done === undefined ? undefined : decisions.said(shown.done);
  if (done !== undefined) {
    return at.page({
      title,
      note: said(done.says),
      // It may be read again long after.
      content: html`${heading(title)}
${paragraph(DECISIONS.doneAt(timeText(done.at)))}
<p>${buttonLink('/operator', DECISIONS.see)}</p>`,
    });
  }
  const found = await decisions.look(name);
  return at.page({
    title,
    ...(shown.errors !== undefined && { errors: shown.errors }),
    content: html`${heading(title)}
${
  found.kind === 'nothing'
    ? found.says.map((each) => paragraph(said(each)))
    : html`${matterForm(at, name, found, shown)}${byCommand(found.command, DECISIONS.machine(machine))}`
}
${beside(name)}
<p>${link('/operator/running', OPERATOR.running)}</p>`,
  });
}

/** `GET /operator/running/decisions/:decision`: what happened and what is lost, with a form to decide. */
export const operatorDecision: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: DECISION_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (c, at) => {
      const name = nameOf(c);
      return name === undefined
        ? at.notFound()
        : decisionPage(dependencies, at, name, { done: at.done() });
    }),
};

/** A name as it is compared: however it was typed. */
const wordsOfName = (text: string): string[] =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .split(/[^\p{L}\p{M}\p{N}]+/u)
    .filter((word) => word !== '');

/** Whether these words stand in others, one after the other. */
const isWithin = (name: readonly string[], words: readonly string[]): boolean =>
  name.length > 0 && ` ${words.join(' ')} `.includes(` ${name.join(' ')} `);

/** Who decided with the operator: somebody else. */
function readAgreed({ session }: AtDesk, text: string | undefined): ReturnType<typeof readName> {
  const agreed = readName('agreedBy', text);
  if (agreed.kind === 'wrong') return agreed;
  return isWithin(wordsOfName(session.name), wordsOfName(agreed.value))
    ? { kind: 'wrong', errors: [{ field: 'agreedBy', text: DECISIONS.gap.agreedByOwn }] }
    : agreed;
}

/** `POST /operator/running/decisions/:decision`: does what the command does. */
export const operatorDecide: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: DECISION_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(dependencies, OPERATOR_DESK, { form: FORM }, async (c, at, fields) => {
      const { decisions } = dependencies;
      const name = nameOf(c);
      if (name === undefined) return at.notFound();
      const reason = readWhy(fields.get('reason'));
      const agreed = name === 'gap' ? readAgreed(at, fields.get('agreedBy')) : undefined;
      if (reason.kind === 'wrong' || agreed?.kind === 'wrong') {
        return decisionPage(dependencies, at, name, {
          reason: fields.get('reason'),
          agreedBy: fields.get('agreedBy'),
          errors: [
            ...(agreed?.kind === 'wrong' ? agreed.errors : []),
            ...(reason.kind === 'wrong' ? reason.errors : []),
          ],
        });
      }
      const subject = fields.get('subject') ?? '';
      const named = {
        ...at.named(reason.value),
        ...(agreed !== undefined && { agreedBy: agreed.value }),
      };
      const decided = await decisions.decide(name, subject, named);
      const path = decisionPath(name);
      switch (decided.kind) {
        case 'done':
          return redirect(`${path}?done=${decisions.keep(decided.says)}`);
        case 'refused':
          return at.page({
            ...deskMessage(OPERATOR.failed, said(decided.says), path),
            status: 409,
          });
        case 'unsure': {
          const more = paragraph(DECISIONS.unsureThen);
          return at.page({
            ...deskMessage(DECISIONS.unsure, said(decided.says), path, { more }),
            status: 503,
          });
        }
      }
    }),
};
