import type { IncomingMessage } from 'node:http';
import type { ErrorCode } from '#schemas/errors.ts';
import { FRAME, SIGN_IN } from '#schemas/wording/pages.ts';
import type { SessionEndings } from '#store/session-endings.ts';
import type { Handler, RouteContext } from '../../http/route.ts';
import type { Frame } from '../html/frame.ts';
import { html } from '../html/html.ts';
import { button, buttonLink, heading, paragraph } from '../html/parts.ts';
import type { Cookies } from '../session/cookies.ts';
import { type FormRefusal, type Forms, readForm } from '../session/forms.ts';
import type { SessionState, Sessions, SignedIn } from '../session/sessions.ts';
import type { Provider } from './openid.ts';

type SignOutDependencies = {
  frame: Frame;
  cookies: Cookies;
  sessions: Sessions;
  forms: Forms;
  endings: SessionEndings;
  providerOf: (c: RouteContext) => Provider | undefined;
  /** Records a refusal. */
  note: (incoming: IncomingMessage, code: ErrorCode, signedIn: SignedIn | undefined) => void;
  /** The page for a form that is not accepted. */
  notTaken: (code?: FormRefusal) => Response;
};

/** Signing out: by the person, or by their provider directly. */
export function createSignOut(dependencies: SignOutDependencies) {
  const { frame, cookies, sessions, forms, endings, providerOf, note, notTaken } = dependencies;

  const signedOutPage = (recorded: boolean, { kind }: SessionState): Response => {
    const title = recorded ? SIGN_IN.signedOut : SIGN_IN.signOutFailed;
    return frame({
      title,
      signsOut: kind !== 'none',
      // A browser that sent no session may still have one: other sites' forms come without it.
      cookies:
        kind === 'none' ? [] : [cookies.set('session', undefined), cookies.set('visit', undefined)],
      content: html`${heading(title)}
${paragraph(recorded ? SIGN_IN.signedOutThen : SIGN_IN.signOutFailedThen)}
${paragraph(SIGN_IN.signedOutShared)}
<p>${buttonLink('/sign-in', SIGN_IN.again)}</p>`,
    });
  };

  /** Somebody who meant to sign out is still signed in: their page is from before they last signed in. */
  const stillSignedInPage = (token: string): Response =>
    frame({
      title: SIGN_IN.stillSignedIn,
      status: 403,
      content: html`${heading(SIGN_IN.stillSignedIn)}
${paragraph(SIGN_IN.stillSignedInThen)}
<form method="post" action="/sign-out" novalidate><input type="hidden" name="token" value="${token}">${button(FRAME.signOut)}</form>`,
    });

  const signOut: Handler = async ({ env }) => {
    const { incoming } = env;
    const state = sessions.read(incoming);
    const form = await readForm(env);
    const session = 'session' in state ? state.session : undefined;
    const isFromHere = forms.isSentFromHere(incoming);
    if (session === undefined) return isFromHere ? signedOutPage(true, state) : notTaken();
    if (typeof form === 'string') {
      note(incoming, form, session);
      return notTaken(form);
    }
    const of = { form: 'sign-out', owner: session.id };
    if (!forms.isOurs(incoming, form, of)) {
      note(incoming, 'form-untrusted', session);
      return isFromHere ? stillSignedInPage(forms.token(of)) : notTaken();
    }
    const recorded = await sessions.end(session).then(
      () => true,
      () => false,
    );
    return signedOutPage(recorded, state);
  };

  const answered = (status: number, body: string): Response =>
    new Response(body, {
      status,
      headers: { 'cache-control': 'no-store', 'content-type': 'application/json' },
    });

  /**
   * A provider ends a session. A token used before ends nothing, so that nobody who keeps one can end later
   * sessions. One that names somebody else was not used before, whatever its id: only the provider can sign
   * it, and a session that it ends must not stay open. Source: OpenID Connect Back-Channel Logout 1.0,
   * section 2.6 (whether an id was seen before is for the recipient to judge).
   */
  const loggedOut: Handler = async (c) => {
    const provider = providerOf(c);
    const form = await readForm(c.env);
    const token = typeof form === 'string' ? undefined : form.get('logout_token');
    const ended = token === undefined ? undefined : await provider?.readLogoutToken(token);
    if (ended === undefined) return answered(400, '{"error":"invalid_request"}');
    if (ended === 'unavailable') return answered(503, '{"error":"temporarily_unavailable"}');
    const { issuer, jti, sid, subject } = ended;
    try {
      const ofPerson = subject !== undefined && {
        // If the provider never gave its own id of a session, only the person identifies it.
        of: sid === undefined ? ('subject' as const) : ('subject-without-sid' as const),
        issuer,
        subject,
      };
      const isNew = await endings.endByToken(JSON.stringify([issuer, jti]), [
        ...(sid === undefined ? [] : [{ of: 'provider-session' as const, issuer, sid }]),
        ...(ofPerson === false ? [] : [ofPerson]),
      ]);
      return isNew ? answered(200, '{}') : answered(400, '{"error":"invalid_request"}');
    } catch {
      return answered(503, '{"error":"temporarily_unavailable"}');
    }
  };

  return { signOut, loggedOut };
}
