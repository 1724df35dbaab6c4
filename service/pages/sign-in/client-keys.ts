import { type CryptoKey, importJWK, type JWK } from 'jose';
import * as openid from 'openid-client';
import { z } from 'zod';
import { ConfigurationError } from '#schemas/configuration.ts';
import type { SignInProvider } from '#schemas/people/sign-in.ts';
import { readSettingText } from '../../files/setting-file.ts';

/** How the service proves to a provider who it is, and the public keys with which the provider checks that. */
export type ClientProof = {
  authentication: openid.ClientAuth;
  /** The key in use first, then the next one; `undefined` if there is a secret instead. */
  publicKeys: readonly JWK[] | undefined;
};

/** The public members of every kind of signing key. Nothing else of a key leaves this file. */
const PUBLIC_MEMBERS = ['kty', 'n', 'e', 'crv', 'x', 'y', 'kid', 'alg'] as const;

const keySchema = z.looseObject({ kty: z.string(), alg: z.string() });
/** One key, or that in use and the next one, each by an id of its own. */
const keysSchema = z.union([
  z
    .object({ keys: z.tuple([keySchema], keySchema) })
    .transform(({ keys }) => keys)
    .refine((keys) => keys.length <= 2)
    .refine((keys) => keys.length === new Set(keys.map(({ kid }) => kid)).size)
    .refine((keys) => keys.length === 1 || keys.every(({ kid }) => typeof kid === 'string')),
  keySchema.transform((key): [typeof key] => [key]),
]);

/** The public half of a key, by a list of what may be shown. */
export function publicHalf(key: JWK): JWK {
  const shown: Record<string, unknown> = {};
  for (const name of PUBLIC_MEMBERS) if (key[name] !== undefined) shown[name] = key[name];
  return { ...shown, use: 'sig' };
}

async function privateKeyOf(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, jwk.alg);
  if (key instanceof Uint8Array || key.type !== 'private') throw new Error('not a private key');
  return key;
}

/**
 * Reads how a provider of SIGN_IN_FILE knows this service.
 *
 * @throws {ConfigurationError} if a file cannot be used
 */
export async function readClientProof({
  clientSecretFile,
  clientKeyFile,
}: Pick<SignInProvider, 'clientSecretFile' | 'clientKeyFile'>): Promise<ClientProof> {
  if (clientSecretFile !== undefined) {
    const secret = await readSettingText('SIGN_IN_FILE: clientSecretFile', clientSecretFile);
    return { authentication: openid.ClientSecretPost(secret.trim()), publicKeys: undefined };
  }
  const path = clientKeyFile ?? '';
  const text = await readSettingText('SIGN_IN_FILE: clientKeyFile', path);
  try {
    const keys = keysSchema.parse(JSON.parse(text)) as [JWK, ...JWK[]];
    const [key] = await Promise.all(keys.map(privateKeyOf));
    if (key === undefined) throw new Error('no key');
    const { kid } = keys[0];
    return {
      authentication: openid.PrivateKeyJwt(kid === undefined ? key : { key, kid }),
      publicKeys: keys.map(publicHalf),
    };
  } catch {
    throw new ConfigurationError(
      `SIGN_IN_FILE: clientKeyFile ${path} must hold a private key as a JWK with its alg, or {"keys": [...]} with the key in use and the next one, each with its kid.`,
    );
  }
}
