import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { StoreVerifier } from '#store/trust/verifier.ts';

/** What a start is given before the first request, for instance to fill a demo. */
export type Tools = {
  /** With the rights of the administrator, if Redis knows roles. */
  administrator: Store;
  loader: Store;
  anchor: Anchor;
  verifier: StoreVerifier;
};
