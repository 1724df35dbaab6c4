import { type CalendarDate, londonDate } from '#schemas/calendar.ts';
import type { FileCode } from '#schemas/uploads/acknowledgement.ts';
import type { UploadFormat } from '#schemas/uploads/formats.ts';
import { badRows, type Expected, type HeldPlan, REPEATED } from './bad-rows.ts';
import {
  type Change,
  Country,
  type CountryAuthority,
  type CountryOptions,
  PURPOSE,
} from './country.ts';
import { draws } from './random.ts';
import { isDeleteOnly, registeredAgainst, registerLines } from './register.ts';
import {
  CSV_START,
  csvLines,
  SPINE_XML_END,
  spineXmlRecord,
  spineXmlStart,
  subjectOf,
  type WrittenHeader,
  type WrittenRecord,
} from './text.ts';

export { DELTAS_AT_MOST } from './country.ts';
export { NUMBER_RANGES, type NumberRange } from './numbers.ts';

export const GENERATED_FORMATS = ['xml', 'csv', 'both'] as const;

export type GenerateOptions = CountryOptions & {
  /** `both`: every other authority sends Spine XML, the others CSV. */
  format: (typeof GENERATED_FORMATS)[number];
  /**
   * Share of the records that are deliberately wrong, each in one way; and of the people for whom the
   * register differs from the files.
   */
  badRate: number;
};

/** A deliberately wrong record: its position in the file from 1, as in an acknowledgement. */
export type WrongRecord = Expected & {
  record: number;
  /** Refused only if numbers are traced, in this country's register. */
  whenTraced: boolean;
};

/** What its acknowledgement must say, once a file is loaded in its turn. */
type ExpectedCounts = { accepted: number; refused: number; code: FileCode };

export type FileSummary = {
  /** Records in the file; for a CSV its rows. */
  records: number;
  expected: ExpectedCounts;
  expectedWhenTraced: ExpectedCounts;
  /** Records without deliberate faults, by what they report in a later file. */
  changes: Record<Change, number>;
};

export type GeneratedFile = {
  /** `ODS-sequence-yyyymmddHHMM.csv` or `.xml`: a CSV needs no further option to be loaded. */
  name: string;
  format: UploadFormat;
  kind: 'first' | 'later';
  authority: CountryAuthority;
  sequence: number;
  /** Milliseconds since 1970. */
  createdAt: number;
  day: CalendarDate;
  /**
   * The file's text in pieces, and finally its contents.
   *
   * @param wrong called with each wrong record as it is written
   */
  text(wrong?: (record: WrongRecord) => void): Generator<string, FileSummary>;
};

const PIECE = 65_536;
const MADE_AT = '0005';

/**
 * A synthetic England: for every authority a first file with all its plans, and then a daily file of changes.
 * Repeatable byte for byte, and made as it is read: memory is the same at any size.
 *
 * Everything in it is made up. With `numbers: 'test'` every NHS number is in the range kept for tests.
 *
 * @throws a sentence if there are fewer numbers than people
 */
export function generateEngland(options: GenerateOptions) {
  const country = new Country(options);

  const formatOf = ({ index }: CountryAuthority): GeneratedFile['format'] => {
    if (options.format === 'both') return index % 2 === 0 ? 'spine-xml' : 'csv';
    return options.format === 'csv' ? 'csv' : 'spine-xml';
  };

  /** In the order in which they are to be loaded. */
  function* files(): Generator<GeneratedFile> {
    for (let day = 0; day <= options.deltas; day += 1) {
      for (const authority of country.authorities) {
        const format = formatOf(authority);
        const header = country.header(authority, day);
        const { sequence, createdAt } = header;
        const records = () => entries(country, authority, day, format, options);
        yield {
          name: fileName(header, format),
          format,
          kind: day === 0 ? 'first' : 'later',
          authority,
          sequence,
          createdAt,
          day: londonDate(createdAt),
          text: (wrong = () => undefined) => fileText(header, format, records, wrong),
        };
      }
    }
  }

  return {
    authorities: country.authorities,
    people: country.people,
    files,
    /** A register to trace everybody in, in which `badRate` of them differ from the files. */
    register: (): Generator<string> => registerLines(country, options.badRate),
  };
}

type Entry = {
  record: WrittenRecord;
  change?: Change | undefined;
  spoilt?: Expected;
  /** What tracing finds wrong with it. */
  traced?: Expected | undefined;
};

/** The records of a file in order, with the deliberately wrong ones in place. */
function* entries(
  country: Country,
  authority: CountryAuthority,
  day: number,
  format: GeneratedFile['format'],
  { seed, badRate }: GenerateOptions,
): Generator<Entry> {
  const today = londonDate(country.header(authority, day).createdAt);
  const isSpoilt = (at: number, onDay: number): boolean =>
    badRate > 0 && draws(seed, PURPOSE.spoilt, authority.index, at, onDay)() < badRate;
  // Small files take turns, so that together they have every kind.
  let turn = authority.index * 3 + day;
  const source: Iterable<{ at: number; record: WrittenRecord; change?: Change }> =
    day === 0 ? country.first(authority) : country.later(authority, day);
  for (const { at, record, change } of source) {
    const against = registeredAgainst(seed, badRate, country.personOf(authority, at));
    if (against !== undefined) {
      // If numbers are traced, there would be nothing to delete.
      if (change === 'deleted') continue;
      yield { record, change, traced: isDeleteOnly(record) ? undefined : against };
      continue;
    }
    // A record refused at first is not held, so it cannot change.
    if (day > 0 && change !== 'new' && isSpoilt(at, 0)) continue;
    if (!isSpoilt(at, day)) {
      yield { record, change };
      continue;
    }
    const ways = badRows(record, today, heldPlan(record, change, today)).filter(
      ({ where }) => where === 'anywhere' || (where === 'later' ? day > 0 : format === 'spine-xml'),
    );
    turn += 1;
    const way = ways[turn % (ways.length + 1)];
    if (way === undefined) {
      yield { record, change };
      yield { record: firstPlanOf(record), spoilt: REPEATED };
      continue;
    }
    const { kind, code, field } = way;
    yield {
      record: way.record,
      spoilt: { kind, code, field },
      ...(kind === 'eighteen-or-older' && { traced: ANOTHER_DATE_OF_BIRTH }),
    };
  }
}

const ANOTHER_DATE_OF_BIRTH: Expected = {
  kind: 'another-date-of-birth',
  code: 'CPR03',
  field: 'date_of_birth',
};

/** A child's plan that was in force until this file. */
function heldPlan(
  { plans }: WrittenRecord,
  change: Change | undefined,
  today: CalendarDate,
): HeldPlan | undefined {
  if (change === undefined || change === 'new') return undefined;
  return plans.find(
    ({ type, endDate = today, deleteDate = today }) =>
      subjectOf(type) === 'child' && endDate === today && deleteDate === today,
  );
}

function firstPlanOf({ child, mother, plans }: WrittenRecord): WrittenRecord {
  const first = plans.slice(0, 1);
  return first[0] !== undefined && subjectOf(first[0].type) === 'mother'
    ? { mother, plans: first }
    : { child, plans: first };
}

function* fileText(
  header: WrittenHeader,
  format: GeneratedFile['format'],
  records: () => Iterable<Entry>,
  wrong: (record: WrongRecord) => void,
): Generator<string, FileSummary> {
  const isCsv = format === 'csv';
  const summary = { records: 0, changes: { new: 0, changed: 0, ended: 0, deleted: 0 } };
  let refused = 0;
  let refusedWhenTraced = 0;
  let piece = isCsv ? CSV_START : spineXmlStart(header, count(records()));
  for (const { record, change, spoilt, traced } of records()) {
    const size = isCsv ? record.plans.length : 1;
    piece += isCsv ? csvLines(record) : spineXmlRecord(record, header.authority.code);
    for (let i = 1; i <= size; i += 1) {
      const at = { record: summary.records + i };
      if (spoilt !== undefined) wrong({ ...at, ...spoilt, whenTraced: false });
      if (traced !== undefined) wrong({ ...at, ...traced, whenTraced: true });
    }
    summary.records += size;
    if (spoilt !== undefined) refused += size;
    if (spoilt !== undefined || traced !== undefined) refusedWhenTraced += size;
    if (change !== undefined) summary.changes[change] += 1;
    if (piece.length >= PIECE) {
      yield piece;
      piece = '';
    }
  }
  yield isCsv ? piece : piece + SPINE_XML_END;
  return {
    ...summary,
    expected: expectedCounts(summary.records, refused),
    expectedWhenTraced: expectedCounts(summary.records, refusedWhenTraced),
  };
}

/** It is above the records of a Spine XML file, so the records are gone through twice. */
function count(records: Iterable<unknown>): number {
  let found = 0;
  for (const _ of records) found += 1;
  return found;
}

function expectedCounts(records: number, refused: number): ExpectedCounts {
  const none = refused === records && records > 0;
  return {
    accepted: records - refused,
    refused,
    code: none ? 'CPF04' : refused > 0 ? 'CPF03' : 'CPF02',
  };
}

function fileName(
  { authority, sequence, createdAt }: WrittenHeader,
  format: GeneratedFile['format'],
): string {
  const day = londonDate(createdAt).replaceAll('-', '');
  return `${authority.code}-${sequence}-${day}${MADE_AT}.${format === 'csv' ? 'csv' : 'xml'}`;
}
