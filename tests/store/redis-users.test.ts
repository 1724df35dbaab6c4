import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keys } from '#store/keys.ts';
import { watchStore } from '#store/trust/readiness.ts';
import { startTestStore, type TestStore, WAIT_MS } from '../support/test-store.ts';

/** What a lookup process's Redis user may do, as docs/redis-rights.md lists it. */

const textOf = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** A set of commands, and the patterns of the keys that they may use. */
type Right = { commands: string[]; patterns: string[] };

function writtenDown(): Right[] {
  const section = /^# What a lookup process may do in Redis\n([^]*?)\n## /.exec(
    textOf('docs/redis-rights.md'),
  )?.[1];
  const spans = (cell = ''): string[] =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replace('+', '|'));
  return (section ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.replaceAll(String.raw`\|`, '+').split('|'))
    .map(([, commands, patterns]) => ({ commands: spans(commands), patterns: spans(patterns) }));
}

function granted(): Right[] {
  const acl = textOf('store/acl/lookup.acl').trim();
  const read = (rules: string): Right => {
    const words = rules.split(' ');
    return {
      commands: words.filter((word) => word.startsWith('+')).map((word) => word.slice(1)),
      patterns: words.filter((word) => /^(?:~|%R~|%W~)/.test(word)),
    };
  };
  const selectors = [...acl.matchAll(/\(([^)]*)\)/g)].map(([, rules = '']) => read(rules));
  return [read(acl.replaceAll(/\([^)]*\)/g, '')), ...selectors];
}

const inOrder = (rights: readonly Right[]): string[] =>
  rights
    .map(
      ({ commands, patterns }) =>
        `${commands.toSorted().join(' ')} ${patterns.toSorted().join(' ')}`,
    )
    .toSorted();

/** Redis always allows these, since a connection logs in with them. */
const FREE = new Set(['auth', 'hello', 'quit', 'reset']);

const EVERY_KEY = [
  keys.children(1),
  keys.accessLists(1),
  keys.notInUse(1),
  keys.fence(1),
  keys.audit(1),
  keys.audit('system'),
  keys.authority('ZZ101'),
  keys.files('ZZ101'),
  keys.lock('ZZ101'),
  keys.lockFence('ZZ101'),
  keys.dataset,
  keys.open,
  keys.heartbeat,
  keys.blocked,
  keys.use(1),
  'anything',
];

const matches = (pattern: string, key: string): boolean =>
  new RegExp(
    `^${pattern
      .replace(/^(?:%[RW])?~/, '')
      .replaceAll(/[{}]/g, '\\$&')
      .replaceAll('*', '.*')}$`,
  ).test(key);

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
});
afterAll(() => t?.stop());

type Command = { name: string; arity: number };

/** Every command that the server knows, with subcommands in place of the commands that have them. */
async function everyCommand(): Promise<Command[]> {
  const reply = (await t.admin.call('COMMAND')) as unknown[][];
  return reply.flatMap(([name, arity, , , , , , , , subcommands]) => {
    const parts = (subcommands ?? []) as unknown[][];
    return parts.length > 0
      ? parts.map(([sub, subArity]) => ({ name: String(sub), arity: Number(subArity) }))
      : [{ name: String(name), arity: Number(arity) }];
  });
}

/** Whether Redis itself says that the user may run this command. */
async function allowed({ name, arity }: Command, key: string): Promise<boolean> {
  const words = name.split('|');
  const least = Math.max(Math.abs(arity), name === 'fcall' ? 4 : 0);
  const rest = Array.from({ length: Math.max(0, least - words.length) }, () => key);
  if (name === 'fcall') rest.splice(0, 3, 'f', '1', key);
  const verdict = await t.admin.call('ACL', 'DRYRUN', 'cpf-lookup', ...words, ...rest);
  return verdict === 'OK';
}

describe('a lookup process’s Redis user', () => {
  test('has exactly the rights that docs/redis-rights.md lists', () => {
    expect(inOrder(granted())).toEqual(inOrder(writtenDown()));
    expect(granted().length).toBeGreaterThan(5);
  });

  test('is refused every unlisted command, and every listed one on any other key', async () => {
    const rights = writtenDown();
    const commands = await everyCommand();
    expect(commands.length).toBeGreaterThan(200);
    const wrong: string[] = [];
    for (const command of commands) {
      if (FREE.has(command.name)) continue;
      const its = rights.filter((right) => right.commands.includes(command.name));
      const onKeys = its.flatMap(({ patterns }) => patterns);
      for (const key of its.length === 0 ? ['cpf:{p1}:seen', 'cpf:{use}:1'] : EVERY_KEY) {
        const expected =
          its.length > 0 &&
          (onKeys.length === 0 || onKeys.some((pattern) => matches(pattern, key)));
        const is = await allowed(command, key);
        if (is !== expected) wrong.push(`${command.name} ${key}: ${is ? 'allowed' : 'refused'}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('is refused settings, passwords and the ledger of files', async () => {
    const redis = await t.connect('lookup');
    for (const [name, ...args] of [
      ['config', 'get', 'masterauth'],
      ['config', 'get', '*'],
      ['hgetall', keys.files('ZZ101')],
      ['acl', 'whoami'],
      ['client', 'list'],
      ['fcall', 'f', '1', keys.fence(1)],
    ] as const) {
      await expect(redis.call(name, ...args)).rejects.toThrow('NOPERM');
    }
  });
});

test.for(['lookup', 'worker'] as const)(
  'a process with the role %s reads each second only what its Redis user may, so any refusal in the ACL log is worth a look',
  async (role) => {
    const redis = await t.connect(role);
    await t.admin.call('ACL', 'LOG', 'RESET');
    const readiness = watchStore(redis, { answersLookups: role === 'lookup' });
    expect(await readiness.whenOpen(WAIT_MS)).toBe(true);
    await readiness.stop();
    const refused = (await t.admin.call('ACL', 'LOG')) as unknown[][];
    expect(refused.filter((entry) => entry.includes(`cpf-${role}`))).toEqual([]);
  },
);
