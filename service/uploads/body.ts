import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

type UploadBody = {
  /** The body before it was encoded. */
  stream: Readable;
  /** What was wrong with it, if that is why the stream broke off. */
  problem(): 'upload-cut-short' | 'upload-encoding-invalid' | undefined;
};

export type BodyLimits = {
  /** How long to wait for the sender: for the next piece, and in all. */
  idleMs: number;
  deadlineMs: number;
};

class CutShort extends Error {}
class WrongEncoding extends Error {}

/**
 * A body as a stream, with only one piece at a time in memory. A sender that falls silent, or takes too long
 * in all, is abandoned; time taken by this side does not count.
 */
export function openBody(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  gzip: boolean,
  limits: BodyLimits,
): UploadBody {
  // A client that asked whether to continue gets its answer here, once it is admitted.
  if (incoming.headers.expect?.toLowerCase() === '100-continue') outgoing.writeContinue();
  let problem: ReturnType<UploadBody['problem']>;
  const told = (async function* () {
    try {
      const pieces = arriving(incoming, limits);
      yield* gzip ? unpacked(pieces) : pieces;
    } catch (error) {
      problem = error instanceof WrongEncoding ? 'upload-encoding-invalid' : 'upload-cut-short';
      throw error;
    }
  })();
  return { stream: Readable.from(told, { objectMode: false }), problem: () => problem };
}

async function* arriving(
  incoming: IncomingMessage,
  { idleMs, deadlineMs }: BodyLimits,
): AsyncGenerator<Buffer> {
  // The connection must stay usable for the answer, however the reading ends.
  const pieces = incoming.iterator({ destroyOnReturn: false });
  let leftMs = deadlineMs;
  for (;;) {
    const askedAt = performance.now();
    const next: Promise<IteratorResult<unknown>> = pieces.next();
    // A failure after it was abandoned no longer matters.
    next.catch(() => undefined);
    const { promise: late, resolve, reject } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => reject(new CutShort()), Math.min(idleMs, leftMs));
    let step: IteratorResult<unknown> | undefined;
    try {
      step = await Promise.race([next, late]);
    } finally {
      clearTimeout(timer);
      resolve(undefined);
    }
    leftMs -= performance.now() - askedAt;
    if (step === undefined || step.done === true) return;
    yield step.value as Buffer;
  }
}

async function* unpacked(pieces: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  // Its failure shows where the result is read.
  pipeline(Readable.from(pieces, { objectMode: false }), gunzip, () => undefined);
  try {
    for await (const piece of gunzip as AsyncIterable<Buffer>) yield piece;
  } catch (error) {
    if (error instanceof CutShort) throw error;
    throw isZlibError(error) ? new WrongEncoding() : error;
  }
}

const isZlibError = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  error.code.startsWith('Z_');
