import { createLocalJWKSet, type JWK } from 'jose';
import { createAuthenticator } from '#service/admission/authenticate.ts';
import { mappingOf } from '#service/admission/claims.ts';

export const ISSUER = 'https://identity.example';
const AUDIENCE = 'flags';

/** An authenticator for live data that trusts one issuer with these keys. */
export const authenticatorOf = (
  keys: JWK[],
  more: Partial<Parameters<typeof createAuthenticator>[0]> = {},
): ReturnType<typeof createAuthenticator> =>
  createAuthenticator({
    issuers: [
      {
        issuer: ISSUER,
        audience: AUDIENCE,
        algorithms: ['ES256'],
        clockToleranceSeconds: 5,
        mapping: mappingOf('cp-flags'),
        keys: {
          find: createLocalJWKSet({ keys }),
          version: 1,
          problem: undefined,
          usable: true,
          passedOver: [],
          stop: () => undefined,
        },
        demoOnly: false,
      },
    ],
    demoAllowed: () => false,
    ...more,
  });
