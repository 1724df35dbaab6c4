// One file, since everything about a person follows from one seed, and each rule needs the others.

import { type CalendarDate, epochDay, fromEpochDay, londonInstant } from '#schemas/calendar.ts';
import type { PlanType } from '#schemas/plans/plan.ts';
import { figure } from '#schemas/wording/counts.ts';
import { councilName, familyName, givenName } from './names.ts';
import { type NumberRange, numbersIn, syntheticNumber } from './numbers.ts';
import { draws, whole } from './random.ts';
import {
  subjectOf,
  type WrittenHeader,
  type WrittenPerson,
  type WrittenPlan,
  type WrittenRecord,
} from './text.ts';

export type CountryOptions = {
  /** The same seed and options make the same bytes. */
  seed: number;
  authorities: number;
  /** Plans in the first files of all authorities together. */
  plans: number;
  /** Days of changes after the first files. */
  deltas: number;
  /** The day of the newest files; the first ones are `deltas` days older. */
  date: CalendarDate;
  /** Share of an authority's records that a day's file changes. */
  changes: number;
  numbers: NumberRange;
};

/** What a record in a later file reports. */
export type Change = 'new' | 'changed' | 'ended' | 'deleted';

export type CountryAuthority = WrittenHeader['authority'] & { index: number };

/** What the streams of numbers are for; part of what makes a seed's bytes. */
export const PURPOSE = {
  size: 1,
  family: 2,
  person: 3,
  record: 4,
  start: 5,
  change: 6,
  spoilt: 7,
  register: 8,
} as const;

/** One record in sixteen has two plans. */
const PAIR_EVERY = 16;
const PAIR_AT = 7;

/** The greatest age of children on the first day, so that none comes of age before the last file. */
const OLDEST_DAYS = 6_390;
const YOUNGEST_DAYS = 30;
export const DELTAS_AT_MOST = 100;

const FILES_ARE_MADE_AT_MS = 5 * 60_000;

type Kind =
  | 'looked-after'
  | 'protected'
  | 'expecting'
  | 'looked-after-ended'
  | 'protected-ended'
  | 'expecting-ended'
  | 'deleted'
  | 'became-looked-after'
  | 'both'
  | 'looked-after-and-expecting';

/**
 * England's shares, so that 230,000 plans are about 82,000 looked after children, 49,000 protection plans
 * and 3,000 unborn children's in force, and a year of ended ones. Source: national statistics, 31 March
 * 2025 (81,770 looked after, just under 50,000 on a plan).
 */
const SINGLES: readonly [Kind, number][] = [
  ['looked-after', 0.336],
  ['protected', 0.229],
  ['expecting', 0.0115],
  ['looked-after-ended', 0.154],
  ['protected-ended', 0.2345],
  ['expecting-ended', 0.015],
  ['deleted', 0.02],
];
const PAIRS: readonly [Kind, number][] = [
  ['became-looked-after', 0.75],
  ['both', 0.2],
  ['looked-after-and-expecting', 0.05],
];

/** Share of children whom the next authority holds too: placed there, or moved. */
const SHARED = 0.025;
const SIBLING = 0.35;
const FAMILY_AT_MOST = 5;

type Life = { type: PlanType; start: number; end?: number; deleted?: number };

/**
 * A made-up England: authorities of realistic sizes, families, children of several authorities, mothers. Only
 * the authorities are kept: each record is computed from the seed when needed, so memory is the same at any
 * size.
 */
export class Country {
  readonly authorities: readonly CountryAuthority[];
  /** How many people there are, in all files. Their indices count from 0. */
  readonly people: number;
  readonly options: CountryOptions;
  readonly #plans: readonly number[];
  /** Records of each authority's first file, and the index of its first person. */
  readonly #records: readonly number[];
  readonly #base: readonly number[];
  /** People in later files are counted after all of these, so that no first file depends on them. */
  readonly #laterBase: readonly number[];
  readonly #firstDay: number;

  /** @throws a sentence if there are fewer numbers than people */
  constructor(options: CountryOptions) {
    this.options = options;
    const { authorities, date, deltas, numbers } = options;
    this.#firstDay = epochDay(date) - deltas;
    this.authorities = Array.from({ length: authorities }, (_, index) => authority(index));
    this.#plans = sizes(options);
    this.#records = this.#plans.map(recordsFor);
    this.#base = runningSums(this.#records);
    const inFirst = sum(this.#records);
    const later = this.#records.map((n) => deltas * this.#newIn(n));
    this.#laterBase = runningSums(later).map((n) => inFirst + n);
    this.people = inFirst + sum(later);
    if (this.people > numbersIn(numbers)) {
      throw new Error(
        `There are ${figure(numbersIn(numbers))} numbers in the range, and these files need ${figure(this.people)}.`,
      );
    }
  }

  #newIn(records: number): number {
    return Math.max(1, Math.round(records * this.options.changes * 0.4));
  }

  #touchedIn(records: number): number {
    return Math.max(1, Math.round(records * this.options.changes));
  }

  header(authority: CountryAuthority, day: number): WrittenHeader {
    const date = fromEpochDay(this.#firstDay + day);
    return {
      authority,
      sequence: day + 1,
      createdAt: londonInstant(date, FILES_ARE_MADE_AT_MS),
    };
  }

  /** Plans in the authority's first file. */
  plansOf({ index }: CountryAuthority): number {
    return this.#plans[index] ?? 0;
  }

  /** The records of an authority's first file, each with its index. */
  *first({ index }: CountryAuthority): Generator<{ at: number; record: WrittenRecord }> {
    const records = this.#records[index] ?? 0;
    for (let at = 0; at < records; at += 1) {
      yield { at, record: this.#written(index, at, this.#lives(index, at)) };
    }
  }

  /**
   * The records of a later day's file (from 1): some of the first file's, each in at most one later file, and
   * new ones.
   */
  *later(
    { index }: CountryAuthority,
    day: number,
  ): Generator<{ at: number; change: Change; record: WrittenRecord }> {
    const records = this.#records[index] ?? 0;
    const touched = this.#touchedIn(records);
    const stride = strideOver(records);
    const from = (day - 1) * touched;
    for (let step = from; step < Math.min(from + touched, records); step += 1) {
      const at = (step * stride) % records;
      yield { at, ...this.#changed(index, at, day) };
    }
    const added = this.#newIn(records);
    for (let i = 0; i < added; i += 1) {
      const at = records + (day - 1) * added + i;
      yield { at, change: 'new', record: this.#written(index, at, this.#lives(index, at, day)) };
    }
  }

  /** The index of the person in a record. */
  personOf({ index }: CountryAuthority, at: number): number {
    const owner = this.#owner(index, at);
    return this.#personIndex(owner.authority, owner.at);
  }

  /** Everybody in the files, by index. */
  *everybody(): Generator<{ index: number; person: WrittenPerson }> {
    for (const { index: authority } of this.authorities) {
      const records = this.#records[authority] ?? 0;
      const last = records + this.options.deltas * this.#newIn(records);
      for (let at = 0; at < last; at += 1) {
        yield { index: this.#personIndex(authority, at), person: this.#own(authority, at) };
      }
    }
  }

  /** The index of the person whom a record would have, if it were nobody else's too. */
  #personIndex(authority: number, at: number): number {
    const records = this.#records[authority] ?? 0;
    return at < records
      ? (this.#base[authority] ?? 0) + at
      : (this.#laterBase[authority] ?? 0) + at - records;
  }

  /** Whom a record is about: mostly the authority's own child, sometimes one that another authority also has. */
  #owner(authority: number, at: number): { authority: number; at: number } {
    const other = (authority + 1) % this.authorities.length;
    const own = { authority, at };
    if (other === authority || at >= (this.#records[other] ?? 0)) return own;
    if (at >= (this.#records[authority] ?? 0)) return own;
    if (draws(this.options.seed, PURPOSE.record, authority, at, 1)() >= SHARED) return own;
    const both = [this.#kind(authority, at), this.#kind(other, at)];
    return both.some((kind) => kind.startsWith('expecting') || kind.endsWith('expecting'))
      ? own
      : { authority: other, at };
  }

  #kind(authority: number, at: number): Kind {
    const draw = draws(this.options.seed, PURPOSE.record, authority, at);
    return this.#isPair(authority, at) ? picked(draw(), PAIRS) : picked(draw(), SINGLES);
  }

  #isPair(authority: number, at: number): boolean {
    if (at % PAIR_EVERY !== PAIR_AT) return false;
    // A file has exactly its number of plans: its last record may have no room for two.
    const records = this.#records[authority] ?? 0;
    return at !== records - 1 || plansIn(records) === this.#plans[authority];
  }

  /** The record whose family this one belongs to: siblings follow one another. */
  #family(authority: number, at: number): number {
    let first = at;
    for (let i = 0; i < FAMILY_AT_MOST && first > 0; i += 1, first -= 1) {
      if (draws(this.options.seed, PURPOSE.family, authority, first)() >= SIBLING) break;
    }
    return first;
  }

  /** The age, on the first day, of the person in the record. */
  #ageDays(authority: number, at: number): number {
    const kind = this.#kind(authority, at);
    const draw = draws(this.options.seed, PURPOSE.person, authority, at);
    if (kind === 'looked-after-and-expecting') return whole(draw, 5_200, OLDEST_DAYS);
    if (kind.startsWith('expecting')) return whole(draw, 5_600, 15_500);
    return whole(draw, YOUNGEST_DAYS, OLDEST_DAYS);
  }

  #own(authority: number, at: number): WrittenPerson {
    const { seed, numbers } = this.options;
    const family = draws(seed, PURPOSE.family, authority, this.#family(authority, at), 1);
    return {
      nhsNumber: syntheticNumber(numbers, this.#personIndex(authority, at)),
      localId: '',
      dateOfBirth: fromEpochDay(this.#firstDay - this.#ageDays(authority, at)),
      givenName: givenName(draws(seed, PURPOSE.person, authority, at, 1)),
      familyName: familyName(family),
    };
  }

  /** @param day of the file that reports it first */
  #lives(authority: number, at: number, day = 0): Life[] {
    const today = this.#firstDay + day;
    const person = this.#owner(authority, at);
    const age = this.#ageDays(person.authority, person.at) + day;
    const kind = day === 0 ? this.#kind(authority, at) : stillOpen(this.#kind(authority, at));
    const draw = draws(this.options.seed, PURPOSE.record, authority, at, 2);
    // Siblings come under a plan of the same kind on the same day.
    const family = this.#family(authority, at);
    const since = (purpose: number, meanDays: number, atMost: number): number => {
      const share = draws(this.options.seed, PURPOSE.start, authority, family, purpose)();
      return Math.max(
        1,
        Math.min(Math.floor(-Math.log(1 - share) * meanDays), atMost, age - 1 - day),
      );
    };
    const lookedAfter = (): Life => ({
      type: 'looked-after-child',
      start: today - (day > 0 ? 1 : since(1, 900, 5_000)),
    });
    const protection = (): Life => ({
      type: 'child-protection-plan',
      start: today - (day > 0 ? 1 : since(2, 270, 900)),
    });
    const unborn = (): Life => {
      const due = whole(draw, 3, 200);
      return {
        type: 'unborn-child-protection-plan',
        start: today - (day > 0 ? 1 : whole(draw, 1, Math.max(1, 230 - due))),
        end: today + due,
      };
    };
    const past = (life: Life): { start: number; gone: number } => {
      const gone = Math.min(whole(draw, 1, 363), age - 2);
      const lasted = Math.min(today - life.start, age - 1 - gone);
      return { start: today - gone - Math.max(1, lasted), gone: today - gone };
    };
    const ended = (life: Life): Life => {
      const { start, gone } = past(life);
      return { ...life, start, end: gone };
    };
    switch (kind) {
      case 'looked-after':
        return [lookedAfter()];
      case 'protected':
        return [protection()];
      case 'expecting':
        return [unborn()];
      case 'looked-after-ended':
        return [ended(lookedAfter())];
      case 'protected-ended':
        return [ended(protection())];
      case 'expecting-ended': {
        const end = today - whole(draw, 1, 60);
        return [{ type: 'unborn-child-protection-plan', start: end - whole(draw, 20, 200), end }];
      }
      case 'deleted': {
        const life = draw() < 0.5 ? lookedAfter() : protection();
        const { start, gone } = past(life);
        return [{ ...life, start, deleted: gone }];
      }
      case 'became-looked-after':
        return [ended(protection()), lookedAfter()];
      case 'both':
        return [protection(), lookedAfter()];
      case 'looked-after-and-expecting':
        return [lookedAfter(), unborn()];
    }
  }

  #changed(authority: number, at: number, day: number): { change: Change; record: WrittenRecord } {
    const today = this.#firstDay + day;
    const draw = draws(this.options.seed, PURPOSE.change, authority, at);
    const lives = this.#lives(authority, at);
    const open = lives.findIndex(({ end, deleted }) => (end ?? today) >= today && !deleted);
    const share = draw();
    const put = (differing: Partial<Life>): Life[] =>
      lives.map((life, i) => (i === open ? { ...life, ...differing } : life));
    const localIds = { corrected: true };
    if (open < 0) {
      return { change: 'changed', record: this.#written(authority, at, lives, localIds) };
    }
    if (share < 0.5) {
      return { change: 'ended', record: this.#written(authority, at, put({ end: today })) };
    }
    if (share < 0.6) {
      return { change: 'deleted', record: this.#written(authority, at, put({ deleted: today })) };
    }
    return { change: 'changed', record: this.#written(authority, at, lives, localIds) };
  }

  #written(
    authority: number,
    at: number,
    lives: readonly Life[],
    { corrected = false } = {},
  ): WrittenRecord {
    const owner = this.#owner(authority, at);
    const person = {
      ...this.#own(owner.authority, owner.at),
      localId: `C${100_000 + at}${corrected ? '-2' : ''}`,
    };
    const plans = lives.map(writtenPlan);
    const mothers = plans.filter(({ type }) => subjectOf(type) === 'mother').length;
    return {
      plans,
      ...(mothers < plans.length && { child: person }),
      ...(mothers > 0 && { mother: person }),
    };
  }
}

function writtenPlan({ type, start, end, deleted }: Life): WrittenPlan {
  return {
    type,
    startDate: fromEpochDay(start),
    endDate: end === undefined ? undefined : fromEpochDay(end),
    deleteDate: deleted === undefined ? undefined : fromEpochDay(deleted),
  };
}

/** What somebody new in a later file can be: there is nothing yet to end. */
function stillOpen(kind: Kind): Kind {
  switch (kind) {
    case 'looked-after-ended':
    case 'deleted':
    case 'became-looked-after':
      return 'looked-after';
    case 'protected-ended':
    case 'both':
      return 'protected';
    case 'expecting-ended':
      return 'expecting';
    default:
      return kind;
  }
}

/** Telephone numbers are of the range kept for drama, 020 7946 0xxx. Source: Ofcom. */
function authority(index: number): CountryAuthority {
  const phone = (n: number): string => `0207946${String(n % 1000).padStart(4, '0')}`;
  return {
    index,
    code: `ZZG${String(index + 1).padStart(3, '0')}`,
    name: councilName(index),
    officeHoursPhone: phone(index * 2),
    emergencyDutyTeamPhone: phone(index * 2 + 1),
  };
}

/** Many small authorities and a few large ones: a log-normal distribution, cut off at nine times the median. */
function sizes({ seed, authorities, plans }: CountryOptions): number[] {
  const weights = Array.from({ length: authorities }, (_, i) =>
    Math.min(9, Math.exp(normalQuantile((i + 0.5) / authorities))),
  );
  const order = weights
    .map((weight, i) => ({ weight, key: draws(seed, PURPOSE.size, i)() }))
    .toSorted((one, other) => one.key - other.key);
  const total = sum(weights);
  const spare = plans - authorities;
  let cumulative = 0;
  let given = 0;
  return order.map(({ weight }) => {
    cumulative += weight;
    // Rounding the running total makes the sum exact.
    const upTo = Math.round((spare * cumulative) / total);
    const size = 1 + upTo - given;
    given = upTo;
    return size;
  });
}

/** Good to a percent, which is enough here. Source: Tukey's lambda approximation. */
function normalQuantile(share: number): number {
  return (share ** 0.135 - (1 - share) ** 0.135) / 0.1975;
}

const plansIn = (records: number): number =>
  records + Math.floor((records + PAIR_EVERY - 1 - PAIR_AT) / PAIR_EVERY);

/** The fewest records with this many plans. */
function recordsFor(plans: number): number {
  let records = Math.floor((plans * PAIR_EVERY) / (PAIR_EVERY + 1));
  while (records > 0 && plansIn(records - 1) >= plans) records -= 1;
  while (plansIn(records) < plans) records += 1;
  return records;
}

/** A step that visits every record once before any twice. */
function strideOver(records: number): number {
  let stride = Math.max(1, Math.floor(records * 0.618));
  while (greatestCommonDivisor(stride, records) !== 1) stride += 1;
  return stride;
}

function greatestCommonDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestCommonDivisor(other, one % other);
}

function picked(share: number, kinds: readonly [Kind, number][]): Kind {
  let left = share;
  for (const [kind, part] of kinds) {
    left -= part;
    if (left < 0) return kind;
  }
  return kinds[0]?.[0] ?? 'looked-after';
}

const sum = (list: readonly number[]): number => list.reduce((total, n) => total + n, 0);

function runningSums(list: readonly number[]): number[] {
  let total = 0;
  return list.map((n) => {
    total += n;
    return total - n;
  });
}
