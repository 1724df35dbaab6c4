import { durationText } from '#schemas/wording/durations.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { connectionFault } from '#store/connection/connection.ts';
import { causeOf } from '#store/errors.ts';
import type { Store } from '#store/store.ts';
import { SourceFailed } from './formats/common/source.ts';

/** The machine failed, not the file: there is no acknowledgement, and the message says what to do. */
export class LoadFailed extends Error {
  override name = 'LoadFailed';
}

/** Another loader had the authority's lock for as long as this one could wait. */
export class AuthorityBusy extends LoadFailed {
  override name = 'AuthorityBusy';
}

/** The authority is not as it was when somebody decided, so nothing was done. */
export class Overtaken extends LoadFailed {
  override name = 'Overtaken';
}

/** It may have been done, or part of it: what was sent is in Redis, though it was not confirmed. */
export class MayBeDone extends LoadFailed {
  override name = 'MayBeDone';
}

/** What a person is told if the cause is `why`. */
export type FailedSentence = (why: string) => string;

/**
 * As {@link asLoadFailed}, for what somebody decides.
 *
 * @param begun what is said, with {@link MayBeDone}, once anything was sent; `undefined` before that
 */
export function asDecisionFailed(error: unknown, begun: FailedSentence | undefined): LoadFailed {
  const failed = asLoadFailed(error, begun ?? LOAD_FAILED.actNotDone);
  return begun !== undefined && failed !== error ? new MayBeDone(failed.message) : failed;
}

/**
 * The cause is put into words and dropped: a client's error contains the failed command, and so NHS numbers.
 *
 * @param sentence what is true by now. It says that nothing was changed only if nothing was sent to the store or
 * recorded in the anchor
 */
export function asLoadFailed(error: unknown, sentence: FailedSentence): LoadFailed {
  if (error instanceof LoadFailed) return error;
  if (error instanceof SourceFailed)
    return new LoadFailed(LOAD_FAILED.nothingChanged(error.message));
  const message = connectionFault(error) ?? causeOf(error);
  const safe = message
    .replaceAll(/[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}/g, '##########')
    .slice(0, 300)
    .replace(/[^.]$/, '$&.');
  return new LoadFailed(sentence(safe));
}

/**
 * Ends a load between two steps.
 *
 * @param sentence what is true by now; default that nothing was changed
 * @throws {LoadFailed} once the process was told to stop
 */
export function unlessStopped(
  stopped: AbortSignal | undefined,
  sentence: string = LOAD_FAILED.stopped,
): void {
  if (stopped?.aborted === true) throw new LoadFailed(sentence);
}

/**
 * Nothing is written to a store that was not verified since Redis last started: it might be an older copy,
 * and anything loaded into that is lost when the right one is restored.
 *
 * @throws {LoadFailed}
 */
export async function requireOpen(store: Store): Promise<void> {
  if (await store.isOpen()) return;
  throw new LoadFailed(LOAD_FAILED.notVerified);
}

/** More than the clocks of machines with a time server differ by, and too little to take one day for another. */
const CLOCKS_APART_AT_MOST_MS = 5 * 60_000;

/**
 * This machine's clock decides whether a child is an adult, and whether a plan lies too far ahead or is over. If it was
 * wrong, children would be refused whom their council was right to send. Checked when the time is taken, and before it
 * decides on anything.
 *
 * @throws {LoadFailed}
 */
export async function requireClock(store: Store): Promise<void> {
  const apartMs = await store.clocksApart();
  if (apartMs <= CLOCKS_APART_AT_MOST_MS) return;
  throw new LoadFailed(LOAD_FAILED.clocksApart(durationText(apartMs)));
}
