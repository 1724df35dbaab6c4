import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LONGEST, turnOf } from './longest-first.ts';
import { root } from './processes.ts';

test('every file that should start early exists, and all others come after', () => {
  expect(LONGEST.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  expect(LONGEST.map((file) => turnOf(join(root, file)))).toEqual([...LONGEST.keys()]);
  expect(turnOf(join(root, 'tests/rooms.test.ts'))).toBe(LONGEST.length);
});
