import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LogEntry, LogWriter } from '#service/audit/seal/log-writer.ts';
import { packEntry, splitBundle } from '#service/audit/tlog/bundle.ts';
import { makeSigner, parseSigner, type Signer } from '#service/audit/tlog/note.ts';
import { TILE_WIDTH, tilePath, widthOf } from '#service/audit/tlog/tiles.ts';
import { auditPartitions } from '#store/keys.ts';

export const ORIGIN = 'cp-flags/test';
const SYSTEM = auditPartitions.length - 1;

/** A generator of whole numbers from 0 up to a bound, the same for the same seed (mulberry32). */
export function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export function signerOf(text = makeSigner(ORIGIN)): Signer {
  const signer = parseSigner(text);
  if (signer === undefined) throw new Error('not a key');
  return signer;
}

const folders: string[] = [];
export function auditFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cpf-audit-'));
  folders.push(folder);
  return folder;
}
export function removeAuditFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
export function copyOf(folder: string): string {
  const copy = auditFolder();
  cpSync(folder, copy, { recursive: true });
  return copy;
}

/** Events in many partitions, numbered without gaps, each about as long as a lookup's event. */
export function eventSource(seed = 1, firstAt = Date.UTC(2026, 10, 24)) {
  const random = seeded(seed);
  const numbers = Array<number>(auditPartitions.length).fill(0);
  let count = 0;
  function next(stream = random(SYSTEM), written: object = {}): LogEntry {
    const number = (numbers[stream] ?? 0) + 1;
    numbers[stream] = number;
    count++;
    const event = {
      partition: auditPartitions[stream],
      number,
      at: firstAt + count * 20,
      outcome: 'not-flagged',
      type: 'lookup',
      auditId: `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`,
      padding: 'x'.repeat(random(600)),
      ...written,
    };
    return { stream, number, entry: Buffer.from(JSON.stringify(event)) };
  }
  return {
    next,
    take: (many: number): LogEntry[] => Array.from({ length: many }, () => next()),
    /** An event for the system's stream. */
    act: (written: object): LogEntry => next(SYSTEM, { outcome: undefined, ...written }),
    numbers,
  };
}

export function openLog(folder: string, ...given: (Signer | string)[]): LogWriter {
  const signers = given.filter((each) => typeof each !== 'string');
  return LogWriter.open({
    folder,
    dataset: 'test-dataset',
    streams: auditPartitions.length,
    signers: () => signers,
    id: given.find((each) => typeof each === 'string'),
  });
}

/** A log of `count` events, sealed in batches of any size. */
export function makeLog(count: number, signer: Signer, seed = 1) {
  const folder = auditFolder();
  const source = eventSource(seed);
  const random = seeded(seed + 1);
  const log = openLog(folder, signer);
  for (let left = count; left > 0; ) {
    const batch = Math.min(left, 1 + random(400));
    log.append(source.take(batch));
    left -= batch;
  }
  log.close();
  return { folder, source };
}

const bundlePath = (folder: string, index: number, size: number): string =>
  join(folder, tilePath('entries', index, widthOf('entries', index, size)));

/** Every entry in a log's folder, for a test that tampers with it. */
export function readEntries(folder: string, size: number): Buffer[] {
  const entries: Buffer[] = [];
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    entries.push(...(splitBundle(readFileSync(bundlePath(folder, index, size))) ?? []));
  }
  return entries;
}

/** Rewrites the bundles of entries without touching the tiles. */
export function writeEntries(folder: string, size: number, entries: readonly Buffer[]): void {
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = widthOf('entries', index, size);
    const last = (index + 1) * TILE_WIDTH >= size;
    const end = last ? entries.length : index * TILE_WIDTH + width;
    const bundle = entries.slice(index * TILE_WIDTH, end).map(packEntry);
    writeFileSync(bundlePath(folder, index, size), Buffer.concat(bundle));
  }
}
