import { z } from 'zod';
import type { SealedEvent } from '../log/sealed.ts';
import type { Cell } from './cells.ts';
import type { AuditIndex } from './index-file.ts';
import { callerIn, type SumReport, WHO } from './report.ts';
import { withIndex } from './search.ts';

const ROWS_AT_MOST = 1_000;

const OUT_OF_HOURS = 'Out of hours is from 20:00 to 07:00 in London and at weekends.';

const iso = (at: number): string => new Date(at).toISOString();

const groupRow = z.object({
  issuer: z.number().nullable(),
  user: z.number(),
  organisation: z.number().nullable(),
  role: z.number().nullable(),
  code: z.number().nullable(),
  child: z.number().nullable(),
  times: z.number(),
  children: z.number(),
  outOfHours: z.number(),
  firstAt: z.number(),
  lastAt: z.number(),
  lastEntry: z.number(),
});
type Group = z.infer<typeof groupRow>;

const SUMS = `issuer, user, organisation, role, code, child, SUM(times) AS times, COUNT(DISTINCT child) AS children,
  SUM(outOfHours) AS outOfHours, MIN(event.at) AS firstAt, MAX(event.at) AS lastAt, MAX(event.entry) AS lastEntry`;
const BY_USER = 'GROUP BY issuer, user, organisation, role';

type Read = (places: readonly number[]) => SealedEvent[];

/** The person a group is about: texts of the index, and the name from the last of its events. */
function who(index: AuditIndex, read: Read, groups: readonly Group[]) {
  const names = new Map(
    read(groups.map(({ lastEntry }) => lastEntry)).map(({ index: entry, event }) => [
      entry,
      callerIn(event)?.name ?? '',
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

export const outOfHoursReport: SumReport = {
  about: 'who looks at night and at weekends, and what share of their looks that is',
  allTime: false,
  figure: 'lookups out of hours',
  make: (places, { criteria, viewer }) =>
    withIndex(places, (index, read) => {
      const groups = index.sums(
        SUMS,
        { ...criteria, type: 'lookup' },
        viewer,
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
    }),
};

export const refusalsReport: SumReport = {
  about: 'who was refused again and again (--least 3)',
  allTime: false,
  figure: 'times',
  make: (places, { criteria, least, viewer }) =>
    withIndex(places, (index, read) => {
      const groups = index.sums(
        SUMS,
        { ...criteria, type: 'refusal' },
        viewer,
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
    }),
};

/** The median of some numbers, which a few busy people do not move. */
function medianOf(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

export const lookersReport: SumReport = {
  about: 'who looks most, compared with people in the same role at the same organisation',
  allTime: false,
  figure: 'children',
  make: (places, { criteria, viewer }) =>
    withIndex(places, (index, read) => {
      const groups = index.sums(SUMS, { ...criteria, type: 'lookup' }, viewer, BY_USER, groupRow);
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
        title: 'Who looks up most children, compared with peers',
        notes: [
          'Peers have the same role at the same organisation. The number of different children is compared. Users without peers come last, as there is nothing to compare.',
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
    }),
};

export const repeatsReport: SumReport = {
  about: 'who looked at the same child again and again (--least 3)',
  allTime: false,
  figure: 'lookups',
  make: (places, { criteria, least, viewer }) =>
    withIndex(places, (index, read) => {
      const groups = index.sums(
        SUMS,
        { ...criteria, type: 'lookup' },
        viewer,
        `AND child IS NOT NULL ${BY_USER}, child HAVING SUM(times) >= ${Math.trunc(least)} ORDER BY SUM(times) DESC, user`,
        groupRow,
      );
      const top = groups.slice(0, ROWS_AT_MOST);
      const whoIs = who(index, read, top);
      return {
        title: 'Repeated lookups of one child',
        notes: [
          `Users who looked at one child ${least} times or more. A retry counts as a lookup of its own.`,
          'A child who attends often is looked up often: compare with the attendances.',
          ...firstOf(groups.length),
        ],
        columns: [...WHO, 'nhs number', 'lookups', 'out of hours', 'first', 'last'],
        rows: top.map((group) => [
          ...whoIs(group),
          String(group.child),
          group.times,
          group.outOfHours,
          iso(group.firstAt),
          iso(group.lastAt),
        ]),
      };
    }),
};
