import type { LookupEvent } from '#schemas/audit/audit-event.ts';
import type { LookupRequest } from '#schemas/lookup.ts';
import type { CoverageState } from './coverage.ts';
import type { Admitted } from './guarded-lookup.ts';

/**
 * Writes the event of a lookup, which the store completes with what was found.
 *
 * @param versions the present ones; the same object as long as nothing has changed
 */
export function createEventText(versions: () => LookupEvent['versions']) {
  let described: LookupEvent['versions'] | undefined;
  let versionsJson = '';

  function describedVersions(): string {
    const now = versions();
    if (now !== described) {
      described = now;
      versionsJson = JSON.stringify(now);
    }
    return versionsJson;
  }

  return function eventText(
    auditId: string,
    { ids, caller, access }: Admitted,
    { nhsNumber, reason }: LookupRequest,
    { api, search }: Pick<LookupEvent, 'api' | 'search'>,
    state: CoverageState,
  ): string {
    // By hand, since every lookup has one: anything that is not JSON already is a UUID, a valid NHS number or
    // one of our own constants, and none of those needs escaping.
    const correlation =
      ids.correlationId === undefined ? '' : `,"correlationId":"${ids.correlationId}"`;
    const why = reason === undefined ? '' : `,"reason":"${reason}"`;
    const searched = search === undefined ? '' : `,"search":"${search}"`;
    return `{"type":"lookup","auditId":"${auditId}","requestId":"${ids.requestId}"${correlation},"caller":${caller.eventJson},"api":"${api}"${searched},"setting":"${access.setting}","access":"${access.access}","decidedBy":"${access.decidedBy}","nhsNumber":"${nhsNumber}"${why},"coverage":${state.eventJson},"versions":${describedVersions()}}`;
  };
}
