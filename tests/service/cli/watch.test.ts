import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { controlXml } from '../../support/mesh.ts';
import { cpFlags, run } from '../../support/processes.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';
import { START_MS } from '../../support/until.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

let service: TestService;
let folder: string;
let environment: Record<string, string>;

beforeAll(async () => {
  folder = await testFolder();
  service = await startTestService({ authorities: [{ code: 'ZZ101' }, { code: 'ZZ102' }] });
  environment = {
    DATA_DIR: service.dataDir,
    INBOX_SETTLE_SECONDS: '0.02',
    INBOX_POLL_SECONDS: '0.05',
    MESH_WORKFLOW_ID: 'TEST_WORKFLOW',
  };
});
afterAll(async () => {
  await service?.stopAndRemove();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function inbox(name: string): Promise<string> {
  const dir = join(folder, name);
  await mkdir(dir);
  return dir;
}

async function startWatching(dir: string) {
  const watcher = cpFlags(['watch', dir], environment);
  const watches = () => watcher.stdout().includes('watches') || watcher.gone();
  await until(watches, 'the watcher', START_MS);
  return watcher;
}

const xml = (authority: string, sequence: number): string =>
  fileXml(upload({ authority, sequence, records: [planOf(40_000 + sequence)] }));

async function answers(dir: string): Promise<string[]> {
  const names = await readdir(join(dir, 'outbox'));
  return names.filter((name) => name.endsWith('.json') || name.endsWith('.ctl'));
}

test('a watcher that is killed again and again answers every file and loads every row', async () => {
  const dir = await inbox('killed');
  const files = 12;
  for (let n = 0; n < files; n++) {
    const authority = n % 2 === 0 ? 'ZZ101' : 'ZZ102';
    if (n % 3 === 0) {
      await writeFile(join(dir, `p${n}.dat`), xml(authority, 10 + n));
      await writeFile(join(dir, `p${n}.ctl`), controlXml());
    } else {
      await writeFile(join(dir, `f${n}.xml`), xml(authority, 10 + n));
    }
  }
  for (const after of [1, 4, 7]) {
    const watcher = await startWatching(dir);
    await until(async () => (await answers(dir)).length >= after || watcher.gone());
    watcher.kill('SIGKILL');
    await watcher.ended;
  }
  const last = await startWatching(dir);
  await until(async () => {
    const left = [
      ...(await readdir(dir)).filter((name) => /\.(?:xml|dat|ctl)$/.test(name)),
      ...(await readdir(join(dir, 'processing'))).filter((name) => !name.startsWith('inbox.lock')),
    ];
    return left.length === 0;
  }, 'everything to be answered');
  last.kill('SIGTERM');
  expect(await last.ended).toMatchObject({ code: 0 });
  expect(await readdir(join(dir, 'failed'))).toEqual([]);
  expect(await readdir(join(dir, 'done'))).toEqual([]);
  for (let n = 0; n < files; n++) {
    const { nhsNumber } = planOf(40_010 + n).child ?? {};
    const looked = await service.answered({ nhsNumber });
    expect(await looked.json()).toMatchObject({ outcome: 'flagged' });
    if (n % 3 === 0) continue;
    const text = await readFile(join(dir, 'outbox', `f${n}.xml.ack.json`), 'utf8');
    expect(acknowledgementSchema.parse(JSON.parse(text))).toMatchObject({ code: 'CPF02' });
  }
  const sent = (await answers(dir)).filter((name) => name.endsWith('.ctl'));
  expect(sent.length).toBeGreaterThanOrEqual(4);
});

test('a watcher logs what it does, and nothing about a child', async () => {
  const dir = await inbox('log');
  const watcher = await startWatching(dir);
  await writeFile(join(dir, 'good.xml'), xml('ZZ101', 101));
  await writeFile(join(dir, 'bad.xml'), xml('ZZ101', 102).slice(0, 400));
  await writeFile(join(dir, 'new.xml'), xml('ZZ150', 1));
  await until(async () => (await answers(dir)).length === 3);
  await until(() => (watcher.stderr().match(/CPF0/g) ?? []).length === 3);
  watcher.kill('SIGINT');
  const { code, stderr } = await watcher.ended;
  expect(code).toBe(0);
  expect(stderr).toContain('"code":"CPF02"');
  expect(stderr).toContain('"code":"CPF04"');
  expect(stderr).not.toContain(planOf(40_101).child?.nhsNumber);
  expect(stderr).not.toContain('Example');
});

test.for<[string, string[], number, string]>([
  ['of a missing folder', ['watch', '/nonexistent'], 1, 'is not a folder'],
  ['that would read its own answers', ['watch', '/tmp', '--out', '/tmp'], 2, '--out'],
])('a watcher %s does not start', async ([, args, expected, sentence]) => {
  const { code, stderr } = await run(args, environment);
  expect(code).toBe(expected);
  expect(stderr).toContain(sentence);
});

test('a watcher of MESH pairs needs to know the mailboxes, unless the dataset is a demo', async () => {
  const dir = await inbox('live');
  const nothing = { ...environment, DATA_DIR: join(folder, 'nothing') };
  const { code, stderr } = await run(['watch', dir], nothing);
  expect(code).toBe(1);
  expect(stderr).toContain('MESH_MAILBOXES_FILE');
});
