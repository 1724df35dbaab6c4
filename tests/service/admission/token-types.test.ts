import * as fc from 'fast-check';
import { exportJWK, generateKeyPair } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Authenticate } from '#service/admission/authenticate.ts';
import { authenticatorOf, ISSUER } from '../../support/authenticator.ts';
import { claims } from '../../support/service.ts';
import { signText } from '../../support/token-attacks.ts';

const NOW = Date.UTC(2026, 10, 24, 12);
const seconds = NOW / 1_000;
const header = { alg: 'ES256', kid: 'key-1' };
const payload = {
  ...claims(),
  iss: ISSUER,
  aud: 'flags',
  exp: seconds + 600,
  nbf: seconds,
  iat: seconds,
  jti: 'token-1',
  scope: 'audit',
};

let pair: Awaited<ReturnType<typeof generateKeyPair>>;
let authenticate: Authenticate;
beforeAll(async () => {
  pair = await generateKeyPair('ES256', { extractable: true });
  const keys = [{ ...(await exportJWK(pair.publicKey)), kid: 'key-1' }];
  authenticate = authenticatorOf(keys, {
    now: () => NOW,
    revocations: { has: () => false, version: 1 },
  });
});

async function outcome(head: object, body: object): Promise<string> {
  const token = await signText(pair.privateKey, JSON.stringify(body), JSON.stringify(head));
  const authentication = await authenticate(`Bearer ${token}`);
  return authentication.kind === 'verified' ? 'verified' : authentication.code;
}

/** Any JSON value that `JSON.parse` may give, except text. */
const notText = fc.oneof(
  fc.constantFrom(null, true, false, 0, 5, -1, 1.5, 1e308, [], {}, [null], ['a'], { a: 1 }),
  fc.jsonValue({ maxDepth: 2 }).filter((value) => typeof value !== 'string'),
);
const notNumber = fc.oneof(
  fc.constantFrom(null, true, '5', 'x', [], {}, [5]),
  fc.jsonValue({ maxDepth: 2 }).filter((value) => typeof value !== 'number'),
);

describe('a validly signed token', () => {
  test('is accepted unchanged', async () => {
    expect(await outcome(header, payload)).toBe('verified');
  });

  test.for(['alg', 'typ', 'kid', 'cty', 'jku', 'x5u', 'x5t', 'x5t#S256'])(
    'whose header member %s is not text is refused, without a fault of the service',
    async (member) => {
      await fc.assert(
        fc.asyncProperty(notText, async (value) => {
          expect(await outcome({ ...header, [member]: value }, payload)).toMatch(/^token-/);
        }),
        { numRuns: 25 },
      );
    },
  );

  test.for(['crit', 'b64', 'jwk', 'x5c', 'enc', 'zip', 'anything'])(
    'is judged the same whatever its header member %s holds',
    async (member) => {
      await fc.assert(
        fc.asyncProperty(fc.jsonValue({ maxDepth: 2 }), async (value) => {
          expect(await outcome({ ...header, [member]: value }, payload)).toMatch(
            /^(?:token-|verified)/,
          );
        }),
        { numRuns: 15 },
      );
    },
  );

  test.for([
    ['iss', notText],
    ['sub', notText],
    ['jti', notText],
    ['client_id', notText],
    ['name', notText],
    ['scope', notText],
    ['aud', notText.filter((value: unknown) => !JSON.stringify(value).includes('flags'))],
    ['exp', notNumber],
    ['nbf', notNumber],
    ['iat', notNumber],
    ['roles', fc.jsonValue({ maxDepth: 3 })],
  ] as const)('whose claim %s is of the wrong type is refused', async ([claim, values]) => {
    await fc.assert(
      fc.asyncProperty(values as fc.Arbitrary<unknown>, async (value) => {
        expect(await outcome(header, { ...payload, [claim]: value })).toMatch(/^token-/);
      }),
      { numRuns: 25 },
    );
  });

  test.for([
    ['sub', notText],
    ['jti', notText],
    ['exp', notNumber],
    ['nbf', notNumber],
    ['iat', notNumber],
    ['aud', notText.filter((value) => !Array.isArray(value))],
  ] as const)(
    'whose registered claim %s has the wrong type is refused for that, and not as late or for others',
    async ([claim, values]) => {
      const late = { exp: seconds - 600, nbf: seconds + 600, aud: 'another' };
      await fc.assert(
        fc.asyncProperty(
          values as fc.Arbitrary<unknown>,
          fc.constantFrom(payload, { ...payload, ...late }),
          async (value, base) => {
            expect(await outcome(header, { ...base, [claim]: value })).toBe('token-claims');
          },
        ),
        { numRuns: 25 },
      );
    },
  );

  test('is judged by its claims only once its signature has been verified', async () => {
    const other = await generateKeyPair('ES256');
    for (const more of [{}, { nbf: '5' }, { exp: seconds - 600 }, { roles: [] }]) {
      const text = JSON.stringify({ ...payload, ...more });
      const token = await signText(other.privateKey, text, JSON.stringify(header));
      expect(await authenticate(`Bearer ${token}`)).toMatchObject({ code: 'token-untrusted' });
    }
  });

  test('with two roles of the same id is refused, even if the roles are identical', async () => {
    const [role] = payload.roles;
    const another = { ...role, activities: ['B0170'], organisation: { code: 'ZZP01', name: 'P' } };
    for (const second of [role, another]) {
      const roles = [{ ...role, id: 'first' }, role, second];
      expect(await outcome(header, { ...payload, roles })).toBe('token-claims');
    }
    const roles = [{ ...role, id: 'first' }, role];
    expect(await outcome(header, { ...payload, roles })).toBe('verified');
  });

  test.for(['id', 'code', 'name', 'organisation', 'activities'])(
    'whose role has a %s of the wrong type is refused',
    async (member) => {
      const [role] = payload.roles;
      await fc.assert(
        fc.asyncProperty(
          notText.filter((value) => !(member === 'activities' && Array.isArray(value))),
          async (value) => {
            const roles = [{ ...role, [member]: value }];
            expect(await outcome(header, { ...payload, roles })).toMatch(/^token-/);
          },
        ),
        { numRuns: 25 },
      );
    },
  );

  test('whose audience lists anything but text is refused', async () => {
    expect(await outcome(header, { ...payload, aud: ['flags', 5] })).toMatch(/^token-/);
  });

  test.for(['exp', 'nbf', 'iat'])(
    'whose %s is too large for a number is refused',
    async (claim) => {
      const text = JSON.stringify({ ...payload, [claim]: 0 }).replace(
        `"${claim}":0`,
        `"${claim}":1e400`,
      );
      const token = await signText(pair.privateKey, text, JSON.stringify(header));
      const authentication = await authenticate(`Bearer ${token}`);
      expect(authentication.kind === 'refused' && authentication.code).toMatch(/^token-/);
    },
  );
});
