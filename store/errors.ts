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
