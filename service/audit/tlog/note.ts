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

/** Signed notes with Ed25519 (C2SP signed-note, signature type 1). */

export type VerifierKey = {
  name: string;
  /** Four bytes that tell keys of one name apart, in hexadecimal. */
  id: string;
  publicKey: KeyObject;
  /** The key as text (a `vkey`). */
  text: string;
};

export type Signer = { verifierKey: VerifierKey; privateKey: KeyObject };

export type OpenedNote =
  | { kind: 'signed'; text: string; by: VerifierKey[] }
  /** Not a note; or a known key's signature is not over this text; or no known key has signed. */
  | { kind: 'malformed' | 'invalid' | 'unknown'; detail: string };

const ED25519 = 1;
const SIGNATURE = '\u2014 ';
const ID_BYTES = 4;
const KEY_BYTES = 32;
const MOST_BYTES = 65_536;
const MOST_SIGNATURES = 64;
const PRIVATE = 'PRIVATE+KEY+';
/** What stands before the 32 bytes of a key in DER (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

const isName = (name: string): boolean => name !== '' && !/[\p{White_Space}\p{Cc}+]/u.test(name);

/** Standard base 64 exactly as it would be written. */
function decode(base64: string): Buffer | undefined {
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes : undefined;
}

function verifierKeyOf(name: string, key: Buffer): VerifierKey {
  const typed = Buffer.concat([Buffer.of(ED25519), key]);
  const id = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed])).slice(
    0,
    2 * ID_BYTES,
  );
  return {
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

function typedKey(base64: string): Buffer | undefined {
  const typed = decode(base64);
  if (typed === undefined || typed.length !== 1 + KEY_BYTES || typed[0] !== ED25519) {
    return undefined;
  }
  return typed.subarray(1);
}

/** Reads a verifier key; `undefined` where the text is not one of Ed25519. */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const [name = '', id = '', ...rest] = text.split('+');
  // The key itself may hold the separator.
  const key = typedKey(rest.join('+'));
  if (!isName(name) || key === undefined) return undefined;
  const verifierKey = verifierKeyOf(name, key);
  return verifierKey.id === id ? verifierKey : undefined;
}

/** Reads a private key as Go's `note` package writes it; `undefined` where the text is not one. */
export function parseSigner(text: string): Signer | undefined {
  if (!text.startsWith(PRIVATE)) return undefined;
  const [name = '', id = '', ...rest] = text.slice(PRIVATE.length).split('+');
  const seed = typedKey(rest.join('+'));
  if (!isName(name) || seed === undefined) return undefined;
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const verifierKey = verifierKeyOf(name, spki.subarray(SPKI.length));
  return verifierKey.id === id ? { verifierKey, privateKey } : undefined;
}

/**
 * A new private key as text.
 *
 * @throws where the name is empty or has spaces or a plus sign
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
  const { id } = verifierKeyOf(name, spki.subarray(SPKI.length));
  const typed = Buffer.concat([Buffer.of(ED25519), seed]).toString('base64');
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

const malformed = (detail: string): OpenedNote => ({ kind: 'malformed', detail });

/** The text of a note that at least one of the keys has signed; signatures of other keys are passed over. */
export function openNote(note: Buffer, verifierKeys: readonly VerifierKey[]): OpenedNote {
  if (note.length > MOST_BYTES) return malformed(NOTE.tooLong);
  const whole = note.toString('utf8');
  if (!Buffer.from(whole).equals(note)) return malformed(NOTE.notUtf8);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) return malformed(NOTE.controlCharacters);
  const end = whole.lastIndexOf('\n\n');
  if (end < 0 || !whole.endsWith('\n')) return malformed(NOTE.noSignatures);
  const text = whole.slice(0, end + 1);
  const lines = whole.slice(end + 2, -1).split('\n');
  if (lines.length > MOST_SIGNATURES) return malformed(NOTE.tooManySignatures);

  const by = new Set<VerifierKey>();
  for (const line of lines) {
    const [name = '', base64 = '', ...more] = line.startsWith(SIGNATURE)
      ? line.slice(SIGNATURE.length).split(' ')
      : [];
    const identified = decode(base64);
    if (!isName(name) || identified === undefined || identified.length <= ID_BYTES || more.length) {
      return malformed(NOTE.badSignatureLine);
    }
    const id = identified.toString('hex', 0, ID_BYTES);
    const verifierKey = verifierKeys.find((known) => known.name === name && known.id === id);
    if (verifierKey === undefined || by.has(verifierKey)) continue;
    if (!verify(null, Buffer.from(text), verifierKey.publicKey, identified.subarray(ID_BYTES))) {
      return { kind: 'invalid', detail: NOTE.otherText(name, id) };
    }
    by.add(verifierKey);
  }
  if (by.size === 0) return { kind: 'unknown', detail: NOTE.noneSigned };
  return { kind: 'signed', text, by: [...by] };
}
