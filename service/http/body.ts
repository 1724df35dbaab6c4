import type { IncomingMessage, ServerResponse } from 'node:http';

export type Body =
  | { kind: 'read'; bytes: Buffer }
  | { kind: 'refused'; code: 'body-too-large' | 'request-timeout' };

/**
 * Reads a body of at most `maxBytes`, counted as it streams so that neither a wrong Content-Length nor
 * chunks get past it, within `deadlineMs`.
 *
 * What is left unread is not this function's care: the server drains it for half a second, so that the
 * client can read its answer, then closes the connection. A client that went away counts as one that
 * took too long.
 */
export function readBody(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { maxBytes, deadlineMs }: { maxBytes: number; deadlineMs: number },
): Promise<Body> {
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) {
    return Promise.resolve({ kind: 'refused', code: 'body-too-large' });
  }
  // A client that asked whether to go on is told so here, once it is known to be let in.
  if (incoming.headers.expect?.toLowerCase() === '100-continue') outgoing.writeContinue();
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (body: Body): void => {
      clearTimeout(timer);
      incoming.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      resolve(body);
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > maxBytes) {
        incoming.pause();
        settle({ kind: 'refused', code: 'body-too-large' });
      } else {
        chunks.push(chunk);
      }
    };
    const onEnd = (): void => {
      const [only] = chunks;
      settle({
        kind: 'read',
        bytes: only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks),
      });
    };
    const onGone = (): void => settle({ kind: 'refused', code: 'request-timeout' });
    const timer = setTimeout(onGone, deadlineMs);
    incoming.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
    if (incoming.destroyed) onGone();
  });
}
