import type { HostPort } from '#store/connection/address.ts';
import { type Readiness, watchStore } from '#store/trust/readiness.ts';
import { datasetProblem, lookupDatasetProblem } from '../files/served-dataset.ts';
import type { StartContext } from './context.ts';
import { logReadiness } from './readiness-log.ts';
import type { RedisServer, StoreConnection } from './redis.ts';
import { runs } from './roles.ts';
import type { Tools } from './tools.ts';

/** A store may also open later; this only lets a start report when it is ready. */
const STORE_OPENS_WITHIN_MS = 5_000;
const SETTLING_STEP_MS = 100;

/** Follows whether lookups may be answered, and gives it a moment to become so. */
export async function startReadiness(
  { configuration, log, add }: StartContext,
  redis: RedisServer,
  connection: StoreConnection,
  tools: Pick<Tools, 'anchor' | 'verifier'> | undefined,
): Promise<Readiness> {
  const { sentinels, replicas: count } = redis;
  const replicas = count > 0 && {
    count,
    probe: redis.connect('lookup', { unacknowledged: true }),
    connectTo: (server: HostPort) => redis.connectTo('lookup', server),
  };
  const readiness = watchStore(connection, {
    ...(replicas && { replicas }),
    ...(sentinels !== undefined && { sentinels }),
    answersLookups: runs('lookups', configuration.ROLE),
    ...(redis.embedded && { dataDir: configuration.DATA_DIR }),
    datasetProblem: (held) =>
      tools === undefined
        ? lookupDatasetProblem(configuration, held)
        : datasetProblem(configuration, tools.anchor, held),
  });
  add(() => readiness.stop());
  add(logReadiness(readiness, log));
  await settled(readiness, tools?.verifier);
  return readiness;
}

/** Waits, for a bounded time, until lookups can be answered or the store verifier has found that they cannot. */
async function settled(
  readiness: Readiness,
  verifier: Tools['verifier'] | undefined,
): Promise<void> {
  const giveUpAt = performance.now() + STORE_OPENS_WITHIN_MS;
  let looked = false;
  void verifier?.look().finally(() => (looked = true));
  while (performance.now() < giveUpAt) {
    if (await readiness.whenOpen(SETTLING_STEP_MS)) return;
    if (looked && verifier?.state.opened === false) return;
  }
}
