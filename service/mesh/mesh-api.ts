import type { IncomingHttpHeaders } from 'node:http';
import { release, type as systemName } from 'node:os';
import { MESH } from '#schemas/wording/mesh.ts';
import { withoutNumbers } from '../telemetry/log.ts';
import {
  type Exchange,
  type MeshReply,
  type MeshRequest,
  retryAfterMs,
  type Sink,
} from './exchange.ts';
import { away, MeshAway } from './mesh-away.ts';
import {
  clean,
  type FetchedChunk,
  headerOf,
  headOf,
  json,
  listSchema,
  type MessageHead,
  messageIdSchema,
  type Outgoing,
  type Posted,
  type PostedChunk,
  postedSchema,
  rangeOf,
  refusalOf,
  SENT_STATUSES,
  type Tracked,
  trackedSchema,
} from './mesh-messages.ts';

export type MeshApi = ReturnType<typeof createMeshApi>;

/**
 * The calls of the MESH API that a mailbox needs. Every call is repeated until it is answered, except the
 * first one of sending, since MESH would take the message twice.
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
     * @returns its complaint, if it lets us in nevertheless
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
      // The form in older servers.
      if (status === 404 || status === 405) {
        ({ status } = await answered({ method: 'GET', path, headers }));
      }
      return status === 200 ? undefined : new MeshAway(MESH.answered(status));
    },

    /** A page of waiting messages, and where the next one starts. Invalid ids are counted and left out. */
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
     * @param sinkFor the destination of its bytes, as stored by MESH; called again for each attempt
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

    /** Tells MESH that a message is stored here. It makes no difference whether it is still there. */
    async acknowledge(id: string): Promise<void> {
      const path = `inbox/${id}/status/acknowledged`;
      const { status } = await answered({ method: 'PUT', path });
      if (status !== 200 && !gone(status)) throw new MeshAway(MESH.answered(status));
    },

    /** Starts to send: made once, and never repeated automatically. */
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

    /** Sends another chunk of a started message. */
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

    /** What became of a message, by the local id under which it was sent. */
    trackLocal: (localId: string): Promise<Tracked> =>
      tracked(`outbox/tracking/${encodeURIComponent(localId)}`),
    track: (messageId: string): Promise<Tracked> =>
      tracked(`outbox/tracking?messageID=${encodeURIComponent(messageId)}`),
    close,
  };
}

const PAGE = 500;
/** A final refusal: the same message would be refused again. */
const REFUSED = new Set([400, 406, 413, 414, 415, 417, 422, 431]);

function refused(status: number, body: Buffer): { code: string; description: string } {
  const { code, description } = refusalOf(body);
  return { code: code === '' ? `HTTP ${status}` : code, description };
}

const passedOver: Sink = () => Promise.resolve(false);

/** A part of an address before escaping; unchanged if it was not escaped correctly. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
