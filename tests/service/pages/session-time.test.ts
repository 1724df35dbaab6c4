import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCookies } from '#service/pages/session/cookies.ts';
import { openSealer, type Sealer } from '#service/pages/session/seal.ts';
import { createSessions } from '#service/pages/session/sessions.ts';
import { testFolder } from '../../support/service.ts';
import { sessionEndings } from '../../support/session-endings.ts';

const MINUTE = 60_000;

let sealer: Sealer;
beforeAll(async () => {
  const options = { everyMs: MINUTE, onProblem: () => undefined };
  sealer = await openSealer(`${await testFolder()}/session-keys`, true, options);
});
afterAll(() => sealer?.stop());

/** Signs somebody in, and reads the session by a clock that the test sets. */
function signIn(is: { lost?: boolean; revoked?: boolean } = {}) {
  const clock = { at: Date.now() };
  const sessions = createSessions({
    sealer,
    cookies: createCookies(() => false),
    endings: sessionEndings({ now: () => clock.at, isLost: () => is.lost === true }),
    isProvider: () => true,
    blocked: () => false,
    revoked: () => is.revoked === true,
    now: () => clock.at,
  });
  const organisation = { code: 'ZZH01', name: 'Example Hospital' };
  const begun = sessions.begin({
    provider: 'test',
    settings: 'digest',
    issuer: 'https://issuer.example',
    client: 'client',
    subject: 'user-1',
    user: 'user-1',
    name: 'A Nurse',
    role: { id: '1', code: 'R8001', name: 'Nurse', organisation, activities: [] },
    scopes: [],
  });
  let cookie = begun?.cookie.split(';')[0] ?? '';
  const read = () => sessions.read({ headers: { cookie } });
  return {
    clock,
    kind: () => read().kind,
    use() {
      const state = read();
      if (state.kind === 'open') cookie = sessions.renew(state.session).split(';')[0] ?? '';
    },
  };
}

describe('a session', () => {
  test('is over ten minutes after it was last used', () => {
    const { clock, kind, use } = signIn();
    clock.at += 9 * MINUTE;
    use();
    clock.at += 10 * MINUTE - 1;
    expect(kind()).toBe('open');
    clock.at += 1;
    expect(kind()).toBe('over');
  });

  test('is over twelve hours after the sign-in, however often it is used', () => {
    const { clock, kind, use } = signIn();
    for (let minutes = 0; minutes < 12 * 60 - 5; minutes += 5) {
      clock.at += 5 * MINUTE;
      use();
    }
    expect(kind()).toBe('open');
    clock.at += 5 * MINUTE;
    expect(kind()).toBe('over');
  });

  test('is over if the clock that was ahead when it was used has been corrected', () => {
    const { clock, kind } = signIn();
    clock.at -= 60 * MINUTE;
    expect(kind()).toBe('over');
  });

  test('is over at once if its user is revoked', () => {
    const is = { revoked: false };
    const { kind } = signIn(is);
    expect(kind()).toBe('open');
    is.revoked = true;
    expect(kind()).toBe('over');
  });

  test('is over if it began before the store lost which sessions had ended', () => {
    const is = { lost: false };
    const { kind } = signIn(is);
    expect(kind()).toBe('open');
    is.lost = true;
    expect(kind()).toBe('over');
  });
});
