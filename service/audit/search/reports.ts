import { z } from 'zod';
import type { AuditEvent } from '#schemas/audit/audit-event.ts';
import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import { londonDate } from '#schemas/calendar.ts';
import { ERRORS } from '#schemas/errors.ts';
import type { SealedEvent } from '../log/sealed.ts';
import type { AuditIndex } from './index-file.ts';
import { type AuditPlaces, type Found, searchAudit, withIndex } from './search.ts';

export type Cell = string | number;

export type Report = {
  title: string;
  /** To be read before the rows are. */
  notes: string[];
  columns: string[];
  rows: Cell[][];
};

export type ReportOptions = {
  criteria: AuditCriteria;
  /** Of refusals: how many make a report of them. */
  least: number;
  /** With the names of staff, where a report is without them otherwise. */
  names: boolean;
};

/** A report that would be cut short is not made. */
export class TooMuch extends Error {
  override name = 'TooMuch';
}

const EVENTS_AT_MOST = 50_000;
const ROWS_AT_MOST = 1_000;

const OUT_OF_HOURS = 'Out of hours is from 20:00 to 07:00 in London and at weekends.';
const REVIEW = [
  "FOR THE CONTROLLER'S REVIEW. Not to be released as it is.",
  'It can reveal where a child or a parent has sought care, which may endanger one of them: decide on each line whether to release it.',
];

function eventsOf(places: AuditPlaces, criteria: AuditCriteria): Found[] {
  const { events, next } = searchAudit(
    places,
    criteria,
    { kind: 'all' },
    { limit: EVENTS_AT_MOST },
  );
  if (next === undefined) return events;
  throw new TooMuch(
    `There are more than ${EVENTS_AT_MOST} events. Ask for a shorter time with --from and --to.`,
  );
}

const iso = (at: number): string => new Date(at).toISOString();

const delivered = ({ shown }: Found): string => (shown['delivered'] === false ? 'no' : 'yes');

/** What a person with the event before them would say that it was. */
function whatOf(event: SealedEvent['event']): string {
  switch (event.type) {
    case 'lookup':
      return event.outcome ?? event.type;
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

const plansOf = (event: SealedEvent['event']): string =>
  'shown' in event
    ? (event.shown ?? [])
        .map(
          ({ type, authority, startDate, status }) =>
            `${type} of ${authority} from ${startDate} (${status})`,
        )
        .join('; ')
    : '';

type WithCaller = Extract<AuditEvent, { caller?: unknown }>;
const callerOf = (event: SealedEvent['event']): WithCaller['caller'] =>
  'caller' in event ? event.caller : undefined;

const fieldOf = (
  event: SealedEvent['event'],
  field: 'access' | 'setting' | 'reason' | 'nhsNumber',
): string => {
  const value: unknown = field in event ? event[field as keyof typeof event] : undefined;
  return typeof value === 'string' ? value : '';
};

const REFUSED_FOR_RIGHTS: readonly number[] = [401, 403];

/**
 * Whether a request was refused for its form or for load, and not for who sent it: nobody's right to look was
 * judged, and the child's people can draw nothing from it.
 */
function isTechnical(event: SealedEvent['event']): boolean {
  if (event.type !== 'refusal') return false;
  const status = Object.entries(ERRORS).find(([code]) => code === event.code)?.[1].status;
  return status !== undefined && !REFUSED_FOR_RIGHTS.includes(status);
}

function childReport(places: AuditPlaces, { criteria, names }: ReportOptions): Report {
  const all = eventsOf(places, criteria).filter(({ event }) => event.type !== 'not-delivered');
  const found = all.filter(({ event }) => !isTechnical(event));
  return {
    title: 'Accesses to one child',
    notes: [
      ...REVIEW,
      names
        ? 'It names members of staff, who are third parties: names are for the review.'
        : 'Members of staff are given by role and organisation, not by name (--names adds them, for the review).',
      'Lines that say refused or could not check showed nothing. Searches of the audit for this child are lines too.',
      ...(all.length > found.length
        ? [
            `Left out: ${all.length - found.length} requests refused for a technical reason, such as a wrong header. They showed nothing; a search lists them.`,
          ]
        : []),
    ],
    columns: [
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
    rows: found.map((each) => {
      const { event, shown } = each;
      const caller = callerOf(event);
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
        plansOf(event),
        event.type === 'lookup' ? delivered(each) : '',
        'auditId' in event ? event.auditId : '',
      ];
    }),
  };
}

function userReport(places: AuditPlaces, { criteria }: ReportOptions): Report {
  return {
    title: 'Everything by one user',
    notes: [],
    columns: [
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
    rows: eventsOf(places, criteria).map((each) => {
      const { event, shown } = each;
      const caller = callerOf(event);
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
        plansOf(event),
        event.type === 'lookup' ? delivered(each) : '',
        'auditId' in event ? event.auditId : '',
      ];
    }),
  };
}

function siteReport(places: AuditPlaces, { criteria }: ReportOptions): Report {
  const found = eventsOf(places, { ...criteria, type: 'lookup' });
  return {
    title: 'Lookups by a site, to match with its attendances',
    notes: [
      'Join on nhs number and date (a day in London); a look after midnight may belong to the attendance of the day before.',
      'A look without an attendance is a question to ask, not yet an answer. What was shown is left out: matching does not need it.',
    ],
    columns: [
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
    rows: found.map((each) => {
      const { event, shown } = each;
      const caller = callerOf(event);
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
    }),
  };
}

function searchesReport(places: AuditPlaces, { criteria }: ReportOptions): Report {
  const found = eventsOf(places, { ...criteria, type: 'audit-search' });
  return {
    title: 'Who searched the audit',
    notes: [],
    columns: [
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
    rows: found.flatMap(({ event, shown }) =>
      event.type === 'audit-search'
        ? [
            [
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
            ],
          ]
        : [],
    ),
  };
}

const WHO = ['user', 'name', 'role', 'organisation', 'issuer'];

function alertsReport(places: AuditPlaces, { criteria }: ReportOptions): Report {
  return {
    title: 'Alerts: who looked numbers up in an unusual manner',
    notes: ['A sign to follow up, not a finding: the report "user" says what else that user did.'],
    columns: [
      'time',
      ...WHO,
      'sign',
      'activity',
      'count',
      'alert above',
      'within seconds',
      'audit id',
    ],
    rows: eventsOf(places, { ...criteria, type: 'enumeration-alert' }).flatMap(
      ({ event, shown }) => {
        if (event.type !== 'enumeration-alert') return [];
        const { caller, sign, count, threshold, windowSeconds, auditId } = event;
        const { user, name, role, organisation, issuer } = caller;
        const access = fieldOf(event, 'access');
        const who = [user, name, role.name, organisation.code, issuer];
        return [[shown.at, ...who, sign, access, count, threshold, windowSeconds, auditId]];
      },
    ),
  };
}

const groupRow = z.object({
  issuer: z.number().nullable(),
  user: z.number(),
  organisation: z.number().nullable(),
  role: z.number().nullable(),
  code: z.number().nullable(),
  times: z.number(),
  children: z.number(),
  outOfHours: z.number(),
  firstAt: z.number(),
  lastAt: z.number(),
  lastEntry: z.number(),
});
type Group = z.infer<typeof groupRow>;

const SUMS = `issuer, user, organisation, role, code, SUM(times) AS times, COUNT(DISTINCT child) AS children,
  SUM(outOfHours) AS outOfHours, MIN(at) AS firstAt, MAX(at) AS lastAt, MAX(entry) AS lastEntry`;
const BY_USER = 'GROUP BY issuer, user, organisation, role';

type Read = (places: readonly number[]) => SealedEvent[];

/** Who a group is: texts of the index, and the name from the last of its events. */
function who(index: AuditIndex, read: Read, groups: readonly Group[]) {
  const names = new Map(
    read(groups.map(({ lastEntry }) => lastEntry)).map(({ index: entry, event }) => [
      entry,
      callerOf(event)?.name ?? '',
    ]),
  );
  return ({ issuer, user, organisation, role, lastEntry }: Group): Cell[] => [
    index.textOf(user) ?? '',
    names.get(lastEntry) ?? '',
    index.textOf(role) ?? '',
    index.textOf(organisation) ?? '',
    index.textOf(issuer) ?? '',
  ];
}

const firstOf = (count: number): string[] =>
  count > ROWS_AT_MOST
    ? [
        `The first ${ROWS_AT_MOST} of ${count}. Ask for a shorter time or one organisation for the others.`,
      ]
    : [];

function outOfHoursReport(places: AuditPlaces, { criteria }: ReportOptions): Report {
  return withIndex(places, (index, read) => {
    const groups = index.sums(
      SUMS,
      { ...criteria, type: 'lookup' },
      `${BY_USER} HAVING SUM(outOfHours) > 0 ORDER BY SUM(outOfHours) DESC, user`,
      groupRow,
    );
    const top = groups.slice(0, ROWS_AT_MOST);
    const whoIs = who(index, read, top);
    return {
      title: 'Lookups out of hours',
      notes: [
        OUT_OF_HOURS,
        'Emergency care works then: look at shares that differ from those of peers.',
        ...firstOf(groups.length),
      ],
      columns: [...WHO, 'lookups out of hours', 'lookups in all', 'share', 'last'],
      rows: top.map((group) => [
        ...whoIs(group),
        group.outOfHours,
        group.times,
        `${Math.round((100 * group.outOfHours) / group.times)}%`,
        iso(group.lastAt),
      ]),
    };
  });
}

function refusalsReport(places: AuditPlaces, { criteria, least }: ReportOptions): Report {
  return withIndex(places, (index, read) => {
    const groups = index.sums(
      SUMS,
      { ...criteria, type: 'refusal' },
      `${BY_USER}, code HAVING SUM(times) >= ${Math.trunc(least)} ORDER BY SUM(times) DESC, user`,
      groupRow,
    );
    const top = groups.slice(0, ROWS_AT_MOST);
    const whoIs = who(index, read, top);
    return {
      title: 'Repeated refusals',
      notes: [
        `Users refused ${least} times or more for the same reason. Requests without a valid token are counted in the log, not here.`,
        ...firstOf(groups.length),
      ],
      columns: [...WHO, 'refused because', 'times', 'first', 'last'],
      rows: top.map((group) => [
        ...whoIs(group),
        index.textOf(group.code) ?? '',
        group.times,
        iso(group.firstAt),
        iso(group.lastAt),
      ]),
    };
  });
}

/** The middle of some numbers, which a few busy people do not move. */
export function medianOf(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

function lookersReport(places: AuditPlaces, { criteria }: ReportOptions): Report {
  return withIndex(places, (index, read) => {
    const groups = index.sums(SUMS, { ...criteria, type: 'lookup' }, BY_USER, groupRow);
    const peers = Map.groupBy(groups, ({ organisation, role }) => `${organisation} ${role}`);
    const compared = [...peers.values()].flatMap((peerGroups) =>
      peerGroups.map((group) => {
        const others = peerGroups.filter((other) => other !== group);
        const median = medianOf(others.map(({ children }) => children));
        return {
          group,
          others: others.length,
          median,
          times: median > 0 ? group.children / median : 0,
        };
      }),
    );
    const sorted = compared.toSorted(
      (a, b) => b.times - a.times || b.group.children - a.group.children,
    );
    const top = sorted.slice(0, ROWS_AT_MOST);
    const whoIs = who(
      index,
      read,
      top.map(({ group }) => group),
    );
    return {
      title: 'Top lookers against their peers',
      notes: [
        'Peers have the same role at the same organisation. Compared is the number of different children; without peers there is nothing to compare, and those come last.',
        'Shifts and tasks differ: a sign to follow up, not a finding.',
        ...firstOf(sorted.length),
      ],
      columns: [
        ...WHO,
        'children',
        'lookups',
        'peers',
        "peers' median of children",
        'times the median',
      ],
      rows: top.map(({ group, others, median, times }) => [
        ...whoIs(group),
        group.children,
        group.times,
        others,
        others === 0 ? '' : median,
        times === 0 ? '' : times.toFixed(1),
      ]),
    };
  });
}

type Maker = {
  about: string;
  /** The criterion that it cannot do without. */
  needs?: 'nhsNumber' | 'user' | 'organisation';
  /** Covers all time where no time is asked for; otherwise the last 31 days. */
  allTime: boolean;
  make: (places: AuditPlaces, options: ReportOptions) => Report;
};

/** The reports there are, by name. */
export const REPORTS = {
  child: {
    about: 'accesses to one child (--child), for a request by the people concerned',
    needs: 'nhsNumber',
    allTime: true,
    make: childReport,
  },
  user: {
    about: 'everything by one user (--user)',
    needs: 'user',
    allTime: true,
    make: userReport,
  },
  'out-of-hours': {
    about: 'who looks at night and at weekends, and how much of their looking that is',
    allTime: false,
    make: outOfHoursReport,
  },
  refusals: {
    about: 'who was refused again and again (--least 3)',
    allTime: false,
    make: refusalsReport,
  },
  lookers: {
    about: 'who looks most, against those of the same role at the same organisation',
    allTime: false,
    make: lookersReport,
  },
  site: {
    about: 'lookups by a site (--organisation), for it to match with its attendances',
    needs: 'organisation',
    allTime: false,
    make: siteReport,
  },
  alerts: {
    about: 'who looked numbers up in an unusual manner, by which sign',
    allTime: false,
    make: alertsReport,
  },
  searches: {
    about: 'who searched the audit, for what and why',
    allTime: false,
    make: searchesReport,
  },
} as const satisfies Record<string, Maker>;
export type ReportName = keyof typeof REPORTS;
