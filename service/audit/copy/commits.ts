import { hash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { COPY } from '#schemas/wording/copy.ts';
import type { Commit } from '../log/commit.ts';
import { packEntry, splitBundle } from '../tlog/bundle.ts';
import type { Signer } from '../tlog/note.ts';
import { highest, numberPath, numbersBelow } from './numbered.ts';
import { CopyAway, type Place } from './place.ts';
import { readSigned, signJson } from './signing.ts';

const FOLDER = 'log';
const BASES = 'base';
const PROBE = 'probe';
const LINE_END = 0x0a;

const headerSchema = z.object({
  version: z.literal(1),
  /** The id of the log, which no other log has. */
  log: z.string(),
  dataset: z.string(),
  origin: z.string(),
  /** The size that this commit follows. */
  from: z.int().nonnegative(),
  size: z.int().positive(),
  /** In hexadecimal. */
  root: z.string(),
  numbers: z.array(z.number()),
  /** The number of the worker that sealed it. */
  epoch: z.int().nonnegative(),
  /** SHA-256 of the entries that follow. */
  sha256: z.string(),
});

/** What was sealed in one batch, as it is in the copy. */
export type CopiedCommit = Pick<Commit, 'dataset' | 'origin' | 'size' | 'root' | 'numbers'> & {
  log: string;
  from: number;
  epoch: number;
  entries: readonly Buffer[];
};

/** As it was read; `signed` with one of the audit keys. */
type ReadCommit = CopiedCommit & { signed: boolean };

/** How a worker is distinguished from others who can write to the copy. */
export type CommitSigning = {
  /** The audit keys; none if they cannot be read. */
  signers: () => readonly Signer[];
  /** Whether the store knows that what was sealed last is signed: earlier versions sign nothing. */
  isSigned: () => Promise<boolean>;
  /** From now on it is. */
  noteSigned: () => Promise<void>;
};

const baseSchema = z.object({
  version: z.literal(1),
  log: z.string(),
  /** How many entries are pruned. */
  size: z.int().positive(),
  /** The last number of each stream among them. */
  numbers: z.array(z.number()),
  /** Hashes at the right edge of the tree of that size, in hexadecimal, by level. */
  edge: z.array(z.string()),
});

/** The beginning of a log whose first entries are pruned. */
export type LogBase = Omit<z.infer<typeof baseSchema>, 'version' | 'edge'> & { edge: Buffer[] };

/** The copy has changed. The message says what to do. */
export class CopyDamaged extends Error {
  override name = 'CopyDamaged';
}

function encode({ root, entries, ...header }: CopiedCommit, signers: readonly Signer[]): Buffer {
  const packed = Buffer.concat(entries.map(packEntry));
  const line: z.infer<typeof headerSchema> = {
    version: 1,
    ...header,
    root: Buffer.from(root, 'latin1').toString('hex'),
    sha256: hash('sha256', packed),
  };
  const text =
    signers.length === 0 ? JSON.stringify(line) : signJson('sealed events', line, signers);
  return Buffer.concat([Buffer.from(`${text}\n`), packed]);
}

function decode(content: Buffer, from: number, signers: readonly Signer[]): ReadCommit | undefined {
  const end = content.indexOf(LINE_END);
  const packed = content.subarray(end + 1);
  try {
    const { value, by } = readSigned('sealed events', content.toString('utf8', 0, end), signers);
    const header = headerSchema.parse(value);
    const entries = splitBundle(packed);
    const whole =
      header.from === from &&
      header.sha256 === hash('sha256', packed) &&
      entries?.length === header.size - from;
    if (!whole || entries === undefined) return undefined;
    const { version: _, sha256: __, root, ...rest } = header;
    const signed = by === 'worker';
    return { ...rest, root: Buffer.from(root, 'hex').toString('latin1'), entries, signed };
  } catch {
    return undefined;
  }
}

/**
 * The sealed log as its second copy has it: each size of the log has one successor, an object that is named
 * after the size it follows, contains the entries and the resulting state of the log, and can be created only
 * once. So if two workers continue from the same size, one is first and the other finds its object: the copy
 * cannot fork.
 *
 * @param signing absent for callers that only read
 */
export function createCommits(place: Place, signing?: CommitSigning) {
  let isNoted = false;
  const signers = (): readonly Signer[] => signing?.signers() ?? [];
  const nameOf = (from: number): string => `${FOLDER}/${numberPath(from)}`;
  const baseName = (size: number): string => `${BASES}/${numberPath(size)}`;
  /** What a worker of an earlier version wrote is trusted until something is signed. */
  const mustBeSigned = async (): Promise<boolean> =>
    signing !== undefined && (await signing.isSigned());
  /** The size before the newest commit that certainly exists: it was created, or read by name. */
  let known = -1;

  /** The commit after this size of the log; `undefined` if there is none yet. @throws {CopyDamaged} */
  async function after(size: number): Promise<ReadCommit | undefined> {
    const content = await place.read(nameOf(size));
    if (content === undefined) return undefined;
    const commit = decode(content, size, signers());
    if (commit === undefined) throw new CopyDamaged(COPY.damaged(place.name, nameOf(size)));
    known = Math.max(known, size);
    return commit;
  }

  /**
   * The newest commit in a listing that is not after this size. A listing may be behind and lack names: the
   * first commit, and what follows any, is fetched by name.
   */
  const listed = async (atMost?: number): Promise<ReadCommit | undefined> =>
    after((await highest(place, FOLDER, atMost)) ?? 0);

  /** The commit that contains the entry of this index; `undefined` if the copy does not go that far. */
  async function holding(index: number): Promise<ReadCommit | undefined> {
    let found = await listed(index);
    while (found !== undefined && found.size <= index) found = await after(found.size);
    return found;
  }

  const readBase = async (name: string): Promise<ReturnType<typeof readSigned>> =>
    readSigned('pruned beginning', (await place.read(name))?.toString() ?? '', signers());

  /**
   * The beginning of a log made from this copy; `undefined` if that is its first entry.
   *
   * @throws {CopyDamaged} if it cannot be read, or if no worker wrote it: the log would begin later than it
   * should
   */
  async function base(): Promise<LogBase | undefined> {
    const size = await highest(place, BASES);
    if (size === undefined) return undefined;
    const name = baseName(size);
    const { value, by } = await readBase(name);
    const found = baseSchema.safeParse(value).data;
    if (found?.size !== size) throw new CopyDamaged(COPY.damaged(place.name, name));
    if (by !== 'worker' && (await mustBeSigned())) {
      throw new CopyDamaged(COPY.baseNotSigned(place.name, name));
    }
    const { version: _, edge, ...rest } = found;
    return { ...rest, edge: edge.map((hex) => Buffer.from(hex, 'hex')) };
  }

  /** Replaces what an earlier version or somebody else wrote under its name. */
  async function writeBase({ edge, ...rest }: LogBase): Promise<void> {
    const line: z.infer<typeof baseSchema> = {
      version: 1,
      ...rest,
      edge: edge.map((it) => it.toString('hex')),
    };
    const [name, own] = [baseName(rest.size), signers()];
    const text = own.length === 0 ? JSON.stringify(line) : signJson('pruned beginning', line, own);
    const content = Buffer.from(text);
    if (await place.create(name, content)) return;
    if (own.length > 0 && (await readBase(name)).by !== 'worker')
      await place.replace(name, content);
  }

  return {
    place: place.name,
    after,
    holding,
    base,

    /** False if nothing may be deleted from the place. */
    canPrune: place.remove !== undefined,

    /**
     * Removes everything before a base: once the base exists, whole commits, oldest first, so that a crash
     * leaves no hole.
     *
     * @param until `performance.now()` at which it stops for now, once it has removed something
     * @returns whether everything is gone
     */
    async prune(pruned: LogBase, until: number): Promise<boolean> {
      await writeBase(pruned);
      // The commit that contains, or begins with, the first entry that stays.
      const first = (await highest(place, FOLDER, pruned.size)) ?? 0;
      for (const [folder, limit] of [
        [FOLDER, first],
        [BASES, pruned.size],
      ] as const) {
        for await (const number of numbersBelow(place, folder, limit)) {
          await place.remove?.(`${folder}/${numberPath(number)}`);
          // Only now: in a slow place this time may be over before anything is removed.
          if (performance.now() > until) return false;
        }
      }
      return true;
    },

    /** The newest commit; `undefined` if the copy is empty. */
    async newest(): Promise<ReadCommit | undefined> {
      let found = await listed();
      for (let next = found; next !== undefined; next = await after(next.size)) found = next;
      return found;
    },

    /**
     * Adds a commit after the newest. False if another one already follows it.
     *
     * A commit whose answer was lost is found when it is added again, and recognised by its content.
     */
    async add(commit: CopiedCommit): Promise<boolean> {
      const content = encode(commit, signers());
      const isCreated = await place.create(nameOf(commit.from), content);
      if (!isCreated && (await place.read(nameOf(commit.from)))?.equals(content) !== true) {
        return false;
      }
      if (isCreated) known = Math.max(known, commit.from);
      if (!isNoted) await signing?.noteSigned();
      isNoted = true;
      return true;
    },

    /**
     * Makes sure that a worker wrote the newest commit, and so everything under its root: then what is taken over
     * is what was sealed. Earlier versions sign nothing, so anything passes until something is signed.
     *
     * @throws {CopyDamaged} if somebody else wrote it
     */
    async requireOwn({ signed, from }: ReadCommit): Promise<void> {
      if (signed || !(await mustBeSigned())) return;
      throw new CopyDamaged(COPY.commitNotSigned(place.name, nameOf(from)));
    },

    /**
     * Tries whether the place is suitable: creates one name twice, asks whether objects expire, and checks whether
     * the newest commit is listed.
     *
     * @returns whether the newest commit still exists, and, in sentences, what needs attention even if the
     * place can be used
     * @throws {CopyAway} if it is not suitable, or does not answer
     */
    async check(): Promise<{ whole: boolean; remarks: string[] }> {
      await place.create(PROBE, Buffer.from('created once'));
      const second = Buffer.from(randomUUID());
      const again = await place.create(PROBE, second);
      const kept = await place.read(PROBE);
      if (again || kept === undefined || kept.equals(second)) {
        throw new CopyAway(COPY.notExclusive(place.name));
      }
      const keeping = await place.keeping();
      if (keeping.kind === 'deleted') throw new CopyAway(keeping.why);
      // Before the listing is read: it must contain only what existed by then.
      const least = known;
      const isListed = ((await highest(place, FOLDER)) ?? -1) >= least;
      const whole = isListed || (await place.read(nameOf(least))) !== undefined;
      if (!whole) known = -1;
      const remarks = [
        ...(keeping.kind === 'unknown' ? [keeping.why] : []),
        ...(whole && !isListed ? [COPY.listsLate(place.name)] : []),
      ];
      return { whole, remarks };
    },
  };
}
export type Commits = ReturnType<typeof createCommits>;
