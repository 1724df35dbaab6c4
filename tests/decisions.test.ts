import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './support/processes.ts';

const folder = join(root, 'docs', 'decisions');
const pages = globSync('[0-9]*.md', { cwd: folder })
  .toSorted()
  .map((name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    const [, number = '', title = ''] = /^# (\d+)\. (.+)\n/.exec(text) ?? [];
    return { name, text, number: Number(number), title };
  });
const listed = [
  ...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(
    /^\| \[(\d+)\]\(([^)]+)\) \| (.+?)(?: \(replaced by (\d+)\))? \|$/gm,
  ),
].map(([, number, name, title, replacedBy]) => ({
  number: Number(number),
  name,
  title,
  replacedBy: replacedBy === undefined ? undefined : Number(replacedBy),
}));

test('decisions are numbered from 1 without gaps, in their names and titles', () => {
  expect(pages.map(({ number }) => number)).toEqual(pages.map((_, i) => i + 1));
  for (const { name, number } of pages) expect(Number(basename(name).slice(0, 4))).toBe(number);
});

test('the list has every decision with its title', () => {
  expect(listed.map(({ number, name, title }) => ({ number, name, title }))).toEqual(
    pages.map(({ number, name, title }) => ({ number, name, title })),
  );
});

test('a replaced decision names the one that replaced it, on its own page and in the list', () => {
  for (const { number, text } of pages) {
    const [, by] = /^Replaced by \[decision (\d+)\]/m.exec(text) ?? [];
    const replacedBy = by === undefined ? undefined : Number(by);
    expect(listed.find((each) => each.number === number)?.replacedBy).toBe(replacedBy);
    if (replacedBy !== undefined) {
      expect(pages.find((each) => each.number === replacedBy)?.text).toContain(
        `ecision ${number}](`,
      );
    }
  }
});

test('every decision has its context, the decision and what settled it', () => {
  for (const { name, text } of pages) {
    for (const part of ['Context', 'Decision', 'What settled it']) {
      expect(text, name).toContain(`**${part}.**`);
    }
  }
});
