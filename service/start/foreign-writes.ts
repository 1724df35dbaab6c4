import type { OwnCheck } from '#schemas/status.ts';
import { FOREIGN_WRITES } from '#schemas/wording/store.ts';
import type { AccessLists } from '#store/trust/access-lists.ts';
import type { StoreVerifier } from '#store/trust/verifier.ts';
import type { Audit } from '../audit/audit.ts';

/** How much others have written to Redis. */
export type ForeignWrites = Record<'audit-stream' | 'audit-entry' | 'access-list', number>;

/** Whether others write to Redis, as a check of `/_status` and in numbers. */
export function createForeignWrites(
  verifier: Pick<StoreVerifier, 'pushedStreams'>,
  audit: Pick<Audit, 'numbers'>,
  lists: AccessLists,
) {
  const read = (): ForeignWrites => ({
    'audit-stream': verifier.pushedStreams,
    'audit-entry': audit.numbers?.foreignEntries ?? 0,
    'access-list': lists.unreadable,
  });

  function check(): OwnCheck {
    const found = read();
    const name = 'store:foreign-writes';
    if (Object.values(found).some((count) => count > 0)) {
      return { name, ok: false, detail: FOREIGN_WRITES.found(found) };
    }
    return lists.failure === undefined
      ? { name, ok: true, detail: FOREIGN_WRITES.none }
      : { name, ok: false, detail: FOREIGN_WRITES[lists.failure] };
  }
  return { read, check };
}
