import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { listHeldFiles } from '#loaders/upkeep/held-files.ts';
import { readConfiguration } from '#schemas/configuration.ts';
import { userKeyOf } from '#schemas/people/identity.ts';
import { DESK, DESKS } from '#schemas/wording/desk.ts';
import {
  ANSWERING,
  BLOCKED,
  FRESHNESS,
  HELD,
  MESSAGES,
  OPERATOR,
  RUNNING,
} from '#schemas/wording/operator.ts';
import { DECISIONS } from '#schemas/wording/operator-decisions.ts';
import { timeText } from '#schemas/wording/times.ts';
import { DEMO_ISSUER } from '#service/admission/demo-issuer.ts';
import { DECISION_NAMES } from '#service/confirm/decisions.ts';
import { startService } from '#service/main.ts';
import { localIdOf, MeshFile, type Sent } from '#service/mesh/mesh-file.ts';
import { DESK_PAGES } from '#service/pages/desk-pages.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { minuteOf } from '#service/telemetry/reports.ts';
import { knownField } from '#store/authorities/dataset.ts';
import { createBlocks } from '#store/blocks.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { createFigures } from '#store/figures.ts';
import { keys } from '#store/keys.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { visitorAs } from '../../support/desk.ts';
import { eventsDuring } from '../../support/events-of.ts';
import { TIME_ON } from '../../support/pages.ts';
import { day, testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';
import { loader, ods } from '../../support/upload-loading.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';
import {
  createVisitor,
  hiddenOf,
  locationOf,
  signedIn,
  type Visit,
  type Visitor,
  withoutTokens,
  wordsOf,
} from '../../support/visitor.ts';

/** The operator's pages over HTTP, on a real store: what they say and do, and what must never appear on them. */

const MAILBOX = 'X26CPF1';
const HOSTILE = '<script>alert(1)</script>\u202e" onclick="x';

let service: TestService;
let visitor: Visitor;
let anchor: Anchor;
let folder: string;

beforeAll(async () => {
  service = await startTestService({
    authorities: [
      { code: 'ZZ101', name: 'Northmoor Council' },
      { code: 'ZZ102', name: 'Eastham Council', hoursOld: 100 },
    ],
    environment: { MESH_MAILBOX: MAILBOX },
  });
  anchor = Anchor.open(join(service.dataDir, 'anchor'));
  visitor = createVisitor(service.baseUrl);
  folder = join(service.dataDir, 'mesh', MAILBOX);
  await mkdir(folder, { recursive: true });
});
afterAll(async () => {
  anchor?.close();
  await service?.stopAndRemove();
});
beforeEach(async () => {
  await visitor.signIn('operations');
});

/** Every operator page without parameters. */
const PAGES = DESK_PAGES.map(({ operation: { method, path } }) => `${method} ${path}`)
  .filter((each) => /^GET \/operator[^:]*$/.test(each))
  .map((each) => each.slice(4));

const eventsOf = async (type: string) =>
  (await service.events()).filter((event) => event.type === type);

const children = (count: number, differing = {}) =>
  Array.from({ length: count }, (_, i) => planOf(i + 1, differing));

let sequence = 1;
/** Makes a file whose removals wait for a decision, and returns the path of its page. */
async function heldFile(authority = 'ZZ101'): Promise<string> {
  const { load } = loader({ ...service, anchor });
  const loadNext = (records: ReturnType<typeof children>) => {
    sequence += 1;
    return load(fileXml(upload({ authority, sequence, records })), { lockWaitMs: 10_000 });
  };
  await loadNext(children(10));
  await loadNext(children(6, { endDate: day('2026-11-20') }));
  const held = listHeldFiles(anchor).find((file) => file.sequence === sequence);
  if (held === undefined) throw new Error('nothing is held');
  return pageOf(held);
}
const pageOf = ({ authority, sequence: of }: ReturnType<typeof listHeldFiles>[number]): string =>
  `/operator/files/${authority}/${of}`;

const DECISION = {
  decision: 'release',
  confirmedBy: 'B. Council, data officer',
  reason: 'a service has moved',
};

describe('the page that says whether lookups are answered', () => {
  test('says in its heading if they are, and what needs attention', async () => {
    let page = await visitor.get('/operator');
    await until(async () => {
      page = await visitor.get('/operator');
      return /^Lookups are answered\. \d things? to deal with$/.test(page.heading);
    }, 'the heading');
    expect(wordsOf(page)).toContain(ANSWERING.behind(1, 2));
    expect(page.text).toMatch(
      /out of date\.<?[^<]*<a class="nhsuk-link" href="\/operator\/councils\/ZZ102">/,
    );
  });

  test('says in its heading if no lookup gets a negative because too few councils are up to date', async () => {
    const strict = await startTestService({
      authorities: [{ code: 'ZZ101' }, { code: 'ZZ102', hoursOld: 100 }],
      environment: { MINIMUM_COVERAGE: '0.95' },
    });
    await strict.admin.hset(keys.authority(ods('ZZ101')), { rows: 1 });
    const operator = await visitorAs(strict, { organisation: 'ZZX01', scopes: ['operate'] });
    let page = await operator.get('/operator');
    await until(async () => {
      page = await operator.get('/operator');
      return page.heading === ANSWERING.withheld;
    }, 'the heading');
    expect(wordsOf(page)).toContain(ANSWERING.withheldThen);
    expect(wordsOf(page)).toContain(`${ANSWERING.concerns} ${ANSWERING.levels.partly}. 1 of 2`);
    const councils = wordsOf(await operator.get('/operator/councils'));
    // The data is 100 hours old, and was out of date after 72.
    const { dataAsOf = '' } = (await strict.store.authority(ods('ZZ102'))) ?? {};
    const since = timeText(Date.parse(dataAsOf) + 72 * 3_600_000);
    expect(councils).toContain(`Out of date since ${since}`);
    await strict.stopAndRemove();
  });

  test('says that none is answered, why and what to do, once the store is closed', async () => {
    await service.admin.config('SET', 'appendfsync', 'everysec');
    let page = await visitor.get('/operator');
    await until(async () => {
      page = await visitor.get('/operator');
      return page.heading === ANSWERING.none && wordsOf(page).includes('appendfsync');
    }, 'the heading and the reason');
    expect(wordsOf(page)).toContain(`${ANSWERING.concerns} ${ANSWERING.levels.stops}.`);
    expect(wordsOf(page)).toContain(ANSWERING.noneThen);
    expect(page.text).toContain('href="/operator/runbook#storeclosed"');
    // Councils that Redis shows as up to date may not be.
    expect(wordsOf(await visitor.get('/operator/councils'))).toContain(FRESHNESS.notAnswered);
    await service.admin.config('SET', 'appendfsync', 'always');
    await until(async () => (await visitor.get('/operator')).heading !== ANSWERING.none);
    expect(wordsOf(await visitor.get('/operator/councils'))).not.toContain(FRESHNESS.notAnswered);
  });

  test('says how far the audit is sealed', async () => {
    await until(async () =>
      / events are sealed/.test(
        wordsOf(await visitor.get('/operator')).split(ANSWERING.audit)[1] ?? '',
      ),
    );
  });

  test('says if the audit is not copied or not witnessed', async () => {
    const audit = wordsOf(await visitor.get('/operator')).split(ANSWERING.audit)[1] ?? '';
    expect(audit).toContain(ANSWERING.notCopied);
    expect(audit).toContain(ANSWERING.notWitnessed);
  });

  test('links every check to the section of the page that says what to do', async () => {
    const { text } = await visitor.get('/operator/runbook');
    const anchors = [...text.matchAll(/ id="([a-z0-9-]+)"/g)].map(([, id]) => id);
    const links = [...text.matchAll(/href="#([a-z0-9-]+)"/g)].map(([, to]) => to);
    expect(anchors.length).toBeGreaterThan(40);
    for (const to of links.filter((each) => each !== 'main')) expect(anchors).toContain(to);
  });

  test('says of each link in the advice to another document which one that is', async () => {
    const { text } = await visitor.get('/operator/runbook');
    const root = new URL('../../../', import.meta.url);
    const page = new URL('docs/operating/alerts.md', root);
    const links = [...readFileSync(page, 'utf8').matchAll(/\]\(([^#)][^)]*)\)/g)];
    expect(links.length).toBeGreaterThan(20);
    for (const [, to = ''] of links) {
      const { href, pathname } = new URL(to, page);
      expect(existsSync(pathname), to).toBe(true);
      expect(text).toContain(`<code>${href.slice(root.href.length)}</code>`);
    }
  });
});

describe('the last hour of all the processes', () => {
  /** A lookup process beside the service, on the same Redis. */
  async function startBeside({ dataDir: of }: TestService = service) {
    const found = await findEmbeddedRedis(of);
    const dataDir = await testFolder();
    const passwordFile = join(dataDir, 'password');
    await writeFile(passwordFile, found?.users.lookup.password ?? '');
    const beside = await startService(
      readConfiguration({
        ROLE: 'lookup',
        PORT: '0',
        DATA_DIR: dataDir,
        REDIS_URL: `unix://${found?.users.lookup.username}@socket${found?.socketPath}`,
        REDIS_PASSWORD_FILE: passwordFile,
      }),
      { log: createLog('silent') },
    );
    return {
      ...beside,
      remove: () => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }),
    };
  }

  test('counts the lookups of a process that has ended, and names it', async () => {
    const beside = await startBeside();
    const other = createVisitor(beside.baseUrl);
    await until(async () => {
      await other.signIn();
      return (await other.get('/look-up')).text.includes('name="number"');
    });
    // Until then a lookup could not be checked, and would be counted as well.
    const ready = async () => (await fetch(`${beside.baseUrl}/_status`)).status === 200;
    await until(ready, 'the process to be ready');
    expect((await other.lookUp(testNumber(900))).heading).toMatch(/^No plan found/);
    await beside.stop();
    await beside.remove();
    // A stop waits only a second for the last report, which a busy machine may deliver later.
    await expect
      .poll(async () => wordsOf(await visitor.get('/operator')))
      .toMatch(/1 lookup\. All could be checked\. Half of all requests took [\d.]+ ms or less/);
    await expect
      .poll(async () => (await visitor.get('/operator/running')).text)
      .toMatch(/<code>[0-9a-f-]{36}<\/code>.*lookup.*Ended at/);
  });

  test('says that nobody knows whether lookups are answered if there is no report from a lookup process', async () => {
    const worker = await startTestService({
      authorities: [{ code: 'ZZ101' }],
      environment: { ROLE: 'worker' },
    });
    const operator = await visitorAs(worker, { organisation: 'ZZX01', scopes: ['operate'] });
    const headingNow = async () => (await operator.get('/operator')).heading;
    await until(async () => (await headingNow()) === ANSWERING.unknown);
    const beside = await startBeside(worker);
    await until(async () => (await headingNow()) !== ANSWERING.unknown);
    await beside.stop();
    await until(async () => (await headingNow()) === ANSWERING.unknown);
    await beside.remove();
    await worker.stopAndRemove();
  });

  /** Removes the reports of made-up processes. */
  async function forget(...instances: string[]): Promise<void> {
    for (const key of await service.admin.keys('cpf:{use}:figures:*')) {
      const fields = await service.admin.hkeys(key);
      const theirs = fields.filter((field) => instances.some((each) => field.startsWith(each)));
      if (theirs.length > 0) await service.admin.hdel(key, ...theirs);
    }
  }

  test('names a process that has stopped reporting, and one that is not ready', async () => {
    const silent = randomUUID();
    const doubtful = randomUUID();
    const figures = createFigures(await service.connect('lookup'));
    const runs = 'runs lookup 0.1.0 24.21.0 3.5.4';
    const now = minuteOf(Date.now());
    await figures.add(
      now - 5,
      new Map([
        [`${silent} reports`, 6],
        [`${silent} ready`, 6],
        [`${silent} ${runs}`, 6],
      ]),
    );
    await figures.add(
      now,
      new Map([
        [`${doubtful} reports`, 1],
        [`${doubtful} ${runs}`, 1],
        [`${doubtful} fails access:issuers`, 1],
      ]),
    );
    let page = await visitor.get('/operator');
    await until(async () => {
      page = await visitor.get('/operator');
      return page.heading === ANSWERING.some;
    }, 'the heading');
    const words = wordsOf(page);
    expect(words).toContain(`Process ${silent.slice(0, 8)} (lookup) has not reported since`);
    expect(words).toContain(ANSWERING.processNotReady(`${doubtful.slice(0, 8)} (lookup)`));
    expect(words).toContain('reports that a check fails: access:issuers.');
    expect(page.text).toContain('href="/operator/runbook#issuerkeysexpire"');
    const running = wordsOf(await visitor.get('/operator/running'));
    expect(running).toContain(silent);
    expect(running).toContain('Silent since');
    await forget(silent, doubtful);
  });

  test('shows no markup that others put into the figures', async () => {
    const minute = keys.figures(minuteOf(Date.now()));
    const instance = randomUUID();
    await service.admin.hset(
      minute,
      `${instance} reports`,
      1,
      `${instance} runs <script>x</script>`,
      1,
    );
    for (const path of ['/operator', '/operator/running']) {
      expect((await visitor.get(path)).text).not.toContain('<script>x');
    }
    await forget(instance);
  });
});

describe('a held file', () => {
  beforeEach(async () => {
    for (const held of listHeldFiles(anchor)) {
      await visitor.send(pageOf(held), { ...DECISION, decision: 'discard' });
    }
  });

  test('is shown with its reasons, and released once, with the names of the person signed in and of the one who confirmed it', async () => {
    const path = await heldFile();
    const list = await visitor.get('/operator/files');
    expect(list.text).toContain(`href="${path}"`);
    expect(wordsOf(list)).toContain('6 of 10 (60 %) plans in force');
    const form = await visitor.form(path);
    const done = await visitor.post(path, { ...form, ...DECISION });
    expect([done.status, locationOf(done)]).toEqual([303, `${path}?done=release`]);
    const became = await visitor.get(path);
    expect(wordsOf(became)).toContain('CPF02');
    expect(wordsOf(became)).toContain('6 accepted');
    expect((await visitor.post(path, { ...form, ...DECISION })).status).toBe(409);
    const events = await eventsOf('hold-released');
    expect(events).toMatchObject([
      {
        by: 'Farid Demo',
        detail: {
          authority: 'ZZ101',
          reason: DECISION.reason,
          confirmedBy: DECISION.confirmedBy,
          account: `demo-operations (${DEMO_ISSUER})`,
        },
      },
    ]);
  });

  test('is discarded, and none of it is applied', async () => {
    const path = await heldFile();
    const before = (await eventsOf('hold-discarded')).length;
    const sent = await visitor.send(path, { ...DECISION, decision: 'discard' });
    expect(locationOf(sent)).toBe(`${path}?done=discard`);
    expect(await eventsOf('hold-discarded')).toHaveLength(before + 1);
    const after = wordsOf(await visitor.get(`${path}?done=discard`));
    expect(after).toContain(HELD.done.discard);
    expect((await visitor.get(path)).status).toBe(200);
    expect(listHeldFiles(anchor)).toEqual([]);
  });

  test('is discarded without naming the council’s contact, as by command', async () => {
    const path = await heldFile();
    const decision = { ...DECISION, decision: 'discard', confirmedBy: ' ' };
    const done = await visitor.send(path, decision);
    expect([done.status, locationOf(done)]).toEqual([303, `${path}?done=discard`]);
    const event = (await eventsOf('hold-discarded')).at(-1);
    expect(event).toMatchObject({ detail: { reason: DECISION.reason } });
    expect(event).not.toHaveProperty('detail.confirmedBy');
  });

  test('says on its page that the last decision failed, until the next one', async () => {
    const path = await heldFile();
    const [held] = anchor.heldFiles();
    const kept = held?.folder ?? '';
    await rename(kept, `${kept}-away`);
    const failed = await visitor.send(path, DECISION);
    await rename(`${kept}-away`, kept);
    expect([failed.status, failed.heading]).toEqual([409, OPERATOR.failed]);
    const page = wordsOf(await visitor.get(path));
    expect(page).toContain(HELD.lastFailed);
    expect(page).toContain('is gone from the disk');
    expect(page).toContain(HELD.lastFailedThen);
    expect((await visitor.send(path, DECISION)).status).toBe(303);
  });

  test('that another operator discarded meanwhile is not released, and the one who tried is told', async () => {
    const path = await heldFile();
    const form = await visitor.form(path);
    const colleague = await signedIn(service, 'operations');
    await colleague.send(path, { ...DECISION, decision: 'discard' });
    const late = await visitor.post(path, { ...form, ...DECISION });
    expect([late.status, late.heading]).toEqual([409, HELD.nothingWaits]);
    expect(wordsOf(late)).toContain(HELD.decidedElse);
    expect(late.text).toContain(`href="${path}"`);
  });

  test('is not decided if another file has taken its number since its page was shown', async () => {
    const path = await heldFile();
    const form = await visitor.form(path);
    const [shown] = listHeldFiles(anchor);
    const { load } = loader({ ...service, anchor });
    const records = children(9, { endDate: day('2026-11-21') });
    await load(fileXml(upload({ authority: 'ZZ101', sequence, records })));
    const [other] = listHeldFiles(anchor);
    expect(other?.sequence).toBe(shown?.sequence);
    expect(other?.id).not.toBe(shown?.id);
    const page = await visitor.post(path, { ...form, ...DECISION });
    expect([page.status, wordsOf(page).includes(HELD.overtaken)]).toEqual([409, true]);
    expect(listHeldFiles(anchor)).toEqual([other]);
  });

  test.for([
    ['without a choice', { decision: '' }, OPERATOR.choose],
    ['with an unknown choice', { decision: 'delete' }, OPERATOR.choose],
    ['without the council’s contact', { confirmedBy: '' }, OPERATOR.named('must not be empty')],
    ['without a reason', { reason: '' }, 'The reason must not be empty'],
    ['with an NHS number as a reason', { reason: 'about 999 000 0018' }, DESK.numberInText],
  ] as const)(
    'is not decided %s: the page says what is missing, and keeps what was typed',
    async ([, differing, sentence]) => {
      const page = await visitor.send(await heldFile(), { ...DECISION, ...differing });
      expect([page.status, page.title.startsWith('Error: ')]).toEqual([400, true]);
      expect(wordsOf(page)).toContain(sentence);
      if (!('confirmedBy' in differing)) expect(page.text).toContain(DECISION.confirmedBy);
      expect(listHeldFiles(anchor)).toHaveLength(1);
    },
  );

  test('without a choice asks for the choice and the reason, and not yet for the name that only a release needs', async () => {
    const page = await visitor.send(await heldFile(), {
      decision: '',
      confirmedBy: '',
      reason: '',
    });
    const linked = [...page.text.matchAll(/<li><a href="#([^"]+)"/g)].map(([, field]) => field);
    expect([page.status, linked]).toEqual([400, ['decision', 'reason']]);
  });

  test.for(['/operator/files/ZZ999/1', '/operator/files/ZZ101/x', '/operator/files/..%2f/1'])(
    'of an unknown council gets a page that says not found: %s',
    async (path) => {
      expect((await visitor.get(path)).status).toBeGreaterThanOrEqual(400);
    },
  );
});

describe('a user', () => {
  const user = 'nurse-1';
  const path = `/operator/users/${userKeyOf(DEMO_ISSUER, user)}`;
  const reason = 'card reported stolen';

  test('is blocked and unblocked in the name of the person who did it, and refused in between', async () => {
    await service.lookup({ nhsNumber: testNumber(900) });
    let blocked: Visit | undefined;
    // Users are known once one of their requests has been sealed and indexed.
    await until(async () => {
      blocked = await visitor.send('/operator/users', { user, issuer: DEMO_ISSUER, reason });
      return blocked.status === 303;
    });
    const confirmed = wordsOf(await visitor.get(blocked?.headers.get('location') ?? ''));
    expect(confirmed).toContain(BLOCKED.blocked(user, DEMO_ISSUER));
    expect(confirmed).toContain(reason);
    await until(async () => (await service.lookup({ nhsNumber: testNumber(900) })).status === 403);
    expect(
      wordsOf(await visitor.send('/operator/users', { user, issuer: DEMO_ISSUER, reason })),
    ).toContain(BLOCKED.alreadyBlocked);
    expect((await visitor.send(path, { reason: '' })).status).toBe(400);
    const letIn = await visitor.send(path, { reason: 'new card' });
    expect(letIn.status).toBe(303);
    const users = wordsOf(await visitor.get(letIn.headers.get('location') ?? ''));
    expect(users).toContain(BLOCKED.unblocked);
    expect(users).toContain(BLOCKED.nobody);
    const ofUser = async (type: string) =>
      (await eventsOf(type)).filter((event) => 'detail' in event && event.detail['user'] === user);
    expect(await ofUser('user-blocked')).toMatchObject([
      { by: 'Farid Demo', detail: { user, issuer: DEMO_ISSUER, reason } },
    ]);
    expect(await ofUser('user-unblocked')).toHaveLength(1);
    expect((await visitor.get(path)).status).toBe(404);
  });

  /** Sends what somebody typed, and then sends it again from the page with the warning. */
  async function warnedThenSent(of: string, warning: string): Promise<Visit> {
    const typed = { user: of, issuer: DEMO_ISSUER, reason };
    let warned: Visit | undefined;
    await until(async () => {
      warned = await visitor.send('/operator/users', typed);
      return wordsOf(warned).includes(warning);
    }, warning);
    if (warned === undefined) throw new Error('nothing was sent');
    expect(warned.status).toBe(400);
    expect(wordsOf(await visitor.get('/operator/users'))).not.toContain(`Unblock ${of}`);
    return visitor.post('/operator/users', { ...hiddenOf(warned, '/operator/users'), ...typed });
  }
  const unblock = (of: string) =>
    visitor.send(`/operator/users/${userKeyOf(DEMO_ISSUER, of)}`, { reason: 'wrong user' });

  test('who has made no known request is blocked only after a warning, since the id may be mistyped', async () => {
    const sent = await warnedThenSent('nobody-such', BLOCKED.unknown);
    const location = sent.headers.get('location') ?? '';
    expect(wordsOf(await visitor.get(location))).toContain(
      BLOCKED.blocked('nobody-such', DEMO_ISSUER),
    );
    await unblock('nobody-such');
    expect(await eventsOf('audit-search')).toContainEqual(
      expect.objectContaining({ report: 'block', criteria: { user: 'nobody-such' } }),
    );
  });

  test('who searches the audit is blocked only after a warning, so that nobody stops an auditor by mistake', async () => {
    const searched = async (user: string): Promise<number> => {
      const scopes = ['audit'] as const;
      const officer = await visitorAs(service, { user, organisation: 'ZZH01', scopes });
      const form = await officer.form('/officer', '/officer/search');
      return (await officer.post('/officer/search', { ...form, reason })).status;
    };
    // The officers' only events are searches, so this waits until those are in the index.
    await until(async () => (await searched('officer-2')) === 200, 'the index');
    expect(await searched('officer-1')).toBe(200);
    expect((await warnedThenSent('officer-1', BLOCKED.watches)).status).toBe(303);
    await unblock('officer-1');
  });

  test('is never the operator who blocks', async () => {
    const page = await visitor.send('/operator/users', {
      user: 'demo-operations',
      issuer: DEMO_ISSUER,
      reason,
    });
    expect([page.status, wordsOf(page).includes(BLOCKED.self)]).toEqual([400, true]);
  });

  test('is unblocked only after the page has shown who blocked them, when and why, and that it was an officer', async () => {
    const blocks = createBlocks(service.admin, service.store);
    const inquiry = { by: 'Esi Demo', reason: 'inquiry 7', issuer: DEMO_ISSUER };
    await blocks.block({ ...inquiry, user: 'watched-1', desk: 'officer' });
    await blocks.block({ ...inquiry, user: 'other-1' });
    const pageOf = async (of: string) =>
      wordsOf(await visitor.get(`/operator/users/${userKeyOf(DEMO_ISSUER, of)}`));
    const watched = await pageOf('watched-1');
    for (const words of ['Esi Demo', 'inquiry 7', BLOCKED.byOfficer]) {
      expect(watched).toContain(words);
    }
    expect(await pageOf('other-1')).not.toContain(BLOCKED.byOfficer);
    await unblock('watched-1');
    await unblock('other-1');
  });

  test('is not unblocked from a page that shows an earlier block', async () => {
    const blocks = createBlocks(service.admin, service.store);
    const order = { by: 'Esi Demo', issuer: DEMO_ISSUER, user: 'watched-2' };
    await blocks.block({ ...order, reason: 'card stolen' });
    const page = `/operator/users/${userKeyOf(DEMO_ISSUER, order.user)}`;
    const form = await visitor.form(page);
    await blocks.unblock({ ...order, reason: 'new card' });
    await blocks.block({ ...order, reason: 'inquiry 8' });
    const refused = await visitor.post(page, { ...form, reason: 'new card' });
    expect(refused.status).toBe(409);
    expect(wordsOf(refused)).toContain(BLOCKED.blockedAgain);
    expect(wordsOf(await visitor.get(page))).toContain('inquiry 8');
    const late = await visitor.form(page);
    expect((await unblock(order.user)).status).toBe(303);
    // Somebody goes back, or unblocks the user whom a colleague has just unblocked.
    const back = await visitor.get(page);
    const again = await visitor.post(page, { ...late, reason: 'new card' });
    expect([back.status, again.status]).toEqual([404, 409]);
    for (const shown of [back, again]) {
      expect(shown.heading).toBe(BLOCKED.notBlocked);
      expect(wordsOf(shown)).toContain(BLOCKED.notBlockedThen);
    }
  });

  test('is blocked at the only issuer, which need not be chosen', async () => {
    const { text } = await visitor.get('/operator/users');
    expect(text).toMatch(
      new RegExp(`<input[^>]* name="issuer"[^>]* value="${DEMO_ISSUER}" checked`),
    );
  });

  test.for([
    ['of an issuer that nobody trusts', { issuer: 'https://other.example' }, OPERATOR.choose],
    ['with an id that no token could have', { user: 'a b' }, 'The user id must be 1 to 40 letters'],
    ['for no reason', { reason: ' ' }, 'The reason must not be empty'],
  ] as const)('is not blocked %s', async ([, differing, sentence]) => {
    const page = await visitor.send('/operator/users', {
      user,
      issuer: DEMO_ISSUER,
      reason,
      ...differing,
    });
    expect(page.status).toBe(400);
    expect(wordsOf(page)).toContain(sentence);
  });
});

const message = (differing: Partial<Sent>): Sent => ({
  key: randomUUID().replaceAll('-', ''),
  name: 'notification.csv',
  recipient: 'X26ABC1',
  workflowId: 'W',
  subject: '',
  state: 'failed',
  attempt: 1,
  messageId: '',
  chunks: 1,
  chunksSent: 0,
  tries: 0,
  addedAt: Date.now(),
  changedAt: Date.now(),
  notBefore: 0,
  code: '12',
  detail: 'Code 12.',
  ...differing,
});

function addMessage(differing: Partial<Sent> = {}): Sent {
  const row = message(differing);
  const file = MeshFile.open(folder);
  file.addSent(row);
  file.close();
  return row;
}
const stateOf = (row: Sent) => MeshFile.use(folder, (file) => file.sent(row.key)?.state);

describe('a message in MESH', () => {
  test('is sent again, or abandoned, with a reason and on record', async () => {
    const again = addMessage();
    const lost = addMessage({ state: 'unclear' });
    const path = (row: Sent) => `/operator/messages/${localIdOf(row)}`;
    expect((await visitor.get('/operator/messages')).text).toContain(`href="${path(again)}"`);
    expect((await visitor.send(path(again), { decision: 'resend', reason: '' })).status).toBe(400);
    for (const [row, decision, reason] of [
      [again, 'resend', 'open again'],
      [lost, 'drop', 'they have it'],
    ] as const) {
      const sent = await visitor.send(path(row), { decision, reason });
      expect(sent.status).toBe(303);
      const next = wordsOf(await visitor.get(sent.headers.get('location') ?? ''));
      expect(next).toContain(MESSAGES.done[decision]);
    }
    expect([stateOf(again), stateOf(lost)]).toEqual(['waiting', 'dropped']);
    // What went wrong was the first try, and the second has not been made yet.
    const now = MeshFile.use(folder, (file) => file.sent(again.key));
    expect(now).toMatchObject({ attempt: 2, code: '', detail: '' });
    const shown = wordsOf(await visitor.get('/operator/messages'));
    expect(shown).toContain(`${MESSAGES.states.waiting}, try 2.`);
    expect(shown).not.toMatch(/sent 2 times/);
    expect(await eventsOf('mesh-resent')).toMatchObject([
      { by: 'Farid Demo', detail: { reason: 'open again', mailbox: 'X26ABC1' } },
    ]);
    expect(await eventsOf('mesh-dropped')).toHaveLength(1);
    const gone = await visitor.get(path(lost));
    expect([gone.status, gone.heading]).toEqual([404, MESSAGES.gone]);
  });
});

describe('the operator’s pages', () => {
  test('show no NHS number, child’s local id or machine-written time, whatever is held and whatever its name', async () => {
    const number = testNumber(3);
    const printed = `${number.slice(0, 3)} ${number.slice(3, 6)} ${number.slice(6)}`;
    const held = await heldFile();
    const row = addMessage({
      subject: `About ${number}`,
      detail: `MESH says ${printed} at 2026-07-28T12:50:27.113Z.`,
    });
    await service.store.setAuthority(
      ods('ZZ103'),
      { name: `Council ${number}`, emergencyDutyTeamPhone: '02079460199' },
      'test',
    );
    await service.admin.hset(
      keys.blocked,
      'x',
      JSON.stringify({
        issuer: DEMO_ISSUER,
        user: number,
        by: printed,
        reason: `looked up ${number}`,
        at: new Date().toISOString(),
      }),
    );
    await until(async () => (await visitor.get('/operator/councils')).text.includes('ZZ103'));
    const pages = [
      ...PAGES,
      held,
      `/operator/messages/${localIdOf(row)}`,
      `/operator/users/${userKeyOf(DEMO_ISSUER, number)}`,
    ];
    expect(pages.length).toBeGreaterThan(8);
    for (const path of pages) {
      const { text, status } = await visitor.get(path);
      expect([path, status]).toEqual([path, 200]);
      for (let i = 1; i <= 20; i++) expect(text).not.toContain(testNumber(i));
      expect(text).not.toContain(printed);
      expect(withoutTokens(text)).not.toMatch(/\bLA-\d/);
      expect(wordsOf({ text })).not.toMatch(/[0-9]T[0-9]{2}:[0-9]{2}/);
    }
    await service.admin.hdel(keys.blocked, 'x');
    await visitor.send(held, { ...DECISION, decision: 'discard' });
  });

  test('never show the name of a council, file or mailbox as markup, or let it reverse the words beside it', async () => {
    await service.store.setAuthority(
      ods('ZZ104'),
      { name: 'a', emergencyDutyTeamPhone: '02079460199' },
      'test',
    );
    await service.admin.hset(keys.authority('ZZ104'), 'name', HOSTILE);
    addMessage({ subject: HOSTILE, name: HOSTILE });
    await until(async () => (await visitor.get('/operator/councils')).text.includes('alert(1)'));
    for (const path of PAGES) {
      const { text } = await visitor.get(path);
      expect(text).not.toContain('<script>alert');
      expect(text).not.toContain('" onclick');
      for (const [, before = ''] of text.matchAll(/(.{5})&lt;script/g))
        expect(before).toBe('<bdi>');
    }
    // In this order, as a council that is known and cannot be read stops all lookups.
    await service.admin.hdel(keys.dataset, knownField('ZZ104'));
    await service.admin.del(keys.authority('ZZ104'));
  });

  test('change nothing when opened: they record no event and decide on no held file', async () => {
    const held = await heldFile();
    const waiting = listHeldFiles(anchor);
    const events = await eventsDuring(
      service,
      (token, requestId) =>
        service.lookup(
          { nhsNumber: '9990000019' },
          { token, headers: { 'x-request-id': requestId } },
        ),
      async () => {
        for (const path of [...PAGES, held]) {
          expect([path, (await visitor.get(path)).status]).toEqual([path, 200]);
        }
      },
    );
    // Whoever caused them: an act that was left over is recorded under another name. Only the store opens by itself,
    // and a page that could not be made at the moment is refused and asked for again.
    const recorded = events.filter(
      (event) =>
        event.type !== 'store-opened' &&
        !(event.type === 'refusal' && event.code === 'could-not-check'),
    );
    expect(recorded).toEqual([]);
    expect(listHeldFiles(anchor)).toEqual(waiting);
    await visitor.send(held, { ...DECISION, decision: 'discard' });
  });
});

test('every page stays below 100 kB with 153 councils', async () => {
  const many = await startTestService();
  try {
    const codes = Array.from({ length: 153 }, (_, i) => ods(`ZZ${200 + i}`));
    await Promise.all(
      codes.map(async (code, i) => {
        const name = `Metropolitan Borough Council of Somewhere ${i}`;
        await many.store.setAuthority(
          code,
          { name, emergencyDutyTeamPhone: '02079460199' },
          'test',
        );
        const hoursOld = i % 3 === 0 ? 100 + i : 1;
        await many.admin.hset(keys.authority(code), {
          dataAsOf: new Date(Date.now() - hoursOld * 3_600_000).toISOString(),
          sequence: 400 + i,
          rows: 1_500,
        });
      }),
    );
    const expected = codes.map((code, i) => ({
      code,
      name: `Metropolitan Borough Council of Somewhere ${i}`,
    }));
    await many.store.setExpected(
      { area: 'Somewhere', kind: 'all', authorities: expected },
      { by: 'A. Example', reason: 'test' },
    );
    const other = await signedIn(many, 'operations');
    await until(async () => (await other.get('/operator/councils')).text.includes('ZZ352'));
    for (const path of PAGES) {
      expect((await other.get(path)).text.length, path).toBeLessThan(100_000);
    }
    expect(wordsOf(await other.get('/operator/councils'))).toMatch(
      new RegExp(`Out of date since ${TIME_ON}`),
    );
  } finally {
    await many.stopAndRemove();
  }
});

test('everything that runs is shown with its version, and everything that expires with its date', async () => {
  const page = await visitor.get('/operator/running');
  const words = wordsOf(page);
  expect(words).toContain(process.versions.node);
  expect(words).toContain(process.versions.openssl);
  expect(words).toMatch(/Redis [\d.]+\./);
  expect(words).toContain('SESSION_KEYS_FILE');
  expect(words).toContain(RUNNING.noReplicas);
  expect(words).toContain('cp-flags confirm dataset ID');
  for (const name of DECISION_NAMES) {
    const path = `/operator/running/decisions/${name}`;
    expect(page.text).toContain(`href="${path}"`);
    expect((await visitor.get(path)).heading).toBe(DECISIONS.titles[name]);
  }
  expect(words).toContain(HELD.title);
});

test('while Redis does not answer, an operator can read which checks fail and what to tell clinicians', async () => {
  const { pid } = JSON.parse(
    await readFile(join(service.dataDir, 'redis', 'running.json'), 'utf8'),
  ) as { pid: number };
  process.kill(pid, 'SIGSTOP');
  try {
    await until(async () => (await visitor.ask('/operator')).status === 503);
    await until(
      async () => wordsOf(await visitor.ask('/operator')).includes(ANSWERING.noneThen),
      'what to tell clinicians',
    );
    const page = await visitor.ask('/operator');
    expect(wordsOf(page)).toContain(DESKS.operator.unavailableThen);
    expect(wordsOf(page)).toContain(ANSWERING.commandsAt(hostname()));
    expect(page.text).toContain('<a class="nhsuk-link" href="/_status">');
    // Nobody is told that lookups are answered, or told to change what is not wrong.
    const status = await (await fetch(`${service.baseUrl}/_status`)).text();
    for (const said of [wordsOf(page), status]) {
      expect(said).not.toContain('lookups of the API');
      expect(said).not.toContain('Lookups of the API');
      expect(said).not.toContain('Give Redis the users');
    }
    expect(page.text).toContain(`<a class="nhsuk-button" href="/operator">${DESK.tryAgain}</a>`);
    // The page uses the words of the checks themselves.
    const checksSchema = z.object({
      checks: z.record(z.string(), z.array(z.object({ status: z.string(), outcome: z.string() }))),
    });
    await until(async () => {
      const words = wordsOf(await visitor.ask('/operator'));
      const answer = await fetch(`${service.baseUrl}/_status`);
      const { checks } = checksSchema.parse(await answer.json());
      const failing = Object.values(checks).filter(([check]) => check?.status === 'fail');
      return (
        failing.length > 0 && failing.every(([check]) => words.includes(check?.outcome ?? '-'))
      );
    }, 'the words of all checks that fail');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until(async () => {
    await visitor.signIn('operations');
    return (await visitor.get('/operator')).status === 200;
  });
});
