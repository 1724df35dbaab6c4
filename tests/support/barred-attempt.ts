import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { AuditEvent } from '#schemas/audit/audit-event.ts';
import type { DemoClaims } from '#service/admission/demo-issuer.ts';
import { type TestService, until } from './service.ts';

/**
 * Looks up a child from whom the user is barred, until the attempt itself is on record by the time it is answered. An
 * unready store refuses it earlier and has nothing to record.
 *
 * @returns the event
 */
export async function barredAttempt(
  service: TestService,
  nhsNumber: string,
  who: DemoClaims,
): Promise<AuditEvent> {
  const token = await service.token(who);
  let event: AuditEvent | undefined;
  await until(async () => {
    const requestId = randomUUID();
    const headers = { 'x-request-id': requestId };
    expect((await service.lookup({ nhsNumber }, { token, headers })).status).toBe(503);
    event = (await service.events()).find(
      (each) =>
        each.type === 'could-not-check' && each.cause === 'barred' && each.requestId === requestId,
    );
    return event !== undefined;
  }, 'an attempt to be on record when it is answered');
  if (event === undefined) throw new Error('no event');
  return event;
}
