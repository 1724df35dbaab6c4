import { londonDate, longDateText } from '../calendar.ts';
import { UPLOAD_FORMATS, type UploadFormat, uploadFormats } from '../uploads/formats.ts';
import { counted, figure } from './counts.ts';
import { zonedTimeText } from './times.ts';

/** What a council is told about a file that was read and is decided on, in its acknowledgement. */

/** The formats that can say everything that is to be held. */
const FULL_FORMATS = uploadFormats
  .filter((format) => UPLOAD_FORMATS[format].canBeFull)
  .map((format) => UPLOAD_FORMATS[format].called)
  .join(' or ');

/** Why nothing of a file is loaded. Numbers are those of the file itself. */
export const FILE_REFUSALS = {
  numberUsed: (authority: string, number: number, highest: number) =>
    `Sequence number ${number} was used by a file with other content, so nothing in this one was loaded. Send it with a number that was not used; the highest used is ${highest}. If your system has started numbering again, ask the operator of the service to start a new numbering for ${authority} (page Councils, or cp-flags authority reset-sequence ${authority}).`,
  numberFar: (authority: string, number: number, last: number) =>
    `Sequence number ${number} is too far from the last one loaded, ${last}, so nothing in the file was loaded: if it were accepted, ${number > last ? 'every correct number after it would be too low' : 'it would change nothing that newer files said'}. If ${number} is mistyped, send the file with its correct number. If your system has started its numbering again, or ${last} was the mistyped one, ask the operator of the service to start a new numbering for ${authority} (page Councils, or cp-flags authority reset-sequence ${authority}).`,
  numberClosed: (closed: number) =>
    `Files numbered ${closed} and lower are no longer accepted, because a full refresh or hundreds of newer files came after them. If something in this one is still true, send that in the next file.`,
  oldNumbering: (since: string) =>
    `The file was made before the numbering of this authority’s files started again (${zonedTimeText(since)}), so its number belongs to the old numbering. If something in it is still true, send that in the next file.`,
  cannotBeFull: (format: UploadFormat) =>
    `A full refresh can be sent as ${FULL_FORMATS} only: a ${UPLOAD_FORMATS[format].called} upload says what has changed.`,
  firstIsEmpty: (authority: string) =>
    `This is the first file of authority ${authority} and it holds no plan, so "nothing to report" would make an authority without any plans look up to date. Send every plan in force first.`,
  notYetAdded: (authority: string) =>
    `Authority ${authority} is not known here. Ask the operator to add it (page Councils, or cp-flags authority set ${authority} --name NAME --emergency NUMBER), then send the file again.`,
  notAdded: (authority: string, format: UploadFormat) =>
    `Authority ${authority} is not known here and a ${UPLOAD_FORMATS[format].called} upload has no telephone numbers. Ask the operator to add it (page Councils, or cp-flags authority set ${authority} --name NAME --emergency NUMBER), then send the file again.`,
} as const;

/** Remarks on a file that is loaded. */
export const FILE_REMARKS = {
  late: (number: number, highest: number) =>
    `File ${highest} was loaded before this one, ${number}. If both have the same plan, the newer file counts.`,
  gap: (number: number, highest: number) => {
    const one = number - highest === 2;
    return `The last file loaded was ${highest}, so ${one ? `file ${highest + 1} has` : `files ${highest + 1} to ${number - 1} have`} not been loaded. If ${one ? 'it was' : 'they were'} made, send ${one ? 'it' : 'them'}: late files are accepted.`;
  },
  /** @param hint what is wrong with it; `asOf` is when the number that is held was given */
  contactKept: (hint: string, field: string | undefined, asOf: string | undefined) => {
    const since = asOf === undefined ? '' : ` of ${longDateText(londonDate(Date.parse(asOf)))}`;
    return `${hint} ${field === 'telecom' ? `The number held${since} stays` : 'The name held stays'}. Correct it in the next file.`;
  },
  contactUnknown: (hint: string) =>
    `${hint} If one is held, it stays; an authority’s first file would be refused.`,
  storeDiffers: (expected: number, held: number) =>
    `After this load the store does not hold what it should for this authority (${figure(expected)} rows expected, ${figure(held)} held). The authority counts as not up to date until a full refresh is loaded without a refused record. Tell the operator of the service; the file itself is in order.`,
  refusedAfterDifference:
    'Plans of this authority were lost here before. Some records of this full refresh are refused, and a lost plan may be among them, so the authority still counts as not up to date. Correct these records and send another full refresh. If none of them is a plan that should be held, tell the operator of the service.',
} as const;

const percent = (share: number): string => `${Math.round(share * 100)} %`;
const refusedOf = (refused: number, records: number): string =>
  `${figure(refused)} of ${counted(records, 'record')} ${refused === 1 ? 'is' : 'are'} refused (${percent(refused / records)})`;
/** `count` of the `inForce` plans in force. */
const ofInForce = (count: number, inForce: number): string =>
  `${figure(count)} of ${figure(inForce)} (${percent(Math.min(1, count / Math.max(1, inForce)))})`;

/** Why a file, or part of it, waits for a decision. */
export const HELD_FILE_REASONS = {
  manyRefused: (refused: number, records: number) =>
    `${refusedOf(refused, records)}, so what the file takes away needs a decision.`,
  refusedInFull: (refused: number) =>
    `${counted(refused, 'record is', 'records are')} refused, and ${refused === 1 ? 'its plans' : 'their plans'} would be taken away as left out.`,
  additions: (added: number, times: number, usual: number) =>
    `It adds ${figure(added)} rows, over ${times} times what is usual for this authority (${figure(usual)}).`,
  removals: (count: number, inForce: number) =>
    `It ends or deletes ${ofInForce(count, inForce)} plans in force.`,
  leavesOut: (count: number, inForce: number) =>
    `It leaves out, ends or deletes ${ofInForce(count, inForce)} plans in force.`,
} as const;

/** What is unusual, but holds nothing up. */
export const UNUSUAL = {
  manyRefused: (refused: number, records: number) =>
    `${refusedOf(refused, records)}. Look for a common cause.`,
  manyRows: (rows: number, usual: number) =>
    `The file has ${figure(rows)} rows, where ${figure(usual)} are usual.`,
  fewRows: (rows: number, usual: number) =>
    `The file has only ${figure(rows)} rows, where ${figure(usual)} are usual.`,
  removals: (count: number, inForce: number) =>
    `The file takes away ${ofInForce(count, inForce)} plans in force. Check that this is meant.`,
} as const;

const NOT_APPLIED = 'The held part of this file was not applied: ';

/** Whether a remark says that what was held of a file is discarded. */
export const saysDiscarded = (hint: string): boolean => hint.startsWith(NOT_APPLIED);

/** Why what was held of a file is discarded. */
export type DiscardedBecause = 'decided' | 'not decided' | 'not traced';

const DISCARDED: Record<DiscardedBecause, (at: string) => string> = {
  decided: (at) => `the operator of the service discarded it at ${zonedTimeText(at)}`,
  'not decided': (at) => `nobody decided in time, so it was discarded at ${zonedTimeText(at)}`,
  'not traced': (at) =>
    `its NHS numbers could not be traced in time, so it was discarded at ${zonedTimeText(at)}`,
};

/** What becomes of a file that waits. */
export const HELD_FILE_HINTS = {
  waits: (whole: boolean, id: string) =>
    `${whole ? 'Nothing in it was applied' : 'Anything else in it is applied'}; this is held until the operator of the service decides (page Held files, or cp-flags release ${id}), and discarded if nobody decides in time. If you did not intend this, tell the operator, and send the corrected file with the same number before it is decided.`,
  wouldWait: (whole: boolean) =>
    `${whole ? 'Nothing in it' : 'Anything else in it'} would be applied; this would be held until the operator of the service decides, and discarded if nobody decides in time.`,
  untraced: (records: number) =>
    `${counted(records, 'record waits', 'records wait')} because the NHS numbers could not be traced just now. Nothing is wrong with them as far as is known: they are loaded automatically if they can be traced in time, and the final acknowledgement says what became of them. Until then the data counts as no fresher than before.`,
  traced: (at: string) => `The records that waited were traced by ${zonedTimeText(at)}.`,
  released: (at: string) =>
    `The operator of the service released the held part of this file at ${zonedTimeText(at)}.`,
  /** @param used whether the rest of the file was loaded, and so has used up its number */
  discarded: (at: string, used: boolean, because: DiscardedBecause) =>
    `${NOT_APPLIED}${DISCARDED[because](at)}. ${used ? 'The rest of it was loaded, so its number is used: send the records that should have been applied in the next file' : `Nothing in it was loaded, so its number is free: send the ${because === 'decided' ? 'corrected file' : 'file again'} with the same number`}.`,
  tracedNotOneSound: 'The records that waited were traced, and none of them can be loaded.',
  notOneSound:
    'The held part of this file was released, but none of its records can be loaded any more.',
  gone: `${NOT_APPLIED}it was discarded, or another file with the same number replaced it. Send the records that should have been applied in the next file.`,
} as const;
