import { createHash } from 'node:crypto';
import { closeSync, fsync, openSync, readSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';

const flushed = promisify(fsync);
/** Written and read in pieces of about this many characters or bytes. */
const PIECE = 131_072;

/**
 * A file of text lines (0600) that is only appended to, and read from its beginning. Appended lines are on
 * disk after {@link SpoolFile.sync}, not before.
 */
export class SpoolFile {
  readonly path: string;
  readonly #hash = createHash('sha256');
  #descriptor: number | undefined;
  #waiting = '';
  /** Bytes written or waiting to be; known exactly only after a flush. */
  #length = 0;

  private constructor(path: string, descriptor?: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  /** A file that is created when something is appended. */
  static create(path: string): SpoolFile {
    return new SpoolFile(path);
  }

  /** @throws if there is no such file */
  static open(path: string): SpoolFile {
    return new SpoolFile(path, openSync(path, 'r'));
  }

  /** @param line with its line end */
  add(line: string): void {
    this.#waiting += line;
    if (this.#waiting.length >= PIECE) this.flush();
  }

  /** Length in bytes of what was added. */
  flush(): number {
    this.#descriptor ??= openSync(this.path, 'wx+', 0o600);
    if (this.#waiting !== '') {
      const bytes = Buffer.from(this.#waiting);
      for (let from = 0; from < bytes.length; ) from += writeSync(this.#descriptor, bytes, from);
      this.#hash.update(bytes);
      this.#length += bytes.length;
      this.#waiting = '';
    }
    return this.#length;
  }

  /** SHA-256 of what was added, in hex. */
  digest(): string {
    this.flush();
    return this.#hash.copy().digest('hex');
  }

  /** True if nothing was added, so that there may be no file. */
  get isUntouched(): boolean {
    return this.#descriptor === undefined && this.#waiting === '';
  }

  async sync(): Promise<void> {
    this.flush();
    if (this.#descriptor !== undefined) await flushed(this.#descriptor);
  }

  /** The lines, without their ends, up to a length in bytes at which one begins. */
  *lines(length = Number.POSITIVE_INFINITY): Generator<string> {
    if (this.isUntouched) return;
    if (this.#waiting !== '') this.flush();
    const decoder = new TextDecoder();
    let rest = '';
    for (const bytes of this.bytes(length)) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  }

  /** The text from a position on, if it is short. */
  text(from: number): string {
    const buffer = Buffer.alloc(PIECE);
    if (this.#descriptor === undefined || from < 0) return '';
    return buffer.toString('latin1', 0, readSync(this.#descriptor, buffer, 0, PIECE, from));
  }

  /** The bytes up to a length, piece by piece; each is good until the next is asked for. */
  *bytes(length: number): Generator<Buffer> {
    const buffer = Buffer.allocUnsafe(PIECE);
    let at = 0;
    while (at < length && this.#descriptor !== undefined) {
      const wanted = Math.min(buffer.length, length - at);
      const read = readSync(this.#descriptor, buffer, 0, wanted, at);
      if (read === 0) return;
      at += read;
      yield buffer.subarray(0, read);
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#waiting = '';
  }
}
