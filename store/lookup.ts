// One file, since sending and reading the reply must match lookup.lua word for word.

import type { Redis } from 'ioredis';
import type { RecordedEvent } from '#schemas/audit/audit-event.ts';
import type { CalendarDate } from '#schemas/calendar.ts';
import {
  ACCESS_COLLAPSE_HOURS,
  ACCESSES_SHOWN,
  type CouldNotCheckCause,
  type DateOfBirthResult,
  dateOfBirthResults,
  STORE_CAUSES,
} from '#schemas/lookup.ts';
import { type NhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import type { Access } from '#schemas/people/care-setting.ts';
import { PLAN_STATUSES, type PlanStatus, type PlanType } from '#schemas/plans/plan.ts';
import { appendEvent } from './audit-stream/events.ts';
import type { Lane, Lanes } from './connection/lanes.ts';
import { list } from './connection/reply.ts';
import { FUNCTIONS } from './functions/functions.ts';
import { keys } from './keys.ts';
import { unpackRow } from './rows/rows.ts';
import type { ExpectedEvent } from './trust/event-numbers.ts';
import type { Readiness } from './trust/readiness.ts';

export type LookupInput = {
  nhsNumber: NhsNumber;
  /** A new UUID. */
  auditId: string;
  /** JSON of a lookup event; opaque to the store. */
  event: string;
  /** Days since 1970 of the date of birth given, if any. */
  dateOfBirthDay?: number | undefined;
  access: Access;
  /** Whether the answer has room for who looked before; the event lists no more than is shown. */
  showAccesses: boolean;
  /** The person looking, one text for each user of an issuer: their looks within 24 hours are one entry. */
  userKey: string;
  /** JSON that later callers are shown of this access: name, role, roleCode, organisation (code, name). */
  accessEntry: string;
  /** False if coverage is too low for a negative: nothing found is then could-not-check. */
  negativesAllowed: boolean;
};

export type ShownPlan = {
  type: PlanType;
  authority: string;
  startDate: CalendarDate;
  endDate?: CalendarDate;
  status: PlanStatus;
  dateOfBirth: DateOfBirthResult;
};

/** A user's looks at a child within 24 hours; name, role and organisation are those of the latest. */
export type ListedAccess = {
  /** The time of the latest: milliseconds, by the store's clock. */
  at: number;
  /** The time of the first. */
  since: number;
  /** The number of looks. */
  count: number;
  own: boolean;
  /** The access entry as it was given. */
  entry: string;
  name: string;
  role: string;
  /** If it was listed with one. */
  roleCode?: string;
  organisation: { code: string; name: string };
  /** A council keeps back where the child was looked up: all names and codes are empty. */
  withheld?: true;
};

export type LookupResult =
  | {
      kind: 'flagged';
      at: number;
      plans: ShownPlan[];
      /**
       * `withheld`: the child's record is sensitive. `unreadable`: somebody else has written to the list. The
       * flag is still shown, and its event lists nobody.
       */
      accesses: ListedAccess[] | 'unreadable' | 'withheld';
    }
  | { kind: 'not-flagged'; at: number }
  | {
      kind: 'could-not-check';
      /** For a barred user: the same as if the store had not answered. */
      cause: CouldNotCheckCause;
      /** Codes of the councils that bar the user from the child. For the audit alone. */
      barredBy?: string[];
      /** Codes of the councils that keep back where the child is looked up, the oldest protection first. */
      protectedBy?: string[];
    };

export type LookupStore = {
  /**
   * What is held for a number, with its audit event on disk before this resolves. Never rejects: whatever
   * goes wrong is `could-not-check`. Lookups made in one turn of the event loop share a call.
   */
  lookup(input: LookupInput): Promise<LookupResult>;
  /** Lookups that wait for their answer. */
  underWay(): number;
  /** Resolves once no lookup is under way; within the deadline of a command. */
  idle(): Promise<void>;
  /** Records an event beside the lookups, in its number's partition. Rejects if it is not on disk. */
  record(event: RecordedEvent): Promise<void>;
};

const LOOKUPS_A_CALL = 64;
const KEYS_OF_A_LOOKUP = 4;
const CLOCK_TOLERANCE_MS = 5_000;
const COLLAPSE_MS = ACCESS_COLLAPSE_HOURS * 3_600_000;
/** How often to check, while every lane is busy, whether lookups may still be answered. */
const LOOKED_AT_EVERY_MS = 100;

type Waiting = {
  input: LookupInput;
  partition: number;
  /** Its event, once that is sent. */
  expected: ExpectedEvent | undefined;
  resolve: (result: LookupResult) => void;
};
/** Lookups that share a call, on their way. */
type Call = {
  batch: readonly Waiting[];
  dataset: string;
  sentAt: number;
  reply: Promise<unknown>;
};

const couldNotCheck = (cause: CouldNotCheckCause): LookupResult => ({
  kind: 'could-not-check',
  cause,
});

/** Lookups that wait for replicas. */
export type ReplicatedLookups = {
  lanes: Lanes;
  /** A connection whose writes count as done once replicas have them. */
  records: Redis;
};

/**
 * @param options.clock milliseconds since 1970; given in tests of a clock gone wrong
 * @param options.called called with each call: how many lookups it was for, how long it took, whether it failed
 * @param options.replicated set if an answer waits until replicas have its event
 */
export function createLookupStore(
  redis: Redis,
  readiness: Readiness,
  options: {
    clock?: () => number;
    called?: ((lookups: number, milliseconds: number, failed: boolean) => void) | undefined;
    replicated?: ReplicatedLookups | undefined;
  } = {},
): LookupStore {
  const clock = options.clock ?? Date.now;
  const { called, replicated } = options;
  let waiting: Waiting[] = [];
  let sent = 0;
  let lookingAgain: NodeJS.Timeout | undefined;
  const calls = new Set<Promise<void>>();

  function flush(): void {
    if (replicated === undefined) dispatch(take(), (batch, dataset) => send(batch, dataset, redis));
    else flushLanes(replicated.lanes);
  }

  function take(): Waiting[] {
    const all = waiting;
    waiting = [];
    return all;
  }

  /** Sends lookups in calls that are not too large, if lookups may be answered. */
  function dispatch(
    all: readonly Waiting[],
    begin: (batch: readonly Waiting[], dataset: string) => Call,
    acknowledged?: () => Promise<boolean>,
  ): void {
    // Checked here, and not when the lookup came in: readiness may have been withdrawn within the turn.
    const dataset = readiness.open ? readiness.dataset : undefined;
    if (dataset === undefined) return refuse(all, 'closed');
    for (let from = 0; from < all.length; from += LOOKUPS_A_CALL) {
      const batch = all.slice(from, from + LOOKUPS_A_CALL);
      sent += batch.length;
      const sending = finish(begin(batch, dataset.id), acknowledged).finally(() => {
        sent -= batch.length;
        calls.delete(sending);
      });
      calls.add(sending);
    }
  }

  function refuse(all: readonly Waiting[], cause: CouldNotCheckCause): void {
    for (const { resolve } of all) resolve(couldNotCheck(cause));
  }

  /** All waiting lookups go with a free lane; if none is free, they wait for one. */
  function flushLanes(lanes: Lanes): void {
    if (waiting.length === 0) return;
    const lane = readiness.open && readiness.run !== undefined ? lanes.free(readiness.run) : 'none';
    if (lane === 'busy') {
      lookingAgain ??= setTimeout(() => {
        lookingAgain = undefined;
        flushLanes(lanes);
      }, LOOKED_AT_EVERY_MS);
    } else if (lane === 'none') refuse(take(), readiness.open ? 'store' : 'closed');
    else sendOn(lane, take());
  }

  function sendOn(lane: Lane, all: readonly Waiting[]): void {
    let acknowledged: Promise<boolean> = Promise.resolve(false);
    const { run } = lane;
    const group = lane.send(readiness.replicasRequired, (carrier) =>
      dispatch(
        all,
        (batch, dataset) => send(batch, dataset, carrier),
        async () => {
          if (!(await acknowledged)) {
            readiness.notReplicated();
            return false;
          }
          readiness.sawReplicated();
          return run === readiness.run;
        },
      ),
    );
    ({ acknowledged } = group);
  }

  function send(batch: readonly Waiting[], dataset: string, carrier: Redis): Call {
    // One list: ioredis copies what it is given three times.
    const call: (string | number)[] = [FUNCTIONS.lookup, KEYS_OF_A_LOOKUP * batch.length];
    for (const { partition } of batch) {
      call.push(
        keys.children(partition),
        keys.accessLists(partition),
        keys.audit(partition),
        keys.notInUse(partition),
      );
    }
    call.push(dataset, clock(), CLOCK_TOLERANCE_MS, COLLAPSE_MS, ACCESSES_SHOWN);
    for (const waiter of batch) {
      const { input, partition } = waiter;
      const event = readiness.expectEvent(partition);
      waiter.expected = event;
      call.push(
        input.nhsNumber,
        input.auditId,
        input.event,
        readiness.generation(partition),
        input.dateOfBirthDay ?? '',
        input.access,
        input.negativesAllowed ? '1' : '0',
        input.showAccesses ? '1' : '0',
        input.userKey,
        input.accessEntry,
        event.after,
      );
    }
    const sentAt = performance.now();
    const reply = carrier.call('fcall', call);
    return { batch, dataset, sentAt, reply };
  }

  async function finish(
    { batch, dataset, sentAt, reply }: Call,
    acknowledged: (() => Promise<boolean>) | undefined,
  ): Promise<void> {
    let replied: unknown[] = [];
    let at = 0;
    let failed = true;
    try {
      replied = list(await reply);
      at = Number(replied[0]);
      failed = false;
    } catch {
      // Each is answered could-not-check below. The next readiness poll finds the reason.
    }
    called?.(batch.length, performance.now() - sentAt, failed);
    // Nothing that a replica may lack is remembered or compared with later replies.
    if (acknowledged !== undefined && !(await acknowledged()) && !failed) {
      batch.forEach((waiter, i) =>
        waiter.resolve(withoutReplicas(waiter, replied[i + 1], at, readiness)),
      );
      return;
    }
    // Before any waiting: what later calls see is compared with this.
    const read = batch.map((waiter, i) => readResult(waiter, replied[i + 1], at, readiness));
    // An authority's first rows exist a moment before the directory's next poll finds its name.
    if (read.some((result) => namesUnknownAuthority(result, readiness))) await readiness.refresh();
    // An answer is not given if the store's clock or the connection came into doubt before it.
    const trusted = readiness.open && readiness.dataset?.id === dataset;
    batch.forEach(({ resolve }, i) =>
      resolve((trusted ? read[i] : undefined) ?? couldNotCheck('store')),
    );
  }

  replicated?.lanes.onFree(flush);

  return {
    lookup: (input) =>
      new Promise((resolve) => {
        if (waiting.length === 0) setImmediate(flush);
        const partition = partitionOf(input.nhsNumber);
        waiting.push({ input, partition, expected: undefined, resolve });
      }),
    underWay: () => sent + waiting.length,
    async idle() {
      // Callers continue first, so that they have recorded what they must.
      do {
        await Promise.all(calls);
        await new Promise((resolve) => setImmediate(resolve));
      } while (waiting.length > 0 || calls.size > 0);
    },
    async record(event) {
      const nhsNumber = 'nhsNumber' in event ? event.nhsNumber : undefined;
      const partition = nhsNumber === undefined ? 'system' : partitionOf(nhsNumber as NhsNumber);
      await appendEvent(replicated?.records ?? redis, event, partition);
    },
  };
}

/**
 * What a lookup becomes if no replica acknowledged its group in time. Its event may stay or be lost. So if the event
 * says that an answer was shown, another event must say that it was not.
 */
function withoutReplicas(
  { partition, expected }: Waiting,
  reply: unknown,
  at: number,
  readiness: Readiness,
): LookupResult {
  if (expected !== undefined) readiness.sawEvent(partition, expected, undefined);
  const [tag, , , detail, by, protecting] = list(reply);
  return tag === 'could-not-check' && Number.isSafeInteger(at)
    ? unchecked(detail, by, protecting)
    : couldNotCheck('not-replicated');
}

/**
 * Reads one element of the function's reply. It must name exactly the event and number sent; anything not
 * written exactly as the function writes it is could-not-check.
 */
function readResult(
  { input, partition, expected }: Waiting,
  reply: unknown,
  at: number,
  readiness: Readiness,
): LookupResult {
  // By position, since every lookup's is read: destructuring by an iterator takes ten times as long.
  const parts = list(reply);
  const tag = parts[0];
  const detail = parts[3];
  const eventNumber = parts[4];
  const asked = parts[1] === input.auditId && parts[2] === input.nhsNumber;
  const recorded = asked && typeof detail === 'number' && typeof eventNumber === 'number';
  const isNew =
    expected !== undefined &&
    readiness.sawEvent(partition, expected, recorded ? eventNumber : undefined);
  if (!asked || !Number.isSafeInteger(at)) return couldNotCheck('store');
  if (tag === 'could-not-check') {
    if (detail === 'events-missing') readiness.missedEvents();
    return unchecked(detail, eventNumber, parts[5]);
  }
  if (!recorded) return couldNotCheck('store');
  readiness.sawGeneration(partition, detail);
  if (!isNew) return couldNotCheck('incomplete');
  if (tag === 'not-flagged') return { kind: 'not-flagged', at };
  if (tag !== 'flagged') return couldNotCheck('store');
  const plans = list(parts[5]).map((row) => readPlan(input.nhsNumber, row));
  const accesses = parts[6];
  if (plans.length === 0 || !plans.every((plan) => plan !== undefined)) {
    return couldNotCheck('corrupt');
  }
  const listed =
    accesses === 'unreadable' || accesses === 'withheld'
      ? accesses
      : list(accesses).map(readAccess);
  return { kind: 'flagged', at, plans, accesses: listed };
}

const namesUnknownAuthority = (result: LookupResult, readiness: Readiness): boolean =>
  result.kind === 'flagged' &&
  result.plans.some(({ authority }) => !readiness.authorities.has(authority));

function readPlan(nhsNumber: NhsNumber, reply: unknown): ShownPlan | undefined {
  const [packed, status, dateOfBirth] = list(reply);
  if (typeof packed !== 'string' || !isStatus(status) || !isDateOfBirthResult(dateOfBirth)) {
    return undefined;
  }
  try {
    const { type, authority, startDate, endDate } = unpackRow(nhsNumber, packed);
    return {
      type,
      authority,
      startDate,
      ...(endDate !== undefined && { endDate }),
      status,
      dateOfBirth,
    };
  } catch {
    return undefined;
  }
}

function readAccess(reply: unknown): ListedAccess {
  const [at, own, since, count, entry, name, role, roleCode, code, organisation] = list(reply);
  return {
    at: Number(at),
    since: Number(since),
    count: Number(count),
    own: own === 1,
    entry: String(entry),
    name: String(name),
    role: String(role),
    ...(roleCode !== '' && { roleCode: String(roleCode) }),
    organisation: { code: String(code), name: String(organisation) },
    ...(name === '' && { withheld: true }),
  };
}

const unchecked = (detail: unknown, by: unknown, protecting: unknown): LookupResult =>
  detail === 'barred' && typeof by === 'string'
    ? {
        kind: 'could-not-check',
        cause: 'store',
        barredBy: by.split(','),
        ...(typeof protecting === 'string' && { protectedBy: protecting.split(',') }),
      }
    : couldNotCheck(causeOf(detail));

/** What the lookup function calls its causes; it distinguishes a gap in the events from one in the rows. */
const causeOf = (detail: unknown): CouldNotCheckCause =>
  detail === 'events-missing'
    ? 'incomplete'
    : (STORE_CAUSES.find((cause) => cause === detail) ?? 'store');
const isStatus = (value: unknown): value is PlanStatus =>
  PLAN_STATUSES.some((status) => status === value);
const isDateOfBirthResult = (value: unknown): value is DateOfBirthResult =>
  dateOfBirthResults.some((result) => result === value);
