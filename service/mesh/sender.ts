import { existsSync } from 'node:fs';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { MESH } from '#schemas/wording/mesh.ts';
import { writeWhole } from '#store/files/whole-file.ts';
import { jittered } from './exchange.ts';
import type { MeshApi } from './mesh-api.ts';
import { eachApart, MeshAway } from './mesh-away.ts';
import { localIdOf, type MeshFile, type Sent, titleOf } from './mesh-file.ts';
import type { MessageHead, Tracked } from './mesh-messages.ts';

type SenderOptions = {
  api: MeshApi;
  file: MeshFile;
  /** Where messages being sent are kept until delivered. It must exist. */
  folder: string;
  /** The most bytes of plain data in one part. */
  chunkBytes: number;
  /** The present contents of a pair with this name, if they may have changed since it was taken over. */
  currentContent: (name: string) => Buffer | undefined;
  /** How long MESH may take to list what it has taken, if the answer to that was lost. */
  settleMs: number;
  /** How soon to ask whether a message was fetched by its recipient; longer each time. */
  trackMs: number;
  tell: (sentence: string, level?: 'info') => void;
  clock: () => number;
};

const packed = promisify(gzip);
/** How often an undelivered message is sent altogether, by MESH's code; others are not sent again. */
const SENDINGS = new Map([
  // Not fetched within five days: another five may help.
  ['14', 2],
]);
/** How often a message is sent if its failure has no known code: the fault may have been MESH's own. */
const SENDINGS_OTHERWISE = 3;
/** MESH would refuse the same message again. Source: MESH API, error codes. */
const FOR_GOOD = new Set([
  '02',
  '06',
  '07',
  '08',
  '09',
  '11',
  '12',
  '15',
  '16',
  '17',
  '18',
  '19',
  '20',
  'EPL-150',
  'EPL-151',
]);
const AGAIN_AFTER_MS = 3_600_000;
const TRACK_AT_MOST_MS = 86_400_000;
/** MESH is believed once it has said this many times in a row that it does not know a message. */
const ABSENT_TIMES = 2;
const UNCLEAR_TIMES = 5;
/** In one round, so that fetching does not wait for everything to be sent. */
const AT_ONCE = 100;

/**
 * Sends what is in outboxes. Each message is recorded before a request is made, and the result after it. If
 * an answer is lost, MESH is asked by the local id whether it has the message: if absent twice, it is sent
 * again; if that stays unclear a person decides.
 */
export function createSender(options: SenderOptions) {
  const { api, file, folder, chunkBytes, currentContent, settleMs, trackMs, tell, clock } = options;

  async function chunkOf(row: Sent, chunk: number): Promise<Buffer> {
    const data = await open(join(folder, row.key));
    try {
      const { size } = await data.stat();
      const from = (chunk - 1) * chunkBytes;
      const plain = Buffer.alloc(Math.min(chunkBytes, size - from));
      await data.read(plain, 0, plain.length, from);
      return await packed(plain);
    } finally {
      await data.close();
    }
  }

  /** Changes a row, unless a person has decided about it meanwhile. */
  const change = (row: Sent, to: Partial<Sent>): boolean => file.changeSent(row, to, clock());

  /** The message did not arrive: it is sent again by rule, or a person is told. */
  function fail(row: Sent, code: string, description: string): void {
    const detail = MESH.failure(code, description);
    const most = SENDINGS.get(code) ?? (FOR_GOOD.has(code) ? 1 : SENDINGS_OTHERWISE);
    if (row.attempt < most) {
      const wait = jittered(AGAIN_AFTER_MS * 2 ** (row.attempt - 1));
      if (
        change(row, { ...ANEW, attempt: row.attempt + 1, notBefore: clock() + wait, code, detail })
      ) {
        tell(MESH.sentAgain(titleOf(row), row.recipient, detail));
      }
    } else if (change(row, { state: 'failed', code, detail, notBefore: 0 })) {
      tell(MESH.notDelivered(titleOf(row), row.recipient, detail));
    }
  }

  /** Replaces what was taken over with the present contents. @returns in how many parts it is sent */
  async function bringUpToDate({ key, name }: Sent): Promise<number> {
    const path = join(folder, key);
    const current = currentContent(name);
    if (current !== undefined && !current.equals(await readFile(path))) {
      await writeWhole(path, current, SENDING_MODE);
    }
    return chunksIn((await stat(path)).size, chunkBytes);
  }

  async function post(row: Sent): Promise<void> {
    const chunks = await bringUpToDate(row);
    const data = await chunkOf(row, 1);
    const begun = { notBefore: clock() + settleMs, tries: 0, detail: '' };
    const asked = { state: 'asked', chunks, ...begun } as const;
    // Recorded first: from here on it may have been taken.
    if (!change(row, asked)) return;
    const now = { ...row, ...asked };
    const posted = await api
      .post(
        { ...row, to: row.recipient, localId: localIdOf(row), fileName: `${row.name}.dat` },
        chunks,
        data,
      )
      .catch((error: unknown) => {
        // We were not let in, so it was not taken.
        if (error instanceof MeshAway) change(now, { state: 'waiting', notBefore: 0 });
        throw error;
      });
    if (posted.kind === 'taken') {
      const { messageId } = posted;
      const taken = { state: 'sending', messageId, chunksSent: 1, notBefore: 0, tries: 0 } as const;
      if (change(now, taken)) await postRest({ ...now, ...taken });
    } else if (posted.kind === 'refused') fail(now, posted.code, posted.description);
    else {
      const wait = Math.max(settleMs, posted.retryAfterMs ?? 0);
      change(now, { notBefore: clock() + wait, detail: MESH.answerLost(posted.why) });
    }
  }

  async function postRest(row: Sent): Promise<void> {
    let sent = row;
    while (sent.chunksSent < sent.chunks) {
      const chunk = sent.chunksSent + 1;
      const data = await chunkOf(sent, chunk);
      const posted = await api.postChunk(sent.messageId, { chunk, of: sent.chunks }, data);
      if (posted.kind === 'refused') return fail(sent, posted.code, posted.description);
      if (posted.kind === 'gone') {
        change(sent, { state: 'asked', tries: 0, notBefore: clock() + settleMs });
        return;
      }
      const chunksSent = posted.kind === 'final' ? sent.chunks : chunk;
      if (!change(sent, { chunksSent })) return;
      sent = { ...sent, chunksSent };
    }
    const notBefore = clock() + jittered(trackMs);
    change(sent, { state: 'sent', tries: 0, notBefore, detail: '' });
    tell(MESH.sent(titleOf(sent), sent.recipient), 'info');
  }

  /** Whether MESH has taken the message. */
  async function resolve(row: Sent): Promise<void> {
    const found = await api.trackLocal(localIdOf(row));
    const tries = row.tries + 1;
    const notBefore = clock() + jittered(settleMs * tries);
    if (found.kind === 'known') return learn(row, found);
    if (found.kind === 'absent') {
      if (tries < ABSENT_TIMES) change(row, { tries, notBefore });
      else change(row, ANEW);
      return;
    }
    if (tries < UNCLEAR_TIMES) change(row, { tries, notBefore, detail: found.why });
    else if (change(row, { state: 'unclear', detail: found.why, notBefore: 0 })) {
      tell(MESH.unclear(titleOf(row), row.recipient, found.why));
    }
  }

  async function learn(row: Sent, found: Extract<Tracked, { kind: 'known' }>): Promise<void> {
    const { messageId, status } = found;
    if (status === 'uploading') {
      // Parts that MESH has may be sent again; it does not say which it has.
      const sending = {
        state: 'sending',
        messageId,
        chunksSent: 1,
        tries: 0,
        notBefore: 0,
      } as const;
      if (change(row, sending)) await postRest({ ...row, ...sending });
    } else if (status === 'accepted') {
      const tries = row.state === 'sent' ? row.tries + 1 : 0;
      const wait = Math.min(trackMs * 2 ** tries, TRACK_AT_MOST_MS);
      change(row, {
        state: 'sent',
        messageId,
        chunksSent: row.chunks,
        tries,
        notBefore: clock() + jittered(wait),
        detail: '',
      });
    } else if (status === 'acknowledged') {
      if (change(row, { state: 'delivered', messageId, notBefore: 0, detail: '' })) {
        await rm(join(folder, row.key), { force: true });
      }
    } else fail({ ...row, messageId }, found.code, found.description);
  }

  async function follow(row: Sent): Promise<void> {
    const found = await api.track(row.messageId);
    if (found.kind === 'known') return learn(row, found);
    // MESH forgets after 30 days; a report would have come by then.
    const tries = row.tries + 1;
    const wait = Math.min(trackMs * 2 ** tries, TRACK_AT_MOST_MS);
    change(row, { tries, notBefore: clock() + jittered(wait) });
  }

  async function work(row: Sent): Promise<void> {
    if (row.state !== 'sent' && !existsSync(join(folder, row.key))) {
      if (change(row, { state: 'failed', detail: MESH.dataGone, notBefore: 0 })) {
        tell(MESH.notDelivered(titleOf(row), row.recipient, MESH.dataGone));
      }
      return;
    }
    if (row.state === 'waiting') return post(row);
    if (row.state === 'asked') return resolve(row);
    return row.state === 'sending' ? postRest(row) : follow(row);
  }

  return {
    /** Does all that is due, the oldest first. @returns why not all of it, if MESH could not be used */
    async send(): Promise<MeshAway | undefined> {
      return eachApart(file.due(clock(), AT_ONCE), work, (row) => {
        const now = file.sent(row.key);
        if (now !== undefined) change(now, { notBefore: clock() + jittered(settleMs * 5) });
      });
    },
    /** What a report says about a message that was sent here. */
    report(id: string, head: MessageHead, now: number): void {
      const [, key = '', attempt] = /^cpf-([0-9a-f]{32})-([0-9]{1,9})$/.exec(head.localId) ?? [];
      const row = file.sentAs(head.linkedId) ?? file.sent(key);
      const text = MESH.failure(head.code, head.description);
      if (row === undefined) {
        file.addReport({
          id,
          at: now,
          text: MESH.strayReport(head.linkedId, head.workflowId, text),
        });
        tell(MESH.strayReport(head.linkedId, head.workflowId, text));
        return;
      }
      const current =
        head.linkedId === row.messageId || (row.messageId === '' && attempt === `${row.attempt}`);
      // A second report on the same sending, or one on a sending repeated since.
      if (!current || !['asked', 'sending', 'sent', 'unclear'].includes(row.state)) return;
      fail(row, head.code, head.description);
    },
    /** Removes what was kept for a message that ended long ago, or was dropped. */
    async sweep(keys: readonly string[]): Promise<void> {
      for (const key of keys) await rm(join(folder, key), { force: true });
      for (const { key } of file.sentIn('dropped', 'delivered')) {
        await rm(join(folder, key), { force: true });
      }
    },
  };
}

/** For a file that is to be sent, while it is here. */
export const SENDING_MODE = 0o600;

/** Parts of a content; an empty one is one. */
export const chunksIn = (bytes: number, chunkBytes: number): number =>
  Math.max(1, Math.ceil(bytes / chunkBytes));

/** The state of a message that was never sent. */
const ANEW = {
  state: 'waiting',
  messageId: '',
  chunksSent: 0,
  tries: 0,
  notBefore: 0,
} as const;
