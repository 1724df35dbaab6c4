/** An event on its way to the store, whose number must be above `after`. Its own is 0 until it is known. */
export type ExpectedEvent = { readonly after: number; number: number };

const NEVER = -1;

/**
 * The numbers of the audit events that this process has written, by partition. Several events may be under
 * way together and be answered in any order, so the rule for a number is: nobody was given it before, and it
 * is above the highest known when its event was sent.
 */
export class EventNumbers {
  readonly #highest = new Map<number, number>();
  /** Events without a number, and those whose number one of them could still be given wrongly. */
  readonly #recent = new Map<number, ExpectedEvent[]>();

  /** Call this in the turn in which the event is sent. */
  expect(partition: number): ExpectedEvent {
    const expected = { after: this.#highest.get(partition) ?? 0, number: 0 };
    const recent = this.#recent.get(partition);
    if (recent === undefined) this.#recent.set(partition, [expected]);
    else recent.push(expected);
    return expected;
  }

  /**
   * Call this in the turn in which the reply is read. `undefined`: the event was given no number, as far as
   * is known.
   *
   * @returns false if the number shows that events were taken away
   */
  saw(partition: number, expected: ExpectedEvent, number: number | undefined): boolean {
    const recent = this.#recent.get(partition) ?? [];
    const isNew =
      number === undefined ||
      (number > expected.after && !recent.some((other) => other.number === number));
    expected.number = number ?? NEVER;
    if (expected.number > (this.#highest.get(partition) ?? 0)) {
      this.#highest.set(partition, expected.number);
    }
    this.#forget(partition, recent);
    return isNew;
  }

  /** A number below those that every event under way must exceed need not be remembered. */
  #forget(partition: number, recent: ExpectedEvent[]): void {
    let lowest = Number.POSITIVE_INFINITY;
    for (const { after, number } of recent) if (number === 0 && after < lowest) lowest = after;
    if (lowest === Number.POSITIVE_INFINITY) {
      recent.length = 0;
      return;
    }
    const still = recent.filter(({ number }) => number === 0 || number > lowest);
    if (still.length < recent.length) this.#recent.set(partition, still);
  }
}
