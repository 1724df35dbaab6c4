// By hand, since a metrics library looks labels up and allocates at every record, several times a lookup
// (decision 26); OpenTelemetry's own exporter sends what is counted here.

import type { Api } from '#schemas/audit/audit-event.ts';
import { type ErrorCode, LIMITED, type LimitReached } from '#schemas/errors.ts';
import { COULD_NOT_CHECK_CAUSES, LOOKUP_OUTCOMES } from '#schemas/lookup.ts';
import type { Access } from '#schemas/people/care-setting.ts';
import { type FileCode, fileCodes } from '#schemas/uploads/acknowledgement.ts';
import { counter, Distribution, gauge, type Point, type Reading } from './instruments.ts';

type Outcome = (typeof OUTCOMES)[number];
const OUTCOMES = [...LOOKUP_OUTCOMES, ...COULD_NOT_CHECK_CAUSES] as const;

/** Buckets for answers and store calls, in seconds. Finer than usual below 10 ms, which is where lookups are. */
export const SECONDS = [
  0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];
const LOOKUPS = [1, 2, 4, 8, 16, 32, 64];

const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
]);

type TokenState = 'valid' | 'none' | 'unknown';
/** From the start, since an alert watches their rate. */
const UNJUDGED = ['could-not-check plain unknown', 'could-not-check fhir unknown'];

/** The results of lookups since the process started. */
export type Looked = {
  /** Checks asked for by callers who may ask, those that could not be made among them. */
  lookups: number;
  couldNotCheck: number;
  /** Requests by how long they took, in the buckets of {@link SECONDS}; without those refused for their content. */
  took: readonly number[];
};

/** Adds up under keys of closed lists; a key is a text only if it is counted rarely. */
function tally(known: readonly string[] = []) {
  const counts = new Map<string, number>(known.map((key) => [key, 0]));
  return {
    add: (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1),
    points: (labelsOf: (key: string) => Point['labels']): Point[] =>
      [...counts].map(([key, value]) => ({ labels: labelsOf(key), value })),
  };
}

/** All from the start: a rate misses the first increase of a counter that did not exist before. */
function createOutcomes(): Record<Api, Record<Access, Record<Outcome, number>>> {
  const none = () =>
    Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>;
  const ofApi = () => ({ unscheduled: none(), 'silent-read': none() });
  return { plain: ofApi(), fhir: ofApi(), pages: ofApi() };
}

/**
 * Counts requests where they pass, in plain numbers: nothing here waits, allocates much or can fail. No NHS
 * number, user or text of a caller is ever a label.
 */
export function createMetrics(scheme: 'http' | 'https') {
  const answers = new Map<string, Map<string, Map<number, Distribution>>>();
  const store = new Distribution(SECONDS);
  const storeFailed = new Distribution(SECONDS);
  const batches = new Distribution(LOOKUPS);
  const outcomes = createOutcomes();
  const refusals = tally(UNJUDGED);
  const limits = tally(LIMITED);
  const uploads = tally(fileCodes);
  let accessesUnreadable = 0;
  let active = 0;

  function answersOf(method: string, route: string, status: number): Distribution {
    let ofRoute = answers.get(route);
    if (ofRoute === undefined) {
      ofRoute = new Map<string, Map<number, Distribution>>();
      answers.set(route, ofRoute);
    }
    let ofMethod = ofRoute.get(method);
    if (ofMethod === undefined) {
      ofMethod = new Map<number, Distribution>();
      ofRoute.set(method, ofMethod);
    }
    let found = ofMethod.get(status);
    if (found === undefined) {
      found = new Distribution(SECONDS);
      ofMethod.set(status, found);
    }
    return found;
  }

  function read(): Reading[] {
    const answered = [...answers].flatMap(([route, ofRoute]) =>
      [...ofRoute].flatMap(([method, ofMethod]) =>
        [...ofMethod].map(([status, distribution]) => ({
          labels: {
            'http.request.method': method,
            ...(route !== '' && { 'http.route': route }),
            ...(status === 0
              ? { 'error.type': 'broken-off' }
              : { 'http.response.status_code': String(status) }),
            'url.scheme': scheme,
          },
          distribution,
        })),
      ),
    );
    const operation = {
      'db.system.name': 'redis',
      'db.operation.name': 'FCALL',
      'db.stored_procedure.name': 'lookup',
    };
    const looked = Object.entries(outcomes).flatMap(([api, ofApi]) =>
      Object.entries(ofApi).flatMap(([access, counts]) =>
        Object.entries(counts).map(([outcome, value]) => ({
          labels: {
            'cp_flags.api': api,
            'cp_flags.access': access,
            ...(outcome === 'flagged' || outcome === 'not-flagged'
              ? { 'cp_flags.outcome': outcome }
              : { 'cp_flags.outcome': 'could-not-check', 'error.type': outcome }),
          },
          value,
        })),
      ),
    );
    return [
      {
        name: 'http.server.request.duration',
        description: 'From the headers of a request to the end of its answer.',
        unit: 's',
        kind: 'histogram',
        points: answered,
      },
      gauge(
        {
          name: 'http.server.active_requests',
          description: 'Requests that are not answered yet.',
          unit: '{request}',
        },
        [{ labels: { 'url.scheme': scheme }, value: active }],
      ),
      {
        name: 'db.client.operation.duration',
        description: 'One call to the store, for all the lookups that share it.',
        unit: 's',
        kind: 'histogram',
        points: [
          { labels: operation, distribution: store },
          { labels: { ...operation, 'error.type': 'store' }, distribution: storeFailed },
        ],
      },
      {
        name: 'cp_flags.lookup.batch.size',
        description: 'Lookups that went to the store in one call.',
        unit: '{lookup}',
        kind: 'histogram',
        points: [{ labels: {}, distribution: batches }],
      },
      counter(
        {
          name: 'cp_flags.lookups',
          description:
            'Checks made for callers who may ask; error.type says why one could not be made.',
          unit: '{lookup}',
        },
        looked,
      ),
      counter(
        {
          name: 'cp_flags.accesses.unreadable',
          description: 'Flags shown without who looked before, because that list cannot be read.',
          unit: '{lookup}',
        },
        accessesUnreadable,
      ),
      counter(
        {
          name: 'cp_flags.refusals',
          description: 'Requests, and items of batches, that were refused, by code.',
          unit: '{request}',
        },
        refusals.points((key) => {
          const [code = '', api = '', token = ''] = key.split(' ');
          return { 'cp_flags.code': code, 'cp_flags.api': api, 'cp_flags.token': token };
        }),
      ),
      counter(
        {
          name: 'cp_flags.limits.reached',
          description: 'Requests refused because a user, client or organisation asked too often.',
          unit: '{request}',
        },
        limits.points((of) => ({ 'cp_flags.limit': of })),
      ),
      counter(
        {
          name: 'cp_flags.uploads',
          description:
            'Files sent to POST /uploads or on a page, by the code of their acknowledgement.',
          unit: '{file}',
        },
        uploads.points((code) => ({ 'cp_flags.code': code })),
      ),
    ];
  }

  /** @param requests the method and route of each that counts as a lookup */
  function lookedSoFar(requests: ReadonlySet<string>): Looked {
    let lookups = 0;
    let couldNotCheck = 0;
    for (const ofApi of Object.values(outcomes)) {
      for (const counts of Object.values(ofApi)) {
        for (const outcome of LOOKUP_OUTCOMES) lookups += counts[outcome];
        for (const cause of COULD_NOT_CHECK_CAUSES) couldNotCheck += counts[cause];
      }
    }
    const took = Array.from({ length: SECONDS.length + 1 }, () => 0);
    for (const [route, ofRoute] of answers) {
      for (const [method, ofMethod] of ofRoute) {
        if (!requests.has(`${method} ${route}`)) continue;
        for (const [status, { counts }] of ofMethod) {
          if (status >= 400 && status < 500) continue;
          counts.forEach((count, i) => (took[i] = (took[i] ?? 0) + count));
        }
      }
    }
    return { lookups: lookups + couldNotCheck, couldNotCheck, took };
  }

  return {
    began: (): void => void active++,
    /** @param status 0 if the answer was broken off before it began */
    answered(method: string, route: string, status: number, milliseconds: number): void {
      active--;
      const known = METHODS.has(method) ? method : '_OTHER';
      answersOf(known, route, status).record(milliseconds / 1_000);
    },
    calledStore(lookups: number, milliseconds: number, failed: boolean): void {
      (failed ? storeFailed : store).record(milliseconds / 1_000);
      batches.record(lookups);
    },
    lookedUp(api: Api, access: Access, outcome: Outcome): void {
      outcomes[api][access][outcome]++;
    },
    accessesUnreadable: (): void => void accessesUnreadable++,
    /** @param token `unknown` if it could not be judged */
    refused(code: ErrorCode, api: Api, token: TokenState, limit?: LimitReached): void {
      refusals.add(`${code} ${api} ${token}`);
      if (limit !== undefined) limits.add(limit.of);
    },
    uploaded: (code: FileCode): void => uploads.add(code),
    read,
    lookedSoFar,
  };
}
export type Metrics = ReturnType<typeof createMetrics>;
