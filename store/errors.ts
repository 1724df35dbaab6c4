import { COPY } from '#schemas/wording/copy.ts';
import { STORE } from '#schemas/wording/store.ts';

/** What a named person can confirm, so that a store opens all the same. */
export type Confirmation = 'promotion' | 'old-copy' | 'clock';

/** The store, or the part concerned, is not known to be whole. The message says what to do. */
export class StoreNotWhole extends Error {
  override name = 'StoreNotWhole';
  /** What would open the store nevertheless, if anything would. */
  readonly confirmation: Confirmation | undefined;
  constructor(message: string = STORE.notWhole, confirmation?: Confirmation) {
    super(message);
    this.confirmation = confirmation;
  }
}

/** Another loader has taken the authority over; nothing of this one is written any more. */
export class LockLost extends Error {
  override name = 'LockLost';
  constructor(authority: string) {
    super(STORE.lockLost(authority));
  }
}

/** Another worker has taken over, or no worker is known to be running; nothing this one does counts any more. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';
  override message = COPY.successor;
}

/** Errors of Node, libraries and Redis whose messages may repeat what they were given, such as a part of a JSON text. */
const QUOTING: ReadonlySet<string> = new Set([
  'SyntaxError',
  'TypeError',
  'RangeError',
  'ZodError',
]);

/**
 * Why something failed, for logs, statuses and sentences: nothing of the data that it arose from. A file system's error
 * is without the path, since names of files come from outside too; one whose message may repeat data is only its code, or
 * its kind.
 */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall !== undefined) return error.message.split(', ')[0] ?? error.name;
  if (error.name === 'ReplyError') return /^[A-Z]+\b/.exec(error.message)?.[0] ?? error.name;
  return QUOTING.has(error.name) ? (code ?? error.name) : error.message;
}
