import { createHmac, hash, hkdfSync, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { numberPath } from '../audit/copy/numbered.ts';
import type { Signer } from '../audit/tlog/note.ts';

export const STATE = 'state';
export const FILES = 'files';
/** Objects that are written in turn, so that a request which arrives late hides none that is newer. */
export const SLOTS = 16;
export const slotOf = (version: number): string => `-${version % SLOTS}`;
/** Each worker has a folder of its own in the copy. */
export const folderOf = (epoch: number): string => `${STATE}/${numberPath(epoch)}`;
export const manifestPath = (epoch: number, slot: string): string =>
  `${folderOf(epoch)}/manifest${slot}`;
export const digestOf = (content: Uint8Array): string => hash('sha256', content);

export const contentsSchema = z.object({
  /** Files of SQLite, packed, and the objects that they are in, which may be written again later. */
  databases: z.array(z.object({ name: z.string(), object: z.string(), sha256: z.string() })),
  /** Files that do not change, in objects named by their digest. */
  files: z.array(z.object({ name: z.string(), sha256: z.string() })),
});
/** Files of a worker's state that are in the copy. */
export type Contents = z.infer<typeof contentsSchema>;

const manifestSchema = contentsSchema.extend({
  /** Of the worker; absent in one that is not signed. */
  epoch: z.int().optional(),
  version: z.int(),
  at: z.iso.datetime(),
});
/** What a worker's state consists of, in one of its versions. */
export type Manifest = z.infer<typeof manifestSchema>;

const signaturesSchema = z.array(z.object({ key: z.string(), mac: z.string() }));

/** Before the signatures, which come last: what is before it, as it stands, is what they are of. */
const SIGNATURES = ',"signatures":';
const KEY_BYTES = 32;
/** Whatever else is signed with the audit key is signed by another function of it. */
const PURPOSE = "cp-flags/worker's state/1";

function macOf(body: string, { privateKey }: Signer): Buffer {
  const secret = privateKey.export({ format: 'der', type: 'pkcs8' });
  const key = Buffer.from(hkdfSync('sha256', secret, '', PURPOSE, KEY_BYTES));
  return createHmac('sha256', key).update(body).digest();
}

/** Which keys sign; other ones have the state signed again. */
export const signersText = (signers: readonly Signer[]): string =>
  signers.map(({ verifierKey }) => verifierKey.id).join(' ');

/** A manifest as it lies in the copy, signed by every key, as checkpoints are while keys change. */
export function signManifest(
  manifest: Manifest & { epoch: number },
  signers: readonly Signer[],
): Buffer {
  const body = JSON.stringify(manifest);
  const signatures = signers.map((signer) => ({
    key: signer.verifierKey.id,
    mac: macOf(body, signer).toString('base64'),
  }));
  return Buffer.from(`${body.slice(0, -1)}${SIGNATURES}${JSON.stringify(signatures)}}`);
}

/** What lies where a manifest should, and by whom it is: nobody signed it, or none of these keys did. */
export type ReadManifest = { manifest: Manifest; by: 'worker' | 'nobody' | 'others' };

/** `undefined` where it is no manifest at all. */
export function readManifest(
  content: Buffer | undefined,
  signers: readonly Signer[],
): ReadManifest | undefined {
  const text = content?.toString('utf8') ?? '';
  const end = text.lastIndexOf(SIGNATURES);
  const body = end < 0 ? text : `${text.slice(0, end)}}`;
  const manifest = manifestSchema.safeParse(parseJson(body));
  if (!manifest.success) return undefined;
  if (end < 0) return { manifest: manifest.data, by: 'nobody' };
  const signatures = signaturesSchema.safeParse(parseJson(text.slice(end + SIGNATURES.length, -1)));
  const isOurs = signers.some((signer) => {
    const own = signatures.data?.find(({ key }) => key === signer.verifierKey.id);
    const given = Buffer.from(own?.mac ?? '', 'base64');
    const wanted = macOf(body, signer);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
  return { manifest: manifest.data, by: isOurs ? 'worker' : 'others' };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
