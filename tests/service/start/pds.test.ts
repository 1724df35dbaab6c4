import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { sendOutcome } from '#loaders/synthetic/made-up-pds.ts';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { inactiveNumbersNoticeSchema } from '#schemas/uploads/notice.ts';
import { WHO_LOOKED_NOT_SHOWN } from '#schemas/wording/lookup.ts';
import { authorityClient } from '../../support/authority.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { startTestPds, type TestPds } from '../../support/pds.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import { fileCsv, planOf } from '../../support/upload-model.ts';

const run = commandsInTurn();

/** A whole service that traces its numbers in a made-up PDS. */

const USED = testNumber(801);
const REPLACED = testNumber(802);
const NEW = testNumber(803);
const SENSITIVE = testNumber(804);
const WITHDRAWN = testNumber(805);
const UNKNOWN = testNumber(806);

let p: TestPds;
let folder: string;
let settings: Record<string, string>;
let service: TestService;
const names = [{ given: ['Ada'], family: 'Example' }];
const know = (number: string, as = number, security = 'U'): void =>
  void p.pds.records.set(number, { nhsNumber: as, dateOfBirth: '2019-03-05', names, security });

beforeAll(async () => {
  p = await startTestPds();
  folder = await mkdtemp(join(tmpdir(), 'cpf-pds-'));
  know(USED);
  know(REPLACED, NEW);
  know(SENSITIVE, SENSITIVE, 'R');
  p.pds.records.set(WITHDRAWN, 'invalidated');
  const numbers = [USED, REPLACED, SENSITIVE, WITHDRAWN, UNKNOWN];
  settings = {
    ...p.settings,
    REREAD_SECONDS: '0.01',
    PRIVACY_OUTBOX: join(folder, 'officer'),
  };
  // This file blocks the outbox until a test removes it.
  await writeFile(join(folder, 'officer'), '');
  service = await startTestService({
    environment: settings,
    authorities: [
      { code: 'ZZ101', rows: numbers.map((nhsNumber) => ({ nhsNumber, localId: 'L-1' })) },
    ],
  });
});
afterAll(async () => {
  await service?.stopAndRemove();
  await p?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const look = async (nhsNumber: string) =>
  lookupAnswerSchema.parse(await (await service.answered({ nhsNumber })).json());
const files = async (name: string): Promise<string[]> => {
  const found = await readdir(join(service.dataDir, name)).catch((): string[] => []);
  // Files that are still being written start with a dot.
  return found.filter((each) => !each.startsWith('.')).toSorted();
};
const read = (...path: string[]): Promise<string> =>
  readFile(join(service.dataDir, ...path), 'utf8');

const ask = (path: string, init: Omit<RequestInit, 'headers'> = {}) =>
  untilAnswered(() =>
    authorityClient(service)(path, { ...init, headers: { 'content-type': 'text/csv' } }),
  );
const checkSchema = z.object({ status: z.string(), outcome: z.string() });
const check = async () =>
  z
    .object({ checks: z.object({ 'tracing:pds': z.array(checkSchema) }) })
    .parse(await (await fetch(`${service.baseUrl}/_status`)).json()).checks['tracing:pds'][0];

test('numbers since replaced, withdrawn or made sensitive are reported once, even after a failed first attempt, and the flags stay', async () => {
  const asked = (number: string) =>
    p.pds.asked.filter(({ nhsNumber }) => nhsNumber === number).length;
  await until(() => asked(SENSITIVE) >= 3, 'another attempt at the alert');
  for (const number of [USED, REPLACED, WITHDRAWN, UNKNOWN]) expect(asked(number)).toBe(1);
  await rm(join(folder, 'officer'));
  const alerts = () => readdir(join(folder, 'officer')).catch((): string[] => []);
  const written = async () => (await alerts()).filter((name) => !name.startsWith('.'));
  await until(async () => (await written()).length > 0, 'the alert');
  const told = async () => {
    const name = (await files('notices')).find((each) => /^inactive-.*\.json$/.test(each));
    if (name === undefined) return [];
    return inactiveNumbersNoticeSchema.parse(JSON.parse(await read('notices', name))).numbers;
  };
  await until(async () => (await told()).length === 2, 'the notices');
  const inactive = async () =>
    (await files('notices')).filter((name) => name.startsWith('inactive'));
  await until(async () => (await inactive()).length >= 3, 'every format of it');
  expect(await inactive()).toHaveLength(3);
  // The number this council sent was never verified, so the council is not given the new one.
  expect((await told()).toSorted((a, b) => a.nhsNumber.localeCompare(b.nhsNumber))).toEqual([
    { nhsNumber: REPLACED, localId: 'L-1' },
    { nhsNumber: WITHDRAWN, localId: 'L-1' },
  ]);
  const [notice = '', ...copies] = (await files('notices')).filter((name) =>
    /^sensitive-.*\.txt$/.test(name),
  );
  expect(copies).toEqual([]);
  expect(await read('notices', notice)).toContain(SENSITIVE);

  const [alert = '', ...others] = await written();
  expect(others).toEqual([]);
  const text = await readFile(join(folder, 'officer', alert), 'utf8');
  expect(text).not.toContain(SENSITIVE);
  const { auditId } = z.object({ auditId: z.string() }).parse(JSON.parse(text));
  const recorded = (await service.events()).filter(({ type }) => type === 'number-sensitive');
  expect(recorded).toMatchObject([
    { auditId, detail: { nhsNumber: SENSITIVE, authorities: 'ZZ101' } },
  ]);
  for (const number of [REPLACED, WITHDRAWN, SENSITIVE]) {
    expect(await look(number)).toMatchObject({ outcome: 'flagged', current: true });
  }
});

test('who looked at a child with a sensitive record is shown in no answer, and stays on record', async () => {
  await until(async () => (await look(SENSITIVE)).accesses === undefined, 'the mark');
  const answer = await look(SENSITIVE);
  expect(answer).not.toHaveProperty('accesses');
  expect(answer.advice).toContain(WHO_LOOKED_NOT_SHOWN);
  expect((await look(USED)).accesses).toHaveLength(1);
  const event = (await service.events()).find((each) => each.auditId === answer.auditId);
  expect(event).toMatchObject({ outcome: 'flagged', accessesShown: [] });
});

test('a number that PDS does not know at all is reported only to the operator', async () => {
  await until(() => service.lines.some((line) => line.includes('another environment')), 'the log');
  for (const name of await files('notices')) {
    expect(await read('notices', name)).not.toContain(UNKNOWN);
  }
});

test('records wait while PDS is away, the status says so, and they are loaded without help once it is back', async () => {
  for (let n = 810; n <= 812; n++) know(testNumber(n));
  const send = async (sequence: number, numbers: number[]) => {
    const query = `sequence=${sequence}&createdAt=${new Date().toISOString()}&rowCount=${numbers.length}`;
    const body = fileCsv({ records: numbers.map((n) => planOf(n)) });
    return acknowledgementSchema.parse(
      await (await ask(`/uploads?${query}`, { method: 'POST', body })).json(),
    );
  };
  expect(await send(11, [810])).toMatchObject({ code: 'CPF02' });
  p.pds.instead = (_request, response) => {
    sendOutcome(response, 403, 'ACCESS_DENIED');
    return true;
  };
  expect(await send(12, [810, 811, 812])).toMatchObject({
    code: 'CPF03',
    counts: { accepted: 1, refused: 0 },
    held: { untraced: true, records: 2 },
  });
  let said = await check();
  await until(async () => {
    said = await check();
    return /403.*2 records of 1 file wait to be traced/.test(said?.outcome ?? '');
  }, 'the status to say so');
  expect(said?.status).toBe('warn');
  expect((await look(testNumber(811))).outcome).toBe('not-flagged');
  p.pds.instead = undefined;
  await until(
    async () => (await look(testNumber(811))).outcome === 'flagged',
    'the records to be taken up',
  );
  await until(async () => (await check())?.status === 'pass', 'the check');
  const acknowledged = async () =>
    acknowledgementSchema.parse(await (await ask('/uploads/12')).json());
  await until(async () => (await acknowledged()).code === 'CPF02', 'the final acknowledgement');
  expect(await acknowledged()).toMatchObject({ counts: { accepted: 3 } });
});

test('a command-line load made while PDS is away gets its final acknowledgement where the command said it would', async () => {
  for (const n of [813, 814]) know(testNumber(n));
  p.pds.instead = (_request, response) => {
    sendOutcome(response, 403, 'ACCESS_DENIED');
    return true;
  };
  const path = join(folder, 'ZZ101-13.csv');
  await writeFile(path, fileCsv({ records: [planOf(813)] }));
  const environment = { ...settings, DATA_DIR: service.dataDir };
  const load = (file: string, ...more: string[]) =>
    run(['load', file, '--authority', 'ZZ101', '--created', new Date().toISOString(), ...more], {
      ...environment,
    });
  const ack = join(folder, 'ack.json');
  const loaded = await load(path, '--sequence', '13', '--ack', ack);
  expect(loaded.code).toBe(4);
  expect(loaded.stdout).toContain(': CPF04 Nothing loaded so far');
  expect(loaded.stdout).toContain('1 record waits to be traced, and is loaded automatically');
  const final = join(service.dataDir, 'acknowledgements', 'ZZ101-13.ack.json');
  expect(loaded.stdout).toContain(`The final acknowledgement will be in ${final}, `);
  expect(await readFile(ack, 'utf8')).toContain('"untraced": true');

  const { stdout } = await run(['status'], environment);
  expect(stdout).toMatch(
    /^ZZ101 .*; records of file 13 wait to be traced, and are loaded automatically if /m,
  );
  expect(stdout).not.toContain('held: file');
  await until(async () => /403.* last asked at /.test((await check())?.outcome ?? ''), 'the check');
  expect(await files('acknowledgements')).toEqual(['waiting']);

  p.pds.instead = undefined;
  await until(async () => (await files('acknowledgements/waiting')).length === 0, 'the answer');
  const answer = acknowledgementSchema.parse(JSON.parse(await readFile(final, 'utf8')));
  expect(answer).toMatchObject({ code: 'CPF02', counts: { accepted: 1 } });
  expect(answer.held).toBeUndefined();
  expect(await files('acknowledgements')).toEqual([
    'ZZ101-13.ack.csv',
    'ZZ101-13.ack.json',
    'ZZ101-13.ack.txt',
    'waiting',
  ]);
});

test('the log names nobody', () => {
  const log = service.lines.join('\n');
  for (const n of [801, 802, 803, 804, 805, 806, 810, 811, 812, 813]) {
    expect(log).not.toContain(testNumber(n));
  }
  expect(log).not.toContain('Example');
});
