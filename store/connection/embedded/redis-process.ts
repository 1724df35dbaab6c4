import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type DataFolder, type RedisUser, readRunning, writeRunning } from './data-folder.ts';

/** A country's data takes seconds to load; beyond this the disk is in trouble. */
const READY_DEADLINE_MS = 60_000;
const PING_DEADLINE_MS = 2_000;
const POLL_MS = 10;
/** It has no replicas to wait for, and what it acknowledged is on disk. */
const STOP_DEADLINE_MS = 5_000;

const FIRST_RESTART_DELAY_MS = 20;
const LAST_RESTART_DELAY_MS = 2_000;
/** A server that ran for this long had no trouble starting: earlier restarts no longer count. */
const RESTARTS_FORGOTTEN_MS = 30_000;

type RedisProcess = {
  pid: number;
  /** Resolves when the process has ended; never rejects. */
  gone: Promise<void>;
  kill(signal: NodeJS.Signals): void;
};

/**
 * The shell waits for a message on its standard input, leaves a second one behind and becomes redis-server.
 * The second one ends Redis if the owner's other pipe closes without a message, since the owner was killed.
 */
const LAUNCH = `umask 077
read -r go || exit
{
  if ! read -r ended <&3; then
    kill "$$"
    left=${STOP_DEADLINE_MS / 1_000}
    while [ "$left" -gt 0 ] && kill -0 "$$"; do sleep 1; left=$((left - 1)); done
    kill -9 "$$"
  fi
} 2>/dev/null &
exec "$0" "$1" </dev/null 3<&-`;

/**
 * Starts redis-server and records it in `running.json` before it can touch the data: the shell waits for a
 * message that comes only then. An owner killed in between leaves a shell that ends by itself, never an
 * unknown server; one killed later takes Redis with it.
 */
export async function launchRedis(
  binary: string,
  folder: DataFolder,
  socketPath: string,
): Promise<RedisProcess> {
  const log = openSync(folder.log, 'a', 0o600);
  // A process group of its own: a Ctrl-C must not reach Redis before its owner has drained.
  const child = spawn('sh', ['-c', LAUNCH, binary, folder.configuration], {
    detached: true,
    stdio: ['pipe', log, log, 'pipe'],
  });
  closeSync(log);
  const gone = ended(child);
  if (child.pid === undefined) {
    await gone;
    throw new Error('No shell (sh) could be started to run redis-server.');
  }
  try {
    await writeRunning(folder, { pid: child.pid, ownerPid: process.pid, socketPath });
  } catch (error) {
    // A full disk, say. The shell is still waiting for a message and would wait for ever.
    child.kill('SIGKILL');
    await gone;
    throw error;
  }
  // A shell that is gone already shows as the process's end, not as a failed write.
  child.stdin?.on('error', () => {}).end('go\n');
  const lifeline = child.stdio[3];
  if (lifeline instanceof Writable) {
    lifeline.on('error', () => {});
    // Nothing is left to end, and another program may soon have its process id.
    child.once('exit', () => lifeline.end('ended\n'));
  }
  return { pid: child.pid, gone, kill: (signal) => child.kill(signal) };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
}

/** @throws Error quoting the log, when Redis ends or lets the deadline pass; it is ended then */
export async function untilReady(
  redis: RedisProcess,
  socketPath: string,
  admin: RedisUser,
  folder: DataFolder,
): Promise<void> {
  let trouble = `was not ready after ${READY_DEADLINE_MS / 1000} s`;
  const giveUp = new AbortController();
  const noteEnd = async () => {
    await redis.gone;
    trouble = 'ended while starting';
    giveUp.abort();
  };
  void noteEnd();
  const deadline = performance.now() + READY_DEADLINE_MS;
  while (!giveUp.signal.aborted && performance.now() < deadline) {
    if ((await ping(socketPath, admin)) === 'ready') return;
    await delay(POLL_MS);
  }
  await endRedis(redis);
  const log = await readFile(folder.log, 'utf8');
  const lastLine = log.trimEnd().split('\n').at(-1);
  throw new Error(`redis-server ${trouble}. Last in ${folder.log}: ${lastLine}`);
}

/**
 * Asks the Redis behind a socket whether it serves.
 *
 * @returns `loading` when something answers, but not PONG; `absent` when nothing does
 */
export function ping(
  socketPath: string,
  { username, password }: RedisUser,
): Promise<'ready' | 'loading' | 'absent'> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const settle = (state: 'ready' | 'loading' | 'absent') => {
      socket.destroy();
      resolve(state);
    };
    let replies = '';
    socket.setEncoding('latin1');
    socket.setTimeout(PING_DEADLINE_MS, () => settle('loading'));
    socket.on('error', () => settle('absent'));
    socket.on('end', () => settle('absent'));
    socket.on('data', (chunk) => {
      replies += chunk.toString();
      if (replies.split('\r\n').length > 2) {
        settle(replies.endsWith('+PONG\r\n') ? 'ready' : 'loading');
      }
    });
    socket.write(`AUTH ${username} ${password}\r\nPING\r\n`);
  });
}

/** Ends Redis cleanly; by force if it does not listen, which loses nothing that it acknowledged. */
async function endRedis(redis: RedisProcess): Promise<void> {
  redis.kill('SIGTERM');
  const force = setTimeout(() => redis.kill('SIGKILL'), STOP_DEADLINE_MS);
  await redis.gone;
  clearTimeout(force);
}

/**
 * Ends the redis-server of an owner that was killed, and tidies up after it. To be called with the
 * folder's lock held, before another server starts: two of them on one folder lose data.
 */
export async function endOrphan(folder: DataFolder): Promise<void> {
  const orphan = await readRunning(folder);
  if (orphan === undefined) return;
  const forceAt = performance.now() + STOP_DEADLINE_MS;
  let signal: NodeJS.Signals = 'SIGTERM';
  while (await isRedisOf(folder, orphan.pid)) {
    process.kill(orphan.pid, signal);
    if (performance.now() > forceAt) signal = 'SIGKILL';
    await delay(POLL_MS);
  }
  await rm(folder.running, { force: true });
  await removeSocketFolder(orphan.socketPath);
}

/** Process ids are reused, so the command line must show that this is the folder's server. */
async function isRedisOf(folder: DataFolder, pid: number): Promise<boolean> {
  const commandLine =
    process.platform === 'linux'
      ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      : spawnSync('ps', ['-ww', '-o', 'command=', '-p', `${pid}`], { encoding: 'utf8' }).stdout;
  return commandLine.includes('-server') && commandLine.includes(folder.configuration);
}

export const SOCKET_FOLDER_PREFIX = 'cpf-';

/** Removes the socket's private folder, and nothing that only claims to be one. */
async function removeSocketFolder(socketPath: string): Promise<void> {
  const folder = dirname(socketPath);
  if (!basename(folder).startsWith(SOCKET_FOLDER_PREFIX)) return;
  await rm(folder, { recursive: true, force: true });
}

/**
 * Keeps a redis-server running until `stop()`.
 *
 * @param launch starts another one, after an end that nobody asked for
 */
export function superviseRedis(
  first: RedisProcess,
  launch: () => Promise<RedisProcess>,
  restart: boolean,
) {
  let current = first;
  const stopping = new AbortController();
  // An owner that exits without stop() still takes Redis with it. After kill -9 the launching shell's second one does.
  const endWithOwner = () => current.kill('SIGTERM');
  process.once('exit', endWithOwner);

  async function keepRunning(): Promise<void> {
    // Retried for ever: a full disk may have room again, and until then the service says what is wrong.
    for (let restarts = 0; ; restarts += 1) {
      const since = performance.now();
      await current.gone;
      if (stopping.signal.aborted || !restart) return;
      if (performance.now() - since > RESTARTS_FORGOTTEN_MS) restarts = 0;
      const pauseMs = Math.min(FIRST_RESTART_DELAY_MS * 2 ** restarts, LAST_RESTART_DELAY_MS);
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      // A launch that fails (a full disk) is one more end, and counts as such.
      current = await launch().catch(() => current);
      if (stopping.signal.aborted) await endRedis(current);
    }
  }
  const exited = keepRunning().finally(() => process.off('exit', endWithOwner));

  return {
    pid: () => current.pid,
    exited,
    async stop(): Promise<void> {
      stopping.abort();
      await endRedis(current);
      await exited;
    },
  };
}
