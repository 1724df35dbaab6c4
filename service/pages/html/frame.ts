import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  DANGER,
  DO_NOT_PRINT,
  FOOTER,
  FRAME,
  LOOK_UP,
  RESULT,
  SERVICE,
} from '#schemas/wording/pages.ts';
import type { Session } from '../session/sessions.ts';
import { type Assets, hiddenAfter } from './assets.ts';
import { type Html, html } from './html.ts';
import { buttonLink } from './parts.ts';

/** Who is signed in, and the token that identifies their forms. */
export type Person = {
  session: Session;
  token: string;
  canChangeRole: boolean;
  /** When the session ends unless it is used: whole seconds from now. */
  endsAfterSeconds: number;
};

export type NavigationLink = { href: string; text: string; current: boolean };

/** What stands where something was hidden. */
type SaidThen = { heading: string; says: string; another: { href: string; text: string } };

/** In place of an answer: the page that says so, and where the next one is looked up. */
export type Hidden = SaidThen & { to: string };

export type Page = {
  title: string;
  content: Html;
  status?: number;
  /** Values of `set-cookie` headers, beside the frame's own headers. */
  cookies?: readonly string[];
  person?: Person | undefined;
  /** Where else this person can go. */
  navigation?: readonly NavigationLink[] | undefined;
  /**
   * Hides the content, by a button beside the person and after a time that {@link hiddenAfter} gives. A form has its
   * own button: one beside it that leads to another form would lose what was typed.
   */
  hide?: Hidden & { afterSeconds: number; isForm: boolean };
  /** Hides everything on the page, and not only who it is, once the session of its person is over, in whichever tab. */
  endsWithSession?: SaidThen;
  /** Nobody is signed in any more, so that other tabs show nothing either. */
  signsOut?: boolean;
  /** Where the browser goes next, and when. */
  leave?: { afterSeconds: number; to: string };
  printable?: boolean;
  retryAfterSeconds?: number | undefined;
  allow?: string;
};

export type Frame = (page: Page) => Response;
/** For a page that anybody may open, signed in or not. */
export type OpenFrame = (incoming: IncomingMessage, page: Page) => Response;

/**
 * What a page may do: show itself with its own style and script, and send forms to where it came from.
 * Nothing in it needs an exception from a policy.
 */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

export const PAGE_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': PAGE_POLICY,
  'content-type': 'text/html; charset=utf-8',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

const personBar = (
  { session, token, canChangeRole }: Person,
  hide: Hidden | undefined,
): Html => html`
<nav class="cpf-person" aria-label="${FRAME.account}">
  <div>${LOOK_UP.youAre} <strong><bdi>${session.name}</bdi></strong>, <bdi>${session.role.name}</bdi>, <bdi>${session.role.organisation.name}</bdi>.
    <div class="cpf-person__change">${LOOK_UP.notYou}
    <form method="post" action="/sign-out" novalidate>
      <input type="hidden" name="token" value="${token}">
      <button class="cpf-link-button" type="submit">${LOOK_UP.change}<span class="nhsuk-u-visually-hidden"> ${LOOK_UP.changeWho}</span></button>
    </form></div>
    ${canChangeRole && html`<a class="nhsuk-link" href="/sign-in/${session.provider}?role=change">${FRAME.changeRole}</a>`}
  </div>
  ${hide !== undefined && html`<p class="cpf-hide">${buttonLink(hide.to, RESULT.hide, true)}</p>`}
</nav>`;

/** Where else somebody can go: a line of links, or, if many would push the page off a small screen, folded away. */
function navigationBar(links: readonly NavigationLink[]): Html {
  const isFew = links.length <= 2;
  const list = html`<nav class="cpf-navigation${isFew && ' cpf-navigation--few'}" aria-label="${FRAME.navigation}"><ul role="list">
${links.map(({ href, text, current }) => html`<li><a class="nhsuk-link" href="${href}"${current && html` aria-current="page"`}>${text}</a></li>`)}
</ul></nav>`;
  if (isFew) return list;
  return html`<details class="nhsuk-details cpf-menu"><summary class="nhsuk-details__summary"><span class="nhsuk-details__summary-text">${FRAME.menu}</span></summary>
<div class="nhsuk-details__text">${list}</div></details>
${list}`;
}

/** What is hidden after a time, by a style that needs no script, and what then replaces it. */
const hiding = (content: Html, { heading, says, another }: SaidThen, isLate: boolean): Html =>
  html`<div class="cpf-hides__content">${content}</div>
<p class="cpf-hides__then${isLate && ' cpf-hides__late'}" data-says="${`${heading}. ${says}`}">${buttonLink(another.href, another.text)}</p>`;

/** Lets the tabs of one session recognise each other. It does not reveal the session. */
const markOf = ({ id }: Session): string =>
  createHash('sha256').update(id).digest('base64url').slice(0, 22);

/** When the contents of a page are hidden, and until when its session lasts; see `assets/pages.js`. */
function bodyAttributes(
  { hide, person, printable, signsOut = false }: Page,
  afterSeconds: number | undefined,
): Html {
  return html` class="nhsuk-template__body${printable && ' cpf-printable'}${afterSeconds !== undefined && ` cpf-hides cpf-hides--${afterSeconds}`}"${afterSeconds !== undefined && html` data-hide-after-seconds="${afterSeconds}"`}${hide !== undefined && html` data-hide-to="${hide.to}"`}${person !== undefined && html` data-session="${markOf(person.session)}" data-session-seconds="${person.endsAfterSeconds}"`}${signsOut && html` data-session=""`}`;
}

function frame({ styles, script }: Assets, isDemo: boolean, page: Page): Html {
  const { title, content, person, hide, endsWithSession, navigation = [] } = page;
  const ends = person && endsWithSession;
  const afterSeconds = hide?.afterSeconds ?? (person && hiddenAfter(person.endsAfterSeconds));
  return html`<!doctype html>
<html lang="en-GB" translate="no" spellcheck="false" writingsuggestions="false" class="nhsuk-template">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>${title} - ${SERVICE}</title>
<link rel="icon" href="data:,">
${styles.map(
  (address) => html`<link rel="stylesheet" href="${address}">
`,
)}<script type="module" src="${script}"></script>
</head>
<body${bodyAttributes(page, afterSeconds)}>
<p class="cpf-do-not-print">${DO_NOT_PRINT}</p>
<a class="nhsuk-skip-link" href="#main" data-module="nhsuk-skip-link">${FRAME.skip}</a>
<header role="banner"><div class="cpf-header"><div class="nhsuk-width-container"><div class="cpf-header__row">
  <a class="cpf-header__name" href="/">${SERVICE}</a>
  <span class="cpf-header__danger">${DANGER}</span>
</div></div></div>
${isDemo && html`<div class="cpf-demo"><div class="nhsuk-width-container"><strong>${FRAME.demo}</strong></div></div>`}
${
  person !== undefined &&
  html`<div class="nhsuk-width-container${hide === undefined && ' cpf-hides__content'}">${personBar(person, hide)}
${navigation.length > 1 && navigationBar(navigation)}</div>`
}</header>
<div class="nhsuk-width-container">
<main class="nhsuk-main-wrapper nhsuk-u-padding-top-4" id="main">
${hide !== undefined ? hiding(content, hide, hide.isForm) : ends !== undefined ? hiding(content, ends, true) : content}
</main>
</div>
<footer role="contentinfo"><div class="nhsuk-footer"><div class="nhsuk-width-container">
  <ul class="nhsuk-footer__list cpf-footer">
    <li class="nhsuk-footer__list-item"><a class="nhsuk-footer__list-item-link" href="/councils">${FRAME.councils}</a></li>
    <li class="nhsuk-footer__list-item"><a class="nhsuk-footer__list-item-link" href="/accessibility">${FRAME.accessibility}</a></li>
    ${person !== undefined && html`<li class="nhsuk-footer__list-item"><form method="post" action="/sign-out" novalidate><input type="hidden" name="token" value="${person.token}"><button class="cpf-link-button" type="submit">${FRAME.signOut}</button></form></li>`}
  </ul>
  <p class="nhsuk-body-s">${FOOTER}</p>
</div></div></footer>
</body>
</html>
`;
}

/**
 * Puts the frame around a page: who is signed in, danger, what to do without a system, and headers so that
 * nobody stores it, frames it or learns where a reader came from.
 *
 * @param onlyTls browsers are told to use only TLS, for a year
 */
export function createFrame(assets: Assets, isDemo: () => boolean, onlyTls = false): Frame {
  return (page) => {
    const headers = new Headers(PAGE_HEADERS);
    if (onlyTls) headers.set('strict-transport-security', 'max-age=31536000');
    for (const cookie of page.cookies ?? []) headers.append('set-cookie', cookie);
    const { hide, leave = hide, retryAfterSeconds, allow } = page;
    // By a header, since it is not part of the page: it works even if no script runs.
    if (leave !== undefined) headers.set('refresh', `${leave.afterSeconds}; url=${leave.to}`);
    if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds));
    if (allow !== undefined) headers.set('allow', allow);
    return new Response(frame(assets, isDemo(), page), { status: page.status ?? 200, headers });
  };
}

/** Sends the browser on, with a GET. */
export function redirect(to: string, cookies: readonly string[] = []): Response {
  const headers = new Headers(PAGE_HEADERS);
  headers.set('location', to);
  for (const cookie of cookies) headers.append('set-cookie', cookie);
  return new Response(null, { status: 303, headers });
}
