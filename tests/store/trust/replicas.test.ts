import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { partitionOf } from '#schemas/nhs-number.ts';
import { NotReplicated } from '#store/connection/acknowledged.ts';
import type { HostPort } from '#store/connection/address.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { createLanes } from '#store/connection/lanes.ts';
import { SINGLE_FIELD, singleMode } from '#store/connection/single-mode.ts';
import { keys } from '#store/keys.ts';
import { createLookupStore, type LookupResult } from '#store/lookup.ts';
import { createStore, type Store } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { DURABILITY_FIELD } from '#store/trust/durability.ts';
import { type Readiness, watchStore } from '#store/trust/readiness.ts';
import {
  orderSingleMode,
  requireReplicas,
  setReplicaPriority,
} from '#store/trust/replica-orders.ts';
import { REPLICAS_FIELD } from '#store/trust/replicas.ts';
import { type StoreVerifier, startStoreVerifier } from '#store/trust/verifier.ts';
import { holdReplies } from '../../support/held-replies.ts';
import { lookupEvent } from '../../support/lookup-event.ts';
import { startRedisServer, type TestRedisServer } from '../../support/redis-server.ts';
import { testNumber } from '../../support/rows.ts';
import { until, WAIT_MS } from '../../support/test-store.ts';

/** With REDIS_REPLICAS=1, an answer or any other write counts only once a replica has it on disk. */

const NUMBER = testNumber(1);
const NAMED = { by: 'A. Example', reason: 'the replica is away' };

let folder: string;
let anchor: Anchor;
let first: TestRedisServer;
let second: TestRedisServer;
let ending: (() => Promise<void> | void)[];

beforeEach(async () => {
  ending = [];
  folder = await mkdtemp(join(tmpdir(), 'cpf-replicas-'));
  anchor = Anchor.open(folder);
  [first, second] = await Promise.all([startRedisServer(), startRedisServer()]);
  await second.replicate(first);
  await createStore(first.admin, anchor).createDataset('live', 'test');
  // The dataset counts only once a replica that may be promoted has it; `cp-flags init` waits for that too.
  await until(async () => (await first.admin.wait(1, 1_000)) === 1, 'the replica to have it');
});
afterEach(async () => {
  for (const end of ending.toReversed()) await end();
  await Promise.all([first.stop(), second.stop()]);
  anchor.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function connect(server: TestRedisServer, unacknowledged: boolean) {
  const redis = connectStore(
    { url: server.url, replicas: 1 },
    { name: 'test', unacknowledged, commandTimeoutMs: WAIT_MS },
  );
  ending.push(() => redis.disconnect());
  await whenReady(redis, WAIT_MS);
  return redis;
}

const connectTo = ({ host, port }: HostPort) =>
  connectStore({ url: `redis://${host}:${port}` }, { name: 'test' });

/** Makes a replica report another version. */
function connectToOtherVersion(server: HostPort) {
  const redis = connectTo(server);
  redis.once('ready', () => {
    const info = redis.info.bind(redis) as (...sections: unknown[]) => Promise<string>;
    redis.info = async (...sections: unknown[]) =>
      (await info(...sections)).replace(/redis_version:[^\r]*/, 'redis_version:6.2.0');
  });
  return redis;
}

async function keep(
  server: TestRedisServer,
  username?: string,
  reach?: typeof connectTo,
): Promise<StoreVerifier> {
  const verifier = startStoreVerifier(await connect(server, true), anchor, {
    resume: () => Promise.reject(new Error('nothing to resume is expected here')),
    replicas: {
      replicas: 1,
      connectTo: ({ host, port }) =>
        reach?.({ host, port }) ??
        connectStore(
          {
            url: `redis://${host}:${port}`,
            ...(username !== undefined && { username, password: 'x' }),
          },
          { name: 'test' },
        ),
    },
  });
  ending.push(() => verifier.stop());
  return verifier;
}

async function openLookups(server: TestRedisServer) {
  const redis = await connect(server, true);
  const readiness = watchStore(redis, {
    replicas: { count: 1, probe: await connect(server, true), connectTo },
  });
  ending.push(() => readiness.stop());
  const lookups = createLookupStore(redis, readiness, {
    replicated: {
      lanes: createLanes([await connect(server, true), await connect(server, true)], undefined),
      records: await connect(server, false),
    },
  });
  const look = (auditId = randomUUID()): Promise<LookupResult> =>
    lookups.lookup({
      nhsNumber: NUMBER,
      auditId,
      event: lookupEvent(NUMBER, auditId),
      access: 'unscheduled',
      showAccesses: true,
      userKey: 'user-1',
      accessEntry: JSON.stringify({
        name: 'A Nurse',
        role: 'Nurse',
        organisation: { code: 'ZZX', name: 'Test Hospital' },
      }),
      negativesAllowed: true,
    });
  return { readiness, look, lookups };
}

const said = (readiness: Readiness): string =>
  readiness
    .checks()
    .filter(({ ok }) => !ok)
    .map(({ detail }) => detail)
    .join(' ');
const isAnswered = async (look: () => Promise<LookupResult>): Promise<boolean> =>
  (await look()).kind === 'not-flagged';
/** Waits for an answer: on a busy machine the store may be unready for a moment, or a replica slow to acknowledge. */
const answered = (look: () => Promise<LookupResult>): Promise<void> =>
  until(() => isAnswered(look), 'a lookup to be answered');

async function openedOn(server: TestRedisServer, username?: string) {
  const verifier = await keep(server, username);
  const opened = await openLookups(server);
  const isOpen = await opened.readiness.whenOpen(WAIT_MS);
  expect(isOpen, `${verifier.state.detail} ${said(opened.readiness)}`).toBe(true);
  return { verifier, ...opened };
}

const eventsOf = (store: Pick<Store, 'readEvents'>) => store.readEvents(partitionOf(NUMBER));

test('a lookup is on the replica before it is answered', async () => {
  const { look } = await openedOn(first);
  const answers: string[] = [];
  await until(async () => {
    const asked = Array.from({ length: 200 }, () => randomUUID());
    const results = await Promise.all(asked.map((auditId) => look(auditId)));
    const of = asked.filter((_, i) => results[i]?.kind === 'not-flagged');
    answers.push(...of);
    return of.length === asked.length;
  }, 'all of them to be answered');
  await first.kill();
  const kept = await eventsOf(createStore(second.admin, anchor));
  const ids = new Set(kept.flatMap((event) => ('auditId' in event ? event.auditId : [])));
  expect(answers.filter((id) => !ids.has(id))).toEqual([]);
});

test('nothing is answered without a replica, and answers resume without help once there is one', async () => {
  const { readiness, look } = await openedOn(first);
  await second.promote();
  expect(await isAnswered(look)).toBe(false);
  await until(() => !readiness.open, 'lookups to end');
  await until(
    () => said(readiness).includes('0 of 1 replicas are attached'),
    'the sentence that says why',
  );
  await second.replicate(first);
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await answered(look);
});

test('a stalled replica makes lookups could-not-check, and none is answered meanwhile', async () => {
  const { readiness, look } = await openedOn(first);
  await until(async () => {
    // On a busy machine the store may be unready just then, and no lookup gets as far as the replica.
    second.signal('SIGCONT');
    await answered(look);
    second.signal('SIGSTOP');
    const results = await Promise.all(Array.from({ length: 8 }, () => look()));
    expect(results.every(({ kind }) => kind === 'could-not-check')).toBe(true);
    return results.some((each) => 'cause' in each && each.cause === 'not-replicated');
  }, 'a lookup that waits for the replica');
  expect(readiness.open).toBe(false);
  expect(await look()).toEqual({ kind: 'could-not-check', cause: 'closed' });
  second.signal('SIGCONT');
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await answered(look);
});

test('a replica that does not write to disk at once does not count, and the message says what to set', async () => {
  const { readiness, look } = await openedOn(first);
  await second.admin.config('SET', 'appendfsync', 'everysec');
  await until(
    () => said(readiness).includes(`Replica 127.0.0.1:${second.port}: set \`appendfsync always\`.`),
    'the sentence',
  );
  expect(readiness.open).toBe(false);
  expect(await isAnswered(look)).toBe(false);
  await second.admin.config('SET', 'appendfsync', 'always');
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
});

test('a replica without an append-only file does not count, and the message says what to set', async () => {
  const { readiness } = await openedOn(first);
  await second.admin.config('SET', 'appendonly', 'no');
  await until(() => !readiness.open, 'lookups to end');
  await until(() => said(readiness).includes('set `appendonly yes`'), 'the sentence');
  expect(readiness.open).toBe(false);
});

test('lookups stop as soon as a check that they depend on is reported to fail', async () => {
  const { readiness } = await openedOn(first);
  await second.admin.config('SET', 'appendfsync', 'everysec');
  const isFit = () => readiness.checks().some(({ name, ok }) => name === 'replicas' && ok);
  while (isFit()) await new Promise(setImmediate);
  expect(readiness.open).toBe(false);
});

test('a replica of another version is named, and lookups continue', async () => {
  await keep(first, undefined, connectToOtherVersion);
  const { readiness, look } = await openLookups(first);
  await until(
    () => said(readiness).includes('is of version 6.2.0, the primary of'),
    'the sentence',
  );
  expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  await answered(look);
});

describe('without a worker', () => {
  /** Stops the worker, and makes its reports an hour old. */
  async function endWorker(verifier: StoreVerifier): Promise<void> {
    await verifier.stop();
    for (const field of [DURABILITY_FIELD, REPLICAS_FIELD]) {
      const said = JSON.parse((await first.admin.hget(keys.dataset, field)) ?? '') as {
        at: number;
      };
      const then = JSON.stringify({ ...said, at: said.at - 3_600_000 });
      await first.admin.hset(keys.dataset, field, then);
    }
  }
  async function workerGone(): Promise<Awaited<ReturnType<typeof openedOn>>> {
    const opened = await openedOn(first);
    await endWorker(opened.verifier);
    await opened.readiness.refresh();
    await answered(opened.look);
    return opened;
  }

  const isAnyFit = async (): Promise<boolean> =>
    (await first.admin.hget(keys.dataset, REPLICAS_FIELD))?.includes('"fit":true') === true;

  test('lookups continue with a replica that stalled when the worker was lost', async () => {
    const { verifier, readiness, look } = await openedOn(first);
    second.signal('SIGSTOP');
    await until(async () => !(await isAnyFit()), 'the worker to report it');
    await endWorker(verifier);
    second.signal('SIGCONT');
    expect(await readiness.whenOpen(WAIT_MS), said(readiness)).toBe(true);
    await answered(look);
  });

  test('lookups continue if the next worker cannot reach a replica, until its settings are changed', async () => {
    const { readiness, look } = await workerGone();
    const nowhere = await startRedisServer();
    await nowhere.stop();
    await keep(first, undefined, ({ host }) => connectTo({ host, port: nowhere.port }));
    await until(async () => !(await isAnyFit()), 'the worker to report it');
    await readiness.refresh();
    await answered(look);
    await until(
      () => said(readiness).includes('cannot be reached from this service'),
      'the sentence',
    );
    await second.admin.config('SET', 'appendfsync', 'everysec');
    await second.admin.config('SET', 'appendfsync', 'always');
    await until(() => !readiness.open, 'lookups to end');
  });

  test('lookups continue until the settings of a replica are changed, and resume with a worker', async () => {
    const { readiness, look } = await workerGone();
    await second.admin.config('SET', 'appendfsync', 'everysec');
    await second.admin.config('SET', 'appendfsync', 'always');
    await until(() => !readiness.open, 'lookups to end');
    await until(() => said(readiness).includes('it may have changed since'), 'the sentence');
    expect(await isAnswered(look)).toBe(false);
    await keep(first);
    expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  });

  test('lookups stop if there is another replica that copies everything, even the primary’s mark', async () => {
    const { readiness } = await workerGone();
    const third = await startRedisServer();
    ending.push(() => third.stop());
    await third.replicate(first);
    await until(() => !readiness.open, 'lookups to end');
    await third.stop();
    await keep(first);
    expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
  });
});

test('nothing that a lookup process may write outside the audit can keep lookups stopped', async () => {
  const rules = readFileSync(new URL('../../../store/acl/lookup.acl', import.meta.url), 'utf8')
    .trim()
    .replace('user cpf-lookup', '')
    .replace('#PASSWORD_SHA256', '>x');
  await first.admin.acl('SETUSER', 'thief', ...(rules.match(/\([^)]*\)|\S+/g) ?? []));
  const thief = connectStore(
    { url: first.url, username: 'thief', password: 'x' },
    { name: 'test', commandTimeoutMs: WAIT_MS },
  );
  ending.push(() => thief.disconnect());
  await whenReady(thief, WAIT_MS);
  const most = '9223372036854775807';
  const written = await Promise.all(
    [keys.probe, keys.use(1), keys.figures(1), keys.ended, keys.once('form')].flatMap((key) =>
      [
        ['hincrby', key, 'probe', most],
        ['zadd', key, 'inf', 'probe'],
        ['set', key, 'probe'],
        ['pexpire', key, '31536000000'],
      ].map(([command = '', ...args]) =>
        thief.call(command, ...args).then(
          () => command,
          () => undefined,
        ),
      ),
    ),
  );
  expect(new Set(written)).toEqual(new Set(['hincrby', 'zadd', 'set', 'pexpire', undefined]));
  const { readiness, look } = await openedOn(first);
  await answered(look);
  await until(() => !said(readiness).includes('acknowledge'), 'no complaint to stay');
});

test('a write by a loader or an operator counts only once a replica has it; reads continue', async () => {
  const redis = await connect(first, false);
  const store = createStore(redis, anchor);
  const event = { type: 'purge', auditId: randomUUID(), by: 'test', detail: {} } as const;
  // On a busy machine a replica may be slow to acknowledge.
  const append = (): Promise<boolean> =>
    store.appendEvent(event).then(
      () => true,
      () => false,
    );
  await until(append, 'the replica to have it');
  await second.promote();
  await expect(store.appendEvent(event)).rejects.toThrow(NotReplicated);
  expect(await store.dataset()).toMatchObject({ kind: 'live' });
});

describe('a promoted replica', () => {
  /** Promotes the second server and makes the first a replica of it. */
  async function swap(): Promise<void> {
    await second.promote();
    await first.kill();
    await first.start();
    await first.replicate(second);
  }

  test('opens without help if it had everything when the former primary ended', async () => {
    const { verifier, readiness, look, lookups } = await openedOn(first);
    for (let i = 0; i < 3; i++) await answered(look);
    await until(() => anchor.acknowledged() !== undefined, 'the worker to note what replicas have');
    await verifier.stop();
    await readiness.stop();
    await lookups.idle();
    await swap();
    const after = await openedOn(second);
    await answered(after.look);
    expect(await createStore(second.admin, anchor).readEvents('system')).toContainEqual(
      expect.objectContaining({
        type: 'store-opened',
        detail: expect.objectContaining({ failover: true, proof: 'offset' }) as unknown,
      }),
    );
  });

  test('opens without help if it was promoted before the store was ever opened', async () => {
    await swap();
    const { look } = await openedOn(second);
    await answered(look);
  });

  test('opens without help if it was promoted just as the store was first opened', async () => {
    const verifier = await keep(first);
    await until(async () => (await first.admin.get(keys.open)) !== null, 'the store to be opened');
    expect(anchor.acknowledged()).toBeDefined();
    await swap();
    await verifier.stop();
    const { look } = await openedOn(second);
    await answered(look);
  });

  test('opens after all its data is compared if a restart made it forget which server it copied', async () => {
    const { verifier, readiness, look } = await openedOn(first);
    await answered(look);
    await until(() => anchor.acknowledged() !== undefined, 'the worker to note what replicas have');
    await verifier.stop();
    await readiness.stop();
    await second.promote();
    await second.restart();
    await first.restart();
    await first.replicate(second);
    const after = await openedOn(second);
    await answered(after.look);
    expect(JSON.stringify(await createStore(second.admin, anchor).readEvents('system'))).toContain(
      '"proof":"comparison"',
    );
  });

  test('stays closed if it lacks acknowledged writes, and says what to do', async () => {
    const { verifier, readiness, look } = await openedOn(first);
    await second.promote();
    // A third server takes its place for now, so that the next answers are acknowledged.
    const third = await startRedisServer();
    ending.push(() => third.stop());
    await third.replicate(first);
    await until(() => readiness.open, 'lookups to continue');
    const before = anchor.acknowledged();
    await answered(look);
    await until(
      () => anchor.acknowledged()?.heartbeat !== before?.heartbeat,
      'the worker to note what replicas have',
    );
    await verifier.stop();
    await readiness.stop();
    await first.kill();
    await first.start();
    await first.replicate(second);
    const after = await keep(second);
    await until(
      () => after.state.detail.includes('cp-flags confirm promotion'),
      'the verifier to refuse it',
    );
    const { readiness: closed } = await openLookups(second);
    await closed.refresh();
    expect(closed.open).toBe(false);
  });
});

describe('single mode', () => {
  test('answers without a replica by order of a named person, shows in the status, and ends once the replica is back', async () => {
    const { readiness, look } = await openedOn(first);
    await second.promote();
    await until(() => !readiness.open, 'lookups to end');
    const alone = await connect(first, true);
    expect(await orderSingleMode(alone, anchor, 1, NAMED)).toBe(true);
    expect(await orderSingleMode(alone, anchor, 1, NAMED)).toBe(false);
    expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
    await answered(look);
    expect(said(readiness)).toMatch(/Single mode since .* ordered by A\. Example/);
    await second.replicate(first);
    await until(() => !said(readiness).includes('Single mode'), 'single mode to end on its own');
    await answered(look);
    const events = await createStore(first.admin, anchor).readEvents('system');
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['single-mode-ordered', 'single-mode-ended']),
    );
  });

  test('leaves no replica that could be promoted without a named person’s confirmation', async () => {
    const { verifier, readiness, look } = await openedOn(first);
    await until(() => anchor.acknowledged() !== undefined, 'the worker to note what replicas have');
    expect(await orderSingleMode(await connect(first, true), anchor, 1, NAMED)).toBe(true);
    await until(() => said(readiness).includes('Single mode'), 'single mode');
    await answered(look);
    await verifier.stop();
    await readiness.stop();
    await first.kill();
    await second.promote();
    const after = await keep(second);
    await until(
      () => after.state.detail.includes('cp-flags confirm promotion'),
      'the verifier to refuse it',
    );
  });

  const order = async () => singleMode(await first.admin.hget(keys.dataset, SINGLE_FIELD));
  /** Orders it as if the replica was attached at that moment, however late its last report was. */
  const orderAttached = (by: string) =>
    first.admin.hset(
      keys.dataset,
      SINGLE_FIELD,
      JSON.stringify({ by, at: new Date().toISOString(), away: false }),
    );
  /** A worker that sees an attached replica as such, even if its last report was long ago. */
  async function keepPatiently(hold: (command: string, args: readonly unknown[]) => boolean) {
    const redis = await connect(first, true);
    const info = redis.info.bind(redis) as (...sections: unknown[]) => Promise<string>;
    redis.info = async (...sections: unknown[]) =>
      (await info(...sections)).replaceAll(/lag=\d+/g, 'lag=0');
    const replies = holdReplies(redis, hold);
    const verifier = startStoreVerifier(replies.redis, anchor, {
      resume: () => Promise.reject(new Error('nothing to resume is expected here')),
      replicas: { replicas: 1, connectTo },
    });
    ending.push(() => verifier.stop());
    await until(() => verifier.state.opened, 'the store to open');
    return { verifier, held: replies.held };
  }

  test('that is ordered while the worker asks the replicas is not forgotten', async () => {
    let holds: 'wait' | 'next look' | undefined;
    const { held } = await keepPatiently((command, args) =>
      holds === 'wait'
        ? command === 'wait'
        : holds === 'next look' && command === 'info' && args.join(' ') === 'server replication',
    );
    const alone = await connect(first, true);
    await orderSingleMode(alone, anchor, 1, NAMED);
    await requireReplicas(alone, NAMED);
    await until(() => !anchor.single(), 'the replicas to have everything');
    try {
      holds = 'wait';
      await until(() => held.length > 0, 'a check that has read no order');
      await orderSingleMode(alone, anchor, 1, NAMED);
      holds = 'next look';
      held[0]?.release();
      await until(() => held.length > 0, 'the end of that check');
      expect(anchor.single()).toBe(true);
    } finally {
      holds = undefined;
      while (held.length > 0) held[0]?.release();
    }
  });

  test('that has ended counts for a promotion until every lookup process must have read that', async () => {
    await keepPatiently(() => false);
    const alone = await connect(first, true);
    await orderSingleMode(alone, anchor, 1, NAMED);
    const endedAt = performance.now();
    await requireReplicas(alone, NAMED);
    await until(() => !anchor.single(), 'the replicas to have everything');
    // Three seconds for which a process trusts what it has read, and the time that a lookup may take.
    expect(performance.now() - endedAt).toBeGreaterThan(5_000);
  });

  test('does not end because the replica was away during an earlier one', async () => {
    const { verifier } = await keepPatiently(() => false);
    const alone = await connect(first, true);
    await second.promote();
    await orderSingleMode(alone, anchor, 1, NAMED);
    await verifier.look();
    await requireReplicas(alone, NAMED);
    await second.replicate(first);
    await orderAttached('B. Example');
    await verifier.look();
    expect(await order()).toMatchObject({ by: 'B. Example', away: false });
  });

  test('ends once the replica is back, also if another worker saw it away', async () => {
    const { verifier } = await keepPatiently(() => false);
    await orderAttached('A. Example');
    await second.promote();
    await until(async () => (await order())?.away === true, 'the worker to see it away');
    await verifier.stop();
    await second.replicate(first);
    await keep(first);
    await until(async () => (await order()) === undefined, 'single mode to end');
  });

  test('ends by order of a named person', async () => {
    await openedOn(first);
    const redis = await connect(first, false);
    expect(await requireReplicas(redis, NAMED)).toBe(false);
    await orderSingleMode(await connect(first, true), anchor, 1, NAMED);
    expect(await requireReplicas(redis, NAMED)).toBe(true);
  });
});

describe('Redis users, which are not replicated,', () => {
  const users = (server: TestRedisServer, ...rules: string[]) =>
    server.admin.call('ACL', 'SETUSER', 'cpf-lookup', 'reset', 'on', ...rules);
  const servers = ({ readiness }: { readiness: Readiness }): string =>
    readiness.checks().find(({ name }) => name === 'replica-servers')?.detail ?? '';

  test('are reported if one of ours is missing or different on a replica, and lookups continue', async () => {
    const opened = await openedOn(first);
    for (const rules of [[], ['>two', '+get', '~a'], ['>one', '+get', '~b']]) {
      await users(first, '>one', '+get', '~a');
      if (rules.length > 0) await users(second, ...rules);
      await until(() => servers(opened).includes('cpf-lookup'), 'the sentence');
      expect(servers(opened)).toContain(`Replica 127.0.0.1:${second.port} has other rights`);
      await until(() => opened.readiness.open, 'lookups to continue');
      await users(second, '>one', '+get', '~a');
      await until(() => servers(opened) === 'All replicas are fit to take over.', 'it to pass');
    }
  });

  test('are the same on every server that has the same file, in whatever order the server writes the rights', async () => {
    const files = ['store/acl', 'docs/operating/two-rooms/servers.acl'].map(
      (path) => new URL(`../../../${path}`, import.meta.url),
    );
    const roles = ['lookup', 'worker', 'loader', 'admin'].map((role) => `${role}.acl`);
    const texts = [...roles.map((name) => new URL(`acl/${name}`, files[0])), files[1] ?? ''];
    const lines = texts
      .flatMap((url) => readFileSync(url, 'utf8').split('\n'))
      .filter((line) => line.startsWith('user '))
      .map((line) => line.replace(/#\w+/, `#${'0'.repeat(64)}`).match(/\([^)]*\)|\S+/g) ?? []);
    expect(lines).toHaveLength(6);
    for (const { admin } of [first, second]) {
      for (const [, user = '', ...rules] of lines)
        await admin.call('ACL', 'SETUSER', user, ...rules);
    }
    const opened = await openedOn(first);
    await until(() => servers(opened) === 'All replicas are fit to take over.', servers(opened));
  });

  test('are reported as not compared if the worker may not read them', async () => {
    const rules = readFileSync(new URL('../../../store/acl/worker.acl', import.meta.url), 'utf8')
      .replace(/^#.*$/gm, '')
      .trim()
      .replace('#PASSWORD_SHA256', '>x')
      .replace('+acl|getuser', '')
      .split(' ')
      .slice(2);
    // Each selector is a single word.
    const words = rules.join(' ').match(/\([^)]*\)|\S+/g) ?? [];
    await second.admin.call('ACL', 'SETUSER', 'cpf-worker', ...words);
    const opened = await openedOn(first, 'cpf-worker');
    await until(() => servers(opened).includes('not compared'), 'the sentence');
    expect(opened.readiness.checks().find(({ name }) => name === 'replica-servers')?.ok).toBe(true);
  });
});

test('a replica is set aside and put back by a named person, on record and in the replica’s own file', async () => {
  const redis = await connect(first, false);
  const server = { host: '127.0.0.1', port: second.port };
  const change = (priority: number) =>
    setReplicaPriority(redis, second.admin, server, priority, NAMED);
  expect(await change(0)).toEqual({ kind: 'changed', kept: true });
  expect(await second.admin.info('replication')).toContain('slave_priority:0');
  expect(await change(100)).toEqual({ kind: 'changed', kept: true });
  expect(await setReplicaPriority(redis, first.admin, server, 0, NAMED)).toEqual({
    kind: 'primary',
  });
  const events = await createStore(first.admin, anchor).readEvents('system');
  expect(events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['replica-set-aside', 'replica-put-back']),
  );
});

test('a replica is not said to be set aside by a user who may not set its priority', async () => {
  const redis = await connect(first, false);
  await second.admin.call('ACL', 'SETUSER', 'few', 'on', '>x', '~*', '+@all', '-config|set');
  const replica = connectStore(
    { url: second.url.replace('//', '//few:x@') },
    { name: 'test', commandTimeoutMs: WAIT_MS },
  );
  ending.push(() => replica.disconnect());
  await whenReady(replica, WAIT_MS);
  const server = { host: '127.0.0.1', port: second.port };
  await expect(setReplicaPriority(redis, replica, server, 0, NAMED)).rejects.toThrow(/permission/i);
  const events = await createStore(first.admin, anchor).readEvents('system');
  expect(events.map(({ type }) => type)).not.toContain('replica-set-aside');
});

test('without REDIS_REPLICAS nothing waits for a replica', async () => {
  const redis = first.connect();
  await whenReady(redis, WAIT_MS);
  await first.admin.config('RESETSTAT');
  await createStore(redis, anchor).appendEvent({
    type: 'purge',
    auditId: randomUUID(),
    by: 'test',
    detail: {},
  });
  expect(await first.admin.info('commandstats')).not.toContain('cmdstat_wait:');
});
