import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

import { formatNotice, NOTICE_FORMATS } from '#loaders/answers/answers.ts';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import {
  type InactiveNumbersNotice,
  inactiveNumbersNoticeSchema,
  type SensitiveNumberNotice,
} from '#schemas/uploads/notice.ts';
import { NOTICE } from '#schemas/wording/answers.ts';
import { requireFileOrNothing } from '#store/files/whole-file.ts';
import { writePrivate } from '../files/private-file.ts';

const stemOf = (authority: string, sequence: number): string =>
  `inactive-numbers-${authority}-${sequence}`;

/** The last notice for an upload of an authority; `undefined` if there is none. */
export async function readNotice(
  folder: string,
  authority: OdsCode,
  sequence: number,
): Promise<InactiveNumbersNotice | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, `${stemOf(authority, sequence)}.json`), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return inactiveNumbersNoticeSchema.parse(JSON.parse(text));
}

/**
 * Informs an authority, as JSON and in words, that the record of one of its numbers has become sensitive.
 *
 * @returns the paths
 */
export async function writeSensitiveNotice(
  folder: string,
  notice: SensitiveNumberNotice,
): Promise<string[]> {
  const stem = join(folder, `sensitive-number-${notice.authority.code}-${notice.id}`);
  await writePrivate(`${stem}.json`, `${JSON.stringify(notice, undefined, 2)}\n`);
  await writePrivate(`${stem}.txt`, `${NOTICE.sensitive(notice)}\n`);
  return [`${stem}.json`, `${stem}.txt`];
}

/**
 * Writes a notice of inactive numbers into a folder, in every format. It keeps what the last notice for the same upload
 * lists: a file that is loaded again does not remove what was found since. The caller holds the authority's lock, or
 * two that write at once would lose what one of them adds.
 *
 * @param onDamaged called if the last notice cannot be read: it is kept beside, under another name
 * @returns the paths
 */
export async function writeNotice(
  folder: string,
  notice: InactiveNumbersNotice,
  onDamaged: () => void = () => undefined,
): Promise<string[]> {
  const code = odsCodeSchema.parse(notice.authority.code);
  const stem = join(folder, stemOf(code, notice.sequence));
  const path = `${stem}.json`;
  await requireFileOrNothing(path);
  const before = await readNotice(folder, code, notice.sequence).catch(async (error: unknown) => {
    // A disk fault is tried again. A file that somebody has changed must not stop the notice of other numbers.
    if (error instanceof Error && 'code' in error) throw error;
    await rename(path, `${path}.damaged`);
    onDamaged();
    return undefined;
  });
  const added = new Set(notice.numbers.map(({ nhsNumber }) => nhsNumber));
  const others = before?.numbers.filter(({ nhsNumber }) => !added.has(nhsNumber)) ?? [];
  const all: InactiveNumbersNotice = {
    ...notice,
    numbers: [...others, ...notice.numbers],
    omitted: Math.max(before?.omitted ?? 0, notice.omitted),
  };
  const paths = NOTICE_FORMATS.map((format) => `${stem}.${format}`);
  for (const [i, format] of NOTICE_FORMATS.entries()) {
    await writePrivate(paths[i] ?? folder, formatNotice(all, format));
  }
  return paths;
}
