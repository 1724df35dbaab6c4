import type { Command } from 'commander';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { followLog, removeIndex } from '../audit/search/index-file.ts';
import type { AuditPlaces } from '../audit/search/search.ts';
import { createSearchedUntil, type Reach, reachOf } from '../audit/search/searched-until.ts';
import { auditFolder, auditIndexFile } from '../files/data-folder.ts';
import { Failure } from './failure.ts';
import { withStore } from './store.ts';

const STEP_MS = 250;
const TOLD_EVERY_MS = 2_000;
/** How often a damaged index is rebuilt before somebody must check the disk. */
const MADE_ANEW_AT_MOST = 5;

const placesOf = (configuration: Configuration): AuditPlaces => ({
  folder: auditFolder(configuration),
  indexFile: auditIndexFile(configuration),
});

/** Extends the index to the end of the log, and says so if that takes a while. */
async function bringUpToDate({ folder, indexFile }: AuditPlaces) {
  const follower = followLog(folder, indexFile);
  let tellAt = performance.now() + TOLD_EVERY_MS;
  let anew = 0;
  try {
    for (;;) {
      const indexing = follower.step(STEP_MS);
      if (indexing?.behind === 0) return indexing;
      if (indexing === undefined && ++anew > MADE_ANEW_AT_MOST) {
        throw new Failure(
          `There is no audit log in ${folder}, or no index of it can be made in ${indexFile}. AUDIT_DIR and DATA_DIR say where they are.`,
        );
      }
      if (indexing !== undefined && performance.now() >= tellAt) {
        tellAt = performance.now() + TOLD_EVERY_MS;
        console.error(`Indexing the audit log: ${indexing.behind} entries to go.`);
      }
      // Others extending the same index get their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    follower.close();
  }
}

/** Looks into the audit: brings the index up to date, works, and records the search before any result is shown. */
export async function lookInto<T>(
  configuration: Configuration,
  work: (places: AuditPlaces) => T | Promise<T>,
  event: (result: T) => Extract<WrittenEvent, { type: 'audit-search' }>,
): Promise<{ result: T; reach: Reach }> {
  return withStore(configuration, 'worker', async (store, _, connection) => {
    const places = placesOf(configuration);
    const reach = await reachOf(
      () => bringUpToDate(places),
      createSearchedUntil(places.folder, createAuditStreams(connection)),
    );
    const result = await work(places);
    await store.appendEvent(event(result));
    return { result, reach };
  });
}

async function auditIndex(
  configuration: Configuration,
  { rebuild }: { rebuild?: boolean },
): Promise<void> {
  const places = placesOf(configuration);
  if (rebuild === true) removeIndex(places.indexFile);
  const { size } = await bringUpToDate(places);
  console.log(`The index of the audit is complete, up to entry ${size} of the log.`);
}

export function addAuditIndexCommand(audit: Command, configuration: () => Configuration): void {
  audit
    .command('index')
    .description('Bring the search index of the log up to date.')
    .option('--rebuild', 'rebuild it from the log')
    .addHelpText(
      'after',
      `
A worker and every search do this automatically, and rebuild a missing or damaged index. The index holds
nothing that is not in the log and can be deleted at any time.

Example:
  cp-flags audit index --rebuild
`,
    )
    .action((options: { rebuild?: boolean }) => auditIndex(configuration(), options));
}
