import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pages = [...globSync('*.md', { cwd: root }), ...globSync('docs/**/*.md', { cwd: root })];
const read = (page: string): string => readFileSync(join(root, page), 'utf8');

test('every test that the documentation names as proof is there', () => {
  const missing: string[] = [];
  for (const page of pages) {
    // In a row of a table a name without its folder is one of the folder named before it.
    for (const line of read(page).split('\n')) {
      let folder = '';
      for (const [, name = ''] of line.matchAll(/`((?:tests\/)?[\w./-]+\.test\.ts)`/g)) {
        if (name.startsWith('tests/')) folder = dirname(name);
        const path = name.startsWith('tests/') ? name : join(folder, name);
        if (!existsSync(join(root, path))) missing.push(`${page}: ${path}`);
      }
    }
  }
  expect(missing).toEqual([]);
});

test('every page that the documentation refers to is there', () => {
  const missing: string[] = [];
  for (const page of pages) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)#\s]+)(?:#[^)\s]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      if (!existsSync(join(root, dirname(page), target))) missing.push(`${page}: ${target}`);
    }
  }
  expect(missing).toEqual([]);
});
