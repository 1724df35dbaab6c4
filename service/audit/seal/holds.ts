import { randomUUID } from 'node:crypto';
import type { OperatorEvent } from '#schemas/audit/audit-event.ts';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import { type CommitFile, type HoldEnding, type RetentionHold } from '../log/commit.ts';
import { lookWhenFree, whenFree } from '../log/when-free.ts';

/** Records an act on the audit; if it rejects, nothing is changed. */
type RecordHold = (event: OperatorEvent) => Promise<void>;

const eventOf = (
  type: 'audit-hold' | 'audit-hold-ended',
  hold: number,
  named: NamedPerson,
  auditId: string = randomUUID(),
): OperatorEvent => ({
  type,
  auditId,
  by: named.by,
  detail: { hold, ...whyDetail(named) },
});

/**
 * Keeps every event, however old, until the hold is ended. If it cannot be recorded, it is not begun; if the process ends
 * before that, {@link recordHolds} does it.
 *
 * @param begun is called once it must not be begun again
 */
export async function beginHold(
  commits: CommitFile,
  named: NamedPerson,
  record: RecordHold,
  begun: () => void = () => undefined,
): Promise<RetentionHold> {
  const { by, reason, account } = named;
  const hold = commits.addRetentionHold({ by, reason, account, auditId: randomUUID() });
  begun();
  let isRecorded = false;
  try {
    await recordHolds(commits, async (event) => {
      await record(event);
      isRecorded ||= event.detail['hold'] === hold.id;
    });
  } catch (error) {
    if (!isRecorded && commits.takeBackHold(hold.id)) throw error;
  }
  return hold;
}

/** Records the holds that were begun by a process that ended before it had recorded them. */
export async function recordHolds(commits: CommitFile, record: RecordHold): Promise<void> {
  for (const { id, by, reason, account, auditId } of commits.unrecordedHolds()) {
    const named = { by, reason, ...(account !== undefined && { account }) };
    await commits.recordHold(id, () => record(eventOf('audit-hold', id, named, auditId)));
  }
}

/** @param isLast as for {@link CommitFile.endRetentionHold} */
export const endHold = (
  commits: CommitFile,
  id: number,
  named: NamedPerson,
  record: RecordHold,
  isLast?: boolean,
): Promise<HoldEnding> =>
  commits.endRetentionHold(id, () => record(eventOf('audit-hold-ended', id, named)), isLast);

export type Holds = {
  /** Those in force, oldest first. */
  list(): Promise<RetentionHold[]>;
  begin(named: NamedPerson): Promise<RetentionHold>;
  /** @param isLast whether it was shown as the last one in force; if that has changed, it is not ended */
  end(id: number, named: NamedPerson, isLast: boolean): Promise<HoldEnding>;
};

/** Holds on the log in a folder, for a process that also does other work. */
export function createHolds(folder: string, record: RecordHold): Holds {
  const recordOnce =
    (once: () => void): RecordHold =>
    (event) => {
      once();
      return record(event);
    };

  return {
    list: async () => (await lookWhenFree(folder, (commits) => commits.retentionHolds())) ?? [],
    begin: (named) => whenFree(folder, (commits, once) => beginHold(commits, named, record, once)),
    end: (id, named, isLast) =>
      whenFree(folder, (commits, once) => endHold(commits, id, named, recordOnce(once), isLast)),
  };
}
