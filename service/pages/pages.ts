import { ERRORS } from '#schemas/errors.ts';
import { DESKS } from '#schemas/wording/desk.ts';
import { ACCESSIBILITY, FRAME, NOT_CHECKED } from '#schemas/wording/pages.ts';
import { decideAccess } from '../admission/decide.ts';
import { wantsPage } from '../http/accept.ts';
import { problemResponse } from '../http/problem.ts';
import { readRequestIds } from '../http/request-ids.ts';
import type { Handler, MountedRoute, NotFound, NotRouted } from '../http/route.ts';
import { allowedMethods } from '../routes/route.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import { createRouteNames } from '../telemetry/requests.ts';
import { createCouncilsPage } from './councils/councils.ts';
import type { CouncilNumbers } from './councils/numbers.ts';
import { desksOf, homeOf } from './desk/desks.ts';
import { ASSETS_PATH, type Assets } from './html/assets.ts';
import { type OpenFrame, PAGE_HEADERS, redirect } from './html/frame.ts';
import { html } from './html/html.ts';
import { heading, link, notFoundPage, paragraph, tried } from './html/parts.ts';
import { createPersonOf } from './html/person.ts';
import { createLookUpPages, type LookUpPagesDependencies } from './look-up/look-up.ts';
import { couldNotCheckPage } from './look-up/not-checked.ts';
import { createSignIn, type SignInDependencies } from './sign-in/sign-in.ts';

type PagesDependencies = SignInDependencies &
  LookUpPagesDependencies & {
    assets: Assets;
    councils: CouncilNumbers;
    /** Whether there are pages: if people can sign in, and in a demo. */
    isOn: () => boolean;
    log: Log;
  };

type PageRoute = {
  operation: MountedRoute['operation'];
  answeredBy: keyof ReturnType<typeof createHandlers>['handlers'];
};

const page = (
  method: MountedRoute['operation']['method'],
  path: string,
  answeredBy: PageRoute['answeredBy'],
): PageRoute => ({ operation: { method, path, letsIn: 'anybody' }, answeredBy });

/** Every page for browsers. They are not part of the API or its description. */
export const PAGES: readonly PageRoute[] = [
  page('GET', '/', 'home'),
  page('GET', '/sign-in', 'signIn'),
  page('POST', '/sign-in', 'choosePerson'),
  page('POST', '/role', 'takeRole'),
  page('GET', '/sign-in/:provider', 'beginSignIn'),
  page('GET', '/sign-in/:provider/back', 'finishSignIn'),
  page('GET', '/sign-in/:provider/keys', 'clientKeys'),
  {
    operation: { method: 'POST', path: '/sign-in/:provider/logged-out', letsIn: 'provider' },
    answeredBy: 'loggedOut',
  },
  page('POST', '/sign-out', 'signOut'),
  page('GET', '/look-up', 'lookUpForm'),
  page('POST', '/look-up', 'lookUp'),
  page('GET', '/look-up/hidden', 'hidden'),
  page('POST', '/look-up/attendance', 'attendance'),
  page('GET', '/list', 'listForm'),
  page('POST', '/list', 'list'),
  page('GET', '/list/hidden', 'listHidden'),
  page('GET', '/councils', 'councils'),
  page('GET', '/accessibility', 'accessibility'),
  page('GET', `${ASSETS_PATH}/:name`, 'asset'),
];

/** Where a provider sends browsers back to. */
export const backPath = (provider: string): string => `/sign-in/${provider}/back`;

function createHandlers(dependencies: PagesDependencies) {
  const { frame, assets, councils, sessions, viewer, organisations, registeredOnly } = dependencies;
  const signIn = createSignIn(dependencies);
  const lookUp = createLookUpPages(dependencies);

  /**
   * Takes a browser to the pages; a program gets a problem, as at any address that is not part of the API. With
   * `after`, a browser is taken into no session that began by then.
   */
  const home: Handler = (c) => {
    const { incoming } = c.env;
    if (!wantsPage(incoming)) return problemResponse('not-found', readRequestIds(incoming));
    const state = sessions.read(incoming);
    if (!('session' in state)) return redirect('/look-up');
    const { session } = state;
    if (session.issuedAt <= Number(c.req.query('after') ?? 0)) return redirect('/sign-in');
    const access = decideAccess(session, {}, organisations(), registeredOnly());
    return redirect(homeOf(session.scopes, viewer(session), access) ?? '/look-up');
  };

  const personOf = createPersonOf(dependencies);
  const openFrame: OpenFrame = (incoming, page) => {
    const state = sessions.read(incoming);
    if (state.kind !== 'open') return frame(page);
    const { session } = state;
    const access = decideAccess(session, {}, organisations(), registeredOnly());
    const [desk] = desksOf(session.scopes, viewer(session));
    const own =
      access.kind === 'granted'
        ? { href: '/look-up', text: FRAME.lookUp }
        : { href: '/', text: desk === undefined ? FRAME.start : DESKS[desk.name].name };
    const here = { href: incoming.url?.split('?')[0] ?? '', text: page.title, current: true };
    return frame({
      ...page,
      person: personOf(session),
      navigation: [{ ...own, current: false }, here],
    });
  };

  const accessibility: Handler = (c) =>
    openFrame(c.env.incoming, {
      title: ACCESSIBILITY.title,
      printable: true,
      content: html`${heading(ACCESSIBILITY.title)}
${ACCESSIBILITY.paragraphs.map(paragraph)}
<h2 class="nhsuk-heading-m">${ACCESSIBILITY.limits}</h2>
<ul class="nhsuk-list nhsuk-list--bullet">${ACCESSIBILITY.limitsList.map((each) => html`<li>${each}</li>`)}</ul>
<h2 class="nhsuk-heading-m">${ACCESSIBILITY.report}</h2>
${paragraph(ACCESSIBILITY.reportThen)}`,
    });

  const asset: Handler = (c) => {
    const found = assets.find(c.req.param('name') ?? '');
    if (found === undefined) return problemResponse('not-found', readRequestIds(c.env.incoming));
    const { type, bytes, gzipped, isNamed } = found;
    const zipped = /\bgzip\b/.test(c.env.incoming.headers['accept-encoding'] ?? '');
    return new Response(new Uint8Array(zipped ? gzipped : bytes), {
      headers: {
        'cache-control': isNamed ? 'public, max-age=31536000, immutable' : 'no-store',
        'content-security-policy': PAGE_HEADERS['content-security-policy'],
        'content-type': type,
        'cross-origin-resource-policy': 'same-origin',
        vary: 'accept-encoding',
        'x-content-type-options': 'nosniff',
        ...(zipped && { 'content-encoding': 'gzip' }),
      },
    });
  };

  const handlers = {
    home,
    signIn: signIn.show,
    choosePerson: signIn.choosePerson,
    takeRole: signIn.takeRole,
    beginSignIn: signIn.begin,
    finishSignIn: signIn.finish,
    clientKeys: signIn.keys,
    loggedOut: signIn.loggedOut,
    signOut: signIn.signOut,
    lookUpForm: lookUp.show,
    lookUp: lookUp.submit,
    hidden: lookUp.showHidden,
    attendance: lookUp.submitAttendance,
    listForm: lookUp.showList,
    list: lookUp.submitList,
    listHidden: lookUp.showListHidden,
    councils: createCouncilsPage(openFrame, councils),
    accessibility,
    asset,
  };
  const fault = (): Response =>
    frame(couldNotCheckPage(html`${tried()}${paragraph(link('/', FRAME.start))}`));
  return { handlers, fault, stop: lookUp.stop };
}

/** The addresses of pages where there never are any. */
export const absentPages = (pages: readonly Pick<MountedRoute, 'operation'>[]): MountedRoute[] =>
  pages.map(({ operation }) => ({
    operation,
    handler: (c) => problemResponse('not-found', readRequestIds(c.env.incoming)),
  }));

/**
 * What a browser is shown at an unknown address; `undefined` for a program. One that opens the address of a
 * form, as from its history, is taken to the nearest page above it.
 */
export function createNotFound(
  { frame, isOn }: Pick<PagesDependencies, 'frame' | 'isOn'>,
  pages: readonly Pick<MountedRoute, 'operation'>[],
): NotFound {
  const own = pages.filter(({ operation }) => operation.letsIn !== 'provider');
  const methods = allowedMethods(own);
  const routeOf = createRouteNames([...methods.keys()]);
  const canRead = (path: string): boolean => methods.get(routeOf(path))?.includes('GET') ?? false;
  function pageAbove(path: string): string {
    const above = path.slice(0, path.lastIndexOf('/'));
    return above === '' || canRead(above) ? above || '/' : pageAbove(above);
  }
  return (c, isThere) => {
    if (!isOn() || !wantsPage(c.env.incoming)) return undefined;
    if (!isThere) return frame(notFoundPage());
    const { method, path } = c.req;
    return method === 'GET' && methods.has(routeOf(path)) ? redirect(pageAbove(path)) : undefined;
  };
}

/**
 * What a browser is shown at an address that is not plain, such as one that was mistyped, or if it sent what cannot be
 * read, such as too many cookies; `undefined` for a program.
 */
export const createNotRouted =
  ({ frame, isOn }: Pick<PagesDependencies, 'frame' | 'isOn'>): NotRouted =>
  (incoming, fault) => {
    if (!isOn() || !wantsPage(incoming)) return undefined;
    const page =
      fault === 'address-not-plain'
        ? notFoundPage()
        : couldNotCheckPage(paragraph(NOT_CHECKED.unreadable));
    return frame({ ...page, status: ERRORS[fault].status });
  };

/** The pages of a running service; if there are none, their addresses are unknown like any other. */
export function createPages(dependencies: PagesDependencies): {
  routes: MountedRoute[];
  stop: () => void;
} {
  const { handlers, fault, stop } = createHandlers(dependencies);
  const { isOn, log } = dependencies;
  const routes = PAGES.map(({ operation, answeredBy }): MountedRoute => {
    const handler = handlers[answeredBy];
    return {
      operation,
      async handler(c) {
        if (!isOn()) return problemResponse('not-found', readRequestIds(c.env.incoming));
        try {
          return await handler(c);
        } catch (error) {
          log.error('A page failed inside the service.', errorFields(error));
          return fault();
        }
      },
    };
  });
  return { routes, stop };
}
