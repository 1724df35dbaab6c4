import { basename } from 'node:path';
import type { Command } from 'commander';
import { readExport, reconcile } from '#loaders/reconcile/reconcile.ts';
import { formatReconciliation } from '#loaders/reconcile/reconciliation-text.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import type { Configuration } from '#schemas/configuration.ts';
import type { Reconciliation } from '#schemas/uploads/reconciliation.ts';
import { spoolFolder } from '../files/data-folder.ts';
import { writePrivate } from '../files/private-file.ts';
import { requireDestination } from './destination.ts';
import { Failure, misused } from './failure.ts';
import { columnsOf, requireReadable } from './load.ts';
import { holdingsReadHere, readOption, readReason } from './named.ts';
import { withStore } from './store.ts';

type ReconcileOptions = {
  columns?: string;
  csv?: boolean;
  json?: boolean;
  out?: string;
  reason: string;
};

const DIFFERENT = 3;
const NOT_COMPARED = 4;

function exitCodeOf({ compared, counts }: Reconciliation): number {
  if (!compared) return NOT_COMPARED;
  const { differs, onlyHere, onlyThere, notCompared } = counts;
  return differs + onlyHere + onlyThere + notCompared === 0 ? 0 : DIFFERENT;
}

/**
 * `cp-flags reconcile`: compares a case system's export with what is held for its authority. Audited before
 * the comparison, and changes nothing.
 *
 * @returns the exit code
 */
async function reconcileFile(
  configuration: Configuration,
  codeText: string,
  path: string,
  { csv = false, json = false, out, reason, ...options }: ReconcileOptions,
): Promise<number> {
  if (csv && json) throw misused('Give --csv or --json, not both.');
  const code = readOption('AUTHORITY', odsCodeSchema, codeText);
  const why = readReason(reason);
  const columns = await columnsOf(options);
  await requireReadable([path]);
  if (out !== undefined) await requireDestination('--out', out);
  return withStore(configuration, 'loader', async (store) => {
    const authority = await store.authority(code);
    if (authority === undefined) throw new Failure(`Authority ${code} is not known here.`);
    const read = await readExport(
      { path, name: basename(path) },
      {
        authority: code,
        columns: columns ?? (await store.intakeState(code)).columns,
        spoolDir: spoolFolder(configuration),
        maxBytes: configuration.MAX_UPLOAD_MIB * 1_048_576,
      },
    );
    await store.appendEvent(holdingsReadHere(code, why));
    const reconciliation = await reconcile(read, authority, store.rowsOf(code));
    const text = formatReconciliation(reconciliation, csv ? 'csv' : json ? 'json' : 'txt');
    if (out === undefined) process.stdout.write(text);
    else await writePrivate(out, text);
    return exitCodeOf(reconciliation);
  });
}

export function addReconcileCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('reconcile')
    .description('Compare a case system’s export with what is held, plan by plan, without changes.')
    .argument('<code>', 'the authority’s ODS code')
    .argument(
      '<file>',
      'every plan the case system has, in the form of an upload: Spine XML or CSV',
    )
    .option('--columns <file>', 'CSV: JSON file with the names it has for columns and plans')
    .option('--csv', 'for a spreadsheet, instead of text')
    .option('--json', 'for programs')
    .option('--out <path>', 'to a file that only its owner can read, instead of standard output')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
For each plan it says whether it is the same, differs (and in what), is only here or is only in the file. The
file needs no number, time of creation or names. The output has NHS numbers, so give it only to the authority. Each
comparison is audited. An authority does the same on its page Compare, or with POST /reconcile.

Exit code: 0 everything is the same, 3 something differs, 4 the file cannot be read, 1 the comparison failed.

Example:
  cp-flags reconcile V145 export.csv --csv --out differences.csv --reason "asked for by V145, ticket 1234"
`,
    )
    .action(async (code: string, file: string, options: ReconcileOptions) => {
      process.exitCode = await reconcileFile(configuration(), code, file, options);
    });
}
