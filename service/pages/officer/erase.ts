import { hash } from 'node:crypto';
import { londonMidnight } from '#schemas/calendar.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import { readTypedDay } from '#schemas/typed-time.ts';
import { OFFICER_CASES, OFFICER_ERASE } from '#schemas/wording/officer.ts';
import { timeText } from '#schemas/wording/times.ts';
import type { AccessCase, Cases } from '../../audit/cases/cases.ts';
import type { RetentionHold } from '../../audit/log/commit.ts';
import type { Holds } from '../../audit/seal/holds.ts';
import type { Mountable } from '../../routes/route.ts';
import { errorFields } from '../../telemetry/log.ts';
import { deskMessage } from '../desk/guarded-desk.ts';
import { readReason, reasonField, table, textField } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, heading, link, paragraph } from '../html/parts.ts';
import { shownText } from '../html/time.ts';
import { type AtPrivacy, accessesOf, CASES_PATH, caseLink, organisationName } from './case-form.ts';
import { typedHidden } from './criteria.ts';
import {
  type AtOfficer,
  guardedOfficer,
  isAll,
  type OfficerDependencies,
  officerAct,
} from './officer.ts';

type EraseDependencies = OfficerDependencies & { cases: Cases; holds: Pick<Holds, 'list'> };

const WORDS = OFFICER_ERASE;
export const ERASE_PATH = '/officer/erase';
const HOLDS = '/officer/holds';
const FORM = 'erase-cases';
/** The newest ones; the others are on the page of holds. */
const HOLDS_SHOWN = 20;
/** Each case erased is an event that waits for the disk, and all of them are listed. */
const AT_ONCE = 200;

/** Which cases: one, or those that ended before a day in London, as it was typed. */
type Asked = { case: string } | { before: string };

type Found = {
  /** The cases that are erased now, oldest first. */
  cases: AccessCase[];
  /** All cases, with those that are left for another time. */
  count: number;
  /** About the reader's own accesses: somebody else has to erase them. */
  own: number;
};

const askedIn = (fields: { get: (name: string) => string | undefined }): Asked | undefined => {
  const [id, before] = [fields.get('case'), fields.get('before')];
  if (id !== undefined) return { case: id };
  return before === undefined ? undefined : { before: before.trim() };
};

const hasWords = (cases: Cases, found: AccessCase): boolean =>
  cases.steps(found).some(({ words }) => words !== null);

/** The cases with notes, or a sentence for the field of the day. */
function findCases({ cases }: EraseDependencies, at: AtOfficer, asked: Asked): Found | string {
  const found: AccessCase[] = [];
  if ('case' in asked) {
    const one = cases.find(asked.case);
    if (one !== undefined && hasWords(cases, one)) found.push(one);
  } else {
    const day = readTypedDay(asked.before);
    if (day === undefined) return WORDS.dayWrong;
    found.push(...cases.ended(new Date(londonMidnight(day)).toISOString()));
  }
  const others = found.filter(({ about }) => about !== at.caller.userKey);
  return {
    cases: others.slice(0, AT_ONCE),
    count: others.length,
    own: found.length - others.length,
  };
}

/** What was looked at before it was confirmed: another case, step or hold gives another digest. */
const digestOf = (cases: readonly AccessCase[], holds: readonly RetentionHold[]): string =>
  hash(
    'sha256',
    JSON.stringify([cases.map(({ id, changedAt }) => [id, changedAt]), holds.map(({ id }) => id)]),
    'base64url',
  );

type Typed = {
  before?: string | undefined;
  count?: string | undefined;
  reason?: string | undefined;
  errors?: readonly FieldError[];
  done?: string | undefined;
};

function askPage(at: AtOfficer, { before, errors = [], done }: Typed = {}): Response {
  const count = /^[0-9]{1,6}$/.test(done ?? '') ? Number(done) : undefined;
  return at.page({
    title: WORDS.title,
    errors,
    note: count === undefined ? undefined : WORDS.done(count),
    content: html`${heading(WORDS.title)}
${paragraph(WORDS.lead)}
<form method="get" action="${ERASE_PATH}" novalidate autocomplete="off">
${textField({ name: 'before', label: WORDS.before, hint: WORDS.beforeHint, value: before, errors, width: 20 })}
${button(WORDS.find)}
</form>
<p>${WORDS.oneCase} ${link(CASES_PATH, OFFICER_CASES.title)}</p>
<p>${WORDS.byCommand} <code>cp-flags audit erase-cases</code></p>`,
  });
}

/** The holds in force, since what they are for may need these notes. */
export const holdsNote = (all: readonly RetentionHold[]): Html | false => {
  const shown = all.slice(-HOLDS_SHOWN);
  return (
    all.length > 0 &&
    html`<div class="cpf-plain">${paragraph(WORDS.holds)}<ul class="nhsuk-list nhsuk-list--bullet">${shown.map(({ by, reason, at }) => html`<li><bdi>${WORDS.hold(timeText(at), shownText(by), shownText(reason))}</bdi></li>`)}</ul>${all.length > shown.length && html`<p>${link(HOLDS, WORDS.holdsMore(all.length))}</p>`}</div>`
  );
};

async function previewPage(
  dependencies: EraseDependencies,
  at: AtPrivacy,
  asked: Asked,
  { cases, count, own }: Found,
  { count: typed, reason, errors = [] }: Typed = {},
): Promise<Response> {
  const now = cases.length;
  const holds = await dependencies.holds.list();
  const accesses = await accessesOf(dependencies, at, cases, WORDS.title);
  const { opened, state, organisation, changed } = OFFICER_CASES.columns;
  return at.page({
    title: WORDS.title,
    errors,
    content: html`${heading(now === 0 ? WORDS.nothing : WORDS.would(now))}
${'before' in asked && paragraph(WORDS.endedBefore(asked.before))}
${own > 0 && paragraph(WORDS.own(own))}
${
  now > 0 &&
  html`<p class="cpf-strong">${WORDS.forGood}</p>
${count > now && paragraph(WORDS.more(count, now))}
${holdsNote(holds)}
${cases.some(({ state: each }) => each === 'under-inquiry' || each === 'breach-proposed') && html`<p class="cpf-strong">${WORDS.open}</p>`}
${table(
  WORDS.which,
  [opened, state, organisation, changed],
  cases.map((each) => [
    caseLink(each),
    OFFICER_CASES.states[each.state],
    html`<bdi>${organisationName(at, each, accesses.get(each.entry))}</bdi>`,
    shownText(each.changedAt),
  ]),
)}
<form method="post" action="${ERASE_PATH}" novalidate autocomplete="off">
${at.hidden(FORM)}${typedHidden({ ...asked, seen: digestOf(cases, holds) })}
${textField({ name: 'count', label: WORDS.type(now), value: typed, errors, width: 5, inputMode: 'numeric' })}
${reasonField(reason, errors)}
<button class="nhsuk-button nhsuk-button--warning" type="submit">${WORDS.submit}</button>
</form>`
}
<p>${link(ERASE_PATH, WORDS.other)}</p>`,
  });
}

/** `GET /officer/erase`: asks which cases, or shows what would be erased. */
const officerErase: Mountable<EraseDependencies> = {
  operation: { method: 'GET', path: ERASE_PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isAll, async (c, at) => {
      const asked = askedIn({ get: (name) => c.req.query(name) });
      if (asked === undefined) return askPage(at, { done: at.done() });
      const found = findCases(dependencies, at, asked);
      return typeof found === 'string'
        ? askPage(at, {
            before: c.req.query('before'),
            errors: [{ field: 'before', text: found }],
          })
        : previewPage(dependencies, at, asked, found);
    }),
};

/** Erases cases one by one, each on record. Returns how many before it failed, if it did, and how many have changed. */
async function eraseEach(
  { cases, log }: EraseDependencies,
  at: AtOfficer,
  found: readonly AccessCase[],
  reason: string,
): Promise<{ erased: number; changed: number; failed: boolean }> {
  const caller = auditedCaller(at.caller.identity);
  const actor = { ...at.named(reason), caller, requestId: at.ids.requestId };
  const done = { erased: 0, changed: 0, empty: 0 };
  try {
    for (const each of found) done[await cases.erase(each, actor)]++;
    return { ...done, failed: false };
  } catch (error) {
    log.error('The notes of a case could not be erased.', errorFields(error));
    return { ...done, failed: true };
  }
}

/** `POST /officer/erase`: erases the notes of the cases that were shown, as `cp-flags audit erase-cases` does. */
const officerErased: Mountable<EraseDependencies> = {
  operation: { method: 'POST', path: ERASE_PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    officerAct(dependencies, isAll, FORM, async (_, at, fields) => {
      const asked = askedIn(fields);
      const found = asked && findCases(dependencies, at, asked);
      if (asked === undefined || found === undefined || typeof found === 'string') {
        return at.notFound();
      }
      const { cases } = found;
      const back = `${ERASE_PATH}?${new URLSearchParams(asked).toString()}`;
      if (fields.get('seen') !== digestOf(cases, await dependencies.holds.list())) {
        return at.page({
          ...deskMessage(WORDS.changed, WORDS.changedThen(0, 0), back),
          status: 409,
        });
      }
      const typed = { count: fields.get('count'), reason: fields.get('reason') };
      const reason = readReason(typed.reason);
      const isCount = typed.count?.trim() === String(cases.length);
      if (!isCount || reason.kind === 'wrong') {
        const errors = [
          ...(isCount ? [] : [{ field: 'count', text: WORDS.countWrong(cases.length) }]),
          ...(reason.kind === 'wrong' ? [reason.error] : []),
        ];
        return previewPage(dependencies, at, asked, found, { ...typed, errors });
      }
      const { erased, changed, failed } = await eraseEach(dependencies, at, cases, reason.reason);
      if (changed > 0 && !failed) {
        const then = WORDS.changedThen(erased, changed);
        return at.page({ ...deskMessage(WORDS.changed, then, back), status: 409 });
      }
      return failed
        ? at.page({
            ...deskMessage(WORDS.failed, WORDS.failedThen(erased), ERASE_PATH),
            status: 503,
          })
        : redirect(`${ERASE_PATH}?done=${erased}`);
    }),
};

/** The pages on which the operating organisation's Guardian erases the notes of cases. */
export const ERASE_PAGES = [officerErase, officerErased] as const;
