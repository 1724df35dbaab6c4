import { afterEach, expect, test } from 'vitest';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import { DATASET } from '#schemas/wording/store.ts';
import { readDataset } from '#store/authorities/dataset.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { createDataset } from '#store/trust/create-dataset.ts';
import { endingAt } from '../../support/cut-short.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

const ods = (code: string): OdsCode => odsCodeSchema.parse(code);
const EXPECTED: ExpectedAuthorities = {
  area: 'Testshire',
  kind: 'pilot',
  authorities: [{ code: ods('V101'), name: 'Test Council' }],
};

let t: TestStore;
afterEach(() => t?.stop());

/** The steps of a creation, and how its process ends just before each. */
const CUTS = {
  'the dataset is in Redis': () => ({ redis: endingBefore('hset'), anchor: t.anchor }),
  'its event is recorded': () => ({ redis: endingBefore('fcall'), anchor: t.anchor }),
  'the anchor has it': () => ({ redis: t.admin, anchor: endingAt(t, 'commitDataset').anchor }),
};

/** A connection of a process that ends before this command; `fcall` stands for the event. */
function endingBefore(command: string): TestStore['admin'] {
  return new Proxy(t.admin, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        const isEnd = name === command && (name !== 'fcall' || args[0] === FUNCTIONS.appendEvent);
        if (isEnd) return Promise.reject(new Error('the process ended here'));
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
}

test.for(Object.entries(CUTS))(
  'a dataset whose creation was cut short before %s is created by doing it again, under the same id',
  async ([, cut]) => {
    t = await startTestStore();
    const { redis, anchor } = cut();
    await expect(createDataset(redis, anchor, 'live', 'test', EXPECTED)).rejects.toThrow(
      'the process ended here',
    );
    const begun = t.anchor.creating();
    expect(t.anchor.dataset()).toBeUndefined();
    // An empty Redis is asked for if it is not this service's own.
    const held = await readDataset(t.admin);
    expect(held !== undefined || (await t.adminStore.isEmpty())).toBe(true);
    const verifier = await t.keep();
    await verifier.look();
    expect(verifier.state).toMatchObject({
      opened: false,
      detail:
        held === undefined
          ? (expect.stringContaining('cp-flags init') as string)
          : DATASET.cutShort,
    });

    // What was asked for first does not count.
    const created = await t.adminStore.createDataset('demo', 'test');
    expect(created).toMatchObject({ id: begun, kind: 'demo' });
    expect(await readDataset(t.admin)).toMatchObject({ dataset: created, expected: undefined });
    expect(t.anchor.dataset()).toEqual(created);
    await until(() => verifier.state.opened, 'the store to open');
    expect((await t.adminStore.readEvents('system')).map(({ type }) => type)).toContain(
      'dataset-created',
    );
    await expect(t.adminStore.createDataset('demo', 'test')).rejects.toThrow(DATASET.exists);
  },
);

test('a dataset that another data folder is creating is not created from here', async () => {
  t = await startTestStore();
  const cut = endingAt(t, 'commitDataset').anchor;
  await expect(createDataset(t.admin, cut, 'demo', 'test')).rejects.toThrow('ended here');
  const other = Anchor.open(`${t.dataDir}/other-anchor`);
  try {
    await expect(createDataset(t.admin, other, 'demo', 'test')).rejects.toThrow(DATASET.exists);
    expect(await t.adminStore.isEmpty()).toBe(false);
  } finally {
    other.close();
  }
});
