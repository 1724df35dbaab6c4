import { mkdir, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { type CsvMetadata, loadFile } from '#loaders/load.ts';
import {
  type Acknowledgement,
  FILE_CODES,
  type Finding,
  RECORD_CODES,
} from '#schemas/acknowledgement.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { spoolFolder } from '../data-folder.ts';
import { writePrivate } from '../private-file.ts';
import { Failure, misused } from './failure.ts';
import { requireSameDataset, runningRedis, withStore } from './store.ts';

export type LoadOptions = {
  ack?: string;
  authority?: string;
  sequence?: string;
  created?: string;
  rows?: string;
};

const PARTLY = 3;
const NOTHING = 4;

const meaning = (code: Finding['code']): string => ({ ...FILE_CODES, ...RECORD_CODES })[code];

const plural = (count: number, thing: string): string =>
  `${count} ${thing}${count === 1 ? '' : 's'}`;

function findingLine({ code, place, field, localId, hint }: Finding, withCode: boolean): string {
  const at = [place, ...(localId ? [`local id ${localId}`] : []), ...(field ? [field] : [])];
  return `    ${at.join(', ')}: ${hint}${withCode ? ` (${code}, ${meaning(code)})` : ''}`;
}

function findingLines(
  title: string,
  findings: readonly Finding[],
  omitted: number,
  withCode: boolean,
): string[] {
  if (findings.length === 0) return [];
  return [
    `  ${title}:`,
    ...findings.map((finding) => findingLine(finding, withCode)),
    ...(omitted > 0 ? [`    and ${omitted} more`] : []),
  ];
}

/** An acknowledgement for a person to read. */
export function acknowledgementText(acknowledgement: Acknowledgement): string {
  const { file, authority, sequence, code, counts, rows, dataAsOf } = acknowledgement;
  const from = [
    ...(authority === undefined ? [] : [authority.name ?? '', `(${authority.code})`]),
    ...(sequence < 0 ? [] : [`file ${sequence}`]),
  ];
  return [
    `${file.name}: ${code} ${acknowledgement.meaning}`,
    ...(from.length === 0 ? [] : [`  From ${from.filter(Boolean).join(' ')}`]),
    ...(acknowledgement.authorityAdded ? ['  The authority was not known here; it is now.'] : []),
    `  ${plural(counts.records, 'record')}: ${counts.accepted} accepted, ${counts.refused} refused`,
    `  ${plural(rows.added + rows.changed + rows.unchanged + rows.superseded, 'row')}: ${rows.added} added, ${rows.changed} changed, ${rows.unchanged} unchanged, ${rows.superseded} superseded by a newer file`,
    ...(dataAsOf === undefined ? [] : [`  Data as of ${dataAsOf}`]),
    ...(acknowledgement.droppedColumns.length === 0
      ? []
      : [`  Columns read past and not kept: ${acknowledgement.droppedColumns.join(', ')}`]),
    ...findingLines('Refused', acknowledgement.failures, acknowledgement.omitted.failures, true),
    ...findingLines('Warnings', acknowledgement.warnings, acknowledgement.omitted.warnings, false),
  ].join('\n');
}

function wholeNumber(option: string, text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw misused(`${option} must be a whole number.`);
  return Number(text);
}

function metadataOf({ authority, sequence, created, rows }: LoadOptions): CsvMetadata {
  return {
    ...(authority !== undefined && { authority }),
    ...(sequence !== undefined && { sequence: wholeNumber('--sequence', sequence) }),
    ...(created !== undefined && { createdAt: created }),
    ...(rows !== undefined && { rowCount: wholeNumber('--rows', rows) }),
  };
}

/** Where each file's acknowledgement goes: PATH itself for one file, a folder for several. */
async function acknowledgementPaths(
  files: readonly string[],
  path: string | undefined,
): Promise<(string | undefined)[]> {
  if (path === undefined) return files.map(() => undefined);
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => files.length > 1,
  );
  if (!isFolder) {
    if (files.length > 1) throw misused('--ack must name a folder where several files are loaded.');
    return [path];
  }
  const names = files.map((file) => `${basename(file)}.ack.json`);
  if (new Set(names).size !== names.length) {
    throw misused('Two of the files have the same name, and so would their acknowledgements.');
  }
  await mkdir(path, { recursive: true });
  return names.map((name) => join(path, name));
}

function exitCodeOf({ code }: Acknowledgement): number {
  switch (code) {
    case 'CPF02':
      return 0;
    case 'CPF03':
      return PARTLY;
    default:
      return NOTHING;
  }
}

async function requireReadable(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile() !== true) throw new Failure(`${file} is not a file that can be read.`);
  }
}

/**
 * `cp-flags load`: loads files in the order given and prints what became of each.
 *
 * @returns the exit code: of several files, that of the one that went worst
 */
export async function load(
  configuration: Configuration,
  files: readonly string[],
  options: LoadOptions,
): Promise<number> {
  const metadata = metadataOf(options);
  if (files.length > 1 && Object.keys(metadata).length > 0) {
    throw misused(
      '--authority, --sequence, --created and --rows describe one file: load it alone.',
    );
  }
  const paths = await acknowledgementPaths(files, options.ack);
  await requireReadable(files);
  const redis = await runningRedis(configuration);
  return withStore(configuration, redis, 'loader', async (store, anchor) => {
    await requireSameDataset(store, anchor);
    let worst = 0;
    for (const [i, path] of files.entries()) {
      const acknowledgement = await loadFile(
        store,
        anchor,
        { path, name: basename(path) },
        {
          spoolDir: spoolFolder(configuration),
          addAuthority: true,
          by: userInfo().username,
          metadata,
          maxBytes: configuration.MAX_UPLOAD_MIB * 1_048_576,
        },
      );
      console.log(acknowledgementText(acknowledgement));
      const kept = paths[i];
      if (kept !== undefined) {
        await writePrivate(kept, `${JSON.stringify(acknowledgement, null, 2)}\n`);
      }
      worst = Math.max(worst, exitCodeOf(acknowledgement));
    }
    return worst;
  });
}
