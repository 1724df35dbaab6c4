import { readFileSync } from 'node:fs';

/**
 * What tells a process to end in order: a supervisor's signal, Ctrl-C, a closed terminal, and Ctrl-\, which
 * other servers take for the most orderly end.
 */
export const STOP_SIGNALS = /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']);

const LOOKED_AT_EVERY_MS = 200;

/**
 * The parent and the session of a process; `undefined` if the system does not say.
 *
 * @param {number} pid
 */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // After the name, which may hold anything: state, parent, process group, session.
    const [, parent, , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(parent), session: Number(session) };
  } catch {
    return undefined;
  }
}

/**
 * The parent of a process that is a shell with one command, as npm starts it; otherwise, and if the system
 * does not say, `undefined`.
 *
 * @param {number} pid
 */
function parentOfShell(pid) {
  try {
    if (!/^(?:\S*\/)?sh\0-c\0/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))) return undefined;
    return statOf(pid)?.parent;
  } catch {
    return undefined;
  }
}

/**
 * Whether a process has lost the one that started it: whatever adopts orphans is in another session, as no
 * parent is except that of a session's first process.
 *
 * @param {number} pid
 */
function isOrphan(pid) {
  const own = statOf(pid);
  if (own === undefined || own.session === pid) return false;
  const parent = statOf(own.parent);
  return parent !== undefined && parent.session !== own.session;
}

/**
 * Calls back once the process that started this one has ended, if npm started it; it may have ended already.
 * npm keeps a shell between itself and a command (npx always), which dies of SIGTERM without passing it on,
 * and survives if npm itself is killed. A process not started by npm may well outlive its shell.
 *
 * @param {() => void} callback
 */
export function whenNpmEnds(callback) {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  const npm = parentOfShell(parent);
  const orphaned = isOrphan(process.pid) || (npm !== undefined && isOrphan(parent));
  const timer = setInterval(() => {
    if (!orphaned && process.ppid === parent && parentOfShell(parent) === npm) return;
    clearInterval(timer);
    callback();
  }, LOOKED_AT_EVERY_MS).unref();
}
