import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Inbox, InboxInUse, type InboxOptions, watchInbox } from '#loaders/inbox/inbox.ts';
import type { OwnCheck } from '#schemas/status.ts';
import { MESH } from '#schemas/wording/mesh.ts';
import { type FileLock, lockFile } from '#store/files/sqlite.ts';
import { InTheWay, makeFolderIn } from '#store/files/whole-file.ts';
import type { MailboxLease } from '#store/locks/authority-lock.ts';
import type { Store } from '#store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { type MeshClient, type MeshClientOptions, openMeshClient } from './mesh-client.ts';
import type { MeshCounts } from './mesh-file.ts';
import type { MailboxSettings } from './mesh-settings.ts';

/** Plain numbers of the mailbox, for metrics. */
type MeshNumbers = MeshCounts & {
  problem: boolean;
  /** Milliseconds since the mailbox was last listed; `undefined` before the first time. */
  polledAgoMs: number | undefined;
};

export type Mesh = {
  /** Whether the mailbox is worked on, as a check of `/_status`. */
  check(): OwnCheck;
  /** `undefined` if another process works on it. */
  readonly numbers: MeshNumbers | undefined;
  /** Starts nothing more, and resolves when loads under way have ended. */
  stop(): Promise<void>;
};

type MeshStartOptions = {
  settings: MailboxSettings;
  /** How what came is loaded; folders and MESH are given here. */
  intake: Omit<InboxOptions, 'dir' | 'outbox' | 'mesh' | 'settleMs'>;
  /** Who may work on a mailbox, and for how long; and what records decisions about its messages. */
  leases: Pick<Store, 'takeMailbox' | 'keepMailbox' | 'safeguard' | 'appendEvent'>;
  log: Log;
  /** Given in tests. */
  client?: Partial<MeshClientOptions>;
  leaseMs?: { renewEvery: number; lostAfter: number; retry: number };
};

/** The store gives it for 30 s. */
const LEASE_MS = { renewEvery: 10_000, lostAfter: 25_000, retry: 5_000 };
const LOOKS_EVERY_MS = 1_000;
const COUNTED_FOR_MS = 5_000;

type Opened = { client: MeshClient; inbox: Inbox; lock: FileLock };

/**
 * Works on a MESH mailbox: fetches messages for this service into a folder, has them loaded as from any
 * inbox, and sends the answers, notices and notifications. One process at a time does so, by a lease in the
 * store and a lock in the folder; others stand by.
 */
export function startMesh(options: MeshStartOptions): Mesh {
  const { settings, log, leases } = options;
  const { mailbox, folder } = settings;
  const { renewEvery, lostAfter, retry } = options.leaseMs ?? LEASE_MS;
  const stopped = new AbortController();
  let opened: Opened | undefined;
  let standingBy: string | undefined = MESH.starting;
  let counted: { numbers: MeshNumbers; at: number } | undefined;

  const tell: MeshClientOptions['tell'] = (sentence, level) => log[level ?? 'warn'](sentence);

  /** Opens what is in the folder; `undefined` if another process has it open. */
  async function open(): Promise<Opened | undefined> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const lock = lockFile(join(folder, 'mesh.lock'));
    if (lock === undefined) return undefined;
    try {
      const inboxFolder = await makeFolderIn(folder, 'inbox', 0o700);
      const outbox = await makeFolderIn(folder, 'outbox', 0o700);
      const client = await openMeshClient({
        ...settings,
        inbox: inboxFolder,
        outboxes: [
          { path: outbox, again: false },
          ...(settings.notifications === undefined
            ? []
            : [{ path: settings.notifications, again: true }]),
        ],
        tell,
        safeguard: leases.safeguard,
        record: (event) => leases.appendEvent(event),
        ...options.client,
      });
      try {
        const inbox = await watchInbox({
          ...options.intake,
          dir: inboxFolder,
          outbox,
          mesh: settings.mesh,
          // Put there whole, by a rename.
          settleMs: 0,
        });
        return { client, inbox, lock };
      } catch (error) {
        client.close();
        throw error;
      }
    } catch (error) {
      lock.close();
      if (error instanceof InboxInUse) return undefined;
      throw error;
    }
  }

  async function close({ client, inbox, lock }: Opened): Promise<void> {
    client.stop();
    await inbox.stop();
    client.close();
    lock.close();
  }

  function standBy(why: string): void {
    if (standingBy !== why) log.warn(why);
    standingBy = why;
  }

  /** Works until it is told to stop or has lost the lease. */
  async function work(lease: MailboxLease): Promise<void> {
    const lost = new AbortController();
    let renewedAt = performance.now();
    async function renew(): Promise<void> {
      const kept = await leases.keepMailbox(mailbox, lease, 'renew').catch(() => undefined);
      if (kept === true) renewedAt = performance.now();
      opened?.client.stillAtWork();
      if (kept === false) lost.abort(MESH.leaseLost);
      if (performance.now() - renewedAt > lostAfter) lost.abort(MESH.leaseUnknown);
    }
    const renewing = setInterval(() => void renew(), renewEvery);
    const ended = AbortSignal.any([stopped.signal, lost.signal]);
    try {
      opened = await open();
      if (opened === undefined) return standBy(MESH.standby);
      standingBy = undefined;
      log.info(MESH.works(mailbox));
      const { client } = opened;
      ended.addEventListener('abort', () => client.stop());
      while (!ended.aborted) {
        await client.step();
        await delay(LOOKS_EVERY_MS, undefined, { signal: ended }).catch(() => undefined);
      }
      if (lost.signal.aborted) standBy(String(lost.signal.reason));
    } finally {
      if (opened !== undefined) {
        const { client, inbox, lock } = opened;
        opened = undefined;
        await close({ client, inbox, lock });
      }
      clearInterval(renewing);
      await leases.keepMailbox(mailbox, lease, 'release').catch(() => undefined);
    }
  }

  /** `undefined` if another process has the lease, or nobody can say. */
  async function take(): Promise<MailboxLease | undefined> {
    try {
      const lease = await leases.takeMailbox(mailbox);
      if (lease === undefined) standBy(MESH.standby);
      return lease;
    } catch {
      standBy(MESH.leaseUnknown);
      return undefined;
    }
  }

  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      const lease = await take();
      try {
        if (lease !== undefined) await work(lease);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException | undefined)?.code;
        const fault = code ?? (error instanceof Error ? error.name : 'unknown');
        const known = error instanceof InTheWay ? error.message : MESH.failed(fault);
        standBy(MESH.tryAgain(known));
      }
      await delay(retry, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  }
  const running = run();

  function numbers(): MeshNumbers | undefined {
    if (opened === undefined) return undefined;
    const now = Date.now();
    if (counted !== undefined && Math.abs(now - counted.at) < COUNTED_FOR_MS) {
      return counted.numbers;
    }
    const { file } = opened.client;
    const { polledAt } = file.times();
    const found = {
      ...file.counts(),
      problem: file.state()?.problem ?? false,
      polledAgoMs: polledAt === 0 ? undefined : Math.abs(now - polledAt),
    };
    counted = { numbers: found, at: now };
    return found;
  }

  return {
    check(): OwnCheck {
      const name = 'mesh:mailbox';
      const found = numbers();
      if (opened === undefined || found === undefined) {
        const detail = standingBy ?? MESH.starting;
        const ok = detail === MESH.standby || detail === MESH.starting;
        return { name, ok, detail: `${detail} ${MESH.which(settings.mailbox)}` };
      }
      const state = opened.client.file.state();
      const { failed, unclear, unfetched, left, waiting } = found;
      const sentences = [
        ...(state?.problem === true ? [state.detail] : []),
        ...(failed + unclear > 0 ? [MESH.toSeeTo(failed, unclear)] : []),
      ];
      const ok = sentences.length === 0;
      return {
        name,
        ok,
        detail: [
          ...(ok ? [MESH.well] : sentences),
          MESH.waits(unfetched, waiting),
          ...(left > 0 ? [MESH.left(left)] : []),
          MESH.which(settings.mailbox),
        ].join(' '),
      };
    },
    get numbers() {
      return numbers();
    },
    stop() {
      stopped.abort();
      return running;
    },
  };
}
