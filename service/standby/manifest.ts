import { hash } from 'node:crypto';
import { z } from 'zod';
import { numberPath } from '../audit/copy/numbered.ts';
import { readSigned, signJson } from '../audit/copy/signing.ts';
import type { Signer } from '../audit/tlog/note.ts';

export const STATE = 'state';
export const FILES = 'files';
/** Objects that are written alternately, so that a late request hides no newer one. */
export const SLOTS = 16;
export const slotOf = (version: number): string => `-${version % SLOTS}`;
/** Each worker has a folder of its own in the copy. */
export const folderOf = (epoch: number): string => `${STATE}/${numberPath(epoch)}`;
export const manifestPath = (epoch: number, slot: string): string =>
  `${folderOf(epoch)}/manifest${slot}`;
export const digestOf = (content: Uint8Array): string => hash('sha256', content);

export const contentsSchema = z.object({
  /** SQLite files, compressed, and their objects, which may be written again later. */
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
/** The contents of one version of a worker's state. */
export type Manifest = z.infer<typeof manifestSchema>;

/** Which keys sign; with different keys the state is signed again. */
export const signersText = (signers: readonly Signer[]): string =>
  signers.map(({ verifierKey }) => verifierKey.id).join(' ');

/** A manifest as it is in the copy. */
export const signManifest = (
  manifest: Manifest & { epoch: number },
  signers: readonly Signer[],
): Buffer => Buffer.from(signJson("worker's state", manifest, signers));

/** What is found as a manifest, and who wrote it. */
export type ReadManifest = { manifest: Manifest; by: ReturnType<typeof readSigned>['by'] };

/** `undefined` if it is not a manifest. */
export function readManifest(
  content: Buffer,
  signers: readonly Signer[],
): ReadManifest | undefined {
  const { value, by } = readSigned("worker's state", content.toString('utf8'), signers);
  const manifest = manifestSchema.safeParse(value).data;
  return manifest && { manifest, by };
}
