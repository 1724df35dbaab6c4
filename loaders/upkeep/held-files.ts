// One file, since a release, a discard and an expiry are one decision with different endings.

import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type NamedPerson, whyDetail } from '#schemas/audit/named-person.ts';
import {
  type Acknowledgement,
  type FileCode,
  type Finding,
} from '#schemas/uploads/acknowledgement.ts';
import { FILE_CODES } from '#schemas/wording/answers.ts';
import { type DiscardedBecause, HELD_FILE_HINTS } from '#schemas/wording/decisions.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { eachAlone } from '#store/files/each-alone.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import type { Store } from '#store/store.ts';
import type { Anchor, AnchoredHeldFile } from '#store/trust/anchor.ts';
import { iso, meaningOfHeld } from '../answers/acknowledge.ts';
import { applyJournal, ledgerEntry } from '../apply/apply.ts';
import { baseTally } from '../base-tally.ts';
import { Findings } from '../check/findings.ts';
import { areAdditionsWaiting } from '../decide/additions-waiting.ts';
import { latest, withSize } from '../decide/file.ts';
import { decideRecords, rowsLeftOut } from '../decide/records.ts';
import { withLock } from '../load/lock.ts';
import { endInterrupted, keepWhatWaits } from '../load/resume.ts';
import {
  asDecisionFailed,
  type FailedSentence,
  LoadFailed,
  requireClock,
  requireOpen,
} from '../load-failed.ts';
import { type HeldFile, heldFileSchema, type Journal } from '../spool/journal.ts';
import { Spool } from '../spool/spool.ts';
import type { SpooledRecord } from '../spool/spooled-rows.ts';
import type { WaitingPerson } from '../spool/waiting-people.ts';

export type { HeldFile } from '../spool/journal.ts';

/** Who releases or discards a held file, and why; recorded in the audit. */
export type HeldFileDecision = NamedPerson & {
  /** The person at the council who confirmed it. */
  confirmedBy?: string;
  /** Milliseconds since 1970; default the present. */
  now?: () => number;
  lockWaitMs?: number;
};

/** By default a person decided it. */
type Discarding = HeldFileDecision & { because?: DiscardedBecause };

/** What tracing found about the records of a file that waited for it. */
type TracedRecords = {
  /** Which of the spool's files they are in. */
  of: number;
  /** By record. One that is missing still waits. */
  findings: ReadonlyMap<number, readonly Finding[]>;
  /** The people who still wait. */
  people: readonly WaitingPerson[];
};

/** What waits for a decision or to be traced, the oldest first. */
export function listHeldFiles(anchor: Pick<Anchor, 'heldFiles'>): HeldFile[] {
  return anchor.heldFiles().map(({ json }) => heldFileSchema.parse(JSON.parse(json)));
}

/** The held files that `text` may mean: an id, or an authority's code and the file's number, `V145-412`. */
export function findHeldFiles(anchor: Anchor, text: string): HeldFile[] {
  return listHeldFiles(anchor).filter(
    ({ id, authority, number }) => id === text || `${authority}-${number}` === text,
  );
}

/**
 * Releases the held part of a file, as of now: its rows are decided again by what is held now, and the rows
 * that a full refresh leaves out are found again. Then the file has used up its number, and its final
 * acknowledgement replaces the provisional one.
 *
 * @throws {MayBeDone} if the store or the disk failed after something was recorded; the next load or start finishes a
 * release that had begun
 * @throws {LoadFailed} if the held file no longer exists, or the store failed before that
 */
export async function releaseHeldFile(
  store: Store,
  anchor: Anchor,
  id: string,
  options: HeldFileDecision & { traced?: TracedRecords; stopped?: AbortSignal },
): Promise<Acknowledgement> {
  let begun: FailedSentence | undefined;
  const begins = () => {
    begun = LOAD_FAILED.holdUnknown;
  };
  try {
    const { authority, number, untraced } = anchoredOf(anchor, id).heldFile;
    if (untraced !== undefined && options.traced === undefined) {
      throw new LoadFailed(LOAD_FAILED.waitsToBeTraced(number, authority));
    }
    return await withLock(store, authority, options.lockWaitMs, async (lock) => {
      await requireOpen(store);
      await requireClock(store);
      await endInterrupted(store, anchor, lock, begins);
      // Another process may have been quicker.
      const { folder, heldFile } = anchoredOf(anchor, id);
      if (heldFile.untraced !== options.traced?.of)
        throw new LoadFailed(LOAD_FAILED.noSuchHeldFile);
      const base = anchor.authority(authority);
      const spool = openHeld(folder, heldFile);
      try {
        begins();
        await record(store, 'hold-released', heldFile, options);
        const journal = await decideRelease(store, anchor, lock, spool, heldFile, options);
        if ('nothing' in journal) {
          return await endHeldFile(store, anchor, lock, heldFile, folder, journal.nothing);
        }
        await spool.commitJournal(JSON.stringify(journal));
        await lock.renew();
        const { sequence, sha256, expected } = journal;
        const load = { authority, sequence, sha256, journal: folder, ...expected };
        await anchor.beginLoad(load, base, id);
        begun = LOAD_FAILED.willResume;
        const { stopped } = options;
        const acknowledgement = await applyJournal(
          { store, anchor, lock, stopped },
          spool,
          journal,
        );
        begins();
        if (journal.hold === undefined) spool.remove();
        else await keepWhatWaits(spool, journal.hold);
        return acknowledgement;
      } finally {
        spool.close();
      }
    });
  } catch (error) {
    throw asDecisionFailed(error, begun);
  }
}

/**
 * Discards the held part of a file: it is not applied, and its records count as refused. A file without any
 * applied part can be sent again with the same number.
 *
 * @throws {MayBeDone} if the store or the disk failed after something was recorded
 * @throws {LoadFailed} if the held file no longer exists, or the store failed before that
 */
export async function discardHeldFile(
  store: Store,
  anchor: Anchor,
  id: string,
  options: Discarding,
): Promise<Acknowledgement> {
  let begun = false;
  const begins = () => {
    begun = true;
  };
  try {
    const { authority } = anchoredOf(anchor, id).heldFile;
    return await withLock(store, authority, options.lockWaitMs, async (lock) => {
      await requireOpen(store);
      await endInterrupted(store, anchor, lock, begins);
      // Some of it may have been applied since, by a take-up that was cut short.
      const { folder, heldFile } = anchoredOf(anchor, id);
      begins();
      await record(store, 'hold-discarded', heldFile, options);
      return endHeldFile(store, anchor, lock, heldFile, folder, discarded(heldFile, options));
    });
  } catch (error) {
    throw asDecisionFailed(error, begun ? LOAD_FAILED.holdUnknown : undefined);
  }
}

/**
 * Discards what nobody has decided in time.
 *
 * @param onDiscarded called with each
 * @throws the first fault, once all were tried
 */
export async function expireHeldFiles(
  store: Store,
  anchor: Anchor,
  {
    keptMs,
    now = Date.now,
    lockWaitMs,
    onDiscarded,
  }: {
    keptMs: number;
    now?: () => number;
    lockWaitMs?: number;
    onDiscarded: (heldFile: HeldFile) => void;
  },
): Promise<void> {
  const expired = listHeldFiles(anchor).filter(({ at }) => Date.parse(at) + keptMs <= now());
  await eachAlone(expired, async (heldFile) => {
    await discardHeldFile(store, anchor, heldFile.id, {
      by: 'service',
      because: heldFile.untraced === undefined ? 'not decided' : 'not traced',
      reason:
        heldFile.untraced === undefined
          ? 'nobody decided in time'
          : 'its NHS numbers could not be traced in time',
      now,
      ...(lockWaitMs !== undefined && { lockWaitMs }),
    });
    onDiscarded(heldFile);
  });
}

function anchoredOf(anchor: Anchor, id: string): { folder: string; heldFile: HeldFile } {
  const held: AnchoredHeldFile | undefined = anchor.heldFiles().find((one) => one.id === id);
  if (held === undefined) {
    throw new LoadFailed(LOAD_FAILED.noSuchHeldFile);
  }
  return { folder: held.folder, heldFile: heldFileSchema.parse(JSON.parse(held.json)) };
}

function openHeld(folder: string, heldFile: HeldFile): Spool {
  try {
    return Spool.openHeld(folder, heldFile);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    throw new LoadFailed(LOAD_FAILED.heldFileGone(heldFile.number, heldFile.authority));
  }
}

async function record(
  store: Store,
  type: 'hold-released' | 'hold-discarded',
  { authority, number, sha256, whole, acknowledgement: { held } }: HeldFile,
  named: HeldFileDecision,
): Promise<void> {
  const { confirmedBy } = named;
  await store.appendEvent({
    type,
    auditId: randomUUID(),
    by: named.by,
    detail: {
      authority,
      sequence: number,
      sha256,
      ...whyDetail(named),
      ...(confirmedBy !== undefined && { confirmedBy }),
      whole,
      rows: held?.rows ?? 0,
      leftOut: held?.leftOut ?? 0,
    },
  });
}

/** `nothing`: no part of the file was applied, and by now none of its records is sound. */
async function decideRelease(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  spool: Spool,
  heldFile: HeldFile,
  { by, now = Date.now, traced }: HeldFileDecision & { traced?: TracedRecords },
): Promise<Journal | { nothing: Acknowledgement }> {
  const { authority, sequence, consumption } = heldFile;
  const at = now();
  const state = await store.intakeState(authority);
  const highest = Math.max(state.authority?.sequence ?? sequence, sequence);
  const tally = await baseTally(store, anchor, authority, state.authority);
  const failures = new Findings();
  const warnings = new Findings();
  const waits = { records: 0, rows: 0 };
  const decided = await decideRecords(
    traced === undefined
      ? spool.heldRecords(heldFile)
      : soundRecords(spool, heldFile, traced, failures, waits),
    {
      store,
      lock,
      authority,
      spool,
      firstFile: false,
      again: true,
      holdsNothing: false,
      now: at,
      tally,
      removals: 'with the others',
    },
    { failures, warnings },
  );
  const sweeps = heldFile.sweep || (heldFile.whole && consumption.closed !== undefined);
  const leftOut = sweeps ? await rowsLeftOut(store, spool, { authority, sequence, now: at }) : [];
  for (const { nhsNumber, packed } of leftOut) {
    tally.remove(nhsNumber, packed);
    spool.decide('removed', nhsNumber, packed);
  }
  const { counts, rows, held } = heldFile.acknowledgement;
  const accepted = counts.accepted + decided.accepted;
  if (accepted === 0 && waits.records === 0 && counts.records > 0) {
    return { nothing: notOneSound(heldFile, failures) };
  }
  const refused = counts.refused + (held?.records ?? 0) - decided.accepted - waits.records;
  const { details, ...consumed } = consumption;
  const goesOn = waits.records > 0;
  const known = state.authority?.dataAsOf;
  const closed = Math.max(state.closed, consumption.closed ?? 0);
  const isNoFresher = goesOn || areAdditionsWaiting(anchor, { authority, sequence, closed });
  const dataAsOf = isNoFresher
    ? (known ?? consumption.dataAsOf)
    : latest(known, consumption.dataAsOf);
  const code = goesOn && accepted === 0 ? 'CPF04' : refused === 0 && !goesOn ? 'CPF02' : 'CPF03';
  const acknowledgement = final(
    heldFile,
    code,
    goesOn
      ? HELD_FILE_HINTS.untraced(waits.records)
      : traced === undefined
        ? HELD_FILE_HINTS.released(iso(at))
        : HELD_FILE_HINTS.traced(iso(at)),
    {
      ...(goesOn &&
        held !== undefined && {
          held: { ...held, ...waits },
          meaning: meaningOfHeld(held, accepted),
        }),
      dataAsOf,
      counts: { ...counts, accepted, refused },
      rows: {
        added: rows.added + decided.effects.added,
        changed: rows.changed + decided.effects.changed,
        unchanged: rows.unchanged + decided.effects.unchanged,
        superseded: rows.superseded + decided.effects.superseded,
        ...(consumption.closed !== undefined && { removed: (rows.removed ?? 0) + leftOut.length }),
      },
      failures,
      warnings,
    },
  );
  const journal = {
    authority,
    sequence,
    sha256: heldFile.sha256,
    by,
    auditId: randomUUID(),
    again: true,
    heldPart: true as const,
    expected: { rows: tally.rows, digest: tally.digest },
    drops: heldFile.id,
    acknowledgement,
  };
  if (goesOn) {
    return {
      ...journal,
      highestSequence: state.authority?.sequence ?? 0,
      consumption: { dataAsOf },
      recent: [...state.recent],
      hold: { ...heldFile, untraced: (heldFile.untraced ?? 0) + 1, acknowledgement },
    };
  }
  return {
    ...journal,
    highestSequence: highest,
    consumption: {
      ...consumed,
      dataAsOf,
      ...(details !== undefined && highest === sequence && { details }),
      ...(consumed.closed !== undefined && { closed: Math.max(consumed.closed, state.closed) }),
    },
    recent: withSize(state.recent, consumption.size),
  };
}

/** The records that were traced and found sound; the others are refused, or still wait. */
function* soundRecords(
  spool: Spool,
  heldFile: HeldFile,
  { findings, people }: TracedRecords,
  failures: Findings,
  waits: { records: number; rows: number },
): Generator<SpooledRecord> {
  const peopleOf = Map.groupBy(people, ({ record }) => record);
  for (const each of spool.heldRecords(heldFile)) {
    const found = findings.get(each.record);
    if (found === undefined) {
      waits.records += 1;
      waits.rows += each.rows.length;
      const { record, rows } = each;
      spool.wait(record, rows, peopleOf.get(record) ?? []);
    } else if (found.length > 0) failures.add(...found);
    else yield each;
  }
}

function discarded(
  heldFile: HeldFile,
  { now = Date.now, because = 'decided' }: Pick<Discarding, 'now' | 'because'>,
): Acknowledgement {
  const { counts, held } = heldFile.acknowledgement;
  const used = counts.accepted > 0;
  const hint = HELD_FILE_HINTS.discarded(iso(now()), used, because);
  return final(heldFile, used ? 'CPF03' : 'CPF04', hint, {
    counts: { ...counts, refused: counts.refused + (held?.records ?? 0) },
  });
}

function notOneSound(heldFile: HeldFile, failures: Findings): Acknowledgement {
  const { counts } = heldFile.acknowledgement;
  return final(
    heldFile,
    'CPF04',
    heldFile.untraced === undefined
      ? HELD_FILE_HINTS.notOneSound
      : HELD_FILE_HINTS.tracedNotOneSound,
    { counts: { ...counts, refused: counts.records }, failures },
  );
}

/** The acknowledgement that replaces the provisional one. */
function final(
  { acknowledgement }: HeldFile,
  code: FileCode,
  hint: string,
  changed: Partial<Omit<Acknowledgement, 'failures' | 'warnings'>> & {
    failures?: Findings;
    warnings?: Findings;
  },
): Acknowledgement {
  const { held: _held, ...provisional } = acknowledgement;
  const { failures: moreFailures, warnings: moreWarnings, ...rest } = changed;
  const failures = new Findings();
  failures.add(...provisional.failures, ...(moreFailures?.listed ?? []));
  const warnings = new Findings();
  warnings.add({ code, place: 'file', field: 'held', hint });
  for (const warning of provisional.warnings) {
    if (warning.record === undefined && warning.field === 'held') continue;
    warnings.add(warning.record === undefined ? { ...warning, code } : warning);
  }
  warnings.add(...(moreWarnings?.listed ?? []));
  return {
    ...provisional,
    ...rest,
    code,
    meaning: rest.meaning ?? FILE_CODES[code],
    failures: failures.sorted(),
    warnings: warnings.sorted(),
    omitted: {
      failures: provisional.omitted.failures + failures.omitted + (moreFailures?.omitted ?? 0),
      warnings: provisional.omitted.warnings + warnings.omitted + (moreWarnings?.omitted ?? 0),
    },
  };
}

/** Discards a held file: applies nothing. A file without any applied part has not used up its number. */
async function endHeldFile(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  { id, authority, sequence, sha256 }: HeldFile,
  folder: string,
  acknowledgement: Acknowledgement,
): Promise<Acknowledgement> {
  const anchored = anchor.authority(authority);
  if (acknowledgement.code === 'CPF04' || anchored === undefined) {
    await store.changeAuthority(lock, {}, { sequence, strike: true });
    anchor.changeHeldFiles(authority, anchored, { drops: id });
  } else {
    const highest = Math.max(anchored.sequence, sequence);
    await store.finishFile(lock, {
      sequence: highest,
      ledger: ledgerEntry(sequence, sha256, acknowledgement),
    });
    const state = { ...anchored, sequence: highest };
    anchor.changeHeldFiles(authority, anchored, { drops: id }, state);
  }
  rmSync(folder, { recursive: true, force: true });
  return acknowledgement;
}
