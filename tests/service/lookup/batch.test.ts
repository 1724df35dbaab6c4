import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { problemSchema } from '#schemas/errors.ts';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { BATCH_INCOMPLETE, COULD_NOT_CHECK } from '#schemas/wording/lookup.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, role, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';

const CHILD = testNumber(501);
const OTHER_CHILD = testNumber(502);
const DAMAGED_CHILD = testNumber(503);
const UNKNOWN = testNumber(997);

const batchSchema = z.strictObject({
  checked: z.boolean(),
  advice: z.array(z.string()).optional(),
  items: z.array(z.union([lookupAnswerSchema, problemSchema])),
});

let service: TestService;
let token: string;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      {
        code: 'ZZ101',
        rows: [CHILD, OTHER_CHILD, DAMAGED_CHILD].map((nhsNumber) => ({ nhsNumber })),
      },
    ],
  });
  token = await service.token(claims({ activities: ['B0170'], organisation: 'ZZP01' }));
});
afterAll(() => service?.stopAndRemove());

async function send(
  items: unknown,
  { as = token, headers = {} }: { as?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(`${service.baseUrl}/lookup/batch`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-request-id': randomUUID(),
      authorization: `Bearer ${as}`,
      ...headers,
    },
    body: typeof items === 'string' ? items : JSON.stringify({ items }),
  });
}

/** A batch that is answered, under the request id of its answer. A check that could not be made is made again. */
async function answered(
  items: unknown,
  as = token,
  headers: Record<string, string> = {},
): Promise<Response> {
  return untilAnswered(() =>
    send(items, { as, headers: { ...headers, 'x-request-id': randomUUID() } }),
  );
}

const eventsOf = async (requestId: string) =>
  (await service.events()).filter((event) => 'requestId' in event && event.requestId === requestId);

const code = async (response: Response): Promise<string> =>
  `${response.status} ${problemSchema.parse(await response.json()).code}`;

test('each item is answered as a silent read, in order, and audited separately', async () => {
  const sent: string[] = [];
  const response = await untilAnswered(() => {
    sent.push(randomUUID());
    return send(
      [
        { nhsNumber: CHILD, dateOfBirth: '2019-03-05', reason: 'enquiry' },
        { nhsNumber: UNKNOWN },
        { nhsNumber: OTHER_CHILD },
        { nhsNumber: CHILD },
      ],
      { headers: { 'x-request-id': sent.at(-1) ?? '' } },
    );
  });
  const requestId = sent.at(-1) ?? '';
  expect(response.status).toBe(200);
  expect(response.headers.get('x-request-id')).toBe(requestId);
  const { checked, items, advice } = batchSchema.parse(await response.json());
  expect(checked).toBe(true);
  expect(advice).toBeUndefined();
  const answers = items.map((item) => lookupAnswerSchema.parse(item));
  expect(answers.map(({ outcome }) => outcome)).toEqual([
    'flagged',
    'not-flagged',
    'flagged',
    'flagged',
  ]);
  expect(answers.some((answer) => answer.accesses !== undefined)).toBe(false);
  expect(answers[0]?.flags[0]?.dateOfBirth).toBe('match');
  expect(answers[3]?.flags[0]?.dateOfBirth).toBe('not-checked');

  const events = await eventsOf(requestId);
  expect(new Set(events.map(({ auditId }) => auditId))).toEqual(
    new Set(answers.map(({ auditId }) => auditId)),
  );
  expect(events).toHaveLength(4);
  expect(events.every((event) => event.type === 'lookup' && event.access === 'silent-read')).toBe(
    true,
  );
  expect(
    events.filter((event) => event.type === 'lookup' && event.reason === 'enquiry'),
  ).toHaveLength(1);
});

test('looks at fifty children in one batch are listed nowhere', async () => {
  const batch = await answered(Array.from({ length: 50 }, () => ({ nhsNumber: CHILD })));
  expect(batch.status).toBe(200);
  const single = await service.answered({ nhsNumber: CHILD });
  const seen = lookupAnswerSchema.parse(await single.json());
  expect(seen.accesses?.map(({ own }) => own)).toEqual([true]);
});

test('an invalid item is refused in its place, and audited', async () => {
  const response = await answered([
    { nhsNumber: '9990000019' },
    { nhsNumber: CHILD },
    { nhsNumber: CHILD, name: 'x' },
    'text',
    null,
    { nhsNumber: UNKNOWN },
  ]);
  expect(response.status).toBe(200);
  const requestId = response.headers.get('x-request-id') ?? '';
  const { checked, advice, items } = batchSchema.parse(await response.json());
  expect(checked).toBe(false);
  expect(advice).toEqual([BATCH_INCOMPLETE]);
  expect(items.map((item) => ('code' in item ? item.code : item.outcome))).toEqual([
    'invalid-nhs-number',
    'flagged',
    'invalid-request',
    'invalid-request',
    'invalid-request',
    'not-flagged',
  ]);
  expect(items[0]).toMatchObject({ checked: false, advice: [COULD_NOT_CHECK], requestId });
  await until(async () => (await eventsOf(requestId)).length === 6, 'six events');
  const refusals = (await eventsOf(requestId)).filter((event) => event.type === 'refusal');
  expect(refusals).toHaveLength(4);
  expect(JSON.stringify(refusals)).not.toContain('9990000019');
});

test('an item that cannot be checked says so, beside those that can', async () => {
  const partition = `cpf:{p${partitionOf(DAMAGED_CHILD)}}:children`;
  const whole = (await service.admin.hget(partition, DAMAGED_CHILD)) ?? '';
  await service.admin.hset(partition, DAMAGED_CHILD, 'unreadable');
  let batch: z.infer<typeof batchSchema> | undefined;
  await until(async () => {
    const response = await send([{ nhsNumber: DAMAGED_CHILD }, { nhsNumber: CHILD }]);
    if (response.status !== 200) return false;
    batch = batchSchema.parse(await response.json());
    return true;
  }, 'an answer');
  await service.admin.hset(partition, DAMAGED_CHILD, whole);
  expect(batch).toMatchObject({
    checked: false,
    advice: [BATCH_INCOMPLETE],
    items: [
      { checked: false, code: 'could-not-check', status: 503 },
      { checked: true, outcome: 'flagged' },
    ],
  });
});

test('if nothing can be checked, the whole batch is could-not-check', async () => {
  const id = (await service.admin.hget('cpf:dataset', 'id')) ?? '';
  await service.admin.hset('cpf:dataset', 'id', randomUUID());
  await until(
    async () => (await send([{ nhsNumber: CHILD }])).status === 503,
    'readiness to be withdrawn',
  );
  const response = await send([{ nhsNumber: CHILD }, { nhsNumber: UNKNOWN }]);
  expect(response.headers.get('retry-after')).toBe('5');
  expect(await code(response)).toBe('503 could-not-check');
  await service.admin.hset('cpf:dataset', 'id', id);
  await until(async () => (await send([{ nhsNumber: CHILD }])).status === 200, 'readiness');
});

describe('a batch is refused as a whole', () => {
  test.for([
    ['of no items', [], '400 invalid-batch'],
    ['of 51', Array.from({ length: 51 }, () => ({ nhsNumber: CHILD })), '400 invalid-batch'],
    ['that is not a list', { nhsNumber: CHILD }, '400 invalid-batch'],
    ['with an extra member', `{"items":[{"nhsNumber":"${CHILD}"}],"x":1}`, '400 invalid-batch'],
    ['that is not JSON', '{"items":[', '400 malformed-json'],
    [
      'with a number twice in one item',
      `{"items":[{"nhsNumber":"${UNKNOWN}","nhsNumber":"${CHILD}"}]}`,
      '400 malformed-json',
    ],
    ['with items twice', `{"items":[],"items":[{"nhsNumber":"${CHILD}"}]}`, '400 malformed-json'],
    [
      'nested too deeply',
      `{"items":[{"nhsNumber":${'['.repeat(5_000)}${']'.repeat(5_000)}}]}`,
      '400 malformed-json',
    ],
    ['of over 16 KiB', `{"items":["${'x'.repeat(16_384)}"]}`, '413 body-too-large'],
  ] as const)('%s', async ([, items, expected]) => {
    expect(await code(await send(items))).toBe(expected);
  });

  test('if it comes from unscheduled care, or from a user with both activities who does not choose', async () => {
    const requestId = randomUUID();
    const unscheduled = await service.token(claims());
    const response = await send([{ nhsNumber: CHILD }], {
      as: unscheduled,
      headers: { 'x-request-id': requestId },
    });
    expect(await code(response)).toBe('403 batch-not-allowed');
    await until(async () => (await eventsOf(requestId)).length === 1, 'the refusal event');
    expect((await eventsOf(requestId))[0]).toMatchObject({
      type: 'refusal',
      code: 'batch-not-allowed',
    });

    const both = await service.token(
      claims({ roles: [role('role-1', ['B0107', 'B0170'], 'ZZP01')] }),
    );
    expect(await code(await send([{ nhsNumber: CHILD }], { as: both }))).toBe(
      '403 batch-not-allowed',
    );
    const header = { isunscheduledaccessevent: 'false' };
    const silent = await answered([{ nhsNumber: CHILD }], both, header);
    expect(silent.status).toBe(200);
  });

  test('if it has no token', async () => {
    expect(await code(await send([{ nhsNumber: CHILD }], { as: 'x' }))).toBe('401 token-malformed');
  });

  test('if it uses another method', async () => {
    const response = await fetch(`${service.baseUrl}/lookup/batch`);
    expect(response.headers.get('allow')).toBe('POST');
    expect(await code(response)).toBe('405 method-not-allowed');
  });
});
