import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import type { Command } from 'commander';
import { markRepeat } from '#loaders/answers/acknowledge.ts';
import { acknowledgementText } from '#loaders/answers/acknowledgement-text.ts';
import { acknowledgementFormats, formatAcknowledgement } from '#loaders/answers/answers.ts';
import { type CsvMetadata, type Difference, differFile } from '#loaders/load/load.ts';
import { loadFiles } from '#loaders/load/load-files.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { isoOfTyped } from '#schemas/typed-time.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import type { ColumnMapping } from '#schemas/uploads/columns.ts';
import { ANSWER_FORMATS, type AnswerFormat } from '#schemas/uploads/formats.ts';
import { ACKNOWLEDGEMENT } from '#schemas/wording/answers.ts';
import { lstatOrNothing } from '#store/files/whole-file.ts';
import { acknowledgementsFolder, noticesFolder } from '../files/data-folder.ts';
import { writePrivate } from '../files/private-file.ts';
import { expectFinal } from '../uploads/final-acknowledgements.ts';
import { LOAD_SETTINGS, loadSettings } from '../uploads/load-settings.ts';
import { writeNotice } from '../uploads/notices.ts';
import { openNumberTracer } from '../uploads/number-tracing.ts';
import { readColumns } from './authority.ts';
import { requireDestination } from './destination.ts';
import { Failure, misused } from './failure.ts';
import { osAccount } from './named.ts';
import { createProgress } from './progress.ts';
import { settingsHelp } from './settings-help.ts';
import { withNewestStore } from './store.ts';
import { readWholeNumber } from './typed-number.ts';

export type LoadOptions = {
  ack?: string;
  authority?: string;
  sequence?: string;
  created?: string;
  rows?: string;
  columns?: string;
  full?: boolean;
  dryRun?: boolean;
};

const PARTLY = 3;
const NOTHING = 4;

/** @throws {Failure} if a number or time cannot be read */
export function metadataOf({
  authority,
  sequence,
  created,
  rows,
  full,
}: Omit<LoadOptions, 'ack' | 'dryRun'>): CsvMetadata {
  return {
    ...(full === true && { full }),
    ...(authority !== undefined && { authority }),
    ...(sequence !== undefined && { sequence: readWholeNumber('--sequence', sequence) }),
    ...(created !== undefined && { createdAt: isoOfTyped(created) }),
    ...(rows !== undefined && { rowCount: readWholeNumber('--rows', rows) }),
  };
}

/** What a file calls its columns and plans, if given. */
export const columnsOf = async ({
  columns,
}: Pick<LoadOptions, 'columns'>): Promise<ColumnMapping | undefined> =>
  columns === undefined ? undefined : readColumns(columns);

/** Where the texts about a file go. */
type Target = { format: AnswerFormat; path: string } | { folder: string; stem: string };

/**
 * A path with the extension of a format is a file. Any other is a folder, made if absent; a new folder that
 * looks like a file name must end in a slash.
 */
async function targets(
  files: readonly string[],
  path: string | undefined,
): Promise<(Target | undefined)[]> {
  if (path === undefined) return files.map(() => undefined);
  if (path === '-') {
    throw misused('--ack - is not needed: without --ack it is printed on standard output.');
  }
  const ending = extname(path).toLowerCase();
  const format = ANSWER_FORMATS.find((name) => ending === `.${name}`);
  const found = await stat(path).catch(() => undefined);
  const isFolder =
    found?.isDirectory() ?? (path.endsWith(sep) || (ending === '' && !(await isThere(path))));
  if (!isFolder) {
    await requireDestination('--ack', path);
    if (format === undefined) {
      throw misused(
        `--ack must be a folder, or end in .json, .csv, .xml or .txt. If ${path} is to be a new folder, end it with ${sep}`,
      );
    }
    if (files.length > 1) throw misused('--ack must name a folder if several files are loaded.');
    if (files.some((file) => resolve(file) === resolve(path))) {
      throw misused(`--ack ${path} is the file that is to be loaded. Give another name.`);
    }
    await requireWritable(dirname(path));
    return [{ format, path }];
  }
  const names = files.map((file) => basename(file));
  if (new Set(names).size !== names.length) {
    throw misused('Two of the files have the same name, and so would their acknowledgements.');
  }
  await requireWritable(path);
  for (const stem of names) {
    for (const each of ANSWER_FORMATS) {
      await requireDestination('--ack', acknowledgementPath(path, stem, each));
    }
  }
  return names.map((stem) => ({ folder: path, stem }));
}

/** Even a link to nothing exists. */
const isThere = async (path: string): Promise<boolean> =>
  (await lstatOrNothing(path)) !== undefined;

const acknowledgementPath = (folder: string, stem: string, format: AnswerFormat): string =>
  join(folder, `${stem}.ack.${format}`);

/** Before anything is loaded, so that no load lacks its acknowledgement. */
async function requireWritable(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK);
  } catch {
    throw new Failure(`Nothing can be written to ${folder}.`);
  }
}

async function writeAcknowledgement(
  acknowledgement: Acknowledgement,
  target: Target | undefined,
): Promise<void> {
  if (target === undefined) return;
  const written =
    'format' in target
      ? [target]
      : acknowledgementFormats(acknowledgement).map((format) => ({
          format,
          path: acknowledgementPath(target.folder, target.stem, format),
        }));
  for (const { format, path } of written) {
    await writePrivate(path, formatAcknowledgement(acknowledgement, format));
  }
}

/** Beside the acknowledgement, or in the data folder if none was asked for. */
function noticeFolder(target: Target | undefined, configuration: Configuration): string {
  if (target === undefined) return noticesFolder(configuration);
  return 'format' in target ? dirname(target.path) : target.folder;
}

/** 0 if everything is loaded, 3 if some of it, 4 if nothing. */
export function exitCodeOf({ code }: Acknowledgement): number {
  switch (code) {
    case 'CPF02':
      return 0;
    case 'CPF03':
      return PARTLY;
    default:
      return NOTHING;
  }
}

/**
 * @returns the sizes in bytes
 * @throws {Failure} if one is missing, is not a file, or only describes a CSV
 */
export async function requireReadable(files: readonly string[]): Promise<number[]> {
  const sizes: number[] = [];
  for (const file of files) {
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile() !== true) throw new Failure(`${file} is not a file that can be read.`);
    // Read as a CSV, it would be answered with faults of its quotes.
    if (extname(file).toLowerCase() === '.json') {
      throw new Failure(
        `${file} is not an upload. A JSON file beside a CSV is read with it: leave it out.`,
      );
    }
    sizes.push(found.size);
  }
  return sizes;
}

/** `+12 -3 ~5`: rows added, taken away (ended, deleted, left out of a full refresh) and changed. */
function differenceText({ added, removed, changed }: Difference): string {
  return `+${added} -${removed} ~${changed}`;
}

/**
 * `cp-flags load`: loads files, those of one authority in the order given, and prints the result of each.
 * With `--dry-run` it prints what the result would be, and changes nothing.
 *
 * @returns the exit code: for several files, that of the worst
 */
async function load(
  configuration: Configuration,
  files: readonly string[],
  options: LoadOptions,
): Promise<number> {
  const metadata = metadataOf(options);
  if (files.length > 1 && Object.keys(metadata).length > 0) {
    throw misused(
      '--authority, --sequence, --created, --rows and --full describe one file: load it alone.',
    );
  }
  const beganAt = Date.now();
  const columns = await columnsOf(options);
  const sizes = await requireReadable(files);
  const written = await targets(files, options.ack);
  const toLoad = files.map((path, i) => ({
    number: i,
    sizeBytes: sizes[i] ?? 0,
    path,
    name: basename(path),
    metadata,
    target: written[i],
    notices: [] as string[],
  }));
  return withNewestStore(configuration, 'loader', async (store, anchor) => {
    const tracer = await openNumberTracer(configuration, anchor.dataset()?.kind);
    const common = {
      ...loadSettings(configuration, tracer),
      addAuthority: true,
      columns,
      by: osAccount(),
    };
    let worst = 0;
    if (options.dryRun === true) {
      for (const { path, name, target } of toLoad) {
        const settings = { ...common, metadata };
        const { acknowledgement: answered, difference } = await differFile(
          store,
          anchor,
          { path, name },
          settings,
        );
        const acknowledgement = markRepeat(answered, beganAt);
        await writeAcknowledgement(acknowledgement, target);
        console.log(`${differenceText(difference)}  NOTHING WAS CHANGED. It would be:`);
        console.log(acknowledgementText(acknowledgement, 'dry-run'));
        worst = Math.max(worst, exitCodeOf(acknowledgement));
      }
      return worst;
    }
    let failure: string | undefined;
    // On standard error: standard output is only for the results.
    const progress = createProgress(process.stderr, toLoad);
    await loadFiles(
      store,
      anchor,
      toLoad,
      {
        ...common,
        optionsOf: (file) => ({
          onProgress: progress.reportOf(file.number),
          onNotice: async (notice) => {
            file.notices = await writeNotice(noticeFolder(file.target, configuration), notice);
          },
        }),
      },
      async (loaded) => {
        progress.done(loaded.file.number);
        progress.clear();
        if (loaded.kind === 'failed') {
          console.error(`cp-flags: ${loaded.file.name}: ${loaded.error.message}`);
          failure ??= loaded.error.message;
          return;
        }
        const { file } = loaded;
        const acknowledgement = markRepeat(loaded.acknowledgement, beganAt);
        // Printed first, so that it is not lost if the file cannot be written.
        console.log(acknowledgementText(acknowledgement));
        await writeAcknowledgement(acknowledgement, file.target);
        if (acknowledgement.held?.untraced === true) {
          const paths = await expectFinal(acknowledgementsFolder(configuration), acknowledgement);
          console.log(`  ${ACKNOWLEDGEMENT.finalWillBe(paths)}`);
        }
        if (file.notices.length > 0) {
          console.log(`  NHS numbers that are no longer in use are in ${file.notices.join(', ')}`);
        }
        worst = Math.max(worst, exitCodeOf(acknowledgement));
      },
    );
    return failure === undefined ? worst : 1;
  });
}

/** What a CSV's name, or a file beside it, may also give. */
export const withCsvOptions = (command: Command): Command =>
  command
    .option('--authority <code>', 'CSV: ODS code of the authority')
    .option('--sequence <number>', 'CSV: the file’s sequence number')
    .option(
      '--created <time>',
      'CSV: when it was made, such as 27/11/2026 02:00 (London), ISO 8601 or YYYYMMDDHHMM',
    )
    .option(
      '--rows <count>',
      'CSV: how many rows it has, so that it is noticed if the file is cut short',
    )
    .option('--columns <file>', 'CSV: JSON file with the names it has for columns and plans')
    .option(
      '--full',
      'CSV: a full refresh: it has every plan that should be held, and plans that it leaves out are taken away. Needs --rows',
    );

export function addLoadCommand(program: Command, configuration: () => Configuration): void {
  withCsvOptions(
    program
      .command('load')
      .description('Load upload files of local authorities: Spine XML or CSV, also gzipped.')
      .argument('<file...>', 'files, loaded in this order')
      .option(
        '--ack <path>',
        'write the acknowledgement: to PATH if it ends in .json, .csv, .xml or .txt, otherwise into the folder PATH in every format that applies, as FILE.ack.json and so on',
      ),
  )
    .option(
      '--dry-run',
      'show what each file would do, as +ADDED -REMOVED ~CHANGED; change nothing',
    )
    .addHelpText(
      'after',
      () => `
Files of several authorities are loaded at the same time, those of one authority in the order given.

The first four CSV options are not needed if the file is named ODS-sequence-yyyymmddHHMM-rows.csv (the rows may be
left out) or has a FILE.json beside it with authority, sequence, createdAt, rowCount and full.

--columns takes the headings and plan names of a case system, so that its own export is loaded unchanged. Columns
and plans that it leaves out keep their usual names. delete_date may be null. linesAbove counts lines of a title:
  { "columns": { "nhs_number": "NHS No", "delete_date": null }, "planTypes": { "CLA": "looked-after-child" } }
cp-flags authority set CODE --columns FILE stores it for every file of that authority.

NHS numbers that are no longer in use go into a notice for the authority, inactive-numbers-ODS-SEQUENCE in
JSON, CSV and XML: beside the acknowledgement, or in notices/ of the data folder.

While PDS is away, records wait to be traced and --ack is given a provisional acknowledgement. The worker writes the
final one, ODS-SEQUENCE.ack.json and so on, into acknowledgements/ of the data folder; it is not written to --ack.

${settingsHelp(LOAD_SETTINGS)}An authority may have settings of its own: cp-flags authority set. What waits: cp-flags release --list.

A new authority is added by its first XML file; one that sends CSV is added with
cp-flags authority set, since a CSV has no telephone numbers.

Exit code: 0 everything loaded (CPF02), 3 some records refused (CPF03), 4 nothing loaded from a file
(CPF01, CPF04 and others), or nothing yet, 1 the load could not be made, 2 wrong usage. For several files the highest
of 0, 3 and 4.

Examples:
  cp-flags load upload-V145-412.xml
  cp-flags load --ack acknowledgements/ *.csv
  cp-flags load --authority V145 --sequence 413 --created 2026-11-24T02:00:00Z --rows 18 tonight.csv
`,
    )
    .action(async (files: string[], options: LoadOptions) => {
      process.exitCode = await load(configuration(), files, options);
    });
}
