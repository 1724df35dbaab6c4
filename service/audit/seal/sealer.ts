// One file, since a step's batch, reading back and pruning share one state, and each decides on the next.

import { randomUUID } from 'node:crypto';
import { setImmediate as immediate } from 'node:timers/promises';
import { COPY } from '#schemas/wording/copy.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { VERIFIER } from '#schemas/wording/store.ts';
import type {
  AuditStreams,
  NumbersRead,
  StreamBatch,
  StreamGap,
} from '#store/audit-stream/audit-stream.ts';
import { NotReplicated } from '#store/connection/acknowledged.ts';
import { LeaseLost } from '#store/errors.ts';
import { auditPartitions } from '#store/keys.ts';
import { errorCode } from '../../telemetry/log.ts';
import { createWaiting } from '../../telemetry/waiting.ts';
import { type Commits, CopyDamaged } from '../copy/commits.ts';
import { CopyAway } from '../copy/place.ts';
import { CommitFile, type SealingState } from '../log/commit.ts';
import { gapsText } from '../log/entry.ts';
import { ResourceMissing } from '../log/log-folder.ts';
import { type Followed, parseEntry, sealedRange } from '../log/sealed.ts';
import { TILE_WIDTH } from '../tlog/tiles.ts';
import { LogScan } from '../verify/scan.ts';
import { contradictionProblem } from '../witness/contradictions.ts';
import { agree } from './agree.ts';
import { recordHolds } from './holds.ts';
import { defaultOrigin, KeyFileWrong, readOrMakeKeys, watchedKeys } from './keys.ts';
import { LogInUse, LogNotWhole, LogWriter, type PlannedBatch } from './log-writer.ts';
import { type Prunable, prunable } from './retention.ts';

/** The state of the sealing. */
export type Sealing = Omit<SealingState, 'since' | 'at'> & {
  /** Another process does it. */
  standby: boolean;
  /** Events in the log; absent if it cannot be read yet. */
  sealed?: number;
  /** Events waiting to be sealed. */
  unsealed: number;
  /** Milliseconds: since when the oldest of them has waited. */
  oldestUnsealed?: number;
  /** Foreign entries, sealed as unreadable, for which nobody has answered. */
  foreign: number;
  /** ISO 8601: when the newest part of the log was last read back and found as it was sealed. */
  verifiedAt?: string;
  /** The state of its second copy, if it should have one. */
  copy?: CopyState;
};

type CopyState = {
  ok: boolean;
  detail: string;
  /** What needs attention although the copy is well; also part of `detail`. */
  remarks?: readonly string[];
  /** Events in it, as far as known. */
  events: number;
};

/** The log's second copy, and the lease of the one worker that may continue it. */
type SecondCopy = { commits: Commits; epoch: number; token: string };

export type SealerOptions = {
  folder: string;
  keyFile: string;
  /** The log's name when its key is made; by default after the dataset. */
  origin?: string;
  retentionYears: number;
  streams: AuditStreams;
  /** The dataset of these events; `undefined` before there is one. */
  dataset: () => string | undefined;
  /** Without it events leave the store once they are in the log. */
  copy?: SecondCopy | undefined;
  /** Something to be reported once, besides the state. */
  warn: (message: string, count: number) => void;
};

const EVENTS_A_BATCH = 8_192;
const BYTES_A_BATCH = 16 * 1_048_576;
/** The part of a log that is read back when it is opened. */
const VERIFIED_AT_OPENING = 65_536;
const VERIFYING_A_STEP_MS = 25;
const VERIFIED_EVERY_MS = 10_000;
const TOLD_EVERY_MS = 10_000;
const PRUNED_EVERY_MS = 3_600_000;
const PRUNING_A_STEP_MS = 250;
const COPY_CHECKED_EVERY_MS = 60_000;
const UNSEALED_AT_MOST_MS = 60_000;
/** A reason that passes within this time, such as a restart of Redis, needs nobody. */
const PASSES_WITHIN_MS = 10_000;

/** A reason not to seal that may pass by itself. */
class Waiting extends Error {}
/** A reason not to seal that somebody must investigate. */
class Stopped extends Error {
  readonly gaps: StreamGap[];
  constructor(message: string, gaps: StreamGap[] = []) {
    super(message);
    this.gaps = gaps;
  }
}

const OURS = [Stopped, LogNotWhole, KeyFileWrong, CopyDamaged];
const PASSING = [Waiting, LogInUse, LeaseLost, NotReplicated];

/**
 * Moves events from the store's streams into the log: one step at a time, which seals a batch, reads part of
 * the log back, and prunes. No step throws; a fault shows in its state, and the next step tries again.
 */
export function createSealer(options: SealerOptions) {
  const { folder, keyFile, streams, copy } = options;
  const signers = watchedKeys(keyFile);
  let log: LogWriter | undefined;
  /** What is on disk may not be what the writer assumes. */
  let doubtful = false;
  /** Streams that may still contain sealed events. */
  let untrimmed = new Set<number>();
  let damage: string | undefined;
  let scan: LogScan | undefined;
  let scanned: { from: number; numbers: readonly (number | undefined)[] } | undefined;
  let verifiedAt: string | undefined;
  let verifyAt = Number.NEGATIVE_INFINITY;
  let pruneAt = Number.NEGATIVE_INFINITY;
  let pruning: (Prunable & { event: number }) | undefined;
  let told: SealingState | undefined;
  let tellAt = Number.NEGATIVE_INFINITY;
  let standby = false;
  let failingSince: number | undefined;
  /** How far the streams had got in the last step, before it read them. */
  let numbersRead: NumbersRead | undefined;
  const waited = createWaiting();
  /** How many events of this log Redis knows to be sealed; `undefined` before it is known that this is no old copy. */
  let notedSize: number | undefined;
  /** What the last step sealed. */
  let lately: { from: number; events: StreamBatch['events'] } = { from: 0, events: [] };
  /** The copy and the log have the same entries. */
  let agreed = false;
  let checkCopyAt = Number.NEGATIVE_INFINITY;
  let pruneCopyAt = Number.NEGATIVE_INFINITY;
  /** Pruned entries of the copy. */
  let copyPruned = 0;
  let notPruned: string | undefined;
  let remarks: string[] = [];
  let copyState: CopyState | undefined = copy && { ok: true, detail: COPY.starting, events: 0 };

  async function open(): Promise<LogWriter> {
    const dataset = options.dataset();
    if (dataset === undefined) throw new Waiting(SEALING.noDataset);
    if ((await streams.dataset()) !== dataset) {
      throw new Waiting(SEALING.otherDataset);
    }
    const id = await idOfCopy();
    try {
      signers();
    } catch (error) {
      // A key is made only for a log that has none yet; later, its checkpoint shows that it had one.
      if (!(error instanceof KeyFileWrong)) throw error;
      if (sealedRange(folder) !== undefined || id !== undefined) throw error;
      await readOrMakeKeys(keyFile, options.origin ?? defaultOrigin(dataset));
    }
    const held = sealedRange(folder);
    const isBegun = held !== undefined && held.size > held.minimumIndex;
    const base = id === undefined || isBegun ? undefined : await copy?.commits.base();
    const opened = LogWriter.open({
      folder,
      dataset,
      streams: auditPartitions.length,
      signers,
      id,
      base,
    });
    try {
      const claimed = await streams.claim(opened.committed.id);
      if (claimed !== opened.committed.id) {
        throw new Stopped(SEALING.otherLog);
      }
    } catch (error) {
      opened.close();
      throw error;
    }
    untrimmed = new Set(auditPartitions.keys());
    return opened;
  }

  /** The id of the copied log; `undefined` if the log may start. */
  async function idOfCopy(): Promise<string | undefined> {
    const order = await streams.copyOrder();
    if (copy === undefined) {
      if (order.kind === 'kept') throw new Stopped(COPY.notSet);
      return undefined;
    }
    if (order.kind === 'single') return undefined;
    const newest = await copy.commits.newest();
    if (newest !== undefined) return newest.log;
    const begun = await streams.sealedBy();
    // A copy in use gets each event first. If it has none, the worker that started the log was lost before
    // its first event.
    if (begun !== undefined) return order.kind === 'kept' ? begun : undefined;
    if (order.kind === 'none' && sealedRange(folder) === undefined) {
      // Before the log is started, so that another worker knows that nothing was sealed in it.
      await copy.commits.check();
      await streams.keepCopy();
    }
    return undefined;
  }

  /** Brings log and copy to the same state before anything is added to either, unless a named person ordered one copy. */
  async function keepCopy(writer: LogWriter, { commits, epoch }: SecondCopy): Promise<void> {
    const order = await streams.copyOrder();
    if (order.kind === 'single') {
      agreed = false;
      copyState = { ok: false, detail: COPY.single(order.by, order.at), events: eventsCopied() };
      return;
    }
    if (performance.now() >= checkCopyAt) {
      const checked = await commits.check();
      remarks = checked.remarks;
      if (!checked.whole) agreed = false;
      checkCopyAt = performance.now() + COPY_CHECKED_EVERY_MS;
    }
    if (!agreed) {
      await agree(writer, commits, epoch);
      if (order.kind === 'none') await streams.keepCopy();
      agreed = true;
    }
    hasCopied(writer.committed.size);
  }

  const eventsCopied = (): number => copyState?.events ?? 0;
  function hasCopied(events: number): void {
    if (copy === undefined) return;
    const detail = [notPruned ?? COPY.kept(copy.commits.place, events), ...remarks].join(' ');
    copyState = { ok: notPruned === undefined, detail, remarks, events };
  }

  /** First of all: from here on this follows the log's size, unless something else already does. */
  async function addToCopy(writer: LogWriter, planned: PlannedBatch): Promise<void> {
    if (copy === undefined || !agreed) return;
    const { id: ofLog, size: from } = writer.committed;
    const { dataset, origin, size, root, numbers } = planned.commit;
    const { entries } = planned;
    const next = { log: ofLog, dataset, origin, from, size, root, numbers, entries };
    // Uncertain until it is known whether it succeeded.
    agreed = false;
    if (!(await copy.commits.add({ ...next, epoch: copy.epoch }))) {
      throw new Waiting(COPY.behind(copy.commits.place, from));
    }
    agreed = true;
    hasCopied(size);
  }

  /** Where to continue reading each stream: after what is sealed, or after a gap that somebody has answered for. */
  const sealedNumbers = ({ committed, commits }: LogWriter): number[] =>
    commits.pastGaps(committed.numbers);

  /** Events that this log misses are sealed by its successor, or are in a newer copy of it. */
  async function requireNewest({ committed: { id, size } }: LogWriter): Promise<void> {
    const beyond = await streams.sealedBeyond(() => ({ log: id, size }));
    if (beyond === undefined) return;
    if (copy !== undefined && (await streams.isReplaced(copy))) throw new LeaseLost();
    throw new Stopped(SEALING.oldLog(beyond));
  }

  /** So that an old copy of this log is known as one. */
  async function noteSize({ committed: { id, size } }: LogWriter): Promise<void> {
    if (notedSize === size) return;
    notedSize = (await streams.noteSealedSize({ log: id, size })) ? size : undefined;
  }

  async function trim(writer: LogWriter): Promise<void> {
    await streams.trim(writer.committed.numbers, [...untrimmed], copy?.token);
    untrimmed.clear();
  }

  /** True if there is more to seal at once. */
  async function seal(writer: LogWriter): Promise<boolean> {
    if (doubtful) {
      writer.reload();
      doubtful = false;
    }
    writer.useNewKeys();
    if (copy !== undefined) await keepCopy(writer, copy);
    if (notedSize === undefined) await requireNewest(writer);
    const last = await readNumbers();
    const most = { mostEvents: EVENTS_A_BATCH, mostBytes: BYTES_A_BATCH };
    const accepted = writer.commits.acceptedGaps();
    const batch = await streams.read(sealedNumbers(writer), last, most, accepted);
    if (batch.gaps.length > 0) {
      // Its successor seals what it misses.
      if (copy !== undefined && (await streams.isReplaced(copy))) throw new LeaseLost();
      if ((await streams.pushed()).length > 0) throw new Stopped(VERIFIER.pushedOn);
      await requireNewest(writer);
      throw new Stopped(gapsText(batch.gaps), batch.gaps);
    }
    if (batch.events.length > 0) {
      await streams.awaitReplicas();
      await write(writer, batch);
    }
    if (batch.unreadable.length > 0) {
      options.warn(SEALING.foreign, batch.unreadable.length);
    }
    for (const { stream } of batch.events) untrimmed.add(stream);
    await Promise.all([trim(writer), noteSize(writer)]);
    return batch.more;
  }

  async function write(writer: LogWriter, { events, unreadable }: StreamBatch): Promise<void> {
    const from = writer.committed.size;
    const planned = writer.plan(events);
    await addToCopy(writer, planned);
    try {
      // First, so that a crash in between gives one alert too many rather than one too few.
      writer.commits.noteForeign(unreadable);
      writer.write(planned);
    } catch (error) {
      doubtful = true;
      agreed = false;
      throw new Stopped(SEALING.notWritten(errorCode(error), folder));
    }
    lately = { from, events };
  }

  /** Reads part of the newest entries back. If they are not as they were sealed, nothing more is sealed. */
  function verify(writer: LogWriter): void {
    if (scan === undefined) {
      if (performance.now() < verifyAt) return;
      const { size, root, minimumIndex } = writer.committed;
      const whole = Math.floor(Math.max(0, size - VERIFIED_AT_OPENING) / TILE_WIDTH) * TILE_WIDTH;
      const from = scanned?.from ?? Math.max(minimumIndex, whole);
      const numbers =
        scanned?.numbers ??
        (from === 0 ? undefined : Array<undefined>(auditPartitions.length).fill(undefined));
      try {
        scan = new LogScan({
          folder,
          size,
          root,
          start: from,
          accepted: writer.commits.acceptedGaps(),
          ...(numbers !== undefined && { numbers }),
        });
      } catch (error) {
        if (!(error instanceof ResourceMissing)) throw error;
        damage = error.message;
        verifyAt = performance.now() + VERIFIED_EVERY_MS;
        return;
      }
      scanned = { from, numbers: [...scan.numbers] };
    }
    // The first time to the end, before anything is sealed after it.
    const first = verifiedAt === undefined;
    const until = first ? Number.POSITIVE_INFINITY : performance.now() + VERIFYING_A_STEP_MS;
    while (performance.now() < until) {
      // The last bundle is read again next time, when it holds more.
      const next = scan.position % TILE_WIDTH === 0 ? scan.position : undefined;
      if (next !== undefined) scanned = { from: next, numbers: [...scan.numbers] };
      if (!scan.next()) {
        scan.end();
        endVerification(writer, scan);
        return;
      }
    }
  }

  function endVerification(writer: LogWriter, { findings, position }: LogScan): void {
    const from = scan === undefined ? 0 : (scanned?.from ?? 0);
    scan = undefined;
    verifyAt = performance.now() + VERIFIED_EVERY_MS;
    const [finding] = findings;
    damage = finding?.detail;
    const at = new Date().toISOString();
    if (finding === undefined) verifiedAt = at;
    else scanned = undefined;
    writer.commits.tellVerified({
      at,
      from,
      to: position,
      ...(finding !== undefined && { problem: finding.detail }),
    });
  }

  async function prune(writer: LogWriter): Promise<void> {
    await recordHolds(writer.commits, async (event) => void (await streams.append(event)));
    const held = writer.commits.retentionHolds().length > 0;
    if (pruning !== undefined) {
      if ((writer.committed.numbers.at(-1) ?? 0) < pruning.event) return;
      if (!held) {
        writer.prune(pruning.minimumIndex, pruning.numbers);
        scan = undefined;
        scanned = undefined;
      }
      pruning = undefined;
      return;
    }
    if (held || performance.now() < pruneAt) return;
    const found = prunable(folder, writer.committed, {
      years: options.retentionYears,
      now: Date.now(),
    });
    if (found === undefined) {
      pruneAt = performance.now() + PRUNED_EVERY_MS;
      return;
    }
    // The log says that it is pruned before it is: otherwise a missing beginning is a finding.
    const event = await streams.append({
      type: 'audit-pruned',
      auditId: randomUUID(),
      by: 'worker',
      detail: { minimumIndex: found.minimumIndex, numbers: found.numbers.join(',') },
    });
    pruning = { ...found, event };
  }

  /** Prunes the copy as far as the log is pruned. Objects that cannot be deleted delay nothing. */
  async function pruneCopy(writer: LogWriter): Promise<void> {
    const { minimumIndex } = writer.committed;
    if (copy?.commits.canPrune !== true || !agreed || minimumIndex <= copyPruned) return;
    if (performance.now() < pruneCopyAt || writer.commits.retentionHolds().length > 0) return;
    const base = writer.base();
    if (base === undefined) return;
    try {
      const isDone = await copy.commits.prune(base, performance.now() + PRUNING_A_STEP_MS);
      if (isDone) copyPruned = minimumIndex;
      notPruned = undefined;
    } catch (error) {
      if (!(error instanceof CopyAway)) throw error;
      notPruned = COPY.notPruned(copy.commits.place, error.message);
      pruneCopyAt = performance.now() + COPY_CHECKED_EVERY_MS;
    }
    hasCopied(writer.committed.size);
  }

  async function readNumbers(): Promise<readonly number[]> {
    const at = Date.now();
    const last = await streams.numbers();
    numbersRead = { at, last };
    return last;
  }

  /** What the last step left: events that arrived during it are for the next one. */
  async function unsealed(writer: LogWriter): Promise<{ count: number; oldest?: number }> {
    const last = numbersRead?.last ?? (await readNumbers());
    const sealed = sealedNumbers(writer);
    const count = last.reduce((sum, number, i) => sum + Math.max(0, number - (sealed[i] ?? 0)), 0);
    const oldest = count === 0 ? undefined : await streams.oldest(sealed, last);
    const waitedMs = waited(oldest);
    return { count, ...(oldest !== undefined && { oldest: Date.now() - waitedMs }) };
  }

  /** How long the log is before it is opened, which takes Redis; `undefined` if it is in use or damaged. */
  function sizeHere(): number | undefined {
    try {
      return CommitFile.sizeIfThere(folder)?.size ?? 0;
    } catch {
      return undefined;
    }
  }

  /** Writes the state into the log's folder, for all readers, and returns it. */
  function tell(sealing: Sealing): Sealing {
    const { problem, detail, gaps } = sealing;
    const at = new Date().toISOString();
    const changed = told === undefined || told.problem !== problem || told.detail !== detail;
    const since = told === undefined || told.problem !== problem ? at : told.since;
    const state = { problem, detail, gaps, at, since };
    if (changed || performance.now() >= tellAt) {
      tellAt = performance.now() + TOLD_EVERY_MS;
      try {
        log?.commits.tellSealing(state);
      } catch {
        // A full disk: the process itself reports the state that says so.
      }
    }
    told = state;
    return sealing;
  }

  const stateOf = (error: unknown): Pick<Sealing, 'problem' | 'detail' | 'gaps'> => {
    const gaps = error instanceof Stopped ? error.gaps : [];
    const detail = error instanceof Error ? error.message : '';
    if (OURS.some((kind) => error instanceof kind)) return { problem: true, detail, gaps };
    if (PASSING.some((kind) => error instanceof kind)) return { problem: false, detail, gaps };
    failingSince ??= performance.now();
    const away = error instanceof CopyAway;
    return {
      problem: performance.now() - failingSince > PASSES_WITHIN_MS,
      detail: away ? detail : SEALING.failed(errorCode(error)),
      gaps,
    };
  };

  return {
    /** True if there is more to seal at once. */
    async step(): Promise<{ more: boolean; sealing: Sealing }> {
      let more = false;
      let state: Pick<Sealing, 'problem' | 'detail' | 'gaps'> = {
        problem: false,
        detail: '',
        gaps: [],
      };
      standby = false;
      lately = { from: 0, events: [] };
      numbersRead = undefined;
      try {
        if (!streams.reachable) throw new Waiting(SEALING.unreachable);
        log ??= await open();
        verify(log);
        if (damage !== undefined) {
          throw new Stopped(SEALING.damaged(damage));
        }
        const contradicted = contradictionProblem(log.commits.contradictions());
        if (contradicted !== undefined) throw new Stopped(contradicted);
        more = await seal(log);
        await prune(log);
        await pruneCopy(log);
        failingSince = undefined;
      } catch (error) {
        standby = error instanceof LogInUse || error instanceof LeaseLost;
        state = stateOf(error);
        const ofCopy = error instanceof CopyAway || error instanceof CopyDamaged;
        if (ofCopy) copyState = { ok: false, detail: error.message, events: eventsCopied() };
      }
      let waiting: Awaited<ReturnType<typeof unsealed>> = { count: 0 };
      try {
        if (log !== undefined) waiting = await unsealed(log);
      } catch {
        // Redis is away, which the state already says or the next step will.
      }
      const tooOld =
        waiting.oldest !== undefined && Date.now() - waiting.oldest > UNSEALED_AT_MOST_MS;
      if (!state.problem && tooOld) {
        state = {
          ...state,
          problem: true,
          detail: SEALING.late(waiting.count, new Date(waiting.oldest ?? 0).toISOString()),
        };
      }
      const sealed = log?.committed.size ?? sizeHere();
      await immediate();
      return {
        more,
        sealing: tell({
          ...state,
          detail: state.detail === '' ? SEALING.asTheyCome : state.detail,
          standby,
          ...(sealed !== undefined && { sealed }),
          unsealed: waiting.count,
          foreign: log?.commits.foreign() ?? 0,
          ...(waiting.oldest !== undefined && { oldestUnsealed: waiting.oldest }),
          ...(verifiedAt !== undefined && { verifiedAt }),
          ...(copyState !== undefined && { copy: copyState }),
        }),
      };
    },
    /** The events that the last step sealed, as they read in the log, for its followers. */
    lately(): Followed[] {
      return lately.events.map(({ at, entry, look }, i) => {
        const index = lately.from + i;
        if (look === undefined) return parseEntry(entry.toString('utf8'), index);
        return { index, at, child: look.child, common: look.common };
      });
    },
    /** How far the streams had got in the last step, before it read them; `undefined` if that could not be read. */
    numbersRead: (): NumbersRead | undefined => numbersRead,
    close(): void {
      log?.close();
      log = undefined;
    },
  };
}
