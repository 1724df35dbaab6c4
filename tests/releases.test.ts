import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseIsoDate } from '#schemas/calendar.ts';
import packageJson from '../package.json' with { type: 'json' };
import { root } from './support/processes.ts';

const headings = [
  ...readFileSync(join(root, 'CHANGELOG.md'), 'utf8').matchAll(/^## \[([^\]]+)\](.*)$/gm),
].map(([, name = '', rest = '']) => ({ name, date: rest.replace(/^ - /, '') }));

test('the changelog lists unreleased changes, then each version with its date, newest first', () => {
  const [unreleased, ...versions] = headings;
  expect(unreleased).toEqual({ name: 'Unreleased', date: '' });
  expect(versions.length).toBeGreaterThan(0);
  for (const { name, date } of versions) {
    expect(name).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+$/);
    expect(parseIsoDate(date), name).toBeDefined();
  }
  const dates = versions.map(({ date }) => date);
  expect(dates).toEqual(dates.toSorted().toReversed());
});

test('the package has the newest version in the changelog', () => {
  expect(headings[1]?.name).toBe(packageJson.version);
});
