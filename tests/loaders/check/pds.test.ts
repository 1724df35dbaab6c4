import type { ServerResponse } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readRetryAfter } from '#loaders/check/tracing/pds/answers.ts';
import { TracingMemory } from '#loaders/check/tracing/pds/memory.ts';
import { createRate, RATE_SCHEMA } from '#loaders/check/tracing/pds/rate.ts';
import type { Traced } from '#loaders/check/tracing/tracer.ts';
import { type MadeUpPerson, patientOf, sendOutcome } from '#loaders/synthetic/made-up-pds.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { startTestPds, type TestPds } from '../../support/pds.ts';
import { day, testNumber } from '../../support/rows.ts';
import { until, WAIT_MS } from '../../support/until.ts';
import { ods } from '../../support/upload-loading.ts';

let t: TestPds;
beforeAll(async () => {
  t = await startTestPds();
});
afterAll(() => t?.stop());
beforeEach(() => {
  t.pds.records.clear();
  t.pds.asked.length = 0;
});
afterEach(() => {
  t.pds.instead = undefined;
});

const A = ods('ZZ101');
const signal = new AbortController().signal;
const person = (n: number, differing: Partial<Traced> = {}): Traced => ({
  nhsNumber: testNumber(n),
  dateOfBirth: day('2019-03-05'),
  givenName: 'Ada Mary',
  familyName: 'Example',
  ...differing,
});
const known = (n: number, differing: Partial<MadeUpPerson> = {}): MadeUpPerson => ({
  nhsNumber: testNumber(n),
  dateOfBirth: '2019-03-05',
  names: [{ given: ['Ada', 'Mary'], family: 'Example' }],
  ...differing,
});
const put = (n: number, differing?: Partial<MadeUpPerson>): void =>
  void t.pds.records.set(testNumber(n), known(n, differing));
const trace = async (sent: Traced, tracer = t.tracer()) =>
  (await tracer.trace([sent], signal, A))[0];
const answering = (answer: (response: ServerResponse) => void): void => {
  t.pds.instead = (_request, response, path) => {
    if (!path.includes('/Patient/')) return false;
    answer(response);
    return true;
  };
};
const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/fhir+json' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
};

const rateWith = (clock: () => number, perSecond = 1_000) => {
  const db = new DatabaseSync(':memory:');
  db.exec(RATE_SCHEMA);
  return createRate(db, perSecond, clock);
};

describe('a record', () => {
  test.each<[string, Partial<MadeUpPerson>, Partial<Traced>, object]>([
    ['agrees', {}, {}, { kind: 'verified' }],
    [
      'agrees by a nickname',
      {
        names: [
          { given: ['Adelaide'], family: 'Example' },
          { use: 'nickname', given: ['Ada'], family: 'Example' },
        ],
      },
      {},
      { kind: 'verified' },
    ],
    [
      'agrees by a temporary name',
      {
        names: [
          { given: ['Eve'], family: 'Other' },
          { use: 'temp', given: ['Ada'], family: 'Example' },
        ],
      },
      {},
      { kind: 'verified' },
    ],
    [
      'has the name as an old one',
      {
        names: [
          { given: ['Ada'], family: 'Other' },
          { use: 'old', given: ['Ada'], family: 'Example' },
        ],
      },
      {},
      { kind: 'not-verified', differs: ['family_name'] },
    ],
    [
      'no longer has the name',
      {
        names: [
          { given: ['Ada'], family: 'Other' },
          { given: ['Ada'], family: 'Example', end: '2020-01-01' },
        ],
      },
      {},
      { kind: 'not-verified', differs: ['family_name'] },
    ],
    [
      'has another date of birth',
      { dateOfBirth: '2019-03-06' },
      {},
      { kind: 'not-verified', differs: ['date_of_birth'] },
    ],
    [
      'has only part of a date of birth',
      { dateOfBirth: '2019-03' },
      {},
      { kind: 'not-verified', differs: ['date_of_birth'] },
    ],
    [
      'has another given name',
      {},
      { givenName: 'Eve' },
      { kind: 'not-verified', differs: ['given_name'] },
    ],
    ['is restricted', { security: 'R' }, {}, { kind: 'sensitive' }],
    ['is very restricted', { security: 'V' }, {}, { kind: 'sensitive' }],
    ['is redacted', { security: 'REDACTED' }, {}, { kind: 'sensitive' }],
  ])('that %s is recognised as such', async (_what, held, sent, outcome) => {
    put(1, held);
    expect(await trace(person(1, sent))).toEqual(outcome);
  });

  test('with only the minimum of data is not verified, and breaks nothing', async () => {
    t.pds.records.set(testNumber(1), { nhsNumber: testNumber(1) });
    expect(await trace(person(1))).toEqual({
      kind: 'not-verified',
      differs: ['date_of_birth', 'family_name', 'given_name'],
    });
  });

  test('for a replaced number gives the new number only to a council that knows the date of birth and the name', async () => {
    t.pds.records.set(testNumber(1), known(2));
    expect(await trace(person(1))).toEqual({ kind: 'inactive', replacedBy: testNumber(2) });
    expect(await trace(person(1, { dateOfBirth: day('2019-03-06') }))).toEqual({
      kind: 'not-verified',
      differs: ['date_of_birth'],
    });
    expect(await trace(person(1, { familyName: 'Other' }))).toMatchObject({ kind: 'not-verified' });
    t.pds.records.set(testNumber(1), known(2, { security: 'R' }));
    expect(await trace(person(1))).toEqual({ kind: 'sensitive' });
  });

  test('that is missing, withdrawn or under an invalid number is recognised as such', async () => {
    expect(await trace(person(1))).toEqual({ kind: 'no-match' });
    t.pds.records.set(testNumber(1), 'invalidated');
    expect(await trace(person(1))).toEqual({ kind: 'inactive' });
    answering((response) => sendOutcome(response, 400, 'INVALID_RESOURCE_ID'));
    expect(await trace(person(1))).toEqual({ kind: 'no-match' });
  });
});

describe('an answer that says nothing about the number is never "no match"', () => {
  const wrong = (body: unknown) => (response: ServerResponse) => json(response, 200, body);
  test.each<[string, (response: ServerResponse) => void]>([
    ...[301, 302, 400, 401, 403, 404, 405, 408, 410, 418, 429, 500, 502, 503, 504].map(
      (status): [string, (response: ServerResponse) => void] => [
        `${status} of a gateway`,
        (response) => json(response, status, '<html>no</html>'),
      ],
    ),
    ['a 404 of another address', (response) => sendOutcome(response, 404, 'NOT_SUPPORTED')],
    [
      'a 404 without a code',
      (response) => json(response, 404, { resourceType: 'OperationOutcome', issue: [] }),
    ],
    ['an OperationOutcome with 200', (response) => sendOutcome(response, 200, 'NOT_SUPPORTED')],
    ['something other than JSON', wrong('{"resourceType":"Pat')],
    ['nothing', wrong('')],
    ['null', wrong('null')],
    ['a list', wrong([])],
    ['another resource', wrong({ ...patientOf(known(1)), resourceType: 'Practitioner' })],
    ['no number', wrong({ ...patientOf(known(1)), id: '' })],
    ['an invalid number', wrong({ ...patientOf(known(1)), id: '1234567890' })],
    ['no confidentiality', wrong({ ...patientOf(known(1)), meta: {} })],
    ['no confidentiality in its list', wrong({ ...patientOf(known(1)), meta: { security: [] } })],
    ['invalid names', wrong({ ...patientOf(known(1)), name: 'Ada' })],
    ['names that are numbers', wrong({ ...patientOf(known(1)), name: [{ family: 1 }] })],
    [
      'a thousand names',
      wrong({ ...patientOf(known(1)), name: Array.from({ length: 1_000 }, () => ({})) }),
    ],
    [
      'more than a record can be',
      wrong(`${' '.repeat(300_000)}${JSON.stringify(patientOf(known(1)))}`),
    ],
    ['a connection that is cut off', (response) => response.destroy()],
    [
      'a body that is cut off',
      (response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"res');
        setImmediate(() => response.destroy());
      },
    ],
  ])('%s', async (_what, answer) => {
    answering(answer);
    expect(await trace(person(1))).toEqual({ kind: 'not-traced' });
  });

  test('a redirect, even if the record exists', async () => {
    t.pds.records.set(testNumber(9), known(1));
    t.pds.instead = (_request, response, path) => {
      if (!path.endsWith(testNumber(1))) return false;
      response.writeHead(302, { location: `${t.pds.url}/Patient/${testNumber(9)}` }).end();
      return true;
    };
    expect(await trace(person(1))).toEqual({ kind: 'not-traced' });
  });

  test('an answer that does not arrive, or stops halfway', async () => {
    const tracer = () => t.tracer({ requestDeadlineMs: 40 });
    answering(() => undefined);
    expect(await trace(person(1), tracer())).toEqual({ kind: 'not-traced' });
    answering((response) => {
      response.writeHead(200);
      response.write('{');
    });
    expect(await trace(person(1), tracer())).toEqual({ kind: 'not-traced' });
  });

  test('an address where nothing listens', async () => {
    const gone = await startTestPds();
    const tracer = gone.tracer();
    await gone.pds.close();
    expect(await trace(person(1), tracer)).toEqual({ kind: 'not-traced' });
    expect(tracer.state.ok).toBe(false);
    expect(tracer.state.detail).toContain('PDS_TOKEN_URL');
    await gone.stop();
  });
});

describe('a request', () => {
  test('names its organisation, and keeps its id when it is repeated', async () => {
    put(1);
    let failures = 2;
    t.pds.instead = (request, response, path) => {
      if (!path.includes('/Patient/') || failures-- <= 0) return false;
      t.pds.asked.push({
        nhsNumber: '',
        requestId: String(request.headers['x-request-id']),
        organisation: '',
        at: 0,
      });
      sendOutcome(response, 503, 'SERVICE_UNAVAILABLE');
      return true;
    };
    expect(await trace(person(1))).toEqual({ kind: 'verified' });
    expect(t.pds.asked).toHaveLength(3);
    expect(new Set(t.pds.asked.map(({ requestId }) => requestId)).size).toBe(1);
    expect(t.pds.asked.at(-1)?.organisation).toBe('ZZ101');
  });

  test('waits as long as Retry-After says, and makes all other requests wait too', async () => {
    put(1);
    put(2);
    const tracer = t.tracer();
    let refusedAt = 0;
    let refusedOn = Number.POSITIVE_INFINITY;
    t.pds.instead = (_request, response, path) => {
      if (!path.includes('/Patient/')) return false;
      t.pds.instead = undefined;
      refusedAt = performance.now();
      refusedOn = Date.now();
      sendOutcome(response, 429, 'TOO_MANY_REQUESTS', { 'retry-after': '1' });
      return true;
    };
    const first = tracer.trace([person(1)], signal, A);
    const shared = new DatabaseSync(tracer.memory.path, { readOnly: true });
    const pausedUntil = (): number =>
      Number(shared.prepare('SELECT full_at FROM rate').get()?.['full_at']);
    await until(() => pausedUntil() >= refusedOn + 1_000, 'the pause');
    shared.close();
    const both = await Promise.all([first, tracer.trace([person(2)], signal, A)]);
    expect(both).toEqual([[{ kind: 'verified' }], [{ kind: 'verified' }]]);
    for (const { at } of t.pds.asked) expect(at - refusedAt).toBeGreaterThan(950);
  });

  test('is not repeated if Retry-After is longer than the longest allowed wait', async () => {
    let asked = 0;
    answering((response) => {
      asked += 1;
      sendOutcome(response, 503, 'SERVICE_UNAVAILABLE', { 'retry-after': '3600' });
    });
    expect(await trace(person(1))).toEqual({ kind: 'not-traced' });
    expect(asked).toBe(1);
  });

  test.each([
    ['5', 5_000],
    [' 5 ', 5_000],
    [new Date(61_000).toUTCString(), 60_000],
    [new Date(0).toUTCString(), 0],
    ['-5', undefined],
    ['soon', undefined],
    ['1e9', undefined],
    [null, undefined],
  ])('reads Retry-After %j', (text, ms) => {
    expect(readRetryAfter(text, 1_000)).toBe(ms);
  });

  test('is made no more often than agreed, however many callers ask', async () => {
    for (let n = 1; n <= 14; n++) put(n);
    const memory = t.memory();
    const tracers = [t.tracer({ memory, perSecond: 10 }), t.tracer({ memory, perSecond: 10 })];
    const began = performance.now();
    await Promise.all(
      tracers.map((tracer, i) =>
        tracer.trace(
          Array.from({ length: 7 }, (_, n) => person(1 + n + 7 * i)),
          signal,
          A,
        ),
      ),
    );
    expect(t.pds.asked).toHaveLength(14);
    // Ten at once, and then one every tenth of a second.
    expect(performance.now() - began).toBeGreaterThan(350);
  });

  test('that can wait lets those for new rows go first', async () => {
    // The clock that counts turns stands still until the new rows have had theirs.
    let at: number | undefined = Date.now();
    const rate = rateWith(() => at ?? Date.now(), 20);
    const order: string[] = [];
    for (let i = 0; i < 20; i++) await rate.turn(true, signal);
    const idle = rate.turn(false, signal).then(() => order.push('idle'));
    await Promise.all(
      Array.from({ length: 5 }, () => rate.turn(true, signal).then(() => order.push('urgent'))),
    );
    at = undefined;
    await idle;
    expect(order).toEqual(['urgent', 'urgent', 'urgent', 'urgent', 'urgent', 'idle']);
  });
});

describe('no wait outlasts', () => {
  test.each([true, false])(
    'a clock that was ahead and is corrected (urgent: %s)',
    async (urgent) => {
      let clock = Date.now();
      const rate = rateWith(() => clock);
      for (const aheadMs of [86_400_000, 3_600_000, 700_000]) {
        clock += aheadMs;
        await rate.turn(true, signal);
        rate.pause(0);
        clock -= aheadMs;
        await rate.turn(urgent, AbortSignal.timeout(WAIT_MS));
      }
    },
  );

  test('a clock that was ahead when PDS failed', async () => {
    let now = Date.now() + 86_400_000;
    const tracer = t.tracer({ now: () => now, awayMs: 1_000 });
    put(1);
    t.pds.instead = (_request, response) => {
      sendOutcome(response, 403, 'ACCESS_DENIED');
      return true;
    };
    expect(await trace(person(1), tracer)).toEqual({ kind: 'not-traced' });
    expect(tracer.mayAsk).toBe(false);
    t.pds.instead = undefined;
    now -= 86_400_000;
    expect(tracer.mayAsk).toBe(true);
    expect(await trace(person(1), tracer)).toEqual({ kind: 'verified' });
  });

  test.each([true, false])('the caller who asked for the turn (urgent: %s)', async (urgent) => {
    const rate = rateWith(Date.now);
    rate.pause(600_000);
    const ended = new AbortController();
    const turn = rate.turn(urgent, ended.signal);
    ended.abort();
    await expect(turn).rejects.toThrow('aborted');
  });

  test('the caller who asked about a person, and ending it says nothing about PDS', async () => {
    const tracer = t.tracer({ awayMs: 60_000, backOffMs: 60_000, requestDeadlineMs: 60_000 });
    const ended = new AbortController();
    let asked = 0;
    t.pds.instead = (_request, response, path) => {
      if (!path.includes('/Patient/')) return false;
      asked += 1;
      // The first request waits before asking again, and the second waits for an answer.
      if (asked === 1) sendOutcome(response, 503, 'SERVICE_UNAVAILABLE');
      if (asked === 2) ended.abort();
      return true;
    };
    const tracing = tracer.trace([person(1), person(2), person(3)], ended.signal, A);
    expect(await tracing).toEqual([
      { kind: 'not-traced' },
      { kind: 'not-traced' },
      { kind: 'not-traced' },
    ]);
    expect(tracer).toMatchObject({ mayAsk: true, state: { ok: true } });
  });
});

describe('a token', () => {
  test('is fetched once for any number of callers, and again before it expires', async () => {
    let now = Date.now();
    const tracer = t.tracer({ now: () => now });
    for (let n = 1; n <= 6; n++) put(n);
    const before = t.pds.tokensGiven;
    await tracer.trace([person(1), person(2), person(3)], signal, A);
    expect(t.pds.tokensGiven - before).toBe(1);
    now += 565_000;
    await tracer.trace([person(4)], signal, A);
    expect(t.pds.tokensGiven - before).toBe(1);
    now += 10_000;
    await tracer.trace([person(5)], signal, A);
    expect(t.pds.tokensGiven - before).toBe(2);
  });

  test('that was withdrawn is replaced once', async () => {
    put(1);
    put(2);
    const tracer = t.tracer();
    expect(await trace(person(1), tracer)).toEqual({ kind: 'verified' });
    t.pds.forgetTokens();
    expect(await trace(person(2), tracer)).toEqual({ kind: 'verified' });
  });

  test('cannot be obtained with the wrong key, and the operator is shown where to look', async () => {
    const tracer = t.tracer({ apiKey: 'another' });
    expect(await trace(person(1), tracer)).toEqual({ kind: 'not-traced' });
    expect(tracer.state.detail).toMatch(/401.*PDS_API_KEY/);
  });

  test.each<[string, unknown]>([
    ['no token', { expires_in: '600' }],
    ['an empty token', { access_token: '', expires_in: '600' }],
    ['one that would add a header', { access_token: 'a\r\nx: y', expires_in: '600' }],
    ['no expiry', { access_token: 'a' }],
    ['an invalid expiry', { access_token: 'a', expires_in: 'soon' }],
    ['an expiry in the past', { access_token: 'a', expires_in: '-1' }],
    ['an expiry of now', { access_token: 'a', expires_in: '0' }],
    ['something other than JSON', 'a'],
  ])('is not accepted from an answer with %s', async (_what, body) => {
    t.pds.instead = (_request, response, path) => {
      if (path.includes('/Patient/')) return false;
      json(response, 200, body);
      return true;
    };
    const tracer = t.tracer();
    expect(await trace(person(1), tracer)).toEqual({ kind: 'not-traced' });
    expect(tracer.state.ok).toBe(false);
  });
});

describe('a verified person', () => {
  test('is remembered as sent, for each authority, for the configured time', async () => {
    let now = Date.now();
    const tracer = t.tracer({ rememberMs: 60_000, now: () => now });
    put(1);
    await trace(person(1), tracer);
    const asked = async (sent: Traced, authority = A): Promise<boolean> => {
      const before = t.pds.asked.length;
      await tracer.trace([sent], signal, authority);
      return t.pds.asked.length > before;
    };
    expect(await asked(person(1))).toBe(false);
    expect(await asked(person(1, { familyName: 'EXAMPLE' }))).toBe(false);
    expect(await asked(person(1, { givenName: 'Ada' }))).toBe(true);
    expect(await asked(person(1), ods('ZZ102'))).toBe(true);
    expect(await asked(person(1, { dateOfBirth: day('2019-03-06') }))).toBe(true);
    expect(await asked(person(1, { dateOfBirth: day('2019-03-06') }))).toBe(true);
    now += 60_001;
    expect(await asked(person(1))).toBe(true);
  });

  test('is asked about again once no plan can be held under the number', async () => {
    const tracer = t.tracer();
    put(1);
    await trace(person(1), tracer);
    tracer.memory.rememberLooked(testNumber(1), Date.now(), false);
    put(1, { security: 'R' });
    expect(await trace(person(1), tracer)).toEqual({ kind: 'sensitive' });
    put(1);
    expect(await trace(person(1), tracer)).toEqual({ kind: 'verified' });
    const asked = t.pds.asked.length;
    await trace(person(1), tracer);
    expect(t.pds.asked.length).toBe(asked);
  });

  test('cannot be read with another key', async () => {
    const tracer = t.tracer();
    put(1);
    await trace(person(1), tracer);
    const other = TracingMemory.open(tracer.memory.path, 'another');
    expect(other.wasVerified(A, person(1), 0)).toBe(false);
    expect(tracer.memory.wasVerified(A, person(1), 0)).toBe(true);
    other.close();
  });

  test('still counts while PDS is away, and nobody else is judged', async () => {
    const tracer = t.tracer();
    put(1);
    await trace(person(1), tracer);
    answering((response) => sendOutcome(response, 500, 'SERVER_ERROR'));
    expect(await tracer.trace([person(1), person(2)], signal, A)).toEqual([
      { kind: 'verified' },
      { kind: 'not-traced' },
    ]);
  });

  test('is stored without a readable number, name or date', async () => {
    const { readFileSync, readdirSync } = await import('node:fs');
    const { dirname } = await import('node:path');
    const tracer = t.tracer();
    // Long enough that no file has it by chance.
    const [given, family] = ['Zwickelmania', 'Snorkelgasse'];
    put(77, { names: [{ given: [given], family }] });
    await trace(person(77, { givenName: given, familyName: family }), tracer);
    const { path } = tracer.memory;
    for (const name of readdirSync(dirname(path))) {
      const bytes = readFileSync(`${dirname(path)}/${name}`, 'latin1');
      for (const secret of [testNumber(77), given, family, '2019-03-05']) {
        expect(bytes.toLowerCase()).not.toContain(secret.toLowerCase());
      }
    }
  });
});

describe('PDS being away', () => {
  test('means that it is not asked again at once, and is used again once it answers', async () => {
    let asked = 0;
    answering((response) => {
      asked += 1;
      sendOutcome(response, 403, 'ACCESS_DENIED');
    });
    let now = Date.now();
    const tracer = t.tracer({ awayMs: 30_000, now: () => now });
    const many = Array.from({ length: 50 }, (_, i) => person(i + 1));
    await tracer.trace(many.slice(0, 1), signal, A);
    expect(tracer).toMatchObject({ mayAsk: false, state: { ok: false } });
    await tracer.trace(many, signal, A);
    expect(asked).toBe(1);
    t.pds.instead = undefined;
    put(1);
    now += 30_001;
    expect(await trace(person(1), tracer)).toEqual({ kind: 'verified' });
    expect(tracer).toMatchObject({ mayAsk: true, state: { ok: true } });
  });

  test('is not assumed because one record cannot be fetched', async () => {
    for (let n = 1; n <= 40; n++) put(n);
    t.pds.instead = (_request, response, path) => {
      if (!path.endsWith(testNumber(3))) return false;
      json(response, 200, '{}');
      return true;
    };
    const outcomes = await t.tracer().trace(
      Array.from({ length: 40 }, (_, i) => person(i + 1)),
      signal,
      A,
    );
    expect(outcomes.filter(({ kind }) => kind === 'verified')).toHaveLength(39);
    expect(outcomes[2]).toEqual({ kind: 'not-traced' });
  });
});

test('no failure message contains the NHS number', async () => {
  const number: NhsNumber = testNumber(5);
  for (const answer of [
    (response: ServerResponse) => json(response, 403, `no ${number}`),
    (response: ServerResponse) => json(response, 500, `no ${number}`),
    (response: ServerResponse) => response.destroy(),
  ]) {
    answering(answer);
    const tracer = t.tracer();
    for (let i = 0; i < 25 && tracer.state.ok; i++) await trace(person(5), tracer);
    expect(tracer.state.ok).toBe(false);
    expect(JSON.stringify(tracer.state)).not.toContain(number);
  }
});
