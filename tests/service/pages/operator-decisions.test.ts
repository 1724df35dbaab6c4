import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { ANSWERING } from '#schemas/wording/operator.ts';
import { COUNCIL_SETTINGS } from '#schemas/wording/operator-councils.ts';
import { DECISIONS, REPAIR } from '#schemas/wording/operator-decisions.ts';
import { REPLICAS } from '#schemas/wording/store.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { sealedRange } from '#service/audit/log/sealed.ts';
import { repair } from '#service/cli/repair.ts';
import { acceptGap } from '#service/confirm/accept-gap.ts';
import { startService } from '#service/main.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { streamStates } from '#store/audit-stream/audit-stream.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { keys } from '#store/keys.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { allEvents } from '../../support/audit-events.ts';
import { TIME_ON } from '../../support/pages.ts';
import { startRedisServer } from '../../support/redis-server.ts';
import { testNumber } from '../../support/rows.ts';
import {
  fill,
  startTestService,
  type TestService,
  testFolder,
  until,
} from '../../support/service.ts';
import { WAIT_MS } from '../../support/until.ts';
import {
  createVisitor,
  locationOf,
  signedIn,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

/** What only a named person decides, on the operator's pages: what each page says, and what an act does and records. */

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

let service: TestService;
let visitor: Visitor;
let copy: string;
beforeAll(async () => {
  copy = await testFolder();
  service = await startTestService({
    authorities: [{ code: 'ZZ101', name: 'Northmoor Council', rows: [{ nhsNumber: CHILD }] }],
    environment: { AUDIT_COPY: copy },
  });
  visitor = await signedIn(service, 'operations');
  await until(isAnswered, 'an answer');
});
afterAll(async () => {
  await service?.stopAndRemove();
  await rm(copy, { recursive: true, force: true, maxRetries: 5 });
});

const CHILD = testNumber(1);
const REASON = { reason: 'ticket 1234' };
const pageOf = (name: string): string => `/operator/running/decisions/${name}`;

/** Waits until the first page says that a named person has to decide, and leads to a page about it. */
async function askedOnFirstPage(
  operator: Visitor,
  name: 'promotion' | 'old-copy' | 'clock' | 'gap',
) {
  await until(async () => {
    const first = await operator.get('/operator');
    return wordsOf(first).includes(DECISIONS.waits[name]) && first.text.includes(pageOf(name));
  }, `the first page to ask about ${name}`);
}

/** Decides, and returns what the next page says. */
async function decide(
  operator: Visitor,
  name: string,
  typed: Record<string, string> = {},
): Promise<string> {
  const sent = await operator.send(pageOf(name), { ...REASON, ...typed });
  expect([sent.status, wordsOf(sent)]).toEqual([303, '']);
  return wordsOf(await operator.get(locationOf(sent)));
}

const eventsOf = async (type: string) =>
  (await service.events()).filter((event) => event.type === type);
const byOperator = {
  by: 'Farid Demo',
  detail: { reason: 'ticket 1234', account: expect.stringContaining('demo-operations') as unknown },
};

const isAnswered = async (): Promise<boolean> =>
  (await service.lookup({ nhsNumber: CHILD })).status === 200;

test('a clock that was put back is confirmed on a page, by name and with a reason, and lookups are answered again', async () => {
  expect(wordsOf(await visitor.get(pageOf('clock')))).toContain(DECISIONS.nothing);
  const anchor = Anchor.open(join(service.dataDir, 'anchor'));
  closing.push(() => Promise.resolve(anchor.close()));
  anchor.rememberClock(Date.now() + 3_600_000);
  await askedOnFirstPage(visitor, 'clock');
  await until(async () => !(await isAnswered()), 'no answer');
  const page = wordsOf(await visitor.get(pageOf('clock')));
  expect(page).toContain('behind a time that was already seen');
  expect(page).toContain(DECISIONS.clock.before[0]);
  expect(page).toContain('cp-flags confirm clock');

  // Without a reason nothing is done, and a form made for something else decides nothing.
  expect((await visitor.send(pageOf('clock'))).status).toBe(400);
  const other = await visitor.send(pageOf('clock'), { ...REASON, subject: '1' });
  expect([other.status, wordsOf(other).includes(DECISIONS.changed)]).toEqual([409, true]);
  expect(await eventsOf('clock-confirmed')).toEqual([]);

  const fields = { ...(await visitor.form(pageOf('clock'))), ...REASON };
  const sent = await visitor.post(pageOf('clock'), fields);
  expect(wordsOf(await visitor.get(locationOf(sent)))).toContain('Confirmed.');
  await until(isAnswered, 'an answer');
  // Sent again, the same form decides nothing.
  await until(async () => (await visitor.post(pageOf('clock'), fields)).status === 409);
  expect(await eventsOf('clock-confirmed')).toMatchObject([byOperator]);
});

test('an old copy of the data folder is confirmed on a page that repeats what witnesses know', async () => {
  const folder = join(service.dataDir, 'audit');
  await until(() => sealedRange(folder) !== undefined, 'the log');
  const commits = CommitFile.open(folder);
  const known = { name: 'witness.test', size: 900, ours: 7, at: new Date().toISOString() };
  commits.noteContradiction('key', known);
  commits.close();
  await askedOnFirstPage(visitor, 'old-copy');
  expect(wordsOf(await visitor.get(pageOf('old-copy')))).toContain(
    'The witness witness.test knows this audit log with 900 entries',
  );
  // While somebody else is writing to the log, such as a hold that waits for its record, everything else goes on.
  const other = new DatabaseSync(join(folder, 'sealing.sqlite'), { timeout: WAIT_MS });
  other.exec('BEGIN IMMEDIATE');
  const decided = decide(visitor, 'old-copy');
  await until(async () => (await eventsOf('old-copy-confirmed')).length > 0, 'the event');
  // What another witness has said meanwhile was not on the page, and waits for its own decision.
  other
    .prepare('INSERT INTO contradiction (witness, name, size, ours, at) VALUES (?, ?, ?, ?, ?)')
    .run('other key', 'other.test', 901, 8, known.at);
  other.exec('COMMIT');
  other.close();
  expect(await decided).toContain('Confirmed.');
  await until(async () => {
    const page = wordsOf(await visitor.get(pageOf('old-copy')));
    return page.includes('other.test') && !page.includes('witness.test');
  }, 'the page to ask about the other witness');
  expect(await decide(visitor, 'old-copy')).toContain('Confirmed.');
  await until(isAnswered, 'an answer');
  expect(await eventsOf('old-copy-confirmed')).toMatchObject([byOperator, byOperator]);
});

test('audit events that are lost for good are accepted on a page that names them, and sealing continues', async () => {
  const folder = join(service.dataDir, 'audit');
  await until(() => (sealedRange(folder)?.numbers.at(-1) ?? 0) > 0, 'the log');
  const stream = keys.audit('system');
  const event = (auditId: string): string =>
    JSON.stringify({ type: 'authority-set', auditId, by: 'test', detail: {} });
  const [known] = await streamStates(service.admin).then((states) => states.slice(-1));
  const used = (known?.last ?? 0) + 90;
  // One event before the gap, which is not sealed because of it.
  await service.admin
    .multi()
    .fcall(FUNCTIONS.appendEvent, 1, stream, event(randomUUID()))
    .call('XSETID', stream, `0-${used}`, 'ENTRIESADDED', used)
    .fcall(FUNCTIONS.appendEvent, 1, stream, event(randomUUID()))
    .exec();
  await askedOnFirstPage(visitor, 'gap');
  expect(wordsOf(await visitor.get(pageOf('gap')))).toMatch(
    /Events \d+ to \d+ of .* are in neither Redis nor the log/,
  );
  expect((await visitor.send(pageOf('gap'), REASON)).status).toBe(400);
  const alone = await visitor.send(pageOf('gap'), { ...REASON, agreedBy: byOperator.by });
  expect([alone.status, wordsOf(alone).includes(DECISIONS.gap.agreedByOwn)]).toEqual([400, true]);
  // A gap that has changed between its last comparison and the act is not accepted either.
  const place = { connection: service.admin, auditFolder: folder };
  expect(await acceptGap(place, { by: 'test', ...REASON }, { shown: 'another gap' })).toEqual({
    kind: 'refused',
    says: DECISIONS.changed,
  });
  // However their own name is typed. Somebody whose name begins with it, or holds it, is somebody else.
  for (const own of [
    'ＦＡＲＩＤ  demo , Guardian',
    'Farid Demo (Guardian)',
    'Dr Farid Demo – Guardian',
  ]) {
    const again = { ...REASON, agreedBy: own };
    expect((await visitor.send(pageOf('gap'), again)).status, own).toBe(400);
  }
  const agreedBy = 'Farid Demonte, Guardian';
  expect(await decide(visitor, 'gap', { agreedBy })).toContain('are lost.');
  await until(isAnswered, 'an answer');
  await until(() => (sealedRange(folder)?.numbers.at(-1) ?? 0) > used, 'events to be sealed again');
  expect(await eventsOf('audit-gap-accepted')).toMatchObject([
    { ...byOperator, detail: { ...byOperator.detail, agreedBy } },
  ]);
});

/** A service on a Redis of its own, and what its lookups and pages need. */
async function startAt(url: string, dataDir: string, more: Record<string, string> = {}) {
  const service = await startService(
    readConfiguration({ DATA_DIR: dataDir, PORT: '0', REDIS_URL: url, ...more }),
    {
      log: createLog('silent'),
      async prepare({ administrator, loader, anchor, verifier }) {
        if (anchor.dataset() !== undefined) return;
        await administrator.createDataset('demo', 'test');
        await verifier.look();
        await fill(loader, anchor, { code: 'ZZ101', rows: [{ nhsNumber: CHILD }] });
      },
    },
  );
  closing.push(() => service.stop());
  const anchor = Anchor.open(join(dataDir, 'anchor'));
  closing.push(() => Promise.resolve(anchor.close()));
  const operator = createVisitor(service.baseUrl);
  await until(async () => (await operator.signIn('operations')).status === 303, 'sign-in to work');
  return { ...service, dataDir, anchor, operator };
}

async function twoServers() {
  const [first, second] = await Promise.all([startRedisServer(), startRedisServer()]);
  closing.push(() => Promise.all([first.stop(), second.stop()]));
  const dataDir = await testFolder();
  closing.push(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  return { first, second, dataDir };
}

const headingOf = async (operator: Visitor): Promise<string> =>
  (await operator.ask('/operator')).heading;
const isOpen = async (operator: Visitor): Promise<boolean> =>
  (await headingOf(operator)).startsWith('Lookups are answered');

test('a promoted replica is confirmed on a page that says from when answers may be missing', async () => {
  const { first, second, dataDir } = await twoServers();
  const before = await startAt(first.url, dataDir);
  await until(() => isOpen(before.operator), 'the store to be open');
  await second.replicate(first);
  await second.catchUp(first);
  await second.promote();
  await before.stop();
  const numbers = before.anchor.auditNumbers();
  numbers[3] = 2;
  before.anchor.rememberAuditNumbers(numbers);
  await first.kill();

  const { operator } = await startAt(second.url, dataDir);
  await askedOnFirstPage(operator, 'promotion');
  const page = wordsOf(await operator.get(pageOf('promotion')));
  const lost = DECISIONS.promotion.lost(2, '').map((sentence) => sentence.split('after ')[0]);
  for (const sentence of lost) expect(page).toContain(sentence);
  expect(page).toContain(`machine of the worker, ${hostname()}`);
  expect(await decide(operator, 'promotion')).toContain('2 events that were known are missing.');
  await until(() => isOpen(operator), 'the store to be open');
  const store = createStore(second.admin, before.anchor);
  const events = await allEvents(dataDir, store);
  expect(events.filter(({ type }) => type === 'promotion-confirmed')).toMatchObject([byOperator]);
});

test('while all replicas are away, an operator can sign in, order single mode on a page, and end it', async () => {
  const { first, second, dataDir } = await twoServers();
  await second.replicate(first);
  const { operator, anchor, baseUrl } = await startAt(first.url, dataDir, { REDIS_REPLICAS: '1' });
  await until(() => isOpen(operator), 'the store to be open');
  await second.kill();
  await until(async () => (await headingOf(operator)) === ANSWERING.none, 'no answer');
  const late = createVisitor(baseUrl);
  expect((await late.signIn('operations')).status).toBe(303);
  await until(
    async () => (await late.ask('/operator')).text.includes(`href="${pageOf('replicas')}"`),
    'the first page to lead to the order',
  );
  let asked = '';
  await until(async () => {
    asked = wordsOf(await late.ask(pageOf('replicas')));
    return asked.includes('0 of 1 replicas are attached');
  }, 'the page to say that no replica is attached');
  expect(asked).toContain(DECISIONS.replicas.order.before[0]);
  // Two checks say the same.
  expect(asked.split('0 of 1 replicas are attached')).toHaveLength(2);
  // Which sessions have ended is certain only once a replica confirms it: at other desks nobody is let in.
  await until(async () => {
    const sent = createVisitor(baseUrl).send('/sign-in', { person: 'emergencyDepartment' });
    return (await sent).status !== 303;
  }, 'a clinician to be refused');
  const ordered = await decide(late, 'replicas');
  expect(ordered).toContain(DECISIONS.replicas.order.done);
  // The page may be loaded again long after, when it is no longer so.
  expect(ordered).toMatch(new RegExp(DECISIONS.doneAt(`${TIME_ON} .*`)));
  await until(() => isOpen(late), 'lookups to be answered');
  await until(
    async () => wordsOf(await late.ask(pageOf('replicas'))).includes(REPLICAS.noServers),
    'the page to say that no replica could take over',
  );

  const fields = { ...(await late.form(pageOf('replicas'))), ...REASON };
  // A page that was opened before the order would order it once more.
  const stale = await late.post(pageOf('replicas'), { ...fields, subject: 'order' });
  expect(wordsOf(stale)).toContain(DECISIONS.changed);
  // Redis has what no replica acknowledges: to say that it was not done would be wrong.
  const unsure = await late.send(pageOf('replicas'), REASON);
  expect([unsure.status, unsure.heading]).toEqual([503, DECISIONS.unsure]);
  expect(wordsOf(unsure)).toContain(DECISIONS.unsureThen);
  expect(await decide(late, 'replicas')).toContain(DECISIONS.replicas.order.done);
  await second.start();
  await second.replicate(first);
  await until(
    async () =>
      wordsOf(await late.ask(pageOf('replicas'))).includes(DECISIONS.replicas.order.submit),
    'single mode to end by itself',
  );
  const events = await allEvents(dataDir, createStore(first.admin, anchor));
  expect(events.filter(({ type }) => type === 'single-mode-ordered')).toMatchObject([
    byOperator,
    byOperator,
  ]);
});

test('while the second copy is away, an operator lets the log continue with one copy, and requires the second again', async () => {
  await until(
    async () => /has all \d+ sealed events/.test(wordsOf(await visitor.ask(pageOf('copy')))),
    'the copy to have all events',
  );
  await rename(copy, `${copy}-away`);
  // Nothing waits to be sealed, so that only what the worker keeps there shows that it is away.
  await until(
    async () =>
      wordsOf(await visitor.ask(pageOf('copy'))).includes(
        'What a worker needs to take over is not in the second copy.',
      ),
    'the page to say that the copy is away',
  );
  expect(wordsOf(await visitor.get(pageOf('copy')))).not.toContain(DECISIONS.copy.works);
  await until(
    async () => (await visitor.ask('/operator')).text.includes(`href="${pageOf('copy')}"`),
    'the first page to lead to it',
  );
  // Nothing of a council is changed that a worker could not take over.
  const council = '/operator/councils/ZZ101';
  const numbered = await visitor.send(`${council}/numbering`, REASON, council);
  expect([numbered.status, numbered.heading]).toEqual([409, COUNCIL_SETTINGS.busy]);
  expect(wordsOf(await visitor.get(council))).not.toContain(COUNCIL_SETTINGS.numberingBegun);
  expect(await decide(visitor, 'copy')).toContain(DECISIONS.copy.order.done);
  await rename(`${copy}-away`, copy);
  expect(await decide(visitor, 'copy')).toContain(DECISIONS.copy.end.done);
  expect(await eventsOf('one-copy-ordered')).toMatchObject([byOperator]);
  expect(await eventsOf('one-copy-ended')).toMatchObject([byOperator]);
});

test('an act that failed after it was sent is said to have been done perhaps, and the next page says that it was', async () => {
  const council = '/operator/councils/ZZ101';
  vi.spyOn(Anchor.prototype, 'changeMissingFiles').mockImplementationOnce(() => {
    throw new Error('ENOSPC');
  });
  const numbered = await visitor.send(`${council}/numbering`, REASON, council);
  expect([numbered.status, numbered.heading]).toEqual([503, DECISIONS.unsure]);
  expect(wordsOf(await visitor.get(council))).toContain(COUNCIL_SETTINGS.numberingBegun);
});

test('damage in Redis is listed with the command that repairs it, since no worker has the rights to', async () => {
  expect(wordsOf(await visitor.get('/operator/running/repair'))).toContain(REPAIR.nothing);
  await service.admin.xadd(keys.audit(7), '0-900', 'event', '{}');
  await service.admin.hset(keys.accessLists(9), '9990000018', 'not a list');
  await until(async () => {
    const page = wordsOf(await visitor.get('/operator/running/repair'));
    return page.includes(REPAIR.streams) && page.includes(REPAIR.lists(1));
  }, 'the damage to be listed');
  const page = await visitor.get('/operator/running/repair');
  expect(wordsOf(page)).toContain('cp-flags repair --by');
  expect(page.text).not.toContain('9990000018');
  const first = await visitor.get('/operator');
  expect(first.text).toContain('href="/operator/running/repair"');
  const printed = vi.spyOn(console, 'log').mockReturnValue();
  closing.push(() => Promise.resolve(printed.mockRestore()));
  await repair(readConfiguration({ DATA_DIR: service.dataDir }), { by: 'test', ...REASON });
  await until(isAnswered, 'an answer once it is repaired');
});
