import type { EnumerationSign } from '#schemas/audit/audit-event.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { Caller } from '#schemas/people/caller.ts';

export type EnumerationAlert = {
  caller: Caller;
  sign: EnumerationSign;
  count: number;
  threshold: number;
  windowSeconds: number;
};

/**
 * Notices users who guess numbers in this process: invalid numbers, and neighbouring ones. The children that
 * a user looks up are counted from the audit (alerting.ts). It stops nobody: a program must not mistake a
 * nurse in a crowded department at night for a thief.
 */
type EnumerationWatch = {
  saw: (caller: Caller, nhsNumber: NhsNumber) => void;
  sawInvalid: (caller: Caller) => void;
  /** Forgets users not seen for an hour; called each minute. */
  review: () => void;
  /** Alerts of the last hour. */
  readonly alerts: number;
};

/** Signs that somebody is guessing numbers. An alert is given above a number, as its sentence says. */
const SIGNS = { invalidAMinute: 9, invalidShare: 0.3, neighboursAMinute: 7 } as const;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const USERS_AT_MOST = 20_000;

/** What is remembered about a user: counters, and the last number except for its check digit. */
type Sketch = {
  caller: Caller;
  minute: number;
  looks: number;
  invalid: number;
  lastNine: number;
  neighbours: number;
  hour: number;
  alerted: Map<EnumerationSign, number>;
};

export function createEnumerationWatch(
  tell: (alert: EnumerationAlert) => void,
  now: () => number = Date.now,
): EnumerationWatch {
  const sketches = new Map<string, Sketch>();
  const ofCaller = new WeakMap<Caller, Sketch>();
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
    const { userKey } = caller;
    let sketch = sketches.get(userKey);
    if (sketch === undefined) {
      if (sketches.size >= USERS_AT_MOST) {
        const [oldest] = sketches.keys();
        if (oldest !== undefined) sketches.delete(oldest);
      }
      sketch = {
        caller,
        minute: 0,
        looks: 0,
        invalid: 0,
        lastNine: 0,
        neighbours: 0,
        hour: 0,
        alerted: new Map(),
      };
      sketches.set(userKey, sketch);
    }
    sketch.caller = caller;
    ofCaller.set(caller, sketch);
    return sketch;
  }

  /** The user's record, without the counts of past minutes or hours. */
  function current(caller: Caller): Sketch {
    const sketch = ofCaller.get(caller) ?? sketchOf(caller);
    const minute = Math.floor(now() / MINUTE_MS);
    if (minute !== sketch.minute) {
      sketch.minute = minute;
      sketch.looks = 0;
      sketch.invalid = 0;
      sketch.neighbours = 0;
      sketch.hour = Math.floor((minute * MINUTE_MS) / HOUR_MS);
    }
    return sketch;
  }

  return {
    saw(caller, nhsNumber) {
      const sketch = current(caller);
      sketch.looks++;
      const nine = Math.floor(Number(nhsNumber) / 10);
      // Next to each other, or with one number between them that has no valid check digit.
      const step = nine - sketch.lastNine;
      if (step !== 0 && step >= -2 && step <= 2) sketch.neighbours++;
      sketch.lastNine = nine;
      if (sketch.neighbours > SIGNS.neighboursAMinute) {
        const { neighbours } = sketch;
        alert(sketch, 'sequential-numbers', neighbours, SIGNS.neighboursAMinute, MINUTE_MS);
      }
    },
    sawInvalid(caller) {
      const sketch = current(caller);
      sketch.invalid++;
      const { invalid, looks } = sketch;
      if (invalid > SIGNS.invalidAMinute && invalid >= SIGNS.invalidShare * (invalid + looks)) {
        alert(sketch, 'invalid-numbers', invalid, SIGNS.invalidAMinute, MINUTE_MS);
      }
    },
    review() {
      const at = now();
      const hour = Math.floor(at / HOUR_MS);
      recent = recent.filter((then) => at - then < HOUR_MS);
      for (const [key, sketch] of sketches) if (sketch.hour < hour - 1) sketches.delete(key);
    },
    get alerts() {
      const since = now() - HOUR_MS;
      return recent.filter((then) => then > since).length;
    },
  };
}
