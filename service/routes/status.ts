import type { Build, OwnCheck } from '#schemas/status.ts';
import type { Gate } from '#store/trust/readiness.ts';
import { SAFE_HEADERS } from '../http/problem.ts';
import { isDirectoryTrusted } from '../lookup/check.ts';

type StatusGate = Pick<Gate, 'ready' | 'checks' | 'authoritiesAt'>;

/** Whether a lookup that is right in every respect would be answered now, as far as can be known. */
export const isReady = (gate: StatusGate, own: readonly OwnCheck[]): boolean =>
  gate.ready && isDirectoryTrusted(gate) && !own.some(({ stops }) => stops);

export type StatusDependencies = {
  build: Build;
  gate: StatusGate;
  own: () => readonly OwnCheck[];
  /** True once the process was told to stop. */
  stopping: () => boolean;
};

const HEADERS = { ...SAFE_HEADERS, 'content-type': 'application/json' };
const LINKS = { self: '/_status' };

/** `GET /_ping`: the process answers. Says nothing of whether it can look anything up. */
export function createPing(build: Build) {
  const body = JSON.stringify(build);
  return (): Response => new Response(body, { status: 200, headers: HEADERS });
}

/**
 * `GET /_status`: readiness. 200 only while lookups are answered from all of the store, somebody may ask,
 * and the process was not told to stop; 503 and `fail` on any doubt, each check saying what is so or what to do. `warn` where
 * lookups are answered and something wants seeing to all the same.
 */
export function createStatus({ build, gate, own, stopping }: StatusDependencies) {
  return (): Response => {
    const ends = stopping();
    const ownNow = own();
    const ready = isReady(gate, ownNow) && !ends;
    const checks: Record<string, object[]> = {};
    let well = true;
    for (const { name, ok, detail, since, advisory } of gate.checks()) {
      const isDirectory = name === 'directory' && ok;
      if (!ok) well = false;
      checks[`store:${name}`] = [
        {
          status: ok ? 'pass' : advisory ? 'warn' : 'fail',
          timeout: name === 'redis-reachable' && !ok,
          outcome: isDirectory
            ? `${detail} Read ${Date.now() - gate.authoritiesAt} ms ago.`
            : detail,
          since,
          links: LINKS,
        },
      ];
    }
    for (const { name, ok, detail, since, stops } of ownNow) {
      if (!ok) well = false;
      const status = ok ? 'pass' : stops ? 'fail' : 'warn';
      checks[name] = [{ status, outcome: detail, since, links: LINKS }];
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
  };
}
