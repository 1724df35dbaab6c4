import type { CalendarDate } from '#schemas/calendar.ts';
import type { PlanType } from '#schemas/plan.ts';
import type { SampleAuthority, SamplePlan } from './sample.ts';

const CONTENT_ROOT = '2.16.840.1.113883.2.1.3.2.4.18.16';
const TEMPLATES: Record<PlanType, { id: string; name: string; prefix: string }> = {
  'looked-after-child': { id: 'COCT_TP146100GB01', name: 'LACInformation', prefix: 'lAC' },
  'child-protection-plan': { id: 'COCT_TP146101GB01', name: 'CPPInformation', prefix: 'cPP' },
  'unborn-child-protection-plan': {
    id: 'COCT_TP146102GB01',
    name: 'UCPInformation',
    prefix: 'uCP',
  },
};
const NAME = '<name><given>Sample</given><family>Person</family></name>';

const compact = (date: CalendarDate): string => date.replaceAll('-', '');
const minute = (instant: number): string =>
  `${new Date(instant).toISOString().slice(0, 16).replaceAll(/[-T:]/g, '')}+0000`;

/** A Spine XML upload, one record a plan. What it is given must need no escaping. */
export function sampleSpineXml({
  authority,
  sequence,
  now,
  plans,
}: {
  authority: SampleAuthority;
  sequence: number;
  now: number;
  plans: readonly SamplePlan[];
}): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<File xmlns="urn:hl7-org:v3" xmlns:npfitlc="NPFIT:HL7:Localisation">
  <creationTime value="${minute(now)}"/>
  <id extension="${sequence}"/>
  <transmissionQuantity value="${plans.length}"/>
  <communicationFunctionSnd>
    <organisation>
      <id root="2.16.840.1.113883.2.1.3.2.4.19.1" extension="${authority.code}"/>
      <name>${authority.name}</name>
      <telecom value="tel:${authority.officeHoursPhone}" use="WP"/>
      <telecom value="tel:${authority.emergencyDutyTeamPhone}" use="EC"/>
    </organisation>
  </communicationFunctionSnd>
${plans.map((plan) => record(plan, authority)).join('\n')}
</File>
`;
}

function record(plan: SamplePlan, authority: SampleAuthority): string {
  return `  <record>
    <CP-ISRecord>
      <pertinentInformation>${pertinent(plan)}</pertinentInformation>
      <subject>${subject(plan, authority)}</subject>
    </CP-ISRecord>
  </record>`;
}

function contentId(template: string): string {
  return `<npfitlc:contentId root="${CONTENT_ROOT}" extension="${template.replace('.', '#')}"/>`;
}

function pertinent({ type, startDate, endDate, deleteDate }: SamplePlan): string {
  const { id, name, prefix } = TEMPLATES[type];
  const date = (component: string, element: string, value: CalendarDate | undefined): string =>
    value === undefined
      ? ''
      : `<${component}><${prefix}${element}><value value="${compact(value)}0900"/></${prefix}${element}></${component}>`;
  return `${contentId(`${id}.${name}`)}<${id}.${name}>${date('component', 'StartDate', startDate)}${date('component1', 'EndDate', endDate)}${date('component2', 'DeleteDate', deleteDate)}</${id}.${name}>`;
}

function subject({ person, type, localId }: SamplePlan, { code }: SampleAuthority): string {
  const ids = `<id root="2.16.840.1.113883.2.1.4.1" extension="${person.nhsNumber}"/><id root="2.16.840.1.113883.2.1.3.2.4.18.24" extension="${localId}" assigningAuthorityName="${code}"/>`;
  const birth = `<birthTime value="${person.dateOfBirth.replaceAll('-', '')}"/>`;
  if (type !== 'unborn-child-protection-plan') {
    const child = 'COCT_TP145101GB01.Child';
    return `${contentId(child)}<${child}>${ids}<childPerson>${birth}${NAME}</childPerson></${child}>`;
  }
  const unborn = 'COCT_TP145100GB01.UnbornChild';
  return `${contentId(unborn)}<${unborn}><parentMotherPerson>${birth}${NAME}<playedMother>${ids}</playedMother></parentMotherPerson></${unborn}>`;
}

/** A CSV upload, one plan a line; without plans, its header line alone. */
export function sampleCsv(plans: readonly SamplePlan[]): string {
  const lines = plans.map(({ person, type, startDate, endDate = '', deleteDate = '', localId }) =>
    [
      person.nhsNumber,
      localId,
      person.dateOfBirth,
      'Sample',
      'Person',
      type,
      startDate,
      endDate,
      deleteDate,
    ].join(','),
  );
  return [
    'nhs_number,local_id,date_of_birth,given_name,family_name,plan_type,start_date,end_date,delete_date',
    ...lines,
    '',
  ].join('\n');
}
