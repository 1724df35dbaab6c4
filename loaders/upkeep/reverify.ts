import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { isOver } from '#schemas/plans/plan.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import type { NumberState } from '#store/rows/not-in-use.ts';
import { unpackRow } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Retrieved } from '../check/tracing/pds/client.ts';
import type { PdsTracer } from '../check/tracing/pds/pds-tracer.ts';
import { NumberTracingUnavailable } from '../check/tracing/tracer.ts';

/** A number no longer in use, for one of the authorities with plans under it. */
export type FoundInactive = {
  authority: OdsCode;
  /** The number of the file that brought its plan, with the authority's offset. */
  sequence: number;
  nhsNumber: NhsNumber;
  localId: string;
  /** Only if name and date of birth are those that this authority sent. */
  replacedBy: NhsNumber | undefined;
};

type ReverifyOptions = {
  tracer: Pick<PdsTracer, 'asking' | 'memory'>;
  /** A number checked since then is not due. Milliseconds since 1970. */
  since: number;
  /** On disk when it resolves, because it is reported only once. */
  onInactive: (found: readonly FoundInactive[]) => Promise<void>;
  /** The number's record has become sensitive. On disk when it resolves. */
  onSensitive: (nhsNumber: NhsNumber, held: readonly PlanRow[]) => Promise<void>;
  /** Once aborted, no other number is checked and nothing is waited for. */
  signal: AbortSignal;
  now?: () => number;
};

/**
 * Checks again the number of each person with a plan shown: it reports one that was replaced or withdrawn, or whose
 * record has become sensitive, and changes no plan. Lookups use what was found at once. New rows go first: each request
 * waits for an idle moment. The numbers due are found once; call it again for those that become due later.
 *
 * @returns `looked`: how many were checked. `unknown`: how many the service does not know at all. Authorities are not
 * told: a verified number does not become unknown, so this may be a different service from before. `failure`: what the
 * first failed report threw; that report is made at the next call
 * @throws {NumberTracingUnavailable} if it cannot continue
 */
export async function reverifyNumbers(
  store: Pick<Store, 'scan' | 'markNumber'>,
  { tracer, since, onInactive, onSensitive, signal, now = Date.now }: ReverifyOptions,
): Promise<{ looked: number; unknown: number; failure?: { error: unknown } }> {
  const { memory } = tracer;
  const due = new Map<NhsNumber, PlanRow[]>();
  const seconds = now() / 1000;
  await store.scan((nhsNumber, packed) => {
    const row = unpackRow(nhsNumber, packed);
    if (isOver(row, seconds)) return;
    const rows = due.get(nhsNumber);
    if (rows !== undefined) rows.push(row);
    else if (!memory.wasLookedAt(nhsNumber, since)) due.set(nhsNumber, [row]);
  });
  const counts = { looked: 0, unknown: 0 };
  let failure: { error: unknown } | undefined;
  for (const [nhsNumber, rows] of due) {
    const [first] = rows;
    if (first === undefined || signal.aborted) break;
    // New rows may have brought it meanwhile.
    if (memory.wasLookedAt(nhsNumber, since)) continue;
    let found: Retrieved;
    try {
      found = await tracer.asking(
        (pds) => pds.retrieve(nhsNumber, odsCodeSchema.parse(first.authority), false, signal),
        signal,
      );
    } catch (error) {
      if (signal.aborted) break;
      if (!(error instanceof NumberTracingUnavailable) || !('inARow' in error)) throw error;
      // A record that cannot be fetched is checked another time.
      continue;
    }
    counts.looked += 1;
    const state = stateOf(nhsNumber, found);
    if (state === undefined) counts.unknown += 1;
    else {
      const before = await store.markNumber(nhsNumber, '?');
      // A withdrawn number that was sensitive stays that.
      const isKnown =
        state === before || (state === 'not-in-use' && before === 'sensitive-not-in-use');
      if (!isKnown) {
        // First: what a lookup hides, or does not call a negative, must not wait for a report that cannot be written.
        if (state !== 'in-use') await store.markNumber(nhsNumber, state, { told: false });
        try {
          if (state === 'not-in-use' || state === 'sensitive-not-in-use') {
            await onInactive(inactiveFor(nhsNumber, rows, found, memory));
          }
          if (state === 'sensitive' || state === 'sensitive-not-in-use') {
            await onSensitive(nhsNumber, rows);
          }
        } catch (error) {
          // A notice that something is in the way of, say: reported another time.
          failure ??= { error };
          continue;
        }
        await store.markNumber(nhsNumber, state);
      }
    }
    memory.rememberLooked(nhsNumber, now(), state === 'in-use');
  }
  return { ...counts, ...(failure !== undefined && { failure }) };
}

/** `undefined` if the number is wholly unknown. */
function stateOf(nhsNumber: NhsNumber, found: Retrieved): NumberState | undefined {
  switch (found.kind) {
    case 'unknown':
      return undefined;
    case 'invalidated':
      return 'not-in-use';
    case 'patient': {
      const { sensitive, nhsNumber: present } = found.patient;
      if (present === nhsNumber) return sensitive ? 'sensitive' : 'in-use';
      return sensitive ? 'sensitive-not-in-use' : 'not-in-use';
    }
  }
}

/**
 * Separately for each authority: an old number proves nothing about a council that did not send the date of
 * birth and name.
 */
function inactiveFor(
  nhsNumber: NhsNumber,
  rows: readonly PlanRow[],
  found: Retrieved,
  memory: PdsTracer['memory'],
): FoundInactive[] {
  return [...Map.groupBy(rows, ({ authority }) => authority)].flatMap(([code, own]) => {
    const authority = odsCodeSchema.parse(code);
    const [latest] = own.toSorted((one, other) => other.sequence - one.sequence);
    if (latest === undefined) return [];
    const { sequence, localId, dateOfBirth } = latest;
    const proved =
      found.kind === 'patient' &&
      // The old number of an adopted child must not lead to the new one.
      !found.patient.sensitive &&
      found.patient.dateOfBirth === dateOfBirth &&
      memory.wasSentAs(authority, { nhsNumber, dateOfBirth }, found.patient.names);
    const replacedBy = proved ? found.patient.nhsNumber : undefined;
    return [{ authority, sequence, nhsNumber, localId, replacedBy }];
  });
}
