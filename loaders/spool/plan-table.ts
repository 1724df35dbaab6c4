import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** What is kept about a plan; `before` is the position of the previous one in its chain, or {@link NONE}. */
type PlanEntry = { identity: number; record: number; end: number; before: number };

/** Plans in the order in which they came, in chains by a hash of their person. */
type PlanTable = {
  /** How many there are. */
  readonly count: number;
  /** The last plan of a chain, or {@link NONE}. @param hash 32 bits */
  last: (hash: number) => number;
  /** Valid until the next one is read. */
  entry: (at: number) => Readonly<PlanEntry>;
  add: (hash: number, identity: number, record: number, end: number) => void;
  close: () => void;
};

export const NONE = -1;
const BEGINS_WITH = 1_024;

const emptyEntry = (): PlanEntry => ({ identity: 0, record: 0, end: 0, before: NONE });

/** In arrays that grow by doubling, twenty-four bytes a plan. @param hashOf of an identity */
export function tableInMemory(hashOf: (identity: number) => number): PlanTable {
  let count = 0;
  let identities = new Float64Array(BEGINS_WITH);
  let records = new Uint32Array(BEGINS_WITH);
  let ends = new Int32Array(BEGINS_WITH);
  let befores = new Int32Array(BEGINS_WITH);
  // One chain for each plan that there is room for.
  let chains = new Int32Array(BEGINS_WITH).fill(NONE);
  const entry = emptyEntry();

  function link(at: number, hash: number): void {
    const chain = hash & (chains.length - 1);
    befores[at] = chains[chain] ?? NONE;
    chains[chain] = at;
  }

  function grow(): void {
    const grown = <T extends Float64Array | Uint32Array | Int32Array>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    const size = count * 2;
    identities = grown(new Float64Array(size), identities);
    records = grown(new Uint32Array(size), records);
    ends = grown(new Int32Array(size), ends);
    befores = new Int32Array(size);
    chains = new Int32Array(size).fill(NONE);
    for (let at = 0; at < count; at++) link(at, hashOf(identities[at] ?? 0));
  }

  return {
    get count() {
      return count;
    },
    last: (hash) => chains[hash & (chains.length - 1)] ?? NONE,
    entry(at) {
      entry.identity = identities[at] ?? 0;
      entry.record = records[at] ?? 0;
      entry.end = ends[at] ?? 0;
      entry.before = befores[at] ?? NONE;
      return entry;
    },
    add(hash, identity, record, end) {
      if (count === identities.length) grow();
      identities[count] = identity;
      records[count] = record;
      ends[count] = end;
      link(count, hash);
      count += 1;
    },
    close: () => undefined,
  };
}

/** Sixteen million, in 64 MiB of a sparse file while they are empty. */
const CHAINS = 2 ** 24;
const CHAIN_BYTES = 4;
const ENTRY_BYTES = 24;

/**
 * In a file (0600), for an upload with more plans than should be in memory. It is read through the machine's
 * page cache; nothing in it outlives the process, so nothing is synced.
 *
 * @param path of a file that does not exist yet
 */
export function tableOnDisk(path: string): PlanTable {
  const file = openSync(path, 'wx+', 0o600);
  const head = new DataView(new ArrayBuffer(CHAIN_BYTES));
  const whole = new DataView(new ArrayBuffer(ENTRY_BYTES));
  const entry = emptyEntry();
  let count = 0;
  const chainAt = (hash: number): number => (hash & (CHAINS - 1)) * CHAIN_BYTES;
  const entryAt = (at: number): number => CHAINS * CHAIN_BYTES + at * ENTRY_BYTES;

  // One more than the position, so that a hole in the file is an empty chain.
  function last(hash: number): number {
    const read = readSync(file, head, 0, CHAIN_BYTES, chainAt(hash));
    return read === CHAIN_BYTES ? head.getInt32(0) - 1 : NONE;
  }

  return {
    get count() {
      return count;
    },
    last,
    entry(at) {
      readSync(file, whole, 0, ENTRY_BYTES, entryAt(at));
      entry.identity = whole.getFloat64(0);
      entry.record = whole.getUint32(8);
      entry.end = whole.getInt32(12);
      entry.before = whole.getInt32(16);
      return entry;
    },
    add(hash, identity, record, end) {
      whole.setFloat64(0, identity);
      whole.setUint32(8, record);
      whole.setInt32(12, end);
      whole.setInt32(16, last(hash));
      writeSync(file, whole, 0, ENTRY_BYTES, entryAt(count));
      count += 1;
      head.setInt32(0, count);
      writeSync(file, head, 0, CHAIN_BYTES, chainAt(hash));
    },
    close: () => closeSync(file),
  };
}
