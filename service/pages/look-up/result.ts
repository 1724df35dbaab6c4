import { type CalendarDate, londonDate } from '#schemas/calendar.ts';
import type { Coverage, Flag, LookupRequest } from '#schemas/lookup.ts';
import { PLAN_TYPES, planTypes } from '#schemas/plans/plan.ts';
import { isUnderOne, NOT_SHOWN, WHERE_NOT_SHOWN } from '#schemas/wording/lookup.ts';
import { FRAME, RESULT } from '#schemas/wording/pages.ts';
import { secondText, shortTimeText, timeText } from '#schemas/wording/times.ts';
import type { ListedAccess } from '#store/lookup.ts';
import { flagsOf, whoLookedOf } from '../../lookup/answer.ts';
import type { Checked } from '../../lookup/lookup.ts';
import { type Html, html } from '../html/html.ts';
import { heading, link, paragraph, phones, plainTable } from '../html/parts.ts';

/** The number and date of birth of an answer, as they were typed, and the time of the look. */
type Subject = Pick<LookupRequest, 'nhsNumber' | 'dateOfBirth'> & { at: number };

/** In groups for reading aloud, and kept on one line. */
export const numberText = (nhsNumber: string): string =>
  nhsNumber.replace(/^(...)(...)(....)$/, '$1\u00a0$2\u00a0$3');

/** A time with its day, month and year on one line. */
const kept = (time: string): string => time.replaceAll(/ (?=\w+(?: \d{4})?$)/g, '\u00a0');

/** Number, date of birth and time, the largest on the page: is it the right patient? */
export const subjectBar = ({ nhsNumber, dateOfBirth, at }: Subject, wasChecked: boolean): Html =>
  html`<dl class="cpf-subject">
<div><dt>${RESULT.number}</dt><dd class="cpf-subject__number">${numberText(nhsNumber)}</dd></div>
<div><dt>${RESULT.dateOfBirth}</dt><dd>${dateOfBirth === undefined ? RESULT.bornNotGiven : RESULT.born(dateOfBirth)}</dd></div>
<div><dt>${RESULT.time}</dt><dd>${wasChecked ? RESULT.checkedAt(kept(timeText(at))) : RESULT.notCheckedAt(kept(secondText(at)))}</dd></div>
</dl>`;

/** The numbers of a council, in the order for ringing at the time of the answer. */
type Ring = (authority: Flag['authority']) => Html;

const councilName = ({ name }: Flag['authority']): Html => html`<bdi>${name}</bdi>`;
const isOverdue = ({ status }: Flag): boolean => status === 'due-date-passed';
const isInForce = ({ status }: Flag): boolean => status !== 'ended';
const isUnborn = ({ type }: Flag): boolean => PLAN_TYPES[type].subject === 'mother';
const isInCare = ({ type }: Flag): boolean => PLAN_TYPES[type].inCare;
const endOf = (flag: Flag): CalendarDate =>
  (flag.endDate ?? flag.dueOrEndDate ?? flag.startDate) as CalendarDate;

/** A summary of plans in force, in one line. */
function headingOf(flags: readonly Flag[]): string {
  const councils = new Set(flags.map(({ authority }) => authority.code)).size;
  if (councils > 1) {
    return flags.some(isInCare) ? RESULT.severalOfCare(councils) : RESULT.several(councils);
  }
  const types = planTypes
    .filter((type) => flags.some((flag) => flag.type === type))
    .map((type) => PLAN_TYPES[type]);
  const [first, second] = types;
  if (first !== undefined && second === undefined) {
    return flags.every(isOverdue) ? RESULT.dueDatePassed : first.heading;
  }
  if (flags.some(isUnborn)) return RESULT.childAndUnborn;
  return first !== undefined && second !== undefined && types.length === 2
    ? RESULT.both(first.heading, second.alsoHeading)
    : RESULT.plansOf(types.length);
}

const planTitle = (flag: Flag): string =>
  isOverdue(flag) ? RESULT.dueDatePassed : PLAN_TYPES[flag.type].heading;

/** Whom to ring, before everything else. Of several plans, the most urgent decides. */
function ringTitle(flags: readonly Flag[], council: string): string {
  if (flags.every(isUnborn)) return RESULT.ringBeforeMother(council);
  return flags.every(isInCare) ? RESULT.ringFar(council) : RESULT.ringBefore(council);
}

/** What else to do about one plan. */
function alsoDo(flag: Flag): Html | false {
  if (isOverdue(flag)) return html`<p class="cpf-strong">${RESULT.duePassed(endOf(flag))}</p>`;
  if (flag.dueOrEndDate !== undefined) return paragraph(RESULT.due(endOf(flag)));
  return isInCare(flag) && html`<p class="cpf-strong">${RESULT.whoAgrees}</p>`;
}

/** If a night number is a day or more older than the rest of the council's data. */
function phoneAge({ emergencyDutyTeamPhoneAsOf: asOf, dataAsOf }: Flag['authority']): Html | false {
  if (asOf === undefined || dataAsOf === undefined) return false;
  const at = Date.parse(asOf);
  return at + DAY_MS <= Date.parse(dataAsOf) && paragraph(RESULT.phoneFrom(londonDate(at)));
}
const DAY_MS = 86_400_000;

function behindWarning({ authority }: Flag): Html | false {
  const { name, dataAsOf, upToDate } = authority;
  const date = dataAsOf === undefined ? undefined : londonDate(Date.parse(dataAsOf));
  return !upToDate && paragraph(RESULT.councilBehind(name, date));
}

/**
 * A council's plans in force: whom to ring, what to do.
 *
 * @param isOnly the heading of the page already names them
 */
function inForceCard(flags: readonly Flag[], isOnly: boolean, ring: Ring): Html {
  const [first] = flags;
  if (first === undefined) return html``;
  const { authority } = first;
  const plans = [...new Set(flags.map(planTitle))].map((title) => paragraph(`${title}.`));
  return html`<div class="nhsuk-card nhsuk-card--care nhsuk-card--care--emergency">
<div class="nhsuk-card__heading-container">
<h2 class="nhsuk-card__heading"><span role="text"><span class="nhsuk-u-visually-hidden">${RESULT.immediate}</span>${ringTitle(flags, authority.name)}</span></h2>
<span class="nhsuk-card--care__arrow" aria-hidden="true"></span>
</div>
<div class="nhsuk-card__content">
${!isOnly && plans}
${flags.map(alsoDo)}
${ring(authority)}
${authority.officeHoursPhone !== undefined && paragraph(RESULT.noAnswer)}
${phoneAge(authority)}
${flags.some(isUnborn) && paragraph(RESULT.babyBorn)}
${behindWarning(first)}
${paragraph(RESULT.notAReferral)}
</div></div>`;
}

/** A council's ended plans: plain, since nothing is urgent and nothing is ruled out. */
function endedCard(flags: readonly Flag[], ring: Ring): Html {
  const [first] = flags;
  if (first === undefined) return html``;
  return html`<div class="cpf-plain">
<h2 class="nhsuk-heading-m">${councilName(first.authority)} <strong class="nhsuk-tag nhsuk-tag--grey">${RESULT.endedTag}</strong></h2>
${flags.map((flag) => html`<p>${PLAN_TYPES[flag.type].listed}, ${RESULT.endedOn.toLowerCase()} ${RESULT.date(endOf(flag))}.</p>`)}
${ring(first.authority)}
${phoneAge(first.authority)}
${behindWarning(first)}
</div>`;
}

function byCouncil(flags: readonly Flag[]): Flag[][] {
  const groups = new Map<string, Flag[]>();
  for (const flag of flags) {
    const { code } = flag.authority;
    groups.set(code, [...(groups.get(code) ?? []), flag]);
  }
  return [...groups.values()];
}

/** Before everything else if a date of birth differs: it may be another child, and it may be a slip. */
function mismatchWarning(flags: readonly Flag[]): Html | false {
  const differing = flags.filter(({ dateOfBirth }) => dateOfBirth === 'mismatch');
  if (differing.length === 0) return false;
  const names = [...new Set(differing.map(({ authority }) => authority.name))];
  return html`<div class="nhsuk-card nhsuk-card--warning">
<div class="nhsuk-card__content"><h2 class="nhsuk-card__heading"><span role="text"><span class="nhsuk-u-visually-hidden">${RESULT.important}</span>${RESULT.whoIsThis}</span></h2>
${paragraph(RESULT.whoIsThisThen(names))}</div></div>`;
}

const NAMED_AT_MOST = 8;

const namesOf = (coverage: Pick<Coverage, 'notUpToDate'>): { names: string[]; more: number } => ({
  names: coverage.notUpToDate.slice(0, NAMED_AT_MOST).map(({ name }) => name),
  more: Math.max(0, coverage.notUpToDate.length - NAMED_AT_MOST),
});

const PILOT_NAMED_AT_MOST = 25;

function coveredText({ area, expected }: Coverage): string {
  switch (area?.kind) {
    case undefined:
      return RESULT.covered.notSet;
    case 'all':
      return RESULT.covered.all(area.name, expected);
    case 'sample':
      return RESULT.covered.sample(expected);
    case 'pilot': {
      const names = (area.authorities ?? []).map(({ name }) => name);
      return names.length <= PILOT_NAMED_AT_MOST
        ? RESULT.covered.pilot(area.name, names)
        : RESULT.covered.pilotLarge(area.name, expected);
    }
  }
}

/** What no plan does not mean, and what to check as well: the same for one child and for a list. */
export const cautions = (coverage: Coverage, notSafe: string, asksForMother: boolean): Html =>
  html`<p>${coveredText(coverage)}${coverage.complete && ` ${RESULT.allUpToDate}`}</p>
<p><strong>${notSafe}</strong> ${RESULT.notHere}</p>
<ul class="nhsuk-list nhsuk-list--bullet">${RESULT.notHereList.map((each) => html`<li>${each}</li>`)}</ul>
${asksForMother && html`<p><strong>${RESULT.underOne}</strong></p>`}`;

/** Whether the mother's number may have a plan for this child. */
export const mayBeUnderOne = (dateOfBirth: CalendarDate | undefined, at: number): boolean =>
  dateOfBirth === undefined || isUnderOne(dateOfBirth, at);

type Behind = {
  coverage: Pick<Coverage, 'notUpToDate'>;
  authorities: Checked['authorities'];
  at: number;
};

/** The out-of-date councils, each with whom to ring, and where to find those only counted. */
export function behindCouncils(
  { coverage, authorities, at }: Behind,
  liveIn: (councils: readonly string[], more: number) => string,
): Html {
  const { names, more } = namesOf(coverage);
  return html`<div class="cpf-plain">
<p class="cpf-strong">${liveIn(names, more)}</p>
${paragraph(RESULT.liveInThen)}
${coverage.notUpToDate.slice(0, NAMED_AT_MOST).map(({ code, name, since }) => {
  const held = authorities.get(code);
  return html`<h2 class="nhsuk-heading-s nhsuk-u-margin-bottom-1"><bdi>${name}</bdi></h2>
${held === undefined ? false : phones(held, at)}
<p>${since === undefined ? RESULT.behindNever : RESULT.behindSince(londonDate(Date.parse(since)))}</p>`;
})}
<p>${link('/councils', FRAME.councils)}</p>
</div>`;
}

/** The councils' data when a check was made. */
export type Covered = Behind & { coverage: Coverage };
type NegativeOf = Covered & { dateOfBirth: CalendarDate | undefined };

function negative({ coverage, authorities, dateOfBirth, at }: NegativeOf): Html {
  const isBehind = coverage.notUpToDate.length > 0;
  return html`${heading(isBehind ? RESULT.noPlanBehind : RESULT.noPlan)}
${isBehind && behindCouncils({ coverage, authorities, at }, RESULT.liveIn)}
<div class="cpf-plain">
<p class="cpf-strong">${RESULT.checkTheNumber}</p>
${cautions(coverage, RESULT.notSafe, mayBeUnderOne(dateOfBirth, at))}
</div>`;
}

const endText = (flag: Flag): string =>
  flag.dueOrEndDate !== undefined || flag.endDate !== undefined
    ? RESULT.date(endOf(flag))
    : RESULT.noEnd;

const plansTable = (flags: readonly Flag[]): Html | false =>
  flags.length > 0 &&
  plainTable(
    RESULT.plans,
    [RESULT.plan, RESULT.council, RESULT.status, RESULT.started, RESULT.ends, RESULT.dataAsOf],
    flags.map((flag) => [
      PLAN_TYPES[flag.type].listed,
      councilName(flag.authority),
      RESULT.statuses[flag.status],
      RESULT.date(flag.startDate as CalendarDate),
      endText(flag),
      flag.authority.dataAsOf === undefined
        ? RESULT.unknown
        : shortTimeText(flag.authority.dataAsOf),
    ]),
  );

const accessesTable = (accesses: readonly ListedAccess[]): Html =>
  plainTable(
    RESULT.looked,
    [RESULT.lookedWhen, RESULT.lookedWho, RESULT.lookedWhere],
    accesses.map(({ at, count, name, role, organisation, own, withheld }) => [
      html`${shortTimeText(at)}${count > 1 && `, ${RESULT.lookedTimes(count)}`}`,
      withheld
        ? NOT_SHOWN
        : html`<bdi>${name}</bdi>, <bdi>${role}</bdi>${own && ` (${RESULT.you})`}`,
      withheld ? NOT_SHOWN : html`<bdi>${organisation.name}</bdi>`,
    ]),
  );

/** What is missing from the list of who has looked, so that nobody takes it for complete. */
function notShown(accesses: DetailsOf['accesses']): Html | false {
  const who = whoLookedOf(accesses);
  if (who === 'shown') return false;
  const text = who === 'not-shown' ? RESULT.notShownWho : WHERE_NOT_SHOWN;
  return html`<div class="cpf-plain"><p><strong>${text}</strong></p></div>`;
}

type DetailsOf = {
  auditId: string;
  flags: readonly Flag[];
  accesses: readonly ListedAccess[] | 'unreadable' | 'withheld';
  silent: boolean;
};

function whoLooked({ flags, accesses, silent }: DetailsOf): Html | false {
  if (flags.length === 0 || typeof accesses === 'string') return false;
  if (silent) return paragraph(RESULT.silentWho);
  return html`${accessesTable(accesses)}${accesses.every(({ own }) => own) && paragraph(RESULT.nobodyElse)}`;
}

/** Details that are not needed in the first two seconds. */
const details = (of: DetailsOf): Html => html`<details class="nhsuk-details">
<summary class="nhsuk-details__summary"><span class="nhsuk-details__summary-text">${of.flags.length === 0 ? RESULT.auditId : RESULT.details}</span></summary>
<div class="nhsuk-details__text">
${plansTable(of.flags)}
${whoLooked(of)}
<p>${RESULT.auditId}: <span class="cpf-id">${of.auditId}</span></p>
</div></details>`;

function positive(flags: readonly Flag[], { coverage, authorities, result }: Checked): Html {
  const ring: Ring = (authority) =>
    phones({ ...authority, officeHours: authorities.get(authority.code)?.officeHours }, result.at);
  const inForce = flags.filter(isInForce);
  const ended = flags.filter((flag) => !isInForce(flag));
  const shown = new Set(flags.map(({ authority }) => authority.code));
  const others = coverage.coverage.notUpToDate.filter(({ code }) => !shown.has(code));
  const { names, more } = namesOf({ notUpToDate: others });
  const behind = names.length > 0 && paragraph(RESULT.otherBehind(names, more));
  if (inForce.length > 0) {
    const groups = byCouncil(inForce);
    return html`${heading(headingOf(inForce))}
${mismatchWarning(flags)}
${groups.map((group) => inForceCard(group, groups.length === 1, ring))}
${byCouncil(ended).map((group) => endedCard(group, ring))}
${behind}`;
  }
  const last = ended.map(endOf).toSorted().at(-1) as CalendarDate;
  return html`${heading(ended.length === 1 ? RESULT.ended(last) : RESULT.endedSeveral(ended.length, last))}
${mismatchWarning(flags)}
<p class="cpf-strong">${RESULT.endedNotSafe}</p>
${byCouncil(ended).map((group) => endedCard(group, ring))}
${behind}`;
}

/**
 * The answer to a check that was made, in the order of the first two seconds: the patient, the result, what
 * to do, whom to ring, cautions; the rest folded away.
 *
 * @throws {UnanswerableLookup} if a plan's authority is not in the directory
 */
export function resultContent(
  checked: Checked,
  { nhsNumber, dateOfBirth }: LookupRequest,
  silent: boolean,
): Html {
  const { auditId, coverage, authorities, result } = checked;
  const { at } = result;
  const bar = subjectBar(
    { nhsNumber, ...(dateOfBirth !== undefined && { dateOfBirth }), at },
    true,
  );
  if (result.kind === 'not-flagged') {
    const of = { coverage: coverage.coverage, authorities, dateOfBirth, at };
    return html`${bar}${negative(of)}${details({ auditId, flags: [], accesses: [], silent })}`;
  }
  const flags = flagsOf(result.plans, authorities, coverage.upToDate);
  const { accesses } = result;
  return html`${bar}${positive(flags, checked)}
${!silent && notShown(accesses)}
${details({ auditId, flags, accesses, silent })}`;
}
