import { printedNhsNumber } from '#loaders/answers/notice.ts';
import type { NotificationEntry } from '#schemas/notification.ts';
import { PLAN_TYPES, planTypes } from '#schemas/plans/plan.ts';
import { LOOKS } from '#schemas/wording/council-looks.ts';
import { type Looks, SEALED_WITHIN_MS } from '../../notifications/looks.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { phoneText } from '../html/parts.ts';
import { timeOfYearText } from '../html/time.ts';

const at = (instant: string): string => timeOfYearText(Date.parse(instant));

const planName = (type: string): string => {
  const known = planTypes.find((each) => each === type);
  return known === undefined ? type : PLAN_TYPES[known].label;
};

const distinct = (texts: readonly (string | undefined)[]): string =>
  [...new Set(texts.filter((text) => text !== undefined && text !== ''))].join(', ');

function cameOf({ attendance, barred }: NotificationEntry): Html | string {
  if (barred === true) return LOOKS.barred;
  if (attendance === undefined) return LOOKS.nothingSaid;
  const { attended, ward, switchboard } = attendance;
  return html`${LOOKS.cameOf[attended]}, ${at(attendance.at)}${ward !== undefined && html`<br><bdi>${ward}</bdi>`}${switchboard !== undefined && html`<br><a class="nhsuk-link" href="tel:${switchboard}">${phoneText(switchboard)}</a>`}`;
}

const WHY = LOOKS.columns.indexOf('Why');

/** Looks at an authority's children, as {@link Looks} has them. */
export function looksTable(caption: string, entries: readonly NotificationEntry[]): Html {
  // Few systems give a reason, and an empty column takes the room of the others.
  const isWhySaid = entries.some(({ reason }) => reason !== undefined);
  const withWhy = <T>(cells: readonly T[]): readonly T[] =>
    isWhySaid ? cells : cells.toSpliced(WHY, 1);
  return table(
    caption,
    withWhy(LOOKS.columns),
    entries.map((entry) => {
      const { last, first, count, nhsNumber, plans, user, role, organisation, setting, reason } =
        entry;
      return withWhy([
        html`${at(last)}${count > 1 && html`<br>${LOOKS.times(count, at(first))}`}`,
        html`<bdi>${distinct(plans.map(({ localId }) => localId))}</bdi><br>${printedNhsNumber(nhsNumber)}`,
        distinct(plans.map(({ type }) => planName(type))),
        html`<bdi>${user.name}</bdi><br><bdi>${role.name}</bdi>`,
        html`<bdi>${organisation.name}</bdi><br>${setting.replaceAll('-', ' ')}`,
        reason?.replaceAll('-', ' '),
        cameOf(entry),
      ]);
    }),
  );
}

const MINUTE_MS = 60_000;

/**
 * That looks may be missing from a list, and when to look again; `undefined` if every look until a time is listed.
 * All times in milliseconds.
 *
 * @param listedUntil as {@link Looks} has it
 */
export function missingLooks(
  listedUntil: Looks['listedUntil'],
  { until, windowMs, now }: { until: number; windowMs: number; now: number },
): string | undefined {
  if (listedUntil !== undefined && listedUntil >= until) return undefined;
  const windowEnds = (Math.floor((until + SEALED_WITHIN_MS) / windowMs) + 1) * windowMs;
  return LOOKS.missing(
    listedUntil === undefined ? undefined : timeOfYearText(listedUntil),
    timeOfYearText(Math.max(windowEnds, now) + MINUTE_MS),
  );
}
