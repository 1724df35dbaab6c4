import { randomUUID } from 'node:crypto';
import type { OperatorEvent } from '#schemas/audit/audit-event.ts';
import { whyDetail } from '#schemas/audit/named-person.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { OFFICER_HOLDS } from '#schemas/wording/officer.ts';
import { sortableTimeText } from '#schemas/wording/times.ts';
import { isWithoutEffect } from '#store/connection/connection.ts';
import { CommitFile } from '../audit/log/commit.ts';
import { readCheckpointFile } from '../audit/log/log-folder.ts';
import { beginHold, endHold } from '../audit/seal/holds.ts';
import { addKey, KeyFileWrong, publicKeyLines, retireKeys } from '../audit/seal/keys.ts';
import type { Signer } from '../audit/tlog/note.ts';
import { acceptGap } from '../confirm/accept-gap.ts';
import { auditFolder, auditKeyFile } from '../files/data-folder.ts';
import { doneOrFailure, Failure, misused } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { requireNoSuccessor, runningRedis, withNewestStore } from './store.ts';

const REDIS_ANSWERS_WITHIN_MS = 3_000;

/** Records an act on the audit as an event. */
async function record(
  configuration: Configuration,
  type: OperatorEvent['type'],
  by: string,
  detail: OperatorEvent['detail'],
): Promise<void> {
  await withNewestStore(configuration, 'worker', (store) =>
    store.appendEvent({ type, auditId: randomUUID(), by, detail }),
  );
}

async function withCommits<T>(
  configuration: Configuration,
  work: (commits: CommitFile) => T | Promise<T>,
): Promise<T> {
  const folder = auditFolder(configuration);
  const commits = CommitFile.openIfThere(folder);
  if (commits === undefined) {
    throw new Failure(
      `There is no audit log in ${folder} yet. A process with role all or worker creates it; AUDIT_DIR says where it is.`,
    );
  }
  try {
    return await work(commits);
  } finally {
    commits.close();
  }
}

/** `cp-flags audit key`: the public keys, retired ones last; a new one beside the old; the old ones retired. */
export async function auditKey(
  configuration: Configuration,
  options: Partial<Named> & { add?: boolean; retire?: boolean },
): Promise<void> {
  const path = auditKeyFile(configuration);
  try {
    if (options.add === true && options.retire === true) {
      throw misused('Give either --add or --retire: between the two, both keys sign for a time.');
    }
    if (options.add === true || options.retire === true) {
      const named = readNamed(options);
      const recordAs = (type: OperatorEvent['type']) => (changed: readonly Signer[]) => {
        const keys = changed.map(({ verifierKey }) => verifierKey.text).join(' ');
        return record(configuration, type, named.by, { ...whyDetail(named), keys });
      };
      if (options.add === true) {
        await addKey(path, recordAs('audit-key-added'));
      } else {
        const checkpoint = readCheckpointFile(auditFolder(configuration));
        const done = await retireKeys(path, checkpoint, recordAs('audit-key-retired'));
        if (!done) throw new Failure('There is only one key, and it is in use.');
      }
    }
    for (const line of await publicKeyLines(path)) console.log(line);
  } catch (error) {
    throw error instanceof KeyFileWrong ? new Failure(error.message) : error;
  }
}

/** `cp-flags audit hold`: stops pruning until the hold is ended. */
export async function auditHold(
  configuration: Configuration,
  options: Partial<Named> & { end?: string; list?: boolean },
): Promise<void> {
  const named = options.list === true ? undefined : readNamed(options);
  await withCommits(configuration, async (commits) => {
    if (named === undefined) {
      const holds = commits.retentionHolds();
      if (holds.length === 0)
        console.log('No hold is in force: events older than AUDIT_RETENTION_YEARS are pruned.');
      for (const { id, at, by, reason } of holds)
        console.log(`${id}  ${sortableTimeText(at)}  ${by}: ${reason}`);
      return;
    }
    const recordAs = (event: OperatorEvent) =>
      withNewestStore(configuration, 'worker', (store) => store.appendEvent(event));
    if (options.end !== undefined) {
      if ((await endHold(commits, Number(options.end), named, recordAs)) !== 'ended') {
        throw new Failure(
          `There is no hold ${options.end}. cp-flags audit hold --list names them.`,
        );
      }
      const left = commits.retentionHolds().length;
      console.log(
        `Hold ${options.end} is ended. ${left === 0 ? 'Pruning continues.' : `${left} others are in force.`}`,
      );
      return;
    }
    let isSent = false;
    const send = (event: OperatorEvent) =>
      withNewestStore(configuration, 'worker', (store) => {
        isSent = true;
        return store.appendEvent(event);
      });
    const { id, unrecorded } = await beginHold(commits, named, send, {
      isRefused: (error) => !isSent || error instanceof Failure || isWithoutEffect(error),
    });
    console.log(`Hold ${id}: nothing is pruned from the audit log until it is ended.`);
    if (unrecorded === true) console.log(OFFICER_HOLDS.unrecorded);
  });
}

/** `cp-flags audit accept-gap`: lets sealing continue if events are lost permanently. */
export async function auditAcceptGap(
  configuration: Configuration,
  options: Partial<Named>,
): Promise<void> {
  const named = readNamed(options);
  const redis = await runningRedis(configuration);
  const connection = redis.connect('worker');
  try {
    await redis.ready(REDIS_ANSWERS_WITHIN_MS);
    await requireNoSuccessor(configuration, connection);
    const place = { connection, auditFolder: auditFolder(configuration) };
    console.log(doneOrFailure(await acceptGap(place, named)));
  } finally {
    await redis.stop();
  }
}
