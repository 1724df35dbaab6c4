import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditEvent } from '#schemas/audit/audit-event.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import { readConfiguration } from '#schemas/configuration.ts';
import type { Role } from '#schemas/people/identity.ts';
import type { SpooledRow } from '#schemas/plans/row.ts';
import { type DemoClaims, openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { startService } from '#service/main.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { findEmbeddedRedis, type RedisRole } from '#store/connection/embedded-redis.ts';
import { packRow, planRow, Tally } from '#store/rows/rows.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { allEvents } from './audit-events.ts';
import { until, WAIT_MS } from './test-store.ts';
import { untilAnswered } from './until.ts';

export { until };

/** A folder for {@link startTestService} and for tests of processes, which the test removes. */
export const testFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'cpf-service-'));

type TestRow = Partial<SpooledRow> & Pick<SpooledRow, 'nhsNumber'>;

/** One authority in a test's dataset, loaded with these rows. */
type TestAuthority = {
  code: string;
  name?: string;
  officeHoursPhone?: string;
  /** Hours since its last good file. The default is 1. */
  hoursOld?: number;
  rows?: readonly TestRow[];
};

/** Fills a store as a loader would, but without a file. */
export async function fill(
  store: ReturnType<typeof createStore>,
  anchor: Anchor,
  { code, name, officeHoursPhone, hoursOld = 1, rows = [] }: TestAuthority,
): Promise<void> {
  const authority = odsCodeSchema.parse(code);
  await store.setAuthority(
    authority,
    {
      name: name ?? `Council ${code}`,
      emergencyDutyTeamPhone: '02079460199',
      ...(officeHoursPhone !== undefined && { officeHoursPhone }),
    },
    'test',
  );
  const lock = await store.lockAuthority(authority);
  if (lock === undefined) throw new Error('somebody else holds the authority');
  const planRows = rows.map((row) =>
    planRow({
      authority,
      type: 'child-protection-plan',
      startDate: '2026-01-05' as SpooledRow['startDate'],
      dateOfBirth: '2019-03-05' as SpooledRow['dateOfBirth'],
      localId: 'LA-1',
      sequence: 1,
      ...row,
    }),
  );
  const tally = new Tally();
  for (const row of planRows) tally.add(row.nhsNumber, packRow(row));
  await store.applyRows(lock, planRows);
  const dataAsOf = new Date(Date.now() - hoursOld * 3_600_000).toISOString();
  const { rows: count, digest } = tally;
  await store.finishFile(lock, {
    dataAsOf,
    sequence: 1,
    rows: count,
    digest,
    reconciled: true,
    ledger: { sequence: 1, sha256: '0'.repeat(64), code: 'CPF02', acknowledgement: '{}' },
  });
  const state = { sequence: 1, rows: count, digest };
  const load = { authority, sha256: '', journal: '/nowhere', ...state };
  await anchor.beginLoad(load, anchor.authority(authority));
  await anchor.commitLoad(load, state);
  await lock.release();
}

/** The claims of a nurse in an emergency department, with given changes. */
export function claims(
  differing: Partial<DemoClaims> & { activities?: string[]; organisation?: string } = {},
): DemoClaims {
  const { activities = ['B0107'], organisation = 'ZZH01', ...rest } = differing;
  return {
    sub: 'nurse-1',
    client_id: 'test-client',
    name: 'Nora Nurse',
    roles: [role('role-1', activities, organisation)],
    ...rest,
  };
}

export function role(id: string, activities: string[], organisation = 'ZZH01'): Role {
  return {
    id,
    code: 'R8000',
    name: 'Clinical Practitioner',
    organisation: { code: organisation, name: `Organisation ${organisation}` },
    activities,
  };
}

/**
 * The service with its own Redis, port and data folder, a dataset and the given authorities. It is started by the
 * composition root, and tests talk to it over HTTP.
 */
export async function startTestService(
  options: {
    kind?: 'demo' | 'live' | 'none';
    authorities?: readonly TestAuthority[];
    environment?: Record<string, string>;
    dataDir?: string;
  } = {},
) {
  const { kind = 'demo', authorities = [] } = options;
  const dataDir = options.dataDir ?? (await testFolder());
  const lines: string[] = [];
  const log = createLog('debug', { write: (line) => void lines.push(line) });
  const configuration = readConfiguration({
    DATA_DIR: dataDir,
    PORT: '0',
    REDIS_MAXMEMORY_MIB: '128',
    ...options.environment,
  });
  const service = await startService(configuration, {
    log,
    prepare: async ({ administrator, loader, anchor, verifier }) => {
      if (kind === 'none') return;
      await administrator.createDataset(kind, 'test');
      await verifier.look();
      for (const authority of authorities) await fill(loader, anchor, authority);
    },
  });
  const demo = await openDemoIssuer(dataDir);

  const connections: ReturnType<typeof connectStore>[] = [];
  async function connect(as: RedisRole, commandTimeoutMs = WAIT_MS) {
    const found = await findEmbeddedRedis(dataDir);
    if (found === undefined) throw new Error('no Redis is running');
    const redis = connectStore(
      { socketPath: found.socketPath, ...found.users[as] },
      { name: 'test', commandTimeoutMs },
    );
    connections.push(redis);
    await whenReady(redis, WAIT_MS);
    return redis;
  }
  const admin = await connect('admin');
  const anchor = Anchor.open(join(dataDir, 'anchor'));
  const store = createStore(admin, anchor);

  async function lookup(
    body: unknown,
    { token, headers = {}, ...init }: RequestInit & { token?: string } = {},
  ): Promise<Response> {
    return fetch(`${service.baseUrl}/lookup`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-request-id': randomUUID(),
        authorization: `Bearer ${token ?? (await demo.sign(claims(), 600))}`,
        ...(headers as Record<string, string>),
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
    });
  }

  return {
    ...service,
    dataDir,
    /** The log, one line of JSON each. */
    lines,
    admin,
    store,
    connect,
    token: (of: DemoClaims = claims(), lifetimeSeconds = 600) => demo.sign(of, lifetimeSeconds),
    /** A correct lookup, with given changes. */
    lookup,
    /** The same lookup, repeated if it could not be checked, as its answer says. */
    answered: (...of: Parameters<typeof lookup>): Promise<Response> =>
      untilAnswered(() => lookup(...of)),
    /** Every audit event in all partitions, whether sealed or still waiting in Redis. */
    events: (): Promise<AuditEvent[]> => allEvents(dataDir, store),
    async stopAndRemove(): Promise<void> {
      for (const redis of connections) redis.disconnect();
      anchor.close();
      await service.stop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
export type TestService = Awaited<ReturnType<typeof startTestService>>;
