// Written by hand, because libraries that limit concurrency do not say when nothing is running.

import { setImmediate as immediate } from 'node:timers/promises';

/** The longest time for which the first load ready for reconciliation waits for others while the store is small. */
const WAITS_AT_MOST_MS = 10_000;
/** The same as a multiple of the last reading's time, so that a large store is not being read most of the time. */
const READINGS_WAITED = 4;

/**
 * How many loads of one process read and apply at the same time. A load ready for reconciliation gives its
 * slot to another and waits until no load is working, so that one reading of the store serves all of them.
 */
export class LoadSlots {
  readonly #atOnce: number;
  readonly #queue: (() => void)[] = [];
  #waiting: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #readingMs = 0;
  #taken = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Resolves with a function that gives the slot back, only once, however often it is called. */
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

  /**
   * Reads the store once no load is working, or once the first in the queue has waited long enough: then for
   * all that are ready, in one turn of the event loop.
   */
  async whenQuiet<T>(read: () => Promise<T>): Promise<T> {
    // The load that has just been given the slot is already working.
    await immediate();
    if (this.#taken > 0) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        const ms = Math.max(WAITS_AT_MOST_MS, READINGS_WAITED * this.#readingMs);
        this.#timer ??= setTimeout(() => this.#go(), ms);
      });
    }
    const began = performance.now();
    const found = await read();
    this.#readingMs = performance.now() - began;
    return found;
  }

  #go(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  #give(): void {
    const next = this.#queue.shift();
    if (next !== undefined) {
      next();
      return;
    }
    this.#taken -= 1;
    if (this.#taken === 0) this.#go();
  }
}
