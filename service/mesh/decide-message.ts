import { randomUUID } from 'node:crypto';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import type { Store } from '#store/store.ts';
import { localIdOf, MeshFile, type Sent, titleOf } from './mesh-file.ts';

type DecidedMessage =
  /** @param nextId the local id under which it is sent again; absent if it is abandoned */
  | { kind: 'decided'; title: string; recipient: string; nextId?: string }
  /** No message with that id waits for a decision. */
  | { kind: 'not-waiting' }
  /** It changed while the decision was being recorded: that is on record, and was not carried out. */
  | { kind: 'changed' };

/** The message with this local id in a mailbox's folder, if a person may decide about it. */
export const messageToDecide = (file: MeshFile, localId: string): Sent | undefined =>
  file.sentIn('failed', 'unclear', 'waiting', 'sent').find((row) => localIdOf(row) === localId);

/** Marks a message to be sent again or abandoned, as a named person decides. Audited first. */
export async function decideMessage(
  store: Pick<Store, 'appendEvent'>,
  folder: string,
  { localId, what, named }: { localId: string; what: 'resend' | 'drop'; named: NamedPerson },
): Promise<DecidedMessage> {
  const row = MeshFile.use(folder, (file) => messageToDecide(file, localId));
  if (row === undefined) return { kind: 'not-waiting' };
  const { name, recipient } = row;
  await store.appendEvent({
    type: what === 'resend' ? 'mesh-resent' : 'mesh-dropped',
    auditId: randomUUID(),
    by: named.by,
    detail: { localId, name, mailbox: recipient, ...whyDetail(named) },
  });
  const attempt = row.attempt + 1;
  const to =
    what === 'drop'
      ? ({ state: 'dropped', notBefore: 0 } as const)
      : ({
          state: 'waiting',
          attempt,
          messageId: '',
          chunksSent: 0,
          tries: 0,
          notBefore: 0,
          code: '',
          detail: '',
        } as const);
  const changed = MeshFile.use(folder, (file) => file.changeSent(row, to, Date.now()));
  if (changed !== true) return { kind: 'changed' };
  return {
    kind: 'decided',
    title: titleOf(row),
    recipient,
    ...(what === 'resend' && { nextId: localIdOf({ ...row, attempt }) }),
  };
}
