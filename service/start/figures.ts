import type { Build, OwnCheck } from '#schemas/status.ts';
import { createFigures } from '#store/figures.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { ROUTES } from '../routes/routes.ts';
import { isReady } from '../routes/status.ts';
import { startReports } from '../telemetry/reports.ts';
import type { StartContext } from './context.ts';
import type { StoreConnection } from './redis.ts';

/** The method and route of every request that is a lookup, as metrics name them. */
const LOOKUP_REQUESTS: ReadonlySet<string> = new Set([
  ...ROUTES.lookups
    .map(({ operation }) => operation)
    .filter(({ letsIn, id }) => letsIn === 'lookup' && id !== 'attendance')
    .map(({ method, path }) => `${method} ${path}`),
  'POST /look-up',
  'POST /list',
]);

type FiguresStart = {
  connection: StoreConnection;
  readiness: Readiness;
  own: () => readonly OwnCheck[];
  /** True once the process was told to stop. */
  stopping: () => boolean;
  build: Build;
};

/** Reports the results of this process's lookups, for the operator's page of all processes. Returns what ends it. */
export function reportFigures(
  { configuration, telemetry }: Pick<StartContext, 'configuration' | 'telemetry'>,
  { connection, readiness, own, stopping, build }: FiguresStart,
): () => Promise<void> {
  const storeChecks = () =>
    readiness.checks().map(({ name, ok }) => ({ name: `store:${name}`, ok }));
  return startReports({
    figures: createFigures(connection),
    instance: telemetry.instance,
    running: {
      role: configuration.ROLE,
      version: build.version,
      node: process.versions.node,
      openssl: process.versions.openssl,
    },
    looked: () => telemetry.metrics.lookedSoFar(LOOKUP_REQUESTS),
    isReady: () => isReady(readiness, own()) && !stopping(),
    checks: () => [...storeChecks(), ...own()],
  }).stop;
}
