import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { NOT_COVERED } from '#schemas/wording/lookup.ts';
import { SINGLE_MODE_ENDS } from '#schemas/wording/operator-decisions.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pages = ['*.md', 'docs/**/*.md', 'bench/*.md'].flatMap((pattern) =>
  globSync(pattern, { cwd: root }),
);
const read = (page: string): string => readFileSync(join(root, page), 'utf8');

const NAMED =
  /`((?:(?:schemas|store|loaders|service|bench|tests|docs)\/[\w./-]+|[\w-]+(?:\.test)?)\.(?:ts|lua))`/g;

test('every code file that the documentation names exists, and so does every test cited as proof', () => {
  const missing: string[] = [];
  // The changelog also names files of earlier versions.
  for (const page of pages.filter((each) => each !== 'CHANGELOG.md')) {
    // Within a line, a name without a folder belongs to the folder named before it.
    for (const line of read(page).split('\n')) {
      let folder = '';
      for (const [, name = ''] of line.matchAll(NAMED)) {
        if (name.includes('/')) folder = dirname(name);
        const path = name.includes('/') ? name : join(folder, name);
        if (!existsSync(join(root, path))) missing.push(`${page}: ${path}`);
      }
    }
  }
  expect(missing).toEqual([]);
});

/** A heading's anchor, named as on GitHub. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');

/** The anchors of a page: those of its headings. */
function anchorsOf(page: string): Set<string> {
  const headings = read(page)
    .replaceAll(/^```[^]*?^```/gm, '')
    .matchAll(/^#{1,6} (.+)$/gm);
  const anchors = new Set<string>();
  for (const [, heading = ''] of headings) {
    const anchor = anchorOf(heading);
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

test('every page and heading that the documentation links to exists', () => {
  const missing: string[] = [];
  for (const page of pages) {
    const links = read(page).matchAll(/\]\(([^)#\s]*)(?:#([^)\s]*))?\)/g);
    for (const [, path = '', anchor] of links) {
      if (/^[a-z]+:/.test(path)) continue;
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(root, target))) missing.push(`${page}: ${path}`);
      else if (anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor)) {
        missing.push(`${page}: ${path}#${anchor}`);
      }
    }
  }
  expect(missing).toEqual([]);
});

test('a link whose words are a heading of the page it leads to leads to that heading', () => {
  const elsewhere = pages.flatMap((page) =>
    [...read(page).matchAll(/\[([^\]]+)\]\(([^)#\s]*\.md)?#([^)\s]*)\)/g)].flatMap(
      ([link, words = '', path = '', anchor]) => {
        const target = path === '' ? page : join(dirname(page), path);
        // The first is the page's title.
        const [, ...headings] = anchorsOf(target);
        const named = anchorOf(words);
        return headings.includes(named) && named !== anchor ? [`${page}: ${link}`] : [];
      },
    ),
  );
  expect(elsewhere).toEqual([]);
});

test('the pages say when single mode ends in the words of the program', () => {
  for (const page of ['docs/operating/alerts.md', 'docs/topologies.md']) {
    // A page has code and titles in other marks.
    expect(read(page).replaceAll(/[`*]/g, ''), page).toContain(
      SINGLE_MODE_ENDS.replaceAll(/[“”]/g, ''),
    );
  }
});

test('what no answer covers is the same in the guide for clinicians as in answers', () => {
  const page = read('docs/clinicians.md');
  const part = /^## What a negative does not cover$([^]*?)^## /m.exec(page)?.[1] ?? '';
  const listed = [...part.matchAll(/^- (.)(.*)\.$/gm)].map(
    ([, first = '', rest = '']) => `${first.toLowerCase()}${rest}`,
  );
  // Which councils an answer covers is another sentence of it.
  expect(listed).toEqual([...NOT_COVERED, 'children of councils that the answer does not cover']);
});

/** The parts of a page: each heading of the second level, with those below it, as anchors. */
function partsOf(page: string): string[][] {
  const parts: string[][] = [];
  const headings = read(page)
    .replaceAll(/^```[^]*?^```/gm, '')
    .matchAll(/^(##|###) (.+)$/gm);
  for (const [, level, heading = ''] of headings) {
    const anchor = anchorOf(heading);
    if (level === '##') parts.push([anchor]);
    else parts.at(-1)?.push(anchor);
  }
  return parts;
}

/** About three screens, in characters. On a shorter page the headings are soon seen. */
const LONG = 9000;

test('every part of a long page can be reached from the head of that page', () => {
  const long = pages.filter(
    (page) => /^docs\/(?!decisions)/.test(page) && read(page).length > LONG,
  );
  expect(long.length).toBeGreaterThan(15);
  const hidden = long.flatMap((page) => {
    const [head = ''] = read(page).split('\n## ');
    const links = new Set([...head.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = '']) => anchor));
    return partsOf(page)
      .filter((anchors) => !anchors.some((anchor) => links.has(anchor)))
      .map(([anchor = '']) => `${page}#${anchor}`);
  });
  expect(hidden).toEqual([]);
});

test('every page can be reached from the README', () => {
  const reached = new Set(['README.md']);
  for (const page of reached) {
    for (const [, path = ''] of read(page).matchAll(/\]\(([^)#\s]+\.md)(?:#[^)\s]*)?\)/g)) {
      const target = join(dirname(page), path);
      if (!/^[a-z]+:/.test(path) && existsSync(join(root, target))) reached.add(target);
    }
  }
  expect(pages.filter((page) => !reached.has(page))).toEqual([]);
});

const OF_PEOPLE = /\.(?:csv|xml)$/;

/** Files that examples name without a folder: by a suffix, as the value of a member, or as an older checkpoint. */
const filesIn = (text: string): string[] =>
  [
    ...text.matchAll(
      /(?<![\w./@:-])([\w-]+(?:\.[\w-]+)*\.(?:conf|csv|db|env|json|pem|tlog-proof|txt|xml|ya?ml))(?![\w./@(])/g,
    ),
    ...text.matchAll(/(?:File": "|--checkpoint )([\w-]+)(?=["\s])/g),
  ].flatMap(([, name = '']) => (OF_PEOPLE.test(name) ? [name, `${name}.gz`] : [name]));

test('git ignores what the pages have people make in the repository’s folder: secrets, NHS numbers, rehearsals', () => {
  const made = new Set<string>();
  for (const page of pages) {
    // Its commands are typed in the folder that the first of them makes.
    const folder = page.endsWith('/two-rooms.md') ? 'two-rooms' : '';
    for (const [, block = ''] of read(page).matchAll(/^ *```sh\n([^]*?)^ *```/gm)) {
      const named = block.matchAll(
        /(?:> ?|--?out |--ack |-m venv |DATA_DIR=|mkdir -p |-o (?=\S+\.csv))([\w.][\w./ -]*)/g,
      );
      for (const [whole, names = ''] of named) {
        const all = names.trim().split(/ +/);
        // Below a folder, because a rule for folders does not apply to a name that is not there.
        for (const name of whole.startsWith('mkdir') ? all : all.slice(0, 1)) {
          made.add(join(folder, name, 'below'));
        }
      }
    }
    for (const [, block = ''] of read(page).matchAll(/^ *```(?:sh|json)\n([^]*?)^ *```/gm)) {
      for (const name of filesIn(block)) made.add(join(folder, name));
    }
  }
  const help = globSync('service/cli/*.ts', { cwd: root }).flatMap(
    (path) => read(path).match(/^ +cp-flags .*/gm) ?? [],
  );
  for (const name of filesIn(help.join('\n'))) made.add(name);
  const tracked = execFileSync('git', ['-C', root, 'ls-files'], { encoding: 'utf8' });
  for (const path of tracked.split('\n')) made.delete(path);
  const ignored = execFileSync('git', ['-C', root, 'check-ignore', '--no-index', ...made], {
    encoding: 'utf8',
  });
  expect([...made].filter((path) => !ignored.split('\n').includes(path))).toEqual([]);
});
