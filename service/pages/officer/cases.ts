import { z } from 'zod';
import { CASE_STEPS, caseWordsSchema, FIRST_STEPS, isEnded } from '#schemas/audit/access-case.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import { userKeyOf } from '#schemas/people/identity.ts';
import { OFFICER_CASES, OFFICER_ERASE } from '#schemas/wording/officer.ts';
import { shortTimeText } from '#schemas/wording/times.ts';
import type { Blocks } from '#store/blocks.ts';
import type { AccessCase, CaseActor, Cases, StepTaken } from '../../audit/cases/cases.ts';
import { shownCell, textAt } from '../../audit/search/cells.ts';
import type { Mountable } from '../../routes/route.ts';
import { deskMessage } from '../desk/guarded-desk.ts';
import { pager, summary, table } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { type FieldError, heading, link, paragraph } from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';
import {
  type AtPrivacy,
  accessesOf,
  CASE_FORM,
  CASES_PATH,
  caseForm,
  caseLink,
  isAccess,
  type OfferedStep,
  organisationName,
  organisationOf,
  stepsFor,
} from './case-form.ts';
import { typedHidden } from './criteria.ts';
import { ERASE_PATH } from './erase.ts';
import { blockForm, entryOf, lookAtEvent, userOf } from './event.ts';
import { eventSummary } from './event-summary.ts';
import {
  guardedOfficer,
  isPrivacy,
  LOOK_FORM,
  look,
  type OfficerDependencies,
  officerAct,
} from './officer.ts';
import { userOfEvent } from './reports.ts';

type CasePagesDependencies = OfficerDependencies & { cases: Cases; blocks: Blocks };

const WORDS = OFFICER_CASES;
const PATH = CASES_PATH;
const CASES_A_PAGE = 50;

const pathOf = (id: string): string => `${PATH}/${id}`;

/** A case that somebody may see. For them, another organisation's case does not exist. */
function caseOf({ cases }: CasePagesDependencies, at: AtPrivacy, id: string | undefined) {
  const found = id === undefined ? undefined : cases.find(id);
  const own = organisationOf(at);
  return own === undefined || found?.organisation === own ? found : undefined;
}

/** The state of a case; if a breach is proposed, also who proposed it and whether it waits for the reader. */
function stateCell({ cases }: CasePagesDependencies, at: AtPrivacy, each: AccessCase): Html {
  const proposed =
    each.state === 'breach-proposed'
      ? cases.steps(each).findLast((line) => line.step === 'propose-breach')
      : undefined;
  return html`${WORDS.states[each.state]}${proposed !== undefined && html`. <bdi>${WORDS.proposedBy(shownCell(proposed.by))}</bdi>`}
${stepsFor(at, each).includes('confirm-breach') && html` <strong>${WORDS.waitsForYou}</strong>`}`;
}

/** `GET /officer/cases`: cases, newest first. */
export const officerCases: Mountable<CasePagesDependencies> = {
  operation: { method: 'GET', path: PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, async (c, at) => {
      const before = z.coerce.number().int().min(1).safeParse(c.req.query('before')).data;
      const { cases, next } = dependencies.cases.list(organisationOf(at), CASES_A_PAGE, before);
      const { state, user, organisation, opened, changed } = WORDS.columns;
      const accesses = await accessesOf(dependencies, at, cases, WORDS.title);
      return at.page({
        title: WORDS.title,
        content: html`${heading(WORDS.title)}
${paragraph(WORDS.lead)}
${
  cases.length === 0
    ? paragraph(WORDS.none)
    : table(
        WORDS.title,
        [opened, user, state, organisation, changed],
        cases.map((each) => {
          const access = accesses.get(each.entry);
          return [
            caseLink(each),
            html`<bdi>${access && shownCell(textAt(access, 'caller', 'user'))}</bdi>`,
            stateCell(dependencies, at, each),
            html`<bdi>${organisationName(at, each, access)}</bdi>`,
            shortTimeText(each.changedAt),
          ];
        }),
      )
}
${pager(next === undefined ? {} : { older: `${PATH}?before=${next}` })}`,
      });
    }),
};

/** Why somebody looks further from a case: its whole id may have ten digits, as an NHS number does. */
export const reasonOfCase = (id: string): string => `case ${id.slice(0, 8)}`;

type Typed = { step?: string | undefined; words?: string | undefined };

/** A case with its access, including plan details, which are needed to judge it. */
async function casePage(
  dependencies: CasePagesDependencies,
  at: AtPrivacy,
  found: AccessCase,
  typed: Typed = {},
  errors: readonly FieldError[] = [],
  wrongStatus = 400,
): Promise<Response> {
  const { entry, id, state } = found;
  const viewer = at.viewer.kind === 'all' ? at.viewer : { ...at.viewer, inCase: true as const };
  const reason = reasonOfCase(id);
  const looked = await look(dependencies, at, 'event', { entry, viewer }, ({ event }) => {
    const nhsNumber = event === undefined ? '' : textAt(event, 'nhsNumber');
    return {
      reason: `case ${id}`,
      report: 'case',
      criteria: { entry, ...(nhsNumber !== '' && { nhsNumber }) },
      eventsShown: event === undefined ? 0 : 1,
    };
  });
  if (looked.kind === 'refused') return looked.response;
  const { event } = looked.found;
  const { at: time, what, by, words } = WORDS.historyColumns;
  const steps = stepsFor(at, found);
  const block =
    event !== undefined && (await blockForm(dependencies, at, { event, entry }, reason));
  return at.page({
    title: WORDS.case,
    errors,
    ...(errors.length > 0 && { status: wrongStatus }),
    content: html`${heading(WORDS.case)}
${summary([
  [WORDS.columns.state, WORDS.states[state]],
  [WORDS.columns.organisation, html`<bdi>${organisationName(at, found, event)}</bdi>`],
  [WORDS.columns.opened, shortTimeText(found.openedAt)],
])}
<h2 class="nhsuk-heading-m">${WORDS.access}</h2>
${
  event === undefined
    ? paragraph(WORDS.accessGone)
    : html`${eventSummary(at, event)}
${userOfEvent(at, event, reason)}
<form method="post" action="/officer/event" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden({ case: id, entry: String(entry), reason })}
<p><button class="cpf-link-button" type="submit">${WORDS.toEvent}</button></p>
</form>`
}
${table(
  WORDS.history,
  [time, what, by, words],
  dependencies.cases
    .steps(found)
    .map((line) => [
      shortTimeText(line.at),
      WORDS.steps[line.step],
      html`<bdi>${shownCell(line.by)}</bdi>`,
      line.words === null ? WORDS.erased : html`<bdi>${shownCell(line.words)}</bdi>`,
    ]),
)}
${isEnded(state) && paragraph(WORDS.ended)}
${state === 'breach-proposed' && found.proposedBy === at.caller.userKey && paragraph(WORDS.mayConfirm(organisationName(at, found, event)))}
${!isEnded(state) && found.about === at.caller.userKey && paragraph(WORDS.ownAccessThen)}
${at.viewer.kind === 'all' && dependencies.cases.steps(found).some((line) => line.words !== null) && html`<p>${link(`${ERASE_PATH}?case=${id}`, OFFICER_ERASE.ofThisCase)}</p>`}
${steps.length > 0 && caseForm(at, { action: pathOf(id), steps, typed, errors })}
${block}
<p>${link(PATH, WORDS.title)}</p>`,
  });
}

/** `GET /officer/cases/ID` */
export const officerCase: Mountable<CasePagesDependencies> = {
  operation: { method: 'GET', path: `${PATH}/:id`, letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, (c, at) => {
      const found = caseOf(dependencies, at, c.req.param('id'));
      return found === undefined ? at.notFound() : casePage(dependencies, at, found);
    }),
};

type ReadStep =
  | { kind: 'read'; step: OfferedStep; words: string }
  | { kind: 'wrong'; errors: FieldError[] };

function readStep(fields: Fields, offered: readonly OfferedStep[]): ReadStep {
  const step = offered.find((each) => each === fields.get('step'));
  const words = caseWordsSchema.safeParse(fields.get('words') ?? '');
  const errors: FieldError[] = [];
  if (step === undefined) errors.push({ field: 'step', text: WORDS.whatWrong });
  if (!words.success) {
    const [issue] = words.error.issues;
    errors.push({ field: 'words', text: WORDS.wordsWrong(issue?.message ?? '') });
  }
  return step === undefined || !words.success
    ? { kind: 'wrong', errors }
    : { kind: 'read', step, words: words.data };
}

function actorOf({ caller, ids, named }: AtPrivacy): CaseActor {
  const { by, account } = named('');
  return {
    key: caller.userKey,
    event: {
      by,
      caller: auditedCaller(caller.identity),
      requestId: ids.requestId,
      ...(account !== undefined && { account }),
    },
  };
}

const REFUSED = {
  'own-access': [WORDS.ownAccess, WORDS.ownAccessThen],
  'second-person': [WORDS.secondPerson, WORDS.secondPersonThen],
  'not-now': [WORDS.notNow, WORDS.notNowThen],
} as const;

function stepResponse(at: AtPrivacy, taken: StepTaken): Response {
  if (taken.kind !== 'refused') return redirect(pathOf(taken.id));
  const [title, then] = REFUSED[taken.why];
  return at.page({ ...deskMessage(title, then, PATH), status: 409 });
}

/** `POST /officer/cases`: opens a case on an access that the officer may see. */
export const officerCaseOpened: Mountable<CasePagesDependencies> = {
  operation: { method: 'POST', path: PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    officerAct(dependencies, isPrivacy, CASE_FORM, async (_, at, fields) => {
      const entry = entryOf(fields);
      const looked = await lookAtEvent(dependencies, at, entry, WORDS.open);
      if (looked.kind === 'refused') return looked.response;
      const { event } = looked.found;
      const user = event && userOf(event);
      const organisation = textAt(event, 'caller', 'organisation', 'code');
      if (event === undefined || entry === undefined || user === undefined) return at.notFound();
      if (!isAccess(event) || organisation === '') return at.notFound();
      const read = readStep(fields, FIRST_STEPS);
      if (read.kind === 'wrong') {
        const { errors } = read;
        const typed = { step: fields.get('step'), words: fields.get('words') };
        return at.page({
          title: WORDS.open,
          errors,
          content: html`${heading(WORDS.open)}
${eventSummary(at, event)}
${caseForm(at, { action: PATH, steps: FIRST_STEPS, entry, typed, errors })}`,
        });
      }
      const access = {
        entry,
        accessId: textAt(event, 'auditId'),
        organisation,
        about: userKeyOf(user.issuer, user.user),
      };
      const { step, words } = read;
      const taken = await dependencies.cases.open(access, step, actorOf(at), words);
      const open = taken.kind === 'open' ? caseOf(dependencies, at, taken.id) : undefined;
      if (open === undefined) return stepResponse(at, taken);
      const errors = [{ field: 'words', text: WORDS.alreadyOpen }];
      return casePage(dependencies, at, open, { step, words }, errors, 409);
    }),
};

/** `POST /officer/cases/ID`: takes a further step. */
export const officerCaseStep: Mountable<CasePagesDependencies> = {
  operation: { method: 'POST', path: `${PATH}/:id`, letsIn: 'audit' },
  handler: (dependencies) =>
    officerAct(dependencies, isPrivacy, CASE_FORM, async (c, at, fields) => {
      const found = caseOf(dependencies, at, c.req.param('id'));
      if (found === undefined) return at.notFound();
      // Its page has no form any more to which mistakes could lead.
      if (isEnded(found.state)) {
        const ended = deskMessage(WORDS.notNow, WORDS.endedThen, pathOf(found.id));
        return at.page({ ...ended, status: 409 });
      }
      const offered = CASE_STEPS.filter((step) => step !== 'erase');
      const read = readStep(fields, offered);
      if (read.kind === 'wrong') {
        const typed = { step: fields.get('step'), words: fields.get('words') };
        return casePage(dependencies, at, found, typed, read.errors);
      }
      const { step, words } = read;
      const taken = await dependencies.cases.step(found.id, step, actorOf(at), words);
      const now = caseOf(dependencies, at, found.id) ?? found;
      // Somebody else has changed it: what was typed is not lost.
      if (taken.kind === 'refused' && taken.why === 'not-now' && !isEnded(now.state)) {
        const errors = [{ field: 'step', text: WORDS.changed }];
        return casePage(dependencies, at, now, { words }, errors, 409);
      }
      return stepResponse(at, taken);
    }),
};
