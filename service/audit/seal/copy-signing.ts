import { isCopySigned, noteCopySigned } from '#store/audit-stream/copy-orders.ts';
import type { CommitSigning } from '../copy/commits.ts';
import type { Signer } from '../tlog/note.ts';
import { KeyFileWrong, watchedKeys } from './keys.ts';

/** Signs copied objects with the audit keys, and records in the store that they are signed. */
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
