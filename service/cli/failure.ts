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
