import { printedNhsNumber } from '#loaders/answers/notice.ts';
import type { LookColumn } from '#loaders/answers/notification.ts';
import type { NotificationEntry } from '#schemas/notification.ts';
import { PLAN_TYPES, planTypes } from '#schemas/plans/plan.ts';
import { LOOKS } from '#schemas/wording/council-looks.ts';
import { shortTimeText, timeText } from '#schemas/wording/times.ts';
import { type Looks, SEALED_WITHIN_MS } from '../../notifications/looks.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { phoneText } from '../html/parts.ts';

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
  return html`${LOOKS.cameOf[attended]}, ${timeText(attendance.at)}${ward !== undefined && html`<br><bdi>${ward}</bdi>`}${switchboard !== undefined && html`<br><a class="nhsuk-link" href="tel:${switchboard}">${phoneText(switchboard)}</a>`}`;
}

type ShownColumn = {
  heading: string;
  /** What it has of the columns of the CSV. */
  of: readonly LookColumn[];
  cell: (entry: NotificationEntry) => Html | string;
  /** One that is left out if all are empty, since it takes room from the others. */
  isSaid?: (entry: NotificationEntry) => boolean;
};

/** What is shown about a look. All of it is in the CSV, which also has what only systems need. */
export const SHOWN_COLUMNS: readonly ShownColumn[] = [
  {
    heading: LOOKS.columns.when,
    of: ['last', 'count', 'first'],
    cell: ({ last, count, first }) =>
      html`${shortTimeText(last)}${count > 1 && html`<br>${LOOKS.times(count, timeText(first))}`}`,
  },
  {
    heading: LOOKS.columns.child,
    of: ['local_id', 'nhs_number'],
    cell: ({ plans, nhsNumber }) =>
      html`<bdi>${distinct(plans.map(({ localId }) => localId))}</bdi><br>${printedNhsNumber(nhsNumber)}`,
  },
  {
    heading: LOOKS.columns.plan,
    of: ['plan_types'],
    cell: ({ plans }) => distinct(plans.map(({ type }) => planName(type))),
  },
  {
    heading: LOOKS.columns.who,
    of: ['user_name', 'role'],
    cell: ({ user, role }) => html`<bdi>${user.name}</bdi><br><bdi>${role.name}</bdi>`,
  },
  {
    heading: LOOKS.columns.where,
    of: ['organisation', 'setting'],
    cell: ({ organisation, setting }) =>
      html`<bdi>${organisation.name}</bdi><br>${setting.replaceAll('-', ' ')}`,
  },
  {
    heading: LOOKS.columns.why,
    of: ['reason'],
    cell: ({ reason = '' }) => reason.replaceAll('-', ' '),
    // Few systems give one.
    isSaid: ({ reason }) => reason !== undefined,
  },
  {
    heading: LOOKS.columns.cameOf,
    of: ['attended', 'attended_at', 'ward', 'switchboard', 'barred'],
    cell: cameOf,
  },
];

/** Looks at an authority's children, as in {@link Looks}. */
export function looksTable(caption: string, entries: readonly NotificationEntry[]): Html {
  const columns = SHOWN_COLUMNS.filter(
    ({ isSaid }) => isSaid === undefined || entries.some(isSaid),
  );
  return table(
    caption,
    columns.map(({ heading }) => heading),
    entries.map((entry) => columns.map(({ cell }) => cell(entry))),
  );
}

const MINUTE_MS = 60_000;

/**
 * That looks may be missing from a list, and when to look again; `undefined` if every look until a time is
 * listed. All times in milliseconds.
 *
 * @param listedUntil as in {@link Looks}
 */
export function missingLooks(
  listedUntil: Looks['listedUntil'],
  { until, windowMs, now }: { until: number; windowMs: number; now: number },
): string | undefined {
  if (listedUntil !== undefined && listedUntil >= until) return undefined;
  const windowEnds = (Math.floor((until + SEALED_WITHIN_MS) / windowMs) + 1) * windowMs;
  return LOOKS.missing(
    listedUntil === undefined ? undefined : timeText(listedUntil),
    timeText(Math.max(windowEnds, now) + MINUTE_MS),
  );
}
