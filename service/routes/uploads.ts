import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { HttpBindings } from '@hono/node-server';
import {
  acknowledgementFormats,
  formatAcknowledgement,
  formatNotice,
  NOTICE_FORMATS,
} from '#loaders/answers/answers.ts';
import { LoadFailed, loadFile } from '#loaders/load/load.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { ErrorCode } from '#schemas/errors.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import { type Acknowledgement, acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { formatOfMediaType, UPLOAD_FORMATS } from '#schemas/uploads/formats.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { Gate } from '#store/trust/readiness.ts';
import { headersOf } from '../access/scoped-route.ts';
import { idFields } from '../http/request-ids.ts';
import type { Route } from '../http/route.ts';
import { errorFields } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type BodyLimits, openBody } from '../uploads/body.ts';
import { readDescription } from '../uploads/description.ts';
import { mediaType, preferredFormat } from '../uploads/format.ts';
import { HOLDINGS_FORMATS, holdingsText } from '../uploads/holdings.ts';
import type { LoadSettings } from '../uploads/load-settings.ts';
import { readNotice } from '../uploads/notices.ts';
import {
  type Admitted,
  type AuthorityContext,
  type AuthorityRouteDependencies,
  authorityRoutes,
} from '../uploads/route.ts';

export type UploadDependencies = AuthorityRouteDependencies & {
  /** With a loader's rights. */
  store: Store;
  anchor: Anchor;
  gate: Pick<Gate, 'open'>;
  /** As configured for every load, whichever way a file comes in. */
  loads: LoadSettings;
  limits?: BodyLimits;
  metrics: Pick<Metrics, 'uploaded'>;
};

/** What an authority's own systems may do over HTTP. */
export type Uploads = {
  routes: Route[];
};

const LIMITS: BodyLimits = { idleMs: 10_000, deadlineMs: 240_000 };
/** Each has a spool on disk and a file's worth of work in this process, which also answers lookups. */
const UPLOADS_AT_ONCE = 32;
/** Each reads the whole store. */
const HOLDINGS_AT_ONCE = 4;
/** For a file that came another way. A client waits for an answer, so not for long. */
const LOCK_WAIT_MS = 5_000;

const ENCODINGS = new Map([
  ['', false],
  ['identity', false],
  ['gzip', true],
  ['x-gzip', true],
]);

/**
 * `POST /uploads`, `GET /uploads/{sequence}`, its `/notice` and `GET /holdings`: everything by the authority's own token,
 * for that authority and no other.
 */
export function createUploads(dependencies: UploadDependencies): Uploads {
  const { store, anchor, gate, log, loads, metrics, tracing } = dependencies;
  const route = authorityRoutes(dependencies);
  const limits = dependencies.limits ?? LIMITS;
  const underWay = new Set<OdsCode>();
  let readings = 0;

  function acknowledged(
    { req }: AuthorityContext,
    { ids }: Admitted,
    acknowledgement: Acknowledgement,
  ): Response {
    const formats = acknowledgementFormats(acknowledgement);
    const format = preferredFormat(req.header('accept'), formats);
    return new Response(formatAcknowledgement(acknowledgement, format), {
      status: 200,
      headers: headersOf(ids, mediaType(format)),
    });
  }

  async function load(
    { env: { incoming, outgoing }, req }: AuthorityContext,
    { ids, caller, authority }: Admitted,
  ): Promise<Acknowledgement | ErrorCode> {
    const format = formatOfMediaType(essence(incoming.headers['content-type']));
    const gzip = ENCODINGS.get((incoming.headers['content-encoding'] ?? '').toLowerCase());
    if (format === undefined || gzip === undefined) return 'upload-media-type';
    const description = readDescription(new URL(req.url).searchParams, incoming.headers);
    if (description.kind === 'refused') return 'upload-description-invalid';
    if (Number(incoming.headers['content-length'] ?? 0) > loads.maxBytes) return 'upload-too-large';
    if (underWay.has(authority)) return 'upload-under-way';
    if (underWay.size >= UPLOADS_AT_ONCE) return 'uploads-busy';
    underWay.add(authority);
    // The ending tells the loader what a file that cannot be read was meant to be.
    const name = `upload.${UPLOAD_FORMATS[format].endings[0]}`;
    const body = openBody(incoming, outgoing, gzip, limits);
    try {
      const { client, user, name: person } = caller.identity;
      return await loadFile(
        store,
        anchor,
        { name, stream: body.stream },
        {
          ...loads,
          authority,
          addAuthority: false,
          metadata: description.metadata,
          by: `${person} (${user}, by ${client}), POST /uploads, request ${ids.requestId}`,
          lockWaitMs: LOCK_WAIT_MS,
        },
      );
    } catch (error) {
      if (!(error instanceof LoadFailed)) throw error;
      const problem = body.problem();
      if (problem !== undefined) return problem;
      log.error('an upload could not be loaded', {
        authority,
        cause: error.message,
        ...idFields(ids),
      });
      return 'upload-failed';
    } finally {
      body.stream.destroy();
      underWay.delete(authority);
    }
  }

  async function upload(c: AuthorityContext, admitted: Admitted): Promise<Response | ErrorCode> {
    const span = tracing.of(c.env.incoming)?.child('load');
    const outcome = await load(c, admitted).catch((error: unknown) => {
      span?.end('fault');
      throw error;
    });
    if (typeof outcome === 'string') {
      span?.end(outcome);
      return outcome;
    }
    span?.end();
    metrics.uploaded(outcome.code);
    return acknowledged(c, admitted, outcome);
  }

  async function acknowledgementOf(
    c: AuthorityContext,
    admitted: Admitted,
  ): Promise<Response | ErrorCode> {
    const sequence = sequenceOf(c);
    if (sequence === undefined) return 'acknowledgement-not-found';
    const { sequenceOffset } = await store.intakeState(admitted.authority);
    const entry = await store.fileOf(admitted.authority, sequence + sequenceOffset);
    if (entry === undefined) return 'acknowledgement-not-found';
    const stored: unknown = JSON.parse(entry.acknowledgement);
    return acknowledged(c, admitted, acknowledgementSchema.parse(stored));
  }

  /** What an upload over HTTP has to say of numbers no longer in use: nobody watches a folder for its sender. */
  async function noticeOf(
    { req }: AuthorityContext,
    { ids, authority }: Admitted,
    sequence: number | undefined,
  ): Promise<Response | ErrorCode> {
    const notice =
      sequence === undefined ? undefined : await readNotice(loads.noticesDir, authority, sequence);
    if (notice === undefined) return 'notice-not-found';
    const wanted = preferredFormat(req.header('accept'), NOTICE_FORMATS);
    const format = NOTICE_FORMATS.find((known) => known === wanted) ?? 'json';
    return new Response(formatNotice(notice, format), {
      status: 200,
      headers: headersOf(ids, mediaType(format)),
    });
  }

  /** An answer that cannot be given whole breaks off, so that it cannot be taken for one that was. */
  async function* orBrokenOff(
    text: AsyncIterable<string>,
    outgoing: HttpBindings['outgoing'],
    authority: OdsCode,
  ): AsyncGenerator<string> {
    try {
      yield* text;
    } catch (error) {
      log.error('holdings were cut short', { ...errorFields(error), authority });
      outgoing.destroy();
    }
  }

  async function holdings(
    { env, req }: AuthorityContext,
    { ids, caller, authority: code }: Admitted,
  ): Promise<Response | ErrorCode> {
    // What is not known to be whole would have an authority mend what is not broken.
    if (!gate.open || readings >= HOLDINGS_AT_ONCE) return 'store-unavailable';
    const authority = await store.authority(code);
    if (authority === undefined) return 'authority-unknown';
    // On disk before the first row leaves.
    await store.appendEvent({
      type: 'holdings-read',
      auditId: randomUUID(),
      requestId: ids.requestId,
      ...(ids.correlationId !== undefined && { correlationId: ids.correlationId }),
      authority: code,
      caller: auditedCaller(caller.identity),
      by: caller.identity.name,
    });
    const format =
      preferredFormat(req.header('accept'), HOLDINGS_FORMATS) === 'csv' ? 'csv' : 'json';
    const whole = holdingsText(authority, store.rowsOf(code), format);
    const text = Readable.from(orBrokenOff(whole, env.outgoing, code), { objectMode: false });
    readings += 1;
    text.once('close', () => (readings -= 1));
    // Also where the client went away before the first byte.
    env.outgoing.once('close', () => text.destroy());
    return new Response(Readable.toWeb(text) as ReadableStream, {
      status: 200,
      headers: headersOf(ids, mediaType(format)),
    });
  }

  return {
    routes: [
      { method: 'POST', path: '/uploads', handler: route(upload, 'upload-failed') },
      {
        method: 'GET',
        path: '/uploads/:sequence',
        handler: route(acknowledgementOf, 'store-unavailable'),
      },
      {
        method: 'GET',
        path: '/uploads/:sequence/notice',
        handler: route((c, admitted) => noticeOf(c, admitted, sequenceOf(c)), 'store-unavailable'),
      },
      {
        method: 'GET',
        path: '/holdings',
        handler: route(holdings, 'store-unavailable'),
      },
    ],
  };
}

/** The file's own number in the address. */
function sequenceOf({ req }: AuthorityContext): number | undefined {
  const text = req.param('sequence') ?? '';
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** A content type without its parameters. */
const essence = (type = ''): string => type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
