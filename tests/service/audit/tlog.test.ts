import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packEntry, splitBundle } from '#service/audit/tlog/bundle.ts';
import { openCheckpoint, parseCheckpoint, signCheckpoint } from '#service/audit/tlog/checkpoint.ts';
import {
  EMPTY_ROOT,
  fromBase64,
  type Hash,
  leafHash,
  nodeHash,
  toBase64,
} from '#service/audit/tlog/hash.ts';
import {
  makeSigner,
  openNote,
  parseSignatures,
  parseSigner,
  parseVerifierKey,
  signNote,
} from '#service/audit/tlog/note.ts';
import { extendsTree, includes } from '#service/audit/tlog/proof.ts';
import { formatProof, parseProof } from '#service/audit/tlog/proof-text.ts';
import {
  levelsOf,
  TILE_WIDTH,
  tileOfHashes,
  tilePath,
  widthOf,
} from '#service/audit/tlog/tiles.ts';
import { createTree, Edge, type ReadTile } from '#service/audit/tlog/tree.ts';

const hex = (hash: Hash): string => Buffer.from(hash, 'latin1').toString('hex');
const unhex = (text: string): Hash => Buffer.from(text, 'hex').toString('latin1');

/** The entries with which public implementations of RFC 6962 are tested. */
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((text) => Buffer.from(text, 'hex'));
/** The roots of their trees, by size. */
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** A tree in memory, with the tiles that a log would serve. */
function grow(entries: readonly Buffer[]) {
  const tiles = new Map<string, Buffer>();
  const edge = Edge.empty();
  for (const entry of entries) {
    edge.append(leafHash(entry), (level, index, hashes) =>
      tiles.set(tilePath(level, index), tileOfHashes(hashes)),
    );
  }
  for (let level = 0; level < edge.levels; level++) {
    const hashes = edge.hashes(level);
    const index = Math.floor(Math.floor(edge.size / TILE_WIDTH ** level) / TILE_WIDTH);
    if (hashes.length > 0) tiles.set(tilePath(level, index, hashes.length), tileOfHashes(hashes));
  }
  const readTile: ReadTile = (level, index, width) => {
    const tile = tiles.get(tilePath(level, index, width));
    if (tile === undefined) throw new Error(`no ${tilePath(level, index, width)}`);
    return tile;
  };
  return { edge, tiles, tree: createTree(entries.length, readTile), readTile };
}

/** RFC 6962, section 2.1, taken literally. */
function reference(entries: readonly Buffer[]): Hash {
  const [only] = entries;
  if (only === undefined) return EMPTY_ROOT;
  if (entries.length === 1) return leafHash(only);
  let split = 1;
  while (split * 2 < entries.length) split *= 2;
  return nodeHash(reference(entries.slice(0, split)), reference(entries.slice(split)));
}

const numbered = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(`entry ${i}`));

describe('the tree', () => {
  test('has the roots of RFC 6962 for the entries with which public implementations are tested', () => {
    for (const [size, root] of ROOTS.entries()) {
      const { edge, tree } = grow(LEAVES.slice(0, size));
      expect(hex(edge.root())).toBe(root);
      expect(hex(tree.root())).toBe(root);
    }
  });

  test('gives the inclusion proofs that public implementations give', () => {
    const { tree } = grow(LEAVES);
    expect(tree.inclusionProof(0).map(hex)).toEqual([
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ]);
    expect(tree.inclusionProof(5).map(hex)).toEqual([
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
    expect(grow(LEAVES.slice(0, 3)).tree.inclusionProof(2).map(hex)).toEqual([
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    ]);
  });

  test('gives the consistency proofs that public implementations give', () => {
    expect(grow(LEAVES).tree.consistencyProof(1).map(hex)).toEqual([
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ]);
    expect(grow(LEAVES).tree.consistencyProof(6).map(hex)).toEqual([
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
    expect(grow(LEAVES.slice(0, 5)).tree.consistencyProof(2).map(hex)).toEqual([
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ]);
  });

  test('is the same whether appended to, read from tiles or computed by the definition, at every size', () => {
    const entries = numbered(70_000);
    for (const size of [
      1, 2, 255, 256, 257, 511, 512, 513, 1_000, 65_535, 65_536, 65_537, 70_000,
    ]) {
      const { edge, tree } = grow(entries.slice(0, size));
      const root = reference(entries.slice(0, size));
      expect(edge.root() === root, `appended to ${size}`).toBe(true);
      expect(tree.root() === root, `of tiles at ${size}`).toBe(true);
    }
    const { tree, readTile } = grow(entries);
    for (const size of [1, 300, 65_536, 69_999]) {
      expect(tree.root(size) === reference(entries.slice(0, size))).toBe(true);
      expect(Edge.read(size, 70_000, readTile).root() === tree.root(size)).toBe(true);
    }
  });

  test('proves every entry and every earlier size, and nothing else', () => {
    const entries = numbered(600);
    const { tree, edge } = grow(entries);
    const whole = { size: 600, root: edge.root() };
    fc.assert(
      fc.property(fc.nat(599), fc.nat(599), fc.integer({ min: 1, max: 600 }), (i, j, old) => {
        const leaf = leafHash(entries[i] ?? Buffer.alloc(0));
        const proof = tree.inclusionProof(i);
        expect(includes(proof, whole, i, leaf)).toBe(true);
        if (i !== j) expect(includes(proof, whole, j, leaf)).toBe(false);
        expect(includes(proof, { ...whole, root: leaf }, i, leaf)).toBe(false);
        expect(includes(proof.slice(1), whole, i, leaf)).toBe(false);
        expect(includes([...proof, leaf], whole, i, leaf)).toBe(false);

        const before = { size: old, root: tree.root(old) };
        const consistency = tree.consistencyProof(old);
        expect(extendsTree(consistency, before, whole)).toBe(true);
        // The root of a tree with one entry is that entry's hash.
        if (before.root !== leaf) {
          expect(extendsTree(consistency, { ...before, root: leaf }, whole)).toBe(false);
        }
        expect(extendsTree(consistency, before, { ...whole, root: leaf })).toBe(false);
        expect(extendsTree([...consistency, leaf], before, whole)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

describe('tiles', () => {
  test('are stored where the specification puts them', () => {
    expect(tilePath(0, 1_234_067)).toBe('tile/0/x001/x234/067');
    expect(tilePath('entries', 0)).toBe('tile/entries/000');
    expect(tilePath(1, 5, 112)).toBe('tile/1/005.p/112');
    expect(tilePath(0, 999)).toBe('tile/0/999');
    expect(tilePath(0, 1_000)).toBe('tile/0/x001/000');
  });

  test('match the specification for 70,000 and for 256 entries', () => {
    expect(levelsOf(70_000)).toBe(3);
    expect([272, 273, 274].map((index) => widthOf(0, index, 70_000))).toEqual([256, 112, 0]);
    expect([0, 1, 2].map((index) => widthOf(1, index, 70_000))).toEqual([256, 17, 0]);
    expect(widthOf(2, 0, 70_000)).toBe(1);
    expect([widthOf(0, 0, 256), widthOf(1, 0, 256)]).toEqual([256, 1]);
    const { tiles } = grow(numbered(70_000));
    expect(tiles.size).toBe(273 + 1 + 1 + 1 + 1);
  });
});

describe('notes', () => {
  const PETER = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
  const PETERS = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
  const TEXT =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const NOTE = `${TEXT}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
  const EXAMPLE = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
  const EXAMPLES =
    'This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';

  const signer = (text: string) => {
    const parsed = parseSigner(text);
    if (parsed === undefined) throw new Error('not a key');
    return parsed;
  };
  const verifierKey = (text: string) => {
    const parsed = parseVerifierKey(text);
    if (parsed === undefined) throw new Error('not a key');
    return parsed;
  };

  test('are signed byte for byte as the Go checksum database signs them', () => {
    expect(signNote(TEXT, [signer(PETER)])).toBe(NOTE);
    expect(signer(PETER).verifierKey.text).toBe(PETERS);
  });

  test('from the specification and from Go are accepted', () => {
    expect(openNote(Buffer.from(NOTE), [verifierKey(PETERS)])).toMatchObject({
      kind: 'signed',
      text: TEXT,
    });
    expect(openNote(Buffer.from(EXAMPLES), [verifierKey(EXAMPLE)])).toMatchObject({
      kind: 'signed',
    });
    expect(openNote(Buffer.from(EXAMPLES), [verifierKey(PETERS)])).toMatchObject({
      kind: 'unknown',
    });
  });

  test('are refused once any byte is changed', () => {
    const bytes = Buffer.from(NOTE);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ by;
        expect(openNote(changed, [verifierKey(PETERS)]).kind).not.toBe('signed');
      }),
      { numRuns: 500 },
    );
  });

  test('cannot be made with keys that are cut or changed anywhere', () => {
    for (let i = 0; i < PETERS.length; i++) {
      const changed = String.fromCharCode(PETERS.charCodeAt(i) + 1);
      expect(parseVerifierKey(PETERS.slice(0, i) + changed + PETERS.slice(i + 1))).toBeUndefined();
      expect(parseVerifierKey(PETERS.slice(0, i))).toBeUndefined();
      if (i > 0) expect(parseVerifierKey(PETERS.slice(i))).toBeUndefined();
    }
    expect(parseSigner(PETER.slice(0, -1))).toBeUndefined();
    // Keys with the right hash, but with another length or another algorithm.
    expect(
      parseVerifierKey(
        'PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==',
      ),
    ).toBeUndefined();
    expect(
      parseVerifierKey('PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'),
    ).toBeUndefined();
  });

  test('a checkpoint is signed byte for byte as Tessera signs it, over the same entries', () => {
    const key =
      'PRIVATE+KEY+example.com/log/testdata+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg';
    const words =
      'one two three four five six seven eit nain ten ileven twelf threeten fourten fivten';
    const { edge } = grow(words.split(' ').map((word) => Buffer.from(word)));
    expect(toBase64(edge.root())).toBe('rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=');
    const checkpoint = { origin: 'example.com/log/testdata', size: 15, root: edge.root() };
    const note = signCheckpoint(checkpoint, [signer(key)]);
    expect(note.split('\n').at(-2)).toBe(
      '\u2014 example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=',
    );
    expect(openCheckpoint(Buffer.from(note), [signer(key).verifierKey])).toMatchObject({
      kind: 'signed',
      checkpoint,
    });
  });

  test('the checkpoint in the specification is read', () => {
    expect(
      parseCheckpoint(
        'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n',
      ),
    ).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20_852_163 });
    const root = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=';
    expect(parseCheckpoint(`x\n1\n${root}\nextension\n`)).toMatchObject({ size: 1 });
    for (const wrong of [
      `x\n01\n${root}\n`,
      `x\n9007199254740992\n${root}\n`,
      `\n1\n${root}\n`,
      `x\n1\n${root}`,
      `x\n1\n${root}\n\nextension\n`,
      'x\n1\nAAAA\n',
    ]) {
      expect(parseCheckpoint(wrong)).toBeUndefined();
    }
  });

  test('a note in any other form is not read', () => {
    const key = signer(makeSigner('log'));
    const opened = (note: Buffer) => openNote(note, [key.verifierKey]).kind;
    const note = signNote('text\n', [key]);
    const line = note.split('\n')[2] ?? '';
    expect(opened(Buffer.from(note))).toBe('signed');
    for (const wrong of [
      Buffer.from(note.slice(0, -1)),
      Buffer.from(note.replace('\n\n', '\n')),
      Buffer.from(note.replace('text', 'te\u0000xt')),
      Buffer.concat([Buffer.of(0xff), Buffer.from(note)]),
      Buffer.from(`${note}x\n`),
      Buffer.from(note + `${line}\n`.repeat(100)),
    ]) {
      expect(opened(wrong)).toBe('malformed');
    }
    expect(parseSignatures(`${line}\n`)).toHaveLength(1);
    expect(parseSignatures(`${line}\n`.repeat(101))).toBeUndefined();
  });

  test('a bundle that is cut short has no entries, and none is made that is too long', () => {
    const bundle = Buffer.concat(['one', 'two'].map((text) => packEntry(Buffer.from(text))));
    expect(splitBundle(bundle)?.map(String)).toEqual(['one', 'two']);
    for (let end = 1; end < bundle.length; end++) {
      // The first entry ends after its length of two bytes and its three letters.
      expect(splitBundle(bundle.subarray(0, end)) === undefined).toBe(end !== 5);
    }
    expect(packEntry(Buffer.alloc(65_535))).toHaveLength(65_537);
    expect(() => packEntry(Buffer.alloc(65_536))).toThrow('too long');
  });

  test('a checkpoint of another log with a known key is refused', () => {
    const key = signer(makeSigner('example.com/one'));
    const note = signCheckpoint({ origin: 'example.com/two', size: 0, root: EMPTY_ROOT }, [key]);
    expect(openCheckpoint(Buffer.from(note), [key.verifierKey]).kind).toBe('unknown');
  });

  test('two keys sign side by side, and either signature is enough', () => {
    const [one, two] = [signer(makeSigner('log')), signer(makeSigner('log'))];
    const note = Buffer.from(signNote('text\n', [one, two]));
    for (const key of [one, two]) expect(openNote(note, [key.verifierKey]).kind).toBe('signed');
    expect(openNote(note, [one.verifierKey, two.verifierKey])).toMatchObject({
      by: [one.verifierKey, two.verifierKey],
    });
  });

  test('a proof reads back as it was written', () => {
    const checkpoint = Buffer.from(signNote('log\n1\nroot\n', [signer(makeSigner('log'))]));
    const hash = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('latin1'));
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(hash),
        fc.uint8Array({ minLength: 1 }),
        (index, path, extra) => {
          const proof = { index, path, checkpoint, extra: Buffer.from(extra) };
          expect(parseProof(formatProof(proof))).toEqual(proof);
        },
      ),
    );
    expect(parseProof('c2sp.org/tlog-proof@v1\nindex 01\n\nx')).toBeUndefined();
    expect(parseProof('')).toBeUndefined();
    expect(fromBase64(toBase64(unhex(ROOTS[3] ?? '')))).toBe(unhex(ROOTS[3] ?? ''));
  });
});
