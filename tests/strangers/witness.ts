import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseCheckpoint, signCheckpoint } from '#service/audit/tlog/checkpoint.ts';
import { EMPTY_ROOT, toBase64 } from '#service/audit/tlog/hash.ts';
import { makeSigner, parseSigner, parseWitnessKey, splitNote } from '#service/audit/tlog/note.ts';
import { addCheckpoint } from '#service/audit/witness/add-checkpoint.ts';
import { freePort } from '../support/ports.ts';
import { root, run as runCpFlags } from '../support/processes.ts';
import { startTestService, type TestService, testFolder, until } from '../support/service.ts';
import { absent, type Finding, type Ran, run } from './tools.ts';

const VERSION = 'v0.6.1';
const TOOL = `litewitness ${VERSION}`;
const NAME = 'witness.example/w1';

async function install(cache: string): Promise<{ litewitness: string } | { failed: Ran }> {
  const bin = join(cache, `litewitness-${VERSION}`);
  const litewitness = join(bin, 'litewitness');
  if (existsSync(litewitness)) return { litewitness };
  const package_ = `filippo.io/torchwood/cmd/litewitness@${VERSION}`;
  const failed = await run('env', [`GOBIN=${bin}`, 'go', 'install', package_]);
  return failed.code === 0 ? { litewitness } : { failed };
}

/** The witness, run as docs/verifying.md says, with its key in its own agent. */
async function startLitewitness(litewitness: string, folder: string) {
  const socket = join(folder, 'agent');
  const key = join(folder, 'witness-key');
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  const failed = await once(agent, 'spawn').then(
    () => false,
    () => true,
  );
  if (failed) return undefined;
  await until(() => existsSync(socket), 'ssh-agent');
  await run('ssh-keygen', [['-q', '-t', 'ed25519', '-N', '', '-C', 'witness', '-f', key]]);
  await run('env', [`SSH_AUTH_SOCK=${socket}`, 'ssh-add', key]);
  const shown = await run('ssh-keygen', ['-lf', `${key}.pub`]);
  const [, fingerprint = ''] = shown.output.split(' ');
  const database = join(folder, 'litewitness.db');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let said = '';
  let running: ChildProcess | undefined;
  async function start(): Promise<void> {
    const args = ['-db', database, '-name', NAME, '-ssh-agent', socket, '-key', fingerprint];
    running = spawn(litewitness, [...args, '-listen', `127.0.0.1:${port}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    running.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(async () => (await fetch(url).catch(() => undefined))?.ok === true, TOOL);
  }
  async function stop(): Promise<void> {
    if (running === undefined) return;
    const ended = once(running, 'exit');
    running.kill('SIGINT');
    await ended;
    running = undefined;
  }
  await start();
  const vkey = /vkey=(\S+)/.exec(said)?.[1] ?? '';
  return {
    url,
    vkey,
    start,
    stop,
    /** Tells the witness about a log, as docs/verifying.md does. */
    addLog(logKey: string): void {
      const db = new DatabaseSync(database, { timeout: 5_000 });
      const origin = logKey.slice(0, logKey.indexOf('+'));
      db.prepare('INSERT INTO log VALUES (?, 0, ?)').run(origin, toBase64(EMPTY_ROOT));
      db.prepare('INSERT INTO key VALUES (?, ?)').run(origin, logKey);
      db.close();
    },
    /** What size the witness knows for the one log. */
    size(): number {
      const db = new DatabaseSync(database, { readOnly: true, timeout: 5_000 });
      const row = db.prepare('SELECT tree_size FROM log').get();
      db.close();
      return Number(row?.['tree_size'] ?? 0);
    },
    async end(): Promise<void> {
      await stop();
      agent.kill();
    },
  };
}

async function outcomeOf(service: TestService, name: string): Promise<string> {
  const answer = await fetch(`${service.baseUrl}/_status`);
  const { checks } = (await answer.json()) as { checks: Record<string, { outcome: string }[]> };
  return checks[name]?.[0]?.outcome ?? '';
}

const lookUp = async (service: TestService): Promise<number> =>
  (await service.lookup({ nhsNumber: '9990000018' })).status;

/**
 * A witness written by others cosigns our log, and refuses a forged log and one that went back. With its help an old
 * copy of the whole data folder is refused at the start. What it cosigned can be verified with our command and with
 * other tools.
 */
export async function witness(cache: string): Promise<Finding[]> {
  const installed = await install(cache);
  if ('failed' in installed) return absent(TOOL, installed.failed);
  const folder = await testFolder();
  const findings: Finding[] = [];
  const judge = (passed: boolean, text: string, seen = ''): void => {
    findings.push({
      kind: passed ? 'passed' : 'failed',
      tool: TOOL,
      text: passed ? text : `${text}: ${seen}`,
    });
  };
  const other = await startLitewitness(installed.litewitness, folder);
  if (other === undefined) return absent('ssh-agent', { code: 1, output: 'there is none' });
  const services: TestService[] = [];
  try {
    const secret = makeSigner('cp-flags.example/strangers');
    const signer = parseSigner(secret);
    if (signer === undefined || parseWitnessKey(other.vkey) === undefined) {
      throw new Error(`not a key: ${other.vkey}`);
    }
    const logKey = signer.verifierKey.text;
    other.addLog(logKey);
    const [keyFile, witnesses] = [join(folder, 'key'), join(folder, 'witnesses')];
    await writeFile(keyFile, `${secret}\n`, { mode: 0o600 });
    await writeFile(witnesses, `witness w1 ${other.vkey} ${other.url}\nquorum w1\n`);
    const environment = { AUDIT_KEY_FILE: keyFile, AUDIT_WITNESSES: witnesses };
    const start = async (dataDir: string, kind: 'demo' | 'none'): Promise<TestService> => {
      const service = await startTestService({
        kind,
        dataDir,
        environment,
        authorities: [{ code: 'ZZ101' }],
      });
      services.push(service);
      return service;
    };
    const [newest, copy] = [join(folder, 'newest'), join(folder, 'copy')];
    const log = join(newest, 'audit');
    const noteOf = (): string => readFileSync(join(log, 'checkpoint'), 'utf8');

    const first = await start(newest, 'demo');
    await until(async () => (await lookUp(first)) === 200);
    await until(() => other.size() > 0, 'a cosignature');
    await first.stop();
    cpSync(newest, copy, { recursive: true });
    const oldNote = noteOf();

    const second = await start(newest, 'none');
    await other.stop();
    await until(async () => (await lookUp(second)) === 200);
    await until(() => noteOf() !== oldNote, 'a newer checkpoint');
    await other.start();
    const before = other.size();
    await until(() => other.size() > before, 'it to be brought up by a proof');
    judge(true, 'cosigns our checkpoints, after it was away too');
    await until(async () => (await outcomeOf(second, 'audit-witnessed')).startsWith('Checkpoints'));
    await second.stop();

    const verified = await runCpFlags(
      ['audit', 'verify', '--key', logKey, '--witnesses', witnesses, log],
      {},
    );
    judge(
      verified.code === 0 && verified.stdout.includes(`by ${NAME}`),
      'its cosignature verifies by cp-flags audit verify',
      verified.stdout + verified.stderr,
    );
    const witnessKeys = join(folder, 'witness-keys');
    await writeFile(witnessKeys, `${other.vkey}\n`);
    const byTools = await run('go', [
      '-C',
      join(root, 'tests/public-tools'),
      'run',
      '.',
      log,
      logKey,
      '',
      '',
      witnessKeys,
    ]);
    judge(
      byTools.code === 0 && /witnessed \d+ by 1/.test(byTools.output),
      'its cosignature verifies by transparency-dev/formats',
      byTools.output,
    );

    const submit = async (size: number, note: string) => {
      const { signal } = new AbortController();
      const old = { size, proof: [] };
      return JSON.stringify(
        await addCheckpoint({ url: other.url, old, note, deadlineMs: 5_000, signal }),
      );
    };
    const { size } = { size: other.size() };
    const checkpoint = { origin: signer.verifierKey.name, size: size + 1, root: 'x'.repeat(32) };
    const forged = await submit(size, signCheckpoint(checkpoint, [signer]));
    judge(forged === '{"kind":"inconsistent"}', 'refuses a forged continuation', forged);
    const stranger = parseSigner(makeSigner(signer.verifierKey.name));
    const unsigned = await submit(size, signCheckpoint(checkpoint, stranger ? [stranger] : []));
    judge(unsigned.includes('status 403'), 'refuses a checkpoint by another key', unsigned);
    const oldText = splitNote(Buffer.from(oldNote));
    const oldSize = oldText.kind === 'note' ? (parseCheckpoint(oldText.text)?.size ?? 0) : 0;
    const back = await submit(oldSize, oldNote);
    judge(
      back === JSON.stringify({ kind: 'knows', size }),
      'refuses a checkpoint that went back',
      back,
    );

    const old = await start(copy, 'none');
    await until(async () => (await outcomeOf(old, 'audit-witnessed')).includes('old copy'));
    const refused = await lookUp(old);
    judge(
      refused === 503,
      'has an old copy of the data folder refused at the start',
      String(refused),
    );
    const confirmed = await runCpFlags(
      ['confirm', 'old-copy', '--by', 'A. Example', '--reason', 'the newest is lost'],
      { DATA_DIR: copy, ...environment },
    );
    await until(async () => (await lookUp(old)) === 200, 'lookups after the confirmation');
    judge(confirmed.code === 0, 'a named person continues with the old copy', confirmed.stderr);
  } finally {
    for (const service of services) await service.stopAndRemove();
    await other.end();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return findings;
}
