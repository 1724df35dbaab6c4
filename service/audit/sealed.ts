import { hash } from 'node:crypto';
import {
  type AuditEvent,
  auditEventSchema,
  type UnreadableEvent,
  unreadableEventSchema,
} from '#schemas/audit-event.ts';
import { CommitFile } from './commit.ts';
import { readBundle } from './log-folder.ts';
import { splitBundle } from './tlog/bundle.ts';
import { TILE_WIDTH, tilePath, widthOf } from './tlog/tiles.ts';

/** An event with its place in the log, which never changes. */
export type SealedEvent = {
  /** From 0. */
  index: number;
  event: AuditEvent | UnreadableEvent;
};

/** How far a log goes: events from `minimumIndex` to before `size` are there. */
export type SealedRange = {
  dataset: string;
  size: number;
  minimumIndex: number;
  /** The number of every stream's last event in it, in the order of the store's list of streams. */
  numbers: readonly number[];
};

/** What is sealed in the log of a folder; `undefined` before there is one. Another process may write it. */
export function sealedRange(folder: string): SealedRange | undefined {
  return CommitFile.readIfThere(folder);
}

const placedOnly = unreadableEventSchema.pick({ partition: true, number: true, at: true });

/** An event of a type that this version does not know is unreadable to it, not the end of the log. */
function parseEntry(entry: Buffer): SealedEvent['event'] {
  const text = entry.toString('utf8');
  const json: unknown = JSON.parse(text);
  const event = auditEventSchema.safeParse(json);
  if (event.success) return event.data;
  const unreadable = unreadableEventSchema.safeParse(json);
  if (unreadable.success) return unreadable.data;
  return {
    ...placedOnly.parse(json),
    type: 'unreadable',
    sha256: hash('sha256', text),
    fields: text,
  };
}

/**
 * The sealed events from an index on, in order, up to what is sealed when this is called: to follow the log,
 * call it again with the index after the last. What was pruned is passed over. Only the worker's own folder
 * is read, without comparing hashes: verification does that.
 *
 * @throws where a bundle that has to be there cannot be read
 */
export async function* sealedEvents(
  folder: string,
  from: number,
): AsyncGenerator<SealedEvent, void, undefined> {
  const range = sealedRange(folder);
  if (range === undefined) return;
  const { size, minimumIndex } = range;
  const first = Math.max(from, minimumIndex);
  for (let index = first; index < size; ) {
    const bundle = Math.floor(index / TILE_WIDTH);
    const width = widthOf('entries', bundle, size);
    const entries = splitBundle(readBundle(folder, bundle, size) ?? Buffer.alloc(0));
    if (entries === undefined || entries.length < width) {
      throw new Error(`${tilePath('entries', bundle, width)} of the audit log cannot be read.`);
    }
    for (; index < Math.min(size, (bundle + 1) * TILE_WIDTH); index++) {
      const entry = entries[index % TILE_WIDTH];
      if (entry !== undefined) yield { index, event: parseEntry(entry) };
    }
  }
}
