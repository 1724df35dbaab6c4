import { ERRORS } from '#schemas/errors.ts';
import { describedPath } from './openapi.ts';
import type { Operation } from './operation.ts';
import { settingsTable } from './settings-table.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** Every refusal as a table in Markdown, for the documentation. */
function errorTable(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, fhir, retryable, title, detail }]) =>
      `| \`${code}\` | ${status} | ${fhir} | ${retryable ? 'later' : ''} | ${cell(title)}. ${cell(detail)} |`,
  );
  return [
    '| Code | Status | FHIR issue | Again | Means, and what to do |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

const LET_IN: Record<Operation['letsIn'], string> = {
  anybody: 'anybody',
  lookup: 'B0107 or B0170',
  authority: 'scope `upload`',
  audit: 'scope `audit`',
};

/** Every route as a table in Markdown, for the documentation. */
function routeTable(operations: readonly Operation[]): string {
  const rows = operations.map(
    ({ method, path, letsIn, summary }) =>
      `| \`${method} ${describedPath(path)}\` | ${LET_IN[letsIn]} | ${cell(summary)} |`,
  );
  return ['| Route | Who is let in | Does |', '|---|---|---|', ...rows].join('\n');
}

/**
 * A page of documentation with the table between two marks.
 *
 * @throws if the page lacks the marks
 */
function withTable(page: string, name: string, table: string): string {
  const begin = `<!-- ${name}: made by npm run docs -->`;
  const from = page.indexOf(begin);
  const to = page.indexOf(`<!-- ${name} end -->`);
  if (from < 0 || to < from) throw new Error(`the page has no marks for the table of ${name}`);
  return `${page.slice(0, from + begin.length)}\n\n${table}\n\n${page.slice(to)}`;
}

/** The page of routes and errors with its table of refusals. */
export const withErrorTable = (page: string): string => withTable(page, 'errors', errorTable());

/** The page of routes and errors with its table of routes. */
export const withRouteTable = (page: string, operations: readonly Operation[]): string =>
  withTable(page, 'routes', routeTable(operations));

/** The page of settings with its table. */
export const withSettingsTable = (page: string): string =>
  withTable(page, 'settings', settingsTable());
