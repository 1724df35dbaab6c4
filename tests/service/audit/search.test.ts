import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Bundle } from '@medplum/fhirtypes';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { DemoClaims } from '#service/admission/demo-issuer.ts';
import { sealedRange } from '#service/audit/log/sealed.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { FHIR_DEFINITIONS } from '../../support/fhir-validation.ts';
import { CLI } from '../../support/processes.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered, untilAskedOnce } from '../../support/until.ts';

const run = commandsInTurn();

const SHARED = testNumber(401);
const OTHERS = testNumber(402);
const NOBODYS = testNumber(403);
const NAMED = ['--by', 'A. Guardian', '--reason', 'review'];

/** The `script` of util-linux, which gives a command its own terminal. */
const hasScript = spawnSync('script', ['--version']).stdout?.includes('util-linux');

let service: TestService;

const byText = (a: string, b: string): number => a.localeCompare(b);

const officer = (organisation: string, differing: Partial<DemoClaims> = {}): DemoClaims =>
  claims({
    sub: 'officer',
    name: 'Otto Officer',
    scope: 'audit',
    activities: [],
    organisation,
    ...differing,
  });

/** Starts a service, ends an earlier one, and makes the lookups that the tests find. */
async function startWithLooks(): Promise<void> {
  await service?.stopAndRemove();
  service = await startTestService({
    environment: { OPERATOR_ODS_CODE: 'ZZX01' },
    authorities: [
      { code: 'ZZ101', rows: [{ nhsNumber: SHARED }] },
      { code: 'ZZ102', rows: [{ nhsNumber: SHARED }, { nhsNumber: OTHERS }] },
    ],
  });
  const nurse = await service.token(claims({ organisation: 'ZZH01' }));
  const other = await service.token(
    claims({ sub: '-cmd', name: '=HYPERLINK("x")', organisation: 'ZZH02' }),
  );
  const silent = await service.token(
    claims({ sub: 'gp-1', activities: ['B0170'], organisation: 'ZZP01' }),
  );
  for (const [token, nhsNumber] of [
    [nurse, SHARED],
    [nurse, NOBODYS],
    [other, SHARED],
    [other, OTHERS],
    [silent, SHARED],
  ] as const) {
    const response = await service.answered({ nhsNumber, reason: 'attendance' }, { token });
    expect(response.status).toBe(200);
  }
}

beforeAll(async () => {
  // A look that had to be made again may count twice.
  await untilAskedOnce([1, 2, 3], startWithLooks);
  const none = await service.token(claims({ sub: 'nobody', activities: [] }));
  for (let i = 0; i < 3; i++) await service.lookup({ nhsNumber: SHARED }, { token: none });
  await until(
    async () => (await service.events()).filter(({ type }) => type === 'refusal').length >= 3,
    'the refusals',
  );
  await searchable();
});
afterAll(() => service?.stopAndRemove());

type Request = { as?: DemoClaims; accept?: string; method?: string };
async function send(
  body: unknown,
  { as = officer('ZZX01'), accept, method = 'POST' }: Request = {},
) {
  return fetch(`${service.baseUrl}/audit/search`, {
    method,
    headers: {
      'x-request-id': randomUUID(),
      'content-type': 'application/json',
      authorization: `Bearer ${await service.token(as)}`,
      ...(accept !== undefined && { accept }),
    },
    ...(method === 'POST' && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

const answerSchema = z.strictObject({
  auditId: z.uuid(),
  view: z.string(),
  events: z.array(z.looseObject({ type: z.string(), at: z.iso.datetime() })),
  next: z.string().optional(),
  coverage: z.strictObject({ completeUntil: z.iso.datetime().optional(), notSearched: z.int() }),
});
async function search(criteria: object = {}, as?: DemoClaims) {
  const response = await untilAnswered(() =>
    send({ reason: 'review', ...criteria }, as === undefined ? {} : { as }),
  );
  expect(response.status).toBe(200);
  return answerSchema.parse(await response.json());
}
const lookups = async (as?: DemoClaims) => (await search({ type: 'lookup' }, as)).events;
const searches = async () =>
  (await service.events()).filter((event) => event.type === 'audit-search');

/** Waits until everything recorded so far has been sealed and indexed. */
async function searchable(): Promise<void> {
  const ids = new Set(
    (await service.events()).flatMap((event) =>
      event.type === 'lookup' || event.type === 'refusal' ? event.auditId : [],
    ),
  );
  await until(async () => {
    const response = await send({ reason: 'test', limit: 500 });
    if (response.status !== 200) return false;
    const { events } = answerSchema.parse(await response.json());
    for (const event of events) ids.delete(String(event['auditId']));
    return ids.size === 0;
  }, 'the index');
}

describe('who sees what', () => {
  test('the operating organisation’s officer sees every lookup', async () => {
    expect(await lookups()).toHaveLength(5);
  });

  test('an organisation’s officer sees only its own people’s lookups', async () => {
    const events = await lookups(officer('ZZH01'));
    expect(events.map((event) => String(event['nhsNumber'])).toSorted(byText)).toEqual(
      [SHARED, NOBODYS].toSorted(byText),
    );
    expect(JSON.stringify(events)).not.toContain('ZZH02');
    // An authority's own id for a child is not shown either, since no lookup shows it.
    expect(JSON.stringify(events)).not.toContain('LA-1');
    const all = await search({ nhsNumber: OTHERS }, officer('ZZH01'));
    expect(all.events.filter(({ type }) => type === 'lookup')).toEqual([]);
    expect(await lookups(officer('ZZH99'))).toEqual([]);
  });

  test('an authority sees unscheduled accesses to children it holds, with only its own plans', async () => {
    const events = await lookups(officer('ZZ101'));
    expect(events.map((event) => event['nhsNumber'])).toEqual([SHARED, SHARED]);
    const text = JSON.stringify(events);
    for (const hidden of ['ZZ102', OTHERS, 'ZZP01', 'gp-1', 'test-client', '"reason"']) {
      expect(text).not.toContain(hidden);
    }
    expect(events[0]).toMatchObject({ caller: { organisation: { code: 'ZZH02' } } });
    // Criteria narrow what somebody may see, and never widen it.
    for (const criteria of [{ authority: 'ZZ102' }, { nhsNumber: OTHERS }, { type: 'load' }]) {
      expect((await search(criteria, officer('ZZ101'))).events).toEqual([]);
    }
  });

  test.each([
    ['operations', officer('ZZX01', { scope: 'operate' })],
    ['an upload', officer('ZZ101', { scope: 'upload' })],
    ['a clinician', claims()],
  ])('a token for %s opens nothing, and the refusal is on record', async (_, as) => {
    const response = await send({ reason: 'x', nhsNumber: SHARED }, { as });
    expect(response.status).toBe(403);
    const body = await response.text();
    expect(body).toContain('audit-scope-required');
    expect(body).not.toContain(SHARED);
    expect(body).not.toContain('checked');
    await until(
      async () =>
        (await service.events()).some(
          (event) =>
            event.type === 'refusal' &&
            event.code === 'audit-scope-required' &&
            event.requestId === response.headers.get('x-request-id'),
        ),
      'the refusal',
    );
  });
});

describe('POST /audit/search', () => {
  test('is recorded before the answer is sent, with who, why, what was asked and how much was shown', async () => {
    const { auditId, events } = await search({ nhsNumber: SHARED, outcome: 'flagged', limit: 2 });
    expect((await searches()).find((event) => event.auditId === auditId)).toMatchObject({
      partition: 'system',
      by: 'Otto Officer',
      reason: 'review',
      view: 'all',
      criteria: { nhsNumber: SHARED, outcome: 'flagged' },
      eventsShown: events.length,
      caller: { user: 'officer', organisation: { code: 'ZZX01' } },
    });
  });

  test('shows nothing if the search cannot be recorded', async () => {
    await service.admin.config('SET', 'maxmemory', '1');
    const response = await send({ reason: 'review', nhsNumber: SHARED });
    await service.admin.config('SET', 'maxmemory', String(128 * 1_048_576));
    expect(response.status).toBe(503);
    expect(await response.text()).not.toContain(SHARED);
  });

  test('gives pages that fit together, and a cursor that works for no other search', async () => {
    const whole = (await search({ type: 'lookup' })).events;
    const found: unknown[] = [];
    let cursor: string | undefined;
    do {
      const page = await search({
        type: 'lookup',
        limit: 2,
        ...(cursor !== undefined && { cursor }),
      });
      found.push(...page.events);
      cursor = page.next;
      if (cursor === undefined) break;
      const elsewhere = await send({ reason: 'x', type: 'refusal', cursor });
      expect(elsewhere.status).toBe(400);
      expect(await elsewhere.text()).toContain('audit-cursor-invalid');
    } while (found.length < 20);
    expect(found).toEqual(whole);
  });

  test('says up to when its answer is complete', async () => {
    const before = Date.now();
    await until(async () => {
      const { coverage } = await search({ limit: 1 });
      return Date.parse(coverage.completeUntil ?? '') > before - 5_000;
    }, 'the coverage to move on');
  });

  test.each([
    ['no reason', {}, 'invalid-audit-search'],
    ['an unknown member', { reason: 'x', name: 'y' }, 'invalid-audit-search'],
    [
      'a time without an offset',
      { reason: 'x', from: '2026-11-24T08:00:00' },
      'invalid-audit-search',
    ],
    [
      'an end before the start',
      { reason: 'x', from: '2026-11-24T08:00:00Z', to: '2026-11-23T08:00:00Z' },
      'invalid-audit-search',
    ],
    ['a page beyond the limit', { reason: 'x', limit: 501 }, 'invalid-audit-search'],
    ['an invalid number', { reason: 'x', nhsNumber: '9990000000' }, 'invalid-nhs-number'],
    [
      'two numbers',
      `{"reason":"x","nhsNumber":"${SHARED}","nhsNumber":"${OTHERS}"}`,
      'malformed-json',
    ],
    ['a made-up cursor', { reason: 'x', cursor: 'abc' }, 'audit-cursor-invalid'],
  ])('refuses %s with a fixed message', async (_, body, code) => {
    const response = await send(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code });
  });

  test('accepts no GET, since logs keep addresses', async () => {
    const response = await send(undefined, { method: 'GET' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });

  test('answers in FHIR if asked to, valid against R4, and shows no more than the viewer may see', async () => {
    for (const as of [officer('ZZX01'), officer('ZZH01'), officer('ZZ101')]) {
      const response = await untilAnswered(() =>
        send({ reason: 'review' }, { as, accept: 'application/fhir+json' }),
      );
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('application/fhir+json');
      const bundle = (await response.json()) as Bundle;
      expect(FHIR_DEFINITIONS.faults(bundle)).toEqual([]);
      const events = (bundle.entry ?? []).filter(({ search: how }) => how?.mode === 'match');
      expect(events.length).toBeGreaterThan(0);
      const text = JSON.stringify(events);
      if (as.roles[0]?.organisation.code === 'ZZ101') expect(text).not.toMatch(/product-id/);
      const lookup = events
        .map(({ resource }) => resource)
        .find((resource) => JSON.stringify(resource).includes(SHARED));
      expect(lookup).toMatchObject({ resourceType: 'AuditEvent', action: 'R' });
      const people = lookup?.resourceType === 'AuditEvent' ? (lookup.entity ?? []) : [];
      expect(people.map(({ what }) => what?.identifier)).toContainEqual({
        system: 'https://fhir.nhs.uk/Id/nhs-number',
        value: SHARED,
      });
    }
  });

  test.for([
    ['application/fhir+json;q=0.5, application/json', 'application/json'],
    ['application/json;q=0.5, application/fhir+json', 'application/fhir+json'],
    ['application/fhir+json;q=0', 'application/json'],
  ] as const)('a client that accepts %s is answered with %s', async ([accept, type]) => {
    const response = await untilAnswered(() => send({ reason: 'review' }, { accept }));
    expect(response.headers.get('content-type')).toBe(type);
  });

  test('a damaged index is rebuilt, and no incomplete answer looks complete', async () => {
    const size = sealedRange(join(service.dataDir, 'audit'))?.size ?? 0;
    const path = join(service.dataDir, 'audit-index', 'index.sqlite');
    const damage = 'no database'.repeat(1_000);
    writeFileSync(`${path}-wal`, damage);
    // This writes over what is there: SQLite has this file mapped into memory, and cutting it short would end the
    // process.
    writeFileSync(`${path}-shm`, damage, { flag: 'r+' });
    writeFileSync(path, damage);
    let answered = false;
    await until(async () => {
      const response = await send({ reason: 'review', type: 'lookup' });
      if (response.status === 503) return false;
      const { events, coverage } = answerSchema.parse(await response.json());
      if (coverage.completeUntil !== undefined) expect(events).toHaveLength(5);
      answered = coverage.completeUntil !== undefined;
      return answered;
    }, 'the index');
    expect(size).toBeGreaterThan(0);
  });
});

describe('the command line', () => {
  const audit = (...args: string[]) => run(['audit', ...args], { DATA_DIR: service.dataDir });
  /** The number goes to standard input, where no list of processes shows it. */
  const auditOf = (number: string, ...args: string[]) =>
    run(['audit', ...args], { DATA_DIR: service.dataDir }, number);

  test('search shows what matches, as table, JSON, CSV and FHIR, each on record', async () => {
    const before = (await searches()).length;
    const criteria = ['--child', '-', '--type', 'lookup', ...NAMED];
    const [table, json, csv, fhir] = await Promise.all([
      auditOf(SHARED, 'search', ...criteria),
      auditOf(SHARED, 'search', ...criteria, '--json'),
      auditOf(SHARED, 'search', ...criteria, '--csv'),
      auditOf(SHARED, 'search', ...criteria, '--fhir'),
    ]);
    expect(table?.stdout).toMatch(/Events: 3, newest first/);
    expect(table?.stdout).toMatch(/Everything recorded before/);
    const { events } = z
      .object({ events: z.array(z.object({ nhsNumber: z.string() })) })
      .parse(JSON.parse(json?.stdout ?? ''));
    expect(events.map(({ nhsNumber }) => nhsNumber)).toEqual([SHARED, SHARED, SHARED]);
    const rows = z
      .array(z.record(z.string(), z.string()))
      .parse(parse(csv?.stdout ?? '', { columns: true, bom: true }));
    // A caller's name cannot become a formula in a spreadsheet.
    expect(rows.map((row) => row['name'])).toContain(`'=HYPERLINK("x")`);
    expect(rows.map((row) => row['user'])).toContain(`'-cmd`);
    expect(FHIR_DEFINITIONS.faults(JSON.parse(fhir?.stdout ?? '') as Bundle)).toEqual([]);
    const recorded = (await searches()).slice(before);
    expect(recorded).toHaveLength(4);
    expect(recorded[0]).toMatchObject({
      by: 'A. Guardian',
      reason: 'review',
      criteria: { nhsNumber: SHARED, type: 'lookup' },
      eventsShown: 3,
    });
  });

  test('a number among the arguments, where every user of the machine could see it, is refused and not repeated', async () => {
    const before = (await searches()).length;
    const refused = await Promise.all([
      audit('search', '--child', SHARED, ...NAMED),
      audit('report', 'child', `--child=${SHARED}`, ...NAMED),
      audit('search', SHARED, ...NAMED),
      audit('search', `--${SHARED}`, ...NAMED),
    ]);
    for (const { code, stdout, stderr } of refused) {
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(stderr).not.toContain(SHARED);
    }
    expect(refused[0]?.stderr).toMatch(/--child - /);
    expect(refused[1]?.stderr).toMatch(/--child - /);
    expect(await searches()).toHaveLength(before);
  });

  test.skipIf(!hasScript)('on a terminal the number is asked for', async () => {
    const command = [process.execPath, CLI, 'audit', 'search'];
    const line = [...command, '--child', '-', '--json', ...NAMED];
    const child = spawn(
      'script',
      ['-qec', line.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' '), '/dev/null'],
      { env: { PATH: process.env['PATH'], DATA_DIR: service.dataDir }, stdio: 'pipe' },
    );
    let shown = '';
    child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
    await until(() => shown.includes('NHS number: '), 'the question');
    child.stdin.write(`${SHARED}\n`);
    expect((await once(child, 'close'))[0]).toBe(0);
    expect(shown).toContain('"events"');
  });

  test('wrong usage gets a message, and nothing is searched', async () => {
    const before = (await searches()).length;
    const wrong = await Promise.all([
      audit('search', '--reason', 'x'),
      audit('search', '--by', 'x'),
      auditOf('9990000000', 'search', '--child', '-', ...NAMED),
      auditOf('', 'search', '--child', '-', ...NAMED),
      audit('search', '--outcome', 'x', ...NAMED),
      audit('search', '--json', '--csv', ...NAMED),
      audit('search', '--from', '11/27/2026', ...NAMED),
      audit('search', '--limit', '10001', ...NAMED),
      audit('report', 'x', ...NAMED),
      audit('report', 'child', ...NAMED),
    ]);
    for (const { code, stdout, stderr } of wrong) {
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(stderr).toMatch(/^cp-flags: /);
      expect(stderr).not.toContain('9990000000');
    }
    expect(await searches()).toHaveLength(before);
  });

  test('the report on a child is marked for review, and names no member of staff unless asked', async () => {
    const report = await auditOf(SHARED, 'report', 'child', '--child', '-', ...NAMED);
    expect(report.stdout).toContain('FOR THE CONTROLLER’S REVIEW');
    expect(report.stdout).toContain('ZZP01');
    expect(report.stdout).not.toContain('Nora Nurse');
    // The person who asks for the report is named above the lines, and not in them.
    expect(report.stdout.split('A. Guardian')).toHaveLength(2);
    const named = await auditOf(SHARED, 'report', 'child', '--child', '-', '--names', ...NAMED);
    expect(named.stdout).toContain('Nora Nurse');
    expect((await searches()).at(-1)).toMatchObject({
      report: 'child',
      criteria: { nhsNumber: SHARED, names: true },
    });
  });

  test('the report on a child says whom it is about, for whom and why it was made, for which period, and in which time zone', async () => {
    const args = ['--child', '-', '--from', '1/6/2026', '--to', '27 Nov 2036', ...NAMED];
    const table = await auditOf(SHARED, 'report', 'child', ...args);
    const csv = await auditOf(SHARED, 'report', 'child', '--csv', ...args);
    const account = userInfo().username;
    for (const text of [table.stdout, csv.stderr]) {
      expect(text).toContain(`Child (NHS number): ${SHARED}\n`);
      expect(text).toContain(`Requested by: A. Guardian (account ${account}). Reason: review\n`);
      expect(text).toContain(
        'Period: from 00:00 BST on 1 June 2026 until 00:00 GMT on 28 November 2036. All times are London’s',
      );
      expect(text).toContain('This report is on record as ');
    }
    const json = await auditOf(SHARED, 'report', 'child', '--json', ...args);
    const report = z
      .object({ timeZone: z.string(), rows: z.array(z.object({ time: z.string() })) })
      .loose()
      .parse(JSON.parse(json.stdout));
    expect(report).toMatchObject({
      timeZone: 'Europe/London',
      criteria: { nhsNumber: SHARED },
      requestedBy: { by: 'A. Guardian', account, reason: 'review' },
    });
    // Every time has its zone, in each format.
    for (const { time } of report.rows) expect(time).toMatch(/\+0[01]:00$/);
    expect(csv.stdout).toMatch(/\+0[01]:00/);
    expect(csv.stdout + json.stdout).not.toMatch(/\dZ/);
    expect(table.stdout).toMatch(/^2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d (GMT|BST) /m);
    expect((await searches()).at(-1)).toMatchObject({ by: 'A. Guardian', account });
  });

  test('the report on a child leaves out requests refused for their form or for overload', async () => {
    const sent = await service.lookup({ nhsNumber: SHARED, dateOfBirth: 'x' });
    expect(sent.status).toBe(400);
    await until(async () => {
      const { stdout } = await auditOf(
        SHARED,
        'search',
        '--child',
        '-',
        '--type',
        'refusal',
        ...NAMED,
      );
      return stdout.includes('invalid-request');
    }, 'the refusal in a search');
    const { stdout } = await auditOf(SHARED, 'report', 'child', '--child', '-', ...NAMED);
    expect(stdout).not.toContain('invalid-request');
    expect(stdout).toContain('Left out: 1 requests refused for a technical reason');
  });

  test('reports say what the events say', async () => {
    const rows = async (name: string, ...args: string[]) => {
      const { stdout, stderr } = await audit('report', name, '--json', ...args, ...NAMED);
      if (stdout === '') throw new Error(stderr);
      return z
        .object({ rows: z.array(z.record(z.string(), z.union([z.string(), z.number()]))) })
        .parse(JSON.parse(stdout)).rows;
    };
    const [refusals, lookers, site, user, seen] = await Promise.all([
      rows('refusals'),
      rows('lookers'),
      rows('site', '--organisation', 'ZZH02'),
      rows('user', '--user', 'nurse-1', '--type', 'lookup'),
      rows('searches'),
    ]);
    expect(refusals).toContainEqual(
      expect.objectContaining({ user: 'nobody', 'refused because': 'activity-required', times: 3 }),
    );
    expect(lookers).toContainEqual(
      expect.objectContaining({ user: 'nurse-1', children: 2, lookups: 2, peers: 0 }),
    );
    expect(site?.map((row) => String(row['nhs number'])).toSorted(byText)).toEqual(
      [SHARED, OTHERS].toSorted(byText),
    );
    expect(JSON.stringify(site)).not.toContain('flagged');
    expect(user).toHaveLength(2);
    expect(seen?.length).toBeGreaterThan(0);
    expect(await rows('out-of-hours')).toBeInstanceOf(Array);
    const refused = await rows('refusals', '--authority', 'ZZ102');
    expect(refused).toEqual([]);
    const again = await rows('repeats', '--least', '1', '--authority', 'ZZ102');
    expect(again.map((row) => String(row['nhs number'])).toSorted(byText)).toEqual(
      [SHARED, SHARED, SHARED, OTHERS].toSorted(byText),
    );
    expect(await rows('repeats', '--least', '2', '--user', 'nurse-1')).toEqual([]);
  });

  test('every list shows an event with the outcome of the look: what happened, and where the child is', async () => {
    const token = await service.token(claims({ sub: 'nurse-2', organisation: 'ZZH02' }));
    const answer = await service.answered({ nhsNumber: OTHERS }, { token });
    const { auditId } = z
      .object({ auditId: z.string() })
      .loose()
      .parse(await answer.json());
    const where = { ward: 'Ward 4', switchboard: '020 7946 0200' };
    for (const [attended, more] of [
      ['left-before-seen', {}],
      ['wrong-patient', {}],
      ['admitted', where],
    ] as const) {
      const said = await fetch(`${service.baseUrl}/lookup/${auditId}/attendance`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-request-id': randomUUID(),
          authorization: `Bearer ${token}`,
        },
        body: JSON.stringify({ nhsNumber: OTHERS, attended, ...more }),
      });
      expect(said.status).toBe(200);
    }
    const told = [
      'left before being seen',
      'wrong patient',
      'admitted, Ward 4, telephone 02079460200',
    ];
    await until(async () => {
      const { stdout } = await auditOf(OTHERS, 'search', '--child', '-', ...NAMED);
      return stdout.split(' attendance ').length > 3;
    }, 'the attendances in a search');
    for (const args of [
      ['search', '--child', '-'],
      ['search', '--child', '-', '--csv'],
      ['report', 'child', '--child', '-'],
      ['report', 'child', '--child', '-', '--csv'],
      ['report', 'user', '--user', 'nurse-2'],
      ['report', 'user', '--user', 'nurse-2', '--csv'],
    ]) {
      const { stdout } = await auditOf(args.includes('-') ? OTHERS : '', ...args, ...NAMED);
      for (const words of told) expect(`${args.join(' ')}: ${stdout}`).toContain(words);
    }
  });

  test('one command rebuilds the index', async () => {
    const { code, stdout } = await audit('index', '--rebuild');
    expect(code).toBe(0);
    expect(stdout).toMatch(/is complete, up to entry [0-9]+ of the log/);
  });
});
