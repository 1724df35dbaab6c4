import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { loadFile } from '#loaders/load/load.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { type Configuration, readConfiguration } from '#schemas/configuration.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { expectAuthorities } from '#service/cli/authority.ts';
import { block } from '#service/cli/block.ts';
import { COMMANDS as COMMANDS_OF_CP_FLAGS } from '#service/cli/commands.ts';
import { confirmPromotedServer } from '#service/cli/confirm.ts';
import { purgeRows } from '#service/cli/purge.ts';
import { repair } from '#service/cli/repair.ts';
import { status } from '#service/cli/status.ts';
import { keys } from '#store/keys.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

const NAMED = { by: 'A. Example', reason: 'test' };
let store: TestStore;
let folder: string;
let asLookup: Configuration;

beforeAll(async () => {
  store = await startTestStore({ kind: 'demo' });
  folder = mkdtempSync(join(tmpdir(), 'cpf-rights-'));
  asLookup = as('lookup', store.server.users.lookup.password);
});
afterAll(async () => {
  await store?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function as(user: string, password: string, dataDir = store.dataDir): Configuration {
  const file = join(folder, `password-${user}`);
  writeFileSync(file, `${password}\n`);
  return readConfiguration({
    DATA_DIR: dataDir,
    REDIS_URL: `unix://cpf-${user}@socket${store.server.socketPath}`,
    REDIS_PASSWORD_FILE: file,
  });
}

/** What a command says, however it ends. */
const said = (command: () => Promise<unknown>): Promise<unknown> =>
  command().then(
    () => 'done',
    (error: unknown) => (error instanceof Error ? error.message : error),
  );

const expected = () => {
  const path = join(folder, 'expected.json');
  writeFileSync(
    path,
    JSON.stringify({ area: 'A', kind: 'pilot', authorities: [{ code: 'ZZ101', name: 'A' }] }),
  );
  return path;
};

/** The commands in the table of docs/operating/installing.md that are tried here, and how to run them. */
const COMMANDS: Record<string, () => Promise<unknown>> = {
  'authority expect': () => expectAuthorities(asLookup, { ...NAMED, file: expected() }),
  repair: () => repair(asLookup, NAMED),
  purge: () => purgeRows(asLookup, { dryRun: false }),
  block: () => block(asLookup, 'nurse-1', { ...NAMED, issuer: 'https://id.example' }),
  'confirm promotion': () => confirmPromotedServer(asLookup, NAMED),
};

/** The Redis user for each command, as docs/operating/installing.md gives it. */
const documented = new Map(
  [
    ...readFileSync(
      new URL('../../../docs/operating/installing.md', import.meta.url),
      'utf8',
    ).matchAll(/^\| `cpf-([a-z]+)` \| (.*) \|$/gm),
  ].flatMap(([, role = '', commands = '']) =>
    [...commands.matchAll(/`([a-z -]+)`/g)].map(([, command = '']) => [command, role] as const),
  ),
);

test.for(Object.entries(COMMANDS))(
  '%s as a Redis user with too few rights says which user it needs',
  async ([name, command]) => {
    const role = documented.get(name);
    expect(role).toBeDefined();
    const sentence = await said(command);
    expect(sentence).toEqual(expect.stringMatching(/^[A-Z].*REDIS_PASSWORD_FILE.*\.$/));
    // The message of a load also says what becomes of the file, and leaves the user to the documentation.
    expect(sentence).toContain(name === 'purge' ? '"Redis users"' : `cpf-${role}`);
    expect(sentence).not.toContain('NOPERM');
  },
);

test('cp-flags status works as a lookup process’s user once files are loaded, even where there is a log, and leaves out what that user may not read', async () => {
  const csv = `nhs_number,local_id,date_of_birth,given_name,family_name,plan_type,start_date,end_date,delete_date\n${testNumber(1)},L1,2019-03-05,A,B,child-protection-plan,2026-03-01,,\n`;
  const source = (text: string) => ({
    name: 'file.csv',
    stream: Readable.from([Buffer.from(text)]),
  });
  await store.store.setAuthority(
    'ZZ101' as OdsCode,
    { name: 'A', emergencyDutyTeamPhone: '02079460001' },
    'test',
  );
  const loaded = await loadFile(store.store, store.anchor, source(csv), {
    by: 'test',
    addAuthority: false,
    spoolDir: join(folder, 'spool'),
    metadata: { authority: 'ZZ101', sequence: 1, createdAt: new Date().toISOString(), rowCount: 1 },
  });
  expect(loaded.code).toBe('CPF02');
  mkdirSync(join(store.dataDir, 'audit'));
  CommitFile.open(join(store.dataDir, 'audit')).close();

  const lines: string[] = [];
  const printed = vi
    .spyOn(console, 'log')
    .mockImplementation((line: string) => void lines.push(line));
  try {
    expect(await said(() => status(asLookup, {}))).toBe('done');
  } finally {
    printed.mockRestore();
  }
  expect(lines.at(-1)).toMatch(/^ZZ101 .* {2}- {9}up to date$/);
  expect(lines.find((line) => line.startsWith('Audit:'))).toContain(
    '0 events sealed, how many wait is not known to this Redis user',
  );
});

test('a wrong password is reported as such', async () => {
  const configuration = as('worker', 'wrong');
  await expect(confirmPromotedServer(configuration, NAMED)).rejects.toThrow(
    'Redis does not accept the user and password of REDIS_URL and REDIS_PASSWORD_FILE.',
  );
});

test.for(['lookup', 'worker', 'loader', 'admin'] as const)(
  'the status of a whole new dataset reports no problem with the store to the Redis user cpf-%s',
  async (role) => {
    const said: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line));
    try {
      // The command gives a store three seconds to be found well, which a busy machine may not.
      await until(() => {
        said.length = 0;
        return status(as(role, store.server.users[role].password), {});
      }, 'the store to be ready');
    } finally {
      log.mockRestore();
    }
    expect(said[0]).toContain('It is ready for lookups.');
    expect(said[1]).toMatch(/^Audit: /);
  },
);

test('a status that says that the store is not ready gives the reason, and lists no check that was not made', async () => {
  const said: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line));
  try {
    const elsewhere = join(folder, 'elsewhere');
    const { password } = store.server.users.lookup;
    expect(await status(as('lookup', password, elsewhere), {})).toBe(false);
  } finally {
    log.mockRestore();
  }
  const text = said.join('\n');
  expect(text).toContain('Redis holds a different dataset from this data folder');
  expect(text).not.toContain('Not checked yet');
});

/** Commands that do not use Redis, in files with others that do. */
const WITHOUT_REDIS = new Set(['audit verify', 'audit prove', 'mesh list', 'notifications list']);

/** The Redis users named in a command's file and the files it is made of. */
function rolesIn(name: string): string[] {
  const folder = new URL('../../../service/cli/', import.meta.url);
  const files = readdirSync(folder).filter(
    (file) => file === `${name}.ts` || (name === 'audit' && file.startsWith('audit-')),
  );
  const text = files.map((file) => readFileSync(new URL(file, folder), 'utf8')).join('\n');
  return [...new Set([...text.matchAll(/'(lookup|worker|loader|admin)'/g)].map(([, r = '']) => r))];
}

test('docs/operating/installing.md names the Redis user of every command that uses Redis, and agrees with the code', async () => {
  const paths = (command: Command, before: string[] = []): string[] => {
    const path = [...before, command.name()];
    return [path.join(' '), ...command.commands.flatMap((inner) => paths(inner, path))];
  };
  const wrong: string[] = [];
  for (const { names, load } of COMMANDS_OF_CP_FLAGS) {
    const program = new Command();
    (await load())(program, () => asLookup);
    const roles = rolesIn(names[0] === 'unblock' ? 'block' : (names[0] ?? ''));
    const all = program.commands.flatMap((command) => paths(command));
    const leaves = all.filter((path) => !all.some((other) => other.startsWith(`${path} `)));
    // What applies to a command also applies to its subcommands.
    const roleOf = (path: string) =>
      documented.get(path) ?? documented.get(path.replace(/ [a-z-]+$/, ''));
    for (const path of roles.length === 0 ? [] : leaves) {
      const role = roleOf(path);
      if (WITHOUT_REDIS.has(path) || (role !== undefined && roles.includes(role))) continue;
      wrong.push(`${path}: ${role ?? 'nobody'}, in the code ${roles.join(', ')}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('a repair needs the administrator’s rights only if numbers of an audit stream were set ahead', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  const repairAs = (role: 'worker' | 'admin') =>
    said(() => repair(as(role, store.server.users[role].password), NAMED));
  try {
    await store.admin.hset(keys.accessLists(5), testNumber(1), 'nonsense');
    expect(await repairAs('worker')).toBe('done');
    expect(await store.admin.hexists(keys.accessLists(5), testNumber(1))).toBe(0);
    await store.admin.call('XADD', keys.audit(7), '0-1000000', 'event', 'x');
    expect(await repairAs('worker')).toContain('cpf-admin');
    expect(await repairAs('admin')).toBe('done');
  } finally {
    log.mockRestore();
  }
});
