import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RecordedEvent } from '#schemas/audit/audit-event.ts';
import { EventSpool } from '#service/audit/record/event-spool.ts';
import { createRecorder, type Occurrence } from '#service/audit/record/recorder.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { redisOf } from '../../support/processes.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, until } from '../../support/service.ts';

const folders: string[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cpf-spool-'));
  folders.push(folder);
});
afterAll(() => folders.forEach((one) => rmSync(one, { recursive: true, force: true })));

const at = (second: number): string => new Date(Date.UTC(2026, 10, 24, 0, 0, second)).toISOString();
const event = (): Occurrence => ({
  type: 'not-delivered',
  auditId: randomUUID(),
  nhsNumber: testNumber(1),
});
const silent = createLog('silent');

describe('the spool', () => {
  test('keeps as many events as fit, in order, and counts the rest on disk', () => {
    const spool = EventSpool.open(folder, 1_000);
    const json = JSON.stringify({ padding: 'x'.repeat(280) });
    const events = Array.from({ length: 5 }, (_, i) => ({ json, at: at(i) }));
    expect(spool.keep(events)).toEqual({ lost: 2 });
    expect(spool.count).toBe(3);
    spool.lose({ count: 4, from: at(7), until: at(9) });
    expect(spool.lost()).toEqual({ count: 6, from: at(3), until: at(9) });
    spool.settle({ count: 5, from: at(3), until: at(9) });
    expect(spool.lost()?.count).toBe(1);
    spool.remove(spool.oldest(3));
    expect(spool.keep(events.slice(0, 3))).toEqual({ lost: 0 });
    spool.close();
  });

  test('of a process that has ended is taken over, and one in use is left alone', () => {
    const living = EventSpool.open(folder, 10_000);
    const gone = EventSpool.open(folder, 10_000);
    living.keep([{ json: '1', at: at(1) }]);
    gone.keep([
      { json: '2', at: at(2) },
      { json: '3', at: at(3) },
    ]);
    gone.lose({ count: 7, from: at(1), until: at(2) });
    // The file stays because it is not empty.
    gone.close();
    const next = EventSpool.open(folder, 10_000);
    expect(next.oldest(10).map(({ json }) => json)).toEqual(['2', '3']);
    expect(next.lost()).toEqual({ count: 7, from: at(1), until: at(2) });
    expect(living.oldest(10).map(({ json }) => json)).toEqual(['1']);
    expect(readdirSync(folder).filter((name) => name.endsWith('.sqlite'))).toHaveLength(2);
    for (const spool of [living, next]) {
      spool.remove(spool.oldest(10));
      const lost = spool.lost();
      if (lost !== undefined) spool.settle(lost);
      spool.close();
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  test('of a process that has ended delays no other spool if it is damaged, and stops no process', () => {
    const gone = EventSpool.open(folder, 10_000);
    gone.keep([{ json: '2', at: at(2) }]);
    gone.close();
    writeFileSync(join(folder, '0-damaged.sqlite'), 'no database'.repeat(1_000));
    const next = EventSpool.open(folder, 10_000);
    expect(next.oldest(10).map(({ json }) => json)).toEqual(['2']);
    expect(next.adopt().map(({ name }) => name)).toEqual(['0-damaged.sqlite']);
    expect(next.keep([{ json: '3', at: at(3) }])).toEqual({ lost: 0 });
    next.close();
    expect(readdirSync(folder)).toContain('0-damaged.sqlite');
  });
});

describe('the recorder', () => {
  /** A store that can be away, and the events it was given. */
  function store() {
    const recorded: RecordedEvent[] = [];
    const state = { open: true, failing: false };
    return {
      recorded,
      state,
      readiness: {
        get open() {
          return state.open;
        },
      },
      lookup: () => Promise.reject(new Error('not here')),
      record(one: RecordedEvent): Promise<void> {
        if (state.failing) return Promise.reject(new Error('away'));
        recorded.push(one);
        return Promise.resolve();
      },
    };
  }
  const ids = (events: readonly RecordedEvent[]) => events.map(({ auditId }) => auditId);

  test('keeps an event that the store did not take in time exactly once, and writes nothing after it has ended', async () => {
    const s = store();
    const reply = Promise.withResolvers<void>();
    const recorder = createRecorder({ record: () => reply.promise }, s.readiness, silent, {
      folder,
      mostBytes: 100_000,
    });
    recorder.record(event());
    await recorder.drain(0);
    reply.reject(new Error('the connection was closed'));
    await reply.promise.catch(() => undefined);
    await Promise.resolve();
    const spool = EventSpool.open(folder, 100_000);
    expect(spool.count).toBe(1);
    spool.close();
  });

  test('keeps events with their times while the store is away, and passes them on in order', async () => {
    const s = store();
    const recorder = createRecorder(s, s.readiness, silent, { folder, mostBytes: 100_000 });
    const events = Array.from({ length: 150 }, event);
    s.state.open = false;
    for (const one of events.slice(0, 100)) recorder.record(one);
    s.state.open = true;
    s.state.failing = true;
    for (const one of events.slice(100)) recorder.record(one);
    s.state.failing = false;
    await until(() => s.recorded.length === events.length);
    expect(ids(s.recorded)).toEqual(ids(events));
    expect(s.recorded.every((one) => 'occurredAt' in one && one.occurredAt)).toBe(true);
    await recorder.drain(1_000);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('lets no later event overtake one that is not yet in the spool', async () => {
    const s = store();
    const recorder = createRecorder(s, s.readiness, silent, { folder, mostBytes: 10_000 });
    const [first, second] = [event(), event()];
    s.state.open = false;
    recorder.record(first);
    s.state.open = true;
    recorder.record(second);
    await until(() => s.recorded.length === 2, 'both events');
    expect(ids(s.recorded)).toEqual([first.auditId, second.auditId]);
    await recorder.drain(1_000);
  });

  test('keeps every kind of event, with the time when it happened', async () => {
    const s = store();
    s.state.open = false;
    const auditId = randomUUID();
    const caller = {
      issuer: 'https://id.example',
      client: 'test',
      user: 'nurse-1',
      name: 'Nora Nurse',
      role: { code: 'R8000', name: 'Clinical Practitioner' },
      organisation: { code: 'ZZH01', name: 'Organisation ZZH01' },
    };
    const nhsNumber = testNumber(1);
    const kinds: Record<Occurrence['type'], object> = {
      'not-delivered': { auditId, nhsNumber },
      'could-not-check': {
        auditId,
        caller,
        api: 'plain',
        setting: 'ambulance',
        access: 'unscheduled',
        decidedBy: 'activity',
        nhsNumber,
        coverage: { expected: 1, upToDate: 1 },
        versions: { functions: 'f', configuration: 'c' },
        cause: 'closed',
      },
      refusal: { auditId, caller, api: 'plain', code: 'activity-required' },
      'enumeration-alert': {
        auditId,
        caller,
        sign: 'out-of-hours',
        count: 31,
        threshold: 30,
        windowSeconds: 3_600,
      },
      'configuration-start': { auditId, by: 'service', detail: { version: '1' } },
      'configuration-change': { auditId, by: 'service', detail: { organisations: 'other' } },
    };
    const events = Object.entries(kinds).map(
      ([type, members]) => ({ type, ...members }) as Occurrence,
    );
    const before = Date.now();
    const first = createRecorder(s, s.readiness, silent, { folder, mostBytes: 100_000 });
    for (const one of events) first.record(one);
    await first.drain(100);
    const after = Date.now();
    s.state.open = true;
    const second = createRecorder(s, s.readiness, silent, { folder, mostBytes: 100_000 });
    await until(() => s.recorded.length === events.length);
    expect(s.recorded).toMatchObject(events);
    for (const one of s.recorded) {
      const time = Date.parse(('occurredAt' in one && one.occurredAt) || '');
      expect(time).toBeGreaterThanOrEqual(before);
      expect(time).toBeLessThanOrEqual(after);
    }
    await second.drain(1_000);
  });

  test('records how many events did not fit, once the store is back', async () => {
    const s = store();
    s.state.open = false;
    const recorder = createRecorder(s, s.readiness, silent, { folder, mostBytes: 2_000 });
    const events = Array.from({ length: 50 }, event);
    for (const one of events) recorder.record(one);
    await until(() => readdirSync(folder).length > 0);
    s.state.open = true;
    await until(() => s.recorded.some(({ type }) => type === 'events-lost'));
    const lost = s.recorded.at(-1);
    expect(lost?.type === 'events-lost' && lost.count).toBe(50 - (s.recorded.length - 1));
    expect(ids(s.recorded.slice(0, -1))).toEqual(ids(events.slice(0, s.recorded.length - 1)));
    await recorder.drain(1_000);
  });

  test('leaves what it could not pass on to the next process', async () => {
    const s = store();
    s.state.open = false;
    const events = Array.from({ length: 20 }, event);
    const first = createRecorder(s, s.readiness, silent, { folder, mostBytes: 100_000 });
    for (const one of events) first.record(one);
    await first.drain(100);
    expect(s.recorded).toEqual([]);
    s.state.open = true;
    const second = createRecorder(s, s.readiness, silent, { folder, mostBytes: 100_000 });
    await until(() => s.recorded.length === events.length);
    expect(ids(s.recorded)).toEqual(ids(events));
    await second.drain(1_000);
  });

  test('records each event once, including later ones, while nothing can be written to disk and the store is back', async () => {
    const s = store();
    s.state.open = false;
    const recorder = createRecorder(s, s.readiness, silent, { folder, mostBytes: 20_000 });
    const events = Array.from({ length: 150 }, event);
    for (const one of events) recorder.record(one);
    await until(() => recorder.lost > 0, 'an event that found no room');
    const kept = events.length - recorder.lost;
    expect(kept).toBeGreaterThan(70);

    const full = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(() => {
      throw new Error('database or disk is full');
    });
    const later = Array.from({ length: 3 }, event);
    const first = ids(events.slice(0, kept));
    try {
      s.state.open = true;
      await until(() => recorder.waiting === 0, 'the spool to be passed on');
      for (const one of later) recorder.record(one);
      const tries = full.mock.calls.length;
      await until(() => full.mock.calls.length >= tries + 3, 'three more attempts');
    } finally {
      full.mockRestore();
    }
    expect(ids(s.recorded.filter(({ type }) => type !== 'events-lost'))).toEqual([
      ...first,
      ...ids(later),
    ]);
    expect(s.recorded.filter(({ type }) => type === 'events-lost')).toMatchObject([
      { count: events.length - kept },
    ]);
    await recorder.drain(1_000);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('keeps running if nothing can be written to disk', async () => {
    const s = store();
    s.state.open = false;
    const recorder = createRecorder(s, s.readiness, silent, {
      // This path goes through a file, so nothing can be created there.
      folder: join(process.execPath, 'spool'),
      mostBytes: 100_000,
    });
    for (let i = 0; i < 5; i++) recorder.record(event());
    await recorder.drain(500);
    expect(s.recorded).toEqual([]);
  });
});

test('checks that could not be made while Redis was away are in the log once it is back', async () => {
  const child = testNumber(301);
  const service = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: child }] }],
  });
  try {
    const token = await service.token();
    const pid = await redisOf(service.dataDir);
    process.kill(pid, 'SIGSTOP');
    const before = Date.now();
    const requests = Array.from({ length: 5 }, () => randomUUID());
    const responses = await Promise.all(
      requests.map((id) =>
        service.lookup({ nhsNumber: child }, { token, headers: { 'x-request-id': id } }),
      ),
    );
    expect(responses.map(({ status }) => status)).toEqual(requests.map(() => 503));
    const after = Date.now();
    process.kill(pid, 'SIGCONT');
    const found = async () =>
      (await service.events()).filter((one) => one.type === 'could-not-check');
    await until(async () => (await found()).length >= requests.length, 'the events');
    const events = await found();
    for (const id of requests) {
      const one = events.find(({ requestId }) => requestId === id);
      const time = Date.parse(one?.occurredAt ?? '');
      expect(time).toBeGreaterThanOrEqual(before);
      expect(time).toBeLessThanOrEqual(after + 5_000);
    }
  } finally {
    await service.stopAndRemove();
  }
});
