import { createSignedIn, type SignedInDependencies } from '#service/pages/look-up/signed-in.ts';
import type { Session } from '#service/pages/session/sessions.ts';
import { role } from './service.ts';

export const nurseSession = (at: number): Session => ({
  provider: 'cis2',
  settings: 'digest',
  subject: 'nurse-1',
  issuer: 'https://id.example',
  client: 'pages',
  id: 'session-1',
  user: 'nurse-1',
  name: 'Nora Nurse',
  role: role('1', ['B0107']),
  scopes: [],
  issuedAt: at,
  seenAt: at,
});

/** What pages tell somebody who is signed in, as far as that needs no service. */
export const signedInPages = (at: number, endsAt: () => number) =>
  createSignedIn({
    forms: { token: () => 'token' },
    sessions: { renew: () => 'cookie', endsAt },
    canChangeRole: () => false,
    now: () => at,
  } as unknown as SignedInDependencies);
