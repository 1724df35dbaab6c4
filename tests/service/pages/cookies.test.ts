import { expect, test } from 'vitest';
import { createCookies } from '#service/pages/session/cookies.ts';

test('on https a cookie can be set by no other host and read by no script, and goes with nobody else’s form', () => {
  const cookies = createCookies(() => true);
  expect(cookies.set('session', 'x')).toBe(
    '__Host-cp-flags-session=x; Path=/; HttpOnly; SameSite=Lax; Secure',
  );
  const read = (cookie: string) => cookies.read({ headers: { cookie } }, 'session');
  expect(read('a=b; __Host-cp-flags-session=x')).toBe('x');
  // Of two one may have been planted: neither is believed.
  expect(read('__Host-cp-flags-session=x; __Host-cp-flags-session=y')).toBeUndefined();
  expect(read('cp-flags-session=x')).toBeUndefined();
});
