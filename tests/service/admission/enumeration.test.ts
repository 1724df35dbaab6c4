import { describe, expect, test } from 'vitest';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { Caller } from '#schemas/people/caller.ts';
import {
  createEnumerationWatch,
  type EnumerationAlert,
} from '#service/admission/limits/enumeration-watch.ts';
import { testNumber } from '../../support/rows.ts';

/** A Tuesday at noon in London. */
const NOON = Date.UTC(2026, 10, 24, 12);

function caller(user: string, organisation = 'ZZH01'): Caller {
  const role = {
    id: 'r',
    code: 'R8000',
    name: 'Nurse',
    organisation: { code: organisation, name: 'A hospital' },
    activities: [],
  };
  return {
    identity: { issuer: 'i', client: 'c', user, name: 'n', role, scopes: [] },
    eventJson: '{}',
    accessEntry: '{}',
    userKey: user,
  };
}

function watch(start = NOON) {
  const clock = { now: start };
  const alerts: EnumerationAlert[] = [];
  const made = createEnumerationWatch(
    (alert) => alerts.push(alert),
    () => clock.now,
  );
  return {
    clock,
    ...made,
    alerts: () => alerts.length,
    signs: () => alerts.map(({ sign }) => sign),
    told: alerts,
    status: () => made.alerts,
  };
}

/** Consecutive numbers. */
const neighbours = (from: number): NhsNumber[] =>
  Array.from({ length: 12 }, (_, i) => testNumber(from + i));

/** Numbers far apart from each other. */
const scattered = (count: number, from = 0): NhsNumber[] =>
  Array.from({ length: count }, (_, i) => testNumber(((from + i) * 7_919) % 1_000_000));

function look(of: ReturnType<typeof watch>, who: Caller, numbers: NhsNumber[]) {
  for (const number of numbers) of.saw(who, number);
}

test('numbers guessed by one user in several roles count against that one user', () => {
  const watched = watch();
  const roles = ['ZZH01', 'ZZH02', 'ZZH03', 'ZZH04'].map((code) => caller('thief', code));
  for (const [i, number] of neighbours(500).entries()) {
    watched.saw(roles[i % roles.length] ?? caller('thief'), number);
    watched.sawInvalid(roles[i % roles.length] ?? caller('thief'));
  }
  expect(watched.signs().toSorted()).toEqual(['invalid-numbers', 'sequential-numbers']);
});

describe('nobody is suspected for', () => {
  test('a busy minute', () => {
    const watched = watch();
    look(watched, caller('nurse'), scattered(20));
    expect(watched.alerts()).toBe(0);
  });

  test('looking at the same child again and again', () => {
    const watched = watch();
    look(
      watched,
      caller('nurse'),
      Array.from({ length: 500 }, () => testNumber(1)),
    );
    expect(watched.alerts()).toBe(0);
  });

  test('a long night with a patient every minute', () => {
    const watched = watch(NOON + 12 * 3_600_000);
    const nurse = caller('nurse');
    for (const number of scattered(600)) {
      watched.saw(nurse, number);
      watched.clock.now += 60_000;
      watched.review();
    }
    expect(watched.alerts()).toBe(0);
  });

  test('a few mistyped numbers among good ones', () => {
    const watched = watch();
    for (let i = 0; i < 9; i++) watched.sawInvalid(caller('nurse'));
    look(watched, caller('nurse'), scattered(20));
    expect(watched.alerts()).toBe(0);
  });
});

describe('a user is reported who', () => {
  test.each([
    ['upwards', neighbours(1_000)],
    ['downwards', neighbours(1_000).toReversed()],
  ])('tries one number after another, %s', (_, numbers) => {
    const watched = watch();
    look(watched, caller('thief'), numbers);
    expect(watched.signs()).toEqual(['sequential-numbers']);
  });

  test('guesses, and so gets many numbers wrong', () => {
    const watched = watch();
    look(watched, caller('thief'), scattered(2));
    for (let i = 0; i < 12; i++) watched.sawInvalid(caller('thief'));
    expect(watched.signs()).toEqual(['invalid-numbers']);
  });
});

test('an alert names a number that the count is above', () => {
  const watched = watch();
  look(watched, caller('thief'), neighbours(1_000));
  for (let i = 0; i < 20; i++) watched.sawInvalid(caller('guesser'));
  expect(watched.told.map(({ sign, count, threshold }) => [sign, count, threshold])).toEqual([
    ['sequential-numbers', 8, 7],
    ['invalid-numbers', 10, 9],
  ]);
});

test('a user is reported once an hour for the same sign of guessing', () => {
  const watched = watch();
  for (let minute = 0; minute < 50; minute++) {
    look(watched, caller('thief'), neighbours(minute * 100));
    watched.clock.now += 60_000;
  }
  expect(watched.signs()).toEqual(['sequential-numbers']);
  watched.clock.now += 3_600_000;
  look(watched, caller('thief'), neighbours(1));
  expect(watched.signs()).toHaveLength(2);
  expect(watched.status()).toBe(1);
});

test('a new token does not restart a user’s count', () => {
  const watched = watch();
  for (const number of neighbours(1_000)) watched.saw(caller('thief'), number);
  expect(watched.signs()).toEqual(['sequential-numbers']);
});

test('beyond its limit of users the count forgets some of them, and memory stays bounded', () => {
  const watched = watch();
  const before = process.memoryUsage().arrayBuffers;
  for (let user = 0; user < 30_000; user++) {
    watched.saw(caller(`user-${user}`), testNumber(user));
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30_000 * 150);
  expect(watched.alerts()).toBe(0);
});
