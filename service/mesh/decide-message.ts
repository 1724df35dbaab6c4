import { randomUUID } from 'node:crypto';
import type { OperatorEvent } from '#schemas/audit/audit-event.ts';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import { isWithoutEffect } from '#store/connection/connection.ts';
import type { Store } from '#store/store.ts';
import { localIdOf, MeshFile, type Sent, titleOf } from './mesh-file.ts';

type DecidedMessage =
  /** @param nextId the local id under which it is sent again; absent if it is abandoned */
  | { kind: 'decided'; title: string; recipient: string; nextId?: string }
  /** No message with that id waits for a decision. */
  | { kind: 'not-waiting' };

/** Whoever decides records it within seconds. */
const CUT_SHORT_AFTER_MS = 30_000;

/** The message with this local id in a mailbox's folder, if a person may decide about it. */
export function messageToDecide(file: MeshFile, localId: string): Sent | undefined {
  const decided = new Set(file.decisions().map(({ key }) => key));
  return file
    .sentIn('failed', 'unclear', 'waiting', 'sent')
    .find((row) => localIdOf(row) === localId && !decided.has(row.key));
}

/** What a decision that is on record changes. */
const changeOf =
  ({ type }: OperatorEvent) =>
  ({ attempt }: Sent): Partial<Sent> =>
    type === 'mesh-dropped'
      ? { state: 'dropped', notBefore: 0 }
      : {
          state: 'waiting',
          attempt: attempt + 1,
          messageId: '',
          chunksSent: 0,
          tries: 0,
          notBefore: 0,
          code: '',
          detail: '',
        };

/**
 * Marks a message to be sent again or abandoned, as a named person decides. The decision is kept first, then recorded,
 * then carried out. If that is cut short, {@link carryOutDecisions} does the rest.
 */
export async function decideMessage(
  store: Pick<Store, 'appendEvent'>,
  folder: string,
  { localId, what, named }: { localId: string; what: 'resend' | 'drop'; named: NamedPerson },
): Promise<DecidedMessage> {
  const auditId = randomUUID();
  const kept = MeshFile.use(folder, (file) =>
    file.atOnce(() => {
      const row = messageToDecide(file, localId);
      if (row === undefined) return undefined;
      const { key, name, recipient: mailbox } = row;
      const event: OperatorEvent = {
        type: what === 'resend' ? 'mesh-resent' : 'mesh-dropped',
        auditId,
        by: named.by,
        detail: { localId, name, mailbox, ...whyDetail(named) },
      };
      file.keepDecision(key, event, Date.now());
      return { row, event };
    }),
  );
  if (kept === undefined) return { kind: 'not-waiting' };
  const { row, event } = kept;
  const end = (change?: (row: Sent) => Partial<Sent>) =>
    MeshFile.use(folder, (file) => file.endDecision(auditId, Date.now(), change));
  try {
    await store.appendEvent(event);
  } catch (error) {
    if (isWithoutEffect(error)) end();
    throw error;
  }
  end(changeOf(event));
  return {
    kind: 'decided',
    title: titleOf(row),
    recipient: row.recipient,
    ...(what === 'resend' && { nextId: localIdOf({ ...row, attempt: row.attempt + 1 }) }),
  };
}

/** Records and carries out decisions that were cut short, each as the same act as before. */
export async function carryOutDecisions(
  file: MeshFile,
  record: (event: OperatorEvent) => Promise<void>,
  now: number,
): Promise<void> {
  for (const { event, keptAt } of file.decisions()) {
    // Even if the clock has been put back since.
    if (Math.abs(now - keptAt) < CUT_SHORT_AFTER_MS) continue;
    await record(event);
    file.endDecision(event.auditId, now, changeOf(event));
  }
}
