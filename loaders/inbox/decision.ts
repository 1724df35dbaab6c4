import { readFile, stat } from 'node:fs/promises';
import type { OdsCode } from '#schemas/authority.ts';
import { uploadEndings } from '#schemas/uploads/formats.ts';
import type { Unit } from './files.ts';
import { CONTROL_AT_MOST_BYTES, type MeshControl, readControl } from './mesh-control.ts';

export type MeshOptions = {
  workflowId: string;
  acknowledgementWorkflowId: string;
  /** Ours, where files for others come into the same folder. */
  mailbox?: string;
  /** Which authority each mailbox sends for. `undefined`: a demo, where the file alone says whose it is. */
  mailboxes: ReadonlyMap<string, OdsCode> | undefined;
};

/** What a pair's control file makes of it. */
export type Judgement =
  | { kind: 'ours'; control: MeshControl; authority?: OdsCode }
  | { kind: 'wait' }
  | { kind: 'left'; hint: string }
  | { kind: 'failed'; hint: string };

/**
 * What a pair's control file makes of it.
 *
 * @param settled whether more of the control file is not to be expected
 */
export async function judgeControl(
  path: string,
  mesh: MeshOptions | undefined,
  settled: boolean,
): Promise<Judgement> {
  if (mesh === undefined) {
    return {
      kind: 'left',
      hint: 'Set MESH_WORKFLOW_ID, by which files for this service are told.',
    };
  }
  if ((await stat(path)).size > CONTROL_AT_MOST_BYTES) {
    return {
      kind: 'failed',
      hint: 'Its control file is far larger than one is. Ask for it to be sent again.',
    };
  }
  const read = readControl(await readFile(path, 'utf8'));
  if (read.kind === 'unreadable') {
    return read.cut && !settled
      ? { kind: 'wait' }
      : {
          kind: 'failed',
          hint: `Its control file cannot be used. ${read.hint} Ask for it to be sent again.`,
        };
  }
  const { control } = read;
  if (control.messageType === 'Report') return { kind: 'failed', hint: reportText(control) };
  if (control.workflowId !== mesh.workflowId) {
    return {
      kind: 'left',
      hint: 'Its workflow is not MESH_WORKFLOW_ID, so it is not for this service.',
    };
  }
  if (mesh.mailbox !== undefined && control.to !== mesh.mailbox) {
    return { kind: 'left', hint: 'It is to another mailbox than MESH_MAILBOX.' };
  }
  return judgeOurs(control, mesh.mailboxes);
}

/** Whether a control file alone tells what became of a file that was sent. */
export async function judgeReport(
  path: string,
  mesh: MeshOptions | undefined,
): Promise<{ kind: 'none' } | { kind: 'left' | 'failed'; hint: string }> {
  if (mesh === undefined || (await stat(path)).size > CONTROL_AT_MOST_BYTES) {
    return { kind: 'none' };
  }
  const read = readControl(await readFile(path, 'utf8'));
  if (read.kind === 'unreadable' || read.control.messageType !== 'Report') return { kind: 'none' };
  const { workflowId } = read.control;
  return workflowId === mesh.workflowId || workflowId === mesh.acknowledgementWorkflowId
    ? { kind: 'failed', hint: reportText(read.control) }
    : { kind: 'left', hint: 'It reports on a workflow that is not of this service.' };
}

function judgeOurs(
  control: MeshControl,
  mailboxes: ReadonlyMap<string, OdsCode> | undefined,
): Judgement {
  const { status } = control;
  if (control.messageType !== 'Data') {
    return { kind: 'failed', hint: 'Its MessageType is not Data. Ask for it to be sent again.' };
  }
  if (status !== undefined && status.status.toUpperCase() !== 'SUCCESS') {
    return { kind: 'failed', hint: `${reportText(control)} Ask for it to be sent again.` };
  }
  if (control.encrypted) {
    return {
      kind: 'failed',
      hint: 'It is encrypted, which this service cannot read. Ask for it to be sent unencrypted: MESH itself protects it.',
    };
  }
  if (mailboxes === undefined) return { kind: 'ours', control };
  const authority = mailboxes.get(control.from);
  return authority === undefined
    ? {
        kind: 'failed',
        hint: `Mailbox ${control.from} sends for no authority. If it should, add it to MESH_MAILBOXES_FILE, start the watcher again and move the two files back into the inbox.`,
      }
    : { kind: 'ours', control, authority };
}

function reportText({ status, localId }: MeshControl): string {
  const said = [status?.event, status?.status, status?.code, status?.description]
    .filter(Boolean)
    .join(' ');
  return `MESH reports on ${localId === '' ? 'a file' : `file ${localId}`}: ${said || 'nothing more'}.`.replaceAll(
    /[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}/g,
    '##########',
  );
}

const UPLOAD_NAME = new RegExp(`^[\\w.-]+\\.(?:${uploadEndings})(?:\\.gz)?$`, 'i');

/** A MESH client names its files itself; the sender's name for a file, if any, is its subject. */
export function sourceName(unit: Unit, control: MeshControl | undefined): string {
  const subject = control?.subject ?? '';
  return UPLOAD_NAME.test(subject) ? subject : unit.name;
}
