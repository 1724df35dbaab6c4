// One file, since the states of an upload from a page follow from each other.

import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { differFile, type LoadOptions, loadAsShown } from '#loaders/load/load.ts';
import { ANSWERED_LOCK_WAIT_MS } from '#loaders/load/lock.ts';
import { AuthorityBusy, LoadFailed } from '#loaders/load-failed.ts';
import type { EventCaller } from '#schemas/audit/audit-event.ts';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import { parseJson } from '#schemas/json.ts';
import { type Acknowledgement, acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { UPLOAD_FORMATS } from '#schemas/uploads/formats.ts';
import { stoppedPlanSchema } from '#schemas/uploads/stopped-plan.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { writePrivate } from '../files/private-file.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { LoadSettings } from './load-settings.ts';
import { NOT_BEGUN, progressOf } from './progress.ts';
import { createSharedPlaces } from './shared-places.ts';

/** How long a file waits for its sender, and how long its outcome can be seen. */
const KEPT_MS = 30 * 60_000;
const SWEPT_EVERY_MS = 5 * 60_000;
/** How long a file waits for further fields from its sender: no longer than an idle session lasts. */
const UNSENT_MS = 10 * 60_000;
const UNSENT_SWEPT_EVERY_MS = 2_000;
/** Files kept for one user; a further file replaces the oldest. */
const OF_A_USER_AT_MOST = 3;
/** Files kept for one council: of the largest size, 384 MiB. */
const OF_A_COUNCIL_AT_MOST = 6;
/** Files kept in all: of the largest size, 1 GiB. */
const KEPT_AT_MOST = 16;
/** Files that this process works on at once. */
const AT_ONCE = 8;
/** How many of those may be arriving at once from one council, as slowly as it likes. */
const OF_A_COUNCIL_AT_ONCE = 3;
const SAVED_EVERY_MS = 1_000;
/** A process silent for this long has ended. */
const SILENT_MS = 30_000;
const STOPS_WITHIN_MS = 5_000;

const differenceSchema = z.strictObject({
  added: z.int(),
  removed: z.int(),
  changed: z.int(),
  stops: z.int(),
});
const shownSchema = z.strictObject({
  acknowledgement: acknowledgementSchema,
  difference: differenceSchema,
  /** Absent in what an earlier version left. */
  stopped: z.array(stoppedPlanSchema).readonly().optional(),
  basis: z.string(),
});
const workSchema = { beganAt: z.int(), share: z.number(), records: z.int(), doing: z.string() };

/** What may be typed for a file that does not say it itself. */
export const TYPED = ['sequence', 'createdAt', 'rowCount', 'full'] as const;

/** What is needed to know that a session has ended. */
const ownerSessionSchema = z.object({
  id: z.uuid(),
  issuer: z.string(),
  subject: z.string(),
  sid: z.string().optional(),
  issuedAt: z.int(),
});

const previewSchema = z.strictObject({
  authority: odsCodeSchema,
  userKey: z.string(),
  /** As its sender called it. */
  name: z.string(),
  sizeBytes: z.int(),
  sha256: z.hex(),
  /** In which it was sent. */
  session: ownerSessionSchema,
  /** What was typed with it, by field. */
  typed: z.record(z.string(), z.string()),
  metadata: z.strictObject({
    sequence: z.int().exactOptional(),
    createdAt: z.string().exactOptional(),
    rowCount: z.int().exactOptional(),
    full: z.boolean().exactOptional(),
  }),
  /** The preview that its sender was shown. */
  shown: shownSchema.exactOptional(),
  state: z.discriminatedUnion('kind', [
    /** It has arrived, and its sender must fill in more fields before it is checked. */
    z.strictObject({ kind: z.literal('received') }),
    z.strictObject({ kind: z.literal('checking'), ...workSchema }),
    /** It waits for its sender to confirm; `busy` if they did, and another file was being loaded. */
    z.strictObject({ kind: z.literal('shown'), busy: z.literal(true).exactOptional() }),
    z.strictObject({ kind: z.literal('sending'), ...workSchema }),
    /** None of it would be loaded: the file is gone, unless it is `kept` because only typed fields are wrong. */
    z.strictObject({
      kind: z.literal('refused'),
      acknowledgement: acknowledgementSchema,
      kept: z.literal(true).exactOptional(),
    }),
    z.strictObject({ kind: z.literal('answered'), acknowledgement: acknowledgementSchema }),
    /** It would no longer do what its sender was shown, so nothing was done. */
    z.strictObject({ kind: z.literal('changed') }),
    z.strictObject({ kind: z.literal('failed'), at: z.enum(['checking', 'sending']) }),
  ]),
  savedAt: z.int(),
});
export type Preview = z.infer<typeof previewSchema>;
/** The result of working on one. */
type Ended = Pick<Preview, 'state' | 'shown'>;

/** The owner of an upload: only this user of this authority. */
export type PreviewOwner = { authority: OdsCode; userKey: string };

/** The same, in one of their sessions. */
type PreviewSender = PreviewOwner & { session: z.infer<typeof ownerSessionSchema> };

/** Who sees or sends a file, as the audit has them. */
type Sender = { by: string; caller: EventCaller };
export type PreviewedBy = Sender & { requestId: string };

export type Received =
  | { kind: 'received'; id: string; sizeBytes: number }
  | { kind: 'busy' }
  | { kind: 'too-large' };

type PreviewsDependencies = {
  folder: string;
  store: Store;
  anchor: Anchor;
  loads: LoadSettings;
  metrics: Pick<Metrics, 'uploaded'>;
  /** Whether a session is known to have ended. */
  hasEnded: (session: PreviewSender['session']) => boolean;
  log: Log;
  now?: () => number;
  lockWaitMs?: number;
};

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const FILE = 'file';
const STATE = 'state.json';
/** Exists once it is sent or deleted: the request that does so makes it, and no second one can. */
const CLAIMED = 'claimed';

/** Whether its sender has more fields to fill in. */
const isUnsent = ({ state }: Pick<Preview, 'state'>): boolean =>
  state.kind === 'received' || (state.kind === 'refused' && state.kept === true);

/** The same, for somebody who is in the session that it came in. */
const isUnsentIn = (preview: Preview, { session }: PreviewSender): boolean =>
  isUnsent(preview) && preview.session.id === session.id;

/**
 * Whether only typed fields are wrong with a file as a whole, as far as it was checked: unusable records are
 * left out anyway. If the row count differs from the typed one, the file is in doubt: letting its sender
 * correct the count would disable a check.
 */
const isTypedWrong = (
  { file, failures, repeated }: Acknowledgement,
  { rowCount }: Preview['metadata'],
): boolean => {
  const ofWhole = failures.filter(({ record }) => record === undefined);
  return (
    UPLOAD_FORMATS[file.format].numberedBeside &&
    repeated !== true &&
    ofWhole.length > 0 &&
    ofWhole.every(
      ({ field }) =>
        TYPED.some((name) => name === field) && (field !== 'rowCount' || rowCount === undefined),
    )
  );
};

/** The acknowledgement of a file that would not be loaded. A file loaded before is answered as it was then. */
function asRefused(acknowledgement: Acknowledgement): Acknowledgement {
  const { code, held } = acknowledgement;
  const wasLoaded = held !== undefined || code === 'CPF02' || code === 'CPF03';
  return wasLoaded ? { ...acknowledgement, repeated: true } : acknowledgement;
}

/**
 * Uploads that somebody sends from a page: each waits in a private folder until its preview is known and its
 * sender has confirmed it. All processes on a data folder see them, and they survive a restart.
 */
export function createPreviews(dependencies: PreviewsDependencies) {
  const { folder, store, anchor, loads, metrics, hasEnded, log } = dependencies;
  const { now = Date.now, lockWaitMs = ANSWERED_LOCK_WAIT_MS } = dependencies;
  const underWay = new Set<Promise<void>>();
  /** Checks whose state cannot be read yet, by id. */
  const beginning = new Map<string, Promise<boolean>>();
  const stopping = new AbortController();
  /** For files that are on their way. */
  const receiving = createSharedPlaces({ inAll: AT_ONCE, ofOne: OF_A_COUNCIL_AT_ONCE });

  /** A time in the future, saved while the clock was ahead, does not count as recent either. */
  const agoMs = (at: number): number => Math.abs(now() - at);
  const pathOf = (id: string, name: string): string => join(folder, id, name);
  const remove = (id: string): Promise<void> =>
    rm(join(folder, id), { recursive: true, force: true });

  async function read(id: string): Promise<Preview | undefined> {
    try {
      const text = await readFile(pathOf(id, STATE), 'utf8');
      // A damaged state counts as none: it must not keep others from sending files.
      return previewSchema.safeParse(parseJson(text)).data;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async function ids(): Promise<string[]> {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return names.filter((name) => ID.test(name));
  }

  /** The previews that have not ended. An ended one has no file any more, and may have a long answer. */
  async function idsWithFile(): Promise<string[]> {
    const all = await ids();
    const present = await Promise.all(
      all.map((id) =>
        stat(pathOf(id, FILE)).then(
          () => true,
          () => false,
        ),
      ),
    );
    return all.filter((_, i) => present[i]);
  }

  /** When any process last reported on one. */
  async function heardAt(id: string): Promise<number> {
    const saved = (await read(id).catch(() => undefined))?.savedAt;
    return saved ?? (await stat(join(folder, id)).catch(() => undefined))?.mtimeMs ?? 0;
  }

  /** Removes what was kept for too long. */
  async function sweep(): Promise<void> {
    for (const id of await ids()) {
      if (agoMs(await heardAt(id)) < KEPT_MS) continue;
      const isStillOver = async (): Promise<boolean> => {
        const saved = (await read(id).catch(() => undefined))?.savedAt;
        return saved === undefined || agoMs(saved) >= KEPT_MS;
      };
      if (await discard(id, isStillOver)) continue;
      // It has ended, or its process has, unless somebody has only just begun to do something with it.
      const claimed = await stat(pathOf(id, CLAIMED)).catch(() => undefined);
      if (claimed !== undefined && agoMs(claimed.mtimeMs) >= KEPT_MS) await remove(id);
    }
  }

  /** Whether nothing was done with one since its state was read. */
  const isAsRead =
    (id: string, { savedAt }: Pick<Preview, 'savedAt'>) =>
    async (): Promise<boolean> =>
      (await read(id))?.savedAt === savedAt;

  /** Removes files that wait for fields, once their sender has signed out or their time is over. */
  async function sweepUnsent(): Promise<void> {
    for (const id of await idsWithFile()) {
      const preview = await read(id);
      if (preview === undefined || !isUnsent(preview)) continue;
      if (agoMs(preview.savedAt) < UNSENT_MS && !hasEnded(preview.session)) continue;
      await discard(id, isAsRead(id, preview));
    }
  }

  /** Whether there is room for one more file of a user, if necessary by removing their oldest. */
  async function makeRoom({ authority, userKey }: PreviewOwner): Promise<boolean> {
    await sweep();
    const all = await ids();
    const own: { id: string; savedAt: number; hasFile: boolean }[] = [];
    let kept = 0;
    let ofCouncil = 0;
    for (const id of all) {
      const preview = await read(id);
      const isAtWork = preview?.state.kind === 'checking' || preview?.state.kind === 'sending';
      // What has ended has no file any more.
      const hasFile =
        preview === undefined || isAtWork || preview.state.kind === 'shown' || isUnsent(preview);
      const isOwn = preview?.userKey === userKey && !isAtWork;
      if (isOwn) own.push({ id, savedAt: preview.savedAt, hasFile });
      if (hasFile) kept += 1;
      if (hasFile && preview?.authority === authority) ofCouncil += 1;
    }
    own.sort((one, other) => one.savedAt - other.savedAt);
    const over = own.slice(0, Math.max(0, own.length - OF_A_USER_AT_MOST + 1));
    let freed = 0;
    for (const { id, savedAt, hasFile } of over) {
      if (!hasFile) await remove(id);
      else if (await discard(id, isAsRead(id, { savedAt }))) freed += 1;
    }
    return kept - freed < KEPT_AT_MOST && ofCouncil - freed < OF_A_COUNCIL_AT_MOST;
  }

  async function save(id: string, preview: Omit<Preview, 'savedAt'>): Promise<void> {
    await writePrivate(
      pathOf(id, STATE),
      JSON.stringify({ ...preview, savedAt: now() } satisfies Preview),
    );
  }

  /** Works on a file, with its progress in its state meanwhile. */
  function work(
    id: string,
    preview: Omit<Preview, 'savedAt'>,
    kind: 'checking' | 'sending',
    of: (options: LoadOptions) => Promise<Ended>,
    { by, caller }: Sender,
  ): void {
    const beganAt = now();
    let progress = NOT_BEGUN;
    let saving = Promise.resolve();
    const saveProgress = (): void => {
      const state = { kind, beganAt, ...progress };
      saving = saving.then(() => save(id, { ...preview, state })).catch(() => undefined);
    };
    const timer = setInterval(saveProgress, SAVED_EVERY_MS);
    const options: LoadOptions = {
      ...loads,
      // An answer that waits on disk repeats no record.
      echoTo: [],
      authority: preview.authority,
      addAuthority: false,
      metadata: preview.metadata,
      way: 'page',
      by,
      caller,
      lockWaitMs,
      stopped: stopping.signal,
      onProgress: (step) => (progress = progressOf(step, preview.sizeBytes, progress)),
    };
    const failed = (error: unknown): Ended => {
      if (error instanceof AuthorityBusy) return { state: { kind: 'shown', busy: true } };
      log.error('An upload from a page failed.', {
        authority: preview.authority,
        ...(error instanceof LoadFailed ? { cause: error.message } : errorFields(error)),
      });
      return { state: { kind: 'failed', at: kind } };
    };
    const working = (async () => {
      let ended: Ended;
      try {
        ended = await of(options);
      } catch (error) {
        ended = failed(error);
      }
      clearInterval(timer);
      await saving;
      const waits = ended.state.kind === 'shown' || isUnsent(ended);
      // Before the upload is marked as ended.
      await rm(pathOf(id, waits ? CLAIMED : FILE), { force: true });
      await save(id, { ...preview, ...ended });
    })().catch((error: unknown) =>
      log.error('An upload from a page could not be kept.', errorFields(error)),
    );
    underWay.add(working);
    void working.finally(() => {
      clearInterval(timer);
      underWay.delete(working);
    });
  }

  /** The upload with an id; `undefined` if there is none any more, or it is somebody else's. */
  async function find(id: string, owner: PreviewOwner): Promise<Preview | undefined> {
    const preview = ID.test(id) ? await read(id) : undefined;
    const isTheirs = preview?.authority === owner.authority && preview.userKey === owner.userKey;
    return isTheirs && agoMs(preview.savedAt) < KEPT_MS ? preview : undefined;
  }

  /** True only for the first of all processes to do something with a file. */
  async function claim(id: string): Promise<boolean> {
    try {
      await (await open(pathOf(id, CLAIMED), 'wx', 0o600)).close();
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST' || code === 'ENOENT') return false;
      throw error;
    }
  }

  /**
   * Does something with a file, as the only one of all processes. Unless it is done, somebody can do it again.
   *
   * @returns what `work` says: whether it is done; `undefined` if another process was first, or the file is gone
   */
  async function withClaim(id: string, work: () => Promise<boolean>): Promise<boolean | undefined> {
    if (!(await claim(id))) return undefined;
    let isDone = false;
    try {
      isDone = await work();
      return isDone;
    } finally {
      if (!isDone) await rm(pathOf(id, CLAIMED), { force: true });
    }
  }

  /**
   * Removes a file; false if something is being done with it.
   *
   * @param isStillMeant asked once nothing can be done with it any more
   */
  async function discard(
    id: string,
    isStillMeant: () => Promise<boolean> = () => Promise.resolve(true),
  ): Promise<boolean> {
    const isDone = await withClaim(id, async () => {
      if (!(await isStillMeant())) return false;
      await remove(id);
      return true;
    });
    return isDone === true;
  }

  /** Begins to find out what a file would do; see the function that is given out. */
  async function beginCheck(
    id: string,
    preview: Preview,
    { metadata, typed }: Pick<Preview, 'metadata' | 'typed'>,
    { by, caller, requestId }: PreviewedBy,
    prepare: () => Promise<boolean>,
  ): Promise<boolean> {
    const { authority, sha256, sizeBytes } = preview;
    const event = {
      type: 'upload-previewed',
      auditId: randomUUID(),
      requestId,
      authority,
      caller,
      by: caller.name,
      sha256,
      sizeBytes,
    } as const;
    const state = { kind: 'checking', beganAt: now(), ...NOT_BEGUN } as const;
    const { savedAt: _savedAt, ...kept } = preview;
    const checked = { ...kept, metadata, typed, state };
    const isBegun = await withClaim(id, async () => {
      if (!(await prepare())) return false;
      await store.appendEvent(event);
      await save(id, checked);
      return true;
    });
    // Another process has begun, if it is undefined.
    if (isBegun !== true) return isBegun === undefined;
    const source = { path: pathOf(id, FILE), name: preview.name };
    work(
      id,
      checked,
      'checking',
      async (options) => {
        const shown = await differFile(store, anchor, source, options);
        if (shown.basis !== '') return { state: { kind: 'shown' }, shown };
        const acknowledgement = asRefused(shown.acknowledgement);
        const isKept = isTypedWrong(acknowledgement, metadata);
        return { state: { kind: 'refused', acknowledgement, ...(isKept && { kept: true }) } };
      },
      { by, caller },
    );
    return true;
  }

  const every = (milliseconds: number, swept: () => Promise<void>): NodeJS.Timeout =>
    setInterval(() => {
      swept().catch((error: unknown) =>
        log.error('Old uploads from pages could not be removed.', errorFields(error)),
      );
    }, milliseconds).unref();
  const timers = [every(SWEPT_EVERY_MS, sweep), every(UNSENT_SWEPT_EVERY_MS, sweepUnsent)];

  return {
    /** Removes what has waited too long: at the start, and then every few minutes. */
    sweep,

    /**
     * Stores a file as it arrives, to be given to {@link check} or discarded; for at most ten minutes, or until
     * its sender signs out.
     *
     * @returns `busy` if there is no room for it, otherwise its id and what arrived
     */
    async receive(
      { authority, userKey, session }: PreviewSender,
      name: string,
      content: AsyncIterable<Buffer>,
    ): Promise<Received> {
      const received = receiving.take(authority, underWay.size);
      if (received === undefined) return { kind: 'busy' };
      const id = randomUUID();
      let kept = false;
      try {
        if (!(await makeRoom({ authority, userKey }))) return { kind: 'busy' };
        await mkdir(join(folder, id), { recursive: true, mode: 0o700 });
        const file = await open(pathOf(id, FILE), 'wx', 0o600);
        const digest = createHash('sha256');
        let sizeBytes = 0;
        try {
          for await (const piece of content) {
            sizeBytes += piece.length;
            digest.update(piece);
            // A file that is too large is read to its end, so that its sender can read the answer, and not
            // stored.
            if (sizeBytes <= loads.maxBytes) await file.writeFile(piece);
          }
        } finally {
          await file.close();
        }
        if (sizeBytes > loads.maxBytes) return { kind: 'too-large' };
        const sha256 = digest.digest('hex');
        const { id: of, issuer, subject, sid, issuedAt } = session;
        await save(id, {
          authority,
          userKey,
          name,
          sizeBytes,
          sha256,
          typed: {},
          metadata: {},
          session: { id: of, issuer, subject, ...(sid !== undefined && { sid }), issuedAt },
          state: { kind: 'received' },
        });
        kept = true;
        return { kind: 'received', id, sizeBytes };
      } finally {
        received();
        if (!kept) await remove(id);
      }
    },

    /** The beginning of a received file, and its size; `undefined` if it is gone. */
    async start(
      id: string,
      bytes: number,
    ): Promise<{ start: Buffer; sizeBytes: number } | undefined> {
      if (!ID.test(id)) return undefined;
      try {
        const file = await open(pathOf(id, FILE), 'r');
        try {
          const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
          return { start: buffer.subarray(0, bytesRead), sizeBytes: (await file.stat()).size };
        } finally {
          await file.close();
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },

    /** A file whose sender has more fields to fill in, in the session in which it arrived; otherwise `undefined`. */
    async unsent(id: string, owner: PreviewSender): Promise<Preview | undefined> {
      const preview = await find(id, owner);
      return preview && isUnsentIn(preview, owner) ? preview : undefined;
    },

    /**
     * Begins to find out what a file would do. Who asks, and about which content, is on record first. Resolves once its
     * state can be read. A second time does nothing, and resolves when the first does.
     *
     * @param prepare done once before: what decides how the file is read; false if it cannot be
     * @returns false if it could not be prepared, and then nothing was begun
     */
    async check(
      id: string,
      preview: Preview,
      described: Pick<Preview, 'metadata' | 'typed'>,
      by: PreviewedBy,
      prepare: () => Promise<boolean> = () => Promise.resolve(true),
    ): Promise<boolean> {
      const begun =
        beginning.get(id) ??
        beginCheck(id, preview, described, by, prepare).finally(() => beginning.delete(id));
      beginning.set(id, begun);
      return begun;
    },

    find,

    /**
     * The files that wait for somebody: to be sent, or for more fields in the session in which the file
     * arrived. Oldest first.
     */
    async waitingFor(sender: PreviewSender): Promise<{ id: string; preview: Preview }[]> {
      const found: { id: string; preview: Preview }[] = [];
      for (const id of await idsWithFile()) {
        const preview = await find(id, sender);
        if (preview?.state.kind === 'shown' || (preview && isUnsentIn(preview, sender))) {
          found.push({ id, preview });
        }
      }
      return found.toSorted((one, other) => one.preview.savedAt - other.preview.savedAt);
    },

    /** Whether the process that worked on it has ended before it was done. */
    isInterrupted: ({ state: { kind }, savedAt }: Preview): boolean =>
      (kind === 'checking' || kind === 'sending') && agoMs(savedAt) > SILENT_MS,

    /**
     * Sends a previewed file, in the background, if it still does what its sender was shown. A second call
     * does nothing.
     */
    async send(id: string, preview: Preview, by: Sender): Promise<void> {
      const { shown } = preview;
      if (shown === undefined || preview.state.kind !== 'shown') return;
      const state = { kind: 'sending', beganAt: now(), ...NOT_BEGUN } as const;
      const { savedAt: _savedAt, ...kept } = preview;
      const isBegun = await withClaim(id, async () => {
        await save(id, { ...kept, state });
        return true;
      });
      if (isBegun !== true) return;
      const source = { path: pathOf(id, FILE), name: preview.name };
      work(
        id,
        { ...kept, state },
        'sending',
        async (options) => {
          const loaded = await loadAsShown(store, anchor, source, shown, options);
          // The list of plans that it takes out of force was for reading before it was sent.
          const { stopped: _stopped, ...kept } = shown;
          if (loaded.kind === 'changed') return { state: { kind: 'changed' }, shown: kept };
          const { acknowledgement } = loaded;
          metrics.uploaded(acknowledgement.code);
          return { state: { kind: 'answered', acknowledgement }, shown: kept };
        },
        by,
      );
    },

    /** Deletes a file; false if it is being checked, or was already sent or deleted. */
    discard: async (id: string): Promise<boolean> => ID.test(id) && discard(id),

    async stop(): Promise<void> {
      stopping.abort();
      for (const timer of timers) clearInterval(timer);
      const late = Promise.withResolvers<undefined>();
      const waited = setTimeout(() => late.resolve(undefined), STOPS_WITHIN_MS);
      await Promise.race([Promise.allSettled(underWay), late.promise]);
      clearTimeout(waited);
    },
  };
}
export type Previews = ReturnType<typeof createPreviews>;
