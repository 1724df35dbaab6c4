/**
 * A place other than this machine's disk that stores objects by name. Names consist of lower-case letters,
 * digits, dots and slashes. Every call has a deadline.
 *
 * @throws {CopyAway} from every call, if the place fails or is late
 */
export type Place = {
  /** The place's name for an operator. */
  name: string;
  /** Creates an object, on disk when this resolves. False, with nothing changed, if it exists. */
  create(name: string, content: Uint8Array): Promise<boolean>;
  /** Creates an object or replaces it, on disk when this resolves. */
  replace(name: string, content: Uint8Array): Promise<void>;
  /** `undefined` if there is none. */
  read(name: string): Promise<Buffer | undefined>;
  /** What a folder contains, by name within it, up to about a thousand names. A missing folder contains nothing. */
  list(folder: string): Promise<string[]>;
  /** Removes an object, if it is there; absent if nothing may be deleted. */
  remove?: ((name: string) => Promise<void>) | undefined;
  /** Whether the place deletes objects after a time. */
  keeping(): Promise<Keeping>;
  /** Whether it would be lost with the disk of this folder; false if either does not exist yet. */
  isOnDiskOf(folder: string): Promise<boolean>;
};

/** What a place does with its objects; why, in a sentence. */
export type Keeping =
  | { kind: 'kept' }
  | { kind: 'unknown'; why: string }
  | { kind: 'deleted'; why: string };

/** The place cannot be used. The message says what to do. */
export class CopyAway extends Error {
  override name = 'CopyAway';
}

/** Nothing can be put there for another reason than the place itself: it may work. */
export class NotCopied extends CopyAway {
  override name = 'NotCopied';
}
