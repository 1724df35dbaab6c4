import type { Command } from 'commander';
import { purge } from '#loaders/upkeep/purge.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { osAccount } from './named.ts';
import { withNewestStore } from './store.ts';

/** `cp-flags purge`: removes the rows that no window will show again, or counts them. */
export async function purgeRows(
  configuration: Configuration,
  { dryRun = false }: { dryRun?: boolean },
): Promise<void> {
  await withNewestStore(configuration, 'loader', async (store, anchor) => {
    const done = dryRun ? 'would be removed' : 'removed';
    let isNone = true;
    await purge(store, anchor, {
      by: osAccount(),
      dryRun,
      onPurged(authority, rows) {
        isNone = false;
        console.log(`${authority}: ${rows} rows ${done}`);
      },
    });
    if (isNone) console.log(`No row ${dryRun ? 'would be' : 'was'} removed.`);
  });
}

export function addPurgeCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('purge')
    .description('Remove rows that can never be shown again. The service does this daily.')
    .option('--dry-run', 'count them; change nothing')
    .addHelpText(
      'after',
      `
It removes plans that can never be shown again, because long ago they ended, were deleted or their child turned
18, and whose file was loaded more than 90 days ago. Files with that number or a lower one are then refused, so
that a late file cannot bring the plans back.

Example:
  cp-flags purge --dry-run
`,
    )
    .action((options: { dryRun?: boolean }) => purgeRows(configuration(), options));
}
