import { join } from 'node:path';
import { formatNotice, NOTICE_FORMATS } from '#loaders/formats/formats.ts';
import type { InactiveNumbersNotice } from '#schemas/notice.ts';
import { writePrivate } from './private-file.ts';

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
  const stem = `inactive-numbers-${notice.authority.code}-${notice.sequence}`;
  const paths = NOTICE_FORMATS.map((format) => join(folder, `${stem}.${format}`));
  for (const [i, format] of NOTICE_FORMATS.entries()) {
    await writePrivate(paths[i] ?? folder, formatNotice(notice, format));
  }
  return paths;
}
