import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Calls `tell` once if an answer about to be written does not reach the operating system in full: the
 * client has gone already, or goes before the last byte.
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
  if (outgoing.socket !== null) {
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) tell();
    });
    return;
  }
  // A pipelined request: its response waits for the one before and is told nothing of the socket's end.
  const { socket } = incoming;
  socket.once('close', tell);
  outgoing.once('finish', () => socket.off('close', tell));
}
