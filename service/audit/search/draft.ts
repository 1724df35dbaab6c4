import { AUDIT_REPORT } from '#schemas/wording/audit.ts';
import type { SealedEvent } from '../log/sealed.ts';
import { attendedOf } from './cells.ts';
import { isTechnical } from './event-reports.ts';
import { callerOf, type EventReport } from './report.ts';

/** What a line of a draft is about. Whether a plan was shown is not for whoever asks to learn from it. */
function whatOf(event: SealedEvent['event'], places: boolean): string {
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
      return 'record of looks searched';
    default:
      return event.type;
  }
}

const isSilent = (event: SealedEvent['event']): boolean =>
  'access' in event && event.access === 'silent-read';

/**
 * Accesses to one child for whoever reviews a request by the people concerned: with as little in it as can be, since a
 * place says where a child or a parent has sought care, and a silent read that they are in somebody's care.
 */
export const childDraft: EventReport = {
  about: 'accesses to one child, each line to be released by a reviewer',
  needs: 'nhsNumber',
  allTime: true,
  title: 'Draft: accesses to one child',
  notes: () => [],
  leftOut: AUDIT_REPORT.leftOutOfDraft,
  columns: ({ names, places }) => [
    'time',
    'what',
    'role',
    ...(places ? ['organisation', 'setting'] : []),
    ...(names ? ['name'] : []),
  ],
  row({ event, shown }, { names, places, silentReads }) {
    if (event.type === 'not-delivered') return undefined;
    if (isTechnical(event) || (!silentReads && isSilent(event))) return 'left-out';
    const caller = callerOf(event);
    const by = 'by' in event ? event.by : '';
    const setting = 'setting' in event ? event.setting : '';
    return [
      shown.at,
      whatOf(event, places),
      caller?.role?.name ?? '',
      ...(places ? [caller?.organisation?.name ?? '', setting] : []),
      ...(names ? [caller?.name ?? by] : []),
    ];
  },
};
