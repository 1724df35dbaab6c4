import { addDays, type CalendarDate } from '#schemas/calendar.ts';
import type { Expected } from './bad-rows.ts';
import { type Country, PURPOSE } from './country.ts';
import { numbersIn, syntheticNumber } from './numbers.ts';
import { draws } from './random.ts';
import { quoted, type WrittenPerson, type WrittenRecord } from './text.ts';

/** Ways in which a register can differ from an upload about a person, and the answer to each. */
const AGAINST = [
  { kind: 'superseded', code: 'CPR05', field: 'nhs_number' },
  { kind: 'inactive', code: 'CPR01', field: 'nhs_number' },
  { kind: 'unknown', code: 'CPR01', field: 'nhs_number' },
  { kind: 'sensitive', code: 'CPR02', field: 'nhs_number' },
  { kind: 'another-date-of-birth', code: 'CPR03', field: 'date_of_birth' },
  { kind: 'another-family-name', code: 'CPR03', field: 'family_name' },
  { kind: 'another-given-name', code: 'CPR03', field: 'given_name' },
] as const satisfies readonly Expected[];
type Against = (typeof AGAINST)[number];

/** How a register differs about a person, if it does. @param rate the share of people about whom it differs */
export function registeredAgainst(
  seed: number,
  rate: number,
  personIndex: number,
): Against | undefined {
  if (rate === 0) return undefined;
  const draw = draws(seed, PURPOSE.register, personIndex);
  if (draw() >= rate) return undefined;
  return AGAINST[Math.floor(draw() * AGAINST.length)];
}

/** A record that only deletes is accepted whatever tracing finds. */
export const isDeleteOnly = ({ plans }: WrittenRecord): boolean =>
  plans.every(({ deleteDate }) => deleteDate !== undefined && deleteDate !== '');

/**
 * A register for tracing (`TRACING_REGISTER_FILE`) of everybody in a country's files, a line each, in no
 * particular order.
 */
export function* registerLines(country: Country, rate: number): Generator<string> {
  yield 'nhs_number,status,replaced_by,date_of_birth,given_name,family_name\n';
  const { seed, numbers } = country.options;
  let replaced = 0;
  for (const { index, person } of country.everybody()) {
    const against = registeredAgainst(seed, rate, index);
    if (against?.kind === 'unknown') continue;
    if (against?.kind !== 'superseded') {
      yield line(againstPerson(person, against?.kind), statusOf(against?.kind));
      continue;
    }
    replaced += 1;
    const next = syntheticNumber(numbers, numbersIn(numbers) - replaced);
    yield line(person, 'superseded', next) + line({ ...person, nhsNumber: next }, 'current');
  }
}

function statusOf(kind: Against['kind'] | undefined): string {
  return kind === 'inactive' || kind === 'sensitive' ? kind : 'current';
}

function againstPerson(person: WrittenPerson, kind: Against['kind'] | undefined): WrittenPerson {
  switch (kind) {
    case 'another-date-of-birth':
      return { ...person, dateOfBirth: addDays(person.dateOfBirth as CalendarDate, 1) };
    case 'another-family-name':
      return { ...person, familyName: 'Otherwise' };
    case 'another-given-name':
      return { ...person, givenName: 'Quentin' };
    default:
      return person;
  }
}

function line(person: WrittenPerson, status: string, replacedBy = ''): string {
  const { nhsNumber, dateOfBirth, givenName, familyName } = person;
  return `${nhsNumber},${status},${replacedBy},${dateOfBirth},${quoted(givenName)},${quoted(familyName)}\n`;
}
