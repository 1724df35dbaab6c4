import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CONTROL_AT_MOST_BYTES, readControl } from '#loaders/inbox/mesh-control.ts';
import { MESH } from '#schemas/wording/mesh.ts';
import { lstatOrNothing, writeWhole } from '#store/files/whole-file.ts';
import { errorCode } from '../telemetry/log.ts';
import type { MeshFile } from './mesh-file.ts';
import { chunksIn, SENDING_MODE } from './sender.ts';

/** A folder of pairs to be sent. */
export type MeshOutbox = {
  path: string;
  /** Something written again unchanged is to be sent again, since an operator asked for it. */
  again: boolean;
};

type CollectorOptions = {
  file: MeshFile;
  /** Our mailbox: pairs from another one are left where they are. */
  mailbox: string;
  /** Where messages being sent are kept until delivered. It must exist. */
  folder: string;
  outboxes: readonly MeshOutbox[];
  /** The most bytes of plain data in one part. */
  chunkBytes: number;
  /** Reports an unchanged state once, not each time. */
  tellOnce: (sentence: string) => void;
  clock: () => number;
};

const CONTROL = /\.ctl$/i;

/**
 * Takes over what is in outboxes: to disk here, recorded, and only then removed from the outbox. A pair that
 * was recorded before it could be removed is still the same one.
 */
export function createCollector(options: CollectorOptions) {
  const { file, mailbox, folder, outboxes, chunkBytes, tellOnce, clock } = options;

  /** Takes a pair over, unless already done. */
  async function collect(outbox: MeshOutbox, control: string): Promise<void> {
    const stem = control.slice(0, -4);
    const controlPath = join(outbox.path, control);
    const dataPath = join(outbox.path, `${stem}.dat`);
    const described = await lstat(controlPath);
    if (!described.isFile() || described.size > CONTROL_AT_MOST_BYTES) {
      return tellOnce(MESH.ofFile(control, MESH.pairUnreadable));
    }
    const read = readControl(await readFile(controlPath, 'utf8'));
    if (read.kind !== 'control') return tellOnce(MESH.ofFile(control, MESH.pairUnreadable));
    const { from, to, workflowId, subject } = read.control;
    if (from !== mailbox) return tellOnce(MESH.ofFile(control, MESH.pairOfOtherMailbox));
    // Data is written first, so this is the rest of a pair that was being removed.
    if ((await lstatOrNothing(dataPath)) === undefined) return rm(controlPath, { force: true });
    const found = await lstat(dataPath, { bigint: true });
    if (!found.isFile()) return tellOnce(MESH.ofFile(control, MESH.pairUnreadable));
    const content = await readFile(dataPath);
    const key = createHash('sha256')
      .update(
        JSON.stringify([stem, to, workflowId, outbox.again ? `${found.ino} ${found.mtimeNs}` : '']),
      )
      .update(content)
      .digest('hex')
      .slice(0, 32);
    if (file.sent(key) === undefined) {
      await writeWhole(join(folder, key), content, SENDING_MODE);
      const now = clock();
      file.addSent({
        key,
        name: stem,
        recipient: to,
        workflowId,
        subject,
        state: 'waiting',
        attempt: 1,
        messageId: '',
        chunks: chunksIn(content.length, chunkBytes),
        chunksSent: 0,
        tries: 0,
        addedAt: now,
        changedAt: now,
        notBefore: 0,
        code: '',
        detail: '',
      });
    }
    // The data first: without its control file nobody would know what it is.
    await rm(dataPath, { force: true });
    await rm(controlPath, { force: true });
  }

  /** A fault in one pair or one outbox delays none of the others. Rejects with the first fault. */
  async function collectAll(): Promise<void> {
    const faults: unknown[] = [];
    for (const outbox of outboxes) {
      const names = await readdir(outbox.path).catch((error: unknown) => {
        // Created by the first process with something to send.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') faults.push(error);
        return [];
      });
      for (const control of names.filter((name) => CONTROL.test(name)).toSorted()) {
        await collect(outbox, control).catch((error: unknown) => {
          faults.push(error);
          tellOnce(MESH.ofFile(control, MESH.pairFailed(errorCode(error))));
        });
      }
    }
    if (faults.length > 0) throw faults[0];
  }

  return collectAll;
}
