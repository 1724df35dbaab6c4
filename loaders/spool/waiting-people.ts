import { join } from 'node:path';
import type { CalendarDate } from '#schemas/calendar.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { SpoolFile } from './spool-file.ts';

/** The people in a record who wait to be traced. Names are stored nowhere else, and no longer than that. */
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

/** The people left waiting in a spool's folder. */
export function* waitingPeople(folder: string, waited: number): Generator<WaitingPerson> {
  const file = SpoolFile.open(join(folder, peopleFile(waited)));
  try {
    for (const line of file.lines()) yield JSON.parse(line) as WaitingPerson;
  } finally {
    file.close();
  }
}
