import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { durationText, spaceText, waitText } from '#schemas/wording/durations.ts';
import { root } from '../../support/processes.ts';

test.each([
  [0, 'less than a second'],
  [999, 'less than a second'],
  [1_000, '1 second'],
  [7_842, '7 seconds'],
  [119_999, '119 seconds'],
  [120_000, '2 minutes'],
  [7_199_999, '119 minutes'],
  [7_200_000, '2 hours'],
  [47 * 3_600_000, '47 hours'],
  [48 * 3_600_000, '2 days'],
  [4_000 * 86_400_000, '4,000 days'],
])('%i milliseconds are %s', (milliseconds, text) => {
  expect(durationText(milliseconds)).toBe(text);
});

test('no duration is shown in milliseconds, or as 0 of any unit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (milliseconds) => {
      expect(durationText(milliseconds)).toMatch(
        /^(less than a second|1 second|([2-9]|[1-9][0-9]|1[01][0-9]|[0-9,]+) (seconds|minutes|hours|days))$/,
      );
    }),
  );
});

test('nobody is told to wait less than it takes', () => {
  const cases = [1, 30, 119, 120, 121, 180, 3_600].map(waitText);
  expect(cases).toEqual([
    '1 second',
    '30 seconds',
    '119 seconds',
    '2 minutes',
    '3 minutes',
    '3 minutes',
    '60 minutes',
  ]);
});

test('no sentence gives a length of time as its number of milliseconds', () => {
  const found = globSync('schemas/wording/*.ts', { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/\$\{[\w.]*Ms\}/g)].map(
      ([value]) => `${file}: ${value}`,
    ),
  );
  expect(found).toEqual([]);
});

test('large amounts of disk space are shown in the larger unit', () => {
  expect([spaceText(10_239), spaceText(56_371)]).toEqual(['10239 MiB', '55 GiB']);
});
