/** The store, or the part asked of, is not known to be whole. The message says what to do. */
export class StoreNotWhole extends Error {
  override name = 'StoreNotWhole';
  constructor(
    message = 'The store is not whole: part of it is missing or of another dataset. Run `cp-flags status`, which says what to do.',
  ) {
    super(message);
  }
}

/** Another loader has taken the authority over; nothing of this one is written any more. */
export class LockLost extends Error {
  override name = 'LockLost';
  constructor(authority: string) {
    super(`Another loader has taken over authority ${authority}. Load the file again.`);
  }
}
