import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Scope } from '#schemas/people/identity.ts';
import { DEMO_PROVIDER } from '#schemas/people/sign-in.ts';
import { DEMO_ISSUER } from '#service/admission/demo-issuer.ts';
import { createCookies } from '#service/pages/session/cookies.ts';
import { openSealer } from '#service/pages/session/seal.ts';
import type { Session } from '#service/pages/session/sessions.ts';
import { role } from './service.ts';
import { createVisitor, type Visitor } from './visitor.ts';

/** Somebody who is not among the people of a demo. */
type Somebody = { user?: string; organisation: string; scopes: readonly Scope[] };

/** A browser in which somebody is signed in to a demo, with whatever rights a test needs. */
export async function visitorAs(
  { baseUrl, dataDir }: { baseUrl: string; dataDir: string },
  { user = `user-${randomUUID().slice(0, 8)}`, organisation, scopes }: Somebody,
): Promise<Visitor> {
  const sealer = await openSealer(join(dataDir, 'session-keys'), false, {
    everyMs: 60_000,
    onProblem: () => undefined,
  });
  const session: Session = {
    id: randomUUID(),
    provider: DEMO_PROVIDER,
    settings: DEMO_PROVIDER,
    issuer: DEMO_ISSUER,
    client: 'cp-flags-demo',
    subject: user,
    user,
    name: `Person ${user}`,
    role: role(`${user}-1`, [], organisation),
    scopes: [...scopes],
    issuedAt: Date.now(),
    seenAt: Date.now(),
  };
  const cookie = createCookies(() => false).set('session', sealer.seal('session', session));
  sealer.stop();
  const visitor = createVisitor(baseUrl);
  const [pair = ''] = cookie.split('; ');
  const [name = '', value = ''] = pair.split(/=(.*)/s);
  visitor.jar.set(name, value);
  return visitor;
}

/** An officer of a council, a colleague of theirs and somebody from another council, each in their own browser. */
export async function councilPeople(service: {
  baseUrl: string;
  dataDir: string;
}): Promise<{ officer: Visitor; colleague: Visitor; other: Visitor }> {
  const as = (user: string, organisation: string): Promise<Visitor> =>
    visitorAs(service, { user, organisation, scopes: ['upload'] });
  const [officer, colleague, other] = await Promise.all([
    as('officer', 'ZZ101'),
    as('colleague', 'ZZ101'),
    as('other', 'ZZ102'),
  ]);
  return { officer, colleague, other };
}
