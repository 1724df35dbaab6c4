// One file: the pages are the steps of one act.

import { plansNotOver } from '#loaders/upkeep/plans-not-over.ts';
import {
  askWithdrawal,
  confirmWithdrawal,
  declineWithdrawal,
  listWithdrawals,
  type StandingWithdrawal,
  undoWithdrawal,
  type Withdrawn,
  withdrawnBefore,
  withdrawUrgently,
} from '#loaders/upkeep/withdraw.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import { LOOKS } from '#schemas/wording/council-looks.ts';
import { wrongNhsNumber } from '#schemas/wording/nhs-number.ts';
import { shortTimeText, timeText } from '#schemas/wording/times.ts';
import { WITHDRAWAL, WITHDRAWALS } from '#schemas/wording/withdrawals.ts';
import type { Withdrawal } from '#store/authorities/withdrawals.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { Mountable } from '../../routes/route.ts';
import { holdingsRead } from '../../uploads/holdings.ts';
import type { DeskDependencies } from '../desk/guarded-desk.ts';
import { checkbox, readReason, reasonField, summary, table, textField } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import {
  button,
  buttonLink,
  type FieldError,
  heading,
  link,
  paragraph,
  radios,
} from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';
import {
  type Again,
  actingOf,
  actOnOne,
  actWithReason,
  nothingChanged,
  numberIn,
  orFailed,
  personAt,
  reasonForm,
} from './acts.ts';
import { type AtCouncil, councilAct, guardedCouncil, pageOfOne } from './guarded-council.ts';
import { type LooksDependencies, readLooks } from './looks.ts';
import { looksTable, missingLooks } from './looks-table.ts';

type WithdrawalsDependencies = DeskDependencies &
  Pick<LooksDependencies, 'auditFolder' | 'notifiedEveryMs'> & { store: Store; anchor: Anchor };

export const WITHDRAWALS_PATH = '/council/withdrawals';
const PATH = WITHDRAWALS_PATH;
/** Where a new one begins: the router takes no fixed address beside one with a parameter. */
const BEGIN = '/council/withdraw';

const planText = ({ type, startDate }: Pick<PlanRow, 'type' | 'startDate'>): string =>
  WITHDRAWALS.plan(type, startDate);
const valueOf = ({ type, startDate }: Pick<PlanRow, 'type' | 'startDate'>): string =>
  `${type} ${startDate}`;

/** `GET /council/withdrawals`: requests and withdrawals. */
export const councilWithdrawals: Mountable<WithdrawalsDependencies> = {
  operation: { method: 'GET', path: PATH, letsIn: 'authority' },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (_, council) => {
      const all = await listWithdrawals(dependencies.store, dependencies.anchor, council.authority);
      return council.page({
        title: WITHDRAWALS.title,
        content: html`${heading(WITHDRAWALS.title)}${paragraph(WITHDRAWALS.lead)}
<p>${buttonLink(BEGIN, WITHDRAWALS.begin)}</p>
${
  all.length === 0
    ? paragraph(WITHDRAWALS.none)
    : table(
        WITHDRAWALS.list,
        WITHDRAWALS.columns,
        all.map(({ withdrawal, standing, sentAgain }) => [
          link(`${PATH}/${withdrawal.id}`, shortTimeText(withdrawal.asked.at)),
          planText(withdrawal),
          html`<bdi>${withdrawal.localId}</bdi>`,
          html`<bdi>${withdrawal.asked.name}</bdi>`,
          html`${WITHDRAWAL.standing[standing]}${sentAgain && html`<br><strong>${WITHDRAWAL.sentAgain}</strong>`}`,
        ]),
      )
}`,
      });
    }),
};

function numberPage(council: AtCouncil, typed = '', error?: string): Response {
  const errors = error === undefined ? [] : [{ field: 'number', text: error }];
  return council.page({
    title: WITHDRAWALS.begin,
    errors,
    content: html`${heading(WITHDRAWALS.begin)}
<form method="post" action="${BEGIN}/find" novalidate>${council.hidden('withdrawal-find')}
${textField({ name: 'number', label: WITHDRAWALS.number, hint: WITHDRAWALS.numberHint, value: typed, errors, width: 20, inputMode: 'numeric' })}
${button(WITHDRAWALS.find)}</form>`,
  });
}

/** `GET /council/withdraw`: asks for the number. */
export const councilWithdrawalNew: Mountable<WithdrawalsDependencies> = {
  operation: { method: 'GET', path: BEGIN, letsIn: 'authority' },
  handler: (dependencies) => guardedCouncil(dependencies, (_, council) => numberPage(council)),
};

/** Which plan, why, and the number once more. */
function choosePage(
  council: AtCouncil,
  number: NhsNumber,
  plans: readonly PlanRow[],
  fields?: Fields,
  errors: readonly FieldError[] = [],
): Response {
  const others = plans.length - 1;
  return council.page({
    title: WITHDRAWALS.choose,
    errors,
    content: html`${heading(WITHDRAWALS.begin)}
<form method="post" action="${BEGIN}" novalidate>${council.hidden('withdrawal-ask')}
<input type="hidden" name="number" value="${number}">
${radios('plan', {
  legend: WITHDRAWALS.choose,
  options: plans.map((plan) => ({
    value: valueOf(plan),
    text: planText(plan),
    hint: html`${WITHDRAWALS.localId}: <bdi>${plan.localId === '' ? WITHDRAWALS.noLocalId : plan.localId}</bdi>`,
  })),
  chosen: fields?.get('plan'),
  error: errors.find(({ field }) => field === 'plan')?.text,
})}
${textField({ name: 'again', label: WITHDRAWALS.again, hint: WITHDRAWALS.againHint, errors, width: 20, inputMode: 'numeric' })}
${reasonField(fields?.get('reason'), errors)}
${checkbox({ name: 'urgent', label: WITHDRAWALS.urgent, hint: WITHDRAWALS.urgentHint, checked: fields?.get('urgent') === 'yes' })}
<p><strong>${others === 0 ? WITHDRAWALS.thenNone : WITHDRAWALS.thenOthers(others)}</strong></p>
${button(WITHDRAWALS.ask)}</form>`,
  });
}

/** `POST /council/withdraw/find`: the council's own plans under a number; recorded as read. */
export const councilWithdrawalFind: Mountable<WithdrawalsDependencies> = {
  operation: { method: 'POST', path: `${BEGIN}/find`, letsIn: 'authority' },
  handler: (dependencies) =>
    councilAct(
      dependencies,
      { form: 'withdrawal-find', repeats: true },
      async (_, council, fields) => {
        const { store } = dependencies;
        const number = numberIn(fields, 'number');
        const typed = fields.get('number') ?? '';
        if (number === undefined) return numberPage(council, typed, wrongNhsNumber(typed));
        await store.appendEvent(holdingsRead(council, WITHDRAWALS.title));
        const plans = await plansNotOver(store, council.authority, number);
        return plans.length === 0
          ? numberPage(council, typed, WITHDRAWALS.noneFound)
          : choosePage(council, number, plans);
      },
    ),
};

const refusedPage = (council: AtCouncil, kind: keyof typeof WITHDRAWAL.refused): Response =>
  nothingChanged(council, WITHDRAWALS.title, WITHDRAWAL.refused[kind], PATH);

/** Their own urgent withdrawal of a plan that is no longer shown: the first answer may have been lost. */
const urgentBefore = (
  { store, anchor }: WithdrawalsDependencies,
  council: AtCouncil,
  number: NhsNumber,
  chosen: string | undefined,
): Promise<Withdrawn> => {
  const { key, lockWaitMs } = actingOf(council);
  const isMeant = (each: Withdrawal): boolean =>
    each.urgent &&
    each.nhsNumber === number &&
    valueOf(each) === chosen &&
    each.decided?.key === key;
  return withdrawnBefore(store, anchor, council.authority, isMeant, lockWaitMs);
};

/** `POST /council/withdraw`: asks for a plan to be withdrawn, or withdraws it urgently. */
export const councilWithdrawalAsk: Mountable<WithdrawalsDependencies> = {
  operation: { method: 'POST', path: BEGIN, letsIn: 'authority' },
  handler: (dependencies) =>
    councilAct(dependencies, { form: 'withdrawal-ask' }, async (_, council, fields) => {
      const { store, anchor } = dependencies;
      const { authority } = council;
      const number = numberIn(fields, 'number');
      if (number === undefined) return numberPage(council, '', wrongNhsNumber(''));
      const plans = await plansNotOver(store, authority, number);
      const chosen = fields.get('plan');
      const plan = plans.find((each) => valueOf(each) === chosen);
      const reason = readReason(fields.get('reason'));
      const isUrgent = fields.get('urgent') === 'yes';
      const isAgain = numberIn(fields, 'again') === number;
      const chooseAgain = async (): Promise<Response> => {
        // What is shown again may be under another number than the one that was found.
        await store.appendEvent(holdingsRead(council, WITHDRAWALS.title));
        return plans.length === 0
          ? numberPage(council, '', WITHDRAWALS.noneFound)
          : choosePage(council, number, plans, fields, [
              ...(plan === undefined ? [{ field: 'plan', text: WITHDRAWALS.chooseWrong }] : []),
              ...(isAgain ? [] : [{ field: 'again', text: WITHDRAWALS.againWrong }]),
              ...(reason.kind === 'wrong' ? [reason.error] : []),
            ]);
      };
      if (!isAgain || reason.kind === 'wrong' || (plan === undefined && !isUrgent)) {
        return chooseAgain();
      }
      return orFailed(council, PATH, async () => {
        const who = actingOf(council);
        const done =
          plan === undefined
            ? await urgentBefore(dependencies, council, number, chosen)
            : isUrgent
              ? await withdrawUrgently(store, anchor, authority, plan, reason.reason, who)
              : await askWithdrawal(store, anchor, authority, plan, reason.reason, who);
        if (plan === undefined && done.kind === 'no-such-plan') return chooseAgain();
        if (done.kind === 'withdrawn' && done.again !== true) {
          dependencies.log.warn(
            'A council has withdrawn a flag urgently, without a second person.',
            { authority },
          );
        }
        return 'withdrawal' in done
          ? redirect(`${PATH}/${done.withdrawal.id}`)
          : refusedPage(council, done.kind);
      });
    }),
};

function waitingForms(
  council: AtCouncil,
  { withdrawal: { id, asked } }: StandingWithdrawal,
  again: Again,
): Html {
  const isOwn = asked.key === council.caller.userKey;
  return html`${isOwn ? paragraph(WITHDRAWALS.waiting) : confirmForm(council, id, again)}
<h2 class="nhsuk-heading-m">${WITHDRAWALS.decline}</h2>
${reasonForm(council, { action: `${PATH}/${id}/decline`, form: 'withdrawal-decline', submit: WITHDRAWALS.declineButton }, again)}`;
}

const confirmForm = (council: AtCouncil, id: string, { fields, errors = [] }: Again): Html =>
  html`<h2 class="nhsuk-heading-m">${WITHDRAWALS.confirm}</h2>
${paragraph(WITHDRAWALS.confirmLead)}
<form method="post" action="${PATH}/${id}/confirm" novalidate>${council.hidden('withdrawal-confirm')}
${textField({ name: 'number', label: WITHDRAWALS.confirmNumber, hint: WITHDRAWALS.confirmNumberHint, value: fields?.get('number'), errors, width: 20, inputMode: 'numeric' })}
${button(WITHDRAWALS.confirmButton)}</form>`;

function inForceForms(
  council: AtCouncil,
  { withdrawal: { id }, undoUntil = 0, sentAgain }: StandingWithdrawal,
  again: Again,
): Html {
  const undo =
    undoUntil <= Date.now()
      ? paragraph(WITHDRAWALS.tooLate)
      : html`<h2 class="nhsuk-heading-m">${WITHDRAWALS.undo}</h2>${paragraph(WITHDRAWALS.undoLead(timeText(undoUntil)))}
${reasonForm(council, { action: `${PATH}/${id}/undo`, form: 'withdrawal-undo', submit: WITHDRAWALS.undoButton }, again)}`;
  return html`${sentAgain ? html`<p><strong>${WITHDRAWALS.sentAgain}</strong></p>` : paragraph(WITHDRAWAL.settles)}${undo}`;
}

async function detailPage(
  dependencies: WithdrawalsDependencies,
  council: AtCouncil,
  id: string,
  again: Again = {},
): Promise<Response> {
  const all = await listWithdrawals(dependencies.store, dependencies.anchor, council.authority);
  const found = all.find(({ withdrawal }) => withdrawal.id === id);
  if (found === undefined) return council.notFound();
  const { withdrawal, standing } = found;
  const { asked, decided, undone, urgent, reason, localId, state, nhsNumber } = withdrawal;
  const isNotWithdrawn = state === 'asked' || state === 'declined';
  // Who looked is useful once the flag has been withdrawn; before that, two people have to type the number.
  const looks = isNotWithdrawn
    ? undefined
    : await readLooks(dependencies, council, { of: new Set([nhsNumber]) });
  const now = Date.now();
  const missing =
    looks &&
    missingLooks(looks.listedUntil, {
      // Once the flag is withdrawn, nobody is shown it any more.
      until: standing === 'in-force' && decided !== undefined ? Date.parse(decided.at) : now,
      windowMs: dependencies.notifiedEveryMs(),
      now,
    });
  const { errors = [] } = again;
  return council.page({
    title: WITHDRAWALS.title,
    errors,
    content: html`${heading(planText(withdrawal))}
${summary([
  [WITHDRAWALS.standing, html`<strong>${WITHDRAWAL.standing[standing]}</strong>`],
  [WITHDRAWALS.localId, localId === '' ? WITHDRAWALS.noLocalId : html`<bdi>${localId}</bdi>`],
  [WITHDRAWALS.reason, html`<bdi>${reason}</bdi>`],
  [WITHDRAWALS.asked, personAt(asked)],
  [
    state === 'declined'
      ? WITHDRAWALS.decided.declined
      : urgent
        ? WITHDRAWALS.decided.urgent
        : WITHDRAWALS.decided.withdrawn,
    decided && personAt(decided),
  ],
  [WITHDRAWALS.undone, undone && personAt(undone)],
])}
${standing === 'waiting' && waitingForms(council, found, again)}
${standing === 'in-force' && inForceForms(council, found, again)}
${
  looks !== undefined &&
  html`<h2 class="nhsuk-heading-m">${WITHDRAWALS.looks}</h2>${paragraph(WITHDRAWALS.looksLead)}
${missing !== undefined && html`<p><strong>${missing}</strong></p>`}
${looks.entries.length === 0 ? paragraph(LOOKS.noneOfChild) : looksTable(WITHDRAWALS.looksTable, looks.entries)}`
}
<p>${link(PATH, WITHDRAWALS.list)}</p>`,
  });
}

/** `GET /council/withdrawals/:id`: one of them, and what can be done about it. */
export const councilWithdrawal = pageOfOne(PATH, detailPage);

export const councilWithdrawalConfirm = actOnOne<WithdrawalsDependencies>(
  { path: PATH, act: 'confirm', form: 'withdrawal-confirm' },
  async (dependencies, council, id, fields) => {
    const { store, anchor } = dependencies;
    const number = numberIn(fields, 'number');
    const wrong = (text: string): Promise<Response> =>
      detailPage(dependencies, council, id, { fields, errors: [{ field: 'number', text }] });
    if (number === undefined) return wrong(wrongNhsNumber(fields.get('number') ?? ''));
    const who = actingOf(council);
    const done = await confirmWithdrawal(store, anchor, council.authority, id, number, who);
    if (done.kind === 'withdrawn') return redirect(`${PATH}/${id}`);
    return done.kind === 'other-number'
      ? wrong(WITHDRAWAL.refused['other-number'])
      : refusedPage(council, done.kind);
  },
);

export const councilWithdrawalDecline = actWithReason(
  { path: PATH, act: 'decline', form: 'withdrawal-decline' },
  detailPage,
  async ({ store, anchor }, council, id, reason) => {
    const who = actingOf(council);
    const { kind } = await declineWithdrawal(store, anchor, council.authority, id, reason, who);
    return kind === 'declined' ? redirect(PATH) : refusedPage(council, kind);
  },
);

export const councilWithdrawalUndo = actWithReason(
  { path: PATH, act: 'undo', form: 'withdrawal-undo' },
  detailPage,
  async ({ store, anchor }, council, id, reason) => {
    const who = actingOf(council);
    const { kind } = await undoWithdrawal(store, anchor, council.authority, id, reason, who);
    return kind === 'undone'
      ? redirect(`${PATH}/${id}`)
      : nothingChanged(council, WITHDRAWALS.title, WITHDRAWAL.notUndone[kind], PATH);
  },
);
