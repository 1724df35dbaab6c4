import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import { text as readAll } from 'node:stream/consumers';
import type { Command } from 'commander';
import { csvText } from '#loaders/formats/common/csv-text.ts';
import type { WrittenEvent } from '#schemas/audit/audit-event.ts';
import {
  AUDIT_OUTCOMES,
  type AuditCriteria,
  orderedCriteriaSchema,
  type SearchedUntil,
} from '#schemas/audit/audit-search.ts';
import type { NamedPerson } from '#schemas/audit/named-person.ts';
import { addDays, londonDate, londonIso, londonMidnight } from '#schemas/calendar.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { unspacedNhsNumber } from '#schemas/nhs-number.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { followLog, removeIndex } from '../audit/search/index-file.ts';
import {
  type Cell,
  REPORTS,
  type Report,
  type ReportName,
  TooMuch,
} from '../audit/search/reports.ts';
import {
  type AuditPlaces,
  type Found,
  readCursor,
  searchAudit,
  writeCursor,
} from '../audit/search/search.ts';
import {
  createSearchedUntil,
  type Reach,
  searchedUntilOf,
} from '../audit/search/searched-until.ts';
import { auditBundle } from '../fhir/audit-events.ts';
import { FHIR_BASE } from '../fhir/vocabulary.ts';
import { auditFolder, auditIndexFile } from '../files/data-folder.ts';
import { recordedCriteria } from '../routes/audit-search.ts';
import { Failure, misused } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { runningRedis, withStore } from './store.ts';
import { readTypedDay, readTypedTime, TYPED_DAYS } from './typed-time.ts';

type CriteriaOptions = {
  child?: string;
  user?: string;
  organisation?: string;
  authority?: string;
  activity?: string;
  outcome?: string;
  type?: string;
  from?: string;
  to?: string;
};
type FormatOptions = { json?: boolean; csv?: boolean; fhir?: boolean };
type SearchOptions = CriteriaOptions & Named & FormatOptions & { limit: string; cursor?: string };
type ReportCommandOptions = CriteriaOptions &
  Named &
  FormatOptions & { least: string; names?: boolean };

const iso = (at: number): string => new Date(at).toISOString();
const INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$/;
const UTC_INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$/;

const STEP_MS = 250;
const TOLD_EVERY_MS = 2_000;
const EVENTS_AT_MOST = 10_000;
/** A damaged index is made anew at most so often before somebody has to look at the disk. */
const MADE_ANEW_AT_MOST = 5;
const REPORTED_DAYS = 31;
const PAGE_WITHOUT_ADDRESS = 'https://cp-flags.invalid';

const placesOf = (configuration: Configuration): AuditPlaces => ({
  folder: auditFolder(configuration),
  indexFile: auditIndexFile(configuration),
});

/** Carries the index on to the end of the log, and says so where that takes a while. */
async function bringUpToDate({ folder, indexFile }: AuditPlaces) {
  const follower = followLog(folder, indexFile);
  let tellAt = performance.now() + TOLD_EVERY_MS;
  let anew = 0;
  try {
    for (;;) {
      const indexing = follower.step(STEP_MS);
      if (indexing?.behind === 0) return indexing;
      if (indexing === undefined && ++anew > MADE_ANEW_AT_MOST) {
        throw new Failure(
          `There is no audit log in ${folder}, or no index of it can be made in ${indexFile}. AUDIT_DIR and DATA_DIR say where they are.`,
        );
      }
      if (indexing !== undefined && performance.now() >= tellAt) {
        tellAt = performance.now() + TOLD_EVERY_MS;
        console.error(`Indexing the audit log: ${indexing.behind} entries to go.`);
      }
      // Others that carry the same index on get their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    follower.close();
  }
}

/** A time as people write it: a day or a time of London's, or an instant. A day as the end is included. */
function instantOf(option: '--from' | '--to', text: string): string {
  const date = readTypedDay(text);
  if (date !== undefined) {
    return iso(londonMidnight(option === '--to' ? addDays(date, 1) : date));
  }
  const time = readTypedTime(text);
  if (time !== undefined) return iso(time);
  if (INSTANT.test(text)) return text;
  throw misused(
    `${option} must be ${TYPED_DAYS}, or a time such as 27/11/2026 08:00 (London) or 2026-11-27T08:00:00Z.`,
  );
}

/** An NHS number from standard input, and on a terminal asked for. Never from an argument: `ps` shows those. */
async function readNhsNumber(option: string): Promise<string> {
  if (option !== '-') {
    throw misused(
      'Every user of this machine sees the arguments of a command, so no NHS number belongs there. Write --child - and type the number when it is asked for, or send it on standard input.',
    );
  }
  if (!process.stdin.isTTY) return unspacedNhsNumber((await readAll(process.stdin)).trim());
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return unspacedNhsNumber((await terminal.question('NHS number: ')).trim());
  } finally {
    terminal.close();
  }
}

const OPTION_OF: Record<string, string> = { nhsNumber: '--child' };

async function criteriaOf(options: CriteriaOptions): Promise<AuditCriteria> {
  const { child, from, to, user, organisation, authority, activity, outcome, type } = options;
  const given = {
    nhsNumber: child === undefined ? undefined : await readNhsNumber(child),
    from: from === undefined ? undefined : instantOf('--from', from),
    to: to === undefined ? undefined : instantOf('--to', to),
    user,
    organisation,
    authority,
    activity,
    outcome,
    type,
  };
  const parsed = orderedCriteriaSchema.safeParse(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  );
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0]);
  throw misused(`${OPTION_OF[name] ?? `--${name}`} ${issue?.message}.`);
}

function formatOf(options: FormatOptions): 'table' | 'json' | 'csv' | 'fhir' {
  const given = (['json', 'csv', 'fhir'] as const).filter((format) => options[format] === true);
  if (given.length > 1) throw misused(`Give one of ${given.map((f) => `--${f}`).join(' and ')}.`);
  return given[0] ?? 'table';
}

/**
 * Looks into the audit: brings the index up to date, works, and records what was looked for before
 * anything of it is shown.
 */
async function lookInto<T>(
  configuration: Configuration,
  work: (places: AuditPlaces) => T,
  event: (result: T) => Extract<WrittenEvent, { type: 'audit-search' }>,
): Promise<{ result: T; reach: Reach }> {
  const redis = await runningRedis(configuration);
  return withStore(configuration, redis, 'worker', async (store, _, connection) => {
    const places = placesOf(configuration);
    const indexing = await bringUpToDate(places);
    const readSearchedUntil = createSearchedUntil(places.folder, createAuditStreams(connection));
    const reach = await readSearchedUntil(indexing);
    const result = work(places);
    await store.appendEvent(event(result));
    return { result, reach };
  });
}

/** What would move a terminal's cursor, or hide a line in it. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** An instant as a person reads it: London's, with the zone in force there (GMT or BST). */
function londonTime(at: number): string {
  const shown = londonIso(at);
  const zone = shown.endsWith('+01:00') ? 'BST' : 'GMT';
  return `${shown.slice(0, 10)} ${shown.slice(11, 19)} ${zone}`;
}

/** As a person reads it. */
function shownCell(cell: Cell): string {
  const text = String(cell);
  return UTC_INSTANT.test(text) ? londonTime(Date.parse(text)) : text.replaceAll(UNPRINTABLE, '?');
}

/** As a program reads it: times are London's, with their offset. */
const withOffset = (cell: Cell): Cell =>
  typeof cell === 'string' && UTC_INSTANT.test(cell) ? londonIso(Date.parse(cell)) : cell;

function printTable(columns: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const lines = [columns, ...rows].map((row) => row.map(shownCell));
  const filled = columns.map((_, i) => lines.slice(1).some((line) => line[i] !== ''));
  const shown = lines.map((line) => line.filter((_, i) => filled[i]));
  const widths = (shown[0] ?? []).map((_, i) =>
    Math.max(...shown.map((line) => line[i]?.length ?? 0)),
  );
  for (const line of shown) {
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}

function printReach({ completeUntil, notSearched }: SearchedUntil, print = console.log): void {
  const later =
    notSearched === 0 ? '' : ` ${notSearched} events are not sealed yet and were not searched.`;
  print(
    completeUntil === undefined
      ? `Until when this is complete cannot be told just now: ask again.${later}`
      : `Everything recorded before ${shownCell(completeUntil)} was searched.${later}`,
  );
}

const textAt = (of: unknown, ...path: string[]): string => {
  let value = of;
  for (const name of path) {
    value =
      typeof value === 'object' && value !== null
        ? (value as Record<string, unknown>)[name]
        : undefined;
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
};

const SEARCH_COLUMNS = [
  'time',
  'event',
  'outcome',
  'activity',
  'nhs number',
  'user',
  'name',
  'role',
  'organisation',
  'delivered',
  'entry',
  'audit id',
];

function searchRow({ event, shown }: Found): Cell[] {
  return [
    shown.at,
    event.type,
    textAt(event, 'outcome') || textAt(event, 'code') || textAt(event, 'cause'),
    textAt(event, 'access'),
    textAt(event, 'nhsNumber') || textAt(event, 'criteria', 'nhsNumber'),
    textAt(event, 'caller', 'user'),
    textAt(event, 'caller', 'name') || textAt(event, 'by'),
    textAt(event, 'caller', 'role', 'name'),
    textAt(event, 'caller', 'organisation', 'code'),
    shown['delivered'] === false ? 'no' : '',
    textAt(shown, 'entry'),
    textAt(event, 'auditId'),
  ];
}

function wholeNumber(option: string, text: string, most: number): number {
  const number = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= most) return number;
  throw misused(`${option} must be a whole number from 1 to ${most}.`);
}

async function auditSearch(configuration: Configuration, options: SearchOptions): Promise<void> {
  const named = readNamed(options);
  const format = formatOf(options);
  const limit = wholeNumber('--limit', options.limit, EVENTS_AT_MOST);
  const criteria = await criteriaOf(options);
  const after = options.cursor === undefined ? undefined : readCursor(options.cursor, criteria);
  if (options.cursor !== undefined && after === undefined) {
    throw misused('--cursor is not one of this search: repeat the search that named it unchanged.');
  }
  const auditId = randomUUID();
  const { result, reach } = await lookInto(
    configuration,
    (places) => searchAudit(places, criteria, { kind: 'all' }, { limit, after }),
    ({ events }) => ({
      type: 'audit-search',
      auditId,
      ...named,
      view: 'all',
      criteria: recordedCriteria(criteria),
      eventsShown: events.length,
    }),
  );
  const { events } = result;
  const next = result.next === undefined ? undefined : writeCursor(result.next, criteria);
  const coverage = searchedUntilOf(reach, result.size);
  switch (format) {
    case 'json':
      console.log(
        JSON.stringify(
          {
            auditId,
            timeZone: 'UTC',
            events: events.map(({ shown }) => shown),
            next,
            coverage,
          },
          null,
          2,
        ),
      );
      return;
    case 'fhir': {
      const base = `${configuration.PUBLIC_URL ?? PAGE_WITHOUT_ADDRESS}${FHIR_BASE}`;
      const shown = events.map((each) => each.shown);
      const bundle = auditBundle(shown, { id: auditId, base, more: next !== undefined, coverage });
      console.log(JSON.stringify(bundle, null, 2));
      break;
    }
    case 'csv':
      process.stdout.write(
        csvText([SEARCH_COLUMNS, ...events.map((found) => searchRow(found).map(withOffset))]),
      );
      break;
    case 'table':
      if (events.length > 0) printTable(SEARCH_COLUMNS, events.map(searchRow));
      console.log(
        `\n${events.length === 0 ? 'No event matches' : `Events: ${events.length}, newest first. Times are London's`}. This search is on record as ${auditId}.`,
      );
  }
  const print = format === 'table' ? console.log : console.error;
  printReach(coverage, print);
  if (next !== undefined) print(`There are more: repeat with --cursor ${next}`);
}

/** What a report is of, and for whom it was made: whoever finds it later has nothing but it. */
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

const isReport = (name: string): name is ReportName => Object.hasOwn(REPORTS, name);

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
  // A CSV is for a program or a spreadsheet: what a person has to read first goes beside it.
  const print = format === 'csv' ? console.error : console.log;
  print(title);
  for (const [name, value] of Object.entries(criteria))
    print(`${CRITERIA[name] ?? name}: ${value}`);
  const { by, account, reason } = requestedBy;
  print(`Requested by: ${by} (account ${account}). Reason: ${reason}`);
  print(`Period: ${period}. All times are London's (GMT or BST).`);
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
    throw misused('A report is text, --json or --csv. Events as FHIR: search.');
  const least = wholeNumber('--least', options.least, 1_000_000);
  const names = options.names === true;
  const given = await criteriaOf(options);
  const maker = REPORTS[name];
  const needs = 'needs' in maker ? maker.needs : undefined;
  if (needs !== undefined && given[needs] === undefined) {
    throw misused(`The report ${name} takes ${OPTION_OF[needs] ?? `--${needs}`}.`);
  }
  const month = londonMidnight(addDays(londonDate(Date.now()), 1 - REPORTED_DAYS));
  const from = given.from ?? (maker.allTime ? undefined : Math.min(month, given.to ?? month));
  const criteria = { ...given, ...(from !== undefined && { from }) };
  const auditId = randomUUID();
  const { result, reach } = await lookInto(
    configuration,
    (places) => {
      try {
        return maker.make(places, { criteria, least, names });
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
  const start = from === undefined ? 'from the beginning' : `from ${londonTime(from)}`;
  const end = `until ${given.to === undefined ? `now, ${londonTime(Date.now())}` : londonTime(given.to)}`;
  const { from: _, to: __, ...others } = given;
  printReport(result, format, {
    auditId,
    coverage: searchedUntilOf(reach, reach.size),
    period: `${start} ${end}`,
    criteria: recordedCriteria(others),
    requestedBy: named,
  });
}

async function auditIndex(
  configuration: Configuration,
  { rebuild }: { rebuild?: boolean },
): Promise<void> {
  const places = placesOf(configuration);
  if (rebuild === true) removeIndex(places.indexFile);
  const { size } = await bringUpToDate(places);
  console.log(`The index of the audit goes up to entry ${size} of the log, its end.`);
}

const withCriteria = (command: Command): Command =>
  command
    .option('--child <->', 'whose: - asks for the NHS number, or reads it from standard input')
    .option('--user <id>', "the user's id, or who did it where that was an operator")
    .option('--organisation <code>', 'ODS code of the organisation that asked')
    .option(
      '--authority <code>',
      'ODS code of the authority whose plan was shown, or whose file it was',
    )
    .option('--activity <name>', 'unscheduled (B0107) or silent-read (B0170)')
    .option('--outcome <outcome>', AUDIT_OUTCOMES.join(', '))
    .option('--type <type>', 'the type of event, such as lookup, refusal, load, audit-search')
    .option(
      '--from <time>',
      'a day or time of London, such as 27/11/2026 or 27/11/2026 08:00; or 2026-11-24T08:00:00Z',
    )
    .option('--to <time>', 'likewise; a day is included, a time is not')
    .requiredOption('--by <name>', 'who asks; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .option('--json', 'for programs')
    .option('--csv', 'for a spreadsheet');

/** `cp-flags audit search`, `report` and `index`. */
export function addAuditSearchCommands(audit: Command, configuration: () => Configuration): void {
  withCriteria(
    audit
      .command('search')
      .description('Find events: who looked at whom, when, and what was shown.'),
  )
    .option('--fhir', 'as FHIR R4, a Bundle of AuditEvent')
    .option('--limit <count>', `so many events at most, up to ${EVENTS_AT_MOST}`, '100')
    .option('--cursor <cursor>', 'go on where the same search ended')
    .addHelpText(
      'after',
      `
Newest first; everything given must hold. The search is itself an event, recorded before anything is shown,
with --by, --reason and what was asked for. What is shown holds NHS numbers: treat it as the record it is.

Examples:
  cp-flags audit search --child - --by 'A. Guardian' --reason 'complaint 12/2026'
  cp-flags audit search --organisation RJ1 --from 2026-11-01 --outcome flagged --csv \\
    --by 'A. Guardian' --reason 'monthly review' > november.csv
`,
    )
    .action((options: SearchOptions) => auditSearch(configuration(), options));

  withCriteria(
    audit
      .command('report')
      .description('Make one of the reports that a privacy officer needs.')
      .argument('<name>', Object.keys(REPORTS).join(', ')),
  )
    .option('--least <count>', 'refusals: so many at least', '3')
    .option('--names', 'child: with the names of members of staff, for the review')
    .addHelpText(
      'after',
      `
Reports:
${Object.entries(REPORTS)
  .map(([name, { about }]) => `  ${name.padEnd(14)}${about}`)
  .join('\n')}

child and user cover all that is kept, the others the last ${REPORTED_DAYS} days, unless --from says otherwise. Each is
an event, recorded before it is shown. A report that would be cut short is refused, not cut.

Examples:
  cp-flags audit report child --child - --by 'A. Guardian' --reason 'subject access request 7'
  cp-flags audit report site --organisation RJ1 --csv --by 'A. Guardian' --reason 'monthly' > rj1.csv
`,
    )
    .action((name: string, options: ReportCommandOptions) =>
      auditReport(configuration(), name, options),
    );

  audit
    .command('index')
    .description('Bring the index of the log, by which it is searched, up to date.')
    .option('--rebuild', 'make it anew from the log')
    .addHelpText(
      'after',
      `
A worker and every search do this by themselves, and make a missing or damaged index anew. The index holds
nothing that is not in the log and can be deleted at any time.

Example:
  cp-flags audit index --rebuild
`,
    )
    .action((options: { rebuild?: boolean }) => auditIndex(configuration(), options));
}
