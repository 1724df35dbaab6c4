import { purge } from '#loaders/upkeep/purge.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { osAccount } from './named.ts';
import { runningRedis, withStore } from './store.ts';

/** `cp-flags purge`: removes the rows that no window can show again, or counts them. */
export async function purgeRows(
  configuration: Configuration,
  { dryRun = false }: { dryRun?: boolean },
): Promise<void> {
  const redis = await runningRedis(configuration);
  await withStore(configuration, redis, 'loader', async (store, anchor) => {
    const purged = await purge(store, anchor, { by: osAccount(), dryRun });
    const done = dryRun ? 'would be removed' : 'removed';
    if (purged.length === 0) console.log(`No row ${dryRun ? 'would be' : 'was'} removed.`);
    for (const { authority, rows } of purged) console.log(`${authority}: ${rows} rows ${done}`);
  });
}
