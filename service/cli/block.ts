import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { Configuration } from '#schemas/configuration.ts';
import { issuerNameSchema, userSchema } from '#schemas/people/identity.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import { type BlockOrder, type Blocks, createBlocks } from '#store/blocks.ts';
import {
  BLOCK_EVENTS_AT_MOST,
  BLOCK_REPORT,
  type KnownUser,
  knownUser,
} from '../audit/search/known-user.ts';
import { NoIndex, searchAudit } from '../audit/search/search.ts';
import { lookInto } from './audit-index.ts';
import { Failure } from './failure.ts';
import { type Named, readNamed, readOption } from './named.ts';
import { withStore } from './store.ts';

type BlockOptions = Named & { issuer: string };

async function withBlocks<T>(
  configuration: Configuration,
  work: (blocks: Blocks) => Promise<T>,
): Promise<T> {
  return withStore(configuration, 'loader', async (store, _, connection) => {
    return work(createBlocks(connection, store));
  });
}

function readBlock(user: string, options: BlockOptions): BlockOrder {
  return {
    // As in tokens: a block of anything else would stop nobody.
    issuer: readOption('--issuer', issuerNameSchema, options.issuer),
    user: readOption('USER', userSchema, user),
    ...readNamed(options),
  };
}

/** Printed once somebody has been blocked: no finding prevents the block. */
const FOUND: Record<KnownUser, string | undefined> = {
  known: undefined,
  unknown:
    'The audit has no request by this user. Check the user id and the issuer: cp-flags audit search --user USER shows them as tokens have them.',
  watches:
    'This user has searched the audit, so may be a privacy officer or Caldicott Guardian. Tell your own Guardian now. To undo the block: cp-flags unblock.',
  'not-told':
    'The audit cannot be searched here, so it is not known whether this user is in it. Check the user id and the issuer.',
};

/** Searches the audit for somebody who was blocked. The search is recorded. */
async function lookForUser(
  configuration: Configuration,
  { issuer, user, by, reason, account }: BlockOrder,
): Promise<string | undefined> {
  try {
    const { result } = await lookInto(
      configuration,
      (places) =>
        knownUser(
          async (criteria) =>
            searchAudit(
              places,
              criteria,
              { kind: 'all' },
              { limit: BLOCK_EVENTS_AT_MOST },
            ).events.map(({ shown }) => shown),
          { issuer, user },
        ),
      () => ({
        type: 'audit-search',
        auditId: randomUUID(),
        by,
        reason,
        ...(account !== undefined && { account }),
        report: BLOCK_REPORT,
        view: 'all',
        criteria: { user },
        eventsShown: 0,
      }),
    );
    return FOUND[result];
  } catch (error) {
    if (!(error instanceof Failure || error instanceof NoIndex)) throw error;
    return FOUND['not-told'];
  }
}

/** `cp-flags block`: no token of this user counts any more, within seconds. */
export async function block(
  configuration: Configuration,
  user: string,
  options: BlockOptions,
): Promise<void> {
  const wanted = readBlock(user, options);
  const done = await withBlocks(configuration, (blocks) => blocks.block(wanted));
  console.log(
    done
      ? `${user} of ${options.issuer} is blocked. It takes effect within two seconds.`
      : `${user} of ${options.issuer} was already blocked.`,
  );
  // Afterwards, so that the search does not delay the block.
  const doubt = done ? await lookForUser(configuration, wanted) : undefined;
  if (doubt !== undefined) console.error(doubt);
}

/** `cp-flags unblock`. */
export async function unblock(
  configuration: Configuration,
  user: string,
  options: BlockOptions,
): Promise<void> {
  const wanted = readBlock(user, options);
  const done = await withBlocks(configuration, (blocks) => blocks.unblock(wanted));
  const whom = `${user} of ${options.issuer}`;
  if (done === 'blocked-again') {
    throw new Failure(
      `Somebody has blocked ${whom} again meanwhile, so the user remains blocked. cp-flags blocked says by whom and why.`,
    );
  }
  console.log(`${whom} is ${done === 'unblocked' ? 'no longer' : 'not'} blocked.`);
}

/** `cp-flags blocked`: who is blocked, since when, by whom and why. */
async function blocked(
  configuration: Configuration,
  { json = false }: { json?: boolean },
): Promise<void> {
  const all = await withBlocks(configuration, (blocks) => blocks.list());
  if (json) console.log(JSON.stringify(all, null, 2));
  else if (all.length === 0) console.log('Nobody is blocked.');
  for (const { user, issuer, at, by, reason } of json ? [] : all) {
    console.log(`${user} of ${issuer}, since ${zonedTimeText(at)}, by ${by}: ${reason}`);
  }
}

export function addBlockCommands(program: Command, configuration: () => Configuration): void {
  program
    .command('block')
    .description('Block a user. Within seconds none of their tokens is accepted.')
    .argument('<user>', 'the user id, as the audit has it')
    .requiredOption('--issuer <issuer>', 'the issuer of the user’s tokens')
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
A blocked user is told that somebody else must check the patient. Alerts about users who try numbers out
never block anybody. To see who is blocked: cp-flags blocked. To undo it: cp-flags unblock.

Example:
  cp-flags block 555021935107 --issuer https://id.example --by "C. Guardian" --reason "Card reported stolen"
`,
    )
    .action((user: string, options: BlockOptions) => block(configuration(), user, options));

  program
    .command('unblock')
    .description('Let a blocked user in again.')
    .argument('<user>', 'the user id')
    .requiredOption('--issuer <issuer>', 'the issuer of the user’s tokens')
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
Example:
  cp-flags unblock 555021935107 --issuer https://id.example --by "C. Guardian" --reason "New card"
`,
    )
    .action((user: string, options: BlockOptions) => unblock(configuration(), user, options));

  program
    .command('blocked')
    .description('Show which users are blocked, since when, by whom and why.')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `
Example:
  cp-flags blocked
`,
    )
    .action((options: { json?: boolean }) => blocked(configuration(), options));
}
