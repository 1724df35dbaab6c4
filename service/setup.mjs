/**
 * The set-up step: makes a fresh clone ready, then runs a command under Node 24.
 *
 *     node service/setup.mjs                      packages and Redis
 *     node service/setup.mjs packages             packages alone
 *     node service/setup.mjs browser              packages, Redis and Chromium
 *     node service/setup.mjs start [arguments]    both, then the service with a synthetic sample
 *     node service/setup.mjs test [arguments]     both and Chromium, then the tests
 *
 * package.json calls it by `exec`: a shell left in between would take npm's SIGTERM and die alone.
 *
 * It runs on Node 20 and without any package, because it is what installs them. It says one
 * sentence for what it did, one for what only the user can do, and nothing otherwise.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findRedisServer, NEEDED_REDIS } from '../store/connection/redis-binary.mjs';
import { STOP_SIGNALS, whenNpmEnds } from './cli/parent.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', '.bin');
const stamp = join(root, 'node_modules', '.cp-flags-lock');

/** A refusal whose message is the sentence for the user. */
class SetupError extends Error {}

/** @type {Record<string, { needsRedis: boolean, needsBrowser?: boolean, run?: string[] }>} */
const commands = {
  '': { needsRedis: true },
  packages: { needsRedis: false },
  browser: { needsRedis: true, needsBrowser: true },
  start: {
    needsRedis: !process.env['REDIS_URL'],
    run: ['node', 'service/cli.mjs', 'serve', '--demo'],
  },
  test: { needsRedis: true, needsBrowser: true, run: ['vitest', 'run'] },
};

function lockHash() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  return createHash('sha256').update(lock).digest('hex');
}

function packagesMatchLock() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash();
}

/**
 * `npm install` rather than `npm ci`: the latter refuses if a registry lacks another platform's
 * optional package, and both leave the lock as it is.
 */
function installPackages() {
  const args = ['install', '--include=dev', '--include=optional', '--loglevel=error'];
  // Under `npm run`, the npm that runs us; it may not be the one on PATH.
  const npm = process.env['npm_execpath'];
  const [command, ...first] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm'];
  say('Installing the packages named in package-lock.json, Node 24 among them.');
  run(
    [command, ...first, ...args],
    'npm could not install the packages. Its messages above say why.',
  );
  nodeBinary();
  writeFileSync(stamp, lockHash());
}

/** Node 24 or later: the one that came with the packages, else the one running this. */
function nodeBinary() {
  const packaged = join(bin, 'node');
  if (existsSync(packaged)) return packaged;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  throw new SetupError(
    `Node 24 or later is needed, and no package brings it for ${process.platform} ${process.arch}: install it (on macOS: brew install node), then run this again.`,
  );
}

function ensureRedis() {
  const { binary, tooOld } = findRedisServer();
  if (binary !== undefined) return;
  const privilege = aptPrivilege();
  // An old version belongs to somebody: we must not upgrade it.
  if (tooOld.length === 0 && privilege !== undefined) {
    say('Installing redis-server with apt-get.');
    run(
      [...privilege, 'sh', '-c', aptInstall('redis-server')],
      'apt-get could not install redis-server.',
    );
  } else if (process.platform === 'darwin' && succeeds(['brew', '--version'])) {
    say('Installing redis with brew.');
    run(['brew', 'install', 'redis'], 'brew could not install redis.');
  }
  const now = findRedisServer();
  if (now.binary !== undefined) return;
  const found = now.tooOld.length > 0 ? `, and ${now.tooOld.join(', ')} is too old` : '';
  throw new SetupError(
    `${NEEDED_REDIS} must be on PATH${found}. Install it (Debian, Ubuntu: sudo apt-get install redis-server; Fedora: sudo dnf install valkey; macOS: brew install redis), or start with REDIS_URL set to a Redis that is there already.`,
  );
}

/**
 * For the tests of the pages, which are skipped without one: the service needs no browser, so its absence
 * stops nothing.
 */
function ensureBrowser() {
  if (BROWSERS.some((name) => succeeds([name, '--version']))) return;
  const privilege = aptPrivilege();
  if (privilege !== undefined) {
    say('Installing chromium with apt-get, for the tests of the pages.');
    try {
      run([...privilege, 'sh', '-c', aptInstall('chromium')], '');
      return;
    } catch {
      // Said below.
    }
  }
  say(
    'Chromium is not installed, and so the pages are not tested in a browser. Install it to have them tested (Debian: sudo apt-get install chromium).',
  );
}

/** Where `tests/support/browser.ts` looks for them. */
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome-stable'];

/**
 * Installs a package without its service: nobody asked for the distribution's own Redis on port 6379.
 * policy-rc.d is Debian's way to prevent that, and is removed however this ends.
 *
 * @param {'redis-server' | 'chromium'} name
 */
const aptInstall = (name) => `
set -e
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  trap 'exit 1' INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
fi
log=$(mktemp)
install() {
  apt-get -o DPkg::Lock::Timeout=120 install -y -q --no-install-recommends ${name}
}
install > "$log" 2>&1 ||
  { apt-get -o DPkg::Lock::Timeout=120 update -q > "$log" 2>&1 && install >> "$log" 2>&1; } ||
  { cat "$log" >&2; rm -f "$log"; exit 1; }
rm -f "$log"
if command -v systemctl > /dev/null; then systemctl -q disable ${name} 2> /dev/null || true; fi
`;

/** How to run apt-get here: directly as root, by sudo without a password, or not at all. */
function aptPrivilege() {
  if (!succeeds(['apt-get', '--version'])) return undefined;
  if (process.getuid?.() === 0) return [];
  return succeeds(['sudo', '-n', 'true']) ? ['sudo', '-n'] : undefined;
}

/** @param {string[]} commandLine */
function succeeds([command, ...args]) {
  return spawnSync(command ?? '', args, { stdio: 'ignore' }).status === 0;
}

/**
 * Runs an installer. Only its complaints are shown.
 *
 * @param {string[]} commandLine
 * @param {string} sentence what to say when it fails
 */
function run([command, ...args], sentence) {
  const { status } = spawnSync(command ?? '', args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new SetupError(sentence);
}

/** @param {string} sentence */
function say(sentence) {
  process.stderr.write(`${sentence}\n`);
}

/**
 * Runs the wanted command and resolves with its exit code. The command carries out a stop: this process only
 * passes the signal on and waits.
 *
 * @param {string[]} commandLine
 * @returns {Promise<number>}
 */
function runUnderNode24([command = 'node', ...args]) {
  const node = nodeBinary();
  const child = spawn(command === 'node' ? node : join(bin, command), args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}:${dirname(node)}:${process.env['PATH'] ?? ''}` },
  });
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      // A terminal's Ctrl-C and Ctrl-\ have already reached the child: they go to the whole process group.
      const typed = signal === 'SIGINT' || signal === 'SIGQUIT';
      if (!typed || !process.stdin.isTTY) child.kill(signal);
    });
  }
  whenNpmEnds(() => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/** @param {string[]} argv */
async function main([name = '', ...args]) {
  const command = commands[name];
  if (command === undefined) throw new SetupError(`There is no set-up command "${name}".`);
  if (!packagesMatchLock()) installPackages();
  if (command.needsRedis) ensureRedis();
  if (command.needsBrowser) ensureBrowser();
  return command.run === undefined ? 0 : runUnderNode24([...command.run, ...args]);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
