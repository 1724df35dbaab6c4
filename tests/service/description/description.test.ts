import { globSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Resource } from '@medplum/fhirtypes';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { expect, test } from 'vitest';
import { unreadableEventSchema, writtenEventSchema } from '#schemas/audit/audit-event.ts';
import { configurationSchema } from '#schemas/configuration.ts';
import { ERRORS } from '#schemas/errors.ts';
import { careSettings } from '#schemas/people/care-setting.ts';
import { claimMappingSchema } from '#schemas/people/identity.ts';
import { createApiDescription } from '#service/description/description.ts';
import {
  withErrorTable,
  withRouteTable,
  withSettingsTable,
} from '#service/description/error-table.ts';
import { EXAMPLES } from '#service/description/examples.ts';
import { openApi, refusalsOf } from '#service/description/openapi.ts';
import { OPERATIONS } from '#service/routes/routes.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import { FHIR_DEFINITIONS } from '../../support/fhir-validation.ts';
import { root } from '../../support/processes.ts';

const read = (path: string): Promise<string> =>
  readFile(new URL(`../../../docs/${path}`, import.meta.url), 'utf8');

test('docs/openapi.json is what the service serves (npm run docs writes it)', async () => {
  const { openapi } = createApiDescription(OPERATIONS, packageJson.version, undefined);
  expect(JSON.parse(await read('openapi.json'))).toEqual(await openapi().json());
});

test('docs/routes-and-errors.md has the code’s table of errors (npm run docs writes it)', async () => {
  const page = await read('routes-and-errors.md');
  expect(withErrorTable(page)).toBe(page);
});

test('docs/routes-and-errors.md has the code’s table of routes (npm run docs writes it)', async () => {
  const page = await read('routes-and-errors.md');
  expect(withRouteTable(page, OPERATIONS)).toBe(page);
});

test('docs/audit.md explains every kind of event, and nothing else', async () => {
  const [, section = ''] = /\n## What is recorded\n([^]*?)\n## /.exec(await read('audit.md')) ?? [];
  const explained = [...section.matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z-]+)`/g)].map(([, type]) => type),
  );
  const types = [...writtenEventSchema.options, unreadableEventSchema].flatMap(({ shape }) => [
    ...shape.type._zod.values,
  ]);
  expect(new Set(explained)).toEqual(new Set(types.map(String)));
  expect(explained).toHaveLength(types.length);
});

test('docs/operating/metrics.md explains every metric in the code, and nothing else', async () => {
  const page = await read('operating/metrics.md');
  const names = globSync('service/**/*.ts', { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/'(cp_flags(?:\.[a-z_]+)+)'/g)].map(
      ([, name = '']) => name.replaceAll('.', '_'),
    ),
  );
  expect(names.length).toBeGreaterThan(50);
  expect(names.filter((name) => !page.includes(`\`${name}`))).toEqual([]);
  // A page may name several by how they begin, and Prometheus adds the unit.
  const explained = [...page.matchAll(/\bcp_flags(?:_[a-z]+)+/g)].map(([name]) => name);
  const isKnown = (name: string): boolean =>
    names.some((known) => name.startsWith(known) || known.startsWith(`${name}_`));
  expect(explained.filter((name) => !isKnown(name))).toEqual([]);
});

test('the page of settings explains every setting (npm run docs writes it)', async () => {
  const page = await read('operating/settings.md');
  expect(withSettingsTable(page)).toBe(page);
  const rows = [...page.matchAll(/^\| `([A-Z0-9_]+)` \| [^|]*\| (\S.*) \|$/gm)];
  expect(rows.map(([, name]) => name)).toEqual(Object.keys(configurationSchema.shape));
});

test('no page for operators, integrators or councils sends its reader to the source', async () => {
  for (const page of [
    'operating.md',
    'operating/councils.md',
    'operating/settings.md',
    'operating/tokens.md',
    'integrating.md',
    'authorities.md',
    'sending-by-program.md',
    'council-notifications.md',
  ]) {
    expect(await read(page)).not.toMatch(/\]\([^)]*\.ts\)/);
  }
});

test('every care setting is on the page of councils and organisations', async () => {
  const page = await read('operating/councils.md');
  for (const setting of careSettings) expect(page).toContain(`\`${setting}\``);
});

test('the example of a claim mapping has every part of one', async () => {
  const [, mapping = ''] =
    /mapping of your own\n\n```json\n([^]*?)```/.exec(await read('operating/tokens.md')) ?? [];
  expect(Object.keys(claimMappingSchema.parse(JSON.parse(mapping)))).toEqual(
    expect.arrayContaining(Object.keys(claimMappingSchema.shape)),
  );
});

test('a public linter finds nothing wrong in the description or its examples', async () => {
  const config = await createConfig({ extends: ['recommended-strict'] });
  const problems = await lintFromString({
    source: await read('openapi.json'),
    absoluteRef: '/openapi.json',
    config,
  });
  expect(problems.map(({ ruleId, message }) => `${ruleId}: ${message}`)).toEqual([]);
});

test('the description has nothing that generators and fuzzers in other languages misread', () => {
  const api = openApi(OPERATIONS, packageJson.version);
  const text = JSON.stringify(api);
  expect(text).not.toContain(String.raw`\\p{`);
  expect(text).not.toContain('"const":');
  const open = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.values(methods).flatMap(({ parameters = [] }) =>
      parameters.flatMap(({ name, schema }) => {
        const isBounded = ['pattern', 'format', 'enum', 'maximum', '$ref'].some(
          (key) => key in schema,
        );
        return isBounded || schema['type'] === 'boolean' ? [] : [`${path} ${name}`];
      }),
    ),
  );
  // The length of this text is limited only by the token's issuer or the list of errors.
  expect(new Set(open.map((each) => each.split(' ')[1]))).toEqual(
    new Set(['NHSD-Session-URID', 'code']),
  );
});

test('the FHIR in the description is FHIR R4', () => {
  for (const example of [EXAMPLES.CareTeam, EXAMPLES.Flag, EXAMPLES.AuditEvent]) {
    expect(FHIR_DEFINITIONS.faults(example as unknown as Resource)).toEqual([]);
  }
});

test('every refusal belongs to a route, or to the pages for browsers', () => {
  const described = new Set<string>([
    ...OPERATIONS.flatMap(refusalsOf),
    'form-untrusted',
    'form-field-repeated',
    'assurance-required',
    'operator-token-required',
  ]);
  expect(Object.keys(ERRORS).filter((code) => !described.has(code))).toEqual([]);
});

test('addresses are relative to the service, unless its operator says which address clients use', () => {
  expect(openApi(OPERATIONS, '1').servers).toMatchObject([{ url: '/' }]);
  expect(openApi(OPERATIONS, '1', 'https://flags.example/cpf').servers).toMatchObject([
    { url: 'https://flags.example/cpf' },
  ]);
});

test('the page loads nothing from other sites and runs no script', async () => {
  const { page } = createApiDescription(OPERATIONS, '1', undefined);
  const response = page();
  const html = await response.text();
  expect(html).not.toMatch(/<script|<iframe|<object|<form|@import|url\(|\son\w+=|\sstyle=/i);
  expect([...html.matchAll(/(?:href|src)="([^"#]*)/g)].map(([, to]) => to).filter(Boolean)).toEqual(
    ['data:,', 'openapi.json'],
  );
  expect(response.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; img-src data:; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
  );
  // Every link within the page leads somewhere, and no two places share a name.
  const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const targets = [...html.matchAll(/href="#([^"]+)"/g)].map(([, to]) => to);
  expect(targets.filter((to) => !ids.includes(to))).toEqual([]);
  for (const { path } of OPERATIONS) expect(html).toContain(path.replaceAll(/:(\w+)/g, '{$1}'));
});
