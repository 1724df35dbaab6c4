import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { csvText } from '#loaders/formats/common/csv-text.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { SEARCH_COLUMNS, searchRow, withOffset } from '../audit/search/cells.ts';
import { readCursor, searchAudit, writeCursor } from '../audit/search/search.ts';
import { searchedUntilOf } from '../audit/search/searched-until.ts';
import { recordedCriteria } from '../audit/search/viewer.ts';
import { auditBundle } from '../fhir/audit-events.ts';
import { FHIR_BASE } from '../fhir/vocabulary.ts';
import {
  type CriteriaOptions,
  criteriaOf,
  type FormatOptions,
  formatOf,
  withCriteria,
} from './audit-criteria.ts';
import { lookInto } from './audit-index.ts';
import { printReach, printTable } from './audit-print.ts';
import { misused } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { readTypedNumber } from './typed-number.ts';

type SearchOptions = CriteriaOptions & Named & FormatOptions & { limit: string; cursor?: string };

const EVENTS_AT_MOST = 10_000;
/** The setting of a search with `--fhir`, for the help. */
export const SEARCH_SETTINGS = ['PUBLIC_URL'] as const satisfies readonly (keyof Configuration)[];

const PAGE_WITHOUT_ADDRESS = 'https://cp-flags.invalid';

/** The base of the addresses in a Bundle, which has to be absolute. */
export const fhirBase = ({ PUBLIC_URL }: Pick<Configuration, (typeof SEARCH_SETTINGS)[number]>) =>
  `${PUBLIC_URL ?? PAGE_WITHOUT_ADDRESS}${FHIR_BASE}`;

async function auditSearch(configuration: Configuration, options: SearchOptions): Promise<void> {
  const named = readNamed(options);
  const format = formatOf(options);
  const limit = readTypedNumber('--limit', options.limit, 1, EVENTS_AT_MOST);
  const criteria = await criteriaOf(options);
  const after = options.cursor === undefined ? undefined : readCursor(options.cursor, criteria);
  if (options.cursor !== undefined && after === undefined) {
    throw misused(
      '--cursor does not belong to this search: repeat the search that named it, unchanged.',
    );
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
      const base = fhirBase(configuration);
      const shown = events.map((each) => each.shown);
      const bundle = auditBundle(shown, { id: auditId, base, more: next !== undefined, coverage });
      console.log(JSON.stringify(bundle, null, 2));
      break;
    }
    case 'csv':
      process.stdout.write(
        csvText([SEARCH_COLUMNS, ...events.map(({ shown }) => searchRow(shown).map(withOffset))]),
      );
      break;
    case 'table':
      if (events.length > 0)
        printTable(
          SEARCH_COLUMNS,
          events.map(({ shown }) => searchRow(shown)),
        );
      console.log(
        `\n${events.length === 0 ? 'No event matches' : `Events: ${events.length}, newest first. Times are London’s`}. This search is on record as ${auditId}.`,
      );
  }
  const print = format === 'table' ? console.log : console.error;
  printReach(coverage, print);
  if (next !== undefined) print(`There are more: repeat with --cursor ${next}`);
}

export function addAuditSearchCommand(audit: Command, configuration: () => Configuration): void {
  withCriteria(
    audit
      .command('search')
      .description('Find events: who looked at whom, when, and what was shown.'),
  )
    .option('--fhir', 'as FHIR R4, a Bundle of AuditEvent')
    .option('--limit <count>', `the most events to show, up to ${EVENTS_AT_MOST}`, '100')
    .option('--cursor <cursor>', 'continue where the same search ended')
    .addHelpText(
      'after',
      `
The newest events come first. An event must match every option that you give. The search is itself an event with
--by, --reason and what was asked for, recorded before anything is shown. The results have NHS numbers: treat them
as patient records.

Examples:
  cp-flags audit search --child - --by 'A. Guardian' --reason 'complaint 12/2026'
  cp-flags audit search --organisation RJ1 --from 2026-11-01 --outcome flagged --csv \\
    --by 'A. Guardian' --reason 'monthly review' > november.csv
`,
    )
    .action((options: SearchOptions) => auditSearch(configuration(), options));
}
