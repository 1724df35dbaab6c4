import type { OwnCheck } from '#schemas/status.ts';
import type { AccessLists } from '#store/trust/access-lists.ts';
import type { StoreVerifier } from '#store/trust/verifier.ts';
import type { Audit } from '../audit/audit.ts';

/** How much there is that somebody other than this service has written to Redis. */
export type ForeignWrites = Record<'audit-stream' | 'audit-entry' | 'access-list', number>;

const REPAIR =
  "Find out who has the password of the lookup processes' Redis user and change it; then a named person puts it right with cp-flags repair.";

/** Whether somebody else writes to Redis, as a check of `/_status` and in numbers. */
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
    const said = [
      [found['audit-stream'], 'audit streams have numbers that this service did not give'],
      [found['audit-entry'], 'entries of the audit are no events of this service'],
      [found['access-list'], 'lists of those who looked cannot be read'],
    ].flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]));
    const name = 'store:foreign-writes';
    if (said.length > 0) return { name, ok: false, detail: `${said.join('; ')}. ${REPAIR}` };
    return lists.looked
      ? { name, ok: true, detail: 'Nothing in Redis is known to be by anybody else.' }
      : {
          name,
          ok: false,
          detail:
            'Lists of those who looked cannot be looked through. Give Redis the users of this version.',
        };
  }
  return { read, check };
}
