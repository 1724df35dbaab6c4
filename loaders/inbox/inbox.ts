// One file, since it is one loop and its memory; files, control files, decisions and answers have their own.

import { watch as watchFolder } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { OdsCode } from '#schemas/authority.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import type { InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import { CONTROL_FILE, INBOX } from '#schemas/wording/inbox.ts';
import { InTheWay, lstatOrNothing } from '#store/files/whole-file.ts';
import { markChanged, markRepeat, printableName } from '../answers/acknowledge.ts';
import type { UploadSource } from '../formats/common/source.ts';
import type { LoadOptions } from '../load/load.ts';
import { type Place, placeOf } from '../load/order.ts';
import { LoadFailed } from '../load-failed.ts';
import { type Answers, createAnswers } from './answers.ts';
import {
  decideControl,
  decideReport,
  type InboxDecision,
  type MeshOptions,
  sourceName,
  type Unused,
} from './decision.ts';
import {
  type Alone,
  type Found,
  InboxFiles,
  type Listing,
  type Seen,
  type Stuck,
  takenAt,
  type Unit,
} from './files.ts';
import { type MeshControl, readControl } from './mesh-control.ts';

export { InboxInUse } from './files.ts';

export type InboxOptions = {
  /** The folder that is watched; `processing`, `done` and `failed` are made in it. */
  dir: string;
  /** Where acknowledgements go. It must exist. */
  outbox: string;
  /** How MESH pairs are decided; without it they are left where they are. */
  mesh: MeshOptions | undefined;
  /** A file is read once it has not changed for this long. */
  settleMs: number;
  pollMs: number;
  /** How long half a pair, or a file still being written, may wait before it is reported. */
  pairWaitMs: number;
  /** How long sources are kept once acknowledged. 0: not at all. */
  keepMs: number;
  /** How many files are loaded at the same time. */
  parallel: number;
  /** How often to check whether held files have been decided. Default 30 s. */
  heldPollMs?: number;
  /** The first wait before a failed load is tried again, default 5 s; doubled each time, at most 5 minutes. */
  retryMs?: number;
  /**
   * Loads a file as an inbox may: an unknown authority is not added.
   *
   * @throws {LoadFailed} if it may work later
   */
  load(
    source: UploadSource,
    given: Pick<LoadOptions, 'onNotice' | 'by' | 'way' | 'stopped'> & { authority?: OdsCode },
  ): Promise<Acknowledgement>;
  /** The final answer to a partly held file; `undefined` while it waits. */
  finalAnswer(provisional: Acknowledgement): Promise<Acknowledgement | undefined>;
  report(report: InboxReport): void;
};

/** What an inbox reports to its operator. Names and hints hold no NHS number. */
export type InboxReport =
  | { kind: 'acknowledged'; name: string; acknowledgement: Acknowledgement }
  /** Part of it waits for a decision; the sender is answered once that is made. */
  | { kind: 'held'; name: string; acknowledgement: Acknowledgement }
  /** Where it was; nothing was done with it. */
  | { kind: 'left'; name: string; hint: string }
  /** Moved to `failed`. */
  | { kind: 'failed'; name: string; hint: string; folder: string }
  | { kind: 'retried'; name: string; hint: string; againInMs: number }
  /** The folder itself cannot be used. */
  | { kind: 'unwell'; hint: string };

export type Inbox = {
  /** Takes nothing more in and resolves when the loads under way have ended, each at its next possible step. */
  stop(): Promise<void>;
};

const RETRY_MS = 5_000;
const RETRY_AT_MOST_MS = 300_000;
const HELD_POLL_MS = 30_000;
const SWEEP_EVERY_MS = 3_600_000;
/** The shortest time before a hint of a change is followed up. */
const LOOK_AT_MOST_EVERY_MS = 25;

type Task = {
  unit: Unit;
  control?: MeshControl;
  /** The authority that the mailbox sends for. */
  authority?: OdsCode;
  place: Place;
  /** Files of one lane are loaded one after the other. */
  lane: string;
  attempts: number;
  notBefore: number;
};

/**
 * Watches a folder for uploads and loads each: pairs as a MESH client leaves them, and plain files.
 *
 * A file has stopped changing before it is read, is moved before it is loaded, and acknowledged before it is
 * removed; after a crash at any point the next watcher continues from where the file is. Files of one
 * authority are loaded one after the other in the order of their numbers, those of several authorities at the
 * same time.
 *
 * @throws {InboxInUse} if another process watches the folder
 * @throws {InTheWay} if one of the inbox's own folders is something else, such as a link
 */
export async function watchInbox(options: InboxOptions): Promise<Inbox> {
  const files = await InboxFiles.open(options.dir, options.outbox);
  const watcher = new Watcher(options, files);
  const ended = watcher.run().finally(() => files.close());
  return {
    stop: () => {
      watcher.stop();
      return ended;
    },
  };
}

class Watcher {
  readonly #options: InboxOptions;
  readonly #files: InboxFiles;
  readonly #answers: Answers;
  readonly #waiting: Task[] = [];
  readonly #lanes = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  /** Units that this process is working on, so that they are not taken for units left behind. */
  readonly #known = new Set<string>();
  /**
   * Since when each name of the inbox has been there, since when it has been unchanged, and whether what was there with
   * it was the same in the last two listings.
   */
  readonly #unchanged = new Map<
    string,
    { seen: Seen; first: number; since: number; togetherTwice: boolean }
  >();
  /**
   * What was reported about each name in the inbox (or path in it, or '' for the whole), so that it is
   * reported once.
   */
  readonly #told = new Map<string, string>();
  #unsettled = false;
  readonly #stop = new AbortController();
  #wake = (): void => undefined;
  #woken = false;

  constructor(options: InboxOptions, files: InboxFiles) {
    this.#options = options;
    this.#files = files;
    this.#answers = createAnswers(options);
  }

  stop(): void {
    this.#stop.abort();
    this.#rouse();
  }

  get #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  #rouse(): void {
    this.#woken = true;
    this.#wake();
  }

  async run(): Promise<void> {
    const hints = this.#watchForHints();
    let sweptAt = Number.NEGATIVE_INFINITY;
    let heldAt = Number.NEGATIVE_INFINITY;
    let recovered = false;
    while (!this.#stopping) {
      this.#woken = false;
      // Each separately: old files that cannot be removed must not stop loading.
      const unwell = [
        await this.#reasonAgainst(async () => {
          if (performance.now() - sweptAt < SWEEP_EVERY_MS) return;
          await this.#files.sweep(this.#options.keepMs, Date.now());
          sweptAt = performance.now();
        }),
        await this.#reasonAgainst(async () => {
          if (!recovered) await this.#recover();
          recovered = true;
          await this.#look();
        }),
        await this.#reasonAgainst(async () => {
          if (performance.now() - heldAt < (this.#options.heldPollMs ?? HELD_POLL_MS)) return;
          await this.#answerHeld();
          heldAt = performance.now();
        }),
      ].find((reason) => reason !== undefined);
      this.#tell('', unwell && INBOX.unwell(unwell));
      this.#start();
      await this.#sleep();
    }
    hints?.close();
    await Promise.allSettled(this.#running);
  }

  async #reasonAgainst(work: () => Promise<void>): Promise<string | undefined> {
    try {
      await work();
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
  }

  /** Polling finds everything; hints from the operating system only make it sooner. */
  #watchForHints(): ReturnType<typeof watchFolder> | undefined {
    try {
      const hints = watchFolder(this.#options.dir, () => this.#rouse());
      hints.on('error', () => hints.close());
      return hints;
    } catch {
      return undefined;
    }
  }

  async #sleep(): Promise<void> {
    const { pollMs, settleMs } = this.#options;
    const due = this.#waiting.map(({ notBefore }) => notBefore - performance.now());
    const idle = this.#running.size < this.#options.parallel;
    const ms = Math.min(
      pollMs,
      ...(this.#unsettled ? [settleMs] : []),
      ...(idle ? due.filter((wait) => wait > 0) : []),
    );
    await pause(LOOK_AT_MOST_EVERY_MS);
    if (this.#woken || this.#stopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }

  async #recover(): Promise<void> {
    const { units, stuck } = await this.#files.recover();
    this.#tellStuck(stuck);
    for (const unit of units) {
      if (this.#known.has(unit.id)) continue;
      try {
        await this.#enqueueRecovered(unit);
      } catch (error) {
        const hint = INBOX.notTakenUp(reasonOf(error));
        this.#tellStuck([{ place: `processing/${unit.id}`, hint }]);
      }
    }
  }

  async #enqueueRecovered(unit: Unit): Promise<void> {
    if (unit.control === undefined) return this.#enqueue(unit);
    const decision = await decideControl(
      this.#files.path('processing', unit.id, unit.control),
      this.#options.mesh,
      true,
    );
    if (decision.kind === 'ours') return this.#enqueue(unit, decision);
    if (decision.kind === 'failed') return this.#refuse(unit, decision);
    await this.#fail(unit, 'hint' in decision ? decision.hint : CONTROL_FILE.cut);
  }

  async #look(): Promise<void> {
    const listing = await this.#files.list();
    this.#noteChanges(listing);
    this.#unsettled = false;
    for (const found of listing.found) {
      if (this.#stopping) return;
      try {
        await this.#consider(found);
      } catch (error) {
        this.#tell(found.name, INBOX.notTakenIn(reasonOf(error)));
      }
    }
    for (const alone of listing.alone) {
      // It does not matter if one is gone again meanwhile.
      await this.#considerAlone(alone).catch(() => undefined);
    }
  }

  #noteChanges({ seen }: Listing): void {
    for (const name of this.#unchanged.keys()) if (!seen.has(name)) this.#unchanged.delete(name);
    for (const name of this.#told.keys()) {
      // A path names something in one of the inbox's own folders.
      if (name !== '' && !name.includes('/') && !seen.has(name)) this.#told.delete(name);
    }
    for (const [name, now] of seen) {
      const before = this.#unchanged.get(name);
      const { size, mtimeMs, inode, together } = before?.seen ?? {};
      const isSame = size === now.size && mtimeMs === now.mtimeMs && inode === now.inode;
      const togetherTwice = before !== undefined && together === now.together;
      if (before !== undefined && isSame && togetherTwice) {
        before.togetherTwice = true;
        continue;
      }
      const since = performance.now();
      this.#unchanged.set(name, { seen: now, first: before?.first ?? since, since, togetherTwice });
      if (this.#told.get(name) !== INBOX.stillWritten) this.#told.delete(name);
    }
  }

  #unchangedForMs(name: string): number {
    const known = this.#unchanged.get(name);
    return known === undefined ? 0 : performance.now() - known.since;
  }

  #settled(names: readonly string[]): boolean {
    const moving = names.filter((name) => this.#unchangedForMs(name) < this.#options.settleMs);
    this.#unsettled ||= moving.length > 0;
    for (const name of moving) {
      const { first = Number.POSITIVE_INFINITY } = this.#unchanged.get(name) ?? {};
      if (performance.now() - first >= this.#options.pairWaitMs)
        this.#tell(name, INBOX.stillWritten);
    }
    return moving.length === 0;
  }

  async #consider(found: Found): Promise<void> {
    if (found.control === undefined) {
      if (this.#settled(found.files)) await this.#enqueue(await this.#files.take(found));
      return;
    }
    const { name, files, control } = found;
    // A listing begun after a description was renamed has it.
    if (this.#unchanged.get(name)?.togetherTwice !== true) return this.#rouse();
    if (!this.#settled(files.filter((file) => file !== name && file !== control))) return;
    // The data came before its control file, so it is whole once that is.
    const settled = this.#settled([control]);
    const decision = await decideControl(
      this.#files.inboxPath(control),
      this.#options.mesh,
      settled,
    );
    switch (decision.kind) {
      case 'ours':
        return this.#enqueue(await this.#files.take(found), decision);
      case 'left':
        return this.#tell(name, decision.hint);
      case 'failed':
        return this.#refuse(await this.#files.take(found), decision);
      case 'wait':
        return undefined;
    }
  }

  async #considerAlone(alone: Alone): Promise<void> {
    const { name, kind } = alone;
    const waited = this.#unchangedForMs(name);
    if (kind === 'control' && (await this.#isReport(name))) return;
    const { settleMs, pairWaitMs } = this.#options;
    const comes = !['other', 'no-file', 'no-name'].includes(kind);
    if (waited < (comes ? pairWaitMs : settleMs)) {
      this.#unsettled ||= comes || waited < settleMs;
      return;
    }
    switch (kind) {
      case 'data':
        return this.#tell(name, INBOX.noControl);
      case 'control':
        return this.#tell(name, INBOX.noData);
      case 'other':
        return this.#tell(name, INBOX.notTaken);
      case 'described':
        return this.#tell(name, INBOX.describedLater);
      case 'passed-over':
        return this.#tell(name, INBOX.passedOver);
      case 'no-file':
        return this.#tell(name, INBOX.noFile(alone.is));
      case 'no-name':
        return this.#tell(name, INBOX.nameNotUtf8, alone.shown);
    }
  }

  /** A report on a sent acknowledgement arrives as a control file without data. */
  async #isReport(name: string): Promise<boolean> {
    const report = await decideReport(this.#files.inboxPath(name), this.#options.mesh);
    switch (report.kind) {
      case 'none':
        return false;
      case 'left':
        this.#tell(name, report.hint);
        return true;
      case 'failed': {
        const unit = await this.#files.take({ name, kind: 'pair', files: [name] });
        await this.#fail(unit, report.hint);
        return true;
      }
    }
  }

  async #enqueue(unit: Unit, ours?: Extract<InboxDecision, { kind: 'ours' }>): Promise<void> {
    const path = this.#files.path('processing', unit.id, unit.data);
    const place = await placeOf(path, sourceName(unit, ours?.control));
    const authority = ours?.authority;
    this.#known.add(unit.id);
    this.#waiting.push({
      unit,
      ...(ours !== undefined && { control: ours.control }),
      ...(authority !== undefined && { authority }),
      place,
      lane: authority ?? place.authority ?? unit.id,
      attempts: 0,
      notBefore: performance.now(),
    });
  }

  /** Starts what can be started: the lowest number of each authority with no load under way. */
  #start(): void {
    const order = ({ place }: Task): number => place.sequence ?? Number.POSITIVE_INFINITY;
    this.#waiting.sort((one, other) =>
      order(one) === order(other)
        ? one.unit.id.localeCompare(other.unit.id)
        : order(one) - order(other),
    );
    for (const task of this.#waiting.slice()) {
      if (this.#stopping || this.#running.size >= this.#options.parallel) return;
      if (this.#lanes.has(task.lane) || task.notBefore > performance.now()) continue;
      this.#waiting.splice(this.#waiting.indexOf(task), 1);
      this.#lanes.add(task.lane);
      const run = this.#load(task).finally(() => {
        this.#lanes.delete(task.lane);
        this.#running.delete(run);
        this.#start();
        this.#rouse();
      });
      this.#running.add(run);
    }
  }

  async #load(task: Task): Promise<void> {
    try {
      await this.#loadOnce(task);
      this.#known.delete(task.unit.id);
    } catch (error) {
      if (this.#stopping && error instanceof LoadFailed) {
        this.#tell(task.unit.name, error.message);
        return;
      }
      // Whatever failed, the file is where it was, and is tried again.
      task.attempts += 1;
      const againInMs = Math.min(
        (this.#options.retryMs ?? RETRY_MS) * 2 ** (task.attempts - 1),
        RETRY_AT_MOST_MS,
      );
      task.notBefore = performance.now() + againInMs;
      this.#waiting.push(task);
      const hint =
        error instanceof LoadFailed || error instanceof InTheWay
          ? error.message
          : INBOX.notDone(reasonOf(error));
      this.#options.report({
        kind: 'retried',
        name: printableName(task.unit.name),
        hint,
        againInMs,
      });
    }
  }

  async #loadOnce({ unit, control, authority }: Task): Promise<void> {
    const path = this.#files.path('processing', unit.id, unit.data);
    const before = await lstatOrNothing(path);
    if (before === undefined) {
      const hint = INBOX.removed;
      this.#options.report({ kind: 'left', name: printableName(unit.name), hint });
      return;
    }
    if (!before.isFile()) {
      await this.#fail(unit, INBOX.noFileAnyMore);
      return;
    }
    let notice: InactiveNumbersNotice | undefined;
    const acknowledgement = await this.#options.load(
      { path, name: sourceName(unit, control) },
      {
        ...(authority !== undefined && { authority }),
        way: control === undefined ? 'inbox' : 'mesh',
        stopped: this.#stop.signal,
        by: control === undefined ? 'inbox' : `inbox, from mailbox ${control.from}`,
        // Written with the answer: until then the file is in processing and is loaded again after a crash.
        onNotice: (given) => void (notice = given),
      },
    );
    const after = await lstatOrNothing(path);
    if (before.size !== after?.size || before.mtimeMs !== after.mtimeMs) {
      const hint = INBOX.changedWhileRead(acknowledgement.code);
      const untold = await this.#reasonAgainst(() =>
        this.#answers.answer(unit, control, markChanged(acknowledgement)),
      );
      await this.#fail(unit, untold === undefined ? hint : INBOX.answerNotWritten(hint, untold));
      return;
    }
    if (notice !== undefined) {
      await this.#answers.notify(unit, control, notice, acknowledgement.file.format);
    }
    const name = printableName(unit.name);
    if (acknowledgement.held !== undefined) {
      await this.#files.hold(unit, acknowledgement, this.#options.keepMs);
      this.#options.report({ kind: 'held', name, acknowledgement });
      return;
    }
    await this.#answers.answer(unit, control, markRepeat(acknowledgement, takenAt(unit)));
    await this.#files.finish(unit, this.#options.keepMs);
    this.#options.report({ kind: 'acknowledged', name, acknowledgement });
  }

  /** Sends the final answers of held files that have been decided. */
  async #answerHeld(): Promise<void> {
    const { units, stuck } = await this.#files.held();
    this.#tellStuck(stuck);
    for (const { unit, acknowledgement: provisional } of units) {
      if (this.#stopping) return;
      try {
        const acknowledgement = await this.#options.finalAnswer(provisional);
        if (acknowledgement === undefined) continue;
        await this.#answers.answer(unit, await this.#controlOf(unit), acknowledgement);
        await this.#files.finish(unit, this.#options.keepMs, 'held');
        const name = printableName(unit.name);
        this.#options.report({ kind: 'acknowledged', name, acknowledgement });
      } catch (error) {
        // Asked again next time. If the store is away, the loads report it.
        if (error instanceof LoadFailed) continue;
        const hint =
          error instanceof InTheWay ? error.message : INBOX.answerFailed(reasonOf(error));
        this.#tellStuck([{ place: `held/${unit.id}`, hint }]);
      }
    }
  }

  async #controlOf(unit: Unit): Promise<MeshControl | undefined> {
    if (unit.control === undefined) return undefined;
    const path = this.#files.path('held', unit.id, unit.control);
    const read = readControl(await readFile(path, 'utf8'));
    return read.kind === 'control' ? read.control : undefined;
  }

  /** Puts aside an unusable pair, once its sender, if known, has been told why. */
  async #refuse(unit: Unit, { hint, answer }: Unused): Promise<void> {
    if (answer === undefined) return this.#fail(unit, hint);
    const path = this.#files.path('processing', unit.id, unit.data);
    const untold = await this.#reasonAgainst(() =>
      this.#answers.refuse(unit, answer.sender, answer.hint, path),
    );
    await this.#fail(unit, untold === undefined ? hint : INBOX.answerNotWritten(hint, untold));
  }

  async #fail(unit: Unit, hint: string): Promise<void> {
    await this.#files.fail(unit, hint);
    const folder = this.#files.path('failed', unit.id);
    this.#options.report({ kind: 'failed', name: printableName(unit.name), hint, folder });
  }

  #tellStuck(stuck: readonly Stuck[]): void {
    for (const { place, hint } of stuck) this.#tell(place, hint, place);
  }

  /** Reports once what is wrong with a file (or, for an empty name, with the inbox); `undefined` if all is well. */
  #tell(name: string, hint: string | undefined, shown = printableName(name)): void {
    if (hint === undefined) {
      this.#told.delete(name);
      return;
    }
    if (this.#told.get(name) === hint) return;
    this.#told.set(name, hint);
    this.#options.report(
      name === '' ? { kind: 'unwell', hint } : { kind: 'left', name: shown, hint },
    );
  }
}

/** The kind of a fault, never its message: that may hold a path, and a path anything. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown fault';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
