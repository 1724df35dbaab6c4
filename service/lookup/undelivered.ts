import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Calls `tell` once if an answer about to be written does not reach the operating system in full: the client
 * has already left, or leaves before the last byte.
 */
export function whenUndelivered(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  tell: () => void,
): void {
  if (outgoing.destroyed || incoming.socket.destroyed) {
    tell();
    return;
  }
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) tell();
  });
}
