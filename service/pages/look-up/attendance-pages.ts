import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ErrorCode } from '#schemas/errors.ts';
import { nhsNumberSchema } from '#schemas/nhs-number.ts';
import type { ProblemOptions } from '../../http/problem.ts';
import type { Handler } from '../../http/route.ts';
import type { Attend, Attended } from '../../lookup/attendance.ts';
import type { Frame, Page } from '../html/frame.ts';
import type { Forms } from '../session/forms.ts';
import type { Sealer } from '../session/seal.ts';
import type { Session } from '../session/sessions.ts';
import { signInRefusalOf } from '../sign-in/refused.ts';
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
import { formRefusedPage, isFormRefusal, overPage } from './not-checked.ts';
import type { SignedInPages } from './signed-in.ts';

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

/** What came of a look: offered below an answer, and recorded when it is said. */
export function createAttendancePages(
  { frame, forms, attend, sealer }: AttendancePagesDependencies,
  { signedIn, noLongerSignedIn, notChecked, readSignedIn, asSession }: SignedInPages,
) {
  const attendances = new Answers<Attended>();

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
    const { state, session, form } = await readSignedIn(c.env);

    let wrong: Page | undefined;

    function refuse(code: ErrorCode, options: ProblemOptions): Response {
      if (!forms.isSentFromHere(incoming)) return frame(formRefusedPage('form-untrusted'));
      if (session === undefined) return frame(overPage(noLongerSignedIn(state)));
      if (isFormRefusal(code)) return frame(formRefusedPage(code));
      if (wrong !== undefined) return frame({ ...wrong, ...signedIn(session) });
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
      if (typeof form === 'string') return { code: form };
      const look = lookSchema.safeParse(sealer.open('look', form.get('of') ?? '')).data;
      const isOurs =
        look?.owner === session.id &&
        forms.isOurs(incoming, form, { form: 'attendance', owner: session.id });
      if (!isOurs) return { code: 'form-untrusted' };
      const typed = typedAttendance(form);
      const read = readAttendance(typed, look.nhsNumber);
      if ('errors' in read) {
        wrong = attendanceErrors(attendanceForm(session, look), typed, read.errors);
        return { code: 'invalid-attendance' };
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

  return { offerAttendance, submitAttendance, stop: () => attendances.stop() };
}
