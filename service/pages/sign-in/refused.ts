import type { ErrorCode } from '#schemas/errors.ts';
import { FRAME, NOT_A_NO, SIGN_IN, SIGN_IN_REFUSED } from '#schemas/wording/pages.ts';
import type { Page } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { buttonLink, heading, link, paragraph, tried } from '../html/parts.ts';
import type { SignedIn } from '../session/sessions.ts';
import type { Sent } from './openid.ts';

/** Why somebody is not let in. */
type SignInRefusal =
  | 'not-finished'
  | 'denied'
  | 'unavailable'
  | 'store'
  | 'busy'
  | 'role'
  | 'unreadable'
  | 'activity'
  | 'organisation'
  | 'not-care'
  | 'assurance'
  | 'blocked'
  | 'nothing-here';

/** The refusal of a sign-in for an error of the table; `undefined` for any other. */
export function signInRefusalOf(code: ErrorCode): SignInRefusal | undefined {
  switch (code) {
    case 'activity-required':
      return 'activity';
    case 'organisation-not-registered':
      return 'organisation';
    case 'organisation-not-care':
      return 'not-care';
    case 'user-blocked':
    case 'token-revoked':
      return 'blocked';
    default:
      return undefined;
  }
}

/** What was sent about somebody, as far as anything was. */
type RefusedPerson = Partial<Pick<SignedIn, 'name' | 'user' | 'role' | 'scopes'>> & {
  sent?: Sent;
};

const W = SIGN_IN_REFUSED;

function words(
  why: SignInRefusal,
  provider: string,
  { role, scopes }: RefusedPerson,
): { title: string; says: string; status: number } {
  switch (why) {
    case 'not-finished':
      return { title: W.notFinished, says: W.notFinishedThen, status: 400 };
    case 'denied':
      return { title: W.denied, says: W.deniedThen(provider), status: 403 };
    case 'unavailable':
      return { title: W.unavailable, says: W.unavailableThen(provider), status: 503 };
    case 'store':
      return { title: W.unavailable, says: W.storeThen, status: 503 };
    case 'busy':
      return { title: W.busy, says: W.busyThen(provider), status: 503 };
    case 'role':
      return { title: W.role, says: W.roleThen(provider), status: 403 };
    case 'unreadable':
      return { title: W.unreadable, says: W.unreadableThen(provider), status: 403 };
    case 'activity':
      return { title: W.activity, says: W.activityThen, status: 403 };
    case 'organisation':
      return {
        title: W.organisation,
        says: W.organisationThen(role?.organisation.code ?? W.sentRows.none),
        status: 403,
      };
    case 'not-care':
      return { title: W.notCare, says: W.notCareThen, status: 403 };
    case 'assurance':
      return { title: W.assurance, says: W.assuranceThen(provider), status: 403 };
    case 'blocked':
      return { title: W.blocked, says: W.blockedThen, status: 403 };
    case 'nothing-here':
      return {
        title: W.nothingHere,
        says: scopes?.includes('operate') ? W.nothingHereOperate : W.nothingHereThen,
        status: 403,
      };
  }
}

const row = (key: string, value: string | Html | undefined): Html | false =>
  value !== undefined &&
  html`<div class="nhsuk-summary-list__row"><dt class="nhsuk-summary-list__key">${key}</dt><dd class="nhsuk-summary-list__value"><bdi>${value}</bdi></dd></div>`;

function sentList(
  provider: string | undefined,
  { name, user, role, sent }: RefusedPerson,
): Html | false {
  if (name === undefined) return false;
  const rows = W.sentRows;
  const activities = role?.activities.join(', ');
  return html`<h2 class="nhsuk-heading-m">${W.sent}</h2>
<dl class="nhsuk-summary-list">
${row(rows.provider, provider)}
${row(rows.name, name === '' ? rows.none : name)}
${row(rows.user, user)}
${row(rows.role, role && `${role.name} (${role.code})`)}
${row(rows.organisation, role && `${role.organisation.name} (${role.organisation.code})`)}
${row(rows.activities, role && (activities === '' ? rows.none : activities))}
${row(rows.unreadable, sent?.unreadable)}
${row(rows.identityAssurance, sent && (sent.identityAssurance ?? rows.none))}
${row(rows.authenticationAssurance, sent && (sent.authenticationAssurance ?? rows.none))}
</dl>`;
}

const signInFirst = html`<p>${buttonLink('/sign-in', W.tryAgain)}</p>
<p>${SIGN_IN.cannot} ${link('/councils', FRAME.councils)}</p>`;

/** For somebody whom no other sign-in for this work would let in. */
const ringFirst = html`<p>${buttonLink('/councils', FRAME.councils)}</p>
<p>${buttonLink('/sign-in', W.tryAgain, true)}</p>`;

/**
 * The page that says why somebody is not let in, what was sent about them, and whom to ask.
 *
 * @param provider `undefined` in place of an answer, for somebody who was signed in
 */
export function refusedPage(
  why: SignInRefusal,
  provider: string | undefined,
  person: RefusedPerson = {},
): Page {
  const { title, says, status } = words(why, provider ?? W.provider, person);
  // Somebody blocked in the middle of a look signs in again.
  const isInPlaceOfAnswer = provider === undefined || why === 'blocked';
  return {
    title,
    status,
    content: html`${
      isInPlaceOfAnswer
        ? html`<div class="cpf-not-checked">${heading(title)}<p class="cpf-strong">${NOT_A_NO} ${W.waiting}</p></div>`
        : heading(title)
    }
${paragraph(says)}
${status === 503 && tried()}
${sentList(provider, person)}
${why === 'not-care' ? ringFirst : signInFirst}`,
  };
}

const GOES_ON_AFTER_SECONDS = 3;

/**
 * For somebody whose sign-in was sent to another process a moment ago, which may let them in.
 *
 * @param to leads into the session that this begins, and into no other
 */
export const arrivedTwicePage = (to: string): Page => ({
  title: W.again,
  status: 409,
  leave: { afterSeconds: GOES_ON_AFTER_SECONDS, to },
  content: html`${heading(W.again)}${paragraph(W.againThen)}<p>${buttonLink(to, SIGN_IN.continue)}</p>`,
});
