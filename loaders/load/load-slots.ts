// Written by hand, because libraries that limit concurrency do not say when nothing is running.

import { setImmediate as immediate } from 'node:timers/promises';

/** How long the first load that is ready to be reconciled waits for others at most. */
const WAITS_AT_MOST_MS = 10_000;

/**
 * How many loads of one process read and apply at the same time. A load that is ready to be reconciled
 * gives its slot to another and waits until none is at work any more, so that one reading of the store
 * serves all of them.
 */
export class LoadSlots {
  readonly #atOnce: number;
  readonly #queue: (() => void)[] = [];
  readonly #quiet = new Set<() => void>();
  #taken = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Resolves with what gives the slot back, once and only once, however often it is called. */
  async take(): Promise<() => void> {
    if (this.#taken >= this.#atOnce) await new Promise<void>((go) => this.#queue.push(go));
    else this.#taken += 1;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#give();
    };
  }

  /** Resolves when no load is at work, or after ten seconds. */
  async quiet(): Promise<void> {
    // The load that was given the slot just now is already at work.
    await immediate();
    if (this.#taken === 0) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#quiet.delete(done);
        resolve();
      };
      const timer = setTimeout(done, WAITS_AT_MOST_MS);
      this.#quiet.add(done);
    });
  }

  #give(): void {
    const next = this.#queue.shift();
    if (next !== undefined) {
      next();
      return;
    }
    this.#taken -= 1;
    if (this.#taken === 0) for (const done of this.#quiet) done();
  }
}
