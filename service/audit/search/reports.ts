import {
  alertsReport,
  childReport,
  searchesReport,
  siteReport,
  userReport,
} from './event-reports.ts';
import type { Maker } from './report.ts';
import { lookersReport, outOfHoursReport, refusalsReport, repeatsReport } from './sum-reports.ts';

/** The reports there are, by name. */
export const REPORTS = {
  child: childReport,
  user: userReport,
  'out-of-hours': outOfHoursReport,
  refusals: refusalsReport,
  lookers: lookersReport,
  repeats: repeatsReport,
  site: siteReport,
  alerts: alertsReport,
  searches: searchesReport,
} as const satisfies Record<string, Maker>;
export type ReportName = keyof typeof REPORTS;

export const isReport = (name: string): name is ReportName => Object.hasOwn(REPORTS, name);
