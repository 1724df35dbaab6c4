import { createHmac } from 'node:crypto';
import type { Api, RecordedEvent } from '#schemas/audit/audit-event.ts';
import { ERRORS, type ErrorCode, type LimitReached } from '#schemas/errors.ts';
import { parseNhsNumber } from '#schemas/nhs-number.ts';
import type { Caller } from '#schemas/people/caller.ts';
import { idFields, type RequestIds } from '../../http/request-ids.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { SampledLog } from '../../telemetry/sampled-log.ts';
import type { Recorder } from './recorder.ts';
import type { RefusalSampling } from './refusal-sampling.ts';
import { requestedBy } from './requested.ts';

export type Refused = {
  code: ErrorCode;
  ids: RequestIds;
  api: Api;
  /** Who was refused, if the token was valid. */
  caller?: Caller | undefined;
  roleChosen: boolean;
  /** The NHS number as sent, valid or not. */
  number?: string | undefined;
  /** Address of the peer. */
  source: string | undefined;
  /** For `too-many-requests`: which limit. */
  limit?: LimitReached | undefined;
};

type RefusalEvent = Extract<RecordedEvent, { type: 'refusal' }>;

/** Records a refusal: with a valid token as an audit event, without one as a count and a sampled log line. */
export type NoteRefusal = (refused: Refused) => void;

/**
 * @param numberKey keys the hash under which an invalid number is audited. There are few enough ten-digit
 * numbers to try them all, so a hash without a secret would hide nothing.
 */
export function createRefusals({
  recorder,
  sampled,
  numberKey,
  refusalSampling,
  sawInvalid,
  metrics,
}: {
  recorder: Pick<Recorder, 'record'>;
  sampled: SampledLog;
  numberKey: Buffer;
  refusalSampling: RefusalSampling;
  /** Called with each number that is not an NHS number. */
  sawInvalid: (caller: Caller) => void;
  metrics: Pick<Metrics, 'refused'>;
}): NoteRefusal {
  function numberFields(number: string | undefined) {
    if (number === undefined) return {};
    const valid = parseNhsNumber(number);
    if (valid !== undefined) return { nhsNumber: valid };
    return { nhsNumberHash: createHmac('sha256', numberKey).update(number).digest('hex') };
  }

  return function noteRefusal({ code, ids, api, caller, roleChosen, number, source, limit }) {
    const { level } = ERRORS[code];
    // No caller: no keys are available for the token, so nobody knows whose it is.
    const unjudged = caller === undefined && code === 'could-not-check';
    metrics.refused(
      code,
      api,
      caller !== undefined ? 'valid' : unjudged ? 'unknown' : 'none',
      limit,
    );
    if (caller === undefined) {
      sampled.log(
        `stranger ${source} ${code}`,
        level,
        unjudged
          ? 'A token could not be verified.'
          : 'A request without a valid token was refused.',
        { code, source: source ?? 'unknown', ...idFields(ids) },
      );
      return;
    }
    const requested = requestedBy({ ids, caller });
    const { role, organisation, ...person } = requested.caller;
    const { client } = person;
    if (code === 'invalid-nhs-number') sawInvalid(caller);
    const event: RefusalEvent = {
      type: 'refusal',
      ...requested,
      caller: { ...person, ...(roleChosen && { role, organisation }) },
      api,
      code,
      ...numberFields(number),
    };
    // All other refusals of a caller are limited by the caller's limits.
    if (code === 'too-many-requests') refusalSampling.note(event);
    else recorder.record(event);
    sampled.log(`${client} ${organisation.code} ${code}`, level, 'A request was refused.', {
      code,
      client,
      ...(roleChosen && { organisation: organisation.code }),
      ...idFields(ids),
    });
  };
}
