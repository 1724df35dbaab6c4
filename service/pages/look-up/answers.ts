import type { IncomingMessage, ServerResponse } from 'node:http';
import { whenUndelivered } from '../../lookup/undelivered.ts';
import { HELD_FOR_MS } from '../session/twice.ts';

type Held<Answer> = {
  answer: Promise<Answer>;
  delivered: boolean;
  /** Records in the audit that no browser got it. */
  notDelivered?: () => void;
  timer?: NodeJS.Timeout;
};

const HELD_AT_MOST = 1_000;

/**
 * Answers for as long as a form may come again: the second gets what the first got, and nothing is done
 * twice. Whether an answer arrived is recorded once, when no other can follow.
 */
export class Answers<Answer> {
  readonly #held = new Map<string, Held<Answer>>();

  /** The answer, finished or not, to a form with these contents; `undefined` if it was not sent recently. */
  find(asked: string): Promise<Answer> | undefined {
    return this.#held.get(asked)?.answer;
  }

  hold(asked: string, answer: Promise<Answer>): void {
    if (this.#held.size >= HELD_AT_MOST) {
      const [oldest] = this.#held.keys();
      if (oldest !== undefined) this.forget(oldest);
    }
    const held: Held<Answer> = { answer, delivered: false };
    this.#held.set(asked, held);
    const begin = (): void => {
      held.timer = setTimeout(() => this.forget(asked), HELD_FOR_MS).unref();
    };
    answer.then(begin, begin);
  }

  /** Sets what is called if an answer does not arrive although the audit says that it was shown. */
  onUndelivered(asked: string, notDelivered: () => void): void {
    const held = this.#held.get(asked);
    if (held === undefined) notDelivered();
    else held.notDelivered = notDelivered;
  }

  delivered(asked: string): void {
    const held = this.#held.get(asked);
    if (held !== undefined) held.delivered = true;
  }

  /** From now on a form with these contents is a new one. */
  forget(asked: string): void {
    const held = this.#held.get(asked);
    if (held === undefined) return;
    clearTimeout(held.timer);
    this.#held.delete(asked);
    if (!held.delivered) held.notDelivered?.();
  }

  stop(): void {
    for (const asked of this.#held.keys()) this.forget(asked);
  }
}

/** Notes whether a browser got an answer. */
export function follow(
  answers: Pick<Answers<unknown>, 'delivered'>,
  asked: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): void {
  let arrived = true;
  whenUndelivered(incoming, outgoing, () => (arrived = false));
  outgoing.once('close', () => {
    if (arrived) answers.delivered(asked);
  });
}
