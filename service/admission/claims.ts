import type { JWTPayload } from 'jose';
import { z } from 'zod';
import {
  type Claim,
  type ClaimMapping,
  type Claims,
  claimsSchema,
  type Issuer,
} from '#schemas/people/identity.ts';

/**
 * Where tokens of each kind name the caller. `cis2` are the claims of NHS CIS2 Authentication (scopes
 * profile, nationalrbacaccess, associatedorgs, selectedrole), in a token that a gateway signs.
 */
const MAPPINGS: Record<Extract<Issuer['claims'], string>, ClaimMapping> = {
  'cp-flags': {
    user: 'sub',
    client: 'client_id',
    name: 'name',
    scope: 'scope',
    roles: 'roles',
    role: {
      id: 'id',
      code: 'code',
      name: 'name',
      organisationCode: '/organisation/code',
      organisationName: '/organisation/name',
      activities: 'activities',
    },
    rolePaths: false,
  },
  cis2: {
    user: ['nhsid_useruid', 'uid', 'sub'],
    client: ['client_id', 'azp'],
    name: 'name',
    scope: 'scope',
    roles: 'nhsid_nrbac_roles',
    chosenRole: 'selected_roleid',
    role: {
      id: 'person_roleid',
      code: 'role_code',
      name: 'role_name',
      organisationCode: 'org_code',
      activities: 'activity_codes',
    },
    organisations: { list: 'nhsid_user_orgs', code: 'org_code', name: 'org_name' },
    rolePaths: true,
  },
};

export const mappingOf = (claims: Issuer['claims']): ClaimMapping =>
  typeof claims === 'string' ? MAPPINGS[claims] : claims;

function at(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

/** The value of the first claim present. */
function valueOf(holder: unknown, claim: Claim | undefined): unknown {
  if (claim === undefined) return undefined;
  for (const name of typeof claim === 'string' ? [claim] : claim) {
    const path = name.startsWith('/')
      ? name
          .slice(1)
          .split('/')
          .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
      : [name];
    const value = path.reduce<unknown>(at, holder);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The last part of `S8000:G8000:R8001`, or of `"Clinical":"Nursing":"Nurse Access Role"`. */
const lastPart = (path: unknown): unknown =>
  typeof path === 'string'
    ? path
        .split(':')
        .at(-1)
        ?.replace(/^"(.*)"$/, '$1')
    : path;

const textsSchema = z.array(z.unknown());
const listOf = (value: unknown): unknown[] => textsSchema.safeParse(value).data ?? [];

/**
 * The claims of a verified token in one form, whatever its issuer calls them, or the name of a missing one.
 *
 * @param nameOf an organisation's registered name, for tokens without one
 */
export function parseClaims(
  payload: JWTPayload,
  mapping: ClaimMapping,
  nameOf: (organisation: string) => string | undefined,
): z.ZodSafeParseResult<Claims> {
  const { role: names, organisations } = mapping;
  const organisationName = (role: unknown, code: unknown): unknown => {
    const given = valueOf(role, names.organisationName);
    if (given !== undefined || typeof code !== 'string') return given;
    const listed = new Set(
      listOf(valueOf(payload, organisations?.list))
        .filter((organisation) => valueOf(organisation, organisations?.code) === code)
        .map((organisation) => valueOf(organisation, organisations?.name)),
    );
    // If there are two names, it is not clear which to record.
    if (listed.size > 1) return undefined;
    const [name] = listed;
    return name ?? nameOf(code) ?? code;
  };
  const part = mapping.rolePaths ? lastPart : (value: unknown) => value;
  const chosen = valueOf(payload, mapping.chosenRole);
  const roles = listOf(valueOf(payload, mapping.roles)).filter(
    (role) => chosen === undefined || valueOf(role, names.id) === chosen,
  );
  return claimsSchema.safeParse({
    iss: payload.iss,
    exp: payload.exp,
    sub: valueOf(payload, mapping.user),
    client_id: valueOf(payload, mapping.client),
    name: valueOf(payload, mapping.name),
    scope: valueOf(payload, mapping.scope),
    roles: roles.map((role) => {
      const code = valueOf(role, names.organisationCode);
      const activities = valueOf(role, names.activities);
      return {
        id: valueOf(role, names.id),
        code: part(valueOf(role, names.code)),
        name: part(valueOf(role, names.name)),
        organisation: { code, name: organisationName(role, code) },
        activities: activities === undefined ? [] : activities,
      };
    }),
  });
}

/** Like {@link parseClaims}; `undefined` if the token does not name the caller. */
export const readClaims = (...of: Parameters<typeof parseClaims>): Claims | undefined =>
  parseClaims(...of).data;
