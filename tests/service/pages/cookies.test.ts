import { expect, test } from 'vitest';
import { createCookies } from '#service/pages/session/cookies.ts';

test('on https, a cookie cannot be set by another host or read by a script, and is not sent with a form from another site', () => {
  const cookies = createCookies(() => true);
  expect(cookies.set('session', 'x')).toBe(
    '__Host-cp-flags-session=x; Path=/; HttpOnly; SameSite=Lax; Secure',
  );
  const read = (cookie: string) => cookies.read({ headers: { cookie } }, 'session');
  expect(read('a=b; __Host-cp-flags-session=x')).toBe('x');
  // If there are two, one may have been planted, so neither is trusted.
  expect(read('__Host-cp-flags-session=x; __Host-cp-flags-session=y')).toBeUndefined();
  expect(read('cp-flags-session=x')).toBeUndefined();
  // A browser lets any host set a cookie whose name only looks like ours.
  for (const blank of ['\u00a0', '\u000b', '\u000c', '\ufeff', '\u2003']) {
    expect(read(`${blank}__Host-cp-flags-session=x`)).toBeUndefined();
    expect(read(`${blank}__Host-cp-flags-session=x; __Host-cp-flags-session=y`)).toBe('y');
  }
  expect(read('a=b;\t __Host-cp-flags-session=x \t')).toBe('x');
});
