import { randomInt } from 'node:crypto';
import type { EnumerationSign } from '#schemas/audit/audit-event.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { Caller } from '#schemas/people/caller.ts';
import type { Access } from '#schemas/people/care-setting.ts';
import { isOutOfHours } from '#schemas/people/out-of-hours.ts';

export type EnumerationAlert = {
  caller: Caller;
  sign: EnumerationSign;
  count: number;
  threshold: number;
  windowSeconds: number;
};

/**
 * Notices who looks numbers up as nobody at work does, and tells. It stops nobody: a nurse in a crowded
 * department at night must not be mistaken for a thief by a program.
 */
export type EnumerationGuard = {
  saw: (caller: Caller, nhsNumber: NhsNumber, access: Access) => void;
  sawInvalid: (caller: Caller) => void;
  /** Looks at what takes more than one lookup to see; called each minute. */
  review: () => void;
  /** Alerts of the last hour. */
  readonly alerts: number;
};

/**
 * What is unusual. A user of unscheduled care sees a patient every few minutes; scheduled care looks up a
 * list at a time, which is what batches are for.
 */
const SIGNS = {
  distinctAMinute: { unscheduled: 30, 'silent-read': 300 },
  invalidAMinute: 10,
  invalidShare: 0.3,
  neighboursAMinute: 8,
  outOfHoursAnHour: 30,
  peersAnHour: 60,
  peersTimes: 10,
  peersAtLeast: 5,
} as const;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const USERS_AT_MOST = 20_000;
const BITS = 1_024;

/**
 * What is remembered of a user: counters, and a bitmap in place of the numbers themselves (128 bytes, within
 * a few percent up to some hundreds of them).
 */
type Sketch = {
  caller: Caller;
  minute: number;
  bits: Uint32Array;
  bitsSet: number;
  looks: number;
  invalid: number;
  lastNine: number;
  neighbours: number;
  hour: number;
  looksThisHour: number;
  silent: boolean;
  alerted: Map<EnumerationSign, number>;
};

/** How many numbers set so many bits of the bitmap (linear counting). */
const distinctOf = (bitsSet: number): number =>
  Math.round(-BITS * Math.log(1 - Math.min(bitsSet, BITS - 1) / BITS));

export function createEnumerationGuard(
  tell: (alert: EnumerationAlert) => void,
  now: () => number = Date.now,
): EnumerationGuard {
  const sketches = new Map<string, Sketch>();
  const ofCaller = new WeakMap<Caller, Sketch>();
  /** Which bits a number sets is this process's secret, so that none can be chosen to hide. */
  const seed = randomInt(2 ** 31);
  let recent: number[] = [];

  function alert(
    sketch: Sketch,
    sign: EnumerationSign,
    count: number,
    threshold: number,
    ms: number,
  ) {
    const { hour, alerted, caller } = sketch;
    if (alerted.get(sign) === hour) return;
    alerted.set(sign, hour);
    recent.push(now());
    tell({ caller, sign, count, threshold, windowSeconds: ms / 1_000 });
  }

  function sketchOf(caller: Caller): Sketch {
    const key = `${caller.userKey} ${caller.identity.role.organisation.code}`;
    let sketch = sketches.get(key);
    if (sketch === undefined) {
      if (sketches.size >= USERS_AT_MOST) {
        const [oldest] = sketches.keys();
        if (oldest !== undefined) sketches.delete(oldest);
      }
      sketch = {
        caller,
        minute: 0,
        bits: new Uint32Array(BITS / 32),
        bitsSet: 0,
        looks: 0,
        invalid: 0,
        lastNine: 0,
        neighbours: 0,
        hour: 0,
        looksThisHour: 0,
        silent: false,
        alerted: new Map(),
      };
      sketches.set(key, sketch);
    }
    sketch.caller = caller;
    ofCaller.set(caller, sketch);
    return sketch;
  }

  /** The user's sketch, with the counts of a minute or hour gone by forgotten. */
  function current(caller: Caller): Sketch {
    const sketch = ofCaller.get(caller) ?? sketchOf(caller);
    const minute = Math.floor(now() / MINUTE_MS);
    if (minute !== sketch.minute) {
      sketch.minute = minute;
      sketch.bits.fill(0);
      sketch.bitsSet = 0;
      sketch.looks = 0;
      sketch.invalid = 0;
      sketch.neighbours = 0;
      const hour = Math.floor((minute * MINUTE_MS) / HOUR_MS);
      if (hour !== sketch.hour) {
        sketch.hour = hour;
        sketch.looksThisHour = 0;
      }
    }
    return sketch;
  }

  function sawDistinct(sketch: Sketch, nine: number, access: Access): void {
    const bit = Math.imul(nine ^ seed, 0x9e3779b1) >>> 22;
    const word = bit >>> 5;
    const mask = 1 << (bit & 31);
    const bits = sketch.bits[word] ?? 0;
    if ((bits & mask) !== 0) return;
    sketch.bits[word] = bits | mask;
    sketch.bitsSet++;
    const threshold = SIGNS.distinctAMinute[access];
    // Bits are never more than the numbers, so that this spares the logarithm.
    if (sketch.bitsSet * 2 < threshold) return;
    const count = distinctOf(sketch.bitsSet);
    if (count > threshold) alert(sketch, 'distinct-numbers', count, threshold, MINUTE_MS);
  }

  function median(values: readonly number[]): number {
    return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  }

  function comparePeers(hour: number): void {
    const organisations = Map.groupBy(
      [...sketches.values()].filter((sketch) => sketch.hour === hour),
      ({ caller }) => caller.identity.role.organisation.code,
    );
    for (const users of organisations.values()) {
      if (users.length < SIGNS.peersAtLeast) continue;
      const usual = median(users.map(({ looksThisHour }) => looksThisHour));
      const threshold = Math.max(SIGNS.peersAnHour, usual * SIGNS.peersTimes);
      for (const user of users) {
        if (user.looksThisHour > threshold) {
          alert(user, 'peers', user.looksThisHour, threshold, HOUR_MS);
        }
      }
    }
  }

  return {
    saw(caller, nhsNumber, access) {
      const sketch = current(caller);
      sketch.looks++;
      sketch.looksThisHour++;
      sketch.silent = access === 'silent-read';
      const nine = Math.floor(Number(nhsNumber) / 10);
      // Next to each other but for a number without a usable check digit in between.
      const step = nine - sketch.lastNine;
      if (step !== 0 && step >= -2 && step <= 2) sketch.neighbours++;
      sketch.lastNine = nine;
      if (sketch.neighbours >= SIGNS.neighboursAMinute) {
        const { neighbours } = sketch;
        alert(sketch, 'sequential-numbers', neighbours, SIGNS.neighboursAMinute, MINUTE_MS);
      }
      sawDistinct(sketch, nine, access);
    },
    sawInvalid(caller) {
      const sketch = current(caller);
      sketch.invalid++;
      const { invalid, looks } = sketch;
      if (invalid >= SIGNS.invalidAMinute && invalid >= SIGNS.invalidShare * (invalid + looks)) {
        alert(sketch, 'invalid-numbers', invalid, SIGNS.invalidAMinute, MINUTE_MS);
      }
    },
    review() {
      const at = now();
      const hour = Math.floor(at / HOUR_MS);
      recent = recent.filter((then) => at - then < HOUR_MS);
      for (const [key, sketch] of sketches) if (sketch.hour < hour - 1) sketches.delete(key);
      comparePeers(hour);
      if (!isOutOfHours(at)) return;
      for (const sketch of sketches.values()) {
        if (!sketch.silent || sketch.hour !== hour) continue;
        if (sketch.looksThisHour > SIGNS.outOfHoursAnHour) {
          alert(sketch, 'out-of-hours', sketch.looksThisHour, SIGNS.outOfHoursAnHour, HOUR_MS);
        }
      }
    },
    get alerts() {
      const since = now() - HOUR_MS;
      return recent.filter((then) => then > since).length;
    },
  };
}
