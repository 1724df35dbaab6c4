import { addDays, addYears, type CalendarDate, londonMidnight } from '../calendar.ts';

/** Who may be the subject of a record in an upload. */
export const SUBJECTS = ['child', 'mother'] as const;
export type Subject = (typeof SUBJECTS)[number];

/** Everything particular to a plan type: a new type is one more entry here. */
type PlanTypeEntry = {
  /** This store's own short form, one capital letter, never given to another type. */
  letter: string;
  /** The short form in uploads by CSV and in acknowledgements. Source: CP-IS vocabulary. */
  cpis: string;
  /** Observation code in Spine messages. Source: CP-IS vocabulary (CPPIU, LACIU, UCPIU). */
  upload: string;
  /** What an authority calls it. */
  label: string;
  /** Source: SNOMED CT, value set England-ChildProtectionPlan 1.0.0. */
  snomed: { code: string; display: string };
  /** Its element in Spine XML, and what its dates' names begin with. Source: CP-IS schemas. */
  spine: { template: string; prefix: string };
  /** Whose NHS number and date of birth it is held under. A mother's plan has no birthday rule. */
  subject: Subject;
  /**
   * What its end date means: the day the plan ends, if known; or the day a baby is due or the plan ended,
   * which uploads do not distinguish and which is always present.
   */
  end: 'end' | 'due-or-end';
  /** Source: CP-IS display rules. */
  shownForDaysAfterEnd: number;
  /**
   * What case systems call it, in lower-case letters and digits; only a kind of plan, so that an enquiry is
   * not one.
   */
  caseSystemName: RegExp;
  /** What a clinician reads if one is in force. */
  inForce: string;
  /** The same as a page heading, and its ending if a child has another plan as well. */
  heading: string;
  alsoHeading: string;
  /** How it is named in a list of plans. */
  listed: string;
  /**
   * Whether the council looks after the child: the child may be far away, and the carers may not be able to
   * consent to treatment.
   */
  inCare: boolean;
  /** How a negative names it: "No ... plan is held". */
  inNegative: string;
};

export const PLAN_TYPES = {
  'child-protection-plan': {
    letter: 'P',
    cpis: 'CPP',
    upload: 'CPPIU',
    label: 'Child Protection Plan',
    snomed: { code: '342191000000101', display: 'Subject to child protection plan' },
    spine: { template: 'COCT_TP146101GB01.CPPInformation', prefix: 'cPP' },
    subject: 'child',
    end: 'end',
    shownForDaysAfterEnd: 365,
    caseSystemName: /^(?:cpp?|childprotection)(?:plan)?$/,
    inForce: 'This child is on a child protection plan.',
    heading: 'This child is on a child protection plan',
    alsoHeading: 'on a child protection plan',
    listed: 'Child protection plan',
    inCare: false,
    inNegative: 'child protection',
  },
  'looked-after-child': {
    letter: 'L',
    cpis: 'LAC',
    upload: 'LACIU',
    label: 'Looked After Child',
    snomed: { code: '764841000000100', display: 'Looked after child' },
    spine: { template: 'COCT_TP146100GB01.LACInformation', prefix: 'lAC' },
    subject: 'child',
    end: 'end',
    shownForDaysAfterEnd: 365,
    caseSystemName:
      /^(?:lac|cla|(?:child(?:ren)?)?lookedafter(?:child(?:ren)?)?)(?:s20|section20|s31|section31)?$/,
    inForce: 'This child is looked after by the local authority.',
    heading: 'This child is in care (looked after)',
    alsoHeading: 'in care (looked after)',
    listed: 'In care (looked after)',
    inCare: true,
    inNegative: 'looked-after',
  },
  'unborn-child-protection-plan': {
    letter: 'U',
    cpis: 'UCPP',
    upload: 'UCPIU',
    label: 'Unborn Child Protection Plan',
    snomed: {
      code: '818901000000100',
      display: 'Unborn child subject to child protection plan',
    },
    spine: { template: 'COCT_TP146102GB01.UCPInformation', prefix: 'uCP' },
    subject: 'mother',
    end: 'due-or-end',
    shownForDaysAfterEnd: 28,
    caseSystemName: /^(?:ucpp?|unborn(?:child)?(?:cpp?|childprotection|protection)?)(?:plan)?$/,
    inForce: 'This woman’s unborn child is on a child protection plan.',
    heading: 'Her unborn baby is on a child protection plan',
    alsoHeading: 'her unborn baby is on a child protection plan',
    listed: 'Unborn baby’s child protection plan',
    inCare: false,
    inNegative: 'unborn child’s',
  },
} as const satisfies Record<string, PlanTypeEntry>;

export type PlanType = keyof typeof PLAN_TYPES;

export const planTypes = Object.keys(PLAN_TYPES) as [PlanType, ...PlanType[]];

/** `undefined` for a letter the store never writes. */
export function planTypeOfLetter(letter: string): PlanType | undefined {
  return planTypes.find((type) => PLAN_TYPES[type].letter === letter);
}

/** What a plan is at an instant. `due-date-passed` exists only for an unborn child's plan. */
export const PLAN_STATUSES = ['current', 'ended', 'due-date-passed'] as const;
export type PlanStatus = (typeof PLAN_STATUSES)[number];

/** One plan as an authority sent it. Dates are days in England. */
export type Plan = {
  type: PlanType;
  startDate: CalendarDate;
  /** For an unborn child's plan: the due date or the end, always there. */
  endDate?: CalendarDate;
  /** The day it was withdrawn as entered in error. A deleted plan is never shown. */
  deleteDate?: CalendarDate;
  /** The child's; for an unborn child's plan the mother's. */
  dateOfBirth: CalendarDate;
};

/** The parts of a plan that decide when it is shown. */
type PlanDates = Pick<Plan, 'type' | 'startDate' | 'dateOfBirth'> & {
  endDate?: CalendarDate | undefined;
  deleteDate?: CalendarDate | undefined;
};

const seconds = (date: CalendarDate): number => londonMidnight(date) / 1000;

/** Instants in whole seconds since 1970. `visibleFrom <= now < visibleUntil` is shown. */
export type PlanWindow = { visibleFrom: number; currentUntil: number; visibleUntil: number };

/** Whether a plan is not shown at an instant in seconds since 1970, and never will be again. */
export const isOver = (
  { visibleFrom, visibleUntil }: Pick<PlanWindow, 'visibleFrom' | 'visibleUntil'>,
  now: number,
): boolean => visibleUntil <= Math.max(visibleFrom, now);

/** The day on which the birthday rule ends a child's flags: born on 29 February, 1 March. */
export function eighteenthBirthday(dateOfBirth: CalendarDate): CalendarDate {
  return addYears(dateOfBirth, 18);
}

/**
 * Everybody born on or before this day has had their {@link eighteenthBirthday} by `day`. It may be a 29
 * February that its year does not have: use it only in comparisons.
 */
export const lastAdultBirth = (day: CalendarDate): string =>
  `${Number(day.slice(0, 4)) - 18}${day.slice(4)}`;

/**
 * When a plan is shown, and until when as current.
 *
 * A plan is current from 00:00 in London of its start until 00:00 of its end, then shown for 365 days
 * (unborn child's plan: 28 days after the due or end date). A child's own plan stops at 00:00 of the
 * 18th birthday; an unborn child's never does, since the date of birth held is the mother's. A deleted
 * plan has an empty window.
 *
 * Source: CP-IS display rules (365 and 28 days); ending on the 18th birthday, case system guides.
 */
export function planWindow(plan: PlanDates): PlanWindow {
  const visibleFrom = seconds(plan.startDate);
  if (plan.deleteDate !== undefined) {
    return { visibleFrom, currentUntil: visibleFrom, visibleUntil: visibleFrom };
  }
  const birthday =
    PLAN_TYPES[plan.type].subject === 'mother'
      ? Number.POSITIVE_INFINITY
      : seconds(eighteenthBirthday(plan.dateOfBirth));
  if (plan.endDate === undefined) {
    if (PLAN_TYPES[plan.type].end === 'due-or-end') {
      throw new Error('an unborn child plan has a due or end date');
    }
    return { visibleFrom, currentUntil: birthday, visibleUntil: birthday };
  }
  const shownFor = PLAN_TYPES[plan.type].shownForDaysAfterEnd;
  return {
    visibleFrom,
    currentUntil: Math.min(seconds(plan.endDate), birthday),
    visibleUntil: Math.min(seconds(addDays(plan.endDate, shownFor)), birthday),
  };
}

/** The status shown at `now` (seconds) for a plan whose window is open. */
export function planStatus(type: PlanType, currentUntil: number, now: number): PlanStatus {
  if (now < currentUntil) return 'current';
  return PLAN_TYPES[type].end === 'due-or-end' ? 'due-date-passed' : 'ended';
}
