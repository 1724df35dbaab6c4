import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { REPLICAS, SENTINELS } from '#schemas/wording/store.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { startService } from '#service/main.ts';
import type { Tools } from '#service/start/tools.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { findRedisServer } from '#store/connection/redis-binary.mjs';
import { BUCKET, startBucket, type TestBucket } from '../../support/bucket.ts';
import { createProcess } from '../../support/machines.ts';
import { freePort } from '../../support/ports.ts';
import { startRedisServer, type TestRedisServer } from '../../support/redis-server.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, fill, testFolder, until } from '../../support/service.ts';
import { START_MS } from '../../support/until.ts';

/**
 * A fault in the sentinels, the replicas or the bucket for the second copy is reported in the start-up log and in
 * /_status, and no lookup is answered while the store is in doubt.
 */

const CHILD = testNumber(1);

const ending: (() => Promise<unknown> | void)[] = [];
afterAll(async () => {
  for (const end of ending.toReversed()) await end();
});

async function prepare({ administrator, loader, anchor, verifier }: Tools): Promise<void> {
  await administrator.createDataset('demo', 'test');
  await verifier.look();
  await fill(loader, anchor, { code: 'ZZ101', rows: [{ nhsNumber: CHILD }] });
}

async function folder(): Promise<string> {
  const path = await testFolder();
  ending.push(() => rm(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

/** Starts a service, whether or not it gets as far as serving lookups. */
async function start(
  dataDir: string,
  environment: Record<string, string>,
  prepares: typeof prepare | undefined,
) {
  const lines: string[] = [];
  const port = await freePort();
  const stopped = new AbortController();
  const service = startService(
    readConfiguration({
      DATA_DIR: dataDir,
      PORT: String(port),
      REDIS_MAXMEMORY_MIB: '128',
      ...environment,
    }),
    {
      log: createLog('info', { write: (line) => void lines.push(line) }),
      stopped: stopped.signal,
      ...(prepares && { prepare: prepares }),
    },
  );
  let failure: unknown;
  service.catch((error: unknown) => (failure = error));
  let ended: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped.abort();
    return (ended ??= service.then(
      (started) => started.stop(),
      () => undefined,
    ));
  };
  ending.push(stop);
  const baseUrl = `http://127.0.0.1:${port}`;
  const status = async (): Promise<Record<string, { status: string; outcome: string }[]>> =>
    fetch(`${baseUrl}/_status`).then(
      async (response) =>
        ((await response.json()) as { checks: Awaited<ReturnType<typeof status>> }).checks,
      () => ({}),
    );
  return {
    stop,
    /** Waits until a check in /_status and the log both say it. */
    async says(check: string, state: 'fail' | 'warn' | 'pass', sentence: string): Promise<void> {
      let now: string | undefined;
      const inStatus = async (): Promise<boolean> => {
        const [found] = (await status())[check] ?? [];
        now = `${found?.status}: ${found?.outcome}`;
        return found?.status === state && found.outcome.includes(sentence);
      };
      // The start of the service is part of this wait, and of the other for an answer.
      await until(inStatus, `${sentence} in ${check}`, START_MS).catch((error: unknown) => {
        throw new Error(`${String(error)}; it is ${now}, ${String(failure)}`);
      });
      const inLog = JSON.stringify(sentence).slice(1, -1);
      // Levels 40 and above need somebody's attention.
      await until(
        () => lines.some((line) => line.includes(inLog) && /"level":[4-9]/.test(line)),
        `${sentence} in the log, which is ${lines.join('')}`,
      );
    },
    /** Waits until lookups are answered with this code. */
    async answers(code: 200 | 503): Promise<void> {
      const issuer = await openDemoIssuer(dataDir);
      const token = await issuer.sign(claims(), 600);
      const lookUp = (): Promise<number> =>
        fetch(`${baseUrl}/lookup`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'x-request-id': randomUUID(),
            authorization: `Bearer ${token}`,
          },
          body: JSON.stringify({ nhsNumber: CHILD }),
        }).then(
          ({ status: answered }) => answered,
          () => 0,
        );
      await until(async () => (await lookUp()) === code, `lookups to be ${code}`, START_MS);
    },
  };
}

describe('sentinels', () => {
  test.concurrent('that do not know the primary name in REDIS_URL', async () => {
    const home = await folder();
    const [redis, sentinel] = [await freePort(), await freePort()];
    const file = join(home, 'sentinel.conf');
    writeFileSync(
      file,
      `port ${sentinel}\nbind 127.0.0.1\ndir ${home}\nsentinel monitor cp-flags 127.0.0.1 ${redis} 1\n`,
    );
    const { binary = 'redis-server' } = findRedisServer();
    const process = createProcess(binary, [file, '--sentinel'], join(home, 'sentinel.log'));
    process.start();
    ending.push(() => process.kill());
    const REDIS_URL = `redis+sentinel://127.0.0.1:${sentinel}/other`;
    const service = await start(join(home, 'data'), { ROLE: 'lookup', REDIS_URL }, undefined);
    await service.says('store:redis-reachable', 'fail', SENTINELS.unknownMaster('other'));
    await service.says('store:sentinels', 'warn', SENTINELS.unknownMaster('other'));
    await service.answers(503);
  });

  test.concurrent('that cannot be reached', async () => {
    const home = await folder();
    const REDIS_URL = `redis+sentinel://127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}/cp-flags`;
    const service = await start(home, { ROLE: 'lookup', REDIS_URL }, undefined);
    await service.says('store:redis-reachable', 'fail', SENTINELS.fewReached(0, 2));
    await service.says('store:sentinels', 'warn', SENTINELS.fewReached(0, 2));
    await service.answers(503);
  });

  test.concurrent('that cannot be reached by a worker, which waits for its turn', async () => {
    const home = await folder();
    const AUDIT_COPY = await folder();
    const REDIS_URL = `redis+sentinel://127.0.0.1:${await freePort()}/cp-flags`;
    const service = await start(home, { ROLE: 'worker', REDIS_URL, AUDIT_COPY }, undefined);
    await service.says('worker', 'warn', SENTINELS.fewReached(0, 1));
  });
});

/** A proxy that makes a server look as if it ran another version. */
async function asOtherVersion(port: number): Promise<number> {
  const proxy = createServer((client) => {
    const server = connect(port, '127.0.0.1');
    client.on('error', () => server.destroy()).on('close', () => server.destroy());
    server.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.on('data', (bytes) => void server.write(bytes));
    server.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      const other = text.replaceAll(/(redis_version:[0-9.]*)[0-9]\r/g, '$1x\r');
      client.write(Buffer.from(other, 'latin1'));
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  ending.push(() => void proxy.close());
  return (proxy.address() as AddressInfo).port;
}

/** A service whose answers wait for one replica, which already has a fault before the service starts. */
async function startWithReplica(
  worsen: (second: TestRedisServer, first: TestRedisServer) => Promise<unknown>,
) {
  const [first, second] = await Promise.all([startRedisServer(), startRedisServer()]);
  ending.push(() => Promise.all([first.stop(), second.stop()]));
  await worsen(second, first);
  await second.replicate(first);
  const settings = { REDIS_URL: first.url, REDIS_REPLICAS: '1' };
  return { service: await start(await folder(), settings, prepare), second };
}

describe('a replica', () => {
  test.concurrent('without an append-only file: nothing is answered', async () => {
    const { service, second } = await startWithReplica((its) =>
      its.admin.config('SET', 'appendonly', 'no'),
    );
    const name = `127.0.0.1:${second.port}`;
    const sentence = REPLICAS.wrongSetting(name, 'appendonly', 'yes');
    await service.says('store:replicas', 'fail', sentence);
    await service.answers(503);
  });

  test.concurrent('of another version than the primary: lookups are answered', async () => {
    let seenAt = 0;
    const { service, second } = await startWithReplica(async (its) => {
      seenAt = await asOtherVersion(its.port);
      await its.admin.config('SET', 'replica-announce-port', String(seenAt));
    });
    const [, version = ''] = /redis_version:(\S+)/.exec(await second.admin.info('server')) ?? [];
    const other = `${version.slice(0, -1)}x`;
    const sentence = REPLICAS.otherVersion(`127.0.0.1:${seenAt}`, other, version);
    await service.says('store:replica-servers', 'warn', sentence);
    await service.answers(200);
  });

  test.concurrent('with other users than the primary: lookups are answered', async () => {
    const { service, second } = await startWithReplica((_, first) =>
      first.admin.call('ACL', 'SETUSER', 'cpf-lookup', 'reset', 'on', '>one', '+get', '~a'),
    );
    const sentence = REPLICAS.otherUsers(`127.0.0.1:${second.port}`, ['cpf-lookup']);
    await service.says('store:replica-servers', 'warn', sentence);
    await service.answers(200);
  });
});

const PLACE = `s3://${BUCKET}/live`;
async function startBucketOf(
  worsen: (bucket: TestBucket) => void,
): Promise<{ bucket: TestBucket; environment: Record<string, string> }> {
  const bucket = await startBucket();
  ending.push(() => bucket.close());
  worsen(bucket);
  const credentials = join(await folder(), 'credentials');
  writeFileSync(credentials, 'access\nsecret\n');
  const environment = {
    AUDIT_COPY: PLACE,
    AUDIT_COPY_ENDPOINT: bucket.endpoint,
    AUDIT_COPY_CREDENTIALS_FILE: credentials,
  };
  return { bucket, environment };
}

const commitsOf = ({ objects }: TestBucket): number =>
  [...objects.keys()].filter((name) => name.startsWith('live/log/')).length;

describe('a bucket', () => {
  test.concurrent('without access rights: a new worker stands by and answers nothing, and one already at work answers but seals nothing', async () => {
    const { bucket, environment } = await startBucketOf((its) => (its.refuses = () => true));
    const first = await start(await folder(), environment, prepare);
    await first.says('worker', 'warn', COPY.noRights(PLACE));
    await first.stop();

    bucket.refuses = () => false;
    const home = await folder();
    const before = await start(home, environment, prepare);
    await before.answers(200);
    await before.stop();
    const count = bucket.objects.size;
    bucket.refuses = () => true;
    const after = await start(home, environment, undefined);
    await after.says('audit-copy', 'warn', COPY.noRights(PLACE));
    await after.answers(200);
    await after.stop();
    expect(bucket.objects.size).toBe(count);
  });

  test.concurrent('with a lifecycle rule that deletes objects: lookups are answered, and nothing is sealed', async () => {
    const rule =
      '<Rule><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><Expiration><Days>30</Days></Expiration></Rule>';
    const { bucket, environment } = await startBucketOf(
      (its) => (its.lifecycle = `<LifecycleConfiguration>${rule}</LifecycleConfiguration>`),
    );
    const service = await start(await folder(), environment, prepare);
    await service.says('audit-copy', 'warn', COPY.expires(PLACE));
    await service.answers(200);
    expect(commitsOf(bucket)).toBe(0);
  });

  test.concurrent('with delayed listings and unreadable lifecycle rules: the log continues from the named objects, and both faults are reported', async () => {
    const { bucket, environment } = await startBucketOf((its) => {
      its.lists = () => false;
      its.refuses = (action) => action === 's3:GetLifecycleConfiguration';
    });
    const home = await folder();
    const before = await start(home, environment, prepare);
    await before.answers(200);
    await until(() => commitsOf(bucket) > 0, 'something to be in the copy');
    await before.stop();
    const count = commitsOf(bucket);
    const after = await start(home, environment, undefined);
    await after.answers(200);
    await after.says('audit-copy', 'pass', COPY.expiryUnknown(PLACE));
    await after.says('audit-copy', 'pass', COPY.listsLate(PLACE));
    await until(() => commitsOf(bucket) > count, 'the log to continue');
  });
});
