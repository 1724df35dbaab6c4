import { localIdSchema } from '#schemas/authority.ts';
import type { CalendarDate } from '#schemas/calendar.ts';
import { type NhsNumber, parseNhsNumber, unspacedNhsNumber } from '#schemas/nhs-number.ts';
import { PLAN_TYPES, type PlanType } from '#schemas/plans/plan.ts';
import type { SpooledRow } from '#schemas/plans/row.ts';
import { tidy } from '#schemas/tidy.ts';
import type { Finding, RecordCode } from '#schemas/uploads/acknowledgement.ts';
import { UPLOAD_FORMATS, type UploadFormat } from '#schemas/uploads/formats.ts';
import { type NamedField, RECORD_HINTS, STANDS } from '#schemas/wording/records.ts';
import type { Located, RawPlan, RawRecord, RawSubject } from '../formats/common/upload.ts';
import { READERS } from '../formats/formats.ts';
import { type CheckContext, START_AHEAD_DAYS } from './context.ts';
import { shownLocalId } from './findings.ts';

/** A row before the file's authority and sequence are put to it. */
export type CheckedRow = Omit<SpooledRow, 'authority' | 'sequence'>;

export type CheckedRecord = { subjects: readonly CheckedSubject[] } & (
  | { kind: 'sound'; rows: { row: CheckedRow; place: string }[]; warnings: Finding[] }
  | { kind: 'refused'; failures: Finding[] }
);

/** A person in a record, as far as readable. */
export type CheckedSubject = {
  kind: RawSubject['kind'];
  place: string;
  nhsNumber: NhsNumber | undefined;
  dateOfBirth: CalendarDate | undefined;
  /** Where the date can be read day first and month first. */
  dateOfBirthInDoubt?: true;
  /** Empty if there is none. */
  localId: string;
  names: RawSubject['names'];
};

/** Source: CP-IS schemas, REPC_MT000002GB01.CP-ISRecord. */
const PLANS_AT_MOST = 3;
const SUBJECTS_AT_MOST = 2;

/**
 * Checks one record by itself and makes its rows: all of them, or the list of everything wrong with it.
 *
 * Each child protection or looked-after plan belongs to the child, each unborn child's plan to the mother;
 * never every plan to every subject.
 *
 * Sources: CP-IS schemas (REPC_MT000002GB01, COCT_TP145100/145101/146100/146101/146102GB01); that a record
 * ends on the 18th birthday and later updates are rejected, case system guides.
 */
export function checkRecord(record: RawRecord, context: CheckContext): CheckedRecord {
  return new RecordCheck(record, context).result();
}

type Subject = CheckedSubject & { used: boolean };

class RecordCheck {
  readonly #record: RawRecord;
  readonly #format: UploadFormat;
  readonly #context: CheckContext;
  readonly #failures: Finding[] = [];
  readonly #warnings: Finding[] = [];
  #localId = '';

  constructor(record: RawRecord, context: CheckContext) {
    this.#record = record;
    this.#format = context.format;
    this.#context = context;
  }

  result(): CheckedRecord {
    const subjects = this.#record.subjects.map((subject) => this.#subject(subject));
    this.#shape();
    const rows = this.#record.plans.flatMap((plan) => this.#row(plan, subjects));
    this.#pairing(subjects);
    this.#repeatedIdentity(rows);
    return this.#failures.length > 0
      ? { kind: 'refused', subjects, failures: this.#failures }
      : { kind: 'sound', subjects, rows, warnings: this.#warnings };
  }

  #finding(code: RecordCode, place: string, field: string, hint: string): Finding {
    return {
      code,
      place,
      record: this.#record.number,
      field,
      ...shownLocalId(this.#localId),
      hint,
    };
  }

  #fail(place: string, field: string, hint: string, code: RecordCode = 'CPR07'): undefined {
    this.#failures.push(this.#finding(code, place, field, hint));
  }

  #warn(place: string, field: string, hint: string): void {
    this.#warnings.push(this.#finding('CPR06', place, field, hint));
  }

  /** The one value required; `undefined` and a finding if there is none or more than one. */
  #single(list: readonly Located[], place: string, field: NamedField): Located | undefined {
    const only = this.#optional(list, field);
    return list.length === 0 ? this.#fail(place, field, RECORD_HINTS.missing(field)) : only;
  }

  /** At most one value; none is no finding. */
  #optional(list: readonly Located[], field: NamedField): Located | undefined {
    const [only, second] = list;
    if (second === undefined) return only;
    return this.#fail(second.place, field, RECORD_HINTS.givenTwice(field));
  }

  #subject(raw: RawSubject): Subject {
    // First, since every other finding identifies the child to the authority by the local id.
    const localId = this.#readLocalId(raw);
    return {
      kind: raw.kind,
      place: raw.place,
      localId,
      nhsNumber: this.#nhsNumber(raw),
      dateOfBirth: this.#dateOfBirth(raw),
      ...(READERS[this.#format].isReadTwoWays(raw.datesOfBirth[0]?.text ?? '') && {
        dateOfBirthInDoubt: true,
      }),
      names: raw.names,
      used: false,
    };
  }

  #readLocalId(raw: RawSubject): string {
    const only = this.#optional(raw.localIds, 'local_id');
    if (only === undefined) return '';
    const text = tidy(only.text);
    // Almost every local id is plain, and needs no schema to say so.
    const parsed = PLAIN_LOCAL_ID.test(text)
      ? ({ success: true, data: text } as const)
      : localIdSchema.safeParse(text);
    if (!parsed.success) {
      this.#fail(only.place, 'local_id', RECORD_HINTS.localId);
      return '';
    }
    if (this.#localId === '') this.#localId = parsed.data;
    return parsed.data;
  }

  #nhsNumber(raw: RawSubject): NhsNumber | undefined {
    const [only, second] = raw.nhsNumbers;
    if (second !== undefined) {
      return this.#fail(second.place, 'nhs_number', RECORD_HINTS.twoNumbers);
    }
    const text = only?.text ?? '';
    const number = parseNhsNumber(unspacedNhsNumber(text));
    if (number !== undefined) return number;
    const { numberAdvice } = UPLOAD_FORMATS[this.#format];
    return this.#fail(
      only?.place ?? raw.place,
      'nhs_number',
      RECORD_HINTS.number(notANumber(text), numberAdvice),
      'CPR04',
    );
  }

  #dateOfBirth(raw: RawSubject): CalendarDate | undefined {
    const found = this.#single(raw.datesOfBirth, raw.place, 'date_of_birth');
    if (found === undefined) return undefined;
    const date = READERS[this.#format].birthDate(tidy(found.text));
    if (date === undefined) {
      const stands = standsFor(found.text);
      return this.#fail(
        found.place,
        'date_of_birth',
        stands === undefined
          ? RECORD_HINTS.dateOfBirth(UPLOAD_FORMATS[this.#format].birthDateForms)
          : RECORD_HINTS.dateOfBirthNeeded(stands),
      );
    }
    if (date > this.#context.today) {
      return this.#fail(found.place, 'date_of_birth', RECORD_HINTS.bornInFuture);
    }
    return date;
  }

  #date(found: Located | undefined, field: string): CalendarDate | undefined {
    if (found === undefined) return undefined;
    const date = READERS[this.#format].planDate(tidy(found.text));
    if (date !== undefined) return date;
    return this.#fail(found.place, field, this.#dateHint(found.text, field));
  }

  #dateHint(text: string, field: string): string {
    const stands = standsFor(text);
    const { planDateForms, withoutDate } = UPLOAD_FORMATS[this.#format];
    if (stands === undefined) return RECORD_HINTS.day(planDateForms);
    return field === 'start_date'
      ? RECORD_HINTS.startNeeded(stands)
      : RECORD_HINTS.noSuchDate(stands, withoutDate);
  }

  #row(plan: RawPlan, subjects: Subject[]): { row: CheckedRow; place: string }[] {
    if (plan.type === undefined) {
      this.#fail(plan.place, 'plan_type', RECORD_HINTS.planType);
      // Nobody can know what was meant, so no subject is blamed for having no plan.
      for (const subject of subjects) subject.used = true;
      if (plan.isUnread === true) return [];
    }
    const before = this.#failures.length;
    const start = this.#single(plan.start, plan.place, 'start_date');
    const end = this.#optional(plan.end, 'end_date');
    const deleted = this.#optional(plan.deleted, 'delete_date');
    const startDate = this.#date(start, 'start_date');
    const endDate = this.#date(end, 'end_date');
    const deleteDate = this.#date(deleted, 'delete_date');
    this.#planDates(plan, {
      start: { date: startDate, place: start?.place ?? plan.place },
      end: { date: endDate, place: end?.place ?? plan.place },
      deleted: { date: deleteDate, place: deleted?.place ?? plan.place },
    });
    if (plan.type === undefined) return [];

    const subject = this.#subjectOf(plan, plan.type, subjects);
    if (subject === undefined) return [];
    this.#ages(plan, plan.type, subject, startDate);
    const { nhsNumber, dateOfBirth, dateOfBirthInDoubt, localId } = subject;
    if (this.#failures.length > before) return [];
    if (nhsNumber === undefined || dateOfBirth === undefined || startDate === undefined) return [];
    return [
      {
        place: plan.place,
        row: {
          nhsNumber,
          type: plan.type,
          startDate,
          ...(endDate !== undefined && { endDate }),
          ...(deleteDate !== undefined && { deleteDate }),
          dateOfBirth,
          localId,
          ...(dateOfBirthInDoubt === true && { dateOfBirthInDoubt }),
        },
      },
    ];
  }

  #planDates(
    plan: RawPlan,
    dates: Record<'start' | 'end' | 'deleted', { date: CalendarDate | undefined; place: string }>,
  ): void {
    const { start, end, deleted } = dates;
    const { today, tomorrow, lastStart, lastEnd, lastDue } = this.#context;
    if (start.date !== undefined && start.date > lastStart) {
      this.#fail(start.place, 'start_date', RECORD_HINTS.startsFarAhead(START_AHEAD_DAYS));
    } else if (start.date !== undefined && start.date > today) {
      this.#warn(start.place, 'start_date', RECORD_HINTS.startsInFuture);
    }
    if (start.date !== undefined && end.date !== undefined && end.date < start.date) {
      this.#fail(end.place, 'end_date', RECORD_HINTS.endsBeforeStart);
    }
    if (deleted.date !== undefined && deleted.date > tomorrow) {
      this.#fail(deleted.place, 'delete_date', RECORD_HINTS.deletedInFuture);
    }
    if (plan.type === undefined) return;
    if (PLAN_TYPES[plan.type].end === 'end') {
      if (end.date !== undefined && end.date > lastEnd) {
        this.#warn(end.place, 'end_date', RECORD_HINTS.endsFarAhead);
      }
      return;
    }
    if (plan.end.length === 0) {
      this.#fail(plan.place, 'end_date', RECORD_HINTS.dueDateNeeded);
    } else if (end.date !== undefined && end.date > lastDue) {
      this.#warn(end.place, 'end_date', RECORD_HINTS.dueFarAhead);
    }
  }

  /** Never for an unborn child's plan: the date of birth there is the mother's. */
  #ages(
    plan: RawPlan,
    type: PlanType,
    { dateOfBirth }: Subject,
    startDate: CalendarDate | undefined,
  ): void {
    if (PLAN_TYPES[type].subject === 'mother' || dateOfBirth === undefined) return;
    if (dateOfBirth <= this.#context.lastAdultBirth) {
      this.#fail(plan.place, 'date_of_birth', RECORD_HINTS.adult);
    } else if (startDate !== undefined && startDate < dateOfBirth) {
      this.#warn(plan.place, 'start_date', RECORD_HINTS.startsBeforeBirth);
    }
  }

  #subjectOf(plan: RawPlan, type: PlanType, subjects: Subject[]): Subject | undefined {
    const kind = PLAN_TYPES[type].subject;
    const matching = subjects.filter((subject) => subject.kind === kind);
    for (const subject of matching) subject.used = true;
    const [only, second] = matching;
    if (only !== undefined && second === undefined) return only;
    if (second !== undefined) {
      return this.#fail(second.place, 'subject', RECORD_HINTS.twoAlike);
    }
    return this.#fail(plan.place, 'subject', RECORD_HINTS.personNeeded(type));
  }

  /** Something occurs more often than the message allows, so some of it may have been skipped. */
  #shape(): void {
    const { place, plans, subjects, unclear } = this.#record;
    if (unclear !== undefined) this.#fail(unclear.place, unclear.field, unclear.hint);
    if (plans.length > PLANS_AT_MOST) {
      this.#fail(place, 'plan_type', RECORD_HINTS.tooManyPlans(PLANS_AT_MOST));
    }
    if (subjects.length > SUBJECTS_AT_MOST) {
      this.#fail(place, 'subject', RECORD_HINTS.tooManyPeople);
    }
  }

  #pairing(subjects: readonly Subject[]): void {
    if (this.#record.plans.length === 0) {
      this.#fail(this.#record.place, 'plan_type', RECORD_HINTS.noPlan);
      return;
    }
    if (subjects.length === 0) {
      this.#fail(this.#record.place, 'subject', RECORD_HINTS.noPerson);
      return;
    }
    for (const subject of subjects) {
      if (subject.used) continue;
      this.#fail(
        subject.place,
        'subject',
        subject.kind === undefined
          ? RECORD_HINTS.unknownPerson
          : RECORD_HINTS.personWithoutPlan(subject.kind),
      );
    }
  }

  #repeatedIdentity(rows: readonly { row: CheckedRow; place: string }[]): void {
    rows.forEach(({ row, place }, i) => {
      if (rows.slice(0, i).some(({ row: other }) => sameIdentity(row, other))) {
        this.#fail(place, 'start_date', RECORD_HINTS.repeated(row.startDate));
      }
    });
  }
}

/** Visible ASCII, as long as {@link localIdSchema} takes it. */
const PLAIN_LOCAL_ID = /^[!-~]{1,40}$/;

/** What a text such as `NULL` or `9999-12-31` means in place of a date; `undefined` for any other text. */
function standsFor(text: string): string | undefined {
  const said = tidy(text);
  if (said === '') return STANDS.noDate;
  if (/9999/.test(said) && /^[0-9/:T .+Z-]+$/.test(said)) {
    return STANDS.never;
  }
  return /^(?:null|nil|none|n\/?a|not (?:known|applicable|set)|unknown|nk|tb[ac]|open|ongoing|current|-+|\.+|[0/:T .-]+)$/i.test(
    said,
  )
    ? STANDS.noDateMeant
    : undefined;
}

/** What is wrong with a number, as far as somebody who sees ten correct digits on the screen needs to know. */
function notANumber(text: string): string {
  if (tidy(text) === '') return STANDS.noNumber;
  const digits = text.replaceAll(/[^0-9]/g, '');
  if (parseNhsNumber(digits) !== undefined) {
    return /["'=\u2018-\u201f\u2032\u2033]/.test(text) ? STANDS.quotedNumber : STANDS.spoiltNumber;
  }
  return STANDS.notANumber;
}

/** A plan is known by its person, its type and its start. */
export function sameIdentity(
  one: Pick<CheckedRow, 'nhsNumber' | 'type' | 'startDate'>,
  other: Pick<CheckedRow, 'nhsNumber' | 'type' | 'startDate'>,
): boolean {
  return (
    one.nhsNumber === other.nhsNumber &&
    one.type === other.type &&
    one.startDate === other.startDate
  );
}
