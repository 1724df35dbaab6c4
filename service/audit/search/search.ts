import { hash } from 'node:crypto';
import type { AuditEvent, UnreadableEvent } from '#schemas/audit/audit-event.ts';
import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import { councilsProtecting, type ProtectionAct } from '#schemas/audit/protections.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { AUDIT_INDEX } from '#schemas/wording/audit.ts';
import { CommitFile } from '../log/commit.ts';
import { type SealedEvent, sealedAt } from '../log/sealed.ts';
import { AuditIndex, IndexDamaged, type Place, removeIndex } from './index-file.ts';
import { indexed } from './indexed.ts';
import { type ShownEvent, type Viewer, viewOf } from './view.ts';

/** Where a log and its index are. */
export type AuditPlaces = { folder: string; indexFile: string };

export type Found = SealedEvent & {
  /** As the viewer may see it. */
  shown: ShownEvent;
};

/** A page of events, newest first, and the position after which the next one starts. */
type Page = {
  events: Found[];
  next?: Place;
  /** Entries before this one were examined. */
  size: number;
};

/** Corrections examined for one child's answers; nobody has more. */
const NOT_DELIVERED_AT_MOST = 1_000;

/** There is no usable index: it is being made. */
export class NoIndex extends Error {
  override name = 'NoIndex';
}

/** Opens the index of a log for one piece of work. A damaged one is discarded, to be rebuilt. */
export function withIndex<T>(
  { folder, indexFile }: AuditPlaces,
  work: (index: AuditIndex, read: (places: readonly number[]) => SealedEvent[]) => T,
): T {
  const commit = CommitFile.readIfThere(folder);
  let index: AuditIndex | undefined;
  try {
    index = commit && AuditIndex.openIfThere(indexFile, commit.id);
    if (commit === undefined || index === undefined) {
      throw new NoIndex(AUDIT_INDEX.none);
    }
    const opened = index;
    return opened.atOneMoment(() => {
      // From here on reads of the index show this moment, and a commit read later reaches at least as far.
      opened.state();
      const { size, minimumIndex } = CommitFile.readIfThere(folder) ?? commit;
      return work(opened, (places) => sealedAt(folder, { size, minimumIndex }, places));
    });
  } catch (error) {
    if (error instanceof IndexDamaged) removeIndex(indexFile);
    throw error;
  } finally {
    index?.close();
  }
}

/** Ids of answers to a child's lookups that could not be written in full. */
function notDelivered(
  index: AuditIndex,
  read: (places: readonly number[]) => SealedEvent[],
  events: readonly (AuditEvent | UnreadableEvent)[],
): Set<string> {
  const ids = new Set<string>();
  const children = events.flatMap((event) => (event.type === 'lookup' ? event.nhsNumber : []));
  for (const nhsNumber of new Set(children)) {
    const criteria = { nhsNumber, type: 'not-delivered' } as AuditCriteria;
    const places = index.find(criteria, { kind: 'all' }, { limit: NOT_DELIVERED_AT_MOST });
    for (const { event } of read(places.map(({ entry }) => entry))) {
      if (event.type === 'not-delivered') ids.add(event.auditId);
    }
  }
  return ids;
}

/** Acts by which councils keep back where a child was looked up, read at a time. */
const RESTRICTIONS_AT_ONCE = 1_000;

/** Gives the events at positions of the log. */
type Read = (places: readonly number[]) => SealedEvent[];

/** The councils that at present keep back where the child was looked up, by the recorded acts, the oldest first. */
function whereaboutsKept(index: AuditIndex, read: Read, nhsNumber: NhsNumber): string[] {
  const criteria = { nhsNumber, type: 'restriction' } as const;
  const acts: ProtectionAct[] = [];
  // All of them, newest first: one followed by many others is still in force.
  for (let after: Place | undefined; ; ) {
    const limit = RESTRICTIONS_AT_ONCE;
    const found = index.find(criteria, { kind: 'all' }, { limit, after });
    for (const { event } of read(found.map(({ entry }) => entry))) {
      if (event.type === 'restriction' && event.kind === 'whereabouts') acts.push(event);
    }
    if (found.length < limit) return councilsProtecting(acts.toReversed());
    after = found.at(-1);
  }
}

/**
 * What a reviewer of one child's accesses must know first, in these words, if councils keep back where it was
 * looked up.
 */
export const whereaboutsWarning =
  (words: (councils: readonly string[]) => string) =>
  (places: AuditPlaces, { criteria: { nhsNumber } }: { criteria: AuditCriteria }): string[] => {
    if (nhsNumber === undefined) return [];
    const councils = withIndex(places, (index, read) => whereaboutsKept(index, read, nhsNumber));
    return councils.length === 0 ? [] : [words(councils)];
  };

/** Events as a viewer may see them; `undefined` for one that is not for them. */
export function viewEvents(
  index: AuditIndex,
  read: Read,
  viewer: Viewer,
  events: readonly SealedEvent[],
): (ShownEvent | undefined)[] {
  const kept = new Map<string, string[]>();
  return events.map(({ event, index: entry }) => {
    // Only a council is shown looks by others' people.
    if (event.type !== 'lookup' || viewer.kind !== 'authority') {
      return viewOf(viewer, event, entry);
    }
    const nhsNumber = event.nhsNumber as NhsNumber;
    const councils = kept.get(nhsNumber) ?? whereaboutsKept(index, read, nhsNumber);
    kept.set(nhsNumber, councils);
    return viewOf(viewer, event, entry, councils);
  });
}

/**
 * The matching events that the viewer may see, newest first. A lookup whose answer could not be written in
 * full says so (`delivered: false`). Nothing kept back from the viewer can be a criterion: otherwise it would
 * show in whether there is an event, or in how many are read.
 *
 * @throws {NoIndex}, {@link IndexDamaged} if the index has to be made (again)
 */
export function searchAudit(
  places: AuditPlaces,
  criteria: AuditCriteria,
  viewer: Viewer,
  options: { limit: number; after?: Place | undefined },
): Page {
  const { limit } = options;
  const { user, organisation } = criteria;
  const asksWho = user !== undefined || organisation !== undefined;
  const isOf = ({ event, shown }: Pick<Found, 'event' | 'shown'>): boolean => {
    if (viewer.kind !== 'authority' || !asksWho) return true;
    const who = indexed(event);
    return (
      shown['withheld'] !== true &&
      (user === undefined || who.user === user) &&
      (organisation === undefined || who.organisation === organisation)
    );
  };
  return withIndex(places, (index, read) => {
    const matching: (Found & { place: Place })[] = [];
    for (let { after } = options; ; ) {
      const found = index.find(criteria, viewer, { limit: limit + 1, after });
      const events = read(found.map(({ entry }) => entry));
      const views = viewEvents(index, read, viewer, events);
      const placeOf = new Map(found.map((place) => [place.entry, place]));
      // Events pruned since are missing.
      for (const [i, sealed] of events.entries()) {
        const [shown, place] = [views[i], placeOf.get(sealed.index)];
        if (shown === undefined || place === undefined) throw new IndexDamaged(AUDIT_INDEX.wrong);
        const each = { ...sealed, shown, place };
        if (isOf(each)) matching.push(each);
      }
      if (matching.length > limit || found.length <= limit) break;
      after = found.at(-1);
    }
    const page = matching.slice(0, limit);
    const undelivered = notDelivered(
      index,
      read,
      page.map(({ event }) => event),
    );
    const last = matching.length > limit ? page.at(-1)?.place : undefined;
    return {
      events: page.map((each) => {
        const { place: _, ...found } = each;
        const { event, shown } = found;
        const cutOff = event.type === 'lookup' && undelivered.has(event.auditId);
        return cutOff ? { ...found, shown: { ...shown, delivered: false } } : found;
      }),
      ...(last !== undefined && { next: last }),
      size: index.state().size,
    };
  });
}

/** Parsed criteria always have their members in the same order. */
const digestOf = (criteria: AuditCriteria): string =>
  hash('sha256', JSON.stringify(criteria), 'base64url').slice(0, 16);

/** Where a search continues, for its caller: it contains only a position, and fits only that search. */
export const writeCursor = ({ at, entry }: Place, criteria: AuditCriteria): string =>
  Buffer.from(`${at} ${entry} ${digestOf(criteria)}`).toString('base64url');

/** Where a page of events begins, so that it can be shown again without those that were recorded since. */
export const cursorFrom = (first: Place | undefined, criteria: AuditCriteria): string | undefined =>
  first && writeCursor({ ...first, entry: first.entry + 1 }, criteria);

/** The position in a cursor; `undefined` if it was not made for a search by these criteria. */
export function readCursor(cursor: string, criteria: AuditCriteria): Place | undefined {
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const [, at, entry, digest] = /^([0-9]{1,15}) ([0-9]{1,15}) ([\w-]{16})$/.exec(text) ?? [];
  if (digest !== digestOf(criteria)) return undefined;
  return { at: Number(at), entry: Number(entry) };
}
