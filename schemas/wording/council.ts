import { type CalendarDate, longDateText } from '../calendar.ts';
import type { FileCode } from '../uploads/acknowledgement.ts';
import type { Advice, ComparedField } from '../uploads/reconciliation.ts';
import { UPLOAD_FIELDS } from './files.ts';

/** What a council's data officer reads. */

const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en-GB')} ${count === 1 ? one : many}`;

export const COUNCIL = {
  home: 'Home',
  unknown: 'Your council is not known here yet',
  unknownThen: (name: string, code: string) =>
    `Nothing is held for ${name} (${code}). Ask the team that runs this service to add it.`,
  held: 'What clinicians are shown',
  dataAsOf: 'Data as of',
  neverLoaded: 'No file has been loaded yet',
  lastFile: 'Last file',
  plans: 'Plans held, ended ones too',
  council: 'Council',
  data: 'Data',
  live: 'LIVE: real children',
  demo: 'Demo: made-up children',
  page: (page: number, pages: number) => `Page ${page} of ${pages}`,
} as const;

/** Of a file of the council's own, before it is sent. */
export const UPLOAD = {
  title: 'Send a file',
  lead: 'Choose the file of your case system, Spine XML or CSV. You see first what it would do. Nothing is changed until you say so.',
  file: 'File',
  fileHint: (mib: number) => `Spine XML or CSV, also gzipped, at most ${mib} MiB.`,
  csv: 'For a CSV whose name does not say it',
  sequence: UPLOAD_FIELDS.sequence,
  sequenceHint: (last: number | undefined) =>
    last === undefined
      ? 'One higher for each file. This is your first.'
      : `One higher for each file. Your last was ${last}.`,
  createdAt: UPLOAD_FIELDS.createdAt,
  createdAtHint:
    'When your case system made it, not now: clinicians see how old your data is. Such as 27/11/2026 21:30.',
  rowCount: UPLOAD_FIELDS.rowCount,
  rowCountHint: 'Without it, a file cut off at the end of a line looks whole.',
  full: 'This file has every plan of ours: take away those it leaves out',
  submit: 'Show what it would do',
  choose: 'Choose a file',
  empty: 'The file you chose is empty',
  sequenceWrong: 'The number of the file must be digits only',
  rowCountWrong: 'The number of rows must be digits only',
  tooLarge: (mib: number) => `The file must be at most ${mib} MiB. Send it in parts`,
  busy: 'Too many files are being sent just now. Try again in a minute',
  notRead: 'The file did not arrive whole. Choose it again',
  checking: 'Looking what the file would do',
  sending: 'Loading the file',
  doing: {
    reading: 'Reading',
    checking: 'Comparing with what is held',
    loading: 'Loading',
  } as Record<string, string>,
  progress: (percent: number, records: number) =>
    `${percent}% done, ${plural(records, 'record')} so far.`,
  left: (seconds: number) =>
    seconds < 60
      ? `About ${plural(Math.max(1, Math.ceil(seconds)), 'second')} left.`
      : `About ${plural(Math.ceil(seconds / 60), 'minute')} left.`,
  reloads: 'This page loads itself again. You may leave it and come back.',
  shown: 'What this file would do',
  shownNothing: 'This file would change nothing that is held',
  notYet: 'Nothing has been changed yet.',
  waitsUntil: 'The file waits here for 30 minutes, then it is deleted.',
  wouldDo: 'It would:',
  otherAtWork:
    'The file was not sent: another file of your council is being loaded. Send it again in a minute.',
  would: {
    added: (count: number) => `add ${plural(count, 'plan')}`,
    changed: (count: number) => `change ${plural(count, 'plan')}`,
    removed: (count: number) => `end or take away ${plural(count, 'plan')}`,
    refused: (count: number) => `leave out ${plural(count, 'record')} that cannot be used`,
    superseded: (count: number) =>
      `leave ${plural(count, 'plan')} as a newer file has ${count === 1 ? 'it' : 'them'}: what this file ends or changes there is NOT done`,
  },
  supersededThen:
    'If the number of the newer file was mistyped, do not send this file yet: ask the team that runs this service to put the numbering right first.',
  confirmNumber: 'Type the number of this file again to confirm it',
  confirmNumberHint:
    'If the number is mistyped, every right number after it is too low, and what those files end is not done.',
  confirmNumberWrong:
    'Type the number of this file, if it is right. If it is not, do not send the file',
  stops: (count: number) => `${plural(count, 'child', 'children')} will stop showing a plan`,
  stopsThen:
    'Clinicians will no longer see these plans as in force. Is that right? A plan that is missing protects nobody.',
  wouldWait:
    'What it takes away is unusual, so it would wait until you have told the team that runs this service that it is right.',
  wouldWaitWhole:
    'The whole file is unusual, so it would wait until you have told the team that runs this service that it is right.',
  wouldTrace: (count: number) =>
    `${plural(count, 'record')} would wait until NHS numbers can be traced.`,
  confirm: (count: number) => `Type ${count} to confirm`,
  confirmHint: 'The number of children who will stop showing a plan.',
  confirmWrong: (count: number) =>
    `Type ${count}, if that is right. If it is not, do not send the file`,
  send: 'Send the file',
  discard: 'Do not send it: delete the file',
  refusedTitle: 'This file cannot be loaded',
  refusedThen:
    'Nothing was changed, and the file was deleted here. Put this right and choose it again.',
  repeatTitle: 'This file was loaded before',
  repeatThen:
    'Nothing was done again, and the file was deleted here. This is what was answered then.',
  answered: {
    CPF02: 'Everything in the file is loaded',
    CPF03: 'The file is loaded, except for some records',
    CPF01: 'Nothing was loaded: the file cannot be read',
    CPF04: 'Nothing was loaded: no record can be used',
    CPF05: 'Nothing was loaded: NHS numbers cannot be traced just now',
    CPF06: 'Nothing was loaded: the version of the message is not known',
  } as Record<FileCode, string>,
  answeredInPart: 'The file is loaded, except where a newer file counts',
  answeredHeld: 'Part of the file waits',
  answeredHeldWhole: 'The file waits',
  changed: 'Nothing was done: something has changed',
  changedThen:
    'Since you were shown what the file would do, another file came in or something was set. Nothing was changed, and the file was deleted here. Choose it again to see what it would do now.',
  failed: 'The file could not be looked at',
  failedThen:
    'Something is wrong here, not with your file. Nothing was changed. Choose it again in a minute.',
  failedSending: 'It is not certain what became of the file',
  failedSendingThen:
    'Loading was cut short. If it had begun, it is carried to its end by itself. Look at the history in a minute. You may also send the same file again: nothing is done twice.',
  another: 'Send another file',
  toHistory: 'See all files',
  gone: 'This file is not here any more',
  goneThen:
    'A file waits for 30 minutes. Nothing more was done with it. See all files for what was loaded.',
} as const;

/** Of what became of a file. */
export const OUTCOME = {
  name: 'File',
  number: 'Number',
  made: 'Made',
  received: 'Received',
  records: 'Records',
  recordsOf: (counts: { records: number; accepted: number; refused: number }) =>
    `${plural(counts.records, 'record')}: ${counts.accepted} used, ${counts.refused} refused`,
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
      `${rows.unchanged} as they were`,
      ...(rows.superseded > 0 ? [`${rows.superseded} left as a newer file has them`] : []),
      ...(rows.removed === undefined ? [] : [`${rows.removed} taken away`]),
    ].join(', '),
  superseded: (count: number) =>
    `${plural(count, 'plan')} ${count === 1 ? 'was' : 'were'} left as a newer file has ${count === 1 ? 'it' : 'them'}: what this file ends or changes there was NOT done. Remarks name each plan that differs.`,
  waits: 'Waits',
  waitsOf: (held: {
    whole: boolean;
    records: number;
    leftOut: number;
    untraced?: true | undefined;
  }) =>
    held.untraced === true
      ? `${plural(held.records, 'record')}, until NHS numbers can be traced. Do nothing`
      : `${held.whole ? 'all of it' : `${plural(held.records, 'record')} and ${plural(held.leftOut, 'plan')} to take away`}, until you have told the team that runs this service whether it is right`,
  firstLoad: 'It is your first file, so nothing in it could be called unusual.',
  ignored: 'Columns ignored and not kept',
  refused: 'Records that cannot be used',
  wrong: 'What is wrong',
  remarks: 'Remarks',
  columns: ['Record', 'Place', 'Local id', 'Field', 'What to do'],
  pages: { newer: 'Page before', older: 'Next page' },
  more: (count: number) => `${count} more are not listed.`,
  download: 'Download this answer',
  formats: { csv: 'as CSV', xml: 'as XML', txt: 'as text', json: 'as JSON' } as Record<
    string,
    string
  >,
} as const;

/** Of the files that came before. */
export const HISTORY = {
  title: 'Files sent',
  lead: 'Newest first, by whichever way they came. A file that was just sent is listed within a minute.',
  columns: ['Received', 'Number', 'What became of it', 'Used', 'Refused'],
  none: 'No file has been sent yet',
  unavailable: 'The history cannot be shown now',
  unavailableThen: 'It is being put in order. Try again in a minute.',
  notKept: 'The answer to this file is not kept any more',
  notKeptThen: 'Answers to your last 400 files that were loaded are kept here.',
  file: (sequence: number) => `File ${sequence}`,
  pages: { newer: 'Newest', older: 'Older' },
} as const;

/** Of files of which part waits for a decision. */
export const HELD = {
  title: 'What waits',
  none: 'Nothing of yours waits',
  noneThen: 'Every file that could be loaded is loaded.',
  lead: 'This was too unusual to be done unseen, or could not be traced yet.',
  restIsLoaded: 'The rest of the file is loaded.',
  nothingIsLoaded: 'Nothing of the file is loaded so far.',
  since: 'Waits since',
  whatToDo: 'What to do',
  ask: (reference: string) =>
    `Look whether it is right. Then tell the team that runs this service, and name ${reference}: they let it through or discard it, and write down who of you confirmed it. Nothing is done before one of you has.`,
  traced: 'Do nothing. It is loaded by itself as soon as NHS numbers can be traced.',
  expires: (date: CalendarDate) =>
    `If nobody decides, it is discarded on ${longDateText(date)}. Clinicians are shown what was held before until then.`,
  reasons: 'Why',
} as const;

/** Of all that is held. */
export const HOLDINGS = {
  title: 'Plans held',
  lead: 'Download every plan that is held for your council, ended and deleted ones too, to compare it with your case system. It can be loaded back as it is.',
  recorded:
    'Each download is recorded. The file has NHS numbers: keep it where you keep your case system’s.',
  submit: 'Download all plans as CSV',
  busy: 'Too many are reading just now. Try again in a minute.',
} as const;

/** Of comparing the case system with what is held. */
export const RECONCILE = {
  title: 'Compare',
  lead: 'Choose a file with every plan that your case system has. You see what differs from what is held here. Nothing is changed, and the file is deleted at once.',
  recorded: 'Each comparison is recorded.',
  submit: 'Compare',
  done: 'What differs',
  same: 'Nothing differs',
  notCompared: 'The file could not be compared',
  counts: (counts: {
    same: number;
    differs: number;
    onlyHere: number;
    onlyThere: number;
    notCompared: number;
  }) =>
    `${plural(counts.same, 'plan')} the same, ${counts.differs} differ, ${counts.onlyHere} only here, ${counts.onlyThere} only in your file, ${counts.notCompared} records not compared.`,
  over: (count: number) =>
    `${plural(count, 'plan')} held here ${count === 1 ? 'is' : 'are'} over and not in your file: do nothing.`,
  results: {
    withdrawn:
      'Withdrawn by you: delete them in your case system, or undo the withdrawal if they are right. Sending them again changes nothing',
    start:
      'Another start: send a delete with the start held here, and the plan as it is in your case system. Sent alone, it is shown beside the one held here',
    differs: 'Differ: send them as they are in your case system',
    'only-here':
      'Only here: end or delete them if they are over, or find out why your file leaves them out',
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
