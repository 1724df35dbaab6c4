import type { Figures } from '#store/figures.ts';
import { type Looked, SECONDS } from './metrics.ts';

/** What runs in a process: a role, and versions, without white space. */
export type Running = { role: string; version: string; node: string; openssl: string };

/** What one process says about one minute. */
export type ProcessMinute = Looked & {
  instance: string;
  running: Running | undefined;
  /** How often it reported, and how often a lookup would have been answered at that time. */
  reports: number;
  ready: number;
  /** Checks of its `/_status` that did not pass, by name. */
  failing: readonly string[];
  /** It ended in order. */
  ended: boolean;
};

const MINUTE_MS = 60_000;
const REPORTED_EVERY_MS = 10_000;
/** While the store is away each minute is kept, so that checks not made show up afterwards. */
const MINUTES_KEPT = 60;
/** At a stop. */
const REPORTED_WITHIN_MS = 1_000;

export const minuteOf = (at: number): number => Math.floor(at / MINUTE_MS);

const BUCKETS: readonly string[] = [...SECONDS.map(String), 'more'];

type ReportsOptions = {
  figures: Pick<Figures, 'add'>;
  instance: string;
  running: Running;
  looked: () => Looked;
  isReady: () => boolean;
  checks: () => readonly { name: string; ok: boolean }[];
  now?: () => number;
};

/**
 * Reports every ten seconds how a process's lookups ended, whether it is ready and which of its checks fail:
 * only in numbers, and by names from closed lists. A report that the store does not take is sent later, for
 * its own minute; if the store's answer was lost, it may be reported twice.
 */
export function startReports(options: ReportsOptions) {
  const { figures, instance, looked, isReady, checks, now = Date.now } = options;
  const { role, version, node, openssl } = options.running;
  const waiting = new Map<number, Map<string, number>>();
  let before: Looked = { lookups: 0, couldNotCheck: 0, took: [] };
  let sending: Promise<void> | undefined;

  function note(ended: boolean): void {
    const minute = minuteOf(now());
    const amounts = waiting.get(minute) ?? new Map<string, number>();
    waiting.set(minute, amounts);
    const add = (name: string, amount: number): void => {
      const field = `${instance} ${name}`;
      if (amount !== 0) amounts.set(field, (amounts.get(field) ?? 0) + amount);
    };
    const newest = looked();
    add(`runs ${role} ${version} ${node} ${openssl}`, 1);
    add('reports', 1);
    add('ready', isReady() ? 1 : 0);
    add('lookups', newest.lookups - before.lookups);
    add('could-not-check', newest.couldNotCheck - before.couldNotCheck);
    BUCKETS.forEach((bucket, i) => {
      add(`took ${bucket}`, (newest.took[i] ?? 0) - (before.took[i] ?? 0));
    });
    for (const { name, ok } of checks()) add(`fails ${name}`, ok ? 0 : 1);
    add('ended', ended ? 1 : 0);
    before = newest;
    for (const kept of waiting.keys()) if (kept <= minute - MINUTES_KEPT) waiting.delete(kept);
  }

  async function send(): Promise<void> {
    for (const [minute, amounts] of waiting) {
      waiting.delete(minute);
      try {
        await figures.add(minute, amounts);
      } catch {
        const later = waiting.get(minute) ?? new Map<string, number>();
        for (const [name, amount] of amounts) later.set(name, (later.get(name) ?? 0) + amount);
        waiting.set(minute, later);
        return;
      }
    }
  }

  /** Resolves whether or not the store has taken it. */
  function report(ended = false): Promise<void> {
    note(ended);
    sending ??= send().finally(() => (sending = undefined));
    return sending;
  }

  const timer = setInterval(() => void report(), REPORTED_EVERY_MS).unref();
  // A starting process says nothing about itself yet, since nobody is sent to it.
  if (isReady()) void report();

  return {
    report: () => report(),
    async stop(): Promise<void> {
      clearInterval(timer);
      await sending;
      let patience: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        patience = setTimeout(resolve, REPORTED_WITHIN_MS);
      });
      await Promise.race([report(true), late]);
      clearTimeout(patience);
    },
  };
}

const FIELD = /^([0-9a-f-]{36}) ([a-z-]+)(?: ([!-~]+(?: [!-~]+){0,3}))?$/;
const CHECK_NAME = /^[a-z0-9:-]{1,60}$/;
const WORD_AT_MOST = 40;

/** What processes reported for a minute. Names and numbers that no process writes are ignored. */
export function readReports(minute: ReadonlyMap<string, number>): ProcessMinute[] {
  const found = new Map<string, ProcessMinute & { took: number[]; failing: string[] }>();
  const of = (instance: string) => {
    const known = found.get(instance) ?? {
      instance,
      running: undefined,
      reports: 0,
      ready: 0,
      lookups: 0,
      couldNotCheck: 0,
      took: BUCKETS.map(() => 0),
      failing: [],
      ended: false,
    };
    found.set(instance, known);
    return known;
  };
  for (const [field, amount] of minute) {
    const [, instance, name = '', more = ''] = FIELD.exec(field) ?? [];
    if (instance === undefined || !Number.isSafeInteger(amount) || amount < 1) continue;
    const process = of(instance);
    switch (name) {
      case 'reports':
      case 'ready':
      case 'lookups':
        process[name] = amount;
        break;
      case 'could-not-check':
        process.couldNotCheck = amount;
        break;
      case 'took': {
        const bucket = BUCKETS.indexOf(more);
        if (bucket >= 0) process.took[bucket] = amount;
        break;
      }
      case 'fails':
        if (CHECK_NAME.test(more)) process.failing.push(more);
        break;
      case 'ended':
        process.ended = true;
        break;
      case 'runs': {
        const [role = '', version = '', node = '', openssl = ''] = more
          .split(' ')
          .map((word) => word.slice(0, WORD_AT_MOST));
        process.running = { role, version, node, openssl };
        break;
      }
    }
  }
  // Anything without a report was made up.
  return [...found.values()].filter(({ reports }) => reports > 0);
}
