import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import { textAt } from './cells.ts';
import type { ShownEvent } from './view.ts';

/** What to consider before, or after, somebody is blocked. */
export type KnownUser =
  | 'known'
  /** No request of theirs is in the audit: the id may be mistyped. */
  | 'unknown'
  /** The user is one of those who watch what others do, operators included. */
  | 'watches'
  | 'not-told';

/** The name under which such a look into the audit is on record. */
export const BLOCK_REPORT = 'block';
/** How many events are looked at. */
export const BLOCK_EVENTS_AT_MOST = 100;

/**
 * What the audit knows of a user of an issuer.
 *
 * @param find the events that match; `undefined` if the audit cannot be searched
 */
export async function knownUser(
  find: (criteria: AuditCriteria) => Promise<readonly ShownEvent[] | undefined>,
  { issuer, user }: { issuer: string; user: string },
): Promise<KnownUser> {
  const isTheirs = (event: ShownEvent): boolean =>
    textAt(event, 'caller', 'issuer') === issuer && textAt(event, 'report') !== BLOCK_REPORT;
  const all = await find({ user });
  // After the others: a look that the index got in between would otherwise make them known, and no more than that.
  const looks = all && (await find({ user, type: 'audit-search' }));
  if (looks === undefined) return 'not-told';
  if (looks.some(isTheirs)) return 'watches';
  return all?.some(isTheirs) === true ? 'known' : 'unknown';
}
