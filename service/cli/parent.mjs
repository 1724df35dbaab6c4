const LOOKED_AT_EVERY_MS = 200;

/**
 * Calls back once the process that started this one has ended, where npm started it. npm keeps a shell between
 * itself and a command (npx always), which takes its SIGTERM, dies of it and hands nothing on. What nobody
 * started by npm may well outlive the shell it came from.
 *
 * @param {() => void} callback
 */
export function whenNpmEnds(callback) {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    callback();
  }, LOOKED_AT_EVERY_MS).unref();
}
