import { join } from 'node:path';
import type { AuditEvent } from '#schemas/audit/audit-event.ts';
import { sealedEvents } from '#service/audit/log/sealed.ts';
import { auditPartitions } from '#store/keys.ts';
import type { Store } from '#store/store.ts';

/** Every audit event of a data folder and its Redis: those sealed, and those that wait for it. */
export async function allEvents(
  dataDir: string,
  store: Pick<Store, 'readEvents'>,
  streams = auditPartitions,
): Promise<AuditEvent[]> {
  // Redis first: what is sealed and trimmed in the meantime is found in the log then.
  const waiting = await Promise.all(streams.map((partition) => store.readEvents(partition)));
  const events = new Map<string, AuditEvent>();
  const add = (event: AuditEvent) => events.set(`${event.partition} ${event.number}`, event);
  for await (const { event } of sealedEvents(join(dataDir, 'audit'), 0)) {
    if (event.type !== 'unreadable' && streams.includes(event.partition)) add(event);
  }
  waiting.flat().forEach(add);
  return [...events.values()].toSorted((a, b) => a.at - b.at || a.number - b.number);
}
