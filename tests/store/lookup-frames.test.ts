import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { lookupEventSchema } from '#schemas/audit/audit-event.ts';
import { createLookupFrames } from '#store/audit-stream/lookup-frames.ts';
import { joinEvent } from '#store/audit-stream/stream-entry.ts';

const uuid = fc.uuid({ version: 4 });
const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 20 }),
  fc.constantFrom('"', '\\', 'é', '\u{1f600}', '","nhsNumber":"9990000026', '"nhsNumber":"', '},'),
);
const count = fc.nat(200);
const callers = fc.record({
  issuer: text,
  client: text,
  user: text,
  name: text,
  role: fc.record({ code: text, name: text }),
  organisation: fc.record({ code: text, name: text }),
});

/** A lookup's event as the service writes it, with its members in that order. */
const lookups = fc
  .record(
    {
      auditId: uuid,
      requestId: uuid,
      correlationId: uuid,
      caller: callers,
      api: fc.constantFrom('plain', 'fhir', 'pages'),
      search: fc.constantFrom('flag', undefined),
      setting: text,
      access: fc.constantFrom('unscheduled', 'silent-read'),
      decidedBy: fc.constantFrom('activity', 'header', 'default'),
      nhsNumber: fc.stringMatching(/^[0-9]{10}$/),
      reason: text,
      coverage: fc.record({ expected: count, upToDate: count }),
      versions: fc.record({ functions: text, configuration: text }),
    },
    { requiredKeys: ['auditId', 'requestId', 'caller', 'api', 'setting', 'access', 'decidedBy'] },
  )
  .map(({ auditId, requestId, correlationId, ...members }) => ({
    type: 'lookup',
    auditId,
    requestId,
    correlationId,
    ...members,
  }));

const others = fc.record({
  auditId: uuid,
  requestId: uuid,
  correlationId: fc.option(uuid, { nil: undefined }),
  nhsNumber: fc.stringMatching(/^[0-9]{10}$/),
});

/** What may be done to a text by somebody who wants an entry read otherwise than it stands. */
const tamperings = fc.oneof(
  fc.constant((json: string) => json),
  text.map((more) => (json: string) => json.replace('{', `{"${more}":1,`)),
  fc
    .constantFrom('partition', 'number', 'at', 'outcome', 'shown', 'sources', 'accessesShown')
    .map((member) => (json: string) => json.replace(/\}$/, `,"${member}":1}`)),
  fc
    .constantFrom('type', 'auditId', 'nhsNumber', '\\u006ehsNumber', '__proto__', '7', 'other')
    .map((member) => (json: string) => json.replace(/\}$/, `,"${member}":"9990000026"}`)),
  fc
    .constantFrom('type', 'auditId', 'nhsNumber', '__proto__', '7')
    .map(
      (member) => (json: string) =>
        json.replace('"caller":{', `"caller":{"${member}":"9990000026",`),
    ),
  fc
    .constantFrom('nhsNumber', 'other')
    .map(
      (member) => (json: string) =>
        json.replace('"versions":{', `"versions":{"${member}":"9990000026",`),
    ),
  fc.nat(600).map((at) => (json: string) => `${json.slice(0, at)} ${json.slice(at)}`),
  fc.nat(600).map((at) => (json: string) => json.slice(0, at) + json.slice(at + 1)),
  fc
    .tuple(fc.nat(600), fc.constantFrom('"', '\\', '{', '}', ',', '0', 'é', '\u0000', '\ud800'))
    .map(
      ([at, one]) =>
        (json: string) =>
          json.slice(0, at) + one + json.slice(at + 1),
    ),
);

/** What parsing makes of it; `undefined` where it would not be sealed as it stands, or is no lookup. */
function parsed(json: string) {
  try {
    const value: unknown = JSON.parse(json);
    const asWritten = JSON.stringify(value) === json;
    return asWritten ? lookupEventSchema.safeParse(value).data : undefined;
  } catch {
    return undefined;
  }
}

test('an event that is read without parsing is the one that parsing gives, and stands as JSON writes it', () => {
  let read = 0;
  fc.assert(
    fc.property(lookups, tamperings, fc.array(others, { maxLength: 3 }), (event, tamper, same) => {
      const readLookup = createLookupFrames();
      // The second and later ones are of a frame that is known.
      for (const own of [{}, ...same]) {
        for (const json of [
          tamper(JSON.stringify({ ...event, ...own })),
          JSON.stringify({ ...event, ...own }),
        ]) {
          const found = readLookup(json);
          if (found === undefined) continue;
          read++;
          expect(found).toEqual(parsed(json));
          const fields = ['event', json, 'at', '9', 'outcome', 'not-flagged'];
          expect(`{"partition":3,"number":7,"at":9,"outcome":"not-flagged",${json.slice(1)}`).toBe(
            JSON.stringify(joinEvent(3, 7, fields)),
          );
        }
      }
    }),
    { numRuns: 1_500 },
  );
  expect(read).toBeGreaterThan(500);
});

test('a number beside the one that was looked up is not taken for it', () => {
  const readLookup = createLookupFrames();
  const of = (looked: string, nested: string) =>
    `{"type":"lookup","auditId":"${randomUUID()}","requestId":"${randomUUID()}","caller":{"issuer":"i","client":"c","user":"u","name":"n","role":{"code":"r","name":"r"},"organisation":{"code":"o","name":"o"}},"api":"plain","setting":"s","access":"unscheduled","decidedBy":"activity","nhsNumber":"${looked}","coverage":{"expected":1,"upToDate":1},"versions":{"functions":"f","configuration":"c","nhsNumber":"${nested}"}}`;
  expect(readLookup(of('9990000018', '9990000018'))).toBeUndefined();
  expect(readLookup(of('9990000018', '9990000026'))).toBeUndefined();
});

/** A lookup's text with a caller of so many characters more than it needs. */
const padded = (pad: string) =>
  `{"type":"lookup","auditId":"${randomUUID()}","requestId":"${randomUUID()}","caller":{"issuer":"i","client":"c","user":"u","name":"n","role":{"code":"r","name":"r"},"organisation":{"code":"o","name":"o"},"pad":"${pad}"},"api":"plain","setting":"s","access":"unscheduled","decidedBy":"activity","nhsNumber":"9990000018","coverage":{"expected":1,"upToDate":1},"versions":{"functions":"f","configuration":"c"}}`;

test('a long text is parsed and not looked for, since V8 tells long texts apart by their length first', () => {
  const readLookup = createLookupFrames();
  const rest = padded('').length;
  expect(readLookup(padded('x'.repeat(8_192 - rest)))).toBeDefined();
  expect(readLookup(padded('x'.repeat(8_193 - rest)))).toBeUndefined();
});

test('what is remembered takes no more memory than a few million characters', () => {
  const readLookup = createLookupFrames();
  const callerOf = (i: number, length: number) =>
    readLookup(padded(String(i).padStart(length, 'x')))?.caller;
  const first = callerOf(0, 500);
  for (let i = 1; i < 1_000; i++) callerOf(i, 500);
  expect(callerOf(0, 500)).toBe(first);
  for (let i = 0; i < 700; i++) callerOf(i, 7_000);
  expect(callerOf(0, 500)).toEqual(first);
  expect(callerOf(0, 500)).not.toBe(first);
});
