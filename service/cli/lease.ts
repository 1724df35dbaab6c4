import { LoadFailed } from '#loaders/load-failed.ts';
import { Failure } from './failure.ts';

/**
 * Something opened once for all its users, and opened again after one of them failed: the store's Redis may
 * have restarted elsewhere. Users of the earlier one keep it until they end, so that one failed file does not
 * cut others short.
 *
 * @param open opens it, gives it to its argument and closes it when that resolves
 */
export function createLease<T>(open: (use: (opened: T) => Promise<void>) => Promise<void>) {
  type Held = { opened: Promise<T>; users: number; left: boolean; end: () => void };
  let current: Held | undefined;

  function hold(): Held {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const { promise: opened, resolve, reject } = Promise.withResolvers<T>();
    open(async (value) => {
      resolve(value);
      await ended;
    }).catch(reject);
    return { opened, users: 0, left: false, end };
  }

  function leave(held: Held): void {
    held.left = true;
    if (current === held) current = undefined;
    if (held.users === 0) held.end();
  }

  return {
    /** @throws {LoadFailed} */
    async use<R>(work: (opened: T) => Promise<R>): Promise<R> {
      const held = (current ??= hold());
      held.users += 1;
      try {
        return await work(await held.opened);
      } catch (error) {
        held.left = true;
        if (error instanceof LoadFailed) throw error;
        if (error instanceof Failure) throw new LoadFailed(error.message);
        throw new LoadFailed('The store cannot be reached.');
      } finally {
        held.users -= 1;
        if (held.left) leave(held);
      }
    },
    /** Closes it once nobody uses it any more. */
    end(): void {
      if (current !== undefined) leave(current);
    },
  };
}
