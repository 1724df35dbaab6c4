/**
 * Loaded beside a lookup process by `--import`: between two SIGUSR2 it records what may delay a request, and
 * then writes that into the file named by TAIL_FILE. Until then it costs nothing.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { renameSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Redis } from 'ioredis';

/** From when to when, milliseconds since 1970. */
export type Span = [from: number, to: number];
export type Probed = {
  requests: Span[];
  /** Calls to the store that carry lookups, and how many. */
  calls: { span: Span; lookups: number }[];
  /** While garbage was collected. */
  collecting: Span[];
  /** While the event loop was blocked. */
  stalled: Span[];
  /** V8's spaces at the beginning: bytes in memory, and how many of these are in use. */
  heap: { name: string; resident: number; used: number }[];
  /** The bytes that are still needed at the end. The rest of those in use waits to be collected. */
  needed: number;
};

const TURN_MS = 2;
const KEYS_A_LOOKUP = 4;

const now = (): number => performance.timeOrigin + performance.now();

const heap = (): Probed['heap'] =>
  getHeapSpaceStatistics().map((space) => ({
    name: space.space_name,
    resident: space.physical_space_size,
    used: space.space_used_size,
  }));

/** @param client the class of the connections that the process has already */
function begin(client: typeof Redis): () => Probed {
  const probed: Probed = {
    requests: [],
    calls: [],
    collecting: [],
    stalled: [],
    heap: heap(),
    needed: 0,
  };
  const startedAt = new WeakMap<IncomingMessage, number>();
  const started = (message: unknown): void => {
    startedAt.set((message as { request: IncomingMessage }).request, now());
  };
  const finished = (message: unknown): void => {
    const from = startedAt.get((message as { request: IncomingMessage }).request);
    if (from !== undefined) probed.requests.push([from, now()]);
  };
  subscribe('http.server.request.start', started);
  subscribe('http.server.response.finish', finished);
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      const from = performance.timeOrigin + startTime;
      probed.collecting.push([from, from + duration]);
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  let turnedAt = now();
  const turning = setInterval(() => {
    const at = now();
    if (at - turnedAt > 2 * TURN_MS) probed.stalled.push([turnedAt + TURN_MS, at]);
    turnedAt = at;
  }, TURN_MS);
  const { call } = client.prototype;
  client.prototype.call = function (this: Redis, ...args: Parameters<typeof call>) {
    const from = now();
    const reply: Promise<unknown> = Reflect.apply(call, this, args);
    const [name, given] = args as unknown as [string, unknown[]];
    if (name === 'fcall' && String(given[0]).startsWith('cpf_lookup_')) {
      const lookups = Number(given[1]) / KEYS_A_LOOKUP;
      const note = (): void => void probed.calls.push({ span: [from, now()], lookups });
      reply.then(note, note);
    }
    return reply;
  } as typeof call;
  return () => {
    client.prototype.call = call;
    unsubscribe('http.server.request.start', started);
    unsubscribe('http.server.response.finish', finished);
    observer.disconnect();
    clearInterval(turning);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    collect();
    probed.needed = heap().reduce((sum, { used }) => sum + used, 0);
    return probed;
  };
}

async function probe(): Promise<void> {
  // Not at the start, which would then be another one than without this.
  const { Redis: client } = await import('ioredis');
  const end = begin(client);
  process.once('SIGUSR2', () => {
    const file = process.env['TAIL_FILE'] ?? '';
    writeFileSync(`${file}.part`, JSON.stringify(end()));
    renameSync(`${file}.part`, file);
  });
}
process.once('SIGUSR2', () => void probe());
