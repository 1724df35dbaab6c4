import { z } from 'zod';

const text = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u);
const code = z.string().regex(/^[A-Za-z0-9:._-]{1,40}$/);

/** A user's role at one organisation, with the activities it grants there. */
export const roleSchema = z.object({
  /** The user role profile id, by which a user with several roles chooses one. */
  id: code,
  code,
  name: text,
  organisation: z.object({ code: z.string().regex(/^[A-Z0-9]{3,12}$/), name: text }),
  activities: z.array(code).max(100),
});
export type Role = z.infer<typeof roleSchema>;

/** What the holder may do besides looking up; each names one set of routes. */
export const SCOPES = ['upload', 'audit', 'operate'] as const;
export type Scope = (typeof SCOPES)[number];

/**
 * The claims of an access token, in the form the demo issuer writes them. Registered claims (`iss`,
 * `aud`, `exp`, `nbf`, `iat`) are checked by the verifier before these are read.
 */
export const claimsSchema = z.object({
  iss: z.string().min(1).max(200),
  sub: code,
  exp: z.number(),
  client_id: code,
  name: text,
  roles: z.array(roleSchema).min(1).max(50),
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

/** A trusted issuer. Its keys are a JWKS in a file; only the algorithms named are accepted. */
export const issuerSchema = z.strictObject({
  issuer: z.string().min(1).max(200),
  audience: z.string().min(1).max(200),
  jwksFile: z.string().min(1),
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
});
export type Issuer = z.infer<typeof issuerSchema>;
export const issuersFileSchema = z.array(issuerSchema).min(1);
