import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readConfiguration } from '#schemas/configuration.ts';
import { statusSchema } from '#schemas/status.ts';
import { startMesh } from '#service/mesh/mesh.ts';
import { mailboxSettings } from '#service/mesh/mesh-settings.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { type MeshServer, startMeshServer } from '../../support/mesh-server.ts';
import { cpFlags } from '../../support/processes.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';
import { START_MS } from '../../support/until.ts';
import { fileXml, person, planOf, upload } from '../../support/upload-model.ts';

const run = commandsInTurn();

let server: MeshServer;
let folder: string;
let service: TestService;
let environment: Record<string, string>;

const CHILDREN = Array.from({ length: 20 }, (_, i) => 50_000 + i);

beforeAll(async () => {
  server = await startMeshServer();
  folder = await testFolder();
  const register = CHILDREN.map((n) => {
    const { nhsNumber, dateOfBirth, given, family } = person(n);
    return `${nhsNumber},,,${dateOfBirth},${given},${family}\n`;
  });
  const registerFile = join(folder, 'register.csv');
  await writeFile(
    registerFile,
    `nhs_number,status,replaced_by,date_of_birth,given_name,family_name\n${register.join('')}`,
  );
  const notificationsFile = join(folder, 'notifications.json');
  await writeFile(
    notificationsFile,
    JSON.stringify({
      ZZ101: { formats: ['xml'], mailbox: 'X26ABC1' },
      ZZ102: { formats: ['csv'], mailbox: 'X26ABC2', workflowId: 'OTHER_NOTIFY' },
    }),
  );
  environment = {
    ...(await server.environment(folder)),
    INBOX_POLL_SECONDS: '0.1',
    TRACING: 'register',
    TRACING_REGISTER_FILE: registerFile,
  };
  service = await startTestService({
    authorities: [{ code: 'ZZ101' }, { code: 'ZZ102' }],
    environment: {
      ...environment,
      NOTIFICATIONS_FILE: notificationsFile,
      NOTIFICATIONS_WINDOW_MINUTES: '0.005',
    },
  });
  environment = { ...environment, DATA_DIR: service.dataDir };
});
afterAll(async () => {
  await service?.stopAndRemove();
  await server?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});
beforeEach(() => server.fault(undefined));

const xml = (n: number, sequence: number, authority = 'ZZ101'): string =>
  fileXml(upload({ authority, sequence, records: [planOf(n)] }));

const answersTo = (mailbox: string, workflowId: string) =>
  server.sentTo(mailbox).filter(({ headers }) => headers['mex-workflowid'] === workflowId);

describe('a worker with a mailbox', () => {
  test('takes in an upload, traces its numbers, answers lookups from it, and sends its answers and notifications', async () => {
    server.put({
      data: [xml(CHILDREN[0] ?? 0, 11).slice(0, 400), xml(CHILDREN[0] ?? 0, 11).slice(400)],
    });
    server.put({
      from: 'X26ABC2',
      data: xml(CHILDREN[1] ?? 0, 12, 'ZZ102'),
      headers: { 'mex-workflowid': 'OTHER_UPLOAD' },
    });
    await until(
      () =>
        answersTo('X26ABC1', 'TEST_WORKFLOW_ACK').length === 1 &&
        answersTo('X26ABC2', 'OTHER_UPLOAD_ACK').length === 1,
      'the acknowledgements',
    );
    const [acknowledgement] = server.collect('X26ABC1');
    expect(acknowledgement?.headers['mex-subject']).toBe('Acknowledgement of file 11: CPF02');
    expect(acknowledgement?.text).toContain('<FileResponse');
    for (const n of CHILDREN.slice(0, 2)) {
      const looked = await service.answered({ nhsNumber: person(n).nhsNumber });
      expect(await looked.json()).toMatchObject({ outcome: 'flagged' });
    }
    await until(
      () =>
        answersTo('X26ABC1', 'TEST_NOTIFY').length > 0 &&
        answersTo('X26ABC2', 'OTHER_NOTIFY').length > 0,
      'the notifications',
    );
    const [notification] = server.collect('X26ABC1');
    expect(notification?.text).toContain(person(CHILDREN[0] ?? 0).nhsNumber);
  });

  test('answers a file that is wrong, for another authority or from an unknown sender, and loads none of it', async () => {
    server.put({ data: 'no upload at all', headers: { 'mex-filename': 'bad.xml' } });
    server.put({ data: xml(CHILDREN[2] ?? 0, 21, 'ZZ102') });
    await until(() => answersTo('X26ABC1', 'TEST_WORKFLOW_ACK').length >= 3, 'the answers');
    const subjects = server
      .collect('X26ABC1')
      .map(({ headers }) => headers['mex-subject'])
      .filter((subject) => subject?.startsWith('Acknowledgement'));
    expect(subjects.map(String).toSorted()).toEqual([
      'Acknowledgement of file -1: CPF01',
      'Acknowledgement of file 21: CPF01',
    ]);
    const looked = await service.answered({ nhsNumber: person(CHILDREN[2] ?? 0).nhsNumber });
    expect(await looked.json()).toMatchObject({ outcome: 'not-flagged' });
  });

  const check = async () => {
    const status = statusSchema.parse(await (await fetch(`${service.baseUrl}/_status`)).json());
    return status.checks['mesh:mailbox']?.[0];
  };

  test('says in its status how many messages are left in the mailbox', async () => {
    server.put({ headers: { 'mex-workflowid': 'PATHOLOGY' } });
    await until(
      async () => (await check())?.outcome?.includes('set up: 1 message (') === true,
      'the message to be counted',
    );
  });

  test('says in its status which mailbox it has, since other workers may have others', async () => {
    expect((await check())?.outcome).toContain(`Mailbox: ${environment['MESH_MAILBOX']}.`);
  });

  test('says in its status when MESH is away, and when it is back', async () => {
    await until(async () => (await check())?.status === 'pass', 'the mailbox to be well');
    // This status is not retried at once, which would only take time.
    server.fault(() => ({ kind: 'answer', status: 418 }));
    await until(
      async () =>
        (await check())?.outcome?.startsWith('MESH answered with an unexpected status, 418') ===
        true,
      'the mailbox to be away',
    );
    expect((await check())?.status).toBe('warn');
  });

  test('keeps the password, the key and children’s numbers out of its log', () => {
    const log = service.lines.join('');
    expect(log).toContain('is fetched');
    expect(log).not.toMatch(/TestKey|"ours"|:ours/);
    for (const n of CHILDREN) expect(log).not.toContain(person(n).nhsNumber);
  });
});

const NO_INTAKE = {
  pollMs: 50,
  pairWaitMs: 1_000,
  keepMs: 0,
  parallel: 1,
  load: () => Promise.reject(new Error('nothing is loaded')),
  finalAnswer: () => Promise.resolve(undefined),
  report: () => undefined,
};

describe('one process at a time', () => {
  test('a second one stands by, and takes over when the first has gone', async () => {
    const settings = await mailboxSettings(
      readConfiguration({ ...environment, DATA_DIR: join(folder, 'others') }),
      'demo',
    );
    if (settings === undefined) throw new Error('no settings');
    const second = { ...settings, mailbox: 'X26ABC9', folder: join(folder, 'second') };
    const start = (own: string) =>
      startMesh({
        settings: { ...second, folder: join(folder, own) },
        intake: NO_INTAKE,
        leases: service.store,
        log: createLog('silent'),
        leaseMs: { renewEvery: 50, lostAfter: 10_000, retry: 20 },
      });
    const one = start('one');
    await until(() => one.numbers !== undefined, 'the first');
    const other = start('two');
    await until(() => other.check().detail.startsWith('Another process'), 'the second to stand by');
    expect(other.numbers).toBeUndefined();
    // Another machine takes the lease, as it would after a long pause of this one.
    const lock = 'cpf:authority:{mesh.X26ABC9}:lock';
    await service.admin.set(lock, 'somebody/1/x');
    await until(() => one.numbers === undefined, 'the first to notice');
    await service.admin.del(lock);
    await until(() => one.numbers !== undefined || other.numbers !== undefined, 'a new holder');
    expect([one.numbers, other.numbers].filter(Boolean)).toHaveLength(1);
    await one.stop();
    await until(() => other.numbers !== undefined, 'the second to take over');
    await other.stop();
  });

  test('none works while the store cannot say which one may', async () => {
    const settings = await mailboxSettings(readConfiguration(environment), 'demo');
    if (settings === undefined) throw new Error('no settings');
    let away = false;
    const leases = {
      takeMailbox: async () => (away ? Promise.reject(new Error('away')) : { token: 'mine' }),
      keepMailbox: async () => (away ? Promise.reject(new Error('away')) : true),
      safeguard: async () => undefined,
      appendEvent: async () => undefined,
    };
    const one = startMesh({
      settings: { ...settings, folder: join(folder, 'alone') },
      intake: NO_INTAKE,
      leases,
      log: createLog('silent'),
      leaseMs: { renewEvery: 10, lostAfter: 50, retry: 20 },
    });
    await until(() => one.numbers !== undefined, 'it to work');
    away = true;
    await until(() => one.numbers === undefined, 'it to stop');
    // A busy machine may lose the lease by itself, and asks the store again a moment later.
    await until(() => one.check().detail.startsWith('The store cannot be asked'), 'the reason');
    expect([one.check().ok, one.numbers]).toEqual([false, undefined]);
    away = false;
    await until(() => one.numbers !== undefined, 'it to work again');
    await one.stop();
  });

  test('two on one disk never work at the same time, whatever the store says', async () => {
    const settings = await mailboxSettings(readConfiguration(environment), 'demo');
    if (settings === undefined) throw new Error('no settings');
    await mkdir(join(folder, 'shared'));
    const leases = {
      takeMailbox: async () => ({ token: 'mine' }),
      keepMailbox: async () => true,
      safeguard: async () => undefined,
      appendEvent: async () => undefined,
    };
    const start = () =>
      startMesh({
        settings: { ...settings, folder: join(folder, 'shared') },
        intake: NO_INTAKE,
        leases,
        log: createLog('silent'),
        leaseMs: { renewEvery: 50, lostAfter: 10_000, retry: 20 },
      });
    const both = [start(), start()];
    await until(() => both.some(({ numbers }) => numbers !== undefined), 'one of them');
    await until(() => both.some((one) => one.check().detail.startsWith('Another')), 'the other');
    expect(both.filter(({ numbers }) => numbers !== undefined)).toHaveLength(1);
    await Promise.all(both.map((one) => one.stop()));
  });
});

const listed = z.object({
  sent: z.array(z.object({ localId: z.string(), name: z.string(), state: z.string() })),
});

describe('cp-flags mesh', () => {
  test('processes the mailbox of a service that does not do so itself, and shows and repeats what was not delivered', async () => {
    const own = await startMeshServer();
    const files = await testFolder();
    const data = await startTestService({ authorities: [{ code: 'ZZ101' }] });
    const settings = {
      ...(await own.environment(files)),
      DATA_DIR: data.dataDir,
      INBOX_POLL_SECONDS: '0.1',
    };
    try {
      const before = await run(['mesh', 'list'], settings);
      expect(before.code).toBe(1);
      expect(before.stderr).toContain('No process has worked');
      // For now nothing can be sent to the council's mailbox.
      own.fault(({ path }) =>
        path.endsWith('/outbox')
          ? {
              kind: 'answer',
              status: 417,
              body: JSON.stringify({
                detail: [{ event: 'SEND', code: '12', msg: 'Unregistered' }],
              }),
            }
          : undefined,
      );
      own.put({ data: xml(1, 11) });
      const process = cpFlags(['mesh'], settings);
      await until(
        () => process.stderr().includes('not delivered') || process.gone(),
        'the refusal',
        START_MS,
      );
      expect(process.stdout()).toMatch(/^Mailbox X26CPF1 at https:.*every 1 s/);
      const shown = await run(['mesh', 'list'], settings);
      expect(shown.stdout).toMatch(
        /NOT DELIVERED: Acknowledgement of file 11: CPF02 to X26ABC1.*Code 12/,
      );
      const status = await run(['status'], settings);
      expect(status.stdout).toMatch(
        /^MESH: The mailbox in MESH has been emptied.*\n.* Not delivered: 1 message;/m,
      );
      const { sent } = listed.parse(
        JSON.parse((await run(['mesh', 'list', '--json'], settings)).stdout),
      );
      const localId = sent[0]?.localId ?? '';
      own.fault(undefined);
      const named = ['--by', 'A. Example', '--reason', 'open again'];
      const resent = await run(['mesh', 'resend', localId, ...named], settings);
      expect(resent.stdout).toContain('is sent again');
      await until(() => own.sentTo('X26ABC1').length === 1, 'the answer');
      expect((await data.events()).map(({ type }) => type)).toContain('mesh-resent');
      const unknown = await run(['mesh', 'drop', localId, ...named], settings);
      expect(unknown.code).toBe(1);
      expect(unknown.stderr).toContain('waits for a decision');
      process.kill('SIGTERM');
      expect(await process.ended).toMatchObject({ code: 0 });
    } finally {
      await data.stopAndRemove();
      await own.stop();
      await rm(files, { recursive: true, force: true, maxRetries: 5 });
    }
  });

  test('does not start if a secret is missing, and says which', async () => {
    const { code, stderr } = await run(['mesh'], { ...environment, MESH_KEY_FILE: '/nonexistent' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/MESH_KEY_FILE: .*\(ENOENT\)/);
  });

  test.for<[string, Record<string, string>, RegExp]>([
    ['a password', { MESH_PASSWORD_FILE: '' }, /MESH_PASSWORD_FILE: required/],
    ['a certificate', { MESH_CERT_FILE: '' }, /MESH_CERT_FILE: required/],
    ['a workflow', { MESH_WORKFLOW_ID: '' }, /MESH_WORKFLOW_ID: required/],
    ['TLS', { MESH_URL: 'http://mesh.example' }, /MESH_URL: must be an address/],
    [
      'a long enough poll interval',
      { MESH_URL: 'https://mesh-sync.spineservices.nhs.uk' },
      /MESH_POLL_SECONDS: must be at least 300/,
    ],
  ])('without %s no process starts, and the message says why', ([, differing, sentence]) => {
    expect(() => readConfiguration({ ...environment, ...differing })).toThrow(sentence);
  });
});
