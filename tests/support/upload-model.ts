import type { CalendarDate } from '#schemas/calendar.ts';
import type { PlanType } from '#schemas/plans/plan.ts';
import { day, testNumber } from './rows.ts';

/** The moment when uploads in tests are received, unless a test says otherwise. */
export const RECEIVED_AT = Date.parse('2026-11-24T06:00:00Z');
export const TODAY = day('2026-11-24');

export type ModelPerson = {
  nhsNumber: string;
  localId: string;
  dateOfBirth: CalendarDate;
  given: string;
  family: string;
};
export type ModelPlan = {
  type: PlanType;
  startDate: CalendarDate;
  endDate?: CalendarDate;
  deleteDate?: CalendarDate;
};
export type ModelRecord = { child?: ModelPerson; mother?: ModelPerson; plans: ModelPlan[] };
export type ModelUpload = {
  authority: string;
  authorityName: string;
  phones: { use: string; value: string }[];
  sequence: number;
  /** An HL7 time stamp. */
  createdAt: string;
  records: ModelRecord[];
};

export function person(n: number, differing: Partial<ModelPerson> = {}): ModelPerson {
  return {
    nhsNumber: testNumber(n),
    localId: `LA-${n}`,
    dateOfBirth: day('2019-03-05'),
    given: 'Ada',
    family: 'Example',
    ...differing,
  };
}

/** A current child protection plan for child `n`, with given changes. */
export function planOf(n: number, differing: Partial<ModelPlan> = {}): ModelRecord {
  return {
    child: person(n),
    plans: [{ type: 'child-protection-plan', startDate: day('2026-09-14'), ...differing }],
  };
}

/** A plan for the unborn child of mother `n`, due in a month, with given changes. */
export function unbornOf(n: number, differing: Partial<ModelPlan> = {}): ModelRecord {
  return {
    mother: person(n, { dateOfBirth: day('1998-09-11') }),
    plans: [
      {
        type: 'unborn-child-protection-plan',
        startDate: day('2026-08-03'),
        endDate: day('2026-12-24'),
        ...differing,
      },
    ],
  };
}

export function upload(differing: Partial<ModelUpload> = {}): ModelUpload {
  return {
    authority: 'ZZ101',
    authorityName: 'Test Council',
    phones: [
      { use: 'WP', value: 'tel:02079460100' },
      { use: 'EC', value: 'tel:02079460199' },
    ],
    sequence: 1,
    createdAt: '202611232130+0000',
    records: [planOf(1)],
    ...differing,
  };
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const compact = (date: CalendarDate): string => date.replaceAll('-', '');

const PLANS: Record<PlanType, { element: string; prefix: string }> = {
  'looked-after-child': { element: 'COCT_TP146100GB01.LACInformation', prefix: 'lAC' },
  'child-protection-plan': { element: 'COCT_TP146101GB01.CPPInformation', prefix: 'cPP' },
  'unborn-child-protection-plan': { element: 'COCT_TP146102GB01.UCPInformation', prefix: 'uCP' },
};

export function planXml({ type, startDate, endDate, deleteDate }: ModelPlan): string {
  const { element, prefix } = PLANS[type];
  const date = (component: string, name: string, value?: CalendarDate): string =>
    value === undefined
      ? ''
      : `<${component}><${prefix}${name}><value value="${compact(value)}0900"/></${prefix}${name}></${component}>`;
  return `<pertinentInformation><npfitlc:contentId root="2.16.840.1.113883.2.1.3.2.4.18.16" extension="x"/><${element}>${date('component', 'StartDate', startDate)}${date('component1', 'EndDate', endDate)}${date('component2', 'DeleteDate', deleteDate)}</${element}></pertinentInformation>`;
}

const idsXml = ({ nhsNumber, localId }: ModelPerson, authority: string): string =>
  `<id root="2.16.840.1.113883.2.1.4.1" extension="${escaped(nhsNumber)}"/><id root="2.16.840.1.113883.2.1.3.2.4.18.24" extension="${escaped(localId)}" assigningAuthorityName="${authority}"/>`;
const personXml = ({ dateOfBirth, given, family }: ModelPerson): string =>
  `<birthTime value="${compact(dateOfBirth)}"/><name><given>${escaped(given)}</given><family>${escaped(family)}</family></name>`;

export function childXml(child: ModelPerson, authority = 'ZZ101'): string {
  return `<subject><COCT_TP145101GB01.Child>${idsXml(child, authority)}<childPerson>${personXml(child)}</childPerson></COCT_TP145101GB01.Child></subject>`;
}

export function motherXml(mother: ModelPerson, authority = 'ZZ101'): string {
  return `<subject><COCT_TP145100GB01.UnbornChild><parentMotherPerson>${personXml(mother)}<playedMother>${idsXml(mother, authority)}</playedMother></parentMotherPerson></COCT_TP145100GB01.UnbornChild></subject>`;
}

export const recordXml = (inside: string): string =>
  `<record><CP-ISRecord>${inside}</CP-ISRecord></record>`;

export function fileXml(
  model: ModelUpload,
  records = model.records.map(({ plans, child, mother }) =>
    recordXml(
      plans.map(planXml).join('') +
        (child === undefined ? '' : childXml(child, model.authority)) +
        (mother === undefined ? '' : motherXml(mother, model.authority)),
    ),
  ),
): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<File xmlns="urn:hl7-org:v3" xmlns:npfitlc="NPFIT:HL7:Localisation">
<creationTime value="${model.createdAt}"/>
<id extension="${model.sequence}"/>
<transmissionQuantity value="${records.length}"/>
<communicationFunctionSnd><organisation>
<id root="2.16.840.1.113883.2.1.3.2.4.19.1" extension="${model.authority}"/>
<name>${escaped(model.authorityName)}</name>
${model.phones.map(({ use, value }) => `<telecom value="${value}" use="${use}"/>`).join('')}
</organisation></communicationFunctionSnd>
${records.join('\n')}
</File>
`;
}

export const CSV_COLUMNS = [
  'nhs_number',
  'local_id',
  'date_of_birth',
  'given_name',
  'family_name',
  'plan_type',
  'start_date',
  'end_date',
  'delete_date',
];

const quoted = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

type CsvStyle = {
  columns?: string[];
  lineEnd?: '\n' | '\r\n';
  bom?: boolean;
  date?: (date: CalendarDate) => string;
  number?: (number: string) => string;
  type?: (type: PlanType) => string;
  /** Cells in columns that an upload does not need. */
  further?: Record<string, string>;
};

/** One line for each plan, so that a record with two plans becomes two lines. */
export function fileCsv(model: Pick<ModelUpload, 'records'>, style: CsvStyle = {}): string {
  const { columns = CSV_COLUMNS, lineEnd = '\n', date = (d) => d, number = (n) => n } = style;
  const lines = model.records.flatMap(({ plans, child, mother }) =>
    plans.map((plan) => {
      const whose = plan.type === 'unborn-child-protection-plan' ? mother : child;
      const day = (value?: CalendarDate): string => (value === undefined ? '' : date(value));
      const cells: Record<string, string> = {
        nhs_number: number(whose?.nhsNumber ?? ''),
        local_id: whose?.localId ?? '',
        date_of_birth: day(whose?.dateOfBirth),
        given_name: whose?.given ?? '',
        family_name: whose?.family ?? '',
        plan_type: (style.type ?? ((type) => type))(plan.type),
        start_date: day(plan.startDate),
        end_date: day(plan.endDate),
        delete_date: day(plan.deleteDate),
        ...style.further,
      };
      return columns.map((column) => quoted(cells[column] ?? '')).join(',');
    }),
  );
  return `${style.bom === true ? '\u{feff}' : ''}${[columns.join(','), ...lines, ''].join(lineEnd)}`;
}
