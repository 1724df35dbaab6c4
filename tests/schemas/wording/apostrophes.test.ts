import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../../support/processes.ts';

const COMMENTS = /\/\*[^]*?\*\/|^\s*\/\/.*$/gm;
/** Commands to type, where ’ is hard to type. */
const EXAMPLE = /--reason "/;

test('sentences that people read have the apostrophe ’, in every file that has them', () => {
  const files = globSync(['schemas/**/*.ts', 'service/{cli,pages}/**/*.ts'], { cwd: root });
  const wrong = files.flatMap((path) =>
    readFileSync(join(root, path), 'utf8')
      .replaceAll(COMMENTS, '')
      .split('\n')
      .filter((line) => /\p{L}'\p{L}/u.test(line) && !EXAMPLE.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
  expect(files.length).toBeGreaterThan(100);
  expect(wrong).toEqual([]);
});
