import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CopyAway } from '#service/audit/copy/place.ts';
import { s3Place } from '#service/audit/copy/s3-place.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';
import { until } from '../../support/until.ts';

/**
 * `npm run test:strangers -- --only bucket` uses a real server. These are the answers that such a server rarely gives.
 */

let server: Server;
let answer: (request: IncomingMessage) => { status: number; body?: string } | undefined;
let seen: { method: string; url: string; headers: IncomingMessage['headers'] }[];
beforeEach(async () => {
  seen = [];
  server = createServer((incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming;
    seen.push({ method, url, headers });
    const { status, body = '' } = answer(incoming) ?? {};
    if (status === undefined) return;
    outgoing.statusCode = status;
    outgoing.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  removeAuditFolders();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function place(deadlineMs = 10_000, credentials = 'key\nsecret\n', pruner?: string) {
  const credentialsFile = join(auditFolder(), 'credentials');
  await writeFile(credentialsFile, credentials);
  const pruneCredentialsFile = pruner && join(auditFolder(), 'pruner');
  if (pruneCredentialsFile) await writeFile(pruneCredentialsFile, pruner);
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  return s3Place(
    {
      bucket: 'bucket',
      prefix: 'live',
      endpoint,
      region: 'eu-west-2',
      credentialsFile,
      ...(pruneCredentialsFile && { pruneCredentialsFile }),
    },
    deadlineMs,
  );
}
const why = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing',
    (error: unknown) => (error instanceof CopyAway ? error.message : String(error)),
  );

test('an object is created by a signed request that succeeds only if the object is not there yet', async () => {
  answer = () => ({ status: 200 });
  expect(await (await place()).create('log/000', Buffer.from('entries'))).toBe(true);
  const [{ method, url, headers } = { method: '', url: '', headers: {} }] = seen;
  expect([method, url, headers['if-none-match']]).toEqual(['PUT', '/bucket/live/log/000', '*']);
  expect(headers.authorization).toMatch(/SignedHeaders=[a-z0-9;-]*if-none-match/);
  answer = () => ({ status: 412 });
  expect(await (await place()).create('log/000', Buffer.from('entries'))).toBe(false);
});

test.for([
  [403, '', 'refuses the credentials'],
  [404, '<Code>NoSuchBucket</Code>', 'There is no bucket'],
  [409, '<Code>ConditionalRequestConflict</Code>', 'cannot be used (status 409)'],
  [503, '<Code>SlowDown</Code>', 'cannot be used (status 503)'],
  [301, '', 'Correct AUDIT_COPY_REGION'],
  [307, '<Code>TemporaryRedirect</Code>', 'Correct AUDIT_COPY_REGION'],
  [400, '<Code>AuthorizationHeaderMalformed</Code>', 'Correct AUDIT_COPY_REGION'],
  [403, '<Code>RequestTimeTooSkewed</Code>', 'time server'],
] as const)(
  'status %i is never taken for created, and is described correctly',
  async ([status, body, says]) => {
    answer = () => ({ status, body });
    const bucket = await place();
    expect(await why(bucket.create('a', Buffer.from('x')))).toContain(says);
    expect(await why(bucket.list('a'))).toContain(says);
    expect(seen).toHaveLength(2);
  },
);

test.each([200, 404, 503])('an answer with status %i cannot fill the memory', async (status) => {
  answer = () => ({ status, body: ' '.repeat(4_194_305) });
  const bucket = await place();
  expect(await why(bucket.list('a'))).toContain('too long an answer');
  expect(await why(bucket.create('a', Buffer.from('x')))).toContain('too long an answer');
});

test('an object may be longer than other answers, but none is written that could not be read back', async () => {
  const content = 'x'.repeat(4_194_305);
  answer = () => ({ status: 200, body: content });
  const bucket = await place();
  expect(String(await bucket.read('a'))).toBe(content);
  seen = [];
  const huge = Buffer.alloc(1_073_741_825);
  expect(await why(bucket.create('a', huge))).toContain('too large an object');
  expect(await why(bucket.replace('a', huge))).toContain('too large an object');
  expect(seen).toEqual([]);
});

test('objects are deleted with separate credentials, and never without them', async () => {
  answer = ({ method }) => ({ status: method === 'DELETE' ? 204 : 200 });
  expect((await place()).remove).toBeUndefined();
  const bucket = await place(10_000, 'key\nsecret\n', 'pruner\nsecret\n');
  await bucket.remove?.('log/000');
  await bucket.read('log/000');
  expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'DELETE /bucket/live/log/000',
    'GET /bucket/live/log/000',
  ]);
  const [deleting, reading] = seen.map(({ headers }) => headers.authorization);
  expect(deleting).toContain('Credential=pruner/');
  expect(reading).toContain('Credential=key/');
  answer = () => ({ status: 403 });
  expect(await why(bucket.remove?.('log/000') ?? Promise.resolve())).toContain('refuses');
});

test('a bucket that does not answer counts as away after the deadline, and nothing is sent twice', async () => {
  answer = () => undefined;
  let said = '';
  // A machine that stands still for a second may pass the deadline before anything is sent.
  await until(async () => {
    said = await why((await place(1_000)).create('a', Buffer.from('x')));
    return seen.length > 0;
  }, 'a request');
  expect(said).toContain('no answer within 1000 ms');
  expect(seen).toHaveLength(1);
});

test('the deadline counts even if garbage is collected meanwhile', async () => {
  setFlagsFromString('--expose-gc');
  const collecting = setInterval(runInNewContext('gc') as () => void, 50);
  try {
    answer = () => undefined;
    expect(await why((await place(1_000)).read('a'))).toContain('no answer within 1000 ms');
  } finally {
    clearInterval(collecting);
  }
});

test('a missing object is not confused with a missing bucket', async () => {
  answer = () => ({ status: 404, body: '<Code>NoSuchKey</Code>' });
  expect(await (await place()).read('a')).toBeUndefined();
  answer = () => ({ status: 404, body: '<Code>NoSuchBucket</Code>' });
  expect(await why((await place()).read('a'))).toContain('There is no bucket');
});

const rule = (prefix: string, inside: string, status = 'Enabled'): string =>
  `<Rule><Filter><Prefix>${prefix}</Prefix></Filter><Status>${status}</Status>${inside}</Rule>`;
const EXPIRES = '<Expiration><Days>30</Days></Expiration>';
test.for([
  ['of everything', rule('', EXPIRES), true],
  ['of the prefix', rule('live/', EXPIRES), true],
  ['of a part of the log', rule('live/log/000', EXPIRES), true],
  ['of the state', rule('live/state/', EXPIRES), true],
  ['of files that nothing needs after a time', rule('live/files/', EXPIRES), false],
  ['of another prefix', rule('other/', EXPIRES), false],
  ['that is switched off', rule('', EXPIRES, 'Disabled'), false],
  [
    'of old versions',
    rule(
      '',
      '<NoncurrentVersionExpiration><NoncurrentDays>9</NoncurrentDays></NoncurrentVersionExpiration>',
    ),
    false,
  ],
] as const)(
  'a lifecycle rule %s is refused only if it would delete what is needed',
  async ([, rules, refused]) => {
    answer = () => ({
      status: 200,
      body: `<LifecycleConfiguration>${rules}</LifecycleConfiguration>`,
    });
    expect((await (await place()).keeping()).kind).toBe(refused ? 'deleted' : 'kept');
  },
);

test.for([
  ['503', 'unknown', { status: 503 }],
  ['429', 'unknown', { status: 429 }],
  ['400', 'unknown', { status: 400, body: '<Code>InvalidRequest</Code>' }],
  ['200 without a configuration', 'unknown', { status: 200, body: '<html>Sign in</html>' }],
  ['404 for no rules', 'kept', { status: 404, body: '<Code>NoSuchLifecycleConfiguration</Code>' }],
  ['501 from a server without rules', 'kept', { status: 501 }],
] as const)('an answer about lifecycle rules of %s counts as %s', async ([, kind, given]) => {
  answer = () => given;
  const keeping = await (await place()).keeping();
  expect(keeping.kind).toBe(kind);
  if (keeping.kind === 'unknown') {
    expect(keeping.why).toContain(`(status ${given.status})`);
  }
});

test('a known rule that deletes still counts while the server does not say whether the rule exists', async () => {
  const bucket = await place();
  answer = () => ({
    status: 200,
    body: `<LifecycleConfiguration>${rule('', EXPIRES)}</LifecycleConfiguration>`,
  });
  expect((await bucket.keeping()).kind).toBe('deleted');
  for (const status of [503, 403]) {
    answer = () => ({ status });
    expect((await bucket.keeping()).kind).toBe('deleted');
  }
  answer = () => ({ status: 404, body: '<Code>NoSuchLifecycleConfiguration</Code>' });
  expect((await bucket.keeping()).kind).toBe('kept');
});

test('a bucket with unreadable lifecycle rules is used and reported, and one without full credentials is not used', async () => {
  answer = () => ({ status: 403 });
  expect(await (await place()).keeping()).toMatchObject({ kind: 'unknown' });
  expect(await why((await place(10_000, 'key\n')).read('a'))).toContain('(incomplete)');
});
