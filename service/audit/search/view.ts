import type { AuditEvent, UnreadableEvent } from '#schemas/audit/audit-event.ts';

/**
 * Whose eyes look into the audit: the operating organisation sees all; an organisation its own people's
 * lookups, without plan details; an authority the accesses to children whose plan it holds.
 */
export type Viewer =
  | { kind: 'all' }
  | {
      kind: 'organisation';
      organisation: string;
      /** Set of an access that a case is about: with the plans that were shown. */
      inCase?: true;
    }
  | { kind: 'authority'; authority: string };

/** An event as a viewer may see it. */
export type ShownEvent = Record<string, unknown> & { type: string; at: string };

/** When it happened, milliseconds: of what waited while the store was away, before it was recorded. */
export function happenedAt(event: AuditEvent | UnreadableEvent): number {
  const occurred = 'occurredAt' in event ? event.occurredAt : undefined;
  return occurred === undefined ? event.at : Date.parse(occurred);
}

/**
 * If councils keep back where a child was looked up, the first of them alone is told where that was: another that has
 * a plan too could otherwise read the place by protecting the child itself. Nobody else is: not by a place, nor by a person.
 *
 * The store keeps the order, and a look's event has it for good: its first council was notified then, so that what
 * comes later takes the place from no council that has it, and gives it to none. Acts may be recorded, and read, in another
 * order than they come about. By theirs another council could be the first, and neither would be told.
 *
 * @param own councils that the look's event names, the oldest protection first
 * @param kept councils of which acts are on record that have not ended, the oldest first: for looks that name none
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
 * An event as a viewer may see it, or `undefined` if it is not for them. Decided on the event itself,
 * so that no fault of an index shows anybody another's.
 *
 * @param councils that keep back by now where the child was looked up, by the acts on record, the oldest first
 *
 * An authority is told about unscheduled accesses that showed a plan of its own, with that plan alone: silent
 * reads are told to nobody (where a child is treated is sensitive), and other authorities' plans are theirs.
 * If a council keeps back where the child was looked up, no other is told who looked, or where.
 * Source: Access to Service notification, REPC_MT000004GB01; docs/decisions, 23 and 24.
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
      // Which plans were shown is not needed to judge most accesses, and where they came from is for their authority.
      const {
        partition: _partition,
        number: _number,
        sources: _sources,
        shown: plans,
        accessesShown: _accessesShown,
        // An organisation that looked a child up may not learn who else is concerned with the child.
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
