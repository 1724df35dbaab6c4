import { setImmediate as immediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createShed } from '#service/lookup/shed.ts';

const AT_ONCE = 8;
const silent = { log: () => undefined };

/** A shed whose clock only goes on when told to. */
function startShed({ busy = false } = {}) {
  let now = 0;
  const shed = createShed({ busy: () => busy }, AT_ONCE, silent, () => now);
  /** A request that is answered at once, in turns of the event loop that take so long. */
  const turns = async (milliseconds: number): Promise<void> => {
    if (shed.enter()) shed.leave();
    now += milliseconds;
    await immediate();
    await immediate();
    await immediate();
  };
  const entered = (requests: number): number =>
    Array.from({ length: requests }, () => shed.enter()).filter(Boolean).length;
  return { shed, turns, entered };
}

test('of requests that arrive together no more are taken on than a process deals with at once', () => {
  const { shed, entered } = startShed();

  expect(entered(50)).toBe(AT_ONCE);
  shed.leave();
  expect(entered(50)).toBe(1);
});

test('a process whose turns are late takes on a quarter, and all again once they are not', async () => {
  const { shed, turns, entered } = startShed();

  await turns(1_000);
  expect(entered(50)).toBe(AT_ONCE / 4);

  shed.leave();
  for (let turn = 0; turn < 10; turn++) await turns(1);
  expect(entered(50)).toBe(AT_ONCE - 1);
});

test('one long turn, as of a process that has just started, makes it refuse nothing', async () => {
  const { turns, entered } = startShed();

  await turns(350);
  expect(entered(AT_ONCE)).toBe(AT_ONCE);
});

test('few requests are taken on however late a turn was', async () => {
  const { shed, turns } = startShed();

  await turns(60_000);
  expect(shed.enter()).toBe(true);
});

test('a process with too many lookups in the store takes on none', () => {
  expect(startShed({ busy: true }).entered(5)).toBe(0);
});
