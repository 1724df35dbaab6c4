import type { Authority } from '#schemas/authority.ts';
import { FRESHNESS } from '#schemas/wording/council-numbers.ts';
import { shortTimeText, timeText } from '#schemas/wording/times.ts';
import { summary } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';

/**
 * When an authority has to send more at the latest, in milliseconds; `undefined` if nothing from it has been loaded.
 */
export const dueOf = ({ dataAsOf }: Authority, upToDateMs: number): number | undefined =>
  dataAsOf === undefined ? undefined : Date.parse(dataAsOf) + upToDateMs;

/** How old an authority's data is, when more is due, and what clinicians are told meanwhile. */
export function freshness(
  authority: Authority,
  { readiness, upToDateMs }: { readiness: { open: boolean }; upToDateMs: number },
  now: number,
): Html {
  const { dataAsOf, reconciled } = authority;
  const made = dataAsOf === undefined ? undefined : Date.parse(dataAsOf);
  const due = dueOf(authority, upToDateMs);
  const isBehind = due === undefined || due <= now;
  const told = isBehind ? FRESHNESS.behind : reconciled ? FRESHNESS.upToDate : FRESHNESS.differs;
  return html`<h2 class="nhsuk-heading-m">${FRESHNESS.title}</h2>
${summary([
  [FRESHNESS.lastFile, made === undefined ? FRESHNESS.never : shortTimeText(made)],
  [
    FRESHNESS.due,
    due === undefined
      ? undefined
      : isBehind
        ? FRESHNESS.overdue(timeText(due))
        : shortTimeText(due),
  ],
  [FRESHNESS.shown, readiness.open ? told : FRESHNESS.notAnswered],
])}`;
}
