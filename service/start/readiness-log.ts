import type { Readiness, ReadinessCheck } from '#store/trust/readiness.ts';
import type { Log } from '../telemetry/log.ts';

const LOOKED_AT_EVERY_MS = 1_000;
/** Anything shorter needs no attention, such as a Redis that is busy for a moment. */
const ADVISED_AFTER_MS = 3_000;

/**
 * Logs each change of the store's readiness, and of what needs attention although the store is ready: what fails and
 * what to do. Other checks decide as well whether lookups are answered. Returns how to stop.
 */
export function logReadiness(readiness: Pick<Readiness, 'ready' | 'checks'>, log: Log): () => void {
  let said: string | undefined;
  const advised = new Map<string, string>();
  const seen = new Map<string, { detail: string; at: number }>();

  function lookAtAdvice(checks: readonly ReadinessCheck[]): void {
    const now = performance.now();
    for (const { name, ok, detail } of checks) {
      const before = seen.get(name);
      if (ok) {
        seen.delete(name);
        if (advised.delete(name)) log.info(detail, { cause: name });
      } else if (before?.detail !== detail) {
        seen.set(name, { detail, at: now });
      } else if (advised.get(name) !== detail && now - before.at >= ADVISED_AFTER_MS) {
        advised.set(name, detail);
        log.warn(detail, { cause: name });
      }
    }
  }

  function lookAtReadiness(checks: readonly ReadinessCheck[]): void {
    const failing = checks.filter(({ ok }) => !ok);
    // If no check fails, the last poll is just too old; the next one decides.
    if (!readiness.ready && failing.length === 0) return;
    const now = failing.map(({ name }) => name).join(' ');
    if (now === said) return;
    if (failing.length === 0) {
      log.info('The store is ready.');
    } else if (
      said !== undefined ||
      !failing.some(({ detail }) => detail.startsWith('Not checked'))
    ) {
      for (const { name, detail } of failing) log.warn(`Not ready: ${detail}`, { cause: name });
    } else {
      return;
    }
    said = now;
  }

  const look = (): void => {
    const checks = readiness.checks();
    lookAtReadiness(checks.filter(({ advisory }) => advisory !== true));
    lookAtAdvice(checks.filter(({ advisory }) => advisory === true));
  };
  const timer = setInterval(look, LOOKED_AT_EVERY_MS);
  return () => clearInterval(timer);
}
