import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { auditEventSchema, type LookupEvent } from '#schemas/audit/audit-event.ts';
import { createLookupFrames } from '#store/audit-stream/lookup-frames.ts';
import { type RawEntry, sealable } from '#store/audit-stream/stream-event.ts';
import { auditPartitions } from '#store/keys.ts';

const SYSTEM = auditPartitions.indexOf('system');

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

/** A lookup's event as the service writes it, with its members in the same order. */
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

/** Changes that an attacker might make to a text so that an entry is misread. */
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

/** The same kind of change made to bytes, which may then no longer be text at all. */
const byteTamperings = fc.oneof(
  { weight: 3, arbitrary: fc.constant((bytes: Buffer) => bytes) },
  fc.tuple(fc.nat(700), fc.nat(255)).map(([at, one]) => (bytes: Buffer) => {
    const tampered = Buffer.from(bytes);
    if (at < tampered.length) tampered[at] = one;
    return tampered;
  }),
  fc.tuple(fc.nat(700), fc.nat(12)).map(([at, many]) => (bytes: Buffer) => {
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + many)]);
  }),
);
const bytesOf = (one: string): Buffer => Buffer.from(one);
const usual = ['event', '', 'at', '1764000000000', 'outcome', 'not-flagged'];
/** The other fields that may be in an entry of the stream, beside the event. */
const beside = fc.oneof(
  { weight: 4, arbitrary: fc.constant(usual) },
  fc
    .constantFrom(
      '0',
      '007',
      '1764000000000.5',
      '-1',
      ' 9',
      '253402300799999',
      '253402300800000',
      '',
    )
    .map((at) => usual.with(3, at)),
  fc.constantFrom('flagged', 'not-flagged ', '').map((outcome) => usual.with(5, outcome)),
  fc.constantFrom('at', 'outcome', 'shown', '').map((name) => usual.with(4, name)),
  fc.constant([...usual, 'whereabouts', 'ZZ101']),
  fc.constant(usual.slice(0, 4)),
);

const bySlowWay = (): undefined => undefined;

test('an event read without parsing is sealed as the same bytes as a parsed one, and is read with the same meaning', () => {
  let read = 0;
  fc.assert(
    fc.property(
      lookups,
      tamperings,
      byteTamperings,
      beside,
      fc.array(others, { maxLength: 3 }),
      (event, tamper, tamperBytes, fields, same) => {
        const readLookup = createLookupFrames();
        // The first event makes the frame known; the later ones are read by it.
        for (const own of [{}, ...same]) {
          const json = JSON.stringify({ ...event, ...own });
          for (const bytes of [tamperBytes(bytesOf(tamper(json))), bytesOf(json)]) {
            const raw: RawEntry = [bytesOf('0-7'), fields.map(bytesOf).with(1, bytes)];
            for (const stream of [3, SYSTEM]) {
              const slow = sealable(stream, 7, raw, bySlowWay);
              const { look, ...quick } = sealable(stream, 7, raw, readLookup) ?? {};
              expect(quick).toEqual(slow ?? {});
              if (look === undefined || slow === undefined) continue;
              read++;
              const said = auditEventSchema.parse(JSON.parse(slow.entry.toString()));
              const { auditId, requestId, correlationId } = said as LookupEvent;
              const nhsNumber = String(look.child).padStart(10, '0');
              const ids = {
                auditId,
                requestId,
                ...(correlationId !== undefined && { correlationId }),
              };
              const placed = { partition: 3, number: 7, at: slow.at, outcome: 'not-flagged' };
              expect({ ...placed, ...ids, ...look.common, nhsNumber }).toEqual(said);
            }
          }
        }
      },
    ),
    { numRuns: 1_500 },
  );
  expect(read).toBeGreaterThan(500);
});

/** The text of a lookup, padded with extra characters in its caller. */
const padded = (pad: string, user = 'u', looked = '9990000018', versions = '') =>
  bytesOf(
    `{"type":"lookup","auditId":"${randomUUID()}","requestId":"${randomUUID()}","caller":{"issuer":"i","client":"c","user":"${user}","name":"n","role":{"code":"r","name":"r"},"organisation":{"code":"o","name":"o"},"pad":"${pad}"},"api":"plain","setting":"s","access":"unscheduled","decidedBy":"activity","nhsNumber":"${looked}","coverage":{"expected":1,"upToDate":1},"versions":{"functions":"f","configuration":"c"${versions}}}`,
  );

test('another number beside the one looked up is not mistaken for it', () => {
  const readLookup = createLookupFrames();
  const beside = (nested: string) => padded('', 'u', '9990000018', `,"nhsNumber":"${nested}"`);
  expect(readLookup(beside('9990000018'))).toBeUndefined();
  expect(readLookup(beside('9990000026'))).toBeUndefined();
});

test('a look whose number is not ten digits is parsed, even if the rest of it is known', () => {
  const readLookup = createLookupFrames();
  expect(readLookup(padded(''))?.child).toBe(9990000018);
  for (const looked of ['999000001', '99900000180', '999000001x', ' 990000018', '"990000018']) {
    expect(readLookup(padded('', 'u', looked))).toBeUndefined();
  }
  expect(readLookup(padded('', 'u', '0000000018'))?.child).toBe(18);
});

test('a look with an id that this service did not make is parsed, even if the rest of it is known', () => {
  const readLookup = createLookupFrames();
  const bytes = padded('');
  const at = bytes.indexOf('"auditId":"') + 11;
  expect(readLookup(bytes)).toBeDefined();
  for (const [place, one] of [
    [14, 'c'],
    [19, 'c'],
    [0, 'A'],
    [0, 'g'],
    [8, '0'],
  ] as const) {
    const other = Buffer.from(bytes);
    other.write(one, at + place);
    expect(readLookup(other)).toBeUndefined();
  }
});

test('invalid bytes are sealed as the text that they are read as, wherever they are', () => {
  for (const wrong of ['ff', 'c0af', 'eda080', 'f4908080', '80', 'c3']) {
    for (const place of ['pad', 'configuration']) {
      const bytes = padded('x');
      const at = bytes.indexOf(`"${place}":"`) + place.length + 4;
      const text = Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(wrong, 'hex'),
        bytes.subarray(at),
      ]);
      const raw: RawEntry = [bytesOf('0-7'), usual.map(bytesOf).with(1, text)];
      const found = sealable(3, 7, raw, createLookupFrames());
      expect(found).toEqual(sealable(3, 7, raw, bySlowWay));
      expect(found?.entry.toString()).toContain('\ufffd');
    }
  }
});

test('a long text is parsed, and not remembered', () => {
  const readLookup = createLookupFrames();
  const rest = padded('').length;
  expect(readLookup(padded('x'.repeat(8_192 - rest)))).toBeDefined();
  expect(readLookup(padded('x'.repeat(8_193 - rest)))).toBeUndefined();
});

test('remembered text takes at most a few million characters, and only a few of them for one user', () => {
  const readLookup = createLookupFrames();
  const commonOf = (user: string, length: number) =>
    readLookup(padded('x'.repeat(length), user))?.common;
  const first = commonOf('first', 500);
  for (let i = 1; i < 1_000; i++) commonOf(String(i), 500);
  for (let i = 0; i < 1_000; i++) commonOf('busy', i);
  expect(commonOf('first', 500)).toBe(first);
  for (let i = 0; i < 700; i++) commonOf(String(i), 7_000);
  expect(commonOf('first', 500)).toEqual(first);
  expect(commonOf('first', 500)).not.toBe(first);
  const busy = commonOf('busy', 0);
  for (let i = 1; i <= 15; i++) commonOf('busy', i);
  expect(commonOf('busy', 0)).toBe(busy);
  commonOf('busy', 16);
  expect(commonOf('busy', 0)).not.toBe(busy);
});
