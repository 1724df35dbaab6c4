// By hand, since ioredis's socketTimeout drops a connection whose Redis is only busy, and ignores idle ones.

import type { Redis } from 'ioredis';

type CommandItem = ReturnType<Redis['commandQueue']['shift']>;

const ASKED_EVERY_MS = 500;
/** Two seconds of silence. Counted rather than timed, so that a delay of this process counts once. */
const UNANSWERED_AT_MOST = 4;
const WITNESS_DEADLINE_MS = 2_000;

/**
 * Replaces a connection that has gone silent: its packets vanish, without a reset, and the system would wait
 * for a quarter of an hour. Commands waiting on it are refused, and nothing is sent again.
 *
 * Redis is asked twice a second on every connection, busy or idle. After two seconds without a byte a second
 * connection is made. If that one is answered the first is dropped; if not, then Redis (stopped, or busy with
 * one long command) or the whole network is silent. Dropping the connection would not help then, and its
 * commands may still be answered. The second is rebuilt every two seconds.
 *
 * A connection whose answers are out of step with its commands is dropped at once.
 *
 * @param options.replaced called with each connection that is dropped
 */
export function replaceWhenSilent(redis: Redis, options: { replaced: () => void }): void {
  let unanswered = 0;
  let asked = 0;
  let witness: Redis | undefined;

  function drop(): void {
    if (redis.stream.destroyed) return;
    options.replaced();
    redis.stream.destroy();
  }

  function dismissWitness(): void {
    witness?.disconnect();
    witness = undefined;
  }

  function heard(): void {
    unanswered = 0;
    if (witness !== undefined) dismissWitness();
  }

  function callWitness(): void {
    const called = redis.duplicate({ lazyConnect: false, retryStrategy: null });
    witness = called;
    called.on('error', () => undefined);
    const deadline = setTimeout(() => {
      if (witness === called) dismissWitness();
    }, WITNESS_DEADLINE_MS);
    called.once('end', () => {
      clearTimeout(deadline);
      if (witness === called) witness = undefined;
    });
    called.once('ready', () => {
      // What has arrived on the first connection in the meantime is read before this.
      setImmediate(() => {
        if (witness !== called) return;
        dismissWitness();
        drop();
      });
    });
  }

  async function ask(): Promise<void> {
    const question = String(++asked);
    const { stream } = redis;
    const answer = await redis.ping(question);
    if (answer !== question && stream === redis.stream) drop();
  }

  function look(): void {
    const { status } = redis;
    if (status === 'ready') void ask().catch(() => undefined);
    else if (status !== 'connect') return;
    if (++unanswered > UNANSWERED_AT_MOST && witness === undefined) callWitness();
  }

  // A client that is ended while it waits to reconnect never emits its end.
  const asking = setInterval(look, ASKED_EVERY_MS).unref();
  redis.on('connect', () => {
    heard();
    redis.stream.on('data', heard);
    refuseUnaskedAnswers(redis, drop);
  });
  redis.on('close', heard);
  redis.once('end', () => clearInterval(asking));
}

/** An answer to no command: after some of these the client would end the process. */
function refuseUnaskedAnswers(redis: Redis, refuse: () => void): void {
  const queue = redis.commandQueue;
  const shift = queue.shift.bind(queue);
  let ending = false;
  const reject = (): void => {
    // The client empties the queue of a connection that ends until there is nothing in it.
    ending = true;
    refuse();
  };
  const unasked = { command: { name: '', args: [], resolve: refuse, reject } };
  queue.shift = () => shift() ?? (ending ? undefined : (unasked as unknown as CommandItem));
}
