import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { z } from 'zod';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import { parseJson } from '#schemas/json.ts';
import { unspaced } from '#schemas/tidy.ts';
import type { ColumnMapping } from '#schemas/uploads/columns.ts';
import { METADATA_HINTS, type WayIn } from '#schemas/wording/files.ts';
import { omitUndefined } from '../../../schemas/omit-undefined.ts';
import { readInstant } from '../common/dates.ts';
import { notReadable, type UploadSource } from '../common/source.ts';
import { type FileProblem, readCount, type UploadHeader } from '../common/upload.ts';

/**
 * What a CSV does not contain about itself. `createdAt` is ISO 8601 or `YYYYMMDDHHMM`, London time if it
 * names no zone. Also the form of the sidecar file.
 */
const csvMetadataSchema = z.strictObject({
  authority: z.string().max(20).optional(),
  sequence: z.int().nonnegative().max(999_999_999_999_999).optional(),
  createdAt: z.string().max(40).optional(),
  rowCount: z.int().nonnegative().optional(),
  /** True for a full refresh: every plan to be held, so that what it leaves out is taken away. */
  full: z.boolean().optional(),
});
export type CsvMetadata = z.infer<typeof csvMetadataSchema>;

/** What a reader is given in addition to a file's text. */
export type FileToRead = {
  source: UploadSource;
  metadata: CsvMetadata;
  way?: WayIn | undefined;
  /** The authority known to be sending, if any. */
  authority: OdsCode | undefined;
  /** Whether the names of people are wanted. */
  names: boolean;
  mappingOf?: MappingOf | undefined;
};

/**
 * What a file's case system calls its columns and plans; `undefined` if it has no mapping.
 *
 * @param authority the file's authority, if the file gives it
 */
export type MappingOf = (
  authority: OdsCode | undefined,
) => Promise<ColumnMapping | undefined> | ColumnMapping | undefined;

const SIDECAR_AT_MOST = 4_096;

type CsvHeader = { header: UploadHeader; problems: FileProblem[]; warnings: FileProblem[] };

/**
 * Authority, sequence, creation time and row count of a CSV: each from an option, or else the sidecar
 * `NAME.json`, or else a file name `ODS-sequence-yyyymmddHHMM.csv`, or `-rows.csv` with the row count.
 *
 * @param expected the authority known to be sending, used if nothing else names one
 */
export async function csvHeader(
  source: UploadSource,
  options: CsvMetadata,
  expected: string | undefined,
  way: WayIn = 'command',
): Promise<CsvHeader> {
  const problems: FileProblem[] = [];
  const warnings: FileProblem[] = [];
  const sidecar = await readSidecar(source);
  if (sidecar === 'unreadable') {
    problems.push({
      place: 'file',
      hint: METADATA_HINTS.sidecar,
    });
  }
  const metadata: CsvMetadata = {
    ...(expected !== undefined && { authority: expected }),
    ...fromName(source.name),
    ...(sidecar === 'unreadable' ? {} : sidecar),
    ...omitUndefined(options),
  };

  const problem = (field: string, hint: string): undefined => {
    problems.push({ place: 'file', field, hint });
  };
  const authority =
    odsCodeSchema.safeParse(unspaced(metadata.authority ?? '')).data ??
    problem('authority', METADATA_HINTS.authority(way));
  const sequence = metadata.sequence ?? problem('sequence', METADATA_HINTS.sequence(way));
  const createdAt =
    readInstant(metadata.createdAt ?? '') ?? problem('createdAt', METADATA_HINTS.createdAt(way));
  if (metadata.rowCount === undefined && metadata.full === true) {
    problem('rowCount', METADATA_HINTS.rowCountOfFull(way));
  } else if (metadata.rowCount === undefined) {
    warnings.push({
      place: 'file',
      field: 'rowCount',
      hint: METADATA_HINTS.rowCount(way),
    });
  }
  return {
    header: {
      ...(authority !== undefined && { authority }),
      ...(sequence !== undefined && { sequence }),
      ...(createdAt !== undefined && { createdAt }),
      ...(metadata.rowCount !== undefined && { recordCount: metadata.rowCount }),
      ...(metadata.full === true && { full: true }),
    },
    problems,
    warnings,
  };
}

function fromName(name: string): CsvMetadata {
  const parts =
    /^([A-Z0-9]{3,12})-([0-9]{1,15})-([0-9]{12})(?:-([0-9]{1,9}))?\.csv(?:\.gz)?$/i.exec(
      basename(name),
    );
  const sequence = readCount(parts?.[2] ?? '');
  if (!parts || sequence === undefined) return {};
  return omitUndefined({
    authority: parts[1]?.toUpperCase(),
    sequence,
    createdAt: parts[3],
    rowCount: readCount(parts[4] ?? ''),
  });
}

async function readSidecar(source: UploadSource): Promise<CsvMetadata | 'unreadable'> {
  if (!('path' in source)) return {};
  const stem = source.path.slice(0, source.path.length - extname(source.path).length);
  for (const path of new Set([`${source.path}.json`, `${stem}.json`])) {
    const text = await readStart(path);
    if (text === undefined) continue;
    if (text.length > SIDECAR_AT_MOST) return 'unreadable';
    return csvMetadataSchema.safeParse(parseJson(text)).data ?? 'unreadable';
  }
  return {};
}

/** No such file, or no room in a name for one. */
const ABSENT = ['ENOENT', 'ENAMETOOLONG'];

/**
 * Slightly more than a sidecar may have; `undefined` if there is no such file.
 *
 * @throws {SourceFailed} if there is one that cannot be read: it may say that the file has more rows, or that it has
 * every plan
 */
async function readStart(path: string): Promise<string | undefined> {
  try {
    // Without waiting: a pipe would block the load until somebody writes to it.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await file.stat()).isFile()) return undefined;
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(SIDECAR_AT_MOST + 1) });
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (ABSENT.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw notReadable(error);
  }
}
