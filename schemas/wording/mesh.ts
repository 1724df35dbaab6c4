import { zonedTimeText } from './times.ts';

const messages = (count: number): string => `${count} ${count === 1 ? 'message' : 'messages'}`;

/**
 * What an operator reads of the mailbox in MESH: in `/_status`, the log and `cp-flags mesh`. Never an NHS number.
 * `fault` is the code of a fault, never its message.
 */
export const MESH = {
  starting: 'The mailbox in MESH is being opened.',
  standby: 'Another process works on the mailbox in MESH. This one waits to take over.',
  /** Other workers may have others. */
  which: (mailbox: string) => `Mailbox: ${mailbox}.`,
  works: (mailbox: string) => `This process works on mailbox ${mailbox} in MESH.`,
  notYet: 'No process has worked on this mailbox in MESH yet.',
  nobody: (since: string) =>
    `No process has worked on the mailbox in MESH since ${zonedTimeText(since)}. Start cp-flags mesh, or a worker with MESH_URL.`,
  well: 'The mailbox in MESH has been emptied, and everything waiting has been sent.',
  waits: (received: number, sent: number) =>
    `To be fetched: ${messages(received)}; to be sent: ${messages(sent)}.`,
  left: (count: number) =>
    `Left in the mailbox, since they are not for this service as it is set up: ${messages(count)} (cp-flags mesh list --all).`,
  undelivered: (sent: number) => `Sent and not fetched by their recipients yet: ${messages(sent)}.`,
  /** @param why a sentence */
  partly: (why: string) => `${why} Other messages are not delayed; the service is retrying.`,
  tryAgain: (why: string) =>
    `${why} The service is retrying; until then messages wait in MESH and here.`,
  failed: (fault: string) => `The mailbox in MESH cannot be worked on (${fault}).`,
  outboxFailed: (fault: string) =>
    `What is to be sent cannot be taken out of its outbox (${fault}). It waits there, and the service is retrying; until then uploads are still fetched.`,
  notReached: (fault: string) =>
    `MESH cannot be reached (${fault}). Check MESH_URL, the network and MESH_CA_FILE.`,
  notLetIn:
    'MESH does not let this mailbox in. Check MESH_MAILBOX, the password, the shared key and the certificate.',
  clockWrong:
    'MESH does not let this mailbox in, and the clocks of MESH and of this machine are more than an hour apart. Set the clock of this machine.',
  answered: (status: number) => `MESH answered with an unexpected status, ${status}.`,
  notUnderstood: 'The answer of MESH could not be understood.',
  secret: (setting: string, path: string, fault: string) =>
    `${setting}: ${path} cannot be read (${fault}).`,
  secretEmpty: (setting: string, path: string) => `${setting}: ${path} is empty.`,
  leaseLost: 'Another process has taken the mailbox over, so this one has stopped working on it.',
  leaseUnknown:
    'The store cannot be asked who works on the mailbox, so no process does. The service is retrying; messages wait in MESH.',

  /** A message that was received. */
  ofMessage: (id: string, what: string) => `Message ${id}: ${what}`,
  fetched: (id: string, mailbox: string) => `Message ${id} from ${mailbox} is fetched.`,
  otherWorkflow:
    'It belongs to a workflow of another service, so it is left in the mailbox for another program. MESH returns it to its sender after five days. If it is an upload, set MESH_WORKFLOW_ID, or the mailbox in MESH_MAILBOXES_FILE, and restart.',
  otherMailbox: 'It is addressed to another mailbox, so it is left.',
  noSender: 'It does not say from which mailbox it comes, so it is not taken.',
  gone: 'MESH has removed it before it was fetched. MESH informs its sender; ask for it to be sent again.',
  chunkRangeWrong: (chunk: number) =>
    `Part ${chunk} of it says that it is another part. It is fetched again.`,
  chunkStatusWrong: (chunk: number, status: number) =>
    `Part ${chunk} of it came with status ${status}, which does not go with its number. It is fetched again.`,
  chunksDiffer: 'Its parts do not go together. It is fetched again.',
  encodingUnknown: 'It is packed in a way that is not supported here. It is fetched again.',
  unusableIds: (count: number) =>
    `MESH lists ${messages(count)} under names that no message can have. They are left there.`,

  /** A message that is sent. */
  notHandedOver: (fault: string) =>
    `An upload that was fetched cannot be put into the inbox (${fault}). The service is retrying; others are taken in.`,
  ofFile: (name: string, what: string) => `${name}: ${what}`,
  pairUnreadable:
    'It is in the outbox and cannot be sent: its control file cannot be read. Remove it.',
  pairFailed: (fault: string) =>
    `It is in the outbox and cannot be taken out (${fault}). The service is retrying.`,
  pairOfOtherMailbox: 'It is in the outbox and is not from MESH_MAILBOX, so it is left.',
  dataGone: 'Its data has been removed from the folder sending.',
  answerLost: (fault: string) =>
    `It is not known whether MESH has taken it (${fault}). MESH is asked.`,
  decided: 'Somebody has decided about it. That is being recorded, and is then carried out.',
  severalUnderOneId: 'MESH has several messages under its local id, so it was sent at least once.',
  trackingNotUnderstood: (status: number) =>
    `MESH was asked about it and gave an answer that cannot be understood (${status}).`,
  failure: (code: string, description: string) => {
    const meaning = MEANINGS.get(code);
    const said = description === '' ? '' : ` MESH says: ${description.replace(/\.?$/, '.')}`;
    return `${code === '' ? 'No code' : `Code ${code}`}${meaning === undefined ? '.' : `: ${meaning}.`}${said}`;
  },
  sent: (name: string, mailbox: string) => `${name} is sent to ${mailbox}.`,
  sentAgain: (name: string, mailbox: string, why: string) =>
    `${name} was not delivered to ${mailbox} and is sent again. ${why}`,
  notDelivered: (name: string, mailbox: string, why: string) =>
    `${name} was not delivered to ${mailbox} and is not sent again automatically. ${why} See the page Messages, or cp-flags mesh list.`,
  unclear: (name: string, mailbox: string, why: string) =>
    `It is unclear whether MESH has taken ${name} to ${mailbox}. ${why} Ask its recipient, then send it again or give it up: on the page Messages, or with cp-flags mesh resend or cp-flags mesh drop.`,
  strayReport: (linked: string, workflow: string, text: string) =>
    `MESH reports that message ${linked || '(not named)'} of workflow ${workflow || '(not named)'} was not delivered, and this service did not send it. ${text}`,
  toSeeTo: (failed: number, unclear: number) =>
    `Not delivered: ${messages(failed)}; unclear: ${messages(unclear)}. See the page Messages, or cp-flags mesh list.`,
} as const;

/** Source: NHS Digital, MESH API, error codes. */
const MEANINGS = new Map([
  ['02', 'the data was missing'],
  ['06', 'the description of the message was wrong'],
  ['07', 'it was not sent from the mailbox that logged in'],
  ['08', 'it had no recipient'],
  ['11', 'its type is not known'],
  [
    '12',
    'the mailbox of the recipient is not registered. Check MESH_MAILBOXES_FILE and NOTIFICATIONS_FILE',
  ],
  ['14', 'it was not fetched within five days. Ring the council'],
  ['15', 'MESH found the file wrong'],
  ['16', 'this mailbox may not send messages of this workflow'],
  ['17', 'the workflow is not registered for the mailbox. Check the workflow ids in the settings'],
]);
