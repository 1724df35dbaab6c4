import { randomUUID } from 'node:crypto';
import { auditedCaller } from '#schemas/people/caller.ts';
import {
  BLOCK_EVENTS_AT_MOST,
  BLOCK_REPORT,
  type KnownUser,
  knownUser,
} from '../../audit/search/known-user.ts';
import type { AtDesk } from '../desk/guarded-desk.ts';
import type { OperatorDependencies } from './operator.ts';

/** Looks into the audit for a user, which is recorded; only this result comes out. */
export async function lookForUser(
  { searcher, store }: Pick<OperatorDependencies, 'searcher' | 'store'>,
  { caller, ids, named }: AtDesk,
  whom: { issuer: string; user: string },
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
    report: BLOCK_REPORT,
    view: 'all',
    criteria: { user: whom.user },
    eventsShown: 0,
  });
  return knownUser(async (criteria) => {
    const found = await searcher.ask('search', {
      criteria,
      viewer: { kind: 'all' },
      limit: BLOCK_EVENTS_AT_MOST,
    });
    return found.kind === 'found' ? found.events : undefined;
  }, whom);
}
