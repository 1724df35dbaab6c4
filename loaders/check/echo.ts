import type { CalendarDate } from '#schemas/calendar.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { tidy } from '#schemas/tidy.ts';
import { type EchoedRecord, echoedRecordSchema } from '#schemas/uploads/acknowledgement.ts';
import type { UploadFormat } from '#schemas/uploads/formats.ts';
import type { Located, RawPlan, RawRecord } from '../formats/common/upload.ts';
import { READERS } from '../formats/formats.ts';

/** The acknowledgement has no later dates. Source: CP-IS schemas, `TS.NHS.DateType1`. */
const YEARS_END = '2100-01-01';

/**
 * A record as it can be repeated to its authority: numbers as they were sent, dates if they are dates.
 * `undefined` for one that lacks what the acknowledgement must repeat, such as a date of birth.
 */
export function echoOf(record: RawRecord, format: UploadFormat): EchoedRecord | undefined {
  const reader = READERS[format];
  const day = (list: readonly Located[]): CalendarDate | undefined => {
    const date = list[0] === undefined ? undefined : reader.planDate(tidy(list[0].text));
    return date === undefined || date < YEARS_END ? date : undefined;
  };
  const isDue = ({ type }: RawPlan): boolean =>
    type !== undefined && PLAN_TYPES[type].end === 'due-or-end';
  if (record.plans.some((plan) => isDue(plan) && day(plan.end) === undefined)) return undefined;
  const birth = (list: readonly Located[]): CalendarDate | undefined =>
    list[0] === undefined ? undefined : reader.birthDate(tidy(list[0].text));
  return echoedRecordSchema.safeParse({
    record: record.number,
    plans: record.plans.map(({ type, start, end, deleted }) => ({
      type,
      startDate: day(start),
      endDate: day(end),
      deleteDate: day(deleted),
    })),
    people: record.subjects.map(({ kind, nhsNumbers, localIds, datesOfBirth }) => ({
      kind,
      nhsNumber: nhsNumbers[0]?.text,
      localId: localIds[0]?.text || undefined,
      dateOfBirth: birth(datesOfBirth),
    })),
  }).data;
}
