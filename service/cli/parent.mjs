import { readFileSync } from 'node:fs';

const LOOKED_AT_EVERY_MS = 200;

/**
 * The parent of a process that is a shell with one command, as npm keeps it; otherwise, and where the system does not
 * tell, `undefined`.
 *
 * @param {number} pid
 */
function parentOfShell(pid) {
  try {
    if (!/^(?:\S*\/)?sh\0-c\0/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))) return undefined;
    return /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/**
 * Calls back once the process that started this one has ended, where npm started it. npm keeps a shell between
 * itself and a command (npx always), which takes its SIGTERM, dies of it and hands nothing on, and which lives on
 * where npm itself is killed. What nobody started by npm may well outlive the shell it came from.
 *
 * @param {() => void} callback
 */
export function whenNpmEnds(callback) {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  const npm = parentOfShell(parent);
  const timer = setInterval(() => {
    if (process.ppid === parent && parentOfShell(parent) === npm) return;
    clearInterval(timer);
    callback();
  }, LOOKED_AT_EVERY_MS).unref();
}
