import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { SAMPLE_NUMBERS } from '#schemas/sample.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { readDemo, root, run, startServing } from '../../support/processes.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, fill, testFolder, until } from '../../support/service.ts';
import { startTestStore } from '../../support/test-store.ts';
import { untilAnswered } from '../../support/until.ts';

/**
 * Versions whose data folders and processes must still work with this one, and whether their answers count a person's
 * looks and list the person at the latest of them.
 */
const PREVIOUS = [
  { name: 'a build from before 0.1.0', commit: '2ebcbc9', counts: false },
  { name: '0.1.0', commit: '5562cd9a', counts: true },
];

const shownSchema = z.object({ flags: z.array(z.object({ type: z.string() })) });

const accessesSchema = z.object({
  accesses: z.array(z.object({ name: z.string(), count: z.int().optional() })),
});

const git = (...args: readonly string[]): Buffer =>
  execFileSync('git', ['-C', root, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1_048_576,
  });

/** Whether git and a version are both here: a shallow clone has no history. */
function isAtHand(commit: string): boolean {
  try {
    git('cat-file', '-e', `${commit}^{commit}`);
    return true;
  } catch {
    return false;
  }
}

const isReady = async (baseUrl: string) => (await fetch(`${baseUrl}/_status`)).status === 200;

const lookup = (baseUrl: string, token: string, nhsNumber: string) =>
  untilAnswered(() => ask(baseUrl, token, nhsNumber));

async function ask(baseUrl: string, token: string, nhsNumber: string) {
  const answer = await fetch(`${baseUrl}/lookup`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'x-request-id': randomUUID(),
    },
    body: JSON.stringify({ nhsNumber }),
  });
  return { status: answer.status, body: await answer.json() };
}

const typesShown = (body: unknown): string[] =>
  shownSchema.parse(body).flags.map(({ type }) => type);

describe.each(PREVIOUS)('$name', ({ commit, counts }) => {
  const atHand = isAtHand(commit);
  let folder: string;
  let previous: string;
  const ending: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    folder = await testFolder();
    previous = join(folder, 'previous');
    await mkdir(previous, { recursive: true });
    if (!atHand) return;
    execFileSync('tar', ['-x', '-C', previous], { input: git('archive', commit) });
    await symlink(join(root, 'node_modules'), join(previous, 'node_modules'));
    await symlink('cli.ts', join(previous, 'service', 'cli.mjs'));
  });
  afterAll(async () => {
    for (const end of ending.toReversed()) await end();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  async function serve(args: string[], environment: Record<string, string>, tree?: string) {
    const service = await startServing(args, { LOG_LEVEL: 'warn', ...environment }, tree);
    ending.push(() => service.stop());
    await until(() => isReady(service.baseUrl), 'the process to be ready');
    return service;
  }

  /**
   * The earlier version with its demo, and what it answers. The build from before 0.1.0 answers 503 until it is started
   * again, if a lookup that came too late is repeated while the first still waits for the directory of authorities.
   */
  async function answeredByPrevious(environment: { DATA_DIR: string }, nhsNumber: string) {
    for (let start = 1; ; start++) {
      const old = await serve(['--demo'], environment, previous);
      const { tokens } = await readDemo(environment.DATA_DIR);
      const token = tokens['emergency-department'] ?? Object.values(tokens)[0] ?? '';
      const before = await lookup(old.baseUrl, token, nhsNumber).catch((error: unknown) => {
        if (start === 2) throw error;
      });
      if (before !== undefined) return { old, token, before };
      await old.stop();
    }
  }

  test.skipIf(!atHand)(
    'an earlier version’s data folder opens with its flags, audit and tokens unchanged',
    async () => {
      const environment = { DATA_DIR: join(folder, 'data') };
      const flagged = SAMPLE_NUMBERS[0]?.nhsNumber ?? '';
      const { old, token, before } = await answeredByPrevious(environment, flagged);
      expect(before).toMatchObject({ status: 200, body: { outcome: 'flagged' } });
      await old.stop();

      const now = await serve(['--demo'], environment);
      const after = await lookup(now.baseUrl, token, flagged);
      expect(after).toMatchObject({ status: 200, body: { outcome: 'flagged' } });
      expect(typesShown(after.body)).toEqual(typesShown(before.body));
      const log = join(environment.DATA_DIR, 'audit');
      await until(() => existsSync(join(log, 'checkpoint')), 'the events to be sealed');
      await now.stop();
      const key = await run(['audit', 'key'], environment);
      expect(key).toMatchObject({ code: 0, stderr: '' });
      const verified = await run(['audit', 'verify', '--key', key.stdout.trim(), log], environment);
      expect(verified).toMatchObject({ code: 0, stderr: '' });
    },
  );

  test.skipIf(!atHand)(
    'lookup processes of an earlier version and this one answer side by side on one Redis',
    async () => {
      const store = await startTestStore({ kind: 'demo' });
      ending.push(() => store.stop());
      const held = testNumber(950);
      await fill(store.adminStore, store.anchor, { code: 'ZZ101', rows: [{ nhsNumber: held }] });
      const { username, password } = store.server.users.admin;
      const environment = (role: string) => ({
        ROLE: role,
        DATA_DIR: store.dataDir,
        REDIS_URL: `unix://${username}:${password}@localhost${store.server.socketPath}`,
      });
      // Each version's worker installs the functions that its own lookup processes call.
      const oldWorker = await serve([], environment('worker'), previous);
      const oldLookup = await serve([], environment('lookup'), previous);
      await oldWorker.stop();
      await serve([], environment('worker'));
      const newLookup = await serve([], environment('lookup'));

      const token = await (await openDemoIssuer(store.dataDir)).sign(claims(), 3_600);
      for (let round = 0; round < 5; round++) {
        for (const { baseUrl } of [oldLookup, newLookup]) {
          expect(await lookup(baseUrl, token, held)).toMatchObject({
            status: 200,
            body: { outcome: 'flagged' },
          });
          expect(await lookup(baseUrl, token, testNumber(951))).toMatchObject({
            status: 200,
            body: { outcome: 'not-flagged' },
          });
        }
      }

      // Each version records who looked where the other can find it, so nobody goes missing.
      const issuer = await openDemoIssuer(store.dataDir);
      const as = (name: string) =>
        issuer.sign(claims({ sub: name.replace(' ', '-'), name }), 3_600);
      const seen = async (baseUrl: string, name: string) => {
        const { body } = await lookup(baseUrl, await as(name), held);
        return accessesSchema.parse(body).accesses.map((access) => [access.name, access.count]);
      };
      expect(await seen(newLookup.baseUrl, 'New Nurse')).toEqual([
        ['New Nurse', 1],
        ['Nora Nurse', expect.any(Number)],
      ]);
      expect(await seen(oldLookup.baseUrl, 'Old Nurse')).toEqual([
        ['Old Nurse', counts ? 1 : undefined],
        ['New Nurse', counts ? 1 : undefined],
        ['Nora Nurse', counts ? expect.any(Number) : undefined],
      ]);
      await seen(newLookup.baseUrl, 'New Nurse');
      expect(await seen(newLookup.baseUrl, 'Old Nurse')).toEqual([
        ['Old Nurse', 2],
        ['New Nurse', 2],
        ['Nora Nurse', expect.any(Number)],
      ]);
      expect((await seen(oldLookup.baseUrl, 'New Nurse')).map(([name]) => name)).toEqual(
        counts
          ? ['New Nurse', 'Old Nurse', 'Nora Nurse']
          : ['Old Nurse', 'New Nurse', 'Nora Nurse'],
      );
    },
  );
});
