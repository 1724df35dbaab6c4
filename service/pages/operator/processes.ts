import { type ReadFailure, readFailure } from '#store/connection/connection.ts';
import type { Figures } from '#store/figures.ts';
import {
  minuteOf,
  type ProcessMinute,
  type Running,
  readReports,
} from '../../telemetry/reports.ts';

/** What all processes reported for the last hour, by minute, the oldest first. */
export type LastHour = readonly { minute: number; processes: readonly ProcessMinute[] }[];

const MINUTES_SHOWN = 60;
/** A minute that has just begun may not have a report yet. */
const HEARD_OF_WITHIN_MINUTES = 1;

/** The last hour, or why it cannot be read. */
export async function readLastHour(
  figures: Pick<Figures, 'read'>,
  now: number,
): Promise<LastHour | ReadFailure> {
  const newest = minuteOf(now);
  const minutes = Array.from({ length: MINUTES_SHOWN }, (_, i) => newest - MINUTES_SHOWN + 1 + i);
  try {
    return await Promise.all(
      minutes.map(async (minute) => ({
        minute,
        processes: readReports((await figures.read(minute)) ?? new Map()),
      })),
    );
  } catch (error) {
    return readFailure(error);
  }
}

/** The state of a process, by its last report. */
export type ProcessState = {
  instance: string;
  running: Running | undefined;
  /** Since 1970, in milliseconds: the minute of its last report. */
  lastAt: number;
  state: 'ready' | 'partly' | 'not-ready' | 'silent' | 'ended';
  failing: readonly string[];
};

const MINUTE_MS = 60_000;

function stateOf({ ended, ready, reports }: ProcessMinute): ProcessState['state'] {
  if (ended) return 'ended';
  if (ready === 0) return 'not-ready';
  return ready < reports ? 'partly' : 'ready';
}

/** Each process that reported within the hour; the last minute in which it did counts. */
export function processesOf(lastHour: LastHour, now: number): ProcessState[] {
  const found = new Map<string, ProcessState>();
  for (const { minute, processes } of lastHour) {
    for (const process of processes) {
      const { instance, running, failing } = process;
      const state = stateOf(process);
      const isSilent = state !== 'ended' && minuteOf(now) - minute > HEARD_OF_WITHIN_MINUTES;
      found.set(instance, {
        instance,
        running: running ?? found.get(instance)?.running,
        lastAt: minute * MINUTE_MS,
        state: isSilent ? 'silent' : state,
        failing,
      });
    }
  }
  return [...found.values()];
}

/** Whether a process answers lookups at all. */
export const isForLookups = ({ running }: Pick<ProcessState, 'running'>): boolean =>
  running !== undefined && running.role !== 'worker';

/** What people call a process: the beginning of its instance id, and its role. */
export const nameOf = ({ instance, running }: ProcessState): string =>
  `${instance.slice(0, 8)}${running === undefined ? '' : ` (${running.role})`}`;
