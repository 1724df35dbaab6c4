import { londonDate } from '#schemas/calendar.ts';
import { COUNCILS } from '#schemas/wording/pages.ts';
import { timeText } from '#schemas/wording/times.ts';
import type { Handler } from '../../http/route.ts';
import type { Frame } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { heading, paragraph, phones } from '../html/parts.ts';
import type { Council, CouncilNumbers } from './numbers.ts';

const letterOf = ({ name }: Council): string =>
  name.normalize('NFD').charAt(0).toLocaleUpperCase('en-GB');

function councilEntry({ name, emergencyDutyTeamPhone, ...council }: Council): Html {
  const { officeHoursPhone, officeHours, emergencyDutyTeamPhoneAsOf: asOf } = council;
  return html`<li class="cpf-council" data-council>
<h3 class="nhsuk-heading-s"><bdi>${name}</bdi></h3>
${
  emergencyDutyTeamPhone === undefined
    ? paragraph(COUNCILS.noneHeld)
    : html`${phones({ officeHoursPhone, officeHours, emergencyDutyTeamPhone })}
<p class="nhsuk-body-s">${asOf === undefined ? COUNCILS.givenUnknown : COUNCILS.given(londonDate(Date.parse(asOf)))}</p>`
}
</li>`;
}

function list(councils: readonly Council[]): Html {
  const letters = [...new Set(councils.map(letterOf))];
  const total = COUNCILS.matches(councils.length);
  return html`<div data-search hidden>
<div class="nhsuk-form-group">
<label class="nhsuk-label nhsuk-label--m" for="filter">${COUNCILS.filter}</label>
<div class="nhsuk-hint" id="filter-hint">${COUNCILS.filterHint}</div>
<input class="nhsuk-input nhsuk-input--width-20" id="filter" type="search" autocomplete="off" aria-describedby="filter-hint">
</div>
<p role="status" data-count data-none="${COUNCILS.matches(0)}" data-one="${COUNCILS.matches(1)}" data-many="${COUNCILS.many}">${total}</p>
</div>
<nav class="cpf-screen-only" aria-label="${COUNCILS.letters}"><ul class="cpf-letters" role="list">
${letters.map((letter) => html`<li data-letter="${letter}"><a class="nhsuk-link" href="#letter-${letter}">${letter}</a></li>`)}
</ul></nav>
${letters.map(
  (letter) => html`<section data-group="${letter}" aria-labelledby="letter-${letter}">
<h2 class="nhsuk-heading-m" id="letter-${letter}">${letter}</h2>
<ul class="nhsuk-list" role="list">
${councils.filter((council) => letterOf(council) === letter).map(councilEntry)}
</ul></section>`,
)}`;
}

/** Every council's public duty numbers, for anybody, even while nothing can be checked. */
export function createCouncilsPage(frame: Frame, numbers: CouncilNumbers): Handler {
  return () => {
    const { councils, at, current } = numbers.read();
    return frame({
      title: COUNCILS.title,
      printable: true,
      content: html`${heading(COUNCILS.title)}
<p class="nhsuk-lede-text">${COUNCILS.lead}</p>
${councils.length > 0 && !current && html`<div class="cpf-plain"><p><strong>${COUNCILS.old}</strong></p></div>`}
${councils.length === 0 ? html`<p class="cpf-strong">${COUNCILS.none}</p>` : list(councils)}
${councils.length > 0 && html`<p>${COUNCILS.asOf(timeText(at))} <span class="cpf-screen-only">${COUNCILS.print}</span></p>`}`,
    });
  };
}
