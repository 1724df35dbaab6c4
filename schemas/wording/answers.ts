import { counted, figure, presentOf } from './counts.ts';
import { zonedTimeText } from './times.ts';

/** What a council reads in an acknowledgement, a notice or a notification, beside the hints of its findings. */

/** What became of a file. Source: CP-IS vocabulary, file acknowledgement codes. */
export const FILE_CODES = {
  CPF01: 'File-level error: corrupt or malformed',
  CPF02: 'Successful',
  CPF03: 'Partial: valid records loaded, invalid rejected',
  CPF04: 'Unsuccessful: no record loaded',
  CPF05: 'Tracing unavailable: resubmit',
  CPF06: 'Client version not supported',
} as const;

/** The same for a file that waits in part, so that its outcome is not known yet. */
export const HELD_MEANINGS = {
  part: 'Partial: the records that could be loaded were loaded, and the rest waits for a decision',
  nothing: 'Nothing loaded so far: it waits for a decision',
  untraced: 'Partial: what could be traced is loaded, and the rest waits to be traced',
  nothingTraced:
    'Nothing loaded so far: it waits to be traced and is loaded automatically if that can be done in time, so do nothing now',
} as const;

/** What became of a record. Source: CP-IS vocabulary 3.0, record acknowledgement codes. */
export const RECORD_CODES = {
  CPR01: 'NHS number: no match',
  CPR02: 'NHS number matched, but the record is sensitive and cannot be loaded',
  CPR03: 'NHS number not verified: the demographics do not agree enough',
  CPR04: 'NHS number format is wrong',
  CPR05: 'NHS number superseded: use the new number',
  CPR06: 'Successful',
  CPR07: 'Unsuccessful for another reason',
} as const;

const heldParts = ({ records, leftOut }: { records: number; leftOut: number }): string =>
  presentOf(
    [records, counted(records, 'record')],
    [leftOut, `${counted(leftOut, 'row')} to take away`],
  );

/** The lines of an acknowledgement as text. */
export const ACKNOWLEDGEMENT = {
  authorityAdded: 'The authority was not known here and has been added.',
  wouldAddAuthority: 'The authority is not known here and would be added.',
  repeated: 'This file was loaded before. Nothing was done again; this is the answer from then.',
  firstLoad:
    'This is its first load: there is nothing to compare it with, so nothing in it could be called unusual.',
  records: (counts: { records: number; accepted: number; refused: number }) =>
    `${counted(counts.records, 'record')}: ${figure(counts.accepted)} accepted, ${figure(counts.refused)} refused`,
  recordsChecked: (counts: { records: number; accepted: number; refused: number }) =>
    `${counted(counts.records, 'record')}: ${figure(counts.accepted)} with no fault, ${figure(counts.refused)} with faults`,
  /** The code that a file in a dry run would get. */
  wouldBe: (code: string) => `would be ${code}, if loaded now`,
  checked: (code: string) => `as far as the file itself shows, ${code}`,
  rows: (rows: {
    added: number;
    changed: number;
    unchanged: number;
    superseded: number;
    removed?: number | undefined;
  }) =>
    `${counted(rows.added + rows.changed + rows.unchanged + rows.superseded, 'row')}: ${figure(rows.added)} added, ${figure(rows.changed)} changed, ${figure(rows.unchanged)} unchanged, ${figure(rows.superseded)} superseded by a newer file${rows.removed ? `; ${counted(rows.removed, 'older row')} taken away` : ''}`,
  waits: (held: {
    id: string;
    whole: boolean;
    records: number;
    leftOut: number;
    untraced?: true | undefined;
  }) =>
    held.untraced === true
      ? `${counted(held.records, 'record')} ${held.records === 1 ? 'waits to be traced, and is' : 'wait to be traced, and are'} loaded automatically if that can be done in time`
      : `${held.whole ? 'All of it waits' : `${heldParts(held)} ${held.records + held.leftOut === 1 ? 'waits' : 'wait'}`} for the operator’s decision (page Held files, or cp-flags release ${held.id})`,
  wouldWait: (held: {
    whole: boolean;
    records: number;
    leftOut: number;
    untraced?: true | undefined;
  }) =>
    held.untraced === true
      ? `${counted(held.records, 'record')} would wait to be traced`
      : `${held.whole ? 'All of it' : heldParts(held)} would wait for the operator’s decision`,
  /** For a file that waits and was loaded on the command line. */
  finalWillBe: (paths: readonly string[]) =>
    `The final acknowledgement will be in ${paths.join(', ')}, written by the service’s worker.`,
  dataAsOf: (instant: string) => `Data as of ${zonedTimeText(instant)}`,
  droppedColumns: (columns: readonly string[]) =>
    `Columns ignored and not kept: ${columns.join(', ')}`,
  refused: 'Refused:',
  warnings: 'Warnings:',
  more: (count: number) => `and ${figure(count)} more`,
  moreProblems: (count: number) =>
    `${counted(count, 'more problem')} ${count === 1 ? 'is' : 'are'} not listed.`,
  moreRemarks: (count: number) =>
    `${counted(count, 'more remark')} ${count === 1 ? 'is' : 'are'} not listed.`,
} as const;

/** Subjects of what goes to a MESH mailbox. */
export const MESH_SUBJECTS = {
  acknowledgement: (sequence: number, code: string) =>
    `Acknowledgement of file ${sequence}: ${code}`,
  inactiveNumbers: (sequence: number) => `Inactive NHS numbers in file ${sequence}`,
} as const;

/** A notice of inactive numbers. */
export const NOTICE = {
  sensitive: ({ nhsNumber, localId }: { nhsNumber: string; localId?: string | undefined }) =>
    `The record of NHS number ${nhsNumber}${localId === undefined ? '' : ` (your local id ${localId})`} has become sensitive. The plan that you sent is still shown, because removing it would protect nobody, but clinicians are no longer shown who has looked at it. You are still notified of looks. A new plan under this number is refused (CPR02). Decide with your Caldicott Guardian whether the plan is to stay: to take it away, send it with a delete date.`,
  notReplaced: 'No longer in use and not replaced: trace the person again.',
  replaced: 'Use the new number in your system and send the record under it.',
  more: (count: number) =>
    `${count} more ${count === 1 ? 'is not listed; it is' : 'are not listed; they are'} in the next notice.`,
} as const;

/** A notification that somebody looked. */
export const NOTIFICATION = {
  nobody: 'Nobody looked.',
  notYet: 'New since your last notification.',
  unreadable: (count: number) =>
    `${counted(count, 'event')} could not be read and may have concerned a child of yours. Ask the operator.`,
} as const;
