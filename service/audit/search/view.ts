import type { AuditEvent, UnreadableEvent } from '#schemas/audit/audit-event.ts';

/**
 * Who is viewing the audit: the operating organisation sees all; an organisation its own people's lookups,
 * without plan details; an authority the accesses to children with a plan of its own.
 */
export type Viewer =
  | { kind: 'all' }
  | {
      kind: 'organisation';
      organisation: string;
      /** Set for an access with a case: with the plans that were shown. */
      inCase?: true;
    }
  | { kind: 'authority'; authority: string };

/** An event as a viewer may see it. */
export type ShownEvent = Record<string, unknown> & { type: string; at: string };

/** When it happened, milliseconds: for events that waited while the store was away, before they were recorded. */
export function happenedAt(event: AuditEvent | UnreadableEvent): number {
  const occurred = 'occurredAt' in event ? event.occurredAt : undefined;
  return occurred === undefined ? event.at : Date.parse(occurred);
}

/**
 * If councils keep back where a child was looked up, only the first of them is told where: otherwise another
 * with a plan could learn the place by protecting the child itself. Nobody else is told the place or the
 * person.
 *
 * The store keeps the order, and a look's event records it for good: its first council was notified then, so
 * later acts take the place from no council that has it, and give it to none. Acts may be recorded, and read,
 * in a different order from that in which they take effect. By that order another council could be the first,
 * and neither would be told.
 *
 * @param own councils that the look's event names, the oldest protection first
 * @param kept councils with recorded acts that have not ended, the oldest first: for looks that name none
 */
export function isKeptFrom(
  authority: string,
  own: readonly string[],
  kept: readonly string[] = [],
): boolean {
  const [first] = own.length > 0 ? own : kept;
  return first !== undefined && first !== authority;
}

/**
 * An event as a viewer may see it, or `undefined` if it is not for them. Decided from the event itself, so
 * that no fault of an index shows anybody another's.
 *
 * An authority sees unscheduled accesses that showed a plan of its own, with only that plan: silent reads are
 * shown to no authority (where a child is treated is sensitive), and other authorities' plans are theirs. If a
 * council keeps back where the child was looked up, no other sees who looked, or where.
 * Source: Access to Service notification, REPC_MT000004GB01; docs/decisions, 23 and 24.
 *
 * @param councils that at present keep back where the child was looked up, by the recorded acts, the oldest
 * first
 */
export function viewOf(
  viewer: Viewer,
  event: AuditEvent | UnreadableEvent,
  index: number,
  councils: readonly string[] = [],
): ShownEvent | undefined {
  const at = new Date(happenedAt(event)).toISOString();
  switch (viewer.kind) {
    case 'all':
      return { ...event, at, entry: index };
    case 'organisation': {
      const own = 'caller' in event && event.caller?.organisation?.code === viewer.organisation;
      if (!own) return undefined;
      // Most accesses can be judged without the plans shown, and where those came from is for their
      // authority.
      const {
        partition: _partition,
        number: _number,
        sources: _sources,
        shown: plans,
        accessesShown: _accessesShown,
        // An organisation that looked a child up must not learn who else is concerned with the child.
        whereaboutsOf: _whereaboutsOf,
        barredBy: _barredBy,
        protectedBy: _protectedBy,
        ...told
      } = { barredBy: undefined, protectedBy: undefined, ...event };
      return { ...told, at, ...(viewer.inCase && plans && { shown: plans }) };
    }
    case 'authority': {
      if (event.type !== 'lookup' || event.access !== 'unscheduled') return undefined;
      const { shown: plans = [], sources = [] } = event;
      const shown = plans.flatMap((plan, i) =>
        plan.authority === viewer.authority ? { ...plan, localId: sources[i]?.localId } : [],
      );
      if (shown.length === 0) return undefined;
      const { type, auditId, caller, setting, access, nhsNumber, whereaboutsOf = [] } = event;
      const { user, name, role, organisation } = caller;
      const isWithheld = isKeptFrom(viewer.authority, whereaboutsOf, councils);
      return {
        type,
        auditId,
        at,
        ...(isWithheld
          ? { withheld: true }
          : { caller: { user, name, role, organisation }, setting }),
        access,
        nhsNumber,
        outcome: 'flagged',
        shown,
      };
    }
  }
}
