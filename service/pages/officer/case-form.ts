import { CASE_STEPS, type CaseStep, judgeStep } from '#schemas/audit/access-case.ts';
import { OFFICER, OFFICER_CASES } from '#schemas/wording/officer.ts';
import { shortTimeText } from '#schemas/wording/times.ts';
import type { AccessCase, Cases } from '../../audit/cases/cases.ts';
import { shownCell, textAt } from '../../audit/search/cells.ts';
import type { ShownEvent } from '../../audit/search/view.ts';
import { textField } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, link, paragraph, radios } from '../html/parts.ts';
import { typedHidden } from './criteria.ts';
import {
  type AtOfficer,
  type OfficerDependencies,
  onRecordAs,
  type PrivacyViewer,
} from './officer.ts';

const WORDS = OFFICER_CASES;
export const CASE_FORM = 'case';
export const CASES_PATH = '/officer/cases';

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
  const time = shortTimeText(openedAt);
  return html`<span class="cpf-one-line">${time}</span><br><a class="nhsuk-link" href="/officer/cases/${id}">${WORDS.openThis}<span class="nhsuk-u-visually-hidden">${WORDS.openedAt(time)}</span></a>`;
}

export type AtPrivacy = AtOfficer<PrivacyViewer>;

export const organisationOf = ({ viewer }: AtPrivacy): string | undefined =>
  viewer.kind === 'organisation' ? viewer.organisation : undefined;

/**
 * By entry, the accesses that cases are about. They are recorded before they are shown; there are none while the audit
 * cannot be read.
 */
export async function accessesOf(
  dependencies: Pick<OfficerDependencies, 'searcher' | 'store'>,
  at: AtPrivacy,
  cases: readonly AccessCase[],
  reason: string,
): Promise<ReadonlyMap<number, ShownEvent>> {
  if (cases.length === 0) return new Map();
  const entries = cases.map(({ entry }) => entry);
  const found = await dependencies.searcher.ask('events', { entries, viewer: at.viewer });
  if (found.kind !== 'found') return new Map();
  const { events } = found;
  await onRecordAs(dependencies, at, {
    reason,
    report: 'cases',
    criteria: {},
    eventsShown: events.size,
  });
  return events;
}

/** The organisation of a case, named as its access names it. */
export function organisationName(
  at: AtPrivacy,
  { organisation }: AccessCase,
  access: ShownEvent | undefined,
): string {
  const name = access === undefined ? '' : textAt(access, 'caller', 'organisation', 'name');
  return name === ''
    ? at.councilName(organisation)
    : OFFICER.council(shownCell(name), organisation);
}

/** The steps that somebody may take now. */
export const stepsFor = (at: AtPrivacy, { state, about, proposedBy }: AccessCase): OfferedStep[] =>
  CASE_STEPS.filter((step) => step !== 'erase').filter((step) => {
    const of = { state, about, proposedBy: proposedBy ?? undefined };
    return judgeStep(of, step, at.caller.userKey).kind === 'allowed';
  });

/** That proposed breaches wait for the reader to confirm them or not, and the way there; false if none does. */
export function casesWaiting(at: AtPrivacy, cases: Cases): Html | false {
  const waiting = cases
    .proposed(organisationOf(at))
    .filter((each) => stepsFor(at, each).includes('confirm-breach'));
  const [first] = waiting;
  if (first === undefined) return false;
  const path = waiting.length === 1 ? `${CASES_PATH}/${first.id}` : CASES_PATH;
  return html`<p class="cpf-strong">${link(path, WORDS.waiting(waiting.length))}</p>`;
}
