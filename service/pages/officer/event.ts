import { z } from 'zod';
import { FIRST_STEPS, isEnded } from '#schemas/audit/access-case.ts';
import { issuerNameSchema, userKeyOf, userSchema } from '#schemas/people/identity.ts';
import { shortTextSchema } from '#schemas/text.ts';
import { OFFICER, OFFICER_CASES, OFFICER_EVENT, OFFICER_SEAL } from '#schemas/wording/officer.ts';
import { type Block, type Blocks, markOf } from '#store/blocks.ts';
import type { AccessCase, Cases } from '../../audit/cases/cases.ts';
import { textAt } from '../../audit/search/cells.ts';
import type { ShownEvent } from '../../audit/search/view.ts';
import type { Mountable } from '../../routes/route.ts';
import { deskMessage } from '../desk/guarded-desk.ts';
import { readReason, reasonField, summary } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, heading, link, paragraph } from '../html/parts.ts';
import { shownText } from '../html/time.ts';
import type { Fields } from '../session/forms.ts';
import { caseForm, isAccess } from './case-form.ts';
import { typedHidden } from './criteria.ts';
import { eventSummary } from './event-summary.ts';
import {
  type AtOfficer,
  guardedOfficer,
  isAll,
  isAny,
  isPrivacy,
  LOOK_FORM,
  type Looked,
  look,
  type OfficerDependencies,
  officerAct,
  officerLook,
  type PrivacyViewer,
  reachNote,
} from './officer.ts';
import { userOfEvent } from './reports.ts';
import { some } from './results.ts';

type EventPagesDependencies = OfficerDependencies & { blocks: Blocks; cases: Cases };

const WORDS = OFFICER_EVENT;
const BLOCK_FORM = 'block';
const UNBLOCK_FORM = 'unblock';

const entrySchema = z
  .string()
  .regex(/^[0-9]{1,15}$/)
  .transform(Number);
export const entryOf = (fields: Fields): number | undefined =>
  entrySchema.safeParse(fields.get('entry')).data;

/** Reads one event as the officer may see it, and records that. */
export async function lookAtEvent(
  dependencies: OfficerDependencies,
  at: AtOfficer,
  entry: number | undefined,
  reason: string,
): Promise<Looked<'event'>> {
  if (entry === undefined) return { kind: 'refused', response: at.notFound() };
  return look(dependencies, at, 'event', { entry, viewer: at.viewer }, ({ event }) => {
    if (event === undefined) return undefined;
    const nhsNumber = textAt(event, 'nhsNumber');
    return {
      reason,
      report: 'event',
      criteria: { entry, ...(nhsNumber !== '' && { nhsNumber }) },
      eventsShown: 1,
    };
  });
}

type User = Pick<Block, 'issuer' | 'user'>;

/** Who did it, if that is a user who can be blocked. */
export function userOf(event: ShownEvent): User | undefined {
  const issuer = issuerNameSchema.safeParse(textAt(event, 'caller', 'issuer')).data;
  const user = userSchema.safeParse(textAt(event, 'caller', 'user')).data;
  return issuer === undefined || user === undefined ? undefined : { issuer, user };
}

/** Whom a form is about, with their name and organisation if an event says so. */
const userSummary = ({ issuer, user }: User, event?: ShownEvent): Html =>
  summary([
    [WORDS.rows.name, event && some(textAt(event, 'caller', 'name'))],
    [WORDS.rows.user, some(user)],
    [WORDS.rows.organisation, event && some(textAt(event, 'caller', 'organisation', 'name'))],
    [WORDS.rows.issuer, some(issuer)],
  ]);

const keyOf = ({ issuer, user }: User): string => userKeyOf(issuer, user);

const isSelf = ({ caller }: AtOfficer, user: User): boolean => keyOf(user) === caller.userKey;

const caseSummary = ({ id, state }: AccessCase): Html =>
  html`<h2 class="nhsuk-heading-m">${OFFICER_CASES.onAccess}</h2>
<p>${link(`/officer/cases/${id}`, OFFICER_CASES.states[state])}</p>`;

/** The proof of an event, for those who may have one. */
function proofForm(at: AtOfficer, event: ShownEvent, entry: number, reason: string): Html | false {
  const auditId = textAt(event, 'auditId');
  return (
    isAll(at.viewer) &&
    auditId !== '' &&
    html`<h2 class="nhsuk-heading-m">${OFFICER_SEAL.proofOfThis}</h2>
${paragraph(OFFICER_SEAL.proofThen)}
<form method="post" action="/officer/seal/proof" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden({ auditId, entry: String(entry), reason })}
<button class="nhsuk-button nhsuk-button--secondary" type="submit">${OFFICER_SEAL.proofSubmit}</button>
</form>`
  );
}

/**
 * A form to block the user of an event, or that they are blocked; nothing for somebody who may not do it, or about
 * themselves.
 *
 * @param reason what is in its field at first
 */
export async function blockForm(
  { blocks }: Pick<EventPagesDependencies, 'blocks'>,
  at: AtOfficer,
  { event, entry }: { event: ShownEvent; entry: number },
  reason?: string,
): Promise<Html | false> {
  const user = userOf(event);
  if (!isPrivacy(at.viewer) || user === undefined || isSelf(at, user)) return false;
  const isBlocked = await blocks.isBlocked(keyOf(user));
  return isBlocked
    ? paragraph(WORDS.isBlocked)
    : html`<h2 class="nhsuk-heading-m">${WORDS.block}</h2>
${paragraph(WORDS.blockThen)}
<form method="post" action="/officer/block" novalidate autocomplete="off">
${at.hidden(BLOCK_FORM)}${typedHidden({ entry: String(entry) })}
${reasonField(reason, [])}
<button class="nhsuk-button nhsuk-button--warning" type="submit">${WORDS.blockSubmit}</button>
</form>`;
}

function eventPage(
  at: AtOfficer,
  looked: Extract<Looked<'event'>, { kind: 'found' }>,
  { event, entry, reason }: { event: ShownEvent; entry: number; reason: string },
  { openCase, block }: { openCase: Html; block: Html | false },
): Response {
  return at.page({
    title: WORDS.title,
    content: html`${heading(WORDS.title)}
${eventSummary(at, event)}
${userOfEvent(at, event, reason)}
${reachNote(looked.auditId, looked.reach)}
${openCase}
${block}
${proofForm(at, event, entry, reason)}
${at.back}
<p>${link('/officer', OFFICER.again)}</p>`,
  });
}

/** `POST /officer/event`: one event, with what can be done about it. */
export const officerEvent: Mountable<EventPagesDependencies> = {
  operation: { method: 'POST', path: '/officer/event', letsIn: 'audit' },
  handler: (dependencies) =>
    officerLook(dependencies, isAny, async (_, at, fields) => {
      const entry = entryOf(fields);
      const reason = shortTextSchema.safeParse(fields.get('reason')).data;
      if (reason === undefined) return at.notFound();
      const looked = await lookAtEvent(dependencies, at, entry, reason);
      if (looked.kind === 'refused') return looked.response;
      const { event } = looked.found;
      if (event === undefined || entry === undefined) return at.notFound();
      const user = userOf(event);
      const mayOpen =
        isPrivacy(at.viewer) && user !== undefined && !isSelf(at, user) && isAccess(event);
      const onIt = mayOpen ? dependencies.cases.on(entry) : undefined;
      const openCase = html`${onIt !== undefined && caseSummary(onIt)}
${
  mayOpen &&
  (onIt === undefined || isEnded(onIt.state)) &&
  caseForm(at, { action: '/officer/cases', steps: FIRST_STEPS, entry, errors: [] })
}`;
      const block = await blockForm(dependencies, at, { event, entry });
      return eventPage(at, looked, { event, entry, reason }, { openCase, block });
    }),
};

function reasonAgain(
  at: AtOfficer,
  form: {
    action: string;
    name: string;
    title: string;
    submit: string;
    hidden: Html;
    /** Whom it is about. */
    about: Html;
  },
  typed: string | undefined,
  error: FieldError,
): Response {
  const { action, name, title, submit, hidden, about } = form;
  return at.page({
    title,
    errors: [error],
    content: html`${heading(title)}
${about}
<form method="post" action="${action}" novalidate autocomplete="off">
${at.hidden(name)}${hidden}
${reasonField(typed, [error])}
${button(submit)}
</form>`,
  });
}

/** `POST /officer/block`: blocks the user of an event that the officer may see, as `cp-flags block` does. */
export const officerBlock: Mountable<EventPagesDependencies> = {
  operation: { method: 'POST', path: '/officer/block', letsIn: 'audit' },
  handler: (dependencies) =>
    officerAct(dependencies, isPrivacy, BLOCK_FORM, async (_, at, fields) => {
      const entry = entryOf(fields);
      const read = readReason(fields.get('reason'));
      const why = read.kind === 'read' ? read.reason : WORDS.block;
      const looked = await lookAtEvent(dependencies, at, entry, why);
      if (looked.kind === 'refused') return looked.response;
      const { event } = looked.found;
      const user = event && userOf(event);
      if (event === undefined || user === undefined) return at.notFound();
      if (read.kind === 'wrong') {
        const form = {
          action: '/officer/block',
          name: BLOCK_FORM,
          title: WORDS.block,
          submit: WORDS.blockSubmit,
          hidden: typedHidden({ entry: String(entry ?? '') }),
          about: userSummary(user, event),
        };
        return reasonAgain(at, form, fields.get('reason'), read.error);
      }
      if (isSelf(at, user)) {
        return at.page({ ...deskMessage(WORDS.blockSelf, '', '/officer'), status: 422 });
      }
      const done = await dependencies.blocks.block({
        ...user,
        ...at.named(read.reason),
        desk: 'officer',
      });
      return redirect(`/officer/blocked?done=${done ? 'blocked' : 'blocked-before'}`);
    }),
};

const DONE: ReadonlyMap<string, string> = new Map([
  ['blocked', WORDS.blockedDone],
  ['blocked-before', WORDS.blockedBefore],
  ['unblocked', WORDS.unblockedDone],
  ['not-blocked', WORDS.unblockedBefore],
  ['blocked-again', WORDS.blockedAgain],
]);

/** What unblocks one of several users, with whom for a reader who does not see what is beside it. */
const unblockOf = (user: string): Html =>
  html`${WORDS.unblock}<span class="nhsuk-u-visually-hidden"> <bdi>${shownText(user)}</bdi></span>`;

/** The users whom somebody may unblock: all, or at an organisation those whom they blocked themselves. */
async function blocksOf(blocks: Blocks, at: AtOfficer<PrivacyViewer>): Promise<Block[]> {
  const all = await blocks.list();
  const { account } = at.named('');
  return at.viewer.kind === 'all' ? all : all.filter((block) => block.account === account);
}

/** `GET /officer/blocked`: who is blocked. */
export const officerBlocked: Mountable<EventPagesDependencies> = {
  operation: { method: 'GET', path: '/officer/blocked', letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, async (_, at) => {
      const blocks = await blocksOf(dependencies.blocks, at);
      return at.page({
        title: WORDS.blocked,
        note: DONE.get(at.done() ?? ''),
        content: html`${heading(WORDS.blocked)}
${at.viewer.kind === 'organisation' && paragraph(WORDS.blockedOwn)}
${blocks.length === 0 && paragraph(WORDS.blockedNobody)}
${blocks.map(
  (block) => html`<div class="cpf-plain">
${summary([
  [WORDS.rows.user, some(block.user)],
  [WORDS.rows.issuer, some(block.issuer)],
  [WORDS.since, shownText(block.at)],
  [WORDS.by, some(block.by)],
  [WORDS.why, some(block.reason)],
])}
<details class="nhsuk-details"><summary class="nhsuk-details__summary"><span class="nhsuk-details__summary-text">${unblockOf(block.user)}</span></summary>
<div class="nhsuk-details__text"><form method="post" action="/officer/unblock" novalidate autocomplete="off">
${at.hidden(UNBLOCK_FORM)}${typedHidden({ key: keyOf(block), block: markOf(block) })}
<label class="nhsuk-label nhsuk-label--s">${WORDS.why} <input class="nhsuk-input" name="reason" type="text" autocomplete="off"></label>
${button(unblockOf(block.user))}
</form></div></details>
</div>`,
)}`,
      });
    }),
};

/** `POST /officer/unblock`: unblocks a user, as `cp-flags unblock` does. */
export const officerUnblock: Mountable<EventPagesDependencies> = {
  operation: { method: 'POST', path: '/officer/unblock', letsIn: 'audit' },
  handler: (dependencies) =>
    officerAct(dependencies, isPrivacy, UNBLOCK_FORM, async (_, at, fields) => {
      const key = fields.get('key') ?? '';
      const shown = fields.get('block') ?? '';
      const blocks = await blocksOf(dependencies.blocks, at);
      const block = blocks.find((each) => keyOf(each) === key);
      const read = readReason(fields.get('reason'));
      if (block === undefined) return redirect('/officer/blocked?done=not-blocked');
      if (read.kind === 'wrong') {
        const form = {
          action: '/officer/unblock',
          name: UNBLOCK_FORM,
          title: WORDS.unblock,
          submit: WORDS.unblock,
          hidden: typedHidden({ key, block: shown }),
          about: userSummary(block),
        };
        return reasonAgain(at, form, fields.get('reason'), read.error);
      }
      const { issuer, user } = block;
      const order = { issuer, user, ...at.named(read.reason) };
      const done = await dependencies.blocks.unblock(order, shown);
      return redirect(`/officer/blocked?done=${done}`);
    }),
};
