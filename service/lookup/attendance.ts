import type { AttendanceRequest } from '#schemas/attendance.ts';
import type { Api } from '#schemas/audit/audit-event.ts';
import type { RecordAttendance } from '#store/attendance.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { requestedBy } from '../audit/record/requested.ts';
import type { Admitted } from './guarded-lookup.ts';

export type Attended =
  | {
      kind: 'recorded';
      attendanceId: string;
      /** Milliseconds. */
      at: number;
      authorities: { code: string; name: string }[];
    }
  | { kind: 'refused'; code: 'look-not-found' | 'store-unavailable' };

/** Records the outcome of a look, for an admitted caller of the API or the pages. */
export function createAttend({
  record,
  readiness,
}: {
  record: RecordAttendance;
  readiness: Pick<Readiness, 'authorities'>;
}) {
  return async function attend(
    admitted: Admitted,
    lookupId: string,
    { nhsNumber, ...said }: AttendanceRequest,
    api: Api,
  ): Promise<Attended> {
    const { caller, access } = admitted;
    // A silent read is not listed and nobody is notified of it, so nobody would get the outcome.
    if (access.access === 'silent-read') return { kind: 'refused', code: 'look-not-found' };
    const requested = requestedBy(admitted);
    const recorded = await record(nhsNumber, caller.userKey, {
      type: 'attendance',
      ...requested,
      api,
      setting: access.setting,
      nhsNumber,
      lookupId,
      ...said,
    });
    switch (recorded.kind) {
      case 'no-look':
        return { kind: 'refused', code: 'look-not-found' };
      case 'could-not-record':
        return { kind: 'refused', code: 'store-unavailable' };
      case 'recorded':
        return {
          kind: 'recorded',
          attendanceId: requested.auditId,
          at: recorded.at,
          authorities: recorded.authorities.map((code) => ({
            code,
            name: readiness.authorities.get(code)?.name ?? code,
          })),
        };
    }
  };
}
export type Attend = ReturnType<typeof createAttend>;
