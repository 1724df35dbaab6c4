import { localIdSchema } from '#schemas/authority.ts';
import { addDays, type CalendarDate, londonDate, longDateText } from '#schemas/calendar.ts';
import { type NhsNumber, parseNhsNumber, unspacedNhsNumber } from '#schemas/nhs-number.ts';
import { eighteenthBirthday, PLAN_TYPES, type PlanType, planTypes } from '#schemas/plans/plan.ts';
import type { SpooledRow } from '#schemas/plans/row.ts';
import { tidy } from '#schemas/tidy.ts';
import type { Finding, RecordCode } from '#schemas/uploads/acknowledgement.ts';
import { UPLOAD_FORMATS, type UploadFormat } from '#schemas/uploads/formats.ts';
import type { Located, RawPlan, RawRecord, RawSubject } from '../formats/common/upload.ts';
import { READERS } from '../formats/formats.ts';
import { shownLocalId } from './findings.ts';

/** A row before the file's authority and sequence are put to it. */
const KNOWN_TYPES = planTypes
  .map((type) => `${PLAN_TYPES[type].label} (${PLAN_TYPES[type].cpis})`)
  .join(', ');

export type CheckedRow = Omit<SpooledRow, 'authority' | 'sequence'>;

export type CheckedRecord = { subjects: readonly CheckedSubject[] } & (
  | { kind: 'sound'; rows: { row: CheckedRow; place: string }[]; warnings: Finding[] }
  | { kind: 'refused'; failures: Finding[] }
);

/** A person of a record, as far as it could be read. */
export type CheckedSubject = {
  kind: RawSubject['kind'];
  place: string;
  nhsNumber: NhsNumber | undefined;
  dateOfBirth: CalendarDate | undefined;
  /** Where the date can be read day first and month first. */
  dateOfBirthInDoubt?: true;
  /** Empty where there is none. */
  localId: string;
  names: RawSubject['names'];
};

export type CheckContext = {
  format: UploadFormat;
  /** When the file was received, milliseconds. */
  receivedAt: number;
};

/** A plan is entered when it is decided on; one that begins later than this is probably a slip. */
const START_AHEAD_DAYS = 31;
/** Ten months; no pregnancy is known about earlier. */
const DUE_AHEAD_DAYS = 304;
/** An end is sent when a plan has ended; one that lies further off is probably a slip in the year. */
const END_AHEAD_DAYS = 365;
/** Source: CP-IS schemas, REPC_MT000002GB01.CP-ISRecord. */
const PLANS_AT_MOST = 3;
const SUBJECTS_AT_MOST = 2;

/**
 * Checks one record by itself and makes its rows: all of them, or the list of everything wrong with it.
 *
 * Each child protection or looked-after plan belongs to the child, each unborn child's plan to the
 * mother; never every plan to every subject.
 *
 * Sources: CP-IS schemas (REPC_MT000002GB01, COCT_TP145100/145101/146100/146101/146102GB01); that a
 * record ends on the 18th birthday and later updates are rejected, case system guides.
 */
export function checkRecord(record: RawRecord, context: CheckContext): CheckedRecord {
  return new RecordCheck(record, context).result();
}

type Subject = CheckedSubject & { used: boolean };

class RecordCheck {
  readonly #record: RawRecord;
  readonly #format: UploadFormat;
  readonly #today: CalendarDate;
  readonly #failures: Finding[] = [];
  readonly #warnings: Finding[] = [];
  #localId = '';

  constructor(record: RawRecord, context: CheckContext) {
    this.#record = record;
    this.#format = context.format;
    this.#today = londonDate(context.receivedAt);
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

  /** The one value there should be; `undefined` and a finding where there is none or more than one. */
  #single(
    list: readonly Located[],
    place: string,
    field: string,
    what: string,
  ): Located | undefined {
    const [only, second] = list;
    if (only === undefined) return this.#fail(place, field, `${what} is missing.`);
    if (second !== undefined) {
      return this.#fail(second.place, field, `${what} is given more than once. Send one.`);
    }
    return only;
  }

  #subject(raw: RawSubject): Subject {
    // First, since it is by the local id that the authority finds the child in every other finding.
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
    const [only, second] = raw.localIds;
    if (only === undefined) return '';
    if (second !== undefined) {
      this.#fail(second.place, 'local_id', 'The local id is given more than once. Send one.');
      return '';
    }
    const parsed = localIdSchema.safeParse(tidy(only.text));
    if (!parsed.success) {
      this.#fail(
        only.place,
        'local_id',
        'The local id must be at most 40 characters, without line breaks or other control characters.',
      );
      return '';
    }
    if (this.#localId === '') this.#localId = parsed.data;
    return parsed.data;
  }

  #nhsNumber(raw: RawSubject): NhsNumber | undefined {
    const [only, second] = raw.nhsNumbers;
    if (second !== undefined) {
      return this.#fail(second.place, 'nhs_number', 'There are two NHS numbers. Send one.');
    }
    const text = only?.text ?? '';
    const number = parseNhsNumber(unspacedNhsNumber(text));
    if (number !== undefined) return number;
    const { numberAdvice } = UPLOAD_FORMATS[this.#format];
    return this.#fail(
      only?.place ?? raw.place,
      'nhs_number',
      `${notANumber(text)} Trace the number again, correct it in your system, and send the record in the next file.${
        numberAdvice === undefined ? '' : ` ${numberAdvice}`
      }`,
      'CPR04',
    );
  }

  #dateOfBirth(raw: RawSubject): CalendarDate | undefined {
    const found = this.#single(raw.datesOfBirth, raw.place, 'date_of_birth', 'The date of birth');
    if (found === undefined) return undefined;
    const date = READERS[this.#format].birthDate(tidy(found.text));
    if (date === undefined) {
      const stands = standsFor(found.text);
      return this.#fail(
        found.place,
        'date_of_birth',
        stands === undefined
          ? `The date of birth is not a day since 1900 in the form ${UPLOAD_FORMATS[this.#format].birthDateForms}.`
          : `${stands} A date of birth must be given.`,
      );
    }
    if (date > this.#today) {
      return this.#fail(
        found.place,
        'date_of_birth',
        'The date of birth is in the future. For an unborn child send the mother, with the plan type for unborn children.',
      );
    }
    return date;
  }

  #date(found: Located | undefined, field: string): CalendarDate | undefined {
    if (found === undefined) return undefined;
    const date = READERS[this.#format].planDate(tidy(found.text));
    if (date !== undefined) return date;
    const stands = standsFor(found.text);
    const { planDateForms, withoutDate } = UPLOAD_FORMATS[this.#format];
    return this.#fail(
      found.place,
      field,
      stands === undefined
        ? `This is not a day between 1900 and 2199 in the form ${planDateForms}.`
        : `${stands} ${field === 'start_date' ? 'A start date must be given.' : `Where the plan has no such date, ${withoutDate}.`}`,
    );
  }

  /** At most one value; none is no finding. */
  #optional(list: readonly Located[], field: string, what: string): Located | undefined {
    const [only, second] = list;
    if (second === undefined) return only;
    return this.#fail(second.place, field, `${what} is given more than once. Send one.`);
  }

  #row(plan: RawPlan, subjects: Subject[]): { row: CheckedRow; place: string }[] {
    if (plan.type === undefined) {
      this.#fail(
        plan.place,
        'plan_type',
        `The plan type is unknown. It must be one of: ${KNOWN_TYPES}.`,
      );
      // What was meant cannot be known, so no subject is blamed for having no plan.
      for (const subject of subjects) subject.used = true;
      return [];
    }
    const before = this.#failures.length;
    const start = this.#single(plan.start, plan.place, 'start_date', 'The start date');
    const end = this.#optional(plan.end, 'end_date', 'The end date');
    const deleted = this.#optional(plan.deleted, 'delete_date', 'The delete date');
    const startDate = this.#date(start, 'start_date');
    const endDate = this.#date(end, 'end_date');
    const deleteDate = this.#date(deleted, 'delete_date');
    this.#planDates(plan, plan.type, {
      start: { date: startDate, place: start?.place ?? plan.place },
      end: { date: endDate, place: end?.place ?? plan.place },
      deleted: { date: deleteDate, place: deleted?.place ?? plan.place },
    });

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
    type: PlanType,
    dates: Record<'start' | 'end' | 'deleted', { date: CalendarDate | undefined; place: string }>,
  ): void {
    const { start, end, deleted } = dates;
    if (start.date !== undefined && start.date > addDays(this.#today, START_AHEAD_DAYS)) {
      this.#fail(
        start.place,
        'start_date',
        `The plan starts more than ${START_AHEAD_DAYS} days from now. Check the year; if it is right, send the plan nearer the day.`,
      );
    } else if (start.date !== undefined && start.date > this.#today) {
      this.#warn(
        start.place,
        'start_date',
        'The plan starts in the future and is not shown before that day.',
      );
    }
    if (start.date !== undefined && end.date !== undefined && end.date < start.date) {
      this.#fail(
        end.place,
        'end_date',
        'The plan ends before it starts. Correct the start or the end; if the plan should never have been entered, send a delete date.',
      );
    }
    if (deleted.date !== undefined && deleted.date > addDays(this.#today, 1)) {
      this.#fail(
        deleted.place,
        'delete_date',
        'The delete date is in the future. A delete takes effect at once: send it when the plan has been deleted, or an end date where the plan will end.',
      );
    }
    if (PLAN_TYPES[type].end === 'end') {
      if (end.date !== undefined && end.date > addDays(this.#today, END_AHEAD_DAYS)) {
        this.#warn(
          end.place,
          'end_date',
          'The plan ends more than a year from now, and is shown as current until then. Check the year of the end.',
        );
      }
      return;
    }
    if (plan.end.length === 0) {
      this.#fail(
        plan.place,
        'end_date',
        "An unborn child's plan needs an end date: the day the baby is due, or the day the plan ended.",
      );
    } else if (end.date !== undefined && end.date > addDays(this.#today, DUE_AHEAD_DAYS)) {
      this.#warn(
        end.place,
        'end_date',
        'The baby is due more than ten months from now. Check the year of the due date.',
      );
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
    if (eighteenthBirthday(dateOfBirth) <= this.#today) {
      this.#fail(
        plan.place,
        'date_of_birth',
        'This person is 18 or older, so the flag has ended by itself and there is nothing to send. If the date of birth is wrong, correct it; if an age assessment has changed it, send the end with the date of birth sent before.',
      );
    } else if (startDate !== undefined && startDate < dateOfBirth) {
      this.#warn(
        plan.place,
        'start_date',
        'The plan starts before the child was born. Check both dates.',
      );
    }
  }

  #subjectOf(plan: RawPlan, type: PlanType, subjects: Subject[]): Subject | undefined {
    const kind = PLAN_TYPES[type].subject;
    const matching = subjects.filter((subject) => subject.kind === kind);
    for (const subject of matching) subject.used = true;
    const [only, second] = matching;
    if (only !== undefined && second === undefined) return only;
    if (second !== undefined) {
      return this.#fail(
        second.place,
        'subject',
        'One record holds two people of the same kind, so it is not clear whose plan this is. Send a record for each.',
      );
    }
    return this.#fail(
      plan.place,
      'subject',
      kind === 'mother'
        ? "An unborn child's plan needs the mother in the same record (UnbornChild)."
        : `A ${PLAN_TYPES[type].label} record needs the child in the same record (Child).`,
    );
  }

  /** More of anything than the message allows, of which some might have been passed over. */
  #shape(): void {
    const { place, plans, subjects, unclear } = this.#record;
    if (unclear !== undefined) this.#fail(unclear.place, unclear.field, unclear.hint);
    if (plans.length > PLANS_AT_MOST) {
      this.#fail(
        place,
        'plan_type',
        `The record has more than ${PLANS_AT_MOST} plans. Send the others in a record of their own.`,
      );
    }
    if (subjects.length > SUBJECTS_AT_MOST) {
      this.#fail(
        place,
        'subject',
        'The record has more than two people. Send a record for each child, with the mother only where there is an unborn child.',
      );
    }
  }

  #pairing(subjects: readonly Subject[]): void {
    if (this.#record.plans.length === 0) {
      this.#fail(this.#record.place, 'plan_type', 'The record has no plan. Send it with its plan.');
      return;
    }
    if (subjects.length === 0) {
      this.#fail(this.#record.place, 'subject', 'The record has no child or mother.');
      return;
    }
    for (const subject of subjects) {
      if (subject.used) continue;
      this.#fail(
        subject.place,
        'subject',
        subject.kind === undefined
          ? 'This is neither a child nor the mother of an unborn child.'
          : `No plan in this record is for this person: ${subject.kind === 'mother' ? "a mother goes with an unborn child's plan" : 'a child goes with a child protection plan or looked after record'}.`,
      );
    }
  }

  #repeatedIdentity(rows: readonly { row: CheckedRow; place: string }[]): void {
    rows.forEach(({ row, place }, i) => {
      if (rows.slice(0, i).some(({ row: other }) => sameIdentity(row, other))) {
        this.#fail(place, 'start_date', repeatedHint(row.startDate));
      }
    });
  }
}

/** What a text says that stands where a date is not known or not there; `undefined` for any other text. */
function standsFor(text: string): string | undefined {
  const said = tidy(text);
  if (said === '') return 'There is no date here, or only nullFlavor or nil.';
  if (/9999/.test(said) && /^[0-9/:T .+Z-]+$/.test(said)) {
    return 'The year 9999 stands for "never", and days end with 2199 here.';
  }
  return /^(?:null|nil|none|n\/?a|not (?:known|applicable|set)|unknown|nk|tb[ac]|open|ongoing|current|-+|\.+|[0/:T .-]+)$/i.test(
    said,
  )
    ? 'This stands for a date that is not there.'
    : undefined;
}

/** What is wrong with a number, as far as a person who sees ten right digits on the screen needs to hear it. */
function notANumber(text: string): string {
  if (tidy(text) === '') return 'The NHS number is missing.';
  const digits = text.replaceAll(/[^0-9]/g, '');
  if (parseNhsNumber(digits) !== undefined) {
    return /["'=\u2018-\u201f\u2032\u2033]/.test(text)
      ? 'Quotes or ="..." stand round the NHS number: send the ten digits alone.'
      : 'Other characters than digits stand in the NHS number, perhaps such as cannot be seen: type it afresh, ten digits alone.';
  }
  return 'This is not an NHS number: it must be ten digits of which the last checks the others.';
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

/** @param earlierRecord where the plan stood before, if in another record */
export function repeatedHint(startDate: CalendarDate, earlierRecord?: number): string {
  const where =
    earlierRecord === undefined ? 'twice in this record' : `already in record ${earlierRecord}`;
  return `The same plan (same person, type and start, ${longDateText(startDate)}) is ${where}. Only the first counts; if this one is right, send it in the next file.`;
}
