import { type CalendarDate, longDateText } from '../calendar.ts';
import type { FileCode } from '../uploads/acknowledgement.ts';
import type { Advice, ComparedField } from '../uploads/reconciliation.ts';
import type { StoppedPlan } from '../uploads/stopped-plan.ts';
import { counted, figure, presentOf } from './counts.ts';
import { UPLOAD_FIELDS } from './files.ts';

/** What a council's data officer reads. */

export const COUNCIL = {
  home: 'Home',
  unknown: 'Your council is not known here yet',
  unknownThen: (name: string, code: string) =>
    `Nothing is held for ${name} (${code}). Ask the team that runs this service to add it.`,
  held: 'What is held for you',
  dataAsOf: 'Data as of',
  neverLoaded: 'No file has been loaded yet',
  lastFile: 'Number of the last file',
  plans: 'Plans held, including ended plans',
  waiting: 'What is not done yet',
  overdue: (since: string) => `Your data has been out of date since ${since}.`,
  noneLoaded: 'No file of yours has been loaded yet.',
  sendFile: 'Send a new file',
  heldFiles: (count: number) => `${counted(count, 'file')} held: see why and what to do`,
  failed: 'The service failed while it was doing this',
  failedThen: 'Open the list in a minute. If it does not show what you wanted, do it again.',
  withdrawals: (count: number) =>
    `${counted(count, 'withdrawal')} to be confirmed by a second person`,
  council: 'Council',
  data: 'Data',
  live: 'LIVE: real children',
  demo: 'Demo: made-up children',
  page: (page: number, pages: number) => `Page ${page} of ${pages}`,
} as const;

/** A file of the council's own, before it is sent. */
export const UPLOAD = {
  title: 'Send a file',
  lead: 'Choose a file from your case system, as Spine XML or CSV. You first see what it would do. Nothing changes until you send it.',
  file: 'File',
  fileHint: (mib: number) => `Spine XML or CSV, up to ${mib} MiB. You can compress it with gzip.`,
  csv: 'If it is a CSV and its name does not give its number and date',
  sequence: UPLOAD_FIELDS.sequence,
  sequenceHint: (last: number | undefined) =>
    last === undefined
      ? 'Each file’s number is one higher than the last. This is the first file of your numbering.'
      : `Each file’s number is one higher than the last. Your last file was number ${last}.`,
  createdAt: UPLOAD_FIELDS.createdAt,
  createdAtHint:
    'The time when your case system made the file, not the time now. Clinicians see how old your data is. For example, 27/11/2026 21:30.',
  rowCount: UPLOAD_FIELDS.rowCount,
  rowCountHint: 'Without this number, a file that is cut off at the end of a line looks complete.',
  full: 'This file has all our plans: remove those it leaves out',
  submit: 'Show what it would do',
  choose: 'Choose a file',
  empty: 'The file you chose is empty. Choose the file that your case system made',
  chooseAgain: 'Choose the file again, because it was deleted here',
  correctRecords:
    'No record in the file can be used. Correct those listed below in your case system, then choose the new file',
  createdAtWrong:
    'We cannot read when the file was made. Give a day and a time, for example 27/11/2026 21:30',
  sequenceWrong: 'The number of the file must be digits only',
  rowCountWrong: 'The number of rows must be digits only',
  tooLarge: (mib: number) =>
    `The file must be at most ${mib} MiB. Send changes in parts. If it has all your plans, do not split it: ask the team that runs this service`,
  busy: 'Too many files are being sent at the moment. Try again in a minute',
  notRead: 'Only part of the file arrived. Choose it again',
  checking: 'Working out what the file would do',
  sending: 'Loading the file',
  doing: {
    reading: 'Reading',
    checking: 'Comparing with what is held',
    loading: 'Loading',
  } as Record<string, string>,
  progress: (percent: number, records: number) =>
    `${percent}% done, ${counted(records, 'record')} so far.`,
  left: (seconds: number) =>
    seconds < 60
      ? `About ${counted(Math.max(1, Math.ceil(seconds)), 'second')} left.`
      : `About ${counted(Math.ceil(seconds / 60), 'minute')} left.`,
  reloads: 'This page reloads itself. You can leave it and come back.',
  shown: 'What this file would do',
  shownNothing: 'This file would change nothing that is held',
  notYet: 'Nothing has been changed yet.',
  waitsUntil: 'The file is kept here for 30 minutes, then it is deleted.',
  wouldDo: 'It would:',
  otherAtWork:
    'The file was not sent, because another file from your council is being loaded. Send it again in a minute.',
  would: {
    added: (count: number) => `add ${counted(count, 'plan')}`,
    changed: (count: number) => `change ${counted(count, 'plan')}`,
    removed: (count: number) => `end or remove ${counted(count, 'plan')}`,
    refused: (count: number) => `leave out ${counted(count, 'record')} that cannot be used`,
    superseded: (count: number) =>
      `leave ${counted(count, 'plan')} as ${count === 1 ? 'it is' : 'they are'} in a newer file: what this file ends or changes there is NOT done`,
  },
  supersededThen:
    'If the number of the newer file was mistyped, do not send this file yet. Ask the team that runs this service to correct the numbering first.',
  confirmNumber: 'Type the number of this file again to confirm it',
  confirmNumberHint:
    'If it is too high by mistake, the numbers of your next files will be too low. Plans that those files end will still be shown.',
  confirmNumberWrong:
    'If the number of this file is right, type it. If it is not, do not send the file',
  stops: (count: number) => `${counted(count, 'child', 'children')} will stop showing a plan`,
  stopsThen:
    'Clinicians will no longer see these plans as in force. Check that this is right. A plan that is missing protects nobody.',
  stopped: 'Which plans these are',
  stoppedColumns: ['Child', 'Plan', 'Started', 'Why', 'Place'],
  stoppedBy: {
    delete: 'Deleted',
    end: 'Ended',
    'date-of-birth': 'Other date of birth',
    'left-out': 'Not in the file',
  } satisfies Record<StoppedPlan['by'], string>,
  stoppedMore:
    'Only the first are listed. To see all, compare the file with what is held before you send it.',
  wouldWait:
    'Part of the file is unusual. What it ends, deletes or leaves out would be held until you tell the team that runs this service that this is right.',
  wouldWaitWhole:
    'The file is unusual. All of it would be held until you tell the team that runs this service that it is right.',
  wouldTrace: (count: number) =>
    `${counted(count, 'record')} would wait until NHS numbers can be traced.`,
  confirm: (count: number) => `Type ${count} to confirm`,
  confirmHint: 'The number of children who will stop showing a plan.',
  confirmWrong: (count: number) =>
    `If ${count} is right, type ${count}. If it is not, do not send the file`,
  send: 'Send the file',
  discard: 'Do not send the file, and delete it',
  discarded: 'The file was deleted here. It was not sent, and nothing was changed.',
  refusedTitle: 'This file cannot be loaded',
  refusedThen:
    'Nothing was changed, and the file was deleted here. Put this right, then choose the file again.',
  keptTitle: 'Check what you entered',
  keptThen: 'Nothing was changed. Put this right. You do not need to choose the file again.',
  kept: 'Your file is still here:',
  keptFor: 'It is deleted after 10 minutes, or when you sign out. To use another file, choose it.',
  waitsToBeSent: '1 file waits for you to send it',
  waitsToBeCorrected: '1 file waits for you to check what you entered',
  keptGone: 'The file that you chose before was deleted. Choose it again',
  repeatTitle: 'This file has already been loaded',
  repeatThen:
    'It was not loaded again, and the file was deleted here. This was the answer when it was loaded.',
  answered: {
    CPF02: 'Everything in the file is loaded',
    CPF03: 'The file is loaded, except for some records',
    CPF01: 'Nothing was loaded: the file cannot be read',
    CPF04: 'Nothing was loaded: no record can be used',
    CPF05: 'Nothing was loaded: NHS numbers cannot be traced at the moment',
    CPF06: 'Nothing was loaded: the version of the message is not known',
  } as Record<FileCode, string>,
  answeredDiscarded: 'Loaded, without the part that was held: it was discarded',
  answeredInPart: 'The file is loaded, except where a newer file counts',
  answeredHeld: 'Part of the file is held',
  answeredHeldWhole: 'The file is held',
  changed: 'The file was not sent, because something has changed',
  changedThen:
    'After we showed you what the file would do, another file arrived or a setting was changed. Nothing was loaded, and the file was deleted here. Choose it again to see what it would do now.',
  failed: 'The file could not be checked',
  failedThen:
    'There is a fault in this service, not in your file. Nothing was changed. Choose the file again in a minute.',
  failedSending: 'We do not know whether the file was loaded',
  failedSendingThen:
    'Loading was interrupted. If it had begun, it will finish automatically. Look at “Files sent” in a minute. You can also send the same file again: it is never loaded twice.',
  another: 'Send another file',
  toHistory: 'See all files sent',
  gone: 'This file is no longer here',
  goneThen:
    'A file is kept here for 30 minutes. This one was not loaded after that. “Files sent” lists every file that was loaded.',
} as const;

const heldParts = ({ records, leftOut }: { records: number; leftOut: number }): string =>
  presentOf(
    [records, counted(records, 'record')],
    [leftOut, `${counted(leftOut, 'plan')} to remove`],
  );

/** What became of a file. */
export const OUTCOME = {
  name: 'File',
  number: 'Number',
  made: 'Made',
  received: 'Received',
  records: 'Records',
  recordsOf: (counts: { records: number; accepted: number; refused: number }) =>
    `${counted(counts.records, 'record')}: ${figure(counts.accepted)} used, ${figure(counts.refused)} refused`,
  plans: 'Plans',
  plansOf: (rows: {
    added: number;
    changed: number;
    unchanged: number;
    superseded: number;
    removed?: number | undefined;
  }) =>
    [
      `${rows.added} added`,
      `${rows.changed} changed`,
      `${rows.unchanged} unchanged`,
      ...(rows.superseded > 0 ? [`${rows.superseded} left as they are in a newer file`] : []),
      ...(rows.removed === undefined ? [] : [`${rows.removed} removed`]),
    ].join(', '),
  superseded: (count: number) =>
    `${counted(count, 'plan')} ${count === 1 ? 'was left as it is' : 'were left as they are'} in a newer file: what this file ends or changes there was NOT done. The remarks name each plan that is different.`,
  waits: 'Held',
  waitsOf: (held: {
    whole: boolean;
    records: number;
    leftOut: number;
    untraced?: true | undefined;
  }) =>
    held.untraced === true
      ? `${counted(held.records, 'record')}, until NHS numbers can be traced or the time for that is over. You do not need to do anything now`
      : `${held.whole ? 'the whole file' : heldParts(held)}, until you have told the team that runs this service whether it is right, or the time for that is over`,
  firstLoad: 'This is your first file, so there was nothing to compare it with.',
  ignored: 'Columns that were ignored and not kept',
  refused: 'Records that cannot be used',
  wrong: 'What is wrong',
  remarks: 'Remarks',
  columns: ['Record', 'Place', 'Local id', 'Field', 'What to do'],
  pages: { newer: 'Previous page', older: 'Next page' },
  more: (count: number) => `${count} more are not listed.`,
  download: 'Download this answer',
  formats: { csv: 'as CSV', xml: 'as XML', txt: 'as text', json: 'as JSON' } as Record<
    string,
    string
  >,
} as const;

/** The files that came before. */
export const HISTORY = {
  title: 'Files sent',
  lead: 'This page lists all your files, newest first, however they were sent. A new file appears within a minute.',
  columns: ['Received', 'Number', 'Result', 'Records used', 'Records refused'],
  none: 'No file has been sent yet',
  unavailable: 'The list of files cannot be shown at the moment',
  unavailableThen: 'It is being brought up to date. Try again in a minute.',
  heldPart: (isWhole: boolean) =>
    `${isWhole ? 'What' : 'Some of what'} was held of this file is loaded`,
  wasHeld: 'Was held, but is no longer',
  newNumbering: (by: string, highest: number | undefined) =>
    `A new numbering began, started by ${by}${highest === undefined ? '' : `. The last number before it was ${highest}`}`,
  notKept: 'The answer to this file is no longer kept',
  notKeptThen: 'The answers to your last 400 loaded files are kept here.',
  file: (sequence: number) => `File ${sequence}`,
  pages: { newer: 'Newest', older: 'Older' },
} as const;

/** Files that wait in part for a decision. */
export const HELD = {
  title: 'Held files',
  none: 'None of your files is held',
  noneThen: 'All files that could be loaded have been loaded.',
  lead: 'Each of these files, or part of it, has not been loaded. A person has to check it, or NHS numbers could not be traced yet.',
  restIsLoaded: 'The rest of the file is loaded.',
  nothingIsLoaded: 'Nothing in the file has been loaded yet.',
  since: 'Held since',
  whatToDo: 'What to do',
  ask: (reference: string) =>
    `Check whether it is right. Then tell the team that runs this service, and give them the reference ${reference}. They release or discard it, and record who at your council confirmed it. They do nothing until you tell them.`,
  which:
    'To see which plans these are, compare the file with what is held here. Plans that it leaves out are then listed as “Only here”, and plans that it ends or deletes as “Different”.',
  corrected: (isNumberUsed: boolean) =>
    `If it is wrong, you can send a new file with the same number until it is decided. ${isNumberUsed ? 'After that, use the next number.' : 'If it is released, use the next number after that. If it is discarded, use the same number.'}`,
  traced:
    'You do not need to do anything now. It is loaded automatically if NHS numbers can be traced in time.',
  untracedExpires: (date: CalendarDate) =>
    `It waits until ${longDateText(date)}. If the NHS numbers cannot be traced by then, it is discarded.`,
  expires: (date: CalendarDate) =>
    `If no one tells us what to do, it is discarded on ${longDateText(date)}. Until then, clinicians see the plans as they were before it came in.`,
  reasons: 'Why',
} as const;

/** All that is held. */
export const HOLDINGS = {
  title: 'Plans held',
  lead: 'Download every plan that is held for your council, with those that have ended or were deleted. You can check it against your case system, or send it back to us as it is.',
  recorded:
    'Every download is recorded. The file holds NHS numbers. Keep it as safe as your case files.',
  submit: 'Download all plans as CSV',
  busy: 'Too many people are downloading at the moment. Try again in a minute.',
} as const;

/** Comparing the case system with what is held. */
export const RECONCILE = {
  title: 'Compare',
  lead: 'Choose a file with every plan in your case system. You see what is different from what is held here. Nothing is changed, and the file is deleted at once.',
  recorded: 'We keep a record of who compared what, and when.',
  submit: 'Compare',
  done: 'What is different',
  same: 'Nothing is different',
  notCompared: 'The file could not be compared',
  counts: (counts: {
    same: number;
    differs: number;
    onlyHere: number;
    onlyThere: number;
    notCompared: number;
  }) =>
    `${counted(counts.same, 'plan')} the same, ${figure(counts.differs)} different, ${figure(counts.onlyHere)} only here, ${figure(counts.onlyThere)} only in your file, ${counted(counts.notCompared, 'record')} not compared.`,
  over: (count: number) =>
    `${counted(count, 'plan')} held here ${count === 1 ? 'has' : 'have'} ended and ${count === 1 ? 'is' : 'are'} not in your file. You do not need to do anything.`,
  results: {
    withdrawn:
      'Withdrawn by your council: delete them in your case system. If they are right, undo the withdrawal. Sending them again changes nothing',
    start:
      'Different start dates: send a delete with the start date held here, and the plan as it is in your case system. If you send only the plan, it is shown beside the one held here',
    differs: 'Different: send them as they are in your case system',
    'only-here':
      'Only here: if they are over, end or delete them. If they are not, find out why your file leaves them out',
    'only-there': 'Only in your file: send them',
  } satisfies Record<Advice, string>,
  columns: {
    number: 'NHS number',
    localId: 'Local id',
    plan: 'Plan',
    start: 'Started',
    here: 'Here',
    there: 'In your file',
    place: 'Place',
  },
  fields: {
    startDate: 'Started',
    endDate: 'Ended or due',
    deleteDate: 'Deleted',
    dateOfBirth: 'Date of birth',
    localId: 'Local id',
  } satisfies Record<ComparedField, string>,
  dateOf: (date: string) => longDateText(date as CalendarDate),
  download: 'Download all as CSV',
  kept: 'A comparison is kept for 30 minutes.',
  another: 'Compare another file',
} as const;
