import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../../support/processes.ts';

/** Words read elsewhere: the help of the command line, descriptions of the API, and audit reports. */
const OWN_WORDS =
  /^service\/(?:cli|description|fhir|routes)\/|^service\/audit\/search\/(?:event-|sum-)?reports\.ts$|^loaders\/synthetic\//;
const COMMENT = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;
/** A quoted text of several words that starts with a capital or a value and ends like a sentence. */
const SENTENCE = /(['"`])((?:[A-Z]|\$\{)(?:(?!\1)[^\\\n]|\\.)*? (?:(?!\1)[^\\\n]|\\.)*[.!?])\1/g;
/** Messages about faults in the program, descriptions of metrics and addresses, and text that is logged at once. */
const NOT_FOR_READERS = /(?:new Error\(|description:|summary:)\s*$|\b(?:log|sampled)\.\w+\([^;]*$/;
const LOGGED = /\blog\.(?:info|warn|error)\(\s*(['"`])((?:(?!\1)[^\\]|\\.)*)\1/g;
const SQL = /^(?:SELECT|UPDATE|DELETE|INSERT|PRAGMA|CREATE|VACUUM) |^\$\{column\} = \?$/;
/** A message about an unusable setting starts with its name; most of these are in `schemas/configuration.ts`. */
const OF_A_SETTING = /^(?:[A-Z_]+(?:, [A-Z_]+)*|\$\{(?:setting|names)\}): /;

function sentencesIn(text: string): string[] {
  const code = text.replaceAll(COMMENT, '');
  return [...code.matchAll(SENTENCE)].flatMap(({ index, 2: sentence = '' }) =>
    SQL.test(sentence) ||
    OF_A_SETTING.test(sentence) ||
    NOT_FOR_READERS.test(code.slice(Math.max(0, index - 200), index))
      ? []
      : [sentence],
  );
}

test('every sentence for a council or an operator is in schemas/wording', () => {
  const files = globSync('{loaders,store,service}/**/*.ts', { cwd: root });
  expect(files.length).toBeGreaterThan(200);
  const found = files
    .filter((file) => !OWN_WORDS.test(file))
    .flatMap((file) =>
      sentencesIn(readFileSync(join(root, file), 'utf8')).map((sentence) => `${file}: ${sentence}`),
    );
  expect(found).toEqual([]);
  // The pattern must find the sentences that are there.
  const wording = readFileSync(join(root, 'schemas/wording/records.ts'), 'utf8');
  expect(sentencesIn(wording).length).toBeGreaterThan(30);
});

/** Commands that have a page, from the table in docs/operating.md. Reading the state is no act. */
function commandsWithPage(): string[] {
  const operating = readFileSync(join(root, 'docs/operating.md'), 'utf8');
  const [, table = ''] =
    /### Which page does which command\n([\s\S]*?)\nThese have no page/.exec(operating) ?? [];
  return [...table.matchAll(/^\| (`.*?) \|/gm)]
    .flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, command = '']) => command))
    .filter((command) => command !== 'status');
}

/** No worker serves pages then, the page itself says it, or the page shows less than the command does. */
const BY_COMMAND_ALONE =
  /accept-older|so this worker may lack events|do not confirm that this Redis|mesh list --all|cannot be said yet/;

test('a sentence that sends its reader to a command also names the page that does the same', () => {
  const commands = commandsWithPage();
  expect(commands).toEqual(expect.arrayContaining(['release', 'audit copy single']));
  const sent = globSync(['schemas/wording/*.ts', 'service/cli/{release,status,authority}.ts'], {
    cwd: root,
  })
    .flatMap((file) => sentencesIn(readFileSync(join(root, file), 'utf8')))
    .filter((sentence) => commands.some((each) => sentence.includes(`cp-flags ${each}`)));
  expect(sent.length).toBeGreaterThan(20);
  expect(
    sent.filter((sentence) => !/\bpage\b/i.test(sentence) && !BY_COMMAND_ALONE.test(sentence)),
  ).toEqual([]);
});

test('every line of the log is a sentence', () => {
  const lines = globSync('{loaders,store,service}/**/*.ts', { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(LOGGED)].map(({ 2: line = '' }) => line),
  );
  expect(lines.length).toBeGreaterThan(40);
  expect(lines.filter((line) => !/^[A-Z].*(?:[.?]|: \$\{detail\})$/.test(line))).toEqual([]);
});
