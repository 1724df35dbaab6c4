import type { Command } from 'commander';
import { londonMidnight } from '#schemas/calendar.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { readTypedDay, TYPED_DAYS } from '#schemas/typed-time.ts';
import { sortableTimeText } from '#schemas/wording/times.ts';
import { type AccessCase, Cases } from '../audit/cases/cases.ts';
import { auditCasesFile } from '../files/data-folder.ts';
import { Failure, misused } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { withNewestStore } from './store.ts';

const LISTED_AT_ONCE = 1_000;

async function withCases<T>(
  configuration: Configuration,
  work: (cases: Cases) => T | Promise<T>,
): Promise<T> {
  return withNewestStore(configuration, 'worker', async (store) => {
    const cases = Cases.open(auditCasesFile(configuration), (event) => store.appendEvent(event));
    try {
      return await work(cases);
    } finally {
      cases.close();
    }
  });
}

function* everyCase(cases: Cases): Generator<AccessCase> {
  for (let before: number | undefined; ; ) {
    const page = cases.list(undefined, LISTED_AT_ONCE, before);
    yield* page.cases;
    if (page.next === undefined) return;
    before = page.next;
  }
}

async function listCases(configuration: Configuration): Promise<void> {
  await withCases(configuration, (cases) => {
    let count = 0;
    for (const { id, state, organisation, openedAt, changedAt } of everyCase(cases)) {
      console.log(
        `${id}  ${state}  ${organisation}  opened ${sortableTimeText(openedAt)}  changed ${sortableTimeText(changedAt)}`,
      );
      count++;
    }
    console.log(`Cases: ${count}.`);
  });
}

const casesText = (count: number): string => (count === 1 ? '1 case' : `${count} cases`);

type EraseOptions = Named & { case?: string; endedBefore?: string };

async function eraseCases(configuration: Configuration, options: EraseOptions): Promise<void> {
  const named = readNamed(options);
  const { case: id, endedBefore } = options;
  if ((id === undefined) === (endedBefore === undefined)) {
    throw misused('Give either --case ID or --ended-before DAY.');
  }
  const day = endedBefore === undefined ? undefined : readTypedDay(endedBefore);
  if (endedBefore !== undefined && day === undefined) {
    throw misused(`--ended-before must be ${TYPED_DAYS}.`);
  }
  await withCases(configuration, async (cases) => {
    const before = day && new Date(londonMidnight(day)).toISOString();
    const one = id === undefined ? undefined : cases.find(id);
    if (id !== undefined && one === undefined) throw new Failure(`There is no case ${id}.`);
    const found =
      before === undefined ? [one].filter((each) => each !== undefined) : cases.ended(before);
    const done = { erased: 0, changed: 0, empty: 0 };
    const printErased = (): void =>
      console.log(
        `The notes of ${casesText(done.erased)} are erased. What was done, when and by whom stays.`,
      );
    try {
      for (const each of found) done[await cases.erase(each, named)]++;
    } catch (error) {
      // They cannot be brought back.
      if (done.erased > 0) printErased();
      throw error;
    }
    printErased();
    const { changed } = done;
    if (changed > 0) {
      throw new Failure(
        `${casesText(changed)} changed meanwhile and kept ${changed === 1 ? 'its' : 'their'} notes. Look at what changed before you erase them.`,
      );
    }
  });
}

export function addAuditCasesCommands(audit: Command, configuration: () => Configuration): void {
  audit
    .command('cases')
    .description('List the cases on accesses: states and times, without their notes.')
    .addHelpText('after', '\nExample:\n  cp-flags audit cases\n')
    .action(() => listCases(configuration()));
  audit
    .command('erase-cases')
    .description('Erase the notes of a case, or of cases that ended long ago.')
    .option('--case <id>', 'of this case, ended or not')
    .option('--ended-before <day>', 'of all cases that ended before this day in London')
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
The notes can be recovered only from a backup. The audit keeps what was done, when and by whom, and a digest that
reveals nothing once the notes are gone. The rest of a case stays.

Example:
  cp-flags audit erase-cases --ended-before 27/11/2024 --by 'A. Guardian' --reason 'retention schedule'
`,
    )
    .action((options: EraseOptions) => eraseCases(configuration(), options));
}
