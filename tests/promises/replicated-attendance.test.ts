import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { run, startServing } from '../support/processes.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { testNumber } from '../support/rows.ts';
import { claims, fill, testFolder } from '../support/service.ts';
import { until } from '../support/test-store.ts';

const CHILD = testNumber(1);
let ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.toReversed()) await end();
  ending = [];
});

test('an outcome is acknowledged only once a replica has it', async () => {
  const [first, second] = await Promise.all([startRedisServer(), startRedisServer()]);
  ending.push(() => Promise.all([first.stop(), second.stop()]));
  await second.replicate(first);
  const dataDir = await testFolder();
  ending.push(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  const env = { DATA_DIR: dataDir, REDIS_URL: first.url, REDIS_REPLICAS: '1' };
  await run(['init', '--demo'], env);
  const service = await startServing([], env);
  ending.push(() => service.stop('SIGTERM'));
  const issuer = await openDemoIssuer(dataDir);
  const anchor = Anchor.open(join(dataDir, 'anchor'));
  ending.push(() => anchor.close());
  await fill(createStore(first.admin, anchor), anchor, {
    code: 'ZZ101',
    rows: [{ nhsNumber: CHILD }],
  });
  const post = async (path: string, body: unknown) => {
    const authorization = `Bearer ${await issuer.sign(claims(), 600)}`;
    const headers = { authorization, 'content-type': 'application/json' };
    return fetch(`${service.baseUrl}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { ...headers, 'x-request-id': randomUUID() },
    });
  };
  const look = () => post('/lookup', { nhsNumber: CHILD });
  const attended = (auditId: string) =>
    post(`/lookup/${auditId}/attendance`, { nhsNumber: CHILD, attended: 'left-before-seen' });

  let answer = await look();
  await until(async () => answer.ok || (answer = await look()).ok, 'an answer');
  const { auditId } = (await answer.json()) as { auditId: string };
  second.signal('SIGSTOP');
  expect((await attended(auditId)).status).toBe(503);
  second.signal('SIGCONT');
  await until(async () => (await attended(auditId)).status === 200, 'the attendance');
});
