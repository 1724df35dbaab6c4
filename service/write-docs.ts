import { readFile, writeFile } from 'node:fs/promises';
import packageJson from '../package.json' with { type: 'json' };
import { withErrorTable, withRouteTable, withSettingsTable } from './description/error-table.ts';
import { openApi } from './description/openapi.ts';
import { OPERATIONS } from './routes/routes.ts';

/** `npm run docs`: writes the parts of the documentation that are made from the code. A test compares both. */
const docs = new URL('../docs/', import.meta.url);
const api = openApi(OPERATIONS, packageJson.version);
await writeFile(new URL('openapi.json', docs), `${JSON.stringify(api, null, 2)}\n`);
const tables = new URL('routes-and-errors.md', docs);
await writeFile(tables, withRouteTable(withErrorTable(await readFile(tables, 'utf8')), OPERATIONS));
const settings = new URL('operating/settings.md', docs);
await writeFile(settings, withSettingsTable(await readFile(settings, 'utf8')));
