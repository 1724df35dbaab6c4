import type { CaseStep } from '#schemas/audit/access-case.ts';
import { OFFICER_CASES } from '#schemas/wording/officer.ts';
import type { AccessCase } from '../../audit/cases/cases.ts';
import type { ShownEvent } from '../../audit/search/view.ts';
import { textField } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, paragraph, radios } from '../html/parts.ts';
import { shortTimeText } from '../html/time.ts';
import { typedHidden } from './criteria.ts';
import type { AtOfficer } from './officer.ts';

const WORDS = OFFICER_CASES;
export const CASE_FORM = 'case';

/** How somebody learnt about a child, whether or not it succeeded. */
const ACCESSES = ['lookup', 'could-not-check', 'refusal', 'attendance'];
export const isAccess = ({ type }: ShownEvent): boolean => ACCESSES.includes(type);

export type OfferedStep = Exclude<CaseStep, 'erase'>;

/** The form of a step of a case, or of the first one. */
export function caseForm(
  at: AtOfficer,
  {
    action,
    steps,
    entry,
    typed = {},
    errors,
  }: {
    action: string;
    steps: readonly OfferedStep[];
    /** For a case that is to be opened: the access. */
    entry?: number;
    typed?: { step?: string | undefined; words?: string | undefined };
    errors: readonly FieldError[];
  },
): Html {
  // A person who may confirm a proposal did not make it.
  const judges = steps.includes('confirm-breach');
  const texts = judges ? { ...WORDS.acts, 'withdraw-breach': WORDS.sendBack } : WORDS.acts;
  return html`${entry !== undefined && html`<h2 class="nhsuk-heading-m">${WORDS.open}</h2>${paragraph(WORDS.openThen)}`}
<form method="post" action="${action}" novalidate autocomplete="off">
${at.hidden(CASE_FORM)}${entry !== undefined && typedHidden({ entry: String(entry) })}
${radios('step', {
  legend: WORDS.what,
  options: steps.map((value) => ({ value, text: texts[value] })),
  chosen: typed.step,
  error: errors.find(({ field }) => field === 'step')?.text,
})}
${textField({ name: 'words', label: WORDS.words, hint: WORDS.wordsHint, value: typed.words, errors })}
${button(WORDS.submit)}
</form>`;
}

/** In a list: when a case was opened, and the way to it. */
export function caseLink({ id, openedAt }: Pick<AccessCase, 'id' | 'openedAt'>): Html {
  const time = shortTimeText(Date.parse(openedAt));
  return html`<span class="cpf-one-line">${time}</span><br><a class="nhsuk-link" href="/officer/cases/${id}">${WORDS.openThis}<span class="nhsuk-u-visually-hidden">${WORDS.openedAt(time)}</span></a>`;
}
