import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { csvText } from '#loaders/formats/common/csv-text.ts';
import type { SearchedUntil } from '#schemas/audit/audit-search.ts';
import type { NamedPerson } from '#schemas/audit/named-person.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import { withOffset } from '../audit/search/cells.ts';
import {
  makeReport,
  REPORTED_DAYS,
  type Report,
  reportFrom,
  TooMuch,
} from '../audit/search/report.ts';
import { isReport, REPORTS } from '../audit/search/reports.ts';
import { searchedUntilOf } from '../audit/search/searched-until.ts';
import { recordedCriteria } from '../audit/search/viewer.ts';
import {
  type CriteriaOptions,
  criteriaOf,
  type FormatOptions,
  formatOf,
  OPTION_OF,
  withCriteria,
} from './audit-criteria.ts';
import { lookInto } from './audit-index.ts';
import { printReach, printTable } from './audit-print.ts';
import { Failure, misused } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { readTypedNumber } from './typed-number.ts';

type ReportCommandOptions = CriteriaOptions &
  Named &
  FormatOptions & { least: string; names?: boolean };

/** The subject of a report, and for whom it was made: somebody who finds it later has nothing else. */
type ReportAbout = {
  auditId: string;
  coverage: SearchedUntil;
  period: string;
  criteria: Record<string, string>;
  requestedBy: Required<NamedPerson>;
};

const CRITERIA: Record<string, string> = {
  nhsNumber: 'Child (NHS number)',
  user: 'User',
  organisation: 'Organisation',
  authority: 'Authority',
  activity: 'Activity',
  outcome: 'Outcome',
  type: 'Type of event',
};

function printReport(report: Report, format: 'table' | 'json' | 'csv', about: ReportAbout): void {
  const { title, notes, columns, rows } = report;
  const { auditId, coverage, period, criteria, requestedBy } = about;
  if (format === 'json') {
    const lines = rows.map((row) =>
      Object.fromEntries(columns.map((name, i) => [name, withOffset(row[i] ?? '')])),
    );
    const { completeUntil } = coverage;
    const london = {
      ...coverage,
      ...(completeUntil !== undefined && { completeUntil: withOffset(completeUntil) }),
    };
    const head = {
      title,
      criteria,
      requestedBy,
      period,
      timeZone: 'Europe/London',
      notes,
      auditId,
    };
    console.log(JSON.stringify({ ...head, rows: lines, coverage: london }, null, 2));
    return;
  }
  // A CSV is for a program or a spreadsheet, so notes for a person go beside it.
  const print = format === 'csv' ? console.error : console.log;
  print(title);
  for (const [name, value] of Object.entries(criteria))
    print(`${CRITERIA[name] ?? name}: ${value}`);
  const { by, account, reason } = requestedBy;
  print(`Requested by: ${by} (account ${account}). Reason: ${reason}`);
  print(`Period: ${period}. All times are London’s (GMT or BST).`);
  for (const note of notes) print(note);
  if (format === 'csv') {
    process.stdout.write(csvText([columns, ...rows.map((row) => row.map(withOffset))]));
  } else {
    console.log('');
    if (rows.length > 0) printTable(columns, rows);
    console.log(`\nLines: ${rows.length}.`);
  }
  print(`This report is on record as ${auditId}.`);
  printReach(coverage, print);
}

async function auditReport(
  configuration: Configuration,
  name: string,
  options: ReportCommandOptions,
): Promise<void> {
  if (!isReport(name)) {
    throw misused(`There is no report ${name}. There are ${Object.keys(REPORTS).join(', ')}.`);
  }
  const named = readNamed(options);
  const format = formatOf(options);
  if (format === 'fhir')
    throw misused('A report is text, --json or --csv. For events as FHIR, use audit search.');
  const least = readTypedNumber('--least', options.least, 1, 1_000_000);
  const names = options.names === true;
  const given = await criteriaOf(options);
  const maker = REPORTS[name];
  const needs = 'needs' in maker ? maker.needs : undefined;
  if (needs !== undefined && given[needs] === undefined) {
    throw misused(`The report ${name} takes ${OPTION_OF[needs] ?? `--${needs}`}.`);
  }
  const from = reportFrom(maker, given, Date.now());
  const criteria = { ...given, ...(from !== undefined && { from }) };
  const auditId = randomUUID();
  const { result, reach } = await lookInto(
    configuration,
    (places) => {
      try {
        return makeReport(places, maker, {
          criteria,
          least,
          names,
          places: true,
          silentReads: true,
          searches: true,
          viewer: { kind: 'all' },
        });
      } catch (error) {
        throw error instanceof TooMuch ? new Failure(error.message) : error;
      }
    },
    ({ rows }) => ({
      type: 'audit-search',
      auditId,
      ...named,
      report: name,
      view: 'all',
      criteria: { ...recordedCriteria(criteria), ...(names && { names }) },
      eventsShown: rows.length,
    }),
  );
  const start = from === undefined ? 'from the beginning' : `from ${zonedTimeText(from)}`;
  const end = `until ${given.to === undefined ? `now, ${zonedTimeText(Date.now())}` : zonedTimeText(given.to)}`;
  const { from: _, to: __, ...others } = given;
  printReport(result, format, {
    auditId,
    coverage: searchedUntilOf(reach, reach.size),
    period: `${start} ${end}`,
    criteria: recordedCriteria(others),
    requestedBy: named,
  });
}

export function addAuditReportCommand(audit: Command, configuration: () => Configuration): void {
  withCriteria(
    audit
      .command('report')
      .description('Make a report for a privacy officer.')
      .argument('<name>', Object.keys(REPORTS).join(', ')),
  )
    .option('--least <count>', 'refusals, repeats: the least number to list', '3')
    .option('--names', 'child: with staff names, for the review')
    .addHelpText(
      'after',
      `
Reports:
${Object.entries(REPORTS)
  .map(([name, { about }]) => `  ${name.padEnd(14)}${about}`)
  .join('\n')}

child and user cover everything that is kept. The others cover the last ${REPORTED_DAYS} days, unless --from says otherwise.
Each report is an event, recorded before the report is shown. One that would be too long is refused, not cut.

Examples:
  cp-flags audit report child --child - --by 'A. Guardian' --reason 'subject access request 7'
  cp-flags audit report site --organisation RJ1 --csv --by 'A. Guardian' --reason 'monthly' > rj1.csv
`,
    )
    .action((name: string, options: ReportCommandOptions) =>
      auditReport(configuration(), name, options),
    );
}
