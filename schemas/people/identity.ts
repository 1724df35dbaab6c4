import { createHash } from 'node:crypto';
import { z } from 'zod';
import { shortTextSchema } from '../text.ts';

const code = z.string().regex(/^[A-Za-z0-9:._-]{1,40}$/, {
  error: 'must be 1 to 40 letters, digits and any of : . _ -',
});
/** A user's id, as tokens and blocks have it. */
export const userSchema = code;
/** An issuer's name, as tokens, the issuers file and blocks have it. */
export const issuerNameSchema = z
  .string()
  .min(1, { error: 'must not be empty' })
  .max(200, { error: 'must be at most 200 characters' });

const wireText = z.string().optional();

/** What every signed token's header has, in the types of RFC 7515, section 4.1. */
export const tokenHeaderSchema = z.looseObject({
  alg: z.string(),
  typ: wireText,
  cty: wireText,
  kid: wireText,
  jku: wireText,
  jwk: z.looseObject({}).optional(),
  x5u: wireText,
  x5c: z.array(z.string()).optional(),
  x5t: wireText,
  'x5t#S256': wireText,
});

/**
 * Registered claims, in the types of RFC 7519, section 4.1, whichever of them an issuer's mapping reads. The
 * verifier decides which are required.
 */
export const registeredClaimsSchema = z.looseObject({
  iss: z.string(),
  sub: wireText,
  aud: z.union([z.string(), z.array(z.string())]).optional(),
  exp: z.number().optional(),
  nbf: z.number().optional(),
  iat: z.number().optional(),
  jti: wireText,
});

/** A user's role at one organisation, with the activities it grants there. */
export const roleSchema = z.object({
  /** The user role profile id, by which a user with several roles chooses one. */
  id: code,
  code,
  name: shortTextSchema,
  organisation: z.object({ code: z.string().regex(/^[A-Z0-9]{3,12}$/), name: shortTextSchema }),
  activities: z.array(code).max(100),
});
export type Role = z.infer<typeof roleSchema>;

/** What the holder may do besides looking up; each opens one set of routes. */
export const SCOPES = ['upload', 'audit', 'operate'] as const;
export type Scope = (typeof SCOPES)[number];

export const isScope = (text: string): text is Scope =>
  (SCOPES as readonly string[]).includes(text);

/**
 * The claims of an access token, in the form the demo issuer writes them. Registered claims (`iss`,
 * `aud`, `exp`, `nbf`, `iat`) are checked by the verifier before these are read.
 */
export const claimsSchema = z.object({
  iss: issuerNameSchema,
  sub: userSchema,
  exp: z.number(),
  client_id: code,
  name: shortTextSchema,
  /** Each has an id of its own: if two had the same, it would not be clear which was chosen. */
  roles: z
    .array(roleSchema)
    .min(1)
    .max(50)
    .refine((roles) => new Set(roles.map(({ id }) => id)).size === roles.length),
  scope: z.string().max(200).default(''),
});
export type Claims = z.infer<typeof claimsSchema>;

/** A verified caller with the one role in which it acts. */
export type Identity = {
  issuer: string;
  client: string;
  user: string;
  name: string;
  role: Role;
  scopes: readonly Scope[];
};

/** One text for each user of an issuer, whatever the organisation, that by itself identifies nobody. */
export function userKeyOf(issuer: string, user: string): string {
  return createHash('sha256')
    .update(JSON.stringify([issuer, user]))
    .digest('base64url');
}

const claimName = z.string().min(1).max(200);

/**
 * Where a value is in a token: a claim's name, a JSON pointer (`/a/b`) to one inside another, or several of
 * these: the first that is present counts.
 */
const claimSchema = z.union([claimName, z.array(claimName).min(1).max(5)]);
export type Claim = z.infer<typeof claimSchema>;

/** How an issuer's tokens say who is asking. Claims of a role are looked for inside the role. */
export const claimMappingSchema = z.strictObject({
  user: claimSchema,
  client: claimSchema,
  name: claimSchema,
  scope: claimSchema.default('scope'),
  /** A list of roles. */
  roles: claimSchema,
  /** The id of the role in use, if the token gives it: then no other counts. */
  chosenRole: claimSchema.optional(),
  role: z.strictObject({
    id: claimSchema,
    code: claimSchema,
    name: claimSchema,
    organisationCode: claimSchema,
    organisationName: claimSchema.optional(),
    activities: claimSchema,
  }),
  /** A list beside the roles that gives organisations their names. */
  organisations: z
    .strictObject({ list: claimSchema, code: claimSchema, name: claimSchema })
    .optional(),
  /** Role codes and names are paths such as `S8000:G8000:R8001`: only the last part counts. */
  rolePaths: z.boolean().default(false),
});
export type ClaimMapping = z.infer<typeof claimMappingSchema>;

/** Mappings that need not be written out; `cp-flags` is that of {@link claimsSchema}. */
export const CLAIM_MAPPINGS = ['cp-flags', 'cis2'] as const;

const httpsAddress = z
  .url({ protocol: /^https?$/, error: 'must be an https address' })
  .refine((text) => !/^[a-z]+:\/\/[^/]*@/i.test(text), {
    error: 'must not hold a user or password',
  });

/** How access tokens other than JWTs are resolved (RFC 7662). */
const introspectionSchema = z.strictObject({
  /** Outside a demo https only. */
  url: httpsAddress,
  clientId: z.string().min(1).max(200),
  /** Relative to the issuers file. */
  clientSecretFile: z.string().min(1),
  /** Clients whose tokens count even if the answer names no audience. */
  clients: z.array(code).max(200).default([]),
  /** Where roles are asked for, if the answer does not have them. */
  userinfoUrl: httpsAddress.optional(),
});

/**
 * A trusted issuer. Its keys are a JWKS, in a file or at an address; only the algorithms named are
 * accepted, all of them with public keys.
 */
export const issuerSchema = z
  .strictObject({
    issuer: issuerNameSchema,
    audience: z.string().min(1).max(200),
    jwksFile: z.string().min(1).optional(),
    /** Outside a demo https only. */
    jwksUrl: httpsAddress.optional(),
    introspection: introspectionSchema.optional(),
    algorithms: z
      .array(
        z.enum([
          'RS256',
          'RS384',
          'RS512',
          'PS256',
          'PS384',
          'PS512',
          'ES256',
          'ES384',
          'ES512',
          'EdDSA',
        ]),
      )
      .min(1),
    /** How far `exp`, `nbf` and `iat` may be off. */
    clockToleranceSeconds: z.int().min(0).max(60).default(5),
    /** If set: tokens must say when they were issued (`iat`), and count for at most this long after it. */
    maxTokenAgeSeconds: z.int().min(60).max(604_800).optional(),
    /** The `typ` that tokens must have. If not set: `JWT`, `at+jwt` or none. */
    type: z.string().min(1).max(40).optional(),
    claims: z.union([z.enum(CLAIM_MAPPINGS), claimMappingSchema]).default('cp-flags'),
  })
  .refine(({ jwksFile, jwksUrl }) => (jwksFile === undefined) !== (jwksUrl === undefined), {
    error: 'must have either jwksFile or jwksUrl',
  });
export type Issuer = z.infer<typeof issuerSchema>;
export const issuersFileSchema = z
  .array(issuerSchema)
  .min(1)
  // An opaque token does not say who issued it, and must not be shown to an issuer that did not.
  .refine((issuers) => issuers.filter(({ introspection }) => introspection).length <= 1, {
    error: 'only one issuer may have introspection',
  });

/** One entry of the revocations file: a token by its `jti`, or all tokens of a user or of a client. */
const revocationSchema = z.union(
  [
    z.strictObject({ issuer: claimName, jti: claimName }),
    z.strictObject({ issuer: claimName, user: claimName }),
    z.strictObject({ issuer: claimName, client: claimName }),
  ],
  { error: 'must be an issuer and one of jti, user and client' },
);
export type Revocation = z.infer<typeof revocationSchema>;
export const revocationsFileSchema = z.array(revocationSchema);
