import { readFile, stat } from 'node:fs/promises';
import type { OdsCode } from '#schemas/authority.ts';
import { uploadEndings } from '#schemas/uploads/formats.ts';
import { acknowledgementOf, type SendingMailbox } from '#schemas/uploads/mesh.ts';
import { CONTROL_FILE, TO_SENDER } from '#schemas/wording/inbox.ts';
import type { Unit } from './files.ts';
import {
  CONTROL_AT_MOST_BYTES,
  type MeshControl,
  type MeshSender,
  readControl,
} from './mesh-control.ts';

export type MeshOptions = {
  workflowId: string;
  acknowledgementWorkflowId: string;
  /** Our own mailbox, in case files for others arrive in the same folder. */
  mailbox?: string;
  /** Which authority each mailbox sends for. `undefined`: a demo, in which only the file says whose it is. */
  mailboxes: ReadonlyMap<string, SendingMailbox> | undefined;
};

/** The workflows under which a mailbox sends and is answered. */
export function workflowsOf(
  { mailboxes, workflowId, acknowledgementWorkflowId }: MeshOptions,
  mailbox: string,
): { upload: string; acknowledgement: string } {
  const own = mailboxes?.get(mailbox);
  const upload = own?.workflowId ?? workflowId;
  const standard = own?.workflowId === undefined ? undefined : acknowledgementOf(own.workflowId);
  return {
    upload,
    acknowledgement: own?.acknowledgementWorkflowId ?? standard ?? acknowledgementWorkflowId,
  };
}

/** Whether a message of this workflow, from this mailbox, is for this service. */
export const isUpload = (mesh: MeshOptions, workflowId: string, mailbox: string): boolean =>
  isSame(workflowId, workflowsOf(mesh, mailbox).upload);

/** A pair that is put aside. */
export type Unused = {
  kind: 'failed';
  hint: string;
  /** Whom to answer, and what to do, if the control file names the sender. */
  answer?: { sender: MeshSender; hint: string };
};

/** What a pair's control file decides. */
export type InboxDecision =
  | { kind: 'ours'; control: MeshControl; authority?: OdsCode }
  | { kind: 'wait' }
  | { kind: 'left'; hint: string }
  | Unused;

/**
 * What a pair's control file decides.
 *
 * @param settled whether the control file is complete
 */
export async function decideControl(
  path: string,
  mesh: MeshOptions | undefined,
  settled: boolean,
): Promise<InboxDecision> {
  if (mesh === undefined) {
    return {
      kind: 'left',
      hint: CONTROL_FILE.unset,
    };
  }
  if ((await stat(path)).size > CONTROL_AT_MOST_BYTES) {
    return {
      kind: 'failed',
      hint: CONTROL_FILE.tooLarge,
    };
  }
  const read = readControl(await readFile(path, 'utf8'));
  if (read.kind === 'unreadable') {
    if (read.cut && !settled) return { kind: 'wait' };
    const { hint, sender } = read;
    const wrong = CONTROL_FILE.unusable(hint);
    return sender !== undefined && notOurs(sender, mesh) === undefined
      ? refused(sender, wrong, TO_SENDER.correctControl)
      : { kind: 'failed', hint: CONTROL_FILE.askAgain(wrong) };
  }
  const { control } = read;
  if (control.messageType === 'report') return { kind: 'failed', hint: reportText(control) };
  const left = notOurs(control, mesh);
  return left === undefined ? decideOurs(control, mesh.mailboxes) : { kind: 'left', hint: left };
}

/** Why a file is not for this service, if it is not. */
function notOurs(sender: MeshSender, mesh: MeshOptions): string | undefined {
  const { mailbox } = mesh;
  if (!isUpload(mesh, sender.workflowId, sender.from)) return CONTROL_FILE.otherWorkflow;
  if (mailbox !== undefined && sender.to !== mailbox) {
    return CONTROL_FILE.otherMailbox;
  }
  return undefined;
}

const isSame = (one: string, other: string): boolean => one.toUpperCase() === other.toUpperCase();

/** @param todo what the sender can do about it */
function refused(sender: MeshSender, wrong: string, todo: string): Unused {
  return {
    kind: 'failed',
    hint: CONTROL_FILE.senderTold(wrong),
    answer: { sender, hint: TO_SENDER.refused(wrong, todo) },
  };
}

/** Whether a control file without data reports on a sent file. */
export async function decideReport(
  path: string,
  mesh: MeshOptions | undefined,
): Promise<{ kind: 'none' } | { kind: 'left' | 'failed'; hint: string }> {
  if (mesh === undefined || (await stat(path)).size > CONTROL_AT_MOST_BYTES) {
    return { kind: 'none' };
  }
  const read = readControl(await readFile(path, 'utf8'));
  if (read.kind === 'unreadable' || read.control.messageType !== 'report') return { kind: 'none' };
  const { workflowId } = read.control;
  const ours = [...(mesh.mailboxes?.keys() ?? []), ''].flatMap((mailbox) =>
    Object.values(workflowsOf(mesh, mailbox)),
  );
  return ours.some((each) => isSame(workflowId, each))
    ? { kind: 'failed', hint: reportText(read.control) }
    : { kind: 'left', hint: CONTROL_FILE.otherReport };
}

function decideOurs(control: MeshControl, mailboxes: MeshOptions['mailboxes']): InboxDecision {
  const { status } = control;
  if (control.messageType !== 'data') {
    return refused(control, CONTROL_FILE.notData, TO_SENDER.sendAsData);
  }
  if (status !== undefined && !isSame(status.status, 'SUCCESS')) {
    return refused(control, reportText(control), TO_SENDER.sendAgain);
  }
  if (control.encrypted) {
    return refused(control, CONTROL_FILE.encrypted, TO_SENDER.sendUnencrypted);
  }
  if (mailboxes === undefined) return { kind: 'ours', control };
  const authority = mailboxes.get(control.from)?.authority;
  if (authority !== undefined) return { kind: 'ours', control, authority };
  const wrong = CONTROL_FILE.unknownMailbox(control.from);
  return {
    ...refused(control, wrong, TO_SENDER.askForMailbox),
    hint: CONTROL_FILE.enterMailbox(wrong),
  };
}

function reportText({ status, localId }: MeshControl): string {
  const said = [status?.event, status?.status, status?.code, status?.description]
    .filter(Boolean)
    .join(' ');
  return CONTROL_FILE.report(localId, said).replaceAll(
    /[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}/g,
    '##########',
  );
}

const UPLOAD_NAME = new RegExp(`^[\\w.-]+\\.(?:${uploadEndings})(?:\\.gz)?$`, 'i');

/** A MESH client names its files itself; the sender's name for a file, if any, is its subject. */
export function sourceName(unit: Unit, control: MeshSender | undefined): string {
  return uploadName(control?.subject ?? '') ?? unit.name;
}

/** A text that is the name of an upload, unchanged; `undefined` otherwise. */
export const uploadName = (text: string): string | undefined =>
  UPLOAD_NAME.test(text) ? text : undefined;
