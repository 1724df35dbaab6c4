import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { root } from './processes.ts';

/** By metric: its values, and whether it kept its thresholds. */
type Summary = Record<
  string,
  { values: Record<string, number>; thresholds?: Record<string, { ok: boolean }> }
>;

/** A part of a run: a second, or as long as `K6_WEB_DASHBOARD_PERIOD` says. The counts are a second's. */
type Second = {
  /** Its end, seconds since the start. */
  at: number;
  answered: number;
  refused: number;
  invalid: number;
  wrong: number;
  dropped: number;
  p50?: number;
  p99?: number;
  most?: number;
};

export type K6Run = {
  version: string;
  /** All thresholds kept. */
  met: boolean;
  /** A request was not sent when it was due: the figures are void. */
  isVoid: boolean;
  summary: Summary;
  seconds: Second[];
  startedAt: number;
};

export class NoK6 extends Error {
  override name = 'NoK6';
}

const MODULES = ['go.k6.io/k6/v2@latest', 'go.k6.io/k6@latest'];
const THRESHOLDS_MISSED = 99;

const versionOf = (binary: string): string | undefined =>
  /k6(?:\.exe)? (v[^ ]+)/.exec(
    spawnSync(binary, ['version'], { encoding: 'utf8' }).stdout ?? '',
  )?.[1];

/** @throws {NoK6} one sentence that says what to do */
export function findK6(): { binary: string; version: string } {
  const go = (args: string[]) => spawnSync('go', args, { encoding: 'utf8', cwd: tmpdir() });
  const installed = (): string =>
    join(
      (go(['env', 'GOBIN']).stdout ?? '').trim() ||
        `${(go(['env', 'GOPATH']).stdout ?? '').trim()}/bin`,
      'k6',
    );
  const find = () => {
    for (const binary of ['k6', installed()]) {
      const version = versionOf(binary);
      if (version !== undefined) return { binary, version };
    }
    return undefined;
  };
  const there = find();
  if (there !== undefined) return there;
  if (go(['version']).status === 0) {
    console.error('k6 is not on PATH; go install builds it, which takes some minutes.');
    for (const module of MODULES) if (go(['install', module]).status === 0) break;
  }
  const built = find();
  if (built !== undefined) return built;
  throw new NoK6(
    `k6 is neither on PATH nor built by "go install ${MODULES[0]}": install it (https://grafana.com/docs/k6), or Go.`,
  );
}

/**
 * Runs a script of bench/k6.
 *
 * @param options.processor to keep k6 to one
 * @param options.onStart told its process id
 * @throws where k6 itself fails
 */
export async function runK6(
  script: string,
  environment: Record<string, string>,
  options: { processor?: number; onStart?: (pid: number) => void } = {},
): Promise<K6Run> {
  const { binary, version } = findK6();
  const folder = mkdtempSync(join(tmpdir(), 'cpf-k6-'));
  const summaryFile = join(folder, 'summary.json');
  const record = join(folder, 'record.ndjson');
  const command = [
    binary,
    'run',
    '--quiet',
    '--no-usage-report',
    // Its own API, at any free port.
    '--address',
    '127.0.0.1:0',
    join(root, 'bench/k6', `${script}.ts`),
  ];
  const [program = '', ...args] =
    options.processor === undefined
      ? command
      : ['taskset', '-c', String(options.processor), ...command];
  try {
    const child = spawn(program, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'] ?? folder,
        NO_COLOR: '1',
        // Collecting its garbage, k6 takes both processors for milliseconds, which would count as the service's.
        GOGC: '1000',
        GOMEMLIMIT: `${Math.floor(totalmem() / 4 / 1_048_576)}MiB`,
        // Every second's own figures; nothing listens. Each time, k6 sorts all that it has measured so far: in a
        // minute at 1,000 a second this takes 3 % of a processor, in half an hour half of one (so a long run sets a
        // longer period).
        K6_WEB_DASHBOARD: 'true',
        K6_WEB_DASHBOARD_PORT: '-1',
        K6_WEB_DASHBOARD_PERIOD: '1s',
        K6_WEB_DASHBOARD_RECORD: record,
        SUMMARY_FILE: summaryFile,
        ...environment,
      },
    });
    if (child.pid !== undefined) options.onStart?.(child.pid);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if ((code !== 0 && code !== THRESHOLDS_MISSED) || !existsSync(summaryFile)) {
      throw new Error(`k6 ended with ${code}. Its messages above say why.`);
    }
    const summary = JSON.parse(readFileSync(summaryFile, 'utf8')) as Summary;
    return {
      version,
      met: code === 0,
      isVoid: (summary['dropped_iterations']?.values['count'] ?? 0) > 0,
      summary,
      ...(existsSync(record)
        ? readRecord(readFileSync(record, 'utf8'))
        : { seconds: [], startedAt: 0 }),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads what the dashboard of k6 recorded: lines of metrics, and then values in the order of the metrics' names. */
function readRecord(text: string): Pick<K6Run, 'seconds' | 'startedAt'> {
  const names = new Set<string>(['time']);
  const seconds: Second[] = [];
  let startedAt = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const { event, data } = JSON.parse(line) as { event: string; data: unknown };
    if (event === 'metric') for (const name of Object.keys(data as object)) names.add(name);
    if (event === 'start') startedAt = (data as number[][])[0]?.[0] ?? 0;
    if (event !== 'snapshot') continue;
    // The metrics known when the line was written, in the order of their names.
    const order = [...names].toSorted();
    const values = new Map((data as number[][]).map((value, i) => [order[i], value]));
    const count = (name: string): number => values.get(name)?.[0] ?? 0;
    const at = (count('time') - startedAt) / 1000;
    const lasted = Math.max(0.001, at - (seconds.at(-1)?.at ?? 0));
    const perSecond = (name: string): number => count(name) / lasted;
    const trend = values.get('lookup_answered_ms');
    seconds.push({
      at,
      answered: perSecond('lookups_answered'),
      refused: perSecond('lookups_refused'),
      invalid: perSecond('lookups_invalid'),
      wrong: perSecond('lookups_wrong'),
      dropped: perSecond('dropped_iterations'),
      // avg, max, med, min, p90, p95, p99
      ...(trend !== undefined &&
        (trend[1] ?? 0) > 0 && { p50: trend[2] ?? 0, p99: trend[6] ?? 0, most: trend[1] ?? 0 }),
    });
  }
  return { seconds, startedAt };
}
