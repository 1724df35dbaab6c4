import { parseNhsNumber, unspacedNhsNumber } from '#schemas/nhs-number.ts';
import { omitUndefined } from '#schemas/omit-undefined.ts';
import {
  type Acknowledgement,
  type FileCode,
  type Finding,
} from '#schemas/uploads/acknowledgement.ts';
import { FILE_CODES, HELD_MEANINGS } from '#schemas/wording/answers.ts';
import { FILE_HINTS } from '#schemas/wording/files.ts';
import type { RowEffect } from '#store/rows/row-calls.ts';
import type { ReadUpload } from '../check/read.ts';

/** An authority's name and the numbers that clinicians ring. */
type Contact = {
  name?: string | undefined;
  officeHoursPhone?: string | undefined;
  emergencyDutyTeamPhone?: string | undefined;
};

type Outcome = {
  code: FileCode;
  accepted: number;
  effects: Record<RowEffect, number>;
  /** As the authority is known after this file. */
  contact?: Contact | undefined;
  authorityAdded: boolean;
  /** True for a load with nothing before it to compare with. */
  firstLoad?: boolean;
  dataAsOf?: string | undefined;
  /** For a full refresh: how many older rows were removed. */
  removed?: number;
  held?: Acknowledgement['held'];
};

export const NO_EFFECTS: Record<RowEffect, number> = {
  added: 0,
  changed: 0,
  unchanged: 0,
  superseded: 0,
};

/** What became of a file, as the audit has it. */
export const auditedOutcome = ({ code, counts, rows, held }: Acknowledgement) => ({
  code,
  accepted: counts.accepted,
  refused: counts.refused,
  ...(held !== undefined && { held: true as const }),
  ...(rows.superseded > 0 && { superseded: rows.superseded }),
});

/** Makes the authority's acknowledgement. */
export function acknowledge(
  read: ReadUpload,
  file: { name: string; receivedAt: number },
  outcome: Outcome,
): Acknowledgement {
  const { header } = read;
  return {
    file: {
      name: printableName(file.name),
      format: read.format,
      sha256: read.sha256,
      ...(header.createdAt !== undefined && { createdAt: iso(header.createdAt) }),
      receivedAt: iso(file.receivedAt),
    },
    ...(header.authority !== undefined && {
      authority: {
        code: header.authority,
        ...omitUndefined({
          name: outcome.contact?.name,
          officeHoursPhone: outcome.contact?.officeHoursPhone,
          emergencyDutyTeamPhone: outcome.contact?.emergencyDutyTeamPhone,
        }),
      },
    }),
    sequence: header.sequence ?? -1,
    code: outcome.code,
    meaning:
      outcome.held === undefined
        ? FILE_CODES[outcome.code]
        : meaningOfHeld(outcome.held, outcome.accepted),
    authorityAdded: outcome.authorityAdded,
    counts: {
      ...(header.recordCount !== undefined && { declared: header.recordCount }),
      records: read.records,
      accepted: outcome.accepted,
      refused: read.records - outcome.accepted - (outcome.held?.records ?? 0),
    },
    rows: {
      ...outcome.effects,
      ...(outcome.removed !== undefined && { removed: outcome.removed }),
    },
    ...(outcome.firstLoad === true && { firstLoad: true }),
    ...(outcome.held !== undefined && { held: outcome.held }),
    failures: read.failures.sorted(),
    warnings: read.warnings.sorted().map((warning) => underCode(warning, outcome.code)),
    omitted: { failures: read.failures.omitted, warnings: read.warnings.omitted },
    droppedColumns: read.droppedColumns,
    ...(outcome.dataAsOf !== undefined && { dataAsOf: outcome.dataAsOf }),
  };
}

/**
 * Marks an answer as that of a file loaded before, whose outcome was decided before this copy was sent. A
 * load that a crash cut short is not marked, since its file was sent once.
 *
 * @param sentAt milliseconds since 1970
 */
export const markRepeat = (acknowledgement: Acknowledgement, sentAt: number): Acknowledgement =>
  Date.parse(acknowledgement.file.receivedAt) < sentAt
    ? { ...acknowledgement, repeated: true }
    : acknowledgement;

/** Adds to an answer that its file was still being written, so that the answer covers only what was read. */
export function markChanged(acknowledgement: Acknowledgement): Acknowledgement {
  const { code, held, warnings } = acknowledgement;
  const isLoaded = held === undefined && (code === 'CPF02' || code === 'CPF03');
  const hint = FILE_HINTS.changedWhileRead(isLoaded);
  return { ...acknowledgement, warnings: [{ code, place: 'file', hint }, ...warnings] };
}

/** What the code of a file means if part or all of it waits. */
export function meaningOfHeld(
  { untraced }: Pick<NonNullable<Acknowledgement['held']>, 'untraced'>,
  accepted: number,
): string {
  if (untraced === true) {
    return accepted > 0 ? HELD_MEANINGS.untraced : HELD_MEANINGS.nothingTraced;
  }
  return accepted > 0 ? HELD_MEANINGS.part : HELD_MEANINGS.nothing;
}

/** A remark on the whole file has the file's code; one on a record keeps its own. */
function underCode(warning: Finding, code: FileCode): Finding {
  return warning.record === undefined ? { ...warning, code } : warning;
}

export const iso = (instant: number): string => new Date(instant).toISOString();

/** The longest name in bytes that leaves room for our extension: file systems allow 255. */
const NAME_AT_MOST_BYTES = 200;

function cutToBytes(text: string, most: number): string {
  let cut = '';
  let bytes = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > most) break;
    cut += character;
  }
  return cut;
}

/** The base name; a name someone built from an NHS number is not repeated. */
export function printableName(name: string): string {
  return (
    cutToBytes(
      (name.split(/[/\\]/).at(-1) ?? '')
        .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '')
        .replaceAll(/(?<![0-9])[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}(?![0-9])/g, (digits) =>
          parseNhsNumber(unspacedNhsNumber(digits)) === undefined ? digits : '##########',
        )
        .slice(0, 120),
      NAME_AT_MOST_BYTES,
    ) || 'upload'
  );
}
