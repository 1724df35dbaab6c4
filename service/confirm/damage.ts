import { REPAIR } from '#schemas/wording/operator-decisions.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import type { ReadFailure } from '#store/connection/connection.ts';
import type { AccessLists } from '#store/trust/access-lists.ts';
import { streamName } from '../audit/log/entry.ts';
import { lookWhenFree } from '../audit/log/when-free.ts';
import type { ConfirmationPlace } from './confirmations.ts';

/** What somebody with a lookup process's password has damaged, as far as a worker may read it. */
export type DamageFound = {
  damage: readonly { where: string; what: string; does: string }[];
  /** Why the lists of who looked cannot be checked, if they cannot. */
  failure: ReadFailure | undefined;
};

/** Finds what `cp-flags repair --list` finds; changes nothing. */
export async function findDamage({
  connection,
  auditFolder,
  lists,
}: Pick<ConfirmationPlace, 'connection' | 'auditFolder'> & {
  lists: Pick<AccessLists, 'damaged' | 'failure'>;
}): Promise<DamageFound> {
  const pushed = await createAuditStreams(connection).pushed();
  const foreign = (await lookWhenFree(auditFolder, (own) => own.foreignByStream())) ?? [];
  const entries = foreign.reduce((sum, { count }) => sum + count, 0);
  return {
    damage: [
      ...pushed.map((stream) => ({
        where: streamName(stream),
        what: REPAIR.streams,
        does: REPAIR.streamsThen,
      })),
      ...[...lists.damaged].map(([partition, count]) => ({
        where: streamName(partition),
        what: REPAIR.lists(count),
        does: REPAIR.listsThen,
      })),
      ...(entries === 0
        ? []
        : [{ where: REPAIR.log, what: REPAIR.entries(entries), does: REPAIR.entriesThen }]),
    ],
    failure: lists.failure,
  };
}
