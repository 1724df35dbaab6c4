import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type EnumerationAlertEvent,
  enumerationAlertEventSchema,
} from '#schemas/audit/audit-event.ts';
import { type AlertingOptions, createAlerting } from '#service/audit/alert/alerting.ts';
import { type SealedEvent, sealedEvents } from '#service/audit/log/sealed.ts';
import {
  auditFolder,
  eventSource,
  openLog,
  removeAuditFolders,
  signerOf,
} from '../../support/audit.ts';
import { type Look, sealedLooks } from '../../support/fortnight.ts';
import { lookupEventOf } from '../../support/lookup-event.ts';

afterAll(() => removeAuditFolders());

const fileSchema = z.looseObject({ summary: z.string(), auditId: z.string() });

const NOON = Date.UTC(2026, 10, 24, 12);
const HOUR = 3_600_000;
const signer = signerOf();
const thresholds = {
  unscheduled: { minute: 20, hour: 60, day: 400 },
  all: { hour: 300, day: 600 },
};

/** A log in which lookups are sealed, and the alerting that follows it. */
function alertingOn() {
  const folder = auditFolder();
  const keys = auditFolder();
  const outbox = join(auditFolder(), 'privacy-officer');
  const source = eventSource();
  const log = openLog(folder, signer);
  const recorded: EnumerationAlertEvent[] = [];
  const told: string[] = [];
  let now = NOON;
  return {
    folder,
    outbox,
    recorded,
    told,
    source,
    log,
    look(
      children: number,
      {
        everyMs = 1_000,
        from = 0,
        at = now,
        ...differing
      }: Partial<Look> & { everyMs?: number; from?: number } = {},
    ) {
      const looks = Array.from({ length: children }, (_, i) => ({
        at: at + i * everyMs,
        child: from + i,
        user: 'thief',
        organisation: 'ZZH01',
        access: 'unscheduled' as const,
        ...differing,
      }));
      const entries = sealedLooks(looks).map(({ event: { partition: _p, number: _n, ...event } }) =>
        source.next(undefined, { ...event, padding: undefined }),
      );
      log.append(entries);
      now = Math.max(now, ...looks.map((each) => each.at));
    },
    /** Seals an alert from a lookup process. */
    seal: (alert: object) => log.append([source.act(alert)]),
    wait: (ms: number) => void (now += ms),
    alerting: (differing: Partial<AlertingOptions> = {}) =>
      createAlerting({
        folder,
        outbox,
        thresholds,
        numberKeyFile: join(keys, 'number-hash.key'),
        record: (alert) =>
          Promise.resolve(void recorded.push(enumerationAlertEventSchema.parse(alert))),
        onAlert: ({ auditId }) => void told.push(auditId),
        onUnknown: () => undefined,
        clock: () => now,
        ...differing,
      }),
    files: () =>
      readdirSync(outbox).map((name) =>
        fileSchema.parse(JSON.parse(readFileSync(join(outbox, name), 'utf8'))),
      ),
  };
}

const idOf = (ofAlert: { auditId: string }): string => ofAlert.auditId;

async function all(alerting: ReturnType<typeof createAlerting>, lately: SealedEvent[] = []) {
  for (;;) {
    const { more, alerting: state } = await alerting.step(lately);
    if (!more) return state;
  }
}

describe('the privacy officer', () => {
  test('gets each alert once, in words, and the audit has it under the same id', async () => {
    const on = alertingOn();
    on.look(30);
    const alerting = on.alerting();
    expect(await all(alerting)).toMatchObject({ problem: false, alerts: 1, behind: 0 });
    on.look(30, { from: 100 });
    await all(alerting);
    alerting.close();
    const next = on.alerting();
    await all(next);
    next.close();

    expect(on.recorded).toMatchObject([
      {
        type: 'enumeration-alert',
        sign: 'distinct-numbers',
        access: 'unscheduled',
        count: 21,
        threshold: 20,
        windowSeconds: 60,
        occurredAt: '2026-11-24T12:00:20.000Z',
        caller: { user: 'thief', organisation: { code: 'ZZH01' } },
      },
    ]);
    expect(on.told).toEqual(on.recorded.map(idOf));
    const files = on.files();
    expect(files).toMatchObject([
      { at: '2026-11-24T12:00:20.000Z', user: { id: 'thief' }, organisation: { code: 'ZZH01' } },
    ]);
    expect(files.map(idOf)).toEqual(on.recorded.map(idOf));
    expect(files[0]?.summary).toBe(
      'Nora thief (Clinical Practitioner, Organisation ZZH01) looked up 21 different children within a minute in unscheduled care. The alert is given above 20. It is a sign, not a finding: read everything that the user did (page “Reports”, or cp-flags audit report user), and ask. To stop the user, block them (page of one of their events, or cp-flags block).',
    );
    expect(JSON.stringify(files)).not.toMatch(/(?<![0-9a-f-])[0-9]{10}(?![0-9a-f-])/);
    expect(readdirSync(on.outbox)).toEqual([
      `alert-20261124T120020Z-${on.recorded[0]?.auditId}.json`,
    ]);
  });

  test('also gets alerts from lookup processes, which are already audited', async () => {
    const on = alertingOn();
    on.look(30);
    const alerting = on.alerting();
    await all(alerting);
    const [own] = on.recorded;
    // It waited because the store was away.
    const occurredAt = '2026-11-24T11:00:00.000Z';
    const other = {
      ...own,
      auditId: crypto.randomUUID(),
      sign: 'sequential-numbers',
      count: 8,
      occurredAt,
    };
    on.seal(own ?? {});
    on.seal(other);
    expect(await all(alerting)).toMatchObject({ problem: false, alerts: 1 });
    alerting.close();
    expect(on.recorded).toHaveLength(1);
    expect(on.files().map(({ at }) => at)).toContain(occurredAt);
    expect(on.files().map(idOf).toSorted()).toEqual([own?.auditId ?? '', other.auditId].toSorted());
  });
});

test('an alert waits until the audit and the officer’s folder can both take it', async () => {
  const on = alertingOn();
  on.look(30);
  writeFileSync(on.outbox, 'in the way');
  const first = on.alerting({ record: () => Promise.reject(new Error('no Redis')) });
  const state = await all(first);
  expect(state.problem).toBe(true);
  expect(state.detail).toContain('privacy officer cannot be written');
  expect(state.detail).toContain('cannot be written to the audit');
  first.close();
  rmSync(on.outbox);
  const next = on.alerting();
  expect(await all(next)).toMatchObject({ problem: false, alerts: 1 });
  next.close();
  expect(on.recorded).toHaveLength(1);
  expect(on.files()).toHaveLength(1);
});

/** An attempt by a user whom a council has barred from the child. */
const attempt = (differing: object = {}) => ({
  ...lookupEventOf({ auditId: crypto.randomUUID(), cause: 'barred', barredBy: ['ZZ101'] }),
  type: 'could-not-check',
  ...differing,
});

test('users are still counted while nothing can be written to the officer’s folder, and a barred user’s attempt is reported there later', async () => {
  const on = alertingOn();
  writeFileSync(on.outbox, 'in the way');
  const tried = attempt();
  on.seal(tried);
  on.look(30);
  const first = on.alerting();
  const state = await all(first);
  first.close();
  expect(state.detail).toContain('privacy officer cannot be written');
  expect(on.recorded).toMatchObject([{ count: 21, caller: { user: 'thief' } }]);

  rmSync(on.outbox);
  const next = on.alerting();
  expect(await all(next)).toMatchObject({ problem: false });
  next.close();
  expect(on.recorded).toHaveLength(1);
  expect(on.files().map(idOf).toSorted()).toEqual(
    [tried.auditId, ...on.recorded.map(idOf)].toSorted(),
  );
  expect(JSON.stringify(on.files())).not.toMatch(/(?<![0-9a-f-])[0-9]{10}(?![0-9a-f-])/);
});

test('a barred user’s repeated attempts for one child give one alert an hour, whichever processes end', async () => {
  const on = alertingOn();
  const given: string[] = [];
  const tryAt = async (at: number, isGiven: boolean, differing: object = {}): Promise<void> => {
    const tried = attempt({ occurredAt: new Date(at).toISOString(), ...differing });
    if (isGiven) given.push(tried.auditId);
    on.seal(tried);
    const alerting = on.alerting();
    expect(await all(alerting)).toMatchObject({ problem: false });
    alerting.close();
  };
  await tryAt(NOON - 3 * HOUR, true);
  await tryAt(NOON - 2 * HOUR - 1, false);
  await tryAt(NOON - 2 * HOUR - 1, true, { nhsNumber: '9990000026' });
  await tryAt(NOON - 2 * HOUR, true);
  // A clock that is ahead says it happened now, and it must hide nothing that comes later.
  await tryAt(NOON + 1_000 * HOUR, true);
  on.wait(HOUR);
  await tryAt(NOON + HOUR, true);
  expect(on.files().map(idOf).toSorted()).toEqual(given.toSorted());
});

test('one process counts, while another stands by and takes over when the first ends', async () => {
  const on = alertingOn();
  on.look(15);
  const first = on.alerting();
  const second = on.alerting();
  await all(first);
  on.look(15, { from: 15, at: NOON + 15_000 });
  expect(await all(second)).toMatchObject({
    problem: false,
    detail: 'Another process counts the children that each user looks up.',
  });
  expect(on.recorded).toEqual([]);
  first.close();
  await all(second);
  second.close();
  expect(on.recorded).toMatchObject([{ count: 21 }]);
});

test('before there is a log, nothing is counted and nothing is reported as wrong', async () => {
  const on = alertingOn();
  const alerting = on.alerting({ folder: join(on.folder, 'none') });
  expect(await all(alerting)).toMatchObject({ problem: false, alerts: 0 });
  alerting.close();
});

test('newly sealed events are not read a second time, and none is counted twice or left out', async () => {
  const on = alertingOn();
  const alerting = on.alerting();
  let sealed = 0;
  for (let part = 0; part < 5; part++) {
    on.look(4, { from: part * 4 });
    const lately: SealedEvent[] = [];
    for await (const one of sealedEvents(on.folder, sealed)) lately.push(one);
    sealed += lately.length;
    // Now and then another process has sealed them, or they have been counted already.
    await all(alerting, part === 2 ? [] : lately);
    await all(alerting, lately);
  }
  expect(on.recorded).toEqual([]);
  on.look(1, { from: 20 });
  await all(alerting);
  expect(on.recorded).toMatchObject([{ count: 21 }]);
  alerting.close();
});

test('a damaged file is rebuilt from a day before the end of the log', async () => {
  const on = alertingOn();
  // These would give an alert if the log were read from its beginning.
  on.look(30, { user: 'long-ago', at: NOON - 60 * HOUR });
  on.look(1_000, { user: 'long-ago', at: NOON - 59 * HOUR, child: 1 });
  on.look(15, { at: NOON });
  const first = on.alerting();
  await all(first);
  first.close();
  expect(on.recorded).toEqual([]);
  writeFileSync(join(on.folder, 'enumeration.sqlite'), 'nothing that SQLite knows'.repeat(200));
  const next = on.alerting();
  expect((await next.step([])).alerting).toMatchObject({ problem: true });
  expect(await all(next)).toMatchObject({ problem: false });
  on.look(6, { from: 15, at: NOON + 15_000 });
  await all(next);
  next.close();
  expect(on.recorded).toMatchObject([{ count: 21, caller: { user: 'thief' } }]);
});
