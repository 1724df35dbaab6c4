import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createMetrics, SECONDS } from '#service/telemetry/metrics.ts';
import { minuteOf, readReports, startReports } from '#service/telemetry/reports.ts';
import { createFigures } from '#store/figures.ts';
import { keys } from '#store/keys.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

const RUNNING = { role: 'lookup', version: '1.2.3', node: '24.1.0', openssl: '3.5.1' };
const LOOKUPS = new Set(['POST /lookup']);
const START = Date.parse('2026-11-24T03:00:05Z');

let store: TestStore;
beforeAll(async () => {
  store = await startTestStore({ kind: 'demo' });
  // A process reports every ten seconds, which is how long a test may take on a busy machine.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterAll(async () => {
  vi.useRealTimers();
  await store?.stop();
});

/** A process that counts as real ones do, with a clock that the test sets. */
async function aProcess(as: 'lookup' | 'worker' = 'lookup', ready = true) {
  const figures = createFigures(await store.connect(as));
  const metrics = createMetrics('http');
  const state = { now: START, ready, failing: [] as string[], away: false };
  const instance = randomUUID();
  const reports = startReports({
    figures: {
      add: (minute, amounts) =>
        state.away ? Promise.reject(new Error('away')) : figures.add(minute, amounts),
    },
    instance,
    running: RUNNING,
    looked: () => metrics.lookedSoFar(LOOKUPS),
    isReady: () => state.ready,
    checks: () => state.failing.map((name) => ({ name, ok: false })),
    now: () => state.now,
  });
  const look = (milliseconds: number, failed = false): void => {
    metrics.began();
    metrics.lookedUp('plain', 'unscheduled', failed ? 'store' : 'not-flagged');
    metrics.answered('POST', '/lookup', failed ? 503 : 200, milliseconds);
  };
  return { reports, instance, state, metrics, look };
}

async function said(at: number) {
  const figures = createFigures(await store.connect('worker'));
  return readReports((await figures.read(minuteOf(at))) ?? new Map());
}

/** Stops a process, which waits a second at most for its last report, and then waits for that. */
async function stopAndSay({ reports, instance, state }: Awaited<ReturnType<typeof aProcess>>) {
  await reports.stop();
  await until(
    async () => (await said(state.now)).some((each) => each.instance === instance && each.ended),
    'the last report',
  );
}

test('a worker reads the counts of every process for a minute, with only the rights that each has', async () => {
  const one = await aProcess();
  const two = await aProcess('worker');
  one.look(2);
  one.look(400, true);
  two.state.failing = ['access:issuers'];
  two.state.ready = false;
  await one.reports.report();
  one.look(2);
  await stopAndSay(one);
  await stopAndSay(two);
  const minute = await said(START);
  const of = ({ instance }: { instance: string }) =>
    minute.find((each) => each.instance === instance);
  expect(of(one)).toMatchObject({
    running: RUNNING,
    reports: 3,
    ready: 3,
    lookups: 3,
    couldNotCheck: 1,
    failing: [],
    ended: true,
  });
  expect(of(one)?.took[SECONDS.indexOf(0.002)]).toBe(2);
  expect(of(one)?.took[SECONDS.indexOf(0.5)]).toBe(1);
  expect(of(two)).toMatchObject({
    reports: 2,
    ready: 1,
    lookups: 0,
    failing: ['access:issuers'],
  });
  const left = await store.admin.pttl(keys.figures(minuteOf(START)));
  expect(left).toBeGreaterThan(3_600_000);
  expect(left).toBeLessThanOrEqual(2 * 3_600_000);
});

test('checks that could not be made while the store was away are reported afterwards, in their own minute', async () => {
  const one = await aProcess();
  await one.reports.report();
  Object.assign(one.state, { away: true, ready: false, now: START + 60_000 });
  one.look(1, true);
  await one.reports.report();
  one.look(1, true);
  await one.reports.report();
  Object.assign(one.state, { away: false, ready: true, now: START + 180_000 });
  await stopAndSay(one);
  const of = async (at: number) =>
    (await said(at)).find(({ instance }) => instance === one.instance);
  expect(await of(START + 60_000)).toMatchObject({ reports: 2, ready: 0, couldNotCheck: 2 });
  expect(await of(START + 120_000)).toBeUndefined();
  expect(await of(START + 180_000)).toMatchObject({ reports: 1, ready: 1, couldNotCheck: 0 });
});

test('a process that was not ready when it started is not counted as having left lookups unanswered', async () => {
  const one = await aProcess('lookup', false);
  one.state.ready = true;
  await stopAndSay(one);
  const own = (await said(START)).find(({ instance }) => instance === one.instance);
  expect(own).toMatchObject({ reports: 1, ready: 1 });
});

test('response times leave out requests refused for their content, and requests that are not lookups', async () => {
  const { metrics, reports } = await aProcess();
  metrics.answered('POST', '/lookup', 401, 1);
  metrics.answered('GET', '/_ping', 200, 1);
  expect(metrics.lookedSoFar(LOOKUPS).took.every((count) => count === 0)).toBe(true);
  await reports.stop();
});

test('a minute full of made-up names is not read', async () => {
  const minute = minuteOf(START) - 500;
  const fields = Array.from({ length: 5_001 }, (_, i) => [`made-up-${i}`, '1']).flat();
  await store.admin.hset(keys.figures(minute), ...fields);
  expect(await createFigures(await store.connect('worker')).read(minute)).toBeUndefined();
});

test('only listed words, and short words without spaces, are read from what others write there', () => {
  const instance = randomUUID();
  const name = fc.oneof(
    fc.string(),
    fc
      .tuple(
        fc.constantFrom('runs', 'fails', 'took'),
        fc.oneof(
          fc.string(),
          fc.stringMatching(/^[a-z0-9:-]{1,62}$/),
          fc.stringMatching(/^[a-z0-9:é<-]{1,9}( [a-z0-9.<]{1,50}){0,4}$/),
        ),
      )
      .map((words) => words.join(' ')),
  );
  const read = { running: 0, failing: 0 };
  fc.assert(
    fc.property(fc.dictionary(name, fc.oneof(fc.nat(), fc.double())), (made) => {
      const minute = new Map(
        Object.entries({ ...made, reports: 1 }).map(([key, n]) => [`${instance} ${key}`, n]),
      );
      for (const { running, failing } of readReports(minute)) {
        if (running !== undefined) read.running++;
        read.failing += failing.length;
        for (const word of Object.values(running ?? {})) expect(word).toMatch(/^[!-~]{0,40}$/);
        for (const check of failing) expect(check).toMatch(/^[a-z0-9:-]+$/);
      }
    }),
    { numRuns: 300 },
  );
  expect(Math.min(read.running, read.failing)).toBeGreaterThan(5);
});
