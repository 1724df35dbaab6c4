import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const IMPORT = /(?:from|import) '((?:\.|#)[^']+)'|import\('((?:\.|#)[^']+)'\)/g;

/** The files of ours that a file imports, including types and imports made only where they are needed. */
const importsOf = (file: string): string[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(IMPORT)].map(([, once, lazily]) => {
    const target = once ?? lazily ?? '';
    return target.startsWith('#') ? target.slice(1) : join(dirname(file), target);
  });

/** Which folders of a layer each of its folders imports from. Files directly in the layer are not counted. */
function imports(layer: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const file of globSync(`${layer}/*/**/*.ts`, { cwd: root })) {
    const room = dirname(file);
    const from = found.get(room) ?? new Set<string>();
    found.set(room, from);
    for (const other of importsOf(file).map((path) => dirname(path))) {
      if (other.startsWith(`${layer}/`) && other !== room) from.add(other);
    }
  }
  return found;
}

/** The path from a folder or file back to itself, if there is one. */
function wayBack(start: string, graph: Map<string, Set<string>>): string[] | undefined {
  const ways = [[start]];
  const seen = new Set<string>();
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    for (const next of graph.get(way.at(-1) ?? start) ?? []) {
      if (next === start) return [...way, next];
      if (seen.has(next)) continue;
      seen.add(next);
      ways.push([...way, next]);
    }
  }
  return undefined;
}

const NEEDED = /^(?:import|export) (?!type )(?:[^;']*? from )?'((?:\.|#)[^']+)';$/gm;

/** Every file that is loaded with a file, without what is imported only where it is used. */
function loadedWith(file: string, loaded = new Set<string>()): Set<string> {
  loaded.add(file);
  for (const [, target = ''] of readFileSync(join(root, file), 'utf8').matchAll(NEEDED)) {
    const path = target.startsWith('#') ? target.slice(1) : join(dirname(file), target);
    if (path.endsWith('.ts') && !loaded.has(path)) loadedWith(path, loaded);
  }
  return loaded;
}

const PACKAGE = /^(?:import|export) (?!type )(?:[^;']*? from )?'([a-z@][^':]*)';$/gm;

const packagesOf = (file: string): string[] => [
  ...new Set(
    [...loadedWith(file)].flatMap((each) =>
      [...readFileSync(join(root, each), 'utf8').matchAll(PACKAGE)].map(([, name = '']) => name),
    ),
  ),
];

const COMMANDS = [
  ...readFileSync(join(root, 'service/cli/commands.ts'), 'utf8').matchAll(
    /import\('\.\/([a-z-]+\.ts)'\)/g,
  ),
].map(([, name = '']) => `service/cli/${name}`);
const THREADS = globSync('service/**/{thread,*-thread}.ts', { cwd: root }).filter(
  (file) => !file.endsWith('supervised-thread.ts'),
);

test('only commands that make up people load the code for that', () => {
  const files = COMMANDS.filter((file) => !/generate|made-up-pds/.test(file));
  const loaded = [...new Set(files.flatMap((file) => [...loadedWith(file)]))];
  expect(loaded.length).toBeGreaterThan(150);
  expect(loaded).toContain('loaders/load/load.ts');
  expect(loaded.filter((file) => file.startsWith('loaders/synthetic/'))).toEqual([]);
});

test('only threads and commands that write a log load the logging code', () => {
  expect(packagesOf('service/cli/serve.ts')).toContain('pino');
  expect(THREADS.length).toBeGreaterThan(4);
  const files = ['service/cli/commands.ts', ...COMMANDS].filter(
    (file) => !/serve|watch|mesh/.test(file),
  );
  expect(files.length).toBeGreaterThan(15);
  expect([...files, ...THREADS].filter((file) => packagesOf(file).includes('pino'))).toEqual([]);
});

test('only the service loads the code that signs and verifies tokens', () => {
  expect(packagesOf('service/cli/serve.ts')).toContain('jose');
  const files = COMMANDS.filter((file) => !file.endsWith('serve.ts'));
  expect([...files, ...THREADS].filter((file) => packagesOf(file).includes('jose'))).toEqual([]);
});

test.each(['schemas', 'store', 'loaders', 'service'])(
  'no folder of %s/ imports itself through others',
  (layer) => {
    const graph = imports(layer);
    expect(graph.size).toBeGreaterThan(3);
    const circles = [...graph.keys()].flatMap((room) => wayBack(room, graph)?.join(' -> ') ?? []);
    expect(circles).toEqual([]);
  },
);

test('no file imports itself through others', () => {
  const files = globSync('{schemas,store,loaders,service}/**/*.ts', { cwd: root });
  const graph = new Map(files.map((file) => [file, new Set(importsOf(file))]));
  expect(graph.size).toBeGreaterThan(400);
  const circles = files.flatMap((file) => wayBack(file, graph)?.join(' -> ') ?? []);
  expect(circles).toEqual([]);
});

test('a file of more than 400 lines gives the reason at its top', () => {
  const files = globSync('{schemas,store,loaders,service,bench}/**/*.{ts,mjs,js,css,lua}', {
    cwd: root,
  });
  expect(files.length).toBeGreaterThan(400);
  const silent = files.filter((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return text.split('\n').length > 401 && !/^(?:\/\/|\/\*|--) One /.test(text);
  });
  expect(silent).toEqual([]);
});
