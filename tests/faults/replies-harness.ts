import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { draws } from '#loaders/synthetic/random.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import { type NhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { keys } from '#store/keys.ts';
import { createLookupStore, type LookupResult } from '#store/lookup.ts';
import { publishDurability } from '#store/trust/durability.ts';
import { watchStore } from '#store/trust/readiness.ts';
import { holdReplies } from '../support/held-replies.ts';
import { AUTHORITY, testNumber, testRow } from '../support/rows.ts';
import { startTestStore, WAIT_MS } from '../support/test-store.ts';

/**
 * Makes lookups in one partition and polls of readiness while rows are loaded, and reads their replies in an order
 * drawn from a seed. In every third round, in which replies are read in the order of a connection, audit events are
 * removed. From then on nothing may be answered.
 */

type ReplyFaultOptions = { seed: number; points: number; say?: (line: string) => void };

const NOT_IN_DIRECTORY = odsCodeSchema.parse('ZZ199');
const ENTRY = JSON.stringify({
  name: 'A Nurse',
  role: 'Nurse',
  organisation: { code: 'ZZX', name: 'Test Hospital' },
});
const CALLS_AT_MOST = 6;
const LOOKUPS_AT_MOST = 3;
const LOSS_EVERY = 3;

function childrenOf(partition: number, count: number): NhsNumber[] {
  const found: NhsNumber[] = [];
  for (let n = 0; found.length < count; n++) {
    const number = testNumber(n);
    if (partitionOf(number) === partition && !found.includes(number)) found.push(number);
  }
  return found;
}

/** What is wrong in the end. Empty if all is well. */
export async function runReplyFaults(options: ReplyFaultOptions): Promise<string[]> {
  const { seed, points, say = () => undefined } = options;
  const draw = draws(seed);
  const below = (bound: number): number => Math.floor(draw() * bound);
  const store = await startTestStore();
  const wrong: string[] = [];
  const ending: (() => Promise<void>)[] = [];
  try {
    await store.adminStore.createDataset('demo', 'test');
    const runId = /^run_id:([0-9a-f]+)/m.exec(await store.admin.info('server'))?.[1] ?? '';
    // Reported by hand, because a worker would close the store itself if events were removed.
    const durability = publishDurability(store.admin, () => store.anchor.dataset()?.id);
    ending.push(() => durability.stop());
    await durability.publish();
    await store.admin.set(keys.open, runId);
    const details = { name: 'Test Council', emergencyDutyTeamPhone: '02079460199' };
    await store.store.setAuthority(AUTHORITY, details, 'test');
    const lock = await store.store.lockAuthority(AUTHORITY);
    const other = await store.store.lockAuthority(NOT_IN_DIRECTORY);
    if (lock === undefined || other === undefined) throw new Error('an authority is locked');
    const loader = lock;
    const partition = partitionOf(testNumber(1));
    const numbers = childrenOf(partition, 9);
    const [held, newlyAdded] = [numbers.slice(0, 4), numbers.slice(4, 6)];
    const stream = keys.audit(partition);
    await store.store.applyRows(
      lock,
      held.map((number) => testRow(number)),
    );
    await store.store.applyRows(
      other,
      newlyAdded.map((number) => testRow(number, { authority: NOT_IN_DIRECTORY })),
    );
    const connection = await store.connect('lookup');
    let sequence = 1;

    async function round(point: number): Promise<{ answered: number; refused: number }> {
      let holding = false;
      const replies = holdReplies(
        connection,
        (command, [name]) =>
          holding &&
          command === 'fcall' &&
          (name === FUNCTIONS.lookup || name === FUNCTIONS.stamps),
      );
      const readiness = watchStore(replies.redis);
      const lookups = createLookupStore(replies.redis, readiness);
      if (!(await readiness.whenOpen(WAIT_MS))) throw new Error('the store did not open');
      await loader.renew();
      const loses = point % LOSS_EVERY === LOSS_EVERY - 1;
      const lossAt = loses ? 1 + below(CALLS_AT_MOST - 2) : CALLS_AT_MOST;
      const results: Promise<{ call: number; result: LookupResult }>[] = [];
      const polls: Promise<void>[] = [];
      const look = (call: number, number: NhsNumber): void => {
        const asked = {
          nhsNumber: number,
          auditId: randomUUID(),
          event: '{}',
          access: 'unscheduled' as const,
          showAccesses: true,
          userKey: `user-${below(3)}`,
          accessEntry: ENTRY,
          negativesAllowed: true,
        };
        results.push(lookups.lookup(asked).then((result) => ({ call, result })));
      };
      // The first reply after the loss shows that events were removed, and a connection delivers that one first.
      const release = (): void => replies.held[loses ? 0 : below(replies.held.length)]?.release();

      // These lookups are answered before anything is lost.
      for (let i = 0; i < 5; i++) look(-1, numbers[i % numbers.length] ?? testNumber(1));
      await Promise.all(results);
      const before = loses ? await store.admin.dumpBuffer(stream) : undefined;
      if (loses) {
        look(-1, numbers[0] ?? testNumber(1));
        await Promise.all(results);
      }
      holding = true;
      for (let call = 0; call < CALLS_AT_MOST; call++) {
        if (call === lossAt && before !== undefined) {
          if (below(2) === 0) await store.admin.del(stream);
          else await store.admin.restore(stream, 0, before, 'REPLACE');
        }
        for (let i = 0; i <= below(LOOKUPS_AT_MOST); i++) {
          look(call, numbers[below(numbers.length)] ?? testNumber(1));
        }
        if (below(3) === 0) {
          const changed = testRow(held[0] ?? testNumber(1), { sequence: ++sequence });
          await store.store.applyRows(loader, [{ ...changed, localId: `LA-${sequence}` }]);
        }
        if (below(3) === 0) polls.push(readiness.refresh());
        await turn();
        await turn();
        if (below(2) === 0) release();
      }
      let done = false;
      const all = Promise.all([...results, ...polls]).finally(() => (done = true));
      while (!done) {
        release();
        await turn();
      }
      await all;
      holding = false;
      const told = readiness.checks().filter(({ ok, advisory }) => !ok && advisory !== true);
      const each = await Promise.all(results);
      for (const { call, result } of each) {
        const answer = result.kind !== 'could-not-check';
        // On a busy machine readiness may be lost because a poll came late, which is not a fault of the order.
        const excused = !answer && (result.cause === 'closed' || result.cause === 'store');
        if (call < lossAt && !answer && !excused && !loses) {
          wrong.push(`round ${point}: call ${call} was refused (${result.cause})`);
        }
        if (loses && call >= lossAt && answer) {
          wrong.push(`round ${point}: call ${call} was answered after events were taken away`);
        }
      }
      const missing = told.some(({ detail }) => detail.startsWith('Audit events'));
      if (missing !== loses) {
        wrong.push(`round ${point}: events are ${missing ? '' : 'not '}said to be missing`);
      }
      if (told.some(({ name }) => name === 'whole')) {
        wrong.push(`round ${point}: a partition was said not to be whole`);
      }
      await readiness.stop();
      const answered = each.filter(({ result }) => result.kind !== 'could-not-check').length;
      return { answered, refused: each.length - answered };
    }

    let answers = 0;
    for (let point = 0; point < points; point++) {
      const { answered, refused } = await round(point);
      answers += answered;
      say(`${point}: ${answered} answered, ${refused} not`);
    }
    if (answers === 0) wrong.push('nothing was answered');
  } finally {
    for (const end of ending) await end();
    await store.stop();
  }
  return wrong;
}
