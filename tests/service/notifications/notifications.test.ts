import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import {
  ENTRY_HOURS,
  type Notification,
  type NotificationId,
  nextNotificationId,
} from '#schemas/notification.ts';
import { NotificationFile } from '#service/notifications/notification-file.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';
import {
  DIRECTORY,
  HOUR,
  type Looked,
  MINUTE,
  NINE,
  notifiedLog,
  settle,
  WINDOW,
} from '../../support/notification.ts';
import { testNumber } from '../../support/rows.ts';

afterAll(removeAuditFolders);

const fresh = () => notifiedLog(auditFolder());
const entriesOf = (notifications: readonly Notification[]) =>
  notifications.flatMap(({ entries }) => entries);

describe('a notification', () => {
  test('says who looked, in which role, from where and when, and at which child in which file', async () => {
    const t = fresh();
    const [first, second] = t.look({ at: NINE + 1_000, child: 3 }, { at: NINE + 61_000, child: 3 });
    const notifier = t.notifier();
    await settle(notifier);
    expect(t.read('ZZ101')).toEqual([]);
    t.at(NINE + WINDOW);
    await settle(notifier);
    const told = t.read('ZZ101');
    expect(told).toMatchObject([
      {
        id: '000000000002.0000',
        authority: { code: 'ZZ101', name: 'Council ZZ101' },
        createdAt: '2026-11-24T09:15:00.000Z',
        unreadableEvents: 0,
        entries: [
          {
            id: first,
            again: false,
            nhsNumber: testNumber(3),
            plans: [
              {
                type: 'child-protection-plan',
                startDate: '2026-01-05',
                status: 'current',
                localId: 'LA-1',
                sequence: 7,
              },
            ],
            user: { id: 'nurse-1', name: 'Nora nurse-1' },
            role: { code: 'R8000', name: 'Clinical Practitioner' },
            organisation: { code: 'ZZH01', name: 'Organisation ZZH01' },
            setting: 'emergency-department',
            count: 2,
            first: '2026-11-24T09:00:01.000Z',
            last: '2026-11-24T09:01:01.000Z',
            lastId: second,
          },
        ],
      },
    ]);
    expect(told[0]?.checkpoint).toBe(readFileSync(join(t.folder, 'checkpoint'), 'utf8'));
    expect(t.written('ZZ101')).toEqual(told);
    notifier.close();
  });

  test('is never about a silent read, a lookup that showed nothing, or an authority whose plan was not shown', async () => {
    const t = fresh();
    t.look(
      { at: NINE, access: 'silent-read' },
      { at: NINE, outcome: 'not-flagged' },
      { at: NINE, plans: [{ authority: 'ZZ102' }] },
    );
    t.at(NINE + WINDOW);
    const notifier = t.notifier();
    await settle(notifier);
    expect(t.read('ZZ101')).toEqual([]);
    expect(entriesOf(t.read('ZZ102'))).toHaveLength(1);
    notifier.close();
  });

  test('about a child with plans of two authorities gives each authority only its own, in its own numbering', async () => {
    const t = fresh();
    const [auditId] = t.look({
      at: NINE,
      plans: [
        { authority: 'ZZ101', localId: 'LA-1' },
        { authority: 'ZZ102', localId: 'B/9', sequence: 1_012, type: 'looked-after-child' },
        { authority: 'ZZ101', localId: 'LA-1', sequence: 9, type: 'looked-after-child' },
      ],
    });
    t.at(NINE + WINDOW);
    const notifier = t.notifier();
    await settle(notifier);
    const [one] = entriesOf(t.read('ZZ101'));
    const [other] = entriesOf(t.read('ZZ102'));
    expect([one?.id, other?.id]).toEqual([auditId, auditId]);
    expect(one?.plans.map(({ localId, sequence }) => [localId, sequence])).toEqual([
      ['LA-1', 7],
      ['LA-1', 9],
    ]);
    expect(other?.plans).toMatchObject([{ localId: 'B/9', sequence: 12 }]);
    notifier.close();
  });

  test('about an unborn child’s plan has the mother’s number, and both local ids if she has a plan too', async () => {
    const t = fresh();
    t.look({
      at: NINE,
      child: 5,
      plans: [
        { authority: 'ZZ101', localId: 'M-1', type: 'unborn-child-protection-plan' },
        { authority: 'ZZ101', localId: 'C-1', type: 'looked-after-child' },
      ],
    });
    t.at(NINE + WINDOW);
    const notifier = t.notifier();
    await settle(notifier);
    const [entry] = entriesOf(t.read('ZZ101'));
    expect(entry?.nhsNumber).toBe(testNumber(5));
    const [name = ''] = readdirSync(join(t.outbox, 'ZZ101')).filter((each) => each.endsWith('xml'));
    const xml = readFileSync(join(t.outbox, 'ZZ101', name), 'utf8');
    expect(xml).toContain('<pertinentTotalReturnedRecords><value value="2"/>');
    expect(xml).toContain('extension="M-1"');
    expect(xml).toContain('extension="C-1"');
    notifier.close();
  });

  test('goes even to an authority that has since withdrawn the plan, and says what was shown', async () => {
    const t = fresh();
    t.look({ at: NINE, plans: [{ authority: 'ZZ109', status: 'ended' }] });
    t.at(NINE + WINDOW);
    const notifier = t.notifier();
    await settle(notifier);
    expect(t.read('ZZ109')).toMatchObject([
      { authority: { code: 'ZZ109', name: 'ZZ109' }, entries: [{ plans: [{ status: 'ended' }] }] },
    ]);
    notifier.close();
  });

  test('is split if it would be too long, in order and without repeating anything', async () => {
    const t = fresh();
    const ids = t.look(
      ...Array.from({ length: 2_300 }, (_, i): Looked => ({ at: NINE, user: `user-${i}` })),
    );
    t.at(NINE + WINDOW);
    const notifier = t.notifier({}, { ...DIRECTORY, preferences: {} });
    await settle(notifier);
    const told = t.read('ZZ101');
    expect(told.map(({ entries }) => entries.length)).toEqual([1_000, 1_000, 300]);
    expect(told.map(({ previous }) => previous)).toEqual([undefined, told[0]?.id, told[1]?.id]);
    expect(entriesOf(told).map(({ id }) => id)).toEqual(ids);
    notifier.close();
  });

  test('without entries is made only for an authority that wants one', async () => {
    const t = fresh();
    t.look({ at: NINE, outcome: 'not-flagged' });
    const preferences = { ZZ102: { formats: ['json' as const], empty: true } };
    const notifier = t.notifier({}, { ...DIRECTORY, preferences });
    await settle(notifier);
    for (let window = 1; window <= 3; window++) {
      t.at(NINE + window * WINDOW);
      await settle(notifier);
    }
    expect(t.read('ZZ101')).toEqual([]);
    // The log did not grow, so the ids name the same place in it, and still differ and are in order.
    expect(t.read('ZZ102').map(({ id, entries }) => [id, entries])).toEqual([
      ['000000000001.0000', []],
      ['000000000001.0001', []],
      ['000000000001.0002', []],
    ]);
    expect(readdirSync(join(t.outbox, 'ZZ102'))).toHaveLength(3);
    notifier.close();
  });
});

describe('repeats within 24 hours', () => {
  test('are notified with the first look, and again when the 24 hours are over', async () => {
    const t = fresh();
    const notifier = t.notifier();
    const [first] = t.look({ at: NINE });
    t.at(NINE + WINDOW);
    await settle(notifier);
    t.look({ at: NINE + 2 * HOUR }, { at: NINE + 23 * HOUR });
    t.at(NINE + 23 * HOUR + WINDOW);
    await settle(notifier);
    expect(entriesOf(t.read('ZZ101'))).toMatchObject([{ id: first, again: false, count: 1 }]);
    t.at(NINE + 24 * HOUR + WINDOW);
    await settle(notifier);
    t.at(NINE + 48 * HOUR);
    await settle(notifier);
    expect(entriesOf(t.read('ZZ101'))).toMatchObject([
      { id: first, again: false, count: 1 },
      { id: first, again: true, count: 3, last: '2026-11-25T08:00:00.000Z' },
    ]);
    notifier.close();
  });

  test('are by one user, at one organisation, for one child', async () => {
    const t = fresh();
    t.look(
      { at: NINE },
      { at: NINE, user: 'nurse-2' },
      { at: NINE, organisation: 'ZZH02' },
      { at: NINE, child: 1 },
      { at: NINE + 24 * HOUR - 1 },
      { at: NINE + 24 * HOUR },
    );
    t.at(NINE + 25 * HOUR);
    const notifier = t.notifier();
    await settle(notifier);
    expect(entriesOf(t.read('ZZ101')).map(({ count }) => count)).toEqual([1, 1, 1, 1, 2, 1]);
    notifier.close();
  });

  test.each([
    ['tries by a barred user', false],
    ['looks at a child with protected whereabouts', true],
    ['looks, of which only the first came before the protection', false],
    ['looks at a child whom another council has protected for longer', true],
  ])('within a minute are notified at once: %s', async (kind, protectedFirst) => {
    const t = fresh();
    const notifier = t.notifier();
    const lookAgain = async (at: number, isProtected: boolean): Promise<void> => {
      if (kind.startsWith('tries')) t.try({ at, barredBy: ['ZZ101'] });
      else {
        t.look({
          at,
          plans: [{ authority: 'ZZ101' }, { authority: 'ZZ102' }],
          ...(isProtected && {
            whereaboutsOf: kind.includes('another council') ? ['ZZ102', 'ZZ101'] : ['ZZ101'],
          }),
        });
      }
      await settle(notifier);
    };
    await lookAgain(NINE + 1_000, protectedFirst);
    t.at(NINE + WINDOW);
    await settle(notifier);
    const [{ id, withheld } = {}] = entriesOf(t.read('ZZ101'));
    // Notified at once does not mean in full: of several councils, only the first is told where.
    expect(withheld).toBe(kind.includes('another council') ? true : undefined);
    for (const second of [10, 20]) await lookAgain(NINE + WINDOW + second * 1_000, true);
    expect(entriesOf(t.read('ZZ101'))).toMatchObject([
      { id, again: false, count: 1 },
      { id, again: true, count: 2, last: '2026-11-24T09:15:10.000Z' },
      { id, again: true, count: 3, last: '2026-11-24T09:15:20.000Z' },
    ]);
    t.at(NINE + 25 * HOUR);
    await settle(notifier);
    expect(entriesOf(t.read('ZZ101'))).toHaveLength(3);
    notifier.close();
  });

  /** What should be notified, computed in the simplest way, without windows, batches or a file. */
  function model(looked: readonly (Looked & { auditId: string })[]) {
    const entries: { id: string; key: string; first: number; count: number; lastId: string }[] = [];
    for (const { auditId, at, child, user } of looked) {
      const key = `${child} ${user}`;
      const open = entries.findLast((entry) => entry.key === key);
      if (open !== undefined && Math.abs(at - open.first) < ENTRY_HOURS * HOUR) {
        open.count++;
        open.lastId = auditId;
      } else entries.push({ id: auditId, key, first: at, count: 1, lastId: auditId });
    }
    return entries;
  }

  test('agree with the simplest model, whatever the windows, batches and restarts', async () => {
    const step = fc.record({
      minutes: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: -30, max: 1_500 })),
      child: fc.integer({ min: 0, max: 2 }),
      user: fc.constantFrom('a', 'b'),
      after: fc.constantFrom('nothing', 'step', 'restart', 'wait'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const t = fresh();
        let notifier = t.notifier({ windowMs: WINDOW });
        const looked: (Looked & { auditId: string })[] = [];
        let at = NINE;
        for (const { minutes, child, user, after } of steps) {
          at += minutes * MINUTE;
          const [auditId = ''] = t.look({ at, child, user });
          looked.push({ at, child, user, auditId });
          if (after === 'nothing') continue;
          if (after === 'wait') t.at(t.clock() + WINDOW);
          if (after === 'restart') {
            notifier.close();
            notifier = t.notifier({ windowMs: WINDOW });
          }
          await settle(notifier);
        }
        for (const hours of [1, 30, 60]) {
          t.at(at + 24 * HOUR + hours * HOUR);
          await settle(notifier);
        }
        notifier.close();
        t.log.close();

        const told = t.read('ZZ101');
        expect(t.written('ZZ101')).toEqual(told);
        const ids = told.map(({ id }) => id);
        expect(ids).toEqual([...new Set(ids)].toSorted());
        expect(told.map(({ previous }) => previous)).toEqual([undefined, ...ids.slice(0, -1)]);
        const expected = model(looked);
        const all = entriesOf(told);
        expect(all.filter(({ again }) => !again).map(({ id }) => id)).toEqual(
          expected.map(({ id }) => id),
        );
        for (const { id, count, lastId } of expected) {
          const tellings = all.filter((entry) => entry.id === id);
          expect(tellings.at(-1)).toMatchObject({ count, lastId });
          // Each notification says more than the one before.
          const counts = tellings.map((telling) => telling.count);
          expect(counts).toEqual([...new Set(counts)].toSorted((a, b) => a - b));
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe('councils that keep back where a child is looked up', () => {
  const COUNCILS = ['ZZ101', 'ZZ102', 'ZZ103'];
  /** What happens to a council in turn: its act is recorded and takes effect, its end is recorded and takes effect. */
  const STEPS = ['set', 'comes about', 'ended', 'is over'] as const;

  test('miss no look, in any order of acts and looks: the first council learns who looked and where, the others learn neither', () => {
    const file = NotificationFile.open(auditFolder());
    let passes = 0;
    /** What the sealer reads in one go, and what the notifier then makes of it. */
    function read(sealed: readonly (() => void)[]): void {
      for (const happens of sealed) happens();
      passes++;
      for (const [code, due] of Map.groupBy(file.due(NINE), ({ authority }) => authority)) {
        const id = nextNotificationId(passes, undefined) ?? ('' as NotificationId);
        const notification = {
          id,
          uuid: crypto.randomUUID(),
          createdAt: new Date(NINE).toISOString(),
          authority: { code, name: code },
          entries: due.map(({ entry }) => entry),
          unreadableEvents: 0,
          checkpoint: '',
        };
        file.tell(notification, passes, due);
      }
    }
    const step = fc.record({ what: fc.constantFrom('act', 'look', 'read'), nth: fc.nat(2) });
    const drawn = fc.array(step, { minLength: 6, maxLength: 30 });
    let child = 0;
    const property = fc.property(drawn, fc.boolean(), (steps, actsFirst) => {
      const nhsNumber = testNumber(child++);
      const inForce: string[] = [];
      const done = new Map<string, number>();
      const looks: { id: string; user: string; first: string | undefined }[] = [];
      const before = passes;
      let waiting = { acts: [] as (() => void)[], looks: [] as (() => void)[] };
      const pass = (): void => {
        read(actsFirst ? [...waiting.acts, ...waiting.looks] : [...waiting.looks, ...waiting.acts]);
        waiting = { acts: [], looks: [] };
      };
      for (const { what, nth } of steps) {
        const authority = COUNCILS[nth] ?? '';
        if (what === 'read') pass();
        else if (what === 'act') {
          const act = STEPS[done.get(authority) ?? 0];
          done.set(authority, (done.get(authority) ?? 0) + 1);
          if (act === 'comes about') inForce.push(authority);
          if (act === 'is over') inForce.splice(inForce.indexOf(authority), 1);
          if (act !== 'set' && act !== 'ended') continue;
          const restriction = `${authority} ${child}`;
          waiting.acts.push(() =>
            file.keepWhereabouts({ restriction, act, authority, nhsNumber, at: NINE }),
          );
        } else {
          const [id, user, keptBy] = [crypto.randomUUID(), `user-${looks.length}`, [...inForce]];
          looks.push({ id, user, first: keptBy[0] });
          waiting.looks.push(() => {
            for (const each of COUNCILS) {
              file.add({
                auditId: id,
                at: NINE,
                authority: each,
                key: `${user} ${nhsNumber}`,
                atOnce: keptBy.includes(each),
                keptBy,
                nhsNumber,
                plans: [
                  { type: 'child-protection-plan', startDate: '2026-01-05', status: 'current' },
                ],
                user: { id: user, name: 'Nora Nurse' },
                role: { code: 'R8000', name: 'Nurse' },
                organisation: { code: 'ZZH01', name: 'Hospital' },
                setting: 'emergency-department',
              });
            }
          });
        }
      }
      pass();
      for (const council of COUNCILS) {
        const told = entriesOf(file.newest(council, undefined, passes - before));
        for (const { id, user, first } of looks.filter((look) => look.first !== undefined)) {
          const seen = told.filter((entry) => entry.id === id);
          expect(seen.map((entry) => [entry.withheld, entry.user.id])).toEqual([
            council === first ? [undefined, user] : [true, ''],
          ]);
        }
      }
    });
    file.transaction(() => fc.assert(property, { numRuns: 80 }));
    file.close();
  });

  test('learn the outcome of a look, even if another council is the first by then', async () => {
    const t = fresh();
    const notifier = t.notifier();
    const act = (authority: string, what: 'set' | 'ended') =>
      t.source.act({
        at: NINE + 1_000,
        type: 'restriction',
        auditId: crypto.randomUUID(),
        act: what,
        restriction: `of-${authority}`,
        kind: 'whereabouts',
        authority,
        nhsNumber: testNumber(0),
        by: 'Ada Officer',
        reason: 'a test',
      });
    const plans = COUNCILS.map((authority) => ({ authority }));
    const [id = ''] = t.look({ at: NINE, plans, whereaboutsOf: ['ZZ101'] });
    t.append(act('ZZ101', 'set'), act('ZZ101', 'ended'), act('ZZ102', 'set'));
    t.leave({ at: NINE + 2_000, plans, whereaboutsOf: ['ZZ102'] });
    await settle(notifier);
    const told = COUNCILS.map((council) =>
      entriesOf(t.read(council)).findLast((entry) => entry.id === id),
    );
    const attendance = { attended: 'left-before-seen' };
    expect(told).toMatchObject([
      { user: { id: 'nurse-1' }, attendance },
      { withheld: true, attendance },
      { withheld: true, attendance },
    ]);
    expect(JSON.stringify(told)).not.toContain('Canary Ward');
    notifier.close();
  });
});

describe('protections of one child', () => {
  const [nhsNumber, at] = [testNumber(0), NINE];
  const kept = { nhsNumber, at };
  const look = (file: NotificationFile, authority: string, id: string): string | undefined => {
    file.add({
      auditId: id,
      at,
      authority,
      key: `${id} ${nhsNumber}`,
      atOnce: false,
      keptBy: [],
      nhsNumber,
      plans: [],
      user: { id: 'nurse-1', name: 'Nora Nurse' },
      role: { code: 'R8000', name: 'Nurse' },
      organisation: { code: 'ZZH01', name: 'Hospital' },
      setting: 'emergency-department',
    });
    return file.due(at).find(({ authority: of, entry }) => of === authority && entry.id === id)
      ?.entry.user.id;
  };

  test('keep their order if one is on record again since its end was lost', () => {
    const file = NotificationFile.open(auditFolder());
    const of = (authority: string, act: 'set' | 'ended') =>
      file.keepWhereabouts({ ...kept, restriction: `of-${authority}`, authority, act });
    of('ZZ101', 'set');
    of('ZZ102', 'set');
    of('ZZ101', 'ended');
    of('ZZ101', 'set');
    expect([look(file, 'ZZ101', 'a'), look(file, 'ZZ102', 'a')]).toEqual(['nurse-1', '']);
    file.close();
  });

  test('end one by one, even if one council has two', () => {
    const file = NotificationFile.open(auditFolder());
    const of = (restriction: string, act: 'set' | 'ended') =>
      file.keepWhereabouts({ ...kept, restriction, authority: 'ZZ101', act });
    of('lost', 'set');
    of('new', 'set');
    of('lost', 'ended');
    expect(look(file, 'ZZ102', 'a')).toBe('');
    of('new', 'ended');
    expect(look(file, 'ZZ102', 'b')).toBe('nurse-1');
    file.close();
  });

  test('are taken over as an earlier version stored them, and end with their own end', () => {
    const folder = auditFolder();
    const earlier = new DatabaseSync(join(folder, 'notifications.sqlite'));
    earlier.exec(`CREATE TABLE whereabouts (child TEXT NOT NULL, authority TEXT NOT NULL,
      PRIMARY KEY (child, authority)) STRICT;`);
    for (const authority of ['ZZ101', 'ZZ102']) {
      earlier.prepare('INSERT INTO whereabouts VALUES (?, ?)').run(nhsNumber, authority);
    }
    // A reader leaves them to the notifier, which may still be of that version.
    expect(NotificationFile.read(folder, (read) => read.list())).toEqual([]);
    expect(earlier.prepare('SELECT count(*) AS kept FROM whereabouts').get()).toEqual({ kept: 2 });
    earlier.close();
    const file = NotificationFile.open(folder);
    expect([look(file, 'ZZ101', 'a'), look(file, 'ZZ102', 'a')]).toEqual(['nurse-1', '']);
    file.keepWhereabouts({ ...kept, restriction: 'x', authority: 'ZZ101', act: 'ended' });
    expect([look(file, 'ZZ101', 'b'), look(file, 'ZZ102', 'b')]).toEqual(['', 'nurse-1']);
    file.close();
  });
});

describe('nothing is left out:', () => {
  test('nothing is notified beyond what a checkpoint covers', async () => {
    const t = fresh();
    t.look({ at: NINE });
    const checkpoint = readFileSync(join(t.folder, 'checkpoint'));
    t.look({ at: NINE + 1, child: 1 });
    const newer = readFileSync(join(t.folder, 'checkpoint'));
    writeFileSync(join(t.folder, 'checkpoint'), checkpoint);
    t.at(NINE + WINDOW);
    const notifier = t.notifier();
    await settle(notifier);
    expect(entriesOf(t.read('ZZ101'))).toHaveLength(1);
    writeFileSync(join(t.folder, 'checkpoint'), newer);
    t.at(NINE + 2 * WINDOW);
    await settle(notifier);
    expect(entriesOf(t.read('ZZ101'))).toHaveLength(2);
    notifier.close();
  });

  test('a missing bundle stops it, and it continues once the bundle is back', async () => {
    const t = fresh();
    t.look({ at: NINE });
    t.at(NINE + WINDOW);
    const bundles = join(t.folder, 'tile', 'entries');
    renameSync(bundles, `${bundles} away`);
    const notifier = t.notifier();
    expect(await settle(notifier)).toMatchObject({ problem: true, position: 0 });
    renameSync(`${bundles} away`, bundles);
    expect(await settle(notifier)).toMatchObject({ problem: false, position: 1 });
    expect(entriesOf(t.read('ZZ101'))).toHaveLength(1);
    notifier.close();
  });

  test('an unreadable event is reported to the operator and to every authority', async () => {
    const t = fresh();
    t.append(
      t.source.next(0, { type: 'unreadable', sha256: '0', fields: '[]', outcome: undefined }),
      t.source.next(0, { at: NINE, outcome: 'flagged', type: 'lookup', shown: 'nonsense' }),
      t.source.next(0, { at: NINE, type: 'something newer', outcome: undefined }),
    );
    t.look({ at: NINE }, { at: NINE, plans: [{ authority: 'ZZ102' }] });
    t.at(NINE + WINDOW);
    const notifier = t.notifier();
    const state = await settle(notifier);
    expect(state).toMatchObject({ problem: true, unreadable: 2 });
    expect(state.detail).toContain('Events 0, 1 of the audit log could not be read');
    expect(t.read('ZZ101')).toMatchObject([{ unreadableEvents: 2 }]);
    expect(t.read('ZZ102')).toMatchObject([{ unreadableEvents: 2 }]);
    // They are reported only once.
    t.look({ at: NINE + WINDOW, child: 1 });
    t.at(NINE + 2 * WINDOW);
    await settle(notifier);
    expect(t.read('ZZ101').map((each) => each.unreadableEvents)).toEqual([2, 0]);
    notifier.close();
  });

  test('an event that another version could not read is notified by a version that can', async () => {
    const t = fresh();
    t.look({ at: NINE });
    const file = NotificationFile.open(t.folder);
    file.unreadAt(0, 1, NINE);
    file.moveTo({ position: 1, windowAt: NINE, logAt: NINE });
    file.close();
    t.at(NINE + WINDOW);
    const notifier = t.notifier();
    expect(await settle(notifier)).toMatchObject({ unreadable: 0, problem: false });
    expect(entriesOf(t.read('ZZ101'))).toHaveLength(1);
    notifier.close();
  });

  test('a log older than what was notified stops it', async () => {
    const t = fresh();
    t.look({ at: NINE });
    const file = NotificationFile.open(t.folder);
    file.moveTo({ position: 2, windowAt: NINE, logAt: NINE });
    file.close();
    const notifier = t.notifier();
    const state = await settle(notifier);
    expect(state.problem).toBe(true);
    expect(state.detail).toContain('restored from an older copy');
    notifier.close();
  });

  test('a second process waits, and takes over when the first ends', async () => {
    const t = fresh();
    const first = t.notifier();
    const second = t.notifier();
    t.look({ at: NINE });
    await settle(first);
    expect(await settle(second)).toMatchObject({ standby: true, problem: false });
    first.close();
    t.at(NINE + WINDOW);
    expect(await settle(second)).toMatchObject({ standby: false, position: 1 });
    expect(entriesOf(t.read('ZZ101'))).toHaveLength(1);
    second.close();
  });

  test('an outbox that cannot be written delays nothing else, and is filled later', async () => {
    const t = fresh();
    t.look({ at: NINE });
    t.at(NINE + WINDOW);
    writeFileSync(join(t.outbox, 'ZZ101'), 'in the way');
    const notifier = t.notifier();
    expect(await settle(notifier)).toMatchObject({ problem: true, unwritten: 1, position: 1 });
    expect(t.read('ZZ101')).toHaveLength(1);
    renameSync(join(t.outbox, 'ZZ101'), join(t.outbox, 'away'));
    expect(await settle(notifier)).toMatchObject({ problem: false, unwritten: 0 });
    expect(t.written('ZZ101')).toEqual(t.read('ZZ101'));
    notifier.close();
  });

  test('a problem with one authority’s notifications does not delay another’s', async () => {
    const t = fresh();
    t.look({ at: NINE });
    t.look({ at: NINE, child: 2, plans: [{ authority: 'ZZ102' }] });
    t.at(NINE + WINDOW);
    writeFileSync(join(t.outbox, 'ZZ101'), 'in the way');
    const notifier = t.notifier();
    expect(await settle(notifier)).toMatchObject({ problem: true, unwritten: 1 });
    expect(t.written('ZZ102')).toEqual(t.read('ZZ102'));
    notifier.close();
  });
});

test('a lost notification file is rebuilt, and an authority that continues from an id misses nothing', async () => {
  const t = fresh();
  const looked = t.look(
    ...Array.from({ length: 40 }, (_, i): Looked => ({ at: NINE + i * MINUTE, user: `u-${i}` })),
  );
  let notifier = t.notifier();
  for (let window = 1; window <= 3; window++) {
    t.at(NINE + window * WINDOW);
    await settle(notifier);
  }
  notifier.close();
  const [first] = t.read('ZZ101');
  rmSync(join(t.folder, 'notifications.sqlite'));
  notifier = t.notifier({ windowMs: 4 * MINUTE });
  await settle(notifier);
  notifier.close();
  const again = t.read('ZZ101');
  const ids = (of: readonly Notification[]) => new Set(entriesOf(of).map(({ id }) => id));
  expect(ids(again)).toEqual(new Set(looked));
  const heard = ids([
    ...(first === undefined ? [] : [first]),
    ...again.filter(({ id }) => id > (first?.id ?? '')),
  ]);
  expect(heard).toEqual(new Set(looked));
});

test('accesses in an existing log are notified as far back as notifications are kept', async () => {
  const t = fresh();
  const old = Array.from({ length: 2_000 }, (_, i): Looked => ({ at: NINE + i, user: `o-${i}` }));
  t.look(...old);
  const [young] = t.look({ at: NINE + 200 * 24 * HOUR });
  const notifier = t.notifier();
  t.at(NINE + 200 * 24 * HOUR + WINDOW);
  await settle(notifier);
  const told = entriesOf(t.read('ZZ101')).map(({ id }) => id);
  expect(told.at(-1)).toBe(young);
  // Looks in its bundle and the one before are removed with it.
  expect(told.length).toBeLessThan(512);
  notifier.close();
});

describe('a notification file', () => {
  test('is removed when its time is over, even if nobody collected it, and leaves a mark', async () => {
    const t = fresh();
    t.look({ at: NINE });
    t.at(NINE + WINDOW);
    const keepMs = 24 * HOUR;
    let notifier = t.notifier({ keepMs });
    await settle(notifier);
    const [gone] = t.read('ZZ101');
    expect(readdirSync(join(t.outbox, 'ZZ101'))).toHaveLength(3);
    notifier.close();
    t.look({ at: NINE + 50 * HOUR, child: 1 });
    notifier = t.notifier({ keepMs });
    await settle(notifier);
    expect(t.read('ZZ101')).toEqual([]);
    expect(readdirSync(join(t.outbox, 'ZZ101'))).toEqual([]);
    expect(NotificationFile.read(t.folder, (file) => file.lastOf('ZZ101'))).toMatchObject({
      removed: gone?.id,
    });
    const bytes = readFileSync(join(t.folder, 'notifications.sqlite'));
    expect(bytes.includes(gone?.uuid ?? '')).toBe(false);
    notifier.close();
  });

  test('is removed later if it cannot be removed when its time is over', async () => {
    const t = fresh();
    t.look({ at: NINE });
    t.at(NINE + WINDOW);
    const keepMs = 24 * HOUR;
    let notifier = t.notifier({ keepMs });
    await settle(notifier);
    notifier.close();
    const folder = join(t.outbox, 'ZZ101');
    const [name = ''] = readdirSync(folder);
    rmSync(join(folder, name));
    mkdirSync(join(folder, name));
    t.look({ at: NINE + 50 * HOUR, child: 1 });
    notifier = t.notifier({ keepMs });
    expect((await notifier.step()).notifying.problem).toBe(true);
    notifier.close();
    rmdirSync(join(folder, name));
    writeFileSync(join(folder, name), 'who looked');
    notifier = t.notifier({ keepMs });
    await settle(notifier);
    expect(readdirSync(folder)).toEqual([]);
    expect(t.read('ZZ101')).toEqual([]);
    notifier.close();
  });

  test('is not kept for longer than its part of the log', async () => {
    const t = fresh();
    t.look(...Array.from({ length: 300 }, (_, i): Looked => ({ at: NINE + i, user: `u-${i}` })));
    t.at(NINE + WINDOW);
    let notifier = t.notifier();
    await settle(notifier);
    t.look(...Array.from({ length: 300 }, (_, i): Looked => ({ at: NINE + WINDOW + i })));
    t.at(NINE + 2 * WINDOW);
    await settle(notifier);
    notifier.close();
    expect(t.read('ZZ101')).toHaveLength(2);
    t.log.prune(512, t.log.committed.numbers);
    notifier = t.notifier();
    await settle(notifier);
    expect(t.read('ZZ101')).toHaveLength(1);
    notifier.close();
  });

  test('reports events that were pruned before they were notified', async () => {
    const t = fresh();
    t.look({ at: NINE });
    const before = t.notifier();
    await settle(before);
    before.close();
    t.look(...Array.from({ length: 299 }, (_, i): Looked => ({ at: NINE + i, user: `u-${i}` })));
    t.log.prune(256, t.log.committed.numbers);
    t.at(NINE + WINDOW);
    const notifier = t.notifier();
    expect(await settle(notifier)).toMatchObject({ problem: true, unreadable: 255 });
    expect(t.read('ZZ101')).toMatchObject([{ unreadableEvents: 255 }]);
    notifier.close();
  });
});

test('an authority with a mailbox gets a pair of files, and the control file is written last', async () => {
  const t = fresh();
  t.look({ at: NINE });
  t.at(NINE + WINDOW);
  const preferences = { ZZ101: { formats: ['xml' as const], mailbox: 'X26ABC1', empty: false } };
  const mesh = { mailbox: 'X26OURS', workflowId: 'SOME_WORKFLOW' };
  const notifier = t.notifier({ mesh }, { ...DIRECTORY, preferences });
  await settle(notifier);
  const stem = join(t.outbox, 'notification-ZZ101-000000000001.0000-xml');
  expect(readdirSync(t.outbox).toSorted()).toEqual([
    'notification-ZZ101-000000000001.0000-xml.ctl',
    'notification-ZZ101-000000000001.0000-xml.dat',
  ]);
  const control = readFileSync(`${stem}.ctl`, 'utf8');
  for (const part of [
    '<From_DTS>X26OURS<',
    '<To_DTS>X26ABC1<',
    '<WorkflowId>SOME_WORKFLOW<',
    '<LocalId>ZZ101-000000000001.0000<',
  ]) {
    expect(control).toContain(part);
  }
  expect(readFileSync(`${stem}.dat`, 'utf8')).toContain('CP-ISAccessToServiceNotification');
  notifier.close();
});
