import { hash } from 'node:crypto';
import {
  type AuditEvent,
  auditEventSchema,
  eventTimeSchema,
  isForged,
  type UnreadableEvent,
  unreadableEventSchema,
} from '#schemas/audit/audit-event.ts';
import type { CommonLook } from '#store/audit-stream/lookup-frames.ts';
import { splitBundle } from '../tlog/bundle.ts';
import { TILE_WIDTH, tilePath, widthOf } from '../tlog/tiles.ts';
import { CommitFile } from './commit.ts';
import { placeOf } from './entry.ts';
import { readBundle } from './log-folder.ts';

/** An event with its place in the log, which never changes. */
export type SealedEvent = {
  /** From 0. */
  index: number;
  event: AuditEvent | UnreadableEvent;
  /** It was sealed as an event, but no version of this service wrote it. */
  isForged?: true;
  /** It was sealed as an event of a type, or with a word, that this version does not know. A newer one may. */
  isUnknown?: true;
};

/** A look that found nothing, with what the followers of the log need. */
export type SealedLook = {
  index: number;
  event?: undefined;
  /** Milliseconds, the store's time. */
  at: number;
  /** The NHS number, as a number. */
  child: number;
  /** Everything that it has in common with others; the same object for all that were read alike. */
  common: CommonLook;
};

/** What the followers of the log are given. */
export type Followed = SealedEvent | SealedLook;

/** The extent of a log: events from `minimumIndex` to before `size`. */
export type SealedRange = {
  id: string;
  dataset: string;
  size: number;
  minimumIndex: number;
  /** The number of every stream's last event in it, in the order of the store's list of streams. */
  numbers: readonly number[];
};

/** What is sealed in a folder's log; `undefined` before there is one. Another process may be writing it. */
export function sealedRange(folder: string): SealedRange | undefined {
  return CommitFile.readIfThere(folder);
}

/** A log may hold invalid times that an earlier version accepted from somebody else. */
const placedOnly = unreadableEventSchema
  .pick({ partition: true, number: true })
  .extend({ at: eventTimeSchema.catch(0) });

/** @throws an error that repeats nothing of a damaged entry */
function jsonOf(text: string, index: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`Entry ${index} of the audit log cannot be read.`);
  }
}

/** To this version an event of an unknown type is unreadable, and not the end of the log. */
export function parseEntry(text: string, index: number): SealedEvent {
  const json = jsonOf(text, index);
  const event = auditEventSchema.safeParse(json);
  if (event.success) return { index, event: event.data };
  const unreadable = unreadableEventSchema.safeParse(json);
  if (unreadable.success) return { index, event: unreadable.data };
  const sha256 = hash('sha256', text);
  return {
    index,
    event: { ...placedOnly.parse(json), type: 'unreadable', sha256, fields: text },
    ...(isForged(json, event.error) ? { isForged: true } : { isUnknown: true }),
  };
}

/** The entries of one bundle of a log of `size` entries. */
function entriesOf(folder: string, bundle: number, size: number): Buffer[] {
  const width = widthOf('entries', bundle, size);
  const entries = splitBundle(readBundle(folder, bundle, size) ?? Buffer.alloc(0));
  if (entries === undefined || entries.length < width) {
    throw new Error(`${tilePath('entries', bundle, width)} of the audit log cannot be read.`);
  }
  return entries;
}

/**
 * Where to start reading the events since a moment, in milliseconds: at a bundle before the first that begins
 * later, since events sealed late are out of order.
 *
 * @param bundleAt the entries of a bundle
 */
export function indexSince(
  { size, minimumIndex }: Pick<SealedRange, 'size' | 'minimumIndex'>,
  since: number,
  bundleAt: (bundle: number) => readonly Buffer[],
): number {
  let [first, end] = [Math.floor(minimumIndex / TILE_WIDTH), Math.floor(size / TILE_WIDTH)];
  while (first < end) {
    const middle = Math.floor((first + end) / 2);
    const [entry = Buffer.alloc(0)] = bundleAt(middle);
    if ((placeOf(entry, 0, entry.length)?.at ?? 0) < since) first = middle + 1;
    else end = middle;
  }
  return Math.max(minimumIndex, (first - 1) * TILE_WIDTH);
}

/** Like {@link indexSince}, from the log's own bundles. @throws if one cannot be read */
export function sealedSince(folder: string, range: SealedRange, since: number): number {
  return indexSince(range, since, (bundle) => entriesOf(folder, bundle, range.size));
}

/**
 * Like {@link sealedEvents}, for work in steps that never waits: the events of a range, bundle by bundle.
 *
 * @param lately events in order that this process has just sealed: they are not read again
 * @throws if a required bundle cannot be read
 */
export function* sealedRun<Known extends Followed = never>(
  folder: string,
  { size, minimumIndex }: Pick<SealedRange, 'size' | 'minimumIndex'>,
  from: number,
  lately: readonly Known[] = [],
): Generator<readonly (SealedEvent | Known)[], void, undefined> {
  const known = lately[0]?.index ?? Number.POSITIVE_INFINITY;
  for (let index = Math.max(from, minimumIndex); index < size; ) {
    const bundle = Math.floor(index / TILE_WIDTH);
    const end = Math.min(size, (bundle + 1) * TILE_WIDTH);
    const first = index;
    // Both ends are in place, so all between them are.
    const isKnown = lately[first - known]?.index === first;
    if (isKnown && lately[end - 1 - known]?.index === end - 1) {
      yield lately.slice(first - known, end - known);
    } else {
      yield entriesOf(folder, bundle, size)
        .slice(index % TILE_WIDTH, end - bundle * TILE_WIDTH)
        .map((entry, i) => parseEntry(entry.toString('utf8'), first + i));
    }
    index = end;
  }
}

/**
 * Single events by position, in the order asked for. Pruned or unsealed positions are left out.
 *
 * @throws if a required bundle cannot be read
 */
export function sealedAt(
  folder: string,
  { size, minimumIndex }: Pick<SealedRange, 'size' | 'minimumIndex'>,
  places: readonly number[],
): SealedEvent[] {
  // One bundle at a time: neighbouring positions mostly share it, and many bundles would fill the memory.
  const found = new Map<number, SealedEvent>();
  let held: { bundle: number; entries: Buffer[] } | undefined;
  for (const index of places.toSorted((a, b) => a - b)) {
    if (index < minimumIndex || index >= size) continue;
    const bundle = Math.floor(index / TILE_WIDTH);
    if (held?.bundle !== bundle) held = { bundle, entries: entriesOf(folder, bundle, size) };
    const entry = held.entries[index % TILE_WIDTH];
    if (entry !== undefined) found.set(index, parseEntry(entry.toString('utf8'), index));
  }
  return places.flatMap((index) => found.get(index) ?? []);
}

/**
 * The sealed events from an index on, in order, up to what is sealed at the time of the call: to follow the
 * log, call it again with the index after the last. Pruned events are skipped. Only the worker's own folder
 * is read, without comparing hashes: verification does that.
 *
 * @throws if a required bundle cannot be read
 */
export async function* sealedEvents(
  folder: string,
  from: number,
): AsyncGenerator<SealedEvent, void, undefined> {
  const range = sealedRange(folder);
  if (range === undefined) return;
  for (const events of sealedRun(folder, range, from)) yield* events;
}
