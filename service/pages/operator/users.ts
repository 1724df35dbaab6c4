import { issuerNameSchema, userKeyOf, userSchema } from '#schemas/people/identity.ts';
import { BLOCKED, OPERATOR } from '#schemas/wording/operator.ts';
import type { Block } from '#store/blocks.ts';
import type { Mountable } from '../../routes/route.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { type AtDesk, deskAct, deskMessage, guardedDesk } from '../desk/guarded-desk.ts';
import { reasonField, table, textField } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { html } from '../html/html.ts';
import {
  button,
  errorSummary,
  type FieldError,
  heading,
  paragraph,
  radios,
} from '../html/parts.ts';
import { timeOfYearText } from '../html/time.ts';
import { type OperatorDependencies, readWhy, said } from './operator.ts';

const HOME = '/operator/users';
const USER_PAGE = `${HOME}/:key`;
const BLOCK_FORM = 'operator-block';
const UNBLOCK_FORM = 'operator-unblock';

const pathOf = ({ issuer, user }: Block): string => `${HOME}/${userKeyOf(issuer, user)}`;

type Typed = { user?: string; issuer?: string; reason?: string };

async function usersPage(
  { blocks, issuers }: OperatorDependencies,
  { page, hidden }: AtDesk,
  typed: Typed = {},
  errors: readonly FieldError[] = [],
): Promise<Response> {
  const all = await blocks.list();
  return page({
    title: errors.length === 0 ? BLOCKED.title : `Error: ${BLOCKED.title}`,
    status: errors.length === 0 ? 200 : 400,
    content: html`${errorSummary(errors)}${heading(BLOCKED.title)}
${paragraph(BLOCKED.lead)}
${
  all.length === 0
    ? paragraph(BLOCKED.nobody)
    : table(
        BLOCKED.caption,
        BLOCKED.columns,
        all.map((block) => [
          html`<a class="nhsuk-link" href="${pathOf(block)}">${BLOCKED.unblock(said(block.user))}</a>`,
          said(block.issuer),
          timeOfYearText(Date.parse(block.at)),
          html`<bdi>${said(block.by)}</bdi>`,
          html`<bdi>${said(block.reason)}</bdi>`,
        ]),
      )
}
<form method="post" action="${HOME}" novalidate>
<h2 class="nhsuk-heading-m">${BLOCKED.block}</h2>
${hidden(BLOCK_FORM)}
${textField({ name: 'user', label: BLOCKED.user, hint: BLOCKED.userHint, value: typed.user, errors, width: 20 })}
${radios('issuer', {
  legend: BLOCKED.issuer,
  options: issuers().map((issuer) => ({ value: issuer, text: issuer })),
  chosen: typed.issuer,
  error: errors.find(({ field }) => field === 'issuer')?.text,
})}
${reasonField(typed.reason, errors)}
${button(BLOCKED.submit)}
</form>
<p>${OPERATOR.byCommand} <code>cp-flags block USER --issuer ISSUER</code></p>`,
  });
}

/** `GET /operator/users`: who is blocked, and a form to block somebody. */
export const operatorUsers: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: HOME, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (_, at) => usersPage(dependencies, at)),
};

/** `POST /operator/users`: blocks a user. */
export const operatorBlock: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: HOME, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(dependencies, OPERATOR_DESK, { form: BLOCK_FORM }, async (_, at, fields) => {
      const { blocks, issuers } = dependencies;
      const user = userSchema.safeParse((fields.get('user') ?? '').trim());
      const issuer = issuerNameSchema
        .refine((name) => issuers().includes(name))
        .safeParse(fields.get('issuer')).data;
      const reason = readWhy(fields.get('reason'));
      if (!user.success || issuer === undefined || reason.kind === 'wrong') {
        const problem = user.error?.issues[0]?.message;
        return usersPage(dependencies, at, Object.fromEntries(fields), [
          ...(problem === undefined ? [] : [{ field: 'user', text: BLOCKED.userWrong(problem) }]),
          ...(issuer === undefined ? [{ field: 'issuer', text: OPERATOR.choose }] : []),
          ...(reason.kind === 'wrong' ? reason.errors : []),
        ]);
      }
      const isNew = await blocks.block({ user: user.data, issuer, ...at.named(reason.value) });
      return isNew
        ? redirect(HOME)
        : at.page({ ...deskMessage(OPERATOR.failed, BLOCKED.alreadyBlocked, HOME), status: 409 });
    }),
};

const blockOf = async ({ blocks }: OperatorDependencies, key: string | undefined) =>
  (await blocks.list()).find(({ issuer, user }) => userKeyOf(issuer, user) === key);

function unblockPage(
  { page, hidden }: AtDesk,
  block: Block,
  typed: Typed = {},
  errors: readonly FieldError[] = [],
): Response {
  const [user, issuer] = [said(block.user), said(block.issuer)];
  const title = BLOCKED.unblock(user);
  return page({
    title: errors.length === 0 ? title : `Error: ${title}`,
    status: errors.length === 0 ? 200 : 400,
    content: html`${errorSummary(errors)}${heading(title)}
${paragraph(BLOCKED.unblockThen(user, issuer))}
<form method="post" action="${pathOf(block)}" novalidate>
${hidden(UNBLOCK_FORM)}
${reasonField(typed.reason, errors)}
${button(BLOCKED.unblockSubmit)}
</form>
<p>${OPERATOR.byCommand} <code>cp-flags unblock USER --issuer ISSUER</code></p>`,
  });
}

/** `GET /operator/users/:key`: a blocked user, with a form to let them in again. */
export const operatorUser: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: USER_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, async (c, at) => {
      const block = await blockOf(dependencies, c.req.param('key'));
      return block === undefined ? at.notFound() : unblockPage(at, block);
    }),
};

/** `POST /operator/users/:key`: lets a blocked user in again. */
export const operatorUnblock: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: USER_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(dependencies, OPERATOR_DESK, { form: UNBLOCK_FORM }, async (c, at, fields) => {
      const block = await blockOf(dependencies, c.req.param('key'));
      if (block === undefined) return at.notFound();
      const reason = readWhy(fields.get('reason'));
      if (reason.kind === 'wrong') {
        return unblockPage(at, block, Object.fromEntries(fields), reason.errors);
      }
      const { user, issuer } = block;
      await dependencies.blocks.unblock({ user, issuer, ...at.named(reason.value) });
      return redirect(HOME);
    }),
};
