import { afterAll, beforeAll, expect, test } from 'vitest';
import { orderOneCopy, readCopyOrder, requireTwoCopies } from '#store/audit-stream/copy-orders.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { orderSingleMode, replicasNow, requireReplicas } from '#store/trust/replica-orders.ts';
import { holdReplies } from '../support/held-replies.ts';
import { startTestStore, type TestStore, until } from '../support/test-store.ts';

type Redis = Awaited<ReturnType<TestStore['connect']>>;

const NAMED = { by: 'A. Example', reason: 'test' };

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
});
afterAll(() => t?.stop());

const ORDERS = {
  'single-mode': {
    give: (redis: Redis) => orderSingleMode(redis, t.anchor, 1, NAMED),
    end: (redis: Redis) => requireReplicas(redis, NAMED),
    isInForce: async (redis: Redis) => (await replicasNow(redis)).isSingle,
  },
  'one-copy': {
    give: (redis: Redis) => orderOneCopy(redis, NAMED),
    end: (redis: Redis) => requireTwoCopies(redis, NAMED),
    isInForce: async (redis: Redis) => (await readCopyOrder(redis)).kind === 'single',
  },
};

test.for(Object.entries(ORDERS))(
  'an order that is given while an earlier one is ended has its own end on record after it: %s',
  async ([name, { give, end, isInForce }]) => {
    const redis = await t.connect('worker');
    const { redis: slow, held } = holdReplies(
      await t.connect('worker'),
      (command, [called]) => command === 'fcall' && called === FUNCTIONS.appendEvent,
    );
    await give(redis);
    const ended = end(slow);
    await until(() => held.length > 0, 'the end to be on record');
    expect(await end(redis)).toBe(true);
    expect(await give(redis)).toBe(true);
    held[0]?.release();
    await until(() => held.length > 0, 'the end of the other order to be on record');
    held[0]?.release();
    expect(await ended).toBe(true);
    expect(await isInForce(redis)).toBe(false);
    const acts = (await t.adminStore.readEvents('system')).map(({ type }) => type);
    expect(acts.findLast((type) => type.startsWith(name))).toBe(`${name}-ended`);
  },
);
