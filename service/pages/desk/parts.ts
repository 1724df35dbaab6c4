import { shortTextSchema } from '#schemas/text.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { withoutNumbers } from '../../telemetry/log.ts';
import { type Html, html } from '../html/html.ts';
import {
  type Cell,
  describedBy,
  errorMessage,
  type FieldError,
  plainTable,
} from '../html/parts.ts';

/** What was just done, a paragraph for each line of it; the focus goes here. */
export const notice = (text: string): Html =>
  html`<div class="nhsuk-notification-banner" aria-labelledby="notice-title" role="alert" tabindex="-1" autofocus data-module="nhsuk-notification-banner">
<div class="nhsuk-notification-banner__header"><h2 class="nhsuk-notification-banner__title" id="notice-title">${DESK.important}</h2></div>
<div class="nhsuk-notification-banner__content">
${text.split('\n').map((line) => html`<p class="nhsuk-notification-banner__heading">${line}</p>`)}
</div></div>`;

/** A table that scrolls by itself, even by keyboard, on screens too narrow for it but not small. */
export const table = (
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly Cell[])[],
  foot?: string,
): Html =>
  html`<div class="cpf-scroll" role="region" aria-label="${caption}" tabindex="0">
${plainTable(caption, heads, rows, foot)}</div>`;

/** Names with what belongs to each; a row without a value is left out. */
export const summary = (rows: readonly (readonly [string, Cell])[]): Html =>
  html`<dl class="nhsuk-summary-list">
${rows.map(
  ([key, value]) =>
    value !== undefined &&
    html`<div class="nhsuk-summary-list__row"><dt class="nhsuk-summary-list__key">${key}</dt><dd class="nhsuk-summary-list__value">${value}</dd></div>
`,
)}</dl>`;

/**
 * Links to the neighbouring pages of a long list, newest first unless `words` say otherwise, each only if
 * there is one.
 */
export const pager = ({
  newer,
  older,
  words = DESK,
}: {
  newer?: string;
  older?: string;
  words?: { newer: string; older: string };
}): Html | false =>
  (newer !== undefined || older !== undefined) &&
  html`<nav class="cpf-pager" aria-label="${DESK.pages}">
${newer !== undefined && html`<a class="nhsuk-link" href="${newer}" rel="prev">${words.newer}</a>`}
${older !== undefined && html`<a class="nhsuk-link" href="${older}" rel="next">${words.older}</a>`}
</nav>`;

type TextField = {
  name: string;
  label: string;
  hint?: string;
  value?: string | undefined;
  errors: readonly FieldError[];
  width?: 5 | 10 | 20 | 30;
  inputMode?: 'numeric' | 'tel' | 'text';
};

/** A field of one line, with what was typed before and what is wrong with it. */
export function textField(field: TextField): Html {
  const { name, label, hint, value = '', errors, width, inputMode = 'text' } = field;
  const wrong = errors.find((error) => error.field === name)?.text;
  return html`<div class="nhsuk-form-group${wrong !== undefined && ' nhsuk-form-group--error'}">
<label class="nhsuk-label nhsuk-label--s" for="${name}">${label}</label>
${hint !== undefined && html`<div class="nhsuk-hint" id="${name}-hint">${hint}</div>`}
${errorMessage(`${name}-error`, wrong)}
<input class="nhsuk-input${width !== undefined && ` nhsuk-input--width-${width}`}${wrong !== undefined && ' nhsuk-input--error'}" id="${name}" name="${name}" type="text" inputmode="${inputMode}" autocomplete="off"${describedBy(name, hint, wrong)} value="${value}">
</div>`;
}

/** The field `file`, for choosing one. Anything dropped beside it is ignored; see `assets/pages.js`. */
export function fileField(label: string, hint: string, errors: readonly FieldError[]): Html {
  const wrong = errors.find(({ field }) => field === 'file')?.text;
  return html`<div class="nhsuk-form-group${wrong !== undefined && ' nhsuk-form-group--error'}">
<label class="nhsuk-label nhsuk-label--s" for="file">${label}</label>
<div class="nhsuk-hint" id="file-hint">${hint}</div>
${errorMessage('file-error', wrong)}
<input class="nhsuk-input cpf-file" id="file" name="file" type="file" aria-describedby="file-hint${wrong !== undefined && ' file-error'}">
</div>`;
}

/** A field of several lines. */
export function textArea({
  name,
  label,
  hint,
  value = '',
  errors,
  rows,
}: Omit<TextField, 'width' | 'inputMode' | 'hint'> & { hint: string; rows: number }): Html {
  const wrong = errors.find((error) => error.field === name)?.text;
  return html`<div class="nhsuk-form-group${wrong !== undefined && ' nhsuk-form-group--error'}">
<label class="nhsuk-label nhsuk-label--s" for="${name}">${label}</label>
<div class="nhsuk-hint" id="${name}-hint">${hint}</div>
${errorMessage(`${name}-error`, wrong)}
<textarea class="nhsuk-textarea${wrong !== undefined && ' nhsuk-textarea--error'}" id="${name}" name="${name}" rows="${rows}" autocomplete="off"${describedBy(name, hint, wrong)}>
${value}</textarea>
</div>`;
}

type Checkbox = {
  name: string;
  label: string | Html;
  /** Default `yes`. */
  value?: string;
  hint?: string;
  checked?: boolean;
};

/** One of several boxes to tick. @param wrong the error that the group shows */
export const checkboxItem = (
  { name, label, value = 'yes', hint, checked = false }: Checkbox,
  wrong?: string,
): Html =>
  html`<div class="nhsuk-checkboxes__item">
<input class="nhsuk-checkboxes__input" id="${name}" name="${name}" type="checkbox" value="${value}"${checked && html` checked`}${describedBy(name, hint, wrong)}>
<label class="nhsuk-label nhsuk-checkboxes__label" for="${name}">${label}</label>
${hint !== undefined && html`<div class="nhsuk-hint nhsuk-checkboxes__hint" id="${name}-hint">${hint}</div>`}
</div>`;

/** One box to tick, by itself. */
export function checkbox({
  errors = [],
  ...box
}: Checkbox & { errors?: readonly FieldError[] }): Html {
  const wrong = errors.find(({ field }) => field === box.name)?.text;
  return html`<div class="nhsuk-form-group${wrong !== undefined && ' nhsuk-form-group--error'}">${errorMessage(`${box.name}-error`, wrong)}
<div class="nhsuk-checkboxes">${checkboxItem(box, wrong)}</div></div>`;
}

/** What is folded away until somebody asks for it. */
export const folded = (says: string, content: Html, isOpen = false): Html =>
  html`<details class="nhsuk-details"${isOpen && html` open`}><summary class="nhsuk-details__summary"><span class="nhsuk-details__summary-text">${says}</span></summary>
<div class="nhsuk-details__text">${content}</div></details>`;

export type Option = { value: string; text: string };

/** A list of choices. */
export function select(
  name: string,
  label: string,
  options: readonly Option[],
  { chosen, errors }: { chosen: string | undefined; errors: readonly FieldError[] },
): Html {
  const wrong = errors.find((error) => error.field === name)?.text;
  return html`<div class="nhsuk-form-group${wrong !== undefined && ' nhsuk-form-group--error'}">
<label class="nhsuk-label nhsuk-label--s" for="${name}">${label}</label>
${errorMessage(`${name}-error`, wrong)}
<select class="nhsuk-select" id="${name}" name="${name}"${wrong !== undefined && html` aria-describedby="${name}-error"`}>
${options.map(({ value, text }) => html`<option value="${value}"${value === (chosen ?? '') && html` selected`}>${text}</option>`)}
</select></div>`;
}

/** Why somebody does something; the field is called `reason`. */
export const reasonField = (value: string | undefined, errors: readonly FieldError[]): Html =>
  textField({
    name: 'reason',
    label: DESK.reason,
    hint: DESK.reasonHint,
    value,
    errors,
  });

type ReadReason = { kind: 'read'; reason: string } | { kind: 'wrong'; error: FieldError };

/**
 * What is wrong with a text for the audit that contains anything like an NHS number, since no child may be
 * named by one there.
 */
export const numberError = (field: string, text: string): FieldError | undefined =>
  withoutNumbers(text) === text ? undefined : { field, text: DESK.numberInText };

/** Reads what {@link reasonField} asks for, by the rule of the command line, and without an NHS number. */
export function readReason(text = ''): ReadReason {
  const { data, error: invalid } = shortTextSchema.safeParse(text);
  const [issue] = invalid?.issues ?? [];
  if (data === undefined) {
    const error = { field: 'reason', text: DESK.reasonWrong(issue?.message ?? '') };
    return { kind: 'wrong', error };
  }
  const named = numberError('reason', data);
  return named === undefined ? { kind: 'read', reason: data } : { kind: 'wrong', error: named };
}
