// One file, since each step needs what the one before found; records, rows and breakers have their own.

import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import type { EventCaller } from '#schemas/audit/audit-event.ts';
import { type Authority, lastFileNumber, type OdsCode } from '#schemas/authority.ts';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import {
  type Acknowledgement,
  acknowledgementSchema,
  type Finding,
} from '#schemas/uploads/acknowledgement.ts';
import { type Breakers, DEFAULT_BREAKERS } from '#schemas/uploads/breakers.ts';
import { UPLOAD_FORMATS } from '#schemas/uploads/formats.ts';
import { STOPPED_LISTED_AT_MOST, type StoppedPlan } from '#schemas/uploads/stopped-plan.ts';
import { FILE_REFUSALS, FILE_REMARKS, HELD_FILE_HINTS } from '#schemas/wording/decisions.ts';
import { FILE_HINTS } from '#schemas/wording/files.ts';
import type { IntakeState, LoadSize } from '#store/authorities/ledger.ts';
import type { AuthorityLock } from '#store/locks/authority-lock.ts';
import { Tally, unpackRow } from '#store/rows/rows.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { acknowledge, auditedOutcome, iso, NO_EFFECTS } from '../answers/acknowledge.ts';
import { baseTally } from '../base-tally.ts';
import { Findings } from '../check/findings.ts';
import type { OnProgress } from '../check/progress.ts';
import type { ReadUpload, Refusal, WholeHeader } from '../check/read.ts';
import type { CsvMetadata } from '../formats/common/metadata.ts';
import type { Consumption, HeldFile, Journal } from '../spool/journal.ts';
import type { Spool } from '../spool/spool.ts';
import { areAdditionsWaiting } from './additions-waiting.ts';
import { applyBreakers, type BreakerOutcome } from './breakers.ts';
import {
  type Decided,
  type DecideRecordsOptions,
  decideHeld,
  decideRecords,
  type LeftOut,
  rowsLeftOut,
  stoppedPlan,
} from './records.ts';

/** How many loads show what is usual: a fortnight of nightly files. */
const RECENT_LOADS = 14;

/** What is known about a file apart from its bytes. */
type FileFacts = {
  name: string;
  /** Milliseconds since 1970. */
  receivedAt: number;
  by: string;
  caller?: EventCaller | undefined;
  addAuthority: boolean;
  authority?: OdsCode;
  metadata?: CsvMetadata;
  breakers?: Breakers | undefined;
  onProgress?: OnProgress | undefined;
};

/** What there is to say about a file before its records are decided. */
type Answered =
  | { kind: 'repeat'; acknowledgement: Acknowledgement }
  | { kind: 'refused'; acknowledgement: Acknowledgement }
  | { kind: 'new' };

/**
 * How many rows a file adds, takes away and changes otherwise; and how many people will no longer have a plan
 * in force.
 */
export type Difference = { added: number; removed: number; changed: number; stops: number };

type FileDecision = {
  difference: Difference;
  /** The plans in force that it would take out of force, the first of them. */
  stopped: readonly StoppedPlan[];
  outcome:
    | { kind: 'load'; journal: Journal }
    /** Nothing of it is applied until somebody decides so. */
    | { kind: 'held'; heldFile: HeldFile; drops: string | undefined }
    /** No record is sound, or records that cannot be traced delay the others. */
    | { kind: 'refuse'; code: 'CPF04' | 'CPF05' };
};

/** A file that has been read: refused, answered again, or decided record by record. */
export class FileDecider {
  readonly #store: Store;
  readonly #anchor: Anchor;
  readonly #read: ReadUpload;
  readonly #options: FileFacts;
  #state: IntakeState | undefined;
  /** True if an earlier file of the same number was partly applied. */
  #again = false;

  constructor(store: Store, anchor: Anchor, read: ReadUpload, options: FileFacts) {
    this.#store = store;
    this.#anchor = anchor;
    this.#read = read;
    this.#options = options;
  }

  get #known(): Authority | undefined {
    return this.#state?.authority;
  }

  /** Nothing of the file is accepted. */
  refusal(code: Refusal | 'CPF04', finding?: Omit<Finding, 'code' | 'place'>): Acknowledgement {
    if (finding !== undefined) this.#read.failures.add({ code, place: 'file', ...finding });
    return acknowledge(this.#read, this.#options, {
      code,
      accepted: 0,
      effects: NO_EFFECTS,
      contact: this.#known,
      authorityAdded: false,
      dataAsOf: this.#known?.dataAsOf,
    });
  }

  /** Records the outcome of a file from which nothing was applied. */
  async record(acknowledgement: Acknowledgement): Promise<void> {
    const { header, sha256 } = this.#read;
    await this.#store.appendEvent({
      type: 'load',
      auditId: randomUUID(),
      authority: header.authority ?? this.#options.authority ?? 'unknown',
      sequence: header.sequence ?? -1,
      sha256,
      ...auditedOutcome(acknowledgement),
      ...omitUndefined({ caller: this.#options.caller }),
      by: this.#options.by,
    });
  }

  /**
   * The answer that follows from the ledger, the numbering or the directory by themselves, before any record
   * is examined.
   */
  async answer({ authority, sequence: number, createdAt }: WholeHeader): Promise<Answered> {
    const state = await this.#store.intakeState(authority);
    this.#state = state;
    const sequence = number + state.sequenceOffset;
    const refused = (field: string, hint: string): Answered => ({
      kind: 'refused',
      acknowledgement: this.refusal('CPF04', { field, hint }),
    });

    const entry = await this.#store.fileOf(authority, sequence);
    // Held, but what was held was lost with its disk: such a file is loaded again.
    const isHeld = entry?.held !== undefined;
    const isLost = isHeld && !this.#anchor.heldFiles().some(({ id }) => id === entry.held);
    if (entry?.sha256 === this.#read.sha256 && !isLost) {
      return {
        kind: 'repeat',
        acknowledgement: acknowledgementSchema.parse(JSON.parse(entry.acknowledgement)),
      };
    }
    if (entry !== undefined && !isHeld) {
      return refused(
        'sequence',
        FILE_REFUSALS.numberUsed(
          authority,
          number,
          (this.#known?.sequence ?? sequence) - state.sequenceOffset,
        ),
      );
    }
    const missing = this.#anchor.missingFiles(authority);
    this.#again = isHeld || missing.some((each) => each.sequence === sequence);
    const last = lastFileNumber(state.authority ?? {});
    if (last !== undefined && isFarFrom(number, last)) {
      return refused('sequence', FILE_REFUSALS.numberFar(authority, number, last));
    }
    if (sequence <= state.closed) {
      return refused('sequence', FILE_REFUSALS.numberClosed(state.closed - state.sequenceOffset));
    }
    if (state.numberedAfter !== undefined && createdAt <= Date.parse(state.numberedAfter)) {
      return refused('createdAt', FILE_REFUSALS.oldNumbering(state.numberedAfter));
    }
    if (this.#options.metadata?.full === true && !UPLOAD_FORMATS[this.#read.format].canBeFull) {
      return refused('full', FILE_REFUSALS.cannotBeFull(this.#read.format));
    }
    if (
      this.#known?.sequence === undefined &&
      this.#read.records === 0 &&
      this.#options.metadata?.full !== true
    ) {
      return refused('record', FILE_REFUSALS.firstIsEmpty(authority));
    }
    if (this.#known !== undefined) {
      this.#remarkOnContact(this.#known);
      return { kind: 'new' };
    }
    const { contactProblems } = this.#read;
    if (contactProblems.length > 0) {
      for (const problem of contactProblems) this.#read.failures.add({ code: 'CPF01', ...problem });
      return { kind: 'refused', acknowledgement: this.refusal('CPF01') };
    }
    const hasPhone = this.#read.header.emergencyDutyTeamPhone !== undefined;
    if (this.#options.addAuthority && hasPhone) return { kind: 'new' };
    return refused(
      'authority',
      hasPhone
        ? FILE_REFUSALS.notYetAdded(authority)
        : FILE_REFUSALS.notAdded(authority, this.#read.format),
    );
  }

  /**
   * Decides on every record and writes the decisions into the spool. Call it after {@link
   * FileDecider.answer}.
   *
   * @param lock absent for a difference that changes nothing
   */
  async decide(
    header: WholeHeader,
    spool: Spool,
    lock: AuthorityLock | undefined,
  ): Promise<FileDecision> {
    const { authority, sequence: number, full = false } = header;
    const { receivedAt, onProgress } = this.#options;
    const state = this.#state ?? (await this.#store.intakeState(authority));
    const { birthDatesInDoubt } = this.#read;
    const whose = { authority, sequence: number + state.sequenceOffset, birthDatesInDoubt };
    const highest = state.authority?.sequence;
    const tally = await baseTally(this.#store, this.#anchor, authority, state.authority);
    const held = tally.rows;
    const { records } = this.#read;
    const deciding = {
      store: this.#store,
      lock,
      authority,
      firstFile: highest === undefined,
      again: this.#again,
      holdsNothing: held === 0,
      now: receivedAt,
    };
    const onRecord = (count: number): void =>
      onProgress?.({ step: 'deciding', records: count, of: records });
    const decided = await decideRecords(
      spool.records(whose),
      { ...deciding, spool, tally, onRecord },
      this.#read,
    );
    const { waiting } = this.#read;
    // Judged now, with the others: once it is traced it goes in, unusual or not.
    const decidedOfWaiting =
      waiting.records === 0
        ? undefined
        : await decideRecords(
            spool.waitingRecords(whose),
            { ...deciding, spool: countingOnly(spool), tally: new Tally() },
            { failures: new Findings(), warnings: new Findings() },
          );
    const all = together(decided, decidedOfWaiting);
    const leftOut = full
      ? await rowsLeftOut(this.#store, spool, { ...whose, now: receivedAt })
      : undefined;
    const difference = {
      added: decided.effects.added,
      removed: decided.removals.rows + (leftOut?.length ?? 0),
      changed: decided.effects.changed,
      stops: new Set([
        ...decided.removals.stops,
        ...(leftOut ?? []).flatMap(({ inForce, nhsNumber }) => (inForce ? nhsNumber : [])),
      ]).size,
    };
    const stopped = [
      ...decided.removals.stopped,
      ...(leftOut ?? [])
        .filter(({ inForce }) => inForce)
        .slice(0, STOPPED_LISTED_AT_MOST - decided.removals.stopped.length)
        .map(({ nhsNumber, packed }) => ({
          ...stoppedPlan(unpackRow(nhsNumber, packed)),
          by: 'left-out' as const,
        })),
    ];
    if (decided.accepted === 0 && waiting.records === 0 && records > 0) {
      return { difference, stopped, outcome: { kind: 'refuse', code: 'CPF04' } };
    }

    const breakerOutcome = this.#applyBreakers(state, held, all, leftOut);
    const { heldBack } = breakerOutcome;
    const part: Part = {
      header,
      authority,
      sequence: whose.sequence,
      state,
      decided,
      size: sizeOf(all),
      leftOut,
      breakerOutcome,
    };
    // Records that wait to be traced wait for no person: they go in by themselves, in addition to what is
    // applied now.
    if (waiting.records > 0 && (highest === undefined || breakerOutcome.reasons.length > 0)) {
      this.#read.failures.add({ code: 'CPF05', place: 'file', hint: FILE_HINTS.notTraced });
      return { difference, stopped, outcome: { kind: 'refuse', code: 'CPF05' } };
    }
    this.#remarkOnOrder(number, lastFileNumber(state.authority ?? {}));
    for (const hint of breakerOutcome.remarks) this.#remark('unusual', hint);
    const drops = this.#anchor
      .heldFiles()
      .find(
        (heldFile) => heldFile.authority === authority && heldFile.sequence === whose.sequence,
      )?.id;
    // A dry run keeps nothing, so there is nothing to release later.
    const id = lock === undefined ? NOT_HELD : basename(spool.folder).slice(-HELD_FILE_ID_LENGTH);
    if (heldBack.whole) {
      const heldFile = this.#heldFile(id, part);
      return { difference, stopped, outcome: { kind: 'held', heldFile, drops } };
    }

    if (!heldBack.removals) {
      tally.plus(decided.removals.tally);
      decideHeld(spool, whose);
    }
    for (const { nhsNumber, packed } of heldBack.sweep ? [] : (leftOut ?? [])) {
      tally.remove(nhsNumber, packed);
      spool.decide('removed', nhsNumber, packed);
    }
    const isHeld = heldBack.removals || heldBack.sweep || waiting.records > 0;
    const heldFile = isHeld ? this.#heldFile(id, part) : undefined;
    const consumption = this.#consumption(part);
    const { size } = consumption;
    return {
      difference,
      stopped,
      outcome: {
        kind: 'load',
        journal: {
          authority,
          sequence: whose.sequence,
          // A partly held file has not used up its number.
          highestSequence: Math.max(highest ?? 0, heldFile === undefined ? whose.sequence : 0),
          sha256: this.#read.sha256,
          by: this.#options.by,
          ...omitUndefined({ caller: this.#options.caller }),
          auditId: randomUUID(),
          again: this.#again,
          consumption: heldFile === undefined ? consumption : this.#provisional(part),
          recent: heldFile === undefined ? withSize(state.recent, size) : [...state.recent],
          expected: { rows: tally.rows, digest: tally.digest },
          ...omitUndefined({ hold: heldFile, drops }),
          acknowledgement: heldFile?.acknowledgement ?? this.#acknowledgement(part),
        },
      },
    };
  }

  #applyBreakers(
    state: IntakeState,
    held: number,
    decided: Decided,
    leftOut: readonly LeftOut[] | undefined,
  ): BreakerOutcome {
    return applyBreakers(
      {
        firstLoad: state.authority?.sequence === undefined,
        inForce: state.inForce,
        held,
        recent: state.recent,
        records: this.#read.records,
        refused: this.#read.records - decided.accepted,
        ...sizeOf(decided),
        removals: decided.removals.rows,
        leftOut: leftOut && {
          rows: leftOut.length,
          inForce: leftOut.filter(({ inForce }) => inForce).length,
        },
      },
      { ...(this.#options.breakers ?? DEFAULT_BREAKERS), ...omitUndefined(state.breakers) },
    );
  }

  #consumption({ header, authority, sequence, state, size }: Part): Consumption {
    const highest = state.authority?.sequence;
    const late = highest !== undefined && sequence < highest;
    const details = late ? undefined : detailsOf(header);
    const proposed = iso(Math.min(header.createdAt, this.#options.receivedAt));
    const known = state.authority?.dataAsOf;
    // A full refresh states everything, whatever waits from earlier files.
    const { closed } = state;
    const waits =
      header.full !== true && areAdditionsWaiting(this.#anchor, { authority, sequence, closed });
    return {
      ...(details !== undefined && { details }),
      dataAsOf: waits && known !== undefined ? known : latest(known, proposed),
      ...(header.full === true && { closed: Math.max(sequence, state.closed) }),
      ...(header.full !== true && highest !== undefined && { size }),
    };
  }

  /** What changes at once, although the number is not used up yet. While additions wait the data is no fresher. */
  #provisional(part: Part): Consumption {
    const { details, dataAsOf } = this.#consumption(part);
    const known = part.state.authority?.dataAsOf;
    return {
      dataAsOf: this.#read.waiting.records > 0 ? (known ?? dataAsOf) : dataAsOf,
      ...(details !== undefined && { details }),
    };
  }

  #heldFile(id: string, part: Part): HeldFile {
    const { header, authority, sequence, breakerOutcome } = part;
    const { whole, sweep } = breakerOutcome.heldBack;
    const at = iso(this.#options.receivedAt);
    for (const reason of breakerOutcome.reasons) this.#remark('held', reason);
    const { waiting } = this.#read;
    if (waiting.records > 0) this.#remark('held', HELD_FILE_HINTS.untraced(waiting.records));
    else {
      this.#remark(
        'held',
        id === NOT_HELD
          ? HELD_FILE_HINTS.wouldWait(whole)
          : HELD_FILE_HINTS.waits(whole, `${authority}-${header.sequence}`),
      );
    }
    return {
      id,
      authority,
      sequence,
      number: header.sequence,
      sha256: this.#read.sha256,
      at,
      by: this.#options.by,
      whole,
      ...(this.#read.birthDatesInDoubt && { birthDatesInDoubt: true }),
      sweep,
      ...(waiting.records > 0 && { untraced: 1 }),
      reasons: breakerOutcome.reasons,
      consumption: this.#consumption(part),
      acknowledgement: this.#acknowledgement(part, { id, since: at }),
    };
  }

  #acknowledgement(part: Part, held?: { id: string; since: string }): Acknowledgement {
    const { state, decided, leftOut, breakerOutcome } = part;
    const consumption = this.#consumption(part);
    const { whole, removals, sweep } = breakerOutcome.heldBack;
    const { accepted, effects } = decided;
    const { waiting } = this.#read;
    const heldRecords = whole ? accepted : removals ? decided.removals.records : 0;
    const applied = accepted - heldRecords;
    const known = state.authority;
    return acknowledge(this.#read, this.#options, {
      code: codeOf(
        applied,
        this.#read.records,
        heldRecords > 0 || waiting.records > 0 || sweep || whole,
      ),
      accepted: applied,
      effects: whole
        ? NO_EFFECTS
        : { ...effects, changed: effects.changed + (removals ? 0 : decided.removals.rows) },
      contact: { ...known, ...consumption.details },
      authorityAdded: known === undefined,
      firstLoad: known?.sequence === undefined,
      dataAsOf: whole || waiting.records > 0 ? known?.dataAsOf : consumption.dataAsOf,
      ...(leftOut !== undefined && { removed: sweep || whole ? 0 : leftOut.length }),
      ...(held !== undefined && {
        held: {
          ...held,
          whole,
          records: heldRecords + waiting.records,
          rows:
            waiting.rows + (whole ? sizeOf(decided).rows : removals ? decided.removals.rows : 0),
          leftOut: sweep ? (leftOut?.length ?? 0) : 0,
          ...(waiting.records > 0 && { untraced: true as const }),
        },
      }),
    });
  }

  /** Plans do not wait for a valid telephone number: the one held is shown, with its age. */
  #remarkOnContact({ emergencyDutyTeamPhoneAsOf: asOf }: Authority): void {
    for (const { hint, field, ...problem } of this.#read.contactProblems) {
      this.#read.warnings.add({
        code: 'CPF02',
        ...problem,
        ...omitUndefined({ field }),
        hint: FILE_REMARKS.contactKept(hint, field, asOf),
      });
    }
  }

  #remark(field: string, hint: string): void {
    // The code of a remark on the whole file is the file's own, known at the end.
    this.#read.warnings.add({ code: 'CPF02', place: 'file', field, hint });
  }

  #remarkOnOrder(sequence: number, highest: number | undefined): void {
    if (highest === undefined) return;
    if (sequence < highest) this.#remark('sequence', FILE_REMARKS.late(sequence, highest));
    else if (sequence > highest + 1) this.#remark('sequence', FILE_REMARKS.gap(sequence, highest));
  }
}

/**
 * Whether a number cannot be near the last one. CP-IS numbers files one by one (domain of `File/id`:
 * "incrementing"), but some systems number by the day, `20261124`, or the minute, which jumps at the end of a
 * month or year. Neither doubles the number; one digit too many does.
 */
export const isFarFrom = (number: number, last: number): boolean =>
  Math.max(number, last) > 2 * Math.min(number, last) + LEAP_AT_MOST;

/** More than 27 years of nightly files. */
const LEAP_AT_MOST = 10_000;

type Part = {
  header: WholeHeader;
  authority: OdsCode;
  sequence: number;
  state: IntakeState;
  decided: Decided;
  /** Including records that wait to be traced. */
  size: LoadSize;
  leftOut: readonly LeftOut[] | undefined;
  breakerOutcome: BreakerOutcome;
};

const HELD_FILE_ID_LENGTH = 8;
const NOT_HELD = 'none';

function sizeOf({ effects, removals }: Decided): LoadSize {
  const { added, changed, unchanged, superseded } = effects;
  return { rows: added + changed + unchanged + superseded + removals.rows, added };
}

/** What a file does, including what is held. The tallies are not added up. */
function together(decided: Decided, waiting: Decided | undefined): Decided {
  if (waiting === undefined) return decided;
  const [one, other] = [decided.effects, waiting.effects];
  return {
    accepted: decided.accepted + waiting.accepted,
    effects: {
      added: one.added + other.added,
      changed: one.changed + other.changed,
      unchanged: one.unchanged + other.unchanged,
      superseded: one.superseded + other.superseded,
    },
    removals: {
      rows: decided.removals.rows + waiting.removals.rows,
      records: decided.removals.records + waiting.removals.records,
      tally: decided.removals.tally,
      stops: decided.removals.stops,
      stopped: decided.removals.stopped,
    },
  };
}

/** Takes the place of a spool if decisions are only counted. */
const countingOnly = (spool: Spool): DecideRecordsOptions['spool'] => ({
  plansOf: (number) => spool.plansOf(number),
  holdBack: () => undefined,
  decide: () => undefined,
});

function codeOf(applied: number, records: number, held: boolean): Acknowledgement['code'] {
  if (!held) return applied === records ? 'CPF02' : 'CPF03';
  return applied > 0 ? 'CPF03' : 'CPF04';
}

/** The sizes of the last loads including this one. */
export function withSize(recent: readonly LoadSize[], size: LoadSize | undefined): LoadSize[] {
  return size === undefined ? [...recent] : [...recent, size].slice(-RECENT_LOADS);
}

function detailsOf(header: WholeHeader): Consumption['details'] {
  const { authorityName: name, officeHoursPhone, emergencyDutyTeamPhone } = header;
  const details = omitUndefined({ name, officeHoursPhone, emergencyDutyTeamPhone });
  return Object.keys(details).length === 0 ? undefined : details;
}

/** Never backwards: the later of two ISO instants in UTC. */
export function latest(held: string | undefined, proposed: string): string {
  return held !== undefined && Date.parse(held) > Date.parse(proposed) ? held : proposed;
}
