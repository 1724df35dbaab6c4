import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Notification, notificationSchema } from '#schemas/notification.ts';
import type { LogEntry } from '#service/audit/seal/log-writer.ts';
import { NotificationFile } from '#service/notifications/notification-file.ts';
import { createNotifier, type NotifierOptions } from '#service/notifications/notifier.ts';
import { eventSource, openLog, signerOf } from './audit.ts';
import { nurseOf } from './lookup-event.ts';
import { testNumber } from './rows.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const WINDOW = 15 * MINUTE;
/** Nine in the morning, when a window starts. */
export const NINE = Date.UTC(2026, 10, 24, 9);

/** Minutes of a window of up to a thousand that began an hour ago, so that it ends during no test. */
export function longWindowMinutes(): string {
  const began = Date.now() / MINUTE - 60;
  return (began / Math.ceil(began / 1_000)).toFixed(6);
}

export const DIRECTORY = {
  authorities: [
    { code: 'ZZ101', name: 'Council ZZ101', sequenceOffset: 0 },
    { code: 'ZZ102', name: 'Council ZZ102', sequenceOffset: 1_000 },
  ],
  preferences: {},
};

export type Looked = {
  at: number;
  child?: number;
  user?: string;
  organisation?: string;
  access?: string;
  outcome?: string;
  /** The councils that keep back where the child is looked up. */
  whereaboutsOf?: string[];
  plans?: {
    authority: string;
    type?: string;
    status?: string;
    localId?: string;
    sequence?: number;
  }[];
};

let audited = 0;
const auditIdOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** A log to which lookups are added, and a notifier that reads it. Each access has its number as its audit id. */
export function notifiedLog(folder: string) {
  const signer = signerOf();
  const source = eventSource();
  const log = openLog(folder, signer);
  const outbox = join(folder, 'outbox');
  mkdirSync(outbox);
  let now = NINE;

  function lookup(looked: Looked): LogEntry & { auditId: string } {
    const { at, child = 0, user = 'nurse-1', organisation = 'ZZH01' } = looked;
    const { access = 'unscheduled', outcome = 'flagged', whereaboutsOf } = looked;
    const { plans = [{ authority: 'ZZ101', localId: 'LA-1', sequence: 7 }] } = looked;
    const silent = access === 'silent-read';
    const auditId = auditIdOf(++audited);
    const entry = source.next(child, {
      at,
      outcome,
      ...(outcome === 'flagged' && {
        shown: plans.map(({ authority, type = 'child-protection-plan', status = 'current' }) => ({
          authority,
          type,
          startDate: '2026-01-05',
          status,
          dateOfBirth: 'not-checked',
        })),
        ...(!silent && {
          sources: plans.map(({ localId, sequence = 7 }) => ({
            ...(localId && { localId }),
            sequence,
          })),
        }),
        accessesShown: [],
        ...(whereaboutsOf && { whereaboutsOf }),
      }),
      type: 'lookup',
      auditId,
      caller: nurseOf(user, organisation),
      api: 'plain',
      setting: 'emergency-department',
      access,
      decidedBy: 'activity',
      nhsNumber: testNumber(child),
      coverage: { expected: 1, upToDate: 1 },
      versions: { functions: 'f', configuration: 'c' },
      padding: undefined,
    });
    return { ...entry, auditId };
  }

  return {
    folder,
    outbox,
    source,
    log,
    /** Seals accesses and returns their audit ids. */
    look(...looked: Looked[]): string[] {
      const entries = looked.map(lookup);
      log.append(entries);
      now = Math.max(now, ...looked.map(({ at }) => at));
      return entries.map(({ auditId }) => auditId);
    },
    /** Seals a look by somebody whom councils have barred from the child. */
    try({ at, barredBy }: { at: number; barredBy: string[] }): void {
      now = Math.max(now, at);
      log.append([
        source.next(0, {
          at,
          outcome: undefined,
          type: 'could-not-check',
          auditId: auditIdOf(++audited),
          caller: nurseOf('nurse-1', 'ZZH01'),
          setting: 'emergency-department',
          nhsNumber: testNumber(0),
          cause: 'barred',
          barredBy,
        }),
      ]);
    },
    /** Seals an event saying that a child who was looked up left before being seen. */
    leave({ at, child = 0, user = 'nurse-1', plans = [], whereaboutsOf }: Looked): void {
      now = Math.max(now, at);
      log.append([
        source.next(child, {
          at,
          outcome: undefined,
          type: 'attendance',
          auditId: auditIdOf(++audited),
          caller: nurseOf(user, 'ZZH01'),
          nhsNumber: testNumber(child),
          attended: 'left-before-seen',
          ward: 'Canary Ward',
          shown: plans.map(({ authority }) => ({ authority })),
          ...(whereaboutsOf && { whereaboutsOf }),
        }),
      ]);
    },
    append: (...entries: LogEntry[]): void => log.append(entries),
    clock: (): number => now,
    at: (instant: number): void => void (now = instant),
    notifier: (differing: Partial<NotifierOptions> = {}, directory = DIRECTORY) => {
      const made = createNotifier({
        folder,
        outbox,
        windowMs: WINDOW,
        keepMs: 90 * 24 * HOUR,
        clock: () => now,
        ...differing,
      });
      made.use(directory);
      return made;
    },
    /** Everything that an authority can read, page by page. */
    read(authority: string): Notification[] {
      const all: Notification[] = [];
      for (;;) {
        const page = NotificationFile.read(folder, (file) =>
          file.page(authority, all.at(-1)?.id ?? '', { most: 3, mostCharacters: 100_000 }),
        );
        all.push(...(page?.notifications ?? []));
        if (page?.more !== true) return all;
      }
    },
    written: (authority: string): Notification[] => outboxOf(outbox, authority),
  };
}

/** The notifications in an authority's folder, in the order of their names. */
export function outboxOf(outbox: string, authority: string): Notification[] {
  const folder = join(outbox, authority);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => notificationSchema.parse(JSON.parse(readFileSync(join(folder, name), 'utf8'))));
}

/** Steps until nothing more can be done at once, and returns the last state. */
export async function settle(notifier: ReturnType<typeof createNotifier>) {
  for (;;) {
    const { more, notifying } = await notifier.step();
    if (!more) return notifying;
  }
}
