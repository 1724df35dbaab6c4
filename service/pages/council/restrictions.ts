import { printedNhsNumber } from '#loaders/answers/notice.ts';
import { plansNotOver } from '#loaders/upkeep/plans-not-over.ts';
import {
  endRestriction,
  listRestrictions,
  type StandingRestriction,
  setRestriction,
  type ToRestrict,
} from '#loaders/upkeep/restrict.ts';
import { type NhsNumber, numbersIn } from '#schemas/nhs-number.ts';
import type { NotificationEntry } from '#schemas/notification.ts';
import { userSchema } from '#schemas/people/identity.ts';
import { COUNCIL } from '#schemas/wording/council.ts';
import { wrongNhsNumber } from '#schemas/wording/nhs-number.ts';
import { RESTRICTION, RESTRICTIONS } from '#schemas/wording/restrictions.ts';
import { shortTimeText } from '#schemas/wording/times.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { Mountable } from '../../routes/route.ts';
import { holdingsRead } from '../../uploads/holdings.ts';
import type { DeskDependencies } from '../desk/guarded-desk.ts';
import { pager, readReason, reasonField, summary, table, textField } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { html } from '../html/html.ts';
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
  actWithReason,
  nothingChanged,
  numberIn,
  orFailed,
  personAt,
  reasonForm,
} from './acts.ts';
import { type AtCouncil, councilAct, guardedCouncil, pageOfOne } from './guarded-council.ts';
import { type LooksDependencies, readLooks } from './looks.ts';
import { pageOf } from './outcome.ts';

type RestrictionsDependencies = DeskDependencies &
  Pick<LooksDependencies, 'auditFolder'> & { store: Store; anchor: Anchor };

const PATH = '/council/restrictions';
/** Where a new one begins: the router takes no fixed address beside one with a parameter. */
const BEGIN = '/council/restrict';
const ON_A_PAGE = 25;
/** How many of those who looked are offered, the newest first. */
const USERS_AT_MOST = 20;
const WHEREABOUTS = 'whereabouts';
const OTHER = 'other';
/** Before the id of a user who looked. */
const USER = 'user ';

/** `GET /council/restrictions`: what the council keeps back, or did until recently. */
const list: Mountable<RestrictionsDependencies> = {
  operation: { method: 'GET', path: PATH, letsIn: 'authority' },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (c, council) => {
      const all = await listRestrictions(
        dependencies.store,
        dependencies.anchor,
        council.authority,
      );
      const pages = Math.max(1, Math.ceil(all.length / ON_A_PAGE));
      const shown = Math.min(pageOf(c.req.query('page')), pages);
      const some = all.slice((shown - 1) * ON_A_PAGE, shown * ON_A_PAGE);
      return council.page({
        title: RESTRICTIONS.title,
        content: html`${heading(RESTRICTIONS.title)}${paragraph(RESTRICTIONS.lead)}
<p>${buttonLink(BEGIN, RESTRICTIONS.begin)}</p>
${all.length === 0 ? paragraph(RESTRICTIONS.none) : table(RESTRICTIONS.list, RESTRICTIONS.columns, some.map(rowOf))}
${pages > 1 && paragraph(COUNCIL.page(shown, pages))}
${pager({
  ...(shown > 1 && { newer: `${PATH}?page=${shown - 1}` }),
  ...(shown < pages && { older: `${PATH}?page=${shown + 1}` }),
  words: RESTRICTIONS.pages,
})}`,
      });
    }),
};

const rowOf = ({
  restriction: { id, kind, set, localId, user },
  standing,
  other,
}: StandingRestriction) => [
  link(`${PATH}/${id}`, shortTimeText(set.at)),
  html`${RESTRICTION.kinds[kind]}${user && html`: <bdi>${user.name ?? ''}</bdi> <bdi>${user.id}</bdi>`}`,
  html`<bdi>${localId}</bdi>`,
  html`<bdi>${set.name}</bdi>`,
  other === undefined ? RESTRICTION.standing[standing] : RESTRICTIONS.standingWith[other],
];

function numberPage(council: AtCouncil, typed = '', errors: readonly FieldError[] = []): Response {
  return council.page({
    title: RESTRICTIONS.begin,
    errors,
    content: html`${heading(RESTRICTIONS.begin)}
<form method="post" action="${BEGIN}/find" novalidate>${council.hidden('restriction-find')}
${textField({ name: 'number', label: RESTRICTIONS.number, hint: RESTRICTIONS.numberHint, value: typed, errors, width: 20, inputMode: 'numeric' })}
${textField({ name: 'again', label: RESTRICTIONS.again, hint: RESTRICTIONS.againHint, errors, width: 20, inputMode: 'numeric' })}
${button(RESTRICTIONS.next)}</form>`,
  });
}

/** `GET /council/restrict`: asks for the number, twice. */
const begin: Mountable<RestrictionsDependencies> = {
  operation: { method: 'GET', path: BEGIN, letsIn: 'authority' },
  handler: (dependencies) => guardedCouncil(dependencies, (_, council) => numberPage(council)),
};

/** The people who looked at a child, each once, the newest first. It is recorded that the council was given them. */
async function usersOf(
  dependencies: RestrictionsDependencies,
  council: AtCouncil,
  nhsNumber: NhsNumber,
): Promise<NotificationEntry[]> {
  const { entries } = await readLooks(dependencies, council, {
    of: new Set([nhsNumber]),
  });
  const users = new Map<string, NotificationEntry>();
  for (const entry of entries) {
    const { id } = entry.user;
    if (id !== '' && !users.has(id)) users.set(id, entry);
  }
  return [...users.values()].slice(0, USERS_AT_MOST);
}

/** What to keep back, from whom, and why. */
function choosePage(
  council: AtCouncil,
  number: NhsNumber,
  users: readonly NotificationEntry[],
  fields?: Fields,
  errors: readonly FieldError[] = [],
): Response {
  return council.page({
    title: RESTRICTIONS.what,
    errors,
    content: html`${heading(RESTRICTIONS.begin)}
<form method="post" action="${BEGIN}" novalidate>${council.hidden('restriction-set')}
<input type="hidden" name="number" value="${number}">
${radios('what', {
  legend: RESTRICTIONS.what,
  options: [
    {
      value: WHEREABOUTS,
      text: RESTRICTIONS.whereabouts,
      hint: RESTRICTIONS.whereaboutsHint,
    },
    ...users.map(({ user, role, organisation }) => ({
      value: `${USER}${user.id}`,
      text: html`<bdi>${RESTRICTIONS.bar(user.name)}</bdi>`,
      hint: html`<bdi>${RESTRICTIONS.barHint(role.name, organisation.name, user.id)}</bdi>`,
    })),
    { value: OTHER, text: RESTRICTIONS.barOther, hint: RESTRICTIONS.barOtherHint },
  ],
  chosen: fields?.get('what'),
  error: errors.find(({ field }) => field === 'what')?.text,
})}
${textField({ name: 'user', label: RESTRICTIONS.user, hint: RESTRICTIONS.userHint, value: fields?.get('user'), errors, width: 20 })}
<input type="hidden" name="typed" value="${(fields?.get('user') ?? '').trim()}">
${paragraph(RESTRICTIONS.barred)}
${reasonField(fields?.get('reason'), errors)}
${button(RESTRICTIONS.save)}</form>`,
  });
}

/** `POST /council/restrict/find`: whether the council has a plan under the number, and who looked at the child. */
const find: Mountable<RestrictionsDependencies> = {
  operation: { method: 'POST', path: `${BEGIN}/find`, letsIn: 'authority' },
  handler: (dependencies) =>
    councilAct(
      dependencies,
      { form: 'restriction-find', repeats: true },
      async (_, council, fields) => {
        const { store } = dependencies;
        const [number, again] = [numberIn(fields, 'number'), numberIn(fields, 'again')];
        const typed = fields.get('number') ?? '';
        const wrong = (field: string, text: string): Response =>
          numberPage(council, typed, [{ field, text }]);
        if (number === undefined) return wrong('number', wrongNhsNumber(typed));
        if (again !== number) return wrong('again', RESTRICTIONS.againWrong);
        await store.appendEvent(holdingsRead(council, RESTRICTIONS.title));
        const plans = await plansNotOver(store, council.authority, number);
        if (plans.length === 0) return wrong('number', RESTRICTIONS.noneFound);
        return choosePage(council, number, await usersOf(dependencies, council, number));
      },
    ),
};

/** Reads the choice. For somebody who looked, with the name that the council was notified of. */
function readWhat(
  fields: Fields,
  nhsNumber: NhsNumber,
  users: readonly NotificationEntry[],
): ToRestrict | FieldError {
  const what = fields.get('what') ?? '';
  if (what === WHEREABOUTS) return { kind: 'whereabouts', nhsNumber };
  if (what === OTHER) {
    const id = userSchema.safeParse((fields.get('user') ?? '').trim()).data;
    if (id === undefined) return { field: 'user', text: RESTRICTIONS.userWrong };
    // Some ids have ten digits: one that could be an NHS number is sent twice.
    const couldBeNumber = numbersIn(id.normalize('NFKC')).some(({ isValid }) => isValid);
    return couldBeNumber && fields.get('typed') !== id
      ? { field: 'user', text: RESTRICTIONS.userLikeNumber }
      : { kind: 'barred', nhsNumber, user: { id } };
  }
  const chosen = users.find(({ user }) => what === `${USER}${user.id}`)?.user;
  return chosen === undefined
    ? { field: 'what', text: RESTRICTIONS.whatWrong }
    : { kind: 'barred', nhsNumber, user: chosen };
}

const refused = (council: AtCouncil, kind: keyof typeof RESTRICTION.refused): Response =>
  nothingChanged(council, RESTRICTIONS.title, RESTRICTION.refused[kind], PATH);

/** `POST /council/restrict`: keeps something back about a child. */
const set: Mountable<RestrictionsDependencies> = {
  operation: { method: 'POST', path: BEGIN, letsIn: 'authority' },
  handler: (dependencies) =>
    councilAct(dependencies, { form: 'restriction-set' }, async (_, council, fields) => {
      const { store, anchor } = dependencies;
      const { authority } = council;
      const number = numberIn(fields, 'number');
      if (number === undefined) {
        return numberPage(council, '', [{ field: 'number', text: wrongNhsNumber('') }]);
      }
      const users = await usersOf(dependencies, council, number);
      const what = readWhat(fields, number, users);
      const reason = readReason(fields.get('reason'));
      if ('field' in what || reason.kind === 'wrong') {
        const errors = [
          ...('field' in what ? [what] : []),
          ...(reason.kind === 'wrong' ? [reason.error] : []),
        ];
        return choosePage(council, number, users, fields, errors);
      }
      return orFailed(council, PATH, async () => {
        const who = actingOf(council);
        const done = await setRestriction(store, anchor, authority, what, reason.reason, who);
        return done.kind === 'set'
          ? redirect(`${PATH}/${done.restriction.id}`)
          : refused(council, done.kind);
      });
    }),
};

async function detailPage(
  { store, anchor }: RestrictionsDependencies,
  council: AtCouncil,
  id: string,
  again: Again = {},
): Promise<Response> {
  const all = await listRestrictions(store, anchor, council.authority);
  const found = all.find(({ restriction }) => restriction.id === id);
  if (found === undefined) return council.notFound();
  const { restriction, standing, hasPlan, other } = found;
  const { kind, nhsNumber, localId, user, set: begun, ended } = restriction;
  const inForce = standing === 'in-force';
  const { errors = [] } = again;
  return council.page({
    title: RESTRICTIONS.title,
    errors,
    content: html`${heading(RESTRICTION.kinds[kind])}
${inForce && other !== 'first' && paragraph(RESTRICTION.set[kind])}
${other && html`<p><strong>${RESTRICTION.other[other]}</strong></p>`}
${summary([
  [RESTRICTIONS.standing, html`<strong>${RESTRICTION.standing[standing]}</strong>`],
  [RESTRICTIONS.local, localId === '' ? RESTRICTIONS.noLocalId : html`<bdi>${localId}</bdi>`],
  [RESTRICTIONS.child, printedNhsNumber(nhsNumber)],
  [RESTRICTIONS.who, user && html`<bdi>${user.name ?? ''}</bdi> <bdi>${user.id}</bdi>`],
  [RESTRICTIONS.set, personAt(begun)],
  [RESTRICTIONS.setReason, html`<bdi>${begun.reason}</bdi>`],
  [RESTRICTIONS.ended, ended && personAt(ended)],
  [RESTRICTIONS.endedReason, ended && html`<bdi>${ended.reason}</bdi>`],
])}
${inForce && !hasPlan && html`<p><strong>${RESTRICTIONS.noPlan}</strong></p>`}
${
  inForce &&
  html`<h2 class="nhsuk-heading-m">${RESTRICTIONS.end[kind]}</h2>${paragraph(RESTRICTIONS.endLead[kind])}
${reasonForm(council, { action: `${PATH}/${id}/end`, form: 'restriction-end', submit: RESTRICTIONS.endButton }, again)}`
}
<p>${link(PATH, RESTRICTIONS.list)}</p>`,
  });
}

/** `GET /council/restrictions/:id`: one of them, and its end. */
const detail = pageOfOne(PATH, detailPage);

/** `POST /council/restrictions/:id/end`. */
const end = actWithReason(
  { path: PATH, act: 'end', form: 'restriction-end' },
  detailPage,
  async ({ store, anchor }, council, id, reason) => {
    const who = actingOf(council);
    const { kind } = await endRestriction(store, anchor, council.authority, id, reason, who);
    return kind === 'ended' ? redirect(`${PATH}/${id}`) : refused(council, kind);
  },
);

export const RESTRICTIONS_PAGES = [list, begin, find, set, detail, end] as const;
