import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Done, Order } from './generator.ts';
import { root } from './processes.ts';

/** How many lookups there are for each that is for a child who is held. */
export const HELD_ONE_IN = 100;

/** Room enough for a whole order: its garbage collection would count as the time of the service. */
const GENERATOR_OPTIONS = ['--min-semi-space-size=128', '--max-semi-space-size=256'];

/**
 * Has a generator of its own process carry out an order.
 *
 * @param onStart called when its requests are made and before the first is sent
 */
export async function send(order: Order, onStart?: () => void): Promise<Done> {
  const generator = fork(join(root, 'bench', 'generator.ts'), { execArgv: GENERATOR_OPTIONS });
  generator.send(order);
  await once(generator, 'message');
  onStart?.();
  generator.send('go');
  const [done] = (await once(generator, 'message')) as [Done];
  await once(generator, 'exit');
  return done;
}
