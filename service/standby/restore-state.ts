import { COPY } from '#schemas/wording/copy.ts';
import type { StateMark } from '#store/locks/worker-lease.ts';
import { CopyDamaged } from '../audit/copy/commits.ts';
import { highest } from '../audit/copy/numbered.ts';
import type { Place } from '../audit/copy/place.ts';
import type { Signer } from '../audit/tlog/note.ts';
import {
  type Contents,
  digestOf,
  FILES,
  folderOf,
  type Manifest,
  manifestPath,
  type ReadManifest,
  readManifest,
  SLOTS,
  STATE,
  slotOf,
} from './manifest.ts';
import {
  isStateName,
  placedOf,
  putState,
  type Restored,
  type StatePlaces,
  unpackDatabase,
} from './worker-state.ts';

/** What identifies a state, independently of its copy. */
export type StateKnown = {
  /** The number of the last worker to run, which a listing may lack; 0 if unknown. */
  worked: number;
  /** A state that the copy has had. */
  mark: StateMark | undefined;
  /** The audit keys. @throws {KeyFileWrong} */
  signers: () => Promise<readonly Signer[]>;
  /** Whether the store shows that no state was ever signed: then an earlier version's unsigned one counts. */
  beforeSigning: boolean;
};

/** The newest state under a worker's number, even if no worker wrote it. */
async function newestOf(
  place: Place,
  epoch: number,
  signers: StateKnown['signers'],
): Promise<(ReadManifest & { object: string }) | undefined> {
  let newest: (ReadManifest & { object: string }) | undefined;
  // Each by its name: a listing may be late.
  for (let slot = 0; slot < SLOTS; slot++) {
    const object = manifestPath(epoch, slotOf(slot));
    const content = await place.read(object);
    const read = content && readManifest(content, await signers());
    if (read === undefined || read.manifest.version <= (newest?.manifest.version ?? -1)) continue;
    const isElsewhere = read.manifest.epoch !== epoch || read.manifest.version % SLOTS !== slot;
    newest = { ...read, object, by: read.by === 'worker' && isElsewhere ? 'others' : read.by };
  }
  return newest;
}

/**
 * The state of the last worker that has one: a worker that died earlier had changed nothing.
 *
 * @throws {CopyDamaged} if it was not written by a worker, or is older than one that was there before
 */
export async function newestState(
  place: Place,
  { worked, mark, signers, beforeSigning }: StateKnown,
): Promise<Manifest | undefined> {
  const first = Math.max(worked, mark?.epoch ?? 0);
  const listed = await highest(place, STATE);
  let epoch = worked === 0 && mark === undefined ? listed : Math.max(first, listed ?? 0);
  for (; epoch !== undefined; epoch = await before(epoch)) {
    const newest = await newestOf(place, epoch, signers);
    if (newest === undefined) continue;
    const { manifest, by, object } = newest;
    if (by === 'others' || (by === 'nobody' && !beforeSigning)) {
      throw new CopyDamaged(COPY.stateNotSigned(place.name, object));
    }
    if (mark === undefined || epoch > mark.epoch || manifest.version >= mark.version) {
      return manifest;
    }
    break;
  }
  if (mark !== undefined) throw new CopyDamaged(COPY.stateOlder(place.name, folderOf(mark.epoch)));
  return undefined;

  async function before(later: number): Promise<number | undefined> {
    if (later === (mark?.epoch ?? 0)) return undefined;
    const earlier = await highest(place, STATE, later - 1);
    return mark === undefined ? earlier : Math.max(mark.epoch, earlier ?? 0);
  }
}

/** What the copy has under a name, unchanged. @throws {CopyAway} {CopyDamaged} */
async function contentOf(place: Place, object: string, sha256: string): Promise<Buffer> {
  const read = await place.read(object);
  if (read === undefined || digestOf(read) !== sha256) {
    throw new CopyDamaged(COPY.damaged(place.name, object));
  }
  return read;
}

/** Files as they are to be put here. @throws {CopyAway} {CopyDamaged} */
export async function filesOf(place: Place, { databases, files }: Contents): Promise<Restored[]> {
  const restored: Restored[] = [];
  for (const { name, object, sha256 } of databases) {
    restored.push({ name, content: unpackDatabase(await contentOf(place, object, sha256)) });
  }
  for (const { name, sha256 } of files) {
    restored.push({ name, content: await contentOf(place, `${FILES}/${sha256}`, sha256) });
  }
  return restored;
}

/**
 * Replaces the state in this data folder with the newest in the copy. Files without a place here stay in the
 * copy: those of a mailbox that is not set, or of a later version.
 *
 * @returns `nothing` if the copy has none, and nothing was changed; otherwise the files without a place here,
 * in objects that no worker writes again
 * @throws {CopyAway} {CopyDamaged} {KeyFileWrong}
 */
export async function restoreState(
  place: Place,
  places: StatePlaces,
  known: StateKnown,
): Promise<{ kind: 'nothing' } | { kind: 'restored'; left: Contents }> {
  const newest = await newestState(place, known);
  if (newest === undefined) return { kind: 'nothing' };
  const names = [...newest.databases, ...newest.files].map(({ name }) => name);
  if (!names.every(isStateName)) throw new CopyDamaged(COPY.damaged(place.name, STATE));
  const placed = placedOf(places, names);
  const here = partOf(newest, (name) => placed.has(name));
  const left = partOf(newest, (name) => !placed.has(name));
  const restored = await filesOf(place, here);
  const databases: Contents['databases'] = [];
  for (const { name, object, sha256 } of left.databases) {
    const kept = `${FILES}/${sha256}`;
    await place.replace(kept, await contentOf(place, object, sha256));
    databases.push({ name, object: kept, sha256 });
  }
  putState(places, restored);
  return { kind: 'restored', left: { databases, files: left.files } };
}

const partOf = ({ databases, files }: Contents, has: (name: string) => boolean): Contents => ({
  databases: databases.filter(({ name }) => has(name)),
  files: files.filter(({ name }) => has(name)),
});
