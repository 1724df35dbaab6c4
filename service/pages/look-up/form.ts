import { type CalendarDate, calendarDate, londonDate } from '#schemas/calendar.ts';
import { type LookupRequest, REASONS } from '#schemas/lookup.ts';
import { isTurned, parseNhsNumber, typedNhsNumber } from '#schemas/nhs-number.ts';
import type { Access } from '#schemas/people/care-setting.ts';
import { tidy } from '#schemas/tidy.ts';
import { wrongNhsNumber } from '#schemas/wording/nhs-number.ts';
import { LIST, LOOK_UP, NOT_CHECKED } from '#schemas/wording/pages.ts';
import { type Html, html } from '../html/html.ts';
import {
  button,
  errorMessage,
  errorSummary,
  type FieldError,
  link,
  radios,
} from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';

/** How somebody's look counts; `choice` if their role lets them decide. */
export type Counts = Access | 'choice';

/** The fields of the form, and what is hidden in it. */
const NAMES = ['number', 'day', 'month', 'year', 'reason', 'care'] as const;
type Name = (typeof NAMES)[number];
export type Typed = Partial<Record<Name, string>>;

export type Hidden = { form: string; token: string };

/** What was typed, to be shown again and to be read. */
export function typedOf(fields: Fields): Typed {
  const typed: Typed = {};
  for (const name of NAMES) {
    const value = fields.get(name);
    if (value !== undefined && value !== '') typed[name] = value;
  }
  return typed;
}

type ReadTyped =
  | { kind: 'read'; request: LookupRequest }
  | {
      kind: 'refused';
      code: 'invalid-nhs-number' | 'invalid-request';
      number?: string;
      errors: FieldError[];
    };

const DATE_PARTS = ['day', 'month', 'year'] as const;
type DatePart = (typeof DATE_PARTS)[number];
type WrongDate = { parts: readonly DatePart[]; text: string };

/** The date that was typed, `none`, or what is wrong with it and in which of its parts. */
function readDate(typed: Typed, now: number): CalendarDate | 'none' | WrongDate {
  const tidied = { day: '', month: '', year: '' };
  for (const part of DATE_PARTS) {
    const text = typed[part] ?? '';
    tidied[part] = isTurned(text) ? text : tidy(text);
  }
  const which = (isWrong: (text: string) => boolean): DatePart[] =>
    DATE_PARTS.filter((part) => isWrong(tidied[part]));
  const missing = which((text) => text === '');
  if (missing.length === DATE_PARTS.length) return 'none';
  if (missing.length > 0) return { parts: missing, text: LOOK_UP.dateMissing(missing) };
  const notDigits = which((text) => !/^[0-9]+$/.test(text));
  if (notDigits.length > 0) return { parts: notDigits, text: LOOK_UP.dateNotDigits };
  const { day, month, year } = tidied;
  if (year.length !== 4) return { parts: ['year'], text: LOOK_UP.yearShort };
  const date = calendarDate(Number(year), Number(month), Number(day));
  if (date === undefined) return { parts: DATE_PARTS, text: LOOK_UP.dateNotReal };
  return date <= londonDate(now) ? date : { parts: DATE_PARTS, text: LOOK_UP.dateFuture };
}

/** Reads what was typed as a lookup, as the API would. */
export function readTyped(typed: Typed, now: number): ReadTyped {
  const number = typedNhsNumber(typed.number ?? '');
  const nhsNumber = parseNhsNumber(number);
  const date = readDate(typed, now);
  const errors: FieldError[] = [];
  if (nhsNumber === undefined) {
    errors.push({ field: 'number', text: wrongNhsNumber(typed.number ?? '') });
  }
  if (typeof date === 'object') {
    const [first = 'day', ...others] = date.parts;
    errors.push({ field: first, text: date.text, others });
  }
  const reason = REASONS.find((each) => each === typed.reason);
  if (reason === undefined && typed.reason !== undefined) {
    errors.push({ field: 'reason', text: LOOK_UP.reasonWrong });
  }
  if (typed.care !== undefined && !Object.hasOwn(LOOK_UP.careOptions, typed.care)) {
    errors.push({ field: 'care', text: LOOK_UP.careWrong });
  }
  if (nhsNumber === undefined || typeof date === 'object' || errors.length > 0) {
    return nhsNumber === undefined && number !== ''
      ? { kind: 'refused', code: 'invalid-nhs-number', number, errors }
      : { kind: 'refused', code: 'invalid-request', errors };
  }
  return {
    kind: 'read',
    request: {
      nhsNumber,
      ...(date !== 'none' && { dateOfBirth: date }),
      ...(reason !== undefined && { reason }),
    },
  };
}

export const hiddenFields = ({ form, token }: Hidden): Html =>
  html`<input type="hidden" name="form" value="${form}"><input type="hidden" name="token" value="${token}">`;

function dateField(typed: Typed, errors: readonly FieldError[]): Html {
  const wrong = errors.find(({ field }) => DATE_PARTS.some((part) => part === field));
  const error = wrong?.text;
  const part = (name: DatePart, label: string, width: number): Html =>
    html`<div class="nhsuk-date-input__item"><div class="nhsuk-form-group">
<label class="nhsuk-label nhsuk-date-input__label" for="${name}">${label}</label>
<input class="nhsuk-input nhsuk-date-input__input nhsuk-input--width-${width}${(wrong?.field === name || wrong?.others?.includes(name)) && ' nhsuk-input--error'}" id="${name}" name="${name}" type="text" inputmode="numeric" autocomplete="off" maxlength="4" value="${typed[name] ?? ''}">
</div></div>`;
  return html`<div class="nhsuk-form-group${error !== undefined && ' nhsuk-form-group--error'}">
<fieldset class="nhsuk-fieldset" role="group" aria-describedby="date-hint${error !== undefined && ' date-error'}">
<legend class="nhsuk-fieldset__legend nhsuk-fieldset__legend--s">${LOOK_UP.dateOfBirth}</legend>
<div class="nhsuk-hint" id="date-hint">${LOOK_UP.dateOfBirthHint}</div>
${errorMessage('date-error', error)}
<div class="nhsuk-date-input">${part('day', LOOK_UP.day, 2)}${part('month', LOOK_UP.month, 2)}${part('year', LOOK_UP.year, 4)}</div>
</fieldset></div>`;
}

/** The form, with what was typed before and what is wrong with it. */
export function lookUpForm(
  counts: Counts,
  hidden: Hidden,
  typed: Typed = {},
  errors: readonly FieldError[] = [],
  offersList = false,
): Html {
  const errorOf = (field: string): string | undefined =>
    errors.find((error) => error.field === field)?.text;
  const wrong = errorOf('number');
  const describedBy = `number-hint${wrong === undefined ? '' : ' number-error'}`;
  const told = counts === 'silent-read' ? LOOK_UP.recorded : LOOK_UP.told;
  return html`${errorSummary(errors)}
<h1 class="nhsuk-heading-xl nhsuk-u-margin-bottom-4">${LOOK_UP.title}</h1>
<p><strong>${LOOK_UP.screen}</strong> ${counts !== 'choice' && told}${offersList && html` ${link('/list', LIST.link)}`}</p>
<form method="post" action="/look-up" novalidate autocomplete="off">
${hiddenFields(hidden)}
<div class="nhsuk-form-group${wrong !== undefined && ' nhsuk-form-group--error'}">
<label class="nhsuk-label nhsuk-label--m" for="number">${LOOK_UP.number}</label>
<div class="nhsuk-hint" id="number-hint">${LOOK_UP.numberHint}</div>
${errorMessage('number-error', wrong)}
<input class="nhsuk-input nhsuk-input--code nhsuk-input--width-10${wrong !== undefined && ' nhsuk-input--error'}" id="number" name="number" type="text" inputmode="numeric" autocomplete="off" aria-describedby="${describedBy}" value="${typed.number ?? ''}"${errors.length === 0 && html` autofocus`}>
</div>
${dateField(typed, errors)}
${
  counts === 'choice' &&
  radios('care', {
    legend: LOOK_UP.care,
    chosen: typed.care === 'planned' ? 'planned' : 'unscheduled',
    error: errorOf('care'),
    options: [
      { value: 'unscheduled', text: LOOK_UP.careOptions.unscheduled },
      { value: 'planned', text: LOOK_UP.careOptions.planned },
    ],
  })
}
${radios('reason', {
  legend: LOOK_UP.reason,
  chosen: typed.reason,
  error: errorOf('reason'),
  options: REASONS.map((value) => ({ value, text: LOOK_UP.reasons[value] })),
})}
${button(LOOK_UP.submit)}
</form>`;
}

/** What was chosen beside a number, in words. */
function chosenIn({ care, reason }: Typed): string[] {
  const { careOptions, reasons } = LOOK_UP;
  const careText = Object.entries(careOptions).find(([value]) => value === care)?.[1];
  const reasonText = Object.entries(reasons).find(([value]) => value === reason)?.[1];
  return [careText, reasonText].filter((text) => text !== undefined);
}

/** A button that repeats a check that was not made, and what it sends beside the number. */
export function againForm(
  action: '/look-up' | '/list',
  hidden: Hidden,
  typed: Typed | { list: string },
): Html {
  const chosen = 'list' in typed ? [] : chosenIn(typed);
  return html`<form method="post" action="${action}" novalidate autocomplete="off">
${hiddenFields(hidden)}
${Object.entries(typed).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
${button(NOT_CHECKED.again)}
</form>
${chosen.length > 0 && html`<p>${NOT_CHECKED.sentAgain(chosen)}</p>`}`;
}
