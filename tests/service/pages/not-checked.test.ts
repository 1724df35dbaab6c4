import { expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import { NOT_A_NO } from '#schemas/wording/pages.ts';
import { createSignedIn, type SignedInDependencies } from '#service/pages/look-up/signed-in.ts';
import { refusedPage } from '#service/pages/sign-in/refused.ts';
import { role } from '../../support/service.ts';

/** Whatever comes in place of an answer, a nurse must not take it for one. */

const at = Date.now();
const session = {
  provider: 'cis2',
  subject: 'nurse-1',
  issuer: 'https://id.example',
  client: 'pages',
  user: 'nurse-1',
  name: 'Nora Nurse',
  role: role('1', ['B0107']),
  scopes: [],
  id: 'session-1',
  issuedAt: at,
  seenAt: at,
};

const { notChecked } = createSignedIn({
  forms: { token: () => 'token' },
  sessions: { renew: () => 'cookie' },
  canChangeRole: () => false,
} as unknown as SignedInDependencies);

test.for(Object.keys(ERRORS) as ErrorCode[])(
  'a look that is refused with %s is not taken for a “no”',
  (code) => {
    const content = String(notChecked(session, code, { typed: {} }).content);
    expect(content).toContain(NOT_A_NO);
    expect(content).toContain('href="/councils"');
    expect(content).not.toContain('<bdi></bdi>');
  },
);

test('somebody who is blocked reads while signing in, too, that somebody else must check, and not that it was the operator who stopped them', () => {
  const content = String(refusedPage('blocked', 'NHS Care Identity', session).content);
  expect(content).toContain(NOT_A_NO);
  expect(content).toContain('somebody else must check now');
  expect(content).not.toContain('organisation that runs');
});
