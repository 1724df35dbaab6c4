/**
 * Somewhere else than this machine's disk, where objects are kept by name. Names are of lower-case letters, digits,
 * dots and slashes. Every call has a deadline.
 *
 * @throws {CopyAway} from every call, if the place does not do it in time or at all
 */
export type Place = {
  /** The place's name for an operator. */
  name: string;
  /** Creates an object, on disk when this resolves. False, and nothing is changed, if there is one. */
  create(name: string, content: Uint8Array): Promise<boolean>;
  /** Creates an object or replaces it, on disk when this resolves. */
  replace(name: string, content: Uint8Array): Promise<void>;
  /** `undefined` if there is none. */
  read(name: string): Promise<Buffer | undefined>;
  /** What a folder holds, by name within it, up to about a thousand names. A folder that is not there holds nothing. */
  list(folder: string): Promise<string[]>;
  /** Removes an object, if it is there; absent if nothing may be deleted. */
  remove?: ((name: string) => Promise<void>) | undefined;
  /** Whether the place would lose what is put there after a time. */
  keeping(): Promise<Keeping>;
  /** Whether it is lost with the disk that this folder is on; false if either is not there yet. */
  isOnDiskOf(folder: string): Promise<boolean>;
};

/** What a place does with what is put there; why, in a sentence. */
type Keeping =
  | { kind: 'kept' }
  | { kind: 'unknown'; why: string }
  | { kind: 'deleted'; why: string };

/** The place cannot be used. The message says what to do. */
export class CopyAway extends Error {
  override name = 'CopyAway';
}
