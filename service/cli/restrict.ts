import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Acting } from '#loaders/upkeep/changing.ts';
import {
  endActInDoubt,
  endRestriction,
  listRestrictions,
  setRestriction,
} from '#loaders/upkeep/restrict.ts';
import type { AuditEvent } from '#schemas/audit/audit-event.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { Configuration } from '#schemas/configuration.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { userSchema } from '#schemas/people/identity.ts';
import { RESTRICTION } from '#schemas/wording/restrictions.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { CommitFile } from '../audit/log/commit.ts';
import type { Place } from '../audit/search/index-file.ts';
import { NoIndex, searchAudit } from '../audit/search/search.ts';
import { auditFolder, auditIndexFile } from '../files/data-folder.ts';
import { Failure, misused } from './failure.ts';
import { type Named, namedActing, readNamed, readOdsCode, readOption } from './named.ts';
import { withNewestStore } from './store.ts';
import { readChild } from './typed-nhs-number.ts';

const EVENTS_AT_ONCE = 1_000;
const INDEXED_WITHIN_MS = 10_000;
const LOOKED_AT_EVERY_MS = 200;

type RecordedRestriction = Extract<AuditEvent, { type: 'restriction' }>;

type RestrictOptions = Partial<Named> & {
  child?: string;
  whereabouts?: boolean;
  bar?: string;
  end?: string;
  list?: boolean;
};

type Wanted =
  | { kind: 'list' }
  | { kind: 'end'; id: string; by: Acting; reason: string }
  | { kind: 'set'; child: NhsNumber; user: string | undefined; by: Acting; reason: string };

async function readWanted(options: RestrictOptions): Promise<Wanted> {
  if (options.list === true) return { kind: 'list' };
  const { by: name, reason } = readNamed(options);
  const by = namedActing(name);
  if (options.end !== undefined) return { kind: 'end', id: options.end, by, reason };
  if ((options.whereabouts === true) === (options.bar !== undefined)) {
    throw misused('Say what to keep back: --whereabouts, or --bar USER.');
  }
  const user = options.bar === undefined ? undefined : readOption('--bar', userSchema, options.bar);
  return { kind: 'set', child: await readChild(options.child), user, by, reason };
}

async function list(store: Store, anchor: Anchor, code: OdsCode): Promise<void> {
  const all = await listRestrictions(store, anchor, code);
  if (all.length === 0) console.log(`Authority ${code} keeps nothing back.`);
  // Neither number nor local id, and no barred user: operators are shown no child.
  for (const { restriction, standing } of all) {
    const { id, kind, set, ended } = restriction;
    console.log(
      [
        `${id}  ${RESTRICTION.kinds[kind]}: ${RESTRICTION.standing[standing]}`,
        `set by ${set.name} at ${zonedTimeText(set.at)}`,
        ...(ended === undefined ? [] : [`ended by ${ended.name} at ${zonedTimeText(ended.at)}`]),
      ].join('; '),
    );
  }
}

/**
 * How an act was recorded in the log; `undefined` if it was not. It waits for an index that has not reached the end of
 * the log yet.
 *
 * @throws {Failure} if that cannot be said
 */
async function recordedAct(
  configuration: Configuration,
  authority: OdsCode,
  id: string,
): Promise<RecordedRestriction | undefined> {
  const folder = auditFolder(configuration);
  const places = { folder, indexFile: auditIndexFile(configuration) };
  const criteria = { authority, type: 'restriction' };
  const sealed = CommitFile.sizeIfThere(folder)?.size ?? 0;
  const until = performance.now() + INDEXED_WITHIN_MS;
  try {
    for (let after: Place | undefined; ; ) {
      const options = { limit: EVENTS_AT_ONCE, after };
      const { events, next, size } = searchAudit(places, criteria, { kind: 'all' }, options);
      for (const { event } of events) {
        if (event.type === 'restriction' && event.restriction === id) return event;
      }
      after = next;
      if (next !== undefined) continue;
      if (size >= sealed) return undefined;
      if (performance.now() >= until) throw new Failure(RESTRICTION.notIndexed);
      await delay(LOOKED_AT_EVERY_MS);
    }
  } catch (error) {
    throw error instanceof NoIndex ? new Failure(error.message) : error;
  }
}

async function act(
  store: Store,
  anchor: Anchor,
  code: OdsCode,
  wanted: Exclude<Wanted, { kind: 'list' }>,
  recordedOf: (id: string) => Promise<RecordedRestriction | undefined>,
): Promise<void> {
  if (wanted.kind === 'end') {
    const { id, by, reason } = wanted;
    if (anchor.actsInDoubt().some((each) => each.authority === code && each.act === id)) {
      const recorded = await recordedOf(id);
      const doubted = { authority: code, act: id };
      const done = await endActInDoubt(store, anchor, doubted, recorded, reason, by);
      if (done.kind !== 'ended') throw new Failure(RESTRICTION.refused[done.kind]);
      console.log(recorded === undefined ? RESTRICTION.lostNotRecorded : RESTRICTION.lostEnded);
      return;
    }
    const kept = (await store.restriction(code, id))?.kind;
    const { kind } = await endRestriction(store, anchor, code, id, reason, by);
    if (kind !== 'ended' || kept === undefined) {
      throw new Failure(RESTRICTION.refused[kind === 'ended' ? 'gone' : kind]);
    }
    console.log(RESTRICTION.ended[kept]);
    return;
  }
  const { child: nhsNumber, user, by, reason } = wanted;
  const what =
    user === undefined
      ? ({ kind: 'whereabouts', nhsNumber } as const)
      : ({ kind: 'barred', nhsNumber, user: { id: user } } as const);
  const done = await setRestriction(store, anchor, code, what, reason, by);
  if (done.kind !== 'set') throw new Failure(RESTRICTION.refused[done.kind]);
  const { id } = done.restriction;
  const { other } =
    (await listRestrictions(store, anchor, code)).find(
      ({ restriction }) => restriction.id === id,
    ) ?? {};
  console.log(other === undefined ? RESTRICTION.set[what.kind] : RESTRICTION.other[other]);
  console.log(`To end it: cp-flags restrict ${code} --end ${id}`);
}

/** `cp-flags restrict`: for a council that cannot use its pages, on its written word. */
async function restrict(
  configuration: Configuration,
  codeText: string,
  options: RestrictOptions,
): Promise<void> {
  const code = readOdsCode(codeText);
  const wanted = await readWanted(options);
  await withNewestStore(configuration, 'loader', async (store, anchor) => {
    if (wanted.kind === 'list') await list(store, anchor, code);
    else await act(store, anchor, code, wanted, (id) => recordedAct(configuration, code, id));
  });
}

export function addRestrictCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('restrict')
    .description('Protect where a council’s child is looked up, or bar a user from the child.')
    .argument('<code>', 'the council’s ODS code')
    .option('--child <->', 'always -: asks for the NHS number, or reads it from standard input')
    .option('--whereabouts', 'nobody else is shown where this child is looked up')
    .option(
      '--bar <user>',
      'this user gets no answer about the child; give the id that the audit shows',
    )
    .option('--by <name>', 'who at the council asks; goes into the audit')
    .option('--reason <text>', 'why; goes into the audit')
    .option('--end <id>', 'end it')
    .option('--list', 'list what is kept back now, and what was kept back recently')
    .addHelpText(
      'after',
      `
It stays until it is ended, whatever files say. A council can do this itself on its pages.

Examples:
  cp-flags restrict V145 --child - --whereabouts --by "A. Example" --reason "moved to safety"
  cp-flags restrict V145 --child - --bar 555123456789 --by "A. Example" --reason "is the child's father"
  cp-flags restrict V145 --list
  cp-flags restrict V145 --end bcdfghjkmnpq --by "A. Example" --reason "no longer needed"
`,
    )
    .action((code: string, options: RestrictOptions) => restrict(configuration(), code, options));
}
