import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AUDIT_KEY } from '#schemas/wording/audit.ts';
import { syncFolderNow } from '#store/files/whole-file.ts';
import { readOrMakePrivate, writePrivate } from '../../files/private-file.ts';
import { readIfThere } from '../log/log-folder.ts';
import {
  makeSigner,
  openNote,
  parseSigner,
  parseVerifierKey,
  type Signer,
  type VerifierKey,
} from '../tlog/note.ts';

/** The key file cannot be used. The message says what to do. */
export class KeyFileWrong extends Error {
  override name = 'KeyFileWrong';
}

/** The name of a dataset's log, if none was configured. */
export const defaultOrigin = (dataset: string): string => `cp-flags/${dataset}`;

/**
 * Keys of a key file: one on each line, the current one first. While there are two, every checkpoint is
 * signed by both, so that holders of the old public key have time to learn the new one.
 */
function parseKeyFile(path: string, text: string): Signer[] {
  const signers = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => parseSigner(line.trim()));
  const names = new Set(signers.map((signer) => signer?.verifierKey.name));
  if (names.size === 1 && signers.every((signer) => signer !== undefined)) return signers;
  throw new KeyFileWrong(AUDIT_KEY.holdsNone(path));
}

function unreadable(path: string, error: unknown): KeyFileWrong {
  const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
  return new KeyFileWrong(absent ? AUDIT_KEY.missing(path) : AUDIT_KEY.unreadable(path));
}

/** @throws {KeyFileWrong} if there is no such file, or no key in it */
export async function readKeys(path: string): Promise<Signer[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
  return parseKeyFile(path, text);
}

/** The keys of a file; if there is no file, a first one named `origin` is made. */
export async function readOrMakeKeys(path: string, origin: string): Promise<Signer[]> {
  const text = await readOrMakePrivate(path, () => `${makeSigner(origin)}\n`);
  // A log must not be signed with a key that a power cut could undo.
  syncFolderNow(dirname(path));
  return parseKeyFile(path, text);
}

/** Reads the file again whenever it has changed. @throws {KeyFileWrong} */
export function watchedKeys(path: string): () => readonly Signer[] {
  let seen = '';
  let signers: readonly Signer[] = [];
  return () => {
    try {
      const { mtimeMs, ino, size } = statSync(path);
      const now = `${mtimeMs} ${ino} ${size}`;
      if (now === seen) return signers;
      signers = parseKeyFile(path, readFileSync(path, 'utf8'));
      seen = now;
      return signers;
    } catch (error) {
      throw error instanceof KeyFileWrong ? error : unreadable(path, error);
    }
  };
}

const keyLines = async (path: string): Promise<string[]> => {
  await readKeys(path);
  const text = await readFile(path, 'utf8');
  return text.split('\n').filter((line) => line.trim() !== '');
};

/** Records a change of keys; if it rejects, nothing is changed. */
type RecordKeys = (keys: readonly Signer[]) => Promise<void>;

/** Puts a new key first, once that is recorded; the others still sign. */
export async function addKey(path: string, record: RecordKeys): Promise<void> {
  const [current] = await readKeys(path);
  const line = makeSigner(current?.verifierKey.name ?? '');
  await record(parseKeyFile(path, line));
  await writePrivate(path, `${[line, ...(await keyLines(path))].join('\n')}\n`);
}

/** A public key that signed until it was retired; checkpoints and proofs of its time need it. */
export type RetiredKey = { verifierKey: VerifierKey /** ISO 8601 */; retiredAt: string };

/** A public key as `cp-flags audit key` prints it: whether it still signs. `undefined` if it is not one. */
export function parsePublicKey(line: string): VerifierKey | RetiredKey | undefined {
  const [key = '', word, retiredAt, ...more] = line.trim().split(/\s+/);
  const verifierKey = parseVerifierKey(key);
  if (word === undefined || verifierKey === undefined) return verifierKey;
  if (word !== 'retired' || retiredAt === undefined || more.length > 0) return undefined;
  return { verifierKey, retiredAt };
}

export const retiredKeyLine = ({ verifierKey, retiredAt }: RetiredKey): string =>
  `${verifierKey.text} retired ${retiredAt}`;

const retiredFile = (path: string): string => `${path}.retired`;

/** The public keys that were retired from a key file, the latest first. @throws {KeyFileWrong} */
export function retiredKeysOf(path: string): RetiredKey[] {
  const lines = readIfThere(retiredFile(path))?.toString('utf8').split('\n') ?? [];
  return lines
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const key = parsePublicKey(line);
      if (key !== undefined && 'retiredAt' in key) return key;
      throw new KeyFileWrong(AUDIT_KEY.notRetired(retiredFile(path)));
    });
}

/** What somebody needs to verify checkpoints and proofs: a public key a line, retired ones last. @throws {KeyFileWrong} */
export async function publicKeyLines(path: string): Promise<string[]> {
  const signing = await readKeys(path);
  return [
    ...signing.map(({ verifierKey }) => verifierKey.text),
    ...retiredKeysOf(path).map(retiredKeyLine),
  ];
}

/**
 * Removes every key but the current one, once that is recorded, and keeps the public keys of those removed.
 *
 * @param checkpoint the log's: unless the current key has signed it, the others are still needed
 * @returns false if there is no other
 * @throws {KeyFileWrong}
 */
export async function retireKeys(
  path: string,
  checkpoint: Buffer | undefined,
  record: RecordKeys,
): Promise<boolean> {
  const [current, ...retired] = await readKeys(path);
  const [line] = await keyLines(path);
  const signed =
    current !== undefined &&
    (checkpoint === undefined || openNote(checkpoint, [current.verifierKey]).kind === 'signed');
  if (!signed) {
    throw new KeyFileWrong(AUDIT_KEY.notSignedYet);
  }
  if (retired.length === 0) return false;
  await record(retired);
  const retiredAt = new Date().toISOString();
  const now = retired.map(({ verifierKey }) => ({ verifierKey, retiredAt }));
  const lines = [...now, ...retiredKeysOf(path)].map(retiredKeyLine);
  // First: a key retired twice after a crash does no harm, a lost one does.
  await writePrivate(retiredFile(path), `${lines.join('\n')}\n`);
  await writePrivate(path, `${line}\n`);
  return true;
}
