import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { uploadName } from '#loaders/inbox/decision.ts';
import { writeReceivedControl } from '#loaders/inbox/mesh-control.ts';
import { MESH } from '#schemas/wording/mesh.ts';
import { eachAlone } from '#store/files/each-alone.ts';
import { lstatOrNothing, syncFolder } from '#store/files/whole-file.ts';
import { errorCode } from '../telemetry/log.ts';
import type { MeshApi } from './mesh-api.ts';
import { MeshAway } from './mesh-away.ts';
import type { MeshFile, Received } from './mesh-file.ts';
import type { FetchedChunk, MessageHead } from './mesh-messages.ts';

type ReceiverOptions = {
  api: MeshApi;
  file: MeshFile;
  /** Ours. */
  mailbox: string;
  /** Where messages are kept until the intake has them. It must exist, on the file system of `inbox`. */
  folder: string;
  /** The intake's: pairs are put into it whole. */
  inbox: string;
  /** Largest upload once unpacked. A larger one is handed over truncated, and the intake refuses it. */
  maxBytes: number;
  /** Whether a message of this workflow is for this service. */
  isOurs: (head: Pick<MessageHead, 'workflowId' | 'from'>) => boolean;
  /** What a report says about something that was sent. */
  onReport: (id: string, head: MessageHead, now: number) => void;
  tell: (sentence: string, level?: 'info') => void;
  clock: () => number;
  /** Resolves once what has been fetched would survive the loss of this disk. */
  safeguard?: (() => Promise<void>) | undefined;
};

const MODE = 0o600;
const FIRST_RETRY_MS = 300_000;
const RETRY_AT_MOST_MS = 21_600_000;
/** A message of `maxBytes` in more parts than this does not come from a real sender. */
const CHUNKS_AT_MOST = 10_000;

type Stored = { kind: 'stored'; head: MessageHead } | Exclude<FetchedChunk, { kind: 'chunk' }>;

/**
 * Fetches messages: to disk, then to the intake, then acknowledged; in that order, each step on disk before
 * the next. So wherever the process ends, a message is either still in MESH or with the intake, and the
 * intake has it once however often MESH delivers it.
 */
export function createReceiver(options: ReceiverOptions) {
  const { api, file, mailbox, folder, inbox, maxBytes, clock } = options;
  const pathOf = (id: string, name = ''): string => join(folder, id, name);

  function note(id: string, state: Received['state'], detail = '', known?: Received): void {
    const now = clock();
    const tries = state === 'wrong' ? (known?.tries ?? 0) + 1 : 0;
    const wait = Math.min(FIRST_RETRY_MS * 2 ** Math.max(0, tries - 1), RETRY_AT_MOST_MS);
    file.setReceived({
      id,
      state,
      at: known?.at ?? now,
      tries,
      notBefore: state === 'wrong' ? now + wait : 0,
      detail,
    });
    if (detail !== '' && detail !== known?.detail) options.tell(MESH.ofMessage(id, detail));
  }

  /** Fetches what is for this service into the message's folder; nothing counts until it is recorded. */
  async function store(id: string): Promise<Stored | { kind: 'left'; why: string }> {
    await rm(pathOf(id), { recursive: true, force: true });
    await mkdir(pathOf(id), { mode: 0o700 });
    const raw = await open(pathOf(id, 'raw'), 'wx', MODE);
    try {
      return await storeInto(id, raw);
    } finally {
      await raw.close();
    }
  }

  async function storeInto(id: string, raw: FileHandle) {
    // The offset of a chunk, so that it is overwritten if it comes again.
    let begun = 0;
    let length = 0;
    let first: MessageHead | undefined;
    for (let chunk = 1; ; chunk++) {
      begun = length;
      const fetched = await api.fetch(id, chunk, (head) => {
        length = begun;
        if (whyLeft(head) !== undefined) return () => Promise.resolve(false);
        return async (bytes) => {
          await raw.write(bytes, 0, bytes.length, length);
          length += bytes.length;
          // One byte too many is enough for the intake to refuse it.
          return length <= maxBytes;
        };
      });
      if (fetched.kind !== 'chunk') return fetched;
      const { head, last } = fetched;
      first ??= head;
      if (head.type === 'report') return { kind: 'stored' as const, head };
      const left = whyLeft(head);
      if (left !== undefined) return { kind: 'left' as const, why: left };
      if (
        head.chunks !== first.chunks ||
        head.gzip !== first.gzip ||
        head.chunks > CHUNKS_AT_MOST
      ) {
        return { kind: 'wrong' as const, why: MESH.chunksDiffer };
      }
      if (last || length > maxBytes) {
        await raw.truncate(length);
        await raw.sync();
        return { kind: 'stored' as const, head: first };
      }
    }
  }

  function whyLeft(head: MessageHead): string | undefined {
    if (head.type === 'report') return undefined;
    if (head.to !== undefined && head.to !== mailbox) return MESH.otherMailbox;
    return options.isOurs(head) ? undefined : MESH.otherWorkflow;
  }

  /**
   * Unpacks what was compressed for transport. Data that cannot be unpacked, or is too large for that, goes
   * unchanged to the intake, which refuses it and tells the sender why.
   */
  async function unpack(id: string, { gzip }: MessageHead): Promise<void> {
    const data = pathOf(id, 'data');
    if (!gzip) return rename(pathOf(id, 'raw'), data);
    const packed = (await lstat(pathOf(id, 'raw'))).size;
    const gunzip = createGunzip();
    let length = 0;
    const limit = new Transform({
      transform(bytes: Buffer, _, done) {
        length += bytes.length;
        done(length > maxBytes ? new Error('too large') : null, bytes);
      },
    });
    const whole = await pipeline(
      createReadStream(pathOf(id, 'raw')),
      gunzip,
      limit,
      createWriteStream(data, { flags: 'w', mode: MODE, flush: true }),
    ).then(
      // zlib ignores whatever follows the compressed part.
      () => gunzip.bytesWritten === packed,
      (error: unknown) => {
        if (isOfDisk(error)) throw error;
        return false;
      },
    );
    if (!whole) await rename(pathOf(id, 'raw'), data);
  }

  async function describe(id: string, head: MessageHead, from: string): Promise<void> {
    const control = await open(pathOf(id, 'control'), 'w', MODE);
    try {
      await control.writeFile(
        writeReceivedControl({
          from,
          to: mailbox,
          workflowId: head.workflowId,
          // The intake takes the name of a CSV from here.
          subject: uploadName(head.fileName) ?? head.subject,
          localId: head.localId,
          dtsId: id,
          partnerId: head.partnerId,
          messageType: head.type,
          encrypted: head.encrypted,
        }),
      );
      await control.sync();
    } finally {
      await control.close();
    }
    await syncFolder(pathOf(id));
    await syncFolder(folder);
  }

  /** Gives a stored message to the intake: its description first, the data last and by a rename. */
  async function handOver(id: string, known: Received): Promise<void> {
    for (const [name, ending] of [
      ['control', 'ctl'],
      ['data', 'dat'],
    ] as const) {
      // Absent if an earlier process was cut short between here and the note below.
      if ((await lstatOrNothing(pathOf(id, name))) === undefined) continue;
      await rename(pathOf(id, name), join(inbox, `${id}.${ending}`));
    }
    await syncFolder(inbox);
    await rm(pathOf(id), { recursive: true, force: true });
    note(id, 'handed', '', known);
  }

  async function acknowledge(id: string, known: Received): Promise<void> {
    await options.safeguard?.();
    await api.acknowledge(id);
    note(id, 'done', '', known);
  }

  async function take(id: string, before: Received | undefined): Promise<void> {
    const stored = await store(id).catch((error: unknown) => {
      // Whatever the fault, it is not retried in each round, since there are other messages.
      if (error instanceof MeshAway && !error.ofAll) note(id, 'wrong', error.message, before);
      throw error;
    });
    if (stored.kind === 'stored' && stored.head.type === 'report') {
      options.onReport(id, stored.head, clock());
      note(id, 'handed', '', before);
    } else if (stored.kind === 'stored') {
      const { head } = stored;
      if (head.from === undefined) note(id, 'wrong', MESH.noSender, before);
      else {
        await unpack(id, head);
        await describe(id, head, head.from);
        note(id, 'stored', '', before);
        options.tell(MESH.fetched(id, head.from), 'info');
        return;
      }
    } else if (stored.kind === 'gone') note(id, 'gone', MESH.gone, before);
    else note(id, stored.kind, stored.why, before);
    await rm(pathOf(id), { recursive: true, force: true });
  }

  return {
    /** Deals with a message that MESH lists. */
    async receive(id: string): Promise<void> {
      let known = file.received(id);
      if (known?.state === 'left') return;
      if (known?.state === 'wrong') {
        const waitMs = known.notBefore - clock();
        // A longer one was set by a clock that has been put back.
        if (waitMs > 0 && waitMs <= RETRY_AT_MOST_MS) return;
      }
      if (known === undefined || known.state === 'wrong' || known.state === 'gone') {
        await take(id, known);
        known = file.received(id);
      }
      if (known?.state === 'stored') {
        await handOver(id, known);
        known = file.received(id);
      }
      if (known?.state === 'handed' || known?.state === 'done') await acknowledge(id, known);
    },
    /** Hands over what an earlier process had stored, whether or not MESH can be reached. */
    async recover(): Promise<void> {
      // What cannot be handed over now is tried again at the next poll, and delays no other.
      await eachAlone(file.receivedIn('stored'), (known) => handOver(known.id, known)).catch(
        (error: unknown) => options.tell(MESH.notHandedOver(errorCode(error))),
      );
    },
    /** Acknowledges what the intake has, and gives up what was not fetched, if MESH no longer lists it. */
    async acknowledgeRest(listed: ReadonlySet<string>): Promise<void> {
      for (const known of file.receivedIn('handed')) {
        if (!listed.has(known.id)) await acknowledge(known.id, known);
      }
      for (const known of file.receivedIn('wrong')) {
        if (!listed.has(known.id)) note(known.id, 'gone', MESH.gone, known);
      }
      for (const known of file.receivedIn('left')) {
        if (!listed.has(known.id)) note(known.id, 'gone', '', known);
      }
    },
  };
}

/** Whether a fault is the machine's, and not that of the data to be unpacked. */
const isOfDisk = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && typeof error.syscall === 'string';
