import { isCopySigned, noteCopySigned } from '#store/audit-stream/copy-orders.ts';
import type { CommitSigning } from '../copy/commits.ts';
import type { Signer } from '../tlog/note.ts';
import { KeyFileWrong, watchedKeys } from './keys.ts';

/** Signs what is copied with the audit keys, and has the store know that it is signed. */
export function signingWith(
  redis: Parameters<typeof isCopySigned>[0],
  keyFile: string,
): CommitSigning {
  const watched = watchedKeys(keyFile);
  return {
    signers(): readonly Signer[] {
      try {
        return watched();
      } catch (error) {
        if (error instanceof KeyFileWrong) return [];
        throw error;
      }
    },
    isSigned: () => isCopySigned(redis),
    noteSigned: () => noteCopySigned(redis),
  };
}
