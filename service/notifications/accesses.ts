import { z } from 'zod';
import {
  attendanceEventSchema,
  type LookupEvent,
  lookupEventSchema,
  shownPlanSchema,
  sourceSchema,
} from '#schemas/audit/audit-event.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import type { NotificationEntry } from '#schemas/notification.ts';

/** One access to plans of one authority, as a sealed event tells it. */
export type NotifiedAccess = Pick<
  NotificationEntry,
  'nhsNumber' | 'plans' | 'user' | 'role' | 'organisation' | 'setting' | 'reason'
> & {
  auditId: string;
  /** Milliseconds, the store's time. */
  at: number;
  authority: string;
  /** Who looked at whom: repeats of one within 24 hours are one entry. */
  key: string;
};

/** What came of an access, for one authority. */
export type NotifiedAttendance = Pick<NotifiedAccess, 'authority' | 'key'> & {
  attendance: NonNullable<NotificationEntry['attendance']>;
};

/** What an entry of the log means for notifications. `unreadable`: it may have been an access. */
export type ReadEntry =
  | { kind: 'nothing' }
  | { kind: 'accesses'; accesses: NotifiedAccess[] }
  | {
      kind: 'attendances';
      attendances: NotifiedAttendance[];
      /** A child is gone whom somebody wanted to see: that waits for no window. */
      atOnce: boolean;
    }
  | { kind: 'unreadable' };

/** Most lookups find nothing, and every entry begins the same way, before anything a caller has sent. */
const NOT_FLAGGED =
  /^\{"partition":(?:[0-9]+|"system"),"number":[0-9]+,"at":[0-9]+,"outcome":"not-flagged",/;
const BEGINNING_BYTES = 120;

const kindSchema = z.object({ type: z.unknown().optional(), outcome: z.unknown().optional() });

/** No more of an event than a notification takes, so that one of a newer version can be read as well. */
const shownLookupSchema = lookupEventSchema
  .pick({ type: true, auditId: true, access: true, nhsNumber: true, setting: true, caller: true })
  .extend({
    at: z.number(),
    reason: z.string().optional(),
    shown: z
      .array(
        shownPlanSchema
          .pick({ type: true, startDate: true, status: true })
          .extend({ authority: odsCodeSchema }),
      )
      .min(1),
    sources: z.array(sourceSchema).optional(),
  });

const shownAttendanceSchema = attendanceEventSchema
  .pick({ caller: true, nhsNumber: true, attended: true, ward: true, switchboard: true })
  .extend({
    at: z.number(),
    shown: z.array(z.object({ authority: odsCodeSchema })).default([]),
  });

const keyOf = (
  { issuer, user, organisation }: Pick<LookupEvent['caller'], 'issuer' | 'user' | 'organisation'>,
  nhsNumber: string,
): string => JSON.stringify([issuer, user, organisation.code, nhsNumber]);

function readAttendance(json: unknown): ReadEntry {
  const event = shownAttendanceSchema.safeParse(json).data;
  if (event === undefined) return { kind: 'unreadable' };
  const { at, caller, nhsNumber, attended, ward, switchboard, shown } = event;
  const attendance = {
    attended,
    at: new Date(at).toISOString(),
    ...(ward !== undefined && { ward }),
    ...(switchboard !== undefined && { switchboard }),
  };
  const key = keyOf(caller, nhsNumber);
  const authorities = new Set(shown.map(({ authority }) => authority));
  return {
    kind: 'attendances',
    attendances: [...authorities].map((authority) => ({ authority, key, attendance })),
    atOnce: attended === 'left-before-seen',
  };
}

/**
 * Reads an entry of the log. Only a lookup that showed a plan and was no silent read, and what came of it, tell anybody anything;
 * every authority with a plan among those shown is told. One whose answer could not be delivered counts:
 * part of it may have been read.
 *
 * @throws where the entry is not JSON, which no writer of the log has written
 */
export function readEntry(entry: Buffer): ReadEntry {
  if (NOT_FLAGGED.test(entry.toString('latin1', 0, BEGINNING_BYTES))) return { kind: 'nothing' };
  const json: unknown = JSON.parse(entry.toString('utf8'));
  const kind = kindSchema.safeParse(json).data;
  if (kind === undefined || kind.type === 'unreadable') return { kind: 'unreadable' };
  if (kind.type === 'attendance') return readAttendance(json);
  if (kind.outcome !== 'flagged') return { kind: 'nothing' };
  const event = shownLookupSchema.safeParse(json).data;
  if (event === undefined) return { kind: 'unreadable' };
  if (event.access === 'silent-read') return { kind: 'nothing' };

  const { auditId, at, nhsNumber, setting, reason, caller, shown, sources } = event;
  const { user, name, role, organisation } = caller;
  const plansOf = new Map<string, NotifiedAccess['plans']>();
  for (const [i, { authority, type, startDate, status }] of shown.entries()) {
    const plans = plansOf.get(authority) ?? [];
    plans.push({ type, startDate, status, ...sources?.[i] });
    plansOf.set(authority, plans);
  }
  return {
    kind: 'accesses',
    accesses: [...plansOf].map(([authority, plans]) => ({
      auditId,
      at,
      authority,
      key: keyOf(caller, nhsNumber),
      nhsNumber,
      plans,
      user: { id: user, name },
      role: { code: role.code, name: role.name },
      organisation: { code: organisation.code, name: organisation.name },
      setting,
      ...(reason !== undefined && { reason }),
    })),
  };
}
