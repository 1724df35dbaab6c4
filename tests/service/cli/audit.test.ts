import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { sealedRange } from '#service/audit/log/sealed.ts';
import { readKeys } from '#service/audit/seal/keys.ts';
import { openCheckpoint } from '#service/audit/tlog/checkpoint.ts';
import { tilePath } from '#service/audit/tlog/tiles.ts';
import { findEntries } from '#service/audit/verify/prove.ts';
import { makeLog, removeAuditFolders, signerOf } from '../../support/audit.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { writeExpected } from '../../support/processes.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';

const run = commandsInTurn();

const CHILD = testNumber(301);
let service: TestService;
let folder: string;

beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
  folder = join(service.dataDir, 'audit');
});
afterAll(async () => {
  await service?.stopAndRemove();
  removeAuditFolders();
});

const audit = (...args: string[]) => run(['audit', ...args], { DATA_DIR: service.dataDir });
const verifiers = async () =>
  (await readKeys(join(service.dataDir, 'audit-key'))).map(({ verifierKey }) => verifierKey);
const publicKey = async () => (await verifiers())[0]?.text ?? '';

/** Whether a signed checkpoint covers it: that is written after the event, and its key before the first event. */
async function isSealed(auditId: string): Promise<boolean> {
  if (!existsSync(join(folder, 'checkpoint'))) return false;
  return findEntries(folder, await verifiers(), auditId).length > 0;
}

/** Looks up a child and waits until the lookup has been sealed. */
async function sealedLookup(): Promise<string> {
  let auditId = '';
  await until(async () => {
    const response = await service.lookup({ nhsNumber: CHILD });
    if (response.status !== 200) return false;
    auditId = lookupAnswerSchema.parse(await response.json()).auditId;
    return true;
  }, 'an answer');
  await until(() => isSealed(auditId), 'the sealing');
  return auditId;
}

test('init makes the log’s key once, and only its owner can read it', async () => {
  const dataDir = await testFolder();
  try {
    const environment = {
      DATA_DIR: dataDir,
      AUDIT_ORIGIN: 'flags.example/audit',
      EXPECTED_AUTHORITIES_FILE: await writeExpected(dataDir),
    };
    expect((await run(['init', '--live'], environment)).code).toBe(0);
    const path = join(dataDir, 'audit-key');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const key = readFileSync(path, 'utf8');
    expect(key).toMatch(/^PRIVATE\+KEY\+flags\.example\/audit\+/);
    const { stdout } = await run(['audit', 'key'], environment);
    expect(stdout).toMatch(/^flags\.example\/audit\+[0-9a-f]{8}\+A[\w+/=]+\n$/);
    expect(readFileSync(path, 'utf8')).toBe(key);
  } finally {
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
});

test('the log of a running service verifies, and the verification says what it covers', async () => {
  await sealedLookup();
  const { code, stdout } = await audit('verify', '--key', await publicKey(), '--json');
  expect(code).toBe(0);
  const { log, findings } = z
    .object({ log: z.object({ size: z.number() }), findings: z.array(z.unknown()) })
    .parse(JSON.parse(stdout));
  expect(log.size).toBeGreaterThan(0);
  expect(findings).toEqual([]);
});

describe('a proof', () => {
  test('of an answer is accepted elsewhere with the public key alone', async () => {
    const auditId = await sealedLookup();
    const { stdout, ...made } = await audit('prove', auditId);
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^c2sp\.org\/tlog-proof@v1\n/);
    const elsewhere = await testFolder();
    const [proof, key] = [join(elsewhere, 'a.tlog-proof'), join(elsewhere, 'key.txt')];
    writeFileSync(proof, stdout);
    writeFileSync(key, `${await publicKey()}\n`);
    const environment = { DATA_DIR: elsewhere };
    const good = await run(['audit', 'verify', '--key', key, proof], environment);
    expect(good.code).toBe(0);
    expect(good.stdout).toContain(`"auditId":"${auditId}"`);
    const other = await run(
      ['audit', 'verify', '--key', signerOf().verifierKey.text, proof],
      environment,
    );
    expect(other.code).toBe(3);
    expect(other.stdout).toContain('NOT PROVEN');
    await rm(elsewhere, { recursive: true, force: true, maxRetries: 5 });
  });

  test('of an audit id that several events have says which one it proves, and which others there are', async () => {
    const auditId = await sealedLookup();
    const asked = { type: 'authority-set', auditId: randomUUID(), by: 'test' } as const;
    await service.store.appendEvent({ ...asked, detail: { auditId } });
    await service.store.appendEvent({ type: 'not-delivered', auditId, nhsNumber: CHILD });
    let entries: number[] = [];
    await until(async () => {
      entries = findEntries(folder, await verifiers(), auditId);
      return entries.length === 2;
    }, 'the sealing of both');
    const [first, second] = entries;
    const { stdout, stderr } = await audit('prove', auditId);
    expect(stdout).toContain(`\nindex ${first}\n`);
    expect(stderr).toContain(
      `This proves entry ${first}. Other entries have the same audit id: ${second}.`,
    );
    const other = await audit('prove', auditId, '--entry', String(second));
    expect(other.stdout).toContain(`\nindex ${second}\n`);
    const event = Buffer.from(/^extra (.*)$/m.exec(other.stdout)?.[1] ?? '', 'base64').toString();
    expect(event).toContain('"type":"not-delivered"');
  });

  test('is not made for anything that does not exist', async () => {
    const nobody = await audit('prove', '00000000-0000-4000-8000-000000000000');
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toContain('No sealed event has this audit id');
  });
});

test('a damaged log is named and exits with 3, wrong usage exits with 2, and no log with 1', async () => {
  const signer = signerOf();
  const { folder: log } = makeLog(600, signer);
  const bundle = join(log, tilePath('entries', 1));
  const bytes = readFileSync(bundle);
  bytes[300] = (bytes[300] ?? 0) ^ 1;
  writeFileSync(bundle, bytes);
  const key = signer.verifierKey.text;
  const changed = await audit('verify', '--key', key, log);
  expect(changed.code).toBe(3);
  expect(changed.stdout).toMatch(/NOT WHOLE: 1 finding\.\n {2}entry-changed: tile\/entries\/001/);
  expect((await audit('verify', '--key', key, '--newest-within', 'x', log)).code).toBe(2);
  expect((await audit('verify', '--key', key, join(log, 'absent'))).code).toBe(1);
});

test('a copy of a running log, checkpoint first, is whole, and says what it does not cover', async () => {
  const copy = await testFolder();
  const kept = join(copy, 'kept');
  await sealedLookup();
  cpSync(join(folder, 'checkpoint'), join(copy, 'checkpoint'));
  await sealedLookup();
  // The sealer may take away a file that has become longer while the folder is being copied.
  await until(() => {
    rmSync(join(copy, 'tile'), { recursive: true, force: true });
    try {
      cpSync(join(folder, 'tile'), join(copy, 'tile'), { recursive: true });
      return true;
    } catch {
      return false;
    }
  }, 'a copy of the log');
  const { code, stdout } = await audit('verify', copy);
  expect({ code, stdout }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/^Not covered: \d+ entr(y|ies) past the checkpoint/m);
  expect(stdout).toContain('WHOLE: nothing is missing');

  // Damage to a kept copy of the checkpoint says nothing about the log.
  writeFileSync(kept, readFileSync(join(copy, 'checkpoint'), 'utf8').replaceAll('\n', '\r\n'));
  expect((await audit('verify', '--checkpoint', kept, copy)).code).toBe(0);
  writeFileSync(kept, readFileSync(kept, 'utf8').replace('\n', '\nx'));
  const damaged = await audit('verify', '--checkpoint', kept, copy);
  expect(damaged.code).toBe(4);
  expect(damaged.stdout).not.toContain('NOT WHOLE');
  expect(damaged.stdout).toContain(`Not compared: ${kept} is damaged`);
  await rm(copy, { recursive: true, force: true, maxRetries: 5 });
});

test('a new key signs beside the old one, which is retired once the new one signs, both on record', async () => {
  const old = await publicKey();
  const ofOldKey = readFileSync(join(folder, 'checkpoint'));
  const named = ['--by', 'A. Guardian', '--reason', 'yearly change'];
  const added = await audit('key', '--add', ...named);
  const [current] = added.stdout.trim().split('\n');
  expect(added.stdout.trim().split('\n')).toEqual([current, old]);
  expect(current).not.toBe(old);
  const [newKey, oldKey] = await verifiers();
  const signedBy = () => {
    const opened = openCheckpoint(
      readFileSync(join(folder, 'checkpoint')),
      [newKey, oldKey].flatMap((each) => each ?? []),
    );
    return opened.kind === 'signed' ? opened.by : [];
  };
  await until(() => signedBy().length === 2, 'both keys');
  expect((await audit('key', '--retire', ...named)).code).toBe(0);
  expect(await publicKey()).toBe(current);
  const kept = join(await testFolder(), 'checkpoint');
  writeFileSync(kept, ofOldKey);
  const printed = await audit('key');
  expect(printed.stdout.split('\n')).toEqual([
    current,
    expect.stringMatching(`^${old?.replaceAll(/[+/]/g, '\\$&')} retired 2`) as string,
    '',
  ]);
  await until(() => signedBy().length === 1 && signedBy()[0] === newKey, 'the new key alone');
  const types = (await service.events()).map(({ type }) => type);
  expect(types).toContain('audit-key-added');
  expect(types).toContain('audit-key-retired');

  // Checkpoints kept from that time still need the retired key, and nothing newer is accepted with it.
  const keyFile = join(dirname(kept), 'key.txt');
  writeFileSync(keyFile, printed.stdout);
  const verified = await audit('verify', '--key', keyFile, '--checkpoint', kept);
  expect({ ...verified }).toMatchObject({ code: 0 });
  writeFileSync(keyFile, printed.stdout.split('\n')[1] ?? '');
  expect((await audit('verify', '--key', keyFile)).stdout).toContain('checkpoint-invalid');
  await rm(dirname(kept), { recursive: true, force: true, maxRetries: 5 });
});

test('a key is added or retired, and a hold started, only if that can be recorded', async () => {
  const path = join(service.dataDir, 'audit-key');
  const before = readFileSync(path, 'utf8');
  const retired = readFileSync(`${path}.retired`, 'utf8');
  const unrecorded = (...args: string[]) =>
    run(['audit', ...args, '--by', 'A. Guardian', '--reason', 'a trial'], {
      DATA_DIR: service.dataDir,
      REDIS_URL: 'redis://127.0.0.1:1',
    });
  expect((await unrecorded('key', '--add')).code).toBe(1);
  expect(readFileSync(path, 'utf8')).toBe(before);
  expect((await unrecorded('hold')).code).toBe(1);
  expect((await audit('hold', '--list')).stdout).toContain('No hold');

  expect((await audit('key', '--add', '--by', 'A. Guardian', '--reason', 'a trial')).code).toBe(0);
  const two = readFileSync(path, 'utf8');
  const [current] = await verifiers();
  await until(() => {
    const checkpoint = readFileSync(join(folder, 'checkpoint'));
    return openCheckpoint(checkpoint, current === undefined ? [] : [current]).kind === 'signed';
  }, 'the new key to sign');
  expect((await unrecorded('key', '--retire')).code).toBe(1);
  expect(readFileSync(path, 'utf8')).toBe(two);
  expect(readFileSync(`${path}.retired`, 'utf8')).toBe(retired);
  expect((await audit('key', '--retire', '--by', 'A. Guardian', '--reason', 'a trial')).code).toBe(
    0,
  );
});

test('a hold says who set it and why, is on record, and can be ended', async () => {
  const holds = () => {
    const commits = CommitFile.open(folder);
    const found = commits.retentionHolds();
    commits.close();
    return found;
  };
  expect((await audit('hold', '--by', 'A. Guardian', '--reason', 'inquiry')).code).toBe(0);
  expect(holds()).toMatchObject([{ by: 'A. Guardian', reason: 'inquiry' }]);
  expect((await audit('hold', '--list')).stdout).toContain('A. Guardian: inquiry');
  const id = `${holds()[0]?.id}`;
  // If Redis cannot record it, no hold is ended.
  const unrecorded = await run(
    ['audit', 'hold', '--end', id, '--by', 'A. Guardian', '--reason', 'closed'],
    { DATA_DIR: service.dataDir, REDIS_URL: 'redis://127.0.0.1:1' },
  );
  expect(unrecorded.code).toBe(1);
  expect(holds()).toHaveLength(1);
  const end = ['hold', '--end', id, '--by', 'A. Guardian', '--reason', 'closed'];
  expect((await audit(...end)).code).toBe(0);
  expect((await audit(...end)).code).toBe(1);
  expect(holds()).toEqual([]);
  // Anybody can give any name, so the user account is recorded beside it.
  const { username: account } = userInfo();
  const acts = (await service.events()).filter(({ type }) => type.startsWith('audit-hold'));
  expect(acts).toMatchObject([
    { type: 'audit-hold', by: 'A. Guardian', detail: { reason: 'inquiry', account } },
    { type: 'audit-hold-ended', by: 'A. Guardian', detail: { reason: 'closed', account } },
  ]);
});

test('status and /_status say how the sealing is going', async () => {
  await sealedLookup();
  const { stdout } = await run(['status', '--json'], { DATA_DIR: service.dataDir });
  const { audit: told } = z
    .object({ audit: z.object({ ok: z.boolean(), sealed: z.number(), detail: z.string() }) })
    .parse(JSON.parse(stdout));
  expect(told).toMatchObject({ ok: true });
  expect(told.sealed).toBeGreaterThan(0);
  await until(async () => {
    const body = await (await fetch(`${service.baseUrl}/_status`)).text();
    return body.includes('"audit-sealed":[{"status":"pass"');
  }, 'the check');
  expect((await audit('accept-gap', '--by', 'x', '--reason', 'y')).stderr).toContain(
    'there is no gap',
  );
});

test('if events disappear from Redis, the check warns and lookups stop', async () => {
  await sealedLookup();
  const stream = 'cpf:{system}:audit';
  // The next event number jumps ahead, as if Redis had counted events that are in no stream.
  const used = (sealedRange(folder)?.numbers.at(-1) ?? 0) + 5;
  await service.admin.call('XSETID', stream, `0-${used}`, 'ENTRIESADDED', used);
  await service.store.appendEvent({
    type: 'authority-set',
    auditId: '00000000-0000-4000-8000-000000000001',
    by: 'test',
    detail: {},
  });
  await until(async () => {
    const body = await (await fetch(`${service.baseUrl}/_status`)).text();
    return body.includes('"audit-sealed":[{"status":"warn"');
  }, 'the check');
  await until(
    () => service.lines.some((line) => line.includes('The numbering of audit events is broken')),
    'the log to say so',
  );
  // Once a named person answers for the gap, sealing continues.
  const accepted = await audit('accept-gap', '--by', 'A. Guardian', '--reason', 'disk lost');
  expect(accepted.code).toBe(0);
  await until(async () => {
    const body = await (await fetch(`${service.baseUrl}/_status`)).text();
    return body.includes('"audit-sealed":[{"status":"pass"');
  }, 'the sealing to continue');
  const { stdout, code } = await audit('verify');
  expect(code).toBe(0);
  expect(stdout).toContain('Explained: Events');
  expect(stdout).toContain('accepted by A. Guardian');
});
