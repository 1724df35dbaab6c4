import { readFileSync } from 'node:fs';

/**
 * What tells a process to end in order: a supervisor's word, Ctrl-C, a terminal that was closed, and Ctrl-\, which
 * other servers take for the most orderly end of all.
 */
export const STOP_SIGNALS = /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']);

const LOOKED_AT_EVERY_MS = 200;

/**
 * The parent and the session of a process; `undefined` if the system does not tell.
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
 * The parent of a process that is a shell with one command, as npm keeps it; otherwise, and if the system does not
 * tell, `undefined`.
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
 * Whether a process has lost the one that started it: whatever takes orphans over is of another session, which no
 * parent is but that of a session's first process.
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
 * Calls back once the process that started this one has ended, if npm started it; it may have ended already. npm
 * keeps a shell between itself and a command (npx always), which takes its SIGTERM, dies of it and hands nothing on,
 * and which lives on if npm itself is killed. What nobody started by npm may well outlive the shell it came from.
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
