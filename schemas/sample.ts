import { type OdsCode, odsCodeSchema } from './authority.ts';
import type { UploadFormat } from './uploads/formats.ts';

/** Everything here is made up: authorities, people, and numbers of the range kept for tests. */

export type SampleAuthority = {
  code: OdsCode;
  name: string;
  officeHoursPhone: string;
  /** One gave its hours, as some do. */
  officeHours?: string;
  emergencyDutyTeamPhone: string;
  format: UploadFormat;
};

/** Telephone numbers are of the range kept for drama, 020 7946 0xxx. Source: Ofcom. */
export const SAMPLE_AUTHORITIES: readonly SampleAuthority[] = [
  {
    code: odsCodeSchema.parse('ZZN01'),
    name: 'Northmoor Council (sample)',
    officeHoursPhone: '02079460110',
    officeHours: 'Mon-Fri 08:30-17:00',
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

export const SAMPLE_PEOPLE = {
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
export type SamplePerson = (typeof SAMPLE_PEOPLE)[keyof typeof SAMPLE_PEOPLE];

/** Numbers to look up, and what each shows. `dateOfBirth` is the one held, if a plan is held. */
export const SAMPLE_NUMBERS: readonly (SamplePerson & { shows: string })[] = [
  { ...SAMPLE_PEOPLE.onPlan, shows: 'a current child protection plan' },
  { ...SAMPLE_PEOPLE.lookedAfter, shows: 'a looked after child' },
  { ...SAMPLE_PEOPLE.ended, shows: 'a child protection plan that ended, shown for information' },
  { ...SAMPLE_PEOPLE.expecting, shows: 'a mother: unborn child’s plan, due date ahead' },
  { ...SAMPLE_PEOPLE.overdue, shows: 'a mother: unborn child’s plan, due date passed' },
  { ...SAMPLE_PEOPLE.twoAuthorities, shows: 'plans of two authorities for one child' },
  { ...SAMPLE_PEOPLE.both, shows: 'a child protection plan and looked after, one authority' },
  { ...SAMPLE_PEOPLE.deleted, shows: 'no flag: the only plan was deleted as entered in error' },
  { ...SAMPLE_PEOPLE.notHeld, shows: 'no flag: nothing is held' },
];

/**
 * Numbers for which a demo answers as if something had happened that no upload can cause: `authority` is
 * behind, a limit is reached, or the check cannot be made.
 */
export const SAMPLE_REHEARSALS: readonly (SamplePerson & {
  shows: string;
  rehearses: 'behind' | 'limited' | 'unchecked';
  authority?: string;
})[] = [
  {
    ...SAMPLE_PEOPLE.behind,
    shows: 'a child protection plan of an authority that is not up to date',
    rehearses: 'behind',
    authority: 'ZZE01',
  },
  {
    ...SAMPLE_PEOPLE.notHeldWhileBehind,
    shows: 'no flag, while an authority is not up to date',
    rehearses: 'behind',
    authority: 'ZZE01',
  },
  { ...SAMPLE_PEOPLE.limited, shows: '429: a limit is reached', rehearses: 'limited' },
  { ...SAMPLE_PEOPLE.unchecked, shows: '503: the check could not be made', rehearses: 'unchecked' },
];
