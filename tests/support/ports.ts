import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * These are below the ports that systems give to outgoing connections. A program takes its port later, or again after a
 * restart, and meanwhile no other test's connection can have it.
 */
const FIRST = 12_000;
const END = 32_000;
/** Each process of a test run has its own ports and gives none out twice, so no two tests are told the same port. */
const PROCESSES = 10;
const OWN = (END - FIRST) / PROCESSES;
const OWN_FIRST = FIRST + (Number(process.env['VITEST_POOL_ID'] ?? 0) % PROCESSES) * OWN;
const ATTEMPTS = 20;

/** Starts anywhere among its own ports, since other test runs may use this machine. */
let given = randomInt(OWN);

/** A free port on loopback, for a program that has to be told one. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    given = (given + 1) % OWN;
    const port = OWN_FIRST + given;
    const probe = createServer().listen(port, '127.0.0.1');
    try {
      await once(probe, 'listening');
    } catch {
      continue;
    }
    probe.close();
    await once(probe, 'close');
    return port;
  }
  throw new Error('no port is free');
}
