import { createHmac, randomUUID } from 'node:crypto';
import type { LookupEvent } from '#schemas/audit-event.ts';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import { parseNhsNumber } from '#schemas/nhs-number.ts';
import type { Caller } from '../auth/authenticate.ts';
import type { RequestIds } from '../http/request-ids.ts';
import type { SampledLog } from '../sampled-log.ts';
import type { Recorder } from './recorder.ts';

export type Refused = {
  code: ErrorCode;
  ids: RequestIds;
  api: LookupEvent['api'];
  /** Who was refused, where the token was valid. */
  caller?: Caller | undefined;
  roleChosen: boolean;
  /** The NHS number as sent, valid or not. */
  number?: string | undefined;
  /** Address of the peer. */
  source: string | undefined;
};

/** Notes a refusal: with a valid token an audit event each, without one a count and a sampled line. */
export type NoteRefusal = (refused: Refused) => void;

/**
 * @param numberKey keys the hash under which an invalid number is audited. Ten digits are few enough to
 * try them all, so that a hash without a secret would hide nothing.
 */
export function createRefusals({
  recorder,
  sampled,
  numberKey,
}: {
  recorder: Recorder;
  sampled: SampledLog;
  numberKey: Buffer;
}): NoteRefusal {
  function numberFields(number: string | undefined) {
    if (number === undefined) return {};
    const valid = parseNhsNumber(number);
    if (valid !== undefined) return { nhsNumber: valid };
    return { nhsNumberHash: createHmac('sha256', numberKey).update(number).digest('hex') };
  }

  return function noteRefusal({ code, ids, api, caller, roleChosen, number, source }) {
    const { level } = ERRORS[code];
    const requestId = ids.requestId === undefined ? {} : { requestId: ids.requestId };
    if (caller === undefined) {
      sampled.log(`stranger ${source} ${code}`, level, 'refused without a valid token', {
        code,
        source: source ?? 'unknown',
        ...requestId,
      });
      return;
    }
    const { issuer, client, user, name, role } = caller.identity;
    const { organisation } = role;
    recorder.record({
      type: 'refusal',
      auditId: randomUUID(),
      ...requestId,
      ...(ids.correlationId !== undefined && { correlationId: ids.correlationId }),
      caller: {
        issuer,
        client,
        user,
        name,
        ...(roleChosen && { role: { code: role.code, name: role.name }, organisation }),
      },
      api,
      code,
      ...numberFields(number),
    });
    sampled.log(`${client} ${organisation.code} ${code}`, level, 'refused', {
      code,
      client,
      ...(roleChosen && { organisation: organisation.code }),
      ...requestId,
    });
  };
}
