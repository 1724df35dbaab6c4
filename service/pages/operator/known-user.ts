import { randomUUID } from 'node:crypto';
import { auditedCaller } from '#schemas/people/caller.ts';
import { textAt } from '../../audit/search/cells.ts';
import type { AtDesk } from '../desk/guarded-desk.ts';
import type { OperatorDependencies } from './operator.ts';

/** What is to be thought of before somebody is blocked. */
export type KnownUser =
  | 'known'
  /** No request of theirs is in the audit: the id may be mistyped. */
  | 'unknown'
  /** Of those who watch what others do, operators included. */
  | 'watches'
  | 'not-told';

const EVENTS_AT_MOST = 100;
/** Of what this puts on record. */
const REPORT = 'block';

/** Looks into the audit for a user, which is on record; no more of it comes out than this. */
export async function knownUser(
  { searcher, store }: Pick<OperatorDependencies, 'searcher' | 'store'>,
  { caller, ids, named }: AtDesk,
  { issuer, user }: { issuer: string; user: string },
  reason: string,
): Promise<KnownUser> {
  const { by, account } = named(reason);
  await store.appendEvent({
    type: 'audit-search',
    auditId: randomUUID(),
    requestId: ids.requestId,
    caller: auditedCaller(caller.identity),
    by,
    reason,
    ...(account !== undefined && { account }),
    report: REPORT,
    view: 'all',
    criteria: { user },
    eventsShown: 0,
  });
  const find = async (type?: 'audit-search') => {
    const found = await searcher.ask('search', {
      criteria: { user, type },
      viewer: { kind: 'all' },
      limit: EVENTS_AT_MOST,
    });
    return found.kind === 'found'
      ? found.events.filter(
          (event) =>
            textAt(event, 'caller', 'issuer') === issuer && textAt(event, 'report') !== REPORT,
        )
      : undefined;
  };
  const looks = await find('audit-search');
  if (looks === undefined) return 'not-told';
  if (looks.length > 0) return 'watches';
  const all = await find();
  if (all === undefined) return 'not-told';
  return all.length > 0 ? 'known' : 'unknown';
}
