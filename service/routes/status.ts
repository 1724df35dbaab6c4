import { type Build, type OwnCheck, statusSchema } from '#schemas/status.ts';
import { READINESS } from '#schemas/wording/store.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { SAFE_HEADERS } from '../http/headers.ts';
import { isDirectoryTrusted } from '../lookup/lookup.ts';
import type { Route } from './route.ts';

type StatusReadiness = Pick<Readiness, 'ready' | 'checks' | 'authoritiesAt'>;

/** Whether a correct lookup would be answered now, as far as can be known. */
export const isReady = (readiness: StatusReadiness, own: readonly OwnCheck[]): boolean =>
  readiness.ready && isDirectoryTrusted(readiness) && !own.some(({ stops }) => stops);

type StatusDependencies = {
  build: Build;
  readiness: StatusReadiness;
  own: () => readonly OwnCheck[];
  /** True once the process was told to stop. */
  stopping: () => boolean;
};

const HEADERS = { ...SAFE_HEADERS, 'content-type': 'application/json' };
const LINKS = { self: '/_status' };

/**
 * `GET /_status`: readiness. 200 only while lookups are answered from all of the store, somebody may ask, and
 * the process was not told to stop; 503 and `fail` on any doubt, each check giving its state or what to do.
 * `warn` if lookups are answered but something needs attention.
 */
export const status: Route<StatusDependencies> = {
  operation: {
    method: 'GET',
    path: '/_status',
    id: 'status',
    tag: 'Service',
    summary: 'Whether lookups are answered',
    description: '503 if there is any doubt, with the same body.',
    letsIn: 'anybody',
    optionsAt: ['/_status', '/'],
    answer: {
      description: 'They are answered.',
      content: { 'application/json': { schema: statusSchema } },
    },
  },
  handler:
    ({ build, readiness, own, stopping }) =>
    () => {
      const ends = stopping();
      const ownNow = own();
      const ready = isReady(readiness, ownNow) && !ends;
      const checks: Record<string, object[]> = {};
      let well = true;
      for (const { name, ok, detail, since, advisory } of readiness.checks()) {
        const isDirectory = name === 'directory' && ok;
        if (!ok) well = false;
        checks[`store:${name}`] = [
          {
            status: ok ? 'pass' : advisory ? 'warn' : 'fail',
            timeout: name === 'redis-reachable' && !ok,
            outcome: isDirectory
              ? `${detail} ${READINESS.directoryRead(Date.now() - readiness.authoritiesAt)}`
              : detail,
            since,
            links: LINKS,
          },
        ];
      }
      for (const { name, ok, detail, since, stops } of ownNow) {
        if (!ok) well = false;
        const state = ok ? 'pass' : stops ? 'fail' : 'warn';
        checks[name] = [{ status: state, outcome: detail, since, links: LINKS }];
      }
      checks['process'] = [
        {
          status: ends ? 'fail' : 'pass',
          outcome: ends ? 'The process is stopping. Send nothing more.' : 'The process is running.',
          links: LINKS,
        },
      ];
      return new Response(
        JSON.stringify({ status: !ready ? 'fail' : well ? 'pass' : 'warn', ...build, checks }),
        { status: ready ? 200 : 503, headers: HEADERS },
      );
    },
};
