import { fromBase64, type Hash, toBase64 } from './hash.ts';

/** A proof that an entry is in a log, as text (C2SP tlog-proof). */
type ProofText = {
  index: number;
  path: readonly Hash[];
  /** The signed checkpoint, unchanged. */
  checkpoint: Buffer;
  /** What the format leaves to its users: here the entry itself. */
  extra?: Buffer;
};

const HEADER = 'c2sp.org/tlog-proof@v1';
const EXTRA = 'extra ';
const INDEX = /^index (0|[1-9][0-9]*)$/;

/** A proof as text, as {@link parseProof} reads it. */
export function formatProof({ index, path, checkpoint, extra }: ProofText): string {
  const lines = [
    HEADER,
    ...(extra === undefined ? [] : [`${EXTRA}${extra.toString('base64')}`]),
    `index ${index}`,
    ...path.map(toBase64),
  ];
  return `${lines.join('\n')}\n\n${checkpoint.toString()}`;
}

/** Reads a proof; `undefined` if the text is not one. */
export function parseProof(text: string): ProofText | undefined {
  const end = text.indexOf('\n\n');
  if (end < 0) return undefined;
  const [header, ...lines] = text.slice(0, end).split('\n');
  const extra = lines[0]?.startsWith(EXTRA) ? lines.shift()?.slice(EXTRA.length) : undefined;
  const index = Number(INDEX.exec(lines.shift() ?? '')?.[1]);
  const path = lines.map(fromBase64);
  if (header !== HEADER || !Number.isSafeInteger(index)) return undefined;
  if (!path.every((hash) => hash !== undefined)) return undefined;
  return {
    index,
    path,
    checkpoint: Buffer.from(text.slice(end + 2)),
    ...(extra !== undefined && { extra: Buffer.from(extra, 'base64') }),
  };
}
