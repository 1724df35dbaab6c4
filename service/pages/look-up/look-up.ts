import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { londonDate } from '#schemas/calendar.ts';
import type { ErrorCode, LimitReached } from '#schemas/errors.ts';
import { BATCH_AT_MOST, type LookupRequest } from '#schemas/lookup.ts';
import { nhsNumberSchema } from '#schemas/nhs-number.ts';
import type { Caller } from '#schemas/people/caller.ts';
import {
  ACTIVITY_SILENT,
  ACTIVITY_UNSCHEDULED,
  type Organisation,
} from '#schemas/people/care-setting.ts';
import { HIDDEN, LIST, LOOK_UP, NOT_CHECKED, RESULT } from '#schemas/wording/pages.ts';
import type { SessionEndings } from '#store/session-endings.ts';
import { createAdmission } from '../../admission/admission.ts';
import { decideAccess } from '../../admission/decide.ts';
import type { GuardedWork, WorkRefused } from '../../admission/guarded.ts';
import type { ProblemOptions } from '../../http/problem.ts';
import type { RequestHead } from '../../http/request-head.ts';
import type { Handler, RouteContext } from '../../http/route.ts';
import type { Attend, Attended } from '../../lookup/attendance.ts';
import {
  type Admitted,
  guardedLookup,
  type LookupGuardDependencies,
} from '../../lookup/guarded-lookup.ts';
import type { LookUp } from '../../lookup/lookup.ts';
import type { Rehearse, Rehearsed } from '../../lookup/rehearsals.ts';
import { whenUndelivered } from '../../lookup/undelivered.ts';
import type { Trace } from '../../telemetry/traces.ts';
import { type Frame, type Page, type Person, redirect } from '../html/frame.ts';
import { html, markup } from '../html/html.ts';
import {
  buttonLink,
  type FieldError,
  heading,
  link,
  notFoundPage,
  paragraph,
} from '../html/parts.ts';
import type { Cookies } from '../session/cookies.ts';
import { type Fields, type Forms, readForm } from '../session/forms.ts';
import type { Sealer } from '../session/seal.ts';
import type { Session, SessionState, Sessions } from '../session/sessions.ts';
import { refusedPage, signInRefusalOf } from '../sign-in/refused.ts';
import { Answers } from './answers.ts';
import {
  type AttendanceForm,
  attendanceDetails,
  attendanceErrors,
  attendanceNotRecorded,
  attendanceRecorded,
  type Look,
  readAttendance,
  typedAttendance,
} from './attendance.ts';
import {
  againForm,
  type Counts,
  type Hidden,
  lookUpForm,
  readTyped,
  type Typed,
  typedOf,
} from './form.ts';
import { type Line, type Listed, listForm, listResult, outcomeOf, readList } from './list.ts';
import {
  couldNotCheckPage,
  limitedPage,
  notInUsePage,
  overPage,
  untrustedPage,
} from './not-checked.ts';
import { resultContent, subjectBar } from './result.ts';

export type LookUpPagesDependencies = Omit<LookupGuardDependencies, 'admit'> & {
  frame: Frame;
  cookies: Cookies;
  sessions: Sessions;
  forms: Forms;
  endings: SessionEndings;
  lookUp: LookUp;
  attend: Attend;
  sealer: Sealer;
  rehearse: Rehearse;
  organisations: () => ReadonlyMap<string, Organisation>;
  registeredOnly: () => boolean;
  take: (caller: Caller, cost?: number) => LimitReached | undefined;
  /** How many lists a user may paste in a day; 0: none. */
  listsADay: number;
  canChangeRole: (provider: string) => boolean;
  now?: () => number;
};

/** An answer goes from the screen on its own, whether or not scripts run. */
const SHOWN_FOR_SECONDS = 120;
const HIDDEN_PATH = '/look-up/hidden';
/** A day of London has 25 hours in October, and clocks may be apart. */
const DAY_OUTLIVED_MS = 26 * 3_600_000;
/** Of a limit that was not said. */
const WAIT_SECONDS = 60;

const hideLink = () => html`<p class="cpf-hide">${buttonLink(HIDDEN_PATH, RESULT.hide, true)}</p>`;

const lookSchema = z.strictObject({
  owner: z.uuid(),
  lookupId: z.uuid(),
  nhsNumber: nhsNumberSchema,
});

const FORM_ID = /^[0-9a-f-]{36}$/;

/**
 * The page that a child is looked up on. The lookup itself is the one of the API: the same admission, limits, store,
 * audit and refusals, by a caller that a session stands for and not a token.
 */
export function createLookUpPages(dependencies: LookUpPagesDependencies) {
  const {
    frame,
    cookies,
    sessions,
    forms,
    endings,
    lookUp,
    attend,
    sealer,
    rehearse,
    take,
    listsADay,
    now = Date.now,
  } = dependencies;
  const { organisations, registeredOnly, canChangeRole } = dependencies;
  const answers = new Answers<Page | undefined>();
  const attendances = new Answers<Attended>();

  function personOf(session: Session): Person {
    return {
      session,
      token: forms.token({ form: 'sign-out', owner: session.id }),
      canChangeRole: canChangeRole(session.provider),
    };
  }

  function newHidden(session: Session): Hidden {
    const form = randomUUID();
    return { form, token: forms.token({ form: 'look-up', owner: session.id, once: form }) };
  }

  /** How a look of this session counts, as far as its role says. */
  function countsOf(session: Session): { counts: Counts } | { refusal: ErrorCode } {
    const access = decideAccess(session, {}, organisations(), registeredOnly());
    if (access.kind === 'refused') return { refusal: access.code };
    const { activities } = session.role;
    const both = activities.includes(ACTIVITY_SILENT) && activities.includes(ACTIVITY_UNSCHEDULED);
    return { counts: both && access.setting === 'scheduled' ? 'choice' : access.access };
  }

  const signedIn = (session: Session): Pick<Page, 'person' | 'cookies'> => ({
    person: personOf(session),
    cookies: [sessions.renew(session)],
  });

  /** Takes away the cookie that a browser sent; of one that sent none nothing is known. */
  const noLongerSignedIn = ({ kind }: SessionState): string[] =>
    kind === 'over' ? [cookies.set('session', undefined)] : [];

  /** The form of somebody signed in, with what they typed and what is wrong with it. */
  function formPage(session: Session, typed: Typed, errors: readonly FieldError[]): Page {
    const counting = countsOf(session);
    if ('refusal' in counting) {
      return refusedPage(signInRefusalOf(counting.refusal) ?? 'role', '', session);
    }
    const isWrong = errors.length > 0;
    return {
      ...signedIn(session),
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
    if (state.kind === 'open') return frame(formPage(state.session, {}, []));
    if (state.kind === 'unknown')
      return frame(couldNotCheckPage(paragraph(link('/look-up', NOT_CHECKED.again))));
    return redirect('/sign-in', noLongerSignedIn(state));
  };

  /** Where an answer was: nothing of it is left, and no look is made. It keeps nobody signed in. */
  const showHidden: Handler = ({ env }) => {
    const state = sessions.read(env.incoming);
    return frame(hiddenPage(state));
  };

  function hiddenPage(state: SessionState): Page {
    return {
      title: HIDDEN.title,
      ...(state.kind === 'open' && { person: personOf(state.session) }),
      content: html`${heading(HIDDEN.heading)}
${paragraph(HIDDEN.noCheck)}
<p>${buttonLink('/look-up', RESULT.another)}</p>`,
    };
  }

  /** Makes the look that a form asks for. */
  async function look(
    session: Session,
    admitted: Admitted,
    form: {
      id: string;
      asked: string;
      typed: Typed;
      request: LookupRequest;
      rehearsal: Rehearsed | undefined;
    },
    trace: Trace | undefined,
  ): Promise<Page | undefined> {
    const { id, asked, typed, request, rehearsal } = form;
    const isFirst = await endings.once(`look ${id}`).catch(() => undefined);
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
            html`${resultContent(checked, of, silent)}${!silent && checked.result.kind === 'flagged' && offerAttendance(session, { lookupId: checked.auditId, nhsNumber: of.nhsNumber })}`,
          ),
      },
      rehearsal,
      trace,
    );
    if (looked.kind === 'could-not-check')
      return notChecked(session, looked.code, { typed, request });
    answers.onUndelivered(asked, looked.notDelivered);
    const left = Math.ceil((sessions.endsAt({ ...session, seenAt: now() }) - now()) / 1_000);
    return {
      ...signedIn(session),
      title: RESULT.title,
      aside: hideLink(),
      leave: { afterSeconds: Math.max(1, Math.min(SHOWN_FOR_SECONDS, left)), to: HIDDEN_PATH },
      content: html`${markup(looked.body)}<p>${buttonLink('/look-up', RESULT.another)}</p>`,
    };
  }

  type Asked = { typed: Typed; request?: LookupRequest | undefined };

  /** Why a look of somebody signed in was not made, in words. */
  function notChecked(
    session: Session,
    code: ErrorCode,
    { typed, request }: Asked,
    options: ProblemOptions = {},
  ): Page {
    const again = againForm(newHidden(session), typed, NOT_CHECKED.again);
    const refusal = signInRefusalOf(code);
    const page =
      refusal !== undefined
        ? refusedPage(refusal, '', session)
        : code === 'too-many-requests'
          ? limitedPage(options.limit?.retryAfterSeconds ?? WAIT_SECONDS, again)
          : code === 'number-not-in-use'
            ? notInUsePage()
            : code === 'header-repeated'
              ? { ...couldNotCheckPage(again), status: 400 }
              : couldNotCheckPage(again);
    const bar = request && subjectBar({ ...request, at: now() }, false);
    return {
      ...page,
      ...signedIn(session),
      content: html`${bar}${page.content}`,
      // A number stands on this page as well.
      ...(request && { leave: { afterSeconds: SHOWN_FOR_SECONDS, to: HIDDEN_PATH } }),
    };
  }

  /** Tells of an answer whether a browser got it. */
  function follow(form: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
    let arrived = true;
    whenUndelivered(incoming, outgoing, () => (arrived = false));
    outgoing.once('close', () => {
      if (arrived) answers.delivered(form);
    });
  }

  async function work(
    { env }: RouteContext,
    session: Session,
    fields: Fields | undefined,
    admitted: Admitted,
    trace: Trace | undefined,
    errorsOf: (errors: readonly FieldError[]) => void,
  ): Promise<Response | WorkRefused> {
    const { incoming, outgoing } = env;
    const id = fields?.get('form') ?? '';
    if (
      fields === undefined ||
      !FORM_ID.test(id) ||
      !forms.isOurs(incoming, fields, { form: 'look-up', owner: session.id, once: id })
    ) {
      return { code: 'form-untrusted' };
    }
    const typed = typedOf(fields);
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
    // With what it asks for: somebody may have gone back and typed another number into it.
    const asked = JSON.stringify([id, request, typed.care]);
    let answer = answers.find(asked);
    if (answer === undefined) {
      answer = look(session, admitted, { id, asked, typed, request, rehearsal }, trace);
      answers.hold(asked, answer);
    }
    const page = await answer;
    if (page === undefined) return frame(hiddenPage({ kind: 'none' }));
    follow(asked, incoming, outgoing);
    return frame(page);
  }

  /**
   * Who sends a form, and what it says. Nobody's body is read before it is known who they are; that is judged again
   * once all of it is here, since the session may have ended while it was on its way.
   */
  async function readSignedIn(env: RouteContext['env']) {
    const isKnown = 'session' in sessions.read(env.incoming);
    const fields = isKnown ? await readForm(env) : undefined;
    const state = sessions.read(env.incoming);
    const session = 'session' in state ? state.session : undefined;
    return { state, session, fields };
  }

  const submit: Handler = async (c) => {
    const { incoming } = c.env;
    const { state, session, fields } = await readSignedIn(c.env);
    const typed = fields === undefined ? {} : typedOf(fields);
    let errors: readonly FieldError[] = [];

    function refuse(code: ErrorCode, options: ProblemOptions): Response {
      if (!forms.isSentFromHere(incoming)) return frame(untrustedPage());
      if (session === undefined) return frame(overPage(noLongerSignedIn(state)));
      if (errors.length > 0) return frame(formPage(session, typed, errors));
      if (code === 'form-untrusted') return frame(untrustedPage());
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
    return asSession(state, head, refuse, (context, admitted, trace) =>
      session === undefined
        ? Promise.resolve({ code: 'token-required' })
        : work(context, session, fields, admitted, trace, (found) => (errors = found)),
    )(c);
  };

  /** A handler of the API's own guard, in which a session stands where the API has a token. */
  const asSession = (
    state: SessionState,
    head: RequestHead,
    refuse: (code: ErrorCode, options: ProblemOptions) => Response,
    of: GuardedWork<Admitted>,
  ): Handler =>
    guardedLookup(
      {
        ...dependencies,
        admit: createAdmission({
          authenticate: () => sessions.authenticate(state),
          organisations,
          registeredOnly,
          take,
        }),
      },
      { api: 'pages', refuse, headOf: () => head },
      of,
    );

  function attendanceForm(session: Session, look: Look): AttendanceForm {
    return {
      token: forms.token({ form: 'attendance', owner: session.id }),
      of: sealer.seal('look', { ...look, owner: session.id }),
    };
  }

  const offerAttendance = (session: Session, look: Look) =>
    attendanceDetails(attendanceForm(session, look));

  /** What came of a look, said on the page of its answer. */
  const submitAttendance: Handler = async (c) => {
    const { incoming } = c.env;
    const { state, session, fields } = await readSignedIn(c.env);

    function refuse(code: ErrorCode, options: ProblemOptions): Response {
      if (!forms.isSentFromHere(incoming)) return frame(untrustedPage());
      if (session === undefined) return frame(overPage(noLongerSignedIn(state)));
      if (code === 'form-untrusted') return frame(untrustedPage());
      const page =
        code === 'too-many-requests' || signInRefusalOf(code) !== undefined
          ? notChecked(session, code, { typed: {} }, options)
          : attendanceNotRecorded(code !== 'look-not-found');
      return frame({
        ...page,
        ...(code === 'header-repeated' && { status: 400 }),
        ...signedIn(session),
      });
    }

    const head = { headers: { 'x-request-id': randomUUID() }, rawHeaders: incoming.rawHeaders };
    return asSession(state, head, refuse, async (_, admitted) => {
      if (session === undefined) return { code: 'token-required' };
      const look = lookSchema.safeParse(sealer.open('look', fields?.get('of') ?? '')).data;
      const isOurs =
        fields !== undefined &&
        look?.owner === session.id &&
        forms.isOurs(incoming, fields, { form: 'attendance', owner: session.id });
      if (!isOurs) return { code: 'form-untrusted' };
      const typed = typedAttendance(fields);
      const read = readAttendance(typed, look.nhsNumber);
      if ('errors' in read) {
        const page = attendanceErrors(attendanceForm(session, look), typed, read.errors);
        return frame({ ...page, ...signedIn(session) });
      }
      const said = JSON.stringify([look.lookupId, read.request]);
      let attending = attendances.find(said);
      if (attending === undefined) {
        attending = attend(admitted, look.lookupId, read.request, 'pages');
        attendances.hold(said, attending);
      }
      const attended = await attending;
      if (attended.kind === 'refused') return { code: attended.code };
      const page = attendanceRecorded(attended.authorities.map(({ name }) => name));
      return frame({ ...page, ...signedIn(session) });
    })(c);
  };

  /** Whether somebody's looks may be silent, so that a list of them is no list of attendances. */
  function mayPaste(session: Session): boolean {
    const counting = countsOf(session);
    return listsADay > 0 && 'counts' in counting && counting.counts !== 'unscheduled';
  }

  const noSuchList = (session: Session): Response =>
    frame({ ...notFoundPage(), ...signedIn(session) });

  const showList: Handler = ({ env }) => {
    const state = sessions.read(env.incoming);
    if (state.kind !== 'open') return redirect('/sign-in');
    const { session } = state;
    if (!mayPaste(session)) return noSuchList(session);
    return frame({ ...listForm(newHidden(session)), ...signedIn(session) });
  };

  /** Takes one of the lists of a day, whichever process is asked; false where all are taken. */
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
    { id, asked, lines }: { id: string; asked: string; lines: readonly Line[] },
    trace: Trace | undefined,
  ): Promise<Page | undefined> {
    // Without Redis each number is recorded as one that could not be checked.
    const isFirst = await endings.once(`look ${id}`).catch(() => undefined);
    if (isFirst === false) return undefined;
    const isTaken = isFirst && (await takeList(admitted.caller).catch(() => undefined));
    if (isTaken === false) {
      return { ...listForm(newHidden(session), '', LIST.usedUp(listsADay)), ...signedIn(session) };
    }
    const undelivered: (() => void)[] = [];
    let isBehind = false;
    async function check(line: Line): Promise<Listed> {
      const { request } = line;
      if (request === undefined) return { ...line, outcome: 'wrong' };
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
            isBehind ||= checked.coverage.coverage.notUpToDate.length > 0;
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
      ...listResult(listed, isBehind),
      ...signedIn(session),
      aside: hideLink(),
      leave: { afterSeconds: SHOWN_FOR_SECONDS, to: HIDDEN_PATH },
    };
  }

  const submitList: Handler = async (c) => {
    const { incoming, outgoing } = c.env;
    const { state, session, fields } = await readSignedIn(c.env);
    if (session !== undefined && !mayPaste(session) && forms.isSentFromHere(incoming)) {
      return noSuchList(session);
    }

    function refuse(code: ErrorCode, options: ProblemOptions): Response {
      if (!forms.isSentFromHere(incoming)) return frame(untrustedPage());
      if (session === undefined) return frame(overPage(noLongerSignedIn(state)));
      if (code === 'form-untrusted') return frame(untrustedPage());
      return frame(notChecked(session, code, { typed: {} }, options));
    }

    const head = {
      headers: { 'x-request-id': randomUUID(), isunscheduledaccessevent: 'false' },
      rawHeaders: incoming.rawHeaders,
    };
    return asSession(state, head, refuse, async (_, admitted, trace) => {
      const id = fields?.get('form') ?? '';
      if (
        session === undefined ||
        fields === undefined ||
        !FORM_ID.test(id) ||
        !forms.isOurs(incoming, fields, { form: 'look-up', owner: session.id, once: id })
      ) {
        return { code: 'form-untrusted' };
      }
      if (admitted.access.access !== 'silent-read') return { code: 'batch-not-allowed' };
      const text = fields.get('list') ?? '';
      const lines = readList(text, now());
      const wrong =
        lines.length === 0
          ? LIST.empty
          : lines.length > BATCH_AT_MOST
            ? LIST.tooMany(BATCH_AT_MOST, lines.length)
            : undefined;
      if (wrong !== undefined) {
        return frame({ ...listForm(newHidden(session), text, wrong), ...signedIn(session) });
      }
      const asked = JSON.stringify([id, text]);
      let answer = answers.find(asked);
      if (answer === undefined) {
        // The request itself was counted as one.
        const limit = take(admitted.caller, lines.length - 1);
        if (limit !== undefined) return { code: 'too-many-requests', limit };
        answer = lookUpAll(session, admitted, { id, asked, lines }, trace);
        answers.hold(asked, answer);
      }
      const page = await answer;
      if (page === undefined) return frame(hiddenPage({ kind: 'none' }));
      follow(asked, incoming, outgoing);
      return frame(page);
    })(c);
  };

  return {
    show,
    submit,
    showHidden,
    submitAttendance,
    showList,
    submitList,
    stop() {
      answers.stop();
      attendances.stop();
    },
  };
}
