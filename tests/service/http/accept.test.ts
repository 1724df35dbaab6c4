import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import type { AnswerFormat } from '#schemas/uploads/formats.ts';
import { wantsJson } from '#service/fhir/media.ts';
import { preferredFormat } from '#service/uploads/format.ts';

async function formatFor(
  accept: string | undefined,
  formats: readonly AnswerFormat[],
): Promise<string> {
  const app = new Hono<{ Bindings: HttpBindings }>().get('/', (c) =>
    c.text(preferredFormat(c, formats)),
  );
  const response = await app.request('/', { headers: accept === undefined ? {} : { accept } });
  return response.text();
}

/** Which format a client asks for with its Accept header (RFC 9110). */

test.for([
  [undefined, 'json'],
  ['', 'json'],
  ['*/*', 'json'],
  ['image/png', 'json'],
  ['text/csv', 'csv'],
  ['TEXT/CSV; charset=utf-8', 'csv'],
  ['text/*', 'csv'],
  ['application/*', 'json'],
  ['text/xml', 'xml'],
  ['text/csv;q=0.4, application/xml;q=0.6', 'xml'],
  ['text/csv;q=0.4;header=present, application/xml;q=0.3', 'csv'],
  ['text/csv;header="a,b";q=0.2, application/xml', 'xml'],
  ['text/csv, application/xml', 'csv'],
  ['text/csv;q=0, application/xml;q=0.1', 'xml'],
  ['text/csv;q=0', 'json'],
  ['application/json;q=0.1, text/csv', 'csv'],
] as const)('for an upload, %s is answered with %s', async ([accept, format]) => {
  expect(await formatFor(accept, ['json', 'csv', 'xml'])).toBe(format);
});

test('a format that is not offered is ignored', async () => {
  expect(await formatFor('text/csv, application/xml;q=0.5', ['json', 'xml'])).toBe('xml');
  expect(await formatFor('text/plain', ['json', 'csv', 'xml', 'txt'])).toBe('txt');
});

test.for([
  [undefined, true],
  ['', true],
  ['*/*', true],
  ['application/*;q=0.1', true],
  ['application/fhir+json', true],
  ['application/fhir+json; fhirVersion=4.0', true],
  ['application/fhir+json; fhirVersion="4.0"', true],
  ['application/fhir+json; FHIRVERSION=4.0;q=0.5', true],
  ['application/fhir+xml, application/json;q=0.5', true],
  ['application/fhir+json; fhirVersion=3.0', false],
  ['application/fhir+json;q=0', false],
  ['application/fhir+json;q=0.0, text/html', false],
  ['application/fhir+xml', false],
  ['text/*', false],
  [',', false],
] as const)('for a FHIR search, %s accepts JSON of R4: %s', ([accept, takes]) => {
  expect(wantsJson(accept === undefined ? {} : { accept }, null)).toBe(takes);
});
