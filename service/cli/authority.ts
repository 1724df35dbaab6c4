// One file, since `cp-flags authority` is one command, whose subcommands share how they read who decides.

import { isDeepStrictEqual } from 'node:util';
import type { Command } from 'commander';
import { confirmPlans } from '#loaders/upkeep/confirm-plans.ts';
import { removeAuthority } from '#loaders/upkeep/remove-authority.ts';
import { resetSequence } from '#loaders/upkeep/reset-sequence.ts';
import { councilPhoneSchema, type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import { londonDate, longDateText } from '#schemas/calendar.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { expectedAuthoritiesSchema } from '#schemas/expected-authorities.ts';
import { officeHoursSchema } from '#schemas/office-hours.ts';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import { shortTextSchema } from '#schemas/text.ts';
import {
  type BreakerName,
  breakersSchema,
  type OwnBreakers,
  ownBreakersSchema,
  settingOf,
} from '#schemas/uploads/breakers.ts';
import { type ColumnMapping, columnMappingSchema, NO_MAPPING } from '#schemas/uploads/columns.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import type { IntakeState } from '#store/authorities/ledger.ts';
import type { RedisRole } from '#store/connection/embedded-redis.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { readSettingFile } from '../files/setting-file.ts';
import { Failure, misused } from './failure.ts';
import { type Named, osAccount, readNamed, readOption } from './named.ts';
import { withNewestStore, withStore } from './store.ts';
import { readWholeNumber } from './typed-number.ts';

type AuthorityOptions = {
  columns?: string;
  name?: string;
  office?: string;
  officeHours?: string;
  emergency?: string;
} & Partial<Record<BreakerName, string>>;

/** The settings of breakers by their options: `--removals-stop-share` and so on. */
const BREAKER_OPTIONS = (Object.keys(breakersSchema.shape) as BreakerName[]).map((name) => ({
  name,
  flag: `--${settingOf(name).replaceAll('_', '-').toLowerCase()}`,
}));
const OVERTAKEN =
  'Somebody else changed this at the same moment, so nothing was changed. Look at it, and do it again.';
const AS_CONFIGURED = 'default';
const NONE = 'none';

/** Given values replace the authority's; `default` removes its own setting. */
function breakersOf(given: AuthorityOptions, had: OwnBreakers): OwnBreakers | undefined {
  let changed = false;
  const breakers: OwnBreakers = { ...had };
  for (const { name, flag } of BREAKER_OPTIONS) {
    const text = given[name];
    if (text === undefined) continue;
    changed = true;
    if (text === AS_CONFIGURED) delete breakers[name];
    else if (!/^[0-9]+(\.[0-9]+)?$/.test(text))
      throw misused(`${flag} must be a number, or default.`);
    else breakers[name] = Number(text);
  }
  return changed ? readOption('The setting', ownBreakersSchema, breakers) : undefined;
}

/**
 * What a case system calls its columns and plans, from a file; `default` for this service's own names.
 *
 * @throws {Failure} a sentence that says what is wrong with the file
 */
export const readColumns = async (path: string): Promise<ColumnMapping> =>
  path === AS_CONFIGURED ? NO_MAPPING : readSettingFile('--columns', path, columnMappingSchema);

/** What this command can change: files change the rest at any time. */
const settingsOf = ({ authority, breakers, columns }: IntakeState) => ({
  breakers,
  columns,
  name: authority?.name,
  office: authority?.officeHoursPhone,
  hours: authority?.officeHours,
  emergency: authority?.emergencyDutyTeamPhone,
});

/**
 * `cp-flags authority set`: adds an authority, or changes its name, telephone numbers and what counts as
 * unusual in its files.
 */
async function setAuthority(
  configuration: Configuration,
  codeText: string,
  options: AuthorityOptions,
): Promise<void> {
  const { name, office, officeHours, emergency } = options;
  const code = readOption('CODE', odsCodeSchema, codeText);
  const columns = options.columns === undefined ? undefined : await readColumns(options.columns);
  const details = {
    ...(columns !== undefined && { columns }),
    ...(name !== undefined && { name: readOption('--name', shortTextSchema, name) }),
    ...(office !== undefined && {
      officeHoursPhone: readOption('--office', councilPhoneSchema, office),
      officeHoursPhoneAsOf: new Date().toISOString(),
    }),
    ...(officeHours !== undefined && {
      officeHours:
        officeHours === NONE ? '' : readOption('--office-hours', officeHoursSchema, officeHours),
    }),
    ...(emergency !== undefined && {
      emergencyDutyTeamPhone: readOption('--emergency', councilPhoneSchema, emergency),
      emergencyDutyTeamPhoneAsOf: new Date().toISOString(),
    }),
  };
  if (Object.keys(details).length === 0 && breakersOf(options, {}) === undefined) {
    throw misused(
      'Nothing to set: give --name, --office, --office-hours, --emergency, --columns or a setting.',
    );
  }
  await withStore(configuration, 'loader', async (store) => {
    const before = await store.intakeState(code);
    if (before.authority === undefined && (name === undefined || emergency === undefined)) {
      throw new Failure(
        `Authority ${code} is not known here yet: give its --name and its --emergency duty team number.`,
      );
    }
    const breakers = breakersOf(options, before.breakers);
    const done = await store.setAuthority(
      code,
      { ...details, ...(breakers !== undefined && { breakers }) },
      osAccount(),
      async () => isDeepStrictEqual(settingsOf(await store.intakeState(code)), settingsOf(before)),
    );
    if (done === 'overtaken') throw new Failure(OVERTAKEN);
    const held = await store.authority(code);
    const phones = [
      `emergency duty team ${held?.emergencyDutyTeamPhone}`,
      ...(held?.officeHoursPhone === undefined ? [] : [`office hours ${held.officeHoursPhone}`]),
      ...(held?.officeHours === undefined ? [] : [`open ${held.officeHours}`]),
    ];
    console.log(`Authority ${code} ${done}: ${held?.name}; ${phones.join('; ')}.`);
    if (held?.officeHoursPhone === held?.emergencyDutyTeamPhone) {
      console.log(
        '  The same number is given for office hours and nights: make sure that it is answered at night.',
      );
    }
    if (breakers !== undefined) console.log(`  Its own settings: ${JSON.stringify(breakers)}`);
    if (columns !== undefined)
      console.log(`  What its CSVs call columns and plans: ${JSON.stringify(columns)}`);
    const expected = await store.expected();
    if (expected?.authorities.every((each) => each.code !== code)) {
      console.log(
        '  It is not one of the expected authorities, so coverage does not count it (page Councils expected, or cp-flags authority expect).',
      );
    }
  });
}

/** `cp-flags authority list`: a line for each known or expected authority. */
async function listAuthorities(
  configuration: Configuration,
  { json = false }: { json?: boolean },
): Promise<void> {
  await withStore(configuration, 'loader', async (store) => {
    const known = await store.authorities();
    // Without a list, a demo expects every authority, and live data none in particular.
    const list = (await store.expected())?.authorities;
    const lines = [
      ...known.map(({ code, name, officeHoursPhone, emergencyDutyTeamPhone, ...rest }) => ({
        code,
        name,
        known: true,
        expected: list?.some((each) => each.code === code),
        officeHoursPhone,
        officeHours: rest.officeHours,
        emergencyDutyTeamPhone,
        emergencyDutyTeamPhoneAsOf: rest.emergencyDutyTeamPhoneAsOf,
        dataAsOf: rest.dataAsOf,
      })),
      ...(list ?? [])
        .filter(({ code }) => known.every((each) => each.code !== code))
        .map(({ code, name }) => ({ code, name, known: false, expected: true })),
    ].toSorted((one, other) => one.code.localeCompare(other.code));
    if (json) {
      console.log(JSON.stringify(lines, null, 2));
      return;
    }
    if (lines.length === 0) console.log('No authority is known or expected.');
    for (const line of lines) console.log(lineOf(line));
  });
}

function lineOf(line: {
  code: string;
  name: string;
  known: boolean;
  expected: boolean | undefined;
  officeHoursPhone?: string | undefined;
  officeHours?: string | undefined;
  emergencyDutyTeamPhone?: string;
  emergencyDutyTeamPhoneAsOf?: string | undefined;
  dataAsOf?: string | undefined;
}): string {
  const { officeHoursPhone, emergencyDutyTeamPhone, emergencyDutyTeamPhoneAsOf: asOf } = line;
  return [
    `${line.code}  ${line.name}`,
    ...(line.known
      ? [
          `office hours ${officeHoursPhone ?? '-'}${line.officeHours === undefined ? '' : `, open ${line.officeHours}`}`,
          `emergency duty team ${emergencyDutyTeamPhone}${asOf === undefined ? '' : `, given on ${longDateText(londonDate(Date.parse(asOf)))}`}`,
          line.dataAsOf === undefined
            ? 'nothing loaded'
            : `data as of ${zonedTimeText(line.dataAsOf)}`,
        ]
      : ['not known yet']),
    ...(line.expected === false ? ['not expected'] : []),
  ].join('; ');
}

/** Does something to an authority for a named person, and prints the result. */
async function decided(
  configuration: Configuration,
  codeText: string,
  named: Named,
  role: RedisRole,
  work: (store: Store, anchor: Anchor, code: OdsCode, who: Named) => Promise<string>,
): Promise<void> {
  const code = readOption('CODE', odsCodeSchema, codeText);
  const who = readNamed(named);
  await withNewestStore(configuration, role, async (store, anchor) => {
    console.log(await work(store, anchor, code, who));
  });
}

/** `cp-flags authority reset-sequence`: restarts the numbering of its files. */
export const resetAuthoritySequence = (
  configuration: Configuration,
  code: string,
  { fullRefreshFollows, ...decision }: Named & { fullRefreshFollows?: boolean },
): Promise<void> =>
  decided(configuration, code, decision, 'loader', async (store, anchor, authority, who) => {
    const { highest, missing } = await resetSequence(store, anchor, authority, {
      ...who,
      ...omitUndefined({ fullRefreshFollows }),
    });
    const waits = missing.map((number) => ` ${LOAD_FAILED.fullRefreshNeeded(number, authority)}`);
    const ended = highest === undefined ? '' : `; the old one ended with ${highest}`;
    return `Files of authority ${authority} start a new numbering from now on${ended}.${waits.join('')}`;
  });

/** `cp-flags authority confirm-plans`: records that no plan is missing that the authority wants to be held. */
export const confirmAuthorityPlans = (
  configuration: Configuration,
  code: string,
  { fullRefresh, ...decision }: Named & { fullRefresh: string },
): Promise<void> =>
  decided(configuration, code, decision, 'loader', async (store, anchor, authority, who) => {
    const of = readWholeNumber('--full-refresh', fullRefresh);
    await confirmPlans(store, anchor, authority, { ...who, fullRefresh: of });
    return `It is recorded that no plan of authority ${authority} is missing here.`;
  });

/**
 * `cp-flags authority remove`: removes an authority that was added by mistake. It needs the store's administrator: no
 * running process may remove an authority from the directory.
 */
export const removeAuthorityByMistake = (
  configuration: Configuration,
  code: string,
  decision: Named,
): Promise<void> =>
  decided(configuration, code, decision, 'admin', async (store, anchor, authority, who) => {
    await removeAuthority(store, anchor, authority, who);
    const expected = await store.expected();
    return expected?.authorities.some(({ code: each }) => each === authority)
      ? `Authority ${authority} is removed. It is still expected (page Councils expected, or cp-flags authority expect).`
      : `Authority ${authority} is removed.`;
  });

type ExpectOptions = Named & { file: string };

/**
 * `cp-flags authority expect`: sets which authorities are expected. A worker does the same for its operator's page, so
 * this needs no more rights than a loader has.
 */
export async function expectAuthorities(
  configuration: Configuration,
  { file, ...named }: ExpectOptions,
): Promise<void> {
  const who = readNamed(named);
  const expected = await readSettingFile('--file', file, expectedAuthoritiesSchema);
  await withStore(configuration, 'loader', async (store) => {
    const shown = await store.expected();
    const before = shown?.authorities ?? [];
    const isAsRead = async () => isDeepStrictEqual(await store.expected(), shown);
    if ((await store.setExpected(expected, who, isAsRead)) === 'overtaken') {
      throw new Failure(OVERTAKEN);
    }
    const without = (all: typeof before, others: typeof before) =>
      all.filter(({ code }) => others.every((other) => other.code !== code));
    const { area, kind, authorities } = expected;
    const count = authorities.length;
    console.log(
      kind === 'all'
        ? `Expected from now on: the ${count} authorities of ${area}.`
        : `Expected from now on: ${count} authorities, a pilot in ${area}.`,
    );
    for (const { code, name } of without(authorities, before)) console.log(`  + ${code} ${name}`);
    for (const { code, name } of without(before, authorities)) console.log(`  - ${code} ${name}`);
  });
}

export function addAuthorityCommands(program: Command, configuration: () => Configuration): void {
  const authority = program.command('authority').description('List, add and change authorities.');
  const set = authority
    .command('set')
    .description('Add an authority, or change its name, numbers and settings.')
    .argument('<code>', 'its ODS code')
    .option('--name <text>', 'its name, as clinicians read it')
    .option('--office <number>', 'children’s social care in office hours')
    .option(
      '--office-hours <text>',
      'when that number answers, like "Mon-Thu 08:45-17:00, Fri 08:45-16:30"; or none',
    )
    .option('--emergency <number>', 'emergency duty team, out of hours')
    .option(
      '--columns <file>',
      'JSON: what its CSV files call columns and plans, however they are sent; or default',
    );
  for (const { name, flag } of BREAKER_OPTIONS) {
    set.option(`${flag} <number>`, `its own ${settingOf(name)}: see cp-flags load --help`);
  }
  set
    .addHelpText(
      'after',
      `
A new authority needs at least --name and --emergency. Anything that you do not give stays as it is.

Example:
  cp-flags authority set V145 --name "Example Borough Council" --office 02079460100 --emergency 02079460199
`,
    )
    .action((code: string, options: AuthorityOptions) =>
      setAuthority(configuration(), code, options),
    );
  authority
    .command('list')
    .description('List the authorities known and expected: name, numbers, how fresh their data is.')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `
Example:
  cp-flags authority list
`,
    )
    .action((options: { json?: boolean }) => listAuthorities(configuration(), options));
  authority
    .command('reset-sequence')
    .description('Let the file numbering of an authority start again, as after a new case system.')
    .argument('<code>', 'its ODS code')
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .option(
      '--full-refresh-follows',
      'even while a file is missing. Only a full refresh then brings the authority up to date',
    )
    .addHelpText(
      'after',
      `
After that, files made before the newest one that is loaded are refused. While a file is missing, because it was cut
short and its journal is gone, nothing is changed without --full-refresh-follows.

Example:
  cp-flags authority reset-sequence V145 --by "A. Example" --reason "new case system since Monday"
`,
    )
    .action((code: string, options: Named & { fullRefreshFollows?: boolean }) =>
      resetAuthoritySequence(configuration(), code, options),
    );

  authority
    .command('confirm-plans')
    .description(
      'Record that none of an authority’s plans is missing any more, after the store had lost some.',
    )
    .argument('<code>', 'its ODS code')
    .requiredOption(
      '--full-refresh <number>',
      'the full refresh that the authority was asked about',
    )
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why, and who at the authority said so; goes into the audit')
    .addHelpText(
      'after',
      `
Use it only after a full refresh with refused records. Ask the authority whether any of these records is a plan
that should be held. If one is, the authority corrects the record and sends another full refresh instead.
If another full refresh has come since you asked, nothing is changed.

Example:
  cp-flags authority confirm-plans V145 --full-refresh 12 --by "A. Example" \\
    --reason "B. Council: the refused record is of an adult"
`,
    )
    .action((code: string, options: Named & { fullRefresh: string }) =>
      confirmAuthorityPlans(configuration(), code, options),
    );

  authority
    .command('expect')
    .description('Set which authorities are expected to send plans. Replaces the whole list.')
    .requiredOption('--file <path>', 'JSON, as for cp-flags init')
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
Use it when a council joins, leaves or merges. An expected authority that never loaded a file is not up to
date. Plans that are held stay shown, whether their authority is expected or not. Lookups use the new list
within a second.

Example:
  cp-flags authority expect --file expected.json --by "A. Example" --reason "V146 joins the pilot"
`,
    )
    .action((options: ExpectOptions) => expectAuthorities(configuration(), options));

  authority
    .command('remove')
    .description('Remove an authority that was entered by mistake and has loaded nothing.')
    .argument('<code>', 'its ODS code')
    .requiredOption('--by <name>', 'who decides; goes into the audit')
    .requiredOption('--reason <text>', 'why; goes into the audit')
    .addHelpText(
      'after',
      `
Example:
  cp-flags authority remove V415 --by "A. Example" --reason "mistyped, meant V145"
`,
    )
    .action((code: string, options: { by: string; reason: string }) =>
      removeAuthorityByMistake(configuration(), code, options),
    );
}
