import { z } from 'zod';
import { OFFICER_HOLDS } from '#schemas/wording/officer.ts';
import type { RetentionHold } from '../../audit/log/commit.ts';
import type { Holds } from '../../audit/seal/holds.ts';
import type { Mountable } from '../../routes/route.ts';
import { deskMessage } from '../desk/guarded-desk.ts';
import { pager, readReason, reasonField, summary, table } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { html } from '../html/html.ts';
import { button, type FieldError, heading, link, paragraph } from '../html/parts.ts';
import { shownText } from '../html/time.ts';
import { typedHidden } from './criteria.ts';
import {
  type AtOfficer,
  guardedOfficer,
  isAll,
  type OfficerDependencies,
  officerAct,
} from './officer.ts';
import { some } from './results.ts';

type HoldsDependencies = OfficerDependencies & { holds: Holds };

const WORDS = OFFICER_HOLDS;
const PATH = '/officer/holds';
const BEGIN_FORM = 'hold';
const END_FORM = 'hold-end';
/** So that a page stays small, whatever the reasons. */
const HOLDS_A_PAGE = 100;
const DONE: ReadonlyMap<string, string> = new Map([
  ['begun', WORDS.begun],
  ['unrecorded', `${WORDS.begun} ${WORDS.unrecorded}`],
  ['ended', WORDS.ended],
]);

type Typed = {
  reason?: string | undefined;
  errors?: readonly FieldError[];
  done?: string | undefined;
  before?: number;
  /** Whether it became the last hold, or no longer is, since the page was shown. */
  changed?: boolean;
};

const pathOf = ({ id }: RetentionHold): string => `${PATH}/${id}`;

async function holdsPage(
  { holds }: HoldsDependencies,
  at: AtOfficer,
  { reason, errors = [], done, before = Number.MAX_SAFE_INTEGER }: Typed = {},
): Promise<Response> {
  const all = (await holds.list()).toReversed();
  const older = all.filter(({ id }) => id < before);
  // If the older ones were ended meanwhile, the page must not say that there are none.
  const listed = older.length === 0 ? all : older;
  const shown = listed.slice(0, HOLDS_A_PAGE);
  const last = listed.length > shown.length ? shown.at(-1) : undefined;
  const { since, by, why, act } = WORDS.columns;
  return at.page({
    title: WORDS.title,
    errors,
    note: done,
    content: html`${heading(WORDS.title)}
${paragraph(WORDS.lead)}
${
  all.length === 0
    ? paragraph(WORDS.none)
    : table(
        WORDS.caption,
        [since, by, why, act],
        shown.map((hold) => [
          shownText(hold.at),
          some(hold.by),
          some(hold.reason),
          link(pathOf(hold), WORDS.end),
        ]),
      )
}
${pager(last === undefined ? {} : { older: `${PATH}?before=${last.id}` })}
<form method="post" action="${PATH}" novalidate autocomplete="off">
<h2 class="nhsuk-heading-m">${WORDS.begin}</h2>
${at.hidden(BEGIN_FORM)}
${paragraph(WORDS.beginThen)}
${reasonField(reason, errors)}
${button(WORDS.begin)}
</form>
<p>${WORDS.byCommand} <code>cp-flags audit hold</code></p>`,
  });
}

/** `GET /officer/holds`: the holds in force, newest first, and a form to begin one. */
const officerHolds: Mountable<HoldsDependencies> = {
  operation: { method: 'GET', path: PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isAll, (c, at) => {
      const before = z.coerce.number().int().min(1).safeParse(c.req.query('before')).data;
      return holdsPage(dependencies, at, {
        done: DONE.get(at.done() ?? ''),
        ...(before !== undefined && { before }),
      });
    }),
};

/** `POST /officer/holds`: keeps every event from now on, as `cp-flags audit hold` does. */
const officerHoldBegun: Mountable<HoldsDependencies> = {
  operation: { method: 'POST', path: PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    officerAct(dependencies, isAll, BEGIN_FORM, async (_, at, fields) => {
      const read = readReason(fields.get('reason'));
      if (read.kind === 'wrong') {
        return holdsPage(dependencies, at, {
          reason: fields.get('reason'),
          errors: [read.error],
        });
      }
      const { unrecorded } = await dependencies.holds.begin(at.named(read.reason));
      return redirect(`${PATH}?done=${unrecorded === true ? 'unrecorded' : 'begun'}`);
    }),
};

const holdOf = async ({ holds }: HoldsDependencies, id: string | undefined) =>
  (await holds.list()).find((hold) => String(hold.id) === id);

async function endPage(
  { holds }: HoldsDependencies,
  at: AtOfficer,
  hold: RetentionHold,
  { reason, errors = [], changed = false }: Typed = {},
): Promise<Response> {
  const { since, by, why } = WORDS.columns;
  const isLast = (await holds.list()).length === 1;
  return at.page({
    title: WORDS.end,
    errors,
    ...(changed && { note: WORDS.changed, status: 409 }),
    content: html`${heading(WORDS.end)}
${summary([
  [since, shownText(hold.at)],
  [by, some(hold.by)],
  [why, some(hold.reason)],
])}
<p class="cpf-strong">${isLast ? WORDS.endLast : WORDS.endOthers}</p>
<form method="post" action="${pathOf(hold)}" novalidate autocomplete="off">
${at.hidden(END_FORM)}${typedHidden({ last: isLast ? 'yes' : 'no' })}
${reasonField(reason, errors)}
<button class="nhsuk-button nhsuk-button--warning" type="submit">${WORDS.end}</button>
</form>
<p>${link(PATH, WORDS.title)}</p>
<p>${WORDS.byCommand} <code>cp-flags audit hold --end ${hold.id}</code></p>`,
  });
}

/** For a hold that was ended while somebody had the page open, or went back to it. */
const gone = ({ page }: AtOfficer, status: number): Response =>
  page({ ...deskMessage(WORDS.notInForce, WORDS.notInForceThen, PATH), status });

/** `GET /officer/holds/:id`: a hold in force, with a form to end it. */
const officerHold: Mountable<HoldsDependencies> = {
  operation: { method: 'GET', path: `${PATH}/:id`, letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isAll, async (c, at) => {
      const hold = await holdOf(dependencies, c.req.param('id'));
      return hold === undefined ? gone(at, 404) : endPage(dependencies, at, hold);
    }),
};

/** `POST /officer/holds/:id`: ends a hold, as `cp-flags audit hold --end` does. */
const officerHoldEnded: Mountable<HoldsDependencies> = {
  operation: { method: 'POST', path: `${PATH}/:id`, letsIn: 'audit' },
  handler: (dependencies) =>
    officerAct(dependencies, isAll, END_FORM, async (c, at, fields) => {
      const hold = await holdOf(dependencies, c.req.param('id'));
      if (hold === undefined) return gone(at, 409);
      const read = readReason(fields.get('reason'));
      if (read.kind === 'wrong') {
        const reason = fields.get('reason');
        return endPage(dependencies, at, hold, { reason, errors: [read.error] });
      }
      const isLast = fields.get('last') === 'yes';
      const ending = await dependencies.holds.end(hold.id, at.named(read.reason), isLast);
      switch (ending) {
        case 'ended':
          return redirect(`${PATH}?done=ended`);
        case 'not-in-force':
          return gone(at, 409);
        case 'changed':
          return endPage(dependencies, at, hold, { reason: read.reason, changed: true });
      }
    }),
};

/** The pages on which the operating organisation's Guardian keeps events from being deleted. */
export const HOLDS_PAGES = [officerHolds, officerHoldBegun, officerHold, officerHoldEnded] as const;
