import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { endingAt } from '../../support/cut-short.ts';
import { startServing } from '../../support/processes.ts';
import { testNumber } from '../../support/rows.ts';
import { claims } from '../../support/service.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';
import { untilAnswered } from '../../support/until.ts';
import { loader, ods } from '../../support/upload-loading.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

const [CONTINUED, LOST] = [ods('ZZ101'), ods('ZZ102')];
let t: TestStore;
let service: Awaited<ReturnType<typeof startServing>>;
let token: string;

/** Sends a file made now, so that its council is up to date. */
function load(authority: string, sequence: number, n: number, ending = {}) {
  const now = new Date().toISOString();
  const createdAt = `${now.slice(0, 16).replaceAll(/[-T:]/g, '')}+0000`;
  const records = [planOf(n)];
  const text = fileXml(upload({ authority, sequence, records, createdAt }));
  return loader(t).load(text, { now: () => Date.now(), ...ending });
}

beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  await load(CONTINUED, 1, 1);
  await load(LOST, 1, 11);
  for (const [authority, n] of [
    [CONTINUED, 2],
    [LOST, 12],
  ] as const) {
    await expect(load(authority, 2, n, endingAt(t, 'applyRows'))).rejects.toThrow('cut short');
  }
  rmSync(t.anchor.loadInProgress(LOST)?.journal ?? '', { recursive: true });
  token = await (await openDemoIssuer(t.dataDir)).sign(claims(), 600);
  // This Redis is not the one the service would start itself, so the service joins it without verifying it again.
  const { username, password } = t.server.users.admin;
  service = await startServing([], {
    DATA_DIR: t.dataDir,
    REDIS_URL: `unix://${username}:${password}@localhost${t.server.socketPath}`,
  });
});
afterAll(async () => {
  await service?.stop('SIGTERM');
  await t?.stop();
});

const answerSchema = z.object({
  outcome: z.string().optional(),
  coverage: z.object({ notUpToDate: z.array(z.object({ code: z.string() })) }).optional(),
});

const ask = (n: number): Promise<Response> =>
  fetch(`${service.baseUrl}/lookup`, {
    method: 'POST',
    body: JSON.stringify({ nhsNumber: testNumber(n) }),
    headers: {
      'content-type': 'application/json',
      'x-request-id': randomUUID(),
      authorization: `Bearer ${token}`,
    },
  });
const lookUp = async (n: number) => answerSchema.parse(await (await ask(n)).json());
/** The first answer that is not a 503. */
const answered = async (n: number) =>
  answerSchema.parse(await (await untilAnswered(() => ask(n))).json());

async function statusOf(): Promise<string> {
  return (await fetch(`${service.baseUrl}/_status`)).text();
}

test('a start continues interrupted loads even if Redis did not restart, and names the councils whose file is gone', async () => {
  await until(async () => (await lookUp(2)).outcome === 'flagged', 'the rest of the file');
  await until(() => t.anchor.loadInProgress(CONTINUED) === undefined, 'the end of the load');
  const alarm =
    /"store:cut-short":\[\{"status":"warn","outcome":"[^"]*ZZ102[^"]*its journal is gone/;
  await until(async () => alarm.test(await statusOf()), 'the alarm');

  const behind = async () =>
    (await lookUp(12)).coverage?.notUpToDate.map(({ code }) => code).join();
  await until(async () => (await behind()) === LOST, 'the council to be behind, and no other');
  expect((await answered(12)).outcome).toBe('not-flagged');

  expect((await load(LOST, 2, 12)).code).toBe('CPF02');
  expect((await answered(12)).outcome).toBe('flagged');
  await until(async () => (await lookUp(13)).coverage?.notUpToDate.length === 0, 'the coverage');
  await until(
    async () => (await statusOf()).includes('"store:cut-short":[{"status":"pass"'),
    'the end of the alarm',
  );
});
