import { raw, html as template } from 'hono/html';

/** Markup that is safe to put into a page: made only by {@link html}. */
export type Html = string & { readonly isEscaped: true };

type Value = Html | string | number | false | undefined | readonly Value[];

/**
 * Markup from a template, with every value in it escaped unless it is markup itself. False and undefined
 * leave nothing.
 */
export const html = (strings: TemplateStringsArray, ...values: Value[]): Html =>
  // Nothing in it is waited for, so that it is made at once.
  template(strings, ...values) as unknown as Html;

/** Treats a text as markup: what {@link html} made, and what has been a plain text since. */
export const markup = (text: string): Html => raw(text);
