import { type Gate, watchStore } from '#store/trust/readiness.ts';
import { datasetProblem, lookupDatasetProblem } from '../files/served-dataset.ts';
import { logReadiness } from './readiness-log.ts';
import type { RedisServer, StoreConnection } from './redis.ts';
import type { Start } from './start.ts';
import type { Tools } from './tools.ts';

/** A store that opens later is as good; this only lets a start be told as done when it is. */
const STORE_OPENS_WITHIN_MS = 5_000;
const SETTLING_STEP_MS = 100;

/** Follows whether lookups may be answered, and gives it a moment to become so. */
export async function startReadiness(
  { configuration, log, add }: Start,
  redis: RedisServer,
  connection: StoreConnection,
  tools: Pick<Tools, 'anchor' | 'keeper'> | undefined,
): Promise<Gate> {
  const gate = watchStore(connection, {
    ...(redis.embedded && { dataDir: configuration.DATA_DIR }),
    datasetProblem: (held) =>
      tools === undefined
        ? lookupDatasetProblem(configuration, held)
        : datasetProblem(configuration, tools.anchor, held),
  });
  add(() => gate.stop());
  add(logReadiness(gate, log));
  await settled(gate, tools?.keeper);
  return gate;
}

/** Waits, for a bounded time, until lookups can be answered or the keeper has found that they cannot. */
async function settled(gate: Gate, keeper: Tools['keeper'] | undefined): Promise<void> {
  const giveUpAt = performance.now() + STORE_OPENS_WITHIN_MS;
  let looked = false;
  void keeper?.look().finally(() => (looked = true));
  while (performance.now() < giveUpAt) {
    if (await gate.whenOpen(SETTLING_STEP_MS)) return;
    if (looked && keeper?.state.opened === false) return;
  }
}
