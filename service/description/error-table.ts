import { ERRORS } from '#schemas/errors.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** Every refusal as a table in Markdown, for the documentation. */
export function errorTable(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, fhir, retryable, title, detail }]) =>
      `| \`${code}\` | ${status} | ${fhir} | ${retryable ? 'later' : ''} | ${cell(title)}. ${cell(detail)} |`,
  );
  return [
    '| code | status | FHIR issue | again | means, and what to do |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

const BEGIN = '<!-- errors: made by npm run docs -->';
const END = '<!-- errors end -->';

/**
 * A page of documentation with the table in its place between two marks.
 *
 * @throws where the page lacks the marks
 */
export function withErrorTable(page: string): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new Error('the page has no marks for the table of errors');
  return `${page.slice(0, from + BEGIN.length)}\n\n${errorTable()}\n\n${page.slice(to)}`;
}
