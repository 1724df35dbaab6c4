import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Order } from './generator.ts';
import { startLookups } from './lookups.ts';
import { cpuMicroseconds, startProcess } from './processes.ts';
import { send } from './sending.ts';

/** Processes measured for their processor time per request, each separately: the sender and Redis do not count. */

export const ISSUER_FILE = 'demo-issuer.json';

const storeSchema = z.object({
  token: z.string(),
  held: z.array(z.string()),
  dataDir: z.string(),
});

/** The service with a small dataset, which seals what lookup processes beside it record. */
export async function startSmallService(checkout?: string) {
  const started = await startProcess('bench/service.ts', [], {
    until: /^service (.*)$/m,
    ...(checkout !== undefined && { checkout }),
  });
  const { dataDir, ...order } = storeSchema.parse(JSON.parse(started.said[1] ?? ''));
  return { started, dataDir, order };
}

/** A lookup process that takes the demo's tokens. */
export async function startDemoLookups(
  dataDir: string,
  ownDir: string,
  more: Record<string, string>,
  options: { nodeOptions?: string[]; checkout?: string } = {},
): ReturnType<typeof startProcess> {
  await copyFile(join(dataDir, ISSUER_FILE), join(ownDir, ISSUER_FILE));
  return startLookups(dataDir, ownDir, { ...more, ALLOCATIONS_FOLDER: tmpdir() }, options);
}

/** Something of `bench/` that says on which port it answers. */
export const startHello = (
  script: string,
  args: readonly string[],
  nodeOptions: string[] = [],
): ReturnType<typeof startProcess> =>
  startProcess(script, args, {
    environment: { ALLOCATIONS_FOLDER: tmpdir() },
    until: /hello on ([0-9]+)/,
    nodeOptions,
  });

/**
 * Microseconds of a process's processor time for a request, in all its threads.
 *
 * @param refused refusals are measured: nearly all requests must be refused
 * @throws if others were refused, or not all were answered
 */
export async function requestCost(
  { pid, order }: { pid: number; order: Order },
  { refused: expected = false } = {},
): Promise<number> {
  let before = 0;
  const { answered, refused } = await send(order, () => (before = cpuMicroseconds(pid)));
  const used = cpuMicroseconds(pid) - before;
  const asExpected = expected ? refused > 0.9 * order.requests : refused === 0;
  if (!asExpected || answered + refused !== order.requests) {
    throw new Error(`${refused} of ${order.requests} requests were refused.`);
  }
  return used / order.requests;
}
