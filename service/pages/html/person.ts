import type { Forms } from '../session/forms.ts';
import type { Session, Sessions } from '../session/sessions.ts';
import type { Person } from './frame.ts';

/** Who a page says is signed in, and until when. */
export const createPersonOf =
  ({
    sessions,
    forms,
    canChangeRole,
    now = Date.now,
  }: {
    sessions: Pick<Sessions, 'endsAt'>;
    forms: Pick<Forms, 'token'>;
    canChangeRole: (provider: string) => boolean;
    now?: () => number;
  }) =>
  (session: Session): Person => ({
    session,
    token: forms.token({ form: 'sign-out', owner: session.id }),
    canChangeRole: canChangeRole(session.provider),
    endsAfterSeconds: Math.ceil((sessions.endsAt(session) - now()) / 1_000),
  });
