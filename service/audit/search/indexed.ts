import type { AuditEvent, UnreadableEvent } from '#schemas/audit/audit-event.ts';
import { type AuditOutcome } from '#schemas/audit/audit-search.ts';
import type { Access } from '#schemas/people/care-setting.ts';
import type { SealedLook } from '../log/sealed.ts';
import { happenedAt } from './view.ts';

/** The searchable parts of an event. */
export type Indexed = {
  at: number;
  type: string;
  child?: string | undefined;
  issuer?: string | undefined;
  user?: string | undefined;
  organisation?: string | undefined;
  role?: string | undefined;
  access?: Access | undefined;
  outcome?: AuditOutcome | undefined;
  /** The code of a refusal, the cause of a could-not-check, or the name of a report. */
  code?: string | undefined;
  /** How many such events it stands for. */
  times: number;
  authorities: string[];
};

function outcomeOf(event: AuditEvent): AuditOutcome | undefined {
  switch (event.type) {
    case 'lookup':
      return event.outcome;
    case 'could-not-check':
    case 'not-delivered':
      return event.type;
    case 'refusal':
      return 'refused';
    default:
      return undefined;
  }
}

function codeOf(event: AuditEvent): string | undefined {
  switch (event.type) {
    case 'could-not-check':
      return event.cause;
    case 'refusal':
      return event.code;
    case 'audit-search':
      return event.report;
    default:
      return undefined;
  }
}

/**
 * An event that names one authority is found by it: as a member, or in the details of an operator's act, so
 * that a new kind of event needs no code here. Other events are found by the authorities whose plans were
 * shown.
 */
function authoritiesOf(event: AuditEvent): string[] {
  const named =
    'authority' in event ? event.authority : 'detail' in event && event.detail['authority'];
  if (typeof named === 'string') return [named];
  return [...new Set(event.shown?.map(({ authority }) => authority))];
}

function childOf(event: AuditEvent): string | undefined {
  if ('nhsNumber' in event) return event.nhsNumber;
  const searched = event.type === 'audit-search' ? event.criteria['nhsNumber'] : undefined;
  return typeof searched === 'string' ? searched : undefined;
}

/** The same for all looks that have this in common. */
export function indexedLook({
  caller,
  access,
}: SealedLook['common']): Omit<Indexed, 'at' | 'child' | 'authorities'> {
  const { issuer, user, organisation, role } = caller;
  const who = { issuer, user, organisation: organisation.code, role: role.name };
  return { type: 'lookup', ...who, access, outcome: 'not-flagged', times: 1 };
}

/** The searchable parts of an event. */
export function indexed(event: AuditEvent | UnreadableEvent): Indexed {
  const at = happenedAt(event);
  if (event.type === 'unreadable') return { at, type: event.type, times: 1, authorities: [] };
  const caller = 'caller' in event ? event.caller : undefined;
  return {
    at,
    type: event.type,
    child: childOf(event),
    issuer: caller?.issuer,
    user: caller?.user ?? ('by' in event ? event.by : undefined),
    organisation: caller?.organisation?.code,
    role: caller?.role?.name,
    access: 'access' in event ? event.access : undefined,
    outcome: outcomeOf(event),
    code: codeOf(event),
    times: (event.type === 'refusal' ? event.count : undefined) ?? 1,
    authorities: authoritiesOf(event),
  };
}
