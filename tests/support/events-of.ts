import { randomUUID } from 'node:crypto';
import { type AuditEvent, operatorEventSchema } from '#schemas/audit/audit-event.ts';
import { claims, type TestService } from './service.ts';
import { until } from './until.ts';

/**
 * The events that requests leave behind. Refusals are recorded in order, so once a refusal before the requests and one
 * after them are on record, so is everything between. What the service records by itself is left out: acts of operators
 * and itself, and how many refusals it did not record singly.
 *
 * @param refuse makes a request that is refused and recorded; each has another user, as those of one are sampled
 */
export async function eventsOf(
  service: TestService,
  refuse: (token: string, requestId: string) => Promise<unknown>,
  requests: () => Promise<unknown>,
): Promise<AuditEvent[]> {
  async function mark(): Promise<{ events: AuditEvent[]; requestId: string }> {
    const requestId = randomUUID();
    await refuse(await service.token(claims({ sub: requestId })), requestId);
    let events: AuditEvent[] = [];
    await until(async () => {
      events = await service.events();
      return events.some((event) => 'requestId' in event && event.requestId === requestId);
    }, 'a refusal to be on record');
    return { events, requestId };
  }
  const before = await mark();
  await requests();
  const after = await mark();
  const known = new Set(before.events.map(({ partition, number }) => `${partition} ${number}`));
  return after.events.filter(
    (event) =>
      !known.has(`${event.partition} ${event.number}`) &&
      !operatorEventSchema.shape.type.safeParse(event.type).success &&
      !(event.type === 'refusal' && event.count !== undefined) &&
      !('requestId' in event && event.requestId === after.requestId),
  );
}
