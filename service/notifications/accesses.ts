import { z } from 'zod';
import {
  attendanceEventSchema,
  type LookupEvent,
  lookupEventSchema,
  restrictionEventSchema,
  shownPlanSchema,
  sourceSchema,
} from '#schemas/audit/audit-event.ts';
import type { ProtectionAct } from '#schemas/audit/protections.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import type { NotificationEntry } from '#schemas/notification.ts';
import { NOT_SHOWN } from '#schemas/wording/lookup.ts';

/** One access to plans of one authority, from a sealed event. */
export type NotifiedAccess = Pick<
  NotificationEntry,
  | 'nhsNumber'
  | 'plans'
  | 'user'
  | 'role'
  | 'organisation'
  | 'setting'
  | 'withheld'
  | 'barred'
  | 'reason'
> & {
  auditId: string;
  /** Milliseconds, the store's time. */
  at: number;
  authority: string;
  /** Who looked at whom: repeats within 24 hours are one entry. */
  key: string;
  /** The authority keeps something back about the child: it is notified of each look at once, even of a repeat. */
  atOnce: boolean;
  /** The councils that the event says keep back where this was, the oldest protection first. */
  keptBy: readonly string[];
};

/** The outcome of an access, for one authority. */
export type NotifiedAttendance = Pick<
  NotifiedAccess,
  'authority' | 'key' | 'nhsNumber' | 'keptBy'
> & {
  attendance: NonNullable<NotificationEntry['attendance']>;
};

/** A council begins or stops keeping back where one of its children is looked up. */
export type KeptWhereabouts = ProtectionAct & {
  nhsNumber: string;
  /** Milliseconds. */
  at: number;
};

/** What an entry of the log means for notifications. `unreadable`: it may have been an access. */
export type ReadEntry =
  | { kind: 'nothing' }
  | { kind: 'accesses'; accesses: NotifiedAccess[] }
  | { kind: 'whereabouts'; whereabouts: KeptWhereabouts }
  | {
      kind: 'attendances';
      attendances: NotifiedAttendance[];
      /** The child left or was not seen, so the authority is notified at once and not at the end of a window. */
      atOnce: boolean;
    }
  | { kind: 'unreadable' };

/** Most lookups find nothing, and every entry begins the same way, before anything a caller has sent. */
const NOT_FLAGGED =
  /^\{"partition":(?:[0-9]+|"system"),"number":[0-9]+,"at":[0-9]+,"outcome":"not-flagged",/;
const BEGINNING_BYTES = 120;

const kindSchema = z.object({ type: z.unknown().optional(), outcome: z.unknown().optional() });

/** Only the parts of an event that a notification needs, so that a newer version's can be read as well. */
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
    whereaboutsOf: z.array(z.string()).default([]),
  });

const barredSchema = lookupEventSchema
  .pick({ auditId: true, nhsNumber: true, setting: true, caller: true })
  .extend({
    at: z.number(),
    occurredAt: z.iso.datetime().optional(),
    barredBy: z.array(odsCodeSchema).default([]),
    protectedBy: z.array(odsCodeSchema).default([]),
  });

const whereaboutsSchema = restrictionEventSchema
  .pick({ act: true, restriction: true, kind: true, authority: true, nhsNumber: true })
  .extend({ at: z.number() });

const shownAttendanceSchema = attendanceEventSchema
  .pick({ caller: true, nhsNumber: true, attended: true, ward: true, switchboard: true })
  .extend({
    at: z.number(),
    shown: z.array(z.object({ authority: odsCodeSchema })).default([]),
    whereaboutsOf: z.array(z.string()).default([]),
  });

const keyOf = (
  { issuer, user, organisation }: Pick<LookupEvent['caller'], 'issuer' | 'user' | 'organisation'>,
  nhsNumber: string,
): string => JSON.stringify([issuer, user, organisation.code, nhsNumber]);

/** The key of looks notified without who and where: they are never added to an entry that names them. */
export const withheldKey = (key: string): string => `${key} withheld`;

/** Who looked and where, as others see it while a council keeps that back. */
const WITHHELD = {
  user: { id: '', name: NOT_SHOWN },
  role: { code: '', name: NOT_SHOWN },
  organisation: { code: '', name: NOT_SHOWN },
  setting: 'not-shown',
  withheld: true,
} as const;

/** A look without who looked, where, and why. */
export function withoutWho<Look extends { reason?: string | undefined }>(whole: Look) {
  const { reason: _, ...look } = whole;
  return { ...look, ...WITHHELD };
}

/** An access, for those from whom its place is kept. */
export const withheldAccess = (access: NotifiedAccess): NotifiedAccess => ({
  ...withoutWho(access),
  key: withheldKey(access.key),
});

/** The outcome of a look, without where. */
export const withoutPlace = ({
  ward: _ward,
  switchboard: _switchboard,
  ...rest
}: NotifiedAttendance['attendance']): NotifiedAttendance['attendance'] => rest;

/**
 * Somebody was answered as if the check could not be made, since councils bar them from the child: those
 * councils are notified, and so is the one that protects where the child is looked up.
 */
function readBarred(json: unknown): ReadEntry {
  const event = barredSchema.safeParse(json).data;
  if (event === undefined) return { kind: 'unreadable' };
  const { auditId, at, occurredAt, nhsNumber, setting, caller, barredBy, protectedBy } = event;
  const { user, name, role, organisation } = caller;
  if (barredBy.length === 0) return { kind: 'nothing' };
  const councils = new Set([...barredBy, ...protectedBy.slice(0, 1)]);
  return {
    kind: 'accesses',
    accesses: [...councils].map((authority) => ({
      auditId,
      at: occurredAt === undefined ? at : Date.parse(occurredAt),
      authority,
      key: `${keyOf(caller, nhsNumber)} barred`,
      nhsNumber,
      plans: [],
      user: { id: user, name },
      role,
      organisation,
      setting,
      barred: true as const,
      atOnce: true,
      keptBy: protectedBy,
    })),
  };
}

function readWhereabouts(json: unknown): ReadEntry {
  const event = whereaboutsSchema.safeParse(json).data;
  if (event === undefined) return { kind: 'unreadable' };
  const { kind, ...whereabouts } = event;
  return kind === 'whereabouts' ? { kind, whereabouts } : { kind: 'nothing' };
}

function readAttendance(json: unknown): ReadEntry {
  const event = shownAttendanceSchema.safeParse(json).data;
  if (event === undefined) return { kind: 'unreadable' };
  const { at, caller, nhsNumber, attended, ward, switchboard, shown, whereaboutsOf } = event;
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
    attendances: [...authorities].map((authority) => ({
      authority,
      nhsNumber,
      key,
      attendance,
      keptBy: whereaboutsOf,
    })),
    atOnce: attended === 'left-before-seen',
  };
}

/**
 * Reads an entry of the log. Authorities with a plan among those shown are notified of every lookup that
 * showed one and was not a silent read, and of its outcome. The councils that bar a user are notified of each
 * attempt. A lookup whose answer could not be delivered counts: part of it may have been read.
 *
 * @throws if the entry is not JSON, which no writer of the log writes
 */
export function readEntry(entry: Buffer): ReadEntry {
  if (NOT_FLAGGED.test(entry.toString('latin1', 0, BEGINNING_BYTES))) return { kind: 'nothing' };
  const json: unknown = JSON.parse(entry.toString('utf8'));
  const kind = kindSchema.safeParse(json).data;
  if (kind === undefined || kind.type === 'unreadable') return { kind: 'unreadable' };
  if (kind.type === 'attendance') return readAttendance(json);
  if (kind.type === 'could-not-check') return readBarred(json);
  if (kind.type === 'restriction') return readWhereabouts(json);
  if (kind.outcome !== 'flagged') return { kind: 'nothing' };
  const event = shownLookupSchema.safeParse(json).data;
  if (event === undefined) return { kind: 'unreadable' };
  if (event.access === 'silent-read') return { kind: 'nothing' };

  const { auditId, at, nhsNumber, setting, reason, caller, shown, sources, whereaboutsOf } = event;
  const { user, name, role, organisation } = caller;
  const key = keyOf(caller, nhsNumber);
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
      key,
      nhsNumber,
      plans,
      atOnce: whereaboutsOf.includes(authority),
      keptBy: whereaboutsOf,
      user: { id: user, name },
      role: { code: role.code, name: role.name },
      organisation: { code: organisation.code, name: organisation.name },
      setting,
      ...(reason !== undefined && { reason }),
    })),
  };
}
