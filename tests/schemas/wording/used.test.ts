import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../../support/processes.ts';

const IMPORTS = /^import [^;]*;$/gm;
const OBJECT = /^(?:export )?const ([A-Z_]+)\b.* = \{\n([^]*?)^\}/gm;
/** Codes of Redis, by which some are found, have capitals. */
const MEMBER = /^ {2}([a-z]\w*)(?::|\()/gm;

const texts = new Map(
  globSync('{schemas,store,loaders,service}/**/*.ts', { cwd: root }).map((file) => [
    file,
    readFileSync(join(root, file), 'utf8'),
  ]),
);

/** The sentences of a file that nothing names. Those of an object that is also used as a whole may be named anywhere. */
function unusedIn(file: string, text: string): string[] {
  const codeOf = (users: (code: string, user: string) => boolean): string =>
    [...texts]
      .filter(([user, code]) => users(code, user))
      .map(([, code]) => code.replaceAll(IMPORTS, ''))
      .join('\n');
  const importing = codeOf((code, user) => user === file || code.includes(`/${basename(file)}';`));
  return [...text.matchAll(OBJECT)].flatMap(([whole, object = '', body = '']) => {
    const isUsedWhole = new RegExp(`\\b${object}\\b(?!\\s*\\.)`).test(importing.replace(whole, ''));
    const code = (isUsedWhole ? codeOf(() => true) : importing).replace(whole, '');
    const before = isUsedWhole ? '' : `${object}\\s*\\.\\s*`;
    return [...body.matchAll(MEMBER)].flatMap(([, member = '']) =>
      new RegExp(`\\b${before}${member}\\b`).test(code) ? [] : `${file}: ${object}.${member}`,
    );
  });
}

test('every sentence in schemas/wording is shown by something', () => {
  const wording = [...texts].filter(([file]) => file.startsWith('schemas/wording/'));
  expect(wording.length).toBeGreaterThan(20);
  expect(wording.flatMap(([file, text]) => unusedIn(file, text))).toEqual([]);
});
