import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import { textAt } from './cells.ts';
import type { ShownEvent } from './view.ts';

/** What to consider before, or after, blocking somebody. */
export type KnownUser =
  | 'known'
  /** The audit has no request of theirs: the id may be mistyped. */
  | 'unknown'
  /** The user watches what others do, including operators. */
  | 'watches'
  | 'not-told';

/** The name under which such a look into the audit is on record. */
export const BLOCK_REPORT = 'block';
/** How many events are examined. */
export const BLOCK_EVENTS_AT_MOST = 100;

/**
 * What the audit knows about a user of an issuer.
 *
 * @param find the matching events; `undefined` if the audit cannot be searched
 */
export async function knownUser(
  find: (criteria: AuditCriteria) => Promise<readonly ShownEvent[] | undefined>,
  { issuer, user }: { issuer: string; user: string },
): Promise<KnownUser> {
  const isTheirs = (event: ShownEvent): boolean =>
    textAt(event, 'caller', 'issuer') === issuer && textAt(event, 'report') !== BLOCK_REPORT;
  const all = await find({ user });
  // After the others: a look that the index added in between would otherwise make them known, and nothing
  // more.
  const looks = all && (await find({ user, type: 'audit-search' }));
  if (looks === undefined) return 'not-told';
  if (looks.some(isTheirs)) return 'watches';
  return all?.some(isTheirs) === true ? 'known' : 'unknown';
}
