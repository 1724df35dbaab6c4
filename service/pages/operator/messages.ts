import { MESH } from '#schemas/wording/mesh.ts';
import { MESSAGES, OPERATOR, RESEND } from '#schemas/wording/operator.ts';
import { shortTimeText, timeText } from '#schemas/wording/times.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { decideMessage, messageToDecide } from '../../mesh/decide-message.ts';
import { localIdOf, MeshFile, type Sent, titleOf } from '../../mesh/mesh-file.ts';
import { meshStatusIn } from '../../mesh/mesh-status.ts';
import { NotificationFile } from '../../notifications/notification-file.ts';
import { notificationsStatus } from '../../notifications/notifications-status.ts';
import type { Mountable } from '../../routes/route.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { type AtDesk, deskAct, deskMessage, guardedDesk } from '../desk/guarded-desk.ts';
import { reasonField, table } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, heading, link, paragraph, radios } from '../html/parts.ts';
import { type OperatorDependencies, readWhy, said } from './operator.ts';

const HOME = '/operator/messages';
export const RESEND_PAGE = '/operator/notifications';
const MESSAGE_PAGE = `${HOME}/:message`;
const FORM = 'operator-message';
const SHOWN_AT_MOST = 100;
/** In order of urgency. */
const SHOWN = ['failed', 'unclear', 'waiting', 'asked', 'sending', 'sent', 'dropped'] as const;
const DECIDED_ON: ReadonlySet<Sent['state']> = new Set(['failed', 'unclear', 'waiting', 'sent']);

const subheading = (text: string): Html => html`<h2 class="nhsuk-heading-m">${text}</h2>`;
const command = (text: string): Html => html`<p>${OPERATOR.byCommand} <code>${text}</code></p>`;

/** @param isDecided whether somebody has decided about it, which is not carried out yet */
function messageRow(row: Sent, isDecided = false): Html[] {
  const title = html`<bdi>${said(titleOf(row))}</bdi>`;
  const state = html`${MESSAGES.states[row.state]}${row.attempt > 1 && MESSAGES.attempt(row.attempt)}. ${isDecided ? MESH.decided : said(row.detail)}`;
  return [
    DECIDED_ON.has(row.state) && !isDecided
      ? html`<a class="nhsuk-link" href="${HOME}/${localIdOf(row)}">${title}</a>`
      : title,
    html`${row.recipient}`,
    state,
    html`${shortTimeText(row.addedAt)}`,
  ];
}

function meshPart(folder: string | undefined, now: number): Html {
  const found =
    folder === undefined
      ? undefined
      : MeshFile.use(folder, (file) => ({
          status: meshStatusIn(file, now),
          polledAt: file.times().polledAt,
          sent: SHOWN.flatMap((state) => file.sentIn(state)),
          unfetched: file.receivedIn('wrong'),
          reports: file.reports(),
          decided: new Set(file.decisions().map(({ key }) => key)),
        }));
  if (found === undefined) return paragraph(MESSAGES.noMailbox);
  const { status, polledAt, sent, unfetched, reports, decided } = found;
  const shown = sent.slice(0, SHOWN_AT_MOST);
  return html`${paragraph(status.ok ? status.detail : html`<strong>${said(status.detail)}</strong>`)}
${paragraph(polledAt === 0 ? MESSAGES.neverAsked : MESSAGES.lastAsked(timeText(polledAt)))}
${
  shown.length === 0
    ? paragraph(MESSAGES.nothing)
    : table(
        MESSAGES.caption,
        MESSAGES.columns,
        shown.map((row) => messageRow(row, decided.has(row.key))),
      )
}
${sent.length > shown.length && paragraph(MESSAGES.more(sent.length - shown.length))}
${[...unfetched.map(({ id, detail }) => MESSAGES.unfetched(id, detail)), ...reports.map(({ text }) => text)].map((text) => paragraph(said(text)))}
${command('cp-flags mesh list')}`;
}

function notificationsPart({ auditFolder, readiness }: OperatorDependencies, now: number): Html {
  const { ok, detail, position, behind, unwritten, unreadable, oldestUntold } = notificationsStatus(
    auditFolder,
    now,
  );
  const list = NotificationFile.read(auditFolder, (file) => file.list()) ?? [];
  const councils = list.filter((each) => each.unwritten > 0);
  return html`${paragraph(ok ? said(detail) : html`<strong>${said(detail)}</strong>`)}
${paragraph(MESSAGES.counts(position, behind, unwritten))}
${oldestUntold === undefined ? ok && paragraph(MESSAGES.noneWait) : paragraph(MESSAGES.oldest(timeText(oldestUntold)))}
${unreadable > 0 && paragraph(MESSAGES.unreadable(unreadable))}
${
  councils.length > 0 &&
  table(
    MESSAGES.unwrittenCaption,
    MESSAGES.unwrittenColumns,
    councils.map(({ code, kept, unwritten: waits }) => {
      return [html`<bdi>${councilName(readiness, code)}</bdi> ${code}`, waits, kept];
    }),
  )
}
${list.length > 0 && html`<p>${link(RESEND_PAGE, MESSAGES.resendNotifications)}</p>`}
${command('cp-flags notifications list')}`;
}

/** What was just done, from the address that the act redirects to. */
function noteOf(done: AtDesk['done']): string | undefined {
  const count = done('rewritten') ?? '';
  const what = done();
  if (/^[0-9]{1,9}$/.test(count)) return `${RESEND.done(Number(count))}. ${RESEND.doneThen}`;
  return what === 'resend' || what === 'drop' ? MESSAGES.done[what] : undefined;
}

/** What a council is called; nothing if it is no longer known here. */
export function councilName({ authorities }: Pick<Readiness, 'authorities'>, code: string): string {
  return said([...authorities.values()].find((each) => each.code === code)?.name ?? '');
}

/** `GET /operator/messages`: what waits in MESH, and how far councils are notified. */
export const operatorMessages: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: HOME, letsIn: 'operate' },
  handler: (dependencies) => {
    const { meshFolder, now = Date.now } = dependencies;
    return guardedDesk(dependencies, OPERATOR_DESK, (_, { page, done }) =>
      page({
        title: MESSAGES.title,
        note: noteOf(done),
        content: html`${heading(MESSAGES.title)}
${subheading(MESSAGES.mesh)}
${meshPart(meshFolder, now())}
${subheading(MESSAGES.notifications)}
${notificationsPart(dependencies, now())}`,
      }),
    );
  },
};

const LOCAL_ID = /^cpf-[0-9a-f]{1,64}-[0-9]{1,9}$/;

/** The message of an address, if somebody may decide about it. */
function messageOf({ meshFolder }: OperatorDependencies, localId = ''): Sent | undefined {
  if (meshFolder === undefined || !LOCAL_ID.test(localId)) return undefined;
  return MeshFile.use(meshFolder, (file) => messageToDecide(file, localId));
}

type Typed = { decision?: string; reason?: string };

function formPage(
  { page, hidden }: AtDesk,
  row: Sent,
  typed: Typed = {},
  errors: readonly FieldError[] = [],
): Response {
  const title = said(titleOf(row));
  return page({
    title,
    errors,
    content: html`${heading(html`<bdi>${title}</bdi>`)}
${table(MESSAGES.caption, MESSAGES.columns, [[html`<bdi>${title}</bdi>`, ...messageRow(row).slice(1)]])}
<form method="post" action="${HOME}/${localIdOf(row)}" novalidate>
${hidden(FORM)}
${radios('decision', {
  legend: MESSAGES.decide,
  options: [
    { value: 'resend', text: MESSAGES.resend, hint: MESSAGES.resendHint },
    { value: 'drop', text: MESSAGES.drop, hint: MESSAGES.dropHint },
  ],
  chosen: typed.decision,
  error: errors.find(({ field }) => field === 'decision')?.text,
})}
${reasonField(typed.reason, errors)}
${button(MESSAGES.submit)}
</form>
${command(`cp-flags mesh resend ${localIdOf(row)}`)}`,
  });
}

/** For a message that was decided on, or delivered, while somebody had the page open, or went back to it. */
const gone = ({ page }: AtDesk, status: number): Response =>
  page({ ...deskMessage(MESSAGES.gone, MESSAGES.goneThen, HOME), status });

/** `GET /operator/messages/:message`: a message that somebody may decide on. */
export const operatorMessage: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: MESSAGE_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (c, at) => {
      const row = messageOf(dependencies, c.req.param('message'));
      return row === undefined ? gone(at, 404) : formPage(at, row);
    }),
};

/** `POST /operator/messages/:message`: sends a message again, or abandons it. */
export const operatorDecideMessage: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: MESSAGE_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(dependencies, OPERATOR_DESK, { form: FORM }, async (c, at, fields) => {
      const { store, meshFolder } = dependencies;
      const row = messageOf(dependencies, c.req.param('message'));
      if (row === undefined || meshFolder === undefined) return gone(at, 409);
      const what = fields.get('decision');
      const isChoice = what === 'resend' || what === 'drop';
      const reason = readWhy(fields.get('reason'));
      if (!isChoice || reason.kind === 'wrong') {
        return formPage(at, row, Object.fromEntries(fields), [
          ...(isChoice ? [] : [{ field: 'decision', text: OPERATOR.choose }]),
          ...(reason.kind === 'wrong' ? reason.errors : []),
        ]);
      }
      const named = at.named(reason.value);
      const decided = await decideMessage(store, meshFolder, {
        localId: localIdOf(row),
        what,
        named,
      });
      return decided.kind === 'decided'
        ? redirect(`${HOME}?done=${what}`)
        : at.page({ ...deskMessage(OPERATOR.failed, MESSAGES.changed, HOME), status: 409 });
    }),
};
