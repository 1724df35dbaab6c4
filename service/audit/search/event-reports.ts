import { z } from 'zod';
import { shownPlanSchema } from '#schemas/audit/audit-event.ts';
import { londonDate } from '#schemas/calendar.ts';
import { ERRORS } from '#schemas/errors.ts';
import { AUDIT_REPORT } from '#schemas/wording/audit.ts';
import type { SealedEvent } from '../log/sealed.ts';
import { attendedOf } from './cells.ts';
import { callerIn, type EventReport, WHO } from './report.ts';
import { type Found, whereaboutsWarning } from './search.ts';

const REVIEW = [
  'FOR THE CONTROLLER’S REVIEW. Not to be released as it is.',
  'It can reveal where a child or a parent has sought care, which may endanger one of them: decide on each line whether to release it.',
];

const delivered = ({ shown }: Found): string => (shown['delivered'] === false ? 'no' : 'yes');

/** How a person would describe the event. */
function whatOf(event: SealedEvent['event']): string {
  switch (event.type) {
    case 'lookup':
      return event.outcome ?? event.type;
    case 'attendance':
      return `attendance: ${attendedOf(event)}`;
    case 'refusal':
      return `refused: ${event.code}`;
    case 'could-not-check':
      return `could not check: ${event.cause}`;
    case 'audit-search':
      return event.report === undefined ? 'audit searched' : `audit report: ${event.report}`;
    default:
      return event.type;
  }
}

/** Limited to what the viewer may see. */
const shownPlans = z.array(shownPlanSchema).catch([]);
const plansOf = ({ shown }: Found): string =>
  shownPlans
    .parse(shown['shown'])
    .map(
      ({ type, authority, startDate, status }) =>
        `${type} of ${authority} from ${startDate} (${status})`,
    )
    .join('; ');

const fieldOf = (
  event: SealedEvent['event'],
  field: 'access' | 'setting' | 'reason' | 'nhsNumber',
): string => {
  const value: unknown = field in event ? event[field as keyof typeof event] : undefined;
  return typeof value === 'string' ? value : '';
};

const REFUSED_FOR_RIGHTS: readonly number[] = [401, 403];

/**
 * Whether a request was refused for its form or for load, and not for its sender: nobody's right to look was
 * judged, and it tells the child's family nothing.
 */
export function isTechnical(event: SealedEvent['event']): boolean {
  if (event.type !== 'refusal') return false;
  const status = Object.entries(ERRORS).find(([code]) => code === event.code)?.[1].status;
  return status !== undefined && !REFUSED_FOR_RIGHTS.includes(status);
}

export const childReport: EventReport = {
  about: 'accesses to one child (--child), for a subject access request',
  needs: 'nhsNumber',
  allTime: true,
  title: 'Accesses to one child',
  notes: ({ names }) => [
    ...REVIEW,
    names
      ? 'It names members of staff, who are third parties: names are for the review.'
      : 'Members of staff are given by role and organisation, not by name.',
    'Lines that say refused or could not check showed nothing. Searches of the audit for this child are lines too.',
  ],
  warnings: whereaboutsWarning(AUDIT_REPORT.whereaboutsShown),
  leftOut: (count) =>
    `Left out: ${count} requests refused for a technical reason, such as a wrong header. They showed nothing; a search lists them.`,
  columns: ({ names }) => [
    'time',
    'what',
    'organisation',
    'organisation name',
    'setting',
    'role',
    ...(names ? ['name', 'user'] : []),
    'activity',
    'plans shown',
    'answer delivered',
    'audit id',
  ],
  row(each, { names }) {
    const { event, shown } = each;
    // The line of the look itself says that it was not delivered.
    if (event.type === 'not-delivered') return undefined;
    if (isTechnical(event)) return 'left-out';
    const caller = callerIn(event);
    const by = 'by' in event ? event.by : '';
    return [
      shown.at,
      whatOf(event),
      caller?.organisation?.code ?? '',
      caller?.organisation?.name ?? '',
      fieldOf(event, 'setting'),
      caller?.role?.name ?? '',
      ...(names ? [caller?.name ?? by, caller?.user ?? ''] : []),
      fieldOf(event, 'access'),
      plansOf(each),
      event.type === 'lookup' ? delivered(each) : '',
      'auditId' in event ? event.auditId : '',
    ];
  },
};

export const userReport: EventReport = {
  about: 'everything by one user (--user)',
  needs: 'user',
  allTime: true,
  title: 'Everything by one user',
  notes: () => [],
  columns: () => [
    'time',
    'what',
    'nhs number',
    'activity',
    'reason',
    'name',
    'role',
    'organisation',
    'issuer',
    'plans shown',
    'answer delivered',
    'audit id',
  ],
  row(each) {
    const { event, shown } = each;
    const caller = callerIn(event);
    return [
      shown.at,
      whatOf(event),
      fieldOf(event, 'nhsNumber'),
      fieldOf(event, 'access'),
      fieldOf(event, 'reason'),
      caller?.name ?? ('by' in event ? event.by : ''),
      caller?.role?.name ?? '',
      caller?.organisation?.code ?? '',
      caller?.issuer ?? '',
      plansOf(each),
      event.type === 'lookup' ? delivered(each) : '',
      'auditId' in event ? event.auditId : '',
    ];
  },
};

export const siteReport: EventReport = {
  about: 'lookups by a site (--organisation), which it can match with its attendances',
  needs: 'organisation',
  allTime: false,
  title: 'Lookups by a site, to match with its attendances',
  notes: () => [
    'Join on nhs number and date (a day in London); a look after midnight may belong to an attendance of the day before.',
    'A look without an attendance is a question to ask, not yet an answer. What was shown is left out: matching does not need it.',
  ],
  columns: () => [
    'nhs number',
    'date',
    'time',
    'user',
    'name',
    'role',
    'activity',
    'reason',
    'answer delivered',
    'audit id',
  ],
  type: 'lookup',
  row(each) {
    const { event, shown } = each;
    const caller = callerIn(event);
    return [
      fieldOf(event, 'nhsNumber'),
      londonDate(Date.parse(shown.at)),
      shown.at,
      caller?.user ?? '',
      caller?.name ?? '',
      caller?.role?.name ?? '',
      fieldOf(event, 'access'),
      fieldOf(event, 'reason'),
      delivered(each),
      'auditId' in event ? event.auditId : '',
    ];
  },
};

export const searchesReport: EventReport = {
  about: 'who searched the audit, for what and why',
  allTime: false,
  title: 'Who searched the audit',
  notes: () => [],
  columns: () => [
    'time',
    'by',
    'account',
    'user',
    'organisation',
    'report',
    'reason',
    'criteria',
    'view',
    'events shown',
    'audit id',
  ],
  type: 'audit-search',
  row({ event, shown }) {
    if (event.type !== 'audit-search') return undefined;
    return [
      shown.at,
      event.by,
      event.account ?? '',
      event.caller?.user ?? '',
      event.caller?.organisation.code ?? '',
      event.report ?? '',
      event.reason,
      Object.entries(event.criteria)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
      event.view,
      event.eventsShown,
      event.auditId,
    ];
  },
};

export const alertsReport: EventReport = {
  about: 'who looked up numbers in an unusual way, and by which kind of alert',
  allTime: false,
  title: 'Alerts: who looked up numbers in an unusual way',
  notes: () => [
    'A sign to follow up, not a finding. The report on everything by one user says what else they did.',
  ],
  columns: () => [
    'time',
    ...WHO,
    'sign',
    'activity',
    'count',
    'alert above',
    'within seconds',
    'audit id',
  ],
  type: 'enumeration-alert',
  row({ event, shown }) {
    if (event.type !== 'enumeration-alert') return undefined;
    const { caller, sign, count, threshold, windowSeconds, auditId } = event;
    const { user, name, role, organisation, issuer } = caller;
    const access = fieldOf(event, 'access');
    const who = [user, name, role.name, organisation.code, issuer];
    return [shown.at, ...who, sign, access, count, threshold, windowSeconds, auditId];
  },
};
