import type { Command } from 'commander';
import type { Configuration } from '#schemas/configuration.ts';
import { DECISIONS, SINGLE_MODE_ENDS } from '#schemas/wording/operator-decisions.ts';
import type { HostPort } from '#store/connection/address.ts';
import { whenReady } from '#store/connection/connection.ts';
import { information } from '#store/connection/reply.ts';
import {
  namedReplicas,
  orderSingleMode,
  requireReplicas,
  setReplicaPriority,
} from '#store/trust/replica-orders.ts';
import { nameOf } from '#store/trust/replicas.ts';
import { Failure, misused } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { withNewestStore, withStore } from './store.ts';

const REDIS_ANSWERS_WITHIN_MS = 3_000;
const PRIORITY = 100;

function requireSetting({ REDIS_REPLICAS }: Configuration): void {
  if (REDIS_REPLICAS > 0) return;
  throw new Failure('REDIS_REPLICAS is not set: nothing waits for replicas.');
}

/** `cp-flags replicas single`: from now on nothing waits for replicas. */
export async function goSingle(configuration: Configuration, options: Named): Promise<void> {
  requireSetting(configuration);
  const named = readNamed(options);
  await withNewestStore(configuration, 'worker', async (_, anchor, __, redis) => {
    const alone = redis.connect('worker', { unacknowledged: true });
    await whenReady(alone, REDIS_ANSWERS_WITHIN_MS);
    if (!(await orderSingleMode(alone, anchor, configuration.REDIS_REPLICAS, named))) {
      throw new Failure('Single mode is ordered already: cp-flags status says since when.');
    }
    console.log(DECISIONS.replicas.order.done);
  });
}

/** `cp-flags replicas require`: replicas are waited for again. */
export async function endSingle(configuration: Configuration, options: Named): Promise<void> {
  requireSetting(configuration);
  const named = readNamed(options);
  await withStore(configuration, 'worker', async (_, __, connection) => {
    if (!(await requireReplicas(connection, named))) {
      throw new Failure(DECISIONS.replicas.end.already);
    }
    console.log(DECISIONS.replicas.end.done);
  });
}

function serverOf(text: string): HostPort {
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(text) ?? [];
  if (host === undefined)
    throw misused('Name the replica as HOST:PORT, as cp-flags replicas list does.');
  return { host, port: Number(port) };
}

/** `cp-flags replicas set-aside` and `put-back`: whether Sentinel may promote a replica. */
export async function setPromotable(
  configuration: Configuration,
  name: string,
  promotable: boolean,
  options: Named,
): Promise<void> {
  const named = readNamed(options);
  const server = serverOf(name);
  await withStore(configuration, 'admin', async (_, __, connection, redis) => {
    const replica = redis.connectTo('admin', server);
    try {
      await whenReady(replica, REDIS_ANSWERS_WITHIN_MS);
      const done = await setReplicaPriority(
        connection,
        replica,
        server,
        promotable ? PRIORITY : 0,
        named,
      );
      switch (done.kind) {
        case 'primary':
          throw new Failure(`${nameOf(server)} is no replica.`);
        case 'not-in-step':
          throw new Failure(
            `${nameOf(server)} is not in step with the primary yet. Wait until it is.`,
          );
        case 'changed':
          console.log(
            promotable
              ? `${nameOf(server)} may be promoted again.`
              : `${nameOf(server)} is not promoted any more. Restart it, then put it back.`,
          );
          if (!done.kept) {
            console.log(
              'Its configuration file could not be written: a restart brings back the replica-priority that is there.',
            );
          }
      }
    } finally {
      replica.disconnect();
    }
  });
}

/** `cp-flags replicas list`: the replicas attached to the primary. */
export async function listReplicas(configuration: Configuration): Promise<void> {
  await withStore(configuration, 'worker', async (_, __, connection, { sentinels }) => {
    const attached = namedReplicas(information(await connection.info('replication')), sentinels);
    for (const { name, priority } of attached) {
      console.log(
        `${name}: attached${priority === undefined ? '' : `, replica-priority ${priority}`}`,
      );
    }
    console.log(`${attached.length} attached, ${configuration.REDIS_REPLICAS} required.`);
  });
}

export function addReplicasCommands(program: Command, configuration: () => Configuration): void {
  const replicas = program
    .command('replicas')
    .description('The replicas that answers wait for, if REDIS_REPLICAS is set.');
  const named = (command: Command): Command =>
    command
      .requiredOption('--by <name>', 'who decides; goes into the audit')
      .requiredOption('--reason <text>', 'why; goes into the audit');
  replicas
    .command('list')
    .description('List the replicas that are attached.')
    .addHelpText('after', '\nExample:\n  cp-flags replicas list\n')
    .action(() => listReplicas(configuration()));
  named(
    replicas
      .command('single')
      .description(
        'Continue without replicas: the event of every answer is then on one disk only.',
      ),
  )
    .addHelpText(
      'after',
      `
Run it with the settings and the data folder of the worker. If a replica is promoted meanwhile, it answers nothing until
you run cp-flags confirm promotion.

${SINGLE_MODE_ENDS.replace('. ', '.\n')}

Example:
  cp-flags replicas single --by "A. Example" --reason "the replica's machine is away for two days, change 1234"
`,
    )
    .action((options: Named) => goSingle(configuration(), options));
  named(replicas.command('require').description('Wait for replicas again, after single mode.'))
    .addHelpText(
      'after',
      `
Example:
  cp-flags replicas require --by "A. Example" --reason "the replica is back, change 1234"
`,
    )
    .action((options: Named) => endSingle(configuration(), options));
  const restarting = `
With the rights of Redis’s administrator. The replica-priority of that server is written into its own file.

Example:
  cp-flags replicas `;
  named(
    replicas
      .command('set-aside')
      .description('Keep a replica from being promoted, before you restart it.')
      .argument('<host:port>', 'as cp-flags replicas list names it'),
  )
    .addHelpText(
      'after',
      `${restarting}set-aside 10.0.0.2:6379 --by "A. Example" --reason "updates"\n`,
    )
    .action((server: string, options: Named) =>
      setPromotable(configuration(), server, false, options),
    );
  named(
    replicas
      .command('put-back')
      .description('Let a replica be promoted again, once it has caught up.')
      .argument('<host:port>', 'as cp-flags replicas list names it'),
  )
    .addHelpText(
      'after',
      `${restarting}put-back 10.0.0.2:6379 --by "A. Example" --reason "updated"\n`,
    )
    .action((server: string, options: Named) =>
      setPromotable(configuration(), server, true, options),
    );
}
