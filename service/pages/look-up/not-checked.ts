import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import { FRAME, LIST, NOT_A_NO, NOT_CHECKED } from '#schemas/wording/pages.ts';
import type { Page } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { buttonLink, heading, link, paragraph } from '../html/parts.ts';
import type { FormRefusal } from '../session/forms.ts';
import { FORMS_REFUSED } from '../session/forms-refused.ts';

/** How long to wait if the refusal names no limit. */
export const WAIT_SECONDS = 60;

/** A check that was not made: a different layout from any that was, always with the same first words. */
function page(heading1: string, then: Html, more: Partial<Page> = {}): Page {
  return {
    title: NOT_CHECKED.title,
    status: 503,
    content: html`<div class="cpf-not-checked">
${heading(heading1)}
<p class="cpf-strong">${NOT_A_NO}</p>
${then}
</div>`,
    ...more,
  };
}

/** What to do if nothing can be checked, and whom to ring. */
export const ringInstead = (before = ''): Html =>
  html`<p class="cpf-strong">${before !== '' && `${before} `}${NOT_CHECKED.ring} ${link('/councils', FRAME.councils)}</p>`;

export const couldNotCheckPage = (again: Html): Page =>
  page(NOT_CHECKED.couldNotCheck, html`${again}${ringInstead(NOT_CHECKED.stillBroken)}`);

export const notInUsePage = (): Page =>
  page(
    NOT_CHECKED.notInUse,
    html`${paragraph(NOT_CHECKED.notInUseThen)}<p>${buttonLink('/look-up', FRAME.lookUp)}</p>${ringInstead(NOT_CHECKED.notInUseCannot)}`,
  );

export const limitedPage = (seconds: number, again: Html): Page =>
  page(
    NOT_CHECKED.limited,
    html`<p class="cpf-strong">${NOT_CHECKED.limitedThen(seconds)}</p>${again}${ringInstead(NOT_CHECKED.limitedCannot)}`,
    { status: 429, retryAfterSeconds: seconds },
  );

export const overPage = (cookies: readonly string[]): Page =>
  page(
    NOT_CHECKED.over,
    html`<p>${buttonLink('/sign-in', NOT_CHECKED.overThen.replace('.', ''))}</p>${ringInstead(NOT_CHECKED.overCannot)}`,
    { status: 401, cookies, signsOut: cookies.length > 0 },
  );

export const isFormRefusal = (code: ErrorCode): code is FormRefusal =>
  Object.hasOwn(FORMS_REFUSED, code);

/** The address at which a form is opened. */
type FormOf = '/look-up' | '/list';

/** The page for a form that must be opened again, with what to do for one child and for a list. */
function anewPage(
  says: string,
  form: FormOf,
  [then, listThen]: readonly [string, string],
  status: number,
): Page {
  const isList = form === '/list';
  return page(
    says,
    html`${paragraph(isList ? listThen : then)}<p>${buttonLink(form, isList ? LIST.title : FRAME.lookUp)}</p>${ringInstead()}`,
    { status },
  );
}

/** The page for a form from which nothing was read. */
export const formRefusedPage = (code: FormRefusal, form: FormOf): Page =>
  anewPage(
    FORMS_REFUSED[code],
    form,
    [NOT_CHECKED.untrustedThen, NOT_CHECKED.untrustedListThen],
    ERRORS[code].status,
  );

/**
 * For a form sent before whose answer must not be shown again: nobody knows whether this browser saw it, or
 * whether it now asks about another child. It shows no number.
 */
export const usedPage = (form: FormOf): Page =>
  anewPage(NOT_CHECKED.used, form, [NOT_CHECKED.usedThen, NOT_CHECKED.usedListThen], 409);

/** The page for a form made for another session, mostly the same person's before they signed in again. */
export const stalePage = (form: FormOf): Page =>
  anewPage(NOT_CHECKED.stale, form, [NOT_CHECKED.staleThen, NOT_CHECKED.staleListThen], 403);
