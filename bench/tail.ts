import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { root } from './processes.ts';
import type { Fact } from './report.ts';
import type { Probed, Span } from './tail-probe.ts';

/** What delays the slowest requests, and what a lookup process's memory holds, in the words of the report. */

export const TAIL_PROBE: string = join(root, 'bench', 'tail-probe.ts');

const SAMPLED_EVERY_MS = 5;
const WRITTEN_WITHIN_MS = 5_000;
const SLOWEST = 0.01;

/** How much of each span a process's main thread waited for a processor. */
type Waits = { span: Span; waitedMs: number }[];

/** How long a process's main thread has waited for a processor so far, milliseconds. */
function waitedMs(pid: number): number {
  const [, waited] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ');
  return Number(waited) / 1e6;
}

/** A process's resident memory, MiB: mapped files, which processes share, and its own. */
function residentOf(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { files: mib('RssFile'), own: mib('RssAnon') };
}

/** Where memory goes, MiB. */
function explainMemory(
  { heap, needed }: Probed,
  { files, own }: ReturnType<typeof residentOf>,
): Fact {
  const mib = (bytes: number) => bytes / 1_048_576;
  const resident = (spaces: Probed['heap']) =>
    spaces.reduce((total, space) => total + mib(space.resident), 0);
  const fresh = heap.filter(({ name }) => name.startsWith('new_'));
  const older = heap.filter(({ name }) => !name.startsWith('new_'));
  const parts = {
    'mapped files, shared by processes': files,
    'new objects': resident(fresh),
    [`older objects and code (${mib(needed).toFixed(0)} after a full collection)`]: resident(older),
    'all else': own - resident(heap),
  };
  return {
    what: 'memory of a lookup process, before it was traced, MiB',
    value: Object.entries(parts)
      .map(([name, part]) => `${name} ${part.toFixed(0)}`)
      .join('; '),
  };
}

/** Traces a lookup process started with `tail-probe.ts`, and how long it and Redis wait for a processor. */
export function traceTail(pids: { lookup: number; redis: number }, file: string) {
  rmSync(file, { force: true });
  const waits: Record<keyof typeof pids, Waits> = { lookup: [], redis: [] };
  const before = { lookup: waitedMs(pids.lookup), redis: waitedMs(pids.redis) };
  let beforeAt = Date.now();
  const timer = setInterval(() => {
    const at = Date.now();
    for (const name of ['lookup', 'redis'] as const) {
      const waited = waitedMs(pids[name]);
      if (waited > before[name]) {
        waits[name].push({ span: [beforeAt, at], waitedMs: waited - before[name] });
      }
      before[name] = waited;
    }
    beforeAt = at;
  }, SAMPLED_EVERY_MS);
  const resident = residentOf(pids.lookup);
  process.kill(pids.lookup, 'SIGUSR2');
  return {
    async end(): Promise<Fact[]> {
      clearInterval(timer);
      process.kill(pids.lookup, 'SIGUSR2');
      const giveUpAt = performance.now() + WRITTEN_WITHIN_MS;
      while (!existsSync(file)) {
        if (performance.now() > giveUpAt) throw new Error('the lookup process left no trace');
        await pause(10);
      }
      const probed = JSON.parse(readFileSync(file, 'utf8')) as Probed;
      return [...explain(probed, waits), explainMemory(probed, resident)];
    },
  };
}

const length = ([from, to]: Span): number => to - from;

/** The index of the first span that ends at or after a moment. The spans are in the order of their ends. */
function firstEndingFrom(at: number, spans: readonly Span[]): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((spans[middle]?.[1] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How much of something spread evenly over each span fell into a request. */
function within([from, to]: Span, spans: readonly Span[], amount: (i: number) => number): number {
  let sum = 0;
  for (let i = firstEndingFrom(from, spans); i < spans.length; i++) {
    const span = spans[i] ?? [to, to];
    if (span[0] >= to) break;
    const shared = Math.min(to, span[1]) - Math.max(from, span[0]);
    if (shared > 0) sum += (shared / length(span)) * amount(i);
  }
  return sum;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** Means over the slowest requests beside those over all: a request's time, and how much of it each cause took. */
export function explain(
  { requests, calls, collecting, stalled }: Omit<Probed, 'heap' | 'needed'>,
  waits: Record<'lookup' | 'redis', Waits>,
): Fact[] {
  const slowest = requests
    .toSorted((one, other) => length(other) - length(one))
    .slice(0, Math.ceil(SLOWEST * requests.length));
  const sorted = calls.toSorted((one, other) => one.span[1] - other.span[1]);
  const callSpans = sorted.map(({ span }) => span);
  /** The last one within the request: an answer is written as soon as its call is answered. */
  const callOf = ([from, to]: Span) => {
    const call = sorted[firstEndingFrom(to, callSpans) - 1];
    return call !== undefined && call.span[0] >= from ? [call] : [];
  };
  const during = (spans: readonly Span[]) => (request: Span) =>
    within(request, spans, (i) => length(spans[i] ?? [0, 0]));
  const waiting = (of: Waits) => {
    const spans = of.map(({ span }) => span);
    return (request: Span) => within(request, spans, (i) => of[i]?.waitedMs ?? 0);
  };
  const ofBoth = (what: string, unit: string, figures: (request: Span) => number[]): Fact => ({
    what: `slowest 1 % (and all): ${what}`,
    value: [slowest, requests]
      .map((of) => `${mean(of.flatMap(figures)).toFixed(2)}${unit}`)
      .join(' (')
      .concat(')'),
  });
  const ofEach = (what: string, figure: (request: Span) => number): Fact =>
    ofBoth(what, ' ms', (request) => [figure(request)]);
  return [
    ofEach('in the lookup process, from headers to answer', length),
    ofBoth('of it, its call to Redis', ' ms', (of) => callOf(of).map(({ span }) => length(span))),
    ofEach('of it, the event loop held up', during(stalled)),
    ofEach('of it, garbage collected', during(collecting)),
    ofEach('of it, the lookup process waiting for a processor', waiting(waits.lookup)),
    ofEach('of it, Redis waiting for a processor', waiting(waits.redis)),
    ofBoth('lookups that shared its call', '', (of) => callOf(of).map(({ lookups }) => lookups)),
  ];
}
