// One file, since the steps from the log to the outbox share one cursor and one transaction.

import { createHash } from 'node:crypto';
import { fileNumber } from '#schemas/authority.ts';
import {
  type Notification,
  nextNotificationId,
  type PreferencesFile,
  preferencesOf,
} from '#schemas/notification.ts';
import { NOTIFYING } from '#schemas/wording/operations.ts';
import { eachAlone } from '#store/files/each-alone.ts';
import type { FileLock } from '#store/files/sqlite.ts';
import { placeOf } from '../audit/log/entry.ts';
import { readBundle, readCheckpointFile } from '../audit/log/log-folder.ts';
import { indexSince, type SealedRange, sealedRange } from '../audit/log/sealed.ts';
import { LogInUse, lockFolder } from '../audit/seal/log-writer.ts';
import { splitBundle } from '../audit/tlog/bundle.ts';
import { parseCheckpoint } from '../audit/tlog/checkpoint.ts';
import { TILE_WIDTH, tilePath, widthOf } from '../audit/tlog/tiles.ts';
import { errorCode } from '../telemetry/log.ts';
import { createWaiting } from '../telemetry/waiting.ts';
import { type ReadEntry, readEntry } from './accesses.ts';
import { type Cursor, NotificationFile, type NotifierState } from './notification-file.ts';
import {
  type NotificationMesh,
  removeNotification,
  rewriteNotification,
  writeNotification,
} from './outbox.ts';

/** What notifications say about an authority. */
type NotifiedAuthority = { code: string; name: string; sequenceOffset: number };
/** What changes while the service runs. */
export type Directory = {
  authorities: readonly NotifiedAuthority[];
  preferences: PreferencesFile;
};

export type NotifierOptions = {
  /** The folder of the sealed log. */
  folder: string;
  /** Notifications are written into it as files; without it they are given only on request. */
  outbox?: string;
  windowMs: number;
  keepMs: number;
  mesh?: NotificationMesh;
  /** Milliseconds since 1970; given in tests. */
  clock?: () => number;
};

export type Notifying = NotifierState & {
  /** Another process does it. */
  standby: boolean;
};

const LOCK = 'notifications.lock';
/** In one transaction, after which a stop takes effect. */
const EVENTS_A_STEP = 4_096;
const ENTRIES_A_NOTIFICATION = 1_000;
const WRITTEN_A_STEP = 50;
const TOLD_EVERY_MS = 10_000;
const PRUNED_EVERY_MS = 3_600_000;
/** How long after its window an access may wait before somebody must investigate. */
const LATE_AFTER_MS = 300_000;
const DAY_MS = 86_400_000;
/** Before any window has begun. */
const NEVER = 0;
const UNREADABLE_TOLD_FOR_MS = DAY_MS;

/** A reason to pause that passes by itself. */
class Waiting extends Error {}
/** A reason to pause that somebody must investigate. */
class Stopped extends Error {}

/** The same for the same notification, wherever it is made: a UUID (version 8) of our own. */
function uuidOf(dataset: string, authority: string, id: string): string {
  const hex = createHash('sha256').update(`${dataset} ${authority} ${id}`).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The entries of a required bundle. @throws {Stopped} */
function entriesOf(folder: string, bundle: number, size: number): Buffer[] {
  const width = widthOf('entries', bundle, size);
  const entries = splitBundle(readBundle(folder, bundle, size) ?? Buffer.alloc(0));
  if (entries === undefined || entries.length < width) {
    throw new Stopped(NOTIFYING.bundleDamaged(tilePath('entries', bundle, width)));
  }
  return entries;
}

/** @throws {Stopped} */
function readAt(entry: Buffer, position: number): ReadEntry {
  try {
    return readEntry(entry);
  } catch {
    throw new Stopped(NOTIFYING.eventDamaged(position));
  }
}

/** Stores what an entry of the log means. True if somebody must be notified at once. */
function keep(opened: NotificationFile, read: ReadEntry): boolean {
  switch (read.kind) {
    case 'accesses':
      read.accesses.forEach((access) => opened.add(access));
      return read.accesses.some(({ atOnce }) => atOnce);
    case 'attendances':
      read.attendances.forEach((one) => opened.attended(one));
      return read.atOnce;
    case 'whereabouts':
      opened.keepWhereabouts(read.whereabouts);
      return false;
    case 'nothing':
    case 'unreadable':
      return false;
  }
}

/**
 * Follows the sealed log and notifies each authority of the accesses to its children: in steps, each of which
 * reads some events, stores their meaning and the position in one transaction, and writes what is due into
 * the outbox. So wherever a process ends, the next one continues from there: nothing is left out, and a file
 * may be written twice. No step throws; a fault shows in its state.
 */
export function createNotifier(options: NotifierOptions) {
  const { folder, outbox, windowMs, keepMs, mesh } = options;
  const clock = options.clock ?? Date.now;
  let directory: Directory | undefined;
  let authorities = new Map<string, NotifiedAuthority>();
  let lock: FileLock | undefined;
  let file: NotificationFile | undefined;
  let pruneAt = Number.NEGATIVE_INFINITY;
  let tellAt = Number.NEGATIVE_INFINITY;
  let told = '';
  const waited = createWaiting(clock);
  let standby = false;
  /** The end of the log, as this step has found it. */
  let range: SealedRange | undefined;

  function open(): NotificationFile {
    lock = lockFolder(folder, LOCK);
    try {
      const opened = NotificationFile.open(folder);
      opened.transaction(() => readOnceMore(opened));
      return opened;
    } catch (error) {
      lock.close();
      lock = undefined;
      throw error;
    }
  }

  /** Another version of this program may be able to read what this one could not. */
  function readOnceMore(opened: NotificationFile): void {
    for (const { position, count } of opened.unread()) {
      if (range === undefined || count !== 1 || position < range.minimumIndex) continue;
      const entries = entriesOf(folder, Math.floor(position / TILE_WIDTH), range.size);
      const entry = entries[position % TILE_WIDTH] ?? Buffer.alloc(0);
      const read = readAt(entry, position);
      if (read.kind === 'unreadable') continue;
      keep(opened, read);
      opened.readAfterAll(position);
    }
  }

  function release(): void {
    file?.close();
    file = undefined;
    if (lock?.isOpen === true) lock.close();
    lock = undefined;
  }

  const windowOf = (instant: number): number => Math.floor(instant / windowMs) * windowMs;

  /**
   * Where to start in a log that has not been read yet: events older than the time for which notifications
   * are kept are not notified. A day early, since events sealed late are out of order.
   */
  function beginning(range: SealedRange): number {
    const since = clock() - keepMs - DAY_MS;
    return indexSince(range, since, (bundle) => entriesOf(folder, bundle, range.size));
  }

  /** Ends a window: a notification for each authority with something due, or that wants an empty one. */
  function endWindow(
    opened: NotificationFile,
    position: number,
    { dataset, checkpoint }: { dataset: string; checkpoint: string },
    { now, entriesBy, empty }: { now: number; entriesBy: number; empty: boolean },
  ): void {
    const dueOf = Map.groupBy(opened.due(entriesBy), ({ authority }) => authority);
    const codes = new Set(dueOf.keys());
    if (empty && directory !== undefined) {
      for (const { code } of directory.authorities) {
        if (preferencesOf(directory.preferences, code).empty) codes.add(code);
      }
    }
    for (const code of codes) {
      const due = dueOf.get(code) ?? [];
      // An access to a plan withdrawn since is still notified.
      const { name, sequenceOffset } = authorities.get(code) ?? { name: code, sequenceOffset: 0 };
      for (let from = 0; from === 0 || from < due.length; from += ENTRIES_A_NOTIFICATION) {
        const last = opened.lastOf(code);
        const id = nextNotificationId(position, last?.last);
        // As many as there are ids for; the rest come once the log continues.
        if (id === undefined) break;
        const entries = due.slice(from, from + ENTRIES_A_NOTIFICATION);
        const notification: Notification = {
          id,
          uuid: uuidOf(dataset, code, id),
          createdAt: new Date(now).toISOString(),
          authority: { code, name },
          ...(last !== undefined && { previous: last.last }),
          entries: entries.map(({ entry }) => ({
            ...entry,
            plans: entry.plans.map(({ sequence, ...plan }) => ({
              ...plan,
              ...(sequence !== undefined && { sequence: fileNumber(sequence, sequenceOffset) }),
            })),
          })),
          unreadableEvents: opened.unreadSince(last?.lastPosition ?? 0),
          checkpoint,
        };
        opened.tell(notification, position, entries);
      }
    }
  }

  /** The newest checkpoint, and how far it and the log go. */
  function sealed(): SealedRange & { checkpoint: string; signed: number } {
    range = sealedRange(folder);
    if (range === undefined) throw new Waiting(NOTIFYING.noLog);
    const checkpoint = readCheckpointFile(folder)?.toString() ?? '';
    // The signatures follow its text and the empty line.
    const text = checkpoint.slice(0, checkpoint.lastIndexOf('\n\n') + 1);
    const signed = parseCheckpoint(text)?.size;
    if (signed === undefined) throw new Waiting(NOTIFYING.noCheckpoint);
    return { ...range, checkpoint, signed };
  }

  /** Reads a part of the log. True if there is more of it. */
  function read(opened: NotificationFile, log: ReturnType<typeof sealed>): boolean {
    const before = opened.begun()
      ? opened.cursor()
      : { position: beginning(log), windowAt: NEVER, logAt: 0 };
    if (log.size < before.position) {
      throw new Stopped(NOTIFYING.logWentBack(log.size, before.position));
    }
    // Only what a checkpoint covers, so that a notification's checkpoint covers its accesses.
    const limit = Math.max(before.position, Math.min(log.size, log.signed));
    return opened.transaction(() => {
      const now = clock();
      let { position, windowAt, logAt }: Cursor = before;
      let atOnce = false;
      if (position < log.minimumIndex) {
        // Pruned before they were notified, which can only happen if no worker ran for the whole retention
        // period.
        opened.unreadAt(position, log.minimumIndex - position, now);
        position = log.minimumIndex;
      }
      // The clock stepped back, or had been ahead.
      if (windowAt > now) windowAt = windowOf(now);
      const end = Math.min(limit, position + EVENTS_A_STEP);
      while (position < end) {
        const bundle = Math.floor(position / TILE_WIDTH);
        const entries = entriesOf(folder, bundle, log.size);
        for (; position < Math.min(end, (bundle + 1) * TILE_WIDTH); position++) {
          const entry = entries[position % TILE_WIDTH] ?? Buffer.alloc(0);
          const at = Math.min(placeOf(entry, 0, entry.length)?.at ?? 0, now);
          if (windowAt === NEVER) windowAt = windowOf(at);
          if (at >= windowAt + windowMs) {
            const fresh = now - at < windowMs;
            endWindow(opened, position, log, { now, entriesBy: logAt, empty: fresh });
            windowAt = windowOf(at);
          }
          logAt = Math.max(logAt, at);
          const found = readAt(entry, position);
          if (found.kind === 'unreadable') opened.unreadAt(position, 1, now);
          else atOnce = keep(opened, found) || atOnce;
        }
      }
      if (windowAt === NEVER) windowAt = windowOf(now);
      if (atOnce) endWindow(opened, position, log, { now, entriesBy: logAt, empty: false });
      if (position === limit && now >= windowAt + windowMs) {
        endWindow(opened, position, log, { now, entriesBy: now, empty: true });
        windowAt = windowOf(now);
      }
      const moved = position !== before.position || windowAt !== before.windowAt;
      if (moved) opened.moveTo({ position, windowAt, logAt });
      return position < limit;
    });
  }

  /** Writes what waits for the outbox. True if there is more. */
  async function write(opened: NotificationFile): Promise<boolean> {
    const waiting = opened.unwritten(WRITTEN_A_STEP);
    const written: Notification[] = [];
    async function writeOne(notification: Notification): Promise<void> {
      if (outbox !== undefined && directory !== undefined) {
        const preferences = preferencesOf(directory.preferences, notification.authority.code);
        await writeNotification(outbox, notification, preferences, mesh);
      }
      written.push(notification);
    }
    try {
      // Each authority's in order; an obstacle for one authority delays no other.
      await eachAlone(
        Map.groupBy(waiting, ({ authority }) => authority.code).values(),
        async (of) => {
          for (const notification of of) await writeOne(notification);
        },
      );
    } catch (error) {
      throw new Stopped(NOTIFYING.outboxFailed(`${outbox}`, errorCode(error)));
    } finally {
      if (written.length > 0) opened.written(written);
    }
    return waiting.length === WRITTEN_A_STEP;
  }

  /** Removes what a council now keeps back from files still in the outbox. True if there is more. */
  async function rewrite(opened: NotificationFile): Promise<boolean> {
    const changed = opened.changed(WRITTEN_A_STEP);
    try {
      await eachAlone(changed, async (notification) => {
        if (outbox !== undefined) await rewriteNotification(outbox, notification);
        opened.rewritten(notification);
      });
    } catch (error) {
      throw new Stopped(NOTIFYING.outboxFailed(`${outbox}`, errorCode(error)));
    }
    return changed.length === WRITTEN_A_STEP;
  }

  async function prune(opened: NotificationFile): Promise<void> {
    if (performance.now() < pruneAt) return;
    pruneAt = performance.now() + PRUNED_EVERY_MS;
    // By the earlier of our clock and the latest event, so that one clock running ahead removes nothing.
    const now = Math.min(clock(), opened.cursor().logAt);
    const minimumIndex = sealedRange(folder)?.minimumIndex ?? 0;
    const before = now - keepMs;
    if (outbox !== undefined) {
      const from = outbox;
      // First: what is removed from the file is known to nobody afterwards.
      await eachAlone(opened.expired(before, minimumIndex), (each) =>
        removeNotification(from, each),
      ).catch((error: unknown) => {
        throw new Stopped(NOTIFYING.outboxFailed(from, errorCode(error)));
      });
    }
    opened.prune(before, minimumIndex, now);
  }

  function stateNow(problem: boolean, said: string): NotifierState {
    const now = clock();
    const position = file?.cursor().position ?? 0;
    const untold = file?.oldestUntold();
    const waitedMs = waited(untold);
    const unread = file?.unread() ?? [];
    const newUnread = unread.filter(({ at }) => now - at < UNREADABLE_TOLD_FOR_MS);
    const oldest = untold === undefined ? undefined : now - waitedMs;
    const late = oldest !== undefined && waitedMs > windowMs + LATE_AFTER_MS;
    let detail = said;
    if (detail === '' && newUnread.length > 0) {
      detail = NOTIFYING.unreadable(newUnread.slice(0, 5).map(({ position: at }) => at));
    }
    if (detail === '' && late) {
      detail = NOTIFYING.late(new Date(oldest).toISOString());
    }
    return {
      problem: problem || newUnread.length > 0 || late,
      detail: detail === '' ? NOTIFYING.asTheyCome : detail,
      at: new Date(now).toISOString(),
      position,
      behind: Math.max(0, ((range ?? sealedRange(folder))?.size ?? 0) - position),
      ...(oldest !== undefined && { oldestUntold: new Date(oldest).toISOString() }),
      unwritten: file?.unwrittenCount() ?? 0,
      unreadable: unread.reduce((sum, { count }) => sum + count, 0),
    };
  }

  /** Like {@link stateNow}, or without numbers if the file cannot be read at present. */
  function stateOf(problem: boolean, said: string): NotifierState {
    try {
      return stateNow(problem, said);
    } catch (error) {
      release();
      const detail = said === '' ? NOTIFYING.triedAgain(NOTIFYING.failed(errorCode(error))) : said;
      const at = new Date(clock()).toISOString();
      return { problem: true, detail, at, position: 0, behind: 0, unwritten: 0, unreadable: 0 };
    }
  }

  function tellState(state: NotifierState): void {
    const changed = state.detail !== told;
    if (!changed && performance.now() < tellAt) return;
    told = state.detail;
    tellAt = performance.now() + TOLD_EVERY_MS;
    try {
      file?.tellState(state);
    } catch {
      // A full disk: the process itself reports the state that says so.
    }
  }

  return {
    /** From now on these are the authorities, and what each wants. Before the first call nothing is notified. */
    use(newest: Directory): void {
      directory = newest;
      authorities = new Map(newest.authorities.map((one) => [one.code, one]));
    },
    /** True if there is more to do at once. */
    async step(): Promise<{ more: boolean; notifying: Notifying }> {
      let [more, problem, detail] = [false, false, ''];
      standby = false;
      range = undefined;
      try {
        if (directory === undefined) throw new Waiting(NOTIFYING.noAuthorities);
        const log = sealed();
        file ??= open();
        more = read(file, log);
        more = (await rewrite(file)) || more;
        more = (await write(file)) || more;
        await prune(file);
      } catch (error) {
        standby = error instanceof LogInUse;
        problem = !(error instanceof Waiting || standby);
        const own = error instanceof Waiting || error instanceof Stopped;
        // The open file may have been replaced: it is opened again, here or in another process.
        if (!own && !standby) release();
        const ofError = own ? error.message : NOTIFYING.failed(errorCode(error));
        detail = standby ? NOTIFYING.standby : own ? ofError : NOTIFYING.nothingLeftOut(ofError);
      }
      const notifying = { ...stateOf(problem, detail), standby };
      tellState(notifying);
      return { more, notifying };
    },
    close: release,
  };
}
