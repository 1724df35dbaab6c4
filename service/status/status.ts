import type { Gate } from '#store/gate.ts';
import { SAFE_HEADERS } from '../http/problem.ts';

/** What runs here. `revision`, `releaseId` and `commitId` only where the deployment told. */
export type Build = { version: string; revision?: string; releaseId?: string; commitId?: string };

const HEADERS = { ...SAFE_HEADERS, 'content-type': 'application/json' };

/** `GET /_ping`: the process answers. Says nothing of whether it can look anything up. */
export function createPing(build: Build) {
  const body = JSON.stringify(build);
  return (): Response => new Response(body, { status: 200, headers: HEADERS });
}

/**
 * `GET /_status`: readiness. 200 and `pass` only while lookups are answered from all of the store; 503
 * and `fail` on any doubt, each check saying what is so or what to do.
 */
export function createStatus(build: Build, gate: Pick<Gate, 'ready' | 'checks'>) {
  return (): Response => {
    const { ready } = gate;
    const checks: Record<string, object[]> = {};
    for (const { name, ok, detail, since } of gate.checks()) {
      checks[`store:${name}`] = [
        {
          status: ok ? 'pass' : 'fail',
          timeout: name === 'redis-reachable' && !ok,
          outcome: detail,
          since,
          links: { self: '/_status' },
        },
      ];
    }
    return new Response(
      JSON.stringify({
        status: ready ? 'pass' : 'fail',
        ...build,
        checks,
      }),
      { status: ready ? 200 : 503, headers: HEADERS },
    );
  };
}
