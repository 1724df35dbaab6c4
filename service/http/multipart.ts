// By hand, since Hono and Fetch read a whole form into memory before giving any of it: here a council's file
// goes to the disk as it arrives, and everything around it is limited.

import { isUtf8 } from 'node:buffer';

/** A field of a form, or a file whose content is read as it comes. */
type Part =
  | { kind: 'field'; name: string; value: string }
  | { kind: 'file'; name: string; filename: string; content: AsyncGenerator<Buffer> };

/** A body that no browser sends as a form, or one that ends too early. */
export class NotAForm extends Error {
  override name = 'NotAForm';
}

const CONTENT_TYPE =
  /^multipart\/form-data *; *boundary=(?:"([\w'()+,./:=? -]{1,69}[\w'()+,./:=?-])"|([\w'+.-]{1,70}))$/i;
/** As browsers write it: quotes and line breaks in names are escaped (HTML, multipart form data). */
const DISPOSITION = /^form-data; name="([^"\r\n]*)"(?:; filename="([^"\r\n]*)")?$/i;
const HEAD_AT_MOST_BYTES = 4_096;
const FIELD_AT_MOST_BYTES = 4_096;
const PARTS_AT_MOST = 20;
const LINE_END = Buffer.from('\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');

/** The boundary that a content type names; `undefined` if it is not a form with a file. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  const [, quoted, plain] = CONTENT_TYPE.exec(contentType ?? '') ?? [];
  return quoted ?? plain;
}

const unescaped = (text: string): string =>
  text.replaceAll('%22', '"').replaceAll('%0D', '\r').replaceAll('%0A', '\n');

function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new NotAForm('not UTF-8');
  return bytes.toString('utf8');
}

/** The name of a part, and of its file if it is one. */
function readHead(bytes: Buffer): { name: string; filename: string | undefined } {
  for (const line of textOf(bytes).split('\r\n')) {
    const [, value] = /^content-disposition: *(.*)$/i.exec(line) ?? [];
    const [, name, filename] = DISPOSITION.exec(value ?? '') ?? [];
    if (name !== undefined) {
      return { name: unescaped(name), filename: filename && unescaped(filename) };
    }
  }
  throw new NotAForm('a part has no name');
}

/** Bytes that arrive in pieces, up to marks in them. */
class Bytes {
  // The first mark counts as if after a line end.
  #held: Buffer = LINE_END;
  readonly #pieces: AsyncIterator<Buffer>;

  constructor(pieces: AsyncIterable<Buffer>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  async #more(): Promise<void> {
    const step = await this.#pieces.next();
    if (step.done === true) throw new NotAForm('it was cut short');
    this.#held = this.#held.length === 0 ? step.value : Buffer.concat([this.#held, step.value]);
  }

  async take(count: number): Promise<string> {
    while (this.#held.length < count) await this.#more();
    const taken = this.#held.toString('latin1', 0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  /** What comes before a mark, in pieces; the mark itself is skipped. */
  async *upTo(mark: Buffer): AsyncGenerator<Buffer> {
    for (;;) {
      const at = this.#held.indexOf(mark);
      const sure = at === -1 ? Math.max(0, this.#held.length - mark.length + 1) : at;
      const piece = this.#held.subarray(0, sure);
      this.#held = this.#held.subarray(at === -1 ? sure : at + mark.length);
      if (piece.length > 0) yield piece;
      if (at !== -1) return;
      await this.#more();
    }
  }

  async whole(mark: Buffer, mostBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of this.upTo(mark)) {
      length += piece.length;
      if (length > mostBytes) throw new NotAForm('a part is too long');
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }
}

/**
 * The parts of a form with files, in their order, as browsers send it (RFC 7578). A file's content is read
 * before the next part; the rest of it is skipped then.
 *
 * @throws {NotAForm}, and whatever the pieces throw
 */
export async function* readParts(
  pieces: AsyncIterable<Buffer>,
  boundary: string,
): AsyncGenerator<Part> {
  const mark = Buffer.from(`\r\n--${boundary}`);
  const bytes = new Bytes(pieces);
  await bytes.whole(mark, 0);
  for (let count = 0; ; count++) {
    const after = await bytes.take(2);
    if (after === '--') return;
    if (after !== '\r\n' || count >= PARTS_AT_MOST) throw new NotAForm('it is not one');
    const { name, filename } = readHead(await bytes.whole(HEAD_END, HEAD_AT_MOST_BYTES));
    if (filename === undefined) {
      const value = textOf(await bytes.whole(mark, FIELD_AT_MOST_BYTES));
      yield { kind: 'field', name, value };
      continue;
    }
    const content = bytes.upTo(mark);
    let isRead = false;
    yield {
      kind: 'file',
      name,
      filename,
      content: (async function* () {
        yield* content;
        isRead = true;
      })(),
    };
    if (!isRead) for await (const _ of content);
  }
}
