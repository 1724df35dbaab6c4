import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { TextDecoder } from 'node:util';
import { createGunzip, type Gunzip } from 'node:zlib';
import { FILE_HINTS } from '#schemas/wording/files.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { UnusableFile } from './upload.ts';

/** The file to load: `name` is what the acknowledgement calls it, only its base name. */
export type UploadSource = { name: string } & ({ path: string } | { stream: Readable });

/** The machine, not the file, failed while the file was read. */
export class SourceFailed extends Error {
  override name = 'SourceFailed';
}

const WHOLE_FILE = 'file';
/** Enough to know an archive or a picture. */
const START_BYTES = 12;

/**
 * The bytes of an upload as they arrive, hashed and counted as they are read; plain or gzip, recognised by
 * the first two bytes.
 */
export class SourceBytes {
  readonly #stream: Readable;
  readonly #ours: boolean;
  readonly #chunks: AsyncIterator<unknown>;
  readonly #hash: Hash = createHash('sha256');
  readonly #maxBytes: number;
  #received = 0;

  constructor(source: UploadSource, maxBytes: number) {
    this.#ours = 'path' in source;
    this.#stream = 'path' in source ? createReadStream(source.path) : source.stream;
    // A stream that breaks off between two reads would otherwise end the process; the next read reports it.
    this.#stream.on('error', () => undefined);
    this.#chunks = this.#stream[Symbol.asyncIterator]();
    this.#maxBytes = maxBytes;
  }

  /** How many bytes have arrived. */
  get received(): number {
    return this.#received;
  }

  /** SHA-256 of the bytes received so far, in hex. */
  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Closes a file opened here; a given stream is closed by its giver. */
  close(): void {
    if (this.#ours) this.#stream.destroy();
  }

  /** Reads the rest, so that the hash covers the file even if its text was abandoned. */
  async drain(): Promise<void> {
    try {
      while ((await this.#next()) !== undefined);
    } catch (error) {
      if (!(error instanceof UnusableFile)) throw error;
    }
  }

  /**
   * The file's text. Strictly UTF-8, a byte order mark removed.
   *
   * @throws {UnusableFile} if it is not UTF-8, not whole gzip, or larger than allowed once unpacked
   * @throws {SourceFailed} if the bytes could not be read
   */
  async *text(): AsyncGenerator<string> {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    for await (const bytes of this.#unpacked()) {
      const text = decode(decoder, bytes);
      if (text.includes('\0')) {
        throw new UnusableFile({
          place: WHOLE_FILE,
          hint: FILE_HINTS.nulCharacters,
        });
      }
      if (text !== '') yield text;
    }
    const rest = decode(decoder, undefined);
    if (rest !== '') yield rest;
  }

  async *#unpacked(): AsyncGenerator<Buffer> {
    const start = await this.#start();
    if (isArchive(start)) {
      throw new UnusableFile({
        place: WHOLE_FILE,
        hint: FILE_HINTS.archive,
      });
    }
    if (isPicture(start)) throw new UnusableFile({ place: WHOLE_FILE, hint: FILE_HINTS.picture });
    if (start[0] === 0x1f && start[1] === 0x8b) yield* this.#gunzipped(start);
    else yield* this.#plain(start);
  }

  async *#plain(start: Buffer): AsyncGenerator<Buffer> {
    yield start;
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) {
      yield chunk;
    }
  }

  async *#gunzipped(start: Buffer): AsyncGenerator<Buffer> {
    const gunzip = createGunzip();
    const packed = Readable.from(this.#plain(start), { objectMode: false });
    packed.on('error', (error) => gunzip.destroy(error));
    packed.pipe(gunzip);
    let unpacked = 0;
    try {
      for await (const bytes of gunzip as AsyncIterable<Buffer>) {
        unpacked += bytes.length;
        if (unpacked > this.#maxBytes) throw tooLarge(this.#maxBytes);
        yield bytes;
      }
    } catch (error) {
      throw asGzipProblem(error);
    }
    this.#refuseTrailingBytes(gunzip);
  }

  /** zlib ignores whatever follows the compressed part. */
  #refuseTrailingBytes(gunzip: Gunzip): void {
    if (gunzip.bytesWritten === this.#received) return;
    throw new UnusableFile({
      place: WHOLE_FILE,
      hint: FILE_HINTS.bytesAfterGzip,
    });
  }

  /** At least two bytes, if the file has them, to recognise its kind. */
  async #start(): Promise<Buffer> {
    let start = Buffer.alloc(0);
    while (start.length < START_BYTES) {
      const chunk = await this.#next();
      if (chunk === undefined) break;
      start = Buffer.concat([start, chunk]);
    }
    return start;
  }

  async #next(): Promise<Buffer | undefined> {
    let step: IteratorResult<unknown>;
    try {
      step = await this.#chunks.next();
    } catch (error) {
      throw notReadable(error);
    }
    if (step.done === true) return undefined;
    const chunk = asBuffer(step.value);
    this.#received += chunk.length;
    this.#hash.update(chunk);
    if (this.#received > this.#maxBytes) throw tooLarge(this.#maxBytes);
    return chunk;
  }
}

function asBuffer(chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk;
  return typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk as Uint8Array);
}

function decode(decoder: TextDecoder, bytes: Buffer | undefined): string {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
  } catch {
    throw new UnusableFile({
      place: WHOLE_FILE,
      hint: FILE_HINTS.notUtf8,
    });
  }
}

function isArchive(start: Buffer): boolean {
  const magic = start.toString('latin1', 0, 4);
  return magic === 'PK\u0003\u0004' || magic === '\u00d0\u00cf\u0011\u00e0';
}

/** A PDF, PNG, JPEG, GIF, WebP, HEIC or AVIF. */
const PICTURE =
  /^(?:%PDF|\u0089PNG|\u00ff\u00d8\u00ff|GIF8[79]a|RIFF.{4}WEBP|.{4}ftyp(?:heic|mif1|avif))/s;
const isPicture = (start: Buffer): boolean =>
  PICTURE.test(start.toString('latin1', 0, START_BYTES));

function tooLarge(maxBytes: number): UnusableFile {
  return new UnusableFile({
    place: WHOLE_FILE,
    hint: FILE_HINTS.tooLarge(maxBytes),
  });
}

function asGzipProblem(error: unknown): Error {
  if (error instanceof UnusableFile || error instanceof SourceFailed) return error;
  return new UnusableFile({
    place: WHOLE_FILE,
    hint: FILE_HINTS.gzipDamaged,
  });
}

/** The kind of a fault of the machine, never its message. */
export const notReadable = (error: unknown): SourceFailed =>
  new SourceFailed(
    LOAD_FAILED.notReadable(
      error instanceof Error && 'code' in error && typeof error.code === 'string'
        ? error.code
        : 'read error',
    ),
  );
