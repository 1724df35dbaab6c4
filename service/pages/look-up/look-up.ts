import { randomUUID } from 'node:crypto';
import type { ErrorCode } from '#schemas/errors.ts';
import type { LookupRequest } from '#schemas/lookup.ts';
import { LOOK_UP, NOT_CHECKED, RESULT } from '#schemas/wording/pages.ts';
import type { WorkRefused } from '../../admission/guarded.ts';
import type { ProblemOptions } from '../../http/problem.ts';
import type { RequestHead } from '../../http/request-head.ts';
import type { Handler, RouteContext } from '../../http/route.ts';
import type { Admitted } from '../../lookup/guarded-lookup.ts';
import type { Rehearsed } from '../../lookup/rehearsals.ts';
import type { Trace } from '../../telemetry/traces.ts';
import { type Page, redirect } from '../html/frame.ts';
import { html, markup } from '../html/html.ts';
import { type FieldError, link, paragraph, tried } from '../html/parts.ts';
import type { Fields, FormRefusal } from '../session/forms.ts';
import type { Session } from '../session/sessions.ts';
import { Answers, follow } from './answers.ts';
import { type AttendancePagesDependencies, createAttendancePages } from './attendance-pages.ts';
import { lookUpForm, readTyped, type Typed, typedOf } from './form.ts';
import { createListPages, type ListPagesDependencies } from './list-pages.ts';
import {
  couldNotCheckPage,
  formRefusedPage,
  isFormRefusal,
  overPage,
  stalePage,
  usedPage,
} from './not-checked.ts';
import { resultContent } from './result.ts';
import {
  ANSWER_HIDDEN,
  createSignedIn,
  FORM_ENDED,
  FORM_ID,
  type SignedInDependencies,
} from './signed-in.ts';

export type LookUpPagesDependencies = SignedInDependencies &
  ListPagesDependencies &
  AttendancePagesDependencies;

/**
 * The page that a child is looked up on. The lookup is the API's: the same admission, limits, store, audit
 * and refusals, by a caller that comes from a session instead of a token.
 */
export function createLookUpPages(dependencies: LookUpPagesDependencies) {
  const {
    frame,
    sessions,
    forms,
    endings,
    lookUp,
    rehearse,
    listsADay,
    now = Date.now,
  } = dependencies;
  const signedInPages = createSignedIn(dependencies);
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
  const attendance = createAttendancePages(dependencies, signedInPages);
  const list = createListPages(dependencies, signedInPages);
  const answers = new Answers<Page | undefined>();

  /** The form of somebody signed in, with what they typed and what is wrong with it. */
  function formPage(session: Session, typed: Typed, errors: readonly FieldError[]): Page {
    const counting = countsOf(session);
    if ('refusal' in counting) return refusedForm(session, counting.refusal);
    const isWrong = errors.length > 0;
    return {
      ...signedIn(session),
      // What was typed is shown on it again.
      ...(isWrong ? hides(session, ANSWER_HIDDEN, true) : { endsWithSession: FORM_ENDED }),
      title: isWrong ? `${LOOK_UP.error}${LOOK_UP.title}` : LOOK_UP.title,
      status: isWrong ? 400 : 200,
      content: lookUpForm(
        counting.counts,
        newHidden(session),
        typed,
        errors,
        listsADay > 0 && counting.counts !== 'unscheduled',
      ),
    };
  }

  const show: Handler = ({ env }) => {
    const state = sessions.read(env.incoming);
    if (state.kind === 'open') {
      const { session } = state;
      const counting = countsOf(session);
      if ('refusal' in counting) noteRefused(env.incoming, counting.refusal, session);
      return frame(formPage(session, {}, []));
    }
    if (state.kind === 'unknown')
      return frame(
        couldNotCheckPage(html`${tried(now())}${paragraph(link('/look-up', NOT_CHECKED.again))}`),
      );
    return redirect('/sign-in', noLongerSignedIn(state));
  };

  /** Makes the look requested by a form. */
  async function look(
    session: Session,
    admitted: Admitted,
    form: {
      id: string;
      asked: string;
      typed: Typed;
      request: LookupRequest;
      rehearsal: Rehearsed | undefined;
      prevented: 'store' | undefined;
    },
    trace: Trace | undefined,
  ): Promise<Page | undefined> {
    const { id, asked, typed, request, rehearsal, prevented } = form;
    const isFirst =
      prevented === undefined ? await endings.once(`look ${id}`).catch(() => undefined) : undefined;
    if (isFirst === false) return undefined;
    const silent = admitted.access.access === 'silent-read';
    const looked = await lookUp(
      admitted,
      request,
      {
        api: 'pages',
        prevented: isFirst === undefined ? 'store' : undefined,
        words: (checked, _, of) =>
          String(
            html`${resultContent(checked, of, silent)}${!silent && checked.result.kind === 'flagged' && attendance.offerAttendance(session, { lookupId: checked.auditId, nhsNumber: of.nhsNumber })}`,
          ),
      },
      rehearsal,
      trace,
    );
    if (looked.kind === 'could-not-check')
      return notChecked(session, looked.code, { typed, request });
    answers.onUndelivered(asked, looked.notDelivered);
    return {
      ...signedIn(session),
      title: RESULT.title,
      ...hides(session, ANSWER_HIDDEN),
      content: markup(looked.body),
    };
  }

  async function work(
    { env }: RouteContext,
    { session, prevented }: { session: Session; prevented: 'store' | undefined },
    form: Fields | FormRefusal,
    admitted: Admitted,
    trace: Trace | undefined,
    errorsOf: (errors: readonly FieldError[]) => void,
  ): Promise<Response | WorkRefused> {
    const { incoming, outgoing } = env;
    if (typeof form === 'string') return { code: form };
    const id = form.get('form') ?? '';
    if (
      !FORM_ID.test(id) ||
      !forms.isOurs(incoming, form, { form: 'look-up', owner: session.id, once: id })
    ) {
      return { code: 'form-untrusted' };
    }
    const typed = typedOf(form);
    const read = readTyped(typed, now());
    if (read.kind === 'refused') {
      errorsOf(read.errors);
      const { code, number } = read;
      return { code, number };
    }
    const { request } = read;
    const rehearsal = rehearse(request.nhsNumber);
    if (rehearsal?.kind === 'limited') {
      return { code: 'too-many-requests', limit: rehearsal.limit };
    }
    // With its request: somebody may have gone back and typed another number into it.
    const asked = JSON.stringify([id, request, typed.care]);
    let answer = answers.find(asked);
    if (answer === undefined) {
      answer = look(session, admitted, { id, asked, typed, request, rehearsal, prevented }, trace);
      answers.hold(asked, answer);
    }
    const page = await answer;
    if (page === undefined) return frame({ ...usedPage('/look-up'), ...signedIn(session) });
    follow(answers, asked, incoming, outgoing);
    return frame(page);
  }

  const submit: Handler = async (c) => {
    const { incoming } = c.env;
    const { state, session, form } = await readSignedIn(c.env);
    const typed = typeof form === 'string' ? {} : typedOf(form);
    let errors: readonly FieldError[] = [];

    function refuse(code: ErrorCode, options: ProblemOptions): Response {
      if (!forms.isSentFromHere(incoming))
        return frame(formRefusedPage('form-untrusted', '/look-up'));
      if (session === undefined) return frame(overPage(noLongerSignedIn(state)));
      if (errors.length > 0) return frame(formPage(session, typed, errors));
      if (code === 'form-untrusted')
        return frame({ ...stalePage('/look-up'), ...signedIn(session) });
      if (isFormRefusal(code))
        return frame({ ...formRefusedPage(code, '/look-up'), ...signedIn(session) });
      const read = readTyped(typed, now());
      const request = read.kind === 'read' ? read.request : undefined;
      return frame(notChecked(session, code, { typed, request }, options));
    }

    const counting = session && countsOf(session);
    const isPlanned =
      counting !== undefined &&
      'counts' in counting &&
      counting.counts === 'choice' &&
      typed.care === 'planned';
    const head: RequestHead = {
      headers: {
        'x-request-id': randomUUID(),
        ...(isPlanned && { isunscheduledaccessevent: 'false' }),
      },
      rawHeaders: incoming.rawHeaders,
    };
    const prevented = preventedBy(state);
    return asSession(orPrevented(state), head, refuse, (context, admitted, trace) =>
      session === undefined
        ? Promise.resolve({ code: 'token-required' })
        : work(context, { session, prevented }, form, admitted, trace, (found) => (errors = found)),
    )(c);
  };

  return {
    show,
    submit,
    showHidden: showHidden(ANSWER_HIDDEN),
    submitAttendance: attendance.submitAttendance,
    showList: list.showList,
    submitList: list.submitList,
    showListHidden: list.showListHidden,
    stop() {
      answers.stop();
      attendance.stop();
      list.stop();
    },
  };
}
