import type { Api } from '#schemas/audit/audit-event.ts';
import type { ErrorCode } from '#schemas/errors.ts';
import type { NoteRefusal, Refused } from '../audit/record/refusals.ts';
import type { ProblemOptions } from '../http/problem.ts';
import type { RequestHead } from '../http/request-head.ts';
import { idFields, readRequestIds } from '../http/request-ids.ts';
import type { Handler, RouteContext } from '../http/route.ts';
import { errorFields, type LogFields } from '../telemetry/log.ts';
import type { Trace, Traces } from '../telemetry/traces.ts';
import type { KnownCaller, Refusal } from './admission.ts';

/** What every route with a token needs. */
export type GuardDependencies = { noteRefusal: NoteRefusal; traces: Pick<Traces, 'of'> };

/** What distinguishes one kind of guarded route from another. */
export type Guard<A extends KnownCaller> = {
  /** Called before anything else in a request is read: is it one too many for this process? */
  overloaded?: () => boolean;
  /** Judges the caller, only by the head of a request. */
  admit: (head: RequestHead) => A | Refusal | Promise<A | Refusal>;
  /** The head to judge by, if different from the one sent. */
  headOf?: (sent: RequestHead) => RequestHead;
  /** Words a refusal. */
  refuse: (code: ErrorCode, options: ProblemOptions) => Response;
  /** What the event of a refusal calls this way of asking. */
  api: Api;
  /** How a fault inside the service is answered and logged. */
  fault: { code: ErrorCode; log: (fields: LogFields) => void };
};

/** Why an admitted request is refused; the guard knows the caller, and by which way. */
export type WorkRefused = Pick<Refused, 'code' | 'number' | 'limit'>;

/** What a route does for an admitted caller. */
export type GuardedWork<A extends KnownCaller> = (
  c: RouteContext,
  admitted: A,
  trace: Trace | undefined,
) => Promise<Response | WorkRefused>;

/**
 * The one skeleton of every route with a token: overload, identity, admission, work. A refusal at any of
 * these steps is recorded for the audit, as is a fault of the work, and the handler never rejects: a fault is
 * logged and answered.
 *
 * A HEAD is refused. The router would hand it to the handler of GET, and an unread answer would be recorded
 * as read.
 */
export function guarded<A extends KnownCaller>(
  { noteRefusal, traces }: GuardDependencies,
  { overloaded, admit, headOf, refuse, api, fault }: Guard<A>,
  work: GuardedWork<A>,
): Handler {
  return async function answer(c) {
    const { incoming } = c.env;
    const head = headOf === undefined ? incoming : headOf(incoming);
    const source = incoming.socket.remoteAddress;
    /** Callers whose requests are under way and not yet recorded. */
    let atWork: KnownCaller | undefined;
    try {
      if (incoming.method === 'HEAD') {
        return refuse('method-not-allowed', { ...readRequestIds(head), allow: 'GET' });
      }
      if (overloaded?.() === true) return refuse('could-not-check', readRequestIds(head));
      const trace = traces.of(incoming);
      const token = trace?.child('token');
      const admitting = admit(head);
      // Not awaited unless necessary: most tokens have been seen before.
      const admission = admitting instanceof Promise ? await admitting : admitting;
      token?.end(admission.kind === 'refused' ? admission.code : undefined);
      let refused: Omit<Refused, 'api' | 'source'>;
      if (admission.kind === 'admitted') {
        atWork = admission;
        const outcome = await work(c, admission, trace);
        if (!('code' in outcome)) return outcome;
        atWork = undefined;
        const { ids, caller } = admission;
        refused = { ...outcome, ids, caller, roleChosen: true };
      } else {
        refused = admission;
      }
      noteRefusal({ ...refused, api, source });
      return refuse(refused.code, { ...refused.ids, limit: refused.limit });
    } catch (error) {
      if (atWork !== undefined) {
        const { ids, caller } = atWork;
        noteRefusal({ code: fault.code, ids, caller, roleChosen: true, api, source });
      }
      const ids = readRequestIds(head);
      fault.log({ ...errorFields(error), ...idFields(ids) });
      return refuse(fault.code, ids);
    }
  };
}
