import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatNotification } from '#loaders/answers/notification.ts';
import { setRestriction, type ToRestrict } from '#loaders/upkeep/restrict.ts';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { NOTIFICATION_FORMATS, notificationsPageSchema } from '#schemas/notification.ts';
import { AUDIT_REPORT } from '#schemas/wording/audit.ts';
import { NOT_SHOWN, WHERE_NOT_SHOWN } from '#schemas/wording/lookup.ts';
import { NOT_CHECKED } from '#schemas/wording/pages.ts';
import { demoPersonas } from '#service/admission/personas.ts';
import { keys } from '#store/keys.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { auditSearch, authorityClient } from '../support/authority.ts';
import { barredAttempt } from '../support/barred-attempt.ts';
import { visitorAs } from '../support/desk.ts';
import { type Fhir, fhirOf } from '../support/fhir.ts';
import { ANY_TEST_NUMBER, testNumber, writtenAs } from '../support/rows.ts';
import { claims, role, startTestService, type TestService, until } from '../support/service.ts';
import { untilAnswered } from '../support/until.ts';
import { createVisitor, hiddenOf, type Visit, withoutTokens, wordsOf } from '../support/visitor.ts';

/**
 * What a council keeps back about a child is never revealed. Nobody but that council learns where the child was looked
 * up, and a barred user learns nothing at all about the child.
 */

const [HIDDEN, BARRED, OPEN, UNREADABLE, UNSEEN, BESIDE] = [
  testNumber(9_301),
  testNumber(9_302),
  testNumber(9_303),
  testNumber(9_304),
  testNumber(9_305),
  testNumber(9_399),
];
const CHILDREN = [HIDDEN, BARRED, OPEN, UNREADABLE, UNSEEN, BESIDE];
/** Matches everything that could give the place away. */
const CANARY = /canary|ZZH66|R0260|0209998877/i;
const NINA = {
  sub: 'canary-nina',
  name: 'Nina Canary',
  roles: [
    {
      ...role('r', ['B0107'], 'ZZH66'),
      code: 'R0260',
      name: 'Canary Nurse',
      organisation: { code: 'ZZH66', name: 'Canary Hospital' },
    },
  ],
};
const PARENT = 'parent-9';

let service: TestService;
let fhir: Fhir;
let anchor: Anchor;
let request: ReturnType<typeof authorityClient>;

async function restrict(what: ToRestrict): Promise<void> {
  const done = await setRestriction(service.store, anchor, officerCode, what, 'a test', {
    name: 'Ada Officer',
    key: 'ada',
  });
  expect(done.kind).toBe('set');
}
const officerCode = 'ZZ101' as Parameters<typeof setRestriction>[2];

async function look(nhsNumber: string, who = claims()): Promise<{ auditId: string; text: string }> {
  const response = await service.answered({ nhsNumber }, { token: await service.token(who) });
  const text = await response.text();
  return { auditId: String((JSON.parse(text) as { auditId?: string }).auditId), text };
}

async function say(auditId: string, nhsNumber: string): Promise<void> {
  const token = await service.token(claims(NINA));
  const response = await untilAnswered(() =>
    fetch(`${service.baseUrl}/lookup/${auditId}/attendance`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-request-id': randomUUID(),
        authorization: `Bearer ${token}`,
      },
      body: JSON.stringify({
        nhsNumber,
        attended: 'left-before-seen',
        ward: 'Canary Ward',
        switchboard: '02099988777',
      }),
    }),
  );
  expect(response.status).toBe(200);
}

async function notifications(as: string) {
  const response = await untilAnswered(() => request('/notifications?limit=100', { as }));
  // There is no page until the first notifications have been made.
  return notificationsPageSchema.safeParse(await response.json()).data?.notifications ?? [];
}
const attempt = (nhsNumber: string, user: string) =>
  barredAttempt(service, nhsNumber, claims({ sub: user, organisation: 'ZZH01' }));

const told = async (as: string, id: string): Promise<boolean> =>
  (await notifications(as)).some(({ entries }) =>
    entries.some((entry) => entry.id === id || entry.lastId === id),
  );

beforeAll(async () => {
  service = await startTestService({
    environment: { NOTIFICATIONS_WINDOW_MINUTES: '60', PASTED_LISTS_A_DAY: '4', METRICS_PORT: '0' },
    authorities: ['ZZ101', 'ZZ102'].map((code) => ({
      code,
      rows: [
        ...[HIDDEN, BARRED, OPEN, UNREADABLE].map((nhsNumber) => ({ nhsNumber })),
        { nhsNumber: UNSEEN, localId: 'LA-UNSEEN' },
      ],
    })),
  });
  fhir = fhirOf(service);
  request = authorityClient(service);
  anchor = Anchor.open(join(service.dataDir, 'anchor'));
});
afterAll(async () => {
  anchor?.close();
  await service?.stopAndRemove();
});

describe('the place of a look that a council keeps back', () => {
  let later: string;
  beforeAll(async () => {
    const { auditId: earlier } = await look(HIDDEN, claims(NINA));
    await say(earlier, HIDDEN);
    await until(() => told('ZZ102', earlier), 'both councils to be notified of the look before');
    expect(JSON.stringify(await notifications('ZZ102'))).toMatch(CANARY);
    await restrict({ kind: 'whereabouts', nhsNumber: HIDDEN });
    ({ auditId: later } = await look(HIDDEN, claims({ ...NINA, sub: 'canary-2' })));
    await until(
      async () => (await told('ZZ101', later)) && (await told('ZZ102', later)),
      'both councils to be notified of the look after',
    );
  });

  test('is in no answer to a clinician, in any format, and the answer says so in plain words', async () => {
    const { text } = await look(HIDDEN);
    expect(text).not.toMatch(CANARY);
    const { accesses = [], advice } = lookupAnswerSchema.parse(JSON.parse(text));
    expect(advice).toContain(WHERE_NOT_SHOWN);
    const nobody = {
      name: NOT_SHOWN,
      role: NOT_SHOWN,
      organisation: { code: '', name: NOT_SHOWN },
    };
    expect(accesses).toMatchObject([
      { own: true, organisation: { code: 'ZZH01' } },
      { ...nobody, own: false, withheld: true, count: 1 },
      { ...nobody, own: false, withheld: true, count: 1 },
    ]);
    for (const more of [
      undefined,
      {
        _include:
          'AuditEvent:entity-type=http://terminology.hl7.org/CodeSystem/v3-RoleClass|ASSIGNED',
      },
    ]) {
      const found = await fhir.found('AuditEvent', HIDDEN, more);
      expect(found.matches).toHaveLength(3);
      expect(JSON.stringify(found.bundle)).not.toMatch(CANARY);
      expect(JSON.stringify(found.issues)).toContain(WHERE_NOT_SHOWN);
    }
    for (const type of ['CareTeam', 'Flag'] as const) {
      expect(JSON.stringify((await fhir.found(type, HIDDEN)).bundle)).not.toMatch(CANARY);
    }
    const nurse = createVisitor(service.baseUrl);
    await nurse.signIn();
    const answer = await nurse.lookUp(HIDDEN);
    expect(withoutTokens(answer.text)).not.toMatch(CANARY);
    expect(wordsOf(answer)).toContain(WHERE_NOT_SHOWN);
    // Answers about another child still show everything.
    await look(OPEN, claims(NINA));
    const open = (await look(OPEN)).text;
    expect(open).toMatch(CANARY);
    expect(open).not.toContain(WHERE_NOT_SHOWN);
    expect(open).not.toContain('withheld');
  });

  test('is sent to that council only: no other council learns of later looks or of further earlier ones', async () => {
    const ours = await notifications('ZZ101');
    expect(JSON.stringify(ours)).toContain('Canary Ward');
    const theirs = await notifications('ZZ102');
    const entries = theirs.flatMap((each) => each.entries);
    expect(entries.map(({ nhsNumber }) => nhsNumber)).toContain(HIDDEN);
    expect(entries.find(({ lastId }) => lastId === later)).toMatchObject({
      withheld: true,
      organisation: { code: '', name: NOT_SHOWN },
      setting: 'not-shown',
    });
    for (const format of NOTIFICATION_FORMATS) {
      for (const each of theirs) {
        const only = { ...each, entries: each.entries.filter((e) => e.nhsNumber === HIDDEN) };
        const text = formatNotification(only, format);
        expect(withoutTokens(text)).not.toMatch(CANARY);
        // The CP-IS schema does not allow an empty identifier.
        expect(text).not.toContain('extension=""');
      }
    }
    const council = await visitorAs(service, { organisation: 'ZZ102', scopes: ['upload'] });
    const page = await council.get('/council/looks');
    const form = hiddenOf(page, '/council/looks');
    const found = await council.post('/council/looks', { ...form, child: HIDDEN });
    const csv = await council.post('/council/looks', { ...form, child: HIDDEN, as: 'csv' });
    for (const { text } of [found, csv]) {
      expect(text).toContain('Not shown');
      expect(withoutTokens(text)).not.toMatch(CANARY);
    }
    const marking = await visitorAs(service, { organisation: 'ZZ101', scopes: ['upload'] });
    expect(wordsOf(await marking.get('/council/looks'))).toContain('Canary Hospital');
  });

  test('is in no other council’s search of the audit', async () => {
    const asking = auditSearch(service);
    const search = async (as: string): Promise<string> =>
      (await asking(as, { nhsNumber: HIDDEN })).text();
    await until(async () => (await search('ZZ101')).includes(later), 'the index');
    expect(await search('ZZ101')).toMatch(CANARY);
    const theirs = await search('ZZ102');
    expect(theirs).toContain(later);
    expect(theirs).not.toMatch(CANARY);
    // Nor is it on the council's pages, in a list or for a single event.
    const council = await visitorAs(service, { organisation: 'ZZ102', scopes: ['audit'] });
    const form = await council.form('/officer', '/officer/search');
    const found = await council.post('/officer/search', {
      ...form,
      number: HIDDEN,
      reason: 'a test',
    });
    expect(found.status).toBe(200);
    expect(withoutTokens(found.text)).not.toMatch(CANARY);
    const entries = [...found.text.matchAll(/name="entry" value="([0-9]+)"/g)].map(([, n]) => n);
    expect(entries.length).toBeGreaterThan(1);
    for (const entry of entries) {
      const event = await council.post('/officer/event', {
        ...hiddenOf(found, '/officer/event'),
        entry: entry ?? '',
      });
      expect(event.status).toBe(200);
      expect(withoutTokens(event.text)).not.toMatch(CANARY);
    }
  });

  test('is left out of the draft for the people concerned, which says why', async () => {
    const guardian = createVisitor(service.baseUrl);
    await guardian.signIn('caldicottGuardian');
    const draft = await guardian.post('/officer/child', {
      ...(await guardian.form('/officer/child')),
      number: HIDDEN,
      reason: 'a test',
      requester: 'child',
      protectedFrom: 'no',
      harm: 'no',
      abuse: 'no',
    });
    expect(draft.status).toBe(200);
    expect(wordsOf(draft)).toContain(AUDIT_REPORT.whereaboutsProtected(['ZZ101']));
    expect(withoutTokens(draft.text)).not.toMatch(/Canary Hospital|Canary Ward|ZZH66/);
  });

  test('is in the Guardian’s report of a child, which says that it shows places', async () => {
    const guardian = createVisitor(service.baseUrl);
    await guardian.signIn('caldicottGuardian');
    const report = await guardian.post('/officer/reports', {
      ...hiddenOf(await guardian.get('/officer/reports'), '/officer/reports'),
      report: 'child',
      number: HIDDEN,
      reason: 'a test',
    });
    expect(report.status).toBe(200);
    expect(report.text).toContain('Canary Hospital');
    const words = wordsOf(report);
    expect(words).toContain(AUDIT_REPORT.whereaboutsShown(['ZZ101']));
    expect(words).not.toContain('Places are left out');
  });
});

describe('a user barred from a child', () => {
  const atHospital = claims({ sub: PARENT, organisation: 'ZZH01' });
  const elsewhere = claims({ sub: PARENT, organisation: 'ZZP01', activities: ['B0170'] });
  const PEOPLE = demoPersonas({ code: 'ZZ101', name: 'Northmoor Council' });

  beforeAll(async () => {
    await restrict({ kind: 'barred', nhsNumber: BARRED, user: { id: PARENT } });
    for (const { sub } of [PEOPLE.emergencyDepartment, PEOPLE.scheduledCare]) {
      await restrict({ kind: 'barred', nhsNumber: BARRED, user: { id: sub } });
    }
    // A lookup that cannot be made for another reason, to compare with.
    await service.admin.hset(keys.children(partitionOf(UNREADABLE)), UNREADABLE, 'not a row');
  });

  /** An answer without the parts that differ between requests. */
  const alike = (text: string): string =>
    text
      .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/gi, 'ID')
      .replaceAll(/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/g, 'TIME')
      .replaceAll(/[0-9]{10}/g, 'NUMBER');

  async function answersOf(nhsNumber: string): Promise<string[]> {
    const token = await service.token(atHospital);
    const silent = await service.token(elsewhere);
    const alone = await service.lookup({ nhsNumber }, { token });
    const silently = await service.lookup({ nhsNumber }, { token: silent });
    const batch = await fetch(`${service.baseUrl}/lookup/batch`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-request-id': randomUUID(),
        authorization: `Bearer ${silent}`,
      },
      body: JSON.stringify({ items: [{ nhsNumber }, { nhsNumber: BESIDE }] }),
    });
    const searches = [];
    for (const type of ['CareTeam', 'AuditEvent', 'Flag']) {
      searches.push(await fhir.search(type, nhsNumber, {}, { token }));
    }
    const all = [alone, silently, batch, ...searches];
    return Promise.all(
      all.map(async (response) => `${response.status} ${alike(await response.text())}`),
    );
  }

  /** The same of a store that is ready, as the other number in the batch shows. */
  async function answers(nhsNumber: string): Promise<string[]> {
    let texts: string[] = [];
    await until(async () => {
      texts = await answersOf(nhsNumber);
      return texts.some((text) => text.includes('not-flagged'));
    }, 'the rest of the batch to be answered');
    return texts;
  }

  test('gets exactly the answers of a check that could not be made, and other users are answered', async () => {
    const barred = await answers(BARRED);
    expect(barred).toEqual(await answers(UNREADABLE));
    expect(barred.join()).not.toMatch(/barred|ZZ101|Council/);
    expect((await look(BARRED)).text).toContain('"outcome":"flagged"');
    const nurse = createVisitor(service.baseUrl);
    await nurse.signIn();
    const once = (number: string): Promise<Visit> => nurse.send('/look-up', { number });
    const [page, other] = [await once(BARRED), await once(UNREADABLE)];
    // In a silent reader's pasted list, both numbers are among those that were not checked.
    const reader = createVisitor(service.baseUrl);
    await reader.signIn('scheduledCare');
    await look(OPEN);
    const paste = (): Promise<Visit> =>
      reader.send('/list', { list: `${BARRED}\n${UNREADABLE}\n${OPEN}` });
    let pasted = await paste();
    await until(async () => {
      if (!pasted.heading.includes(' 0 checked')) return true;
      pasted = await paste();
      return false;
    }, 'the list to be checked');
    expect(pasted.heading).toBe('3 pasted, 1 checked, 2 NOT checked');
    expect(pasted.text).not.toMatch(/barred/i);
    expect(page.heading).toBe(NOT_CHECKED.title);
    expect(alike(wordsOf(page)).replaceAll(/[0-9]{3}\s[0-9]{3}\s[0-9]{4}/g, 'NUMBER')).toBe(
      alike(wordsOf(other)).replaceAll(/[0-9]{3}\s[0-9]{3}\s[0-9]{4}/g, 'NUMBER'),
    );
  });

  test('is recorded for the council before being answered, and in logs and metrics looks like a store that does not answer', async () => {
    const lines = service.lines.length;
    const before = await (
      await fetch(`http://127.0.0.1:${await service.metricsPort}/metrics`)
    ).text();
    expect(await attempt(BARRED, PARENT)).toMatchObject({
      barredBy: ['ZZ101'],
      nhsNumber: BARRED,
      access: 'unscheduled',
    });
    const logged = service.lines.slice(lines).join('\n');
    expect(logged).not.toMatch(/barred/);
    expect(logged).not.toContain(BARRED);
    const after = await (
      await fetch(`http://127.0.0.1:${await service.metricsPort}/metrics`)
    ).text();
    expect(after).not.toMatch(/barred/);
    expect(after).not.toBe(before);
  });

  test('is reported to the council at once, and to the officers of both organisations in a file without the number', async () => {
    const outbox = join(service.dataDir, 'privacy-officer');
    const files = () => readdirSync(outbox).filter((name) => name.startsWith('barred-'));
    await until(() => {
      try {
        return files().some((name) => readFileSync(join(outbox, name), 'utf8').includes(PARENT));
      } catch {
        return false;
      }
    }, 'the alert');
    const alerts = files().map((name) => readFileSync(join(outbox, name), 'utf8'));
    for (const alert of alerts) {
      expect(alert).not.toMatch(ANY_TEST_NUMBER);
      for (const child of CHILDREN) expect(alert).not.toMatch(writtenAs(child));
    }
    // Attempts repeated within an hour are reported once.
    expect(alerts.filter((alert) => alert.includes(PARENT))).toHaveLength(1);
    await until(
      async () =>
        (await notifications('ZZ101')).some(({ entries }) =>
          entries.some(({ barred, user }) => barred === true && user.id === PARENT),
        ),
      'the council to be told',
    );
    const theirs = (await notifications('ZZ102')).flatMap(({ entries }) => entries);
    expect(theirs.filter(({ user }) => user.id === PARENT)).toEqual([]);
    const council = await visitorAs(service, { organisation: 'ZZ101', scopes: ['upload'] });
    expect(wordsOf(await council.get('/council/looks'))).toContain('Barred: was told nothing');
  });

  test('is found by the council through its own id for the child, even if nobody else looked', async () => {
    const sub = 'parent-10';
    await restrict({ kind: 'barred', nhsNumber: UNSEEN, user: { id: sub } });
    await attempt(UNSEEN, sub);
    await until(
      async () =>
        (await notifications('ZZ101')).some(({ entries }) =>
          entries.some(({ user }) => user.id === sub),
        ),
      'the council to be told',
    );
    const council = await visitorAs(service, { organisation: 'ZZ101', scopes: ['upload'] });
    const form = hiddenOf(await council.get('/council/looks'), '/council/looks');
    const found = async (child: string): Promise<boolean[]> => {
      const page = await council.post('/council/looks', { ...form, child });
      const csv = await council.post('/council/looks', { ...form, child, as: 'csv' });
      return [wordsOf(page).includes('Barred: was told nothing'), csv.text.includes(sub)];
    };
    expect(await found('LA-UNSEEN')).toEqual([true, true]);
    expect(await found('LA-OTHER')).toEqual([false, false]);
    // Under the id that the plan had when the user was barred.
    const restrictions = await service.store.restrictions(officerCode);
    const set = restrictions.find(({ nhsNumber }) => nhsNumber === UNSEEN);
    if (set === undefined) throw new Error('nothing is kept back');
    const before = JSON.stringify({ ...set, localId: 'LA-BEFORE' });
    await service.admin.hset(keys.restrictions(officerCode), set.id, before);
    expect(await found('LA-BEFORE')).toEqual([true, true]);
    // Under the plan's own id, once the restriction has been removed, as it is long after its end.
    await service.store.dropRestrictions(officerCode, [set.id]);
    expect(await found('LA-UNSEEN')).toEqual([true, true]);
  });
});
