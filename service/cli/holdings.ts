import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import type { Configuration } from '#schemas/configuration.ts';
import { writePrivate } from '../files/private-file.ts';
import { holdingsText } from '../uploads/holdings.ts';
import { requireDestination } from './destination.ts';
import { Failure, misused } from './failure.ts';
import { holdingsReadHere, readOdsCode, readReason } from './named.ts';
import { withStore } from './store.ts';

type HoldingsOptions = { csv?: boolean; json?: boolean; out?: string; reason: string };

const STDOUT = '-';

/** `cp-flags holdings`: everything held for one authority. Audited before the first row. */
export async function holdings(
  configuration: Configuration,
  codeText: string,
  { csv = false, json = false, out, reason }: HoldingsOptions,
): Promise<void> {
  if (csv && json) throw misused('Give --csv or --json, not both.');
  const code = readOdsCode(codeText);
  const why = readReason(reason);
  const toFile = out !== undefined && out !== STDOUT;
  // Before the reading is recorded: nothing is read that cannot be written.
  if (toFile) await requireDestination('--out', out);
  await withStore(configuration, 'loader', async (store) => {
    const authority = await store.authority(code);
    if (authority === undefined) throw new Failure(`Authority ${code} is not known here.`);
    await store.appendEvent(holdingsReadHere(code, why));
    const text = holdingsText(authority, store.rowsOf(code), csv ? 'csv' : 'json');
    if (toFile) await writePrivate(out, text);
    // Standard output is not ended: it is the process's.
    else await pipeline(Readable.from(text, { objectMode: false }), process.stdout, { end: false });
  });
}

export function addHoldingsCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('holdings')
    .description('Write everything held for one authority, to compare with its case system.')
    .argument('<code>', 'its ODS code')
    .option('--csv', 'with the columns of an upload')
    .option('--json', 'for programs (default)')
    .option('--out <path>', 'to a file that only its owner can read, instead of standard output')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
The output has every plan that is held, including ended and deleted ones, with NHS numbers. Give it only to that
authority. Each reading is audited. An authority reads its own on its page Plans held, or with GET
/holdings.

Example:
  cp-flags holdings V145 --csv --out V145-holdings.csv --reason "asked for by V145, ticket 1234"
`,
    )
    .action((code: string, options: HoldingsOptions) => holdings(configuration(), code, options));
}
