import { addDays, type CalendarDate } from '#schemas/calendar.ts';
import type { RecordCode } from '#schemas/uploads/acknowledgement.ts';
import type { WrittenPerson, WrittenPlan, WrittenRecord } from './text.ts';

/** What an acknowledgement must say about a deliberately wrong record. */
export type Expected = { kind: string; code: RecordCode; field: string };

type BadRow = Expected & {
  /** `later`: only if something of the authority is already held. */
  where: 'anywhere' | 'xml' | 'later';
  record: WrittenRecord;
};

/** A plan of a child that was in force until today. */
export type HeldPlan = { type: WrittenPlan['type']; startDate: string };

/**
 * A record for each possible fault, all for the same person, each with one fault only.
 *
 * @param person the child, or else the mother
 * @param held the child's plan, if there is one
 */
export function badRows(
  { child, mother }: Pick<WrittenRecord, 'child' | 'mother'>,
  today: CalendarDate,
  held: HeldPlan | undefined,
): BadRow[] {
  const person = child ?? mother;
  if (person === undefined) return [];
  const day = (days: number): CalendarDate => addDays(today, days);
  const plan: WrittenPlan =
    child === undefined
      ? { type: 'unborn-child-protection-plan', startDate: day(-30), endDate: day(100) }
      : { type: 'child-protection-plan', startDate: day(-30) };
  const unborn = { type: 'unborn-child-protection-plan', startDate: day(-30) } as const;
  const childs = { type: 'child-protection-plan', startDate: day(-30) } as const;

  const bad = (
    kind: string,
    field: string,
    record: WrittenRecord,
    { code = 'CPR07', where = 'anywhere' }: { code?: RecordCode; where?: BadRow['where'] } = {},
  ): BadRow => ({ kind, code, field, where, record });
  const of = (differing: Partial<WrittenPerson>, plans: readonly WrittenPlan[]): WrittenRecord =>
    child === undefined
      ? { mother: { ...person, ...differing }, plans }
      : { child: { ...person, ...differing }, plans };
  const number = (kind: string, nhsNumber: string): BadRow =>
    bad(kind, 'nhs_number', of({ nhsNumber }, [plan]), { code: 'CPR04' });
  const birth = (kind: string, dateOfBirth: string): BadRow =>
    bad(kind, 'date_of_birth', of({ dateOfBirth }, [plan]));
  const planned = (kind: string, field: string, differing: Partial<WrittenPlan>): BadRow =>
    bad(kind, field, of({}, [{ ...plan, ...differing }]));

  return [
    number('nhs-number-check-digit', withWrongCheckDigit(person.nhsNumber)),
    number('nhs-number-missing', ''),
    number('nhs-number-old-style', 'ABCD123'),
    number('nhs-number-of-nine-digits', person.nhsNumber.slice(1)),
    birth('date-of-birth-missing', ''),
    birth('date-of-birth-impossible', '2019-02-30'),
    birth('date-of-birth-in-future', day(40)),
    planned('start-date-missing', 'start_date', { startDate: '' }),
    planned('start-date-impossible', 'start_date', { startDate: '2026-13-01' }),
    planned('start-date-far-ahead', 'start_date', {
      startDate: day(40),
      endDate: child === undefined ? day(100) : undefined,
    }),
    planned('end-before-start', 'end_date', { endDate: day(-31) }),
    planned('end-date-impossible', 'end_date', { endDate: '2026-04-31' }),
    planned('delete-date-in-future', 'delete_date', { deleteDate: day(90) }),
    bad('local-id-too-long', 'local_id', of({ localId: 'L'.repeat(41) }, [plan])),
    bad('due-date-missing', 'end_date', { mother: person, plans: [unborn] }),
    bad(
      'mother-for-a-childs-plan',
      'subject',
      { mother: person, plans: [childs] },
      { where: 'xml' },
    ),
    bad('no-plan', 'plan_type', of({}, []), { where: 'xml' }),
    bad(
      'delete-without-a-row',
      'start_date',
      of({}, [{ ...plan, startDate: day(-41), deleteDate: today }]),
      { where: 'later' },
    ),
    ...(child === undefined
      ? []
      : [
          birth('eighteen-or-older', day(-8_000)),
          planned('plan-type-unknown', 'plan_type', { type: 'unknown' }),
        ]),
    ...(child === undefined || held === undefined
      ? []
      : [
          bad(
            'end-with-another-start',
            'start_date',
            {
              child,
              plans: [
                {
                  type: held.type,
                  startDate: addDays(held.startDate as CalendarDate, 1),
                  endDate: today,
                },
              ],
            },
            { where: 'later' },
          ),
        ]),
  ];
}

/** The finding expected for a plan that the record before it already has. */
export const REPEATED: Expected = {
  kind: 'repeated-plan',
  code: 'CPR07',
  field: 'start_date',
};

function withWrongCheckDigit(number: string): string {
  return `${number.slice(0, 9)}${(Number(number[9]) + 1) % 10}`;
}
