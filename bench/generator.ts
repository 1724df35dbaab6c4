import { randomInt, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { nhsNumberCheckDigit, parseNhsNumber } from '#schemas/nhs-number.ts';
import { percentile } from './percentile.ts';
import { HELD_ONE_IN } from './sending.ts';

/**
 * The other end of the wire, a process of its own so that its work is not counted: sends a number of requests
 * over some connections kept alive, each waiting for its answer before the next, and reports to its parent
 * when it is done. Raw sockets: a client library would take more of a small machine than the server.
 */

export type Order = {
  port: number;
  requests: number;
  connections: number;
  /** Present: `POST /lookup` with this token; absent: `GET /`. */
  token?: string;
  /** Requests a second, whatever happens to earlier ones; absent: as fast as they are answered. */
  perSecond?: number;
  /** NHS numbers that are held: one lookup in HELD_ONE_IN is for one of them, the others are for `notHeld`. */
  held?: readonly string[];
  /** If absent: any of the test range; the store holds few of them. */
  notHeld?: readonly string[];
  /** Refusals are what is measured: none is reported. */
  quiet?: boolean;
};
export type Done = {
  answered: number;
  /** How many of the answers said that there is a flag. */
  flagged: number;
  refused: number;
  tookMs: number;
  /** Milliseconds from the time when a request was due, rather than sent, to its answer. */
  latency: { p50: number; p99: number; p999: number; most: number };
};
type Due = { request: Buffer; dueAt: number; paced: boolean };
type Counts = { answered: number; flagged: number; refused: number; latencies: number[] };

/** The wording of every service compared. */
const FLAGGED = '"outcome":"flagged"';

function anyTestNumber(): string {
  for (;;) {
    const nine = `999${randomInt(1_000_000)}`.padEnd(9, '0');
    const number = parseNhsNumber(`${nine}${nhsNumberCheckDigit(nine)}`);
    if (number !== undefined) return number;
  }
}

/** The bytes of each request, made before anything is measured. */
function requestsOf({ requests, token, held = [], notHeld = [] }: Order): Buffer[] {
  if (token === undefined) {
    const hello = Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    return Array.from({ length: requests }, () => hello);
  }
  return Array.from({ length: requests }, (_, i) => {
    const nhsNumber =
      (i % HELD_ONE_IN === 0
        ? held[(i / HELD_ONE_IN) % held.length]
        : notHeld[randomInt(Math.max(1, notHeld.length))]) ?? anyTestNumber();
    const body = JSON.stringify({ nhsNumber });
    return Buffer.from(
      `POST ${token === undefined ? '/' : '/lookup'} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token ?? 'x'.repeat(900)}\r\nX-Request-ID: ${randomUUID()}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  });
}

/** Sends until none is left. An answer is whole once as many bytes as it says have followed its headers. */
function work(
  { port, quiet = false }: Order,
  next: () => Due | undefined,
  done: Counts,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    let dueAt = 0;
    const write = ({ request, dueAt: due, paced }: Due): void => {
      const now = performance.now();
      // A timer may be early.
      dueAt = paced ? Math.min(now, due) : now;
      socket.write(request);
    };
    const send = (): void => {
      const due = next();
      if (due === undefined) {
        socket.end();
        return;
      }
      const waitMs = due.dueAt - performance.now();
      if (waitMs < 1) write(due);
      else setTimeout(() => write(due), waitMs);
    };
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('connect', send);
    socket.on('data', (chunk: string) => {
      received += chunk;
      const head = received.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = /content-length: ([0-9]+)/i.exec(received.slice(0, head))?.[1];
      if (length === undefined) return reject(new Error('an answer without a length'));
      if (received.length < head + 4 + Number(length)) return;
      if (received.startsWith('HTTP/1.1 200 ')) {
        done.answered++;
        if (received.includes(FLAGGED)) done.flagged++;
      } else {
        done.refused++;
        if (done.refused < 3 && !quiet) console.error(received);
      }
      done.latencies.push(performance.now() - dueAt);
      received = '';
      send();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
}

async function finish(workers: readonly Promise<void>[], counts: Counts): Promise<void> {
  const began = performance.now();
  await Promise.all(workers);
  const tookMs = performance.now() - began;
  const { latencies, answered, flagged, refused } = counts;
  const at = (share: number): number => percentile(latencies, share);
  const latency = { p50: at(0.5), p99: at(0.99), p999: at(0.999), most: at(1) };
  process.send?.({ answered, flagged, refused, tookMs, latency } satisfies Done);
  process.disconnect();
}

process.once('message', (order: Order) => {
  const queue = requestsOf(order).values();
  const done: Counts = { answered: 0, flagged: 0, refused: 0, latencies: [] };
  process.once('message', () => {
    const beganAt = performance.now();
    const everyMs = order.perSecond === undefined ? 0 : 1000 / order.perSecond;
    let sent = 0;
    const next = () => {
      const request: Buffer | undefined = queue.next().value;
      return request && { request, dueAt: beganAt + sent++ * everyMs, paced: everyMs > 0 };
    };
    const workers = Array.from({ length: order.connections }, () => work(order, next, done));
    void finish(workers, done);
  });
  process.send?.('ready');
});
