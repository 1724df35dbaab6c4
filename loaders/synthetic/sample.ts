import type { OdsCode } from '#schemas/authority.ts';
import { addDays, type CalendarDate, londonDate } from '#schemas/calendar.ts';
import type { PlanType } from '#schemas/plans/plan.ts';
import {
  SAMPLE_AUTHORITIES,
  SAMPLE_PEOPLE,
  type SampleAuthority,
  type SamplePerson,
} from '#schemas/sample.ts';
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

type SamplePlan = {
  person: SamplePerson;
  type: PlanType;
  startDate: CalendarDate;
  endDate?: CalendarDate;
  deleteDate?: CalendarDate;
  localId: string;
};

/** A file to load: its text, and for a CSV what it does not say about itself. */
export type SampleUpload = {
  authority: SampleAuthority;
  name: string;
  text: string;
  metadata?: CsvMetadata;
};

/**
 * The first upload of each sample authority, with every possible state on the day of `now`. The two that send
 * CSV must first be added with their telephone numbers.
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
 * A later upload of each sample authority without records: a CSV with no rows, which says only that what is
 * held is still right.
 *
 * @param sequence of each file, higher than before
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
        { person: SAMPLE_PEOPLE.onPlan, type: child, startDate: ago(70), localId: 'N-1' },
        { person: SAMPLE_PEOPLE.lookedAfter, type: looked, startDate: ago(300), localId: 'N-2' },
        {
          person: SAMPLE_PEOPLE.ended,
          type: child,
          startDate: ago(400),
          endDate: ago(60),
          localId: 'N-3',
        },
        {
          person: SAMPLE_PEOPLE.expecting,
          type: unborn,
          startDate: ago(45),
          endDate: addDays(today, 90),
          localId: 'N-4',
        },
        { person: SAMPLE_PEOPLE.twoAuthorities, type: child, startDate: ago(20), localId: 'N-6' },
      ];
    case 'ZZE01':
      return [
        {
          person: SAMPLE_PEOPLE.overdue,
          type: unborn,
          startDate: ago(120),
          endDate: ago(10),
          localId: 'E-5',
        },
        { person: SAMPLE_PEOPLE.twoAuthorities, type: looked, startDate: ago(15), localId: 'E-6' },
        { person: SAMPLE_PEOPLE.behind, type: child, startDate: ago(110), localId: 'E-9' },
      ];
    default:
      return [
        { person: SAMPLE_PEOPLE.both, type: child, startDate: ago(200), localId: 'W-7' },
        { person: SAMPLE_PEOPLE.both, type: looked, startDate: ago(30), localId: 'W-7' },
        {
          person: SAMPLE_PEOPLE.deleted,
          type: child,
          startDate: ago(90),
          deleteDate: ago(80),
          localId: 'W-8',
        },
      ];
  }
}
