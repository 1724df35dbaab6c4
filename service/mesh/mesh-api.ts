import type { IncomingHttpHeaders } from 'node:http';
import { release, type as systemName } from 'node:os';
import { z } from 'zod';
import { mailboxSchema } from '#schemas/uploads/mesh.ts';
import { MESH } from '#schemas/wording/mesh.ts';
import { withoutNumbers } from '../telemetry/log.ts';
import {
  type Exchange,
  type MeshReply,
  type MeshRequest,
  retryAfterMs,
  type Sink,
} from './exchange.ts';

/**
 * MESH cannot be worked with for now: it is away, does not let this mailbox in, or answers what cannot be
 * understood. The message is the sentence for the operator.
 */
export class MeshAway extends Error {
  override name = 'MeshAway';
  /** It asked for so long a pause. */
  readonly retryAfterMs: number | undefined;
  /** So of every request, whatever message it concerns. */
  readonly ofAll: boolean;
  constructor(
    message: string,
    { pauseMs, ofAll = false }: { pauseMs?: number | undefined; ofAll?: boolean } = {},
  ) {
    super(message);
    this.retryAfterMs = pauseMs;
    this.ofAll = ofAll;
  }
}

/** So many in a row, and it is not for the messages that MESH cannot be worked with. */
const AWAY_IN_A_ROW = 3;

/**
 * Works on one message after the other, so that one that MESH cannot give or take keeps none of the others.
 *
 * @param onAway with each for which MESH could not be worked with, before the next one's turn
 * @returns the last reason, where there were some
 * @throws {MeshAway} where MESH cannot be worked with at all
 */
export async function eachApart<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  onAway: (item: T, reason: MeshAway) => void,
): Promise<MeshAway | undefined> {
  let inARow = 0;
  let last: MeshAway | undefined;
  for (const item of items) {
    try {
      await work(item);
      inARow = 0;
    } catch (error) {
      if (!(error instanceof MeshAway)) throw error;
      if (!error.ofAll) onAway(item, error);
      if (error.ofAll || ++inARow === AWAY_IN_A_ROW) throw error;
      last = error;
    }
  }
  return last;
}

/** Ids are a mailbox's own: they become names of folders and parts of addresses. */
const messageIdSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/);

/** What a message says of itself. Texts have no control characters and at most 255 characters. */
export type MessageHead = {
  type: 'data' | 'report' | 'other';
  /** `undefined` where it is no mailbox: a report has none. */
  from: string | undefined;
  to: string | undefined;
  workflowId: string;
  subject: string;
  fileName: string;
  localId: string;
  partnerId: string;
  encrypted: boolean;
  gzip: boolean;
  chunks: number;
  /** Of a report: the message that it is about. */
  linkedId: string;
  code: string;
  description: string;
};

export type FetchedChunk =
  | { kind: 'chunk'; head: MessageHead; last: boolean }
  /** It is not there any more. */
  | { kind: 'gone' }
  /** What came cannot be right, whichever side is to blame for it. */
  | { kind: 'wrong'; why: string };

export type Posted =
  | { kind: 'taken'; messageId: string }
  /** It was not taken, and will not be as it is. */
  | { kind: 'refused'; code: string; description: string }
  /** It may have been taken or not. */
  | { kind: 'unknown'; why: string; retryAfterMs?: number | undefined };

export type PostedChunk =
  | { kind: 'taken' | 'final' | 'gone' }
  | Extract<Posted, { kind: 'refused' }>;

export const SENT_STATUSES = [
  'accepted',
  'acknowledged',
  'undeliverable',
  'error',
  'uploading',
] as const;

export type Tracked =
  | {
      kind: 'known';
      messageId: string;
      status: (typeof SENT_STATUSES)[number];
      code: string;
      description: string;
    }
  | { kind: 'absent' }
  | { kind: 'unclear'; why: string };

/** What is sent, besides its data. */
export type Outgoing = {
  to: string;
  workflowId: string;
  localId: string;
  subject: string;
  fileName: string;
};

const TEXT_AT_MOST = 255;
/** What headers may hold: a sender's own words come as they are. */
const clean = (text: string): string =>
  text
    .replaceAll(/[^\x20-\x7e\xa0-\xff]/g, '')
    .trim()
    .slice(0, TEXT_AT_MOST);

const headerOf = (headers: IncomingHttpHeaders, name: string): string => {
  const value = headers[name];
  return clean(Array.isArray(value) ? value.join(' ') : (value ?? ''));
};

const isYes = (text: string): boolean => /^(?:y|yes|true|1)$/i.test(text);

function typeOf(text: string): MessageHead['type'] {
  const type = text.toLowerCase();
  return type === 'data' || type === 'report' ? type : 'other';
}

/** `k:n`, as every chunk has it. Without one there is a single chunk. */
function rangeOf(text: string): { chunk: number; of: number } | undefined {
  if (text === '') return { chunk: 1, of: 1 };
  const [, chunk, of] = /^([0-9]{1,6}):([0-9]{1,6})$/.exec(text) ?? [];
  return chunk === undefined || of === undefined
    ? undefined
    : { chunk: Number(chunk), of: Number(of) };
}

function headOf(headers: IncomingHttpHeaders): Omit<MessageHead, 'chunks'> {
  const mailbox = (name: string): string | undefined =>
    mailboxSchema.safeParse(headerOf(headers, name)).data;
  return {
    type: typeOf(headerOf(headers, 'mex-messagetype')),
    from: mailbox('mex-from'),
    to: mailbox('mex-to'),
    workflowId: headerOf(headers, 'mex-workflowid'),
    subject: headerOf(headers, 'mex-subject'),
    fileName: headerOf(headers, 'mex-filename'),
    localId: headerOf(headers, 'mex-localid'),
    partnerId: headerOf(headers, 'mex-partnerid'),
    encrypted: isYes(headerOf(headers, 'mex-content-encrypted')),
    gzip: headerOf(headers, 'content-encoding').toLowerCase() === 'gzip',
    linkedId: headerOf(headers, 'mex-linkedmsgid'),
    code: headerOf(headers, 'mex-statuscode'),
    description: withoutNumbers(headerOf(headers, 'mex-statusdescription')),
  };
}

const detailSchema = z.object({
  detail: z
    .array(z.object({ code: z.string().optional(), msg: z.string().optional() }))
    .min(1)
    .optional(),
  errorCode: z.string().optional(),
  errorDescription: z.string().optional(),
});
const listSchema = z.object({
  messages: z.array(z.string()),
  links: z.object({ next: z.string().optional() }).optional(),
});
/** Keys of version 2, and of version 1, in which tracking by local id answers. */
const trackedSchema = z.object({
  message_id: messageIdSchema.optional(),
  messageId: messageIdSchema.optional(),
  status: z.string(),
  status_code: z.string().nullish(),
  statusCode: z.string().nullish(),
  status_description: z.string().nullish(),
  statusDescription: z.string().nullish(),
});
const postedSchema = z.object({ message_id: messageIdSchema });

function json<T>(body: Buffer, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(body.toString())).data;
  } catch {
    return undefined;
  }
}

/** The code and words of a refusal, in whichever of its shapes it comes; empty where it has none. */
function refusalOf(body: Buffer): { code: string; description: string } {
  const found = json(body, detailSchema);
  const [first] = found?.detail ?? [];
  return {
    code: clean(first?.code ?? found?.errorCode ?? ''),
    description: withoutNumbers(clean(first?.msg ?? found?.errorDescription ?? '')),
  };
}

/** More than our clock and that of MESH may be apart before tokens are refused. Source: MESH API, two hours. */
const CLOCKS_APART_MS = 3_600_000;

function away(reply: MeshReply): MeshAway {
  if (reply.kind === 'lost') return new MeshAway(MESH.notReached(reply.fault));
  const { status, headers } = reply;
  if (status === 401 || status === 403) {
    const apart = Math.abs(Date.parse(headers.date ?? '') - Date.now());
    return new MeshAway(apart > CLOCKS_APART_MS ? MESH.clockWrong : MESH.notLetIn, { ofAll: true });
  }
  const pauseMs = retryAfterMs(headers, Date.now());
  return new MeshAway(MESH.answered(status), { pauseMs, ofAll: status === 429 });
}

export type MeshApi = ReturnType<typeof createMeshApi>;

/**
 * The calls of the MESH API that a mailbox needs. Every call but the first one of sending is made again
 * until it is answered; that one never is, since MESH would take the message twice.
 *
 * Every call throws {@link MeshAway}.
 */
export function createMeshApi({ once, repeated, close }: Exchange, version: string) {
  async function answered(request: MeshRequest): Promise<Extract<MeshReply, { kind: 'reply' }>> {
    const reply = await repeated(request);
    if (reply.kind === 'lost' || [401, 403, 408, 425, 429].includes(reply.status))
      throw away(reply);
    if (reply.status >= 500) throw away(reply);
    return reply;
  }

  const gone = (status: number): boolean => status === 404 || status === 410;

  function headersOf(outgoing: Outgoing, chunks: number): Record<string, string> {
    return {
      'mex-to': outgoing.to,
      'mex-workflowid': outgoing.workflowId,
      'mex-chunk-range': `1:${chunks}`,
      'mex-localid': outgoing.localId,
      'mex-subject': clean(outgoing.subject),
      'mex-filename': clean(outgoing.fileName),
      'content-type': 'application/octet-stream',
      'content-encoding': 'gzip',
    };
  }

  async function tracked(path: string): Promise<Tracked> {
    const { status, body } = await answered({ method: 'GET', path });
    if (status === 404) return { kind: 'absent' };
    if (status === 300) return { kind: 'unclear', why: MESH.severalUnderOneId };
    const found = status === 200 ? json(body, trackedSchema) : undefined;
    const messageId = found?.message_id ?? found?.messageId;
    const known = SENT_STATUSES.find((each) => each === found?.status.toLowerCase());
    if (found === undefined || messageId === undefined || known === undefined) {
      return { kind: 'unclear', why: MESH.trackingNotUnderstood(status) };
    }
    return {
      kind: 'known',
      messageId,
      status: known,
      code: clean(found.status_code ?? found.statusCode ?? ''),
      description: withoutNumbers(clean(found.status_description ?? found.statusDescription ?? '')),
    };
  }

  return {
    /**
     * Tells MESH that this mailbox is in use, and finds out whether it lets us in.
     *
     * @returns why it is not pleased, where it lets us in all the same
     */
    async handshake(): Promise<MeshAway | undefined> {
      const headers = {
        'mex-clientversion': `cp-flags ${version}`,
        'mex-osname': systemName(),
        'mex-osversion': release(),
        'mex-osarchitecture': process.arch,
      };
      const path = '';
      let { status } = await answered({ method: 'POST', path, headers });
      // As older servers have it.
      if (status === 404 || status === 405) {
        ({ status } = await answered({ method: 'GET', path, headers }));
      }
      return status === 200 ? undefined : new MeshAway(MESH.answered(status));
    },

    /**
     * A page of what waits, and where the next one begins. Ids that cannot be one are counted and left out.
     */
    async list(
      from: string | undefined,
    ): Promise<{ ids: string[]; unusable: number; next: string | undefined }> {
      const query = from === undefined ? '' : `&continue_from=${encodeURIComponent(from)}`;
      const path = `inbox?max_results=${PAGE}${query}`;
      const { status, body } = await answered({ method: 'GET', path });
      const page = status === 200 ? json(body, listSchema) : undefined;
      if (page === undefined) throw new MeshAway(MESH.answered(status));
      const ids = page.messages.filter((id) => messageIdSchema.safeParse(id).success);
      const [, next] = /[?&]continue_from=([^&]+)/.exec(page.links?.next ?? '') ?? [];
      return {
        ids,
        unusable: page.messages.length - ids.length,
        next: next === undefined ? undefined : decoded(next),
      };
    },

    /**
     * Fetches a chunk of a message, from 1.
     *
     * @param sinkFor where its bytes go, as they are stored at MESH; asked again for each attempt
     */
    async fetch(
      id: string,
      chunk: number,
      sinkFor: (head: MessageHead) => Sink,
    ): Promise<FetchedChunk> {
      let found: FetchedChunk = { kind: 'wrong', why: MESH.notUnderstood };
      function judge(status: number, headers: IncomingHttpHeaders): FetchedChunk {
        const head = headOf(headers);
        const range = rangeOf(headerOf(headers, 'mex-chunk-range'));
        if (head.type === 'report') {
          return { kind: 'chunk', head: { ...head, chunks: 0 }, last: true };
        }
        const encoding = headerOf(headers, 'content-encoding').toLowerCase();
        if (!['', 'identity', 'gzip'].includes(encoding)) {
          return { kind: 'wrong', why: MESH.encodingUnknown };
        }
        const last = range?.chunk === range?.of;
        if (
          range === undefined ||
          range.chunk !== chunk ||
          range.of < 1 ||
          range.chunk > range.of
        ) {
          return { kind: 'wrong', why: MESH.chunkRangeWrong(chunk) };
        }
        if ((status === 200) !== last) {
          return { kind: 'wrong', why: MESH.chunkStatusWrong(chunk, status) };
        }
        return { kind: 'chunk', head: { ...head, chunks: range.of }, last };
      }
      const { status } = await answered({
        method: 'GET',
        path: chunk === 1 ? `inbox/${id}` : `inbox/${id}/${chunk}`,
        headers: { 'accept-encoding': 'gzip' },
        sinkFor(answer, headers) {
          if (answer !== 200 && answer !== 206) return undefined;
          found = judge(answer, headers);
          return found.kind === 'chunk' && found.head.type !== 'report'
            ? sinkFor(found.head)
            : passedOver;
        },
      });
      if (gone(status)) return { kind: 'gone' };
      return status === 200 || status === 206
        ? found
        : { kind: 'wrong', why: MESH.answered(status) };
    },

    /** Tells MESH that a message is stored here. Whether it is there any more makes no difference. */
    async acknowledge(id: string): Promise<void> {
      const path = `inbox/${id}/status/acknowledged`;
      const { status } = await answered({ method: 'PUT', path });
      if (status !== 200 && !gone(status)) throw new MeshAway(MESH.answered(status));
    },

    /** Begins to send: made once, and never again on its own. */
    async post(outgoing: Outgoing, chunks: number, data: Buffer): Promise<Posted> {
      const headers = headersOf(outgoing, chunks);
      const reply = await once({ method: 'POST', path: 'outbox', headers, body: data });
      if (reply.kind === 'lost') return { kind: 'unknown', why: reply.fault };
      const { status, body } = reply;
      if (status === 401 || status === 403) throw away(reply);
      const messageId = status === 202 ? json(body, postedSchema)?.message_id : undefined;
      if (messageId !== undefined) return { kind: 'taken', messageId };
      if (REFUSED.has(status)) return { kind: 'refused', ...refused(status, body) };
      return {
        kind: 'unknown',
        why: `HTTP ${status}`,
        retryAfterMs: retryAfterMs(reply.headers, Date.now()),
      };
    },

    /** Sends another chunk of a message that was begun. */
    async postChunk(
      messageId: string,
      { chunk, of }: { chunk: number; of: number },
      data: Buffer,
    ): Promise<PostedChunk> {
      const { status, body } = await answered({
        method: 'POST',
        path: `outbox/${messageId}/${chunk}`,
        headers: {
          'mex-chunk-range': `${chunk}:${of}`,
          'content-type': 'application/octet-stream',
          'content-encoding': 'gzip',
        },
        body: data,
      });
      if (status === 202) return { kind: 'taken' };
      if (status === 423) return { kind: 'final' };
      if (gone(status)) return { kind: 'gone' };
      if (REFUSED.has(status)) return { kind: 'refused', ...refused(status, body) };
      throw new MeshAway(MESH.answered(status));
    },

    /** What became of a message, by the local id that it was sent under. */
    trackLocal: (localId: string): Promise<Tracked> =>
      tracked(`outbox/tracking/${encodeURIComponent(localId)}`),
    track: (messageId: string): Promise<Tracked> =>
      tracked(`outbox/tracking?messageID=${encodeURIComponent(messageId)}`),
    close,
  };
}

const PAGE = 500;
/** A refusal for good: the same message would be refused again. */
const REFUSED = new Set([400, 406, 413, 414, 415, 417, 422, 431]);

function refused(status: number, body: Buffer): { code: string; description: string } {
  const { code, description } = refusalOf(body);
  return { code: code === '' ? `HTTP ${status}` : code, description };
}

const passedOver: Sink = () => Promise.resolve(false);

/** A part of an address as it was before it was escaped; itself where it was not rightly escaped. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
