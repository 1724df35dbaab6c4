import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { COMMANDS } from '#service/cli/commands.ts';

/** Each command without commands of its own, as it is typed. */
async function everyCommand(): Promise<string[]> {
  const program = new Command();
  for (const { load } of COMMANDS) (await load())(program, () => readConfiguration({}));
  const typed = (command: Command, before: string): string[] =>
    command.commands.length === 0
      ? [before]
      : command.commands.flatMap((each) => typed(each, `${before} ${each.name()}`.trim()));
  return typed(program, '');
}

test('docs/operating.md names the page that does each command, or says why none does', async () => {
  const text = readFileSync(new URL('../../../docs/operating.md', import.meta.url), 'utf8');
  const [, part = ''] = text.split('### Which page does which command');
  const rows = (part.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'));
  const named = rows.flatMap((row) =>
    [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
  expect(named.length).toBe(new Set(named).size);
  // These are commands too, beside those below them.
  const others = ['mesh', 'audit copy'];
  expect(named.toSorted()).toEqual([...(await everyCommand()), ...others].toSorted());
});
