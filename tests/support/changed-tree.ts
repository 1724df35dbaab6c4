import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './processes.ts';

type Addition = { file: string; after: string; text: string };

/** Copies the program into a folder and adds to some of its files, to see the effect of the change. */
export async function changedTree(folder: string, additions: readonly Addition[]): Promise<string> {
  const tree = join(folder, 'tree');
  for (const part of ['service', 'store', 'loaders', 'schemas', 'package.json']) {
    await cp(join(root, part), join(tree, part), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(tree, 'node_modules'));
  for (const { file, after, text } of additions) {
    const before = await readFile(join(tree, file), 'utf8');
    if (!before.includes(after)) throw new Error(`${file} does not hold ${after}`);
    await writeFile(
      join(tree, file),
      before.replace(after, (found) => found + text),
    );
  }
  return tree;
}
