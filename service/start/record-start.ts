import { randomUUID } from 'node:crypto';
import type { LookupStore } from '#store/lookup.ts';
import type { Gate } from '#store/trust/readiness.ts';
import { errorFields, type Log } from '../telemetry/log.ts';

const TRIED_EVERY_MS = 1_000;

/**
 * Records once, as soon as the store is open, with what configuration this process answers.
 *
 * @returns how to stop trying
 */
export function announceStart(
  gate: Pick<Gate, 'open'>,
  store: Pick<LookupStore, 'record'>,
  detail: () => Record<string, string | number>,
  log: Log,
): () => void {
  const event = {
    type: 'configuration-start',
    auditId: randomUUID(),
    by: 'service',
    occurredAt: new Date().toISOString(),
  } as const;
  let told = false;
  async function tell(): Promise<void> {
    if (!gate.open) return;
    try {
      await store.record({ ...event, detail: detail() });
      clearInterval(timer);
    } catch (error) {
      if (!told) log.error('the configuration could not be recorded', errorFields(error));
      told = true;
    }
  }
  const timer = setInterval(() => void tell(), TRIED_EVERY_MS);
  void tell();
  return () => clearInterval(timer);
}
