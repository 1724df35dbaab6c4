import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below those from which systems give connections theirs: a port given to a program, which takes it later or
 * again after a restart, is not taken meanwhile by a connection of another test.
 */
const FIRST = 12_000;
const END = 32_000;
/** Each process of a run of tests has ports of its own, and gives none twice: no other test is told the same one. */
const PROCESSES = 10;
const OWN = (END - FIRST) / PROCESSES;
const OWN_FIRST = FIRST + (Number(process.env['VITEST_POOL_ID'] ?? 0) % PROCESSES) * OWN;
const ATTEMPTS = 20;

/** Anywhere among its own, since other tests may run on this machine. */
let given = randomInt(OWN);

/** A free port of loopback, for a program that must be told one. */
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
