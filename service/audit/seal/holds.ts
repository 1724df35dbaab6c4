import { randomUUID } from 'node:crypto';
import type { OperatorEvent } from '#schemas/audit/audit-event.ts';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import { isWithoutEffect } from '#store/connection/connection.ts';
import { untilFree } from '#store/files/sqlite.ts';
import { type CommitFile, type HoldEnding, type RetentionHold } from '../log/commit.ts';
import { lookWhenFree, whenFree } from '../log/when-free.ts';

/** Records an act on the audit. If it rejects, the act may be on record all the same. */
type RecordHold = (event: OperatorEvent) => Promise<void>;

/** A hold in force. `unrecorded`: it is not known to be on record, so a worker records it. */
export type BegunHold = RetentionHold & { unrecorded?: true };

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
 * Keeps every event, however old, until the hold is ended. It is not begun if it is known not to be on record; otherwise
 * it is in force and {@link recordHolds} does the rest, also if the process ends.
 *
 * @param options.begun is called once it must not be begun again
 * @param options.isRefused whether an error of `record` means that nothing was recorded
 */
export async function beginHold(
  commits: CommitFile,
  named: NamedPerson,
  record: RecordHold,
  {
    begun = () => undefined,
    isRefused = isWithoutEffect,
  }: { begun?: () => void; isRefused?: (error: unknown) => boolean } = {},
): Promise<BegunHold> {
  const { by, reason, account } = named;
  const hold = commits.addRetentionHold({ by, reason, account, auditId: randomUUID() });
  begun();
  let tries = 0;
  let isRecorded = false;
  try {
    await recordHolds(commits, async (event) => {
      const isOwn = event.detail['hold'] === hold.id;
      if (isOwn) tries += 1;
      await record(event);
      isRecorded ||= isOwn;
    });
  } catch (error) {
    if (isRecorded) return hold;
    if (!isRefused(error)) return { ...hold, unrecorded: true };
    switch (await untilFree(() => commits.takeBackHold(hold.id, tries))) {
      case 'taken back':
        throw error;
      case 'perhaps recorded':
        return { ...hold, unrecorded: true };
      case 'recorded':
        return hold;
    }
  }
  return hold;
}

/** Records the holds in force that are not known to be on record, as after a process that ended before it was done. */
export async function recordHolds(commits: CommitFile, record: RecordHold): Promise<void> {
  for (const { id, by, reason, account, auditId } of commits.unrecordedHolds()) {
    const named = { by, reason, ...(account !== undefined && { account }) };
    await commits.recordHold(id, () => record(eventOf('audit-hold', id, named, auditId)));
  }
}

/**
 * Ends a hold. What is not known to be on record as begun is recorded first.
 *
 * @param isLast as for {@link CommitFile.endRetentionHold}
 */
export async function endHold(
  commits: CommitFile,
  id: number,
  named: NamedPerson,
  record: RecordHold,
  isLast?: boolean,
): Promise<HoldEnding> {
  await recordHolds(commits, record);
  return commits.endRetentionHold(id, () => record(eventOf('audit-hold-ended', id, named)), isLast);
}

export type Holds = {
  /** Those in force, oldest first. */
  list(): Promise<RetentionHold[]>;
  begin(named: NamedPerson): Promise<BegunHold>;
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
      whenFree(folder, (commits, begun) => beginHold(commits, named, record, { begun })),
    end: (id, named, isLast) =>
      whenFree(folder, (commits, once) => endHold(commits, id, named, recordOnce(once), isLast)),
  };
}
