import { parentPort, workerData } from 'node:worker_threads';
import { csvText } from '#loaders/formats/common/csv-text.ts';
import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import { causeOf } from '#store/errors.ts';
import { comeAfterLookups } from '../../telemetry/after-lookups.ts';
import { type Cell, SEARCH_COLUMNS, searchRow, withOffset } from './cells.ts';
import { childDraft } from './draft.ts';
import { IndexDamaged, type Place } from './index-file.ts';
import {
  makeReport,
  makeReportPage,
  type ReportOptions,
  type ReportPage,
  TooMuch,
} from './report.ts';
import { REPORTS, type ReportName } from './reports.ts';
import { type AuditPlaces, NoIndex, searchAudit, viewEvents, withIndex } from './search.ts';
import type { ShownEvent, Viewer } from './view.ts';

comeAfterLookups();

type Part = { limit: number; after?: Place | undefined };
type Reported = ReportOptions & { name: ReportName | 'child-draft' };

export type SearchOrder = { criteria: AuditCriteria; viewer: Viewer } & Part;

/** What the thread is asked for, by name. */
export type ThreadOrders = {
  search: SearchOrder;
  /** All results of a search, as a CSV. */
  searchFile: Omit<SearchOrder, keyof Part>;
  report: Reported & Part;
  /** All of a report, as a CSV. */
  reportFile: Reported;
  /** One event by its position in the log. */
  event: { entry: number; viewer: Viewer };
  /** Several at once. */
  events: { entries: readonly number[]; viewer: Viewer };
};

type File = { text: string; rows: number };
/** The result. Only what the viewer may see of the events leaves the thread. */
export type ThreadFinds = {
  search: { events: ShownEvent[]; entries: number[]; next?: Place };
  searchFile: File;
  report: ReportPage;
  reportFile: File;
  event: { event?: ShownEvent };
  /** By their positions; those gone, or not for the viewer, are missing. */
  events: { events: ReadonlyMap<number, ShownEvent> };
};

export type Searched<Kind extends keyof ThreadOrders> =
  | ({ kind: 'found'; size: number } & ThreadFinds[Kind])
  | { kind: 'no-index' }
  /** A file would be cut short. */
  | { kind: 'too-much' }
  | { kind: 'failed'; cause: string };

const FILE_EVENTS_AT_MOST = 10_000;
const EVENTS_AT_ONCE = 1_000;

const places = workerData as AuditPlaces;

const makerOf = (name: Reported['name']) => (name === 'child-draft' ? childDraft : REPORTS[name]);

const fileOf = (columns: readonly Cell[], rows: readonly Cell[][]): File => ({
  text: csvText([columns, ...rows.map((row) => row.map(withOffset))]),
  rows: rows.length,
});

function searchFile({ criteria, viewer }: ThreadOrders['searchFile']): File {
  const rows: Cell[][] = [];
  for (let after: Place | undefined; ; ) {
    const { events, next } = searchAudit(places, criteria, viewer, {
      limit: EVENTS_AT_ONCE,
      after,
    });
    rows.push(...events.map(({ shown }) => searchRow(shown)));
    if (next === undefined) return fileOf(SEARCH_COLUMNS, rows);
    if (rows.length >= FILE_EVENTS_AT_MOST) throw new TooMuch();
    after = next;
  }
}

const finders: { [Kind in keyof ThreadOrders]: (order: ThreadOrders[Kind]) => ThreadFinds[Kind] } =
  {
    search({ criteria, viewer, limit, after }) {
      const { events, next } = searchAudit(places, criteria, viewer, { limit, after });
      return {
        events: events.map(({ shown }) => shown),
        entries: events.map(({ index }) => index),
        ...(next !== undefined && { next }),
      };
    },
    searchFile,
    report: ({ name, limit, after, ...options }) =>
      makeReportPage(places, makerOf(name), options, { limit, after }),
    reportFile({ name, ...options }) {
      const { columns, rows } = makeReport(places, makerOf(name), options);
      return fileOf(columns, rows);
    },
    events({ entries, viewer }) {
      return withIndex(places, (index, read) => {
        const found = read([...new Set(entries)]);
        const views = viewEvents(index, read, viewer, found);
        const shown = found.flatMap(({ index: entry }, i) => {
          const each = views[i];
          return each === undefined ? [] : [[entry, each] as const];
        });
        return { events: new Map(shown) };
      });
    },
    event({ entry, viewer }) {
      return withIndex(places, (index, read) => {
        const [event] = viewEvents(index, read, viewer, read([entry]));
        return event === undefined ? {} : { event };
      });
    },
  };

type ThreadMessage = {
  [Kind in keyof ThreadOrders]: { kind: Kind; order: ThreadOrders[Kind] };
}[keyof ThreadOrders];

function find<Kind extends keyof ThreadOrders>(
  kind: Kind,
  order: ThreadOrders[Kind],
): Searched<Kind> {
  try {
    const { size } = withIndex(places, (index) => index.state());
    return { kind: 'found', size, ...finders[kind](order) };
  } catch (error) {
    if (error instanceof NoIndex || error instanceof IndexDamaged) return { kind: 'no-index' };
    if (error instanceof TooMuch) return { kind: 'too-much' };
    return { kind: 'failed', cause: causeOf(error) };
  }
}

parentPort?.on('message', ({ kind, order }: ThreadMessage) =>
  parentPort?.postMessage(find(kind, order), []),
);
