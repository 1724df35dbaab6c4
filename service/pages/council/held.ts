import { type HeldFile, listHeldFiles } from '#loaders/upkeep/held-files.ts';
import { londonDate } from '#schemas/calendar.ts';
import { HELD, HISTORY, OUTCOME, RECONCILE } from '#schemas/wording/council.ts';
import { shortTimeText } from '#schemas/wording/times.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { Mountable } from '../../routes/route.ts';
import type { DeskDependencies } from '../desk/guarded-desk.ts';
import { summary } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { heading, link, paragraph } from '../html/parts.ts';
import { guardedCouncil } from './guarded-council.ts';
import { HELD_PATH, whatToDo } from './outcome.ts';
import { RECONCILE_PATH } from './reconcile.ts';

type CouncilHeldDependencies = DeskDependencies & {
  anchor: Pick<Anchor, 'heldFiles'>;
  /** The number of days after which undecided files are discarded. */
  heldDays: number;
};

const DAY_MS = 86_400_000;

/** One held file, and until when it waits. */
export function heldView(
  { number, at, untraced, reasons, acknowledgement }: HeldFile,
  heldDays: number,
): Html {
  const { held } = acknowledgement;
  const since = Date.parse(at);
  const isTraced = untraced !== undefined;
  const until = londonDate(since + heldDays * DAY_MS);
  return html`<h2 class="nhsuk-heading-m">${HISTORY.file(number)}</h2>
${summary([
  [OUTCOME.name, html`<bdi>${acknowledgement.file.name}</bdi>`],
  [OUTCOME.waits, held && OUTCOME.waitsOf(held)],
  [HELD.since, shortTimeText(since)],
  [
    HELD.reasons,
    reasons.length === 0
      ? undefined
      : html`<ul class="nhsuk-list">${reasons.map((reason) => html`<li>${reason}</li>`)}</ul>`,
  ],
  [HELD.whatToDo, whatToDo(acknowledgement)],
])}
${paragraph(acknowledgement.counts.accepted === 0 ? HELD.nothingIsLoaded : HELD.restIsLoaded)}
${!isTraced && held?.whole === false && html`<p>${HELD.which} ${link(RECONCILE_PATH, RECONCILE.title)}</p>`}
${!isTraced && paragraph(HELD.corrected(acknowledgement.counts.accepted > 0))}
${paragraph(isTraced ? HELD.untracedExpires(until) : HELD.expires(until))}`;
}

/** `GET /council/held`: what is held from the council's files, why, and what to do. */
export const councilHeld: Mountable<CouncilHeldDependencies> = {
  operation: { method: 'GET', path: HELD_PATH, letsIn: 'authority' },
  handler: (dependencies) =>
    guardedCouncil(dependencies, (_, { authority, page }) => {
      const { anchor, heldDays } = dependencies;
      const held = listHeldFiles(anchor).filter((each) => each.authority === authority);
      return page({
        title: HELD.title,
        content: html`${heading(held.length === 0 ? HELD.none : HELD.title)}
${paragraph(held.length === 0 ? HELD.noneThen : HELD.lead)}
${held.map((each) => heldView(each, heldDays))}`,
      });
    }),
};
