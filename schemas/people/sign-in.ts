import { z } from 'zod';
import { shortTextSchema } from '../text.ts';
import { CLAIM_MAPPINGS, claimMappingSchema, type Scope } from './identity.ts';

/**
 * What each kind of provider can let people do, whatever it says about them: a council's or an officer's
 * provider can never let anybody look up a flag, and one for staff opens neither uploads nor the audit.
 */
export const SIGN_IN_FOR = {
  staff: { looksUp: true, scopes: [] },
  councils: { looksUp: false, scopes: ['upload'] },
  officers: { looksUp: false, scopes: ['audit', 'operate'] },
} as const satisfies Record<string, { looksUp: boolean; scopes: readonly Scope[] }>;
export type SignInFor = keyof typeof SIGN_IN_FOR;

const httpAddress = z
  .url({ protocol: /^https?$/, error: 'must be an https address' })
  .refine((text) => new URL(text).username === '' && new URL(text).password === '', {
    error: 'must not hold a user or password',
  });

/** The id by which a demo's made-up people are signed in, which no provider has. */
export const DEMO_PROVIDER = 'demo';

/** Levels of NHS CIS2 Authentication: 3 is a person whose identity was verified in person or equally well. */
const level = z.int().min(0).max(4);

/**
 * An OpenID provider by which people sign in. If `claims` is `cis2`, `scope`, `chooseRoleScope` and
 * `changeRoleScope` default to what NHS CIS2 Authentication expects. Source: NHS CIS2 guidance, OpenID
 * Connect overview.
 */
const signInProviderSchema = z
  .strictObject({
    /** Part of its addresses here. */
    id: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,30}$/, {
        error: 'must be 1 to 31 small letters, digits and hyphens',
      })
      .refine((id) => id !== DEMO_PROVIDER, {
        error: 'must not be demo, which is the id of made-up people',
      }),
    name: shortTextSchema,
    for: z.enum(Object.keys(SIGN_IN_FOR) as [SignInFor, ...SignInFor[]]).default('staff'),
    /** As the provider writes it in its tokens; outside a demo https only. */
    issuer: httpAddress,
    clientId: z.string().min(1).max(200),
    /** File of the secret that is sent to the token endpoint. */
    clientSecretFile: z.string().min(1).optional(),
    /** JWK file of the private key with which the client proves who it is (RS256, PS256 or ES256). */
    clientKeyFile: z.string().min(1).optional(),
    claims: z.union([z.enum(CLAIM_MAPPINGS), claimMappingSchema]).default('cis2'),
    scope: z.string().min(1).max(400).optional(),
    /** Added to the scope so that a person with several roles chooses one there, when signing in and to change it. */
    chooseRoleScope: z.string().min(1).max(100).optional(),
    changeRoleScope: z.string().min(1).max(100).optional(),
    acrValues: z.string().min(1).max(200).optional(),
    /** Nobody below these levels of assurance is let in; 0 requires none. */
    identityAssurance: level.optional(),
    authenticationAssurance: level.optional(),
    /** How long before signing in here a person may have signed in to the provider. */
    signedInWithinSeconds: z.int().min(30).max(86_400).default(300),
  })
  .refine(
    ({ clientSecretFile, clientKeyFile }) =>
      (clientSecretFile === undefined) !== (clientKeyFile === undefined),
    { error: 'must have either clientSecretFile or clientKeyFile' },
  );
export type SignInProvider = z.infer<typeof signInProviderSchema>;

export const signInFileSchema = z
  .array(signInProviderSchema)
  .min(1)
  .max(20)
  .refine((providers) => new Set(providers.map(({ id }) => id)).size === providers.length, {
    error: 'must not have two providers of one id',
  });
