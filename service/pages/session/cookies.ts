// By hand, since Hono's reader takes the first of two cookies with one name, and decodes what it reads: here
// a repeated cookie counts as absent, because one of the two may be somebody else's.

import type { IncomingMessage } from 'node:http';

/** The cookies; on https each has the prefix by which no other host can set it. */
type CookieName = 'session' | 'visit' | `flow-${string}`;

/**
 * What may surround a cookie, and no more: to a browser a name that begins with any other blank is a
 * different name, without the prefix. Source: RFC 6265, section 5.2.
 */
const AROUND = /^[ \t]+|[ \t]+$/g;

/** What we name cookies by. */
const NAME = /^[\w-]+$/;

export type Cookies = {
  /** The value of a cookie; `undefined` if it is absent or repeated. */
  read: (incoming: Pick<IncomingMessage, 'headers'>, name: CookieName) => string | undefined;
  /** The names of present cookies that begin with these letters. */
  named: <Prefix extends 'flow-'>(
    incoming: Pick<IncomingMessage, 'headers'>,
    prefix: Prefix,
  ) => `${Prefix}${string}`[];
  /** A Set-Cookie header that sets it until the browser closes, or removes it. */
  set: (name: CookieName, value: string | undefined) => string;
};

/** @param secure called at every use: whether the pages are reached by https */
export function createCookies(secure: () => boolean): Cookies {
  const before = (): string => `${secure() ? '__Host-' : ''}cp-flags-`;
  const nameOf = (name: CookieName): string => `${before()}${name}`;
  /** For each cookie with this beginning, what follows it. */
  const beginningWith = (
    { headers }: Pick<IncomingMessage, 'headers'>,
    beginning: string,
  ): string[] =>
    (headers.cookie ?? '')
      .split(';')
      .map((pair) => pair.replace(AROUND, ''))
      .filter((pair) => pair.startsWith(beginning))
      .map((pair) => pair.slice(beginning.length));
  return {
    read(incoming, name) {
      const found = beginningWith(incoming, `${nameOf(name)}=`);
      return found.length === 1 ? found[0] : undefined;
    },
    named: (incoming, prefix) =>
      beginningWith(incoming, `${before()}${prefix}`).flatMap((rest) => {
        const [name = ''] = rest.split('=', 1);
        return NAME.test(name) ? [`${prefix}${name}` as const] : [];
      }),
    set(name, value) {
      const attributes = `Path=/; HttpOnly; SameSite=Lax${secure() ? '; Secure' : ''}`;
      return value === undefined
        ? `${nameOf(name)}=; ${attributes}; Max-Age=0`
        : `${nameOf(name)}=${value}; ${attributes}`;
    },
  };
}
