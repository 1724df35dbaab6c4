import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { getPriority } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { SAMPLE_AUTHORITIES, SAMPLE_NUMBERS, SAMPLE_PEOPLE } from '#schemas/sample.ts';
import { COPY } from '#schemas/wording/copy.ts';
import {
  isAlive,
  readDemo,
  redisOf,
  run,
  startServing,
  writeExpected,
} from '../../support/processes.ts';
import { testFolder, until } from '../../support/service.ts';
import { startTestStore } from '../../support/test-store.ts';
import { START_MS, untilAnswered, untilAskedOnce } from '../../support/until.ts';

const [ON_PLAN] = SAMPLE_NUMBERS.map(({ nhsNumber }) => nhsNumber);

/** Where the nice value stands in a thread's line in /proc, counting from after the name. */
const NICE = 16;

/** The nice value of each thread in a process, the main thread first. */
function niceOf(pid: number) {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    } catch {
      // It has ended since the list was read.
      return [];
    }
    const [does = '', rest = ''] = stat.split(/\((.*)\) /s).slice(1);
    return [{ thread: Number(thread), does, nice: Number(rest.split(' ')[NICE]) }];
  });
}

const folders: string[] = [];
const serving: Awaited<ReturnType<typeof startServing>>[] = [];

async function folder(): Promise<string> {
  const path = await testFolder();
  folders.push(path);
  return path;
}

async function start(args: readonly string[], environment: Record<string, string>) {
  const service = await startServing(args, environment);
  serving.push(service);
  return service;
}

/** Waits for the last thing that a demo does at its start. */
const welcomed = ({ stdout }: Pick<(typeof serving)[number], 'stdout'>): Promise<void> =>
  until(() => stdout().includes('Ctrl-C'), 'the demo to welcome its user', START_MS);

afterEach(async () => {
  for (const service of serving.splice(0)) if (!service.gone()) await service.stop();
  for (const path of folders.splice(0))
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
});

async function lookUp(
  dataDir: string,
  persona = 'emergencyDepartment',
  number: string | undefined = ON_PLAN,
) {
  const { baseUrl, tokens } = await readDemo(dataDir);
  const response = await fetch(`${baseUrl}/lookup`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${tokens[persona]}`,
      'content-type': 'application/json',
      'x-request-id': randomUUID(),
    },
    body: JSON.stringify({ nhsNumber: number }),
  });
  return { status: response.status, body: await response.json() };
}

/** The first answer that is not a 503. */
async function answered(dataDir: string, persona?: string, number?: string) {
  const { body } = await untilAnswered(() => lookUp(dataDir, persona, number));
  return lookupAnswerSchema.parse(body);
}

describe('a demo that runs', () => {
  let dataDir: string;
  let service: Awaited<ReturnType<typeof startServing>>;
  beforeAll(async () => {
    dataDir = await testFolder();
    service = await startServing(['--demo'], { DATA_DIR: dataDir });
    await welcomed(service);
  });
  afterAll(async () => {
    await service?.stop();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  });

  test('prints a lookup that works when pasted into a shell', async () => {
    const [, pasted = ''] = /\n( {2}DEMO=[^]*?)\n\n/.exec(service.stdout()) ?? [];
    let stdout = '';
    // On a busy machine a check may not be possible at the moment, and then it is pasted again.
    await until(async () => {
      ({ stdout } = await promisify(execFile)('sh', ['-c', pasted], {
        env: { PATH: `${dirname(process.execPath)}:${process.env['PATH']}` },
      }));
      return !stdout.includes('"could-not-check"');
    }, 'a check to be possible');
    expect(lookupAnswerSchema.parse(JSON.parse(stdout))).toMatchObject({
      outcome: 'flagged',
      coverage: { expected: SAMPLE_AUTHORITIES.length, complete: true },
    });
  });

  test('answers each sample number as the sample says', async () => {
    for (const { nhsNumber, shows } of SAMPLE_NUMBERS) {
      const { outcome } = await answered(dataDir, 'scheduledCare', nhsNumber);
      expect([nhsNumber, outcome]).toEqual([
        nhsNumber,
        shows.startsWith('no flag') ? 'not-flagged' : 'flagged',
      ]);
    }
  });

  test('keeps its tokens and keys private, and gives rights only to those who need them', async () => {
    for (const name of ['demo.json', 'demo-issuer.json', 'number-hash.key']) {
      expect((await stat(join(dataDir, name))).mode & 0o777).toBe(0o600);
    }
    for (const persona of ['authority', 'privacyOfficer', 'caldicottGuardian', 'operations']) {
      expect((await lookUp(dataDir, persona)).body).toHaveProperty('code', 'activity-required');
    }
  });

  test('has two users in unscheduled care, each of whom is shown the other', async () => {
    const { lookedAfter, twoAuthorities, both } = SAMPLE_PEOPLE;
    const accesses = await untilAskedOnce(
      [lookedAfter, twoAuthorities, both],
      async ({ nhsNumber }) => {
        await answered(dataDir, 'emergencyDepartment', nhsNumber);
        await answered(dataDir, 'emergencyDepartment', nhsNumber);
        return (await answered(dataDir, 'ambulanceService', nhsNumber)).accesses;
      },
    );
    expect(accesses?.map(({ name, own, count }) => [name, own, count])).toEqual([
      ['Hana Demo', true, 1],
      ['Amina Demo', false, 2],
    ]);
  });

  test.runIf(process.platform === 'linux')(
    'lets lookups and Redis come before sealing, notifying and searching where both want one processor',
    async () => {
      const own = getPriority();
      await until(() => niceOf(service.pid).filter(({ nice }) => nice > own).length >= 2);
      const threads = niceOf(service.pid);
      const [main, ...others] = threads;
      expect(main).toMatchObject({ thread: service.pid, nice: own });
      expect(new Set(others.map(({ nice }) => nice))).toEqual(new Set([own, own + 5]));
      // Lookups share these threads, and a thread started by one with low priority would have low priority too.
      expect(threads.filter(({ does, nice }) => /libuv|V8/.test(does) && nice > own)).toEqual([]);
      const redis = niceOf(await redisOf(dataDir));
      expect([...new Set(redis.map(({ nice }) => nice))]).toEqual([own]);
    },
  );

  test('does not let another demo use its data folder', async () => {
    const { code, stderr } = await run(['serve', '--demo'], { DATA_DIR: dataDir });
    expect(stderr).toMatch(/^cp-flags: The data folder .* is in use by another .*\n$/);
    expect(code).toBe(1);
  });
});

describe('a demo', () => {
  test('stops cleanly on Ctrl-C, and the next start has the same data', async () => {
    // Each time with a folder of its own: a look that had to be made again may count twice.
    const { dataDir, second, before, after } = await untilAskedOnce([1, 2, 3], async () => {
      const own = await folder();
      const first = await start(['--demo'], { DATA_DIR: own });
      await welcomed(first);
      const looked = await answered(own);
      const redis = await redisOf(own);
      expect((await first.stop('SIGINT')).code).toBe(0);
      expect(isAlive(redis)).toBe(false);

      const next = await start(['--demo'], { DATA_DIR: own });
      await welcomed(next);
      return { dataDir: own, second: next, before: looked, after: await answered(own) };
    });
    // The same user's looks within a day share one entry, which already counts the look before the restart.
    expect(before.accesses).toMatchObject([{ count: 1, at: before.checkedAt }]);
    expect(after.accesses).toMatchObject([{ count: 2, at: after.checkedAt }]);
    expect(after.flags).toHaveLength(before.flags.length);
    expect((await second.stop('SIGTERM')).code).toBe(0);
    expect(await readdir(join(dataDir, 'spool'))).toEqual([]);
  });

  test('that was stopped for a day is renewed at its next start', async () => {
    const dataDir = await folder();
    const first = await start(['--demo'], { DATA_DIR: dataDir });
    await first.stop();
    const store = await startTestStore({ dataDir });
    const old = new Date(Date.now() - 80 * 3_600_000).toISOString();
    for (const { code } of SAMPLE_AUTHORITIES) {
      await store.admin.hset(`cpf:authority:${code}`, 'dataAsOf', old);
    }
    await store.disconnect();

    const second = await start(['--demo'], { DATA_DIR: dataDir });
    await welcomed(second);
    expect((await answered(dataDir)).coverage.complete).toBe(true);
  });

  test('whose Redis lost its data is not rebuilt: nothing is answered, and the log says why', async () => {
    const dataDir = await folder();
    const first = await start(['--demo'], { DATA_DIR: dataDir });
    await welcomed(first);
    await first.stop();
    await rm(join(dataDir, 'redis', 'appendonlydir'), { recursive: true });

    const second = await start(['--demo'], { DATA_DIR: dataDir });
    await welcomed(second);
    expect(await lookUp(dataDir)).toMatchObject({ status: 503, body: { checked: false } });
    expect((await fetch(`${second.baseUrl}/_status`)).status).toBe(503);
    await until(() => second.stderr().includes('lost its data'), 'the log to say why');
  });

  test('can run beside another in its own folder, without affecting it', async () => {
    const [one, other] = [await folder(), await folder()];
    const services = await Promise.all([
      start(['--demo'], { DATA_DIR: one }),
      start(['--demo'], { DATA_DIR: other }),
    ]);
    for (const service of services) await welcomed(service);
    const first = await answered(one, 'emergencyDepartment');
    const second = await answered(other, 'ambulanceService');
    // In one Redis, the second would see the look of the first.
    expect(first.accesses).toMatchObject([{ own: true }]);
    expect(second.accesses).toMatchObject([{ own: true }]);
    const { tokens } = await readDemo(one);
    const { baseUrl } = await readDemo(other);
    const response = await fetch(`${baseUrl}/lookup`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${tokens['emergencyDepartment']}`,
        'x-request-id': randomUUID(),
      },
    });
    expect(await response.json()).toHaveProperty('code', 'token-untrusted');
  });
});

test('a second Ctrl-C does not wait for a request in flight, and leaves no Redis behind', async () => {
  const dataDir = await folder();
  const service = await start(['--demo'], { DATA_DIR: dataDir });
  await welcomed(service);
  const { tokens } = await readDemo(dataDir);
  const { hostname, port } = new URL(service.baseUrl);
  const socket = connect(Number(port), hostname).on('error', () => undefined);
  socket.write(
    `POST /lookup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens['emergencyDepartment']}\r\nX-Request-ID: ${randomUUID()}\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n{`,
  );
  // The service has accepted the request.
  await once(socket, 'data');
  const redis = await redisOf(dataDir);
  service.kill('SIGINT');
  await until(
    () =>
      fetch(`${service.baseUrl}/_ping`).then(
        () => false,
        () => true,
      ),
    'new connections to be refused',
  );
  // npm passes a key press on, so a second signal within half a second counts as the same press; people are slower.
  let pressedAt = Number.NEGATIVE_INFINITY;
  await until(() => {
    if (performance.now() - pressedAt > 300) {
      pressedAt = performance.now();
      service.kill('SIGINT');
    }
    return service.gone();
  }, 'the service to give up');
  expect((await service.ended).code).toBe(130);
  await until(() => !isAlive(redis), 'Redis to end');
  socket.destroy();
});

describe('an impossible start is reported in one sentence, and leaves nothing running', () => {
  let taken: ReturnType<typeof createServer>;
  let port: string;
  beforeAll(async () => {
    taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    port = String((taken.address() as AddressInfo).port);
  });
  afterAll(() => taken.close());

  test('port in use', async () => {
    const dataDir = await folder();
    const { code, stderr } = await run(['serve', '--demo'], {
      DATA_DIR: dataDir,
      PORT: port,
      LOG_LEVEL: 'silent',
    });
    expect(stderr).toBe(
      `cp-flags: 127.0.0.1:${port} is in use by another program. Stop that one, or set PORT to another port.\n`,
    );
    expect(code).toBe(1);
    await expect(redisOf(dataDir)).rejects.toThrow('ENOENT');
  });

  test('a wrong setting, which is named', async () => {
    const { code, stderr } = await run(['serve'], { DATA_DIR: await folder(), PORT: 'http' });
    expect(stderr).toMatch(/^cp-flags: .*PORT: must be a number from 0 to 65535\.\n$/);
    expect(code).toBe(1);
  });

  test('a live dataset without issuers, organisations and an accepted share', async () => {
    const dataDir = await folder();
    const EXPECTED_AUTHORITIES_FILE = await writeExpected(dataDir);
    const environment = { DATA_DIR: dataDir, LOG_LEVEL: 'silent', EXPECTED_AUTHORITIES_FILE };
    expect(await run(['init', '--live'], environment)).toMatchObject({ code: 0 });
    const { code, stderr } = await run(['serve'], environment);
    expect(stderr).toBe(
      'cp-flags: Wrong setting. ISSUERS_FILE and ORGANISATIONS_FILE: required, because the dataset is live.\n',
    );
    expect(code).toBe(1);
    const demo = await run(['serve', '--demo'], environment);
    expect(demo).toMatchObject({ code: 1, stderr: expect.stringContaining('live') as string });

    const issuer = {
      issuer: 'https://id.example',
      audience: 'flags',
      algorithms: ['ES256'],
      jwksUrl: 'https://127.0.0.1:1/jwks',
    };
    const files = {
      ISSUERS_FILE: join(dataDir, 'issuers.json'),
      ORGANISATIONS_FILE: join(dataDir, 'organisations.json'),
    };
    await writeFile(files.ISSUERS_FILE, JSON.stringify([issuer]));
    const hospital = { code: 'RJ1', name: 'A hospital', setting: 'emergency-department' };
    await writeFile(files.ORGANISATIONS_FILE, JSON.stringify([hospital]));
    const share = await run(['serve'], { ...environment, ...files, MINIMUM_COVERAGE: '0.9' });
    expect(share).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^cp-flags: Wrong setting\. MINIMUM_COVERAGE_ACCEPTED_BY: required, because the dataset is live: .*\.\n$/,
      ) as string,
    });
  });

  test('a live dataset without a list of the expected authorities, which is not created', async () => {
    const dataDir = await folder();
    const environment = { DATA_DIR: dataDir, LOG_LEVEL: 'silent' };
    const { code, stderr } = await run(['init', '--live'], environment);
    expect(stderr).toMatch(/^cp-flags: EXPECTED_AUTHORITIES_FILE: required .*\.\n$/);
    expect(code).toBe(1);
    const path = join(dataDir, 'wrong.json');
    await writeFile(path, JSON.stringify({ area: 'x', kind: 'pilot', authorities: [{ code: 1 }] }));
    const wrong = await run(['init', '--live'], {
      ...environment,
      EXPECTED_AUTHORITIES_FILE: path,
    });
    expect(wrong.stderr).toContain('EXPECTED_AUTHORITIES_FILE: ');
    expect(wrong.stderr).toContain('authorities.0.code');
    // Nothing was started, so another kind of dataset can still be made.
    expect(await run(['init', '--demo'], environment)).toMatchObject({ code: 0 });
  });

  test('a second copy that cannot be used when the dataset is created', async () => {
    const [dataDir, home] = [await folder(), await folder()];
    const EXPECTED_AUTHORITIES_FILE = await writeExpected(dataDir);
    const AUDIT_COPY = join(home, 'copy');
    const environment = {
      DATA_DIR: dataDir,
      LOG_LEVEL: 'silent',
      EXPECTED_AUTHORITIES_FILE,
      AUDIT_COPY,
    };
    expect(await run(['init', '--live'], environment)).toMatchObject({
      code: 1,
      stderr: `cp-flags: ${COPY.notThere(AUDIT_COPY)}\n`,
    });
    // Nothing was started, so the same command makes the dataset later and prints its id.
    await mkdir(AUDIT_COPY, { mode: 0o700 });
    expect(await run(['init', '--live'], environment)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/DATASET_ID=[0-9a-f-]{36}/) as string,
    });
  });

  test('an issuers file that cannot be read', async () => {
    const { code, stderr } = await run(['serve', '--demo'], {
      DATA_DIR: await folder(),
      ISSUERS_FILE: '/nonexistent/issuers.json',
      LOG_LEVEL: 'silent',
    });
    expect(stderr).toBe(
      'cp-flags: Wrong setting. ISSUERS_FILE: /nonexistent/issuers.json cannot be read (ENOENT).\n',
    );
    expect(code).toBe(1);
  });
});

test('serve alone never makes a dataset', async () => {
  const dataDir = await folder();
  const service = await start([], { DATA_DIR: dataDir });
  await until(async () => {
    const status = await fetch(`${service.baseUrl}/_status`);
    expect(status.status).toBe(503);
    return (await status.text()).includes('cp-flags init');
  }, 'the status to say what to do');
});
