import {
  ACTIVITY_SILENT,
  ACTIVITY_UNSCHEDULED,
  type Organisation,
} from '#schemas/people/care-setting.ts';
import type { DemoClaims } from './demo-issuer.ts';

/** The people of a demo, each for trying something. Invented, as their organisations are. */
export type Persona =
  | 'emergencyDepartment'
  | 'ambulanceService'
  | 'scheduledCare'
  | 'school'
  | 'authority'
  | 'teamManager'
  | 'privacyOfficer'
  | 'caldicottGuardian'
  | 'operations';

const HOSPITAL = { code: 'ZZH01', name: 'Northgate General Hospital' };
const AMBULANCE = { code: 'ZZA01', name: 'Fellside Ambulance Service' };
const PRACTICE = { code: 'ZZP01', name: 'Riverside Medical Practice' };
const SCHOOL = { code: 'ZZS01', name: 'Hillside Primary School' };
export const DEMO_OPERATOR = { code: 'ZZX01', name: 'Example Flag Service' };

const demoOrganisations: Organisation[] = [
  { ...HOSPITAL, setting: 'emergency-department' },
  { ...AMBULANCE, setting: 'ambulance' },
  { ...PRACTICE, setting: 'general-practice' },
  { ...SCHOOL, setting: 'education' },
];

/** The care settings of a demo without an ORGANISATIONS_FILE. */
export const DEMO_ORGANISATIONS: ReadonlyMap<string, Organisation> = new Map(
  demoOrganisations.map((organisation) => [organisation.code, organisation]),
);

function persona(
  user: string,
  name: string,
  role: { code: string; name: string },
  organisation: { code: string; name: string },
  rights: { activities?: string[]; scope?: string },
): DemoClaims {
  const { activities = [], scope = '' } = rights;
  return {
    sub: user,
    client_id: 'cp-flags-demo',
    name,
    roles: [{ id: `${user}-1`, ...role, organisation, activities }],
    scope,
  };
}

/** What the token of each persona says; `authority` is one of the sample's authorities. */
export function demoPersonas(authority: {
  code: string;
  name: string;
}): Record<Persona, DemoClaims> {
  return {
    emergencyDepartment: persona(
      'demo-nurse',
      'Amina Demo',
      { code: 'R8000', name: 'Clinical Practitioner' },
      HOSPITAL,
      { activities: [ACTIVITY_UNSCHEDULED] },
    ),
    ambulanceService: persona(
      'demo-paramedic',
      'Hana Demo',
      { code: 'R8000', name: 'Clinical Practitioner' },
      AMBULANCE,
      { activities: [ACTIVITY_UNSCHEDULED] },
    ),
    scheduledCare: persona(
      'demo-gp',
      'Bryn Demo',
      { code: 'R0260', name: 'General Medical Practitioner' },
      PRACTICE,
      { activities: [ACTIVITY_SILENT] },
    ),
    school: persona(
      'demo-teacher',
      'Gwen Demo',
      { code: 'safeguarding-lead', name: 'Safeguarding Lead' },
      SCHOOL,
      { activities: [ACTIVITY_SILENT] },
    ),
    authority: persona(
      'demo-data-officer',
      'Carys Demo',
      { code: 'R9535', name: 'Child Protection Worker' },
      authority,
      { scope: 'upload audit' },
    ),
    teamManager: persona(
      'demo-team-manager',
      'Ines Demo',
      { code: 'R9545', name: 'Team Manager' },
      authority,
      { scope: 'upload' },
    ),
    privacyOfficer: persona(
      'demo-privacy-officer',
      'Dev Demo',
      { code: 'R0001', name: 'Privacy Officer' },
      HOSPITAL,
      { scope: 'audit' },
    ),
    caldicottGuardian: persona(
      'demo-guardian',
      'Esi Demo',
      { code: 'caldicott-guardian', name: 'Caldicott Guardian' },
      DEMO_OPERATOR,
      { scope: 'audit' },
    ),
    operations: persona(
      'demo-operations',
      'Farid Demo',
      { code: 'operations', name: 'Operations' },
      DEMO_OPERATOR,
      { scope: 'operate' },
    ),
  };
}
