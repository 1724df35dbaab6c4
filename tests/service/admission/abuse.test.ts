import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problemSchema } from '#schemas/errors.ts';
import { statusSchema } from '#schemas/status.ts';
import { COULD_NOT_CHECK } from '#schemas/wording/lookup.ts';
import { osAccount } from '#service/cli/named.ts';
import { authorityClient } from '../../support/authority.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';

const run = commandsInTurn();

const CHILD = testNumber(701);
/** So few a minute that none of them is given back while a test runs. */
const LIMIT = 3;

let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    environment: {
      USER_LIMIT: String(LIMIT),
      ORGANISATION_LIMIT: '1000',
      // A slow machine takes on an eighth as many lookups at once, and here a hundred arrive together.
      LOOKUPS_AT_ONCE: '1000',
    },
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
});
afterAll(() => service?.stopAndRemove());

let users = 0;
/**
 * Asks as a new user, and as another one if the check could not be made: a repeat uses up a limit as well. The first
 * answer must be 200.
 *
 * @returns the user, and their token
 */
async function untilNewUser(
  ask: (token: string, user: string) => Promise<number>,
  more: Parameters<typeof claims>[0] = {},
): Promise<{ token: string; user: string }> {
  let user = '';
  let token = '';
  const { status } = await untilAnswered(async () => {
    user = newUser();
    token = await tokenOf(user, more);
    return { status: await ask(token, user) };
  });
  expect(status).toBe(200);
  return { token, user };
}

/** A new user for each test, with their limit unused. */
const newUser = (): string => `nurse-${++users}`;
const tokenOf = (user: string, more: Parameters<typeof claims>[0] = {}) =>
  service.token(claims({ ...more, sub: user }));

async function exhaust(token: string): Promise<Response> {
  let response: Response | undefined;
  await until(async () => {
    response = await service.lookup({ nhsNumber: CHILD }, { token });
    return response.status === 429;
  }, 'the limit');
  if (response === undefined) throw new Error('no answer');
  return response;
}

describe('a user who asks too often', () => {
  test('is refused with the limit, its period and when to continue', async () => {
    const response = await exhaust(await tokenOf(newUser()));
    expect(response.status).toBe(429);
    const wait = Number(response.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(20);
    const problem = problemSchema.parse(await response.json());
    expect(problem).toMatchObject({
      code: 'too-many-requests',
      checked: false,
      advice: [COULD_NOT_CHECK],
    });
    expect(problem.detail).toContain(`The limit of this user is ${LIMIT} requests in 60 seconds.`);
  });

  test('is refused in FHIR as a FHIR outcome', async () => {
    const token = await tokenOf(newUser());
    await exhaust(token);
    const response = await fetch(`${service.baseUrl}/FHIR/R4/CareTeam/_search`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'x-request-id': randomUUID(),
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: `patient:identifier=https://fhir.nhs.uk/Id/nhs-number|${CHILD}`,
    });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).not.toBeNull();
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      issue: [
        {
          code: 'throttled',
          details: { coding: [{ code: 'TOO_MANY_REQUESTS' }, { code: 'too-many-requests' }] },
        },
      ],
    });
    expect(text).toContain(`${LIMIT} requests in 60 seconds`);
  });

  test('gets no more with another token, and slows nobody else down', async () => {
    const user = newUser();
    await exhaust(await tokenOf(user));
    const again = await service.token(claims({ sub: user }), 601);
    expect((await service.lookup({ nhsNumber: CHILD }, { token: again })).status).toBe(429);
    await untilNewUser(
      async (token) => (await service.lookup({ nhsNumber: CHILD }, { token })).status,
    );
  });

  test('uses up the limit with refused requests too', async () => {
    const token = await tokenOf(newUser());
    await until(
      async () => (await service.lookup({ nhsNumber: '1' }, { token })).status === 429,
      'the limit',
    );
  });

  test('uses up the limit with each item of a batch', async () => {
    const send = (token: string, items: number) =>
      fetch(`${service.baseUrl}/lookup/batch`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'x-request-id': randomUUID(),
          'content-type': 'application/json',
        },
        body: JSON.stringify({
          items: Array.from({ length: items }, () => ({ nhsNumber: CHILD })),
        }),
      });
    const ask = async (token: string) => (await send(token, LIMIT)).status;
    const { token } = await untilNewUser(ask, { activities: ['B0170'] });
    expect((await send(token, 1)).status).toBe(429);
  });

  test('is audited, either as each refusal or as how many there were', async () => {
    const user = newUser();
    const token = await tokenOf(user);
    await exhaust(token);
    const more = 100;
    const statuses = await Promise.all(
      Array.from({ length: more }, async () => {
        return (await service.lookup({ nhsNumber: CHILD }, { token })).status;
      }),
    );
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(more - 1);
    const refusalsOf = async (of: string) =>
      (await service.events()).filter(
        (event) => event.type === 'refusal' && event.caller.user === of,
      );
    // Events are written in order: once a later refusal is there, so are all of these.
    const later = newUser();
    await service.lookup({ nhsNumber: '1' }, { token: await tokenOf(later) });
    await until(async () => (await refusalsOf(later)).length > 0, 'a later refusal');
    const { length } = await refusalsOf(user);
    expect(length).toBeGreaterThanOrEqual(20);
    // Twenty a minute, and one for how many more there were. The minute may change meanwhile.
    expect(length).toBeLessThanOrEqual(2 * 21);
  });
});

/** Whether the status of a service warns about somebody who guesses numbers. */
async function isWarned({ baseUrl }: TestService): Promise<boolean> {
  const { checks } = statusSchema.parse(await (await fetch(`${baseUrl}/_status`)).json());
  return checks['access:enumeration']?.[0]?.status === 'warn';
}

test('a demo has no limits unless they are set', async () => {
  const open = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
  try {
    const token = await open.token();
    const statuses = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const response = await open.lookup({ nhsNumber: CHILD }, { token });
        await response.arrayBuffer();
        return response.status;
      }),
    );
    expect(statuses).not.toContain(429);
  } finally {
    await open.stopAndRemove();
  }
});

test('a user who guesses numbers is reported in log, status and audit, and is still answered', async () => {
  const open = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
  try {
    const token = await open.token(claims({ sub: 'curious' }));
    const numbers = Array.from({ length: 40 }, (_, i) => testNumber(2_000 + i));
    for (const nhsNumber of numbers) {
      expect((await open.answered({ nhsNumber }, { token })).status).toBe(200);
    }
    await until(
      async () => (await open.events()).some(({ type }) => type === 'enumeration-alert'),
      'the alert in the audit',
    );
    const alerts = (await open.events()).filter(({ type }) => type === 'enumeration-alert');
    expect(alerts[0]).toMatchObject({
      partition: 'system',
      sign: 'sequential-numbers',
      caller: { user: 'curious', organisation: { code: 'ZZH01' } },
    });
    for (const number of numbers) expect(JSON.stringify(alerts)).not.toContain(number);
    expect(open.lines.some((line) => line.includes('unusual way'))).toBe(true);
    await until(() => isWarned(open), 'the status');
  } finally {
    await open.stopAndRemove();
  }
});

test('a user who looks up many children in several roles is reported to the privacy officer', async () => {
  const open = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
  try {
    const numbers = Array.from({ length: 24 }, (_, i) => testNumber((i * 7_919) % 1_000_000));
    const tokens = await Promise.all(
      ['ZZH01', 'ZZH02', 'ZZH03'].map((organisation) =>
        open.token(claims({ sub: 'patient-thief', organisation })),
      ),
    );
    const statuses = await Promise.all(
      numbers.map(async (nhsNumber, i) => {
        const token = tokens[i % tokens.length] ?? '';
        return (await open.answered({ nhsNumber }, { token })).status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    const alertsOf = async () =>
      (await open.events()).filter((event) => event.type === 'enumeration-alert');
    await until(async () => (await alertsOf()).length > 0, 'the alert in the audit');
    const [alert] = await alertsOf();
    expect(alert).toMatchObject({
      partition: 'system',
      sign: 'distinct-numbers',
      access: 'unscheduled',
      threshold: 20,
      caller: { user: 'patient-thief' },
    });
    const folder = join(open.dataDir, 'privacy-officer');
    const [name = ''] = await readdir(folder);
    expect(name).toContain(alert?.auditId);
    const file = await readFile(join(folder, name), 'utf8');
    expect(file).toContain('Nora Nurse');
    for (const number of numbers) expect(file).not.toContain(number);
    await until(() => isWarned(open), 'the status');
    expect(open.lines.filter((line) => line.includes('unusual way'))).toHaveLength(1);
    // A report covers only what is sealed, and the alert itself has to be sealed first.
    await until(async () => {
      const { stdout, code } = await run(
        ['audit', 'report', 'alerts', '--json', '--by', 'A. Guardian', '--reason', 'weekly'],
        { DATA_DIR: open.dataDir },
      );
      expect(code).toBe(0);
      return stdout.includes('patient-thief');
    }, 'the report');
  } finally {
    await open.stopAndRemove();
  }
});

describe('a user blocked by the operator', () => {
  const block = (user: string, command = 'block') =>
    run(
      [
        command,
        user,
        '--issuer',
        'cp-flags-demo',
        '--by',
        'C. Guardian',
        '--reason',
        'Card stolen',
      ],
      { DATA_DIR: service.dataDir },
    );

  test('is refused with an explanation within seconds, audited, and accepted again once unblocked', async () => {
    const look = async (token: string) =>
      (await service.lookup({ nhsNumber: CHILD }, { token })).status;
    const { token, user } = await untilNewUser(look);
    const { code, stdout } = await block(user);
    expect(stdout).toContain('is blocked');
    expect(code).toBe(0);

    const requestId = randomUUID();
    let refused: Response | undefined;
    await until(async () => {
      refused = await service.lookup(
        { nhsNumber: CHILD },
        { token, headers: { 'x-request-id': requestId } },
      );
      return refused.status === 403;
    }, 'the block');
    const problem = problemSchema.parse(await refused?.json());
    expect(problem.code).toBe('user-blocked');
    expect(problem.detail).toContain('somebody else must make the check');
    await untilNewUser(look);

    await until(
      async () =>
        (await service.events()).some(
          (event) =>
            event.type === 'refusal' && event.code === 'user-blocked' && event.caller.user === user,
        ),
      'the refusal event',
    );
    expect(await service.events()).toContainEqual(
      expect.objectContaining({
        type: 'user-blocked',
        by: 'C. Guardian',
        detail: {
          issuer: 'cp-flags-demo',
          user,
          reason: 'Card stolen',
          account: osAccount(),
          blocks: expect.stringMatching(/^[a-z]{8}$/) as unknown,
        },
      }),
    );

    const listed = await run(['blocked'], { DATA_DIR: service.dataDir });
    expect(listed.stdout).toContain(`${user} of cp-flags-demo`);
    expect((await block(user)).stdout).toContain('was already blocked');
    expect((await block(user, 'unblock')).stdout).toContain('no longer blocked');
    await until(
      async () => (await service.lookup({ nhsNumber: CHILD }, { token })).status !== 403,
      'the end of the block',
    );
    expect((await run(['blocked'], { DATA_DIR: service.dataDir })).stdout).toContain('Nobody');
  });

  test('is blocked even if the audit does not know them, and the command says so', async () => {
    const user = newUser();
    const { code, stdout, stderr } = await block(user);
    expect([code, stdout]).toEqual([0, expect.stringContaining('is blocked')]);
    expect(stderr).toContain('The audit has no request by this user.');
    const known = newUser();
    await service.lookup({ nhsNumber: CHILD }, { token: await tokenOf(known) });
    // Users are known once one of their requests has been sealed and indexed.
    await until(async () => {
      if ((await block(known)).stderr === '') return true;
      await block(known, 'unblock');
      return false;
    }, 'the look to be in the index');
    expect(await service.events()).toContainEqual(
      expect.objectContaining({ type: 'audit-search', report: 'block', criteria: { user: known } }),
    );
    // The audit is not asked if nothing was done.
    expect((await block(user)).stderr).toBe('');
    for (const each of [user, known]) await block(each, 'unblock');
  });

  test('is also blocked from searching the audit, and the command says who they may be', async () => {
    const watcher = newUser();
    const token = await tokenOf(watcher, { scope: 'audit', activities: [], organisation: 'ZZH01' });
    const search = () =>
      authorityClient(service)('/audit/search', {
        method: 'POST',
        token,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ reason: 'a test' }),
      });
    await until(async () => (await search()).status === 200, 'a search of theirs');
    // Users are known once one of their requests has been sealed and indexed.
    await until(async () => {
      const { code, stdout, stderr } = await block(watcher);
      expect([code, stdout]).toEqual([0, expect.stringContaining('is blocked')]);
      await block(watcher, 'unblock');
      return stderr.includes('This user has searched the audit, so may be a privacy officer');
    }, 'the sentence of who they may be');
  });

  test('must be named, with their issuer, who decided it and why', async () => {
    const environment = { DATA_DIR: service.dataDir };
    const { code, stderr } = await run(['block', 'x', '--issuer', 'i', '--by', 'B'], environment);
    expect(code).toBe(2);
    expect(stderr).toContain('--reason');
    const empty = await run(
      ['block', 'x', '--issuer', 'i', '--by', ' ', '--reason', 'r'],
      environment,
    );
    expect(empty.code).toBe(2);
    expect(empty.stderr).toContain('--by must not be empty');
  });
});
