import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { endRestriction, setRestriction, type ToRestrict } from '#loaders/upkeep/restrict.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { type NotificationEntry, notificationsPageSchema } from '#schemas/notification.ts';
import { RESTRICTION, RESTRICTIONS } from '#schemas/wording/restrictions.ts';
import { type AuditPartition, keys } from '#store/keys.ts';
import type { Store } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { auditSearch, authorityClient } from '../support/authority.ts';
import { barredAttempt } from '../support/barred-attempt.ts';
import { commandsInTurn } from '../support/commands.ts';
import { visitorAs } from '../support/desk.ts';
import { ANY_TEST_NUMBER, testNumber, writtenAs } from '../support/rows.ts';
import { claims, role, startTestService, type TestService, until } from '../support/service.ts';
import { untilAnswered } from '../support/until.ts';
import { hiddenOf, withoutTokens, wordsOf } from '../support/visitor.ts';

/** Another council with a plan for the child cannot find out a place that one council protects, whatever it does. */

const run = commandsInTurn();
type Council = Parameters<typeof setRestriction>[2];
const [FIRST, SECOND] = ['ZZ101', 'ZZ102'] as [Council, Council];
const [ASKED, TWICE, WRITTEN, BETWEEN, BARRED, RACE, FORGED, ENDED, LOST, UNENDED] = [
  testNumber(9_601),
  testNumber(9_602),
  testNumber(9_603),
  testNumber(9_604),
  testNumber(9_605),
  testNumber(9_606),
  testNumber(9_607),
  testNumber(9_608),
  testNumber(9_609),
  testNumber(9_610),
];
const CHILDREN = Array.from({ length: 10 }, (_, i) => testNumber(9_601 + i));
/** Matches everything that could give the place away. */
const CANARY = /canary|ZZH66|R0260/i;
const nurse = (sub: string) =>
  claims({
    sub,
    name: 'Nina Canary',
    roles: [
      {
        ...role('r', ['B0107'], 'ZZH66'),
        code: 'R0260',
        name: 'Canary Nurse',
        organisation: { code: 'ZZH66', name: 'Canary Hospital' },
      },
    ],
  });
const by = { name: 'Ada Officer', key: 'ada' };

let service: TestService;
let anchor: Anchor;
let request: ReturnType<typeof authorityClient>;

beforeAll(async () => {
  service = await startTestService({
    environment: { NOTIFICATIONS_WINDOW_MINUTES: '0.005' },
    authorities: [FIRST, SECOND].map((code) => ({
      code,
      rows: CHILDREN.map((nhsNumber) => ({ nhsNumber })),
    })),
  });
  request = authorityClient(service);
  anchor = Anchor.open(join(service.dataDir, 'anchor'));
});
afterAll(async () => {
  anchor?.close();
  await service?.stopAndRemove();
});

async function set(council: Council, what: ToRestrict, store: Store = service.store) {
  const done = await setRestriction(store, anchor, council, what, 'a test', by);
  if (done.kind !== 'set') throw new Error(done.kind);
  return done.restriction.id;
}
const protect = (council: Council, nhsNumber: ToRestrict['nhsNumber'], store?: Store) =>
  set(council, { kind: 'whereabouts', nhsNumber }, store);

async function look(nhsNumber: string, sub: string): Promise<string> {
  const token = await service.token(nurse(sub));
  const response = await service.answered({ nhsNumber }, { token });
  return z.object({ auditId: z.string() }).parse(await response.json()).auditId;
}

const answerSchema = z.object({
  events: z.array(z.looseObject({ auditId: z.string() })),
  next: z.string().optional(),
});
const search = async (as: Council, criteria: Record<string, unknown>) =>
  answerSchema.parse(await (await auditSearch(service)(as, criteria)).json());
const isFound = async (as: Council, nhsNumber: string, auditId: string) =>
  (await search(as, { nhsNumber })).events.some((event) => event.auditId === auditId);

async function told(as: Council, nhsNumber: string): Promise<NotificationEntry[]> {
  const all: NotificationEntry[] = [];
  for (let after = ''; ; ) {
    const path = `/notifications?limit=100${after && `&after=${after}`}`;
    const response = await untilAnswered(() => request(path, { as }));
    const page = notificationsPageSchema.safeParse(await response.json()).data;
    const notifications = page?.notifications ?? [];
    all.push(...notifications.flatMap(({ entries }) => entries));
    if (notifications.length < 100) return all.filter((entry) => entry.nhsNumber === nhsNumber);
    after = notifications.at(-1)?.id ?? '';
  }
}
const isTold = async (as: Council, nhsNumber: string, auditId: string) =>
  (await told(as, nhsNumber)).some(({ id, lastId }) => id === auditId || lastId === auditId);

/** The store for an act, with something that happens between its record and its effect. */
const beforeRestricting = (happens: () => Promise<void>): Store => ({
  ...service.store,
  async restrict(...act) {
    await happens();
    return service.store.restrict(...act);
  },
});

function ofGuardian(): string[] {
  const outbox = join(service.dataDir, 'privacy-officer');
  const names = existsSync(outbox) ? readdirSync(outbox) : [];
  const files = names.filter((name) => name.startsWith('protected-'));
  return files.map((name) => readFileSync(join(outbox, name), 'utf8'));
}

test('a search by user or organisation does not find a look whose place is kept back, and its pages show no gap', async () => {
  const open = [await look(ASKED, 'canary-1'), await look(ASKED, 'canary-2')];
  for (const id of open) await until(() => isFound(SECOND, ASKED, id), 'both looks to be found');
  const found = (await search(SECOND, { nhsNumber: ASKED, organisation: 'ZZH66' })).events;
  expect(found.map(({ auditId }) => auditId)).toEqual(expect.arrayContaining(open));
  await protect(FIRST, ASKED);
  const later = await look(ASKED, 'canary-3');
  await until(() => isFound(SECOND, ASKED, later), 'the look after to be in the index');
  for (const criteria of [{ organisation: 'ZZH66' }, { user: 'canary-3' }]) {
    expect((await search(FIRST, { nhsNumber: ASKED, ...criteria })).events).not.toEqual([]);
    for (const more of [{ nhsNumber: ASKED }, { nhsNumber: ASKED, limit: 1 }, { limit: 1 }]) {
      expect(await search(SECOND, { ...criteria, ...more })).toEqual({ events: [] });
    }
  }
  // The same applies to the pages and the downloaded file.
  const council = await visitorAs(service, { organisation: SECOND, scopes: ['audit'] });
  const begun = await council.get('/officer');
  // A council's menu has only the pages that a council may open.
  expect(begun.text).not.toMatch(/href="\/officer\/(reports|patterns|child|cases|seal|blocked)"/);
  const form = hiddenOf(begun, '/officer/search');
  const pageOf = async (organisation: string, as?: string) => {
    const typed = { ...form, number: ASKED, organisation, reason: 'a test', ...(as && { as }) };
    const found = await council.post('/officer/search', typed);
    return (as === undefined ? wordsOf(found) : found.text).replaceAll(organisation, 'PLACE');
  };
  expect(await pageOf('ZZH66')).toContain('No events match your search');
  expect(await pageOf('ZZH66', 'csv')).toBe(await pageOf('ZZH67', 'csv'));
});

test('while one council protects a child, a later one learns no place, and those concerned are told so', async () => {
  const id = await protect(FIRST, TWICE);
  const before = await look(TWICE, 'canary-1');
  await protect(SECOND, TWICE);
  // Something else that the first council does about the child does not make its protection a newer one.
  await set(FIRST, { kind: 'barred', nhsNumber: TWICE, user: { id: 'somebody' } });
  const after = await look(TWICE, 'canary-2');
  await until(
    async () => (await isTold(SECOND, TWICE, after)) && (await isFound(SECOND, TWICE, after)),
    'the second council to be notified of the look',
  );
  await until(() => isTold(FIRST, TWICE, after), 'the first council to be notified of it');
  const theirs = async () =>
    JSON.stringify([await told(SECOND, TWICE), await search(SECOND, { nhsNumber: TWICE })]);
  expect(await theirs()).not.toMatch(CANARY);
  expect((await told(FIRST, TWICE)).every(({ withheld }) => withheld === undefined)).toBe(true);
  expect(JSON.stringify(await search(FIRST, { nhsNumber: TWICE }))).toContain('Canary Hospital');

  for (const [council, other] of [
    [FIRST, 'also'],
    [SECOND, 'first'],
  ] as const) {
    const visitor = await visitorAs(service, { organisation: council, scopes: ['upload'] });
    const list = await visitor.get('/council/restrictions');
    expect(wordsOf(list)).toContain(RESTRICTIONS.standingWith[other]);
    const details = [...list.text.matchAll(/href="(\/council\/restrictions\/[a-z]+)"/g)];
    const pages = await Promise.all(details.map(([, at = '']) => visitor.get(at)));
    const page = pages.map(wordsOf).find((words) => words.includes(RESTRICTION.other[other]));
    expect(page).toBeDefined();
    expect(page).not.toContain(council === FIRST ? SECOND : FIRST);
  }
  await until(() => ofGuardian().length > 0, 'the Guardian’s file');
  const [file = ''] = ofGuardian();
  expect(JSON.parse(file)).toMatchObject({ first: FIRST, council: SECOND });
  expect(file).not.toMatch(ANY_TEST_NUMBER);
  for (const child of CHILDREN) expect(file).not.toMatch(writtenAs(child));

  // The second council takes over: it learns the place of later looks, and earlier ones stay kept from it.
  expect((await endRestriction(service.store, anchor, FIRST, id, 'over', by)).kind).toBe('ended');
  let taken = '';
  await until(async () => {
    taken = await look(TWICE, 'canary-4');
    await until(() => isTold(SECOND, TWICE, taken), 'the second council to be notified of it');
    return CANARY.test(JSON.stringify(await told(SECOND, TWICE)));
  }, 'the second council to be told a place');
  await until(() => isFound(FIRST, TWICE, taken), 'the last look to be in the index');
  const { events } = await search(SECOND, { nhsNumber: TWICE });
  expect(events.flatMap((event) => (event['withheld'] === true ? event.auditId : []))).toEqual([
    after,
    before,
  ]);
  const ours = await search(FIRST, { nhsNumber: TWICE });
  expect(ours.events.find((event) => event.auditId === taken)).toMatchObject({ withheld: true });
});

test('if two councils protect a child at the same moment, one is told the place, and the Guardian is told about both', async () => {
  const before = ofGuardian().length;
  const early = await look(RACE, 'canary-1');
  await until(() => isFound(FIRST, RACE, early), 'the look before');
  let meanwhile = '';
  const acts: Parameters<Store['appendEvent']>[0][] = [];
  // The acts are recorded in one order and take effect in the other.
  const slow = beforeRestricting(async () => {
    await protect(SECOND, RACE);
    const sealed = await look(ASKED, 'canary-8');
    await until(() => isTold(FIRST, ASKED, sealed), 'the earlier events to be read');
    meanwhile = await look(RACE, 'canary-2');
    await until(() => isTold(SECOND, RACE, meanwhile), 'a council to be told meanwhile');
  });
  await protect(FIRST, RACE, {
    ...slow,
    appendEvent(event) {
      acts.push(event);
      return service.store.appendEvent(event);
    },
  });
  // The event is recorded again, as when an interrupted act is completed.
  for (const act of acts) await service.store.appendEvent(act);
  expect(acts).toHaveLength(1);
  const after = await look(RACE, 'canary-3');
  for (const each of [FIRST, SECOND]) {
    await until(
      async () => (await isTold(each, RACE, after)) && (await isFound(each, RACE, after)),
      'both councils to be told that there was a look',
    );
  }
  for (const id of [meanwhile, after]) {
    const toldOf = async (as: Council) =>
      (await told(as, RACE)).filter((entry) => entry.id === id || entry.lastId === id);
    const foundBy = async (as: Council) =>
      (await search(as, { nhsNumber: RACE })).events.filter(({ auditId }) => auditId === id);
    expect(JSON.stringify([await toldOf(FIRST), await foundBy(FIRST)])).not.toMatch(CANARY);
    expect(JSON.stringify(await toldOf(SECOND))).toMatch(CANARY);
    expect(JSON.stringify(await foundBy(SECOND))).toMatch(CANARY);
  }
  await until(() => ofGuardian().length > before, 'the Guardian’s file');
  expect(ofGuardian()).toHaveLength(before + 1);
});

test('notification files still in the outbox stop showing the place, and files already collected are not written again', async () => {
  const first = await look(WRITTEN, 'canary-1');
  const folder = join(service.dataDir, 'outbox', SECOND);
  const lying = () =>
    (existsSync(folder) ? readdirSync(folder) : [])
      .filter((name) => /\.(json|xml)$/.test(name))
      .map((name) => ({ name, text: withoutTokens(readFileSync(join(folder, name), 'utf8')) }))
      .filter(({ text }) => text.includes(WRITTEN));
  await until(
    async () => (await isTold(SECOND, WRITTEN, first)) && lying().length >= 2,
    'the files of the look',
  );
  expect(lying().every(({ text }) => CANARY.test(text))).toBe(true);
  const [collected, ...left] = lying();
  rmSync(join(folder, collected?.name ?? ''));
  await protect(FIRST, WRITTEN);
  await until(() => lying().every(({ text }) => !CANARY.test(text)), 'the files to say no place');
  expect(lying().map(({ name }) => name)).toEqual(left.map(({ name }) => name));
});

test('the place of a look made between a council’s act and its effect reaches no other council', async () => {
  let between = '';
  const slow = beforeRestricting(async () => {
    const sealed = await look(ASKED, 'canary-9');
    await until(() => isTold(FIRST, ASKED, sealed), 'the earlier events to be read');
    between = await look(BETWEEN, 'canary-1');
  });
  await protect(FIRST, BETWEEN, slow);
  await until(() => isTold(SECOND, BETWEEN, between), 'the other council to be told');
  expect(JSON.stringify(await told(SECOND, BETWEEN))).not.toMatch(CANARY);
});

test('a barred user’s attempt is reported to the council that protects the child and, without its place, to the one that bars them', async () => {
  await protect(FIRST, BARRED);
  await set(SECOND, { kind: 'barred', nhsNumber: BARRED, user: { id: 'canary-parent' } });
  await barredAttempt(service, BARRED, nurse('canary-parent'));
  await until(
    async () => (await told(FIRST, BARRED)).length > 0 && (await told(SECOND, BARRED)).length > 0,
    'both councils to be told',
  );
  expect(await told(FIRST, BARRED)).toMatchObject([
    { barred: true, organisation: { code: 'ZZH66' } },
  ]);
  const theirs = await told(SECOND, BARRED);
  expect(theirs).toMatchObject([{ barred: true, withheld: true }]);
  expect(JSON.stringify(theirs)).not.toMatch(CANARY);
});

test('an act forged with a lookup process’s password hides nothing, shows nothing, and is reported', async () => {
  const before = await look(ENDED, 'canary-1');
  const id = await protect(FIRST, ENDED);
  const early = await look(FORGED, 'canary-1');
  await until(
    async () => (await isTold(SECOND, FORGED, early)) && (await isFound(SECOND, ENDED, before)),
    'the looks before',
  );
  const lookups = await service.connect('lookup');
  const forge = (of: AuditPartition, act: object) =>
    lookups.xadd(
      keys.audit(of),
      '0-*',
      'event',
      JSON.stringify({
        type: 'restriction',
        auditId: crypto.randomUUID(),
        kind: 'whereabouts',
        authority: FIRST,
        by: 'Ada Officer',
        reason: 'a test',
        ...act,
      }),
      'at',
      Date.now(),
    );
  const made = { act: 'set', restriction: 'bcdfghjkmnpq', nhsNumber: FORGED };
  await forge('system', made);
  await forge(partitionOf(FORGED), made);
  // Using the id of an act on another child, and of an act that has not ended.
  await forge('system', { ...made, restriction: id });
  await forge('system', { ...made, act: 'ended', restriction: id, nhsNumber: ENDED });
  await until(async () => {
    const status = await (await fetch(`${service.baseUrl}/_status`)).text();
    return status.includes('not events of this service: 4.');
  }, 'the report');

  const after = await look(FORGED, 'canary-2');
  const kept = await look(ENDED, 'canary-2');
  await until(
    async () => (await isTold(SECOND, FORGED, after)) && (await isFound(SECOND, ENDED, kept)),
    'the looks after',
  );
  const places = (entries: unknown[]) => entries.map((entry) => CANARY.test(JSON.stringify(entry)));
  expect(places(await told(SECOND, FORGED))).toEqual([true, true]);
  expect(places((await search(SECOND, { nhsNumber: FORGED })).events)).toEqual([true, true]);
  expect((await search(SECOND, { organisation: 'ZZH66', nhsNumber: FORGED })).events).toHaveLength(
    2,
  );
  expect(places((await search(SECOND, { nhsNumber: ENDED })).events)).toEqual([false, false]);
});

/** The store for an act that is sealed, and that Redis then loses before the act takes effect. */
const losing = (lose: (id: string) => Promise<void>): Store =>
  beforeRestricting(async () => {
    const sealed = await look(ASKED, 'canary-9');
    await until(() => isFound(FIRST, ASKED, sealed), 'the act to be sealed');
    const begun = (await service.store.restrictions(FIRST)).find(({ acting }) => acting);
    await lose(begun?.id ?? '');
    throw new Error('Redis was lost');
  });
const givenUp = (times: number) =>
  until(
    () => service.lines.filter((line) => line.includes('and it was given up')).length === times,
    'the worker to give the act up',
  );
const statusOf = async () => (await run(['status'], { DATA_DIR: service.dataDir })).stdout;
const isShown = async (nhsNumber: string) =>
  CANARY.test(JSON.stringify(await search(SECOND, { nhsNumber })));

test('an act that is sealed and then lost by Redis still hides the place until a named person ends it, and the status says how', async () => {
  await look(LOST, 'canary-1');
  await until(() => isShown(LOST), 'the place to be shown');
  let id = '';
  const lost = losing(async (begun) => {
    id = begun;
    await service.store.dropRestrictions(FIRST, [begun]);
  });
  await expect(protect(FIRST, LOST, lost)).rejects.toThrow(/Redis was lost/);
  await givenUp(1);
  const later = await look(LOST, 'canary-2');
  await until(() => isFound(SECOND, LOST, later), 'the look after it to be in the index');
  expect(await isShown(LOST)).toBe(false);
  const status = await statusOf();
  const end = ['restrict', FIRST, '--end', id, '--by'];
  expect(status).toContain(`cp-flags ${end.join(' ')} NAME --reason TEXT`);
  expect(status).not.toContain(LOST);

  // If the council protects the child again, that is a separate entry.
  const again = await protect(FIRST, LOST);
  await endRestriction(service.store, anchor, FIRST, again, 'over', by);
  const still = await look(LOST, 'canary-3');
  await until(() => isFound(SECOND, LOST, still), 'the look after its end to be in the index');
  expect(await isShown(LOST)).toBe(false);

  const environment = { DATA_DIR: service.dataDir };
  const ended = await run([...end, 'A. Example', '--reason', 'asked the council'], environment);
  expect(ended).toMatchObject({ code: 0, stderr: '', stdout: `${RESTRICTION.lostEnded}\n` });
  await until(() => isShown(LOST), 'the place to be shown again');
  expect(await statusOf()).not.toContain(id);
  const event = (await service.events()).findLast(({ type }) => type === 'restriction');
  expect(event).toMatchObject({ act: 'ended', restriction: id, by: 'A. Example' });
});

test('an end that is sealed and then lost by Redis reveals no place: the protection counts until it is ended again', async () => {
  await look(UNENDED, 'canary-1');
  const id = await protect(FIRST, UNENDED);
  await until(async () => {
    const { events } = await search(SECOND, { nhsNumber: UNENDED });
    return events.length > 0 && !CANARY.test(JSON.stringify(events));
  }, 'the place to be hidden');
  const before = await service.store.restriction(FIRST, id);
  if (before === undefined) throw new Error('it is not set');
  const lost = losing(async () => {
    await service.admin.hset(keys.restrictions(FIRST), id, JSON.stringify(before));
  });
  await expect(endRestriction(lost, anchor, FIRST, id, 'over', by)).rejects.toThrow(
    /Redis was lost/,
  );
  await givenUp(2);
  const later = await look(UNENDED, 'canary-2');
  await until(() => isFound(SECOND, UNENDED, later), 'the look after it to be in the index');
  expect(await isShown(UNENDED)).toBe(false);

  expect((await endRestriction(service.store, anchor, FIRST, id, 'over', by)).kind).toBe('ended');
  await until(() => isShown(UNENDED), 'the place to be shown');
});
