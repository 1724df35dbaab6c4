import { z } from 'zod';
import { parseIsoDate } from '#schemas/calendar.ts';
import { type NhsNumber, parseNhsNumber } from '#schemas/nhs-number.ts';
import type { TracedField } from '#schemas/wording/records.ts';
import { type PlainName, plainName, sameFamilyName, sameGivenName } from '../names.ts';
import type { Traced, TraceOutcome } from '../tracer.ts';

const nameSchema = z.object({
  use: z.string().optional(),
  family: z.string().max(200).optional(),
  given: z.array(z.string().max(200)).max(50).optional(),
  period: z.object({ start: z.string().optional(), end: z.string().optional() }).optional(),
});

/** The parts of a PDS Patient that are read; all others are ignored. */
const patientSchema = z.object({
  resourceType: z.literal('Patient'),
  id: z.string(),
  // Who may know about a record is never guessed.
  meta: z.object({ security: z.array(z.object({ code: z.string() })).min(1) }),
  birthDate: z.string().optional(),
  name: z.array(nameSchema).max(100).optional(),
});

export type PdsPatient = {
  nhsNumber: NhsNumber;
  sensitive: boolean;
  dateOfBirth: string | undefined;
  /** Those in use: usual, nickname and temporary ones whose period has not ended. */
  names: readonly PlainName[];
};

/** Names by which a person is known now. A maiden or old name is not one of them. */
const USES: readonly (string | undefined)[] = ['usual', 'nickname', 'temp', undefined];
const UNRESTRICTED = 'U';

/**
 * Reads a Patient; `undefined` if it is not one. A minimal record has neither names nor a date of birth.
 *
 * @param today YYYY-MM-DD
 */
export function readPatient(json: unknown, today: string): PdsPatient | undefined {
  const patient = patientSchema.safeParse(json).data;
  const nhsNumber = parseNhsNumber(patient?.id ?? '');
  if (patient === undefined || nhsNumber === undefined) return undefined;
  const names = (patient.name ?? [])
    .filter(
      ({ use, period }) =>
        USES.includes(use) && (period?.end === undefined || period.end.slice(0, 10) >= today),
    )
    .map(({ given = [], family = '' }) => plainName(given.join(' '), family));
  return {
    nhsNumber,
    sensitive: patient.meta.security.some(({ code }) => code !== UNRESTRICTED),
    dateOfBirth: parseIsoDate(patient.birthDate ?? ''),
    names,
  };
}

/**
 * What a record says about a person whose number was asked about. The replacement is given only if date of
 * birth and name are those sent: holding an old number does not prove whose it is.
 */
export function compared(person: Traced, patient: PdsPatient): TraceOutcome {
  if (patient.sensitive) return { kind: 'sensitive' };
  const differs = differencesOf(person, patient);
  if (differs.length > 0) return { kind: 'not-verified', differs };
  return patient.nhsNumber === person.nhsNumber
    ? { kind: 'verified' }
    : { kind: 'inactive', replacedBy: patient.nhsNumber };
}

function differencesOf(person: Traced, { dateOfBirth, names }: PdsPatient): TracedField[] {
  const sent = plainName(person.givenName, person.familyName);
  const sameFamily = names.filter((name) => sameFamilyName(sent, name));
  // If no name has that family name, the given names of any name are compared.
  const candidates = sameFamily.length > 0 ? sameFamily : names;
  return [
    ...(dateOfBirth === person.dateOfBirth ? [] : ['date_of_birth' as const]),
    ...(sameFamily.length > 0 ? [] : ['family_name' as const]),
    ...(candidates.some((name) => sameGivenName(sent, name)) ? [] : ['given_name' as const]),
  ];
}
