import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import {
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { z } from 'zod';
import type { Claims } from '#schemas/people/identity.ts';
import { readOrMakePrivate } from '../files/private-file.ts';
import { mappingOf } from './claims.ts';
import type { TrustedIssuer } from './issuers.ts';

export const DEMO_ISSUER = 'cp-flags-demo';
const DEMO_AUDIENCE = 'cp-flags';
const ALGORITHM = 'ES256';

export type DemoClaims = Omit<Claims, 'iss' | 'exp' | 'scope'> & { scope?: string };

/** The issuer of demo tokens: a random key of this data folder, valid only for a demo dataset. */
type DemoIssuer = {
  trusted: TrustedIssuer;
  sign(claims: DemoClaims, lifetimeSeconds: number): Promise<string>;
};

const keySchema = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  kid: z.string(),
  x: z.string(),
  y: z.string(),
  d: z.string(),
});

async function makeKey(): Promise<string> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  return JSON.stringify({ ...(await exportJWK(privateKey)), kid: randomUUID() });
}

/** Opens the demo issuer of a data folder; its key is made, private to the owner, at the first call. */
export async function openDemoIssuer(dataDir: string): Promise<DemoIssuer> {
  const path = join(dataDir, 'demo-issuer.json');
  const { d, ...publicKey } = keySchema.parse(JSON.parse(await readOrMakePrivate(path, makeKey)));
  const publicJwk: JWK = { ...publicKey, alg: ALGORITHM, use: 'sig' };
  const privateKey = await importJWK({ ...publicKey, d }, ALGORITHM);
  return {
    trusted: {
      issuer: DEMO_ISSUER,
      audience: DEMO_AUDIENCE,
      algorithms: [ALGORITHM],
      clockToleranceSeconds: 5,
      mapping: mappingOf('cp-flags'),
      keys: {
        find: createLocalJWKSet({ keys: [publicJwk] }),
        version: 1,
        usable: true,
        problem: undefined,
        passedOver: [],
        stop: () => undefined,
      },
      demoOnly: true,
    },
    sign: (claims, lifetimeSeconds) =>
      new SignJWT({ ...claims } satisfies JWTPayload)
        .setProtectedHeader({ alg: ALGORITHM, kid: publicKey.kid, typ: 'JWT' })
        .setIssuer(DEMO_ISSUER)
        .setAudience(DEMO_AUDIENCE)
        .setIssuedAt()
        .setExpirationTime(Math.floor(Date.now() / 1000) + lifetimeSeconds)
        .sign(privateKey),
  };
}
