import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCommits } from '#service/audit/copy/commits.ts';
import { CopyAway } from '#service/audit/copy/place.ts';
import { s3Place } from '#service/audit/copy/s3-place.ts';
import { runLostDisks } from '../failover/lost-disks.ts';
import { freePort } from '../support/ports.ts';
import { testFolder, until } from '../support/service.ts';
import { absent, type Finding, run } from './tools.ts';

/** A server for the S3 protocol. */
const VERSION = 'v1.8.0';
const TOOL = `versitygw ${VERSION}`;
const BUCKET = 'cp-flags-audit';
const OWNER = { access: 'owner', secret: 'owner-secret' };
const STRANGER = { access: 'stranger', secret: 'stranger-secret' };
const AT_ONCE = 20;
const DEADLINE_MS = 10_000;

/**
 * The second copy of the audit log in a bucket on somebody else's server. An object is created only once, wrong
 * settings are told apart, and a worker whose disk is lost is replaced from the copy.
 */
export async function bucket(cache: string, seed: number): Promise<Finding[]> {
  const program = join(cache, `versitygw-${VERSION}`, 'versitygw');
  if (!existsSync(program)) {
    const to = `GOBIN=${join(cache, `versitygw-${VERSION}`)}`;
    const name = `github.com/versity/versitygw/cmd/versitygw@${VERSION}`;
    const installed = await run('env', [to, 'go', 'install', name]);
    if (installed.code !== 0) return absent(TOOL, installed);
  }
  const folder = await testFolder();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const [data, users] = [join(folder, 'data'), join(folder, 'users')];
  mkdirSync(join(data, BUCKET), { recursive: true });
  mkdirSync(users);
  const server = spawn(
    program,
    [
      '--quiet',
      '--port',
      `127.0.0.1:${port}`,
      '--access',
      OWNER.access,
      '--secret',
      OWNER.secret,
    ].concat(['--iam-dir', users, 'posix', data]),
    { stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => server.once('exit', resolve));
  const credentials = async ({ access, secret }: typeof OWNER): Promise<string> => {
    const path = join(folder, `credentials-${access}-${secret.length}`);
    await writeFile(path, `${access}\n${secret}\n`, { mode: 0o600 });
    return path;
  };
  const placeOf = async (
    who: typeof OWNER,
    of = BUCKET,
    { pruner, region = 'us-east-1' }: { pruner?: typeof OWNER; region?: string } = {},
  ) =>
    s3Place(
      {
        bucket: of,
        prefix: 'live',
        endpoint,
        region,
        credentialsFile: await credentials(who),
        ...(pruner && { pruneCredentialsFile: await credentials(pruner) }),
      },
      DEADLINE_MS,
    );
  const findings: Finding[] = [];
  const found = (good: boolean, text: string): void =>
    void findings.push({ kind: good ? 'passed' : 'failed', tool: TOOL, text });
  try {
    await until(
      () =>
        fetch(endpoint).then(
          () => true,
          () => false,
        ),
      'the server to answer',
    );
    const place = await placeOf(OWNER);
    await createCommits(place).check();
    found(true, 'a bucket is found fit for the second copy');

    const created = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, i) => place.create('race', Buffer.from(String(i)))),
    );
    const [first] = created.flatMap((won, i) => (won ? [i] : []));
    const kept = String(await place.read('race'));
    const once = created.filter(Boolean).length === 1 && kept === String(first);
    found(once, `of ${AT_ONCE} who create one name at once, one does, and its content is kept`);

    const admin = ['admin', '--access', OWNER.access, '--secret', OWNER.secret];
    const user = ['--access', STRANGER.access, '--secret', STRANGER.secret, '--role', 'user'];
    const made = await run(program, [admin, ['--endpoint-url', endpoint, 'create-user'], user]);
    if (made.code !== 0) found(false, made.output);
    for (const [who, of, region, says] of [
      [STRANGER, BUCKET, 'us-east-1', 'refuses the credentials'],
      [{ ...OWNER, secret: 'wrong' }, BUCKET, 'us-east-1', 'refuses the credentials'],
      [OWNER, BUCKET, 'eu-west-2', 'Correct AUDIT_COPY_REGION'],
      [OWNER, 'no-such-bucket', 'us-east-1', 'There is no bucket'],
    ] as const) {
      const told = await createCommits(await placeOf(who, of, { region }))
        .check()
        .then(
          () => '',
          (error: unknown) => (error instanceof CopyAway ? error.message : ''),
        );
      found(told.includes(says), `${who.access} in ${of}: ${told}`);
    }

    const isRemoved = async (pruner: typeof OWNER): Promise<boolean> => {
      const pruned = await placeOf(OWNER, BUCKET, { pruner });
      await pruned.remove?.('race').catch(() => undefined);
      return (await pruned.read('race')) === undefined;
    };
    found(!(await isRemoved(STRANGER)), 'an object is not deleted without the right to it');
    found(await isRemoved(OWNER), 'an object is deleted by the credentials for pruning');

    const { wrong, answered } = await runLostDisks({
      seed,
      rounds: 4,
      copy: {
        AUDIT_COPY: `s3://${BUCKET}/live`,
        AUDIT_COPY_ENDPOINT: endpoint,
        AUDIT_COPY_REGION: 'us-east-1',
        AUDIT_COPY_CREDENTIALS_FILE: await credentials(OWNER),
      },
    });
    const text = `the worker's disk lost four times, ${answered} lookups answered`;
    found(wrong.length === 0, `${text}${wrong.length === 0 ? '' : `: ${wrong.join('\n')}`}`);
  } finally {
    server.kill();
    await ended;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return findings;
}
