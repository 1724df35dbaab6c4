import { randomUUID } from 'node:crypto';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import { CONFIRMED } from '#schemas/wording/confirmations.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { DECISIONS } from '#schemas/wording/operator-decisions.ts';
import { VERIFIER } from '#schemas/wording/store.ts';
import { createAuditStreams, type StreamGap } from '#store/audit-stream/audit-stream.ts';
import { causeOf } from '#store/errors.ts';
import { auditPartitions } from '#store/keys.ts';
import { ADOPTION, createTurns } from '#store/locks/turns.ts';
import { isWorkerAtWork } from '#store/trust/server.ts';
import { CommitFile } from '../audit/log/commit.ts';
import { streamName } from '../audit/log/entry.ts';
import { whenFree } from '../audit/log/when-free.ts';
import { type ConfirmationPlace, type Decided, storeFault } from './confirmations.ts';

const WORDS = CONFIRMED.gap;

/** What is missing between the log and Redis for good, or why nothing is to be accepted. */
type Gap =
  | { kind: 'refused'; says: string }
  | {
      kind: 'gap';
      /** The log here. */
      log: string;
      gaps: readonly StreamGap[];
      /** The log here is an older copy of the log that sealed the events. */
      beyond: { here: number; sealed: number } | undefined;
      /** The log that sealed the events before, if it was another one. */
      before: string | undefined;
    };

const refused = (says: string): { kind: 'refused'; says: string } => ({ kind: 'refused', says });

async function findGap(
  { connection }: Pick<ConfirmationPlace, 'connection'>,
  commits: CommitFile,
): Promise<Gap> {
  const commit = commits.read();
  if (commit === undefined) return refused(WORDS.noLog);
  const streams = createAuditStreams(connection);
  if ((await streams.dataset()) !== commit.dataset) return refused(WORDS.otherDataset);
  if ((await streams.pushed()).length > 0) return refused(WORDS.notLost(VERIFIER.pushedOn));
  const sealed = (): readonly number[] => commits.readPastGaps()?.numbers ?? [];
  const gaps = await streams.gaps(sealed, commits.acceptedGaps());
  const back = gaps.find(({ sealed, found }) => found < sealed);
  if (back !== undefined) return refused(WORDS.back(streamName(back.stream)));
  const sealedBy = await streams.sealedBy();
  const beyond = await streams.sealedBeyond(() => commits.size());
  const before = sealedBy === undefined || sealedBy === commit.id ? undefined : sealedBy;
  if (gaps.length === 0 && before === undefined && beyond === undefined) {
    return refused(WORDS.nothing);
  }
  return { kind: 'gap', log: commit.id, gaps, beyond, before };
}

/** What {@link acceptGap} would accept; changes nothing. */
export async function lookAtGap(
  place: Pick<ConfirmationPlace, 'connection' | 'auditFolder'>,
): Promise<Gap> {
  if (!CommitFile.isThere(place.auditFolder)) return refused(SEALING.none(place.auditFolder));
  return whenFree(place.auditFolder, (commits) => findGap(place, commits));
}

/** What exactly would be accepted: a page that showed something else decides nothing. */
export const subjectOfGap = ({
  log,
  before,
  beyond,
  gaps,
}: Extract<Gap, { kind: 'gap' }>): string => JSON.stringify([log, before, beyond, gaps]);

/**
 * Lets sealing continue if events are lost permanently. The log then says which events, who answered for this and why,
 * and every verification repeats it. If something fails once anything is on record, what was accepted by then is said
 * first.
 *
 * @param agreedBy the Guardian or privacy officer who decided it too
 * @param shown what the person was shown, by {@link subjectOfGap}: if it is something else by now, nothing is accepted
 */
export async function acceptGap(
  place: Pick<ConfirmationPlace, 'connection' | 'auditFolder'>,
  named: NamedPerson,
  { agreedBy, shown }: { agreedBy?: string | undefined; shown?: string } = {},
): Promise<Decided> {
  const found = await lookAtGap(place);
  if (found.kind === 'refused') return found;
  if (shown !== undefined && shown !== subjectOfGap(found)) return refused(DECISIONS.changed);
  const { log, gaps, beyond } = found;
  if (beyond !== undefined && (await isWorkerAtWork(place.connection))) {
    return refused(SEALING.newerAtWork);
  }
  const streams = createAuditStreams(place.connection);
  let isRecorded = false;
  const record = async (detail: Record<string, string | number>) => {
    await streams.append({
      type: 'audit-gap-accepted',
      auditId: randomUUID(),
      by: named.by,
      detail: { ...detail, ...whyDetail(named), ...(agreedBy !== undefined && { agreedBy }) },
    });
    isRecorded = true;
  };
  const says: string[] = [];
  /** Another log seals the events by now. */
  const overtaken = (): Decided =>
    isRecorded
      ? {
          kind: 'unsure',
          says: [
            ...says,
            says.length > 0 ? WORDS.restNotDone : WORDS.recordedOnly,
            SEALING.otherLog,
          ].join('\n'),
        }
      : refused(SEALING.otherLog);
  try {
    // This comes first: an old copy whose gaps are accepted would open the store, and then it could not be accepted any
    // more.
    if (beyond !== undefined) {
      await record({ log, events: beyond.here, sealed: beyond.sealed });
      await streams.acceptSealedSize({ log, size: beyond.here });
      says.push(WORDS.beyond(beyond.here, beyond.sealed));
    }
    for (const gap of gaps) {
      const { stream, sealed, found: next } = gap;
      const [from, to] = [sealed + 1, next - 1];
      await record({ stream, partition: String(auditPartitions[stream]), from, to });
      await whenFree(place.auditFolder, (own) => own.acceptGap(gap));
      says.push(WORDS.events(from, to, streamName(stream)));
    }
    // Two logs are not adopted at once, each in place of the same one.
    return await createTurns(
      place.connection,
      ADOPTION,
    )(async (still): Promise<Decided> => {
      const before = await streams.claim(log);
      // Another log that has begun to seal since then is one that nobody has answered for.
      if (before === found.before) {
        // As it is already: refused now, and not after it is on record, to a Redis user who may not.
        await streams.adopt(before, before);
        await record({ log, before });
        await still();
        if (!(await streams.adopt(log, before))) return overtaken();
        says.push(WORDS.adopted);
      } else if (before !== log) {
        return overtaken();
      }
      return { kind: 'done', says: says.join('\n') };
    });
  } catch (error) {
    const why = storeFault(error);
    if (why === undefined && !isRecorded) throw error;
    const { failed, recorded } = WORDS;
    const unsure = why ?? (says.length > 0 ? failed : recorded)(causeOf(error));
    return { kind: 'unsure', says: [...says, unsure].join('\n') };
  }
}
