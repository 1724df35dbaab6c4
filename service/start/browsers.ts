import { dirname, resolve } from 'node:path';
import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import { DEMO_PROVIDER, signInFileSchema } from '#schemas/people/sign-in.ts';
import type { OwnCheck } from '#schemas/status.ts';
import { OPERATOR } from '#schemas/wording/operator.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import { createSessionEndings } from '#store/session-endings.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import type { AdmissionContext } from '../admission/admission-context.ts';
import { type Identities, organisationsOf } from '../admission/identities.ts';
import { viewerOf } from '../audit/search/viewer.ts';
import { sessionKeysFile } from '../files/data-folder.ts';
import { readSettingFile } from '../files/setting-file.ts';
import { readAssets } from '../pages/html/assets.ts';
import { createFrame, type Frame } from '../pages/html/frame.ts';
import { backPath } from '../pages/pages.ts';
import { createCookies } from '../pages/session/cookies.ts';
import { createForms } from '../pages/session/forms.ts';
import { openSealer } from '../pages/session/seal.ts';
import { createSessions, LONGEST_MS, type SignedIn } from '../pages/session/sessions.ts';
import { createVisits } from '../pages/session/visits.ts';
import { openProvider, type Provider } from '../pages/sign-in/openid.ts';
import { statesTogether } from '../pages/sign-in/provider-health.ts';
import type { Log } from '../telemetry/log.ts';
import type { StartContext } from './context.ts';
import type { StoreConnection } from './redis.ts';

/**
 * Reads SIGN_IN_FILE, whose files are named relative to its own folder.
 *
 * @throws {ConfigurationError} one sentence that names the setting, the file and what is wrong
 */
export async function readProviders(
  { SIGN_IN_FILE, PUBLIC_URL }: Configuration,
  nameOf: (organisation: string) => string | undefined,
  log: Log,
): Promise<Provider[]> {
  if (SIGN_IN_FILE === undefined) return [];
  const settings = await readSettingFile('SIGN_IN_FILE', SIGN_IN_FILE, signInFileSchema);
  const onHealth = (ok: boolean, sentence: string): void => log[ok ? 'info' : 'error'](sentence);
  const beside = (path: string): string => resolve(dirname(SIGN_IN_FILE), path);
  return Promise.all(
    settings.map(({ clientSecretFile, clientKeyFile, ...provider }) =>
      openProvider(
        {
          ...provider,
          ...(clientSecretFile !== undefined && { clientSecretFile: beside(clientSecretFile) }),
          ...(clientKeyFile !== undefined && { clientKeyFile: beside(clientKeyFile) }),
        },
        { redirectUri: `${PUBLIC_URL}${backPath(provider.id)}`, nameOf, onHealth },
      ),
    ),
  );
}

/** Live data is never sent unprotected, and nobody is trusted who could be anybody. */
function refuseUnprotected(providers: readonly Provider[], publicUrl: string | undefined): void {
  if (providers.length === 0) return;
  if (publicUrl?.startsWith('https:') !== true) {
    throw new ConfigurationError(
      'PUBLIC_URL: must begin with https, because the dataset is live and SIGN_IN_FILE is set.',
    );
  }
  const unprotected = providers.find(({ demoOnly }) => demoOnly);
  if (unprotected !== undefined) {
    throw new ConfigurationError(
      `SIGN_IN_FILE: the issuer of ${unprotected.id} must begin with https, because the dataset is live.`,
    );
  }
}

type BrowsersStart = {
  kind: Dataset['kind'] | undefined;
  readiness: Readiness;
  connection: StoreConnection;
  /** Its writes wait for no replica. */
  unacknowledged: StoreConnection;
  admissionContext: AdmissionContext;
  identities: Identities;
  providers: readonly Provider[];
  /** The operating organisation's code; `undefined` if none is configured. */
  operator: () => string | undefined;
};

/**
 * What all pages for browsers have in common: who is signed in, and how a page looks.
 *
 * @returns `undefined` for live data if nobody can sign in: no key is made, no file written, and Redis is not
 * asked
 */
export async function startBrowsers({ configuration, log, add }: StartContext, of: BrowsersStart) {
  const { kind, readiness, connection, unacknowledged, admissionContext, identities, providers } =
    of;
  const { operator } = of;
  const { PUBLIC_URL, TLS_CERT_FILE, HOST, REREAD_SECONDS, SESSION_KEYS_FILE } = configuration;
  if (kind === 'live') refuseUnprotected(providers, PUBLIC_URL);
  if (kind === 'live' && providers.length === 0) return undefined;
  if (kind === 'live' && operator() === undefined) {
    if (providers.some((provider) => provider.for === 'officers')) log.warn(OPERATOR.noOperator);
  }
  const isDemo = (): boolean => admissionContext.isDemo() === true;
  const onProblem = (sentence: string): void => log.error(sentence);
  const scheme = TLS_CERT_FILE === undefined ? 'http' : 'https';

  const sealer = await openSealer(sessionKeysFile(configuration), SESSION_KEYS_FILE === undefined, {
    everyMs: REREAD_SECONDS * 1_000,
    onProblem,
  });
  add(sealer.stop);
  const endings = createSessionEndings(connection, { keepMs: LONGEST_MS, marks: unacknowledged });
  add(endings.stop);
  for (const { stop } of providers) add(stop);

  const believed = (): readonly Provider[] =>
    providers.filter(({ demoOnly }) => !demoOnly || isDemo());
  const cookies = createCookies(() => (PUBLIC_URL ?? scheme).startsWith('https'));
  const blocked = (userKey: string): boolean => readiness.blocked.has(userKey);
  const revoked = ({ issuer, user, client }: Pick<SignedIn, 'issuer' | 'user' | 'client'>) =>
    identities.revocations?.has({ issuer, user, client, jti: undefined }) === true;
  const assets = readAssets();
  const frame: Frame = createFrame(assets, isDemo, PUBLIC_URL?.startsWith('https:'));
  return {
    frame,
    assets,
    isOn: () => providers.length > 0 || isDemo(),
    isDemo,
    sealer,
    cookies,
    visits: createVisits(sealer, cookies),
    forms: createForms(sealer, ({ socket }) =>
      PUBLIC_URL === undefined
        ? [HOST, 'localhost'].map((host) => `${scheme}://${host}:${socket.localPort}`)
        : [new URL(PUBLIC_URL).origin],
    ),
    endings,
    sessions: createSessions({
      sealer,
      cookies,
      endings,
      isProvider: ({ provider: id, settings }) =>
        id === DEMO_PROVIDER
          ? isDemo()
          : believed().some((provider) => provider.id === id && provider.settings === settings),
      blocked,
      revoked,
    }),
    providers: believed,
    canChangeRole: (id: string) =>
      believed().some((provider) => provider.id === id && provider.canChangeRole),
    viewer: (of: Pick<SignedIn, 'role'>) => viewerOf(of, { readiness, operator }).kind,
    organisations: () => organisationsOf(identities, admissionContext.isDemo()),
    registeredOnly: () => !isDemo(),
    blocked,
    revoked,
    take: admissionContext.take,
    log,
    /** What they say in `/_status`. */
    checks: (): OwnCheck[] => [
      { name: 'pages:sessions', ...endings.state },
      ...(providers.length === 0
        ? []
        : [
            {
              name: 'pages:sign-in' as const,
              ...statesTogether(providers.map(({ state }) => state)),
            },
          ]),
    ],
  };
}
export type Browsers = NonNullable<Awaited<ReturnType<typeof startBrowsers>>>;
