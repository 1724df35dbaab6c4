import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OperatorEvent } from '#schemas/audit/audit-event.ts';
import { MESH } from '#schemas/wording/mesh.ts';
import { makeFolderIn } from '#store/files/whole-file.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { errorCode } from '../telemetry/log.ts';
import { createCollector, type MeshOutbox } from './collector.ts';
import { carryOutDecisions } from './decide-message.ts';
import { createExchange, jittered, type MeshConnection, type MeshDeadlines } from './exchange.ts';
import { createMeshApi } from './mesh-api.ts';
import { eachApart, MeshAway } from './mesh-away.ts';
import { MeshFile } from './mesh-file.ts';
import type { MessageHead } from './mesh-messages.ts';
import { createReceiver } from './receiver.ts';
import { createSender } from './sender.ts';

/** Something for the operator to deal with, unless it is only for information. */
type Tell = (sentence: string, level?: 'info') => void;

export type MeshClientOptions = {
  /** Read again for each round, so that a certificate that was renewed counts. @throws a sentence */
  connection: () => Promise<MeshConnection>;
  mailbox: string;
  /** A folder that exists and that no other client uses. */
  folder: string;
  /** The folder of the intake, which must exist, on the same file system. */
  inbox: string;
  outboxes: readonly MeshOutbox[];
  /** See the receiver. */
  maxBytes: number;
  isOurs: (head: Pick<MessageHead, 'workflowId' | 'from'>) => boolean;
  /** See the sender. */
  currentContent: (name: string) => Buffer | undefined;
  /** How often the mailbox is listed, unless there is a full page. */
  pollMs: number;
  tell: Tell;
  /** Records a person's decision about a message. */
  record: (event: OperatorEvent) => Promise<void>;
  /** See the receiver. */
  safeguard?: (() => Promise<void>) | undefined;
  /** Given in tests. */
  deadlines?: Partial<MeshDeadlines>;
  chunkBytes?: number;
  settleMs?: number;
  trackMs?: number;
  clock?: () => number;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** MESH forgets a message after 30 days; until then it may deliver it, or report on it, again. */
const KEPT_MS = 40 * DAY_MS;
/** For this long an answer written again unchanged is not sent again. */
const ENDED_KEPT_MS = 2 * DAY_MS;
/** The most that some networks have carried in one request. Source: MESH API, chunking. */
const CHUNK_BYTES = 20 * 1_048_576;
const SETTLE_MS = 60_000;
const TRACK_MS = 300_000;
const FIRST_PAUSE_MS = 30_000;
const PAUSE_AT_MOST_MS = 900_000;
/** Pages in one round: a listing longer than this never ends. */
const PAGES_AT_MOST = 200;
/** A poll may come early by chance, and must not come before its time. */
const SPREAD = 0.1;
const TOLD_EVERY_MS = 10_000;
/** A smaller step back only lengthens waits by as much. */
const CLOCK_STEP_MS = 60_000;

/**
 * The client of one mailbox. Each step does what is due: sending, polling and handshakes, each at its own
 * interval. No step throws: a fault shows in the state, and is tried again after growing pauses.
 *
 * Source: MESH API: poll at most every five minutes unless a page was full, a handshake a day.
 */
export async function openMeshClient(options: MeshClientOptions) {
  const { folder, pollMs, tell } = options;
  const clock = options.clock ?? Date.now;
  const receiving = await makeFolderIn(folder, 'receiving', 0o700);
  const sending = await makeFolderIn(folder, 'sending', 0o700);
  const file = MeshFile.open(folder);
  file.forgetLeft();
  let failures = 0;
  let pausedUntil = 0;
  /** At the start too, to find out whether MESH lets us in. */
  let nextHandshakeAt = 0;
  let recovered = false;
  let sweptAt = 0;
  let problem = '';
  let ofOutbox = '';
  let toldState = '';
  let toldAt = 0;
  let nextPollAt = Math.min(file.times().polledAt, clock()) + pollMs;
  let steppedAt = 0;

  const told = new Set<string>();
  function tellOnce(sentence: string): void {
    if (told.has(sentence)) return;
    told.add(sentence);
    tell(sentence);
  }

  const chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
  const { mailbox, outboxes } = options;
  const collect = createCollector({
    file,
    mailbox,
    folder: sending,
    outboxes,
    chunkBytes,
    tellOnce,
    clock,
  });

  async function poll(client: Parts): Promise<MeshAway | undefined> {
    // Before the request, so that the next process keeps the interval too.
    file.setTimes({ polledAt: clock() });
    nextPollAt = clock() + pollMs * (1 + Math.random() * SPREAD);
    const listed = new Set<string>();
    let from: string | undefined;
    let away: MeshAway | undefined;
    for (let page = 1; page <= PAGES_AT_MOST; page++) {
      const { ids, unusable, next } = await client.api.list(from);
      if (unusable > 0) tellOnce(MESH.unusableIds(unusable));
      const fresh = ids.filter((id) => !listed.has(id));
      for (const id of fresh) listed.add(id);
      away = (await eachApart(fresh, client.receiver.receive, () => undefined)) ?? away;
      if (next === undefined || next === from || fresh.length === 0) {
        await client.receiver.acknowledgeRest(listed);
        break;
      }
      from = next;
    }
    return away;
  }

  type Parts = ReturnType<typeof partsOf>;
  function partsOf(connection: MeshConnection) {
    const api = createMeshApi(createExchange(connection, options.deadlines), packageJson.version);
    const { inbox, maxBytes, isOurs } = options;
    const shared = { api, file, tell, clock };
    const sender = createSender({
      ...shared,
      folder: sending,
      chunkBytes,
      currentContent: options.currentContent,
      settleMs: options.settleMs ?? SETTLE_MS,
      trackMs: options.trackMs ?? TRACK_MS,
    });
    const receiver = createReceiver({
      ...shared,
      mailbox,
      inbox,
      maxBytes,
      isOurs,
      folder: receiving,
      safeguard: options.safeguard,
      onReport: sender.report,
    });
    return { api, sender, receiver };
  }

  async function recover({ receiver, sender }: Parts): Promise<void> {
    await receiver.recover();
    // What was being fetched when a process ended is fetched again.
    for (const name of await readdir(receiving)) {
      if (file.received(name)?.state !== 'stored') {
        await rm(join(receiving, name), { recursive: true, force: true });
      }
    }
    const keys = (await readdir(sending)).filter((name) => file.sent(name) === undefined);
    await sender.sweep(keys);
  }

  async function sweep({ sender }: Parts): Promise<void> {
    if (Math.abs(clock() - sweptAt) < HOUR_MS) return;
    const now = clock();
    await sender.sweep(file.prune({ ended: now - ENDED_KEPT_MS, open: now - KEPT_MS }));
    sweptAt = clock();
  }

  /** A refused handshake delays no upload. */
  async function shakeHands({ api }: Parts): Promise<MeshAway | undefined> {
    const away = await api.handshake();
    nextHandshakeAt = clock() + (away === undefined ? DAY_MS : HOUR_MS);
    if (away === undefined) file.setTimes({ handshakeAt: clock() });
    return away;
  }

  let stopping = false;
  let current: Parts | undefined;
  async function round(): Promise<MeshAway | undefined> {
    const client = partsOf(await options.connection());
    current = client;
    if (stopping) client.api.close();
    try {
      if (!recovered) await recover(client);
      recovered = true;
      await sweep(client);
      const ofHandshake = clock() >= nextHandshakeAt ? await shakeHands(client) : undefined;
      const ofPoll = clock() >= nextPollAt ? await poll(client) : undefined;
      return (await client.sender.send()) ?? ofPoll ?? ofHandshake;
    } finally {
      client.api.close();
    }
  }

  /** A failure to send answers delays no upload. */
  async function collected(): Promise<string> {
    try {
      await collect();
      return '';
    } catch (error) {
      return MESH.outboxFailed(errorCode(error));
    }
  }

  async function tryRound(): Promise<void> {
    try {
      const away = await round();
      failures = 0;
      problem = away === undefined ? '' : MESH.partly(away.message);
    } catch (error) {
      failures += 1;
      const pause = jittered(Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), PAUSE_AT_MOST_MS));
      const asked = error instanceof MeshAway ? (error.retryAfterMs ?? 0) : 0;
      pausedUntil = clock() + Math.max(pause, asked);
      problem = MESH.tryAgain(reasonOf(error));
    }
  }

  /** Writes its state: at once if that has changed, and otherwise every few seconds as a sign of life. */
  function tellState(): void {
    const said = problem === '' ? ofOutbox : problem;
    if (said === toldState && Math.abs(clock() - toldAt) < TOLD_EVERY_MS) return;
    if (said !== toldState) tell(said === '' ? MESH.well : said);
    [toldState, toldAt] = [said, clock()];
    const detail = said === '' ? MESH.well : said;
    file.tellState({ problem: said !== '', detail, at: new Date(toldAt).toISOString() });
  }

  return {
    /** Does what is due. */
    async step(): Promise<void> {
      ofOutbox = await collected();
      const now = clock();
      // A store that cannot record them is reported elsewhere.
      await carryOutDecisions(file, options.record, now).catch(() => undefined);
      // The clock was put back: what was due by the former time is done now.
      if (now < steppedAt - CLOCK_STEP_MS) [nextPollAt, nextHandshakeAt, pausedUntil] = [0, 0, 0];
      steppedAt = now;
      const due = now >= Math.min(nextPollAt, nextHandshakeAt) || file.due(now, 1).length > 0;
      if (due && now >= pausedUntil) await tryRound();
      tellState();
    },
    /** Writes a sign of life, also in the middle of a long step. */
    stillAtWork: tellState,
    /** Ends the requests under way, so that a step ends soon. No other may start. */
    stop(): void {
      stopping = true;
      current?.api.close();
    },
    file,
    close: () => file.close(),
  };
}
export type MeshClient = Awaited<ReturnType<typeof openMeshClient>>;

/** The sentence of an expected fault; for any other only its code, since a message may hold anything. */
function reasonOf(error: unknown): string {
  if (error instanceof MeshAway || error instanceof UnusableSecret) return error.message;
  return MESH.failed(errorCode(error));
}

/** An unreadable certificate or password. The message is the sentence for the operator. */
export class UnusableSecret extends Error {
  override name = 'UnusableSecret';
}
