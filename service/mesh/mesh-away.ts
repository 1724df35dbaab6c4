import { MESH } from '#schemas/wording/mesh.ts';
import { errorCode } from '../telemetry/log.ts';
import { type MeshReply, retryAfterMs } from './exchange.ts';

/**
 * MESH cannot be used for now: it is away, does not let this mailbox in, or answers unintelligibly. The
 * message is the sentence for the operator.
 */
export class MeshAway extends Error {
  override name = 'MeshAway';
  /** It asked for a pause of this length. */
  readonly retryAfterMs: number | undefined;
  /** True of every request, whatever message it concerns. */
  readonly ofAll: boolean;
  constructor(
    message: string,
    { pauseMs, ofAll = false }: { pauseMs?: number | undefined; ofAll?: boolean } = {},
  ) {
    super(message);
    this.retryAfterMs = pauseMs;
    this.ofAll = ofAll;
  }
}

/** This many in a row mean that MESH itself cannot be used. */
const AWAY_IN_A_ROW = 3;

/**
 * Works on one message after the other, so that a message that MESH cannot give or take delays no other.
 *
 * @param onAway called with each for which MESH could not be used, before the next
 * @returns the last reason, if any
 * @throws {MeshAway} if MESH cannot be used at all
 */
export async function eachApart<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  onAway: (item: T, reason: MeshAway) => void,
): Promise<MeshAway | undefined> {
  let inARow = 0;
  let last: MeshAway | undefined;
  for (const item of items) {
    try {
      await work(item);
      inARow = 0;
    } catch (error) {
      const reason =
        error instanceof MeshAway ? error : new MeshAway(MESH.failed(errorCode(error)));
      if (!reason.ofAll) onAway(item, reason);
      if (reason.ofAll || ++inARow === AWAY_IN_A_ROW) throw reason;
      last = reason;
    }
  }
  return last;
}

/** More than our clock and that of MESH may differ before tokens are refused. Source: MESH API, two hours. */
const CLOCKS_APART_MS = 3_600_000;

/** What an answer that is not a success says about MESH: why it is away, for how long (ms), and whether for every message. */
export function away(reply: MeshReply): MeshAway {
  if (reply.kind === 'lost') return new MeshAway(MESH.notReached(reply.fault));
  const { status, headers } = reply;
  if (status === 401 || status === 403) {
    const apart = Math.abs(Date.parse(headers.date ?? '') - Date.now());
    return new MeshAway(apart > CLOCKS_APART_MS ? MESH.clockWrong : MESH.notLetIn, { ofAll: true });
  }
  const pauseMs = retryAfterMs(headers, Date.now());
  return new MeshAway(MESH.answered(status), { pauseMs, ofAll: status === 429 });
}
