import type { OdsCode } from '#schemas/authority.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import type { Finding, RecordCode } from '#schemas/uploads/acknowledgement.ts';
import type { InactiveNumber } from '#schemas/uploads/notice.ts';
import { TRACING } from '#schemas/wording/loads.ts';
import { TRACING_HINTS } from '#schemas/wording/records.ts';
import type { WaitingPerson } from '../spool/waiting-people.ts';
import type { CheckedRecord, CheckedSubject } from './check.ts';
import { shownLocalId } from './findings.ts';
import {
  type NumberTracer,
  NumberTracingUnavailable,
  TRACED_AT_ONCE,
  type Traced,
  type TraceOutcome,
} from './tracing/tracer.ts';

const TRACE_DEADLINE_MS = 60_000;

/** What tracing found out about a record. */
export type NumberTrace = {
  failures: Finding[];
  warnings: Finding[];
  inactive: InactiveNumber[];
  /** People who could not be traced now. If there are any, the record waits. */
  untraced: CheckedSubject[];
};

/**
 * Traces the people of some records, including those already refused, so that every fault is known at once. A
 * person without a readable number or date of birth has been refused for that.
 *
 * A delete is never refused for what tracing finds: it must be possible to take back a plan entered under a
 * wrong number, and a delete shows nothing to anybody.
 *
 * @param ended once aborted, nobody else is asked about
 * @throws {NumberTracingUnavailable} if the tracer is unavailable, or does not answer in time
 */
export async function traceNumbers(
  tracer: NumberTracer,
  records: readonly { number: number; checked: CheckedRecord }[],
  authority?: OdsCode,
  ended?: AbortSignal,
): Promise<NumberTrace[]> {
  const asked = records.flatMap(({ number, checked }, index) =>
    checked.subjects.flatMap((subject) => {
      const person = traced(subject);
      return person === undefined ? [] : [{ index, number, checked, subject, person }];
    }),
  );
  const outcomes: TraceOutcome[] = [];
  for (let at = 0; at < asked.length; at += TRACED_AT_ONCE) {
    const people = asked.slice(at, at + TRACED_AT_ONCE).map(({ person }) => person);
    const told = await askInTime(tracer, people, authority, ended);
    if (told.length !== people.length) throw new Error('The tracer left out an answer.');
    outcomes.push(...told);
  }
  const results = records.map(
    (): NumberTrace => ({
      failures: [],
      warnings: [],
      inactive: [],
      untraced: [],
    }),
  );
  asked.forEach(({ index, number, checked, subject }, i) => {
    const outcome = outcomes[i];
    const result = results[index];
    if (outcome === undefined || result === undefined) return;
    if (outcome.kind === 'not-traced') {
      if (!isDeleteOnly(checked, subject)) result.untraced.push(subject);
      return;
    }
    const finding = findingOf(number, subject, outcome);
    if (finding === undefined) return;
    if (isDeleteOnly(checked, subject)) result.warnings.push({ ...finding, code: 'CPR06' });
    else result.failures.push(finding);
    result.inactive.push(...inactiveOf(subject, outcome));
  });
  return results;
}

/**
 * Traces people whose records waited for it; `undefined` for each person who still waits.
 *
 * @param ended once aborted, nobody else is asked about, and the others continue to wait
 * @throws {NumberTracingUnavailable} if the tracer is unavailable, or does not answer in time
 */
export async function traceWaiting(
  tracer: NumberTracer,
  people: readonly WaitingPerson[],
  authority: OdsCode,
  ended: AbortSignal,
): Promise<({ failures: Finding[]; inactive: InactiveNumber[] } | undefined)[]> {
  const outcomes = await askInTime(tracer, people, authority, ended);
  return outcomes.map((outcome, i) => {
    const person = people[i];
    if (person === undefined || outcome.kind === 'not-traced') return undefined;
    const finding = findingOf(person.record, person, outcome);
    const failures = finding === undefined ? [] : [finding];
    return { failures, inactive: inactiveOf(person, outcome) };
  });
}

function inactiveOf(
  { nhsNumber, localId }: Pick<CheckedSubject, 'nhsNumber' | 'localId'>,
  outcome: TraceOutcome,
): InactiveNumber[] {
  if (outcome.kind !== 'inactive' || nhsNumber === undefined) return [];
  const { replacedBy } = outcome;
  return [
    {
      nhsNumber,
      ...(localId !== '' && { localId }),
      ...(replacedBy !== undefined && { replacedBy }),
    },
  ];
}

function traced({ nhsNumber, dateOfBirth, names }: CheckedSubject): Traced | undefined {
  if (nhsNumber === undefined || dateOfBirth === undefined) return undefined;
  return {
    nhsNumber,
    dateOfBirth,
    givenName: names?.given ?? '',
    familyName: names?.family ?? '',
  };
}

const askInTime = (
  tracer: NumberTracer,
  people: readonly Traced[],
  authority: OdsCode | undefined,
  ended?: AbortSignal,
): Promise<readonly TraceOutcome[]> =>
  withDeadline(
    (late) =>
      ask(tracer, people, ended === undefined ? late : AbortSignal.any([late, ended]), authority),
    tracer.deadlineMs,
  );

async function ask(
  tracer: NumberTracer,
  people: readonly Traced[],
  signal: AbortSignal,
  authority: OdsCode | undefined,
): Promise<readonly TraceOutcome[]> {
  try {
    return await tracer.trace(people, signal, authority);
  } catch (error) {
    if (error instanceof NumberTracingUnavailable) throw error;
    throw asFailed(error);
  }
}

/** An error of a tracer may repeat what it was asked, so only its name is passed on. */
const asFailed = (error: unknown): Error =>
  new Error(`The tracer failed (${error instanceof Error ? error.name : 'no error'}).`);

async function withDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  deadlineMs = TRACE_DEADLINE_MS,
): Promise<T> {
  const deadline = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      deadline.abort();
      reject(new NumberTracingUnavailable(TRACING.late));
    }, deadlineMs);
  });
  try {
    return await Promise.race([work(deadline.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

function isDeleteOnly(checked: CheckedRecord, { kind, nhsNumber }: CheckedSubject): boolean {
  if (checked.kind === 'refused') return false;
  const rows = checked.rows.filter(
    ({ row }) => row.nhsNumber === nhsNumber && PLAN_TYPES[row.type].subject === kind,
  );
  return rows.every(({ row }) => row.deleteDate !== undefined);
}

function findingOf(
  record: number,
  { place, localId }: Pick<CheckedSubject, 'place' | 'localId'>,
  outcome: Exclude<TraceOutcome, { kind: 'not-traced' }>,
): Finding | undefined {
  const finding = (code: RecordCode, hint: string, field = 'nhs_number'): Finding => ({
    code,
    place,
    record,
    field,
    ...shownLocalId(localId),
    hint,
  });
  switch (outcome.kind) {
    case 'verified':
      return undefined;
    case 'no-match':
      return finding('CPR01', TRACING_HINTS.noMatch);
    case 'sensitive':
      return finding('CPR02', TRACING_HINTS.sensitive);
    case 'not-verified':
      return finding('CPR03', TRACING_HINTS.notVerified(outcome.differs), outcome.differs[0]);
    case 'inactive':
      return outcome.replacedBy === undefined
        ? finding('CPR01', TRACING_HINTS.notInUse)
        : finding('CPR05', TRACING_HINTS.replaced);
  }
}
