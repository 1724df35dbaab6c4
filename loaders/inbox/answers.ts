import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { formatOfName, UPLOAD_FORMATS, type UploadFormat } from '#schemas/uploads/formats.ts';
import type { InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import { FILE_CODES, MESH_SUBJECTS } from '#schemas/wording/answers.ts';
import { writeWhole } from '#store/files/whole-file.ts';
import { NO_EFFECTS, printableName } from '../answers/acknowledge.ts';
import {
  acknowledgementFormats,
  formatAcknowledgement,
  formatNotice,
  NOTICE_FORMATS,
} from '../answers/answers.ts';
import { type MeshOptions, sourceName, workflowsOf } from './decision.ts';
import type { Unit } from './files.ts';
import { type MeshSender, writeControl } from './mesh-control.ts';

/** Readable by the group: a MESH client collects them under its own user. */
const FILE_MODE = 0o640;

/**
 * The base name of an answer. A name that cannot be repeated unchanged might also be another file's, so the
 * unit's own is added.
 */
function answerName({ name, id }: Unit): string {
  const said = printableName(name);
  return said === name ? name : `${said}-${id}`;
}

export type Answers = ReturnType<typeof createAnswers>;

/**
 * What an inbox sends: in every format for a plain file, as a pair to the mailbox it came from otherwise.
 * Names derive from the unit, so that an answer written again after a crash replaces the first.
 */
export function createAnswers({ outbox, mesh }: { outbox: string; mesh: MeshOptions | undefined }) {
  async function answer(
    unit: Unit,
    control: MeshSender | undefined,
    acknowledgement: Acknowledgement,
  ): Promise<void> {
    if (control === undefined || mesh === undefined) {
      for (const format of acknowledgementFormats(acknowledgement)) {
        await writeWhole(
          join(outbox, `${answerName(unit)}.ack.${format}`),
          formatAcknowledgement(acknowledgement, format),
          FILE_MODE,
        );
      }
      return;
    }
    const format = UPLOAD_FORMATS[acknowledgement.file.format].meshAnswer;
    const { code, sequence } = acknowledgement;
    await send(`acknowledgement-${unit.id}`, control, workflowOf(control, mesh), {
      subject: MESH_SUBJECTS.acknowledgement(sequence, code),
      content: formatAcknowledgement(acknowledgement, format),
    });
  }

  /** Informs the authority which of its numbers are no longer in use. */
  async function notify(
    unit: Unit,
    control: MeshSender | undefined,
    notice: InactiveNumbersNotice,
    sentAs: UploadFormat,
  ): Promise<void> {
    if (control === undefined || mesh === undefined) {
      for (const format of NOTICE_FORMATS) {
        await writeWhole(
          join(outbox, `${answerName(unit)}.inactive.${format}`),
          formatNotice(notice, format),
          FILE_MODE,
        );
      }
      return;
    }
    await send(`inactive-${unit.id}`, control, workflowOf(control, mesh), {
      subject: MESH_SUBJECTS.inactiveNumbers(notice.sequence),
      content: formatNotice(notice, UPLOAD_FORMATS[sentAs].meshAnswer),
    });
  }

  const workflowOf = ({ from }: MeshSender, options: MeshOptions): string =>
    workflowsOf(options, from).acknowledgement;

  /** To the mailbox that the file came from. */
  async function send(
    name: string,
    control: MeshSender,
    workflowId: string,
    { subject, content }: { subject: string; content: string },
  ): Promise<void> {
    const path = join(outbox, name);
    // Data before control file, since the client sends as soon as it sees the latter.
    await writeWhole(`${path}.dat`, content, FILE_MODE);
    await writeWhole(
      `${path}.ctl`,
      writeControl({
        from: control.to,
        to: control.from,
        workflowId,
        subject,
        localId: control.localId === '' ? control.dtsId : control.localId,
        partnerId: control.partnerId,
      }),
      FILE_MODE,
    );
  }

  /**
   * Informs the sender of an unread pair why it was not read.
   *
   * @param path where its data is
   */
  async function refuse(unit: Unit, sender: MeshSender, hint: string, path: string): Promise<void> {
    const name = sourceName(unit, sender);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    await answer(unit, sender, {
      file: {
        name: printableName(name),
        format: formatOfName(name),
        sha256: hash.digest('hex'),
        receivedAt: new Date().toISOString(),
      },
      sequence: -1,
      code: 'CPF01',
      meaning: FILE_CODES.CPF01,
      authorityAdded: false,
      counts: { records: 0, accepted: 0, refused: 0 },
      rows: NO_EFFECTS,
      failures: [{ code: 'CPF01', place: 'file', field: 'control file', hint }],
      warnings: [],
      omitted: { failures: 0, warnings: 0 },
      droppedColumns: [],
    });
  }

  return { answer, notify, refuse };
}
