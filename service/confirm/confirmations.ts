import type { NamedPerson } from '#schemas/audit/named-person.ts';
import { CONFIRMED } from '#schemas/wording/confirmations.ts';
import { WITNESSING } from '#schemas/wording/operations.ts';
import { DECISIONS } from '#schemas/wording/operator-decisions.ts';
import { NotReplicated } from '#store/connection/acknowledged.ts';
import { clockOf } from '#store/connection/clock.ts';
import { connectionFault, type connectStore } from '#store/connection/connection.ts';
import { TurnsBusy } from '#store/locks/turns.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { ageOf, confirmClock, confirmOldCopy, confirmPromotion } from '#store/trust/confirm.ts';
import { CommitFile, type Contradiction } from '../audit/log/commit.ts';
import { lookWhenFree, whenFree } from '../audit/log/when-free.ts';

/**
 * The result of what a named person ordered, in sentences.
 *
 * `unsure`: Redis may have what was ordered, or part of it, though it did not say so, or no replica has it.
 */
export type Decided = { kind: 'done' | 'refused' | 'unsure'; says: string };

/** What a confirmation works on. */
export type ConfirmationPlace = {
  connection: ReturnType<typeof connectStore>;
  anchor: Anchor;
  /** Folder of the sealed log. */
  auditFolder: string;
};

/** Why it is not known whether something was done, as a sentence; `undefined` for any other error. */
export const storeFault = (error: unknown): string | undefined =>
  error instanceof NotReplicated || error instanceof TurnsBusy
    ? error.message
    : connectionFault(error);

const done = (says: string): Decided => ({ kind: 'done', says });
const refused = (says: string): Decided => ({ kind: 'refused', says });

/** The last number of each audit stream in the log here, if it is of this dataset. */
export async function sealedNumbers({
  anchor,
  auditFolder,
}: Pick<ConfirmationPlace, 'anchor' | 'auditFolder'>): Promise<readonly number[]> {
  const sealed = await lookWhenFree(auditFolder, (commits) => commits.read());
  return sealed?.dataset === anchor.dataset()?.id ? (sealed?.numbers ?? []) : [];
}

/** What {@link decideOldCopy} would answer for; changes nothing. */
export async function lookAtOldCopy({
  connection,
  anchor,
  auditFolder,
}: ConfirmationPlace): Promise<{
  /** What exactly it is: a page that showed something else decides nothing. */
  subject: string;
  /** Milliseconds. */
  lastAlive: number;
  /** What witnesses know of a newer log than the one here, in sentences; empty if they know of none. */
  known: string;
  contradictions: readonly Contradiction[];
}> {
  const { lastAlive } = ageOf(anchor, await clockOf(connection));
  const contradictions =
    (await lookWhenFree(auditFolder, (commits) => commits.contradictions())) ?? [];
  const known = contradictions
    .map(({ name, size, ours }) => WITNESSING.contradicted(name, size, ours))
    .join(' ');
  return { subject: `${lastAlive} ${known}`, lastAlive, known, contradictions };
}

/** Lets the store open on a promoted server; if one was shown, only on that. */
export async function decidePromotion(
  { connection, ...place }: ConfirmationPlace,
  named: NamedPerson,
  shown?: string,
): Promise<Decided> {
  const sealed = await sealedNumbers(place);
  const result = await confirmPromotion(connection, place.anchor, sealed, named, shown);
  switch (result.kind) {
    case 'replica':
    case 'known':
      return refused(CONFIRMED.promotion[result.kind]);
    case 'changed':
      return refused(DECISIONS.changed);
    case 'too-many':
      return refused(CONFIRMED.promotion.tooMany(result.missing));
    case 'confirmed': {
      const lastAlive = new Date(result.lastAlive).toISOString();
      return done(CONFIRMED.promotion.done(result.missing, lastAlive));
    }
  }
}

/**
 * Lets the store open although the data folder was last alive long ago, or witnesses know a newer log.
 *
 * @param shown the subject of what the person was shown, by {@link lookAtOldCopy}: if it is something else by now,
 * nothing is decided
 */
export async function decideOldCopy(
  place: ConfirmationPlace,
  named: NamedPerson,
  shown?: string,
): Promise<Decided> {
  const { connection, anchor, auditFolder } = place;
  const hasLog = CommitFile.isThere(auditFolder);
  // What could not be completed is not put on record.
  if (hasLog) await whenFree(auditFolder, () => undefined);
  const { subject, known, contradictions } = await lookAtOldCopy(place);
  if (shown !== undefined && shown !== subject) return refused(DECISIONS.changed);
  const lastAlive = await confirmOldCopy(connection, anchor, named, known || undefined);
  if (lastAlive === undefined) return refused(CONFIRMED['old-copy'].nothing);
  // Not for what a witness has said since: nobody was shown that.
  if (hasLog) await whenFree(auditFolder, (own) => own.answerForContradictions(contradictions));
  return done(CONFIRMED['old-copy'].done(new Date(lastAlive).toISOString()));
}

/** Lets the store open although its clock was put back; if a time was shown, only if none after it has been seen. */
export async function decideClock(
  { connection, anchor }: ConfirmationPlace,
  named: NamedPerson,
  shown?: number,
): Promise<Decided> {
  const result = await confirmClock(connection, anchor, named, shown);
  switch (result.kind) {
    case 'changed':
      return refused(DECISIONS.changed);
    case 'not-behind':
      return refused(CONFIRMED.clock.nothing);
    case 'apart':
      return refused(CONFIRMED.clock.apart(result.apartMs));
    case 'confirmed':
      return done(CONFIRMED.clock.done(new Date(result.newest).toISOString()));
  }
}
