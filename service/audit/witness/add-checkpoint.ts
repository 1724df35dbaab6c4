import { readBounded } from '#store/files/bounded-body.ts';
import { type Hash, toBase64 } from '../tlog/hash.ts';

/** A witness's answer to a checkpoint (C2SP tlog-witness, add-checkpoint). */
type Answer =
  | { kind: 'cosigned'; body: string }
  /** It knows this log at a different size from the one at which the proof began. */
  | { kind: 'knows'; size: number }
  /** The checkpoint does not continue what it knows. */
  | { kind: 'inconsistent' }
  /** The witness says nothing about the log. A code or the name of a fault, never what the witness wrote. */
  | { kind: 'failed'; fault: string };

type AddCheckpoint = {
  /** The witness's submission prefix. */
  url: string;
  old: { size: number; proof: readonly Hash[] };
  /** The signed checkpoint. */
  note: string;
  deadlineMs: number;
  signal: AbortSignal;
};

/** Cosignatures of several keys, each of some hundred bytes. */
const ANSWER_AT_MOST_BYTES = 16_384;
const SIZE = /^(0|[1-9][0-9]{0,15})\n$/;

const OK = 200;
const CONFLICT = 409;
const UNPROCESSABLE = 422;

const faultOf = (error: unknown): string => {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') {
    return cause.code;
  }
  return 'no answer';
};

/** Submits a checkpoint to a witness. Never rejects: within the deadline there is an answer of some kind. */
export async function addCheckpoint(request: AddCheckpoint): Promise<Answer> {
  const { url, old, note, deadlineMs } = request;
  const deadline = AbortSignal.timeout(deadlineMs);
  const lines = [`old ${old.size}`, ...old.proof.map(toBase64), '', note];
  try {
    const response = await fetch(`${url}/add-checkpoint`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: lines.join('\n'),
      redirect: 'manual',
      signal: AbortSignal.any([deadline, request.signal]),
    });
    const { status } = response;
    const bytes = await readBounded(response, ANSWER_AT_MOST_BYTES);
    if (bytes === undefined) return { kind: 'failed', fault: 'too long an answer' };
    const body = bytes.toString('utf8');
    if (status === OK) return { kind: 'cosigned', body };
    if (status === UNPROCESSABLE) return { kind: 'inconsistent' };
    if (status !== CONFLICT) return { kind: 'failed', fault: `status ${status}` };
    const size = SIZE.test(body) ? Number(body) : Number.NaN;
    return Number.isSafeInteger(size)
      ? { kind: 'knows', size }
      : { kind: 'failed', fault: 'status 409 without a size' };
  } catch (error) {
    return { kind: 'failed', fault: deadline.aborted ? 'no whole answer in time' : faultOf(error) };
  }
}
