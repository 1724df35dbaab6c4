import { join } from 'node:path';
import type { CalendarDate } from '#schemas/calendar.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { SpoolFile } from './spool-file.ts';

/** Whoever of a record waits to be traced. The only place where names are kept, and only for as long. */
export type WaitingPerson = {
  record: number;
  place: string;
  nhsNumber: NhsNumber;
  dateOfBirth: CalendarDate;
  localId: string;
  givenName: string;
  familyName: string;
};

/** The name of the file in a spool's folder. @param waited how often some of the upload was left waiting */
export const peopleFile = (waited: number): string => `people-${waited}`;

/** Whoever was left waiting in a spool's folder. */
export function* waitingPeople(folder: string, waited: number): Generator<WaitingPerson> {
  const file = SpoolFile.open(join(folder, peopleFile(waited)));
  try {
    for (const line of file.lines()) yield JSON.parse(line) as WaitingPerson;
  } finally {
    file.close();
  }
}
