import type { OwnCheck } from '#schemas/status.ts';
import { ANSWERING, OPERATOR } from '#schemas/wording/operator.ts';
import { DECISIONS, REPAIR } from '#schemas/wording/operator-decisions.ts';
import { timeText } from '#schemas/wording/times.ts';
import type { ReadFailure } from '#store/connection/connection.ts';
import type { ReadinessCheck } from '#store/trust/readiness.ts';
import type { AwaitedName, DecisionName } from '../../confirm/decisions.ts';
import { COUNCILS_PAGE } from '../desk/desks.ts';
import { decisionPath } from './decisions.ts';
import type { Expiry } from './expiries.ts';
import { isForLookups, nameOf, type ProcessState } from './processes.ts';
import { REPAIR_PAGE } from './repair.ts';
import { RUNBOOK_PATH, type Runbook } from './runbook.ts';

/** One thing that needs attention. */
export type Concern = {
  level: keyof typeof ANSWERING.levels;
  text: string;
  /** ISO 8601. */
  since?: string | undefined;
  to: { href: string; text: string };
};

/** A check of this process's `/_status`, by the name it has there. */
export type NamedCheck = {
  name: string;
  ok: boolean;
  detail: string;
  since?: string | undefined;
  stops: boolean;
  isCopyAway?: boolean | undefined;
};

/** All that `/_status` of this process says. */
export const namedChecks = (
  store: readonly ReadinessCheck[],
  own: readonly OwnCheck[],
): NamedCheck[] => [
  ...store.map(({ name, ok, detail, since, advisory }) => ({
    name: `store:${name}`,
    ok,
    detail,
    since,
    stops: advisory !== true,
  })),
  ...own.map(({ name, ok, detail, since, stops, isCopyAway }) => ({
    name,
    ok,
    detail,
    since,
    stops: stops === true,
    isCopyAway,
  })),
];

/** `withheld`: they are, but where no plan is found the answer is could-not-check. */
export type Answering = 'all' | 'withheld' | 'some' | 'none' | 'unknown';

type AnsweringOf = {
  /** Whether the store can be trusted, as far as this process knows. */
  isStoreReady: boolean;
  /** Whether this process is ready, if it answers lookups itself. */
  isOwnReady: boolean | undefined;
  instance: string;
  /** Whether enough councils are up to date to say that there is no plan. */
  negativesAllowed: boolean;
  /** `undefined` if nobody knows what others report. */
  processes: readonly ProcessState[] | undefined;
};

/** Whether lookups are answered, by this process and by those that reported within the last minutes. */
export function answering({
  isStoreReady,
  isOwnReady,
  instance,
  negativesAllowed,
  processes = [],
}: AnsweringOf): Answering {
  if (!isStoreReady) return 'none';
  const others = processes
    .filter((each) => each.instance !== instance && isForLookups(each))
    .filter(({ state }) => state !== 'silent' && state !== 'ended')
    // In its last minute it both did and did not: its numbers do not say which came last.
    .flatMap(({ state }) => (state === 'partly' ? [true, false] : [state === 'ready']));
  const all = isOwnReady === undefined ? others : [isOwnReady, ...others];
  if (all.length === 0) return 'unknown';
  if (all.every(Boolean)) return negativesAllowed ? 'all' : 'withheld';
  return all.some(Boolean) ? 'some' : 'none';
}

const toDecision = (name: DecisionName): Concern['to'] => ({
  href: decisionPath(name),
  text: DECISIONS.titles[name],
});

/** Checks about which something can be done on a page. */
const PAGES_OF_CHECKS: Readonly<Record<string, Concern['to']>> = {
  'store:replicas': toDecision('replicas'),
  'store:single-mode': toDecision('replicas'),
  'audit-copy': toDecision('copy'),
  'store:foreign-writes': { href: REPAIR_PAGE, text: REPAIR.title },
};

type WhatToDo = (check: string) => Concern['to'];

function concernsOfProcess(process: ProcessState, whatToDo: WhatToDo): Concern[] {
  const { state, failing, lastAt } = process;
  const name = nameOf(process);
  const to = { href: '/operator/running', text: OPERATOR.running };
  if (state === 'ended') return [];
  if (state === 'silent') {
    return [{ level: 'warns', text: ANSWERING.processSilent(name, timeText(lastAt)), to }];
  }
  const [first] = failing;
  const checks: Concern[] =
    first === undefined
      ? []
      : [
          {
            level: 'warns',
            text: ANSWERING.processFails(name, failing),
            to: whatToDo(first),
          },
        ];
  if (!isForLookups(process) || state === 'ready') return checks;
  const text = state === 'partly' ? ANSWERING.processPartly(name) : ANSWERING.processNotReady(name);
  return [{ level: 'partly', text, to }, ...checks];
}

type ConcernsOf = {
  checks: readonly NamedCheck[];
  runbook: Pick<Runbook, 'sectionOf'>;
  instance: string;
  processes: readonly ProcessState[] | ReadFailure;
  /** The councils that are out of date. */
  behind: readonly { code: string; name: string }[];
  expected: number;
  held: number;
  /** What a named person has to decide. */
  waiting: readonly AwaitedName[];
  expiries: readonly Expiry[];
  now: number;
};

const LEVELS = Object.keys(ANSWERING.levels) as Concern['level'][];

/**
 * Lists once what several checks say in the same words, at their most urgent level and with a link to a page if one has
 * it.
 */
function withoutRepeats(concerns: readonly Concern[]): Concern[] {
  const isRepeat = ({ text }: Concern, at: number): boolean =>
    concerns.some(
      (other, otherAt) =>
        other.text.includes(text) && (other.text.length > text.length || otherAt < at),
    );
  return concerns
    .filter((each, at) => !isRepeat(each, at))
    .map((each) => {
      const saying = concerns.filter(({ text }) => each.text.includes(text));
      const page = saying.find(({ to }) => !to.href.startsWith(RUNBOOK_PATH));
      const levels = saying.map(({ level }) => LEVELS.indexOf(level));
      return { ...each, level: LEVELS[Math.min(...levels)] ?? each.level, to: (page ?? each).to };
    });
}

const WARNED_BEFORE_MS = 30 * 86_400_000;

/** Everything that needs attention, worst first. */
export function concernsOf(of: ConcernsOf): Concern[] {
  const { checks, runbook, instance, processes, behind, expected, held, waiting, expiries, now } =
    of;
  const whatToDo: WhatToDo = (check) =>
    PAGES_OF_CHECKS[check] ?? {
      href: `${RUNBOOK_PATH}#${runbook.sectionOf(check)}`,
      text: OPERATOR.whatToDo,
    };
  const only = behind.length === 1 ? behind[0] : undefined;
  const failing = checks.filter(({ ok }) => !ok);
  const known = new Set(failing.map(({ name }) => name));
  const others = (typeof processes === 'string' ? [] : processes)
    .filter((each) => each.instance !== instance)
    // A check that fails here too is listed once, with what to do.
    .map((each) => ({ ...each, failing: each.failing.filter((name) => !known.has(name)) }));
  const isStopped = failing.some(({ stops }) => stops);
  const concerns: Concern[] = [
    ...waiting.map(
      (name): Concern => ({
        level: isStopped ? 'stops' : 'warns',
        text: DECISIONS.waits[name],
        to: toDecision(name),
      }),
    ),
    ...withoutRepeats(
      failing.map(({ name, detail, since, stops, isCopyAway }) => ({
        // Lookups that find a plan are answered.
        level: stops ? 'stops' : name.startsWith('coverage:') ? 'partly' : 'warns',
        text: detail,
        since,
        to: whatToDo(isCopyAway === true ? 'audit-copy' : name),
      })),
    ),
    ...others.flatMap((each) => concernsOfProcess(each, whatToDo)),
    ...(typeof processes === 'string'
      ? [{ level: 'warns', text: ANSWERING.noFigures[processes], to: whatToDo('') } as const]
      : []),
    ...expiries.flatMap(({ what, endsAt, isFetched }): Concern[] => {
      if (endsAt === undefined || isFetched === true || endsAt - now > WARNED_BEFORE_MS) return [];
      const text =
        endsAt < now ? ANSWERING.expired(what) : ANSWERING.expires(what, timeText(endsAt));
      return [{ level: 'warns', text, to: whatToDo('tls:certificate') }];
    }),
    ...(held === 0
      ? []
      : [
          {
            level: 'warns',
            text: ANSWERING.held(held),
            to: { href: '/operator/files', text: OPERATOR.files },
          } as const,
        ]),
    ...(behind.length === 0
      ? []
      : [
          {
            level: 'warns',
            text: ANSWERING.behind(behind.length, expected),
            to:
              only === undefined
                ? { href: COUNCILS_PAGE, text: OPERATOR.councils }
                : { href: `${COUNCILS_PAGE}/${only.code}`, text: only.name },
          } as const,
        ]),
  ];
  return concerns.toSorted((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));
}
