import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { sendOutcome } from '#loaders/synthetic/made-up-pds.ts';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { officer } from '../support/authority.ts';
import { startTestPds } from '../support/pds.ts';
import { run, startServing, untilOpen } from '../support/processes.ts';
import { testNumber } from '../support/rows.ts';
import { claims } from '../support/service.ts';
import { until, untilAnswered, WAIT_MS } from '../support/until.ts';
import { fileCsv, planOf } from '../support/upload-model.ts';

const AUTHORITY = 'ZZ101';
const TOKEN_SECONDS = 600;
/** Three services and two commands start one after another, on a machine that may run other tests at the same time. */
const DEADLINE_MS = 10 * WAIT_MS;

const steps: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const step of steps.splice(0).toReversed()) await step();
});

test(
  'records waiting for PDS survive a stop, a kill and another PDS outage, and each is loaded once',
  async () => {
    const p = await startTestPds();
    steps.push(() => p.stop());
    const folder = await mkdtemp(join(tmpdir(), 'cpf-waiting-'));
    steps.push(() => rm(folder, { recursive: true, force: true }));
    const names = [{ given: ['Ada'], family: 'Example' }];
    for (const nhsNumber of [1, 2, 3, 4].map(testNumber)) {
      p.pds.records.set(nhsNumber, {
        nhsNumber,
        dateOfBirth: '2019-03-05',
        names,
        security: 'U',
      });
    }
    const environment = {
      DATA_DIR: join(folder, 'data'),
      LOG_LEVEL: 'warn',
      ...p.settings,
      REREAD_SECONDS: '0.05',
    };
    const created = await run(['init', '--demo'], environment);
    expect(created.code, created.stderr).toBe(0);
    let service = await startServing([], environment);
    const begin = async (): Promise<void> => void (service = await startServing([], environment));
    steps.push(() => service.stop());
    await untilOpen(service);
    const added = ['authority', 'set', AUTHORITY, '--name', 'A Council'];
    const set = await run([...added, '--emergency', '02079460199'], environment);
    expect(set.code, set.stderr).toBe(0);

    const ask = async (path: string, as = officer(AUTHORITY), init: RequestInit = {}) => {
      const { sign } = await openDemoIssuer(environment.DATA_DIR);
      const headers = {
        authorization: `Bearer ${await sign(as, TOKEN_SECONDS)}`,
        'x-request-id': randomUUID(),
        'content-type': path === '/lookup' ? 'application/json' : 'text/csv',
      };
      return fetch(`${service.baseUrl}${path}`, { ...init, headers });
    };
    const send = async (sequence: number, numbers: number[]) => {
      const query = `sequence=${sequence}&createdAt=${new Date().toISOString()}&rowCount=${numbers.length}`;
      const body = fileCsv({ records: numbers.map((n) => planOf(n)) });
      const answer = await untilAnswered(() =>
        ask(`/uploads?${query}`, undefined, { method: 'POST', body }),
      );
      return acknowledgementSchema.parse(await answer.json());
    };
    /** `undefined` if the lookup is could-not-check. */
    const outcomeOf = async (n: number) => {
      const body = JSON.stringify({ nhsNumber: testNumber(n) });
      const answer = await ask('/lookup', claims(), { method: 'POST', body });
      const json: unknown = await answer.json();
      return answer.status === 200 ? lookupAnswerSchema.parse(json).outcome : undefined;
    };
    const status = async () => (await fetch(`${service.baseUrl}/_status`)).text();
    const waiting = (what: string) =>
      until(async () => (await status()).includes(`${what} wait`), `${what} to wait`);

    expect(await send(1, [1])).toMatchObject({ code: 'CPF02' });
    /** How many more requests PDS answers. */
    let answers = 0;
    p.pds.instead = (_request, response) => {
      if (answers-- > 0) return false;
      sendOutcome(response, 403, 'ACCESS_DENIED');
      return true;
    };
    expect(await send(2, [2, 3, 4])).toMatchObject({ held: { untraced: true, records: 3 } });
    await waiting('3 records of 1 file');

    await service.stop('SIGTERM');
    await begin();
    await waiting('3 records of 1 file');
    await until(async () => (await outcomeOf(1)) === 'flagged', 'lookups');

    // PDS answers two requests, and goes away before all records are traced.
    answers = 2;
    await until(() => answers <= 0, 'PDS to be asked');
    service.kill('SIGKILL');
    await service.ended;
    await begin();
    await until(async () => (await outcomeOf(1)) === 'flagged', 'lookups');
    const isSaid = async () => /records? of 1 file waits? to be traced/.test(await status());
    await until(isSaid, 'a record to wait');

    p.pds.instead = undefined;
    for (const n of [2, 3, 4]) {
      await until(async () => (await outcomeOf(n)) === 'flagged', `record ${n}`);
    }
    await until(async () => {
      const given = await untilAnswered(() => ask('/uploads/2'));
      const answer = acknowledgementSchema.parse(await given.json());
      return answer.held === undefined && answer.counts.accepted === 3;
    }, 'the final acknowledgement');
    // What was loaded stays as decided, and nothing waits any longer.
    expect(await send(2, [2, 3, 4])).toMatchObject({ repeated: true, code: 'CPF02' });
    expect(await send(3, [2, 3, 4])).toMatchObject({ code: 'CPF02', rows: { unchanged: 3 } });
    await until(async () => !(await status()).includes('to be traced'), 'the check');
  },
  DEADLINE_MS,
);
