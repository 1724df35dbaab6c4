import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { whyDetail } from '#schemas/audit/named-person.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { areFunctionsReplaced, restoreFunctions } from '#store/functions/functions.ts';
import { auditPartitions, keys, partitions } from '#store/keys.ts';
import { removeUnreadableLists, unreadableLists } from '#store/trust/access-lists.ts';
import { CommitFile } from '../audit/log/commit.ts';
import { gapsText, streamName } from '../audit/log/entry.ts';
import { auditFolder } from '../files/data-folder.ts';
import { Failure } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { withNewestStore } from './store.ts';

const NOTHING = 'Nothing was found to repair.';

type RepairOptions = Partial<Named> & { list?: boolean };

/** `cp-flags repair`: puts right what somebody with a lookup process's or a worker's password can damage. */
export async function repair(configuration: Configuration, options: RepairOptions): Promise<void> {
  const who = options.list === true ? undefined : readNamed(options);
  await withNewestStore(configuration, 'admin', async (store, _, connection) => {
    const isReplaced = await areFunctionsReplaced(connection);
    await store.loadFunctions();
    let found = 0;

    /** Prints what was found; if a person orders the repair, records that and does it. */
    async function settle(
      what: string,
      detail: Record<string, string | number>,
      mend: () => Promise<unknown> | void,
      canRecordBefore = true,
    ): Promise<void> {
      found++;
      console.log(what);
      if (who === undefined) return;
      const { by } = who;
      const done = { ...detail, ...whyDetail(who) };
      const record = () =>
        store.appendEvent({ type: 'store-repaired', auditId: randomUUID(), by, detail: done });
      if (canRecordBefore) await record();
      await mend();
      if (!canRecordBefore) await record();
    }

    const commits = CommitFile.openIfThere(auditFolder(configuration));
    try {
      // First, since everything else calls them.
      if (isReplaced) {
        await settle(
          'The functions in Redis are not those of this version.',
          { part: 'functions' },
          () => restoreFunctions(connection),
          false,
        );
        // Nothing that they say about the rest can be believed.
        if (who === undefined) {
          console.log('Repaired with --by NAME --reason TEXT.');
          return;
        }
      }
      // Read before anything is repaired: entries sealed from here on have not been reported to anybody.
      const foreign = commits?.foreignByStream() ?? [];
      const streams = createAuditStreams(connection);
      const pushed = await streams.pushed();
      const moves = new Map<number, number>();
      // All of them before any is repaired: a restore of Redis would undo that.
      for (const stream of pushed) {
        const moved = await streams.repair(stream, 'look');
        if (moved === 'unclear') {
          throw new Failure(
            `${streamName(stream)} was changed in another way too. ${isReplaced ? 'Only the functions were put back.' : 'Nothing was changed.'} Stop the service and restore Redis from its last good copy.`,
          );
        }
        moves.set(stream, moved === 'sound' ? 0 : moved);
      }
      // The system's stream first, because the repairs of all others are recorded in it.
      for (const [stream, moved] of [...moves].toReversed()) {
        const partition = auditPartitions[stream] ?? 'system';
        await settle(
          `The numbers of ${streamName(stream)} of the audit were set ahead.`,
          {
            part: 'audit-stream',
            partition: String(partition),
            moved,
          },
          () => streams.repair(stream, 'repair'),
          partition !== 'system',
        );
      }
      for (const partition of partitions) {
        const { length: lists } = await unreadableLists(connection, partition);
        if (lists === 0) continue;
        await settle(
          `${lists} lists of who looked cannot be read in partition ${partition}. New ones begin; the audit has who looked.`,
          { part: 'access-list', partition: String(partition), lists },
          () => removeUnreadableLists(connection, partition),
        );
      }
      const entries = foreign.reduce((sum, { count }) => sum + count, 0);
      if (entries > 0) {
        await settle(
          `${entries} entries in the audit streams were not events of this service. They are sealed as they were.`,
          { part: 'audit-entry', entries },
          () => commits?.answerForForeign(foreign),
        );
      }
      // Lost events cannot be repaired, and the store stays closed.
      const gaps = await streams.gaps(
        () => commits?.readPastGaps()?.numbers ?? [],
        commits?.acceptedGaps(),
      );
      const gone = gaps.length === 0 ? undefined : gapsText(gaps);
      if (who === undefined) {
        if (found > 0) console.log('Repaired with --by NAME --reason TEXT.');
        else if (gone === undefined) console.log(NOTHING);
        if (gone !== undefined) console.log(gone);
        return;
      }
      // Without this key the store verifier checks at once.
      if (pushed.length > 0) await connection.del(keys.open);
      if (gone !== undefined) {
        throw new Failure(
          found > 0 ? `What can be repaired is. The store stays closed. ${gone}` : gone,
        );
      }
      const opens = isReplaced || pushed.length > 0 ? ' The store opens within seconds.' : '';
      const whose = isReplaced ? 'the worker and of Redis’s administrator' : 'the lookup processes';
      console.log(
        found === 0
          ? NOTHING
          : `Repaired.${opens} Change the password of ${whose}, if you have not done so.`,
      );
    } finally {
      commits?.close();
    }
  });
}

export function addRepairCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('repair')
    .description(
      'Repair damage done by somebody with the password of a lookup process or a worker.',
    )
    .option('--list', 'list what is damaged; change nothing')
    .option('--by <name>', 'who does it; goes into the audit')
    .option('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
Entries of audit streams whose numbers were set ahead get the numbers that they should have; none is lost.
Unreadable lists of who looked start again; the audit has who looked. Entries that are not events
stay in the log as they were, and the alert ends. Functions that were replaced are put back. If numbers were set ahead,
the command needs the rights of Redis’s administrator; for all else a worker’s are enough. Change the password that was
taken first.

Examples:
  cp-flags repair --list
  cp-flags repair --by "A. Example" --reason "password of a lookup process was taken, incident 1234"
`,
    )
    .action((options: RepairOptions) => repair(configuration(), options));
}
