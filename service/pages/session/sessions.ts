import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { type Caller, callerOf } from '#schemas/people/caller.ts';
import {
  issuerNameSchema,
  roleSchema,
  SCOPES,
  type Scope,
  userSchema,
} from '#schemas/people/identity.ts';
import { shortTextSchema } from '#schemas/text.ts';
import type { SessionEndings } from '#store/session-endings.ts';
import type { Authentication } from '../../admission/authenticate.ts';
import type { Cookies } from './cookies.ts';
import type { Sealer } from './seal.ts';

/** A clinician walks away from a screen: after this time at most nobody is signed in on it. */
export const IDLE_MS = 10 * 60_000;
/** More than the clocks of two processes differ by. Otherwise a clock put back would lengthen what lasts for a time. */
export const CLOCKS_APART_MS = 60_000;
/** The time in which a browser comes with a session that it was given. */
const UNUSED_FOR_MS = 5_000;
/** The longest shift. */
export const LONGEST_MS = 12 * 3_600_000;

const sessionSchema = z.strictObject({
  id: z.uuid(),
  /** The id of a provider of SIGN_IN_FILE, or `demo`. */
  provider: z.string(),
  /** The digest of the provider's settings when they signed in. */
  settings: z.string(),
  issuer: issuerNameSchema,
  client: z.string(),
  /** The provider's own id of the person, and of its session, by which it ends sessions here. */
  subject: z.string(),
  sid: z.string().optional(),
  user: userSchema,
  name: shortTextSchema,
  role: roleSchema,
  scopes: z.array(z.enum(SCOPES)),
  /** By the store's clock, like endings. */
  issuedAt: z.int(),
  /** By the clock of the process that made the cookie. */
  seenAt: z.int(),
});
export type Session = z.infer<typeof sessionSchema>;

/** Who somebody turned out to be when they signed in. */
export const signedInSchema = sessionSchema.omit({ id: true, issuedAt: true, seenAt: true });
export type SignedIn = z.infer<typeof signedInSchema>;

export type SessionState =
  | { kind: 'open'; session: Session; caller: Caller }
  /** The session's time is over, or it was ended. */
  | { kind: 'over' }
  /** It is unknown at present whether it was ended. */
  | { kind: 'unknown'; session: Session; caller: Caller }
  | { kind: 'none' };

export type Sessions = {
  /**
   * @param scope that the page demands. Operators are let in although replicas do not confirm which sessions have
   * ended, because only they can order that nothing waits for replicas.
   */
  read: (incoming: Pick<IncomingMessage, 'headers'>, scope?: Scope) => SessionState;
  /** What a session means to a lookup: the same caller as a bearer token of this person. */
  authenticate: (state: SessionState) => Authentication;
  /**
   * A new session, whose id nobody knew before, and its cookie; `undefined` while it is not known what has ended, or the
   * store's clock, by which it is judged what ended before.
   *
   * @param id made at random, and shown to nobody
   */
  begin: (
    signedIn: SignedIn,
    issuedAt?: number,
    id?: string,
  ) => { id: string; cookie: string } | undefined;
  /** Whether a browser has come with a session that began here a moment ago; `undefined` for any other session. */
  isUsed: (id: string) => boolean | undefined;
  /** Whether a session that began then, or now, would be over: it has ended, or its provider has ended it. */
  isOver: (signedIn: SignedIn, issuedAt?: number, id?: string) => boolean;
  /** The cookie of a session in use. */
  renew: (session: Session) => string;
  /** Whether one is known to have ended early. */
  hasEnded: (session: Pick<Session, 'id' | 'issuer' | 'subject' | 'sid' | 'issuedAt'>) => boolean;
  /** Ends it in every process. Rejects if that cannot be recorded. */
  end: (session: Session) => Promise<void>;
  /** When a session ends unless it is used, in milliseconds since 1970. */
  endsAt: (session: Session) => number;
};

type SessionDependencies = {
  sealer: Sealer;
  cookies: Cookies;
  endings: SessionEndings;
  /** Whether people of a provider are let in at present, and its settings are unchanged. */
  isProvider: (of: Pick<SignedIn, 'provider' | 'settings'>) => boolean;
  blocked: (userKey: string) => boolean;
  /** Revoked by file: a user or a client. */
  revoked: (of: Pick<SignedIn, 'issuer' | 'user' | 'client'>) => boolean;
  now?: () => number;
};

/**
 * Sessions of browsers: a sealed cookie holds whose it is, in which role and since when. No token is stored,
 * and nothing on the server except what has ended.
 */
export function createSessions(dependencies: SessionDependencies): Sessions {
  const { sealer, cookies, endings, isProvider, blocked, revoked, now = Date.now } = dependencies;

  const used = new Map<string, boolean>();

  const endsAt = ({ issuedAt, seenAt }: Session): number =>
    Math.min(issuedAt + LONGEST_MS, seenAt + IDLE_MS);

  const hasEnded: Sessions['hasEnded'] = ({ id, issuer, subject, sid, issuedAt }) =>
    endings.hasEnded({ of: 'session', id }, issuedAt) ||
    endings.hasEnded({ of: 'subject', issuer, subject }, issuedAt) ||
    endings.hasEnded(
      sid === undefined
        ? { of: 'subject-without-sid', issuer, subject }
        : { of: 'provider-session', issuer, sid },
      issuedAt,
    );

  const isKnown = (scopes: readonly Scope[]): boolean =>
    endings.current || (endings.isRead && scopes.includes('operate'));

  const cookieOf = (session: Session): string =>
    cookies.set('session', sealer.seal('session', session));

  return {
    read(incoming, scope) {
      const cookie = cookies.read(incoming, 'session');
      if (cookie === undefined) return { kind: 'none' };
      const session = sessionSchema.safeParse(sealer.open('session', cookie)).data;
      if (session === undefined) return { kind: 'none' };
      if (used.has(session.id)) used.set(session.id, true);
      const isOfTheFuture = session.seenAt > now() + CLOCKS_APART_MS;
      if (now() >= endsAt(session) || isOfTheFuture || !isProvider(session) || revoked(session)) {
        return { kind: 'over' };
      }
      if (hasEnded(session) || endings.isLost(session.issuedAt)) return { kind: 'over' };
      const caller = callerOf(session);
      const scopes = scope === undefined ? [] : [scope];
      return { kind: isKnown(scopes) ? 'open' : 'unknown', session, caller };
    },
    authenticate(state) {
      switch (state.kind) {
        case 'open':
          return blocked(state.caller.userKey)
            ? { kind: 'refused', code: 'user-blocked', caller: state.caller }
            : { kind: 'verified', callers: [state.caller] };
        case 'over':
          return { kind: 'refused', code: 'token-expired' };
        case 'unknown':
          return { kind: 'refused', code: 'could-not-check', caller: state.caller };
        case 'none':
          return { kind: 'refused', code: 'token-required' };
      }
    },
    isOver(signedIn, issuedAt = endings.now(), id = '') {
      return (
        issuedAt !== undefined &&
        (hasEnded({ ...signedIn, id, issuedAt }) || endings.isLost(issuedAt))
      );
    },
    begin(signedIn, issuedAt = endings.now(), id = randomUUID()) {
      if (issuedAt === undefined || !isKnown(signedIn.scopes)) return undefined;
      used.set(id, false);
      setTimeout(() => used.delete(id), UNUSED_FOR_MS).unref();
      return { id, cookie: cookieOf({ ...signedIn, id, issuedAt, seenAt: now() }) };
    },
    isUsed: (id) => used.get(id),
    renew: (session) => cookieOf({ ...session, seenAt: now() }),
    hasEnded,
    end: ({ id }) => endings.endSession(id),
    endsAt,
  };
}
