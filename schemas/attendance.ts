import { z } from 'zod';
import { isPublicPhone, phoneSchema } from './authority.ts';
import { nhsNumberSchema, parseNhsNumber } from './nhs-number.ts';

/**
 * The outcome of a look from unscheduled care, as far as its authority has to act on it. Source: our own;
 * CP-IS has no such thing.
 */
export const ATTENDANCES = [
  'seen',
  'left-before-seen',
  'admitted',
  'transferred',
  'wrong-patient',
] as const;

/** How long after a look its outcome can be recorded; later, ring the council. */
export const ATTENDANCE_HOURS = 24;

/**
 * A ward's name as on its door. It has no room for a story, and with at most four digits none for an NHS
 * number or a date of birth.
 */
const wardSchema = z
  .string()
  .trim()
  .regex(
    /^(?!(?:[^0-9]*[0-9]){5})(?!.*\p{Default_Ignorable_Code_Point})[\p{L}0-9][\p{L}0-9 .&'’-]{0,29}$/u,
    {
      error:
        'must be the name of a ward: at most 30 letters and digits, of which at most four are digits',
    },
  );

/**
 * How NHS numbers begin: 3 in Northern Ireland, 4, 6 and 7 in England and Wales, 9 in tests. Those of
 * Scotland begin with a date, as telephone numbers of whole regions do (01, 02), and cannot be distinguished
 * from them.
 */
const NHS_NUMBER_BEGINS = /^[34679]/;

/** Whether a row of digits contains an NHS number anywhere. */
function holdsNhsNumber(digits: string): boolean {
  for (let i = 0; i + 10 <= digits.length; i++) {
    const ten = digits.slice(i, i + 10);
    if (NHS_NUMBER_BEGINS.test(ten) && parseNhsNumber(ten) !== undefined) return true;
  }
  return false;
}

/** A number of the United Kingdom as it is dialled there, without its country code. */
const asDialled = (phone: string): string => phone.replace(/^(?:\+|00)440?(?=[0-9]{9,10}$)/, '0');

/**
 * A telephone number that holds no NHS number in any spelling. One in eleven numbers that begin with 03, 07
 * or another country's code is therefore refused, and none that begins with 01 or 02. The number is optional.
 */
const switchboardSchema = phoneSchema
  .refine((phone) => !isPublicPhone(phone), {
    error: 'must be the hospital’s own number: 999, 112, 111 and 101 are not',
  })
  .transform(asDialled)
  .refine((phone) => !holdsNhsNumber(phone.replace('+', '')), {
    error: 'must be a telephone number, and no NHS number',
  });

/** The body of `POST /lookup/{auditId}/attendance`. */
export const attendanceRequestSchema = z.strictObject({
  nhsNumber: nhsNumberSchema,
  attended: z.enum(ATTENDANCES).meta({
    description:
      'left-before-seen is told to the authority at once, the others with the next notification. wrong-patient: the number of somebody else was looked up by mistake.',
  }),
  ward: wardSchema.optional().meta({
    description:
      'The name of the ward only, with at most four digits. No patient details: it is kept in the audit.',
  }),
  switchboard: switchboardSchema.optional().meta({
    description:
      'The telephone number by which the ward is reached. Digits that hold an NHS number are refused, and so are 999, 112, 111 and 101.',
  }),
});
export type AttendanceRequest = z.infer<typeof attendanceRequestSchema>;

export const attendanceAnswerSchema = z.strictObject({
  attendanceId: z.uuid().meta({ description: 'The audit id of what was recorded.' }),
  recordedAt: z.iso.datetime(),
  authorities: z
    .array(z.strictObject({ code: z.string(), name: z.string() }))
    .meta({ description: 'Who is told: those with a plan of this child now.' }),
});

/** As a notification gives it. */
export const notifiedAttendanceSchema = z.strictObject({
  attended: z.enum(ATTENDANCES),
  at: z.iso.datetime(),
  ward: z.string().optional(),
  switchboard: z.string().optional(),
});
