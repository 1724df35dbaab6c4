import { setTimeout as delay } from 'node:timers/promises';
import type { Configuration } from '#schemas/configuration.ts';
import type { Build } from '#schemas/status.ts';
import packageJson from '../package.json' with { type: 'json' };
import { createAdmissionContext } from './admission/admission-context.ts';
import { completeIdentities, organisationsOf, readIdentities } from './admission/identities.ts';
import { DEMO_OPERATOR } from './admission/personas.ts';
import { createApp } from './app.ts';
import { createApiDescription } from './description/description.ts';
import { createBaseOf } from './fhir/request.ts';
import { serveHttp } from './http/server.ts';
import { openTls } from './http/tls.ts';
import { coverageLimits } from './lookup/coverage.ts';
import { mount } from './routes/route.ts';
import { OPERATIONS } from './routes/routes.ts';
import { readProviders, startBrowsers } from './start/browsers.ts';
import { createClosing } from './start/closing.ts';
import { reportFigures } from './start/figures.ts';
import { watchHealth } from './start/health.ts';
import { createLookups } from './start/lookups.ts';
import { becomeOneWorker } from './start/one-worker.ts';
import { startOperator } from './start/operator.ts';
import { startDesks, startPages } from './start/pages.ts';
import { startReadiness } from './start/readiness.ts';
import { recordConfiguration } from './start/record-start.ts';
import { openLanes, startRedis } from './start/redis.ts';
import { PARTS, runs } from './start/roles.ts';
import { createStandByServer } from './start/stand-by.ts';
import type { Tools } from './start/tools.ts';
import { openWorkerStore, startWorker } from './start/worker.ts';
import { limitYoungSpace } from './start/young-space.ts';
import type { Log } from './telemetry/log.ts';
import { createTelemetry } from './telemetry/telemetry.ts';

const REQUESTS_FINISH_WITHIN_MS = 5_000;
/** How long background work may take to end in order; then it ends as if Redis were gone. */
const REDIS_NEEDED_FOR_MS = 2_000;

type StartOptions = {
  log: Log;
  /** Done once the store can be used and before anything is served. Roles all and worker. */
  prepare?: (tools: Tools) => Promise<void>;
  /** How long a stop lets requests in flight finish before it cuts them off. Default 5,000. */
  finishWithinMs?: number;
  /** Ends the wait of a worker that stands by; see `start/one-worker.ts`. */
  stopped?: AbortSignal;
};

export type Service = {
  /** `http://host:port`, with the port in use. */
  baseUrl: string;
  /** Where metrics are served, once they are; `undefined` if they are not. */
  metricsPort: Promise<number | undefined>;
  /** Every address in this role; a path may have parameters (`/uploads/:sequence`). */
  routes: readonly { method: string; path: string }[];
  /** Resolves once another worker has taken over, when this one must stop. */
  replaced: Promise<void>;
  /** Stops in order: requests, events, connections, Redis. Idempotent. */
  stop(): Promise<void>;
  /** Tells an embedded Redis to end, at once and without waiting, for a process about to exit. */
  abandon(): void;
};

function buildOf({ RELEASE_ID, COMMIT_ID }: Configuration): Build {
  return {
    version: packageJson.version,
    ...(COMMIT_ID !== undefined && { revision: COMMIT_ID, commitId: COMMIT_ID }),
    ...(RELEASE_ID !== undefined && { releaseId: RELEASE_ID }),
  };
}

/**
 * Starts the service in the role configured: Redis (an embedded one unless REDIS_URL is set), the store
 * verifier, readiness, HTTP. A store that is not open yet, or not whole, does not stop the start: every
 * lookup is could-not-check and `/_status` says why until it is.
 *
 * @throws an error whose message is a sentence for the operator (a setting, the port, the data folder); by
 * then everything started has ended
 */
export async function startService(
  configuration: Configuration,
  options: StartOptions,
): Promise<Service> {
  const { log, prepare, finishWithinMs = REQUESTS_FINISH_WITHIN_MS } = options;
  const { ROLE, HOST, PORT, PUBLIC_URL, DRAIN_SECONDS } = configuration;
  const { add, begun, close } = createClosing(log);
  try {
    const build = buildOf(configuration);
    const telemetry = createTelemetry(configuration, { version: build.version, log });
    add(() => telemetry.stop());
    const start = { configuration, log, telemetry, add };

    const onProblem = (sentence: string): void => log.error(sentence);
    const configured = await readIdentities(configuration, onProblem);
    add(configured.stop);
    const tls = await openTls(configuration, onProblem);
    if (tls !== undefined) add(tls.stop);

    const redis = await startRedis(start);

    /** Waits until this process is the one worker, if there may be only one. */
    async function takeTurn() {
      const standBy = createStandByServer(start, { build, tls: tls?.value });
      try {
        return await becomeOneWorker(start, redis, {
          onStandBy: standBy.say,
          stopped: options.stopped ?? new AbortController().signal,
        });
      } finally {
        await standBy.end();
      }
    }
    const oneWorker = runs('work', ROLE) ? await takeTurn() : undefined;
    const opened = runs('work', ROLE)
      ? await openWorkerStore(start, redis, prepare, oneWorker)
      : undefined;
    // Only now, so that its first poll of the directory finds what was prepared.
    const connection = redis.connect('lookup', { unacknowledged: true });
    const replicated = openLanes(redis);
    // The connection for everything but lookups: a write is acknowledged once the replicas have it.
    const records = replicated?.records ?? connection;
    const readiness = await startReadiness(start, redis, connection, opened);
    const kind = opened?.anchor.dataset()?.kind ?? readiness.dataset?.kind;

    const identities = await completeIdentities(configured, configuration, kind);
    const limits = coverageLimits(configuration, kind);
    const countedAlerts = (): number => opened?.audit.alerting.alerts ?? 0;
    const admissionContext = await createAdmissionContext({
      ...start,
      identities,
      readiness,
      connection,
      replicated,
      countedAlerts,
    });
    const nameOf = (code: string): string | undefined =>
      organisationsOf(identities, admissionContext.isDemo()).get(code)?.name;
    const operator = (): string | undefined =>
      configuration.OPERATOR_ODS_CODE ??
      (admissionContext.isDemo() === true ? DEMO_OPERATOR.code : undefined);
    const providers = await readProviders(configuration, nameOf, log);
    const signIn = providers.map(({ described }) => described);
    const versions = recordConfiguration(start, {
      readiness,
      admissionContext,
      identities,
      build,
      signIn,
    });

    const baseOf = createBaseOf(PUBLIC_URL);
    const worker =
      opened &&
      (await startWorker(start, opened, redis, {
        kind,
        readiness,
        admissionContext,
        operator,
        baseOf,
      }));
    const lookups = runs('lookups', ROLE)
      ? createLookups(start, {
          kind,
          readiness,
          records,
          admissionContext,
          identities,
          limits,
          versions,
          baseOf,
        })
      : undefined;
    const browsers = await startBrowsers(start, {
      kind,
      readiness,
      // An ended session must not become valid again on another primary.
      connection: records,
      unacknowledged: connection,
      admissionContext,
      identities,
      providers,
      operator,
    });
    const pages = lookups && (await startPages(start, browsers, { readiness, lookups }));
    const own = watchHealth(start, {
      readiness,
      admissionContext,
      identities,
      tls,
      limits,
      lookups,
      worker,
      browsers,
    });

    if (ROLE === 'lookup') {
      add(limitYoungSpace(() => telemetry.metrics.lookedSoFar(new Set()).lookups));
    }
    add(reportFigures(start, { connection, readiness, own, stopping: begun, build }));

    const desks =
      worker &&
      (await startDesks(start, browsers, worker.forRoutes, () =>
        startOperator(start, {
          redis,
          work: worker.forRoutes,
          readiness,
          verifier: worker.verifier,
          lists: worker.lists,
          identities,
          providers,
          limits,
          own,
          oneWorker,
        }),
      ));

    const description = createApiDescription(OPERATIONS, build.version, PUBLIC_URL);
    const routes = [
      ...(lookups === undefined ? [] : mount(PARTS.lookups.routes, lookups)),
      ...(pages?.routes ?? []),
      ...(desks?.routes ?? []),
      ...(worker === undefined ? [] : mount(PARTS.work.routes, worker.forRoutes)),
      ...mount(PARTS.service.routes, { build, readiness, own, description, stopping: begun }),
    ];
    const app = createApp(routes, { log, page: pages?.notFound ?? desks?.notFound });
    const http = await serveHttp(app.fetch, {
      host: HOST,
      port: PORT,
      tls: tls?.value,
      notRouted: pages?.notRouted ?? desks?.notRouted,
      observer: telemetry.observer(routes.map(({ operation }) => operation.path)),
    });
    tls?.onChange(http.useTls);
    add(async () => {
      http.drain();
      await delay(DRAIN_SECONDS * 1_000);
      await http.stop(finishWithinMs);
      redis.endConnectionsWithin(REDIS_NEEDED_FOR_MS);
    });
    const baseUrl = `${tls === undefined ? 'http' : 'https'}://${HOST.includes(':') ? `[${HOST}]` : HOST}:${http.port}`;
    log.info('The service is listening.', { address: baseUrl, role: ROLE });
    // Not waited for: lookups must not wait for telemetry.
    const metricsPort = telemetry.start();
    return {
      baseUrl,
      metricsPort,
      routes: routes.flatMap(({ operation: { method, path, optionsAt = [] } }) => [
        { method, path },
        ...optionsAt.map((at) => ({ method: 'OPTIONS', path: at })),
      ]),
      replaced: oneWorker?.replaced ?? new Promise(() => undefined),
      stop: close,
      abandon: () => redis.abandon(),
    };
  } catch (error) {
    await close();
    throw error;
  }
}
