import {
  alertsReport,
  childReport,
  searchesReport,
  siteReport,
  userReport,
} from './event-reports.ts';
import type { Maker } from './report.ts';
import { lookersReport, outOfHoursReport, refusalsReport } from './sum-reports.ts';

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
