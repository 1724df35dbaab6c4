import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Done, Order } from './generator.ts';
import { cpuMicroseconds, median, root, startProcess } from './processes.ts';

/**
 * `npm run bench:cpu`: processor time of an authenticated, audited lookup, beside that of a bare
 * `node:http` and a bare Hono saying hello, in one run. Counted is what the kernel says the service's
 * process used, all its threads, over a fixed number of requests; the generator and Redis are processes of
 * their own and not counted.
 */

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    requests: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '32' },
    /** Writes a processor profile of the service to this folder; only the shape of it counts then. */
    profile: { type: 'string' },
  },
});
const REQUESTS = Number(options.requests);
const ROUNDS = Number(options.rounds);
const CONNECTIONS = Number(options.connections);
const WARM_UP_ROUNDS = 2;

const servedSchema = z.object({ port: z.int(), token: z.string(), held: z.array(z.string()) });

type Subject = { name: 'lookup' | 'nodeHttp' | 'hono'; pid: number; order: Order };

/** Runs an order in a generator of its own and gives the processor time a request took the subject. */
async function measure({ pid, order }: Subject): Promise<number> {
  const generator = fork(join(root, 'bench', 'generator.ts'));
  generator.send(order);
  await once(generator, 'message');
  const before = cpuMicroseconds(pid);
  generator.send('go');
  const [{ answered, refused }] = (await once(generator, 'message')) as [Done];
  const used = cpuMicroseconds(pid) - before;
  await once(generator, 'exit');
  if (refused > 0 || answered !== order.requests) {
    throw new Error(`${refused} of ${order.requests} requests were refused.`);
  }
  return used / answered;
}

async function startAll() {
  const hello = (what: string) =>
    startProcess('bench/hello.ts', [what], { until: /hello on ([0-9]+)/ });
  const [service, nodeHttp, hono] = await Promise.all([
    startProcess('bench/service.ts', [], {
      until: /service (.*)\n/,
      nodeOptions:
        options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`],
    }),
    hello('node-http'),
    hello('hono'),
  ]);
  const served = servedSchema.parse(JSON.parse(service.said[1] ?? ''));
  const size = { requests: REQUESTS, connections: CONNECTIONS };
  const subjects: Subject[] = [
    {
      name: 'lookup',
      pid: service.child.pid ?? 0,
      order: { ...size, ...served },
    },
    {
      name: 'nodeHttp',
      pid: nodeHttp.child.pid ?? 0,
      order: { ...size, port: Number(nodeHttp.said[1]) },
    },
    { name: 'hono', pid: hono.child.pid ?? 0, order: { ...size, port: Number(hono.said[1]) } },
  ];
  return {
    subjects,
    async stop() {
      await Promise.all([service.stop(), nodeHttp.stop(), hono.stop()]);
    },
  };
}

const { subjects, stop } = await startAll();
try {
  const taken: Record<Subject['name'], number[]> = { lookup: [], nodeHttp: [], hono: [] };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const subject of subjects) {
      const microseconds = await measure(subject);
      if (round >= 0) taken[subject.name].push(microseconds);
    }
  }
  const result = {
    lookup: median(taken.lookup),
    nodeHttp: median(taken.nodeHttp),
    hono: median(taken.hono),
  };
  if (options.json) {
    console.log(JSON.stringify(result));
  } else {
    console.log(
      `Processor time a request, microseconds: median of ${ROUNDS} rounds of ${REQUESTS}.`,
    );
    for (const [name, microseconds] of Object.entries(result)) {
      const ratio = (microseconds / result.nodeHttp).toFixed(2);
      console.log(
        `  ${name.padEnd(9)} ${microseconds.toFixed(1).padStart(6)}  ${ratio} x node:http`,
      );
    }
  }
} finally {
  await stop();
}
