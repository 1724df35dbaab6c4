import type { OdsCode } from '#schemas/authority.ts';
import type { PlanType, Subject } from '#schemas/plans/plan.ts';

/** What the formats have in common once read. Nothing here has been checked yet. */

/** A text of the file and its place: an XPath for Spine XML, `line N` for CSV. */
export type Located = { text: string; place: string };

/** Lists hold what was found, so that "missing" and "given twice" can be distinguished. */
export type RawPlan = {
  /** `undefined` for a type that is not one of the three. */
  type: PlanType | undefined;
  place: string;
  start: Located[];
  end: Located[];
  deleted: Located[];
  /** Its dates could not be read, since they are in an element of an unknown kind, or of two kinds. */
  isUnread?: true;
};

export type RawSubject = {
  /** Whose details these are; `undefined` for a subject of an unknown kind. */
  kind: Subject | undefined;
  place: string;
  nhsNumbers: Located[];
  localIds: Located[];
  datesOfBirth: Located[];
  /** Only while numbers are traced, and dropped once compared. */
  names?: { given: string; family: string };
};

export type RawRecord = {
  /** Position in the file, from 1. */
  number: number;
  place: string;
  /** A structural fault that makes its meaning unclear. */
  unclear?: { place: string; field: string; hint: string };
  plans: RawPlan[];
  subjects: RawSubject[];
};

/** What the file says about itself, as far as readable. */
export type UploadHeader = {
  authority?: OdsCode;
  /** Spine XML only. */
  authorityName?: string;
  officeHoursPhone?: string;
  emergencyDutyTeamPhone?: string;
  sequence?: number;
  /** Milliseconds since 1970. */
  createdAt?: number;
  /** How many records the sender counted. */
  recordCount?: number;
  /** True for a full refresh; CSV only. */
  full?: boolean;
};

/** Something that makes the whole file unusable (CPF01 unless another code is named), or a remark on it. */
export type FileProblem = { place: string; field?: string; hint: string; code?: 'CPF01' | 'CPF06' };

/** What the file shows about the order of day and month in its dates. */
export type DateOrderFinding = {
  kind: 'date-order';
  /** Most dates that can be read in only one way have the month first. */
  problems: FileProblem[];
  warnings: FileProblem[];
  /** Whether dates of birth that can be read two ways may have been read the wrong way. */
  birthDatesInDoubt: boolean;
};

/** What a reader yields: the header once, before any record. */
export type UploadEvent =
  | {
      kind: 'header';
      header: UploadHeader;
      problems: FileProblem[];
      warnings: FileProblem[];
      /** Problems with the authority's name or telephone numbers. Those held are kept; if none are held, the file is refused. */
      contactProblems: FileProblem[];
      droppedColumns: string[];
      /** False if a problem of the file would make every record wrong: then only that problem is reported. */
      recordsReadable: boolean;
    }
  | { kind: 'record'; record: RawRecord }
  /** CSV only, last, if there were any: rows with only empty cells, which are not records. */
  | { kind: 'blank-rows'; count: number }
  /** CSV only, last. */
  | DateOrderFinding;

/** Ends the reading of a file that cannot be used. Never leaves this folder: it becomes CPF01. */
export class UnusableFile extends Error {
  override name = 'UnusableFile';
  readonly problem: FileProblem;

  constructor(problem: FileProblem) {
    super(problem.hint);
    this.problem = problem;
  }
}

/** More of one thing than any record has; anything beyond is not kept. */
const KEPT_AT_MOST = 8;

export function keep<T>(list: T[], item: T): void {
  if (list.length < KEPT_AT_MOST) list.push(item);
}

/** A whole number as senders write it, or `undefined`. Fifteen digits stay exact everywhere. */
export function readCount(text: string): number | undefined {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}
