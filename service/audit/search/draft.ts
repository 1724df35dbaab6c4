import { AUDIT_REPORT } from '#schemas/wording/audit.ts';
import type { SealedEvent } from '../log/sealed.ts';
import { attendedOf } from './cells.ts';
import { isTechnical } from './event-reports.ts';
import { callerIn, type EventReport } from './report.ts';
import { whereaboutsWarning } from './search.ts';

/** How a line names a search of the audit, so that a page can list searches apart from accesses. */
export const SEARCHED = 'record of looks searched';

/**
 * What a line of a draft is about. The requester must not learn from it whether a plan was shown, so other
 * records about the child have no line: a withdrawal would say that there was a flag.
 */
function whatOf(event: SealedEvent['event'], places: boolean): string | undefined {
  switch (event.type) {
    case 'lookup':
      return 'looked up';
    case 'attendance':
      return `what came of it: ${attendedOf(places ? event : { attended: event.attended })}`;
    case 'refusal':
      return 'look refused: nothing was shown';
    case 'could-not-check':
      return 'could not be checked: nothing was shown';
    case 'audit-search':
      return SEARCHED;
    default:
      return undefined;
  }
}

const isSilent = (event: SealedEvent['event']): boolean =>
  'access' in event && event.access === 'silent-read';

/**
 * Accesses to one child, for the reviewer of a request by the people concerned: with as little as possible,
 * since a place says where a child or a parent has sought care, a silent read that they are in somebody's
 * care, and a search that somebody is investigating.
 */
export const childDraft: EventReport = {
  about: 'accesses to one child, each line to be released by a reviewer',
  needs: 'nhsNumber',
  allTime: true,
  title: 'Draft: accesses to one child',
  notes: () => [],
  warnings: whereaboutsWarning(AUDIT_REPORT.whereaboutsProtected),
  leftOut: AUDIT_REPORT.leftOutOfDraft,
  columns: ({ names, places }) => [
    'time',
    'what',
    'role',
    ...(places ? ['organisation', 'setting'] : []),
    ...(names ? ['name'] : []),
  ],
  row({ event, shown }, { names, places, silentReads, searches }) {
    if (event.type === 'not-delivered') return undefined;
    const what = whatOf(event, places);
    if (what === undefined || isTechnical(event)) return 'left-out';
    if ((!silentReads && isSilent(event)) || (!searches && what === SEARCHED)) return 'left-out';
    const caller = callerIn(event);
    const by = 'by' in event ? event.by : '';
    const setting = 'setting' in event ? event.setting : '';
    return [
      shown.at,
      what,
      caller?.role?.name ?? '',
      ...(places ? [caller?.organisation?.name ?? '', setting] : []),
      ...(names ? [caller?.name ?? by] : []),
    ];
  },
};
