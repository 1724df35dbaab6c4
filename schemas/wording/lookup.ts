import { addYears, type CalendarDate, londonDate, longDateText } from '../calendar.ts';
import type { Coverage, Flag } from '../lookup.ts';
import { PLAN_TYPES, planTypes } from '../plans/plan.ts';
import { zonedTimeText } from './times.ts';

/** Every sentence a clinician may read, one source for every format. Plain words, no blame, what to do. */

export const COULD_NOT_CHECK =
  'The check could not be made. This is NOT a negative result. Follow your safeguarding procedure; ring children’s social care where the child lives (out of hours: the emergency duty team). Try again.';

export const BATCH_INCOMPLETE =
  'Not all of these checks were made. Those that were not are NOT negative results; each says what to do.';

/** What no answer covers, whichever councils it covers: as in {@link NOT_FLAGGED}, on the pages and in the guide. */
export const NOT_COVERED = [
  'children in need',
  'children from outside England',
  'children with protected NHS records',
  'children not yet matched to an NHS number',
  'what a council decided after its last file',
] as const;

const KINDS = planTypes.map((type) => PLAN_TYPES[type].inNegative);

export const NOT_FLAGGED = `No ${KINDS.slice(0, -1).join(', ')} or ${KINDS.at(-1)} plan is held here for this NHS number. This does not mean there are no concerns. Not held here: ${NOT_COVERED.join('; ')}.`;

export const NUMBER_NOT_IN_USE =
  'The check could not be made, because this NHS number is no longer in use. This is NOT a negative result. Find the patient’s present NHS number and check that. Until then follow your safeguarding procedure; ring children’s social care where the child lives (out of hours: the emergency duty team).';

/** What a clinician does now, whatever it is that was refused. */
export const refusalAdvice = (code: string): string =>
  code === 'number-not-in-use' ? NUMBER_NOT_IN_USE : COULD_NOT_CHECK;

export const CHECK_THE_NUMBER =
  'Check that this NHS number is the patient’s: a wrong number gives this same answer.';

export const EXPECTED_NOT_SET =
  'The list of councils covered has not been set. Some plans may be missing.';

export const CHECK_THE_MOTHER = 'For a baby, also check the mother’s NHS number.';

export const DATE_OF_BIRTH_DIFFERS =
  'The date of birth held differs. Check this is the right patient, but do not dismiss the flag.';

export const DUE_DATE_PASSED =
  'The baby may be born or overdue. Treat as in force and ring the council.';

export const WHO_LOOKED_NOT_SHOWN =
  'Who has looked before cannot be shown. The flag itself is not affected: act on it.';

/** For a council that keeps back where its child was looked up. */
export const WHERE_NOT_SHOWN =
  'Where this child was seen is not shown. If you need to know, ring the council.';

/** In place of a name, a role or a place. */
export const NOT_SHOWN = 'Not shown';

/** How much an answer shows about who has looked. */
export type WhoLooked = 'shown' | 'without-places' | 'not-shown';

/** How many authorities a sentence names before it says how many more there are. */
const NAMED_AT_MOST = 5;
/** How many councils a pilot's sentence names; a longer list is not read at three in the morning. */
const PILOT_NAMED_AT_MOST = 25;

const councils = (count: number): string => `${count} ${count === 1 ? 'council' : 'councils'}`;

const enumerated = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

/** Whose plans a negative covers, and what to do for a child from elsewhere. */
function covered({ area, expected }: Coverage): string {
  switch (area?.kind) {
    case undefined:
      return EXPECTED_NOT_SET;
    case 'all':
      return `This covers plans of the ${councils(expected)} of ${area.name}, and of no other council.`;
    case 'sample':
      return `This is a sample of ${councils(expected)} that are made up. It says nothing about a real child.`;
    case 'pilot': {
      const names = (area.authorities ?? []).map(({ name }) => name);
      return names.length <= PILOT_NAMED_AT_MOST
        ? `This is a pilot in ${area.name}. It covers plans of ${enumerated(names)}, and of no other council. If the child may live elsewhere, ring children’s social care there.`
        : `This is a pilot in ${area.name}. It covers plans of ${councils(expected)}, and of no other council. Unless you know that the child’s council is one of them, ring children’s social care where the child lives.`;
    }
  }
}

function incompleteCoverage(coverage: Coverage): string | undefined {
  if (coverage.area === undefined) return EXPECTED_NOT_SET;
  const behind = coverage.notUpToDate;
  if (behind.length === 0) return undefined;
  const named = behind.slice(0, NAMED_AT_MOST).map((authority) => authority.name);
  const more = behind.length - named.length;
  const list = `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return `${behind.length} of the ${councils(coverage.expected)} covered ${behind.length === 1 ? 'is' : 'are'} not up to date: ${list}.`;
}

/** Whether a child is in the first year of life, when plans may still be held under the mother's number. */
export const isUnderOne = (dateOfBirth: CalendarDate, now: number): boolean =>
  londonDate(now) < addYears(dateOfBirth, 1);

/**
 * The advice of a negative: what it does not mean, that a wrong number looks the same, whose plans it covers,
 * whose may be missing, and the baby's mother.
 */
export function notFlaggedAdvice(
  coverage: Coverage,
  dateOfBirth: CalendarDate | undefined,
  now: number,
): string[] {
  const advice = [NOT_FLAGGED, CHECK_THE_NUMBER, covered(coverage)];
  const incomplete = incompleteCoverage(coverage);
  if (incomplete !== undefined) advice.push(incomplete);
  if (dateOfBirth !== undefined && isUnderOne(dateOfBirth, now)) {
    advice.push(CHECK_THE_MOTHER);
  }
  return advice;
}

/** What each of an authority's two numbers is called where a person reads it. */
export const OFFICE_HOURS = 'Office hours';
export const EMERGENCY_DUTY_TEAM = 'Emergency duty team (out of hours)';

function whomToRing({ authority }: Flag): string {
  const emergency = `emergency duty team (out of hours) ${authority.emergencyDutyTeamPhone}${ageOfPhone(authority)}`;
  return authority.officeHoursPhone === undefined
    ? `Ring ${authority.name}: ${emergency}.`
    : `Ring ${authority.name}: office hours ${authority.officeHoursPhone}; ${emergency}.`;
}

/** If the number is older than the rest of the authority's data: by a day, since files arrive by night. */
function ageOfPhone({ emergencyDutyTeamPhoneAsOf: asOf, dataAsOf }: Flag['authority']): string {
  if (asOf === undefined || dataAsOf === undefined) return '';
  const at = Date.parse(asOf);
  if (at + DAY_MS > Date.parse(dataAsOf)) return '';
  return ` (a number given on ${longDateText(londonDate(at))})`;
}

const DAY_MS = 86_400_000;

const inForce = (flag: Flag): string => PLAN_TYPES[flag.type].inForce;

const until = (flag: Flag): string =>
  longDateText((flag.endDate ?? flag.dueOrEndDate ?? flag.startDate) as CalendarDate);

function flagAdvice(flag: Flag): string[] {
  switch (flag.status) {
    case 'current':
      return [`${inForce(flag)} ${whomToRing(flag)}`];
    case 'due-date-passed':
      return [
        `${inForce(flag)} The due date or end was ${until(flag)}. ${DUE_DATE_PASSED} ${whomToRing(flag)}`,
      ];
    case 'ended':
      return [];
  }
}

/**
 * The advice of a positive: whom to ring for each plan in force, or that none is; then what a differing date
 * of birth and old data mean; last, what is not shown about who has looked. `flags` are in the order shown.
 */
export function flaggedAdvice(
  flags: readonly Flag[],
  coverage: Coverage,
  whoLooked: WhoLooked = 'shown',
): string[] {
  const advice = flags.flatMap(flagAdvice);
  if (advice.length === 0) {
    for (const flag of flags) {
      advice.push(
        `No current plan. Ended on ${until(flag)}; shown for ${PLAN_TYPES[flag.type].shownForDaysAfterEnd} days for information. ${whomToRing(flag)}`,
      );
    }
  }
  if (flags.some((flag) => flag.dateOfBirth === 'mismatch')) advice.push(DATE_OF_BIRTH_DIFFERS);
  const behind = new Set(
    flags.filter((flag) => !flag.authority.upToDate).map((flag) => flag.authority.name),
  );
  for (const name of behind) {
    advice.push(`${name} is not up to date: its plans shown here may have changed.`);
  }
  const incomplete = incompleteCoverage(coverage);
  if (incomplete !== undefined) advice.push(incomplete);
  if (whoLooked === 'not-shown') advice.push(WHO_LOOKED_NOT_SHOWN);
  if (whoLooked === 'without-places') advice.push(WHERE_NOT_SHOWN);
  return [...new Set(advice)];
}

/**
 * What a person reads beside one plan, if plans are shown one by one: its status, whom to ring, and how old
 * its authority's data is.
 */
export function planNote(flag: Flag): string {
  const { name, dataAsOf } = flag.authority;
  const said =
    flag.status === 'ended'
      ? [`This plan ended on ${until(flag)} and is shown for information. ${whomToRing(flag)}`]
      : flagAdvice(flag);
  if (flag.status === 'current' && flag.dueOrEndDate !== undefined) {
    said.push(`The due date or end is ${until(flag)}.`);
  }
  if (dataAsOf !== undefined) {
    said.push(`Data of ${name} as of ${zonedTimeText(dataAsOf)}.`);
  }
  return said.join(' ');
}
