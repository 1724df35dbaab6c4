import type { Redis } from 'ioredis';
import { type AuditEvent, type WrittenEvent, writtenJson } from '#schemas/audit/audit-event.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { type AuditPartition, keys } from '../keys.ts';
import { parseStreamEvent } from './stream-entry.ts';

/**
 * Appends an event that is not a lookup's. On disk when it resolves.
 *
 * @returns its number in its stream
 */
export async function appendEvent(
  redis: Redis,
  event: WrittenEvent,
  partition: AuditPartition = 'system',
): Promise<number> {
  const stream = keys.audit(partition);
  return Number(await redis.fcall(FUNCTIONS.appendEvent, 1, stream, writtenJson(event)));
}

/** Events of one stream from a number on. */
export async function readEvents(
  redis: Redis,
  partition: AuditPartition,
  fromNumber = 1,
): Promise<AuditEvent[]> {
  const entries = await redis.xrange(keys.audit(partition), `0-${fromNumber}`, '+');
  return entries.map(([id, fields]) => parseStreamEvent(partition, id, fields));
}
