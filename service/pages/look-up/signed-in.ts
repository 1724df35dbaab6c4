import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { ErrorCode, LimitReached } from '#schemas/errors.ts';
import type { LookupRequest } from '#schemas/lookup.ts';
import { type Caller, callerOf } from '#schemas/people/caller.ts';
import {
  ACTIVITY_SILENT,
  ACTIVITY_UNSCHEDULED,
  type Organisation,
} from '#schemas/people/care-setting.ts';
import { HIDDEN, RESULT, SIGN_IN } from '#schemas/wording/pages.ts';
import { createAdmission } from '../../admission/admission.ts';
import { decideAccess } from '../../admission/decide.ts';
import type { GuardedWork } from '../../admission/guarded.ts';
import { BODY_LIMITS } from '../../http/body.ts';
import type { ProblemOptions } from '../../http/problem.ts';
import type { RequestHead } from '../../http/request-head.ts';
import type { Handler, RouteContext } from '../../http/route.ts';
import {
  type Admitted,
  guardedLookup,
  type LookupGuardDependencies,
} from '../../lookup/guarded-lookup.ts';
import { hiddenAfter, SHOWN_FOR_SECONDS } from '../html/assets.ts';
import type { Frame, Hidden as HiddenAnswer, Page } from '../html/frame.ts';
import { html } from '../html/html.ts';
import { buttonLink, heading, paragraph, tried } from '../html/parts.ts';
import { createPersonOf } from '../html/person.ts';
import type { Cookies } from '../session/cookies.ts';
import { type Forms, readForm } from '../session/forms.ts';
import type { Session, SessionState, Sessions } from '../session/sessions.ts';
import { refusedPage, signInRefusalOf } from '../sign-in/refused.ts';
import { againForm, type Counts, type Hidden, type Typed } from './form.ts';
import { couldNotCheckPage, limitedPage, notInUsePage, WAIT_SECONDS } from './not-checked.ts';
import { subjectBar } from './result.ts';

export type SignedInDependencies = Omit<LookupGuardDependencies, 'admit'> & {
  frame: Frame;
  cookies: Cookies;
  sessions: Sessions;
  forms: Forms;
  organisations: () => ReadonlyMap<string, Organisation>;
  registeredOnly: () => boolean;
  take: (caller: Caller, cost?: number) => LimitReached | undefined;
  canChangeRole: (provider: string) => boolean;
  now?: () => number;
};

export const ANSWER_HIDDEN: HiddenAnswer = {
  to: '/look-up/hidden',
  heading: HIDDEN.heading,
  says: HIDDEN.noCheck,
  another: { href: '/look-up', text: RESULT.another },
};
/** In place of a form that may hold a typed number, once the session is over. */
export const FORM_ENDED = {
  heading: SIGN_IN.signedOut,
  says: SIGN_IN.signedOutThen,
  another: { href: '/sign-in', text: SIGN_IN.title },
};
/** The id of a form, so that it counts once. */
export const FORM_ID = /^[0-9a-f-]{36}$/;

/** What the pages of somebody signed in have in common: who it is, how their looks count, and the API's own guard. */
export function createSignedIn(dependencies: SignedInDependencies) {
  const { frame, cookies, sessions, forms, take, noteRefusal, now = Date.now } = dependencies;
  const { organisations, registeredOnly } = dependencies;

  const personOf = createPersonOf(dependencies);

  function newHidden(session: Session): Hidden {
    const form = randomUUID();
    return { form, token: forms.token({ form: 'look-up', owner: session.id, once: form }) };
  }

  /** How a look of this session counts, as far as its role says; a form is not offered to somebody who is blocked. */
  function countsOf(session: Session): { counts: Counts } | { refusal: ErrorCode } {
    const judged = sessions.authenticate({ kind: 'open', session, caller: callerOf(session) });
    if (judged.kind === 'refused') return { refusal: judged.code };
    const access = decideAccess(session, {}, organisations(), registeredOnly());
    if (access.kind === 'refused') return { refusal: access.code };
    const { activities } = session.role;
    const both = activities.includes(ACTIVITY_SILENT) && activities.includes(ACTIVITY_UNSCHEDULED);
    return { counts: both && access.setting === 'scheduled' ? 'choice' : access.access };
  }

  const inUse = (session: Session): Session => ({ ...session, seenAt: now() });

  const signedIn = (session: Session): Pick<Page, 'person' | 'cookies'> => ({
    person: personOf(inUse(session)),
    cookies: [sessions.renew(session)],
  });

  /** In place of a form, for somebody whose looks would be refused. */
  const refusedForm = (session: Session, refusal: ErrorCode): Page => ({
    ...refusedPage(signInRefusalOf(refusal) ?? 'role', undefined, session),
    ...signedIn(session),
  });

  /** Hides a page of this session in time, and no later than the session ends. */
  function hides(session: Session, hidden: HiddenAnswer, isForm = false): Pick<Page, 'hide'> {
    const { endsAfterSeconds } = personOf(inUse(session));
    const afterSeconds = hiddenAfter(Math.min(SHOWN_FOR_SECONDS, endsAfterSeconds));
    return { hide: { ...hidden, afterSeconds, isForm } };
  }

  /** Removes the cookie that a browser sent; if it sent none, nothing is known about it. */
  const noLongerSignedIn = ({ kind }: SessionState): string[] =>
    kind === 'over' ? [cookies.set('session', undefined)] : [];

  /** Shown in place of an answer: nothing of the answer is left, and no look is made. It keeps nobody signed in. */
  const showHidden =
    ({ heading: title, says, another }: HiddenAnswer): Handler =>
    ({ env }) => {
      const state = sessions.read(env.incoming);
      return frame({
        title: HIDDEN.title,
        ...(state.kind === 'open' && { person: personOf(state.session) }),
        content: html`${heading(title)}${paragraph(says)}<p>${buttonLink(another.href, another.text)}</p>`,
      });
    };

  /** A look at one child, as typed and read, or a list as pasted. */
  type Asked = { typed: Typed; request?: LookupRequest | undefined } | { list: string };

  /** Why somebody's look was not made, in words. */
  function notChecked(
    session: Session,
    code: ErrorCode,
    asked: Asked,
    options: ProblemOptions = {},
  ): Page {
    const hidden = newHidden(session);
    const request = 'list' in asked ? undefined : asked.request;
    // Where there is a number, the time stands beside it.
    const again = html`${request === undefined && tried(now())}${
      'list' in asked
        ? againForm('/list', hidden, { list: asked.list })
        : againForm('/look-up', hidden, asked.typed)
    }`;
    const refusal = signInRefusalOf(code);
    const page =
      refusal !== undefined
        ? refusedPage(refusal, undefined, session)
        : code === 'too-many-requests'
          ? limitedPage(options.limit?.retryAfterSeconds ?? WAIT_SECONDS, again)
          : code === 'number-not-in-use'
            ? notInUsePage()
            : code === 'header-repeated'
              ? { ...couldNotCheckPage(again), status: 400 }
              : couldNotCheckPage(again);
    const bar = request && subjectBar({ ...request, at: now() }, false);
    return {
      ...page,
      ...signedIn(session),
      content: html`${bar}${page.content}`,
      // A number stands on this page as well.
      ...(request && hides(session, ANSWER_HIDDEN)),
    };
  }

  /**
   * Who sends a form, and what it says. The body is read only once the sender is known; that is judged again
   * once everything has arrived, since the session may have ended meanwhile.
   */
  async function readSignedIn(env: RouteContext['env'], maxBytes: number = BODY_LIMITS.maxBytes) {
    const isKnown = 'session' in sessions.read(env.incoming);
    const form = isKnown ? await readForm(env, { maxBytes }) : 'form-untrusted';
    const state = sessions.read(env.incoming);
    const session = 'session' in state ? state.session : undefined;
    return { state, session, form };
  }

  /** Records that somebody signed in was refused, if the guard of a form does not. */
  function noteRefused({ socket }: IncomingMessage, code: ErrorCode, session: Session): void {
    noteRefusal({
      code,
      ids: { requestId: randomUUID() },
      api: 'pages',
      caller: callerOf(session),
      roleChosen: true,
      source: socket.remoteAddress,
    });
  }

  /**
   * While it is unclear whether a session was ended, a look is recorded as a check that could not be made:
   * the store is not asked, and nothing is shown.
   */
  const preventedBy = ({ kind }: SessionState): 'store' | undefined =>
    kind === 'unknown' ? 'store' : undefined;
  const orPrevented = (state: SessionState): SessionState =>
    state.kind === 'unknown' ? { ...state, kind: 'open' } : state;

  /**
   * A handler of the API's own guard, with a session in place of the API's token.
   *
   * @param state through {@link orPrevented} if the work heeds {@link preventedBy}
   */
  const asSession = (
    state: SessionState,
    head: RequestHead,
    refuse: (code: ErrorCode, options: ProblemOptions) => Response,
    of: GuardedWork<Admitted>,
  ): Handler =>
    guardedLookup(
      {
        ...dependencies,
        // A session always has one role.
        noteRefusal: (refused) =>
          noteRefusal({ ...refused, roleChosen: refused.caller !== undefined }),
        admit: createAdmission({
          authenticate: () => sessions.authenticate(state),
          organisations,
          registeredOnly,
          take,
        }),
      },
      { api: 'pages', refuse, headOf: () => head },
      of,
    );

  return {
    newHidden,
    countsOf,
    signedIn,
    refusedForm,
    hides,
    noLongerSignedIn,
    showHidden,
    notChecked,
    readSignedIn,
    noteRefused,
    preventedBy,
    orPrevented,
    asSession,
  };
}
export type SignedInPages = ReturnType<typeof createSignedIn>;
