import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { sealedEvents } from '#service/audit/log/sealed.ts';
import { keys } from '#store/keys.ts';
import { allEvents } from '../support/audit-events.ts';
import { officer } from '../support/authority.ts';
import { run, startServing } from '../support/processes.ts';
import { type Proxy, startProxy } from '../support/proxy.ts';
import { testNumber } from '../support/rows.ts';
import { claims, fill } from '../support/service.ts';
import { startStopwatch } from '../support/stopwatch.ts';
import { startTestStore, type TestStore, until } from '../support/test-store.ts';

/** Every wait for something outside has a deadline and a defined outcome, even if Redis's packets vanish. */

const CHILD = testNumber(811);
const AUTHORITY = 'ZZ101';
/** Two seconds of silence and a new connection, on a machine that may run other tests at the same time. */
const ANSWERED_AGAIN_WITHIN_MS = 8_000;
/** The server's own deadline for a lookup, and an allowance for a busy machine. */
const REFUSED_WITHIN_MS = 4_000;

let store: TestStore;
let proxy: Proxy;
let service: Awaited<ReturnType<typeof startServing>>;
let issuer: Awaited<ReturnType<typeof openDemoIssuer>>;

beforeAll(async () => {
  store = await startTestStore();
  await store.adminStore.createDataset('demo', 'test');
  await fill(store.store, store.anchor, { code: AUTHORITY, rows: [{ nhsNumber: CHILD }] });
  proxy = await startProxy(store.server.socketPath);
  service = await startServing([], environmentBy(proxy));
  issuer = await openDemoIssuer(store.dataDir);
  await until(async () => (await lookUp()).status === 200, 'lookups to be answered');
});
afterAll(async () => {
  await service?.stop('SIGTERM');
  await proxy?.stop();
  await store?.stop();
});

function environmentBy({ port }: Proxy): Record<string, string> {
  const { username, password } = store.server.users.admin;
  return {
    DATA_DIR: store.dataDir,
    REDIS_URL: `redis://${username}:${encodeURIComponent(password)}@127.0.0.1:${port}`,
  };
}

async function lookUp() {
  const requestId = randomUUID();
  const read = startStopwatch();
  const response = await fetch(`${service.baseUrl}/lookup`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await issuer.sign(claims(), 600)}`,
      'content-type': 'application/json',
      'x-request-id': requestId,
    },
    body: JSON.stringify({ nhsNumber: CHILD }),
  });
  const text = await response.text();
  return { requestId, status: response.status, text, tookMs: read() };
}

async function isSealed(requestId: string): Promise<boolean> {
  for await (const { event } of sealedEvents(join(store.dataDir, 'audit'), 0)) {
    if (event.type === 'lookup' && event.requestId === requestId) return true;
  }
  return false;
}

let sequence = 1;
/** Uploads a file with no records. */
async function upload(): Promise<number> {
  const description = new URLSearchParams({
    sequence: String(++sequence),
    createdAt: new Date().toISOString(),
    rowCount: '0',
  });
  const response = await fetch(`${service.baseUrl}/uploads?${description.toString()}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await issuer.sign(officer(AUTHORITY), 600)}`,
      'content-type': 'text/csv',
      'x-request-id': randomUUID(),
    },
    body: 'nhs_number,local_id,date_of_birth,given_name,family_name,plan_type,start_date,end_date,delete_date\r\n',
  });
  await response.text();
  return response.status;
}

test.concurrent('if every connection to Redis goes silent, lookups, sealing, verifying and loading resume without help', async () => {
  proxy.mute();
  const mutedAt = Date.now();
  const read = startStopwatch();
  const refused: Awaited<ReturnType<typeof lookUp>>[] = [];
  let answered: Awaited<ReturnType<typeof lookUp>> | undefined;
  await until(async () => {
    const outcome = await lookUp();
    if (outcome.status === 200) answered = outcome;
    else refused.push(outcome);
    return answered !== undefined;
  }, 'lookups to be answered again');
  expect(read()).toBeLessThan(ANSWERED_AGAIN_WITHIN_MS);
  for (const { status, text, tookMs } of refused) {
    expect(status).toBe(503);
    expect(text).toContain('"checked":false');
    expect(tookMs).toBeLessThan(REFUSED_WITHIN_MS);
  }
  await until(async () => (await upload()) < 300, 'an upload to be answered');
  await until(
    async () => Number(await store.admin.get(keys.heartbeat)) > mutedAt,
    'the store verifier at work',
  );
  await until(() => isSealed(answered?.requestId ?? ''), 'the lookup to be sealed');
  // Each lookup was sent only once, whatever its outcome.
  const events = await allEvents(store.dataDir, store.adminStore);
  const sent = events.flatMap((event) => (event.type === 'lookup' ? [event.requestId] : []));
  expect(new Set(sent).size).toBe(sent.length);
  await until(() => service.stderr().includes('went silent and was replaced'), 'the log to say so');
});

test.concurrent.for([
  ['from the first byte', 0, ['status']],
  ['in the middle of its work', 6, ['authority', 'set', AUTHORITY, '--name', 'Another']],
] as const)(
  'a command whose Redis goes silent %s ends with a message',
  async ([, answers, args]) => {
    const own = await startProxy(store.server.socketPath);
    own.muteNewOnesAfter(answers);
    const { code, stderr } = await run(args, environmentBy(own));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^cp-flags: [A-Z][^\n]+\.\n$/);
    await own.stop();
  },
);
