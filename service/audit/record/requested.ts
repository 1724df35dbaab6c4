import { randomUUID } from 'node:crypto';
import { auditedCaller, type Caller } from '#schemas/people/caller.ts';
import type { RequestIds } from '../../http/request-ids.ts';

/** What an event about a caller's request says about that request; it has its own audit id. */
export const requestedBy = ({ ids, caller }: { ids: RequestIds; caller: Caller }) => ({
  auditId: randomUUID(),
  requestId: ids.requestId,
  correlationId: ids.correlationId,
  caller: auditedCaller(caller.identity),
});
