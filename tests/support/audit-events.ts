import { join } from 'node:path';
import type { AuditEvent } from '#schemas/audit/audit-event.ts';
import { sealedEvents } from '#service/audit/log/sealed.ts';
import { auditPartitions } from '#store/keys.ts';
import type { Store } from '#store/store.ts';

/** Every audit event of a data folder and its Redis, whether sealed or still waiting. */
export async function allEvents(
  dataDir: string,
  store: Pick<Store, 'readEvents'>,
  streams = auditPartitions,
): Promise<AuditEvent[]> {
  // Redis is read first, so events sealed and trimmed meanwhile are then found in the log.
  const waiting = await Promise.all(streams.map((partition) => store.readEvents(partition)));
  const events = new Map<string, AuditEvent>();
  const add = (event: AuditEvent) => events.set(`${event.partition} ${event.number}`, event);
  for await (const { event } of sealedEvents(join(dataDir, 'audit'), 0)) {
    if (event.type !== 'unreadable' && streams.includes(event.partition)) add(event);
  }
  waiting.flat().forEach(add);
  return [...events.values()].toSorted((a, b) => a.at - b.at || a.number - b.number);
}
