import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { FILE_REMARKS } from '#schemas/wording/decisions.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { acknowledge, NO_EFFECTS } from '../answers/acknowledge.ts';
import { readUpload } from '../check/read.ts';
import { SourceBytes, type UploadSource } from '../formats/common/source.ts';
import { asLoadFailed } from '../load-failed.ts';
import { Spool } from '../spool/spool.ts';
import type { LoadOptions } from './load.ts';

const MAX_BYTES = 67_108_864;

/**
 * Checks a file by itself, as a loader would before it reads the store: whether it can be read to its last
 * byte, and each record. Needs neither Redis nor a network. Faults that depend on what is held (a delete
 * without its plan, a used number) show only when it is loaded.
 *
 * @returns what would be answered as far as can be told: CPF01 or CPF06, or CPF02 to CPF04 by the records
 * @throws {LoadFailed} if the file or the disk failed
 */
export async function validateFile(
  source: UploadSource,
  {
    metadata = {},
    columns,
    maxBytes = MAX_BYTES,
    now = Date.now,
    onProgress,
  }: Pick<LoadOptions, 'metadata' | 'columns' | 'maxBytes' | 'now' | 'onProgress'> = {},
): Promise<Acknowledgement> {
  const receivedAt = now();
  const bytes = new SourceBytes(source, maxBytes);
  const folder = mkdtempSync(join(tmpdir(), 'cp-flags-'));
  try {
    const spool = Spool.create(folder);
    try {
      const options = {
        receivedAt,
        metadata,
        mappingOf: () => columns,
        authority: undefined,
        onProgress,
      };
      const read = await readUpload(bytes, source, options, spool);
      for (const { hint, ...problem } of read.contactProblems) {
        read.warnings.add({
          code: 'CPF02',
          ...problem,
          hint: FILE_REMARKS.contactUnknown(hint),
        });
      }
      const accepted = read.refusal === undefined ? spool.addedRecords : 0;
      const soundCode = accepted === read.records ? 'CPF02' : accepted > 0 ? 'CPF03' : 'CPF04';
      return acknowledge(
        read,
        { name: source.name, receivedAt },
        {
          code: read.usable === undefined ? (read.refusal ?? 'CPF01') : soundCode,
          accepted,
          effects: NO_EFFECTS,
          authorityAdded: false,
        },
      );
    } finally {
      spool.close();
    }
  } catch (error) {
    throw asLoadFailed(error, LOAD_FAILED.notLoaded);
  } finally {
    bytes.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
