import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { AwsClient } from 'aws4fetch';
import { COPY } from '#schemas/wording/copy.ts';
import { readBounded } from '#store/files/bounded-body.ts';
import { errorCode } from '../../telemetry/log.ts';
import { CopyAway, type Keeping, type Place } from './place.ts';

export type BucketSettings = {
  bucket: string;
  /** What every name begins with, without a slash at its end; empty for none. */
  prefix: string;
  /** Address of the server, without a slash at its end. */
  endpoint: string;
  region: string;
  /** Access key, secret key and perhaps a session token, one on each line; read again for each request. */
  credentialsFile?: string;
  /** The same for the account that may delete objects; without it nothing is deleted. */
  pruneCredentialsFile?: string;
};

type Credentials = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };

/** Folders in which nothing may be deleted; see topologies. */
const KEPT = ['log', 'state', 'base'];
/** More than the largest part of a worker's state has; a larger object is not written either. */
const OBJECT_AT_MOST_BYTES = 1_073_741_824;
/** Every other answer: a listing has at most a thousand names. */
const ANSWER_AT_MOST_BYTES = 4_194_304;
const OK = 200;
const NO_CONTENT = 204;
const FORBIDDEN = new Set([401, 403]);
const NOT_FOUND = 404;
const THERE_ALREADY = 412;
/** A bucket without lifecycle rules, and servers that have none. */
const HAS_NO_RULES = new Set([404, 405, 501]);
/** Redirects are not followed: what is signed for one server is not shown to another. */
const isRedirect = (status: number): boolean => status >= 300 && status < 400;
/** What a server says about a bucket in another region, or at another address. */
const ELSEWHERE = [
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'PermanentRedirect',
];

/** Names are our own: nothing in them needs escaping. */
const NAME = /<(?:Key|Prefix)>([^<]+)<\/(?:Key|Prefix)>/g;

async function credentialsOf(file: string | undefined): Promise<Credentials> {
  let given: (string | undefined)[];
  if (file === undefined) {
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
    given = [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN];
  } else {
    try {
      given = (await readFile(file, 'utf8')).split('\n').map((line) => line.trim());
    } catch (error) {
      throw new CopyAway(COPY.credentials(errorCode(error)));
    }
  }
  const [accessKeyId, secretAccessKey, sessionToken] = given;
  if (!accessKeyId || !secretAccessKey) throw new CopyAway(COPY.credentials('incomplete'));
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
}

/**
 * A bucket, by the protocol of S3. Created objects are created by `If-None-Match: *`. This never sends a
 * request twice: its caller decides whether to try again.
 *
 * @param deadlineMs of one request
 */
export function s3Place(settings: BucketSettings, deadlineMs: number): Place {
  const { bucket, prefix, endpoint, region, credentialsFile, pruneCredentialsFile } = settings;
  const name = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
  const under = prefix === '' ? '' : `${prefix}/`;
  const base = `${endpoint}/${bucket}`;

  async function send(
    method: 'GET' | 'PUT' | 'DELETE',
    path: string,
    {
      body,
      headers = {},
      atMostBytes = ANSWER_AT_MOST_BYTES,
    }: { body?: Uint8Array; headers?: Record<string, string>; atMostBytes?: number } = {},
  ): Promise<{ status: number; content: Buffer }> {
    const by = method === 'DELETE' ? pruneCredentialsFile : credentialsFile;
    const credentials = await credentialsOf(by);
    const client = new AwsClient({ ...credentials, region, service: 's3' });
    let status: number;
    let content: Buffer | undefined;
    try {
      const request = await client.sign(`${base}${path}`, {
        method,
        headers: {
          ...headers,
          'x-amz-content-sha256': createHash('sha256')
            .update(body ?? '')
            .digest('hex'),
        },
        ...(body !== undefined && { body: new Uint8Array(body) }),
        redirect: 'manual',
      });
      // A request that has the signal itself loses it with the next garbage collection.
      const response = await fetch(request, { signal: AbortSignal.timeout(deadlineMs) });
      ({ status } = response);
      content = await readBounded(response, status === OK ? atMostBytes : ANSWER_AT_MOST_BYTES);
    } catch (error) {
      const { name: kind, cause = error } = error as Error;
      const fault =
        kind === 'TimeoutError' ? `no answer within ${deadlineMs} ms` : errorCode(cause);
      throw new CopyAway(COPY.away(name, fault));
    }
    if (content === undefined) throw new CopyAway(COPY.away(name, 'too long an answer'));
    return { status, content };
  }

  /** The meaning of an unexpected status. */
  function refused({ status, content }: { status: number; content: Buffer }): CopyAway {
    if (isRedirect(status) || ELSEWHERE.some((code) => content.includes(`<Code>${code}<`))) {
      return new CopyAway(COPY.elsewhere(name));
    }
    if (content.includes('<Code>RequestTimeTooSkewed<')) {
      return new CopyAway(COPY.clocksApart(name));
    }
    if (FORBIDDEN.has(status)) return new CopyAway(COPY.noRights(name));
    if (status === NOT_FOUND && content.includes('NoSuchBucket')) {
      return new CopyAway(COPY.noSuchBucket(name));
    }
    return new CopyAway(COPY.away(name, `status ${status}`));
  }

  async function put(object: string, body: Uint8Array, headers: Record<string, string>) {
    if (body.length > OBJECT_AT_MOST_BYTES) {
      throw new CopyAway(COPY.away(name, 'too large an object'));
    }
    const answer = await send('PUT', `/${under}${object}`, { body, headers });
    if (answer.status === OK) return true;
    if (answer.status === THERE_ALREADY && headers['if-none-match'] !== undefined) return false;
    throw refused(answer);
  }

  let keeping: Keeping | undefined;
  async function lifecycle(): Promise<Keeping> {
    const answer = await send('GET', '?lifecycle');
    const { status } = answer;
    if (FORBIDDEN.has(status)) return { kind: 'unknown', why: COPY.expiryUnknown(name) };
    if (isRedirect(status) || answer.content.includes('NoSuchBucket')) throw refused(answer);
    if (HAS_NO_RULES.has(status)) return { kind: 'kept' };
    const content = answer.content.toString('utf8');
    if (status !== OK || !content.includes('<LifecycleConfiguration')) {
      return { kind: 'unknown', why: COPY.expiryNotSaid(name, status) };
    }
    const rules = content.split('<Rule>').slice(1);
    const deletes = rules.some((rule) => {
      const [, of = ''] = /<Prefix>([^<]*)<\/Prefix>/.exec(rule) ?? [];
      const concerns = KEPT.some((kept) => {
        const folder = `${under}${kept}/`;
        return of.startsWith(folder) || folder.startsWith(of);
      });
      return concerns && /<Status>Enabled/.test(rule) && /<Expiration>\s*<D/.test(rule);
    });
    return deletes ? { kind: 'deleted', why: COPY.expires(name) } : { kind: 'kept' };
  }

  return {
    name,
    create: (object, content) => put(object, content, { 'if-none-match': '*' }),
    async replace(object, content) {
      await put(object, content, {});
    },
    async read(object) {
      const answer = await send('GET', `/${under}${object}`, { atMostBytes: OBJECT_AT_MOST_BYTES });
      if (answer.status === OK) return answer.content;
      if (answer.status === NOT_FOUND && !answer.content.includes('NoSuchBucket')) return undefined;
      throw refused(answer);
    },
    async list(folder) {
      const within = `${under}${folder}/`;
      const query = new URLSearchParams({ 'list-type': '2', delimiter: '/', prefix: within });
      const answer = await send('GET', `?${query.toString()}`);
      if (answer.status !== OK) throw refused(answer);
      return [...answer.content.toString('utf8').matchAll(NAME)]
        .map(([, found = '']) => found.slice(within.length).replace(/\/$/, ''))
        .filter((found) => found !== '');
    },
    remove:
      pruneCredentialsFile === undefined
        ? undefined
        : async (object) => {
            const answer = await send('DELETE', `/${under}${object}`);
            const { status } = answer;
            if (status !== NO_CONTENT && status !== OK && status !== NOT_FOUND)
              throw refused(answer);
          },
    async keeping() {
      const now = await lifecycle();
      // A rule that was seen stays known until the server says that it is gone.
      if (now.kind !== 'unknown') keeping = now;
      return keeping?.kind === 'deleted' ? keeping : now;
    },
    isOnDiskOf: async () => false,
  };
}
