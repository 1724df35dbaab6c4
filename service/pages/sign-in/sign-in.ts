// One file, since the steps of a sign-in follow from each other, and each trusts what the one before has checked.

import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import { callerOf } from '#schemas/people/caller.ts';
import type { Organisation } from '#schemas/people/care-setting.ts';
import type { Claims } from '#schemas/people/identity.ts';
import { isScope, type Scope } from '#schemas/people/identity.ts';
import { DEMO_PROVIDER, type SignInFor } from '#schemas/people/sign-in.ts';
import { SAMPLE_AUTHORITIES } from '#schemas/sample.ts';
import { FRAME, NOT_CHECKED, SIGN_IN } from '#schemas/wording/pages.ts';
import type { SessionEndings } from '#store/session-endings.ts';
import { decideAccess } from '../../admission/decide.ts';
import { DEMO_ISSUER } from '../../admission/demo-issuer.ts';
import { demoPersonas, type Persona } from '../../admission/personas.ts';
import type { NoteRefusal } from '../../audit/record/refusals.ts';
import type { Viewer } from '../../audit/search/view.ts';
import type { Handler, RouteContext } from '../../http/route.ts';
import type { SampledLog } from '../../telemetry/sampled-log.ts';
import { desksOf, homeOf } from '../desk/desks.ts';
import type { Frame, Page } from '../html/frame.ts';
import { PAGE_HEADERS, redirect } from '../html/frame.ts';
import { html } from '../html/html.ts';
import {
  button,
  buttonLink,
  errorSummary,
  heading,
  link,
  notFoundPage,
  paragraph,
  radios,
} from '../html/parts.ts';
import type { Cookies } from '../session/cookies.ts';
import { type FormRefusal, type Forms, readForm } from '../session/forms.ts';
import { FORMS_REFUSED } from '../session/forms-refused.ts';
import type { Sealer } from '../session/seal.ts';
import {
  CLOCKS_APART_MS,
  type Session,
  type Sessions,
  type SignedIn,
  signedInSchema,
} from '../session/sessions.ts';
import { createTwice, HELD_FOR_MS } from '../session/twice.ts';
import type { Visits } from '../session/visits.ts';
import { limited, type Provider, type Returned, type Sent } from './openid.ts';
import { arrivedTwicePage, refusedPage, signInRefusalOf } from './refused.ts';
import { createSignOut } from './sign-out.ts';

export type SignInDependencies = {
  frame: Frame;
  sealer: Sealer;
  cookies: Cookies;
  sessions: Sessions;
  visits: Visits;
  forms: Forms;
  endings: SessionEndings;
  /** The providers with which people can sign in now. */
  providers: () => readonly Provider[];
  /** Whether made-up people can be chosen. */
  isDemo: () => boolean;
  /** What the organisation of somebody's role may see, and so which pages are for them. */
  viewer: (of: Pick<SignedIn, 'role'>) => Viewer['kind'];
  organisations: () => ReadonlyMap<string, Organisation>;
  registeredOnly: () => boolean;
  blocked: (userKey: string) => boolean;
  /** Revoked by file: a user or a client. */
  revoked: (of: Pick<SignedIn, 'issuer' | 'user' | 'client'>) => boolean;
  noteRefusal: NoteRefusal;
  sampled: Pick<SampledLog, 'log'>;
  now?: () => number;
};

/** Somebody is let in: the session, where it takes them, and the cookies that give it to their browser. */
type LetIn = { session: string; to: string; cookies: readonly string[] };

const scopesOf = ({ scope }: Pick<Claims, 'scope'>): Scope[] => scope.split(' ').filter(isScope);

/** The made-up people for trying the pages, in the order offered, each by the provider they might have. */
const OFFERED = {
  emergencyDepartment: 'staff',
  ambulanceService: 'staff',
  scheduledCare: 'staff',
  school: 'staff',
  authority: 'councils',
  teamManager: 'councils',
  privacyOfficer: 'officers',
  caldicottGuardian: 'officers',
  operations: 'officers',
} as const satisfies Record<Persona, SignInFor>;

/** A made-up person, with the rights of their provider. */
const personOf = (person: Persona) => limited({ scope: '', ...people()[person] }, OFFERED[person]);

const DEMO_NAME = 'the demo';

const CHOICE_LASTS_MS = 5 * 60_000;

/** A person in one of several roles, until they have chosen one. */
const choiceSchema = z.strictObject({
  visit: z.uuid(),
  /** Shared by all roles of one sign-in. Only one of them can be taken, once: then this is the id of the session. */
  id: z.uuid(),
  at: z.int(),
  /** When the browser came back from the provider, by the store's clock: anything ended since ends the session. */
  issuedAt: z.int(),
  signedIn: signedInSchema,
});
type Choice = z.infer<typeof choiceSchema>;

/** Whether this very choice made a session: its form was sent twice, and the browser has the answer to the first. */
const isOfChoice = ({ id, role }: Session, choice: Choice | undefined): boolean =>
  id === choice?.id && role.id === choice.signedIn.role.id;

function people(): ReturnType<typeof demoPersonas> {
  const [authority] = SAMPLE_AUTHORITIES;
  return demoPersonas({ code: authority?.code ?? '', name: authority?.name ?? '' });
}

/** A person in each of their roles. */
const inEachRole = (
  claims: Omit<Claims, 'exp'>,
  from: Pick<SignedIn, 'provider' | 'settings' | 'subject' | 'sid'>,
): SignedIn[] =>
  claims.roles.map((role) => ({
    ...from,
    issuer: claims.iss,
    client: claims.client_id,
    user: claims.sub,
    name: claims.name,
    role,
    scopes: scopesOf(claims),
  }));

/** Signing in and out: by providers, or in a demo as somebody made up. */
export function createSignIn(dependencies: SignInDependencies) {
  const { frame, sealer, sessions, visits, forms, endings, providers } = dependencies;
  const {
    isDemo,
    viewer,
    organisations,
    registeredOnly,
    cookies,
    blocked,
    revoked,
    noteRefusal,
    sampled,
    now = Date.now,
  } = dependencies;

  const providerOf = (c: RouteContext): Provider | undefined =>
    providers().find(({ id }) => id === c.req.param('provider'));

  const noSuchPage = (): Response => frame(notFoundPage());

  function notTaken(code: FormRefusal = 'form-untrusted'): Response {
    return frame({
      title: NOT_CHECKED.title,
      status: ERRORS[code].status,
      content: html`${heading(FORMS_REFUSED[code])}<p>${buttonLink('/', FRAME.start)}</p>`,
    });
  }

  const refused = (...of: Parameters<typeof refusedPage>): Response => frame(refusedPage(...of));

  // Once a browser has come with the session, it has the answer: nobody is let in by the same form again.
  const judgeOnce = createTwice<LetIn | Page>(
    (answer) => 'session' in answer && sessions.isUsed(answer.session) === false,
  );

  // While it is being judged, and no longer: a code and a state count once.
  const judgeReturn = createTwice<LetIn | Page>(() => false);

  const shown = (answer: LetIn | Page): Response =>
    'session' in answer ? redirect(answer.to, answer.cookies) : frame(answer);

  /** Whether there are pages for somebody besides those on which a child is looked up. */
  const hasDesk = (of: Pick<SignedIn, 'scopes' | 'role'>): boolean =>
    desksOf(of.scopes, viewer(of)).length > 0;

  /** The made-up people for whom there are pages, and among staff also somebody who is refused. */
  const offeredNow = (): Persona[] =>
    (Object.keys(OFFERED) as Persona[]).filter((person) => {
      const { roles, ...claims } = personOf(person);
      return (
        OFFERED[person] === 'staff' ||
        roles.some((role) => hasDesk({ scopes: scopesOf(claims), role }))
      );
    });

  /** Where somebody is taken who is signed in. */
  const wayIn = (session: Session): string => {
    const access = decideAccess(session, {}, organisations(), registeredOnly());
    return homeOf(session.scopes, viewer(session), access) ?? '/';
  };

  function signInPage(incoming: IncomingMessage, problem?: string): Response {
    const visit = visits.read(incoming);
    const token = forms.token({ form: 'demo', owner: visit.id });
    const offered = people();
    const errors = problem === undefined ? [] : [{ field: 'person', text: problem }];
    const demo =
      isDemo() &&
      html`<form method="post" action="/sign-in" novalidate>
<input type="hidden" name="token" value="${token}">
${radios('person', {
  legend: SIGN_IN.choosePerson,
  hint: SIGN_IN.choosePersonHint,
  error: problem,
  options: offeredNow().map((value) => ({
    value,
    text: offered[value].name,
    hint: `${SIGN_IN.personas[value]}, ${offered[value].roles[0]?.organisation.name}`,
  })),
})}
${button(SIGN_IN.continue)}
</form>`;
    const ways = providers().map(
      ({ id, name }) => html`<p>${buttonLink(`/sign-in/${id}`, SIGN_IN.with(name))}</p>`,
    );
    const title = problem === undefined ? SIGN_IN.title : `Error: ${SIGN_IN.title}`;
    return frame({
      title,
      status: problem === undefined ? 200 : 400,
      cookies: [visits.cookie(visit)],
      signsOut: !('session' in sessions.read(incoming)),
      content: html`${errorSummary(errors)}
<h1 class="nhsuk-heading-xl nhsuk-u-margin-bottom-4"${problem === undefined && html` tabindex="-1" autofocus`}>${SIGN_IN.title}</h1>
<p class="nhsuk-lede-text">${SIGN_IN.lead}</p>
${ways}
${demo}
${ways.length === 0 && demo === false && paragraph(SIGN_IN.noProvider)}
<p>${SIGN_IN.cannot} ${link('/councils', FRAME.councils)}</p>`,
    });
  }

  /** Records who was refused, if that is known. @param inRole false if nobody has chosen this role yet */
  function note(
    { socket }: IncomingMessage,
    code: ErrorCode,
    signedIn: SignedIn | undefined,
    inRole = true,
  ): void {
    noteRefusal({
      code,
      ids: { requestId: randomUUID() },
      api: 'pages',
      caller: signedIn && callerOf(signedIn),
      roleChosen: signedIn !== undefined && inRole,
      source: socket.remoteAddress,
    });
  }

  /** Says why somebody who is known is not let in, with its event. */
  function notLetIn(
    incoming: IncomingMessage,
    signedIn: SignedIn,
    provider: string,
    code: ErrorCode,
    sent?: Sent,
  ): Page {
    note(incoming, code, signedIn);
    const why = code === 'could-not-check' ? 'store' : signInRefusalOf(code);
    return refusedPage(why ?? 'role', provider, { ...signedIn, ...(sent && { sent }) });
  }

  /** Lets somebody in who may look up, or for whom there is a desk, or says why not on a page. */
  async function letIn(
    incoming: IncomingMessage,
    signedIn: SignedIn,
    provider: string,
    sent: Sent | undefined,
    ended: readonly string[] = [],
    issuedAt?: number,
    id?: string,
  ): Promise<LetIn | Page> {
    const access = decideAccess(signedIn, {}, organisations(), registeredOnly());
    const home = homeOf(signedIn.scopes, viewer(signedIn), access);
    if (blocked(callerOf(signedIn).userKey)) {
      return notLetIn(incoming, signedIn, provider, 'user-blocked', sent);
    }
    // Their session would be over at once.
    if (revoked(signedIn)) return notLetIn(incoming, signedIn, provider, 'token-revoked', sent);
    if (access.kind === 'refused' && home === undefined) {
      return notLetIn(incoming, signedIn, provider, access.code, sent);
    }
    // The provider has ended the very session that it lets in: it would be over at once, and the browser
    // would go in circles.
    if (sessions.isOver(signedIn, issuedAt, id)) return refusedPage('not-finished', provider);
    const session = sessions.begin(signedIn, issuedAt, id);
    if (session === undefined) return notLetIn(incoming, signedIn, provider, 'could-not-check');
    const former = sessions.read(incoming);
    // Its answer may still be on its way, and would restore its cookie.
    if ('session' in former) await sessions.end(former.session).catch(() => undefined);
    // A new visit, so that no other page of this browser can answer for this one.
    const cookies = [session.cookie, visits.cookie({ id: randomUUID() }), ...ended];
    return { session: session.id, to: home ?? '/', cookies };
  }

  function chooseRole(of: readonly SignedIn[], ended: string, issuedAt: number): Page {
    const visit = { id: randomUUID() };
    const choice = { visit: visit.id, id: randomUUID(), at: now(), issuedAt };
    return {
      title: SIGN_IN.chooseRole,
      cookies: [visits.cookie(visit), ended],
      content: html`<form method="post" action="/role">
<input type="hidden" name="token" value="${forms.token({ form: 'role', owner: visit.id })}">
${radios('role', {
  large: true,
  required: true,
  legend: SIGN_IN.chooseRole,
  hint: SIGN_IN.chooseRoleHint,
  options: of.map((signedIn) => ({
    value: sealer.seal('role', { ...choice, signedIn }),
    text: html`<bdi>${signedIn.role.name}</bdi>, <bdi>${signedIn.role.organisation.name}</bdi>`,
  })),
})}
${button(SIGN_IN.continue)}
</form>`,
    };
  }

  const show: Handler = ({ env }) => signInPage(env.incoming);

  /** A made-up person was chosen. */
  const choosePerson: Handler = async ({ env }) => {
    const { incoming } = env;
    if (!isDemo()) return noSuchPage();
    const form = await readForm(env);
    const visit = visits.read(incoming);
    if (typeof form === 'string') return notTaken(form);
    if (!forms.isSentFromHere(incoming)) return notTaken();
    const person = offeredNow().find((each) => each === form.get('person'));
    const claims = person && personOf(person);
    if (!forms.isOurs(incoming, form, { form: 'demo', owner: visit.id })) {
      const state = sessions.read(incoming);
      const isThem =
        'session' in state &&
        state.session.issuer === DEMO_ISSUER &&
        state.session.user === claims?.sub;
      // A double click, or another tab: it may have opened the page as well, or signed in.
      return isThem ? redirect(wayIn(state.session)) : signInPage(incoming, SIGN_IN.stale);
    }
    if (claims === undefined) return signInPage(incoming, SIGN_IN.pick);
    const from = { provider: DEMO_PROVIDER, settings: DEMO_PROVIDER, subject: claims.sub };
    const [signedIn] = inEachRole({ ...claims, iss: DEMO_ISSUER }, from);
    if (signedIn === undefined) return noSuchPage();
    const sent = `${form.get('token')} ${person}`;
    return shown(await judgeOnce(sent, () => letIn(incoming, signedIn, DEMO_NAME, undefined)));
  };

  /** Sends the browser to a provider. */
  const begin: Handler = async (c) => {
    const provider = providerOf(c);
    if (provider === undefined) return noSuchPage();
    const { incoming } = c.env;
    const started = await provider.start(c.req.query('role') === 'change');
    if (started === undefined) return refused('unavailable', provider.name);
    return redirect(started.url.href, visits.begin(incoming, started.flow));
  };

  /** For a provider that fetches the keys with which this service proves who it is. */
  const keys: Handler = (c) => {
    const publicKeys = providerOf(c)?.publicKeys;
    if (publicKeys === undefined) return noSuchPage();
    return new Response(JSON.stringify({ keys: publicKeys }), {
      headers: {
        'cache-control': 'public, max-age=300',
        'content-type': 'application/jwk-set+json',
        'x-content-type-options': 'nosniff',
      },
    });
  };

  /** Leads into a session that begins after the browser's present one, which may be somebody else's. */
  function sessionAfter(incoming: IncomingMessage): string {
    const present = sessions.read(incoming);
    return 'session' in present ? `/?after=${present.session.issuedAt}` : '/';
  }

  /** The result of an answer from a provider, which counts once. */
  async function broughtBack(
    incoming: IncomingMessage,
    provider: Provider,
    search: string,
    { flow, ended }: NonNullable<ReturnType<Visits['find']>>,
  ): Promise<LetIn | Page> {
    const { tries } = provider;
    if (!tries.take()) {
      sampled.log(
        `tries ${provider.id}`,
        'warn',
        'Too many sign-ins with one provider failed, so others with it have to wait.',
        {},
      );
      return refusedPage('busy', provider.name);
    }
    // Before the provider is asked who this is: anything it ends from now on ends the session that follows.
    const issuedAt = endings.now();
    // A browser may keep its cookie and bring another code.
    const taken = await endings
      .choose(`flow ${flow.state}`, search, HELD_FOR_MS)
      .catch(() => undefined);
    const returned = taken === 'first' ? await provider.finish(search, flow) : undefined;
    if (returned?.kind !== 'refused') tries.giveBack();
    if (returned === undefined) {
      // It was sent to another process a moment ago, and that one judges it.
      if (taken === 'again') return arrivedTwicePage(sessionAfter(incoming));
      return refusedPage(taken === 'refused' ? 'not-finished' : 'store', provider.name);
    }
    const left = await leftFor(incoming, provider.id, returned);
    const answer = await answerTo(incoming, provider, returned, { ended, issuedAt });
    // Somebody who is let in has a new session instead.
    if ('session' in answer) return answer;
    const signsOut = left.length > 0;
    return { ...answer, signsOut, cookies: [...(answer.cookies ?? []), ...left] };
  }

  /** The browser is back from a provider. */
  const finish: Handler = async (c) => {
    const provider = providerOf(c);
    if (provider === undefined) return noSuchPage();
    const { incoming } = c.env;
    // A request that only looks ahead changes nothing: the sign-in stays under way for the browser itself.
    if (incoming.method === 'HEAD') {
      return new Response(null, { status: 405, headers: { ...PAGE_HEADERS, allow: 'GET' } });
    }
    const { search, searchParams } = new URL(c.req.url);
    // If a parameter is repeated, it is unclear which counts: the provider is not asked, and the sign-in
    // stays under way.
    if (new Set(searchParams.keys()).size < searchParams.size) {
      return refused('not-finished', provider.name);
    }
    const state = searchParams.get('state') ?? '';
    const underWay = visits.find(incoming, provider.id, state);
    if (underWay === undefined) return refused('not-finished', provider.name);
    return shown(
      await judgeReturn(`${provider.id} ${search}`, () =>
        broughtBack(incoming, provider, search, underWay),
      ),
    );
  };

  /**
   * The person named by the provider now uses this browser: anybody else's session ends, whether or not this
   * person is let in, so that they look nobody up in another's name.
   *
   * @returns cookies that go with the answer
   */
  async function leftFor(
    incoming: IncomingMessage,
    provider: string,
    returned: Returned,
  ): Promise<string[]> {
    const named =
      returned.kind === 'known' ? returned.subject : 'user' in returned ? returned.user : undefined;
    const former = sessions.read(incoming);
    if (named === undefined || !('session' in former)) return [];
    const { session } = former;
    if (session.provider === provider && session.subject === named) return [];
    await sessions.end(session).catch(() => undefined);
    return [cookies.set('session', undefined)];
  }

  /** What follows for somebody whom the provider named: in, a choice of role, or why they are not let in. */
  function answerTo(
    incoming: IncomingMessage,
    provider: Provider,
    returned: Returned,
    { ended, issuedAt }: { ended: string; issuedAt: number | undefined },
  ): Promise<LetIn | Page> | Page {
    const from = { provider: provider.id, settings: provider.settings };
    if (returned.kind === 'refused') {
      const { cause } = returned;
      if (!('user' in returned)) return refusedPage(cause, provider.name);
      const { claims, user } = returned;
      const [known] = claims === undefined ? [] : inEachRole(claims, { ...from, subject: user });
      note(incoming, cause === 'assurance' ? 'assurance-required' : 'token-claims', known, false);
      return refusedPage(cause, provider.name, returned);
    }
    const { claims, subject, sid, sent } = returned;
    const held = inEachRole(claims, { ...from, subject, ...(sid !== undefined && { sid }) });
    const [first] = held;
    if (first === undefined) {
      note(incoming, 'token-claims', undefined);
      return refusedPage('role', provider.name);
    }
    // A desk may be for the roles at one organisation only.
    const each = provider.for === 'staff' ? held : held.filter(hasDesk);
    const [only, another] = each;
    if (only === undefined) {
      note(incoming, 'activity-required', first, held.length === 1);
      return refusedPage('nothing-here', provider.name, first);
    }
    if (issuedAt === undefined) {
      note(incoming, 'could-not-check', only, another === undefined);
      return refusedPage('store', provider.name);
    }
    return another === undefined
      ? letIn(incoming, only, provider.name, sent, [ended], issuedAt)
      : chooseRole(each, ended, issuedAt);
  }

  /**
   * Lets somebody in by the first choice that comes from one sign-in. If the same choice comes again, for instance to
   * another process after a double click, it leads into the session that it made: the form has all that makes a
   * session.
   */
  async function takeOnce(
    incoming: IncomingMessage,
    { id, signedIn, issuedAt }: Choice,
    provider: string,
  ): Promise<LetIn | Page> {
    const taken = await endings
      .choose(`role ${id}`, signedIn.role.id, HELD_FOR_MS)
      .catch(() => undefined);
    if (taken === undefined) return notLetIn(incoming, signedIn, provider, 'could-not-check');
    if (taken === 'refused' || sessions.isUsed(id)) {
      note(incoming, 'form-untrusted', signedIn);
      return refusedPage('not-finished', provider);
    }
    return letIn(incoming, signedIn, provider, undefined, [], issuedAt, id);
  }

  /** One of several roles was chosen. */
  const takeRole: Handler = async ({ env }) => {
    const { incoming } = env;
    const form = await readForm(env, { maxBytes: ROLES_AT_MOST_BYTES });
    const visit = visits.read(incoming);
    if (typeof form === 'string') return notTaken(form);
    if (!forms.isSentFromHere(incoming)) return notTaken();
    const role = form.get('role') ?? '';
    const choice = choiceSchema.safeParse(sealer.open('role', role)).data;
    const state = sessions.read(incoming);
    if ('session' in state && isOfChoice(state.session, choice)) {
      return redirect(wayIn(state.session));
    }
    if (!forms.isOurs(incoming, form, { form: 'role', owner: visit.id })) {
      return refused('not-finished', '');
    }
    const provider = providers().find(({ id }) => id === choice?.signedIn.provider);
    if (choice?.visit !== visit.id || provider?.settings !== choice.signedIn.settings) {
      return refused('not-finished', '');
    }
    const ageMs = now() - choice.at;
    if (ageMs > CHOICE_LASTS_MS || ageMs < -CLOCKS_APART_MS) {
      note(incoming, 'token-expired', choice.signedIn);
      return refused('not-finished', provider.name);
    }
    return shown(await judgeOnce(role, () => takeOnce(incoming, choice, provider.name)));
  };

  const { signOut, loggedOut } = createSignOut({ ...dependencies, providerOf, note, notTaken });
  return { show, choosePerson, begin, keys, finish, takeRole, signOut, loggedOut };
}

/** Room for fifty roles with the longest possible names. */
const ROLES_AT_MOST_BYTES = 32 * 1024;
