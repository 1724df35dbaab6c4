import { setImmediate as immediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createOverload } from '#service/lookup/overload.ts';

const AT_ONCE = 8;
const silent = { log: () => undefined };

/** An overload rule whose clock moves only when told to. */
function startOverload() {
  let now = 0;
  let inStore = 0;
  const isOverloaded = createOverload({ underWay: () => inStore }, AT_ONCE, silent, () => now);
  const takenOn = (requests: number): number =>
    Array.from({ length: requests }, () => isOverloaded()).filter((refused) => !refused).length;
  /** Turns of the event loop that take this long each, with one request in each. */
  async function turns(milliseconds: number, count = 1): Promise<void> {
    for (let turn = 0; turn < count; turn++) {
      isOverloaded();
      now += milliseconds;
      await immediate();
      await immediate();
      await immediate();
    }
  }
  return {
    takenOn,
    turns,
    holdInStore: (lookups: number) => void (inStore = lookups),
    wait: (milliseconds: number) => void (now += milliseconds),
  };
}

test('a process takes on no more requests at a time than it can work on at once', () => {
  expect(startOverload().takenOn(50)).toBe(AT_ONCE);
});

test('requests in the store count, and those waiting elsewhere do not', async () => {
  const { takenOn, turns, holdInStore } = startOverload();

  expect(takenOn(50)).toBe(AT_ONCE);
  holdInStore(3);
  await turns(1);
  expect(takenOn(50)).toBe(AT_ONCE - 3);
});

test('a process whose turns are late takes on an eighth, and all again once they are not late', async () => {
  const { takenOn, turns } = startOverload();

  await turns(150, 10);
  expect(takenOn(50)).toBe(AT_ONCE / 8);

  await turns(1, 10);
  expect(takenOn(50)).toBe(AT_ONCE);
});

test.each([350, 5_000, 60_000])(
  'a single long turn of %d ms refuses nothing',
  async (milliseconds) => {
    const { takenOn, turns } = startOverload();

    await turns(milliseconds);
    expect(takenOn(AT_ONCE)).toBe(AT_ONCE);
  },
);

test('late turns are forgotten after a second without requests', async () => {
  const { takenOn, turns, wait } = startOverload();

  await turns(150, 10);
  wait(1_001);
  expect(takenOn(AT_ONCE)).toBe(AT_ONCE);
});

test('a process whose turns are late takes on the few that it can', async () => {
  const { takenOn, turns } = startOverload();

  await turns(60_000, 20);
  expect(takenOn(1)).toBe(1);
});
