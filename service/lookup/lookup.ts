import { randomUUID } from 'node:crypto';
import {
  type Api,
  type LookupEvent,
  lookupEventSchema,
  type RecordedEvent,
} from '#schemas/audit/audit-event.ts';
import type { Authority } from '#schemas/authority.ts';
import { epochDay } from '#schemas/calendar.ts';
import { ERRORS } from '#schemas/errors.ts';
import {
  BARRED,
  type CouldNotCheckCause,
  type LookupRequest,
  type SearchType,
} from '#schemas/lookup.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { LookupResult, LookupStore } from '#store/lookup.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import type { Recorder } from '../audit/record/recorder.ts';
import { idFields } from '../http/request-ids.ts';
import { errorFields } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { SampledLog } from '../telemetry/sampled-log.ts';
import type { Trace } from '../telemetry/traces.ts';
import type { CoverageState } from './coverage.ts';
import { createEventText } from './event.ts';
import type { Admitted } from './guarded-lookup.ts';
import type { Rehearsed } from './rehearsals.ts';

/** What was found, to be put into words. */
export type Checked = {
  auditId: string;
  /** Coverage as it was when the check was made. */
  coverage: CoverageState;
  /** The directory to read the result with. */
  authorities: ReadonlyMap<string, Authority>;
  result: Exclude<LookupResult, { kind: 'could-not-check' }>;
};

/** How a lookup is requested and answered. */
export type Form = {
  api: Api;
  /** For FHIR; without one the answer shows everything. */
  search?: SearchType;
  /** Why the check cannot be made, if that is known without asking the store. */
  prevented?: CouldNotCheckCause | undefined;
  /** @throws if what is held cannot be shown: the answer is then could-not-check */
  words: (checked: Checked, admitted: Admitted, request: LookupRequest) => string;
};

type LookedUp =
  | {
      kind: 'answered';
      body: string;
      /** Call this if the answer does not reach its reader, although the audit says that it was shown. */
      notDelivered: () => void;
    }
  | { kind: 'could-not-check'; code: 'number-not-in-use' | 'could-not-check' };

type LookupDependencies = {
  store: LookupStore;
  readiness: Pick<Readiness, 'open' | 'authorities' | 'authoritiesAt'>;
  coverage: () => CoverageState;
  recorder: Pick<Recorder, 'record'>;
  /** As they are now; the same object as long as nothing changed. */
  versions: () => LookupEvent['versions'];
  /** Called with each number looked up, to notice users who guess numbers. */
  saw: (admitted: Admitted, nhsNumber: NhsNumber) => void;
  metrics: Pick<Metrics, 'lookedUp' | 'accessesUnreadable'>;
  sampled: Pick<SampledLog, 'log'>;
};

/** By OpenTelemetry's conventions for databases. */
const STORE_SPAN = 'FCALL lookup';
const STORE_LABELS = {
  'db.system.name': 'redis',
  'db.operation.name': 'FCALL',
  'db.stored_procedure.name': 'lookup',
};

/** An older directory may lack an authority that has loaded since, or call one up to date that is not. */
const DIRECTORY_TRUSTED_FOR_MS = 5_000;

export const isDirectoryTrusted = ({ authoritiesAt }: Pick<Readiness, 'authoritiesAt'>): boolean =>
  Math.abs(Date.now() - authoritiesAt) <= DIRECTORY_TRUSTED_FOR_MS;

/** From reading the request, including its body, to its answer; a wait for keys to judge its token counts. */
const LOOKUP_DEADLINE_MS = 2_000;

/**
 * Looks a number up for an admitted caller, whatever the form of the answer: it judges readiness and the
 * directory, asks the store and puts the result into words. A check that could not be made is audited as such
 * and logged; an authorised answer that will not be given is recorded as not delivered.
 */
export function createLookup(dependencies: LookupDependencies) {
  const { store, readiness, coverage, recorder, versions, saw, metrics, sampled } = dependencies;
  const eventText = createEventText(versions);

  function ask(
    auditId: string,
    admitted: Admitted,
    request: LookupRequest,
    event: string,
    search: SearchType | undefined,
    negativesAllowed: boolean,
  ): Promise<LookupResult> | LookupResult {
    if (!readiness.open) return { kind: 'could-not-check', cause: 'closed' };
    if (!isDirectoryTrusted(readiness)) {
      return { kind: 'could-not-check', cause: 'directory' };
    }
    return store.lookup({
      nhsNumber: request.nhsNumber,
      auditId,
      event,
      dateOfBirthDay: request.dateOfBirth && epochDay(request.dateOfBirth),
      access: admitted.access.access,
      showAccesses: search === undefined || search === 'AuditEvent',
      userKey: admitted.caller.userKey,
      accessEntry: admitted.caller.accessEntry,
      negativesAllowed,
    });
  }

  /** On disk before the user is answered; if the store fails meanwhile, as soon as it can be. */
  async function recordBarred(event: RecordedEvent & { type: 'could-not-check' }): Promise<void> {
    const occurredAt = new Date().toISOString();
    await store.record({ ...event, occurredAt }).catch(() => recorder.record(event));
  }

  function couldNotCheck(cause: string, { ids }: Admitted): LookedUp {
    const code = cause === 'not-in-use' ? 'number-not-in-use' : 'could-not-check';
    sampled.log(`could-not-check ${cause}`, ERRORS[code].level, 'A check could not be made.', {
      cause,
      ...idFields(ids),
    });
    return { kind: 'could-not-check', code };
  }

  return async function lookUp(
    admitted: Admitted,
    request: LookupRequest,
    form: Form,
    rehearsal: Rehearsed | undefined,
    trace: Trace | undefined,
  ): Promise<LookedUp> {
    const lateAt = performance.now() + LOOKUP_DEADLINE_MS - (admitted.waitedMs ?? 0);
    const { nhsNumber } = request;
    const { api, search, words } = form;
    saw(admitted, nhsNumber);
    const auditId = randomUUID();
    const state = rehearsal?.kind === 'behind' ? rehearsal.coverage : coverage();
    const event = eventText(auditId, admitted, request, form, state);
    const span = trace?.child(STORE_SPAN, STORE_LABELS, 'client');
    const prevented = rehearsal?.kind === 'unchecked' ? 'rehearsal' : form.prevented;
    const found: LookupResult =
      prevented !== undefined
        ? { kind: 'could-not-check', cause: prevented }
        : await ask(auditId, admitted, request, event, search, state.negativesAllowed);
    const late = found.kind !== 'could-not-check' && performance.now() > lateAt;
    const result: LookupResult = late ? { kind: 'could-not-check', cause: 'late' } : found;
    const outcome = result.kind === 'could-not-check' ? result.cause : result.kind;
    // Only the audit has what was found: a trace, combined with other records, could reveal whose it was.
    span?.end(result.kind === 'could-not-check' ? result.cause : undefined);
    metrics.lookedUp(api, admitted.access.access, outcome);
    if (result.kind === 'flagged' && result.accesses === 'unreadable') metrics.accessesUnreadable();

    // The event on disk says that this answer may be shown.
    const notDelivered = (): void => recorder.record({ type: 'not-delivered', auditId, nhsNumber });
    if (result.kind === 'could-not-check') {
      if (late || result.cause === 'not-replicated') {
        notDelivered();
      } else {
        const { cause, barredBy, protectedBy } = result;
        const unchecked = {
          ...lookupEventSchema.parse(JSON.parse(event)),
          type: 'could-not-check',
          cause,
        } as const;
        if (barredBy === undefined) recorder.record(unchecked);
        else {
          const councils = { barredBy, ...(protectedBy && { protectedBy }) };
          await recordBarred({ ...unchecked, cause: BARRED, ...councils });
        }
      }
      return couldNotCheck(result.cause, admitted);
    }
    const { authorities } = rehearsal?.kind === 'behind' ? rehearsal : readiness;
    try {
      const body = words({ auditId, coverage: state, authorities, result }, admitted, request);
      return { kind: 'answered', body, notDelivered };
    } catch (error) {
      notDelivered();
      return couldNotCheck(errorFields(error).error ?? 'answer', admitted);
    }
  };
}
export type LookUp = ReturnType<typeof createLookup>;
