import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { NamedPerson } from '#schemas/audit/named-person.ts';
import type { ErrorCode } from '#schemas/errors.ts';
import type { Caller } from '#schemas/people/caller.ts';
import { DESK, DESKS } from '#schemas/wording/desk.ts';
import { LeaseLost } from '#store/errors.ts';
import { TurnsBusy } from '#store/locks/turns.ts';
import type { SessionEndings } from '#store/session-endings.ts';
import type { TakeFromLimits } from '../../admission/admission.ts';
import { admitScope } from '../../admission/admit-scope.ts';
import { type GuardDependencies, guarded, type WorkRefused } from '../../admission/guarded.ts';
import type { Viewer } from '../../audit/search/view.ts';
import { problemResponse } from '../../http/problem.ts';
import { type RequestIds, readRequestIds } from '../../http/request-ids.ts';
import type { Handler, RouteContext } from '../../http/route.ts';
import type { Log } from '../../telemetry/log.ts';
import { type Frame, type NavigationLink, type Page, redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import {
  buttonLink,
  errorSummary,
  type FieldError,
  heading,
  notFoundPage,
  paragraph,
  tried,
} from '../html/parts.ts';
import { createPersonOf } from '../html/person.ts';
import type { Cookies } from '../session/cookies.ts';
import { type Fields, type Forms, readForm } from '../session/forms.ts';
import type { Session, SessionState, Sessions } from '../session/sessions.ts';
import { createTwice } from '../session/twice.ts';
import { type Desk, desksOf, isFor } from './desks.ts';
import { notice } from './parts.ts';

export type DeskDependencies = GuardDependencies & {
  frame: Frame;
  cookies: Cookies;
  sessions: Sessions;
  forms: Forms;
  endings: Pick<SessionEndings, 'once'>;
  canChangeRole: (provider: string) => boolean;
  take: TakeFromLimits;
  /** Whether there are pages: if people can sign in, and in a demo. */
  isOn: () => boolean;
  /** Whose view of the audit somebody has: the menu leaves out pages that are not for them. */
  viewer: (session: Pick<Session, 'role'>) => Viewer['kind'];
  /** What a desk shows while its pages cannot be made, besides saying so. */
  unavailable?: (desk: Desk) => Html | undefined;
  log: Log;
};

/** A page at a desk. The desk adds who is signed in and where they can go. */
export type DeskPage = Omit<Page, 'person' | 'navigation' | 'cookies'> & {
  /** False for a page that reloads itself: it does not keep anybody signed in. */
  renews?: boolean;
  /**
   * What is wrong with its form. The page says it first, and in its title; the status says it too unless another is
   * given.
   */
  errors?: readonly FieldError[];
  /** What was just done, in lines. The page says it first, unless something is wrong with its form. */
  note?: string | undefined;
};

/** Somebody at a desk whom its scope lets in. */
export type AtDesk = {
  session: Session;
  caller: Caller;
  ids: RequestIds & { requestId: string };
  /** Who does something, as events of acts have it: never what somebody typed. */
  named: (reason: string) => NamedPerson;
  page: (page: DeskPage) => Response;
  /** The same answer for what does not exist and for what is not theirs. */
  notFound: () => Response;
  /**
   * What was just done, from the address that the act redirected to. Nothing unless the address has the mark of an act of
   * this session, or the browser says that it comes from one of our pages: anybody can make up such an address, and it
   * would say on our page that something was done. Firefox says that a redirect after a form comes from nowhere.
   */
  done: (parameter?: string) => string | undefined;
  /** The hidden fields of a form, by which {@link deskAct} recognises it; it counts once. */
  hidden: (form: string) => Html;
  /**
   * Why an arrived form is not accepted; `undefined` if it is. While it was on its way its sender may have
   * signed out or been blocked, and it may come from a page not made for this session.
   */
  refusalOf: (fields: Fields, of: { form: string; once?: string }) => ErrorCode | undefined;
};

type DeskWork = (
  c: RouteContext,
  at: AtDesk,
) => Response | WorkRefused | Promise<Response | WorkRefused>;

const WAIT_SECONDS = 60;
/** In place of the name of a form, for the mark of an address; and what separates the two. */
const MARK = 'done';
const BEFORE_MARK = '&mark=';

/** In place of a page of somebody whose session is over. */
const ENDED = {
  heading: DESK.over,
  says: DESK.overHidden,
  another: { href: '/sign-in', text: DESK.signIn },
};

/** A page that says one thing, and where to go from there. */
export const deskMessage = (
  title: string,
  then: string | Html,
  to: string,
  { more, leads = DESK.back }: { more?: Html | undefined; leads?: string } = {},
): DeskPage => ({
  title,
  content: html`${heading(title)}${paragraph(then)}${more}<p>${buttonLink(to, leads)}</p>`,
});

function navigationOf(
  desk: Desk,
  session: Session,
  path: string,
  viewer: Viewer['kind'],
): NavigationLink[] {
  const others = desksOf(session.scopes, viewer).filter(({ name }) => name !== desk.name);
  return [
    ...desk.links
      .filter((link) => link.for?.includes(viewer) ?? true)
      .map(({ href, text }) => ({ href, text, current: href === path })),
    ...others.map(({ home, name }) => ({ href: home, text: DESKS[name].name, current: false })),
  ];
}

/**
 * Why somebody is refused at a desk, as a page.
 *
 * @param more what else is shown while pages cannot be made
 */
function refusedPage(
  desk: Desk,
  code: ErrorCode,
  retryAfterSeconds: number,
  more: Html,
): DeskPage & { status: number } {
  const { name, home } = desk;
  const say = (status: number, title: string, then: string) => ({
    ...deskMessage(title, then, home),
    status,
  });
  /** To nowhere that could lead back here. */
  const signInElse = (title: string, then: string) => ({
    ...deskMessage(title, then, '/sign-in', { leads: DESK.signIn }),
    status: 403,
  });
  switch (code) {
    case desk.without:
      return signInElse(DESK.notYours, DESKS[name].notYoursThen);
    case 'user-blocked':
      return signInElse(DESK.blocked, DESK.blockedThen);
    case 'form-untrusted':
      return say(403, DESK.untrusted, DESK.untrustedThen);
    case 'form-field-repeated':
      return say(400, DESK.untrusted, DESK.repeatedThen);
    case 'body-too-large':
      return say(413, DESK.untrusted, DESK.tooMuchThen);
    case 'request-timeout':
      return say(408, DESK.untrusted, DESK.lateThen);
    case 'too-many-requests':
      return {
        ...deskMessage(DESK.limited, DESK.limitedThen(retryAfterSeconds), home, { more: tried() }),
        status: 429,
        retryAfterSeconds,
      };
    default:
      return {
        ...deskMessage(DESK.unavailable, DESKS[name].unavailableThen, home, {
          more: html`${more}${tried()}`,
          leads: DESK.tryAgain,
        }),
        status: 503,
      };
  }
}

/**
 * Guards a page of a desk: the session, its role, and whether its scope and organisation open the desk are judged at
 * each request. A refusal is audited like any other; an internal fault is a page that says so. So is a change of settings
 * that did not get its turn, which is no fault.
 *
 * @param work makes the page, or says why not
 */
export function guardedDesk(dependencies: DeskDependencies, desk: Desk, work: DeskWork): Handler {
  const { frame, cookies, sessions, forms, take, isOn, log } = dependencies;
  const { unavailable, viewer } = dependencies;

  const personOf = createPersonOf(dependencies);

  function pageFor(session: Session, path: string): AtDesk['page'] {
    return ({ renews = true, errors = [], note, title, content, ...page }) => {
      const isWrong = errors.length > 0;
      return frame({
        ...(isWrong && { status: 400 }),
        ...page,
        title: isWrong ? `Error: ${title}` : title,
        content: html`${isWrong ? errorSummary(errors) : note !== undefined && notice(note)}${content}`,
        endsWithSession: ENDED,
        person: personOf(renews ? { ...session, seenAt: Date.now() } : session),
        navigation: navigationOf(desk, session, path, viewer(session)),
        ...(renews && { cookies: [sessions.renew(session)] }),
      });
    };
  }

  /** @param mayBeDone whether an act failed, and its session is over by now */
  function overPage(state: SessionState, mayBeDone: boolean): Response {
    return frame({
      title: DESK.over,
      status: 401,
      signsOut: state.kind === 'over',
      cookies: state.kind === 'over' ? [cookies.set('session', undefined)] : [],
      content: html`${heading(DESK.over)}${paragraph(mayBeDone ? DESK.overSent : DESK.overThen)}<p>${buttonLink('/sign-in', DESK.signIn)}</p>`,
    });
  }

  const refuse =
    (incoming: IncomingMessage, path: string) =>
    (code: ErrorCode, seconds = WAIT_SECONDS): Response => {
      // Its present state: it may have ended since the request began.
      const state = sessions.read(incoming, desk.scope);
      const isSent = incoming.method === 'POST';
      if (state.kind !== 'open' && state.kind !== 'unknown') {
        return overPage(state, isSent && code === 'could-not-check');
      }
      const sent = isSent && paragraph(DESK.unavailableSent);
      const page = refusedPage(desk, code, seconds, html`${sent}${unavailable?.(desk)}`);
      // Somebody whose access is not known to be valid is shown nothing of their own.
      return state.kind === 'open' && code !== desk.without && code !== 'user-blocked'
        ? pageFor(state.session, path)(page)
        : frame(page);
    };

  /** An act's answer whose address says what was done, with the mark of this session. */
  function marked(incoming: IncomingMessage, session: Session, answer: Response): Response {
    const to = answer.headers.get('location') ?? '';
    if (incoming.method !== 'POST' || !to.includes('?')) return answer;
    const mark = forms.token({ form: MARK, owner: session.id, once: to });
    return redirect(`${to}${BEFORE_MARK}${mark}`);
  }

  return (c) => {
    const { incoming } = c.env;
    if (!isOn()) return problemResponse('not-found', readRequestIds(incoming));
    if (incoming.method === 'HEAD') {
      return problemResponse('method-not-allowed', { ...readRequestIds(incoming), allow: 'GET' });
    }
    const state = sessions.read(incoming, desk.scope);
    if (incoming.method === 'GET' && (state.kind === 'none' || state.kind === 'over')) {
      return redirect('/sign-in', state.kind === 'over' ? [cookies.set('session', undefined)] : []);
    }
    const { path } = c.req;
    const refused = refuse(incoming, path);
    return guarded(
      dependencies,
      {
        async admit(head) {
          const authenticate = () => sessions.authenticate(state);
          const admitted = await admitScope({ authenticate, take }, head, desk.scope, desk.without);
          if (admitted.kind === 'refused' || !('session' in state)) return admitted;
          if (isFor(viewer(state.session), desk.only)) return admitted;
          const { ids, caller } = admitted;
          return { kind: 'refused', ids, code: desk.without, caller, roleChosen: true };
        },
        headOf: () => ({
          headers: { 'x-request-id': randomUUID() },
          rawHeaders: incoming.rawHeaders,
        }),
        refuse: (code, { limit }) => refused(code, limit?.retryAfterSeconds),
        api: 'pages',
        fault: {
          code: 'could-not-check',
          log: (fields) => log.error('A page failed inside the service.', fields),
        },
      },
      async (context, { ids, caller }) => {
        if (state.kind !== 'open') return { code: 'could-not-check' };
        const { session } = state;
        const at: AtDesk = {
          session,
          caller,
          ids,
          named: (reason) => ({
            by: session.name,
            reason,
            account: `${session.user} (${session.issuer})`,
          }),
          page: pageFor(session, path),
          notFound: () => pageFor(session, path)(notFoundPage()),
          done(parameter = 'done') {
            const [once = '', token = ''] = incoming.url?.split(BEFORE_MARK) ?? [];
            const of = { form: MARK, owner: session.id, once };
            const isFromHere =
              incoming.headers['sec-fetch-site'] === 'same-origin' || forms.isToken(token, of);
            return isFromHere ? context.req.query(parameter) : undefined;
          },
          hidden(form) {
            const once = randomUUID();
            const token = forms.token({ form, owner: session.id, once });
            return html`<input type="hidden" name="form" value="${once}"><input type="hidden" name="token" value="${token}">`;
          },
          refusalOf(fields, of) {
            const again = sessions.authenticate(sessions.read(incoming, desk.scope));
            if (again.kind === 'refused') return again.code;
            const isOurs = forms.isOurs(incoming, fields, { ...of, owner: session.id });
            return isOurs ? undefined : 'form-untrusted';
          },
        };
        try {
          const answer = await work(context, at);
          return answer instanceof Response ? marked(incoming, session, answer) : answer;
        } catch (error) {
          // Another worker serves this page now.
          if (error instanceof LeaseLost) return { code: 'could-not-check' };
          if (!(error instanceof TurnsBusy)) throw error;
          // Nothing has failed: somebody else had the turn.
          return at.page({ ...deskMessage(DESK.busy, error.message, desk.home), status: 409 });
        }
      },
    )(c);
  };
}

const FORM_ID = /^[0-9a-f-]{36}$/;

/** Whether an answer is a page: what is wrong with a form, or what it asked to see. An act that was done is a redirect. */
const isPage = (answer: Response | WorkRefused): boolean =>
  answer instanceof Response && answer.status !== 303;

export type ActForm = { form: string; maxBytes?: number; repeats?: boolean; inTurn?: boolean };

/**
 * Guards an act at a desk: a form made by one of its pages for this session, and sent from there once.
 *
 * @param options.form the name that {@link AtDesk.hidden} was given
 * @param options.repeats for a form that only reads, and may be sent again from the same page
 * @param options.inTurn one after the other: of two in the same moment, the second would undo the first unseen
 * @param work does it; it answers with a redirect, so that loading the page again repeats nothing, or with
 * the form again and what is wrong in it
 */
export function deskAct(
  dependencies: DeskDependencies,
  desk: Desk,
  { form, maxBytes, repeats = false, inTurn = false }: ActForm,
  work: (
    c: RouteContext,
    at: AtDesk,
    fields: Fields,
  ) => Response | WorkRefused | Promise<Response | WorkRefused>,
): Handler {
  const { endings } = dependencies;
  // A double click shows the second answer: what is wrong with a form must not read as though it had been acted on.
  const judgeOnce = createTwice<Response | WorkRefused>(isPage);
  let turn: Promise<unknown> = Promise.resolve();
  const act: typeof work = (c, at, fields) => {
    if (!inTurn) return work(c, at, fields);
    const mine = turn.then(() => work(c, at, fields));
    turn = mine.catch(() => undefined);
    return mine;
  };
  return guardedDesk(dependencies, desk, async (c, at) => {
    const fields = await readForm(c.env, maxBytes === undefined ? {} : { maxBytes });
    if (typeof fields === 'string') return { code: fields };
    const once = fields.get('form') ?? '';
    const code =
      at.refusalOf(fields, { form, once }) ?? (FORM_ID.test(once) ? undefined : 'form-untrusted');
    if (code !== undefined) return { code };
    if (repeats) return work(c, at, fields);
    const answer = await judgeOnce(JSON.stringify([c.req.path, ...fields]), async () =>
      (await endings.once(`${form} ${once}`))
        ? act(c, at, fields)
        : at.page({ ...deskMessage(DESK.usedUp, DESK.usedUpThen, desk.home), status: 409 }),
    );
    return answer instanceof Response ? answer.clone() : answer;
  });
}
