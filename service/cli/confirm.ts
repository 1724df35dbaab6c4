import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import type { Command } from 'commander';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import type { Configuration } from '#schemas/configuration.ts';
import {
  type ConfirmationPlace,
  type Decided,
  decideClock,
  decideOldCopy,
  decidePromotion,
} from '../confirm/confirmations.ts';
import { auditFolder, auditSpoolFolder } from '../files/data-folder.ts';
import { serveDataset, servedDataset } from '../files/served-dataset.ts';
import { doneOrFailure, Failure } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { requireNoSuccessor, withAnyStore, withNewestStore, withStore } from './store.ts';

/** Where a person reads whether a confirmed store is open. */
const SEE = 'cp-flags status says whether it is open.';

/** `cp-flags confirm promotion`: lets the store open on a promoted server. */
export const confirmPromotedServer = (
  configuration: Configuration,
  options: Named,
): Promise<void> => confirm(configuration, options, withNewestStore, decidePromotion);

/** `cp-flags confirm old-copy`: lets the store open although it was last alive long ago. */
export const confirmOldDataFolder = (configuration: Configuration, options: Named): Promise<void> =>
  confirm(
    configuration,
    options,
    (own, role, work) =>
      withStore(own, role, async (store, anchor, connection, redis) => {
        await requireNoSuccessor(own, connection);
        return work(store, anchor, connection, redis);
      }),
    decideOldCopy,
  );

/** `cp-flags confirm clock`: lets the store open although its clock was put back. */
export const confirmClockPutBack = (configuration: Configuration, options: Named): Promise<void> =>
  confirm(configuration, options, withNewestStore, decideClock);

async function confirm(
  configuration: Configuration,
  options: Named,
  using: typeof withStore,
  decide: (place: ConfirmationPlace, named: NamedPerson) => Promise<Decided>,
): Promise<void> {
  const named = readNamed(options);
  await using(configuration, 'worker', async (_, anchor, connection) => {
    const place = { connection, anchor, auditFolder: auditFolder(configuration) };
    console.log(`${doneOrFailure(await decide(place, named))} ${SEE}`);
  });
}

/** Events of the former dataset would join the audit of the next. */
function requireEmptySpool(configuration: Configuration): void {
  let names: string[] = [];
  try {
    names = readdirSync(auditSpoolFolder(configuration));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  if (names.length === 0) return;
  throw new Failure(
    `Events of the dataset served before wait in ${auditSpoolFolder(configuration)}, or its process still runs. Stop it; if the folder is not empty then, start it with the former REDIS_URL until it is, or set DATA_DIR to another folder.`,
  );
}

/** `cp-flags confirm dataset`: lets a lookup process serve another dataset from this data folder. */
export async function confirmDataset(
  configuration: Configuration,
  id: string,
  options: Named,
): Promise<void> {
  const named = readNamed(options);
  await withAnyStore(configuration, 'lookup', async (store, anchor) => {
    if (anchor.dataset() !== undefined) {
      throw new Failure(
        'This data folder holds the anchor of a dataset, which cannot be changed. Set REDIS_URL and DATA_DIR to the two that belong together.',
      );
    }
    const held = await store.dataset();
    if (held?.id !== id) {
      throw new Failure(
        held === undefined
          ? 'Redis holds no dataset.'
          : `Redis holds dataset ${held.id}. Name that one, or set REDIS_URL to the Redis of the other.`,
      );
    }
    const before = servedDataset(configuration);
    if (before === id) throw new Failure('This data folder serves that dataset already.');
    requireEmptySpool(configuration);
    await store.appendEvent({
      type: 'dataset-confirmed',
      auditId: randomUUID(),
      by: named.by,
      detail: { dataset: id, ...whyDetail(named), ...(before !== undefined && { before }) },
    });
    serveDataset(configuration, id);
    console.log(`Confirmed. This data folder serves dataset ${id} from now on.`);
  });
}

export function addConfirmCommands(program: Command, configuration: () => Configuration): void {
  const confirm = program
    .command('confirm')
    .description('Open a store that stays closed, by decision of a named person.');
  const named = (command: Command): Command =>
    command
      .requiredOption('--by <name>', 'who decides; goes into the audit')
      .requiredOption('--reason <text>', 'why; goes into the audit');
  named(
    confirm
      .command('promotion')
      .description('A replica was promoted, and the server before it is lost.'),
  )
    .addHelpText(
      'after',
      `
A replica may lack the last answers given. First try to get the former primary back: set REDIS_URL
to it. The command prints the time after which events may be missing, and how many known events are missing.

Example:
  cp-flags confirm promotion --by "A. Example" --reason "the primary's disk is lost, ticket 1234"
`,
    )
    .action((options: Named) => confirmPromotedServer(configuration(), options));
  named(
    confirm
      .command('old-copy')
      .description(
        'A live data folder was last in use over 24 hours ago, or a witness knows a newer audit log, and there is no newer folder.',
      ),
  )
    .addHelpText(
      'after',
      `
Example:
  cp-flags confirm old-copy --by "A. Example" --reason "the service was off for the move, nothing was loaded"
`,
    )
    .action((options: Named) => confirmOldDataFolder(configuration(), options));
  named(
    confirm
      .command('clock')
      .description('The clock of Redis was ahead, and was put back to the right time.'),
  )
    .addHelpText(
      'after',
      `
First set the clocks of all machines by a time server. While they differ, the command is refused.

Example:
  cp-flags confirm clock --by "A. Example" --reason "the machine started an hour ahead, ticket 1234"
`,
    )
    .action((options: Named) => confirmClockPutBack(configuration(), options));
  named(
    confirm
      .command('dataset')
      .description('Let a lookup process serve another dataset from the same data folder.')
      .argument('<id>', 'the dataset, as cp-flags status prints it'),
  )
    .addHelpText(
      'after',
      `
Run it with the settings of the lookup process, which must be stopped.

Example:
  cp-flags confirm dataset 3f0c8a52-7c1e-4a0c-9a53-0e6f6c1d2b11 --by "A. Example" --reason "moved from the pilot"
`,
    )
    .action((id: string, options: Named) => confirmDataset(configuration(), id, options));
}
