import { DESK } from '#schemas/wording/desk.ts';
import { until, untilAnswered } from './until.ts';

/** A browser without scripts: it has cookies and forms, and the test follows redirects itself. */
export type Visit = {
  status: number;
  headers: Headers;
  text: string;
  /** The text of the first heading. */
  heading: string;
  title: string;
};

const ENTITIES: Record<string, string> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};
const unescaped = (text: string): string =>
  text.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity);
const words = (markup: string): string =>
  unescaped(markup.replaceAll(/<[^>]*>/g, ''))
    .replaceAll(/\s+/g, ' ')
    .trim();

export type Visitor = ReturnType<typeof createVisitor>;

/** @param isOld whether it is a browser that says nothing about where its requests come from */
export function createVisitor(baseUrl: string, isOld = false) {
  const jar = new Map<string, string>();
  const site: Record<string, string> = isOld ? {} : { 'sec-fetch-site': 'same-origin' };

  function keepCookies(headers: Headers): void {
    for (const cookie of headers.getSetCookie()) {
      const [pair = '', ...attributes] = cookie.split('; ');
      const [name = '', value = ''] = pair.split(/=(.*)/s);
      if (attributes.includes('Max-Age=0')) jar.delete(name);
      else jar.set(name, value);
    }
  }

  async function ask(path: string, init: RequestInit = {}): Promise<Visit> {
    const response = await fetch(new URL(path, baseUrl), {
      redirect: 'manual',
      ...init,
      headers: {
        accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
        cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
        ...site,
        ...(init.headers as Record<string, string>),
      },
    });
    keepCookies(response.headers);
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      heading: words(/<h1[^>]*>([\s\S]*?)<\/h1>/.exec(text)?.[1] ?? ''),
      title: words(/<title>([\s\S]*?)<\/title>/.exec(text)?.[1] ?? ''),
    };
  }

  const postOnce = (
    path: string,
    fields: Record<string, string> | [string, string][],
    headers: Record<string, string> = {},
  ): Promise<Visit> =>
    ask(path, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: 'null',
        ...headers,
      },
      body: new URLSearchParams(fields).toString(),
    });

  /**
   * Sends a form. A desk that cannot see at the moment who somebody is does nothing and says so, and then the form is
   * sent again, as its page says. If it has been used by then although its sender was known, the act itself failed, and
   * that is the answer. `postOnce` gives the first answer, whatever it is.
   */
  const post = async (...form: Parameters<typeof postOnce>): Promise<Visit> => {
    let visit = await postOnce(...form);
    await until(async () => {
      if (visit.status !== 503 || visit.heading !== DESK.unavailable) return true;
      const again = await postOnce(...form);
      // Only a page for somebody known has this form: they were let in, and then the act failed.
      if (again.heading === DESK.usedUp && visit.text.includes('action="/sign-out"')) return true;
      visit = again;
      return false;
    }, form[0]);
    return visit;
  };

  /**
   * A page. If it cannot be made at the moment, it is opened again, as a person would do, unless it is the return from a
   * sign-in provider, whose code counts once. `ask` gives the first answer, whatever it is.
   */
  const get = (path: string): Promise<Visit> =>
    /^\/sign-in\/[^/]+\/back/.test(path) ? ask(path) : untilAnswered(() => ask(path), path);

  /** The hidden fields of a page's form. */
  const form = async (path: string, action = path): Promise<ReturnType<typeof hiddenOf>> =>
    hiddenOf(await get(path), action);

  /** Opens a page, and sends one of its forms with these values typed in. */
  const send = async (
    action: string,
    typed: Record<string, string> = {},
    from = action,
  ): Promise<Visit> => post(action, { ...(await form(from, action)), ...typed });

  /** Looks up a number, and tries again while it cannot be checked, as the page says. */
  const lookUp = (number: string, more: Record<string, string> = {}): Promise<Visit> =>
    untilAnswered(() => send('/look-up', { number, ...more }));

  return {
    jar,
    get,
    ask,
    post,
    postOnce,
    form,
    send,
    signIn: (person = 'emergencyDepartment') => untilAnswered(() => send('/sign-in', { person })),
    lookUp,
  };
}

/** A browser in which one of a demo's people is signed in. */
export async function signedIn(
  { baseUrl }: { baseUrl: string },
  person?: string,
): Promise<Visitor> {
  const visitor = createVisitor(baseUrl);
  await visitor.signIn(person);
  return visitor;
}

/**
 * The hidden fields of a page's form.
 *
 * @throws if the page has no such form: without its fields it would be refused for another reason
 */
export function hiddenOf(
  { status, title, text }: Visit,
  action: string,
): Record<string, string> & { form: string; token: string } {
  const form = [...text.matchAll(/<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)].find(
    ([, to]) => to === action,
  );
  if (form === undefined) throw new Error(`no form to ${action} on the page ${status} ${title}`);
  const fields = (form[2] ?? '').matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g);
  const found: Record<string, string> = {};
  for (const [, name = '', value = ''] of fields) found[name] = unescaped(value);
  return { form: '', token: '', ...found };
}

/** The captions of tables that repeat a heading on the page. */
export function doubledHeadings({ text }: Visit): string[] {
  const all = (tag: string): string[] =>
    [...text.matchAll(new RegExp(`<${tag}[^>]*>([^]*?)</${tag}`, 'g'))].map(([, inside = '']) =>
      words(inside),
    );
  const headings = new Set([...all('h1'), ...all('h2')]);
  return all('caption').filter((caption) => headings.has(caption));
}

/** Where a page leads, without the mark of an act that was done. */
export const locationOf = ({ headers }: Pick<Visit, 'headers'>): string =>
  (headers.get('location') ?? '').replace(/&mark=[\w-]{43}$/, '');

/**
 * A page or file without tokens, ids of forms, signatures and digests. They are random or sealed, so they say nothing
 * that could be read, and a short word or number stands in them by chance.
 */
export const withoutTokens = (text: string): string =>
  text
    .replaceAll(
      /((?:name="(?:token|form|of|kept|cursor|next)" value|data-session)=")[\w.-]{16,}"/g,
      '$1"',
    )
    .replaceAll(/[A-Za-z0-9+/]{40,}=*/g, '');

/** The words of a page, without its markup. */
export const wordsOf = ({ text }: Pick<Visit, 'text'>): string =>
  words(text.replace(/<head>[\s\S]*<\/head>/, ''));
