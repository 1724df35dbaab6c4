import { z } from 'zod';
import { markRepeat } from '#loaders/answers/acknowledge.ts';
import { loadFile } from '#loaders/load/load.ts';
import { ANSWERED_LOCK_WAIT_MS } from '#loaders/load/lock.ts';
import { AuthorityBusy, LoadFailed } from '#loaders/load-failed.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { ErrorCode } from '#schemas/errors.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { authorityHeaders, type Parameter } from '../description/operation.ts';
import { idFields } from '../http/request-ids.ts';
import type { RouteContext } from '../http/route.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { openBody } from '../uploads/body.ts';
import { CREATED_AT, readDescription } from '../uploads/description.ts';
import {
  type AdmittedAuthority,
  type AuthorityGuardDependencies,
  guardedAuthority,
} from '../uploads/guarded-authority.ts';
import type { LoadSettings } from '../uploads/load-settings.ts';
import { FILE_LIMITS, fileMediaTypes, fileOf } from '../uploads/request.ts';
import { acknowledged, acknowledgementContent } from './acknowledgement.ts';
import type { Route } from './route.ts';

type UploadDependencies = AuthorityGuardDependencies & {
  /** With a loader's rights. */
  store: Store;
  anchor: Anchor;
  /** As configured for every load, however a file arrives. */
  loads: LoadSettings;
  metrics: Pick<Metrics, 'uploaded'>;
};

/** Each has a spool on disk and a file's worth of work in this process, which also answers lookups. */
const UPLOADS_AT_ONCE = 32;

const uploadParameters: Parameter[] = [
  {
    name: 'sequence',
    in: 'query',
    description: 'For a CSV: its sequence number. Also X-Upload-Sequence.',
    schema: z.int().min(0).max(999_999_999_999_999),
  },
  {
    name: 'createdAt',
    in: 'query',
    description: 'For a CSV: when it was made, ISO 8601 or YYYYMMDDHHMM. Also X-Upload-Created-At.',
    schema: z.string().regex(CREATED_AT),
  },
  {
    name: 'rowCount',
    in: 'query',
    description: 'For a CSV: the number of its rows. Also X-Upload-Row-Count.',
    schema: z.int().min(0).max(999_999_999),
  },
  {
    name: 'full',
    in: 'query',
    description:
      'For a CSV: whether it is a full refresh, so that plans it leaves out are taken away. Also X-Upload-Full.',
    schema: z.boolean(),
  },
];

/** Makes what loads the file of a request, one at a time for each authority. */
function createLoad({ store, anchor, loads, log }: UploadDependencies) {
  const underWay = new Set<OdsCode>();
  return async function load(
    { env: { incoming, outgoing }, req }: RouteContext,
    { ids, caller, authority }: AdmittedAuthority,
  ): Promise<Acknowledgement | ErrorCode> {
    const file = fileOf(incoming, loads.maxBytes);
    if (typeof file === 'string') return file;
    const description = readDescription(new URL(req.url).searchParams, incoming.headers);
    if (description.kind === 'refused') return 'upload-description-invalid';
    if (underWay.has(authority)) return 'upload-under-way';
    if (underWay.size >= UPLOADS_AT_ONCE) return 'uploads-busy';
    const body = openBody(incoming, outgoing, file.gzip, FILE_LIMITS);
    underWay.add(authority);
    try {
      const { client, user, name: person } = caller.identity;
      return await loadFile(
        store,
        anchor,
        { name: file.name, stream: body.stream },
        {
          ...loads,
          authority,
          addAuthority: false,
          metadata: description.metadata,
          way: 'http',
          caller: auditedCaller(caller.identity),
          by: `${person} (${user}, by ${client}), POST /uploads, request ${ids.requestId}`,
          lockWaitMs: ANSWERED_LOCK_WAIT_MS,
        },
      );
    } catch (error) {
      if (!(error instanceof LoadFailed)) throw error;
      const problem = body.problem();
      if (problem !== undefined) return problem;
      if (error instanceof AuthorityBusy) return 'upload-under-way';
      log.error('An upload could not be loaded.', {
        authority,
        cause: error.message,
        ...idFields(ids),
      });
      return 'upload-failed';
    } finally {
      body.stream.destroy();
      underWay.delete(authority);
    }
  };
}

/** `POST /uploads`: one of the authority's own files, answered with its acknowledgement, whatever its code. */
export const upload: Route<UploadDependencies> = {
  operation: {
    method: 'POST',
    path: '/uploads',
    id: 'upload',
    tag: 'Authorities',
    summary: 'Send an upload',
    description:
      'Spine XML or CSV, also gzipped. The answer is the acknowledgement, whatever its code. Records that are accepted are live at once.',
    letsIn: 'authority',
    parameters: [...uploadParameters, ...authorityHeaders],
    body: Object.fromEntries(fileMediaTypes.map((type) => [type, { schema: z.string() }])),
    answer: {
      description: 'The file was read; `code` says what became of it.',
      content: acknowledgementContent,
    },
    refusals: [
      'upload-media-type',
      'upload-description-invalid',
      'upload-encoding-invalid',
      'upload-too-large',
      'upload-cut-short',
      'upload-under-way',
      'uploads-busy',
      'upload-failed',
    ],
  },
  handler(dependencies) {
    const { metrics } = dependencies;
    const load = createLoad(dependencies);
    return guardedAuthority(dependencies, 'upload-failed', async (c, admitted, trace) => {
      const span = trace?.child('load');
      const beganAt = Date.now();
      const outcome = await load(c, admitted).catch((error: unknown) => {
        span?.end('fault');
        throw error;
      });
      if (typeof outcome === 'string') {
        span?.end(outcome);
        return { code: outcome };
      }
      span?.end();
      metrics.uploaded(outcome.code);
      return acknowledged(c, admitted, markRepeat(outcome, beganAt));
    });
  },
};
