import { SaxesParser, type SaxesTagNS, type XMLDecl } from 'saxes';
import { SPINE_HINTS } from '#schemas/wording/files.ts';
import { UnusableFile, type UploadEvent, type UploadHeader } from '../common/upload.ts';
import { headerNode, readHeader, SpineHeader } from './header.ts';
import { type Node, type Path, SKIPPED } from './node.ts';
import { recordNode } from './record.ts';

const HL7 = 'urn:hl7-org:v3';
/** The upload is eleven elements deep. */
const DEPTH_AT_MOST = 32;
/** One tag, comment or text; the largest of them in a real file has a few hundred characters. */
const UNBROKEN_AT_MOST = 262_144;
/** Kept from one text. */
const TEXT_AT_MOST = 1_000;
/**
 * The parser sees this much at once, so that a limit is noticed before it has taken much memory, or time: for each tag
 * it looks through all that are open.
 */
const SLICE = 8_192;

/**
 * Reads a CP-IS local authority upload, REPC_MT000002GB01, as it streams in.
 *
 * Text is only ever taken from the authority's own name, and from the names of children and mothers if
 * numbers are traced; the parser skips any other text without copying it.
 *
 * @throws {UnusableFile} if it is not well-formed, has a document type, is not this message, or is another
 * version of it
 */
export async function* readSpineXml(
  texts: AsyncIterable<string>,
  options: SpineOptions,
): AsyncGenerator<UploadEvent[]> {
  const reader = new SpineReader(options);
  for await (const text of texts) {
    for (let at = 0; at < text.length; at += SLICE) {
      yield reader.write(text.slice(at, at + SLICE));
    }
  }
  yield reader.end();
}

/** The header above the first record, read without the records. */
export async function readSpineHeader(
  texts: AsyncIterable<string>,
): Promise<UploadHeader | undefined> {
  for await (const [event] of readSpineXml(texts, { names: false })) {
    if (event !== undefined) return event.kind === 'header' ? event.header : undefined;
  }
  return undefined;
}

/** `names`: whether the names of people are wanted. */
type SpineOptions = { names: boolean };

/** `counts`: of the repeated children, made when there is one. */
type Position = { node: Node; name: string; counts: Map<string, number> | undefined };

class SpineReader {
  readonly #parser = new SaxesParser({ xmlns: true });
  readonly #options: SpineOptions;
  readonly #header = new SpineHeader();
  readonly #stack: Position[] = [];
  readonly #path: Path = () => `/${this.#stack.map(({ name }) => name).join('/')}`;
  #events: UploadEvent[] = [];
  #records = 0;
  #skippedDepth = 0;
  #unbroken = 0;
  #text = '';
  /** Set by the handlers: throwing through the parser would leave it in the middle of a tag. */
  #refusal: UnusableFile | undefined;

  constructor(options: SpineOptions) {
    this.#options = options;
    this.#parser.on('error', (error) => {
      this.#refuse(malformed(this.#parser, error));
    });
    this.#parser.on('doctype', () => {
      this.#refuse(problem(SPINE_HINTS.doctype));
    });
    // With one more handler, the engine keeps the parser as a dictionary and reads at a third of its speed.
    // So the XML declaration is checked later, in `#declaration`.
    this.#parser.on('opentag', (tag) => this.#open(tag));
    this.#parser.on('closetag', () => this.#close());
    this.#parser.on('cdata', (text) => this.#take(text));
  }

  write(text: string): UploadEvent[] {
    this.#parser.write(text);
    this.#unbroken += text.length;
    if (this.#unbroken > UNBROKEN_AT_MOST) {
      this.#refuse(problem(SPINE_HINTS.unbroken));
    }
    return this.#settle();
  }

  end(): UploadEvent[] {
    this.#parser.close();
    if (this.#records === 0) {
      this.#refuse(problem(SPINE_HINTS.noRecord));
    }
    return this.#settle();
  }

  #settle(): UploadEvent[] {
    if (this.#refusal !== undefined) throw this.#refusal;
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #refuse(refusal: UnusableFile): void {
    this.#refusal ??= refusal;
  }

  #open(tag: SaxesTagNS): void {
    this.#unbroken = 0;
    if (this.#refusal !== undefined) return;
    if (this.#skippedDepth > 0 || this.#stack.length >= DEPTH_AT_MOST) {
      this.#skip();
      return;
    }
    const parent = this.#stack.at(-1);
    if (parent === undefined) this.#declaration(this.#parser.xmlDecl);
    const node =
      tag.uri !== HL7
        ? SKIPPED
        : parent === undefined
          ? this.#root(tag.local)
          : (parent.node.child?.(tag.local, tag) ?? SKIPPED);
    if (node === SKIPPED) {
      if (parent === undefined) {
        this.#refuse(
          tag.local === 'File' && /^urn:hl7-org:v[0-9]/.test(tag.uri)
            ? otherVersion(tag.uri)
            : problem(SPINE_HINTS.notThisMessage),
        );
      }
      this.#skip();
      return;
    }
    this.#stack.push({ node, name: this.#name(parent, node, tag.local), counts: undefined });
    node.open?.(tag, this.#path);
    if (node.text !== undefined) {
      this.#text = '';
      this.#parser.on('text', (text) => this.#take(text));
    }
  }

  #close(): void {
    this.#unbroken = 0;
    if (this.#refusal !== undefined) return;
    if (this.#skippedDepth > 0) {
      this.#skippedDepth -= 1;
      return;
    }
    const node = this.#stack.at(-1)?.node;
    if (node?.text !== undefined) {
      this.#parser.off('text');
      node.text(this.#text);
    }
    node?.close?.(this.#path);
    this.#stack.pop();
  }

  #declaration({ version = '1.0', encoding = 'utf-8' }: XMLDecl): void {
    if (version === '1.0' && /^utf-?8$/i.test(encoding)) return;
    this.#refuse(problem(SPINE_HINTS.declaration));
  }

  #skip(): void {
    this.#skippedDepth += 1;
    if (this.#skippedDepth > DEPTH_AT_MOST) {
      this.#refuse(problem(SPINE_HINTS.tooDeep));
    }
  }

  #take(text: string): void {
    if (this.#skippedDepth > 0 || this.#stack.at(-1)?.node.text === undefined) return;
    // Slightly over the longest allowed name, so that a longer one is noticed.
    if (this.#text.length < TEXT_AT_MOST) this.#text += text.slice(0, TEXT_AT_MOST);
  }

  /** An XPath step; repeated elements carry their position. */
  #name(parent: Position | undefined, node: Node, local: string): string {
    if (node.repeats !== true || parent === undefined) return local;
    parent.counts ??= new Map();
    const position = (parent.counts.get(local) ?? 0) + 1;
    parent.counts.set(local, position);
    return `${local}[${position}]`;
  }

  #root(local: string): Node {
    if (local !== 'File') return SKIPPED;
    const header = headerNode(this.#header);
    return {
      child: (name, tag) => {
        if (name === 'record') return this.#record();
        const node = header.child?.(name, tag);
        if (node !== undefined && this.#records > 0) {
          // The rows above were read under the header as it was then.
          this.#refuse(problem(SPINE_HINTS.lateHeader));
        }
        return node;
      },
    };
  }

  #record(): Node {
    this.#records += 1;
    if (this.#records === 1) this.#events.push(readHeader(this.#header));
    return recordNode(this.#records, {
      ...this.#options,
      done: (record) => this.#events.push({ kind: 'record', record }),
      unsupported: (template) => this.#refuse(otherVersion(template)),
    });
  }
}

function problem(hint: string): UnusableFile {
  return new UnusableFile({ place: 'file', hint });
}

/**
 * Neither `File` nor anything in it gives a version of its own, so it shows in the namespace or in the number
 * at the end of a template's identifier.
 */
function otherVersion(found: string): UnusableFile {
  return new UnusableFile({
    place: 'file',
    code: 'CPF06',
    hint: SPINE_HINTS.otherVersion(found),
  });
}

/** The parser's own words may repeat the file's contents, so only the place is passed on. */
function malformed(parser: SaxesParser<{ xmlns: true }>, error: Error): UnusableFile {
  const cutShort = /unclosed|unexpected end|document must contain/i.test(error.message);
  return new UnusableFile({
    place: `line ${parser.line}`,
    hint: cutShort
      ? SPINE_HINTS.cutShort(parser.line)
      : SPINE_HINTS.malformed(parser.line, parser.column),
  });
}
