import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OFFICER_CASES, OFFICER_ERASE, OFFICER_HOLDS } from '#schemas/wording/officer.ts';
import { FRAME } from '#schemas/wording/pages.ts';
import { DEMO_OPERATOR } from '#service/admission/personas.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { createHolds } from '#service/audit/seal/holds.ts';
import { holdsNote } from '#service/pages/officer/erase.ts';
import { visitorAs } from '../../support/desk.ts';
import { startLookedAt } from '../../support/looked-at.ts';
import { testNumber } from '../../support/rows.ts';
import { type TestService, until } from '../../support/service.ts';
import { untilAnswered, WAIT_MS } from '../../support/until.ts';
import {
  createVisitor,
  hiddenOf,
  locationOf,
  signedIn,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

/** What only a Guardian of the operating organisation does: holds, and erasing the notes of cases. */

const CHILD = testNumber(8261);
const HOLDS = '/officer/holds';
const ERASE = '/officer/erase';
const CASES = '/officer/cases';
const WHO = { by: 'Esi Demo', account: 'demo-guardian (cp-flags-demo)' };

let service: TestService;
let folder: string;
let guardian: Visitor;
/** Also at the operating organisation, with a lookup of their own among the accesses. */
let colleague: Visitor;
let officer: Visitor;

beforeAll(async () => {
  service = await startLookedAt(CHILD);
  folder = join(service.dataDir, 'audit');
  guardian = await signedIn(service, 'caldicottGuardian');
  const audit = { organisation: DEMO_OPERATOR.code, scopes: ['audit'] } as const;
  colleague = await visitorAs(service, { ...audit, user: 'nurse-1' });
  officer = await signedIn(service, 'privacyOfficer');
  await until(async () => (await search()).text.split('name="entry"').length === 4, 'the index');
});
afterAll(() => service?.stopAndRemove());

const acts = async (...types: string[]) =>
  (await service.events()).filter(({ type }) => types.includes(type));

/** The file that the sealer writes to as well, after which this waits. */
const openLog = () => new DatabaseSync(join(folder, 'sealing.sqlite'), { timeout: WAIT_MS });

describe('a hold', () => {
  const inForce = () => CommitFile.lookIfThere(folder, (commits) => commits.retentionHolds()) ?? [];
  const holdActs = () => acts('audit-hold', 'audit-hold-ended');

  test('is begun and ended with a reason, under the name of the person signed in, and says who and why', async () => {
    expect(wordsOf(await guardian.get(HOLDS))).toContain(OFFICER_HOLDS.none);
    const begun = await guardian.send(HOLDS, { reason: 'inquiry 12/2026 <b>' });
    expect([begun.status, locationOf(begun)]).toEqual([303, `${HOLDS}?done=begun`]);
    const [hold, ...more] = inForce();
    expect([hold, more]).toMatchObject([{ by: WHO.by, reason: 'inquiry 12/2026 <b>' }, []]);
    const page = await guardian.get(HOLDS);
    expect(wordsOf(page)).toMatch(/Since.*Set by.*Reason.*Esi Demo.*inquiry 12\/2026 <b>/);
    const path = `${HOLDS}/${hold?.id}`;
    expect(page.text).toMatch(new RegExp(`href="${path}"[^>]*>${OFFICER_HOLDS.end}<`));
    expect(wordsOf(await colleague.get(path))).toContain(OFFICER_HOLDS.endLast);
    const ended = await colleague.send(path, { reason: 'inquiry closed' });
    expect([ended.status, locationOf(ended)]).toEqual([303, `${HOLDS}?done=ended`]);
    expect(inForce()).toEqual([]);
    expect(await holdActs()).toMatchObject([
      {
        by: WHO.by,
        detail: { hold: hold?.id, reason: 'inquiry 12/2026 <b>', account: WHO.account },
      },
      { by: 'Person nurse-1', detail: { hold: hold?.id, reason: 'inquiry closed' } },
    ]);
  });

  test('is confirmed to a browser that does not say where its requests come from, or says nowhere after a form as Firefox does, and only at the address that it led to', async () => {
    const inOldBrowser = (visitor: Visitor): Visitor => {
      const old = createVisitor(service.baseUrl, true);
      for (const [name, value] of visitor.jar) old.jar.set(name, value);
      return old;
    };
    const old = inOldBrowser(guardian);
    const to = (await old.send(HOLDS, { reason: 'inquiry 15' })).headers.get('location') ?? '';
    expect(to).toMatch(/^\/officer\/holds\?done=begun&mark=[\w-]{43}$/);
    const says = async (visitor: Visitor, path: string): Promise<boolean> =>
      (await visitor.get(path)).text.includes('nhsuk-notification-banner');
    expect(await says(old, to)).toBe(true);
    const inFirefox = { headers: { 'sec-fetch-site': 'none' } };
    const led = (await guardian.send(HOLDS, { reason: 'inquiry 16' })).headers.get('location');
    expect((await guardian.ask(led ?? '', inFirefox)).text).toContain('nhsuk-notification-banner');
    expect(await says(inOldBrowser(colleague), to)).toBe(false);
    for (const other of [`${HOLDS}?done=begun`, to.replace('begun', 'ended'), `${to}x`]) {
      expect([other, await says(old, other)]).toEqual([other, false]);
    }
    for (const { id } of inForce()) {
      await old.send(`${HOLDS}/${id}`, { reason: 'inquiry closed' });
    }
    expect(inForce()).toEqual([]);
  });

  test('needs a reason without an NHS number, and one form begins one hold', async () => {
    const before = await holdActs();
    for (const reason of ['', CHILD]) {
      const page = await guardian.send(HOLDS, { reason });
      expect([page.status, page.text.includes('href="#reason"')]).toEqual([400, true]);
    }
    expect([inForce(), await holdActs()]).toEqual([[], before]);
    const form = { ...(await guardian.form(HOLDS)), reason: 'inquiry 13' };
    const twice = await Promise.all([guardian.post(HOLDS, form), guardian.post(HOLDS, form)]);
    expect(twice.map(({ status }) => status)).toEqual([303, 303]);
    expect((await guardian.post(HOLDS, form)).status).not.toBe(200);
    expect(inForce()).toHaveLength(1);
  });

  test('that was ended meanwhile is not ended again, and two at once leave one record', async () => {
    const [hold] = inForce();
    const path = `${HOLDS}/${hold?.id}`;
    const empty = await guardian.send(path, { reason: '' });
    expect([empty.status, wordsOf(empty).includes('inquiry 13')]).toEqual([400, true]);
    const before = (await holdActs()).length;
    const [one, other] = [await guardian.form(path), await colleague.form(path)];
    const [a, b] = await Promise.all([
      guardian.post(path, { ...one, reason: 'closed' }),
      colleague.post(path, { ...other, reason: 'closed' }),
    ]);
    expect(new Set([a.status, b.status])).toEqual(new Set([303, 409]));
    expect((await holdActs()).length).toBe(before + 1);
    expect(inForce()).toEqual([]);
  });

  test('is ended only by somebody who read that it is the only one, or that it is not', async () => {
    const begin = async (reason: string): Promise<string> => {
      await guardian.send(HOLDS, { reason });
      return `${HOLDS}/${inForce().at(-1)?.id}`;
    };
    const [first, second] = [await begin('inquiry 16'), await begin('inquiry 17')];
    const closed = { reason: 'closed' };
    const [one, other] = [await guardian.form(first), await colleague.form(second)];
    const [a, b] = await Promise.all([
      guardian.post(first, { ...one, ...closed }),
      colleague.post(second, { ...other, ...closed }),
    ]);
    expect(new Set([a.status, b.status])).toEqual(new Set([303, 409]));
    expect(inForce()).toHaveLength(1);
    const [visitor, path, late] = a.status === 409 ? [guardian, first, a] : [colleague, second, b];
    for (const text of [OFFICER_HOLDS.changed, OFFICER_HOLDS.endLast]) {
      expect(wordsOf(late)).toContain(text);
    }
    const third = await begin('inquiry 18');
    const again = await visitor.post(path, { ...hiddenOf(late, path), ...closed });
    expect([again.status, wordsOf(again).includes(OFFICER_HOLDS.endOthers)]).toEqual([409, true]);
    const done = await visitor.post(path, { ...hiddenOf(again, path), ...closed });
    expect([done.status, (await guardian.send(third, closed)).status]).toEqual([303, 303]);
    expect(inForce()).toEqual([]);
  });

  test('waits for somebody else who is writing, and is not begun or ended if it cannot be recorded', async () => {
    const holds = createHolds(folder, async () => {
      throw new Error("Stream isn't writeable");
    });
    const named = { by: 'A. Guardian', reason: 'inquiry' };
    await expect(holds.begin(named)).rejects.toThrow('writeable');
    const db = openLog();
    db.exec('BEGIN IMMEDIATE');
    // The first attempt, which finds the file locked, is made at once.
    const begun = createHolds(folder, async () => undefined).begin({
      ...named,
      reason: 'inquiry 14',
    });
    db.exec('ROLLBACK');
    db.close();
    expect(await begun).toMatchObject({ reason: 'inquiry 14' });
    const [hold] = inForce();
    await expect(holds.end(hold?.id ?? 0, named, true)).rejects.toThrow('writeable');
    expect(inForce()).toMatchObject([{ reason: 'inquiry 14' }]);
  });

  test('is found page by page if there are very many, and the pages stay small', async () => {
    const db = openLog();
    db.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1001 UNION ALL SELECT i + 1 FROM n WHERE i < 1300)
       INSERT INTO hold (id, at, by, reason) SELECT i, '2026-11-01T00:00:00Z', 'A. Guardian', 'inquiry of ' || i || printf('%.100c', 'x') FROM n`,
    );
    const found: number[] = [];
    let path: string | undefined = HOLDS;
    while (path !== undefined) {
      const { text }: Visit = await guardian.get(path);
      expect(text.length).toBeLessThan(100_000);
      found.push(
        ...[...text.matchAll(/href="\/officer\/holds\/(\d+)"/g)].map(([, id]) => Number(id)),
      );
      path = /href="(\/officer\/holds\?before=\d+)"/.exec(text)?.[1];
    }
    expect(found).toEqual(
      inForce()
        .map(({ id }) => id)
        .toReversed(),
    );
    expect(String(holdsNote(inForce())).length).toBeLessThan(10_000);
    // A link that has been overtaken does not say that there are none.
    const none = await guardian.get(`${HOLDS}?before=1`);
    expect(wordsOf(none)).not.toContain(OFFICER_HOLDS.none);
    db.exec('DELETE FROM hold WHERE id > 1000');
    db.close();
  });

  test('is neither shown to an organisation’s own officer nor begun by one', async () => {
    const [hold] = inForce();
    for (const path of [HOLDS, `${HOLDS}/${hold?.id}`, ERASE, `${ERASE}?before=1/1/2027`]) {
      const page = await officer.get(path);
      expect([page.status, page.heading]).toEqual([404, FRAME.notFound]);
    }
    expect((await officer.get('/officer')).text).not.toContain(HOLDS);
    const form = await guardian.form(HOLDS);
    expect((await officer.post(HOLDS, { ...form, reason: 'mine' })).status).toBe(403);
    expect(inForce()).toHaveLength(1);
  });
});

async function search(user = ''): Promise<Visit> {
  const typed = { type: 'lookup', user, reason: 'review' };
  return untilAnswered(() => guardian.send('/officer/search', typed, '/officer'));
}

const SECRET = 'Said that the ward was empty';

/** Opens a case on an access by a user. @returns its address */
async function openCase(user: string, step: string): Promise<string> {
  const found = await search(user);
  const entry = /name="entry" value="([0-9]+)"/.exec(found.text)?.[1] ?? '';
  const event = await guardian.post('/officer/event', {
    ...hiddenOf(found, '/officer/event'),
    entry,
  });
  const form = hiddenOf(event, CASES);
  return locationOf(await guardian.post(CASES, { ...form, step, words: `${SECRET} ${user}` }));
}

const TOMORROW = new Intl.DateTimeFormat('en-GB').format(Date.now() + 36 * 3_600_000);

describe('erasing the notes of cases', () => {
  const erased = async () =>
    (await acts('access-case')).filter((event) => 'step' in event && event.step === 'erase');
  const file = () =>
    readFileSync(join(service.dataDir, 'audit-cases', 'cases.sqlite')).toString('latin1');
  const before = `${ERASE}?before=${encodeURIComponent(TOMORROW)}`;
  let open: string;

  test('shows first which cases, and what stands in the way', async () => {
    await openCase('nurse-1', 'explain');
    await openCase('nurse-2', 'explain');
    open = await openCase('nurse-3', 'inquire');
    expect((await guardian.get(`${ERASE}?before=soon`)).text).toContain(OFFICER_ERASE.dayWrong);
    const none = await guardian.get(`${ERASE}?before=1/1/2020`);
    expect([none.heading, none.text.includes('method="post" action="/officer/erase"')]).toEqual([
      OFFICER_ERASE.nothing,
      false,
    ]);
    const page = await guardian.get(before);
    expect(page.heading).toBe(OFFICER_ERASE.would(2));
    const words = wordsOf(page);
    for (const said of [OFFICER_ERASE.forGood, 'inquiry 14', OFFICER_ERASE.type(2)]) {
      expect(words).toContain(said);
    }
    expect(words.split(OFFICER_CASES.openThis)).toHaveLength(3);
    expect(words).toContain('Organisation ZZH01 (ZZH01)');
    expect(words).not.toContain(OFFICER_ERASE.open);
    expect(page.text).not.toContain(SECRET);
    // An open case is erased only by itself, and says that it has not ended.
    expect(page.text).not.toContain(open);
    expect(await erased()).toEqual([]);
  });

  test('leaves out a case about the reader’s own access', async () => {
    const page = await colleague.get(before);
    expect(page.heading).toBe(OFFICER_ERASE.would(1));
    expect(wordsOf(page)).toContain(OFFICER_ERASE.own(1));
  });

  test('needs the number typed and a reason, and does nothing if the cases have changed', async () => {
    for (const typed of [
      { count: '', reason: 'retention schedule' },
      { count: '3', reason: 'retention schedule' },
      { count: '2', reason: '' },
    ]) {
      const page = await guardian.send(ERASE, typed, before);
      expect([page.status, page.heading]).toEqual([400, OFFICER_ERASE.would(2)]);
    }
    const form = await guardian.form(before, ERASE);
    const other = { ...form, before: '1/1/2020', count: '2', reason: 'retention schedule' };
    const changed = await guardian.post(ERASE, other);
    expect([changed.status, changed.heading]).toEqual([409, OFFICER_ERASE.changed]);
    expect(await erased()).toEqual([]);
    expect(file()).toContain(SECRET);
  });

  test('does nothing if a hold was begun since the page was shown', async () => {
    const form = await guardian.form(before, ERASE);
    await colleague.send(HOLDS, { reason: 'inquiry 20' });
    const page = await guardian.post(ERASE, { ...form, count: '2', reason: 'retention schedule' });
    expect([page.status, page.heading]).toEqual([409, OFFICER_ERASE.changed]);
    expect(await erased()).toEqual([]);
    expect(wordsOf(await guardian.get(before))).toContain('inquiry 20');
  });

  test('erases them for good, each on record under the name of the person signed in, and the steps stay', async () => {
    const form = await guardian.form(before, ERASE);
    const typed = { ...form, count: '2', reason: 'retention schedule' };
    const twice = await Promise.all([guardian.post(ERASE, typed), guardian.post(ERASE, typed)]);
    expect(twice.map(locationOf)).toEqual([`${ERASE}?done=2`, `${ERASE}?done=2`]);
    expect(wordsOf(await guardian.get(`${ERASE}?done=2`))).toContain(OFFICER_ERASE.done(2));
    expect(await erased()).toMatchObject([
      { ...WHO, reason: 'retention schedule', caller: { user: 'demo-guardian' } },
      { ...WHO, reason: 'retention schedule' },
    ]);
    expect(file()).not.toMatch(/empty nurse-[12]/);
    expect(file()).toContain(`${SECRET} nurse-3`);
    expect((await guardian.get(before)).heading).toBe(OFFICER_ERASE.nothing);
    const list = await guardian.get(CASES);
    expect(wordsOf(list)).toContain(OFFICER_CASES.states.explained);
  });

  test('erases one case from its page, which warns if it has not ended', async () => {
    const page = await guardian.get(open);
    const [, to = ''] =
      new RegExp(`href="(${ERASE}[^"]*)"[^>]*>${OFFICER_ERASE.ofThisCase}`).exec(page.text) ?? [];
    const shown = await guardian.get(to);
    expect([shown.heading, wordsOf(shown).includes(OFFICER_ERASE.open)]).toEqual([
      OFFICER_ERASE.would(1),
      true,
    ]);
    const done = await guardian.send(ERASE, { count: '1', reason: 'about a third person' }, to);
    expect(locationOf(done)).toBe(`${ERASE}?done=1`);
    const after = await guardian.get(open);
    expect(wordsOf(after)).toContain(OFFICER_CASES.erased);
    expect(after.text).not.toContain(OFFICER_ERASE.ofThisCase);
    expect(file()).not.toContain(SECRET);
    expect(await officer.get(open)).toMatchObject({ status: 200 });
    expect((await officer.get(open)).text).not.toContain(ERASE);
  });
});
