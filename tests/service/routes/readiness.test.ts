import { mkdir, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startTestService, type TestService, until } from '../../support/service.ts';

const checkSchema = z.looseObject({
  status: z.enum(['pass', 'warn', 'fail']),
  outcome: z.string(),
});
const statusSchema = z.looseObject({
  status: z.enum(['pass', 'warn', 'fail']),
  version: z.string(),
  checks: z.record(z.string(), z.array(checkSchema)),
});

let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    environment: { RELEASE_ID: 'release-1', COMMIT_ID: 'abc' },
    authorities: [{ code: 'ZZ101' }],
  });
});
afterAll(() => service?.stopAndRemove());

async function status(baseUrl = service.baseUrl) {
  const response = await fetch(`${baseUrl}/_status`);
  return { http: response.status, ...statusSchema.parse(await response.json()) };
}
const check = async (name: string) => (await status()).checks[name]?.[0];

test.for([
  'OPTIONS / HTTP/1.0\r\n\r\n',
  'OPTIONS /_status HTTP/1.0\r\n\r\n',
  'OPTIONS /_ping HTTP/1.0\r\n\r\n',
  'GET /_status HTTP/1.0\r\n\r\n',
])('a load balancer that asks with %j learns that the process may be used', async (request) => {
  const { hostname, port } = new URL(service.baseUrl);
  async function asked(): Promise<string> {
    const socket = connect(Number(port), hostname);
    socket.end(request);
    return text(socket);
  }
  // A process that is not ready for a moment answers with a 503.
  const isRefused = (answer: string): boolean => answer.startsWith('HTTP/1.1 503 ');
  let answer = await asked();
  await until(async () => {
    if (isRefused(answer)) answer = await asked();
    return !isRefused(answer);
  }, 'readiness');
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
});

test('the answer says whether each condition holds', async () => {
  const names = [
    'store:redis-reachable',
    'store:functions',
    'store:dataset',
    'store:opened',
    'store:whole',
    'store:durable',
    'store:memory',
    'store:disk',
    'store:file-rewritten',
    'store:clock',
    'store:directory',
    'store:blocked-users',
    'store:numbers-in-use',
    'store:worker',
    'access:issuers',
    'access:organisations',
    'coverage:expected',
    'access:enumeration',
    'access:children-counted',
    'process:disk',
    'process',
  ];
  let now = await status();
  const missed = () => names.filter((name) => now.checks[name]?.[0]?.status !== 'pass');
  // The worker, and what it reports, takes a moment.
  await until(async () => {
    now = await status();
    return missed().length === 0;
  }, 'every condition to hold').catch(() => expect(missed()).toEqual([]));
  const { http, checks, ...rest } = now;
  expect(http).toBe(200);
  expect(rest).toMatchObject({ releaseId: 'release-1', commitId: 'abc', revision: 'abc' });
  expect(checks['store:clock']?.[0]?.outcome).toMatch(
    /^The clocks of service and store are (less than a second|at most \d+ seconds?) apart\.$/,
  );
  expect(checks['store:directory']?.[0]?.outcome).toMatch(
    /^1 authority is known\. Read (less than a second|\d+ seconds?) ago\.$/,
  );
});

test('a worker that is not alive is reported, and lookups continue', async () => {
  const past = String(Date.now() - 60_000);
  await until(async () => {
    await service.admin.set('cpf:heartbeat', past);
    const { http, checks } = await status();
    return http === 200 && checks['store:worker']?.[0]?.status === 'warn';
  }, 'the worker to be missed while the process is ready');
  await until(async () => (await check('store:worker'))?.status === 'pass', 'the next heartbeat');
});

test('a file that Redis cannot rewrite is reported, and lookups continue', async () => {
  const admin = await service.connect('admin');
  const files = join(service.dataDir, 'redis', 'appendonlydir');
  const present = (await readdir(files)).flatMap((name) => /\.(\d+)\.base\./.exec(name)?.[1] ?? []);
  const inTheWay = join(files, `appendonly.aof.${Math.max(...present.map(Number)) + 1}.base.rdb`);
  await mkdir(join(inTheWay, 'a-file-cannot-replace-this'), { recursive: true });
  await admin.bgrewriteaof();
  await until(async () => {
    const { http, checks } = await status();
    return http === 200 && checks['store:file-rewritten']?.[0]?.status === 'warn';
  }, 'the failed rewrite to be reported while the process is ready');
  await rm(inTheWay, { recursive: true });
  await admin.bgrewriteaof();
  await until(
    async () => (await check('store:file-rewritten'))?.status === 'pass',
    'the next rewrite',
  );
});

test('without durability the process is alive, but not ready', async () => {
  const admin = await service.connect('admin');
  await admin.config('SET', 'appendfsync', 'everysec');
  await until(async () => {
    const { http, checks } = await status();
    return http === 503 && checks['store:durable']?.[0]?.status === 'fail';
  }, 'readiness to be withdrawn because of it');
  expect((await fetch(`${service.baseUrl}/_ping`)).status).toBe(200);
  await admin.config('SET', 'appendfsync', 'always');
  await until(async () => (await status()).http === 200, 'readiness');
});

test('with an earlier version’s Redis users, lookups continue and the status says what is missing', async () => {
  const admin = await service.connect('admin');
  await admin.acl('SETUSER', 'cpf-lookup', 'clearselectors');
  const older =
    '(+fcall ~cpf:{p*}:* ~cpf:{system}:audit) (+hmget +hlen %R~cpf:{p*}:children) (+xadd %W~cpf:{*}:audit) (+hget +hset ~cpf:{p*}:seen) (+hgetall %R~cpf:dataset %R~cpf:authority:*) (+get %R~cpf:open)';
  await admin.acl('SETUSER', 'cpf-lookup', ...(older.match(/\([^)]+\)/g) ?? []));
  await until(async () => (await check('store:blocked-users'))?.status === 'warn', 'the warning');
  await until(async () => (await status()).http === 200, 'readiness');
  expect((await service.answered({ nhsNumber: '9990000018' })).status).toBe(200);
});
