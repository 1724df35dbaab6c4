const messages = (count: number): string => `${count} ${count === 1 ? 'message' : 'messages'}`;

/**
 * What an operator reads of the mailbox in MESH: in `/_status`, the log and `cp-flags mesh`. Never an NHS number.
 * `fault` is the code of a fault, never its message.
 */
export const MESH = {
  starting: 'The mailbox in MESH is being opened.',
  standby: 'Another process works on the mailbox in MESH. This one stands by.',
  works: (mailbox: string) => `This process works on mailbox ${mailbox} in MESH.`,
  notYet: 'No process has worked on this mailbox in MESH yet.',
  nobody: (since: string) =>
    `No process has worked on the mailbox in MESH since ${since}. Start cp-flags mesh, or a worker with MESH_URL.`,
  well: 'The mailbox in MESH is emptied, and what is to be sent is sent.',
  waits: (received: number, sent: number) =>
    `To be fetched: ${messages(received)}; to be sent: ${messages(sent)}.`,
  undelivered: (sent: number) => `Sent and not fetched by their recipients yet: ${messages(sent)}.`,
  /** @param why a sentence */
  partly: (why: string) => `${why} Other messages are not held up by that; it is tried again.`,
  tryAgain: (why: string) => `${why} It is tried again; messages wait in MESH and here meanwhile.`,
  failed: (fault: string) => `The mailbox in MESH cannot be worked on (${fault}).`,
  outboxFailed: (fault: string) =>
    `What is to be sent cannot be taken out of its outbox (${fault}). It waits there, and it is tried again; uploads are fetched meanwhile.`,
  notReached: (fault: string) =>
    `MESH cannot be reached (${fault}). Check MESH_URL, the network and MESH_CA_FILE.`,
  notLetIn:
    'MESH does not let this mailbox in. Check MESH_MAILBOX, the password, the shared key and the certificate.',
  clockWrong:
    'MESH does not let this mailbox in, and its clock and that of this machine are more than an hour apart. Set the clock of this machine.',
  answered: (status: number) => `MESH answered ${status}, which it should not have.`,
  notUnderstood: 'The answer of MESH could not be understood.',
  secret: (setting: string, path: string, fault: string) =>
    `${setting}: ${path} cannot be read (${fault}).`,
  secretEmpty: (setting: string, path: string) => `${setting}: ${path} is empty.`,
  leaseLost: 'Another process has taken the mailbox over, so this one has stopped working on it.',
  leaseUnknown:
    'The store cannot be asked who works on the mailbox, so nobody does. It is tried again; messages wait in MESH.',

  /** Of a message that was received. */
  ofMessage: (id: string, what: string) => `Message ${id}: ${what}`,
  fetched: (id: string, mailbox: string) => `Message ${id} from ${mailbox} is fetched.`,
  otherWorkflow:
    'It is of a workflow that is not for this service, so it is left in the mailbox for another program. MESH returns it to its sender after five days.',
  otherMailbox: 'It is to another mailbox, so it is left.',
  noSender: 'It does not say from which mailbox it comes, so it is not taken.',
  gone: 'MESH has removed it before it was fetched. Its sender is told by MESH; ask for it to be sent again.',
  chunkRangeWrong: (chunk: number) =>
    `Part ${chunk} of it says that it is another part. It is fetched again.`,
  chunkStatusWrong: (chunk: number, status: number) =>
    `Part ${chunk} of it came with status ${status}, which does not go with its number. It is fetched again.`,
  chunksDiffer: 'Its parts do not go together. It is fetched again.',
  encodingUnknown: 'It is packed in a way that is not known here. It is fetched again.',
  unusableIds: (count: number) =>
    `MESH lists ${messages(count)} under names that no message can have. They are left there.`,

  /** Of a message that is sent. */
  ofFile: (name: string, what: string) => `${name}: ${what}`,
  pairUnreadable:
    'It lies in the outbox and cannot be sent: its control file cannot be read. Remove it.',
  pairOfOtherMailbox: 'It lies in the outbox and is not from MESH_MAILBOX, so it is left.',
  dataGone: 'Its data has been removed from the folder sending.',
  answerLost: (fault: string) =>
    `Whether MESH has taken it is not known (${fault}). MESH is asked.`,
  severalUnderOneId: 'MESH has several messages under its local id, so it was sent at least once.',
  trackingNotUnderstood: (status: number) =>
    `MESH was asked about it and answered what cannot be understood (${status}).`,
  failure: (code: string, description: string) => {
    const meaning = MEANINGS.get(code);
    const said = description === '' ? '' : ` MESH says: ${description.replace(/\.?$/, '.')}`;
    return `${code === '' ? 'No code' : `Code ${code}`}${meaning === undefined ? '.' : `: ${meaning}.`}${said}`;
  },
  sent: (name: string, mailbox: string) => `${name} is sent to ${mailbox}.`,
  sentAgain: (name: string, mailbox: string, why: string) =>
    `${name} was not delivered to ${mailbox} and is sent again. ${why}`,
  notDelivered: (name: string, mailbox: string, why: string) =>
    `${name} was not delivered to ${mailbox} and is not sent again by itself. ${why} See cp-flags mesh list.`,
  unclear: (name: string, mailbox: string, why: string) =>
    `Nobody can say whether MESH has taken ${name} to ${mailbox}. ${why} Ask its recipient; then cp-flags mesh resend or cp-flags mesh drop.`,
  strayReport: (linked: string, workflow: string, text: string) =>
    `MESH reports that message ${linked || '(not named)'} of workflow ${workflow || '(not named)'} was not delivered, and this service did not send it. ${text}`,
  toSeeTo: (failed: number, unclear: number) =>
    `Not delivered: ${messages(failed)}; unclear: ${messages(unclear)}. See cp-flags mesh list.`,
} as const;

/** Source: NHS Digital, MESH API, error codes. */
const MEANINGS = new Map([
  ['02', 'the data was missing'],
  ['06', 'what describes the message was not as it should be'],
  ['07', 'the mailbox that sent it is not the one that was let in'],
  ['08', 'it did not say to whom'],
  ['11', 'its type is not a known one'],
  [
    '12',
    'the mailbox that it is to is not registered. Check MESH_MAILBOXES_FILE and NOTIFICATIONS_FILE',
  ],
  ['14', 'it was not fetched within five days. Ring the council'],
  ['15', 'MESH found the file wrong'],
  ['16', 'this mailbox may not send messages of this workflow'],
  ['17', 'the workflow is not registered for the mailbox. Check the workflow ids in the settings'],
]);
