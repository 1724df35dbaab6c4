import { type CalendarDate, longDateText } from '../calendar.ts';
import { PLAN_TYPES, type PlanType, planTypes, type Subject } from '../plans/plan.ts';

/** What a council is told about one record: what is wrong, and what to do. Never a name or a date of birth. */

const KNOWN_TYPES = planTypes
  .map((type) => `${PLAN_TYPES[type].label} (${PLAN_TYPES[type].cpis})`)
  .join(', ');

/** The beginning of a sentence about one of them. */
const FIELDS = {
  date_of_birth: 'The date of birth',
  local_id: 'The local id',
  start_date: 'The start date',
  end_date: 'The end date',
  delete_date: 'The delete date',
} as const;
export type NamedField = keyof typeof FIELDS;

/** Found in a record on its own. */
export const RECORD_HINTS = {
  missing: (field: NamedField) => `${FIELDS[field]} is missing.`,
  givenTwice: (field: NamedField) => `${FIELDS[field]} is given more than once. Send one.`,

  localId:
    'The local id must be at most 40 characters, without line breaks or other control characters.',

  twoNumbers: 'There are two NHS numbers. Send one.',
  /** @param what how it fails as a number */
  number: (what: string, advice = '') =>
    `${what} Trace the number again, correct it in your system, and send the record in the next file.${advice === '' ? '' : ` ${advice}`}`,

  dateOfBirth: (forms: string) => `The date of birth is not a day since 1900 in the form ${forms}.`,
  /** @param stands what is in its place */
  dateOfBirthNeeded: (stands: string) => `${stands} A date of birth must be given.`,
  bornInFuture:
    'The date of birth is in the future. For an unborn child send the mother, with the plan type for unborn children.',
  adult:
    'This person is 18 or older, so the flag has ended and there is nothing to send. If the date of birth is wrong, correct it; if an age assessment has changed it, send the end with the date of birth sent before.',

  day: (forms: string) => `This is not a day between 1900 and 2199 in the form ${forms}.`,
  startNeeded: (stands: string) => `${stands} A start date must be given.`,
  noSuchDate: (stands: string, withoutDate: string) =>
    `${stands} If the plan has no such date, ${withoutDate}.`,

  planType: `The plan type is unknown. It must be one of: ${KNOWN_TYPES}.`,
  startsFarAhead: (days: number) =>
    `The plan starts more than ${days} days from now. Check the year; if it is right, send the plan nearer the time.`,
  startsInFuture: 'The plan starts in the future and is not shown before that day.',
  startsBeforeBirth: 'The plan starts before the child was born. Check both dates.',
  endsBeforeStart:
    'The plan ends before it starts. Correct the start or the end; if the plan should never have been entered, send a delete date.',
  endsFarAhead:
    'The plan ends more than a year from now, and is shown as current until then. Check the year of the end.',
  deletedInFuture:
    'The delete date is in the future. A delete takes effect at once: send it when the plan has been deleted, or an end date where the plan will end.',
  dueDateNeeded:
    'An unborn child’s plan needs an end date: the day the baby is due, or the day the plan ended.',
  dueFarAhead: 'The baby is due more than ten months from now. Check the year of the due date.',

  twoAlike:
    'One record holds two people of the same kind, so it is not clear whose plan this is. Send a record for each.',
  personNeeded: (type: PlanType) =>
    PLAN_TYPES[type].subject === 'mother'
      ? 'An unborn child’s plan needs the mother in the same record (UnbornChild).'
      : `A ${PLAN_TYPES[type].label} record needs the child in the same record (Child).`,
  tooManyPlans: (most: number) =>
    `The record has more than ${most} plans. Send the others in a record of their own.`,
  tooManyPeople:
    'The record has more than two people. Send a record for each child, with the mother only where there is an unborn child.',
  noPlan: 'The record has no plan. Send it with its plan.',
  noPerson: 'The record has no child or mother.',
  unknownPerson: 'This is neither a child nor the mother of an unborn child.',
  personWithoutPlan: (kind: Subject) =>
    `No plan in this record is for this person: ${kind === 'mother' ? 'a mother goes with an unborn child’s plan' : 'a child goes with a child protection plan or looked after record'}.`,
  /** @param earlierRecord where the plan stood before, if in another record */
  repeated: (startDate: CalendarDate, earlierRecord?: number) =>
    `The same plan (same person, type and start, ${longDateText(startDate)}) is ${
      earlierRecord === undefined ? 'twice in this record' : `already in record ${earlierRecord}`
    }. Only the first counts; if this one is right, send it in the next file.`,
  severalBodies:
    'One record holds more than one CP-ISRecord, so it is not clear which plan is whose. Send a record for each.',
  lastFieldMayBeCut: (column: string) =>
    `The last line has no line break, so its last field (${column}) may be cut off. Add a line break at the end of the file, or make another column the last, and send the record in the next file.`,
} as const;

/** What stands where a number or a date should. */
export const STANDS = {
  noDate: 'There is no date here, or only nullFlavor or nil.',
  never: 'The year 9999 stands for "never", and the last year accepted here is 2199.',
  noDateMeant: 'This stands for a missing date.',
  noNumber: 'The NHS number is missing.',
  quotedNumber: 'There are quotes or ="..." around the NHS number: send only the ten digits.',
  spoiltNumber:
    'The NHS number holds characters other than digits, perhaps invisible ones: type it again, ten digits only.',
  notANumber:
    'This is not an NHS number: it must be ten digits, the last of which checks the others.',
} as const;

const HELD_ALREADY =
  'If the plan is held here under this number and should no longer be shown, send it with a delete date.';

const DIFFERENCES = {
  date_of_birth: 'the date of birth',
  family_name: 'the family name',
  given_name: 'the given name',
} as const;
export type TracedField = keyof typeof DIFFERENCES;

/** Found by tracing its numbers. */
export const TRACING_HINTS = {
  noMatch: `This NHS number is not known where numbers are traced. Trace the person again by name, date of birth and address, correct the number in your system, and send the record in the next file. ${HELD_ALREADY}`,
  sensitive: `The record of this NHS number is sensitive, so no plan can be held under it and sending it again will not help. Share what is needed in the way agreed locally. ${HELD_ALREADY}`,
  notVerified: (differs: readonly TracedField[]) =>
    `What you sent does not agree with what is known about this NHS number: ${differs.map((field) => DIFFERENCES[field]).join(' and ')} differ${differs.length === 1 ? 's' : ''}. Check that it is the right person; then correct your system, or have the person’s GP correct the national record, and send the record in the next file. ${HELD_ALREADY}`,
  notInUse: `This NHS number is no longer in use, and no other can be given for it. Trace the person again and send the record under the number found. ${HELD_ALREADY}`,
  replaced: `This NHS number was replaced by another, which the notice of inactive numbers gives. Put it into your system and send the record under it; nothing is moved automatically. ${HELD_ALREADY}`,
} as const;

const heldStart = (start: CalendarDate | undefined): string =>
  start === undefined ? '' : ` The start held is ${longDateText(start)}.`;

/** Found against what is held. `other` is the start of another plan held for the person. */
export const ROW_HINTS = {
  nothingToDelete: (type: PlanType, startDate: CalendarDate, other: CalendarDate | undefined) =>
    `no row with this start: no ${PLAN_TYPES[type].label} of yours that starts on ${longDateText(startDate)} is held for this person, so there is nothing to delete.${heldStart(other)} Send the delete with the start date that was sent before.`,
  endsAnother: (type: PlanType, other: CalendarDate) =>
    `no row with this start: the ${PLAN_TYPES[type].label} held for this person starts on another day.${heldStart(other)} Send the end with that start date. If there were two plans, end or delete the one held in the same file.`,
  hadEnded:
    'This plan had ended when it was first sent. It is held, and shown as ended for as long as it would have been.',
  anotherInForce: (type: PlanType, other: CalendarDate) =>
    `Another ${PLAN_TYPES[type].label} of yours is in force for this person, started on ${longDateText(other)}. Both are shown. If one replaces the other, send an end for the other.`,
  broughtBack:
    'This plan had been deleted as entered in error; this file brings it back. If that is not intended, send the delete again.',
  withdrawn: (day: CalendarDate) =>
    `This plan was withdrawn on ${longDateText(day)}, because it is another child’s. It is not shown, although your case system still sends it. If the withdrawal is right, delete the plan in your case system. If the plan is right after all, undo the withdrawal, or send a delete and then the plan again.`,
  sameNumber:
    'Another file with this number was loaded in part, and said something else about this plan. Send it again in a file with a new number.',
  notDone:
    'This was NOT done: a newer file has this plan too, and the newer file counts. If this file is right, send the plan again in your next file, as it should be.',
  sentAsAnothers: (day: CalendarDate) =>
    `A plan with this start was withdrawn under this NHS number on ${longDateText(day)}. It now comes with another local id, so it is shown again. Check that the NHS number is this child’s.`,
} as const;
