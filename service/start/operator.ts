import { readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Configuration } from '#schemas/configuration.ts';
import { signInFileSchema } from '#schemas/people/sign-in.ts';
import type { OwnCheck } from '#schemas/status.ts';
import { RUNNING } from '#schemas/wording/operator.ts';
import { information } from '#store/connection/reply.ts';
import { createFigures } from '#store/figures.ts';
import { isReplaced } from '#store/locks/worker-lease.ts';
import type { AccessLists } from '#store/trust/access-lists.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { namedReplicas } from '#store/trust/replica-orders.ts';
import type { StoreVerifier } from '#store/trust/verifier.ts';
import type { Identities } from '../admission/identities.ts';
import { placeSettings } from '../audit/copy/open-place.ts';
import { findDamage } from '../confirm/damage.ts';
import { createDecisions } from '../confirm/decisions.ts';
import { auditFolder, auditKeyFile, meshFolder, sessionKeysFile } from '../files/data-folder.ts';
import { readSettingFile } from '../files/setting-file.ts';
import { certificatesIn } from '../http/tls.ts';
import type { CoverageLimits } from '../lookup/coverage.ts';
import type { Expiry } from '../pages/operator/expiries.ts';
import { createHeldFileWork } from '../pages/operator/held-file-work.ts';
import type { OperatorDependencies } from '../pages/operator/operator.ts';
import { readRunbook } from '../pages/operator/runbook.ts';
import type { StartContext } from './context.ts';
import type { OneWorker } from './one-worker.ts';
import type { RedisServer, StoreConnection } from './redis.ts';
import { runs } from './roles.ts';

const DAY_MS = 86_400_000;
/** The same as for a command: it may write thousands of events. */
const PATIENT = { commandTimeoutMs: 10_000 };

const CERTIFICATES = [
  'TLS_CERT_FILE',
  'TLS_CLIENT_CA_FILE',
  'REDIS_CA_FILE',
  'REDIS_CERT_FILE',
  'REDIS_SENTINEL_CA_FILE',
  'REDIS_SENTINEL_CERT_FILE',
  'MESH_CA_FILE',
  'MESH_CERT_FILE',
] as const satisfies (keyof Configuration)[];

const SECRETS = [
  'REDIS_PASSWORD_FILE',
  'REDIS_SENTINEL_PASSWORD_FILE',
  'PDS_KEY_FILE',
  'MESH_PASSWORD_FILE',
  'MESH_SHARED_KEY_FILE',
] as const satisfies (keyof Configuration)[];

type File = { what: string; path: string };

async function certificateOf({ what, path }: File): Promise<Expiry> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    const ends = certificatesIn(text).map(({ validToDate }) => validToDate.getTime());
    return ends.length === 0
      ? { what, unreadable: true }
      : { what, endsAt: Math.min(...ends), changedAt: mtimeMs };
  } catch {
    return { what, unreadable: true };
  }
}

async function ageOf({ what, path }: File): Promise<Expiry> {
  try {
    return { what, changedAt: (await stat(path)).mtimeMs };
  } catch {
    return { what, unreadable: true };
  }
}

/** Secrets that SIGN_IN_FILE names, relative to its own folder. */
async function providerSecrets({ SIGN_IN_FILE }: Configuration): Promise<File[]> {
  if (SIGN_IN_FILE === undefined) return [];
  const settings = await readSettingFile('SIGN_IN_FILE', SIGN_IN_FILE, signInFileSchema).catch(
    () => [],
  );
  return settings.flatMap(({ name, clientSecretFile, clientKeyFile }) => {
    const path = clientSecretFile ?? clientKeyFile;
    const what = RUNNING.providerSecret(name);
    return path === undefined ? [] : [{ what, path: resolve(dirname(SIGN_IN_FILE), path) }];
  });
}

/** What expires in this process's configuration, and how old its keys are. */
function expiriesOf(configuration: Configuration, { issuers }: Identities) {
  const files = (names: readonly (keyof Configuration)[]): File[] =>
    names.flatMap((name) => {
      const path = configuration[name];
      return typeof path === 'string' ? [{ what: name, path }] : [];
    });
  const own: File[] = [
    { what: 'SESSION_KEYS_FILE', path: sessionKeysFile(configuration) },
    { what: 'AUDIT_KEY_FILE', path: auditKeyFile(configuration) },
  ];
  return async (): Promise<Expiry[]> => {
    const secrets = [...own, ...files(SECRETS), ...(await providerSecrets(configuration))];
    const fetched = issuers.flatMap(({ issuer, keys: { remainingMs } }): Expiry[] =>
      remainingMs === undefined
        ? []
        : [
            {
              what: RUNNING.issuerKeys(issuer),
              endsAt: Date.now() + remainingMs,
              isFetched: true,
            },
          ],
    );
    return [
      ...(await Promise.all(files(CERTIFICATES).map(certificateOf))),
      ...fetched,
      ...(await Promise.all(secrets.map(ageOf))),
    ];
  };
}

async function serverState(connection: StoreConnection, sentinels: RedisServer['sentinels']) {
  try {
    const server = information(await connection.info('server', 'replication'));
    return {
      version: server.get('valkey_version') ?? server.get('redis_version') ?? '',
      attached: namedReplicas(server, sentinels).map(({ name, priority }) =>
        RUNNING.replica(name, priority),
      ),
    };
  } catch {
    return undefined;
  }
}

/** What the operator's pages have besides what all desks and the worker's routes use. */
export type OperatorStarted = Pick<
  OperatorDependencies,
  | 'own'
  | 'looksUp'
  | 'instance'
  | 'limits'
  | 'figures'
  | 'heldFileWork'
  | 'heldMs'
  | 'meshFolder'
  | 'issuers'
  | 'expiries'
  | 'server'
  | 'replicas'
  | 'runbook'
  | 'decisions'
  | 'damage'
  | 'machine'
>;

type OperatorStart = {
  redis: RedisServer;
  work: Pick<OperatorDependencies, 'store' | 'anchor'>;
  readiness: Readiness;
  verifier: StoreVerifier;
  lists: AccessLists;
  identities: Identities;
  providers: readonly { issuer: string }[];
  limits: CoverageLimits;
  own: () => readonly OwnCheck[];
  oneWorker: OneWorker | undefined;
};

/** What the operator's pages need beyond what every desk has. The runbook is read once, here. */
export function startOperator(
  { configuration, log, telemetry }: Pick<StartContext, 'configuration' | 'log' | 'telemetry'>,
  {
    redis,
    work,
    readiness,
    verifier,
    lists,
    identities,
    providers,
    limits,
    own,
    oneWorker,
  }: OperatorStart,
): OperatorStarted {
  const { MESH_MAILBOX, HELD_DAYS, ROLE } = configuration;
  const connection = redis.connect('worker', { unacknowledged: true });
  const place = { anchor: work.anchor, auditFolder: auditFolder(configuration) };
  return {
    own,
    looksUp: runs('lookups', ROLE),
    instance: telemetry.instance,
    limits,
    figures: createFigures(connection),
    heldFileWork: createHeldFileWork({ ...work, log }),
    heldMs: HELD_DAYS * DAY_MS,
    meshFolder: MESH_MAILBOX && meshFolder(configuration, MESH_MAILBOX),
    issuers: () => [...new Set([...identities.issuers, ...providers].map(({ issuer }) => issuer))],
    expiries: expiriesOf(configuration, identities),
    server: () => serverState(connection, redis.sentinels),
    replicas: redis.replicas,
    runbook: readRunbook(),
    decisions: createDecisions({
      ...place,
      connection: redis.connect('worker', PATIENT),
      alone: connection,
      verifier,
      replicas: redis.replicas,
      sentinels: redis.sentinels,
      hasCopy: placeSettings(configuration) !== undefined,
      storeChecks: readiness.checks,
      own,
      isReplaced: oneWorker && (() => isReplaced(connection, oneWorker.lease)),
    }),
    damage: () => findDamage({ ...place, connection, lists }),
    machine: hostname(),
  };
}
