import type { Redis } from 'ioredis';
import { ATTENDANCE_HOURS } from '#schemas/attendance.ts';
import { type AttendanceEvent, writtenJson } from '#schemas/audit/audit-event.ts';
import { type NhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import { list } from './connection/reply.ts';
import { FUNCTIONS } from './functions/functions.ts';
import { keys } from './keys.ts';
import type { Readiness } from './trust/readiness.ts';

type Recorded =
  | {
      kind: 'recorded';
      /** Milliseconds, the store's time. */
      at: number;
      /** Codes of the authorities that have a plan of the child now. */
      authorities: string[];
    }
  /** No look of this user at a flagged child is listed. */
  | { kind: 'no-look' }
  | { kind: 'could-not-record' };

export type RecordAttendance = (
  nhsNumber: NhsNumber,
  userKey: string,
  event: AttendanceEvent,
) => Promise<Recorded>;

const COUNTS_MS = ATTENDANCE_HOURS * 3_600_000;

/** Records the outcome of a look, on disk when it resolves. Never rejects. */
export function createAttendance(
  redis: Redis,
  readiness: Pick<Readiness, 'open' | 'dataset' | 'generation'>,
): RecordAttendance {
  return async (nhsNumber, userKey, event) => {
    const dataset = readiness.open ? readiness.dataset : undefined;
    if (dataset === undefined) return { kind: 'could-not-record' };
    const partition = partitionOf(nhsNumber);
    try {
      const reply = await redis.fcall(
        FUNCTIONS.attendance,
        3,
        keys.children(partition),
        keys.accessLists(partition),
        keys.audit(partition),
        dataset.id,
        readiness.generation(partition),
        nhsNumber,
        userKey,
        event.lookupId,
        COUNTS_MS,
        writtenJson(event),
      );
      const [kind, at, authorities] = list(reply);
      if (kind === 'no-look') return { kind };
      if (kind !== 'recorded' || typeof at !== 'number') return { kind: 'could-not-record' };
      const codes = typeof authorities === 'string' && authorities !== '' ? authorities : undefined;
      return { kind, at, authorities: [...new Set(codes?.split('\u001f'))] };
    } catch {
      return { kind: 'could-not-record' };
    }
  };
}
