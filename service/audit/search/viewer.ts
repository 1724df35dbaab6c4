import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import type { Identity } from '#schemas/people/identity.ts';
import type { Viewer } from './view.ts';

export type ViewerDependencies = {
  readiness: { authorities: ReadonlyMap<string, { name: string }> };
  /** The operating organisation's code; `undefined` if none is configured. */
  operator: () => string | undefined;
};

/**
 * The viewer that a caller counts as, in the API and on the pages. Only the organisation of the role in use
 * decides what its holder sees.
 */
export function viewerOf(
  { role: { organisation } }: Pick<Identity, 'role'>,
  { readiness, operator }: ViewerDependencies,
): Viewer {
  const { code } = organisation;
  if (code === operator()) return { kind: 'all' };
  return readiness.authorities.has(code)
    ? { kind: 'authority', authority: code }
    : { kind: 'organisation', organisation: code };
}

/** Criteria as they are recorded: times are texts again. */
export function recordedCriteria(criteria: AuditCriteria): Record<string, string> {
  return Object.fromEntries(
    Object.entries(criteria).flatMap(([name, value]) => {
      if (value === undefined) return [];
      return [[name, typeof value === 'number' ? new Date(value).toISOString() : value]];
    }),
  );
}
