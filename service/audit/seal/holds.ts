import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { OperatorEvent } from '#schemas/audit/audit-event.ts';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import { isBusy } from '#store/files/sqlite.ts';
import { CommitFile, type RetentionHold } from '../log/commit.ts';

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

/** @returns false if the hold is not in force */
export const endHold = (
  commits: CommitFile,
  id: number,
  named: NamedPerson,
  record: RecordHold,
): Promise<boolean> =>
  commits.endRetentionHold(id, () => record(eventOf('audit-hold-ended', id, named)));

export type Holds = {
  /** Those in force, oldest first. */
  list(): RetentionHold[];
  begin(named: NamedPerson): Promise<RetentionHold>;
  /** False if it is not in force. */
  end(id: number, named: NamedPerson): Promise<boolean>;
};

/** SQLite waits without letting anything else happen, and this process may answer lookups. */
const BUSY_TIMEOUT_MS = 20;
const TRIED_EVERY_MS = 50;
const TRIED_FOR_MS = 5_000;

/** Holds on the log in a folder, for a process that also does other work. */
export function createHolds(folder: string, record: RecordHold): Holds {
  async function withCommits<T>(
    work: (commits: CommitFile, recordOnce: RecordHold) => Promise<T>,
  ): Promise<T> {
    let isRecorded = false;
    const recordOnce: RecordHold = (event) => {
      isRecorded = true;
      return record(event);
    };
    const giveUpAt = performance.now() + TRIED_FOR_MS;
    for (;;) {
      let commits: CommitFile | undefined;
      try {
        commits = CommitFile.open(folder, { timeoutMs: BUSY_TIMEOUT_MS });
        return await work(commits, recordOnce);
      } catch (error) {
        if (isRecorded || !isBusy(error) || performance.now() > giveUpAt) throw error;
      } finally {
        commits?.close();
      }
      await delay(TRIED_EVERY_MS);
    }
  }

  return {
    list: () => CommitFile.lookIfThere(folder, (commits) => commits.retentionHolds()) ?? [],
    begin: (named) => withCommits((commits, recordOnce) => beginHold(commits, named, recordOnce)),
    end: (id, named) =>
      withCommits((commits, recordOnce) => endHold(commits, id, named, recordOnce)),
  };
}
