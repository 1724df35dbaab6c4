import type { Configuration } from '#schemas/configuration.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { sealedBeyond } from '#store/audit-stream/sealed-size.ts';
import { lacksRights } from '#store/connection/connection.ts';
import type { RedisRole } from '#store/connection/embedded-redis.ts';
import { leaseHolder, workedEpoch } from '#store/locks/worker-lease.ts';
import { createStore, type Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { placeSettings } from '../audit/copy/open-place.ts';
import { CommitFile } from '../audit/log/commit.ts';
import { auditFolder, openAnchor } from '../files/data-folder.ts';
import { datasetProblem } from '../files/served-dataset.ts';
import { guardAnchor, isOfLast, lastLease } from '../standby/guard.ts';
import { findRedis, type RedisServer, type StoreConnection } from '../start/redis.ts';
import { Failure } from './failure.ts';

const REDIS_ANSWERS_WITHIN_MS = 3_000;
const COMMAND_TIMEOUT_MS = 10_000;

const where = ({ REDIS_URL, DATA_DIR }: Configuration): string =>
  REDIS_URL === undefined ? `the data folder ${DATA_DIR}` : 'REDIS_URL';

/** The running Redis, for a command that does not start one. */
export async function runningRedis(configuration: Configuration): Promise<RedisServer> {
  const redis = await findRedis(configuration);
  if (redis !== undefined) return redis;
  throw new Failure(
    `No Redis is running for ${where(configuration)}. Start the service in another terminal (npm start, or cp-flags serve), or set REDIS_URL.`,
  );
}

type Work<T> = (
  store: Store,
  anchor: Anchor,
  connection: StoreConnection,
  redis: RedisServer,
) => Promise<T>;

/**
 * Runs work on the store, and ends everything that it opened.
 *
 * @param redis default: the running one
 */
export async function withAnyStore<T>(
  configuration: Configuration,
  role: RedisRole,
  work: Work<T>,
  redis?: RedisServer,
): Promise<T> {
  const server = redis ?? (await runningRedis(configuration));
  const connection = server.connect(role, { commandTimeoutMs: COMMAND_TIMEOUT_MS });
  const anchor = openAnchor(configuration);
  guardAnchor(configuration, connection, anchor);
  try {
    await server.ready(REDIS_ANSWERS_WITHIN_MS);
    return await work(createStore(connection, anchor), anchor, connection, server);
  } catch (error) {
    if (!lacksRights(error)) throw error;
    throw new Failure(
      `This command needs the rights of the Redis user cpf-${role} (store/acl/${role}.acl), and this user has fewer. Set REDIS_URL to that user and REDIS_PASSWORD_FILE to its password. If something was to be changed, part of it may have been: look with cp-flags status before you do it again.`,
    );
  } finally {
    anchor.close();
    await server.stop();
  }
}

/**
 * Runs a command's work only on the store that belongs to this data folder's anchor: work on another's would
 * be found at the next start, as a store that differs from its anchor.
 */
export function withStore<T>(
  configuration: Configuration,
  role: RedisRole,
  work: Work<T>,
): Promise<T> {
  return withAnyStore(configuration, role, async (store, anchor, connection, redis) => {
    const held = await store.dataset();
    if (held === undefined) {
      throw new Failure('The store holds no dataset. Create one with cp-flags init.');
    }
    const problem = datasetProblem(configuration, anchor, held);
    if (problem !== undefined) throw new Failure(problem);
    return work(store, anchor, connection, redis);
  });
}

/** The log here is not an old copy. @throws {Failure} */
async function requireNewestLog(
  configuration: Configuration,
  connection: StoreConnection,
): Promise<void> {
  const beyond = await sealedBeyond(connection, () =>
    CommitFile.sizeIfThere(auditFolder(configuration)),
  );
  if (beyond !== undefined) throw new Failure(`Nothing was changed. ${SEALING.oldLog(beyond)}`);
}

/** Whether no worker has run since the one of these folders, if the audit log has a second copy. */
async function isLastWorker(
  configuration: Configuration,
  connection: StoreConnection,
): Promise<boolean> {
  if (placeSettings(configuration) === undefined) return true;
  return isOfLast(lastLease(configuration) ?? { epoch: 0 }, await workedEpoch(connection));
}

/** @throws {Failure} */
async function requireLastWorker(
  configuration: Configuration,
  connection: StoreConnection,
): Promise<void> {
  if (!(await isLastWorker(configuration, connection))) throw new Failure(COPY.notTheWorker);
}

/**
 * If another worker is running with folders of its own, what is accepted here would be on record, and that worker would
 * not know. If none is running, these folders may be all that is left.
 *
 * @throws {Failure} if another worker is running
 */
export async function requireNoSuccessor(
  configuration: Configuration,
  connection: StoreConnection,
): Promise<void> {
  if (await isLastWorker(configuration, connection)) return;
  if ((await leaseHolder(connection)) !== undefined) throw new Failure(COPY.notTheWorker);
}

/**
 * The same as {@link withStore}, for a command that relies on its folders or changes them: it is refused if they are an
 * old copy, or of a worker that another has replaced. A command that needs only Redis is not refused: blocking a user
 * must always be possible.
 */
export function withNewestStore<T>(
  configuration: Configuration,
  role: RedisRole,
  work: Work<T>,
): Promise<T> {
  return withStore(configuration, role, async (store, anchor, connection, redis) => {
    await requireNewestLog(configuration, connection);
    await requireLastWorker(configuration, connection);
    return work(store, anchor, connection, redis);
  });
}
