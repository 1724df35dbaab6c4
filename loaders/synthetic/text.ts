import { PLAN_TYPES, type PlanType } from '#schemas/plans/plan.ts';

/** What is written about a person or a plan: days as `YYYY-MM-DD`, and '' for anything left out. */
export type WrittenPerson = {
  nhsNumber: string;
  localId: string;
  dateOfBirth: string;
  givenName: string;
  familyName: string;
};
export type WrittenPlan = {
  /** `unknown` stands for a type that no upload knows. */
  type: PlanType | 'unknown';
  startDate: string;
  endDate?: string | undefined;
  deleteDate?: string | undefined;
};
/** Plans and their people. A CSV uses the mother for an unborn child's plan, otherwise the child. */
export type WrittenRecord = {
  child?: WrittenPerson | undefined;
  mother?: WrittenPerson | undefined;
  plans: readonly WrittenPlan[];
};

export const subjectOf = (type: WrittenPlan['type']): 'child' | 'mother' =>
  type === 'unknown' ? 'child' : PLAN_TYPES[type].subject;

export type WrittenHeader = {
  authority: {
    code: string;
    name: string;
    officeHoursPhone: string;
    emergencyDutyTeamPhone: string;
  };
  sequence: number;
  /** Milliseconds since 1970. */
  createdAt: number;
};

const CONTENT_ROOT = '2.16.840.1.113883.2.1.3.2.4.18.16';
const UNKNOWN = { template: 'COCT_TP146199GB01.CINInformation', prefix: 'cIN' };
const CHILD = 'COCT_TP145101GB01.Child';
const UNBORN_CHILD = 'COCT_TP145100GB01.UnbornChild';

const compact = (date: string): string => date.replaceAll('-', '');
const minute = (instant: number): string =>
  `${new Date(instant).toISOString().slice(0, 16).replaceAll(/[-T:]/g, '')}+0000`;

const escaped = (text: string): string =>
  /[&<>"]/.test(text)
    ? text
        .replaceAll('&', '&amp;')
        .replaceAll('<', '&lt;')
        .replaceAll('>', '&gt;')
        .replaceAll('"', '&quot;')
    : text;

/** A Spine XML upload up to its first record. Source: CP-IS schemas, REPC_MT000002GB01. */
export function spineXmlStart({ authority, sequence, createdAt }: WrittenHeader, records: number) {
  return `<?xml version="1.0" encoding="UTF-8"?>
<File xmlns="urn:hl7-org:v3" xmlns:npfitlc="NPFIT:HL7:Localisation">
  <creationTime value="${minute(createdAt)}"/>
  <id extension="${sequence}"/>
  <transmissionQuantity value="${records}"/>
  <communicationFunctionSnd>
    <organisation>
      <id root="2.16.840.1.113883.2.1.3.2.4.19.1" extension="${authority.code}"/>
      <name>${escaped(authority.name)}</name>
      <telecom value="tel:${authority.officeHoursPhone}" use="WP"/>
      <telecom value="tel:${authority.emergencyDutyTeamPhone}" use="EC"/>
    </organisation>
  </communicationFunctionSnd>
`;
}

export const SPINE_XML_END = '</File>\n';

export function spineXmlRecord({ child, mother, plans }: WrittenRecord, code: string): string {
  const subjects = [
    ...(child === undefined ? [] : [childXml(child, code)]),
    ...(mother === undefined ? [] : [motherXml(mother, code)]),
  ];
  return `  <record>
    <CP-ISRecord>
${plans.map(planXml).join('')}${subjects.join('')}    </CP-ISRecord>
  </record>
`;
}

const contentId = (template: string): string =>
  `<npfitlc:contentId root="${CONTENT_ROOT}" extension="${template.replace('.', '#')}"/>`;

function planXml({ type, startDate, endDate, deleteDate }: WrittenPlan): string {
  const { template, prefix } = type === 'unknown' ? UNKNOWN : PLAN_TYPES[type].spine;
  const date = (component: string, element: string, value: string | undefined): string =>
    value === undefined || value === ''
      ? ''
      : `
          <${component}><${prefix}${element}><value value="${compact(value)}0900"/></${prefix}${element}></${component}>`;
  return `      <pertinentInformation>
        ${contentId(template)}
        <${template}>${date('component', 'StartDate', startDate)}${date('component1', 'EndDate', endDate)}${date('component2', 'DeleteDate', deleteDate)}
        </${template}>
      </pertinentInformation>
`;
}

function idsXml({ nhsNumber, localId }: WrittenPerson, code: string): string {
  const number =
    nhsNumber === ''
      ? ''
      : `<id root="2.16.840.1.113883.2.1.4.1" extension="${escaped(nhsNumber)}"/>`;
  return `${number}<id root="2.16.840.1.113883.2.1.3.2.4.18.24" extension="${escaped(localId)}" assigningAuthorityName="${code}"/>`;
}

function demographicsXml({ dateOfBirth, givenName, familyName }: WrittenPerson): string {
  const birth = dateOfBirth === '' ? '' : `<birthTime value="${compact(dateOfBirth)}"/>`;
  return `${birth}<name><given>${escaped(givenName)}</given><family>${escaped(familyName)}</family></name>`;
}

function childXml(child: WrittenPerson, code: string): string {
  return `      <subject>
        ${contentId(CHILD)}
        <${CHILD}>
          ${idsXml(child, code)}
          <childPerson>${demographicsXml(child)}</childPerson>
        </${CHILD}>
      </subject>
`;
}

function motherXml(mother: WrittenPerson, code: string): string {
  return `      <subject>
        ${contentId(UNBORN_CHILD)}
        <${UNBORN_CHILD}>
          <parentMotherPerson>${demographicsXml(mother)}<playedMother>${idsXml(mother, code)}</playedMother></parentMotherPerson>
        </${UNBORN_CHILD}>
      </subject>
`;
}

/** The first line of a CSV upload. */
export const CSV_START =
  'nhs_number,local_id,date_of_birth,given_name,family_name,plan_type,start_date,end_date,delete_date\n';

/** A CSV cell. */
export const quoted = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

/** A line for each plan of the record. */
export function csvLines({ child, mother, plans }: WrittenRecord): string {
  let lines = '';
  for (const { type, startDate, endDate = '', deleteDate = '' } of plans) {
    const person = subjectOf(type) === 'mother' ? mother : child;
    if (person === undefined) throw new Error('a plan is written without the person it is for');
    lines += `${person.nhsNumber},${quoted(person.localId)},${person.dateOfBirth},${quoted(person.givenName)},${quoted(person.familyName)},${type === 'unknown' ? 'child-in-need' : type},${startDate},${endDate},${deleteDate}\n`;
  }
  return lines;
}
