import { randomUUID } from 'node:crypto';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  type Acknowledgement,
  acknowledgementSchema,
  type Finding,
} from '#schemas/acknowledgement.ts';
import type { Authority, OdsCode } from '#schemas/authority.ts';
import { londonDate } from '#schemas/calendar.ts';
import type { Anchor } from '#store/anchor.ts';
import { packRow, planRow, Tally } from '#store/rows.ts';
import type { AuthorityLock, Store } from '#store/store.ts';
import { acknowledge, iso, NO_EFFECTS } from './acknowledge.ts';
import { sameIdentity } from './check.ts';
import { decideRecord } from './decide.ts';
import { given } from './given.ts';
import type { Journal } from './journal.ts';
import type { ReadUpload, WholeHeader } from './read.ts';
import type { Spool } from './spool.ts';

const NUMBERS_A_STEP = 500;
const RECORDS_A_TURN = 100;

/** What is known of a file beside its bytes. */
export type FileFacts = {
  name: string;
  /** Milliseconds since 1970. */
  receivedAt: number;
  by: string;
  addAuthority: boolean;
  authority?: OdsCode;
};

/** One file that has been read: refused, answered again, or decided on record by record. */
export class ReadFile {
  readonly #store: Store;
  readonly #anchor: Anchor;
  readonly #read: ReadUpload;
  readonly #options: FileFacts;
  #known: Authority | undefined;

  constructor(store: Store, anchor: Anchor, read: ReadUpload, options: FileFacts) {
    this.#store = store;
    this.#anchor = anchor;
    this.#read = read;
    this.#options = options;
  }

  /** Nothing of the file is taken; the refusal itself is audited. */
  async refuse(
    code: 'CPF01' | 'CPF04',
    finding?: Omit<Finding, 'code' | 'place'>,
  ): Promise<Acknowledgement> {
    if (finding !== undefined) this.#read.failures.add({ code, place: 'file', ...finding });
    const { header, sha256, records } = this.#read;
    await this.#store.appendEvent({
      type: 'load',
      auditId: randomUUID(),
      authority: header.authority ?? this.#options.authority ?? 'unknown',
      sequence: header.sequence ?? -1,
      sha256,
      code,
      accepted: 0,
      refused: records,
      by: this.#options.by,
    });
    return acknowledge(this.#read, this.#options, {
      code,
      accepted: 0,
      effects: NO_EFFECTS,
      authorityName: this.#known?.name,
      authorityAdded: false,
      dataAsOf: this.#known?.dataAsOf,
    });
  }

  /** The acknowledgement of a file that is not to be loaded; `undefined` for one that is. */
  async refusalOrRepeat({
    authority,
    sequence,
  }: WholeHeader): Promise<Acknowledgement | undefined> {
    const entry = await this.#store.fileOf(authority, sequence);
    if (entry?.sha256 === this.#read.sha256) {
      return acknowledgementSchema.parse(JSON.parse(entry.acknowledgement));
    }
    this.#known = (await this.#store.authorities()).find(({ code }) => code === authority);
    if (entry !== undefined) {
      return this.refuse('CPF04', {
        field: 'sequence',
        hint: `Sequence number ${sequence} was used by a file with other content, so nothing of this one was loaded. Send it with a number that was not used; the highest used is ${this.#known?.sequence ?? sequence}.`,
      });
    }
    if (this.#known?.sequence === undefined && this.#read.records === 0) {
      return this.refuse('CPF04', {
        field: 'record',
        hint: `This is the first file of authority ${authority} and it holds no plan, so "nothing to report" would make an authority of which nothing is held look up to date. Send every plan in force first.`,
      });
    }
    if (this.#known !== undefined) return undefined;
    const hasPhone = this.#read.header.emergencyDutyTeamPhone !== undefined;
    if (this.#options.addAuthority && hasPhone) return undefined;
    return this.refuse('CPF04', {
      field: 'authority',
      hint: hasPhone
        ? `Authority ${authority} is not known here. Ask the operator to load its first file with the command line, which adds it.`
        : `Authority ${authority} is not known here and a CSV has no telephone numbers. Ask the operator to add it: cp-flags authority set ${authority} --name NAME --emergency NUMBER`,
    });
  }

  /**
   * Decides on every record and writes the decisions into the spool.
   *
   * @param recount true where part of this very file may have been applied already
   * @returns `undefined` where no record is accepted, of at least one
   */
  async decide(
    header: WholeHeader,
    spool: Spool,
    lock: AuthorityLock,
    recount: boolean,
  ): Promise<Journal | undefined> {
    const { authority, sequence } = header;
    for (const numbers of spool.numbers(NUMBERS_A_STEP)) {
      await lock.renew();
      for (const rows of (await this.#store.readRows(numbers)).values()) {
        spool.addHeld(rows.filter((row) => row.authority === authority));
      }
    }
    // Where the store was found to differ, the last word on what it holds is its own.
    const tally = await this.#baseTally(authority, recount || this.#known?.reconciled === false);
    const highest = this.#known?.sequence;
    const context = {
      today: londonDate(this.#options.receivedAt),
      firstFile: highest === undefined,
      held: (number: string) => spool.held(number),
      inFile: (number: string) => spool.rowsOf(number),
    };
    const effects = { ...NO_EFFECTS };
    let accepted = 0;
    let seen = 0;
    for (const { record, rows } of spool.records()) {
      seen += 1;
      // All of this is computation: lookups in the same process get their turn in between.
      if (seen % RECORDS_A_TURN === 0) await immediate();
      const decision = decideRecord(record, rows, context);
      if (decision.kind === 'refused') {
        this.#read.failures.add(...decision.failures);
        continue;
      }
      accepted += 1;
      this.#read.warnings.add(...decision.warnings);
      spool.accept(record, decision.effects);
      rows.forEach(({ row }, i) => {
        const effect = decision.effects[i] ?? 'unchanged';
        effects[effect] += 1;
        if (effect === 'superseded') return;
        const replaced = spool.held(row.nhsNumber).find((other) => sameIdentity(row, other));
        if (replaced !== undefined) tally.remove(row.nhsNumber, packRow(replaced));
        tally.add(row.nhsNumber, packRow(planRow(row)));
      });
    }
    if (accepted === 0 && this.#read.records > 0) return undefined;
    return this.#journal(header, {
      accepted,
      effects,
      expected: { rows: tally.rows, digest: tally.digest },
      highestSequence: Math.max(highest ?? sequence, sequence),
    });
  }

  async #baseTally(authority: OdsCode, recount: boolean): Promise<Tally> {
    if (recount) return (await this.#store.tally()).get(authority) ?? new Tally();
    const anchored = this.#anchor.authority(authority);
    return anchored === undefined ? new Tally() : Tally.from(anchored);
  }

  #journal(
    header: WholeHeader,
    decided: Pick<Journal, 'expected' | 'highestSequence'> & {
      accepted: number;
      effects: typeof NO_EFFECTS;
    },
  ): Journal {
    const { authority, sequence, createdAt } = header;
    const known = this.#known;
    const late = known?.sequence !== undefined && sequence < known.sequence;
    this.#remarkOnOrder(sequence, known?.sequence);
    const details = late ? undefined : detailsOf(header);
    const dataAsOf = latest(known?.dataAsOf, iso(Math.min(createdAt, this.#options.receivedAt)));
    return {
      authority,
      sequence,
      highestSequence: decided.highestSequence,
      sha256: this.#read.sha256,
      by: this.#options.by,
      auditId: randomUUID(),
      ...(details !== undefined && { details }),
      dataAsOf,
      expected: decided.expected,
      acknowledgement: acknowledge(this.#read, this.#options, {
        code: decided.accepted === this.#read.records ? 'CPF02' : 'CPF03',
        accepted: decided.accepted,
        effects: decided.effects,
        authorityName: details?.name ?? known?.name,
        authorityAdded: known === undefined,
        dataAsOf,
      }),
    };
  }

  #remarkOnOrder(sequence: number, highest: number | undefined): void {
    if (highest === undefined) return;
    const missing = sequence - highest - 1;
    if (sequence < highest) {
      this.#read.warnings.add({
        code: 'CPF02',
        place: 'file',
        field: 'sequence',
        hint: `File ${highest} was loaded before this one, ${sequence}. Where both speak of the same plan, the newer file's word stands.`,
      });
    } else if (missing > 0) {
      this.#read.warnings.add({
        code: 'CPF02',
        place: 'file',
        field: 'sequence',
        hint: `The last file loaded was ${highest}, so ${missing === 1 ? `file ${highest + 1} has` : `files ${highest + 1} to ${sequence - 1} have`} not been loaded. If ${missing === 1 ? 'it was' : 'they were'} made, send ${missing === 1 ? 'it' : 'them'}: late files are taken in.`,
      });
    }
  }
}

function detailsOf(header: WholeHeader): Journal['details'] {
  const { authorityName: name, officeHoursPhone, emergencyDutyTeamPhone } = header;
  if (emergencyDutyTeamPhone === undefined) return undefined;
  return given({ name, officeHoursPhone, emergencyDutyTeamPhone });
}

/** Never backwards: the fresher of two ISO instants in UTC. */
function latest(held: string | undefined, proposed: string): string {
  return held !== undefined && Date.parse(held) > Date.parse(proposed) ? held : proposed;
}
