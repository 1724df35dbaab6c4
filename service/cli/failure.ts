import type { Decided } from '../confirm/confirmations.ts';

/** A command that cannot be done; the message is one sentence for the user. */
export class Failure extends Error {
  override name = 'Failure';
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The command line itself is wrong. */
export const misused = (message: string): Failure => new Failure(message, 2);

/** The sentences that say that a person's order was carried out. @throws {Failure} if it was not */
export function doneOrFailure({ kind, says }: Decided): string {
  if (kind === 'refused') throw new Failure(says);
  if (kind === 'unsure') {
    throw new Failure(
      `${says}\nLook with cp-flags status at how things stand now, before you do it again.`,
    );
  }
  return says;
}
