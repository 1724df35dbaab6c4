import {
  closeSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import type { AuditEvent } from '#schemas/audit/audit-event.ts';
import {
  AUDIT_OUTCOMES,
  type AuditCriteria,
  auditCriteriaSchema,
} from '#schemas/audit/audit-search.ts';
import { type Followed, sealedEvents, sealedRange } from '#service/audit/log/sealed.ts';
import { AuditIndex, followLog } from '#service/audit/search/index-file.ts';
import { NoIndex, readCursor, searchAudit, writeCursor } from '#service/audit/search/search.ts';
import {
  createSearchedUntil,
  type Reach,
  reachOf,
  searchedUntilOf,
} from '#service/audit/search/searched-until.ts';
import { createSearcher } from '#service/audit/search/searcher.ts';
import type { Viewer } from '#service/audit/search/view.ts';
import {
  auditFolder,
  eventSource,
  openLog,
  removeAuditFolders,
  seeded,
  signerOf,
} from '../../support/audit.ts';
import { handingOn } from '../../support/handed-on.ts';
import { testNumber } from '../../support/rows.ts';

afterAll(() => removeAuditFolders());

const ALL: Viewer = { kind: 'all' };
const CHILDREN = [1, 2, 3, 4].map((n) => testNumber(7_000 + n));
const USERS = ['nurse-1', 'nurse-2', 'gp-1'];
const ORGANISATIONS = ['ZZH01', 'ZZH02', 'ZZP01'];
const AUTHORITIES = ['ZZ101', 'ZZ102'];
const START = Date.UTC(2026, 10, 24);
const RECENT_AT_MOST = 400;

/** A random event as a service writes it, of any kind that a search distinguishes. */
function randomEvent(random: (below: number) => number): object {
  const pick = <T>(of: readonly T[]): T => of[random(of.length)] as T;
  const organisation = pick(ORGANISATIONS);
  const caller = {
    issuer: pick(['https://a.example', 'https://b.example']),
    client: 'client',
    user: pick(USERS),
    name: 'Nora Nurse',
    role: { code: 'R8000', name: pick(['Nurse', 'Doctor']) },
    organisation: { code: organisation, name: organisation },
  };
  const auditId = crypto.randomUUID();
  const request = { auditId, caller, api: 'plain', requestId: crypto.randomUUID() };
  const look = {
    ...request,
    setting: 'emergency-department',
    access: pick(['unscheduled', 'silent-read']),
    decidedBy: 'activity',
    nhsNumber: pick(CHILDREN),
    coverage: { expected: 2, upToDate: 2 },
    versions: { functions: 'f', configuration: 'c' },
  };
  const occurredAt = new Date(START + random(20_000)).toISOString();
  const plan = (authority: string) => ({
    authority,
    type: 'child-protection-plan',
    startDate: '2026-01-05',
    status: 'current',
    dateOfBirth: 'not-checked',
  });
  const held = AUTHORITIES.filter(() => random(2) === 0);
  switch (random(10)) {
    case 0:
      return {
        type: 'could-not-check',
        ...look,
        cause: 'store-away',
        outcome: undefined,
        occurredAt,
      };
    case 1:
      return {
        ...request,
        type: 'refusal',
        code: pick(['activity-required', 'too-many-requests']),
        nhsNumber: pick(CHILDREN),
        outcome: undefined,
        ...(random(2) === 0 && { count: 5 }),
        occurredAt,
      };
    case 2:
      return { type: 'not-delivered', auditId, nhsNumber: pick(CHILDREN), outcome: undefined };
    case 3:
      return {
        type: 'audit-search',
        auditId,
        by: 'A. Guardian',
        reason: 'why',
        view: 'all',
        criteria: random(2) === 0 ? { nhsNumber: pick(CHILDREN) } : {},
        eventsShown: 0,
        outcome: undefined,
      };
    case 4:
      return {
        type: 'load',
        auditId,
        authority: pick(AUTHORITIES),
        sequence: 1,
        sha256: 'x',
        code: 'CPF02',
        accepted: 1,
        refused: 0,
        by: 'watch',
        outcome: undefined,
      };
    case 5:
      return {
        type: pick(['hold-released', 'sequence-reset', 'purge']),
        auditId,
        by: 'A. Guardian',
        detail: { authority: pick(AUTHORITIES) },
        outcome: undefined,
      };
    case 6:
      return {
        type: 'notifications-read',
        auditId,
        authority: pick(AUTHORITIES),
        caller,
        by: caller.name,
        upTo: 'x',
        count: 1,
        outcome: undefined,
      };
    default:
      return held.length > 0
        ? { type: 'lookup', ...look, outcome: 'flagged', shown: held.map(plan), accessesShown: [] }
        : { type: 'lookup', ...look, outcome: 'not-flagged', shown: [], accessesShown: [] };
  }
}

function makeAuditLog(count: number, seed: number, from = START) {
  const folder = auditFolder();
  const random = seeded(seed);
  const source = eventSource(seed, from);
  const signer = signerOf();
  const log = openLog(folder, signer);
  const write = (events: readonly object[]): void =>
    log.append(events.map((event) => source.next(undefined, event)));
  const append = (many: number): void =>
    write(Array.from({ length: many }, () => randomEvent(random)));
  if (count > 0) append(count);
  const places = { folder, indexFile: join(auditFolder(), 'index', 'index.sqlite') };
  const follower = followLog(folder, places.indexFile, RECENT_AT_MOST);
  const catchUp = (): void => {
    for (let steps = 0; follower.step(5)?.behind !== 0; steps++) {
      if (steps > 1_000) throw new Error('the index does not come to the end');
    }
  };
  return { places, log, append, write, follower, catchUp };
}

/** All the rows of an index, with its texts in words. */
function rowsOf(indexFile: string): unknown[] {
  const db = new DatabaseSync(indexFile, { readOnly: true });
  const words = ['type', 'issuer', 'user', 'organisation', 'role', 'code']
    .map((column) => `(SELECT value FROM text WHERE id = ${column}) AS ${column}`)
    .join(', ');
  const rows = db
    .prepare(
      `SELECT entry, at, ${words}, child, access, outcome, times, outOfHours,
        (SELECT group_concat(value) FROM heldEvent JOIN text ON id = authority WHERE heldEvent.entry = everyEvent.entry) AS held
       FROM everyEvent ORDER BY entry`,
    )
    .all();
  db.close();
  return rows;
}

const everything = async (folder: string) => {
  const events: { index: number; event: AuditEvent }[] = [];
  for await (const { index, event } of sealedEvents(folder, 0)) {
    if (event.type === 'unreadable') throw new Error(`the test wrote no event: ${event.fields}`);
    events.push({ index, event });
  }
  return events;
};

const fieldsSchema = z.looseObject({
  occurredAt: z.string().optional(),
  outcome: z.string().optional(),
  authority: z.string().optional(),
  nhsNumber: z.string().optional(),
  access: z.string().optional(),
  by: z.string().optional(),
  criteria: z.looseObject({ nhsNumber: z.string().optional() }).optional(),
  detail: z.looseObject({ authority: z.string().optional() }).optional(),
  caller: z
    .object({ user: z.string(), organisation: z.object({ code: z.string() }).optional() })
    .optional(),
});

/** The criteria as docs/audit.md describes them, applied to the event itself and written independently of the index. */
function fits(event: AuditEvent, criteria: AuditCriteria): boolean {
  const json = fieldsSchema.parse(event);
  const at = json.occurredAt === undefined ? event.at : Date.parse(json.occurredAt);
  const outcome =
    event.type === 'refusal'
      ? 'refused'
      : ['could-not-check', 'not-delivered'].includes(event.type)
        ? event.type
        : json.outcome;
  const authorities = [
    json.authority,
    json.detail?.authority,
    ...(event.shown ?? []).map((plan) => plan.authority),
  ];
  const tests: [unknown, boolean][] = [
    [criteria.nhsNumber, (json.nhsNumber ?? json.criteria?.nhsNumber) === criteria.nhsNumber],
    [criteria.user, (json.caller?.user ?? json.by) === criteria.user],
    [criteria.organisation, json.caller?.organisation?.code === criteria.organisation],
    [criteria.authority, authorities.includes(criteria.authority)],
    [criteria.activity, json.access === criteria.activity],
    [criteria.outcome, outcome === criteria.outcome],
    [criteria.type, event.type === criteria.type],
    [criteria.from, at >= (criteria.from ?? 0)],
    [criteria.to, at < (criteria.to ?? 0)],
  ];
  return tests.every(([given, is]) => given === undefined || is);
}

/** Rarely given, so that criteria given together often find something. */
const maybe = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const time = fc.integer({ min: START - 1_000, max: START + 14_000 });
const criteriaArbitrary = fc
  .record({
    nhsNumber: maybe(fc.constantFrom(...CHILDREN, testNumber(9_999))),
    user: maybe(fc.constantFrom(...USERS, 'A. Guardian', 'nobody')),
    organisation: maybe(fc.constantFrom(...ORGANISATIONS)),
    authority: maybe(fc.constantFrom(...AUTHORITIES)),
    activity: maybe(fc.constantFrom('unscheduled', 'silent-read')),
    outcome: maybe(fc.constantFrom(...AUDIT_OUTCOMES)),
    type: maybe(fc.constantFrom('lookup', 'refusal', 'load', 'audit-search')),
    from: maybe(time.map((at) => new Date(at).toISOString())),
    to: maybe(time.map((at) => new Date(at).toISOString())),
  })
  .map((given) => auditCriteriaSchema.parse(JSON.parse(JSON.stringify(given))));
const viewerArbitrary: fc.Arbitrary<Viewer> = fc.oneof(
  fc.constant(ALL),
  fc
    .constantFrom(...ORGANISATIONS)
    .map((organisation) => ({ kind: 'organisation' as const, organisation })),
  fc.constantFrom(...AUTHORITIES).map((authority) => ({ kind: 'authority' as const, authority })),
);

/** Who may see what, by the design and docs/audit.md, judged on the event itself. */
function maySee(viewer: Viewer, event: AuditEvent): boolean {
  if (viewer.kind === 'all') return true;
  if (viewer.kind === 'organisation') {
    return 'caller' in event && event.caller?.organisation?.code === viewer.organisation;
  }
  return (
    event.type === 'lookup' &&
    event.access === 'unscheduled' &&
    (event.shown ?? []).some(({ authority }) => authority === viewer.authority)
  );
}

test('a search finds what reading the whole log would find, for every criterion and viewer, page by page', async () => {
  const { places, append, catchUp, follower } = makeAuditLog(500, 11);
  catchUp();
  // By now some events are in the indexes and some are waiting.
  append(150);
  catchUp();
  const events = await everything(places.folder);
  fc.assert(
    fc.property(
      criteriaArbitrary,
      viewerArbitrary,
      fc.integer({ min: 1, max: 30 }),
      (criteria, viewer, limit) => {
        const found: { index: number; at: string }[] = [];
        let after: { at: number; entry: number } | undefined;
        for (let pages = 0; pages < 3; pages++) {
          const page = searchAudit(places, criteria, viewer, { limit, after });
          expect(page.events.length).toBeLessThanOrEqual(limit);
          found.push(...page.events.map(({ index, shown }) => ({ index, at: shown.at })));
          if (page.next === undefined) break;
          after = readCursor(writeCursor(page.next, criteria), criteria);
          expect(after).toEqual(page.next);
          after = page.next;
        }
        const expected = events
          .filter(({ event }) => fits(event, criteria) && maySee(viewer, event))
          // A result does not tell anybody else which authority holds a plan for the child.
          .filter(
            () =>
              viewer.kind === 'all' ||
              criteria.authority === undefined ||
              (viewer.kind === 'authority' && criteria.authority === viewer.authority),
          )
          .map(({ index, event }) => ({
            index,
            at:
              'occurredAt' in event && event.occurredAt !== undefined
                ? event.occurredAt
                : new Date(event.at).toISOString(),
          }))
          .toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : b.index - a.index));
        expect(found).toEqual(expected.slice(0, Math.min(expected.length, limit * 3)));
      },
    ),
    { numRuns: 100 },
  );
  follower.close();
});

describe('privacy', () => {
  test('an authority sees no plan, number or person of another authority, and no silent read', async () => {
    const { places, catchUp, follower } = makeAuditLog(800, 12);
    catchUp();
    const { events } = searchAudit(
      places,
      {},
      { kind: 'authority', authority: 'ZZ101' },
      { limit: 800 },
    );
    expect(events.length).toBeGreaterThan(20);
    for (const { shown } of events) {
      expect(JSON.stringify(shown)).not.toContain('ZZ102');
      expect(shown['access']).toBe('unscheduled');
      expect(Object.keys(shown).toSorted()).toEqual(
        [
          'access',
          'at',
          'auditId',
          'caller',
          'nhsNumber',
          'outcome',
          'setting',
          'shown',
          'type',
        ].filter((name) => name in shown),
      );
      expect(JSON.stringify(shown['caller'])).not.toMatch(/issuer|client/);
    }
    follower.close();
  });

  test('a faulty index shows nobody another’s events', async () => {
    const { places, catchUp, follower } = makeAuditLog(600, 13);
    catchUp();
    follower.close();
    const db = new DatabaseSync(places.indexFile);
    db.exec("UPDATE event SET organisation = (SELECT id FROM text WHERE value = 'ZZH01')");
    db.close();
    const viewer: Viewer = { kind: 'organisation', organisation: 'ZZH01' };
    expect(() => searchAudit(places, {}, viewer, { limit: 500 })).toThrow('names the wrong events');
    // The index is discarded, so there is none until it has been rebuilt.
    expect(() => searchAudit(places, {}, viewer, { limit: 500 })).toThrow(NoIndex);
    catchUp();
    for (const { event } of searchAudit(places, {}, viewer, { limit: 500 }).events) {
      expect('caller' in event && event.caller?.organisation?.code).toBe('ZZH01');
    }
    follower.close();
  });
});

describe('what a council keeps back', () => {
  const [CHILD = '', OTHER = ''] = CHILDREN;
  const [FIRST = '', SECOND = ''] = AUTHORITIES;
  const restriction = (
    id: string,
    act: 'set' | 'ended',
    kind: 'whereabouts' | 'barred' = 'whereabouts',
    authority = FIRST,
  ) => ({
    type: 'restriction',
    auditId: crypto.randomUUID(),
    act,
    restriction: id,
    kind,
    authority,
    nhsNumber: CHILD,
    by: 'Ada Officer',
    reason: 'why',
    outcome: undefined,
    ...(kind === 'barred' && { barredUser: 'somebody' }),
  });
  const look = (nhsNumber: string, user: string, organisation: string) => ({
    type: 'lookup',
    auditId: crypto.randomUUID(),
    caller: {
      issuer: 'https://a.example',
      client: 'client',
      user,
      name: 'Nora Nurse',
      role: { code: 'R8000', name: 'Nurse' },
      organisation: { code: organisation, name: organisation },
    },
    api: 'plain',
    requestId: crypto.randomUUID(),
    setting: 'emergency-department',
    access: 'unscheduled',
    decidedBy: 'activity',
    nhsNumber,
    coverage: { expected: 2, upToDate: 2 },
    versions: { functions: 'f', configuration: 'c' },
    outcome: 'flagged',
    shown: AUTHORITIES.map((authority) => ({
      authority,
      type: 'child-protection-plan',
      startDate: '2026-01-05',
      status: 'current',
      dateOfBirth: 'not-checked',
    })),
    accessesShown: [],
  });
  const council: Viewer = { kind: 'authority', authority: SECOND };

  test('stays kept back however many acts follow', () => {
    const { places, write, catchUp, follower } = makeAuditLog(0, 31);
    write([look(CHILD, 'nurse-1', 'ZZH66'), restriction('kept', 'set')]);
    write(
      Array.from({ length: 700 }, (_, i) => [
        restriction(`barred-${i}`, 'set', 'barred'),
        restriction(`barred-${i}`, 'ended', 'barred'),
      ]).flat(),
    );
    write([look(CHILD, 'nurse-1', 'ZZH66')]);
    catchUp();
    const { events } = searchAudit(places, {}, council, { limit: 50 });
    expect(events.map(({ shown }) => shown['withheld'])).toEqual([true, true]);
    write([restriction('kept', 'ended')]);
    catchUp();
    const after = searchAudit(places, {}, council, { limit: 50 }).events;
    expect(after.map(({ shown }) => shown['withheld'])).toEqual([undefined, undefined]);
    follower.close();
  });

  test('is shown to the council whose protection is the oldest, even once that is on record again because its end was lost', () => {
    const { places, write, catchUp, follower } = makeAuditLog(0, 33);
    write([look(CHILD, 'nurse-1', 'ZZH66'), restriction('older', 'set')]);
    write([restriction('newer', 'set', 'whereabouts', SECOND)]);
    write([restriction('older', 'ended'), restriction('older', 'set')]);
    catchUp();
    const withheldFrom = (authority: string) =>
      searchAudit(places, {}, { kind: 'authority', authority }, { limit: 50 }).events.map(
        ({ shown }) => shown['withheld'],
      );
    expect([withheldFrom(FIRST), withheldFrom(SECOND)]).toEqual([[undefined], [true]]);
    follower.close();
  });

  test.each([false, true])(
    'makes a search for who looked cost the same whether they did or not; ended before: %s',
    (ended) => {
      const { places, write, catchUp, follower } = makeAuditLog(0, 32);
      write([restriction('kept', 'set')]);
      for (let i = 0; i < 40; i++) write([look(CHILD, 'canary', 'ZZH66')]);
      for (let i = 0; i < 30; i++) write([look(OTHER, 'nurse-1', 'ZZH01')]);
      // This user is known only from another child, of another council.
      write([{ ...look(OTHER, 'elsewhere', 'ZZH67'), shown: [], outcome: 'not-flagged' }]);
      if (ended) write([restriction('kept', 'ended'), restriction('again', 'set')]);
      catchUp();
      const find = vi.spyOn(AuditIndex.prototype, 'find');
      const workOf = (criteria: object, limit: number) => {
        find.mockClear();
        const parsed = auditCriteriaSchema.parse(criteria);
        const { events, next } = searchAudit(places, parsed, council, { limit });
        const read = find.mock.results.map(({ value }) => (value as unknown[]).length);
        return { found: events.length, next, read };
      };
      for (const limit of [1, 10, 50]) {
        for (const more of [{}, { nhsNumber: CHILD }]) {
          const kept = workOf({ organisation: 'ZZH66', ...more }, limit);
          expect(kept.found).toBe(0);
          for (const other of [
            { organisation: 'ZZH67' },
            { organisation: 'ZZH99' },
            { user: 'canary' },
            { user: 'elsewhere' },
            { user: 'nobody' },
          ]) {
            expect(workOf({ ...other, ...more }, limit)).toEqual(kept);
          }
        }
      }
      expect(workOf({ user: 'nurse-1' }, 50).found).toBe(30);
      expect(workOf({ user: 'nurse-1', nhsNumber: CHILD }, 50).found).toBe(0);
      find.mockRestore();
      follower.close();
    },
  );
});

describe('how far a search reaches', () => {
  test('is given as the oldest waiting event, and not at all while an index is being rebuilt', async () => {
    const { places, catchUp, follower } = makeAuditLog(300, 22);
    catchUp();
    const sealed = sealedRange(places.folder)?.numbers ?? [];
    let waiting = 0;
    const oldest = Date.now() - 60_000;
    const readSearchedUntil = createSearchedUntil(places.folder, {
      numbers: async () => sealed.map((number, stream) => number + (stream === 0 ? waiting : 0)),
      oldest: async () => oldest,
    });
    const whole = { size: 300, behind: 0, numbers: sealed };
    // Something has been sealed and not indexed, and nobody knows when it happened.
    expect(await readSearchedUntil({ ...whole, size: 100, behind: 200 })).toEqual({
      size: 100,
      notSearched: 200,
    });
    waiting = 2;
    const upToOldest = { completeUntil: new Date(oldest).toISOString(), notSearched: 2 };
    expect(await readSearchedUntil(whole)).toEqual({ size: 300, ...upToOldest });
    waiting = 0;
    const { completeUntil = '' } = await readSearchedUntil(whole);
    expect(Date.parse(completeUntil)).toBeLessThanOrEqual(Date.now() - 5_000);
    // If the index falls behind, the time stays; if the index is started again, it does not.
    const behind = await readSearchedUntil({ size: 300, behind: 50, numbers: sealed });
    expect(behind).toEqual({ size: 300, completeUntil, notSearched: 50 });
    expect(searchedUntilOf(behind, 300)).toEqual({ completeUntil, notSearched: 50 });
    expect(searchedUntilOf(behind, 120)).toEqual({ notSearched: 230 });
    expect(await readSearchedUntil({ size: 120, behind: 180, numbers: sealed })).toEqual({
      size: 120,
      notSearched: 180,
    });
    follower.close();
  });

  test('is reported as it was when the streams were read, whichever process read them', async () => {
    const { places, catchUp, follower } = makeAuditLog(20, 23);
    catchUp();
    follower.close();
    const numbers = sealedRange(places.folder)?.numbers ?? [];
    const readSearchedUntil = createSearchedUntil(places.folder, {
      numbers: () => Promise.reject(new Error('they were looked at already')),
      oldest: async () => START + 7,
    });
    const whole = { size: 20, behind: 0, numbers };
    expect(await readSearchedUntil(whole, { at: START, last: numbers })).toEqual({
      size: 20,
      completeUntil: new Date(START - 5_000).toISOString(),
      notSearched: 0,
    });
    const last = numbers.map((number) => number + 1);
    expect(await readSearchedUntil(whole, { at: START + 60_000, last })).toEqual({
      size: 20,
      completeUntil: new Date(START + 7).toISOString(),
      notSearched: numbers.length,
    });
  });

  test('does not count what another process has sealed meanwhile', async () => {
    const { places, catchUp, follower, append } = makeAuditLog(100, 23);
    catchUp();
    const numbers = sealedRange(places.folder)?.numbers ?? [];
    append(50);
    const now = sealedRange(places.folder)?.numbers ?? [];
    const readSearchedUntil = createSearchedUntil(places.folder, {
      numbers: async () => [...now],
      oldest: async () => Date.now(),
    });
    expect(await readSearchedUntil({ size: 100, behind: 0, numbers })).toEqual({
      size: 100,
      notSearched: 50,
    });
    follower.close();
  });

  test('a search looks again if another process has sealed more meanwhile, and then says up to when it is complete', async () => {
    const { places, follower, append } = makeAuditLog(100, 24);
    let interruptions = 3;
    const readSearchedUntil = createSearchedUntil(places.folder, {
      numbers: async () => {
        if (interruptions-- > 0) append(10);
        return [...(sealedRange(places.folder)?.numbers ?? [])];
      },
      oldest: async () => Date.now(),
    });
    const carryOn = async () => follower.step(60_000);
    const { size, completeUntil, notSearched } = await reachOf(carryOn, readSearchedUntil);
    expect({ size, notSearched }).toEqual({ size: 130, notSearched: 0 });
    expect(completeUntil).toBeDefined();
    follower.close();
  });

  test('a search does not look again for ever', async () => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const looks = vi.fn<() => Promise<Reach>>(async () => {
      now += 8;
      return { size: 1, notSearched: 1 };
    });
    expect(await reachOf(async () => undefined, looks, 20)).toEqual({ size: 1, notSearched: 1 });
    expect(looks).toHaveBeenCalledTimes(3);
  });
});

test('the search after one that crashed the thread is answered', async () => {
  const { places, catchUp, follower } = makeAuditLog(50, 19);
  catchUp();
  follower.close();
  const searcher = createSearcher(places);
  const order = { criteria: {}, viewer: ALL, limit: 10 };
  // This finds functions, which cannot be passed out of the thread.
  const fatal = searcher.ask('valueOf' as string as 'search', order);
  const next = searcher.search(order);
  expect(await fatal).toMatchObject({ kind: 'failed' });
  expect(await next).toMatchObject({ kind: 'found' });
  await searcher.stop();
});

test('the search after one whose thread could not begin is answered', async () => {
  const { places, catchUp, follower } = makeAuditLog(50, 19);
  catchUp();
  follower.close();
  let begun = 0;
  const searcher = createSearcher({
    ...places,
    // Read whenever the places are handed to a new thread.
    get folder() {
      if (begun++ === 0) throw new Error('no room for a thread');
      return places.folder;
    },
  });
  const order = { criteria: {}, viewer: ALL, limit: 10 };
  const [failed, next] = await Promise.all([searcher.search(order), searcher.search(order)]);
  expect(failed).toEqual({ kind: 'failed', cause: 'no room for a thread' });
  expect(next).toMatchObject({ kind: 'found' });
  await searcher.stop();
});

describe('the index file', () => {
  const count = (places: { folder: string; indexFile: string }): number =>
    searchAudit(places, {}, ALL, { limit: 10_000 }).events.length;

  test('can be read only by its owner, and so can the files beside it', () => {
    const { places, catchUp, follower } = makeAuditLog(10, 14);
    catchUp();
    expect(statSync(dirname(places.indexFile)).mode & 0o777).toBe(0o700);
    for (const end of ['', '-wal']) {
      expect(statSync(`${places.indexFile}${end}`).mode & 0o777).toBe(0o600);
    }
    follower.close();
  });

  test('is the same from the sealer’s events as from the log, even once part of the log has been pruned', async () => {
    const { places, log, append, catchUp, follower } = makeAuditLog(0, 24);
    const indexFile = join(auditFolder(), 'index.sqlite');
    const handed = followLog(places.folder, indexFile, RECENT_AT_MOST);
    const handOn = handingOn();
    for (let part = 0; part < 4; part++) {
      append(300);
      const lately: Followed[] = [];
      for await (const one of sealedEvents(places.folder, part * 300)) lately.push(handOn(one));
      expect(lately.filter(({ event }) => event === undefined).length).toBeGreaterThan(10);
      expect(handed.step(60_000, lately)).toMatchObject({ behind: 0 });
      catchUp();
      if (part === 1) log.prune(256, log.committed.numbers);
    }
    const [inOne, inOther] = [rowsOf(indexFile), rowsOf(places.indexFile)];
    expect(inOne).toHaveLength(1_200 - 256);
    expect(inOne).toEqual(inOther);
    handed.close();
    follower.close();
  });

  test('follows a growing log, whichever process writes the log', () => {
    const { places, append, catchUp, follower } = makeAuditLog(300, 15);
    catchUp();
    const other = followLog(places.folder, places.indexFile);
    append(200);
    expect(other.step(60_000)).toMatchObject({ size: 500, behind: 0 });
    append(100);
    catchUp();
    expect(other.step(60_000)).toMatchObject({ size: 600, behind: 0 });
    expect(count(places)).toBe(600);
    other.close();
    follower.close();
  });

  test.each([
    ['is not a database', (path: string) => writeFileSync(path, 'x'.repeat(20_000))],
    ['is cut short', (path: string) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ['is empty', (path: string) => truncateSync(path, 0)],
    [
      'has pages overwritten',
      (path: string) => {
        const file = openSync(path, 'r+');
        const { size } = statSync(path);
        for (let at = 4_096; at < size; at += 4_096)
          writeSync(file, Buffer.alloc(2_048, 0xa5), 0, 2_048, at);
        closeSync(file);
      },
    ],
  ])('that %s is rebuilt, and no search answers from it', (_, damage) => {
    const { places, catchUp, follower } = makeAuditLog(800, 16);
    catchUp();
    // It is closed, so that everything is in one file.
    follower.close();
    damage(places.indexFile);
    // The damage shows either here or to every reader; then the index is discarded, never half trusted.
    let answered: number | undefined;
    try {
      answered = count(places);
    } catch {}
    expect([undefined, 800]).toContain(answered);
    catchUp();
    follower.close();
    expect(count(places)).toBe(800);
  });

  test('from an earlier version is rebuilt', () => {
    const { places, append, catchUp, follower } = makeAuditLog(300, 22);
    catchUp();
    follower.close();
    const db = new DatabaseSync(places.indexFile);
    db.exec('DELETE FROM recentHeld; DELETE FROM held; PRAGMA user_version = 4');
    db.close();
    append(50);
    expect(() => count(places)).toThrow(NoIndex);
    catchUp();
    follower.close();
    expect(count(places)).toBe(350);
    const { events } = searchAudit(places, auditCriteriaSchema.parse({ authority: 'ZZ101' }), ALL, {
      limit: 400,
    });
    expect(events.length).toBeGreaterThan(20);
  });

  test('of another log is rebuilt', () => {
    const first = makeAuditLog(50, 17);
    const second = makeAuditLog(70, 18);
    first.catchUp();
    first.follower.close();
    const places = { folder: second.places.folder, indexFile: first.places.indexFile };
    expect(() => count(places)).toThrow(NoIndex);
    const follower = followLog(places.folder, places.indexFile);
    while (follower.step(1_000)?.behind !== 0);
    expect(count(places)).toBe(70);
    follower.close();
  });

  test.each([
    ['in the indexes', 300],
    ['waiting', 100],
  ])(
    'keeps nothing of what was pruned from the log, not even a name in a free page: %s',
    (_, kept) => {
      const { places, log, catchUp, follower } = makeAuditLog(0, 19);
      const source = eventSource(20);
      const random = seeded(21);
      const old = Array.from({ length: 256 }, () =>
        source.next(undefined, {
          ...randomEvent(random),
          type: 'refusal',
          api: 'plain',
          code: 'activity-required',
          caller: { issuer: 'old-issuer', client: 'c', user: 'somebody-long-gone', name: 'N' },
        }),
      );
      log.append(old);
      log.append(
        Array.from({ length: kept }, () => source.next(undefined, { ...randomEvent(random) })),
      );
      catchUp();
      expect(
        searchAudit(places, { user: 'somebody-long-gone' }, ALL, { limit: 500 }).events,
      ).toHaveLength(256);
      log.prune(
        256,
        source.numbers.map(() => 0),
      );
      // Even before the index notices, nothing is shown that the log does not hold.
      expect(
        searchAudit(places, { user: 'somebody-long-gone' }, ALL, { limit: 500 }).events,
      ).toHaveLength(0);
      catchUp();
      follower.close();
      expect(count(places)).toBe(kept);
      expect(readFileSync(places.indexFile).includes('somebody-long-gone')).toBe(false);
    },
  );
});
