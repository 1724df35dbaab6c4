import { type Authority, lastFileNumber } from '#schemas/authority.ts';
import { FRESHNESS } from '#schemas/wording/operator.ts';
import { timeText } from '#schemas/wording/times.ts';
import type { OperatorDependencies } from './operator.ts';

/** Whether a council's data can be relied on, and what to do if it cannot. */
export function stateText(
  authority: Authority | undefined,
  isUpToDate: boolean,
  { now, upToDateMs }: { now: number; upToDateMs: number },
): string {
  if (isUpToDate) return FRESHNESS.upToDate;
  if (authority === undefined) return FRESHNESS.unknown;
  if (authority.dataAsOf === undefined) return FRESHNESS.never;
  if (!authority.reconciled) return FRESHNESS.differs;
  const dueAt = Date.parse(authority.dataAsOf) + upToDateMs;
  return dueAt > now ? FRESHNESS.fromFuture : FRESHNESS.behind(timeText(dueAt));
}

/** The council's own number of its last file, when it came and its result; empty if the numbering has none yet. */
export async function lastFileText(
  { store }: Pick<OperatorDependencies, 'store'>,
  authority: Authority | undefined,
): Promise<string> {
  const { code, sequence } = authority ?? {};
  const number = lastFileNumber(authority ?? {});
  if (code === undefined || sequence === undefined || number === undefined) return '';
  const file = await store.fileOf(code, sequence);
  return file?.at === undefined
    ? String(number)
    : FRESHNESS.file(number, timeText(file.at), file.code);
}
