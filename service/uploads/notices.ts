import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { formatNotice, NOTICE_FORMATS } from '#loaders/answers/answers.ts';
import type { OdsCode } from '#schemas/authority.ts';
import {
  type InactiveNumbersNotice,
  inactiveNumbersNoticeSchema,
} from '#schemas/uploads/notice.ts';
import { writePrivate } from '../files/private-file.ts';

const stemOf = (authority: string, sequence: number): string =>
  `inactive-numbers-${authority}-${sequence}`;

/** The notice that was last written for an upload of an authority; `undefined` where there is none. */
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
 * Writes a notice of inactive numbers into a folder, in every format. The names follow from the upload, so
 * that a notice given again replaces the first.
 *
 * @returns the paths
 */
export async function writeNotice(
  folder: string,
  notice: InactiveNumbersNotice,
): Promise<string[]> {
  const stem = stemOf(notice.authority.code, notice.sequence);
  const paths = NOTICE_FORMATS.map((format) => join(folder, `${stem}.${format}`));
  for (const [i, format] of NOTICE_FORMATS.entries()) {
    await writePrivate(paths[i] ?? folder, formatNotice(notice, format));
  }
  return paths;
}
