import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ErrorCode } from '#schemas/errors.ts';
import { nhsNumberSchema } from '#schemas/nhs-number.ts';
import type { ProblemOptions } from '../../http/problem.ts';
import type { Handler } from '../../http/route.ts';
import type { Attend, Attended } from '../../lookup/attendance.ts';
import type { Frame, Page } from '../html/frame.ts';
import { html } from '../html/html.ts';
import { tried } from '../html/parts.ts';
import type { Fields, Forms } from '../session/forms.ts';
import type { Sealer } from '../session/seal.ts';
import type { Session } from '../session/sessions.ts';
import { Answers } from './answers.ts';
import {
  type AttendanceForm,
  attendanceDetails,
  attendanceErrors,
  attendanceFields,
  attendanceNotRecorded,
  attendanceRecorded,
  type Look,
  readAttendance,
  type Typed,
  typedAttendance,
  whyNotRecorded,
} from './attendance.ts';
import { FORM_ENDED, type SignedInPages } from './signed-in.ts';

export type AttendancePagesDependencies = {
  frame: Frame;
  forms: Forms;
  attend: Attend;
  sealer: Sealer;
};

const lookSchema = z.strictObject({
  owner: z.uuid(),
  lookupId: z.uuid(),
  nhsNumber: nhsNumberSchema,
});

type Said = { words: string; attended: Attended };

/** The outcome of a look: offered below an answer, and recorded when given. */
export function createAttendancePages(
  { frame, forms, attend, sealer }: AttendancePagesDependencies,
  { signedIn, noLongerSignedIn, readSignedIn, asSession }: SignedInPages,
) {
  /** The last recorded outcome of each look. */
  const attendances = new Answers<Said>();

  function attendanceForm(session: Session, { lookupId, nhsNumber }: Look): AttendanceForm {
    return {
      token: forms.token({ form: 'attendance', owner: session.id }),
      of: sealer.seal('look', { lookupId, nhsNumber, owner: session.id }),
    };
  }

  /** The look of this session that a form is about, and the outcome given. */
  function lookOf(session: Session, form: Fields): (Look & { typed: Typed }) | undefined {
    const look = lookSchema.safeParse(sealer.open('look', form.get('of') ?? '')).data;
    if (look?.owner !== session.id) return undefined;
    const { lookupId, nhsNumber } = look;
    return { lookupId, nhsNumber, typed: typedAttendance(form) };
  }

  /**
   * Records the outcome of a look, only once if a double click sends the same twice. Failed records, and
   * corrections, are recorded again.
   */
  async function sayOnce(
    lookupId: string,
    words: string,
    say: () => Promise<Attended>,
  ): Promise<Attended> {
    for (;;) {
      const held = attendances.find(lookupId);
      const last = await held?.catch(() => undefined);
      if (last?.words === words && last.attended.kind === 'recorded') return last.attended;
      // If another outcome was recorded meanwhile, that is the last one.
      if (attendances.find(lookupId) === held) break;
    }
    attendances.forget(lookupId);
    const saying = say().then((attended): Said => ({ words, attended }));
    attendances.hold(lookupId, saying);
    return (await saying).attended;
  }

  const offerAttendance = (session: Session, look: Look) =>
    attendanceDetails(attendanceForm(session, look));

  /** The outcome of a look, recorded on the page of its answer. */
  const submitAttendance: Handler = async (c) => {
    const { incoming } = c.env;
    const { state, session, form } = await readSignedIn(c.env);

    let wrong: Page | undefined;

    function refuse(code: ErrorCode, options: ProblemOptions): Response {
      const not = whyNotRecorded(code, options.limit);
      if (!forms.isSentFromHere(incoming)) {
        return frame(attendanceNotRecorded(whyNotRecorded('form-untrusted')));
      }
      if (session === undefined) {
        const page = attendanceNotRecorded({ why: 'over', status: 401 });
        const cookies = noLongerSignedIn(state);
        return frame({ ...page, cookies, signsOut: cookies.length > 0 });
      }
      if (code === 'form-untrusted' && typeof form !== 'string') {
        return frame({
          ...attendanceNotRecorded({ ...not, why: 'stale' }),
          ...signedIn(session),
        });
      }
      const shown = { ...signedIn(session), endsWithSession: FORM_ENDED };
      if (wrong !== undefined) return frame({ ...wrong, ...shown });
      const mayHelp = not.why === 'too-many-requests' || not.why === 'failed';
      const look = typeof form === 'string' || !mayHelp ? undefined : lookOf(session, form);
      return frame({
        ...attendanceNotRecorded(
          not,
          look &&
            html`${tried()}${attendanceFields(attendanceForm(session, look), look.typed, [])}`,
        ),
        ...shown,
      });
    }

    const head = { headers: { 'x-request-id': randomUUID() }, rawHeaders: incoming.rawHeaders };
    return asSession(state, head, refuse, async (_, admitted) => {
      if (session === undefined) return { code: 'token-required' };
      if (typeof form === 'string') return { code: form };
      const look = lookOf(session, form);
      const isOurs = forms.isOurs(incoming, form, { form: 'attendance', owner: session.id });
      if (look === undefined || !isOurs) return { code: 'form-untrusted' };
      const { typed } = look;
      const read = readAttendance(typed, look.nhsNumber);
      if ('errors' in read) {
        wrong = attendanceErrors(attendanceForm(session, look), typed, read.errors);
        return { code: 'invalid-attendance' };
      }
      const attended = await sayOnce(look.lookupId, JSON.stringify(read.request), () =>
        attend(admitted, look.lookupId, read.request, 'pages'),
      );
      if (attended.kind === 'refused') return { code: attended.code };
      const page = attendanceRecorded(
        read.request.attended,
        attended.authorities.map(({ name }) => name),
        attendanceForm(session, look),
        typed,
      );
      return frame({ ...page, ...signedIn(session), endsWithSession: FORM_ENDED });
    })(c);
  };

  return { offerAttendance, submitAttendance, stop: () => attendances.stop() };
}
