import type { IncomingHttpHeaders } from 'node:http';
import type { Organisation } from '#schemas/care-setting.ts';
import type { ErrorCode } from '#schemas/errors.ts';
import { type RequestIds, readRequestIds } from '../http/request-ids.ts';
import { type AccessDecision, chooseRole, decideAccess } from './access.ts';
import type { Authenticate, Caller } from './authenticate.ts';

export type Admission =
  | {
      kind: 'admitted';
      ids: RequestIds & { requestId: string };
      caller: Caller;
      access: Extract<AccessDecision, { kind: 'granted' }>;
    }
  | {
      kind: 'refused';
      ids: RequestIds;
      code: ErrorCode;
      /** Who was refused, if the token was valid. */
      caller?: Caller;
      /** False where the user has several roles and chose none: `caller` is then only the person. */
      roleChosen: boolean;
    };

export type AdmissionDependencies = {
  authenticate: Authenticate;
  organisations: ReadonlyMap<string, Organisation>;
  registeredOnly: () => boolean;
};

/**
 * Whether a request may look up a flag, judged by its headers alone: ids, token, role, activity and
 * organisation, in this order. The token is verified even where an id is wrong already, so that the
 * refusal can be put down to somebody.
 */
export function createAdmission({
  authenticate,
  organisations,
  registeredOnly,
}: AdmissionDependencies) {
  return async function admit(headers: IncomingHttpHeaders): Promise<Admission> {
    const ids = readRequestIds(headers);
    const authentication = await authenticate(headers.authorization);
    if (authentication.kind === 'refused') {
      return { kind: 'refused', ids, code: ids.refusal ?? authentication.code, roleChosen: false };
    }
    const { callers } = authentication;
    const choice = chooseRole(callers, headers);
    const caller = choice.kind === 'chosen' ? choice.caller : callers[0];
    const roleChosen = choice.kind === 'chosen';
    const refuse = (code: ErrorCode): Admission => ({
      kind: 'refused',
      ids,
      code,
      caller,
      roleChosen,
    });
    const { requestId } = ids;
    if (ids.refusal !== undefined || requestId === undefined) {
      return refuse(ids.refusal ?? 'request-id-required');
    }
    if (choice.kind === 'refused') return refuse(choice.code);
    const access = decideAccess(caller.identity, headers, organisations, registeredOnly());
    if (access.kind === 'refused') return refuse(access.code);
    return { kind: 'admitted', ids: { ...ids, requestId }, caller, access };
  };
}
export type Admit = ReturnType<typeof createAdmission>;
