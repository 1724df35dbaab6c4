import { userInfo } from 'node:os';
import type { Configuration } from '#schemas/configuration.ts';
import { defaultOrigin, readOrMakeKeys } from '../audit/seal/keys.ts';
import { auditKeyFile } from '../files/data-folder.ts';
import { findRedis, openRedis } from '../start/redis.ts';
import { Failure, misused } from './failure.ts';
import { withStore } from './store.ts';

const NEXT = {
  demo: 'Start the service with: cp-flags serve --demo',
  live: 'Set ISSUERS_FILE and ORGANISATIONS_FILE, then start the service with: cp-flags serve (if it is running, stop it first).',
};

/** `cp-flags init`: creates the dataset, on the Redis that is running or on one started for this alone. */
export async function init(
  configuration: Configuration,
  options: { live?: boolean; demo?: boolean; unlessThere?: boolean },
): Promise<void> {
  if (options.live === options.demo) {
    throw misused(
      'Say which kind of dataset to create: --live or --demo. It cannot be changed later.',
    );
  }
  const kind = options.live === true ? 'live' : 'demo';
  const redis = (await findRedis(configuration)) ?? (await openRedis(configuration));
  let made = true;
  await withStore(configuration, redis, 'admin', async (store, anchor) => {
    const held = await store.dataset();
    if (options.unlessThere === true && held?.kind === kind && anchor.dataset()?.id === held.id) {
      made = false;
      return;
    }
    const usable = redis.embedded || (await store.dataset()) !== undefined;
    if (configuration.REDIS_URL !== undefined && !usable && !(await store.isEmpty())) {
      throw new Failure('The Redis at REDIS_URL holds other data. Use an empty one.');
    }
    const { id } = await store.createDataset(kind, userInfo().username);
    await readOrMakeKeys(
      auditKeyFile(configuration),
      configuration.AUDIT_ORIGIN ?? defaultOrigin(id),
    );
  });
  console.log(made ? `Created a ${kind} dataset. ${NEXT[kind]}` : `The ${kind} dataset is there.`);
}
