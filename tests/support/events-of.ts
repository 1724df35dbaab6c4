import { randomUUID } from 'node:crypto';
import { type AuditEvent, operatorEventSchema } from '#schemas/audit/audit-event.ts';
import { claims, type TestService } from './service.ts';
import { until } from './until.ts';

/** Makes a request that is refused and recorded; each has another user, as those of one are sampled. */
type Refuse = (token: string, requestId: string) => Promise<unknown>;

/** Whether an event is of one of these requests. */
const isAmong = (requests: ReadonlySet<string>, event: AuditEvent): boolean =>
  'requestId' in event && event.requestId !== undefined && requests.has(event.requestId);

/**
 * All events, once every refusal before is among them, since refusals are recorded in order.
 *
 * @param marks the requests refused for this, to which more are added
 */
async function eventsUntilNow(
  service: TestService,
  refuse: Refuse,
  marks: Set<string>,
): Promise<AuditEvent[]> {
  const own = new Set<string>();
  let events: AuditEvent[] = [];
  await until(async () => {
    // A new one each time, as one that could not be recorded is never on record.
    const requestId = randomUUID();
    own.add(requestId);
    marks.add(requestId);
    await refuse(await service.token(claims({ sub: requestId })), requestId);
    events = await service.events();
    return events.some((event) => isAmong(own, event));
  }, 'a refusal to be on record');
  return events;
}

/** When it happened, which is earlier than it was recorded if the store was away meanwhile. */
const happened = (event: AuditEvent): number =>
  'occurredAt' in event && event.occurredAt !== undefined ? Date.parse(event.occurredAt) : event.at;

/**
 * The events that happened during requests. Refusals are recorded in order, so once a refusal before the requests and
 * one after them are on record, so is everything between.
 */
export async function eventsDuring(
  service: TestService,
  refuse: Refuse,
  requests: () => Promise<unknown>,
): Promise<AuditEvent[]> {
  const marks = new Set<string>();
  const before = await eventsUntilNow(service, refuse, marks);
  const known = new Set(before.map(({ partition, number }) => `${partition} ${number}`));
  const began = Date.now();
  await requests();
  return (await eventsUntilNow(service, refuse, marks)).filter(
    (event) =>
      happened(event) >= began &&
      !known.has(`${event.partition} ${event.number}`) &&
      !isAmong(marks, event),
  );
}

/**
 * The events that requests leave behind: those that happened during them but for what the service records by itself,
 * which is acts of operators and itself, and how many refusals it did not record singly.
 */
export async function eventsOf(
  service: TestService,
  refuse: Refuse,
  requests: () => Promise<unknown>,
): Promise<AuditEvent[]> {
  return (await eventsDuring(service, refuse, requests)).filter(
    (event) =>
      !operatorEventSchema.shape.type.safeParse(event.type).success &&
      !(event.type === 'refusal' && event.count !== undefined),
  );
}
