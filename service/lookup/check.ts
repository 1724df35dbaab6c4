import { randomUUID } from 'node:crypto';
import { type LookupEvent, lookupEventSchema } from '#schemas/audit/audit-event.ts';
import type { Authority } from '#schemas/authority.ts';
import { epochDay } from '#schemas/calendar.ts';
import type { CouldNotCheckCause, LookupRequest, SearchType } from '#schemas/lookup.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { LookupResult, LookupStore } from '#store/lookup.ts';
import type { Gate } from '#store/trust/readiness.ts';
import type { Admission } from '../access/admission.ts';
import type { Recorder } from '../audit/record/recorder.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Trace } from '../telemetry/tracing.ts';
import type { CoverageState } from './coverage.ts';
import type { Rehearse } from './rehearsals.ts';

export type Admitted = Extract<Admission, { kind: 'admitted' }>;

export type Check = {
  auditId: string;
  /** Coverage as it was when the check was made. */
  coverage: CoverageState;
  /** The directory by which the result is to be read. */
  authorities: ReadonlyMap<string, Authority>;
  result: LookupResult | { kind: 'could-not-check'; cause: CouldNotCheckCause };
};

export type CheckDependencies = {
  store: LookupStore;
  gate: Pick<Gate, 'open' | 'authorities' | 'authoritiesAt'>;
  coverage: () => CoverageState;
  recorder: Recorder;
  /** As they are now; the same object as long as nothing changed. */
  versions: () => LookupEvent['versions'];
  /** Told of each number looked up, to notice who tries numbers out. */
  saw: (admitted: Admitted, nhsNumber: NhsNumber) => void;
  rehearse: Rehearse;
  metrics: Pick<Metrics, 'lookedUp' | 'accessesUnreadable'>;
};

/** How a check that could not be made is refused. */
export const codeOfCause = (cause: string): 'number-not-in-use' | 'could-not-check' =>
  cause === 'not-in-use' ? 'number-not-in-use' : 'could-not-check';

/** By OpenTelemetry's conventions for databases. */
const STORE_SPAN = 'FCALL lookup';
const STORE_LABELS = {
  'db.system.name': 'redis',
  'db.operation.name': 'FCALL',
  'db.stored_procedure.name': 'lookup',
};

/** An older directory may lack an authority that has loaded since, or call one up to date that is not. */
const DIRECTORY_TRUSTED_FOR_MS = 5_000;

export const isDirectoryTrusted = ({ authoritiesAt }: Pick<Gate, 'authoritiesAt'>): boolean =>
  Date.now() - authoritiesAt <= DIRECTORY_TRUSTED_FOR_MS;

/** From the request being read, its body too, to its answer; a wait for keys to judge its token by counts. */
const LOOKUP_DEADLINE_MS = 2_000;

/**
 * Looks a number up for an admitted caller, whatever the format of the answer: the gate and the
 * directory are judged, the store asked, and what could not be checked is audited as such. `search` is that
 * of FHIR; without it the answer is the plain one, which shows everything.
 */
export function createCheck(dependencies: CheckDependencies) {
  const { store, gate, coverage, recorder, versions, saw, rehearse, metrics } = dependencies;
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

  function eventJson(
    auditId: string,
    { ids, caller, access }: Admitted,
    { nhsNumber, reason }: LookupRequest,
    search: SearchType | undefined,
    state: CoverageState,
  ): string {
    // By hand, since this is every lookup's: what is not JSON already is a UUID, a valid NHS number or
    // one of our own constants, and none of those needs escaping.
    const correlation =
      ids.correlationId === undefined ? '' : `,"correlationId":"${ids.correlationId}"`;
    const why = reason === undefined ? '' : `,"reason":"${reason}"`;
    const api = search === undefined ? '"plain"' : `"fhir","search":"${search}"`;
    return `{"type":"lookup","auditId":"${auditId}","requestId":"${ids.requestId}"${correlation},"caller":${caller.eventJson},"api":${api},"setting":"${access.setting}","access":"${access.access}","decidedBy":"${access.decidedBy}","nhsNumber":"${nhsNumber}"${why},"coverage":${state.eventJson},"versions":${describedVersions()}}`;
  }

  function ask(
    auditId: string,
    admitted: Admitted,
    request: LookupRequest,
    event: string,
    search: SearchType | undefined,
    negativesAllowed: boolean,
  ): Promise<LookupResult> | Check['result'] {
    if (!gate.open) return { kind: 'could-not-check', cause: 'closed' };
    if (!isDirectoryTrusted(gate)) {
      return { kind: 'could-not-check', cause: 'directory' };
    }
    return store.lookup({
      nhsNumber: request.nhsNumber,
      auditId,
      event,
      ...(request.dateOfBirth !== undefined && { dateOfBirthDay: epochDay(request.dateOfBirth) }),
      access: admitted.access.access,
      showAccesses: search === undefined || search === 'AuditEvent',
      userKey: admitted.caller.userKey,
      accessEntry: admitted.caller.accessEntry,
      negativesAllowed,
    });
  }

  return async function check(
    admitted: Admitted,
    request: LookupRequest,
    trace: Trace | undefined,
    search?: SearchType,
  ): Promise<Check> {
    const lateAt = performance.now() + LOOKUP_DEADLINE_MS - (admitted.waitedMs ?? 0);
    saw(admitted, request.nhsNumber);
    const auditId = randomUUID();
    const rehearsal = rehearse(request.nhsNumber);
    const state = rehearsal?.kind === 'behind' ? rehearsal.coverage : coverage();
    const event = eventJson(auditId, admitted, request, search, state);
    const span = trace?.child(STORE_SPAN, STORE_LABELS, 'client');
    const found: Check['result'] =
      rehearsal?.kind === 'unchecked'
        ? { kind: 'could-not-check', cause: 'rehearsal' }
        : await ask(auditId, admitted, request, event, search, state.negativesAllowed);
    const late = found.kind !== 'could-not-check' && performance.now() > lateAt;
    const result: Check['result'] = late ? { kind: 'could-not-check', cause: 'late' } : found;
    const outcome = result.kind === 'could-not-check' ? result.cause : result.kind;
    // What was found is the audit's to say: a trace, read beside others' records, could tell whose it was.
    span?.end(result.kind === 'could-not-check' ? result.cause : undefined);
    metrics.lookedUp(search === undefined ? 'plain' : 'fhir', admitted.access.access, outcome);
    if (result.kind === 'flagged' && result.accesses === 'unreadable') metrics.accessesUnreadable();
    if (late) {
      // The event on disk says that this answer may be shown; its reader has given it up.
      recorder.record({ type: 'not-delivered', auditId, nhsNumber: request.nhsNumber });
    } else if (result.kind === 'could-not-check') {
      recorder.record({
        ...lookupEventSchema.parse(JSON.parse(event)),
        type: 'could-not-check',
        cause: result.cause,
      });
    }
    const { authorities } = rehearsal?.kind === 'behind' ? rehearsal : gate;
    return { auditId, coverage: state, authorities, result };
  };
}
export type CheckFlag = ReturnType<typeof createCheck>;
