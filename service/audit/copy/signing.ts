import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { parseJson } from '#schemas/json.ts';
import type { Signer } from '../tlog/note.ts';

const signaturesSchema = z.array(z.object({ key: z.string(), mac: z.string() }));

/** Before the signatures, which come last: everything before this mark, unchanged, is what they cover. */
const SIGNATURES = ',"signatures":';
const KEY_BYTES = 32;

/** What is signed; each kind has its own key, so that one is never taken for another. */
type Purpose = "worker's state" | 'sealed events' | 'pruned beginning';

function macOf(purpose: Purpose, body: string, { privateKey }: Signer): Buffer {
  const secret = privateKey.export({ format: 'der', type: 'pkcs8' });
  const key = Buffer.from(hkdfSync('sha256', secret, '', `cp-flags/${purpose}/1`, KEY_BYTES));
  return createHmac('sha256', key).update(body).digest();
}

/** An object as JSON in the second copy, signed by every audit key, as checkpoints are while keys change. */
export function signJson(purpose: Purpose, value: object, signers: readonly Signer[]): string {
  const body = JSON.stringify(value);
  const signatures = signers.map((signer) => ({
    key: signer.verifierKey.id,
    mac: macOf(purpose, body, signer).toString('base64'),
  }));
  return `${body.slice(0, -1)}${SIGNATURES}${JSON.stringify(signatures)}}`;
}

/** By a worker with one of the audit keys; unsigned, as earlier versions wrote it; or by somebody else. */
type SignedBy = 'worker' | 'nobody' | 'others';

/** What was signed, `undefined` if it is not JSON, and by whom. */
export function readSigned(
  purpose: Purpose,
  text: string,
  signers: readonly Signer[],
): { value: unknown; by: SignedBy } {
  const end = text.lastIndexOf(SIGNATURES);
  if (end < 0) return { value: parseJson(text), by: 'nobody' };
  const body = `${text.slice(0, end)}}`;
  const signatures = signaturesSchema.safeParse(
    parseJson(text.slice(end + SIGNATURES.length, -1)),
  ).data;
  const isOurs = signers.some((signer) => {
    const own = signatures?.find(({ key }) => key === signer.verifierKey.id);
    const given = Buffer.from(own?.mac ?? '', 'base64');
    const wanted = macOf(purpose, body, signer);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
  return { value: parseJson(body), by: isOurs ? 'worker' : 'others' };
}
