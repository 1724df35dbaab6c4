import type { JWTPayload } from 'jose';
import { describe, expect, test } from 'vitest';
import { issuerSchema } from '#schemas/people/identity.ts';
import { mappingOf, readClaims } from '#service/admission/claims.ts';

/** Claims as documented by NHS CIS2 Authentication, for a made-up user. */
const cis2 = () => ({
  iss: 'https://gateway.example',
  exp: 1_795_000_000,
  sub: '910000000001',
  azp: 'ed-system',
  nhsid_useruid: '910000000001',
  name: 'DEMO Amina Ms',
  nhsid_nrbac_roles: [
    {
      person_orgid: '555254239107',
      person_roleid: '555254240100',
      org_code: 'ZZH01',
      role_name: '"Clinical":"Clinical Provision":"Nurse Access Role"',
      role_code: 'S8000:G8000:R8001',
      activities: ['View CP-IS flag'],
      activity_codes: ['B0107', 'B0085'],
    },
    {
      person_orgid: '555254239108',
      person_roleid: '555254242102',
      org_code: 'ZZH02',
      role_name: '"Admin and Clerical":"Admin":"Clerical Access Role"',
      role_code: 'S8002:G8003:R8010',
    },
  ],
  nhsid_user_orgs: [{ org_name: 'Northgate General Hospital', org_code: 'ZZH01' }],
});

const read = (
  payload: JWTPayload,
  nameOf: (code: string) => string | undefined = () => undefined,
) => readClaims(payload, mappingOf('cis2'), nameOf);

describe('a CIS2 token', () => {
  test('names user, client, roles, organisations and activities', () => {
    expect(read(cis2())).toMatchObject({
      sub: '910000000001',
      client_id: 'ed-system',
      name: 'DEMO Amina Ms',
      roles: [
        {
          id: '555254240100',
          code: 'R8001',
          name: 'Nurse Access Role',
          organisation: { code: 'ZZH01', name: 'Northgate General Hospital' },
          activities: ['B0107', 'B0085'],
        },
        { id: '555254242102', code: 'R8010', activities: [] },
      ],
    });
  });

  test('has only the selected role, if one was selected', () => {
    const payload = { ...cis2(), selected_roleid: '555254240100' };
    expect(read(payload)?.roles.map(({ id }) => id)).toEqual(['555254240100']);
    expect(read({ ...cis2(), selected_roleid: 'none-of-them' })).toBeUndefined();
  });

  test('gets organisation names from the register if it has none', () => {
    const registered = read(cis2(), (code) =>
      code === 'ZZH02' ? 'Southgate Hospital' : undefined,
    );
    expect(registered?.roles[1]?.organisation).toEqual({
      code: 'ZZH02',
      name: 'Southgate Hospital',
    });
    expect(read(cis2())?.roles[1]?.organisation).toEqual({ code: 'ZZH02', name: 'ZZH02' });
  });

  test('gives no name to an organisation for which it has two', () => {
    const [organisation] = cis2().nhsid_user_orgs;
    const named = (org_name: string) =>
      read({ ...cis2(), nhsid_user_orgs: [organisation, { ...organisation, org_name }] });
    expect(named('Northgate General Hospital')).toBeDefined();
    expect(named('Another Hospital')).toBeUndefined();
  });

  test.for([
    [
      'two roles with the same id',
      {
        nhsid_nrbac_roles: cis2().nhsid_nrbac_roles.map((role) => ({
          ...role,
          person_roleid: '1',
        })),
      },
    ],
    [
      'two roles with the id that was selected',
      {
        selected_roleid: '1',
        nhsid_nrbac_roles: cis2().nhsid_nrbac_roles.map((role) => ({
          ...role,
          person_roleid: '1',
        })),
      },
    ],
    ['no user', { nhsid_useruid: undefined, sub: undefined }],
    ['no client', { azp: undefined }],
    ['no roles', { nhsid_nrbac_roles: undefined }],
    ['roles that are not a list', { nhsid_nrbac_roles: 'R8001' }],
    ['a role that is not an object', { nhsid_nrbac_roles: ['R8001'] }],
    [
      'a role without an organisation',
      { nhsid_nrbac_roles: [{ person_roleid: '1', role_code: 'a', role_name: 'b' }] },
    ],
  ] as const)('with %s identifies nobody', ([, differing]) => {
    expect(read({ ...cis2(), ...differing } as JWTPayload)).toBeUndefined();
  });
});

test('an issuer may use any names for its claims, even nested ones', () => {
  const { claims } = issuerSchema.parse({
    issuer: 'https://id.example',
    audience: 'flags',
    algorithms: ['RS256'],
    jwksUrl: 'https://id.example/keys',
    claims: {
      user: '/act/sub',
      client: ['cid', 'azp'],
      name: 'https://id.example/full_name',
      roles: '/realm~1access/posts',
      role: {
        id: 'post',
        code: 'job',
        name: 'title',
        organisationCode: '/site/ods',
        organisationName: '/site/name',
        activities: 'rights',
      },
    },
  });
  const payload = {
    iss: 'https://id.example',
    exp: 1,
    act: { sub: 'user-9' },
    azp: 'client-9',
    'https://id.example/full_name': 'Una Known',
    'realm/access': {
      posts: [
        {
          post: 'p1',
          job: 'R8000',
          title: 'Nurse',
          site: { ods: 'ZZH01', name: 'A&E' },
          rights: ['B0107'],
        },
      ],
    },
  };
  expect(readClaims(payload, mappingOf(claims), () => undefined)).toEqual({
    iss: 'https://id.example',
    exp: 1,
    sub: 'user-9',
    client_id: 'client-9',
    name: 'Una Known',
    scope: '',
    roles: [
      {
        id: 'p1',
        code: 'R8000',
        name: 'Nurse',
        organisation: { code: 'ZZH01', name: 'A&E' },
        activities: ['B0107'],
      },
    ],
  });
});

test.for([
  ['neither a file nor an address for keys', { jwksUrl: undefined }, 'either jwksFile or jwksUrl'],
  ['both', { jwksFile: 'keys.json' }, 'either jwksFile or jwksUrl'],
  ['an invalid address', { jwksUrl: 'file:///etc/passwd' }, 'must be an https address'],
  ['an address with a password', { jwksUrl: 'https://a:b@id.example/' }, 'must not hold'],
  ['a tolerance of an hour', { clockToleranceSeconds: 3_600 }, 'Too big'],
  ['an unknown member', { jwks: 'x' }, 'jwks'],
] as const)('an issuer with %s is refused', ([, differing, words]) => {
  const issuer = {
    issuer: 'https://id.example',
    audience: 'flags',
    algorithms: ['RS256'],
    jwksUrl: 'https://id.example/keys',
    ...differing,
  };
  expect(issuerSchema.safeParse(issuer).error?.message).toContain(words);
});
