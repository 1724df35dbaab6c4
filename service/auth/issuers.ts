import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { type Organisation, organisationsFileSchema } from '#schemas/care-setting.ts';
import { ConfigurationError } from '#schemas/configuration.ts';
import { type Issuer, issuersFileSchema } from '#schemas/identity.ts';

/** An issuer whose tokens are accepted, with its keys at hand: no request waits for another server. */
export type TrustedIssuer = {
  issuer: string;
  audience: string;
  algorithms: readonly Issuer['algorithms'][number][];
  keys: JWTVerifyGetKey;
  /** Accepted for a demo dataset only. */
  demo: boolean;
};

/** Public keys only: a private or shared key in this file is a mistake to stop at, not to work with. */
const publicKeysSchema = z.object({
  keys: z
    .array(
      z
        .looseObject({
          kty: z.enum(['RSA', 'EC', 'OKP'], { error: 'must be a public RSA, EC or OKP key' }),
        })
        .refine((key) => !('d' in key), { error: 'must not be a private key' }),
    )
    .min(1),
});

async function readSettingFile<T>(setting: string, path: string, schema: z.ZodType<T>): Promise<T> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    throw new ConfigurationError(`${setting}: ${path} ${why}.`);
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ConfigurationError(
    `${setting}: ${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message}.`,
  );
}

/**
 * Reads ISSUERS_FILE and the JWKS files it names (relative to its own folder).
 *
 * @throws {ConfigurationError} one sentence that names the setting, the file and what is wrong
 */
export async function readIssuers(path: string): Promise<TrustedIssuer[]> {
  const issuers = await readSettingFile('ISSUERS_FILE', path, issuersFileSchema);
  if (new Set(issuers.map(({ issuer }) => issuer)).size !== issuers.length) {
    throw new ConfigurationError(`ISSUERS_FILE: ${path} names an issuer twice.`);
  }
  return Promise.all(
    issuers.map(async ({ issuer, audience, algorithms, jwksFile }) => {
      const keysPath = resolve(dirname(path), jwksFile);
      const jwks = await readSettingFile('ISSUERS_FILE', keysPath, publicKeysSchema);
      return { issuer, audience, algorithms, keys: createLocalJWKSet(jwks), demo: false };
    }),
  );
}

/**
 * Reads ORGANISATIONS_FILE: which care settings there are, by ODS code.
 *
 * @throws {ConfigurationError} one sentence that names the setting, the file and what is wrong
 */
export async function readOrganisations(path: string): Promise<Map<string, Organisation>> {
  const organisations = await readSettingFile('ORGANISATIONS_FILE', path, organisationsFileSchema);
  const byCode = new Map(organisations.map((organisation) => [organisation.code, organisation]));
  if (byCode.size !== organisations.length) {
    throw new ConfigurationError(`ORGANISATIONS_FILE: ${path} names an organisation twice.`);
  }
  return byCode;
}
