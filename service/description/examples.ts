import { ERRORS } from '#schemas/errors.ts';
import type { Coverage } from '#schemas/lookup.ts';
import { FILE_CODES } from '#schemas/wording/answers.ts';
import { COULD_NOT_CHECK, notFlaggedAdvice } from '#schemas/wording/lookup.ts';
import { RECORD_HINTS, STANDS } from '#schemas/wording/records.ts';

/**
 * What the description shows, made up like the sample. The linter checks each against its schema, and a test
 * checks FHIR against the R4 definitions.
 */
const NUMBER = { system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9991000011' };
const subject = { type: 'Patient', identifier: NUMBER };
const CHECKED_AT = '2026-11-24T03:02:11.000Z';
const AUDIT_ID = '0b6f2d34-8c1e-4a57-9d20-6e41f7c5a3b8';

const authority = {
  code: 'ZZN01',
  name: 'Northmoor Council (sample)',
  officeHoursPhone: '02079460110',
  emergencyDutyTeamPhone: '02079460119',
  dataAsOf: '2026-11-24T02:00:00.000Z',
  upToDate: true,
};
const ring =
  'Ring Northmoor Council (sample): office hours 02079460110; emergency duty team (out of hours) 02079460119.';
const advice = `This child is on a child protection plan. ${ring}`;
const coverage: Coverage = {
  area: { name: 'a made-up sample', kind: 'sample' },
  expected: 3,
  upToDate: 3,
  complete: true,
  notUpToDate: [],
};
const organisation = { code: 'ZZH01', name: 'Northgate General Hospital' };

const flagged = {
  checked: true,
  outcome: 'flagged',
  current: true,
  checkedAt: CHECKED_AT,
  auditId: AUDIT_ID,
  advice: [advice],
  flags: [
    {
      type: 'child-protection-plan',
      status: 'current',
      startDate: '2026-09-15',
      dateOfBirth: 'match',
      authority,
    },
  ],
  accesses: [
    {
      at: CHECKED_AT,
      count: 2,
      name: 'Amina Demo',
      role: 'Clinical Practitioner',
      organisation,
      own: true,
    },
  ],
  coverage,
};

const outcome = {
  fullUrl: 'urn:uuid:7a0ce1b2-4c3d-8a1e-9b57-2f1d60c4e833',
  resource: {
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'information', code: 'informational', details: { text: advice } }],
  },
  search: { mode: 'outcome' },
};
const searchset = (type: string, resource: { id: string }) => ({
  resourceType: 'Bundle',
  id: AUDIT_ID,
  type: 'searchset',
  timestamp: CHECKED_AT,
  total: 1,
  link: [{ relation: 'self', url: `https://cp-flags.example/FHIR/R4/${type}` }],
  entry: [
    {
      fullUrl: `https://cp-flags.example/FHIR/R4/${type}/${resource.id}`,
      resource: { resourceType: type, ...resource },
      search: { mode: 'match' },
    },
    outcome,
  ],
});
const roleClass = (code: string) => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleClass', code }],
});

export const EXAMPLES = {
  request: { nhsNumber: '9991000011', dateOfBirth: '2019-03-05', reason: 'attendance' },
  flagged,
  batch: { items: [{ nhsNumber: '9991000100' }, { nhsNumber: '9990000019' }] },
  attendance: {
    nhsNumber: '9991000011',
    attended: 'left-before-seen',
    switchboard: '020 7946 0200',
  },
  attendanceAnswer: {
    attendanceId: '4f0c0a53-9a34-4b8f-8d6a-2f3a6f6c1b7d',
    recordedAt: '2026-11-27T03:12:44.000Z',
    authorities: [{ code: 'ZZN01', name: 'Northmoor Council (sample)' }],
  },
  batchAnswer: {
    checked: false,
    advice: [
      'Not all of these checks were made. Those that were not are NOT negative results; each says what to do.',
    ],
    items: [
      {
        checked: true,
        outcome: 'not-flagged',
        current: false,
        checkedAt: CHECKED_AT,
        auditId: AUDIT_ID,
        advice: notFlaggedAdvice(coverage, undefined, Date.parse(CHECKED_AT)),
        flags: [],
        coverage,
      },
      {
        type: '/problems/invalid-nhs-number',
        title: 'The NHS number is not valid',
        status: 400,
        detail:
          'An NHS number is ten digits, without spaces, whose last digit checks the others (modulus 11). Check it against the patient’s record.',
        code: 'invalid-nhs-number',
        checked: false,
        advice: [COULD_NOT_CHECK],
      },
    ],
  },
  CareTeam: searchset('CareTeam', {
    id: '6f1c2a90-7b3d-8e54-a1c2-93d4e5f60718',
    contained: [
      {
        resourceType: 'Organization',
        id: 'la',
        identifier: [
          { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: authority.code },
        ],
        name: authority.name,
      },
    ],
    status: 'active',
    category: [
      {
        coding: [
          {
            system: 'http://snomed.info/sct',
            code: '342191000000101',
            display: 'Subject to child protection plan',
          },
        ],
      },
    ],
    name: authority.name,
    subject,
    period: { start: '2026-09-15' },
    managingOrganization: [{ reference: '#la' }],
    telecom: [
      { system: 'phone', value: authority.officeHoursPhone, use: 'work', rank: 1 },
      { system: 'phone', value: authority.emergencyDutyTeamPhone, use: 'mobile', rank: 2 },
    ],
    note: [{ text: `${advice} Data of ${authority.name} as of 24 November 2026 at 02:00.` }],
  } as { id: string }),
  Flag: searchset('Flag', {
    id: 'a94e7d15-0c62-8b3f-9d70-12e4c6a85b39',
    status: 'active',
    code: {
      coding: [
        {
          system: 'https://fhir.nhs.uk/England/CodeSystem/England-FlagCategoryPatient',
          code: 'child-protection-information-system-flag',
          display: 'Child Protection Information System Flag',
        },
      ],
    },
    subject,
    period: { start: '2026-09-15' },
  } as { id: string }),
  AuditEvent: searchset('AuditEvent', {
    id: 'c07b5e82-4d19-8a6c-b3f1-58e2d9470a6d',
    type: { system: 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle', code: 'access' },
    action: 'R',
    recorded: CHECKED_AT,
    outcome: '0',
    agent: [
      { type: roleClass('PAT'), who: subject, requestor: false },
      {
        type: roleClass('ASSIGNED'),
        who: {
          type: 'PractitionerRole',
          display: 'Amina Demo, Clinical Practitioner, Northgate General Hospital',
        },
        requestor: true,
      },
    ],
    source: { observer: { display: 'cp-flags' } },
  } as { id: string }),
  acknowledgement: {
    file: {
      name: 'upload.xml',
      format: 'spine-xml',
      sha256: '9f2c4a1be07d5368c1f09e7b3a6d48251c0e9f7a4b6d8352e1c07f9a3b5d6e84',
      createdAt: '2026-11-24T02:00:00.000Z',
      receivedAt: '2026-11-24T02:00:04.120Z',
    },
    authority: { code: 'V145', name: 'Example Borough Council' },
    sequence: 412,
    code: 'CPF03',
    meaning: FILE_CODES.CPF03,
    authorityAdded: false,
    counts: { declared: 5, records: 5, accepted: 4, refused: 1 },
    rows: { added: 3, changed: 1, unchanged: 0, superseded: 0 },
    failures: [
      {
        code: 'CPR04',
        place: '/File/record[3]',
        record: 3,
        field: 'nhs_number',
        localId: 'LA-1003',
        hint: RECORD_HINTS.number(STANDS.notANumber),
      },
    ],
    warnings: [],
    omitted: { failures: 0, warnings: 0 },
    droppedColumns: [],
    dataAsOf: '2026-11-24T02:00:00.000Z',
  },
  problem: {
    type: '/problems/could-not-check',
    title: ERRORS['could-not-check'].title,
    status: 503,
    detail: ERRORS['could-not-check'].detail,
    code: 'could-not-check',
    requestId: '60e0b220-8136-4ca5-ae46-1d97ef59d068',
    checked: false,
    advice: [COULD_NOT_CHECK],
  },
};
