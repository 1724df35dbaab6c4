import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below those from which systems give connections theirs: a port that a program is told, and takes only later or
 * once more after a restart, is not taken in between by a connection of another test.
 */
const FIRST = 12_000;
const END = 32_000;
const ATTEMPTS = 20;

/** A port of loopback that is free, for a program that has to be told one. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(FIRST, END);
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
