import { ERRORS } from '#schemas/errors.ts';
import type { LookupRequest } from '#schemas/lookup.ts';
import type { Recorder } from '../audit/record/recorder.ts';
import { idFields } from '../http/request-ids.ts';
import { errorFields } from '../telemetry/log.ts';
import type { SampledLog } from '../telemetry/sampled-log.ts';
import type { Trace } from '../telemetry/tracing.ts';
import { answerJson } from './answer.ts';
import { type Admitted, type CheckFlag, codeOfCause } from './check.ts';

export type AnsweringDependencies = {
  check: CheckFlag;
  recorder: Pick<Recorder, 'record'>;
  sampled: SampledLog;
};

export type Answering =
  | {
      kind: 'answered';
      json: string;
      /** To be called where the answer does not reach its reader, whom the audit says it was shown to. */
      notDelivered: () => void;
    }
  | { kind: 'could-not-check'; code: ReturnType<typeof codeOfCause> };

/** Looks one number up and puts the answer into words; both formats of the plain API need it. */
export function createAnswering({ check, recorder, sampled }: AnsweringDependencies) {
  function couldNotCheck(cause: string, { ids }: Admitted): Answering {
    const code = codeOfCause(cause);
    sampled.log(`could-not-check ${cause}`, ERRORS[code].level, 'a check could not be made', {
      cause,
      ...idFields(ids),
    });
    return { kind: 'could-not-check', code };
  }

  return async function answer(
    admitted: Admitted,
    request: LookupRequest,
    trace: Trace | undefined,
  ): Promise<Answering> {
    const { auditId, coverage, authorities, result } = await check(admitted, request, trace);
    if (result.kind === 'could-not-check') return couldNotCheck(result.cause, admitted);
    const { nhsNumber } = request;
    const notDelivered = (): void => recorder.record({ type: 'not-delivered', auditId, nhsNumber });
    try {
      const silent = admitted.access.access === 'silent-read';
      const json = answerJson(auditId, request, result, silent, coverage, authorities);
      return { kind: 'answered', json, notDelivered };
    } catch (error) {
      // The event on disk says that this answer may be shown; it is not going to be.
      notDelivered();
      return couldNotCheck(errorFields(error).error ?? 'answer', admitted);
    }
  };
}
