import type { Command } from 'commander';
import { acknowledgementText } from '#loaders/answers/acknowledgement-text.ts';
import {
  discardHeldFile,
  findHeldFiles,
  type HeldFile,
  type HeldFileDecision,
  listHeldFiles,
  releaseHeldFile,
} from '#loaders/upkeep/held-files.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { shortTextSchema } from '#schemas/text.ts';
import { whatWaits } from '#schemas/wording/operator.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { Failure, misused } from './failure.ts';
import { exitCodeOf } from './load.ts';
import { type Named, readNamed, readOption } from './named.ts';
import { withNewestStore } from './store.ts';

type ReleaseOptions = Partial<Named> & {
  list?: boolean;
  discard?: boolean;
  confirmedBy?: string;
};

function readDecision(options: ReleaseOptions): HeldFileDecision {
  const { confirmedBy } = options;
  return {
    ...readNamed(options),
    ...(confirmedBy !== undefined && {
      confirmedBy: readOption('--confirmed-by', shortTextSchema, confirmedBy),
    }),
  };
}

function heldFileText(file: HeldFile): string {
  const { id, authority, number, at, reasons } = file;
  return [
    `${authority}-${number}  ${id}  since ${zonedTimeText(at)}: ${whatWaits(file)}`,
    ...reasons.map((reason) => `    ${reason}`),
  ].join('\n');
}

function only(anchor: Anchor, file: string): HeldFile {
  const [heldFile, second] = findHeldFiles(anchor, file);
  if (heldFile === undefined) {
    throw new Failure(
      `Nothing is held as ${file}. See the page Held files, or cp-flags release --list.`,
    );
  }
  if (second !== undefined) {
    throw new Failure(
      `More than one is held as ${file}: name it by its id, ${heldFile.id} or ${second.id}.`,
    );
  }
  return heldFile;
}

/**
 * `cp-flags release`: releases or discards the held part of a file; or lists held files.
 *
 * @returns the exit code: that of the file once it is released
 */
export async function release(
  configuration: Configuration,
  file: string | undefined,
  options: ReleaseOptions,
): Promise<number> {
  const decision = options.list === true ? undefined : readDecision(options);
  return withNewestStore(configuration, 'loader', async (store, anchor) => {
    if (decision === undefined) {
      const heldFiles = listHeldFiles(anchor);
      console.log(
        heldFiles.length === 0 ? 'Nothing is held.' : heldFiles.map(heldFileText).join('\n'),
      );
      return 0;
    }
    if (file === undefined)
      throw misused('Say which: an authority and a number, V145-412, or an id.');
    const { id } = only(anchor, file);
    const acknowledgement =
      options.discard === true
        ? await discardHeldFile(store, anchor, id, decision)
        : await releaseHeldFile(store, anchor, id, decision);
    console.log(acknowledgementText(acknowledgement));
    return options.discard === true ? 0 : exitCodeOf(acknowledgement);
  });
}

export function addReleaseCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('release')
    .description('Release a held file, or discard it.')
    .argument(
      '[file]',
      'the authority’s code and the file’s number, V145-412, or the id of the held file',
    )
    .option('--list', 'list what is held, and why')
    .option('--discard', 'discard it: it is not applied')
    .option('--by <name>', 'who decides; goes into the audit')
    .option('--reason <text>', 'why; goes into the audit')
    .option('--confirmed-by <name>', 'who at the council confirmed it; goes into the audit')
    .addHelpText(
      'after',
      `
When a file is released, its rows are decided again, against what is held now. If nobody decides, it is discarded
after HELD_DAYS (30), by a process with role all or worker.

Exit code: 0 the whole file is loaded, 3 all but its refused records are loaded, 4 nothing is loaded.

Examples:
  cp-flags release --list
  cp-flags release V145-412 --by "A. Example" --confirmed-by "B. Council" --reason "a service has moved"
  cp-flags release V145-412 --discard --by "A. Example" --reason "exported by mistake"
`,
    )
    .action(async (file: string | undefined, options: ReleaseOptions) => {
      process.exitCode = await release(configuration(), file, options);
    });
}
