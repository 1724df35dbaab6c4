import {
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { NOTE } from '#schemas/wording/audit.ts';

/** Signed notes with Ed25519 (C2SP signed-note, signature types 1 and 4). */

/** What a key signs: a note's text, or a witness's own statement about it (C2SP tlog-cosignature). */
const ALGORITHMS = { note: 1, cosignature: 4 } as const;
type Algorithm = keyof typeof ALGORITHMS;

type PublicKey<Signs extends Algorithm> = {
  signs: Signs;
  name: string;
  /** Four bytes that distinguish keys with one name, in hexadecimal. */
  id: string;
  publicKey: KeyObject;
  /** The key as text (a `vkey`). */
  text: string;
};
export type VerifierKey = PublicKey<'note'>;
/** A witness's. */
export type WitnessKey = PublicKey<'cosignature'>;

export type Signer = { verifierKey: VerifierKey; privateKey: KeyObject };

type OpenedNote =
  | { kind: 'signed'; text: string; by: VerifierKey[] }
  /** Not a note; or a known key's signature is not over this text; or no known key has signed. */
  | { kind: 'malformed' | 'invalid' | 'unknown'; detail: string };

const SIGNATURE = '\u2014 ';
const ID_BYTES = 4;
const KEY_BYTES = 32;
const MOST_BYTES = 65_536;
const MOST_SIGNATURES = 64;
const PRIVATE = 'PRIVATE+KEY+';
/** The bytes before the 32 bytes of a key in DER (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

const isName = (name: string): boolean => name !== '' && !/[\p{White_Space}\p{Cc}+]/u.test(name);

/** Standard base 64 exactly as it would be written. */
function decode(base64: string): Buffer | undefined {
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes : undefined;
}

function publicKeyOf<Signs extends Algorithm>(
  signs: Signs,
  name: string,
  key: Buffer,
): PublicKey<Signs> {
  const typed = Buffer.concat([Buffer.of(ALGORITHMS[signs]), key]);
  const id = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed])).slice(
    0,
    2 * ID_BYTES,
  );
  return {
    signs,
    name,
    id,
    publicKey: createPublicKey({
      key: Buffer.concat([SPKI, key]),
      format: 'der',
      type: 'spki',
    }),
    text: `${name}+${id}+${typed.toString('base64')}`,
  };
}

function typedKey(signs: Algorithm, base64: string): Buffer | undefined {
  const typed = decode(base64);
  if (typed === undefined || typed.length !== 1 + KEY_BYTES || typed[0] !== ALGORITHMS[signs]) {
    return undefined;
  }
  return typed.subarray(1);
}

function parsePublic<Signs extends Algorithm>(
  signs: Signs,
  text: string,
): PublicKey<Signs> | undefined {
  const [name = '', id = '', ...rest] = text.split('+');
  // The key itself may contain the separator.
  const key = typedKey(signs, rest.join('+'));
  if (!isName(name) || key === undefined) return undefined;
  const publicKey = publicKeyOf(signs, name, key);
  return publicKey.id === id ? publicKey : undefined;
}

/** Reads a verifier key; `undefined` if the text is not one of Ed25519. */
export const parseVerifierKey = (text: string): VerifierKey | undefined =>
  parsePublic('note', text);

/** Reads a witness's key; `undefined` if the text is not one of Ed25519 cosignatures. */
export const parseWitnessKey = (text: string): WitnessKey | undefined =>
  parsePublic('cosignature', text);

/** Reads a private key as Go's `note` package writes it; `undefined` if the text is not one. */
export function parseSigner(text: string): Signer | undefined {
  if (!text.startsWith(PRIVATE)) return undefined;
  const [name = '', id = '', ...rest] = text.slice(PRIVATE.length).split('+');
  const seed = typedKey('note', rest.join('+'));
  if (!isName(name) || seed === undefined) return undefined;
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const verifierKey = publicKeyOf('note', name, spki.subarray(SPKI.length));
  return verifierKey.id === id ? { verifierKey, privateKey } : undefined;
}

/**
 * A new private key as text.
 *
 * @throws if the name is empty or has spaces or a plus sign
 */
export function makeSigner(name: string): string {
  if (!isName(name)) throw new Error('The name of a key has neither spaces nor a plus sign.');
  const seed = randomBytes(KEY_BYTES);
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const { id } = publicKeyOf('note', name, spki.subarray(SPKI.length));
  const typed = Buffer.concat([Buffer.of(ALGORITHMS.note), seed]).toString('base64');
  return `${PRIVATE}${name}+${id}+${typed}`;
}

/** @param text ends in a newline */
export function signNote(text: string, signers: readonly Signer[]): string {
  const lines = signers.map(({ verifierKey, privateKey }) => {
    const signature = sign(null, Buffer.from(text), privateKey);
    const identified = Buffer.concat([Buffer.from(verifierKey.id, 'hex'), signature]);
    return `${SIGNATURE}${verifierKey.name} ${identified.toString('base64')}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

/** A signature line. The key determines what is signed, and with which algorithm. */
export type NoteSignature = {
  name: string;
  /** The key's id, in hexadecimal. */
  id: string;
  bytes: Buffer;
  /** Without the newline. */
  line: string;
};

/** Reads a signature line; `undefined` if it is not one. */
function parseSignature(line: string): NoteSignature | undefined {
  const [name = '', base64 = '', ...more] = line.startsWith(SIGNATURE)
    ? line.slice(SIGNATURE.length).split(' ')
    : [];
  const identified = decode(base64);
  if (!isName(name) || identified === undefined || identified.length <= ID_BYTES || more.length) {
    return undefined;
  }
  const id = identified.toString('hex', 0, ID_BYTES);
  return { name, id, bytes: identified.subarray(ID_BYTES), line };
}

type SplitNote =
  | { kind: 'note'; text: string; signatures: NoteSignature[] }
  | { kind: 'malformed'; detail: string };

const malformed = (detail: string) => ({ kind: 'malformed', detail }) as const;

/** The lines of signatures without the note, each with its newline; `undefined` if one is not a signature. */
export function parseSignatures(lines: string): NoteSignature[] | undefined {
  if (!lines.endsWith('\n')) return undefined;
  const signatures = lines.slice(0, -1).split('\n').map(parseSignature);
  if (signatures.length > MOST_SIGNATURES) return undefined;
  const read = signatures.filter((signature) => signature !== undefined);
  return read.length === signatures.length ? read : undefined;
}

/** A note's text and its signatures. None of them has been verified. */
export function splitNote(note: Buffer): SplitNote {
  if (note.length > MOST_BYTES) return malformed(NOTE.tooLong);
  const whole = note.toString('utf8');
  if (!Buffer.from(whole).equals(note)) return malformed(NOTE.notUtf8);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) return malformed(NOTE.controlCharacters);
  const end = whole.lastIndexOf('\n\n');
  if (end < 0 || !whole.endsWith('\n')) return malformed(NOTE.noSignatures);
  const text = whole.slice(0, end + 1);
  const lines = whole.slice(end + 2);
  if (lines.slice(0, -1).split('\n').length > MOST_SIGNATURES) {
    return malformed(NOTE.tooManySignatures);
  }
  const signatures = parseSignatures(lines);
  if (signatures === undefined) return malformed(NOTE.badSignatureLine);
  return { kind: 'note', text, signatures };
}

/** The text of a note that at least one of the keys has signed; signatures of other keys are ignored. */
export function openNote(note: Buffer, verifierKeys: readonly VerifierKey[]): OpenedNote {
  const split = splitNote(note);
  if (split.kind === 'malformed') return split;
  const { text, signatures } = split;
  const by = new Set<VerifierKey>();
  for (const { name, id, bytes } of signatures) {
    const verifierKey = verifierKeys.find((known) => known.name === name && known.id === id);
    if (verifierKey === undefined || by.has(verifierKey)) continue;
    if (!verify(null, Buffer.from(text), verifierKey.publicKey, bytes)) {
      return { kind: 'invalid', detail: NOTE.otherText(name, id) };
    }
    by.add(verifierKey);
  }
  if (by.size === 0) return { kind: 'unknown', detail: NOTE.noneSigned };
  return { kind: 'signed', text, by: [...by] };
}
