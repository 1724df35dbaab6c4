import { type CalendarDate, calendarDate, londonDate } from '#schemas/calendar.ts';
import { BATCH_AT_MOST, type LookupRequest } from '#schemas/lookup.ts';
import { isTurned, parseNhsNumber, SEPARATOR, typedNhsNumber } from '#schemas/nhs-number.ts';
import { tidy } from '#schemas/tidy.ts';
import { LIST, LOOK_UP, NOT_CHECKED, RESULT } from '#schemas/wording/pages.ts';
import { flagsOf } from '../../lookup/answer.ts';
import type { Checked } from '../../lookup/lookup.ts';
import type { Page } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import {
  button,
  errorMessage,
  errorSummary,
  heading,
  link,
  paragraph,
  plainTable,
} from '../html/parts.ts';
import { type Hidden, hiddenFields } from './form.ts';
import { ringInstead } from './not-checked.ts';
import { behindCouncils, type Covered, cautions, mayBeUnderOne, numberText } from './result.ts';

/** What a line asks for, or what is wrong in it. */
type Fault =
  | 'wrongLength'
  | 'wrongDigit'
  | 'several'
  | 'wrongDate'
  | 'futureDate'
  | 'unclear'
  | 'wrong';
type ReadLine = { kind: 'read'; request: LookupRequest } | { kind: 'refused'; fault: Fault };

/** A line as it looks, and as it was read. */
export type Line = { line: number; text: string; read: ReadLine };

const SHOWN_AT_MOST = 60;
const DASH = '\\u2010-\\u2015\\u2212-';
const BY = `(?: ?[/.${DASH}] ?| )`;
const DATE = `[0-9]{1,4}${BY}[0-9]{1,2}${BY}[0-9]{1,4}`;
const TEN_DIGITS = `[0-9](?:${SEPARATOR}*[0-9]){9}`;
/** A number in any form accepted by itself, and after it, if anything, a date. */
const LINE = new RegExp(`^${SEPARATOR}*(${TEN_DIGITS})${SEPARATOR}*(?:[ ,;]+(${DATE}))?[ ,;]*$`);
const NUMBERS = new RegExp(`(?<![0-9])${TEN_DIGITS}(?![0-9])`, 'g');
const WRITTEN_DATE = `[0-9]{1,2}${BY}[0-9]{1,2}${BY}(?:[0-9]{4}|[0-9]{2})|[0-9]{4}${BY}[0-9]{1,2}${BY}[0-9]{1,2}`;
const DATE_FIRST = new RegExp(`^[ ,;.${DASH}]*(${WRITTEN_DATE})(?=[.${DASH}]*(?:[ ,;]|$))`);
const DATE_LAST = new RegExp(`(?:^|[ ,;])(${WRITTEN_DATE})[ ,;.${DASH}]*$`);
/** The same with digits too few or too many. */
const LIKE_A_LINE = new RegExp(`^[0-9](?:${SEPARATOR}|[0-9]){0,40}(?:[ ,;]+${DATE})?[ ,;]*$`);

/** The groups of a date's digits, with the year at either end. */
function partsOf(written: string): { year: string; month: string; day: string } {
  const [first = '', month = '', last = ''] = written.match(/[0-9]+/g) ?? [];
  return first.length === 4 ? { year: first, month, day: last } : { year: last, month, day: first };
}

function dateOf(written: string): CalendarDate | undefined {
  const { year, month, day } = partsOf(written);
  return calendarDate(Number(year), Number(month), Number(day));
}

/** Whether somebody may mean a date: one with a full year counts even if its day does not exist. */
function isDate(written: string): boolean {
  const { year, month, day } = partsOf(written);
  if (/^(?:19|2[01])[0-9]{2}$/.test(year)) return true;
  // 20yy has a 29 February whenever 19yy has one.
  const fullYear = Number(year.length === 4 ? year : `20${year}`);
  return calendarDate(fullYear, Number(month), Number(day)) !== undefined;
}

const digitsIn = (text: string): number => text.replaceAll(/[^0-9]/g, '').length;

/** How many digits there are besides a date at either end of a line; `undefined` if there is no date. */
function digitsBesideDate(text: string): number | undefined {
  const blank = (all: string, date: string): string => (isDate(date) ? ' ' : all);
  const rest = text.replace(DATE_LAST, blank).replace(DATE_FIRST, blank);
  return rest === text ? undefined : digitsIn(rest);
}

/** What is wrong in a line that is not a number followed by a date. */
function faultOf(text: string, hasDate: boolean): Fault {
  const [first, second] = text.match(NUMBERS) ?? [];
  if (second !== undefined) return 'several';
  const isRight = first !== undefined && parseNhsNumber(typedNhsNumber(first)) !== undefined;
  return !isRight && !hasDate && LIKE_A_LINE.test(text) ? 'wrongLength' : 'wrong';
}

function readLine(text: string, now: number): ReadLine {
  const refused = (fault: Fault): ReadLine => ({ kind: 'refused', fault });
  const beside = digitsBesideDate(text);
  const [, number, date] = LINE.exec(text) ?? [];
  // None of a date's digits is one of the number's.
  if (beside !== undefined && beside > 0 && beside < 10) {
    return refused(number === undefined ? faultOf(text, false) : 'unclear');
  }
  if (number === undefined || beside === 0) return refused(faultOf(text, beside !== undefined));
  const nhsNumber = parseNhsNumber(typedNhsNumber(number));
  if (nhsNumber === undefined) return refused('wrongDigit');
  if (date === undefined) return { kind: 'read', request: { nhsNumber } };
  const dateOfBirth = dateOf(date);
  if (dateOfBirth === undefined) return refused('wrongDate');
  return dateOfBirth <= londonDate(now)
    ? { kind: 'read', request: { nhsNumber, dateOfBirth } }
    : refused('futureDate');
}

/** The non-empty lines of a list, in order. */
export const readList = (list: string, now: number): Line[] =>
  list.split(/\r\n|\n|\r/).flatMap((each, i) => {
    const text = tidy(each).replaceAll(/\s+/g, ' ');
    if (text === '') return [];
    const read = isTurned(each)
      ? ({ kind: 'refused', fault: 'wrong' } as const)
      : readLine(text, now);
    return [{ line: i + 1, text: text.slice(0, SHOWN_AT_MOST), read }];
  });

export type Outcome = keyof typeof LIST.outcomes;
export type Listed = Line & { outcome: Outcome };

/** The result of checking one line. @throws like every answer if what is held cannot be shown */
export function outcomeOf({ result, authorities, coverage }: Checked): Outcome {
  if (result.kind === 'not-flagged') {
    return coverage.coverage.notUpToDate.length > 0 ? 'noneBehind' : 'none';
  }
  const flags = flagsOf(result.plans, authorities, coverage.upToDate);
  const isEnded = flags.every(({ status }) => status === 'ended');
  const differs = flags.some(({ dateOfBirth }) => dateOfBirth === 'mismatch');
  if (isEnded) return differs ? 'endedDiffers' : 'ended';
  return differs ? 'differs' : 'flagged';
}

/** The form for a list of numbers: 400 with `error`, if given, and what was typed. */
export function listForm(hidden: Hidden, typed = '', error?: string): Page {
  const errors = error === undefined ? [] : [{ field: 'list', text: error }];
  return {
    title: `${error === undefined ? '' : LOOK_UP.error}${LIST.title}`,
    status: error === undefined ? 200 : 400,
    content: html`${errorSummary(errors)}
<h1 class="nhsuk-heading-xl nhsuk-u-margin-bottom-4">${LIST.title}</h1>
<p><strong>${LOOK_UP.screen}</strong> ${LIST.recorded} ${link('/look-up', LIST.single)}</p>
<form method="post" action="/list" novalidate autocomplete="off">
${hiddenFields(hidden)}
<div class="nhsuk-form-group${error !== undefined && ' nhsuk-form-group--error'}">
<label class="nhsuk-label nhsuk-label--m" for="list">${LIST.field}</label>
<div class="nhsuk-hint" id="list-hint">${LIST.hint(BATCH_AT_MOST)}</div>
${errorMessage('list-error', error)}
<textarea class="nhsuk-textarea${error !== undefined && ' nhsuk-textarea--error'}" id="list" name="list" rows="12" autocomplete="off" aria-describedby="list-hint${error !== undefined && ' list-error'}"${error === undefined && html` autofocus`}>
${typed}</textarea>
</div>
${button(LIST.submit)}
</form>`,
  };
}

const isChecked = ({ read, outcome }: Listed): boolean =>
  read.kind === 'read' && outcome !== 'failed' && outcome !== 'notInUse';
const isFlagged = ({ outcome }: Listed): boolean => outcome === 'flagged' || outcome === 'differs';

const isNotFound = ({ outcome }: Listed): boolean => outcome === 'none' || outcome === 'noneBehind';
const isEnded = ({ outcome }: Listed): boolean => outcome === 'ended' || outcome === 'endedDiffers';

const nameOf = ({ text, read }: Listed): string =>
  read.kind === 'read' ? numberText(read.request.nhsNumber) : text;

const bornOf = ({ read }: Listed): string =>
  read.kind === 'read' && read.request.dateOfBirth !== undefined
    ? RESULT.date(read.request.dateOfBirth)
    : LIST.bornNotGiven;

const items = (lines: readonly Listed[]): Html =>
  html`<ul class="nhsuk-list nhsuk-list--bullet">${lines.map((each) => html`<li><bdi>${LIST.lineOf(each.line, nameOf(each))}</bdi>. ${LIST.outcomes[each.outcome]}</li>`)}</ul>`;

/**
 * The list in its own order; unchecked and flagged lines are repeated above it.
 *
 * @param covered from any checked line; from one with out-of-date councils, if there is one
 * @param again sends the list again, if nothing in it could be checked
 */
export function listResult(
  lines: readonly Listed[],
  covered: Covered | undefined,
  again: Html,
): Page {
  const notChecked = lines.filter((line) => !isChecked(line));
  const flagged = lines.filter(isFlagged);
  const notFound = lines.filter(isNotFound);
  const ended = lines.filter(isEnded);
  const asksForMother = notFound.some(
    ({ read }) =>
      read.kind === 'read' && mayBeUnderOne(read.request.dateOfBirth, covered?.at ?? Date.now()),
  );
  const isNone = notChecked.length === lines.length;
  const isRefused = lines.every(({ read }) => read.kind === 'refused');
  return {
    title: isNone ? NOT_CHECKED.title : RESULT.title,
    ...(isNone && { status: isRefused ? 400 : 503 }),
    content: html`${heading(LIST.summary(lines.length, lines.length - notChecked.length))}
${notChecked.length > 0 && html`<div class="cpf-not-checked"><h2 class="nhsuk-heading-m">${LIST.notChecked}</h2>${paragraph(LIST.notCheckedThen)}${items(notChecked)}${isNone && lines.some(({ outcome }) => outcome === 'failed') && again}${ringInstead()}</div>`}
${flagged.length > 0 && html`<div class="cpf-plain"><h2 class="nhsuk-heading-m">${LIST.flagged}</h2><p class="cpf-strong">${LIST.flaggedThen}</p>${items(flagged)}</div>`}
${ended.length > 0 && html`<div class="cpf-plain"><h2 class="nhsuk-heading-m">${LIST.ended}</h2><p class="cpf-strong">${RESULT.endedNotSafe}</p>${paragraph(LIST.flaggedThen)}${items(ended)}</div>`}
${covered !== undefined && covered.coverage.notUpToDate.length > 0 && behindCouncils(covered, LIST.liveIn)}
${notFound.length > 0 && covered !== undefined && html`<div class="cpf-plain">${cautions(covered.coverage, LIST.notSafe, asksForMother)}</div>`}
${plainTable(
  LIST.all,
  [LIST.line, LIST.number, LIST.born, LIST.outcome],
  lines.map((each) => [
    String(each.line),
    html`<bdi>${nameOf(each)}</bdi>`,
    bornOf(each),
    LIST.outcomes[each.outcome],
  ]),
)}`,
  };
}
