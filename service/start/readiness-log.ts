import type { Readiness } from '#store/trust/readiness.ts';
import type { Log } from '../telemetry/log.ts';

const LOOKED_AT_EVERY_MS = 1_000;

/** Logs each change of readiness, with what fails and what to do. Returns how to stop. */
export function logReadiness(readiness: Pick<Readiness, 'ready' | 'checks'>, log: Log): () => void {
  let said: string | undefined;
  const look = (): void => {
    const failing = readiness.checks().filter(({ ok, advisory }) => !ok && !advisory);
    // If no check fails, the last poll is just too old; the next one decides.
    if (!readiness.ready && failing.length === 0) return;
    const now = failing.map(({ name }) => name).join(' ');
    if (now === said) return;
    if (failing.length === 0) {
      log.info('ready: lookups are answered');
    } else if (
      said !== undefined ||
      !failing.some(({ detail }) => detail.startsWith('Not checked'))
    ) {
      for (const { name, detail } of failing) log.warn(`not ready: ${detail}`, { cause: name });
    } else {
      return;
    }
    said = now;
  };
  const timer = setInterval(look, LOOKED_AT_EVERY_MS);
  return () => clearInterval(timer);
}
