import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ATTENDANCES } from '#schemas/attendance.ts';
import { CASE_STEPS } from '#schemas/audit/access-case.ts';
import {
  APIS,
  auditEventSchema,
  ENUMERATION_SIGNS,
  operatorEventSchema,
  RESTRICTION_KINDS,
  WITHDRAWAL_ACTS,
  type WrittenEvent,
  writtenEventSchema,
} from '#schemas/audit/audit-event.ts';
import { BARRED, COULD_NOT_CHECK_CAUSES, REASONS, SEARCH_TYPES } from '#schemas/lookup.ts';
import { auditedCaller, type Caller } from '#schemas/people/caller.ts';
import { heldTextSchema, shortTextSchema } from '#schemas/text.ts';
import { readRequestIds } from '#service/http/request-ids.ts';
import { PLAIN } from '#service/lookup/answer.ts';
import { createLookup } from '#service/lookup/lookup.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { auditPartitions, keys } from '#store/keys.ts';
import type { LookupInput } from '#store/lookup.ts';
import { authenticatorOf, ISSUER } from '../../support/authenticator.ts';
import { lookupParts } from '../../support/lookup-parts.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, role } from '../../support/service.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';
import { signText } from '../../support/token-attacks.ts';

const SYSTEM = auditPartitions.length - 1;
const versions = { functions: 'f', configuration: 'c' };

let store: TestStore;
let redis: Awaited<ReturnType<TestStore['connect']>>;
let callerOf: (of: ReturnType<typeof claims>) => Promise<Caller | undefined>;
beforeAll(async () => {
  store = await startTestStore({ kind: 'demo' });
  redis = await store.connect('worker');
  const pair = await generateKeyPair('ES256', { extractable: true });
  const authenticate = authenticatorOf([await exportJWK(pair.publicKey)]);
  callerOf = async (of) => {
    const payload = { ...of, iss: ISSUER, aud: 'flags', exp: Date.now() / 1_000 + 600 };
    const token = await signText(
      pair.privateKey,
      JSON.stringify(payload),
      JSON.stringify({ alg: 'ES256' }),
    );
    const authentication = await authenticate(`Bearer ${token}`);
    return authentication.kind === 'verified' ? authentication.callers[0] : undefined;
  };
});
afterAll(() => store?.stop());

/** Text as somebody may send it, with any characters and even halves of characters. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 130 }),
  fc.string({ minLength: 1, maxLength: 120 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 60 })
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom(
    '"',
    '\\',
    'é',
    '\u{1f600}',
    '=1+1',
    '\u202e',
    '\ud800',
    '\ufffe',
    '\u0300',
    'Ann',
  ),
);
/** The texts among them that a route accepts. */
const taken = anyText.map((text) => shortTextSchema.safeParse(`A${text}`).data ?? 'Ann');
/** Often enough accepted that several of them together are. */
const oftenTaken = fc.oneof({ weight: 3, arbitrary: taken }, { weight: 1, arbitrary: anyText });
const anyIds = fc.record(
  {
    requestId: fc.oneof(
      fc.stringMatching(/^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/),
      fc.string(),
    ),
    correlationId: fc.stringMatching(/^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/),
  },
  { requiredKeys: ['requestId'] },
);
/** Headers as they arrive, read as every route reads them. */
function idsOf({ requestId, correlationId }: { requestId: string; correlationId?: string }) {
  const headers = {
    'x-request-id': requestId,
    ...(correlationId !== undefined && { 'x-correlation-id': correlationId }),
  };
  return readRequestIds({ headers, rawHeaders: Object.entries(headers).flat() });
}

/** What the sealer makes of these texts in a stream, and what readers then make of that. */
async function sealed(...written: readonly string[]) {
  const streams = createAuditStreams(redis);
  const before = await streams.numbers();
  for (const json of written) {
    await redis.fcall(FUNCTIONS.appendEvent, 1, keys.audit('system'), json);
  }
  return readAfter(before);
}
async function readAfter(before: readonly number[]) {
  const streams = createAuditStreams(redis);
  const last = await streams.numbers();
  const batch = await streams.read(before, last, { mostEvents: 1_000, mostBytes: 10_000_000 });
  await streams.trim(last, [SYSTEM]);
  const events = batch.events.map(({ entry }) =>
    auditEventSchema.parse(JSON.parse(entry.toString())),
  );
  return { unreadable: batch.unreadable, events };
}

const CODE = fc.stringMatching(/^[A-Za-z0-9:._-]{1,40}$/);
const anyCaller = fc.record({
  issuer: anyText,
  client: CODE,
  user: CODE,
  name: taken,
  role: fc.record({ code: CODE, name: taken }),
  organisation: fc.record({ code: fc.stringMatching(/^[A-Z0-9]{3,12}$/), name: taken }),
});
const auditId = fc.uuid({ version: 4 });
const ids = anyIds.map((sent) => {
  const { requestId, correlationId } = idsOf(sent);
  return {
    ...(requestId !== undefined && { requestId }),
    ...(correlationId !== undefined && { correlationId }),
  };
});
const anyNumber = fc.nat({ max: 40 }).map(testNumber);
const count = fc.nat();
const occurredAt = fc
  .date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString());
const looked = {
  setting: fc.constantFrom('ambulance', 'scheduled'),
  access: fc.constantFrom('unscheduled' as const, 'silent-read' as const),
  decidedBy: fc.constantFrom('activity' as const, 'header' as const),
  caller: anyCaller,
  api: fc.constantFrom(...APIS),
  nhsNumber: anyNumber,
  coverage: fc.record({ expected: count, upToDate: count }),
  versions: fc.constant(versions),
};
const named = { auditId, by: taken };
const detail = fc.dictionary(CODE, fc.oneof(taken, count, fc.boolean()), { maxKeys: 10 });
type Type = WrittenEvent['type'];
type OperatorType = (typeof operatorEventSchema)['_zod']['output']['type'];

/** One of every kind except operators' events, which are all alike. */
const KINDS: { [T in Exclude<Type, OperatorType>]: fc.Arbitrary<unknown> } = {
  lookup: fc.record({ auditId, ...looked }),
  'not-delivered': fc.record({ auditId, nhsNumber: anyNumber, occurredAt }),
  'could-not-check': fc.record({
    auditId,
    ...looked,
    cause: fc.constantFrom(...COULD_NOT_CHECK_CAUSES, BARRED),
    occurredAt,
  }),
  withdrawal: fc.record(
    {
      ...named,
      act: fc.constantFrom(...WITHDRAWAL_ACTS),
      withdrawal: CODE,
      authority: CODE,
      nhsNumber: anyNumber,
      plan: fc.constant({ type: 'child-protection-plan', startDate: '2026-09-14' }),
      caller: anyCaller,
      account: taken,
      reason: taken,
    },
    { requiredKeys: ['auditId', 'by', 'act', 'withdrawal', 'authority', 'nhsNumber', 'plan'] },
  ),
  restriction: fc.record(
    {
      ...named,
      act: fc.constantFrom('set', 'ended'),
      restriction: CODE,
      kind: fc.constantFrom(...RESTRICTION_KINDS),
      authority: CODE,
      nhsNumber: anyNumber,
      barredUser: CODE,
      caller: anyCaller,
      account: taken,
      reason: taken,
    },
    {
      requiredKeys: [
        ...([
          'auditId',
          'by',
          'act',
          'restriction',
          'kind',
          'authority',
          'nhsNumber',
          'reason',
        ] as const),
      ],
    },
  ),
  attendance: fc.record({
    auditId,
    caller: anyCaller,
    api: looked.api,
    setting: looked.setting,
    nhsNumber: anyNumber,
    lookupId: auditId,
    attended: fc.constantFrom(...ATTENDANCES),
    ward: fc.constant('Ward 4'),
    switchboard: fc.constant('02079460200'),
  }),
  refusal: fc.record({ auditId, caller: anyCaller, api: looked.api, code: CODE, occurredAt }),
  'enumeration-alert': fc.record({
    auditId,
    caller: anyCaller,
    sign: fc.constantFrom(...ENUMERATION_SIGNS),
    count,
    threshold: count,
    windowSeconds: count,
    occurredAt,
  }),
  'events-lost': fc.record({
    auditId,
    count: fc.integer({ min: 1 }),
    from: occurredAt,
    until: occurredAt,
  }),
  load: fc.record({
    ...named,
    authority: CODE,
    sequence: count,
    sha256: CODE,
    code: CODE,
    accepted: count,
    refused: count,
  }),
  'upload-previewed': fc.record({
    ...named,
    authority: CODE,
    caller: anyCaller,
    sha256: fc.constant('0'.repeat(64)),
    sizeBytes: fc.nat(),
  }),
  'holdings-read': fc.record({ ...named, authority: CODE, caller: anyCaller, reason: taken }),
  'audit-search': fc.record({
    ...named,
    caller: anyCaller,
    reason: taken,
    view: CODE,
    criteria: detail,
    eventsShown: count,
  }),
  'access-case': fc.record(
    {
      ...named,
      step: fc.constantFrom(...CASE_STEPS),
      case: fc.uuid(),
      entry: count,
      accessId: fc.uuid(),
      organisation: CODE,
      caller: anyCaller,
      account: taken,
      reason: taken,
      words: CODE,
    },
    { requiredKeys: ['auditId', 'by', 'step', 'case', 'entry', 'accessId', 'organisation'] },
  ),
  'notifications-read': fc.record({
    ...named,
    authority: CODE,
    caller: anyCaller,
    after: CODE,
    upTo: CODE,
    count,
  }),
};
const anyEvent = fc.oneof(
  ...Object.entries(KINDS).map(([type, members]) =>
    fc.tuple(members, ids).map(([one, theirs]) => ({ type, ...theirs, ...(one as object) })),
  ),
  fc.record({
    ...named,
    type: fc.constantFrom(...operatorEventSchema.shape.type.options),
    detail,
    occurredAt,
  }),
);

describe('an audit event', () => {
  test('of every kind reads back as it was written', async () => {
    const streams = createAuditStreams(redis);
    await fc.assert(
      fc.asyncProperty(fc.array(anyEvent, { minLength: 5, maxLength: 20 }), async (given) => {
        const events = given.map((event) =>
          writtenEventSchema.parse(
            event.type === 'restriction' ? { ...event, restriction: randomUUID() } : event,
          ),
        );
        // What a council keeps back is in the store before its act is recorded.
        for (const event of events) {
          if (event.type !== 'restriction') continue;
          const { authority, restriction, nhsNumber, kind, act } = event;
          const kept = { nhsNumber, kind, ...(act === 'ended' && { ended: {} }) };
          await store.admin.hset(keys.restrictions(authority), restriction, JSON.stringify(kept));
        }
        const before = await streams.numbers();
        for (const event of events) await streams.append(event);
        const { unreadable, events: read } = await readAfter(before);
        expect(unreadable).toEqual([]);
        expect(
          read.map(({ partition: _partition, number: _number, at: _at, ...event }) => event),
        ).toEqual(events);
      }),
      { numRuns: 20 },
    );
  });

  test('that could not be read back is not written', async () => {
    const streams = createAuditStreams(redis);
    const before = await streams.numbers();
    const event = { type: 'purge', auditId: randomUUID(), by: 'A', detail: {} } as const;
    const wrong = { ...event, auditId: 'none' };
    const large = { ...event, detail: { reason: 'x'.repeat(70_000) } };
    for (const one of [wrong, large]) {
      await expect(streams.append(one)).rejects.toThrow(/invalid|larger/i);
      await expect(store.store.appendEvent(one)).rejects.toThrow(/invalid|larger/i);
    }
    expect(await streams.numbers()).toEqual(before);
  });

  test('of a lookup reads back, whatever the route accepted', async () => {
    let given: LookupInput | undefined;
    const lookUp = createLookup({
      ...lookupParts(),
      store: {
        lookup: (input) => {
          given = input;
          return Promise.resolve({ kind: 'not-flagged', at: 0 });
        },
        underWay: () => 0,
        idle: () => Promise.resolve(),
        record: () => Promise.resolve(),
      },
      recorder: { record: () => undefined },
      versions: () => versions,
    });
    let letIn = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.record({ name: oftenTaken, roleName: oftenTaken, organisationName: oftenTaken }),
        anyIds,
        fc.constantFrom(undefined, ...REASONS),
        fc.constantFrom(undefined, ...SEARCH_TYPES),
        async ({ name, roleName, organisationName }, sent, reason, search) => {
          const base = role('role-1', ['B0107']);
          const organisation = { ...base.organisation, name: organisationName };
          const caller = await callerOf(
            claims({ name, roles: [{ ...base, name: roleName, organisation }] }),
          );
          const { requestId, ...theirs } = idsOf(sent);
          if (caller === undefined || requestId === undefined) return;
          letIn++;
          const access = {
            kind: 'granted',
            access: 'unscheduled',
            decidedBy: 'activity',
            setting: 'ambulance',
          } as const;
          await lookUp(
            { kind: 'admitted', ids: { ...theirs, requestId }, caller, access },
            { nhsNumber: testNumber(1), ...(reason !== undefined && { reason }) },
            search === undefined ? PLAIN : { ...PLAIN, search },
            undefined,
            undefined,
          );
          const { unreadable, events } = await sealed(given?.event ?? '');
          expect(unreadable).toEqual([]);
          expect(events).toMatchObject([
            {
              type: 'lookup',
              requestId,
              caller: auditedCaller(caller.identity),
              nhsNumber: testNumber(1),
            },
          ]);
        },
      ),
      { numRuns: 300 },
    );
    // Some hundred of them are.
    expect(letIn).toBeGreaterThan(20);
  });
});

describe('a name or a reason', () => {
  test.for([
    ['blanks', ' \u00a0\u2003'],
    ['direction marks', '\u202e\u200f'],
    ['combining marks', '\u0301\u0308\u20dd'],
    ['invisible letters', '\u3164\u115f'],
    ['joiners', '\u200b\u200d\ufeff'],
    ['punctuation', '...'],
    ['half a character', 'A\ud800'],
    ['a control character', 'A\u001b[31m'],
    ['a line break', 'A\u2028B'],
    ['a mark that reverses text', 'A\u202e'],
    ['what XML cannot contain', 'A\ufffe'],
    ['too many characters', 'A'.repeat(121)],
  ])('of %s is refused in a token, an option and a search', async ([, text = '']) => {
    expect(shortTextSchema.safeParse(text).success).toBe(false);
    const base = role('role-1', ['B0107']);
    const organisation = { ...base.organisation, name: text };
    expect(await callerOf(claims())).toBeDefined();
    for (const differing of [
      { name: text },
      { roles: [{ ...base, name: text }] },
      { roles: [{ ...base, organisation }] },
    ]) {
      expect(await callerOf(claims(differing))).toBeUndefined();
    }
  });

  test.for(['Ann', 'Zoë', 'O’Brien-Smith', '李', 'محمد', 'நந்தினி', '7', 'e\u0301', '=1+1', '"x"'])(
    '%s is accepted unchanged',
    (text) => {
      expect(shortTextSchema.parse(text)).toBe(text);
      expect(heldTextSchema.parse(text)).toBe(text);
    },
  );
});
