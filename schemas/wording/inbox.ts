import { uploadEndings } from '../uploads/formats.ts';

/** What an operator reads about files in an inbox, and a council about a MESH file that was not read. */

const TAKEN = `.${uploadEndings.replaceAll('|', ', .')}`;

/** What is in an inbox. `fault` is the kind of a fault, never its message. */
export const INBOX = {
  inUse: (dir: string) => `Another process watches ${dir}. Stop it, or watch another folder.`,
  unwell: (fault: string) =>
    `The inbox cannot be used (${fault}). Correct that; the watcher retries automatically.`,
  stillWritten:
    'It is still being written to, so it is not taken. If the sender has stopped halfway, remove it and ask for it to be sent again.',
  notTakenIn: (fault: string) =>
    `It cannot be taken in (${fault}). Correct that; the watcher retries automatically.`,
  notTakenUp: (fault: string) =>
    `It cannot be resumed (${fault}). Correct that and start the watcher again.`,
  notPutBack: 'It cannot be read or put back.',
  putBackOver:
    'It was only half taken in, and a newer file with its name is in the inbox. Remove the one that is not wanted; the next start of the watcher continues with the other.',
  noControl:
    'Its control file (.ctl) has not arrived. If the sender cannot send it, remove the file and ask for it to be sent again.',
  noData:
    'It has no data file (.dat), which should have arrived before it. Remove it and ask for the file to be sent again.',
  notTaken: `It is not a file that an inbox takes: ${TAKEN}, .gz, or .dat with .ctl. Remove it, or rename it.`,
  passedOver:
    'By its name it is hidden or still being transferred, so it is not taken. If it is whole, rename it; otherwise remove it.',
  describedLater:
    'Its description, the .json file with its name, is here but cannot be taken yet, so the file waits for it. Put the description itself here, or remove what has that name.',
  noFile: (is: string) =>
    `It is ${is}, and only files are taken. Put the file itself here, and remove this.`,
  notLookedAt: 'something that cannot be looked at',
  nameNotUtf8: 'Its name is not in UTF-8, so it is not taken. Rename it.',
  notDone: (fault: string) => `It could not be finished (${fault}).`,
  removed: 'Somebody has removed it from the folder processing, so it was not loaded.',
  noFileAnyMore: 'It is no longer a file, so it was not read.',
  changedWhileRead: (code: string) =>
    `It was still being written while it was read, and was answered ${code}, with the request to its sender to send it again. Check that it arrives.`,
  noFinalAnswer: (file: string) =>
    `Its ${file} cannot be read, so its sender gets no final answer.`,
  answerFailed: (fault: string) => `Its answer: ${fault}.`,
  answerNotWritten: (hint: string, fault: string) =>
    `${hint} But the answer could not be written (${fault}).`,
} as const;

/** What the log says about one file. `hint` says what is wrong with it. */
export const INBOX_LOG = {
  about: (name: string, says: string) => `${name}: ${says}`,
  untraced:
    'part of it waits to be traced, and is loaded automatically if that can be done in time.',
  held: 'part of it waits for a decision: see the page Held files, or cp-flags release --list.',
  left: (name: string, hint: string) => `${name} is left where it is. ${hint}`,
  failed: (name: string, hint: string) => `${name} was not taken. ${hint}`,
  retried: (name: string, hint: string, seconds: number) =>
    `${name}: ${hint} It is tried again in ${seconds} s.`,
} as const;

/** A MESH client's control file, and so the file that it describes. */
export const CONTROL_FILE = {
  doctype: 'It has a DOCTYPE, which is not allowed.',
  notControl: 'It is not a DTSControl document.',
  twice: (name: string) => `It has ${name} twice.`,
  tooLong: 'It has a value of more than 255 characters.',
  controlCharacters: 'It has a value with control characters.',
  malformed: 'It is not well-formed XML.',
  version: 'Its Version is not 1.0.',
  missing: (names: readonly string[]) => `It has no ${names.join(', no ')}.`,
  unset: 'Set MESH_WORKFLOW_ID, which marks files for this service.',
  tooLarge: 'Its control file is far too large. Ask for it to be sent again.',
  cut: 'Its control file is cut short.',
  /** @param hint what is wrong with it */
  unusable: (hint: string) => `Its control file cannot be used. ${hint}`,
  askAgain: (wrong: string) => `${wrong} Ask for it to be sent again.`,
  otherWorkflow: 'Its workflow is not MESH_WORKFLOW_ID, so it is not for this service.',
  otherMailbox: 'It is addressed to a mailbox other than MESH_MAILBOX.',
  otherReport: 'It reports on a workflow of another service.',
  senderTold: (wrong: string) => `${wrong} Its sender is informed.`,
  notData: 'Its MessageType is not Data.',
  encrypted: 'It is encrypted, which this service cannot read.',
  unknownMailbox: (mailbox: string) => `Mailbox ${mailbox} sends for no authority.`,
  enterMailbox: (wrong: string) =>
    `${wrong} If it should, add it to MESH_MAILBOXES_FILE, start the watcher again and move the two files back into the inbox.`,
  report: (file: string, said: string) =>
    `MESH reports on ${file === '' ? 'a file' : `file ${file}`}: ${said || 'nothing more'}.`,
} as const;

/** The answer to the sender of a MESH file that was not read. */
export const TO_SENDER = {
  /** @param todo one of the sentences below */
  refused: (wrong: string, todo: string) => `${wrong} Nothing was loaded. ${todo}`,
  correctControl: 'Correct the control file and send the file again.',
  sendAsData: 'Send the file again with Data there.',
  sendAgain: 'Send the file again.',
  sendUnencrypted: 'Send it unencrypted, with N in Encrypted: MESH itself protects it.',
  askForMailbox: 'Ask the operator of the service to enter your mailbox, then send the file again.',
} as const;
