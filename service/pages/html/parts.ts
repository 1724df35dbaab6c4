import { isOfficeOpen, officeHoursText } from '#schemas/office-hours.ts';
import { FRAME, LOOK_UP, RESULT } from '#schemas/wording/pages.ts';
import { secondText } from '#schemas/wording/times.ts';
import { type Html, html } from './html.ts';

/** The page's main heading, which gets the focus unless the page has only reloaded itself. */
export const heading = (text: string | Html, isReloaded = false): Html =>
  html`<h1 class="nhsuk-heading-xl nhsuk-u-margin-bottom-4" tabindex="-1"${!isReloaded && html` autofocus`}>${text}</h1>`;

export const paragraph = (text: string | Html): Html => html`<p>${text}</p>`;

/** When something was tried that did not work and may be tried again. */
export const tried = (at = Date.now()): Html => paragraph(FRAME.tried(secondText(at)));

export const link = (href: string, text: string): Html =>
  html`<a class="nhsuk-link" href="${href}">${text}</a>`;

/** A link styled as the main action. */
export const buttonLink = (href: string, text: string, secondary = false): Html =>
  html`<a class="nhsuk-button${secondary && ' nhsuk-button--secondary'}" href="${href}">${text}</a>`;

export const button = (text: string | Html): Html =>
  html`<button class="nhsuk-button" type="submit" data-module="nhsuk-button" data-prevent-double-click="true">${text}</button>`;

/** What is wrong in a field, and in which others of its group. */
export type FieldError = { field: string; text: string; others?: readonly string[] };

/** What is wrong with a form, each fault linked to its field; the focus goes here. */
export const errorSummary = (errors: readonly FieldError[]): Html | false =>
  errors.length > 0 &&
  html`<div class="nhsuk-error-summary" aria-labelledby="error-summary-title" role="alert" tabindex="-1" autofocus data-module="nhsuk-error-summary">
<h2 class="nhsuk-error-summary__title" id="error-summary-title">${LOOK_UP.problem}</h2>
<div class="nhsuk-error-summary__body"><ul class="nhsuk-list nhsuk-error-summary__list" role="list">
${errors.map(({ field, text }) => html`<li><a href="#${field}">${text}</a></li>`)}
</ul></div></div>`;

export const errorMessage = (id: string, text: string | undefined): Html | false =>
  text !== undefined &&
  html`<span class="nhsuk-error-message" id="${id}"><span class="nhsuk-u-visually-hidden">${LOOK_UP.error}</span>${text}</span>`;

/** The attribute by which a field has its hint and its error read out. */
export function describedBy(
  name: string,
  hint: string | undefined,
  error: string | undefined,
): Html | false {
  const ids = [hint !== undefined && `${name}-hint`, error !== undefined && `${name}-error`];
  const by = ids.filter((id) => id !== false).join(' ');
  return by !== '' && html` aria-describedby="${by}"`;
}

/** Radio buttons, none chosen unless `chosen` is given. */
export function radios(
  name: string,
  {
    legend,
    hint,
    options,
    chosen,
    error,
    large = false,
    required = false,
  }: {
    legend: string;
    hint?: string;
    options: readonly { value: string; text: string | Html; hint?: string | Html }[];
    chosen?: string | undefined;
    error?: string | undefined;
    /** The legend is the page's heading. */
    large?: boolean;
    /** The browser itself asks for a choice. */
    required?: boolean;
  },
): Html {
  return html`<div class="nhsuk-form-group${error !== undefined && ' nhsuk-form-group--error'}">
<fieldset class="nhsuk-fieldset"${describedBy(name, hint, error)}>
<legend class="nhsuk-fieldset__legend nhsuk-fieldset__legend--${large ? 'l' : 's'}">${large ? html`<h1 class="nhsuk-fieldset__heading"${error === undefined && html` tabindex="-1" autofocus`}>${legend}</h1>` : legend}</legend>
${hint !== undefined && html`<div class="nhsuk-hint" id="${name}-hint">${hint}</div>`}
${errorMessage(`${name}-error`, error)}
<div class="nhsuk-radios">
${options.map(({ value, text, hint: about }, i) => {
  const id = i === 0 ? name : `${name}-${i + 1}`;
  return html`<div class="nhsuk-radios__item">
<input class="nhsuk-radios__input" id="${id}" name="${name}" type="radio" value="${value}"${value === chosen && html` checked`}${required && html` required`}${about !== undefined && html` aria-describedby="${id}-about"`}>
<label class="nhsuk-label nhsuk-radios__label" for="${id}">${text}</label>
${about !== undefined && html`<div class="nhsuk-hint nhsuk-radios__hint" id="${id}-about">${about}</div>`}
</div>`;
})}
</div></fieldset></div>`;
}

export type Cell = string | number | Html | undefined;

/**
 * A table that becomes a list on a small screen, where each cell has its heading beside it. A screen reader
 * still has a table.
 *
 * @param foot only printed, on each sheet
 */
export const plainTable = (
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly Cell[])[],
  foot?: string,
): Html => html`<table class="nhsuk-table cpf-table" role="table">
<caption class="nhsuk-table__caption nhsuk-table__caption--s">${caption}</caption>
<thead class="nhsuk-table__head" role="rowgroup"><tr role="row">${heads.map((head) => html`<th class="nhsuk-table__header" scope="col" role="columnheader">${head}</th>`)}</tr></thead>
<tbody class="nhsuk-table__body" role="rowgroup">
${rows.map(
  (cells) => html`<tr class="nhsuk-table__row" role="row">
${cells.map((cell, i) => html`<td role="cell" data-heading="${heads[i]}"><span>${cell}</span></td>`)}
</tr>
`,
)}</tbody>${foot !== undefined && html`<tfoot class="cpf-print-only"><tr><td colspan="${heads.length}">${foot}</td></tr></tfoot>`}</table>`;

/** A telephone number as it is read: 020 7946 0110. Other forms are unchanged. */
export function phoneText(phone: string): string {
  const national = phone.replace(/^\+44/, '0');
  if (/^02[0-9]{9}$/.test(national)) return national.replace(/^(...)(....)(....)$/, '$1 $2 $3');
  if (/^01(?:1[0-9]|[0-9]1)[0-9]{7}$|^0[389][0-9]{9}$/.test(national)) {
    return national.replace(/^(....)(...)(....)$/, '$1 $2 $3');
  }
  return /^0[17][0-9]{9}$/.test(national) ? national.replace(/^(.....)(......)$/, '$1 $2') : phone;
}

type Phones = {
  officeHoursPhone?: string | undefined;
  /** When that number answers, if the council said so. */
  officeHours?: string | undefined;
  emergencyDutyTeamPhone: string;
};

const phone = (label: string, number: string, isNow: boolean): Html =>
  html`<li${isNow && html` class="cpf-phones__now"`}><span class="cpf-phones__label">${isNow && html`<strong>${RESULT.ringNow}</strong> `}${label}</span><a class="nhsuk-link cpf-phones__number" href="tel:${number}">${phoneText(number).replaceAll(' ', '\u00a0')}</a></li>`;

/**
 * Both numbers of a council. If it gave its office hours, the one that answers at this moment comes first and
 * is marked; otherwise both look alike.
 *
 * @param at milliseconds; absent on a page that may be printed
 */
export function phones(
  { officeHoursPhone, officeHours, emergencyDutyTeamPhone }: Phones,
  at?: number,
): Html {
  const hours = officeHours === undefined ? undefined : officeHoursText(officeHours);
  const isOpen =
    officeHoursPhone === undefined || officeHours === undefined || at === undefined
      ? undefined
      : isOfficeOpen(officeHours, at);
  const office =
    officeHoursPhone === undefined
      ? html`<li><span class="cpf-phones__label">${RESULT.noOfficeHours}</span></li>`
      : phone(RESULT.officeHours(hours), officeHoursPhone, isOpen === true);
  const emergency = phone(RESULT.nights, emergencyDutyTeamPhone, isOpen === false);
  return html`<ul class="cpf-phones" role="list">
${isOpen === false ? [emergency, office] : [office, emergency]}
</ul>`;
}

/** The page for an address that does not exist, or is not for this person. */
export const notFoundPage = () => ({
  title: FRAME.notFound,
  status: 404,
  content: html`${heading(FRAME.notFound)}${paragraph(FRAME.notFoundThen)}<p>${buttonLink('/', FRAME.start)}</p>`,
});
