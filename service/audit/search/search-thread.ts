import { parentPort, workerData } from 'node:worker_threads';
import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import { IndexDamaged, type Place } from './index-file.ts';
import { type AuditPlaces, NoIndex, searchAudit } from './search.ts';
import type { ShownEvent, Viewer } from './view.ts';

export type SearchOrder = {
  criteria: AuditCriteria;
  viewer: Viewer;
  limit: number;
  after?: Place | undefined;
};

/** Of the events only what the viewer may see leaves the thread. */
export type SearchOutcome =
  | { kind: 'found'; events: ShownEvent[]; next?: Place; size: number }
  | { kind: 'no-index' }
  | { kind: 'failed'; cause: string };

const places = workerData as AuditPlaces;

function search({ criteria, viewer, limit, after }: SearchOrder): SearchOutcome {
  try {
    const { events, next, size } = searchAudit(places, criteria, viewer, { limit, after });
    return {
      kind: 'found',
      events: events.map(({ shown }) => shown),
      ...(next !== undefined && { next }),
      size,
    };
  } catch (error) {
    if (error instanceof NoIndex || error instanceof IndexDamaged) return { kind: 'no-index' };
    return { kind: 'failed', cause: error instanceof Error ? error.message : 'unknown' };
  }
}

parentPort?.on('message', (order: SearchOrder) => parentPort?.postMessage(search(order), []));
