import { type Hash, nodeHash } from './hash.ts';

const half = (n: number): number => Math.floor(n / 2);
const isOdd = (n: number): boolean => n % 2 === 1;

/** Whether a proof shows `leaf` at `index` of the tree of `size` entries with this root (RFC 9162, 2.1.3.2). */
export function includes(
  proof: readonly Hash[],
  tree: { size: number; root: Hash },
  index: number,
  leaf: Hash,
): boolean {
  if (index < 0 || index >= tree.size) return false;
  let node = index;
  let last = tree.size - 1;
  let root = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      root = nodeHash(sibling, root);
      while (!isOdd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      root = nodeHash(root, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && root === tree.root;
}

/** Whether a proof shows `old` to be the beginning of `tree` (RFC 9162, 2.1.4.2). */
export function extendsTree(
  proof: readonly Hash[],
  old: { size: number; root: Hash },
  tree: { size: number; root: Hash },
): boolean {
  if (old.size > tree.size) return false;
  if (old.size === tree.size) return proof.length === 0 && old.root === tree.root;
  if (old.size === 0) return proof.length === 0;
  let node = old.size - 1;
  let last = tree.size - 1;
  while (isOdd(node)) {
    node = half(node);
    last = half(last);
  }
  // Where the old tree is one perfect subtree, its root is known and not repeated in the proof.
  const [first, ...rest] = node === 0 ? [old.root, ...proof] : proof;
  if (first === undefined) return false;
  let oldRoot = first;
  let root = first;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      oldRoot = nodeHash(sibling, oldRoot);
      root = nodeHash(sibling, root);
      while (!isOdd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      root = nodeHash(root, sibling);
    }
    node = half(node);
    last = half(last);
  }
  return last === 0 && oldRoot === old.root && root === tree.root;
}
