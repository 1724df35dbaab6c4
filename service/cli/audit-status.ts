import type { Configuration } from '#schemas/configuration.ts';
import { counted } from '#schemas/wording/counts.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { lacksRights } from '#store/connection/connection.ts';
import { CommitFile, type WitnessingState } from '../audit/log/commit.ts';
import { auditFolder } from '../files/data-folder.ts';
import type { StoreConnection } from '../start/redis.ts';

type AuditStatus = {
  ok: boolean;
  /** The log that is sealed is another one than here: these folders are an old copy, or not those of the worker. */
  isElsewhere: boolean;
  detail: string;
  sealed: number;
  /** `null` if the Redis user may not read it. */
  unsealed: number | null;
  /** ISO 8601: since when the oldest unsealed event waits. */
  oldestUnsealed?: string;
  /** When the worker last read the newest part of the log back, and the result. */
  verified?: { at: string; from: number; to: number; problem?: string | undefined };
  holds: number;
  /** How far witnesses have cosigned it, by the worker's last report. */
  witnessing?: WitnessingState;
};

const HEARD_OF_WITHIN_MS = 60_000;

/** The state of sealing, as far as the log's folder and Redis show. */
export async function auditStatus(
  configuration: Configuration,
  connection: StoreConnection,
  now: number,
): Promise<AuditStatus> {
  const folder = auditFolder(configuration);
  const commits = CommitFile.openIfThere(folder);
  const none = { sealed: 0, unsealed: 0, holds: 0 };
  if (commits === undefined) {
    const isElsewhere = (await createAuditStreams(connection).sealedBy()) !== undefined;
    const detail = isElsewhere ? SEALING.elsewhere(folder) : SEALING.none(folder);
    return { ok: false, isElsewhere, detail, ...none };
  }
  try {
    const commit = commits.read();
    const sealing = commits.sealing();
    const streams = createAuditStreams(connection);
    const beyond = await streams.sealedBeyond(() => commits.size());
    const last = await streams.numbers().catch((error: unknown) => {
      if (lacksRights(error)) return undefined;
      throw error;
    });
    const numbers = commit?.numbers ?? [];
    const unsealed = last?.reduce((sum, n, i) => sum + Math.max(0, n - (numbers[i] ?? 0)), 0);
    const oldest =
      last === undefined || unsealed === 0 ? undefined : await streams.oldest(numbers, last);
    const verified = commits.verified();
    const isWitnessed = configuration.AUDIT_WITNESSES !== undefined;
    const witnessing = isWitnessed ? commits.witnessing() : undefined;
    const silent =
      sealing === undefined || Math.abs(now - Date.parse(sealing.at)) > HEARD_OF_WITHIN_MS;
    const said = silent ? SEALING.nobody(sealing?.at) : sealing.detail;
    const isOld = beyond !== undefined;
    return {
      ok: !isOld && !silent && !sealing.problem,
      isElsewhere: isOld,
      detail: isOld ? SEALING.oldLog(beyond) : said,
      sealed: commit?.size ?? 0,
      unsealed: unsealed ?? null,
      ...(oldest !== undefined && { oldestUnsealed: new Date(oldest).toISOString() }),
      ...(verified !== undefined && { verified }),
      holds: commits.retentionHolds().length,
      ...(witnessing !== undefined && { witnessing }),
    };
  } finally {
    commits.close();
  }
}

export function printAuditStatus(status: AuditStatus): void {
  const { ok, detail, sealed, unsealed, oldestUnsealed, verified, holds, witnessing } = status;
  const since = oldestUnsealed === undefined ? '' : ` (since ${zonedTimeText(oldestUnsealed)})`;
  const some = unsealed === 0 ? '' : `, ${counted(unsealed ?? 0, 'waits', 'wait')}${since}`;
  const waits = unsealed === null ? ', how many wait is not known to this Redis user' : some;
  console.log(
    `Audit: ${counted(sealed, 'event')} sealed${waits}. ${ok ? detail : `PROBLEM: ${detail}`}`,
  );
  if (verified?.problem !== undefined) {
    console.log(
      `  Its newest part is NOT WHOLE (${zonedTimeText(verified.at)}): ${verified.problem}`,
    );
  } else if (verified !== undefined) {
    console.log(
      `  Its newest part was verified at ${zonedTimeText(verified.at)}, up to entry ${verified.to}.`,
    );
  }
  if (witnessing !== undefined) {
    const { problem, witnesses } = witnessing;
    console.log(`  ${problem ? 'PROBLEM: ' : ''}${witnessing.detail}`);
    for (const { name, size, at } of witnesses) {
      console.log(
        `  ${name}: ${size === undefined ? 'nothing yet' : `${counted(size, 'entry', 'entries')}${at === undefined ? '' : ` at ${zonedTimeText(at)}`}`}`,
      );
    }
  }
  if (holds > 0) console.log(`  ${counted(holds, 'hold')} in force: nothing is pruned.`);
}
