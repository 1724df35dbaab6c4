import { SharedArray } from 'k6/data';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import type { ConstantArrivalRateScenario, Options, RampingArrivalRateScenario } from 'k6/options';

/**
 * Every load script here uses this file. It makes a realistic lookup, and says what counts as a correct answer
 * and what a run must achieve. `bench/README.md` says how to aim it at your own environment.
 *
 * The scripts set arrival rates only: each request is sent when it is due, even if earlier ones are still
 * unanswered. If no virtual user is free, the request cannot be sent. k6 counts it as a dropped iteration, and
 * the run is void.
 */

/** Set from outside, `k6 run -e NAME=value`. */
const setting = (name: string, standard: string): string => __ENV[name] || standard;
export const number = (name: string, standard: number): number =>
  Number(setting(name, String(standard)));

const BASE_URLS = setting('BASE_URL', 'http://127.0.0.1:8080').split(',');
const TOKENS = setting('TOKEN', '').split(',');
const FHIR_SHARE = number('FHIR_SHARE', 0.2);
const FLAGGED_SHARE = number('FLAGGED_SHARE', 0.01);
const INVALID_SHARE = number('INVALID_SHARE', 0.005);
/** The share of answers without a flag whose body is read. Reading costs the generator more than sending. */
const READ_SHARE = 0.02;
const FHIR_SEARCH = 'patient:identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C';

/** `open` reads relative to this script; an absolute path is taken as it is. */
function numbers(which: 'held' | 'notHeld'): string[] {
  return new SharedArray<string>(which, () => {
    const file = setting('NUMBERS_FILE', '');
    if (file === '') throw new Error('NUMBERS_FILE is not set: see bench/README.md.');
    return (JSON.parse(open(file)) as Record<typeof which, string[]>)[which];
  });
}
const held = numbers('held');
const notHeld = numbers('notHeld');

/** Right answers, and how long they took. */
const answered = new Counter('lookups_answered');
const answeredMs = new Trend('lookup_answered_ms', true);
/** 503 with Retry-After, which says that nothing was checked. */
const refused = new Counter('lookups_refused');
const refusedMs = new Trend('lookup_refused_ms', true);
/** Numbers that are not NHS numbers, refused as such. */
const invalid = new Counter('lookups_invalid');
/** Anything else: an answer that is not what it must be, or none. */
const wrong = new Counter('lookups_wrong');

const any = (list: string[]): string => list[Math.floor(Math.random() * list.length)] ?? '';
const isFlat = (scenario: ConstantArrivalRateScenario | RampingArrivalRateScenario) =>
  scenario.executor === 'constant-arrival-rate';

/**
 * As many virtual users as requests may be under way; each is a connection of its own.
 *
 * @param waitSeconds how long an answer may take
 */
export const users = (perSecond: number, waitSeconds = 0.25): number =>
  number('USERS', Math.max(100, Math.ceil(perSecond * waitSeconds)));

/** A scenario at a steady rate. @param waitSeconds as for {@link users} */
export function steady(
  perSecond: number,
  duration: string,
  startTime = '0s',
  waitSeconds?: number,
) {
  const atOnce = users(perSecond, waitSeconds);
  return {
    executor: 'constant-arrival-rate',
    rate: perSecond,
    timeUnit: '1s',
    duration,
    startTime,
    preAllocatedVUs: atOnce,
    // Users made in the middle of a run would be felt.
    maxVUs: atOnce,
    gracefulStop: '5s',
  } satisfies ConstantArrivalRateScenario;
}

/**
 * The options of a script. What always holds: nothing dropped, nothing wrong.
 *
 * @param thresholds by metric, as k6 takes them; a missed one makes k6 exit non-zero
 */
export function options(
  scenarios: Record<string, ConstantArrivalRateScenario | RampingArrivalRateScenario>,
  thresholds: Record<string, string[]>,
): Options {
  return {
    scenarios,
    thresholds: {
      dropped_iterations: ['count==0'],
      lookups_wrong: ['count==0'],
      ...thresholds,
      // Named so that the summary tells them apart, where a script has several.
      ...(Object.keys(scenarios).length > 1 &&
        Object.fromEntries(
          Object.entries(scenarios)
            .filter(([, scenario]) => isFlat(scenario))
            .map(([name]): [string, string[]] => {
              const metric = `lookup_answered_ms{scenario:${name}}`;
              return [metric, thresholds[metric] ?? ['max>=0']];
            }),
        )),
    },
    systemTags: ['scenario', 'status'],
    summaryTrendStats: ['med', 'p(90)', 'p(99)', 'p(99.9)', 'max', 'count'],
    discardResponseBodies: true,
    noVUConnectionReuse: false,
    userAgent: 'cp-flags-bench',
  };
}

/** The same number with a different last digit, which then fails the check. */
const spoilt = (nhsNumber: string): string =>
  nhsNumber.slice(0, 9) + String((Number(nhsNumber[9]) + 1) % 10);

export default function lookup(): void {
  const dice = Math.random();
  const isInvalid = dice < INVALID_SHARE;
  const isHeld = !isInvalid && dice < INVALID_SHARE + FLAGGED_SHARE;
  const nhsNumber = isInvalid ? spoilt(any(notHeld)) : any(isHeld ? held : notHeld);
  const fhir = Math.random() < FHIR_SHARE;
  const read = isHeld || Math.random() < READ_SHARE;
  const response = http.post(
    `${any(BASE_URLS)}${fhir ? '/FHIR/R4/CareTeam/_search' : '/lookup'}`,
    fhir ? FHIR_SEARCH + nhsNumber : `{"nhsNumber":"${nhsNumber}"}`,
    {
      responseType: read ? 'text' : 'none',
      headers: {
        Authorization: `Bearer ${any(TOKENS)}`,
        'Content-Type': fhir ? 'application/x-www-form-urlencoded' : 'application/json',
        'X-Request-ID': crypto.randomUUID(),
      },
    },
  );
  const { status, timings, headers } = response;
  const says = (text: string): boolean => !read || String(response.body).includes(text);
  if (isInvalid && status === 400 && says(fhir ? 'OperationOutcome' : '"checked":false')) {
    invalid.add(1);
  } else if (
    !isInvalid &&
    status === 200 &&
    says(fhir ? '"Bundle"' : isHeld ? '"checked":true' : '"not-flagged"')
  ) {
    answered.add(1);
    answeredMs.add(timings.duration);
  } else if (
    status === 503 &&
    headers['Retry-After'] !== undefined &&
    says(fhir ? 'OperationOutcome' : '"checked":false')
  ) {
    refused.add(1);
    refusedMs.add(timings.duration);
  } else {
    wrong.add(1);
    // The body may name a child.
    console.error(`status ${status}, ${response.error || 'not what was expected'}`);
  }
}

/** A few lines for people; the whole of it as JSON where SUMMARY_FILE says. */
export function handleSummary(data: {
  metrics: Record<
    string,
    { values: Record<string, number>; thresholds?: Record<string, { ok: boolean }> }
  >;
}): Record<string, string> {
  const value = (metric: string, of: string): number => data.metrics[metric]?.values[of] ?? 0;
  const ms = (of: string): string => `${value('lookup_answered_ms', of).toFixed(2)} ms`;
  const missed = Object.entries(data.metrics).flatMap(([metric, { thresholds = {} }]) =>
    Object.entries(thresholds).flatMap(([text, { ok }]) => (ok ? [] : [`${metric} ${text}`])),
  );
  const lines = [
    `answered ${value('lookups_answered', 'count')}, refused ${value('lookups_refused', 'count')}, not valid ${value('lookups_invalid', 'count')}, wrong ${value('lookups_wrong', 'count')}, dropped ${value('dropped_iterations', 'count')}`,
    `p50 ${ms('med')}, p99 ${ms('p(99)')}, p99.9 ${ms('p(99.9)')}, most ${ms('max')}`,
    ...missed.map((threshold) => `MISSED: ${threshold}`),
  ];
  const file = setting('SUMMARY_FILE', '');
  return {
    stdout: `${lines.join('\n')}\n`,
    ...(file !== '' && { [file]: JSON.stringify(data.metrics) }),
  };
}
