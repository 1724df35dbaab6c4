import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COPY } from '#schemas/wording/copy.ts';
import { sealedRange } from '#service/audit/log/sealed.ts';
import { meshFolder } from '#service/files/data-folder.ts';
import { MeshFile } from '#service/mesh/mesh-file.ts';
import { streamStates } from '#store/audit-stream/audit-stream.ts';
import { keys } from '#store/keys.ts';
import { commandsInTurn } from '../support/commands.ts';
import { testNumber } from '../support/rows.ts';
import { startTestService, type TestService, testFolder, until } from '../support/service.ts';
import { WAIT_MS } from '../support/test-store.ts';

/** An old copy of the anchor and the audit log, used with a Redis that a worker has since written to. */

const run = commandsInTurn();
const CHILD = testNumber(1);
const BY = ['--by', 'A. Example', '--reason', 'test'];
const MESH_MAILBOX = 'X26OT001';
const LOCAL_ID = 'cpf-0123456789abcdef0123456789abcdef-1';
let folder: string;
let service: TestService;

const settings = (name: string) => ({
  AUDIT_DIR: join(folder, name, 'audit'),
  ANCHOR_DIR: join(folder, name, 'anchor'),
});
const command = (name: string, ...args: string[]) =>
  run(
    args,
    { DATA_DIR: folder, ...(args[0] === 'mesh' && { MESH_MAILBOX }), ...settings(name) },
    CHILD,
  );

async function look(): Promise<number> {
  return (await service.lookup({ nhsNumber: CHILD })).status;
}

/** Makes one more lookup, whose event is then sealed and removed from Redis. */
async function lookAndSeal(name: string): Promise<void> {
  const sizeOf = () => sealedRange(settings(name).AUDIT_DIR)?.size ?? 0;
  const before = sizeOf();
  await until(async () => (await look()) === 200, 'an answer');
  await until(() => sizeOf() > before, 'its event to be sealed');
}

/** How many events that are not about a child were ever recorded. */
const actsRecorded = async () => (await streamStates(service.admin)).at(-1)?.last;
const said = async () => (await fetch(`${service.baseUrl}/_status`)).text();

const start = (name: string, differing: Parameters<typeof startTestService>[0] = {}) =>
  startTestService({ kind: 'none', dataDir: folder, environment: settings(name), ...differing });

beforeAll(async () => {
  folder = await testFolder();
  const mailbox = meshFolder({ DATA_DIR: folder }, MESH_MAILBOX);
  mkdirSync(mailbox, { recursive: true });
  MeshFile.open(mailbox).close();
  const authorities = [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }];
  service = await start('newest', { kind: 'demo', authorities });
  await lookAndSeal('newest');
  await service.stop();
  cpSync(join(folder, 'newest'), join(folder, 'old'), { recursive: true });
  service = await start('newest');
  for (let i = 0; i < 3; i++) await lookAndSeal('newest');
});
afterAll(() => service?.stopAndRemove());

test.each([
  ['load', join(import.meta.dirname, 'old-log.test.ts')],
  ['release', 'ZZ101-1', ...BY],
  ['release', 'ZZ101-1', '--discard', ...BY],
  ['authority', 'reset-sequence', 'ZZ101', ...BY],
  ['authority', 'confirm-plans', 'ZZ101', '--full-refresh', '3', ...BY],
  ['authority', 'remove', 'ZZ101', ...BY],
  ['purge'],
  ['withdraw', 'ZZ101', '--child', '-', '--urgent', ...BY],
  ['repair', ...BY],
  ['confirm', 'promotion', ...BY],
  ['confirm', 'clock', ...BY],
  ['audit', 'hold', ...BY],
  ['mesh', 'resend', LOCAL_ID, ...BY],
  ['mesh', 'drop', LOCAL_ID, ...BY],
])(
  'a command with an old copy of the folders is refused and changes nothing: %s %s',
  async (...args) => {
    const acts = await actsRecorded();
    const { code, stdout, stderr } = await command('old', ...args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /The audit log in AUDIT_DIR has [\d,]+ events?, and a worker has sealed/,
    );
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await actsRecorded()).toBe(acts);
  },
);

test('the same commands are not refused with the worker’s own folders', async () => {
  expect(await command('newest', 'purge')).toMatchObject({ code: 0 });
  expect((await command('newest', 'repair', '--list')).stdout).toContain('Nothing was found');
});

test.each([
  ['audit', 'hold', ...BY],
  ['audit', 'erase-cases', '--ended-before', '1/1/2020', ...BY],
  ['confirm', 'clock', ...BY],
  ['purge'],
  ['mesh', 'resend', LOCAL_ID, ...BY],
  ['mesh', 'drop', LOCAL_ID, ...BY],
])(
  'a command with the folders of a worker that another has replaced is refused and changes nothing, however new the log there is: %s %s',
  async (...args) => {
    const acts = await actsRecorded();
    await service.admin.set(keys.workerAtWork, '2');
    try {
      const environment = {
        DATA_DIR: folder,
        MESH_MAILBOX,
        ...settings('newest'),
        AUDIT_COPY: join(folder, 'second-copy'),
      };
      const { code, stdout, stderr } = await run(args, environment, CHILD);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toContain(COPY.notTheWorker);
      expect(await actsRecorded()).toBe(acts);
    } finally {
      await service.admin.del(keys.workerAtWork);
    }
  },
);

test.each([
  { what: 'nothing', holder: 'another', isRefused: true },
  { what: 'what is left', holder: undefined, isRefused: false },
])(
  'with the folders of a worker that was replaced, $what is accepted while the worker that runs is $holder',
  async ({ holder, isRefused }) => {
    const acts = await actsRecorded();
    await service.admin.set(keys.workerAtWork, '2');
    if (holder !== undefined) await service.admin.set(keys.workerLock, holder);
    try {
      for (const args of [
        ['audit', 'accept-gap', ...BY],
        ['confirm', 'old-copy', ...BY],
      ]) {
        const environment = {
          DATA_DIR: folder,
          ...settings('newest'),
          AUDIT_COPY: join(folder, 'second-copy'),
        };
        const { code, stdout, stderr } = await run(args, environment, CHILD);
        expect([code, stdout]).toEqual([1, '']);
        // Nothing is missing or old here, which is what the command says if it is not refused.
        expect(stderr.includes(COPY.notTheWorker)).toBe(isRefused);
      }
      expect(await actsRecorded()).toBe(acts);
    } finally {
      await service.admin.del(keys.workerAtWork, keys.workerLock);
    }
  },
);

test('the status with an old copy of the folders says so, and does not say that no worker runs', async () => {
  const { stdout, stderr } = await command('old', 'status');
  expect(stderr).toBe('');
  expect(stdout).toContain('it is an old copy or another folder');
  expect(stdout).not.toContain('Start a process');
});

test('while a worker runs with a newer log, no gap can be accepted with an old copy', async () => {
  const acts = await actsRecorded();
  const { code, stderr } = await command('old', 'audit', 'accept-gap', ...BY);
  expect([code, stderr]).toEqual([1, expect.stringContaining('a worker is running')]);
  expect(await actsRecorded()).toBe(acts);
});

test('the status on a machine without the audit log says where the log is, and does not say that nobody seals or notifies', async () => {
  const { stdout } = await command('nowhere', 'status');
  expect(stdout).toContain('It is on the machine of the worker');
  expect(stdout).not.toContain('PROBLEM');
  expect(stdout).not.toContain('Start a process');
});

test(
  'a worker with an old copy of its folders says so, and does not say to restore Redis, until a named person continues with it',
  async () => {
    await service.stop();
    service = await start('old');
    await until(async () => /audit-sealed[^\]]*it is an old copy/.test(await said()), 'the log');
    await until(async () => /store:opened[^\]]*it is an old copy/.test(await said()), 'the store');
    expect(await said()).not.toContain('restore Redis');
    expect(await look()).toBe(503);

    expect(await command('old', 'audit', 'accept-gap', ...BY)).toMatchObject({ code: 0 });
    // This makes the worker look now, rather than up to ten seconds later.
    await service.admin.del(keys.open);
    await until(async () => (await look()) === 200, 'lookups to be answered again');
    await until(async () => /"audit-sealed":\[\{"status":"pass"/.test(await said()), 'sealing');
    await lookAndSeal('old');
    const verified = await command('old', 'audit', 'verify');
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('Explained:')]);
    expect((await command('old', 'audit', 'accept-gap', ...BY)).stderr).toContain(
      'there is no gap',
    );
  },
  4 * WAIT_MS,
);
