import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import type { KnownCaller, Refusal } from '#service/admission/admission.ts';
import { type Guard, guarded, type WorkRefused } from '#service/admission/guarded.ts';
import type { Refused } from '#service/audit/record/refusals.ts';
import { problemResponse } from '#service/http/problem.ts';

const ids = { requestId: '60e0b220-8136-4ca5-ae46-1d97ef59d068' };
const caller = {} as KnownCaller['caller'];
const known: KnownCaller = { kind: 'admitted', ids, caller };
const fail = (): never => {
  throw new Error('broken');
};

type Parts = Partial<Pick<Guard<KnownCaller>, 'overloaded' | 'admit'>> & {
  work?: () => Promise<Response | WorkRefused>;
  note?: () => void;
};

/** Calls a route guarded with these parts, and returns the steps in order and the response. */
async function ask(parts: Parts, method = 'GET') {
  const steps: string[] = [];
  const noted: Refused[] = [];
  const handler = guarded<KnownCaller>(
    {
      noteRefusal: (refused) => {
        steps.push('note');
        noted.push(refused);
        parts.note?.();
      },
      traces: { of: () => undefined },
    },
    {
      overloaded: () => {
        steps.push('overload');
        return parts.overloaded?.() ?? false;
      },
      admit: (head) => {
        steps.push('admit');
        return parts.admit?.(head) ?? known;
      },
      refuse: (code, options) => problemResponse(code, options),
      api: 'plain',
      fault: { code: 'could-not-check', log: () => void steps.push('fault') },
    },
    async () => {
      steps.push('work');
      return (await parts.work?.()) ?? new Response('done');
    },
  );
  const app = new Hono<{ Bindings: HttpBindings }>().on('GET', '/', handler);
  const incoming = { method, headers: {}, rawHeaders: [], socket: { remoteAddress: '127.0.0.1' } };
  const response = await app.request('/', { method }, { incoming });
  return { steps, noted, response };
}

const refusal: Refusal = {
  kind: 'refused',
  ids,
  code: 'user-blocked',
  caller,
  roleChosen: true,
};

test('overload is checked before the caller, and both are checked before anything is done', async () => {
  const { steps, response } = await ask({});
  expect(steps).toEqual(['overload', 'admit', 'work']);
  expect(await response.text()).toBe('done');
});

test('one request too many is refused before its caller is checked', async () => {
  const { steps, response } = await ask({ overloaded: () => true });
  expect(steps).toEqual(['overload']);
  expect(response.status).toBe(503);
});

test.for([
  ['admission', { admit: () => refusal }, ['overload', 'admit', 'note'], 'user-blocked'],
  [
    'an admission that waits',
    { admit: () => Promise.resolve(refusal) },
    ['overload', 'admit', 'note'],
    'user-blocked',
  ],
  [
    'the work',
    { work: () => Promise.resolve({ code: 'invalid-nhs-number' as const, number: '1' }) },
    ['overload', 'admit', 'work', 'note'],
    'invalid-nhs-number',
  ],
] as const)('a refusal by %s is recorded before it is answered', async ([, parts, steps, code]) => {
  const outcome = await ask(parts);
  expect(outcome.steps).toEqual(steps);
  expect(outcome.noted).toMatchObject([{ code, ids, caller, api: 'plain', source: '127.0.0.1' }]);
  expect(await outcome.response.json()).toMatchObject({ code, requestId: ids.requestId });
});

test.for([
  ['overload', { overloaded: fail }],
  ['admission', { admit: fail }],
  ['admission, later', { admit: () => Promise.reject(new Error('broken')) }],
  ['the work', { work: fail }],
  ['noting a refusal', { admit: () => refusal, note: fail }],
] as const)('a fault of %s is logged and answered, and never thrown', async ([, parts]) => {
  const { steps, response } = await ask(parts);
  expect(steps.at(-1)).toBe('fault');
  expect(await response.json()).toMatchObject({ code: 'could-not-check', checked: false });
});

test.for([
  ['at once', fail],
  ['later', () => Promise.reject(new Error('broken'))],
] as const)('a caller is recorded even if their request fails %s', async ([, work]) => {
  const { steps, noted } = await ask({ work });
  expect(steps).toEqual(['overload', 'admit', 'work', 'note', 'fault']);
  expect(noted).toMatchObject([{ code: 'could-not-check', ids, caller, roleChosen: true }]);
});

test('a HEAD is refused before its caller is checked, since nobody would read an answer', async () => {
  const { steps, response } = await ask({}, 'HEAD');
  expect(steps).toEqual([]);
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET');
});
