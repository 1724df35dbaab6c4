import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import { addDays, type CalendarDate, londonDate } from '#schemas/calendar.ts';
import type { PlanType } from '#schemas/plans/plan.ts';
import type { UploadFormat } from '#schemas/uploads/formats.ts';
import type { CsvMetadata } from '../formats/common/metadata.ts';
import {
  CSV_START,
  csvLines,
  SPINE_XML_END,
  spineXmlRecord,
  spineXmlStart,
  subjectOf,
  type WrittenRecord,
} from './text.ts';

/** Everything here is made up: authorities, people, and numbers of the range kept for tests. */

export type SampleAuthority = {
  code: OdsCode;
  name: string;
  officeHoursPhone: string;
  emergencyDutyTeamPhone: string;
  format: UploadFormat;
};

/** Telephone numbers are of the range kept for drama, 020 7946 0xxx. Source: Ofcom. */
export const SAMPLE_AUTHORITIES: readonly SampleAuthority[] = [
  {
    code: odsCodeSchema.parse('ZZN01'),
    name: 'Northmoor Council (sample)',
    officeHoursPhone: '02079460110',
    emergencyDutyTeamPhone: '02079460119',
    format: 'spine-xml',
  },
  {
    code: odsCodeSchema.parse('ZZE01'),
    name: 'Eastmere Council (sample)',
    officeHoursPhone: '02079460120',
    emergencyDutyTeamPhone: '02079460129',
    format: 'csv',
  },
  {
    code: odsCodeSchema.parse('ZZW01'),
    name: 'Westbrook City Council (sample)',
    officeHoursPhone: '02079460130',
    emergencyDutyTeamPhone: '02079460139',
    format: 'csv',
  },
];

const people = {
  onPlan: { nhsNumber: '9991000011', dateOfBirth: '2019-03-05' },
  lookedAfter: { nhsNumber: '9991000038', dateOfBirth: '2016-07-19' },
  ended: { nhsNumber: '9991000046', dateOfBirth: '2017-11-02' },
  expecting: { nhsNumber: '9991000054', dateOfBirth: '1998-09-11' },
  overdue: { nhsNumber: '9991000062', dateOfBirth: '2001-01-30' },
  twoAuthorities: { nhsNumber: '9991000070', dateOfBirth: '2018-05-14' },
  both: { nhsNumber: '9991000089', dateOfBirth: '2020-02-29' },
  deleted: { nhsNumber: '9991000097', dateOfBirth: '2015-08-23' },
  notHeld: { nhsNumber: '9991000100', dateOfBirth: '2021-04-01' },
  behind: { nhsNumber: '9991000119', dateOfBirth: '2014-12-09' },
  notHeldWhileBehind: { nhsNumber: '9991000127', dateOfBirth: '2012-06-21' },
  limited: { nhsNumber: '9991000135', dateOfBirth: '2013-10-17' },
  unchecked: { nhsNumber: '9991000143', dateOfBirth: '2011-01-25' },
} as const;
export type SamplePerson = (typeof people)[keyof typeof people];

/** Whom to look up, and what each shows. `dateOfBirth` is the one held, except for whom nothing is. */
export const SAMPLE_NUMBERS: readonly (SamplePerson & { shows: string })[] = [
  { ...people.onPlan, shows: 'a current child protection plan' },
  { ...people.lookedAfter, shows: 'a looked after child' },
  { ...people.ended, shows: 'a child protection plan that ended, shown for information' },
  { ...people.expecting, shows: "a mother: unborn child's plan, due date ahead" },
  { ...people.overdue, shows: "a mother: unborn child's plan, due date passed" },
  { ...people.twoAuthorities, shows: 'plans of two authorities for one child' },
  { ...people.both, shows: 'a child protection plan and looked after, one authority' },
  { ...people.deleted, shows: 'no flag: the only plan was deleted as entered in error' },
  { ...people.notHeld, shows: 'no flag: nothing is held' },
];

/**
 * Numbers for which a demo answers as though something had come about that no upload brings about:
 * `authority` is behind, a limit is reached, or the check cannot be made.
 */
export const SAMPLE_REHEARSALS: readonly (SamplePerson & {
  shows: string;
  rehearses: 'behind' | 'limited' | 'unchecked';
  authority?: string;
})[] = [
  {
    ...people.behind,
    shows: 'a child protection plan of an authority that is not up to date',
    rehearses: 'behind',
    authority: 'ZZE01',
  },
  {
    ...people.notHeldWhileBehind,
    shows: 'no flag, while an authority is not up to date',
    rehearses: 'behind',
    authority: 'ZZE01',
  },
  { ...people.limited, shows: '429: a limit is reached', rehearses: 'limited' },
  { ...people.unchecked, shows: '503: the check could not be made', rehearses: 'unchecked' },
];

type SamplePlan = {
  person: SamplePerson;
  type: PlanType;
  startDate: CalendarDate;
  endDate?: CalendarDate;
  deleteDate?: CalendarDate;
  localId: string;
};

/** A file to load: its text, and for a CSV what it does not say of itself. */
export type SampleUpload = {
  authority: SampleAuthority;
  name: string;
  text: string;
  metadata?: CsvMetadata;
};

/**
 * The first upload of each sample authority, with every state there is on the day of `now`. The two that
 * send CSV have to be added with their telephone numbers before.
 *
 * @param sequence of each file
 * @param now milliseconds since 1970
 */
export function sampleUploads({
  sequence,
  now,
}: {
  sequence: number;
  now: number;
}): SampleUpload[] {
  return SAMPLE_AUTHORITIES.map((authority) => {
    const plans = plansOf(authority.code, londonDate(now));
    return authority.format === 'spine-xml'
      ? {
          authority,
          name: `${authority.code}-${sequence}.xml`,
          text: [
            spineXmlStart({ authority, sequence, createdAt: now }, plans.length),
            ...plans.map((plan) => spineXmlRecord(written(plan), authority.code)),
            SPINE_XML_END,
          ].join(''),
        }
      : csvUpload(authority, plans, { sequence, now });
  });
}

/**
 * A later upload of each sample authority that reports nothing: a CSV with no row, which says only that
 * what is held is still right.
 *
 * @param sequence of each file, above that of any before
 * @param now milliseconds since 1970
 */
export function sampleRenewals({
  sequence,
  now,
}: {
  sequence: number;
  now: number;
}): SampleUpload[] {
  return SAMPLE_AUTHORITIES.map((authority) => csvUpload(authority, [], { sequence, now }));
}

function csvUpload(
  authority: SampleAuthority,
  plans: readonly SamplePlan[],
  { sequence, now }: { sequence: number; now: number },
): SampleUpload {
  return {
    authority,
    name: `${authority.code}-${sequence}.csv`,
    text: [CSV_START, ...plans.map((plan) => csvLines(written(plan)))].join(''),
    metadata: {
      authority: authority.code,
      sequence,
      createdAt: new Date(now).toISOString(),
      rowCount: plans.length,
    },
  };
}

function written({ person, localId, ...plan }: SamplePlan): WrittenRecord {
  const named = { ...person, localId, givenName: 'Sample', familyName: 'Person' };
  return subjectOf(plan.type) === 'mother'
    ? { mother: named, plans: [plan] }
    : { child: named, plans: [plan] };
}

function plansOf(code: OdsCode, today: CalendarDate): SamplePlan[] {
  const ago = (days: number): CalendarDate => addDays(today, -days);
  const child = 'child-protection-plan';
  const looked = 'looked-after-child';
  const unborn = 'unborn-child-protection-plan';
  switch (code) {
    case 'ZZN01':
      return [
        { person: people.onPlan, type: child, startDate: ago(70), localId: 'N-1' },
        { person: people.lookedAfter, type: looked, startDate: ago(300), localId: 'N-2' },
        {
          person: people.ended,
          type: child,
          startDate: ago(400),
          endDate: ago(60),
          localId: 'N-3',
        },
        {
          person: people.expecting,
          type: unborn,
          startDate: ago(45),
          endDate: addDays(today, 90),
          localId: 'N-4',
        },
        { person: people.twoAuthorities, type: child, startDate: ago(20), localId: 'N-6' },
      ];
    case 'ZZE01':
      return [
        {
          person: people.overdue,
          type: unborn,
          startDate: ago(120),
          endDate: ago(10),
          localId: 'E-5',
        },
        { person: people.twoAuthorities, type: looked, startDate: ago(15), localId: 'E-6' },
        { person: people.behind, type: child, startDate: ago(110), localId: 'E-9' },
      ];
    default:
      return [
        { person: people.both, type: child, startDate: ago(200), localId: 'W-7' },
        { person: people.both, type: looked, startDate: ago(30), localId: 'W-7' },
        {
          person: people.deleted,
          type: child,
          startDate: ago(90),
          deleteDate: ago(80),
          localId: 'W-8',
        },
      ];
  }
}
