import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { type ClientMetadata, Provider } from 'oidc-provider';
import type { Certified } from './certificates.ts';
import { freePort } from './ports.ts';
import { untilAnswered } from './until.ts';
import type { Visit, Visitor } from './visitor.ts';

/** Somebody as NHS CIS2 Authentication would describe them, with given changes. */
export type Cis2Person = {
  name?: string;
  /** What they may do besides looking children up; CIS2 itself says nothing about it. */
  scope?: string;
  identityAssurance?: string;
  authenticationAssurance?: string;
  /** If missing, CIS2 was not told which role was chosen. */
  selectedRole?: string | undefined;
  roles?: readonly {
    id: string;
    organisation?: string;
    role?: string;
    activities?: readonly string[] | undefined;
  }[];
};

const SCOPES = 'openid profile email nationalrbacaccess associatedorgs selectedrole changedrole';
export const CLIENT_ID = '31337.apps.national';
const CLIENT_SECRET = 'made-up-secret';
const ACR_VALUES = 'AAL2_OR_AAL3_ANY';
const BY_SECRET: Partial<ClientMetadata> = {
  client_secret: CLIENT_SECRET,
  token_endpoint_auth_method: 'client_secret_post',
};

function claimsOf(sub: string, person: Cis2Person): Record<string, unknown> {
  const { name = 'Nora Nurse', roles = [{ id: '555000000099' }], selectedRole, scope } = person;
  const selected = 'selectedRole' in person ? selectedRole : roles[0]?.id;
  return {
    sub,
    uid: sub,
    nhsid_useruid: sub,
    name,
    ...(scope !== undefined && { scope }),
    id_assurance_level: person.identityAssurance ?? '3',
    authentication_assurance_level: person.authenticationAssurance ?? '3',
    ...(selected !== undefined && { selected_roleid: selected }),
    nhsid_nrbac_roles: roles.map(
      ({ id, organisation = 'ZZH01', role = 'Nurse Access Role', ...rest }) => ({
        person_orgid: '1',
        person_roleid: id,
        org_code: organisation,
        role_name: `"Clinical":"Clinical Provision":"${role}"`,
        role_code: 'S8000:G8000:R8001',
        ...('activities' in rest
          ? rest.activities !== undefined && { activity_codes: rest.activities }
          : { activity_codes: ['B0107'] }),
      }),
    ),
    nhsid_user_orgs: [{ org_name: 'SAMPLE HOSPITAL', org_code: 'ZZH01' }],
  };
}

const listening = (server: Pick<Server, 'listen' | 'address'>): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

/**
 * An OpenID provider like CIS2, where roles come only from userinfo. Everybody who signs in is at once the person set
 * with {@link Cis2.next}.
 */
export async function startCis2({ tls }: { tls?: Certified } = {}) {
  const people = new Map<string, Cis2Person>();
  let next = '555000000012';
  let refuses = false;
  let beforeClaims = (): Promise<void> => Promise.resolve();
  let handle: (...of: Parameters<ReturnType<Provider['callback']>>) => unknown = () => undefined;
  const asked: URL[] = [];
  let tokensAsked = 0;
  const answer: RequestListener = (request, response) => void handle(request, response);
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  const port = await listening(server);
  const issuer = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk: JWK = { ...(await exportJWK(privateKey)), kid: 'key-1', use: 'sig', alg: 'RS256' };

  function begin(redirectUris: string[], client: Partial<ClientMetadata>): void {
    const provider = new Provider(issuer, {
      clients: [
        {
          client_id: CLIENT_ID,
          redirect_uris: redirectUris,
          response_types: ['code'],
          grant_types: ['authorization_code'],
          ...client,
        },
      ],
      jwks: { keys: [jwk] },
      pkce: { required: () => true },
      claims: {
        openid: [
          'sub',
          'uid',
          'nhsid_useruid',
          'id_assurance_level',
          'authentication_assurance_level',
        ],
        profile: ['name', 'scope'],
        nationalrbacaccess: ['nhsid_nrbac_roles'],
        associatedorgs: ['nhsid_user_orgs'],
        selectedrole: ['selected_roleid'],
        changedrole: ['selected_roleid'],
      },
      scopes: SCOPES.split(' '),
      acrValues: [ACR_VALUES],
      features: { devInteractions: { enabled: false } },
      cookies: { keys: ['made-up'] },
      findAccount: (_, id) => {
        const person = people.get(id);
        return (
          person && {
            accountId: id,
            async claims(use) {
              if (use === 'userinfo') await beforeClaims();
              return claimsOf(id, person) as { sub: string };
            },
          }
        );
      },
      // The provider's own way of fetching cannot reach loopback.
      fetch(url, options) {
        const { dispatcher: _, ...plain } = { ...options };
        return fetch(url, plain);
      },
      interactions: { url: (_, { uid }) => `/interaction/${uid}` },
      async loadExistingGrant(context) {
        const { client, session } = context.oidc;
        const grant = new context.oidc.provider.Grant({
          clientId: client?.clientId,
          accountId: session?.accountId,
        });
        grant.addOIDCScope(SCOPES);
        await grant.save();
        return grant;
      },
    });
    // The provider reports an error because tests use loopback without TLS.
    provider.on('server_error', () => undefined);
    const callback = provider.callback();
    handle = (request, response) => {
      const url = new URL(request.url ?? '/', issuer);
      if (url.pathname === '/auth') asked.push(url);
      if (url.pathname === '/token') tokensAsked += 1;
      if (!url.pathname.startsWith('/interaction/')) return callback(request, response);
      const result = refuses
        ? { error: 'access_denied' }
        : { login: { accountId: next, acr: ACR_VALUES, amr: ['mfa'] } };
      return provider.interactionFinished(request, response, result);
    };
  }

  return {
    issuer,
    /** The requests with which browsers were sent there. */
    asked,
    /** How often a code was brought to it. */
    get tokensAsked(): number {
      return tokensAsked;
    },
    /** Called once the address of the service is known. */
    open(redirectUri: string, client: Partial<ClientMetadata> = BY_SECRET): void {
      begin([redirectUri], client);
    },
    /** Sets who signs in from now on. */
    next(sub: string, person: Cis2Person = {}): void {
      people.set(sub, person);
      next = sub;
      refuses = false;
      beforeClaims = () => Promise.resolve();
    },
    /** Sets what happens while the provider is asked who somebody is. */
    beforeClaims(what: () => Promise<void>): void {
      beforeClaims = what;
    },
    /** From now on nobody is let in there. */
    refuse(): void {
      refuses = true;
    },
    /** A token that ends sessions, with given changes. */
    logoutToken: (differing: Record<string, unknown> = {}, typ = 'logout+jwt'): Promise<string> =>
      new SignJWT({
        iss: issuer,
        aud: CLIENT_ID,
        iat: Math.floor(Date.now() / 1_000),
        jti: crypto.randomUUID(),
        events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
        ...differing,
      })
        .setProtectedHeader({ alg: 'RS256', kid: 'key-1', typ })
        .sign(privateKey),
    async stop(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}
export type Cis2 = Awaited<ReturnType<typeof startCis2>>;

/** Its entry in SIGN_IN_FILE, except for what the client proves its identity with. */
export const providerOf = ({ issuer }: Pick<Cis2, 'issuer'>) => ({
  id: 'cis2',
  name: 'NHS Care Identity',
  issuer,
  clientId: CLIENT_ID,
  acrValues: ACR_VALUES,
});

/** The same, with {@link CLIENT_SECRET} in a file beside it. */
export const providerBySecret = (cis2: Pick<Cis2, 'issuer'>) => ({
  ...providerOf(cis2),
  clientSecretFile: 'secret',
});

/**
 * Opens the provider for a service that is about to be started, and writes the service's files into a folder.
 *
 * @param providers the content of SIGN_IN_FILE, if it is more than this provider
 * @returns the address the service will have, and its settings
 */
export async function openFor(
  cis2: Cis2,
  folder: string,
  providers: readonly object[] = [providerBySecret(cis2)],
) {
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  cis2.open(`${baseUrl}/sign-in/cis2/back`);
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  };
  await write('secret', CLIENT_SECRET);
  const environment = {
    PORT: String(port),
    PUBLIC_URL: baseUrl,
    SIGN_IN_FILE: await write('sign-in.json', JSON.stringify(providers)),
    SESSION_KEYS_FILE: await write('session-keys', 'ab'.repeat(32)),
  };
  return { baseUrl, environment };
}

/** Follows the provider's redirects until the browser comes back. */
export async function throughCis2({ issuer }: Pick<Cis2, 'issuer'>, start: Visit): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = new URL(start.headers.get('location') ?? '');
  while (url.origin === issuer) {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      const [name = '', value = ''] = pair.split(/=(.*)/s);
      cookies.set(name, value);
    }
    url = new URL(response.headers.get('location') ?? '', url);
  }
  return url;
}

/**
 * Signs somebody in with the provider of the same name, from the beginning again while that cannot be done at the moment.
 *
 * @returns the page or redirect they get
 */
export const signInAtCis2 = (
  cis2: Pick<Cis2, 'issuer' | 'next'>,
  visitor: Pick<Visitor, 'ask' | 'get'>,
  sub: string,
  person: Cis2Person = {},
): Promise<Visit> =>
  untilAnswered(async () => {
    cis2.next(sub, person);
    const back = await throughCis2(cis2, await visitor.get('/sign-in/cis2'));
    return visitor.ask(`${back.pathname}${back.search}`);
  });
