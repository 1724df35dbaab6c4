import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { withinLimit } from '#schemas/alert-thresholds.ts';
import type { EnumerationAlertEvent } from '#schemas/audit/audit-event.ts';
import { readConfiguration } from '#schemas/configuration.ts';
import { LIVE_LIMITS } from '#service/admission/limits/limits.ts';
import { ChildrenCounted } from '#service/audit/alert/children-counted.ts';
import { writeUntoldLook } from '#service/audit/alert/privacy-outbox.ts';
import type { SealedEvent } from '#service/audit/log/sealed.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';
import {
  fortnight,
  type Look,
  numberOf,
  sealedLooks,
  THEFTS,
  theft,
} from '../../support/fortnight.ts';
import { handingOn } from '../../support/handed-on.ts';

afterAll(() => removeAuditFolders());

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A Tuesday at noon in London. */
const NOON = Date.UTC(2026, 10, 24, 12);
const DATASET = 'test-dataset';
const KEY = 'a'.repeat(64);

const { ALERT_UNSCHEDULED_CHILDREN, ALERT_CHILDREN } = readConfiguration({});
const STANDARD = { unscheduled: ALERT_UNSCHEDULED_CHILDREN, all: ALERT_CHILDREN };

function open(
  folder = auditFolder(),
  options: { numberKey?: string; thresholds?: typeof STANDARD } = {},
) {
  const file = ChildrenCounted.open(folder, { thresholds: STANDARD, numberKey: KEY, ...options });
  if (file.position(DATASET, Number.MAX_SAFE_INTEGER) === undefined) file.begin(DATASET, 0);
  return file;
}

const asHandedOn = handingOn();

/** Counts lookups as they are sealed, a few at a time. */
function count(
  file: ChildrenCounted,
  looks: readonly Look[],
  aStep = 1_000,
  handedOn: (index: number) => boolean = () => false,
): void {
  const from = file.position(DATASET, Number.MAX_SAFE_INTEGER) ?? 0;
  const events = sealedLooks(looks, from);
  for (let i = 0; i < events.length; i += aStep) {
    const step = events.slice(i, i + aStep);
    file.count(
      step.map((one) => (handedOn(one.index) ? asHandedOn(one) : one)),
      Math.max(...step.map(({ event }) => event.at)),
    );
  }
}

const alertsOf = (file: ChildrenCounted): EnumerationAlertEvent[] => file.unrecorded();

const look = (at: number, child: number, differing: Partial<Look> = {}): Look => ({
  at,
  child,
  user: 'nurse',
  organisation: 'ZZH01',
  access: 'unscheduled',
  ...differing,
});

/** Lookups of this many children, one after another. */
const looks = (children: number, everyMs: number, differing: Partial<Look> = {}, from = NOON) =>
  Array.from({ length: children }, (_, i) => look(from + i * everyMs, i, differing));

describe('a fortnight at ten sites', () => {
  const file = open();
  const honest = fortnight(1);
  const stolen = Object.values(THEFTS).flatMap((make) => make(1));
  count(
    file,
    [...honest, ...stolen].toSorted((a, b) => a.at - b.at),
  );
  const alerts = alertsOf(file);
  const thieves = new Set(stolen.map(({ user }) => user));
  file.close();

  test('is as busy as real sites', () => {
    expect(honest.length).toBeGreaterThan(25_000);
    expect(new Set(honest.map(({ organisation }) => organisation)).size).toBe(10);
    expect(new Set(honest.map(({ user }) => user)).size).toBeGreaterThan(200);
  });

  test('gives at most one alert for ordinary work, for looking up a whole school’s list', () => {
    const wrongly = alerts.filter(({ caller }) => !thieves.has(caller.user));
    expect(wrongly.map(({ caller }) => caller.user)).toEqual(['ZZC01-list-0']);
  });

  test.each(Object.entries(THEFTS))('%s is noticed within three minutes', (_, make) => {
    const [first] = make(1);
    const found = alerts.find(({ caller }) => caller.user === first?.user);
    const minutes = (Date.parse(found?.occurredAt ?? '') - (first?.at ?? 0)) / MINUTE;
    expect(minutes).toBeLessThanOrEqual(3);
  });
});

describe('a user is noticed who', () => {
  test.each([
    ['looks up more than twenty children within a minute', looks(21, 2_000), 60],
    ['looks up more than sixty within an hour', looks(61, 50_000), 3_600],
    ['looks up more than 400 within a day', looks(401, 3 * MINUTE), 86_400],
    [
      'reads more than 300 silently within an hour',
      looks(301, 10_000, { access: 'silent-read' }),
      3_600,
    ],
    [
      'reads more than 600 silently within a day',
      looks(601, MINUTE, { access: 'silent-read' }, NOON - 4 * HOUR),
      86_400,
    ],
    [
      'reads more than thirty silently within an hour of the night',
      looks(31, MINUTE, { access: 'silent-read' }, NOON + 11 * HOUR),
      3_600,
    ],
  ])('%s, and nobody with one child fewer', (_, of, windowSeconds) => {
    const file = open();
    const honest = of.slice(1).map((each) => ({ ...each, user: 'honest' }));
    count(
      file,
      [...of, ...honest].toSorted((a, b) => a.at - b.at),
    );
    expect(alertsOf(file)).toMatchObject([
      {
        caller: { user: 'nurse' },
        windowSeconds,
        occurredAt: new Date(of.at(-1)?.at ?? 0).toISOString(),
      },
    ]);
    file.close();
  });

  test('looks children up in several roles, organisations and kinds of lookup', () => {
    const file = open();
    const spread = looks(301, 11_000).map(
      (each, i): Look => ({
        ...each,
        organisation: `ZZH0${i % 5}`,
        access: i % 6 === 0 ? 'unscheduled' : 'silent-read',
      }),
    );
    count(file, spread);
    expect(alertsOf(file)).toMatchObject([{ count: 301, threshold: 300, windowSeconds: 3_600 }]);
    expect(alertsOf(file)[0]).not.toHaveProperty('access');
    file.close();
  });
});

describe('a check that could not be made', () => {
  const unanswered = (cause: string) =>
    sealedLooks(looks(21, 2_000)).map(({ index, event }): SealedEvent => {
      if (event.type !== 'lookup') throw new Error('only lookups are made here');
      const { outcome: _outcome, ...rest } = event;
      const occurredAt = new Date(event.at).toISOString();
      // All recorded later, at the same moment.
      return {
        index,
        event: { ...rest, type: 'could-not-check', cause, at: NOON + HOUR, occurredAt },
      };
    });

  test.each(['coverage', 'not-in-use'])(
    'counts, at its own time, if it tells the user that nothing is held: %s',
    (cause) => {
      const file = open();
      file.count(unanswered(cause), NOON + HOUR);
      expect(alertsOf(file)).toMatchObject([
        { count: 21, windowSeconds: 60, occurredAt: new Date(NOON + 40_000).toISOString() },
      ]);
      file.close();
    },
  );

  test.each(['closed', 'store', 'late'])('does not count if it says nothing: %s', (cause) => {
    const file = open();
    file.count(unanswered(cause), NOON + HOUR);
    expect(alertsOf(file)).toEqual([]);
    file.close();
  });
});

describe('nobody is suspected for', () => {
  test.each([
    [
      'looking at one child again and again',
      looks(500, 1_000).map((each) => ({ ...each, child: 1 })),
    ],
    ['a patient every two minutes, all night', looks(360, 2 * MINUTE)],
    ['a clinic’s list in the daytime', looks(200, 400, { access: 'silent-read' })],
  ])('%s', (_, of) => {
    const file = open();
    count(file, of);
    expect(alertsOf(file)).toEqual([]);
    file.close();
  });

  test('having the same user id as somebody at another issuer', () => {
    const file = open();
    const events = sealedLooks(looks(30, 1_000)).map(({ index, event }, i) => ({
      index,
      event:
        event.type === 'lookup'
          ? { ...event, caller: { ...event.caller, issuer: `https://${i % 2}.example` } }
          : event,
    }));
    file.count(events, NOON + HOUR);
    expect(alertsOf(file)).toEqual([]);
    file.close();
  });
});

test('a user who continues is reported once an hour, and for a day’s number of children once a day', () => {
  const file = open();
  count(
    file,
    theft('thief', 600, (minute) =>
      Array.from({ length: 25 }, (_, i) => ({ child: minute * 25 + i, second: 2 * i })),
    ),
  );
  const alerts = alertsOf(file);
  expect(alerts).toHaveLength(10);
  expect(alerts.filter(({ windowSeconds }) => windowSeconds === 86_400)).toHaveLength(2);
  file.close();
});

test('a process that ends causes no second alert about a user', () => {
  const folder = auditFolder();
  for (const from of [0, 1, 2]) {
    const file = open(folder);
    count(file, looks(25, 1_000, {}, NOON + from * 10 * MINUTE));
    expect(alertsOf(file)).toHaveLength(1);
    file.close();
  }
});

test('a silent read stays one when the child is also looked up in unscheduled care', () => {
  const file = open();
  const night = NOON + 11 * HOUR;
  const silent = looks(31, MINUTE, { access: 'silent-read' }, night);
  const openly = looks(15, MINUTE, {}, night + 30_000);
  count(
    file,
    [...silent, ...openly].toSorted((a, b) => a.at - b.at),
  );
  expect(alertsOf(file)).toMatchObject([
    { sign: 'out-of-hours', access: 'silent-read', count: 31 },
  ]);
  file.close();
});

type Counted = {
  user: string;
  sign: string;
  access?: string;
  count: number;
  windowSeconds: number;
};

/** What the rules say, counted from scratch at each lookup. */
function model(of: readonly Look[], thresholds: typeof STANDARD): (Counted & { at: number })[] {
  const { unscheduled, all } = thresholds;
  const rules = [
    { window: DAY, threshold: all.day },
    { access: 'unscheduled', window: DAY, threshold: unscheduled.day },
    { window: HOUR, threshold: all.hour },
    { access: 'unscheduled', window: HOUR, threshold: unscheduled.hour },
    { access: 'unscheduled', window: MINUTE, threshold: unscheduled.minute },
  ];
  const quiet = new Map<string, number>();
  return of.flatMap(({ at, user }, position) =>
    rules.flatMap(({ access, window, threshold }, rule) => {
      const seen = of
        .slice(0, position + 1)
        .filter((one) => one.user === user && one.at > at - window);
      const counted = seen.filter((one) => access === undefined || one.access === access);
      const count = new Set(counted.map(({ child }) => child)).size;
      if (count <= threshold || at < (quiet.get(`${user} ${rule}`) ?? 0)) return [];
      for (const other of rules.keys()) {
        const until = at + (other === rule ? Math.max(HOUR, window) : HOUR);
        const key = `${user} ${other}`;
        quiet.set(key, Math.max(quiet.get(key) ?? 0, until));
      }
      return [
        {
          at,
          user,
          sign: 'distinct-numbers',
          ...(access !== undefined && { access }),
          count,
          windowSeconds: window / 1_000,
        },
      ];
    }),
  );
}

test('each child is counted exactly once, wherever one process ends and the next continues', () => {
  const thresholds = { unscheduled: { minute: 2, hour: 4, day: 6 }, all: { hour: 5, day: 8 } };
  const gap = fc.oneof(fc.nat(MINUTE), fc.nat(HOUR / 4), fc.nat(3 * HOUR));
  const one = fc.record({
    gap,
    child: fc.nat(12),
    user: fc.constantFrom('a', 'b'),
    access: fc.constantFrom<Look['access'][]>('unscheduled', 'silent-read'),
  });
  fc.assert(
    fc.property(
      fc.array(one, { maxLength: 60 }),
      fc.integer({ min: 9, max: 40 }),
      fc.infiniteStream(fc.boolean()),
      (drawn, aStep, draws) => {
        // The time is noon, so that no silent read is out of hours; other tests try those.
        let at = NOON;
        const of = drawn.map(({ gap: after, ...rest }) => {
          at += after;
          return look(at, rest.child, { user: rest.user, access: rest.access });
        });
        let folder = auditFolder();
        for (let i = 0; i < of.length; i += aStep) {
          const file = open(folder, { thresholds });
          // Whatever a killed process had not saved is counted again.
          const from = file.position(DATASET, of.length) ?? 0;
          count(file, of.slice(from, i + aStep), 7, () => draws.next().value === true);
          if (draws.next().value === true)
            cpSync(folder, (folder = auditFolder()), { recursive: true });
          file.close();
        }
        const file = open(folder, { thresholds });
        const found = alertsOf(file).filter(({ sign }) => sign === 'distinct-numbers');
        file.close();
        const asFound = found.map(
          ({ caller, sign, access, count: counted, windowSeconds, occurredAt }) => ({
            at: Date.parse(occurredAt ?? ''),
            user: caller.user,
            sign,
            ...(access !== undefined && { access }),
            count: counted,
            windowSeconds,
          }),
        );
        const inOrder = (alerts: readonly object[]) =>
          new Set(alerts.map((alert) => JSON.stringify(alert)));
        expect(inOrder(asFound)).toEqual(inOrder(model(of, thresholds)));
      },
    ),
    { numRuns: 25 },
  );
});

test('events are counted in the order of their times, whatever the order in which they are sealed', () => {
  const file = open();
  const of = looks(40, 1_000);
  count(file, [...of.slice(20), ...of.slice(0, 20)]);
  expect(alertsOf(file)).toMatchObject([{ count: 21, windowSeconds: 60 }]);
  file.close();
});

test('a clock that was ahead hides nothing that happens later', () => {
  const file = open();
  const ahead = sealedLooks(looks(5, 1_000, {}, NOON + 30 * DAY));
  file.count(ahead, NOON);
  const after = looks(21, 1_000, {}, NOON + MINUTE);
  count(file, after.slice(0, 15));
  file.expire();
  count(file, after.slice(15));
  expect(alertsOf(file)).toHaveLength(1);
  file.close();
});

test('counts made while a clock was ahead hide nothing once it is corrected', () => {
  const file = open();
  const ahead = NOON + 30 * DAY;
  file.count(sealedLooks(looks(401, 1_000, {}, ahead)), ahead + HOUR);
  const first = alertsOf(file);
  expect(first).not.toEqual([]);
  for (const { auditId } of first) file.recorded(auditId);
  file.expire();
  // The same user and children, so slowly that only the count for the day notices.
  const slowly = sealedLooks(looks(401, 3 * MINUTE), 401);
  for (let from = 0; from < slowly.length; from += 40) {
    const some = slowly.slice(from, from + 40);
    file.count(some, some.at(-1)?.event.at ?? NOON);
    file.expire();
  }
  expect(alertsOf(file)).toMatchObject([{ windowSeconds: DAY / 1_000, access: 'unscheduled' }]);
  file.close();
});

test('the file holds no NHS number, and a changed key starts the count again', () => {
  const folder = auditFolder();
  const file = open(folder);
  const of = looks(15, 1_000);
  count(file, of);
  file.close();
  const bytes = readFileSync(join(folder, 'enumeration.sqlite')).toString('latin1');
  for (const { event } of sealedLooks(of)) {
    expect(bytes).not.toContain('nhsNumber' in event ? event.nhsNumber : undefined);
  }
  const other = ChildrenCounted.open(folder, { thresholds: STANDARD, numberKey: 'b'.repeat(64) });
  expect(other.position(DATASET, 1_000)).toBeUndefined();
  other.close();
  const again = ChildrenCounted.open(folder, { thresholds: STANDARD, numberKey: KEY });
  expect(again.position(DATASET, 1_000)).toBe(15);
  // A log restored from an older copy, and one of another dataset.
  expect(again.position(DATASET, 14)).toBeUndefined();
  expect(again.position('another', 1_000)).toBeUndefined();
  again.close();
});

test('only entries outside every window are removed', () => {
  const folder = auditFolder();
  const file = open(folder);
  count(file, looks(3_000, 1_000, { access: 'silent-read' }));
  count(file, looks(350, 3 * MINUTE, {}, NOON + 3 * DAY));
  file.expire();
  file.close();
  const size = readFileSync(join(folder, 'enumeration.sqlite')).length;
  const next = open(folder);
  count(next, looks(3_000, 1_000, { access: 'silent-read' }, NOON + 6 * DAY));
  count(next, looks(60, 3 * MINUTE, {}, NOON + 3 * DAY + 350 * 3 * MINUTE));
  next.expire();
  const byDay = alertsOf(next).filter((alert) => alert.access === 'unscheduled');
  next.close();
  expect(readFileSync(join(folder, 'enumeration.sqlite')).length).toBeLessThan(size * 1.5);
  expect(byDay).toEqual([]);
});

describe('alert thresholds stay within reach of a user’s limit', () => {
  test.each([LIVE_LIMITS.user, 40, 10, 1])(
    'for an hour and a day, at %i requests a minute',
    (limit) => {
      const { unscheduled, all } = withinLimit(STANDARD, limit);
      for (const { hour, day } of [unscheduled, all]) {
        expect(hour).toBeLessThanOrEqual((limit * 60) / 2);
        expect(day).toBeLessThanOrEqual((limit * 1_440) / 2);
      }
    },
  );

  test('unchanged with every default', () => {
    expect(withinLimit(STANDARD, LIVE_LIMITS.user)).toEqual(STANDARD);
    expect(STANDARD.unscheduled.minute).toBeLessThanOrEqual(LIVE_LIMITS.user / 2);
  });

  test('and as configured if there is no limit', () => {
    expect(withinLimit(STANDARD, 0)).toEqual(STANDARD);
    const { ALERT_CHILDREN: configured } = readConfiguration({ ALERT_CHILDREN: '900/5000' });
    expect(configured).toEqual({ hour: 900, day: 5_000 });
    for (const wrong of ['900', '0/1', '10/5', 'x/y', '1/2/3']) {
      expect(() => readConfiguration({ ALERT_CHILDREN: wrong })).toThrow(/ALERT_CHILDREN/);
    }
  });
});

describe('two councils protecting one child', () => {
  const act = (authority: string, child: number, id: string, protectedBy?: string[]) => ({
    type: 'restriction' as const,
    auditId: crypto.randomUUID(),
    act: 'set' as 'set' | 'ended',
    restriction: id,
    kind: 'whereabouts' as const,
    authority,
    nhsNumber: numberOf(child),
    by: 'Ada Officer',
    reason: 'why',
    ...(protectedBy && { protectedBy }),
  });
  function reported(acts: readonly ReturnType<typeof act>[], aStep = acts.length) {
    const file = open();
    const events = acts.map(
      (written, i): SealedEvent => ({
        index: i,
        event: { partition: 'system', number: i + 1, at: NOON + i, ...written },
      }),
    );
    for (let i = 0; i < events.length; i += aStep) {
      file.count(events.slice(i, i + aStep), NOON + DAY);
    }
    const twice = file.unwrittenTwice().map(({ council, first }) => ({ council, first }));
    file.close();
    return twice;
  }
  const both = [{ council: 'ZZ102', first: 'ZZ101' }];

  test.each([1, 2, 3])(
    'are reported once if neither act knew of the other, even if one act is repeated; %s at a time',
    (aStep) => {
      const first = act('ZZ101', 1, 'a');
      expect(reported([first, act('ZZ102', 1, 'b'), first], aStep)).toEqual(both);
    },
  );

  test('are reported if only one act knows of the other', () => {
    expect(reported([act('ZZ102', 1, 'b', ['ZZ101'])])).toEqual(both);
  });

  test('are reported in the order in which they began, if one is on record again since its end was lost', () => {
    const first = act('ZZ101', 1, 'a');
    const ended = { ...first, auditId: crypto.randomUUID(), act: 'ended' as const };
    const again = { ...first, auditId: crypto.randomUUID() };
    expect(reported([first, ended, act('ZZ102', 1, 'b'), again])).toEqual(both);
  });

  test('are not reported for two children, for one council, or after the first protection has ended', () => {
    const first = act('ZZ101', 1, 'a');
    expect(reported([first, act('ZZ102', 2, 'b'), act('ZZ101', 1, 'c')])).toEqual([]);
    const ended = { ...first, auditId: crypto.randomUUID(), act: 'ended' as const };
    expect(reported([first, ended, act('ZZ102', 1, 'b')])).toEqual([]);
    const bar = { ...first, kind: 'barred' as const, barredUser: 'somebody' };
    expect(reported([bar as unknown as typeof first, act('ZZ102', 1, 'b')])).toEqual([]);
  });
});

describe('a look whose place no council is told', () => {
  /** A look that showed a child's plans of some councils, and whose place others keep back. */
  const shown = (
    child: number,
    plansOf: readonly string[],
    keptBy: string[],
    differing: Partial<Look> = {},
  ) => {
    const [sealed] = sealedLooks([look(NOON, child, differing)]);
    const event = {
      ...sealed?.event,
      outcome: 'flagged',
      whereaboutsOf: keptBy,
      shown: plansOf.map((authority) => ({
        authority,
        type: 'child-protection-plan',
        startDate: '2026-01-05',
        status: 'current',
        dateOfBirth: 'not-checked',
      })),
    };
    return event as SealedEvent['event'];
  };
  function reported(events: readonly SealedEvent['event'][]) {
    const file = open();
    file.count(
      events.map((event, index) => ({ index, event })),
      NOON + DAY,
    );
    const untold = file.unwrittenUntold();
    file.close();
    return untold;
  }

  test('is reported to the Guardian once a day for a child, and the report says neither place nor number', async () => {
    const unheard = shown(1, ['ZZ102'], ['ZZ101', 'ZZ102']);
    const [untold, ...more] = reported([unheard, shown(1, ['ZZ102'], ['ZZ101'])]);
    expect(more).toEqual([]);
    expect(untold).toMatchObject({ first: 'ZZ101' });
    const outbox = auditFolder();
    if (untold !== undefined) await writeUntoldLook(outbox, untold);
    const [name = ''] = readdirSync(outbox);
    expect(name).toMatch(/^untold-/);
    const text = readFileSync(join(outbox, name), 'utf8');
    expect(text).toContain('ZZ101');
    expect(text).not.toMatch(/ZZH01|ZZ102|nurse|[0-9]{10}/);
  });

  test('is not reported if the first council is told, nothing is kept back, or nobody is notified of the look', () => {
    const silent = { access: 'silent-read' } as const;
    expect(
      reported([
        shown(1, ['ZZ101', 'ZZ102'], ['ZZ101', 'ZZ102']),
        shown(2, ['ZZ102'], []),
        shown(3, ['ZZ102'], ['ZZ101'], silent),
      ]),
    ).toEqual([]);
  });
});
