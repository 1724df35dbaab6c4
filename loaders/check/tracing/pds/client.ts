import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { OdsCode } from '#schemas/authority.ts';
import { londonDate } from '#schemas/calendar.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { PDS } from '#schemas/wording/loads.ts';
import { NumberTracingUnavailable } from '../tracer.ts';
import { type HttpAnswer, type NoAnswer, request } from './answers.ts';
import { type PdsPatient, readPatient } from './patient.ts';
import type { TracingRate } from './rate.ts';
import type { Tokens } from './token.ts';

/** What the service holds under a number. */
export type Retrieved =
  /** Under another number than was asked for if that one was replaced. */
  | { kind: 'patient'; patient: PdsPatient }
  | { kind: 'unknown' }
  /** Withdrawn without a replacement. */
  | { kind: 'invalidated' };

type PdsClientOptions = {
  /** The base of the API, without a slash at its end. */
  url: string;
  tokens: Tokens;
  rate: TracingRate;
  /** Deadline of one request, up to the last byte of its answer. */
  requestDeadlineMs?: number;
  /** The first wait before a request is repeated; doubled each time. */
  backOffMs?: number;
  now?: () => number;
};

export type PdsClient = {
  /**
   * Retrieves a record by its number. A temporary fault is tried three times, under one request id.
   *
   * @param authority on whose behalf
   * @param urgent whether it goes before requests that can wait
   * @param signal ends every wait; whatever it then rejects with says nothing about the service
   * @throws {NumberTracingUnavailable} if PDS does not say. A fault of the service, its answer or the network
   * is never "not known".
   */
  retrieve(
    number: NhsNumber,
    authority: OdsCode,
    urgent: boolean,
    signal: AbortSignal,
  ): Promise<Retrieved>;
};

const REQUEST_DEADLINE_MS = 10_000;
const ATTEMPTS = 3;
const BACK_OFF_MS = 1_000;
/** A service that asks for longer is abandoned for now. */
const WAIT_AT_MOST_MS = 30_000;
/** Temporary faults: late in reaching the record, too many requests, any fault of the service. */
const MAY_PASS: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/**
 * A retrieval that failed. One record that the service cannot give must not delay the others, so the number
 * in a row that means that the service is away depends on the failure.
 */
export class PdsFailure extends NumberTracingUnavailable {
  readonly inARow: number;

  constructor(message: string, inARow: number) {
    super(message);
    this.inARow = inARow;
  }
}
const OF_ALL = 1;
const OF_THE_WAY = 3;
const OF_A_RECORD = 20;

function meaningOf(status: number): number {
  if (status === 401 || status === 403 || status === 429) return OF_ALL;
  return MAY_PASS.includes(status) ? OF_THE_WAY : OF_A_RECORD;
}

const outcomeSchema = z.object({
  resourceType: z.literal('OperationOutcome'),
  issue: z
    .array(
      z.object({ details: z.object({ coding: z.array(z.object({ code: z.string() })).min(1) }) }),
    )
    .min(1),
});

/** The Personal Demographics Service's FHIR API, used only for retrieval. Source: its API description, 2026. */
export function createPdsClient({
  url,
  tokens,
  rate,
  requestDeadlineMs = REQUEST_DEADLINE_MS,
  backOffMs = BACK_OFF_MS,
  now = Date.now,
}: PdsClientOptions): PdsClient {
  async function ask(
    number: NhsNumber,
    authority: OdsCode,
    requestId: string,
    signal: AbortSignal,
  ): Promise<HttpAnswer | NoAnswer> {
    const token = await tokens.token();
    const headers = {
      authorization: `Bearer ${token}`,
      accept: 'application/fhir+json',
      'x-request-id': requestId,
      'nhsd-end-user-organisation-ods': authority,
    };
    const answer = await request(
      `${url}/Patient/${number}`,
      { method: 'GET', headers },
      requestDeadlineMs,
      signal,
    );
    if (typeof answer !== 'string' && answer.status === 401) tokens.forget(token);
    return answer;
  }

  async function retrieve(
    number: NhsNumber,
    authority: OdsCode,
    urgent: boolean,
    signal: AbortSignal,
  ): Promise<Retrieved> {
    const requestId = randomUUID();
    let refused = false;
    for (let attempt = 1; ; attempt++) {
      await rate.turn(urgent, signal);
      const answer = await ask(number, authority, requestId, signal);
      if (typeof answer !== 'string') {
        const retrieved = read(answer);
        if (retrieved !== undefined) return retrieved;
      }
      const { status, retryAfterMs } =
        typeof answer === 'string' ? { status: 0, retryAfterMs: undefined } : answer;
      const failure =
        typeof answer === 'string'
          ? new PdsFailure(PDS.noAnswer(answer), answer === 'too large' ? OF_A_RECORD : OF_THE_WAY)
          : new PdsFailure(PDS.answered(status), meaningOf(status));
      const waitMs = retryAfterMs ?? backOffMs * 2 ** (attempt - 1) * (0.5 + Math.random());
      // For everybody: any request meanwhile would be refused for the same reason.
      if (retryAfterMs !== undefined || status === 429) rate.pause(waitMs);
      // A token may have been withdrawn; a new one is tried once.
      if (status === 401 && !refused) {
        refused = true;
        continue;
      }
      const mayPass =
        typeof answer === 'string' ? answer !== 'too large' : MAY_PASS.includes(status);
      if (attempt >= ATTEMPTS || !mayPass || waitMs > WAIT_AT_MOST_MS) throw failure;
      await sleep(waitMs, undefined, { signal });
    }
  }

  /** `undefined` if it says nothing about the number. */
  function read({ status, json }: HttpAnswer): Retrieved | undefined {
    if (status === 200) {
      const patient = readPatient(json, londonDate(now()));
      return patient === undefined ? undefined : { kind: 'patient', patient };
    }
    // A gateway's own 404 or 400 has no such code, and says nothing about the number.
    const code = outcomeSchema.safeParse(json).data?.issue[0]?.details.coding[0]?.code;
    if (status === 404 && code === 'RESOURCE_NOT_FOUND') return { kind: 'unknown' };
    if (status === 404 && code === 'INVALIDATED_RESOURCE') return { kind: 'invalidated' };
    if (status === 400 && code === 'INVALID_RESOURCE_ID') return { kind: 'unknown' };
    return undefined;
  }

  return { retrieve };
}
