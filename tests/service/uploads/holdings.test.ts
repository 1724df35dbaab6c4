import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { odsCodeSchema } from '#schemas/authority.ts';
import { authorityClient, officer } from '../../support/authority.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { day, testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';

const run = commandsInTurn();

const MINE = [testNumber(3001), testNumber(3002), testNumber(3003)];
const SHARED = testNumber(3004);
const THEIRS = testNumber(3005);

let service: TestService;
let request: ReturnType<typeof authorityClient>;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      {
        code: 'ZZ101',
        rows: [
          { nhsNumber: MINE[0] ?? SHARED, localId: 'L,"1' },
          { nhsNumber: MINE[1] ?? SHARED, endDate: day('2026-06-01') },
          { nhsNumber: MINE[2] ?? SHARED, deleteDate: day('2026-06-01') },
          { nhsNumber: SHARED, localId: 'mine' },
        ],
      },
      {
        code: 'ZZ102',
        rows: [
          { nhsNumber: THEIRS, localId: 'theirs' },
          { nhsNumber: SHARED, localId: 'theirs' },
        ],
      },
      { code: 'ZZ103' },
    ],
  });
  request = authorityClient(service);
});
afterAll(() => service?.stopAndRemove());

/** The first answer but a 503: an earlier answer may still hold its place, or Redis may not answer in time. */
const answered = (...of: Parameters<typeof request>): Promise<Response> =>
  untilAnswered(() => request(...of));

const holdingsSchema = z.object({
  authority: z.object({ code: z.string(), dataAsOf: z.string() }),
  rows: z.array(
    z.strictObject({
      nhsNumber: z.string(),
      localId: z.string(),
      type: z.string(),
      startDate: z.string(),
      endDate: z.string().optional(),
      deleteDate: z.string().optional(),
      sequence: z.number(),
      visibleUntil: z.string(),
    }),
  ),
  count: z.number(),
});
const read = async (response: Response) => holdingsSchema.parse(await response.json());
const reads = async () =>
  (await service.events()).filter((event) => event.type === 'holdings-read');

describe('GET /holdings', () => {
  test('gives an authority every row held for it, and no other authority’s rows', async () => {
    const response = await answered('/holdings');
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const { authority, rows, count } = await read(response);
    expect(authority.code).toBe('ZZ101');
    expect(rows.map(({ nhsNumber }) => nhsNumber).toSorted()).toEqual([...MINE, SHARED].toSorted());
    expect(count).toBe(4);
    expect(JSON.stringify(rows)).not.toContain('theirs');
    expect(rows.find(({ nhsNumber }) => nhsNumber === MINE[1])).toMatchObject({
      type: 'child-protection-plan',
      startDate: '2026-01-05',
      endDate: '2026-06-01',
      sequence: 1,
      visibleUntil: '2027-05-31T23:00:00.000Z',
    });
    expect(rows.find(({ nhsNumber }) => nhsNumber === MINE[2])?.deleteDate).toBe('2026-06-01');
    expect(JSON.stringify(rows)).not.toContain('2019-03-05');
  });

  test('gives the same rows as CSV, with the columns of an upload', async () => {
    const response = await answered('/holdings', { headers: { accept: 'text/csv' } });
    expect(response.headers.get('content-type')).toContain('text/csv');
    const rows = z
      .array(z.record(z.string(), z.string()))
      .parse(parse(await response.text(), { columns: true, bom: true }));
    expect(rows).toHaveLength(4);
    expect(rows.find((row) => row['nhs_number'] === MINE[0])).toEqual({
      nhs_number: MINE[0],
      local_id: 'L,"1',
      date_of_birth: '2019-03-05',
      plan_type: 'CPP',
      start_date: '2026-01-05',
      end_date: '',
      delete_date: '',
      sequence: '1',
      visible_until: '2037-03-05T00:00:00.000Z',
    });
  });

  test('gives a CSV that changes nothing when it is loaded again unchanged', async () => {
    const csv = await (await answered('/holdings', { headers: { accept: 'text/csv' } })).text();
    const sent = await answered(
      `/uploads?sequence=2&createdAt=${new Date().toISOString()}&rowCount=4`,
      { method: 'POST', body: csv, headers: { 'content-type': 'text/csv' } },
    );
    expect(await sent.json()).toMatchObject({
      code: 'CPF02',
      rows: { added: 0, changed: 0, unchanged: 4 },
    });
  });

  test('is audited before anything is read, with who reads it', async () => {
    const before = (await reads()).length;
    const response = await answered('/holdings');
    const events = await reads();
    expect(events).toHaveLength(before + 1);
    expect(events.at(-1)).toMatchObject({
      authority: 'ZZ101',
      caller: { user: 'officer-1', organisation: { code: 'ZZ101' } },
    });
    await response.text();
  });

  test('is audited under its request id, whichever UUID version that is', async () => {
    const requestId = '60e0b220-8136-0ca5-0e46-1d97ef59d068';
    const response = await answered('/holdings', { headers: { 'x-request-id': requestId } });
    expect(response.headers.get('x-request-id')).toBe(requestId);
    expect((await reads()).at(-1)).toMatchObject({ requestId });
    await response.text();
  });

  test('is empty and complete for an authority without rows', async () => {
    expect(await read(await answered('/holdings', { as: 'ZZ103' }))).toMatchObject({
      rows: [],
      count: 0,
    });
  });

  test('is refused for an unknown authority', async () => {
    const response = await answered('/holdings', { as: 'ZZ999' });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'authority-unknown' });
  });

  test.for<[string, () => Promise<string>]>([
    ['a nurse', () => service.token(claims())],
    [
      'somebody of the authority without the scope',
      () => service.token(officer('ZZ101', { scope: '' })),
    ],
    ['the scope for another purpose', () => service.token(officer('ZZ101', { scope: 'audit' }))],
  ])('is not open to %s, and the refusal is audited', async ([, token]) => {
    const response = await answered('/holdings', { token: await token() });
    expect(response.status).toBe(403);
    const problem: unknown = await response.json();
    expect(problem).toMatchObject({ code: 'authority-token-required' });
    expect(problem).not.toHaveProperty('checked');
    expect(await reads()).not.toContainEqual(
      expect.objectContaining({ requestId: response.headers.get('x-request-id') }),
    );
  });

  test('gives no other authority’s rows, whatever the request says', async () => {
    for (const path of ['/holdings?authority=ZZ102', '/holdings?code=ZZ102']) {
      const { rows } = await read(await answered(path, { headers: { 'x-authority': 'ZZ102' } }));
      expect(rows.some(({ localId }) => localId === 'theirs')).toBe(false);
    }
    expect((await request('/holdings/ZZ102')).status).toBe(404);
    expect((await request('/holdings', { method: 'HEAD' })).status).toBe(405);
  });

  test('is given to only a few at a time, and to others once those have read it or left', async () => {
    for (let turn = 0; turn < 3; turn++) {
      const first = await request('/holdings');
      const second = await request('/holdings');
      await until(async () => {
        // A small answer is complete before the next request, so this checks only that none keeps its place.
        const response = await request('/holdings');
        await response.body?.cancel();
        return response.status === 200;
      });
      await first.body?.cancel();
      await second.text();
    }
  });

  test('breaks off rather than ending normally if the store turns out not to be whole', async () => {
    const whole = await service.admin.hget('cpf:{p200}:children', '_');
    await service.admin.hdel('cpf:{p200}:children', '_');
    try {
      const response = await answered('/holdings');
      await expect(response.text()).rejects.toThrow('terminated');
    } finally {
      await service.admin.hset('cpf:{p200}:children', '_', whole ?? '');
      const isReady = async () => (await fetch(`${service.baseUrl}/_status`)).status === 200;
      await until(isReady, 'the store to be found whole again');
    }
  });
});

describe('cp-flags holdings', () => {
  test('writes no file for an unknown authority', async () => {
    const out = join(service.dataDir, 'holdings.json');
    const environment = { DATA_DIR: service.dataDir };
    const named = ['--out', out, '--reason', 'ticket 16'];
    const { code, stdout } = await run(['holdings', 'ZZ999', ...named], environment);
    expect({ code, stdout, written: existsSync(out) }).toEqual({
      code: 1,
      stdout: '',
      written: false,
    });
  });

  test('gives an operator the rows of one authority, and records who asked and why', async () => {
    const environment = { DATA_DIR: service.dataDir };
    expect(await run(['holdings', 'ZZ102'], environment)).toMatchObject({ code: 2, stdout: '' });
    const { code, stdout, stderr } = await run(
      ['holdings', 'ZZ102', '--reason', 'ticket 17'],
      environment,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { rows } = holdingsSchema.parse(JSON.parse(stdout));
    expect(rows.map(({ localId }) => localId)).toEqual(['theirs', 'theirs']);
    expect((await reads()).at(-1)).toMatchObject({ authority: 'ZZ102', reason: 'ticket 17' });
  });
});

describe('a case system', () => {
  const exported = async () => {
    const held = await answered('/holdings', { headers: { accept: 'text/csv' } });
    return (await held.text()).replace(/"2026-06-01"/, '""');
  };

  test('can be compared with the holdings by its own authority, which is recorded and changes nothing', async () => {
    const before = (await reads()).length;
    const tally = (await service.store.tally()).get('ZZ101')?.digest;
    const response = await answered('/reconcile', {
      method: 'POST',
      body: await exported(),
      headers: { 'content-type': 'text/csv' },
    });
    expect(await response.json()).toMatchObject({
      compared: true,
      authority: { code: 'ZZ101' },
      counts: { same: 3, differs: 1, onlyHere: 0, onlyThere: 0 },
    });
    expect((await service.store.tally()).get('ZZ101')?.digest).toBe(tally);
    const events = await reads();
    // Downloading the export for this test is recorded as well.
    expect(events).toHaveLength(before + 2);
    expect(events.at(-1)).toMatchObject({
      authority: 'ZZ101',
      caller: { user: 'officer-1' },
      reason: 'compared with an export of the case system',
    });
  });

  test('can be compared by an operator who gives a reason, as text, and the exit code says whether everything matches', async () => {
    const path = join(service.dataDir, 'export.csv');
    await writeFile(path, await exported());
    const environment = { DATA_DIR: service.dataDir };
    const without = await run(['reconcile', 'ZZ101', path], environment);
    expect({ code: without.code, stdout: without.stdout }).toEqual({ code: 2, stdout: '' });
    const { code, stdout } = await run(
      ['reconcile', 'ZZ101', path, '--reason', 'ticket 18'],
      environment,
    );
    expect(code).toBe(3);
    expect(stdout).toContain('3 the same, 1 differ');
    expect((await reads()).at(-1)).toMatchObject({ authority: 'ZZ101', reason: 'ticket 18' });
    await writeFile(path, 'no,columns\n');
    expect(
      await run(['reconcile', 'ZZ101', path, '--reason', 'ticket 19'], environment),
    ).toMatchObject({ code: 4 });
  });

  test('is read with its authority’s settings, however the comparison is made', async () => {
    const [header = '', ...lines] = (await exported()).split('\r\n');
    const own = [header.replace('nhs_number', 'NHS No'), ...lines].join('\r\n');
    const path = join(service.dataDir, 'own.csv');
    await writeFile(path, own);
    const mapping = { columns: { nhs_number: 'NHS No' }, planTypes: {}, linesAbove: 0 };
    const code = odsCodeSchema.parse('ZZ101');
    await service.store.setAuthority(code, { columns: mapping }, 'test');
    const response = await answered('/reconcile', {
      method: 'POST',
      body: own,
      headers: { 'content-type': 'text/csv' },
    });
    expect(await response.json()).toMatchObject({ compared: true, counts: { same: 3 } });
    const asked = await run(['reconcile', 'ZZ101', path, '--reason', 'ticket 20'], {
      DATA_DIR: service.dataDir,
    });
    expect(asked.stdout).toContain('3 the same, 1 differ');
    // A file downloaded from this service has its own headings, whatever is set for the case system's export.
    const titled = { ...mapping, linesAbove: 2 };
    await service.store.setAuthority(code, { columns: titled }, 'test');
    const back = await answered('/reconcile', {
      method: 'POST',
      body: await exported(),
      headers: { 'content-type': 'text/csv' },
    });
    expect(await back.json()).toMatchObject({ compared: true, counts: { same: 3, differs: 1 } });
    const none = { columns: {}, planTypes: {}, linesAbove: 0 };
    await service.store.setAuthority(code, { columns: none }, 'test');
  });
});
