import { issuerNameSchema, userKeyOf, userSchema } from '#schemas/people/identity.ts';
import { BLOCKED, OPERATOR } from '#schemas/wording/operator.ts';
import { shortTimeText } from '#schemas/wording/times.ts';
import { type Block, markOf } from '#store/blocks.ts';
import type { KnownUser } from '../../audit/search/known-user.ts';
import type { Mountable } from '../../routes/route.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { type AtDesk, deskAct, deskMessage, guardedDesk } from '../desk/guarded-desk.ts';
import { reasonField, summary, table, textField } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { html } from '../html/html.ts';
import { button, type FieldError, heading, paragraph, radios } from '../html/parts.ts';
import { lookForUser } from './known-user.ts';
import { type OperatorDependencies, readWhy, said } from './operator.ts';

const HOME = '/operator/users';
const USER_PAGE = `${HOME}/:key`;
const BLOCK_FORM = 'operator-block';
const UNBLOCK_FORM = 'operator-unblock';

/** Since when, by whom and why, as the columns have them. */
const whyOf = ({ at, by, reason }: Block): string[] => [shortTimeText(at), said(by), said(reason)];

const pathOf = ({ issuer, user }: Block): string => `${HOME}/${userKeyOf(issuer, user)}`;

type Typed = { user?: string; issuer?: string; reason?: string };

const WARNINGS: Record<KnownUser, string | undefined> = {
  known: undefined,
  unknown: BLOCKED.unknown,
  watches: BLOCKED.watches,
  'not-told': BLOCKED.notTold,
};

/** What was just done, from the address that the act redirects to. */
function noteOf(blocks: readonly Block[], done: string | undefined): string | undefined {
  const block = blocks.find(({ issuer, user }) => userKeyOf(issuer, user) === done);
  if (block !== undefined) return BLOCKED.blocked(said(block.user), said(block.issuer));
  return done === 'unblocked' ? BLOCKED.unblocked : undefined;
}

type Shown = {
  typed?: Typed;
  errors?: readonly FieldError[];
  /** The user about whom the form has warned; sent again, the form blocks them. */
  warned?: string;
  done?: string | undefined;
};

async function usersPage(
  { blocks, issuers }: OperatorDependencies,
  { page, hidden }: AtDesk,
  { typed = {}, errors = [], warned, done }: Shown = {},
): Promise<Response> {
  const all = await blocks.list();
  const [only, ...others] = issuers();
  return page({
    title: BLOCKED.title,
    errors,
    note: noteOf(all, done),
    content: html`${heading(BLOCKED.title)}
${paragraph(BLOCKED.lead)}
${
  all.length === 0
    ? paragraph(BLOCKED.nobody)
    : table(
        BLOCKED.caption,
        BLOCKED.columns,
        all.map((block) => [
          html`<a class="nhsuk-link" href="${pathOf(block)}"><bdi>${BLOCKED.unblock(said(block.user))}</bdi></a>`,
          ...[said(block.issuer), ...whyOf(block)].map((text) => html`<bdi>${text}</bdi>`),
        ]),
      )
}
<form method="post" action="${HOME}" novalidate>
<h2 class="nhsuk-heading-m">${BLOCKED.block}</h2>
${hidden(BLOCK_FORM)}${warned !== undefined && html`<input type="hidden" name="warned" value="${warned}">`}
${textField({ name: 'user', label: BLOCKED.user, hint: BLOCKED.userHint, value: typed.user, errors, width: 20 })}
${radios('issuer', {
  legend: BLOCKED.issuer,
  options: issuers().map((issuer) => ({ value: issuer, text: issuer })),
  chosen: typed.issuer ?? (others.length === 0 ? only : undefined),
  error: errors.find(({ field }) => field === 'issuer')?.text,
})}
${reasonField(typed.reason, errors)}
${button(warned === undefined ? BLOCKED.submit : BLOCKED.submitAgain)}
</form>
<p>${OPERATOR.byCommand} <code>cp-flags block USER --issuer ISSUER</code></p>`,
  });
}

/** `GET /operator/users`: who is blocked, and a form to block somebody. */
export const operatorUsers: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: HOME, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (_, at) =>
      usersPage(dependencies, at, { done: at.done() }),
    ),
};

/** `POST /operator/users`: blocks a user. */
export const operatorBlock: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: HOME, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(dependencies, OPERATOR_DESK, { form: BLOCK_FORM }, async (_, at, fields) => {
      const { blocks, issuers } = dependencies;
      const typed = Object.fromEntries(fields);
      const user = userSchema.safeParse((fields.get('user') ?? '').trim());
      const issuer = issuerNameSchema
        .refine((name) => issuers().includes(name))
        .safeParse(fields.get('issuer')).data;
      const reason = readWhy(fields.get('reason'));
      if (!user.success || issuer === undefined || reason.kind === 'wrong') {
        const problem = user.error?.issues[0]?.message;
        return usersPage(dependencies, at, {
          typed,
          errors: [
            ...(problem === undefined ? [] : [{ field: 'user', text: BLOCKED.userWrong(problem) }]),
            ...(issuer === undefined ? [{ field: 'issuer', text: OPERATOR.choose }] : []),
            ...(reason.kind === 'wrong' ? reason.errors : []),
          ],
        });
      }
      const whom = { user: user.data, issuer };
      const key = userKeyOf(issuer, user.data);
      const isSelf = key === at.caller.userKey;
      const isWarned = fields.get('warned') === key;
      const warning = isSelf
        ? BLOCKED.self
        : isWarned
          ? undefined
          : WARNINGS[await lookForUser(dependencies, at, whom, reason.value)];
      if (warning !== undefined) {
        const errors = [{ field: 'user', text: warning }];
        return usersPage(dependencies, at, { typed, errors, ...(!isSelf && { warned: key }) });
      }
      const isNew = await blocks.block({ ...whom, ...at.named(reason.value), desk: 'operator' });
      return isNew
        ? redirect(`${HOME}?done=${key}`)
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
  const cells = [user, issuer, ...whyOf(block)];
  const title = BLOCKED.unblock(user);
  return page({
    title,
    errors,
    content: html`${heading(title)}
${summary(BLOCKED.columns.map((name, i) => [name, html`<bdi>${cells[i]}</bdi>`]))}
${block.desk === 'officer' && html`<p class="cpf-strong">${BLOCKED.byOfficer}</p>`}
${paragraph(BLOCKED.unblockThen(user, issuer))}
<form method="post" action="${pathOf(block)}" novalidate>
${hidden(UNBLOCK_FORM)}<input type="hidden" name="block" value="${markOf(block)}">
${reasonField(typed.reason, errors)}
${button(BLOCKED.unblockSubmit)}
</form>
<p>${OPERATOR.byCommand} <code>cp-flags unblock USER --issuer ISSUER</code></p>`,
  });
}

/** For a user who was unblocked while somebody had the page open, or went back to it. */
const notBlocked = ({ page }: AtDesk, status: number): Response =>
  page({ ...deskMessage(BLOCKED.notBlocked, BLOCKED.notBlockedThen, HOME), status });

/** `GET /operator/users/:key`: a blocked user, with a form to unblock them. */
export const operatorUser: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: USER_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, async (c, at) => {
      const block = await blockOf(dependencies, c.req.param('key'));
      return block === undefined ? notBlocked(at, 404) : unblockPage(at, block);
    }),
};

/** `POST /operator/users/:key`: unblocks a user. */
export const operatorUnblock: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: USER_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(dependencies, OPERATOR_DESK, { form: UNBLOCK_FORM }, async (c, at, fields) => {
      const block = await blockOf(dependencies, c.req.param('key'));
      if (block === undefined) return notBlocked(at, 409);
      const reason = readWhy(fields.get('reason'));
      if (reason.kind === 'wrong') {
        return unblockPage(at, block, Object.fromEntries(fields), reason.errors);
      }
      const { user, issuer } = block;
      const order = { user, issuer, ...at.named(reason.value) };
      const done = await dependencies.blocks.unblock(order, fields.get('block') ?? '');
      return done === 'blocked-again'
        ? at.page({
            ...deskMessage(OPERATOR.failed, BLOCKED.blockedAgain, pathOf(block)),
            status: 409,
          })
        : redirect(`${HOME}?done=unblocked`);
    }),
};
