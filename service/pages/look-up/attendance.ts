import {
  ATTENDANCES,
  type AttendanceRequest,
  attendanceRequestSchema,
} from '#schemas/attendance.ts';
import { ERRORS, type ErrorCode, type LimitReached } from '#schemas/errors.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { ATTENDANCE, FRAME, LOOK_UP, RESULT, SIGN_IN } from '#schemas/wording/pages.ts';
import type { Page } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import {
  button,
  buttonLink,
  describedBy,
  errorMessage,
  errorSummary,
  type FieldError,
  heading,
  link,
  paragraph,
  radios,
} from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';
import { signInRefusalOf } from '../sign-in/refused.ts';
import { isFormRefusal, WAIT_SECONDS } from './not-checked.ts';

/** A look whose outcome can be recorded: sealed, so that nobody can name another look. */
export type Look = { lookupId: string; nhsNumber: NhsNumber };

export type AttendanceForm = { token: string; of: string };
export type Typed = Partial<Record<'attended' | 'ward' | 'switchboard', string>>;

export function typedAttendance(fields: Fields): Typed {
  const typed: Typed = {};
  for (const name of ['attended', 'ward', 'switchboard'] as const) {
    const value = fields.get(name)?.trim();
    if (value !== undefined && value !== '') typed[name] = value;
  }
  return typed;
}

const WORDS: Record<string, string> = {
  attended: ATTENDANCE.pick,
  ward: ATTENDANCE.wardWrong,
  switchboard: ATTENDANCE.switchboardWrong,
};

/** Reads what was typed, as the API would. */
export function readAttendance(
  typed: Typed,
  nhsNumber: NhsNumber,
): { request: AttendanceRequest } | { errors: FieldError[] } {
  const parsed = attendanceRequestSchema.safeParse({ nhsNumber, ...typed });
  if (parsed.success) return { request: parsed.data };
  const wrong = new Set(parsed.error.issues.map(({ path }) => String(path[0])));
  return {
    errors: [...wrong].map((field) => ({ field, text: WORDS[field] ?? ATTENDANCE.pick })),
  };
}

function textField(
  name: 'ward' | 'switchboard',
  label: string,
  value: string | undefined,
  error: string | undefined,
  hint?: string,
): Html {
  return html`<div class="nhsuk-form-group${error !== undefined && ' nhsuk-form-group--error'}">
<label class="nhsuk-label" for="${name}">${label}</label>
${hint !== undefined && html`<div class="nhsuk-hint" id="${name}-hint">${hint}</div>`}
${errorMessage(`${name}-error`, error)}
<input class="nhsuk-input nhsuk-input--width-20${error !== undefined && ' nhsuk-input--error'}" id="${name}" name="${name}" type="${name === 'ward' ? 'text' : 'tel'}" maxlength="${name === 'ward' ? 30 : 40}" autocomplete="off"${describedBy(name, hint, error)} value="${value ?? ''}">
</div>`;
}

export function attendanceFields(
  { token, of }: AttendanceForm,
  typed: Typed,
  errors: readonly FieldError[],
): Html {
  const errorOf = (field: string) => errors.find((error) => error.field === field)?.text;
  return html`<form method="post" action="/look-up/attendance" novalidate autocomplete="off">
<input type="hidden" name="token" value="${token}"><input type="hidden" name="of" value="${of}">
${paragraph(ATTENDANCE.lead)}
${radios('attended', {
  legend: ATTENDANCE.legend,
  chosen: typed.attended,
  error: errorOf('attended'),
  options: ATTENDANCES.map((value) => ({ value, text: ATTENDANCE.options[value] })),
})}
${textField('ward', ATTENDANCE.ward, typed.ward, errorOf('ward'), ATTENDANCE.wardHint)}
${textField('switchboard', ATTENDANCE.switchboard, typed.switchboard, errorOf('switchboard'))}
${button(ATTENDANCE.submit)}
</form>`;
}

const folded = (summary: string, content: Html): Html => html`<details class="nhsuk-details">
<summary class="nhsuk-details__summary"><span class="nhsuk-details__summary-text">${summary}</span></summary>
<div class="nhsuk-details__text">${content}</div></details>`;

/** The form below an answer, closed at first and with nothing chosen. */
export const attendanceDetails = (form: AttendanceForm): Html =>
  folded(ATTENDANCE.summary, attendanceFields(form, {}, []));

export const attendanceErrors = (
  form: AttendanceForm,
  typed: Typed,
  errors: readonly FieldError[],
): Page => ({
  title: `${LOOK_UP.error}${ATTENDANCE.summary}`,
  status: 400,
  content: html`${errorSummary(errors)}
<h1 class="nhsuk-heading-xl nhsuk-u-margin-bottom-4">${ATTENDANCE.summary}</h1>
<p class="cpf-strong">${ATTENDANCE.notYet}</p>
${attendanceFields(form, typed, errors)}`,
});

/** What was recorded, and the form with what was sent, to correct it without another look. */
export const attendanceRecorded = (
  attended: AttendanceRequest['attended'],
  councils: readonly string[],
  form: AttendanceForm,
  typed: Typed,
): Page => ({
  title: ATTENDANCE.title,
  content: html`${heading(ATTENDANCE.recorded)}
${paragraph(ATTENDANCE.what(ATTENDANCE.options[attended]))}
<p class="cpf-strong">${ATTENDANCE.told(councils)}</p>
${attended === 'wrong-patient' && html`<p class="cpf-strong">${ATTENDANCE.wrongPatient}</p>`}
<p>${buttonLink('/look-up', RESULT.another)}</p>
${folded(ATTENDANCE.correct, attendanceFields(form, typed, []))}
${paragraph(ATTENDANCE.correctLater)}`,
});

type NotRecorded = { status: number } & (
  | { why: keyof typeof ATTENDANCE.failedThen }
  | { why: 'too-many-requests'; retryAfterSeconds: number }
);

/**
 * Why an outcome refused with this code was not recorded. Faults of a form and of a person each have their
 * words; for any other the service could not record it.
 */
export function whyNotRecorded(code: ErrorCode, limit?: LimitReached): NotRecorded {
  const { status } = ERRORS[code];
  if (code === 'too-many-requests') {
    return { why: code, status, retryAfterSeconds: limit?.retryAfterSeconds ?? WAIT_SECONDS };
  }
  if (code === 'look-not-found' || isFormRefusal(code)) return { why: code, status };
  if (signInRefusalOf(code) !== undefined) return { why: 'stopped', status };
  return { why: 'failed', status: code === 'header-repeated' ? status : 503 };
}

/**
 * The page for an outcome that was not recorded, for whatever reason.
 *
 * @param again the choice, to be sent again, if that may help
 */
export const attendanceNotRecorded = (not: NotRecorded, again?: Html): Page => ({
  title: ATTENDANCE.failedTitle,
  status: not.status,
  ...(not.why === 'too-many-requests' && { retryAfterSeconds: not.retryAfterSeconds }),
  content: html`<div class="cpf-not-checked">${heading(ATTENDANCE.failed)}
<p class="cpf-strong">${not.why === 'too-many-requests' ? ATTENDANCE.limitedThen(not.retryAfterSeconds) : ATTENDANCE.failedThen[not.why]}</p>
<p class="cpf-strong">${link('/councils', FRAME.councils)}</p>
${not.why === 'over' && html`<p>${buttonLink('/sign-in', SIGN_IN.title)}</p>`}</div>
${again}`,
});
