import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { londonDate } from '#schemas/calendar.ts';
import { ERRORS, type ErrorCode, type LimitReached } from '#schemas/errors.ts';
import { BATCH_AT_MOST } from '#schemas/lookup.ts';
import type { Caller } from '#schemas/people/caller.ts';
import { HIDDEN, LIST, NOT_CHECKED } from '#schemas/wording/pages.ts';
import type { SessionEndings } from '#store/session-endings.ts';
import type { ProblemOptions } from '../../http/problem.ts';
import type { Handler } from '../../http/route.ts';
import type { Admitted } from '../../lookup/guarded-lookup.ts';
import type { LookUp } from '../../lookup/lookup.ts';
import type { Rehearse } from '../../lookup/rehearsals.ts';
import type { Trace } from '../../telemetry/traces.ts';
import { type Frame, type Hidden, type Page, redirect } from '../html/frame.ts';
import { html } from '../html/html.ts';
import { link, notFoundPage, paragraph, tried } from '../html/parts.ts';
import type { Forms } from '../session/forms.ts';
import type { Session, Sessions } from '../session/sessions.ts';
import { Answers, follow } from './answers.ts';
import { againForm } from './form.ts';
import { type Line, type Listed, listForm, listResult, outcomeOf, readList } from './list.ts';
import {
  couldNotCheckPage,
  formRefusedPage,
  isFormRefusal,
  overPage,
  stalePage,
  usedPage,
} from './not-checked.ts';
import type { Covered } from './result.ts';
import { FORM_ENDED, FORM_ID, type SignedInPages } from './signed-in.ts';

export type ListPagesDependencies = {
  frame: Frame;
  forms: Forms;
  sessions: Pick<Sessions, 'read'>;
  endings: SessionEndings;
  lookUp: LookUp;
  rehearse: Rehearse;
  take: (caller: Caller, cost?: number) => LimitReached | undefined;
  /** How many lists a user may paste in a day; 0: none. */
  listsADay: number;
  now?: () => number;
};

/** More than a list may have, so that a list that is too long stays on the page and can be shortened. */
const LIST_AT_MOST_BYTES = 64 * 1024;
const LIST_HIDDEN: Hidden = {
  to: '/list/hidden',
  heading: HIDDEN.listHeading,
  says: HIDDEN.listNoCheck,
  another: { href: '/list', text: LIST.title },
};
/** A day of London has 25 hours in October, and clocks may be apart. */
const DAY_OUTLIVED_MS = 26 * 3_600_000;

/** The pages of a pasted list, for users whose looks may be silent. Each line is a separate lookup. */
export function createListPages(
  {
    frame,
    forms,
    sessions,
    endings,
    lookUp,
    rehearse,
    take,
    listsADay,
    now = Date.now,
  }: ListPagesDependencies,
  signedInPages: SignedInPages,
) {
  const {
    newHidden,
    countsOf,
    signedIn,
    refusedForm,
    hides,
    noLongerSignedIn,
    showHidden,
    notChecked,
    readSignedIn,
    noteRefused,
    preventedBy,
    orPrevented,
    asSession,
  } = signedInPages;
  const answers = new Answers<Page | undefined>();

  /** Whether somebody's looks may be silent, so that a list of them is not a list of attendances. */
  function mayPaste(session: Session): boolean {
    const counting = countsOf(session);
    return listsADay > 0 && 'counts' in counting && counting.counts !== 'unscheduled';
  }

  function noSuchList(incoming: IncomingMessage, session: Session): Response {
    noteRefused(incoming, 'batch-not-allowed', session);
    return frame({ ...notFoundPage(), ...signedIn(session) });
  }

  const showList: Handler = ({ env }) => {
    const state = sessions.read(env.incoming);
    if (state.kind === 'unknown') {
      return frame(
        couldNotCheckPage(html`${tried(now())}${paragraph(link('/list', NOT_CHECKED.again))}`),
      );
    }
    if (state.kind !== 'open') return redirect('/sign-in', noLongerSignedIn(state));
    const { session } = state;
    const counting = countsOf(session);
    if ('refusal' in counting) {
      noteRefused(env.incoming, counting.refusal, session);
      return frame(refusedForm(session, counting.refusal));
    }
    if (!mayPaste(session)) return noSuchList(env.incoming, session);
    return frame({
      ...listForm(newHidden(session)),
      ...signedIn(session),
      endsWithSession: FORM_ENDED,
    });
  };

  /** Uses up one of a day's lists, whichever process is asked; false if all are used. */
  async function takeList({ userKey }: Caller): Promise<boolean> {
    const today = londonDate(now());
    for (let nth = 0; nth < listsADay; nth++) {
      if (await endings.once(`list ${userKey} ${today} ${nth}`, DAY_OUTLIVED_MS)) return true;
    }
    return false;
  }

  async function lookUpAll(
    session: Session,
    admitted: Admitted,
    form: {
      id: string;
      asked: string;
      text: string;
      lines: readonly Line[];
      prevented: 'store' | undefined;
      refuse: (code: ErrorCode) => void;
    },
    trace: Trace | undefined,
  ): Promise<Page | undefined> {
    const { id, asked, text, lines, prevented, refuse } = form;
    // Without Redis, each number is recorded as one that could not be checked.
    const isFirst =
      prevented === undefined ? await endings.once(`look ${id}`).catch(() => undefined) : undefined;
    if (isFirst === false) return undefined;
    // Text without a number is not a list: most often something else was pasted.
    const isList = lines.some(({ read }) => read.kind === 'read');
    const isTaken =
      isFirst && (!isList || (await takeList(admitted.caller).catch(() => undefined)));
    if (isTaken === false) {
      refuse('too-many-requests');
      return {
        ...listForm(newHidden(session), text, LIST.usedUp(listsADay)),
        title: NOT_CHECKED.title,
        status: ERRORS['too-many-requests'].status,
        ...signedIn(session),
        ...hides(session, LIST_HIDDEN, true),
      };
    }
    const undelivered: (() => void)[] = [];
    let covered: Covered | undefined;
    async function check(line: Line): Promise<Listed> {
      if (line.read.kind === 'refused') return { ...line, outcome: line.read.fault };
      const { request } = line.read;
      const rehearsal = rehearse(request.nhsNumber);
      if (rehearsal?.kind === 'limited') return { ...line, outcome: 'failed' };
      let outcome: Listed['outcome'] = 'failed';
      const looked = await lookUp(
        admitted,
        request,
        {
          api: 'pages',
          prevented: isTaken === undefined ? 'store' : undefined,
          words(checked) {
            outcome = outcomeOf(checked);
            const { coverage } = checked.coverage;
            if (covered === undefined || coverage.notUpToDate.length > 0) {
              covered = { coverage, authorities: checked.authorities, at: checked.result.at };
            }
            return '';
          },
        },
        rehearsal,
        trace,
      );
      if (looked.kind === 'answered') {
        undelivered.push(looked.notDelivered);
        return { ...line, outcome };
      }
      return { ...line, outcome: looked.code === 'number-not-in-use' ? 'notInUse' : 'failed' };
    }
    const listed = await Promise.all(lines.map(check));
    answers.onUndelivered(asked, () => {
      for (const tell of undelivered) tell();
    });
    return {
      ...listResult(
        listed,
        covered,
        html`${tried(now())}${againForm('/list', newHidden(session), { list: text })}`,
      ),
      ...signedIn(session),
      ...hides(session, LIST_HIDDEN),
    };
  }

  const submitList: Handler = async (c) => {
    const { incoming, outgoing } = c.env;
    const { state, session, form } = await readSignedIn(c.env, LIST_AT_MOST_BYTES);
    if (session !== undefined && !mayPaste(session) && forms.isSentFromHere(incoming)) {
      return noSuchList(incoming, session);
    }

    const text = typeof form === 'string' ? '' : (form.get('list') ?? '');
    const lines = readList(text, now());
    const wrong =
      lines.length === 0
        ? LIST.empty
        : lines.length > BATCH_AT_MOST
          ? LIST.tooMany(BATCH_AT_MOST, lines.length)
          : undefined;

    function refuse(code: ErrorCode, options: ProblemOptions): Response {
      if (!forms.isSentFromHere(incoming)) return frame(formRefusedPage('form-untrusted', '/list'));
      if (session === undefined) return frame(overPage(noLongerSignedIn(state)));
      if (code === 'form-untrusted') return frame({ ...stalePage('/list'), ...signedIn(session) });
      if (code === 'body-too-large') {
        const form = listForm(newHidden(session), '', LIST.tooLong(BATCH_AT_MOST));
        return frame({ ...form, ...signedIn(session), status: ERRORS[code].status });
      }
      if (isFormRefusal(code))
        return frame({ ...formRefusedPage(code, '/list'), ...signedIn(session) });
      if (code === 'invalid-batch') {
        const form = listForm(newHidden(session), text, wrong);
        return frame({ ...form, ...signedIn(session), ...hides(session, LIST_HIDDEN, true) });
      }
      const page = notChecked(session, code, { list: text }, options);
      return frame({ ...page, ...hides(session, LIST_HIDDEN) });
    }

    const head = {
      headers: { 'x-request-id': randomUUID(), isunscheduledaccessevent: 'false' },
      rawHeaders: incoming.rawHeaders,
    };
    const prevented = preventedBy(state);
    return asSession(orPrevented(state), head, refuse, async (_, admitted, trace) => {
      if (typeof form === 'string') return { code: form };
      const id = form.get('form') ?? '';
      if (
        session === undefined ||
        !FORM_ID.test(id) ||
        !forms.isOurs(incoming, form, { form: 'look-up', owner: session.id, once: id })
      ) {
        return { code: 'form-untrusted' };
      }
      if (admitted.access.access !== 'silent-read') return { code: 'batch-not-allowed' };
      if (wrong !== undefined) return { code: 'invalid-batch' };
      const asked = JSON.stringify([id, text]);
      let answer = answers.find(asked);
      if (answer === undefined) {
        // The request itself was counted as one.
        const limit = take(admitted.caller, lines.length - 1);
        if (limit !== undefined) return { code: 'too-many-requests', limit };
        const refused = (code: ErrorCode): void => noteRefused(incoming, code, session);
        const pasted = { id, asked, text, lines, prevented, refuse: refused };
        answer = lookUpAll(session, admitted, pasted, trace);
        answers.hold(asked, answer);
      }
      const page = await answer;
      if (page === undefined) return frame({ ...usedPage('/list'), ...signedIn(session) });
      follow(answers, asked, incoming, outgoing);
      return frame(page);
    })(c);
  };

  const showListHidden = showHidden(LIST_HIDDEN);

  return { showList, submitList, showListHidden, stop: () => answers.stop() };
}
