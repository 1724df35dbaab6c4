import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const MIB = 1_048_576;
const YOUNG_SPACE = new URL('../../../service/start/young-space.ts', import.meta.url).href;

/**
 * The space for new objects in a process that makes as many of them as 1,000 lookups a second do, and keeps some alive
 * for a while. It is read once the rate of lookups has been worked out twice and the space is large enough. On a busy
 * machine objects are made more slowly, so that takes longer.
 *
 * @param perSecond the rate of lookups that the process is told
 * @param enough how large the space has to become, if the rate has not been worked out nineteen times by then
 */
async function spaceAfterLookups(perSecond: number, enough: number): Promise<number> {
  const program = `
    import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
    setFlagsFromString('--semi-space-growth-factor=1');
    const { limitYoungSpace } = await import(${JSON.stringify(YOUNG_SPACE)});
    const began = performance.now();
    let asked = 0;
    limitYoungSpace(() => {
      asked++;
      return ((performance.now() - began) * ${perSecond}) / 1_000;
    });
    const size = () =>
      getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size;
    const held = Array.from({ length: 40_000 });
    let next = 0;
    for (let turn = 0; asked < 3 || (asked < 20 && size() <= ${enough}); turn++) {
      for (let i = 0; i < 8_000; i++) held[next++ % held.length] = { turn, text: [i, 'x' + next] };
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    console.log(size());`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '--eval',
    program,
  ]);
  return Number(stdout);
}

test('a lookup process takes little memory for new objects at an ordinary rate, and what it needs at a high one', async () => {
  const [ordinary, high] = await Promise.all([
    spaceAfterLookups(1_000, 4 * MIB),
    spaceAfterLookups(5_000, 16 * MIB),
  ]);
  expect(ordinary).toBeLessThanOrEqual(16 * MIB);
  expect(ordinary).toBeGreaterThan(4 * MIB);
  expect(high).toBeGreaterThan(16 * MIB);
});
