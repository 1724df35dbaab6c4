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
): OperatorEvent => ({
  type,
  auditId: randomUUID(),
  by: named.by,
  detail: { hold, ...whyDetail(named) },
});

/** Keeps every event, however old, until the hold is ended. */
export const beginHold = (
  commits: CommitFile,
  named: NamedPerson,
  record: RecordHold,
): Promise<RetentionHold> =>
  commits.addRetentionHold(named.by, named.reason, ({ id }) =>
    record(eventOf('audit-hold', id, named)),
  );

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
    begin: (named) =>
      whenFree(folder, (commits, once) => beginHold(commits, named, recordOnce(once))),
    end: (id, named, isLast) =>
      whenFree(folder, (commits, once) => endHold(commits, id, named, recordOnce(once), isLast)),
  };
}
