import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { SAMPLE_NUMBERS } from '#schemas/sample.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { type Service, startService } from '#service/main.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { allEvents } from '../../support/audit-events.ts';
import { readDemo, startServing } from '../../support/processes.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, fill, startTestService, testFolder, until } from '../../support/service.ts';
import { startLoad } from '../../support/service-load.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';
import { untilAnswered, WAIT_MS } from '../../support/until.ts';

/** `npm run test:faults` runs a hundred. */
const CYCLES = Number(process.env['STOP_CYCLES'] ?? 20);
const HELD = Array.from({ length: 10 }, (_, i) => testNumber(800 + i));
const NUMBERS = [...HELD, ...Array.from({ length: 30 }, (_, i) => testNumber(5_000 + i))];

describe('a service stopped under load', () => {
  let store: TestStore;
  let token: string;
  beforeAll(async () => {
    store = await startTestStore({ kind: 'demo' });
    await fill(store.adminStore, store.anchor, {
      code: 'ZZ101',
      rows: HELD.map((nhsNumber) => ({ nhsNumber })),
    });
    token = await (await openDemoIssuer(store.dataDir)).sign(claims(), 3_600);
  });
  afterAll(() => store?.stop());

  async function start(finishWithinMs?: number): Promise<Service> {
    const user = store.server.users.lookup;
    const log = createLog('silent');
    return startService(
      readConfiguration({
        ROLE: 'lookup',
        PORT: '0',
        DATA_DIR: store.dataDir,
        REDIS_URL: `unix://${user.username}:${user.password}@localhost${store.server.socketPath}`,
      }),
      { log, ...(finishWithinMs !== undefined && { finishWithinMs }) },
    );
  }

  test(`${CYCLES} times, has answered every audited event or says that it was not delivered, and audited every answer`, {
    timeout: 4 * WAIT_MS + CYCLES * 3_000,
  }, async () => {
    const sent = [];
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      // Every second stop does not wait for requests in flight.
      const service = await start(cycle % 2 === 0 ? undefined : 0);
      const load = startLoad(() => service.baseUrl, token, NUMBERS);
      await until(() => load.answered() >= 5 + (cycle % 7), 'some answers');
      await service.stop();
      sent.push(...(await load.stop()));
    }
    const recorded = await allEvents(store.dataDir, store.adminStore);
    const looked = new Map(
      recorded.flatMap((event) => (event.type === 'lookup' ? [[event.auditId, event]] : [])),
    );
    // A lookup that could not be answered although its event was written has another one with the same id.
    const notChecked = new Set(
      recorded.flatMap((event) => (event.type === 'could-not-check' ? [event.auditId] : [])),
    );
    const undelivered = new Set(
      recorded.flatMap((event) => (event.type === 'not-delivered' ? [event.auditId] : [])),
    );
    const answers = new Map(
      sent.flatMap(({ auditId, ...rest }) => (auditId === undefined ? [] : [[auditId, rest]])),
    );
    expect(answers.size).toBeGreaterThan(CYCLES * 5);

    const answeredUnaudited = [...answers].filter(
      ([auditId, { nhsNumber, requestId }]) =>
        looked.get(auditId)?.nhsNumber !== nhsNumber ||
        looked.get(auditId)?.requestId !== requestId,
    );
    expect(answeredUnaudited).toEqual([]);
    const auditedUnanswered = [...looked.keys()].filter(
      (auditId) => !answers.has(auditId) && !undelivered.has(auditId) && !notChecked.has(auditId),
    );
    expect(auditedUnanswered).toEqual([]);
    expect([...answers.keys()].filter((auditId) => notChecked.has(auditId))).toEqual([]);
  });
});

test('a stop logs how many refusals of its last minute were left out of the log', async () => {
  const service = await startTestService();
  for (let i = 0; i < 4; i++) await service.lookup({}, { token: 'none' });
  await service.stopAndRemove();
  // It is three, or two if a minute ended in between.
  const counts = service.lines.flatMap((line) =>
    line.includes('not logged') ? [Number(/"count":(\d+)/.exec(line)?.[1])] : [],
  );
  expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(2);
});

test('a stopping service says so at once, and still answers while it drains', async () => {
  const dataDir = await testFolder();
  // Longer than this test may take: a second signal ends the process.
  const service = await startServing(['--demo'], { DATA_DIR: dataDir, DRAIN_SECONDS: '300' });
  try {
    const { tokens } = await readDemo(dataDir);
    const ask = (path: string) => fetch(`${service.baseUrl}${path}`);
    await until(async () => (await ask('/_status')).status === 200, 'readiness');
    service.kill('SIGTERM');
    await until(async () => {
      const status = await ask('/_status');
      const isStopping = (await status.text()).includes('"process":[{"status":"fail"');
      return status.status === 503 && isStopping;
    }, 'the status to say so');
    expect((await ask('/_ping')).status).toBe(200);
    const lookUp = () =>
      fetch(`${service.baseUrl}/lookup`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${tokens['emergencyDepartment']}`,
          'content-type': 'application/json',
          'x-request-id': randomUUID(),
        },
        body: JSON.stringify({ nhsNumber: SAMPLE_NUMBERS[0]?.nhsNumber }),
      });
    const answer = await untilAnswered(lookUp);
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
    expect(service.gone()).toBe(false);
  } finally {
    // A second signal counts only once it cannot be the same key press, passed on by npm.
    await until(() => service.gone() || !service.kill('SIGINT'), 'the service to give up');
    await service.ended;
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
});
