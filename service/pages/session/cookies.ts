import type { IncomingMessage } from 'node:http';

/** Which cookies there are; on https each has the prefix by which no other host can set it. */
type CookieName = 'session' | 'visit';

/**
 * What may stand around a cookie, and no more: to a browser a name that begins with any other blank is another name,
 * without the prefix. Source: RFC 6265, section 5.2.
 */
const AROUND = /^[ \t]+|[ \t]+$/g;

export type Cookies = {
  /** The value of a cookie; `undefined` where it is not there, or stands more than once. */
  read: (incoming: Pick<IncomingMessage, 'headers'>, name: CookieName) => string | undefined;
  /** A Set-Cookie header that sets it until the browser closes, or takes it away. */
  set: (name: CookieName, value: string | undefined) => string;
};

/** @param secure asked at every use: whether the pages are reached by https */
export function createCookies(secure: () => boolean): Cookies {
  const nameOf = (name: CookieName): string => `${secure() ? '__Host-' : ''}cp-flags-${name}`;
  return {
    read({ headers }, name) {
      const wanted = `${nameOf(name)}=`;
      const found = (headers.cookie ?? '')
        .split(';')
        .map((pair) => pair.replace(AROUND, ''))
        .filter((pair) => pair.startsWith(wanted));
      return found.length === 1 ? found[0]?.slice(wanted.length) : undefined;
    },
    set(name, value) {
      const attributes = `Path=/; HttpOnly; SameSite=Lax${secure() ? '; Secure' : ''}`;
      return value === undefined
        ? `${nameOf(name)}=; ${attributes}; Max-Age=0`
        : `${nameOf(name)}=${value}; ${attributes}`;
    },
  };
}
