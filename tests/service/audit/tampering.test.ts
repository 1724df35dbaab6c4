import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LogEntry } from '#service/audit/seal/log-writer.ts';
import { parseCheckpoint } from '#service/audit/tlog/checkpoint.ts';
import { TILE_WIDTH, tilePath, widthOf } from '#service/audit/tlog/tiles.ts';
import { proveEntry } from '#service/audit/verify/prove.ts';
import type { Finding } from '#service/audit/verify/scan.ts';
import { verifyLog } from '#service/audit/verify/verify.ts';
import { verifyProof } from '#service/audit/verify/verify-proof.ts';
import {
  auditFolder,
  copyOf,
  eventSource,
  makeLog,
  openLog,
  readEntries,
  removeAuditFolders,
  seeded,
  signerOf,
  writeEntries,
} from '../../support/audit.ts';

const SIZE = 1_700;
const PLACES = 5;
const signer = signerOf();
const keys = [signer.verifierKey];

let whole: string;
beforeAll(() => {
  whole = makeLog(SIZE, signer).folder;
});
afterAll(removeAuditFolders);

/** What verification finds in a copy of the log after somebody has tampered with it. */
async function after(tamper: (folder: string) => void, old: Buffer[] = []): Promise<Finding[]> {
  const folder = copyOf(whole);
  tamper(folder);
  const { findings } = await verifyLog({
    folder,
    keys,
    old: old.map((note, i) => ({ name: `old ${i}`, note })),
  });
  return findings;
}

/** The same at places chosen by a seed, each in its own copy. */
async function atPlaces(
  what: (folder: string, place: number) => void,
  expected: (place: number) => Partial<Finding>[],
  below = SIZE,
): Promise<void> {
  const random = seeded(42);
  for (let i = 0; i < PLACES; i++) {
    const place = random(below);
    const findings = await after((folder) => what(folder, place));
    expect(findings, `at ${place}`).toEqual(
      expected(place).map((finding): unknown => expect.objectContaining(finding)),
    );
  }
}

const rewrite = (folder: string, change: (entries: Buffer[]) => void): void => {
  const entries = readEntries(folder, SIZE);
  change(entries);
  writeEntries(folder, SIZE, entries);
};
const checkpointOf = (folder: string): Buffer => readFileSync(join(folder, 'checkpoint'));
const sizeOf = (folder: string): number =>
  parseCheckpoint(checkpointOf(folder).toString().split('\n\n')[0] + '\n')?.size ?? -1;

test('an untouched log verifies, whatever its size', async () => {
  expect(await after(() => undefined)).toEqual([]);
  for (const size of [0, 1, 255, 256, 257, 512]) {
    const { folder } = makeLog(size, signer, size);
    const verification = await verifyLog({ folder, keys });
    expect(verification.findings, `${size} entries`).toEqual([]);
    expect(verification.to).toBe(size);
  }
});

describe('verification names the place of', () => {
  test('a changed entry', () =>
    atPlaces(
      (folder, place) =>
        rewrite(folder, (entries) => {
          const entry = entries[place] ?? Buffer.alloc(0);
          entry[entry.length - 3] = (entry[entry.length - 3] ?? 0) ^ 1;
        }),
      (place) => [
        {
          kind: 'entry-changed',
          entry: place,
          detail: expect.stringMatching(
            new RegExp(
              `entry ${place} was changed \\(it calls itself event \\d+ of partition \\d+, auditId [0-9a-f-]{36}\\)`,
            ),
          ) as string,
        },
      ],
    ));

  test('a deleted entry, with the number that is then missing', () =>
    atPlaces(
      (folder, place) => rewrite(folder, (entries) => entries.splice(place, 1)),
      (place) => [
        { kind: 'entry-deleted', entry: place },
        // If it is the newest event of its partition, its number leaves no gap.
        ...(isLastOfPartition(place) ? [] : [{ kind: 'numbers-missing' as const }]),
      ],
      SIZE - 1,
    ));

  test('an inserted entry', () =>
    atPlaces(
      (folder, place) =>
        rewrite(folder, (entries) => entries.splice(place, 0, Buffer.from('{"partition":1}'))),
      (place) => [
        { kind: 'entry-unreadable', entry: place },
        { kind: 'entry-inserted', entry: place },
      ],
      SIZE - 1,
    ));

  test('swapped entries', async () => {
    const random = seeded(7);
    for (let i = 0; i < PLACES; i++) {
      const one = random(SIZE - 300);
      const two = one + 1 + random(200);
      const findings = await after((folder) =>
        rewrite(folder, (entries) => {
          const [a, b] = [entries[one] ?? Buffer.alloc(0), entries[two] ?? Buffer.alloc(0)];
          entries[one] = b;
          entries[two] = a;
        }),
      );
      const sameBundle = Math.floor(one / TILE_WIDTH) === Math.floor(two / TILE_WIDTH);
      expect(findings).toContainEqual(
        expect.objectContaining({
          kind: sameBundle ? 'entries-reordered' : 'entry-changed',
          entry: one,
        }),
      );
    }
  });

  test('a truncated bundle', () =>
    atPlaces(
      (folder, place) => {
        const index = Math.floor(place / TILE_WIDTH);
        const path = join(folder, tilePath('entries', index, widthOf('entries', index, SIZE)));
        writeFileSync(path, readFileSync(path).subarray(0, -5));
      },
      (place) => [
        {
          kind: 'bundle-damaged',
          entry: Math.min(SIZE, (Math.floor(place / TILE_WIDTH) + 1) * TILE_WIDTH) - 1,
        },
        { kind: 'entry-deleted' },
        ...(isLastOfPartition(Math.min(SIZE, (Math.floor(place / TILE_WIDTH) + 1) * TILE_WIDTH) - 1)
          ? []
          : [{ kind: 'numbers-missing' as const }]),
      ],
    ));

  test('bundles missing from the middle', async () => {
    const findings = await after((folder) => {
      for (const index of [2, 3]) rmSync(join(folder, tilePath('entries', index)));
    });
    expect(findings[0]).toMatchObject({
      kind: 'entries-missing',
      entry: 512,
      path: 'tile/entries/002',
    });
    expect(new Set(findings.slice(1).map(({ kind }) => kind))).toEqual(
      new Set(['numbers-missing']),
    );
  });

  test('an end cut off', async () => {
    const findings = await after((folder) => {
      for (const index of [4, 5, 6]) {
        rmSync(join(folder, `${tilePath('entries', index)}.p`), { recursive: true, force: true });
        rmSync(join(folder, tilePath('entries', index)), { force: true });
      }
    });
    expect(findings).toEqual([expect.objectContaining({ kind: 'truncated', entry: 1024 })]);
  });

  test('a missing start that was not pruned', async () => {
    const findings = await after((folder) => {
      for (const index of [0, 1]) rmSync(join(folder, tilePath('entries', index)));
    });
    expect(findings).toEqual([
      expect.objectContaining({ kind: 'entries-missing', entry: 0, path: 'tile/entries/000' }),
    ]);
    expect(findings[0]?.detail).toContain('Entries 0 to 511');
  });

  test('a changed or missing tile whose entries are still those that were signed', async () => {
    const changed = await after((folder) => {
      const path = join(folder, tilePath(0, 3));
      const tile = readFileSync(path);
      tile[100] = (tile[100] ?? 0) ^ 1;
      writeFileSync(path, tile);
    });
    expect(changed).toEqual([
      expect.objectContaining({ kind: 'tile-changed', path: 'tile/0/003', entry: 768 }),
    ]);
    const gone = await after((folder) => rmSync(join(folder, tilePath(0, 3))));
    expect(gone).toEqual([
      expect.objectContaining({ kind: 'tile-missing', path: 'tile/0/003', entry: 768 }),
    ]);
    const upper = await after((folder) => {
      const path = join(folder, tilePath(1, 0, 6));
      const tile = readFileSync(path);
      tile[2 * 32] = (tile[2 * 32] ?? 0) ^ 1;
      writeFileSync(path, tile);
    });
    expect(upper).toEqual([
      expect.objectContaining({ kind: 'tile-changed', path: 'tile/1/000.p/6', entry: 512 }),
    ]);
  });

  test('a changed full tile of a higher level, in a log long enough to have one', async () => {
    const folder = auditFolder();
    const log = openLog(folder, signer);
    log.append(eventSource(1).take(65_600));
    log.close();
    const path = join(folder, tilePath(1, 0));
    const tile = readFileSync(path);
    tile[7 * 32] = (tile[7 * 32] ?? 0) ^ 1;
    writeFileSync(path, tile);
    expect((await verifyLog({ folder, keys })).findings).toEqual([
      expect.objectContaining({ kind: 'tile-changed', path: 'tile/1/000', entry: 7 * 256 }),
    ]);
  });

  test('entries rewritten with every tile, by somebody without the key', async () => {
    const forged = makeLog(SIZE, signerOf(), 2).folder;
    writeFileSync(join(forged, 'checkpoint'), checkpointOf(whole));
    expect((await verifyLog({ folder: forged, keys })).findings).toEqual([
      expect.objectContaining({ kind: 'root-differs' }),
    ]);
    const own = makeLog(SIZE, signerOf(), 2).folder;
    expect((await verifyLog({ folder: own, keys })).findings).toEqual([
      expect.objectContaining({ kind: 'checkpoint-invalid' }),
    ]);
  });

  test('numbers that were never sealed, even if everything else is whole', async () => {
    const folder = auditFolder();
    const log = openLog(folder, signer);
    const source = eventSource(3);
    log.append(source.take(300));
    const lost: LogEntry[] = [source.next(7), source.next(7)];
    log.append([source.next(7), ...source.take(10)]);
    log.close();
    const { findings } = await verifyLog({ folder, keys });
    const [first, last] = [lost[0]?.number, lost[1]?.number];
    expect(findings).toEqual([expect.objectContaining({ kind: 'numbers-missing', entry: 300 })]);
    expect(findings[0]?.detail).toContain(`Events ${first} to ${last} of partition 7`);
  });

  test('a repeated number', async () => {
    const folder = auditFolder();
    const log = openLog(folder, signer);
    const source = eventSource(3);
    const once = source.next(9);
    log.append([once, once, ...source.take(20), once]);
    log.close();
    expect((await verifyLog({ folder, keys })).findings).toEqual([
      expect.objectContaining({ kind: 'number-repeated', entry: 1 }),
      expect.objectContaining({ kind: 'number-repeated', entry: 22 }),
    ]);
  });
});

describe('an older checkpoint shows', () => {
  test('that the log was rolled back', async () => {
    const { folder } = makeLog(900, signer);
    const older = makeLog(SIZE, signer).folder;
    const { findings } = await verifyLog({
      folder,
      keys,
      old: [{ name: 'monday', note: checkpointOf(older) }],
    });
    expect(findings).toEqual([expect.objectContaining({ kind: 'rolled-back', entry: 900 })]);
  });

  test('that the log was forked, even by a holder of the key', async () => {
    for (const size of [SIZE, 1_000, 256]) {
      const fork = makeLog(size, signer, 9).folder;
      const findings = await after(() => undefined, [checkpointOf(fork)]);
      expect(findings, `at ${size}`).toEqual([expect.objectContaining({ kind: 'forked' })]);
    }
  });

  test('nothing if the log continues from it, at any size', async () => {
    const folder = auditFolder();
    const source = eventSource(5);
    const log = openLog(folder, signer);
    const old: Buffer[] = [checkpointOf(folder)];
    for (const count of [1, 254, 1, 1, 300, 12]) {
      log.append(source.take(count));
      old.push(checkpointOf(folder));
    }
    log.close();
    const { findings } = await verifyLog({
      folder,
      keys,
      old: old.map((note, i) => ({ name: `old ${i}`, note })),
    });
    expect(findings).toEqual([]);
  });

  const compare = async (note: Buffer) => {
    const old = [{ name: 'january', note }];
    const { findings, unusable } = await verifyLog({ folder: whole, keys, old });
    expect(findings).toEqual([]);
    return unusable;
  };

  test.each<[string, (note: Buffer) => Buffer]>([
    ['Windows line breaks', (note) => Buffer.from(note.toString().replaceAll('\n', '\r\n'))],
    ['a byte order mark', (note) => Buffer.from(`\uFEFF${note.toString()}`)],
    ['UTF-16', (note) => Buffer.from(`\uFEFF${note.toString()}`, 'utf16le')],
    ['no final line break', (note) => note.subarray(0, -1)],
    ['an extra line break', (note) => Buffer.from(`${note.toString()}\n`)],
  ])('the same if its copy has acquired %s on the way', async (_, carried) => {
    expect(await compare(carried(checkpointOf(whole)))).toEqual([]);
    // A copy from another log is still distinguished from this one's.
    const fork = carried(checkpointOf(makeLog(256, signer, 9).folder));
    const { findings } = await verifyLog({ folder: whole, keys, old: [{ name: 'x', note: fork }] });
    expect(findings).toEqual([expect.objectContaining({ kind: 'forked' })]);
  });

  test('nothing about the log if the copy is damaged or belongs to another log', async () => {
    const note = checkpointOf(whole).toString();
    for (const bad of [
      'checkpoint',
      note.replace(String(SIZE), String(SIZE + 1)),
      checkpointOf(makeLog(9, signerOf()).folder).toString(),
    ]) {
      expect(await compare(Buffer.from(bad))).toEqual([
        { name: 'january', detail: expect.stringMatching(/^january is /) as string },
      ]);
    }
  });

  test('no fork if the log was rewritten or damaged by somebody without the key', async () => {
    const older = checkpointOf(makeLog(1_000, signer).folder);
    const old = [{ name: 'january', note: older }];
    expect(await after(() => undefined, [older])).toEqual([]);
    const forged = makeLog(SIZE, signerOf(), 2).folder;
    writeFileSync(join(forged, 'checkpoint'), checkpointOf(whole));
    const { findings } = await verifyLog({ folder: forged, keys, old });
    expect(findings.map(({ kind }) => kind)).toEqual(['root-differs', 'not-compared']);
    const damaged = await after(
      (folder) => {
        for (const path of [tilePath(0, 2), tilePath('entries', 2)]) {
          writeFileSync(join(folder, path), readFileSync(join(folder, path)).fill(7, 40, 90));
        }
      },
      [older],
    );
    expect(damaged.map(({ kind }) => kind)).not.toContain('forked');
  });
});

test('a copy made while the log is being written verifies, and says what its checkpoint does not cover', async () => {
  const folder = auditFolder();
  const log = openLog(folder, signer);
  const source = eventSource(6);
  for (const more of [0, 5, 56, 57, 700]) {
    log.append(source.take(200));
    const copy = auditFolder();
    cpSync(join(folder, 'checkpoint'), join(copy, 'checkpoint'));
    log.append(source.take(more));
    cpSync(join(folder, 'tile'), join(copy, 'tile'), { recursive: true });
    expect(await verifyLog({ folder: copy, keys })).toMatchObject({
      findings: [],
      uncovered: more,
    });
  }
  log.close();
});

test('an old checkpoint beside a newer log is stale', async () => {
  const folder = copyOf(whole);
  const old = checkpointOf(folder);
  const log = openLog(folder, signer);
  const source = eventSource(6);
  log.append(source.take(10));
  log.close();
  writeFileSync(join(folder, 'checkpoint'), old);
  const { findings } = await verifyLog({ folder, keys, waitMs: 0 });
  expect(findings.map(({ kind }) => kind)).toContain('stale-checkpoint');
});

test('a copy older than allowed is recognised by its latest event', async () => {
  const { findings } = await verifyLog({
    folder: whole,
    keys,
    newestWithinHours: 24,
    now: Date.UTC(2026, 10, 26),
  });
  expect(findings).toEqual([expect.objectContaining({ kind: 'too-old' })]);
});

test('a foreign event from the future does not make an old copy look new', async () => {
  const folder = copyOf(whole);
  const log = openLog(folder, signer);
  log.append([eventSource(SIZE).next(undefined, { at: Date.UTC(2036, 0, 1), padding: undefined })]);
  log.close();
  const { findings } = await verifyLog({
    folder,
    keys,
    newestWithinHours: 24,
    now: Date.UTC(2026, 10, 26),
  });
  expect(findings.map(({ kind }) => kind)).toContain('too-old');
});

describe('a proof of one event', () => {
  test('is accepted with the public key alone, and proves nothing else', () => {
    const random = seeded(8);
    for (let i = 0; i < PLACES; i++) {
      const index = random(SIZE);
      const proof = proveEntry(whole, keys, index);
      expect(verifyProof(Buffer.from(proof), keys)).toMatchObject({ kind: 'proven', index });
      const mailed = Buffer.from(`\uFEFF${proof.replaceAll('\n', '\r\n')}`);
      expect(verifyProof(mailed, keys)).toMatchObject({ kind: 'proven', index });
      expect(verifyProof(Buffer.from(proof), [signerOf().verifierKey]).kind).toBe('refuted');
      const other = proof.replace(/^index .*$/m, `index ${(index + 1) % SIZE}`);
      expect(verifyProof(Buffer.from(other), keys).kind).toBe('refuted');
      const line = /^extra (.*)$/m.exec(proof)?.[1] ?? '';
      const entry = Buffer.from(line, 'base64').toString().replace('"at":1', '"at":2');
      const changed = proof.replace(line, Buffer.from(entry).toString('base64'));
      expect(changed).not.toBe(proof);
      expect(verifyProof(Buffer.from(changed), keys).kind).toBe('refuted');
    }
  });
});

test('no file makes the check of a proof fail in any other way than by saying what is wrong', () => {
  const proof = Buffer.from(proveEntry(whole, keys, 5));
  const cut = fc.tuple(fc.nat(proof.length), fc.nat(40), fc.uint8Array({ maxLength: 40 }));
  const changed = cut.map(([at, length, by]) =>
    Buffer.concat([proof.subarray(0, at), by, proof.subarray(at + length)]),
  );
  const junk = fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes));
  const { entry } = { entry: '', ...verifyProof(proof, keys) };
  fc.assert(
    fc.property(fc.oneof(changed, junk), (file) => {
      const verified = verifyProof(file, keys);
      // What does count proves the same event.
      if (verified.kind === 'proven') expect([verified.index, verified.entry]).toEqual([5, entry]);
    }),
    { numRuns: 300 },
  );
});

/** Whether no later entry in the untouched log belongs to the same partition. */
function isLastOfPartition(place: number): boolean {
  const partitionOf = (entry: Buffer): unknown =>
    (JSON.parse(entry.toString()) as { partition: unknown }).partition;
  const entries = readEntries(whole, sizeOf(whole));
  const own = entries[place] && partitionOf(entries[place]);
  return !entries.slice(place + 1).some((entry) => partitionOf(entry) === own);
}

test('two writers cannot write at once, and the second may follow the first', () => {
  const folder = auditFolder();
  const first = openLog(folder, signer);
  expect(() => openLog(folder, signer)).toThrow('Another process seals the log.');
  first.close();
  openLog(folder, signer).close();
});
