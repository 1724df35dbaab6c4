import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { problemSchema } from '#schemas/errors.ts';
import { notificationsPageSchema } from '#schemas/notification.ts';
import { NOTIFYING } from '#schemas/wording/operations.ts';
import { sealedEvents, sealedRange } from '#service/audit/log/sealed.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { allEvents } from '../../support/audit-events.ts';
import { authorityClient, officer } from '../../support/authority.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { untilAnswered, untilAskedOnce } from '../../support/until.ts';

const run = commandsInTurn();

const [CHILD, SHARED] = [testNumber(1), testNumber(2)];
const WINDOW_MINUTES = '0.005';

let service: TestService;
let request: ReturnType<typeof authorityClient>;
/**
 * The audit ids of the lookups in order, in three windows: the first child, the child of both authorities, the first
 * child.
 */
let looked: string[] = [];

/** Starts a service, ends an earlier one, and makes the lookups that the tests find. */
async function startWithLooks(): Promise<void> {
  await service?.stopAndRemove();
  service = await startTestService({
    authorities: [
      { code: 'ZZ101', rows: [{ nhsNumber: CHILD }, { nhsNumber: SHARED, localId: '=1+1' }] },
      { code: 'ZZ102', rows: [{ nhsNumber: SHARED, localId: 'B-2' }] },
      { code: 'ZZ103' },
    ],
    environment: { NOTIFICATIONS_WINDOW_MINUTES: WINDOW_MINUTES },
  });
  request = authorityClient(service);
  await until(async () => (await request('/notifications')).status === 200, 'notifications');
  looked = [];
  for (const [user, child] of [
    ['one', CHILD],
    ['two', SHARED],
    ['three', CHILD],
  ] as const) {
    looked.push(await lookAndHear(user, child));
  }
}

// A look that had to be made again may be notified twice.
beforeAll(() => untilAskedOnce([1, 2, 3], startWithLooks));
afterAll(() => service?.stopAndRemove());

async function page(query = '', as = 'ZZ101') {
  const response = await untilAnswered(() => request(`/notifications${query}`, { as }));
  expect(response.status).toBe(200);
  return notificationsPageSchema.parse(await response.json());
}
/** Looks the child up as this user, and waits until ZZ101 is notified. */
async function lookAndHear(user: string, nhsNumber: string): Promise<string> {
  const token = await service.token(claims({ sub: user }));
  const response = await service.answered({ nhsNumber }, { token });
  const { auditId } = z.object({ auditId: z.string() }).parse(await response.json());
  await until(async () => {
    const { notifications } = await page('?limit=100');
    return notifications.some(({ entries }) => entries.some(({ id }) => id === auditId));
  }, 'the authority to be told');
  return auditId;
}
async function refused(response: Response): Promise<string> {
  const problem = problemSchema.parse(await response.json());
  return `${response.status} ${problem.code}`;
}

describe('GET /notifications', () => {
  test('leaves an event that can be found again, whichever version of UUID its request has', async () => {
    const sent = [
      '00000000-0000-0000-0000-000000000000',
      'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
      '60e0b220-8136-0ca5-0e46-1d97ef59d068',
      '60e0b220-8136-9ca5-fe46-1d97ef59d068',
    ];
    for (const id of sent) {
      const headers = { 'x-request-id': id, 'x-correlation-id': id };
      expect((await request('/notifications', { headers })).status).toBe(200);
    }
    const recorded = (await createAuditStreams(service.admin).numbers()).at(-1) ?? 0;
    const log = join(service.dataDir, 'audit');
    await until(() => (sealedRange(log)?.numbers.at(-1) ?? 0) >= recorded, 'the seal');
    const found: unknown[] = [];
    for await (const { event } of sealedEvents(log, 0)) {
      expect(event.type).not.toBe('unreadable');
      if (event.type === 'notifications-read') found.push(event.requestId, event.correlationId);
    }
    expect(found).toEqual(expect.arrayContaining(sent));
  });

  test('gives an authority its own notifications in order, page by page, and each once', async () => {
    const heard: string[] = [];
    let after = '';
    for (;;) {
      const { notifications, next, more } = await page(`?limit=1${after}`);
      expect(notifications.length).toBeLessThanOrEqual(1);
      heard.push(...notifications.flatMap(({ entries }) => entries.map(({ id }) => id)));
      after = `&after=${next}`;
      if (!more) break;
    }
    expect(heard).toEqual(looked);
    expect(await page(`?${after.slice(1)}`)).toEqual({
      notifications: [],
      next: after.slice('&after='.length),
      more: false,
    });
  });

  test('shows another authority none of them', async () => {
    const [, both] = looked;
    const others = JSON.stringify(await page('?limit=100', 'ZZ102'));
    expect(others).toContain(both);
    expect(others).not.toContain(CHILD);
    expect(others).not.toContain('=1+1');
    expect((await page('', 'ZZ103')).notifications).toEqual([]);
  });

  test('accepts a token of the authority itself, and puts no number into an address', async () => {
    expect(await refused(await request('/notifications', { token: 'none' }))).toBe(
      '401 token-malformed',
    );
    const nurse = await service.token(claims());
    expect(await refused(await request('/notifications', { token: nurse }))).toBe(
      '403 authority-token-required',
    );
    const noScope = await service.token(officer('ZZ101', { scope: 'audit' }));
    expect(await refused(await request('/notifications', { token: noScope }))).toBe(
      '403 authority-token-required',
    );
    expect((await request('/notifications', { method: 'HEAD' })).status).toBe(405);
  });

  test.for([
    '?after=1',
    '?after=000000000001.0000&after=000000000001.0000',
    '?limit=0',
    '?limit=101',
    '?limit=x',
    '?nhsNumber=1',
  ])('refuses %s', async (query) => {
    expect(await refused(await request(`/notifications${query}`))).toBe(
      '400 notifications-query-invalid',
    );
  });

  test('says so if the log is older than what the authority already has', async () => {
    expect(await refused(await request('/notifications?after=999999999999.0000'))).toBe(
      '409 notifications-after-unknown',
    );
  });

  test('gives CSV that a spreadsheet treats as text, and XML one notification at a time', async () => {
    const csv = await request('/notifications?limit=100', { headers: { accept: 'text/csv' } });
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(await csv.text()).toContain(`"'=1+1"`);
    const xml = await request('/notifications', { headers: { accept: 'application/xml' } });
    expect((await xml.text()).match(/<CP-ISAccessToServiceNotification /g)).toHaveLength(1);
    const next = /after=([0-9.]+)>; rel="next"/.exec(xml.headers.get('link') ?? '')?.[1];
    const { notifications } = await page('?limit=1');
    expect(next).toBe(notifications[0]?.id);
    const last = (await page('?limit=100')).next;
    const none = await request(`/notifications?after=${last}`, {
      headers: { accept: 'application/xml' },
    });
    expect(none.status).toBe(204);
  });

  test('is recorded before anything is sent, and not at all if there is nothing to send', async () => {
    const requestId = randomUUID();
    const headers = { 'x-request-id': requestId };
    const response = await request('/notifications?limit=1', { headers });
    const { next } = notificationsPageSchema.parse(await response.json());
    const empty = randomUUID();
    await request('/notifications', { as: 'ZZ103', headers: { 'x-request-id': empty } });
    expect(NOTIFYING.resent(2, 'ZZ101', undefined)).not.toMatch(/written into|within seconds/);
    const events = await allEvents(service.dataDir, service.store, ['system']);
    const read = events.filter((event) => event.type === 'notifications-read');
    expect(read.find((event) => event.requestId === requestId)).toMatchObject({
      authority: 'ZZ101',
      by: 'Nora Nurse',
      upTo: next,
      count: 1,
    });
    expect(read.some((event) => event.requestId === empty)).toBe(false);
  });
});

test('an operator sees how far authorities have been notified, and has an outbox written again', async () => {
  const cli = (...args: string[]) => run(args, { DATA_DIR: service.dataDir });
  const folder = join(service.dataDir, 'outbox', 'ZZ101');
  await until(() => existsSync(folder) && readdirSync(folder).length > 0, 'the outbox');
  const listed = await cli('notifications', 'list');
  expect(listed).toMatchObject({ code: 0 });
  expect(listed.stdout).toMatch(/^ZZ101 {2}last [0-9.]+, [0-9]+ kept from [0-9.]+/m);
  const status = await cli('status', '--json');
  expect(JSON.parse(status.stdout)).toMatchObject({ notifications: { ok: true, unreadable: 0 } });
  expect((await cli('notifications', 'resend', 'ZZ199', '--by', 'A', '--reason', 'b')).code).toBe(
    1,
  );
  const resent = await cli('notifications', 'resend', 'ZZ101', '--by', 'A', '--reason', 'lost');
  const kept = Number(/([0-9]+) kept/.exec(listed.stdout)?.[1]);
  expect(resent.stdout).toContain(`${kept} notifications of ZZ101 are to be written into`);
  const first = /kept from ([0-9.]+[0-9])/.exec(listed.stdout)?.[1] ?? '';
  const who = ['--by', 'A', '--reason', 'lost'];
  const later = await cli('notifications', 'resend', 'ZZ101', '--after', first, ...who);
  expect(later.stdout).toMatch(new RegExp(`^${kept - 1} notifications? of ZZ101 `));
  const events = await allEvents(service.dataDir, service.store, ['system']);
  expect(events.find((event) => event.type === 'notifications-resent')).toMatchObject({
    by: 'A',
    detail: { authority: 'ZZ101', reason: 'lost' },
  });
});
