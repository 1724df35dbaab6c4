import { notificationIdSchema } from '#schemas/notification.ts';
import { OPERATOR, RESEND } from '#schemas/wording/operator.ts';
import { NotificationFile } from '../../notifications/notification-file.ts';
import { resendNotifications } from '../../notifications/resend.ts';
import type { Mountable } from '../../routes/route.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { type AtDesk, deskAct, guardedDesk } from '../desk/guarded-desk.ts';
import { reasonField, select, textField } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { html } from '../html/html.ts';
import { button, type FieldError, heading, paragraph } from '../html/parts.ts';
import { councilName, RESEND_PAGE } from './messages.ts';
import { type OperatorDependencies, readWhy } from './operator.ts';

const FORM = 'operator-notifications';

type Typed = { council?: string; after?: string; reason?: string };

function resendPage(
  { auditFolder, readiness }: OperatorDependencies,
  { page, hidden }: AtDesk,
  typed: Typed = {},
  errors: readonly FieldError[] = [],
): Response {
  const list = NotificationFile.read(auditFolder, (file) => file.list()) ?? [];
  const councils = list.map(({ code, kept }) => ({
    value: code,
    text: RESEND.council(councilName(readiness, code), code, kept),
  }));
  return page({
    title: RESEND.title,
    errors,
    content: html`${heading(RESEND.title)}
${paragraph(RESEND.lead)}
${
  councils.length === 0
    ? paragraph(RESEND.nothing)
    : html`<form method="post" action="${RESEND_PAGE}" novalidate autocomplete="off">
${hidden(FORM)}
${select('council', RESEND.which, [{ value: '', text: OPERATOR.choose }, ...councils], { chosen: typed.council, errors })}
${textField({ name: 'after', label: RESEND.after, hint: RESEND.afterHint, value: typed.after, errors, width: 20 })}
${reasonField(typed.reason, errors)}
${button(RESEND.submit)}
</form>`
}
<p>${OPERATOR.byCommand} <code>cp-flags notifications resend CODE</code></p>`,
  });
}

/** `GET /operator/notifications`: a form to have a council's notifications written again. */
export const operatorNotifications: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: RESEND_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (_, at) => resendPage(dependencies, at)),
};

/** `POST /operator/notifications`: does what `cp-flags notifications resend` does. */
export const operatorResend: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: RESEND_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(dependencies, OPERATOR_DESK, { form: FORM }, async (_, at, fields) => {
      const { store, auditFolder } = dependencies;
      const typed = Object.fromEntries(fields);
      const list = NotificationFile.read(auditFolder, (file) => file.list()) ?? [];
      const council = list.find(({ code }) => code === fields.get('council'));
      const text = (fields.get('after') ?? '').trim();
      const after = text === '' ? undefined : notificationIdSchema.safeParse(text).data;
      const isAfterWrong = text !== '' && after === undefined;
      const reason = readWhy(fields.get('reason'));
      if (council === undefined || isAfterWrong || reason.kind === 'wrong') {
        return resendPage(dependencies, at, typed, [
          ...(council === undefined ? [{ field: 'council', text: OPERATOR.choose }] : []),
          ...(isAfterWrong ? [{ field: 'after', text: RESEND.afterWrong }] : []),
          ...(reason.kind === 'wrong' ? reason.errors : []),
        ]);
      }
      const resent = await resendNotifications(store, auditFolder, {
        authority: council.code,
        after,
        named: at.named(reason.value),
      });
      if (resent.kind !== 'resent') {
        return resendPage(dependencies, at, typed, [{ field: 'after', text: RESEND.noneAfter }]);
      }
      return redirect(`/operator/messages?rewritten=${resent.count}`);
    }),
};
