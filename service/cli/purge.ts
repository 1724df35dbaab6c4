import type { Command } from 'commander';
import { purge } from '#loaders/upkeep/purge.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { osAccount } from './named.ts';
import { withStore } from './store.ts';

/** `cp-flags purge`: removes the rows that no window can show again, or counts them. */
export async function purgeRows(
  configuration: Configuration,
  { dryRun = false }: { dryRun?: boolean },
): Promise<void> {
  await withStore(configuration, 'loader', async (store, anchor) => {
    const purged = await purge(store, anchor, { by: osAccount(), dryRun });
    const done = dryRun ? 'would be removed' : 'removed';
    if (purged.length === 0) console.log(`No row ${dryRun ? 'would be' : 'was'} removed.`);
    for (const { authority, rows } of purged) console.log(`${authority}: ${rows} rows ${done}`);
  });
}

/** Declares `cp-flags purge`. */
export function addPurgeCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('purge')
    .description('Remove rows that can never be shown again. The service does this daily.')
    .option('--dry-run', 'count them; change nothing')
    .addHelpText(
      'after',
      `
Plans that ended or were deleted, or whose child turned 18, so long ago that they are never shown, and from a
file that was loaded more than 90 days ago: files of its number and lower are not taken any more, so that a
late one cannot bring them back.

Example:
  cp-flags purge --dry-run
`,
    )
    .action((options: { dryRun?: boolean }) => purgeRows(configuration(), options));
}
