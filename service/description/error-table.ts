import { ERRORS } from '#schemas/errors.ts';
import { settingsTable } from './settings.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** Every refusal as a table in Markdown, for the documentation. */
function errorTable(): string {
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

/**
 * A page of documentation with the table in its place between two marks.
 *
 * @throws where the page lacks the marks
 */
function withTable(page: string, name: string, table: string): string {
  const begin = `<!-- ${name}: made by npm run docs -->`;
  const from = page.indexOf(begin);
  const to = page.indexOf(`<!-- ${name} end -->`);
  if (from < 0 || to < from) throw new Error(`the page has no marks for the table of ${name}`);
  return `${page.slice(0, from + begin.length)}\n\n${table}\n\n${page.slice(to)}`;
}

/** The guide for suppliers with its table of refusals. */
export const withErrorTable = (page: string): string => withTable(page, 'errors', errorTable());

/** The page of settings with its table. */
export const withSettingsTable = (page: string): string =>
  withTable(page, 'settings', settingsTable());
