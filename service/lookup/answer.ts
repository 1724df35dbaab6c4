import type { Authority } from '#schemas/authority.ts';
import type { Flag, LookupRequest } from '#schemas/lookup.ts';
import { PLAN_TYPES, type PlanStatus } from '#schemas/plans/plan.ts';
import { flaggedAdvice, NOT_SHOWN, type WhoLooked } from '#schemas/wording/lookup.ts';
import type { ListedAccess, ShownPlan } from '#store/lookup.ts';
import { negativeAdvice } from './coverage.ts';
import type { Admitted } from './guarded-lookup.ts';
import type { Checked, Form } from './lookup.ts';

/** What is held cannot be shown as it should be; then nothing is shown. */
class UnanswerableLookup extends Error {
  override name = 'UnanswerableLookup';
}

const STATUS_ORDER: Record<PlanStatus, number> = { current: 0, 'due-date-passed': 1, ended: 2 };

/** In force first, then the newest start; the rest only so that the order is always the same. */
function inOrderShown(a: Flag, b: Flag): number {
  return (
    STATUS_ORDER[a.status] - STATUS_ORDER[b.status] ||
    b.startDate.localeCompare(a.startDate) ||
    a.authority.code.localeCompare(b.authority.code) ||
    a.type.localeCompare(b.type)
  );
}

function flagOf(
  plan: ShownPlan,
  authorities: ReadonlyMap<string, Authority>,
  upToDate: ReadonlySet<string>,
): Flag {
  const authority = authorities.get(plan.authority);
  // A flag without a number to ring is not an answer.
  if (authority === undefined) throw new UnanswerableLookup();
  const { code, name, officeHoursPhone, emergencyDutyTeamPhone, dataAsOf } = authority;
  const { emergencyDutyTeamPhoneAsOf } = authority;
  const { type, status, startDate, endDate, dateOfBirth } = plan;
  const isDue = PLAN_TYPES[type].end === 'due-or-end';
  return {
    type,
    status,
    startDate,
    ...(endDate !== undefined && (isDue ? { dueOrEndDate: endDate } : { endDate })),
    dateOfBirth,
    authority: {
      code,
      name,
      ...(officeHoursPhone !== undefined && { officeHoursPhone }),
      emergencyDutyTeamPhone,
      ...(emergencyDutyTeamPhoneAsOf !== undefined && { emergencyDutyTeamPhoneAsOf }),
      ...(dataAsOf !== undefined && { dataAsOf }),
      upToDate: upToDate.has(code),
    },
  };
}

/**
 * The plans of a positive as flags, in the order shown.
 *
 * @throws {UnanswerableLookup} if a plan's authority is not in the directory
 */
export function flagsOf(
  plans: readonly ShownPlan[],
  authorities: ReadonlyMap<string, Authority>,
  upToDate: ReadonlySet<string>,
): Flag[] {
  return plans.map((plan) => flagOf(plan, authorities, upToDate)).toSorted(inOrderShown);
}

const WHO_WITHHELD = {
  name: NOT_SHOWN,
  role: NOT_SHOWN,
  organisation: { code: '', name: NOT_SHOWN },
};

function accessOf(access: ListedAccess) {
  const { at, count, own, withheld } = access;
  const { name, role, organisation } = withheld === undefined ? access : WHO_WITHHELD;
  // As JSON it has no member `withheld` if that is undefined.
  return { at: new Date(at).toISOString(), count, name, role, organisation, own, withheld };
}

/** How much is shown of who has looked. */
export function whoLookedOf(accesses: readonly ListedAccess[] | string): WhoLooked {
  if (typeof accesses === 'string') return 'not-shown';
  return accesses.some(({ withheld }) => withheld) ? 'without-places' : 'shown';
}

/**
 * The 200 answer as JSON, in the shape of `lookupAnswerSchema`. A negative is assembled from prepared texts,
 * since more than nine of ten answers are negatives.
 */
function answerJson(
  { auditId, result, coverage, authorities }: Checked,
  { access }: Admitted,
  request: LookupRequest,
): string {
  const silent = access.access === 'silent-read';
  const checkedAt = new Date(result.at).toISOString();
  if (result.kind === 'not-flagged') {
    const advice = negativeAdvice(coverage, request.dateOfBirth, result.at);
    const accesses = silent ? '' : '"accesses":[],';
    return `{"checked":true,"outcome":"not-flagged","current":false,"checkedAt":"${checkedAt}","auditId":"${auditId}","advice":${advice},"flags":[],${accesses}"coverage":${coverage.json}}`;
  }
  const flags = flagsOf(result.plans, authorities, coverage.upToDate);
  const current = flags.some((flag) => flag.status !== 'ended');
  const listed = result.accesses;
  const readable = typeof listed !== 'string';
  const advice = JSON.stringify(flaggedAdvice(flags, coverage.coverage, whoLookedOf(listed)));
  // Left out if unreadable: an empty list would say that nobody looked.
  const accesses = silent || !readable ? '' : `"accesses":${JSON.stringify(listed.map(accessOf))},`;
  return `{"checked":true,"outcome":"flagged","current":${current},"checkedAt":"${checkedAt}","auditId":"${auditId}","advice":${advice},"flags":${JSON.stringify(flags)},${accesses}"coverage":${coverage.json}}`;
}

/** The plain form, for one number and for each of a batch. */
export const PLAIN: Form = { api: 'plain', words: answerJson };
