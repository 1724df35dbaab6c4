import { join } from 'node:path';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import type { InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import { printableName } from '../answers/acknowledge.ts';
import {
  acknowledgementFormats,
  formatAcknowledgement,
  formatNotice,
  NOTICE_FORMATS,
} from '../answers/answers.ts';
import type { MeshOptions } from './decision.ts';
import { type Unit, writeWhole } from './files.ts';
import { type MeshControl, writeControl } from './mesh-control.ts';

const meshFormat = (sentAs: Acknowledgement['file']['format']): 'xml' | 'csv' =>
  sentAs === 'spine-xml' ? 'xml' : 'csv';

export type Answers = ReturnType<typeof createAnswers>;

/**
 * What an inbox sends: in every format for a plain file, as a pair to the mailbox it came from otherwise.
 * Names follow from the unit, so that an answer written again after a crash replaces the first.
 */
export function createAnswers({ outbox, mesh }: { outbox: string; mesh: MeshOptions | undefined }) {
  async function answer(
    unit: Unit,
    control: MeshControl | undefined,
    acknowledgement: Acknowledgement,
  ): Promise<void> {
    if (control === undefined || mesh === undefined) {
      for (const format of acknowledgementFormats(acknowledgement)) {
        await writeWhole(
          join(outbox, `${printableName(unit.name)}.ack.${format}`),
          formatAcknowledgement(acknowledgement, format),
        );
      }
      return;
    }
    const format = meshFormat(acknowledgement.file.format);
    const { code, sequence } = acknowledgement;
    await send(`acknowledgement-${unit.id}`, control, mesh.acknowledgementWorkflowId, {
      subject: `Acknowledgement of file ${sequence}: ${code}`,
      content: formatAcknowledgement(acknowledgement, format),
    });
  }

  /** Tells the authority which of its numbers are no longer in use. */
  async function notify(
    unit: Unit,
    control: MeshControl | undefined,
    notice: InactiveNumbersNotice,
    sentAs: Acknowledgement['file']['format'],
  ): Promise<void> {
    if (control === undefined || mesh === undefined) {
      for (const format of NOTICE_FORMATS) {
        await writeWhole(
          join(outbox, `${printableName(unit.name)}.inactive.${format}`),
          formatNotice(notice, format),
        );
      }
      return;
    }
    await send(`inactive-${unit.id}`, control, mesh.acknowledgementWorkflowId, {
      subject: `Inactive NHS numbers in file ${notice.sequence}`,
      content: formatNotice(notice, meshFormat(sentAs)),
    });
  }

  /** To the mailbox that the file came from. */
  async function send(
    name: string,
    control: MeshControl,
    workflowId: string,
    { subject, content }: { subject: string; content: string },
  ): Promise<void> {
    const path = join(outbox, name);
    // Data before control file: the client sends as soon as it sees the latter.
    await writeWhole(`${path}.dat`, content);
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
    );
  }

  return { answer, notify };
}
