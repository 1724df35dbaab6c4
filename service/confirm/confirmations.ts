import type { NamedPerson } from '#schemas/audit/named-person.ts';
import { CONFIRMED } from '#schemas/wording/confirmations.ts';
import { WITNESSING } from '#schemas/wording/operations.ts';
import type { connectStore } from '#store/connection/connection.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { confirmClock, confirmOldCopy, confirmPromotion } from '#store/trust/confirm.ts';
import { CommitFile } from '../audit/log/commit.ts';
import { sealedRange } from '../audit/log/sealed.ts';
import { whenFree } from '../audit/log/when-free.ts';

/** The result of what a named person ordered, in sentences. */
export type Decided = { kind: 'done' | 'refused'; says: string };

/** What a confirmation works on. */
export type ConfirmationPlace = {
  connection: ReturnType<typeof connectStore>;
  anchor: Anchor;
  /** Folder of the sealed log. */
  auditFolder: string;
};

const done = (says: string): Decided => ({ kind: 'done', says });
const refused = (says: string): Decided => ({ kind: 'refused', says });

/** The last number of each audit stream in the log here, if it is of this dataset. */
export function sealedNumbers({
  anchor,
  auditFolder,
}: Pick<ConfirmationPlace, 'anchor' | 'auditFolder'>): readonly number[] {
  const sealed = sealedRange(auditFolder);
  return sealed?.dataset === anchor.dataset()?.id ? (sealed?.numbers ?? []) : [];
}

/** What witnesses know of a newer log than the one here, in sentences; empty if they know of none. */
export const witnessesKnow = (auditFolder: string): string =>
  (CommitFile.lookIfThere(auditFolder, (commits) => commits.contradictions()) ?? [])
    .map(({ name, size, ours }) => WITNESSING.contradicted(name, size, ours))
    .join(' ');

/** Lets the store open on a promoted server. */
export async function decidePromotion(
  { connection, ...place }: ConfirmationPlace,
  named: NamedPerson,
): Promise<Decided> {
  const result = await confirmPromotion(connection, place.anchor, sealedNumbers(place), named);
  switch (result.kind) {
    case 'replica':
    case 'known':
      return refused(CONFIRMED.promotion[result.kind]);
    case 'too-many':
      return refused(CONFIRMED.promotion.tooMany(result.missing));
    case 'confirmed': {
      const lastAlive = new Date(result.lastAlive).toISOString();
      return done(CONFIRMED.promotion.done(result.missing, lastAlive));
    }
  }
}

/** Lets the store open although the data folder was last alive long ago, or witnesses know a newer log. */
export async function decideOldCopy(
  { connection, anchor, auditFolder }: ConfirmationPlace,
  named: NamedPerson,
): Promise<Decided> {
  // What could not be completed is not put on record.
  CommitFile.openIfThere(auditFolder)?.close();
  const known = witnessesKnow(auditFolder);
  const lastAlive = await confirmOldCopy(connection, anchor, named, known || undefined);
  if (lastAlive === undefined) return refused(CONFIRMED['old-copy'].nothing);
  if (CommitFile.isThere(auditFolder)) {
    await whenFree(auditFolder, (commits) => commits.answerForContradictions());
  }
  return done(CONFIRMED['old-copy'].done(new Date(lastAlive).toISOString()));
}

/** Lets the store open although its clock was put back. */
export async function decideClock(
  { connection, anchor }: ConfirmationPlace,
  named: NamedPerson,
): Promise<Decided> {
  const result = await confirmClock(connection, anchor, named);
  switch (result.kind) {
    case 'not-behind':
      return refused(CONFIRMED.clock.nothing);
    case 'apart':
      return refused(CONFIRMED.clock.apart(result.apartMs));
    case 'confirmed':
      return done(CONFIRMED.clock.done(new Date(result.newest).toISOString()));
  }
}
