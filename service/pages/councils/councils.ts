import { londonDate } from '#schemas/calendar.ts';
import { COUNCILS } from '#schemas/wording/pages.ts';
import { timeText } from '#schemas/wording/times.ts';
import type { Handler } from '../../http/route.ts';
import { findCouncils } from '../assets/councils.js';
import type { OpenFrame } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { button, heading, link, paragraph, phones } from '../html/parts.ts';
import type { Council, CouncilNumbers } from './numbers.ts';

const letterOf = ({ name }: Council): string =>
  name.normalize('NFD').charAt(0).toLocaleUpperCase('en-GB');

const hiddenIf = (isHidden: boolean): Html | false => isHidden && html` hidden`;

function councilEntry(
  { name, emergencyDutyTeamPhone, ...council }: Council,
  isFound: boolean,
): Html {
  const { officeHoursPhone, officeHours, emergencyDutyTeamPhoneAsOf: asOf } = council;
  return html`<li class="cpf-council" data-council${hiddenIf(!isFound)}>
<h3 class="nhsuk-heading-s"><bdi>${name}</bdi></h3>
${
  emergencyDutyTeamPhone === undefined
    ? paragraph(COUNCILS.noneHeld)
    : html`${phones({ officeHoursPhone, officeHours, emergencyDutyTeamPhone })}
<p class="nhsuk-body-s">${asOf === undefined ? COUNCILS.givenUnknown : COUNCILS.given(londonDate(Date.parse(asOf)))}</p>`
}
</li>`;
}

/** What is not searched for is hidden and not left out: the whole list may be printed. */
function list(councils: readonly Council[], typed: string): Html {
  const { found, isNear } = findCouncils(
    councils.map(({ name }) => name),
    typed,
  );
  const wanted = new Set(councils.filter((_, i) => found[i]));
  const groups = Map.groupBy(councils, letterOf);
  const isShown = (letter: string): boolean =>
    groups.get(letter)?.some((council) => wanted.has(council)) ?? false;
  const letters = [...groups.keys()];
  return html`<form method="get" action="/councils" role="search" data-search>
<div class="nhsuk-form-group">
<label class="nhsuk-label nhsuk-label--m" for="filter">${COUNCILS.filter}</label>
<div class="nhsuk-hint" id="filter-hint">${COUNCILS.filterHint}</div>
<input class="nhsuk-input nhsuk-input--width-20" id="filter" name="name" type="search" autocomplete="off" maxlength="${NAME_AT_MOST}" aria-describedby="filter-hint" value="${typed}">
</div>
${button(COUNCILS.find)}
</form>
<p class="cpf-screen-only" role="status" data-count data-none="${COUNCILS.matches(0)}" data-one="${COUNCILS.matches(1)}" data-many="${COUNCILS.many}" data-near-one="${COUNCILS.near(1)}" data-near-many="${COUNCILS.near(2)}">${isNear ? COUNCILS.near(wanted.size) : COUNCILS.matches(wanted.size)}</p>
${wanted.size < councils.length && html`<p class="cpf-screen-only">${link('/councils', COUNCILS.all)}</p>`}
<nav class="cpf-screen-only" aria-label="${COUNCILS.letters}"><ul class="cpf-letters" role="list">
${letters.map((letter) => html`<li data-letter="${letter}"${hiddenIf(!isShown(letter))}><a class="nhsuk-link" href="#letter-${letter}">${letter}</a></li>`)}
</ul></nav>
${letters.map(
  (
    letter,
  ) => html`<section data-group="${letter}" aria-labelledby="letter-${letter}"${hiddenIf(!isShown(letter))}>
<h2 class="nhsuk-heading-m" id="letter-${letter}">${letter}</h2>
<ul class="nhsuk-list" role="list">
${groups.get(letter)?.map((council) => councilEntry(council, wanted.has(council)))}
</ul></section>`,
)}`;
}

const NAME_AT_MOST = 100;

/**
 * Every council's public duty numbers, for anybody, even while nothing can be checked. A name in the address selects
 * some of them, in a browser without scripts.
 */
export function createCouncilsPage(frame: OpenFrame, numbers: CouncilNumbers): Handler {
  return (c) => {
    const { councils, at, current } = numbers.read();
    const typed = (c.req.query('name') ?? '').slice(0, NAME_AT_MOST);
    return frame(c.env.incoming, {
      title: COUNCILS.title,
      printable: true,
      content: html`${heading(COUNCILS.title)}
<p class="nhsuk-lede-text">${COUNCILS.lead}</p>
${councils.length > 0 && !current && html`<div class="cpf-plain"><p><strong>${COUNCILS.old}</strong></p></div>`}
${councils.length === 0 ? html`<p class="cpf-strong">${COUNCILS.none}</p>` : list(councils, typed)}
${councils.length > 0 && html`<p>${COUNCILS.asOf(timeText(at))} <span class="cpf-screen-only">${COUNCILS.print}</span></p>`}`,
    });
  };
}
