import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { COMMANDS, commandLine } from '#service/cli/commands.ts';
import packageJson from '../package.json' with { type: 'json' };
import { root } from './support/processes.ts';

const PAGES = ['*.md', 'docs/**/*.md', 'bench/*.md', 'schemas/wording/*.ts', 'docker-compose.yml'];
const files = PAGES.flatMap((pattern) => globSync(pattern, { cwd: root }));

/** Commands to type: the lines of code blocks and the text between backticks. A backslash continues a line. */
function typed(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8').replaceAll(/ *\\\n */g, ' ');
  if (!file.endsWith('.md')) return [...text.matchAll(/cp-flags [^`'".$]*/g)].map(([part]) => part);
  const blocks = [...text.matchAll(/^```\w*\n([^]*?)^```/gm)].map(([, block = '']) => block);
  const spans = text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/`([^`\n]+)`/g);
  return [...blocks.flatMap((block) => block.split('\n')), ...[...spans].map(([, s = '']) => s)];
}

/**
 * The arguments of each `cp-flags` in a line, up to a pipe, a redirection, a comment or the next command. `as USER` is
 * the function that docs/operating/two-rooms.md declares.
 */
const argumentsIn = (line: string): string[][] =>
  [...line.matchAll(/(?:(?<!-[gu] )\bcp-flags|^as [a-z]+) ([a-z][^|>#;&,)]*)/g)].map(
    ([, rest = '']) => rest.trim().split(/\s+/),
  );

/** The first word that the command line would not know, or `undefined`. */
function unknownIn(words: readonly string[], program: Command): string | undefined {
  let command = program;
  for (const word of words) {
    const inner = command.commands.find((each) => each.name() === word);
    if (inner === undefined) break;
    command = inner;
  }
  if (command === program) return words[0];
  const options = new Set([...command.options.map(({ long }) => long), '--help']);
  return words.find((word) => /^--[a-z]/.test(word) && !options.has(word.replace(/[=,.].*/, '')));
}

test('every command and option of cp-flags that a page or a message names exists', async () => {
  const program = await commandLine({});
  const wrong = files.flatMap((file) =>
    typed(file)
      .flatMap(argumentsIn)
      .flatMap((words) => {
        const unknown = unknownIn(words, program);
        return unknown === undefined ? [] : [`${file}: cp-flags ${words.join(' ')}: ${unknown}`];
      }),
  );
  expect(wrong).toEqual([]);
});

/** What a line to be run lacks that its command needs. */
function missingIn(words: readonly string[], program: Command): string[] {
  let command = program;
  let rest = [...words];
  for (;;) {
    const inner = command.commands.find((each) => each.name() === rest[0]);
    if (inner === undefined) break;
    command = inner;
    rest = rest.slice(1);
  }
  if (rest.includes('--help')) return [];
  const optionOf = (word: string) => command.options.find(({ long }) => long === word);
  const values = rest.filter(
    (word, i) => !word.startsWith('--') && optionOf(rest[i - 1] ?? '')?.required !== true,
  );
  const has = (long: string): boolean => rest.includes(long);
  // Such a command either lists what there is, or is an act by a named person.
  const named = optionOf('--list') !== undefined && !has('--list') ? ['--by', '--reason'] : [];
  const mandatory = command.options.flatMap((one) => (one.mandatory ? [one.long ?? ''] : []));
  return [
    ...new Set([...mandatory, ...named].filter((long) => !has(long))),
    ...command.registeredArguments
      .filter(({ required }) => required)
      .slice(values.length)
      .map((value) => value.name()),
  ];
}

test('every command on a page has all the options it needs, such as who decides and why', async () => {
  const program = await commandLine({});
  const wrong = files
    .filter((file) => file.endsWith('.md') && !/CHANGELOG|decisions/.test(file))
    .flatMap((file) =>
      typed(file)
        .filter((line) => line.includes('npx cp-flags ') || /^as [a-z]+ /.test(line))
        .map((line) => line.replaceAll(/"[^"]*"|'[^']*'/g, 'TEXT'))
        .flatMap(argumentsIn)
        .flatMap((words) => {
          const missing = missingIn(words, program);
          return missing.length === 0
            ? []
            : [`${file}: npx cp-flags ${words.join(' ')}: ${missing.join(', ')}`];
        }),
    );
  expect(wrong).toEqual([]);
});

test('every command of cp-flags is named on a page', async () => {
  const named = (path: string): boolean =>
    files.some((file) =>
      typed(file).some(
        (line) => `${line} `.includes(`cp-flags ${path} `) || line.split(', ').includes(path),
      ),
    );
  const paths = (command: Command, before: string[]): string[] => {
    const path = [...before, command.name()];
    return command.commands.length === 0
      ? [path.join(' ')]
      : command.commands.flatMap((inner) => paths(inner, path));
  };
  const all = (await commandLine({})).commands.flatMap((command) => paths(command, []));
  expect(all.filter((path) => !named(path))).toEqual([]);
});

test('a command works the same whether it is loaded alone or with all the others', async () => {
  const all = (await commandLine({})).commands.map((command) => command.name());
  expect(COMMANDS.flatMap(({ names }) => names)).toEqual(all);
  const alone = async (name: string) =>
    (await commandLine({}, name)).commands.map((command) => command.name());
  expect(await Promise.all(COMMANDS.map(({ names: [name = ''] }) => alone(name)))).toEqual(
    COMMANDS.map(({ names }) => names),
  );
});

test('every npm script named on a page exists', () => {
  const named = files.flatMap((file) =>
    typed(file).flatMap((line) =>
      [...line.matchAll(/npm (?:run )?(?:--silent )?(start|test|[a-z]+:[a-z]+)?\b/g)]
        .flatMap(([, script]) => (script === undefined ? [] : [script]))
        .concat(
          [...line.matchAll(/npm run (?:--silent )?([a-z:]+)/g)].map(([, script = '']) => script),
        ),
    ),
  );
  const scripts = new Set(Object.keys(packageJson.scripts));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((script) => !scripts.has(script))).toEqual([]);
});

test('every page names the same Redis user for a command as docs/operating/installing.md', () => {
  const table = readFileSync(join(root, 'docs/operating/installing.md'), 'utf8');
  const commandsOf = (user: string): string[] => {
    const [, cell = ''] = new RegExp(`^\\| \`cpf-${user}\` \\| (.*) \\|$`, 'm').exec(table) ?? [];
    return [...cell.matchAll(/`([a-z -]+)`/g)].map(([, name = '']) => name);
  };
  const run = files
    .flatMap((file) => typed(file))
    .flatMap((line) => {
      const [, user, rest] = /^as ([a-z]+) ([a-z].*)$/.exec(line) ?? [];
      return user === undefined || rest === undefined ? [] : [{ user, rest }];
    });
  expect(run.length).toBeGreaterThan(5);
  const wrong = run.filter(
    ({ user, rest }) =>
      !commandsOf(user).some((name) => rest === name || rest.startsWith(`${name} `)),
  );
  expect(wrong.map(({ user, rest }) => `as ${user} ${rest}`)).toEqual([]);
});
